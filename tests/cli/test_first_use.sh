#!/bin/bash
# What a first-time user meets: other programs' names of flags, runs that cannot work, stopped runs, folders of
# photographs, odd file names. Usage: test_first_use.sh THAW
# shellcheck disable=SC2016,SC2034 # conditions are evaluated by check
# shellcheck source=tests/cli/lib.bash
. "$(dirname "$0")/lib.bash"
here=$(realpath "$(dirname "$0")")
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
--label --label-column
--label-smooth --label-smoothing
--csv --manifest
--n-splits --folds
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
run "$thaw" "${train[@]}" --out odd
check "a pipe as metrics.jsonl is named, and does not block" err_has "a pipe: odd/metrics.jsonl"
mkdir linked && ln -s "$work/kept/metrics" linked/metrics.jsonl
run "$thaw" "${train[@]}" --out linked
check "metrics are written through a link" eval 'exits 0 && [ -L linked/metrics.jsonl ] && [ -s kept/metrics ]'

# ---- Runs that cannot give what was meant ----------------------------------------------------------

run "$thaw" "${train[@]}" --out frozen --unfreeze head
check "random frozen weights are said" exits 0 "warning: random weights: --model cifar_resnet8: the frozen part stays random"
run "$thaw" "${train[@]}" --out free
check "... and not when all are trained" eval 'exits 0 && ! err_has "random weights"'
run "$thaw" eval --model cifar_resnet8 --data good --size 8
check "eval of random weights" exits 0 "warning: random weights: --model cifar_resnet8: the result means nothing"
run "$thaw" predict --model cifar_resnet8 good/test/red/1.png
check "predict with random weights" exits 0 "warning: random weights"
run "$thaw" train --data good --out tiny --epochs 1
check "small images suit the bundled network" eval 'exits 0 && ! err_has warning: && ! err_has note:'

# photos FOLDER SIDE: BMP files of SIDE x SIDE pixels, a multiple of 4, of two classes.
little() { printf '\\x%02x\\x%02x\\x%02x\\x%02x' $(($1 & 255)) $(($1 >> 8 & 255)) $(($1 >> 16 & 255)) $(($1 >> 24 & 255)); }
photo() { # SIDE LETTER
	local bytes=$((3 * $1 * $1))
	printf '%b' "BM$(little $((54 + bytes)))$(little 0)$(little 54)$(little 40)$(little "$1")$(little "$1")\\x01\\x00\\x18\\x00"
	printf '%b' "$(little 0)$(little $bytes)$(little 0)$(little 0)$(little 0)$(little 0)"
	head -c $bytes /dev/zero | tr '\0' "$2"
}
photos() {
	local split i
	for split in train test; do
		mkdir -p "$1/$split"/{dark,light}
		for i in 1 2 3 4; do
			photo "$2" 0 >"$1/$split/dark/$i.bmp"
			photo "$2" z >"$1/$split/light/$i.bmp"
		done
	done
}
photos photos 200
run "$thaw" train --data photos --out bundled --epochs 1
check "photographs in the bundled network are said" exits 0 \
	"warning: images of about 200 pixels for the bundled network, which learned from 32 x 32 pixels and sees 32 x 32"
run mpirun -n 2 "$thaw" train --data photos --model cifar_resnet8 --size 24 --unfreeze all --epochs 1 --out small
check "a network with a small input (ranks)" eval 'exits 0 "warning: images of about 200 pixels for a network that sees 24 x 24" &&
	[ "$(grep -c "^warning" err)" = 1 ]'
run "$thaw" train --data photos --model cifar_resnet8 --size 96 --unfreeze all --epochs 1 --out large
check "an input of half their size is not worth a line" eval 'exits 0 && ! err_has "images of about"'

