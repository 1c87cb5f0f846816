#!/bin/bash
# The scripts of make advise-study on artificial results: the arithmetic of the report, and which runs are repeated, skipped
# and rejected. A stand-in replaces the program, so nothing is trained. Usage: test_study.sh THAW
# shellcheck disable=SC2016,SC2034 # conditions are evaluated by check
# shellcheck source=tests/cli/lib.bash
. "$(dirname "$0")/lib.bash"
study=$(realpath "$(dirname "$0")/../study")
golden=$(realpath "$(dirname "$0")/../golden")
unset FLOWERS CIFAR FASHION LITE0 STUDY JOBS
cd "$work" || exit 1
mkdir made
cat >made/networks <<'NETWORKS'
builtin 32/32 builtin head from:b all
lite0 96/64 lite0.pth head from:b all
NETWORKS

# ---- Statistics ---------------------------------------------------------------------------------

cat >sums.awk <<'AWK'
BEGIN {
	for (i = 1; i <= 10; i++)
		v[i] = 11 - i
	pair[1] = pair[2] = 0.5
	apart[1] = 0.9; apart[2] = 0.1
	printf "%.2f %.4f %.0f %.0f %.3f %.4f %.4f\n", mean(v, 10), error_of_mean(v, 4), percentile(v, 10, 0.9),
		percentile(v, 9, 0.9), normal_below(1.96), luck_of_largest(pair, 2, 0.1), luck_of_largest(apart, 2, 0.1)
}
AWK
run awk -f "$study/statistics.awk" -f sums.awk
# Two equal values: error / sqrt(pi).
check "mean, its error, percentiles, normal distribution, luck" out_has "5.50 0.6455 9 10 0.975 0.0564 0.0000"

# ---- The report ---------------------------------------------------------------------------------

# truth CELL FASTAI CUT ACCURACY ACCURACY ACCURACY ...: 10 seconds per run; an accuracy of 0 is a failed run.
truth() {
	local cell=$1 cut tried rate
	echo "{\"key\":\"$cell all fastai\",\"top1\":$2,\"loss\":1,\"cpu_seconds\":10}"
	shift 2
	while [ $# -gt 0 ]; do
		cut=$1 tried="0.0001 0.0003 0.001"
		[ "$cut" = head ] && tried="0.001 0.003 0.01"
		shift
		for rate in $tried; do
			[ "$1" = 0 ] && loss=null || loss=1
			echo "{\"key\":\"$cell $cut $rate\",\"top1\":$1,\"loss\":$loss,\"cpu_seconds\":10}"
			shift
		done
	done
}
# advice CELL UNFREEZE LR LOW HIGH SECONDS [PROGRAM]
advice() {
	echo "{\"key\":\"$1\",\"unfreeze\":\"$2\",\"lr\":$3,\"expected\":{\"low\":$4,\"high\":$5},\"cpu_seconds\":$6," \
		"\"thaw\":\"${7:-one}\"}"
}
export STUDY_CELLS="builtin:flowers12:3 builtin:cifar10:20 lite0:cifar10:5 builtin:fashion:5 lite0:fashion:5
	lite0:cifar10:20"
same="head 0.5 0.5 0.5 from:b 0.5 0.5 0.5 all 0.5 0.5 0.5"
{
	truth "builtin flowers12 3" 0.75 head 0.50 0.60 0.66 from:b 0.60 0.70 0.40 all 0.65 0.80 0.70
	truth "builtin cifar10 20" 0.91 head 0.80 0.82 0.84 from:b 0.85 0.86 0.90 all 0.80 0.85 0
	truth "lite0 cifar10 5" 0.60 head 0.70 0.72 0.71 from:b 0.70 0.74 0.70 all 0.60 0.70 0.50
	# shellcheck disable=SC2086
	{ truth "builtin fashion 5" 0.5 $same && truth "lite0 cifar10 20" 0.5 $same; }
	truth "lite0 fashion 5" 0.5 head 0.5 0.5 0.5
} >made/truth.jsonl
{
	advice "builtin flowers12 3" all 0.001 0.1 0.2 100 # an older line
	advice "builtin flowers12 3" from:b 0.0003 0.65 0.75 9
	advice "builtin cifar10 20" head 0.01 0.85 0.95 4.5
	advice "lite0 cifar10 5" from:b 0.00029999999999999997 0.74 0.80 2.7
	advice "lite0 cifar10 20" all 0.5 0.4 0.6 1
} >made/advice.jsonl
run "$study/report.sh" made
check "the report equals the golden one" eval 'exits 0 && diff "$golden/study_report.md" out'
advice "lite0 cifar10 5" head 0.003 0.6 0.8 1 two >>made/advice.jsonl
run "$study/report.sh" made
check "advice from two programs is reported" out_has "2 different programs"
grep 'cifar10 5' made/advice.jsonl | tail -n 1 >other.jsonl
run "$study/report.sh" made other.jsonl
check "advice from another file" \
	prints "| lite0 cifar10 5 | 74.0 | from:b, 0.0003 | head, 0.003 | 72.0 | 2.0 |"
: >made/advice.jsonl
run "$study/report.sh" made
check "a report without results" prints "No cell has both"

# ---- Grid and advice ----------------------------------------------------------------------------

# A program that diverges at a rate of 0.001 with everything unfrozen, and fails if the file `broken` exists.
cat >stand-in <<'END_OF_STAND_IN'
#!/bin/bash
echo "$*" >>"$work/calls"
[ -e "$work/broken" ] && { echo "thaw: no space" >&2; exit 73; }
case "$*" in
*"advise "*"cifar10"*) echo '{"plan": null, "plans": [], "similarity": {"figure": 0.1}, "words": ["too few"]}' ;;
"advise "*) echo '{"plan": 1, "plans": [{}, {"train": {"unfreeze": "head", "lr": 0.003, "batch": 8, "epochs": 50,
	"head-epochs": 0, "optimizer": "adamw"}, "expected": {"accuracy": 0.5, "low": 0.4, "high": 0.6}}]}' ;;
