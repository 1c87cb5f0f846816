#!/bin/bash
# Images that cannot be read, or that disappear while a run is interrupted: named, counted, skipped, the same bits on
# any number of ranks, and a limit.
# Usage: test_lost_images.sh THAW
# shellcheck disable=SC2016,SC2034 # conditions are evaluated by check
# shellcheck source=tests/cli/lib.bash
. "$(dirname "$0")/lib.bash"
cd "$work" || exit 1

# bmp GREY FILE: a uniform image of 8 x 8 pixels.
bmp() {
	local octal
	octal=$(printf '\\%03o' "$1")
	{
		printf 'BM\xf6\0\0\0\0\0\0\0\x36\0\0\0\x28\0\0\0\x08\0\0\0\x08\0\0\0\x01\0\x18\0\0\0\0\0\xc0\0\0\0'
		head -c 16 /dev/zero
		head -c 192 /dev/zero | tr '\0' "$octal"
	} >"$2"
}
# pictures FOLDER [PART]: 12 different images of each of two classes, in FOLDER/PART/CLASS.
pictures() {
	local i at=$1${2:+/$2}
	mkdir -p "$at"/{dark,light}
	for ((i = 10; i < 22; i++)); do
		bmp $((i * 4)) "$at/dark/$i.bmp"
		bmp $((i * 4 + 130)) "$at/light/$i.bmp"
	done
}
pictures good train && pictures good val
train=(train --model cifar_resnet8 --size 8 --unfreeze all --batch 8 --lanes 4 --epochs 2 --seed 3 --scale-min 1 --lr 0.05
	--bn lane --checkpoint-every 1 --keep 20)
same_weights() { cmp -s "$1/model.safetensors" "$2/model.safetensors"; }
skips() { grep -c "^skipped: .*$1" err; }

# ---- Images that cannot be read --------------------------------------------------------------------

# Reading this file at its start is an I/O error.
cp -r good broken && ln -sf /proc/self/mem broken/train/dark/15.bmp
run "$thaw" "${train[@]}" --data broken --out broken-run --json
check "an image with an I/O error is skipped" eval 'exits 0 "skipped: cannot read: broken/train/dark/15.bmp: Input/output error" &&
	[ "$(skips dark/15.bmp)" = 1 ] && reports training_damaged=1 damaged=0'
run mpirun -np 3 "$thaw" "${train[@]}" --data broken --out broken-three
check "... by three ranks likewise, with the same bits" eval 'exits 0 && [ "$(skips dark/15.bmp)" = 1 ] && same_weights broken-run broken-three'
cp -r good damaged && echo nonsense >damaged/train/dark/15.bmp
run "$thaw" "${train[@]}" --data damaged --out damaged-run
check "... with the bits of a run in which it is damaged" eval 'exits 0 && same_weights broken-run damaged-run'

cp -r good unseen && ln -sf /proc/self/mem unseen/val/light/12.bmp
run "$thaw" "${train[@]}" --data unseen --out unseen-run --json
check "an unreadable validation image is not counted" eval 'exits 0 "skipped: cannot read: unseen/val/light/12.bmp" && reports damaged=1 images=23'
run "$thaw" eval --model unseen-run --data unseen --json
check "... and not in eval" eval 'exits 0 "skipped: cannot read: unseen/val/light/12.bmp" && reports damaged=1 images=23'

run "$thaw" eval --model unseen-run --data unseen --max-damaged 0
check "... which has a limit, too" fails_once 65 "1 of the 24 validation images" "at most 0" "--max-damaged"
check "... and names the image" err_has "skipped: cannot read: unseen/val/light/12.bmp"
run mpirun -np 2 "$thaw" eval --model unseen-run --data unseen --max-damaged 0
check "... on two ranks" fails_once 65 "1 of the 24 validation images" "at most 0"
run "$thaw" eval --model unseen-run --data unseen --max-damaged 0.05
check "... and a larger share measures the rest" exits 0

# ---- The limit -------------------------------------------------------------------------------------

run "$thaw" "${train[@]}" --data broken --out limited --max-damaged 0
check "more than --max-damaged end the run" fails_once 65 "1 of the 24 training images" "at most 0" "--max-damaged" "is saved"
check "... and name the image" err_has "skipped: cannot read: broken/train/dark/15.bmp"
run mpirun -np 2 "$thaw" "${train[@]}" --data broken --out limited --max-damaged 0
check "... with two ranks, again" fails_once 65 "1 of the 24 training images" "is saved"
run "$thaw" "${train[@]}" --data broken --out limited --max-damaged 0.05
check "... a larger share lets it go on, with the same bits" eval 'exits 0 && same_weights limited broken-run'
run "$thaw" "${train[@]}" --data unseen --out limited-val --max-damaged 0
check "the limit is that of validation images, too" fails_once 65 "1 of the 24 validation images" "is saved"
run "$thaw" "${train[@]}" --data unseen --out limited-val
check "... and such a run goes on with the same bits" eval 'exits 0 && same_weights limited-val unseen-run'
run "$thaw" "${train[@]}" --data good --out r --max-damaged 2
check "--max-damaged is a share" fails 64 --max-damaged

