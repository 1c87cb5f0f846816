#!/bin/bash
# Input sizes: not square, a range, growing, native, a larger one for the evaluation, fixres. The same bits on any number
# of ranks and after a resume; what a network does not take is refused. Usage: test_sizes.sh THAW
# shellcheck disable=SC2016,SC2034 # conditions are evaluated by check
# shellcheck source=tests/cli/lib.bash
. "$(dirname "$0")/lib.bash"
cd "$work" || exit 1

little() { printf '\\x%02x\\x%02x\\x%02x\\x%02x' $(($1 & 255)) $(($1 >> 8 & 255)) $(($1 >> 16 & 255)) $(($1 >> 24 & 255)); }

# picture FILE SEED WIDTH HEIGHT: a BMP of noise; the width is a multiple of 4.
picture() {
	local bytes=$(($3 * $4 * 3))
	{
		printf '%b' "BM$(little $((bytes + 54)))$(little 0)$(little 54)$(little 40)$(little "$3")$(little "$4")"
		printf '%b' "\\x01\\x00\\x18\\x00$(little 0)$(little $bytes)$(little 0)$(little 0)$(little 0)$(little 0)"
		LC_ALL=C awk -v n=$bytes -v x="$2" \
			'BEGIN { for (i = 0; i < n; i++) { x = (x * 1103 + 12345) % 1000003; printf "%c", 1 + x % 255 } }'
	} >"$1"
}
shapes=("36 24" "24 36" "28 28")
for split in train test; do
	mkdir -p data/$split/{a,b}
	for i in 0 1 2 3 4 5 6 7; do
		[ $split = test ] && [ $i -gt 2 ] && break
		read -r width height <<<"${shapes[i % 3]}"
		picture data/$split/a/$i.bmp $((i + 1)) "$width" "$height"
		picture data/$split/b/$i.bmp $((i + 101)) "$height" "$width"
	done
done
train=(train --data data --model cifar_resnet8 --unfreeze all --lanes 4 --batch 8 --epochs 2 --lr 0.02 --seed 5)

