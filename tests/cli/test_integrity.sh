#!/bin/bash
# Files that were changed after they were written: images under cached features, the cache itself, the trained network
# and the result; and ranks that do not see the same. Usage: test_integrity.sh THAW
# shellcheck disable=SC2016,SC2034 # conditions are evaluated by check
# shellcheck source=tests/cli/lib.bash
. "$(dirname "$0")/lib.bash"
cd "$work" || exit 1

# picture FILE GREY: a PPM is not read, so a BMP of 8 x 8 pixels of one grey, always 246 bytes.
picture() {
	{
		printf 'BM\xf6\0\0\0\0\0\0\0\x36\0\0\0\x28\0\0\0\x08\0\0\0\x08\0\0\0\x01\0\x18\0\0\0\0\0\xc0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0'
		head -c 192 /dev/zero | tr '\0' "$(printf '\\%03o' "$2")"
	} >"$1"
}
# pictures FOLDER: two classes of 8 images to train on and 4 to test; all have the same time.
pictures() {
	local i split
	for split in train test; do
		mkdir -p "$1/$split/dark" "$1/$split/light"
		for i in 1 2 3 4 5 6 7 8; do
			[ $split = test ] && [ "$i" -gt 4 ] && continue
			picture "$1/$split/dark/$i.bmp" $((i * 9))
			picture "$1/$split/light/$i.bmp" $((150 + i * 9))
		done
	done
	find "$1" -name '*.bmp' -exec touch -d '2020-01-01' {} +
}
pictures data
train=(train --model cifar_resnet8 --data data --size 8 --unfreeze last:1 --batch 8 --lanes 4 --epochs 3 --views 1
	--seed 3 --lr 0.05 --bn lane --checkpoint-every 1)
sum() { sha256sum <"$1/model.safetensors"; }

# ---- Cached features -------------------------------------------------------------------------------

run "$thaw" "${train[@]}" --out plain --cache off
check "a run without a cache" exits 0
run "$thaw" "${train[@]}" --out first --cache-dir cache
check "a run that fills the cache" eval 'exits 0 && [ "$(sum first)" = "$(sum plain)" ]'
run "$thaw" "${train[@]}" --out second --cache-dir cache
check "a run that uses it says nothing of it" eval 'exits 0 && [ "$(sum second)" = "$(sum plain)" ] && ! grep -q "features" err'

# Other pixels, the same size and time.
cp -r data replaced && picture data/train/dark/1.bmp 77 && touch -d '2020-01-01' data/train/dark/1.bmp
run "$thaw" "${train[@]}" --out other-plain --cache off
run "$thaw" "${train[@]}" --out other --cache-dir cache
check "replaced pictures: their features are not used" eval \
	'exits 0 "images have changed since their features were cached: cache" && [ "$(sum other)" = "$(sum other-plain)" ] &&
	[ "$(sum other)" != "$(sum plain)" ]'
run "$thaw" "${train[@]}" --out other-again --cache-dir cache
check "... and the new ones are cached" eval 'exits 0 && [ "$(sum other-again)" = "$(sum other)" ] && ! grep -q "features" err'
rm -r data && mv replaced data && find data -name '*.bmp' -exec touch {} +
run "$thaw" "${train[@]}" --out back --cache-dir cache
check "pictures with other times only: the one that differed is computed again" eval 'exits 0 "images have changed" && [ "$(sum back)" = "$(sum plain)" ]'

