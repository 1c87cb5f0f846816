#!/bin/bash
# thaw verify: which bytes a run was trained on, what has changed since, and whether its steps can be repeated bit by bit.
# Usage: test_verify.sh THAW
# shellcheck disable=SC2016,SC2034 # conditions are evaluated by check
# shellcheck source=tests/cli/lib.bash
. "$(dirname "$0")/lib.bash"
cd "$work" || exit 1
export TMPDIR=$work/temporary
mkdir "$TMPDIR"

# picture FILE GREY: a BMP of 8 x 8 pixels of one grey, always 246 bytes.
picture() {
	{
		printf 'BM\xf6\0\0\0\0\0\0\0\x36\0\0\0\x28\0\0\0\x08\0\0\0\x08\0\0\0\x01\0\x18\0\0\0\0\0\xc0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0'
		head -c 192 /dev/zero | tr '\0' "$(printf '\\%03o' "$2")"
	} >"$1"
}
# flip FILE OFFSET: the lowest bit of one byte.
flip() {
	local byte
	byte=$(od -An -tu1 -j "$2" -N 1 "$1")
	printf '%b' "$(printf '\\%03o' $((byte ^ 1)))" | dd of="$1" bs=1 seek="$2" conv=notrunc status=none
}
# 2 classes of 40 images to train on, 4 to test; the sample that a run compares when it continues has 64 of the 80.
for class in 0 1; do
	mkdir -p data/train/c$class data/test/c$class
	for i in {10..49}; do picture "data/train/c$class/$i.bmp" $((class * 120 + i)); done
	for i in {10..13}; do picture "data/test/c$class/$i.bmp" $((class * 120 + i + 3)); done
done
train=(train --model cifar_resnet8 --data data --size 8 --unfreeze all --batch 20 --lanes 4 --seed 3 --lr 0.05 --bn lane
	--cache off)
digest() { grep -o '"images_digest": "[0-9a-f]*"' "$1/result.json"; }

# ---- What is recorded ------------------------------------------------------------------------------

run "$thaw" "${train[@]}" --out run --epochs 3 --keep 2
check "a run" exits 0
header() { zstd -dcq "$1/images.digests.zst" | head -n 1; }
check "records a digest of each image" eval '[ "$(zstd -dcq run/images.digests.zst | tail -n +2 | wc -c)" -eq $((88 * 8)) ] &&
	header run | grep -qF "\"data\":\"$work/data\"" && [ -n "$(digest run)" ]'
run mpirun -n 3 "$thaw" "${train[@]}" --out three --epochs 3 --keep 2
check "three ranks record the same" eval 'exits 0 && [ "$(digest three)" = "$(digest run)" ] &&
	cmp <(zstd -dcq run/images.digests.zst) <(zstd -dcq three/images.digests.zst)'
run "$thaw" verify run
check "nothing has changed" prints "images: 88 of 88 unchanged" "nothing has changed since the run"
run mpirun -n 3 "$thaw" verify run --json
check "... nor for three ranks" reports changed=false unchanged=88 added=0

for out in filling filled; do
	run "$thaw" "${train[@]}" --out $out --epochs 3 --unfreeze head --views 1 --cache auto --cache-dir cache
done
check "images whose features come from a cache have their digests" eval 'exits 0 && [ "$(digest filled)" = "$(digest run)" ] &&
	grep -q "\"images_unread\": 0" filled/result.json'

# ---- Images ----------------------------------------------------------------------------------------

cp -r data moved && picture moved/train/c0/11.bmp 200 && rm moved/train/c1/12.bmp && picture moved/test/c1/12.bmp 0 &&
	picture moved/train/c0/99.bmp 9
touch -r data/train/c0/11.bmp moved/train/c0/11.bmp
run "$thaw" verify run --data moved
check "images that are changed, gone or added are named" eval '[ "$code" -eq 65 ] && out_has "changed: train/c0/11.bmp" \
	"changed: test/c1/12.bmp" "gone: train/c1/12.bmp" "added: train/c0/99.bmp" "85 of 88 unchanged" &&
	err_has "thaw: not as the run left it: run: 2 of the images are changed (first: train/c0/11.bmp), and 2 more"'
run mpirun -n 3 "$thaw" verify run --data moved --json
check "... by three ranks, in JSON" eval '[ "$code" -eq 65 ] && [ "$(member changed)" = true ] && [ "$(member gone)" = 1 ] &&
	out_has "\"added_images\": [\"train/c0/99.bmp\"]"'
