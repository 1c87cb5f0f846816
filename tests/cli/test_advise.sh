#!/bin/bash
# thaw advise: the same advice for any number of ranks, plans that thaw train can follow, budgets, and remarks instead of
# meaningless numbers. Usage: test_advise.sh THAW
# shellcheck disable=SC2016,SC2034,SC2154 # conditions are evaluated by check; lib.bash assigns
# shellcheck source=tests/cli/lib.bash
golden=$(realpath "$(dirname "$0")/../golden/images")
. "$(dirname "$0")/lib.bash"
cd "$work" || exit 1
mkdir data
idx data/train 64
idx data/t10k 22
advise=("$thaw" advise --model builtin --data data --size 16)

# no_plan TEXT..., has_plan TEXT...: success, without or with a plan, and texts in the result.
no_plan() { prints "$@" && [ "$(member plan)" = null ]; }
has_plan() { prints "$@" && [ "$(member plan)" != null ]; }

run "${advise[@]}" --out one --json
check "advise succeeds" exits 0
check "... with a plan" eval '[ "$(member plan)" = 0 ] && grep -q "\"thaw\": \"plan\"" one/plan.json'
check "... and advice.json beside the plan" grep -q '"depths"' one/advice.json
check "... and a command to copy" out_has "mpirun -np 1 thaw train --plan one/plan.json --model builtin --data data --out RUN"

run "${advise[@]}" --out page
check "the page has a recommendation" eval 'exits 0 && grep -qE "^(Train|Unfreeze)" out && out_has "thaw train --plan"'
check "... and at most 100 columns" eval '[ "$(awk "length > 100" out | wc -l)" -eq 0 ]'

# The advice without times and rank counts, which differ between runs.
steady() { sed -E 's/"(seconds|core_seconds|hours|core_hours|mebibytes)": *[0-9.e+-]*//; s/"ranks": *[0-9]*//; s/-np [0-9]+//;
	s/(two|four|one)\/plan/plan/' "$1/advice.json"; }
steady one >one.txt
for n in 2 4; do
	out=$([ $n = 2 ] && echo two || echo four)
	run mpirun -np $n "${advise[@]}" --out "$out"
	check "the same advice on $n ranks" eval "exits 0 && steady $out | diff one.txt - >&2"
done

# A run follows the plan, and the next advice uses the result of the run.
command=$(grep -o '"command": "[^"]*"' one/advice.json | sed 's/.*": "mpirun -np 1 thaw //; s/"$//; s/RUN/runs\/1/')
# shellcheck disable=SC2086
run "$thaw" $command --lanes 4
check "the command of the advice runs" exits 0
check "... and the result has the prediction" grep -q '"predicted"' runs/1/result.json
check "... and the run followed its plan" grep -q '"as_planned": true' runs/1/result.json
run "${advise[@]}" --out two --history runs --json
check "the history has one run" prints '"history": {"runs": 1'
mkdir empty
run "${advise[@]}" --out two --history empty --json
check "an empty history has no runs" prints '"history": {"runs": 0'
run "${advise[@]}" --out two --history nowhere
check "a missing history" fails 74 nowhere

run "${advise[@]}" --out two --budget 0.001s --json
check "a budget of a millisecond: a remark that no plan fits" no_plan "No plan fits the budget 0.001s"
run "${advise[@]}" --out two --budget "30 core-hours" --json
check "a budget of core-hours" reports plan=0
for wrong in 2x -1h h "3 apples" nan; do
	run "${advise[@]}" --out two --budget "$wrong"
	check "a budget of $wrong" fails 64 "--budget $wrong"
done

# labelled FOLDER LABEL...: training images of these classes, and two test images.
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
on() { # on FOLDER: runs thaw advise on these data
	run "$thaw" advise --model builtin --data "$1" --size 16 --out few --json
}
times() { printf "$1 %.0s" $(seq "$2"); }

# shellcheck disable=SC2046
mkdir -p class1/train/only class1/test/only
cp "$golden"/rgb*.jpg class1/train/only && cp "$golden/gray.jpg" class1/test/only
on class1
check "one class" fails 78 "only one class" '"only"'
labelled pairs 0 0 1 1 2 2
on pairs
check "two images per class: a plan, and a remark that there were no pilots" has_plan "too few to compare trainings"
labelled pair 0 0 1 1
on pair
check "four images: a remark" no_plan "Too few images are left"
# shellcheck disable=SC2046
labelled lonely $(times 0 12) $(times 1 12) 2
on lonely
check "a class with one image: reported and skipped" has_plan "1 class of one image"
labelled alone 0 1 2 3
on alone
check "only classes with one image: a remark" no_plan "Too few images are left"

for class in fine torn; do
	mkdir -p damaged/{train,test}/$class
	for i in 1 2 3 4 5 6; do printf 'no picture' >damaged/train/$class/$i.jpg; done
	cp "$golden/gray.jpg" damaged/test/$class
done
on damaged
check "damaged images: a remark, no plan" no_plan "12 of these images are damaged" '"figure": null'
cp "$golden"/rgb*.jpg damaged/train/fine
on damaged
check "one class with intact images: a remark, no plan" no_plan "Too few images are left"
long=$(printf 'x%.0s' $(seq 62))ä
mkdir -p damaged/{train,test}/"$long" && cp "$golden/gray.jpg" damaged/train/"$long" && cp "$golden/gray.jpg" damaged/test/"$long"
on damaged
check "a class with one image and a long name, truncated inside a UTF-8 sequence" prints "1 class of one image"

run "$thaw" advise --model builtin --data lonely --size 16 --ranks 16 --out few --json
check "more ranks than images per step in the recipe: one image per rank" prints "\"batch\": 16"

run "$thaw" advise --model cifar_resnet8 --data data --size 16 --out few --json
check "random weights: a remark, and no similarity" prints "weights are random" '"figure": null'
run "$thaw" advise --data nowhere --out few
check "missing data" fails 74 nowhere
run "$thaw" advise --model nowhere.pth --data data --out few
check "a missing model" fails 74 nowhere.pth
run "$thaw" advise --data data --out data/train-images-idx3-ubyte
check "an output folder that cannot be created" fails 74 train-images

finish