# The folder OUT as it was after step STEP.
cut_back() {
	local at file
	cp -r "$1" "$2" && rm -f "$2"/{result,best}.json "$2"/model.safetensors
	for file in "$2"/step-*.zst; do
		at=${file##*step-}
		[ "$((10#${at%%.*}))" -le "$3" ] || rm "$file"
	done
}

# same_bits NAME FLAGS...: one, two and three ranks, and resumed after each of two steps.
same_bits() {
	local name=$1 step
	shift
	run "$thaw" "${train[@]}" "$@" --out "$name" --checkpoint-every 1 --keep 99
	check "$name: a run ends" exits 0
	for ranks in 2 3; do
		run mpirun --oversubscribe -np $ranks "$thaw" "${train[@]}" "$@" --out "$name-$ranks"
		check "$name: $ranks ranks have the same bits" same_bytes "$name/model.safetensors" "$name-$ranks/model.safetensors"
	done
	for step in "$second" "$last"; do
		cut_back "$name" "$name-after-$step" "$step"
		run mpirun --oversubscribe -np $((step % 2 + 2)) "$thaw" "${train[@]}" "$@" --out "$name-after-$step"
		check "$name: resumed after step $step" err_has "resumed at step $step of"
		check "... with the same bits" same_bytes "$name/model.safetensors" "$name-after-$step/model.safetensors"
	done
}
same() { cmp -s "$1/model.safetensors" "$2/model.safetensors"; }

second=1 last=3
same_bits tall --size 32x16 --bn lane
check "the run records its size" grep -q '"size": "32x16"' tall/config.json
run "$thaw" eval --model tall --data data
check "eval uses it" exits 0 "resize to 32x16, crop 32x16"
run "$thaw" predict --model tall data/test/a/0.bmp
check "predict uses it" exits 0 "resize to 32x16, crop 32x16"
run "$thaw" "${train[@]}" --size 16x32 --bn lane --out tall
check "another size is refused" fails_once 78 "size"
run "$thaw" "${train[@]}" --size 16 --out square
run "$thaw" "${train[@]}" --size 16x16 --out written
check "16x16 is 16" same square written
check "a square is recorded as a number" grep -q '"size": 16,' written/config.json
run "$thaw" predict --model tall data/test/a/0.bmp --json && cp out wanted
run "$thaw" export tall --onnx tall.onnx --verify data
check "a network that is not square is exported" exits 0 "crop 32x16"
run "$thaw" eval --model tall.onnx --data data
check "an exported network that is not square is read" exits 0 "crop 32x16"
run "$thaw" inspect tall.onnx
check "inspect says its size, and which sizes it takes" prints "32 x 16 x 3" "sizes: any from 4 pixels"
run "$thaw" bench --model cifar_resnet8 --size 16x24 --steps 1
check "bench takes such a size" prints "cifar_resnet8, 16 x 24"
run "$thaw" compare --data data --size 24x16 cifar_resnet8
check "compare, too" exits 0 "crop 24x16"

same_bits range --size 12-24 --bn lane
check "the log says the set" err_has "drawn from 12 to 24, multiples of 4"
run "$thaw" eval --model range --data data
check "a range is evaluated at its middle" exits 0 "crop 20"
same_bits views --size 12-24 --views 2 --epochs 3 --unfreeze last:1
run "$thaw" "${train[@]}" --size 12-24 --views 2 --epochs 3 --unfreeze last:1 --cache off --out uncached
check "... and without the cache" same views uncached
run "$thaw" "${train[@]}" --size 12-24 --views 2 --epochs 3 --unfreeze last:1 --cache-dir files --out filed
check "... and with a cache in files" same views filed
same_bits growing --size 12:24
run "$thaw" "${train[@]}" --size 24 --epochs 1 --out large
run "$thaw" "${train[@]}" --size 12:24 --epochs 1 --out grown
check "a single epoch has the last size" same large grown

second=2 last=5
same_bits native --size native --max-size 32
check "the log says the limits" err_has "that of each image, sides of 4 to 32, multiples of 4"
run "$thaw" eval --model native --data data --json
check "eval uses each image's own size" exits 0 "each image's own size in multiples of 4, 4 to 32"
cp out wanted
run "$thaw" eval --model native --data data --size native --json
check "... within the recorded limits" same_bytes wanted out
for ranks in 2 3; do
	run mpirun --oversubscribe -np $ranks "$thaw" eval --model native --data data --json
	check "... on $ranks ranks" cmp -s out wanted
done
run "$thaw" predict --model native data/test/a/0.bmp data/test/a/1.bmp --json
check "predict, too" exits 0 "each image's own size"
cp out both && run "$thaw" predict --model native data/test/a/1.bmp --json
check "... for each image alone" eval 'grep -qF "$(grep -o "\"probability\": [0-9.]*" out | head -n 1)" both'
run "$thaw" eval --model square --data data --size native
check "a network that was trained at one size is evaluated at native ones" exits 0 "own size in multiples of 4"
run "$thaw" eval --model native --data data --size 16
check "... and the other way round" exits 0 "crop 16"

second=1 last=5
same_bits larger --size 16 --eval-size 24 --fixres 2 --bn lane --cache-dir kept
run "$thaw" "${train[@]}" --size 16 --eval-size 24 --fixres 2 --bn lane --cache off --out plain
check "... and without the cache" same larger plain
check "training and evaluation sizes are recorded" eval 'grep -q "\"size\": 16," larger/config.json && grep -q "\"fixres\": 2" larger/config.json'
run "$thaw" eval --model larger --data data
check "eval uses the size of the evaluation" exits 0 "crop 24"
run "$thaw" "${train[@]}" --size 16 --eval-size 24 --bn lane --out larger
check "a start without --fixres is refused" fails_once 78 "fixres"
run "$thaw" eval --model larger --from step-4 --data data
check "the network before fixres can be evaluated" exits 0 "step 4 of larger"

# A checkpoint of the last phase without what earlier ones trained.
cut_back larger poor 5
for file in poor/step-*5.safetensors.zst; do
	zstd -dcq "$file" | LC_ALL=C sed 's/"layer1\.0\.conv1\.weight"/"layer1.0.conv9.weight"/' >poorer
	zstd -qf poorer -o "$file"
done
run "$thaw" "${train[@]}" --size 16 --eval-size 24 --fixres 2 --bn lane --out poor
check "... is skipped" exits 0 "layer1.0.conv1.weight is missing" "resumed at step 4 of"
check "... and the run ends with the same bits" same larger poor

# What cannot be.
run "$thaw" "${train[@]}" --size 13-15 --out x
check "a range without a multiple of the stride" fails_once 64 "no multiple of 4" "13-15"
for bad in 24-12 0x5 16x 16X24 12-24-36 native2 -5 99999 12x16-24; do
	run "$thaw" "${train[@]}" --size "$bad" --out x
	check "--size $bad is refused" fails 64 "--size"
done
run "$thaw" "${train[@]}" --size 12:24 --views 2 --out x
check "growing sizes and views" fails_once 64 "--views"
run "$thaw" "${train[@]}" --size native --fixres 1 --out x
check "native sizes and fixres" fails_once 64 "--fixres"
run "$thaw" "${train[@]}" --max-size 32 --out x
check "--max-size without native sizes" fails_once 64 "--max-size"
finish
