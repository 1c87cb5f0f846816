#!/bin/bash
# thaw advise: the same advice for any number of ranks, plans that thaw train follows, budgets, and clear words where
# numbers would mean nothing. Usage: test_advise.sh THAW
# shellcheck disable=SC2016,SC2034,SC2154 # conditions are evaluated by check; lib.bash assigns
# shellcheck source=tests/cli/lib.bash
golden=$(realpath "$(dirname "$0")/../golden/images")
. "$(dirname "$0")/lib.bash"
cd "$work" || exit 1
mkdir data
idx data/train 64
idx data/t10k 22
advise=("$thaw" advise --model builtin --data data --size 16)

run "${advise[@]}" --out one --json
check "advice ends well" exits 0
check "... with a plan" eval '[ "$(member plan)" = 0 ] && grep -q "\"thaw\": \"plan\"" one/plan.json'
check "... and the whole of it beside the plan" grep -q '"depths"' one/advice.json
check "... and a command to copy" out_has "mpirun -np 1 thaw train --plan one/plan.json --model builtin --data data --out RUN"

run "${advise[@]}" --out page
check "the page says what to do" eval 'exits 0 && grep -qE "^(Train|Unfreeze)" out && out_has "thaw train --plan"'
check "... in lines that fit" eval '[ "$(awk "length > 100" out | wc -l)" -eq 0 ]'

# What is measured must not depend on who measures it; times and ranks do.
steady() { sed -E 's/"(seconds|core_seconds|hours|core_hours|mebibytes)": *[0-9.e+-]*//; s/"ranks": *[0-9]*//; s/-np [0-9]+//;
	s/(two|four|one)\/plan/plan/' "$1/advice.json"; }
steady one >one.txt
for n in 2 4; do
	out=$([ $n = 2 ] && echo two || echo four)
	run mpirun -np $n "${advise[@]}" --out "$out"
	check "the same advice on $n ranks" eval "exits 0 && steady $out | diff one.txt - >&2"
done

# A plan is what a run follows, and the run is what the next advice learns from.
command=$(grep -o '"command": "[^"]*"' one/advice.json | sed 's/.*": "mpirun -np 1 thaw //; s/"$//; s/RUN/runs\/1/')
# shellcheck disable=SC2086
run "$thaw" $command --lanes 4
check "the command of the advice runs" exits 0
check "... and the run tells what was predicted" grep -q '"predicted"' runs/1/result.json
check "... and did as it was planned" grep -q '"as_planned": true' runs/1/result.json
run "${advise[@]}" --out two --history runs --json
check "the history counts it" eval 'exits 0 && grep -q "\"history\": {\"runs\": 1" out'
mkdir empty
run "${advise[@]}" --out two --history empty --json
check "an empty history is none" eval 'exits 0 && grep -q "\"history\": {\"runs\": 0" out'
run "${advise[@]}" --out two --history nowhere
check "a missing history" fails 74 nowhere

run "${advise[@]}" --out two --budget 0.001s --json
check "a budget of a millisecond: the words say that nothing fits" eval 'exits 0 && out_has "No plan fits the budget 0.001s" &&
	[ "$(member plan)" = null ]'
run "${advise[@]}" --out two --budget "30 core-hours" --json
check "a budget of core-hours" eval 'exits 0 && [ "$(member plan)" = 0 ]'
for wrong in 2x -1h h "3 apples" nan; do
	run "${advise[@]}" --out two --budget "$wrong"
	check "a budget of $wrong" fails 64 "--budget $wrong"
done

# labelled FOLDER LABEL...: training images of these classes; two test images of the first two.
labelled() {
	local folder=$1 label
	shift
	mkdir -p "$folder"
	idx "$folder/train" $#
	idx "$folder/t10k" 2
	{
		printf '%b' "$(word 2049)$(word $#)"
		for label; do printf '%b' "\\x0$label"; done
	} >"$folder/train-labels-idx1-ubyte"
}
on() { # on FOLDER: advice on these data
	run "$thaw" advise --model builtin --data "$1" --size 16 --out few --json
}
times() { printf "$1 %.0s" $(seq "$2"); }

# shellcheck disable=SC2046
mkdir -p class1/train/only class1/test/only
cp "$golden"/rgb*.jpg class1/train/only && cp "$golden/gray.jpg" class1/test/only
on class1
check "one class: words, no numbers" eval 'exits 0 && out_has "The data have one class" && [ "$(member plan)" = null ] &&
	grep -q "\"probe\": \[\]" out'
check "... but its similarity" grep -q '"figure": [0-9]' out
labelled pairs 0 0 1 1 2 2
on pairs
check "two images a class: a plan, and words that nothing could be tried" eval 'exits 0 && out_has "too few to tell trainings apart" &&
	[ "$(member plan)" != null ]'
labelled pair 0 0 1 1
on pair
check "four images: words" eval 'exits 0 && out_has "any number would be luck" && [ "$(member plan)" = null ]'
# shellcheck disable=SC2046
labelled lonely $(times 0 12) $(times 1 12) 2
on lonely
check "a class of one: said, and left out of the numbers" eval 'exits 0 && out_has "1 class of one image" && [ "$(member plan)" != null ]'
labelled alone 0 1 2 3
on alone
check "classes of one image only: words" eval 'exits 0 && [ "$(member plan)" = null ] && out_has "any number would be luck"'

for class in fine torn; do
	mkdir -p damaged/{train,test}/$class
	for i in 1 2 3 4 5 6; do printf 'no picture' >damaged/train/$class/$i.jpg; done
	cp "$golden/gray.jpg" damaged/test/$class
done
on damaged
check "images that cannot be read: words, no numbers" eval 'exits 0 && out_has "12 of these images are damaged" &&
	[ "$(member plan)" = null ] && grep -q "\"figure\": null" out'
cp "$golden"/rgb*.jpg damaged/train/fine
on damaged
check "one class that can be read: the same" eval 'exits 0 && out_has "any number would be luck" && [ "$(member plan)" = null ]'
long=$(printf 'x%.0s' $(seq 62))ä
mkdir -p damaged/{train,test}/"$long" && cp "$golden/gray.jpg" damaged/train/"$long" && cp "$golden/gray.jpg" damaged/test/"$long"
on damaged
check "a class of one with a long name, cut within a letter" eval 'exits 0 && out_has "1 class of one image"'

run "$thaw" advise --model builtin --data lonely --size 16 --ranks 16 --out few --json
check "more ranks than the recipe has images a step: an image for each" eval 'exits 0 && out_has "\"batch\": 16"'

run "$thaw" advise --model cifar_resnet8 --data data --size 16 --out few --json
check "random weights: words, and no similarity" eval 'exits 0 && out_has "weights are random" && grep -q "\"figure\": null" out'
run "$thaw" advise --data nowhere --out few
check "missing data" fails 74 nowhere
run "$thaw" advise --model nowhere.pth --data data --out few
check "a missing model" fails 74 nowhere.pth
run "$thaw" advise --data data --out data/train-images-idx3-ubyte
check "a folder that cannot be" fails 74 train-images

finish