one=(--model cifar_resnet8 --unfreeze all --bn lane --size 4 --epochs 1 --out one)
run "$thaw" train --data photos "${one[@]}" --batch 4 --lanes 4
check "a batch norm of one value is refused" fails 78 "batch norm of one value per channel: layer3" "--bn frozen"
check "... before anything is written" test ! -e one
run "$thaw" train --data photos "${one[@]}" --batch 4 --lanes 2
check "... not with two images per lane" exits 0
cp -r photos seven && rm -r one seven/train/light/4.bmp # lanes of 4 and 3 images
run "$thaw" train --data seven "${one[@]}" --batch 4 --lanes 2
check "... nor with one in the last step of an epoch" fails 78 "1 image in the last step of an epoch" layer3 "another --batch"
run "$thaw" train --data seven "${one[@]}" --batch 8 --lanes 2 --out four
check "... of which a lane has none left" exits 0

for flag in "lr 50" "head-lr 11" "weight-decay 3"; do
	run "$thaw" "${train[@]}" --out r "--${flag% *}" "${flag#* }"
	check "--$flag is refused" fails 64 "out of range: --$flag"
done
mkdir -p same/{train,test}/{a,b}
for split in train test; do
	for i in 1 2 3 4; do base64 -d <<<$gray | tee same/$split/a/$i.png >same/$split/b/$i.png; done
done
run "$thaw" "${train[@]}" --data same --out chance
check "a result that is not better than chance" prints "warning: the accuracy, 50.00 %, is not better than chance, 50.00 %"
run "$thaw" "${train[@]}" --data same --out chance --json
check "... in --json and result.json" eval 'prints "\"warnings\"" "not better than chance" && file_has chance/result.json "not better"'
run "$thaw" "${train[@]}" --data same --out grew --lr 10 --epochs 4
check "a loss that grew" prints "warning: the loss of the test images" "warning: the training loss grew from"
run "$thaw" "${train[@]}" --epochs 8 --out free
check "a run with other epochs says how to train further" fails 78 "is complete, with epochs 2, not 8" "--model free --out NEW"
run "$thaw" "${train[@]}" --model free --lr 0.04 --out further
check "... which works" exits 0

nan=("${train[@]}" --weight-decay 1 --epochs 200 --checkpoint-every 0 --eval-every 200 --out wild)
run "$thaw" "${nan[@]}" --lr 10
check "a run that diverges" fails_once 78 "--lr 10: lower the learning rate"
rm -f wild/step-*
run "$thaw" "${nan[@]}" --lr 0.01 --epochs 1 --eval-every 1
check "... starts anew with a lower --lr" exits 0 "left no checkpoint: the run starts anew"
check "... and metrics of the first start are gone" eval '! grep -q "lr\":10" wild/metrics.jsonl'
run "$thaw" "${nan[@]}" --lr 0.02 --epochs 1 --eval-every 1
check "... not after it has a result" fails 78 "lr 0.01" 0.02

# ---- Errors come alone -----------------------------------------------------------------------------

for flag in "lr x" "unfreeze from:nowhere" "unfreeze last:99" "model none.pth" "data none" "size -1" "batch 1" "epochs 0"; do
	run "$thaw" "${train[@]}" --out r "--${flag% *}" "${flag#* }"
	check "--$flag: one line" eval '[ $code -ne 0 ] && [ "$(wc -l <err)" = 1 ]'
done
run "$thaw" "${train[@]}" --out free --seed 4
check "another seed: one line" fails 78 "seed 3, not 4"

# ---- Networks of stopped runs ----------------------------------------------------------------------

# test_accuracy RUN STEP: "loss" of the evaluation at this step, as metrics.jsonl has it.
test_loss() { grep "\"event\":\"epoch\",\"step\":$2," "$1/metrics.jsonl" | grep -o '"test":{.*' | grep -o '"loss":[^,}]*' | head -n 1 | cut -d: -f2; }
same_number() { awk -v a="$1" -v b="$2" 'BEGIN { exit !(a != "" && b != "" && (a - b) ^ 2 < 1e-12) }'; }
for kind in lane frozen; do
	out=stopped-$kind
	# Two phases with 2 steps per epoch; stopped after step 9 of 12. Batch statistics belong to a checkpoint too.
	run "$thaw" "${train[@]}" --out $out --head-epochs 2 --epochs 4 --bn $kind --unfreeze last:2 --keep 9 --jitter 0.3
	check "a run to stop ($kind)" exits 0
	cp -r $out done-$kind && rm $out/result.json $out/model.safetensors $out/step-1[0-9]*
	for step in 2 4 6 8; do
		run "$thaw" eval --model $out --from step-$step --data good --json
		check "eval --from step-$step ($kind)" eval 'exits 0 "network: step $step of $out" && same_number "$(member loss)" "$(test_loss $out $step)"'
	done