rm -r moved/train/c1
run "$thaw" verify run --data moved
check "a class that is gone" eval '[ "$code" -eq 65 ] && out_has "changed: class \"c1\""'
run "$thaw" verify run --data nowhere
check "a folder that is gone" eval '[ "$code" -eq 65 ] && out_has "no such folder: nowhere"'
touch data/train/c0/10.bmp
run "$thaw" verify run
check "another time of modification is no change" prints "88 of 88 unchanged"

# ---- An image that changes while the run is going on -------------------------------------------------

# The run continues from the end of its first epoch. Image 4 of 80 is not in the sample of 64.
cp -r run going && rm going/result.json going/model.safetensors going/step-8.* && cp -r data kept
newest=$(basename going/step-*)
picture data/train/c0/14.bmp 77
run "$thaw" "${train[@]}" --out going --epochs 3 --keep 2
check "an image that changed during the run is named, with the epoch" exits 0 \
	"an image changed during the run: train/c0/14.bmp: it has other bytes since train epoch"
check "... and recorded" eval 'header going | grep -q "\"image\":\"train/c0/14.bmp\"" && grep -q "\"images_changed\": 1" going/result.json &&
	[ "$(digest going)" != "$(digest run)" ]'
run "$thaw" verify going
check "... and told by verify" prints "88 of 88 unchanged" "1 image changed while the run was going on (first: train/c0/14.bmp"
rm -r data && mv kept data

# ---- Files of the run --------------------------------------------------------------------------------

# broken NAME COMMAND TEXT: verify of a copy of the run, after a command in it.
broken() {
	local name=$1 command=$2 text=$3
	rm -rf copy && cp -r run copy && (cd copy && eval "$command")
	run "$thaw" verify copy --data data
	check "$name" eval '[ "$code" -eq 65 ] && out_has "$text"'
}
broken "a damaged network" 'flip model.safetensors 5000' "damaged trained network"
broken "a network that is gone" 'rm model.safetensors' "the trained network is missing"
broken "a damaged checkpoint" 'flip "$(ls step-4.*)" 2000' "changed: damaged checkpoint: copy/step-4"
broken "a checkpoint under another name" 'cp step-4.safetensors.zst step-7.safetensors.zst' "not the checkpoint that its name says"
broken "damaged digests" 'truncate -s 300 images.digests.zst' "damaged file: copy/images.digests.zst"
broken "digests of another run" 'cp ../going/images.digests.zst .' "does not belong to result.json"
broken "a damaged list of images" 'flip images.list 100' "damaged file: copy/images.list"
broken "a record of the start that is gone" 'rm origin.json' "missing file: copy/origin.json"
run "$thaw" verify data
check "not a run directory" fails 64 "not a run directory: data"
rm -rf old && cp -r run old && rm old/images.digests.zst
run "$thaw" verify old
check "a run of an earlier version: its dataset is asked for" fails 64 "the run does not record its dataset: old: --data"
run "$thaw" verify old --data data
check "... and it is said that the bytes are not known" prints "an earlier version of thaw did not record which bytes"
rm old/result.json old/model.safetensors && truncate -s 200 old/images.digests.zst && cp run/images.digests.zst old/ &&
	truncate -s 200 old/images.digests.zst
run "$thaw" "${train[@]}" --out old --epochs 3 --keep 2
check "a run continues with damaged digests, and says so" eval 'exits 0 "which bytes the run was trained on so far is not known: damaged file: old/images.digests.zst" &&
	same_bytes old/model.safetensors run/model.safetensors'

mkdir -p kept-out/images.digests.zst
run "$thaw" "${train[@]}" --out kept-out --epochs 3 --keep 2
check "digests that cannot be written are said, and the run goes on" eval 'exits 0 "which bytes the run was trained on is not recorded: " &&
	same_bytes kept-out/model.safetensors run/model.safetensors'

# The network that a run started from.
run "$thaw" train --model run --data data --size 8 --batch 20 --lanes 4 --lr 0.05 --out next --epochs 2 --unfreeze head
run "$thaw" verify next
check "a run that started from a run" prints "nothing has changed"
cp -r run saved && cp going/model.safetensors going/result.json run/
run "$thaw" verify next
check "... which has changed since" eval '[ "$code" -eq 65 ] && out_has "the network that the run started from has changed"'
rm -r run && mv saved run

# ---- Repeating steps ---------------------------------------------------------------------------------