# flip FILE OFFSET: the lowest bit of one byte.
flip() {
	local byte
	byte=$(od -An -tu1 -j "$2" -N 1 "$1")
	printf '%b' "$(printf '\\%03o' $((byte ^ 1)))" | dd of="$1" bs=1 seek="$2" conv=notrunc status=none
}
for file in cache/*train*; do flip "$file" 4096; done
run "$thaw" "${train[@]}" --out index --cache-dir cache
check "a flipped bit in the index: the cache is made anew, with one line" eval \
	'exits 0 "the feature cache is damaged: cache: it is made anew" && [ "$(grep -c features\\\|cache: err)" -eq 1 ] &&
	[ "$(sum index)" = "$(sum plain)" ]'
for file in cache/*train*; do flip "$file" 8200; done
run "$thaw" "${train[@]}" --out record --cache-dir cache
check "a flipped bit in a record" eval 'exits 0 "cached features are damaged: cache" && [ "$(sum record)" = "$(sum plain)" ]'
for file in cache/*; do truncate -s 5000 "$file"; done
run "$thaw" "${train[@]}" --out short --cache-dir cache
check "truncated cache files" eval 'exits 0 "is damaged" && [ "$(sum short)" = "$(sum plain)" ]'

# Closed descriptors are not given out for files.
rm -r cache
run bash -c 'exec "$@" <&- >&- 2>&-' - "$thaw" "${train[@]}" --out closed --cache-dir cache
check "started with descriptors 0 to 2 closed" eval '[ "$(sum closed)" = "$(sum plain)" ] && ! grep -aq "epoch" cache/*'

# ---- The trained network and the result ------------------------------------------------------------

run "$thaw" "${train[@]}" --out plain
check "a second start finds the run done" exits 0 "already done"
size=$(stat -c %s plain/model.safetensors)
# damaged NAME COMMAND...: COMMAND in a copy of the run; then commands refuse its network, and a start makes it anew.
damaged() {
	local name=$1
	shift
	rm -rf hurt && cp -r plain hurt
	(cd hurt && eval "$*")
	cp -r hurt bare && rm bare/step-*
	run "$thaw" predict --model hurt data/test/dark/1.bmp
	check "$name: refused by predict" fails 65 hurt/ "start the run again"
	run "$thaw" eval --model hurt/model.safetensors --data data
	check "... by eval" fails_once 65 hurt/ "start the run again"
	run "$thaw" export hurt --safetensors out.safetensors
	check "... by export" fails 65 hurt/ "start the run again"
	run "$thaw" "${train[@]}" --out bare
	check "... without checkpoints by train" fails 65 bare/ "no checkpoint to make it anew from"
	rm -r bare
	run "$thaw" "${train[@]}" --out hurt
	check "... made anew from the newest checkpoint" eval \
		'exits 0 hurt/ "made anew from the newest checkpoint" "resumed at step" && [ "$(sum hurt)" = "$(sum plain)" ]'
	run "$thaw" "${train[@]}" --out hurt
	check "... and then done" exits 0 "already done"
}
damaged "a truncated network" truncate -s 9000 model.safetensors
damaged "an empty network" truncate -s 0 model.safetensors
damaged "a flipped bit of a weight" flip model.safetensors $((size - 5))
damaged "an empty result" 'echo "{}" >result.json'
damaged "a result that is not JSON" 'echo "{" >result.json'
damaged "a result with another accuracy" 'sed -i "s/\"top1\": [0-9.]*/\"top1\": 0.25/" result.json'
rm -rf older && cp -r plain older
sed -i '/"checksum"/d; /"model_file"/,/}/d' older/result.json && sed -i '$!N; s/,\n}/\n}/; P; D' older/result.json
run "$thaw" "${train[@]}" --out older
check "a result of an earlier version" exits 0 "already done"
cp plain/model.safetensors alone.safetensors
run "$thaw" predict --model alone.safetensors data/test/dark/1.bmp
check "a copy of the network elsewhere" exits 0

# Pictures that were replaced while a run was interrupted.
begun() { rm -rf begun && cp -r "$1" begun && rm begun/model.safetensors begun/result.json; }
begun plain && mv data/train/light/3.bmp kept.bmp && picture data/train/light/3.bmp 1
run "$thaw" "${train[@]}" --out begun
check "a picture that was replaced since the run began" fails_once 78 "train/light/3.bmp: restore it"
run "$thaw" "${train[@]}" --out plain
check "... but a run that is done stays done" exits 0 "already done"
mv kept.bmp data/train/light/3.bmp && touch data/train/light/3.bmp
run "$thaw" "${train[@]}" --out begun
check "... and put back" eval 'exits 0 "resumed at step" && [ "$(sum begun)" = "$(sum plain)" ]'

# ---- Ranks -----------------------------------------------------------------------------------------

cp -rp data mount && picture mount/test/light/2.bmp 99 && touch -r data/test/light/2.bmp mount/test/light/2.bmp
run mpirun -np 1 "$thaw" "${train[@]}" --out mixed : -np 1 "$thaw" "${train[@]}" --data mount --out mixed
check "ranks with other pictures of the same names" fails_once 78 "light/2.bmp" "rank 1 on $(hostname) has other bytes than rank 0 on"

# Another build of the same version: the program with another digest in it.
LC_ALL=C sed 's/(build [0-9a-f]\{16\})/(build 0123456789abcdef)/' "$thaw" >rebuilt && chmod +x rebuilt
run ./rebuilt --version
check "another build" prints "(build 0123456789abcdef)"
for flags in "${train[*]} --out builds" "eval --model plain --data data"; do
	# shellcheck disable=SC2086 # $flags is several words
	run mpirun -np 1 "$thaw" $flags : -np 1 ./rebuilt $flags
	check "ranks of two builds: ${flags%% *}" fails_once 78 "version of thaw differs" "build 0123456789abcdef"
done
cp -r plain continued && rm continued/model.safetensors continued/result.json
run ./rebuilt "${train[@]}" --out continued
check "a run that another build continues says so" eval \
	'exits 0 "another build of thaw continues this run" "this is" "0123456789abcdef" && [ "$(sum continued)" = "$(sum plain)" ]'
run "$thaw" "${train[@]}" --out cached --cache-dir cache
run ./rebuilt "${train[@]}" --out cached-other --cache-dir cache
check "... and makes its own cached features" exits 0 "the feature cache was made with other settings, images or another build"

finish