# ---- Images that disappear while a run is interrupted ----------------------------------------------

# halted FOLDER FROM: a run that ended after its first epoch.
halted() {
	cp -r "$2" "$1"
	rm "$1"/result.json "$1"/model.safetensors "$1"/best.json
	find "$1" -name 'step-*' ! -name 'step-3.*' -delete
}
run "$thaw" "${train[@]}" --data good --out whole
check "a run with all images" exits 0
cp -r good less && cp -r good spoiled
rm less/train/dark/1[05].bmp less/train/light/21.bmp
for lost in dark/10 dark/15 light/21; do echo nonsense >spoiled/train/$lost.bmp; done
halted spoiled-run whole && halted less-run whole && halted less-two whole
run "$thaw" "${train[@]}" --data spoiled --out spoiled-run
check "a run goes on with images that were damaged" eval 'exits 0 && [ "$(skips "")" = 3 ]'
run "$thaw" "${train[@]}" --data less --out less-run --json
check "a run goes on without images that were removed, and says so" eval 'exits 0 "3 of the training images that the run began with are missing" \
	"first: train/dark/10.bmp" "skipped: cannot open: less/train/light/21.bmp: No such file" && reports training_damaged=3 training_images=24'
check "... with the bits of the run in which they were damaged" same_weights less-run spoiled-run
check "... which are not those of the run with all images" eval '! same_weights less-run whole'
run mpirun -np 2 "$thaw" "${train[@]}" --data less --out less-two
check "... and with the same bits on two ranks" eval 'exits 0 && same_weights less-two spoiled-run'
head=("${train[@]}" --unfreeze head --bn frozen --views 1) # a frozen trunk, whose features are cached
run "$thaw" "${head[@]}" --data good --cache-dir features --out all-cached
halted less-cached all-cached && halted less-plain all-cached
run "$thaw" "${head[@]}" --data less --cache-dir features --out less-cached --json
check "features in --cache-dir of removed images are not used" eval \
	'exits 0 "skipped: cannot open: less/train/light/21.bmp" && reports training_damaged=3'
run "$thaw" "${head[@]}" --data less --cache off --out less-plain
check "... the bits are those without a cache" eval 'exits 0 && same_weights less-cached less-plain && ! same_weights less-cached all-cached'

run "$thaw" "${train[@]}" --data less --out less-run
check "... then it is done" exits 0 "already done"

cp -r good replaced && bmp 77 replaced/train/dark/15.bmp
halted replaced-run whole
run "$thaw" "${train[@]}" --data replaced --out replaced-run
check "an image that was replaced by another is refused" fails_once 78 "an image has changed since the run began: train/dark/15.bmp"

halted grown whole && cp -r good more && bmp 99 more/train/dark/99.bmp
run "$thaw" "${train[@]}" --data more --out grown
check "images that were added are refused" fails_once 78 "1 image was added" train/dark/99.bmp --out
halted renamed whole && mv less/train/dark/11.bmp less/train/dark/99.bmp
run "$thaw" "${train[@]}" --data less --out renamed
check "... likewise one that was renamed" fails_once 78 "1 image was added" train/dark/99.bmp
mv less/train/dark/99.bmp less/train/dark/11.bmp

halted two whole
run mpirun -n 1 "$thaw" "${train[@]}" --data good --out two : -n 1 "$thaw" "${train[@]}" --data less --out two
check "ranks that miss different images" fails_once 78 "missing images differ"

# ---- Held-out images -------------------------------------------------------------------------------

pictures flat && flat=("${train[@]}" --data flat --out flat-run)
run "$thaw" "${flat[@]}"
halted flat-halted flat-run && rm -r flat-run && mv flat-halted flat-run
rm flat/dark/13.bmp flat/light/1[1-6].bmp
run "$thaw" "${flat[@]}" --json
check "no image changes between training and test when others are removed" eval 'exits 0 "images that the run began with" &&
	[ "$(member training_images)" = 20 ] && [ "$(($(member training_damaged) + $(member damaged)))" = 7 ]'
expected=$(member images)
run "$thaw" eval --model flat-run --data flat --json
check "... in eval likewise" eval 'reports images="$expected" && ! err_has "is not known"'

# ---- The list --------------------------------------------------------------------------------------

halted cut whole && truncate -s -3 cut/images.list
run "$thaw" "${train[@]}" --data good --out cut
check "a damaged list is refused" fails_once 65 cut/images.list
halted without whole && rm without/images.list
run "$thaw" "${train[@]}" --data good --out without
check "a run without a list goes on with the same images" same_bytes without/model.safetensors whole/model.safetensors
check "... and has a list then" cmp -s without/images.list whole/images.list
halted old whole && rm old/images.list
run "$thaw" "${train[@]}" --data less --out old
check "... but not with others" fails_once 78 "other training images"
mkdir begun && cp whole/config.json whole/images.list whole/origin.json begun
run "$thaw" "${train[@]}" --data less --out begun --json
check "a run that had no checkpoint takes the images that are there" reports training_images=21 training_damaged=0

finish