done
out=stopped-lane
run "$thaw" eval --model $out --data good
check "a stopped run without --from says what to give" fails 74 "--from best, last or step-N"
run "$thaw" eval --model $out --from last --data good
check "--from last" eval 'exits 0 "network: step 8 of $out" && ! err_has "random weights"'
best=$(grep -o '"step": *[0-9]*' $out/best.json | grep -o '[0-9]*')
[ -e "$out/step-$best.safetensors.zst" ] || best=$(grep -o '"before": *[0-9]*' $out/best.json | grep -o '[0-9]*')
run "$thaw" predict --model $out --from best good/test/red/1.png
check "predict --from best" eval 'exits 0 "network: step $best of $out" && out_has red'
run "$thaw" export $out --from step-6 --safetensors six.safetensors
check "export --from" exits 0 "network: step 6"
run "$thaw" eval --model six.safetensors --data good --json
check "... writes this network" eval 'exits 0 && same_number "$(member loss)" "$(test_loss $out 6)"'
run "$thaw" eval --model done-lane --from last --data good --json
check "--from last of a finished run is the trained network" eval 'exits 0 "step 12 of" && same_number "$(member loss)" "$(test_loss done-lane 12)"'
run "$thaw" eval --model done-lane --from step-4 --data good --json
check "a checkpoint of a finished run" eval 'exits 0 && same_number "$(member loss)" "$(test_loss done-lane 4)"'
run "$thaw" eval --model $out --from step-7 --data good
check "a step without a checkpoint" fails 74 "--from step-7: the run has step-8, step-6"
run "$thaw" eval --model $out --from newest --data good
check "another word" fails 64 "--from newest: give best, last or step-N"
run "$thaw" predict --model six.safetensors --from last good/test/red/1.png
check "--from with a file" fails 64 "not a run directory: six.safetensors"
run mpirun -n 2 "$thaw" eval --model $out --from last --data good
check "two ranks say it once" eval 'exits 0 && [ "$(grep -c "^network: step 8" err)" = 1 ]'
cp six.safetensors start.safetensors
run "$thaw" "${train[@]}" --model start.safetensors --out from-file --unfreeze head
(mkdir -p elsewhere && cd elsewhere && "$thaw" eval --model ../from-file --from step-2 --data ../good >/dev/null 2>&1)
check "from another folder" test $? -eq 0
rm start.safetensors
run "$thaw" eval --model from-file --from step-2 --data good
check "without the network that it started from" fails 74 start.safetensors "from-file/origin.json"
"$thaw" export builtin --safetensors start.safetensors >/dev/null
run "$thaw" eval --model from-file --from step-2 --data good
check "with another network in its place" fails 78 "has changed"

# ---- ^C ---------------------------------------------------------------------------------------------