run "$thaw" verify run --retrain 1000
check "steps up to the trained network are repeated" prints "weights equal to the trained network, metrics equal" "nothing has changed"
run mpirun -n 3 "$thaw" verify run --retrain 4
check "... up to a checkpoint, by three ranks" eval '[ "$code" -eq 0 ] && out_has "steps 5 to 8: weights equal to the checkpoint of step 8, metrics equal"'
run "$thaw" verify run --retrain 1
check "... by metrics only" prints "steps 5 to 5: weights not compared, metrics equal"
rm -rf start && cp -r run start && rm start/step-* start/best.json
run "$thaw" verify start --retrain 100
check "... from the beginning, without checkpoints" prints "steps 1 to 12: weights equal to the trained network, metrics equal"
run "$thaw" verify next --retrain 100
check "... of a run that started from a run" prints "weights equal to the trained network"
run "$thaw" "${train[@]}" --out other --epochs 3 --keep 2 --lr 0.04
rm -rf start && cp -r run start && cp other/step-4.* start/
run "$thaw" verify start --retrain 4
check "other bits are found, with the tensor" eval '[ "$code" -eq 65 ] && out_has "weights different" "steps 5 to 8, repeated, give other bits than the run saved: first in "'
rm -rf start && cp -r run start && sed -i '/"step":6,/s/"lr":/"lr":1/' start/metrics.jsonl
run "$thaw" verify start --retrain 4
check "... and other numbers in the metrics, with the step" eval '[ "$code" -eq 65 ] && out_has "metrics different" "step 6, repeated, has other numbers than metrics.jsonl"'
run mpirun -n 5 "$thaw" verify run --retrain 4
check "more ranks than lanes cannot repeat" eval '[ "$code" -eq 78 ] && err_has "5 ranks for 4 lanes"'
run "$thaw" verify run --retrain 4 --threads 2
check "other BLAS threads cannot repeat" eval '[ "$code" -eq 78 ] && err_has "the run was trained with 1 BLAS threads, not 2: --threads"'
run env TMPDIR=/proc "$thaw" verify run --retrain 4
check "no temporary folder" eval '[ "$code" -eq 74 ] && err_has "cannot create a temporary folder (\$TMPDIR): /proc/thaw-verify-"'
picture data/train/c0/14.bmp 77
run "$thaw" verify run --retrain 4
check "nothing is repeated on other images" eval '[ "$code" -eq 65 ] && out_has "no steps were repeated: the images are not those of the run"'
check "temporary folders are removed" eval '[ -z "$(ls "$TMPDIR" | grep thaw-verify)" ]'

# ---- A signal ----------------------------------------------------------------------------------------

# until_true COMMAND: waits for it, at most a minute.
until_true() {
	for _ in {1..600}; do eval "$1" && return 0; sleep 0.1; done
	return 1
}
"$thaw" "${train[@]}" --out long --epochs 100000 2>/dev/null &
pid=$!
until_true '[ -s long/metrics.jsonl ]'
kill -TERM $pid
wait $pid
"$thaw" verify long --retrain 1000000 >out 2>err &
pid=$!
until_true 'ls "$TMPDIR"/thaw-verify-*/metrics.jsonl >/dev/null 2>&1'
kill -TERM $pid
wait $pid
code=$?
check "a signal ends it" eval '[ "$code" -eq 75 ] && [ "$(grep -c "^thaw: asked to stop: long: thaw verify changes nothing" err)" -eq 1 ]'
check "... and leaves nothing" eval '[ -z "$(ls "$TMPDIR" | grep thaw-verify)" ]'

# ---- Files of many images ------------------------------------------------------------------------------

mkdir files && idx files/train 40 && idx files/t10k 10
run "$thaw" train --model cifar_resnet8 --data files --size 8 --lanes 4 --epochs 1 --out idx-run
run "$thaw" verify idx-run
check "IDX files" prints "50 of 50 unchanged"
mkdir sets && for set in a b; do idx sets/emnist-$set-train 20 && idx sets/emnist-$set-test 10; done
run "$thaw" train --model cifar_resnet8 --data sets/emnist-b --size 8 --lanes 4 --epochs 1 --out set-run
run env -C / "$thaw" verify "$work/set-run"
check "one of several sets, from another folder" prints "30 of 30 unchanged"
flip files/train-images-idx3-ubyte $((16 + 5 * SIDE * SIDE + 3))
run "$thaw" verify idx-run
check "... of which one image has changed" eval '[ "$code" -eq 65 ] && out_has "changed: train-images-idx3-ubyte[5]" "49 of 50"'
flip files/train-labels-idx1-ubyte 9
run "$thaw" verify idx-run
check "... or one label" eval '[ "$code" -eq 65 ] && out_has "names or classes of the training images have changed"'
finish
