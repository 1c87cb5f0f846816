#!/bin/bash
# What a first-time user meets: other programs' names of flags, runs that cannot work, stopped runs, folders of
# photographs, odd file names. Usage: test_first_use.sh THAW
# shellcheck disable=SC2016,SC2034 # conditions are evaluated by check
# shellcheck source=tests/cli/lib.bash
. "$(dirname "$0")/lib.bash"
cd "$work" || exit 1

# An 8 x 8 PNG, gray or red.
gray=iVBORw0KGgoAAAANSUhEUgAAAAgAAAAICAIAAABLbSncAAAAD0lEQVR42mMIwAEYhpYEAHIhPAETojrKAAAAAElFTkSuQmCC
red=iVBORw0KGgoAAAANSUhEUgAAAAgAAAAICAIAAABLbSncAAAAEUlEQVR42mM4ISeHFTEMLQkAkL9BAc9woTwAAAAASUVORK5CYII=
# pictures FOLDER DARK RED: 8 images of each of two classes with these names to train on, 4 to test.
pictures() {
	mkdir -p "$1"/{train,test}/"$2" "$1"/{train,test}/"$3"
	for i in 1 2 3 4 5 6 7 8; do
		base64 -d <<<$gray | tee "$1/train/$2/$i.png" >"$1/test/$2/$((i / 2)).png"
		base64 -d <<<$red | tee "$1/train/$3/$i.png" >"$1/test/$3/$((i / 2)).png"
	done
	rm "$1/test/$2/0.png" "$1/test/$3/0.png"
}
pictures good dark red
train=(train --model cifar_resnet8 --data good --size 8 --unfreeze all --batch 8 --lanes 4 --epochs 2 --seed 3
	--scale-min 1 --lr 0.05)

# ---- Suggestions -----------------------------------------------------------------------------------

# suggests GIVEN WANTED [COMMAND]: the flag GIVEN is refused, and WANTED is suggested.
suggests() {
	run "$thaw" "${3:-train}" "$1" 1
	check "$1 of ${3:-train} is $2" fails 64 "unknown flag: $1: did you mean $2?"
}
while read -r given wanted command; do suggests "$given" "$wanted" "$command"; done <<'TABLE'
--batch-size --batch
--batch_size --batch
--learning-rate --lr
--weights --model
--epoch --epochs
--num-epochs --epochs
--freeze --unfreeze
--output --out
--output-dir --out
--num-workers --decode-threads
--image-size --size
--imgsz --size
--weight_decay --weight-decay
--wd --weight-decay
--label --label-smoothing
--val-split --test-share
--topk --top predict
--weights --model eval
--output --onnx export
--fp16 --half export
TABLE
for pair in rank:compare finetune:train validate:eval classify:predict convert:export benchmark:bench info:inspect; do
	run "$thaw" "${pair%:*}"
	check "thaw ${pair%:*} is ${pair#*:}" fails 64 "did you mean ${pair#*:}?"
done
while IFS='|' read -r given wanted; do
	run "$thaw" "${train[@]}" --out r --unfreeze "$given"
	check "--unfreeze $given is $wanted" fails 64 "--unfreeze $given: did you mean $wanted?"
done <<'TABLE'
last3|last:3
last-3|last:3
Last 3|last:3
3|last:3
full|all
everything|all
fc|head
classifier|head
heads|head
TABLE
run "$thaw" bench --unfreeze layer4
check "another word lists the forms" fails 64 "--unfreeze layer4: give head, last:N, from:BLOCK or all"
run env THAW_UNFREEZE=last3 "$thaw" "${train[@]:0:7}" --out r
check "a value from the environment is suggested too" fails 64 "THAW_UNFREEZE=last3"

# ---- Files to be written ---------------------------------------------------------------------------

mkfifo pipe && mkdir folder kept && echo old >kept/file && ln -s kept/file link && ln -s nowhere/f broken
for target in pipe:pipe /dev/null:device folder:folder; do
	for kind in safetensors onnx; do
		run "$thaw" export builtin --$kind "${target%:*}"
		check "export --$kind refuses a ${target#*:}" fails 74 "a ${target#*:}: ${target%:*}"
	done
done
check "they are still there" eval '[ -p pipe ] && [ -c /dev/null ] && [ -d folder ]'
run "$thaw" export builtin --safetensors link
check "export writes through a link" eval 'exits 0 && [ -L link ] && [ "$(head -c 100 kept/file | grep -c thaw)" = 1 ]'
run "$thaw" export builtin --safetensors broken
check "a link into a folder that does not exist" eval 'fails 74 nowhere && [ -L broken ]'
mkdir odd && mkfifo odd/metrics.jsonl
run timeout 60 "$thaw" "${train[@]}" --out odd
check "a pipe as metrics.jsonl is named, and does not block" err_has "a pipe: odd/metrics.jsonl"
mkdir linked && ln -s "$work/kept/metrics" linked/metrics.jsonl
run "$thaw" "${train[@]}" --out linked
check "metrics are written through a link" eval 'exits 0 && [ -L linked/metrics.jsonl ] && [ -s kept/metrics ]'

# ---- Names that reach the screen -------------------------------------------------------------------

# Escape sequence, line feed, right-to-left override, a lone C1 byte.
bad=$'a\e[31m\nb\u202ec'$'\x9bd'
clean() { ! LC_ALL=C grep -aqP '\x1b|\xe2\x80\xae|[^\xc2-\xf4\x80-\xbf]\x9b' out err && ! grep -aq '^b[^a-z]*c' out err; }
pictures names "$bad" red
mkdir 'names/train/x' && echo no >"names/train/$bad/9.png"
rmdir names/train/x
run "$thaw" "${train[@]}" --data names --out "$bad"
check "train prints no control bytes" eval 'exits 0 "?[31m??b???c?d" || exits 0 "?[31m?b?c?d"; clean'
cp out train.out
check "the class is in the table" out_has 'a?[31m?b?c'
run "$thaw" eval --model "$bad" --data names
check "eval prints none" eval 'exits 0 && clean'
cp "names/test/$bad/1.png" "$bad.png"
run "$thaw" predict --model "$bad" "$bad.png" "$bad.missing"
check "predict prints none" eval '[ "$code" = 74 ] && clean'
run "$thaw" train --data good --out x --unfreeze "$bad"
check "errors of flags print none" eval '[ "$code" = 64 ] && clean'
run "$thaw" inspect "$bad"
check "inspect prints none" clean
run "$thaw" "$bad"
check "an unknown command prints none" eval '[ "$code" = 64 ] && clean'

finish