photos many 96
for ((i = 5; i < 300; i++)); do cp many/train/dark/1.bmp many/train/dark/$i.bmp && cp many/train/light/1.bmp many/train/light/$i.bmp; done
long=(train --model cifar_resnet8 --data many --size 32 --unfreeze all --batch 8 --lanes 4 --epochs 50)
# after_steps PROGRAM: waits until the run has done some steps, or the program has ended.
after_steps() {
	while kill -0 "$1" 2>/dev/null && ! [ "$(wc -l 2>/dev/null <halt/metrics.jsonl)" -ge 3 ] 2>/dev/null; do sleep 0.02; done
}
interrupt() { # LAUNCHER...
	rm -rf halt
	"$@" "$thaw" "${long[@]}" --out halt >out 2>err &
	local program=$!
	after_steps $program
	kill -INT $program
	command="$* train, ^C"
	wait $program
	code=$?
}
# mpirun kills the ranks a second after ^C: a busy machine may need longer to save. Then no incomplete checkpoint is left.
saved_or_whole() {
	local file
	err_has "saved at step" && compgen -G "halt/step-*" >/dev/null && return
	for file in halt/step-*.zst; do
		[ ! -e "$file" ] || "$thaw" inspect "$file" >inspected 2>&1 || return 1
	done
}
interrupt mpirun -n 2
check "^C of mpirun saves, or leaves no incomplete checkpoint" eval '[ $code != 0 ] && saved_or_whole'
check "... and says it once at most" test "$(grep -c "asked to stop: saving" err)" -le 1
interrupt env
check "^C saves and exits with 75" exits 75 "asked to stop: saving the state" "saved at step"
run "$thaw" "${long[@]}" --out halt --epochs 50 --resume never
check "the run is there" fails 78 "already has a run"
run "$thaw" eval --model halt --from last --data many --size 32
check "its network can be evaluated" exits 0 "network: step"

# ---- Folders of images -----------------------------------------------------------------------------

mkdir -p album/sub/deep album/.hidden && base64 -d <<<$red | tee album/b.png album/sub/a album/sub/deep/c.txt >album/.hidden/x.png
cp album/b.png album/.y.png && echo text | tee album/notes.txt >album/sub/readme && head -c 50 album/b.png >album/cut.png
ln -s .. album/sub/loop && ln -s nowhere album/broken
run "$thaw" predict --model builtin album --top 1
check "predict reads a folder, by content" eval '[ $code = 65 ] &&
	[ "$(grep -a "^album" out | tr "\n" " ")" = "album/b.png album/sub/a album/sub/deep/c.txt " ]'
check "... names what is damaged, and what is not an image" err_has "album/cut.png" "cannot use 1 of 4 images" \
	"not images, skipped: 3 files, such as album/broken"
run "$thaw" predict --model builtin album/sub/deep album/b.png album/sub/a --json
check "a folder and a file" eval 'exits 0 && [ "$(grep -o "\"image\"" out | wc -l)" = 3 ]'
mkdir empty && echo text >empty/file
run "$thaw" predict --model builtin empty
check "a folder without images" fails 74 "no images in the folder: empty"
mkfifo album.pipe && : >album.empty
for file in "/dev/zero:a device, not a regular file" "album.pipe:a pipe, not a regular file" \
	"album.empty:empty image file"; do
	run "$thaw" predict --model builtin "${file%%:*}"
	check "predict refuses ${file%%:*}" eval '[ $code = 65 ] && err_has "${file#*:}: ${file%%:*}: "'
done
run bash -c "cat album/b.png | '$thaw' predict --model builtin /dev/stdin"
check "predict reads the standard input" exits 0

# ---- make demo -------------------------------------------------------------------------------------

mkdir digits && idx digits/train 120 && idx digits/t10k 20
demo=$(dirname "$(dirname "$here")")/jobs/demo.sh
DATA=digits EPOCHS=1 run "$demo" "$thaw" "$work/demo"
check "the demo's table is in one piece, its logs are in files" eval 'exits 0 && [ ! -s err ] && [ "$(wc -l <out)" = 5 ] &&
	out_has "$work/demo" && [ -s demo/tuned-50.log ] && [ "$(tail -n 2 out | grep -c "%.*%$")" = 2 ]'
DATA=nowhere run "$demo" "$thaw" "$work/demo2"
check "a failure names the log" exits 74 "thaw: no such folder: nowhere" "the log is $work/demo2/scratch-10.log"

# ---- Damaged images --------------------------------------------------------------------------------

pictures cut dark red && head -c 50 good/train/red/1.png >cut/train/red/1.png
run "$thaw" "${train[@]}" --data cut --out cut-run
check "a skipped image needs no remedy" eval 'exits 0 "skipped: " && ! err_has "remove or replace"'

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
run "$thaw" eval --model "$bad" --data names --json
check "... nor as JSON, which has their codes" eval 'exits 0 && clean && out_has "b\u202ec" "a\u001B[31m\nb"'
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