*"--unfreeze all"*"--lr 0.001 --head-lr"*) echo "thaw: the loss is not finite (nan)" >&2; exit 70 ;;
*) echo '{"top1": 0.5, "loss": 1.5}' ;;
esac
END_OF_STAND_IN
chmod +x stand-in
export work
export STUDY_CELLS="builtin:flowers12:3 builtin:cifar10:5"
# lines FILE: number of lines; calls: number of runs of the program since the last call.
lines() { wc -l <"made/$1.jsonl"; }
calls() { wc -l <calls; rm calls; }
: >made/truth.jsonl
run "$study/grid.sh" ./stand-in made 2
check "one line per cut and rate, and for fastai's recipe" \
	eval '[ "$(lines truth)" -eq 20 ] && [ "$(calls)" -eq 20 ]'
check "a failed run has accuracy 0" \
	eval 'exits 0 && grep -qF "{\"key\":\"builtin flowers12 3 all 0.001\",\"top1\":0,\"loss\":null," made/truth.jsonl'
sed -i 3,5d made/truth.jsonl
run "$study/grid.sh" ./stand-in made 2
check "existing runs are skipped" eval 'exits 0 && [ "$(lines truth)" -eq 20 ] && [ "$(calls)" -eq 3 ]'
sed -i 3,5d made/truth.jsonl
touch broken
run "$study/grid.sh" ./stand-in made 2
check "a broken run writes no line" \
	eval '[ $code -ne 0 ] && err_has "failed: thaw: no space" && [ "$(lines truth)" -eq 17 ]'
run "$study/advise.sh" ./stand-in made 2
check "broken advice writes no line" \
	eval '[ $code -ne 0 ] && err_has "builtin cifar10 5 failed" && [ "$(lines advice)" -eq 0 ]'
rm broken calls
run "$study/advise.sh" ./stand-in made 2
check "one line of advice per cell" eval '[ $code -eq 0 ] && [ "$(lines advice)" -eq 2 ] && [ "$(calls)" -eq 2 ]'
check "the line has the chosen plan" \
	eval 'grep -F "\"builtin flowers12 3\"" made/advice.jsonl | grep -qF "\"unfreeze\":\"head\",\"lr\":0.003"'
check "advice without a plan has no cut" eval 'grep -qF "\"unfreeze\":null" made/advice.jsonl'
run "$study/advise.sh" ./stand-in made 2
check "existing advice is skipped" eval 'exits 0 && [ ! -e calls ]'
sed -i 's/"batch": 8/"batch": 9/' stand-in
run "$study/advise.sh" ./stand-in made 2
check "another program repeats the advice" eval '[ "$(lines advice)" -eq 4 ] && [ "$(calls)" -eq 2 ]'
check "a plan that is not in the grid" err_has "builtin flowers12 3: the plan does not use the recipe of the grid"
check "no temporary file remains" eval '! ls made | grep -q "^run\|^advice\.[^j]"'

# ---- The complete study ----------------------------------------------------------------------------------

export STUDY="$work/whole" STUDY_CELLS=
export FASHION=nowhere
run "$study/study.sh" ./stand-in
check "all missing inputs are reported at once" \
	eval '[ $code -eq 66 ] && err_has FLOWERS && err_has CIFAR && err_has FASHION && err_has LITE0 && [ ! -e whole ]'
mkdir bin
for tool in bash realpath dirname nproc cut sort grep; do ln -s "$(command -v $tool)" bin/; done
run env PATH="$work/bin" "$study/study.sh" ./stand-in
check "jq and ImageMagick are missing" exits 66 "apt install jq" "apt install imagemagick"
export STUDY_CELLS=builtin:flowers12:4
run "$study/study.sh" ./stand-in
check "an unknown cell" exits 64 "no such cell"
export STUDY_CELLS=builtin:flowers12:3 JOBS=2
mkdir -p flowers/train/a flowers/test/a
FLOWERS=flowers run "$study/study.sh" ./stand-in
check "from the data to the report" eval '[ $code -eq 0 ] && out_has "| builtin flowers12 3 | 50.0 |" &&
	diff out whole/report.md && [ -d whole/data/flowers12/test/a ]'
flock whole/lock "$study/study.sh" ./stand-in >out 2>err
code=$?
check "a folder has only one study at a time" exits 75 "another study"

finish
