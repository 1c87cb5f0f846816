#!/bin/bash
# thaw train --plan: values of flags, and the prediction stored with the run. Usage: test_plan.sh THAW
# shellcheck disable=SC2016,SC2034 # conditions are evaluated by check
# shellcheck source=tests/cli/lib.bash
. "$(dirname "$0")/lib.bash"
cd "$work" || exit 1
mkdir data
idx data/train 64
idx data/t10k 22

EXPECTED='{"accuracy": 0.9, "low": 0.25, "high": 1.0}'
HOW='"unfreeze": "all", "head-epochs": 1, "epochs": 2, "lr": 0.05, "head-lr": 0.03, "layer-decay": 0.9, "bn": "lane",
	"batch": 16, "size": 16, "optimizer": "sgd", "seed": 3'
how=(--unfreeze all --head-epochs 1 --epochs 2 --lr 0.05 --head-lr 0.03 --layer-decay 0.9 --bn lane --batch 16 --size 16
	--optimizer sgd --seed 3)
# plan FILE TRAIN [EXPECTED]
plan() {
	printf '{"thaw": "plan", "network": "cifar_resnet8", "train": {%s}, "expected": %s, "cost": {"hours": 0.25}}' \
		"$2" "${3:-$EXPECTED}" >"$1"
}
here=(train --model cifar_resnet8 --data data --lanes 4 --scale-min 1) # values that are not in the plan

# Precedence of values. The settings are printed when the training starts.
mkdir shown && idx shown/train 16 && idx shown/t10k 4
show() { rm -rf shown-run && run "$thaw" train --data shown --out shown-run "$@"; }
setting() { grep -qE -e "^  $1 +$2\$" err; }
plan p.json '"lr": 0.4, "batch": 256, "unfreeze": "last:3", "momentum": 0.1, "epochs": 7, "mixed-machines": true'
printf 'lr: 0.3\nbatch: 128\nunfreeze: last:2\n' >c.yaml
THAW_LR=0.2 THAW_BATCH=64 show --plan p.json --config c.yaml --lr 0.1
check "flags override the plan" setting lr 0.1
check "the environment overrides the plan" setting batch "64 +\(THAW_BATCH\)"
check "the configuration file overrides the plan" setting unfreeze "last:2 +\(c.yaml:3\)"
check "the plan overrides the defaults" setting momentum "0.1 +\(p.json: momentum\)"
check "integers and booleans in a plan" eval 'setting epochs "7 +.*" && setting mixed-machines "true +.*"'
run "$thaw" train --data nowhere --out r --plan p.json
check "a run with a plan fails on missing data" fails 74 nowhere
THAW_PLAN=p.json show
check "a plan from the environment" setting lr "0.4 +\(p.json: lr\)"
printf 'plan: p.json\n' >c.yaml
show --config c.yaml
check "a plan from the configuration" setting lr "0.4 +\(p.json: lr\)"
run "$thaw" eval --model m --data d --plan p.json
check "other commands have no --plan" fails 64 "unknown flag: --plan"

refused() { # refused NAME TEXT: of p.json
	run "$thaw" train --data nowhere --out r --plan p.json
	check "refused: $1" fails 78 "$2"
}
run "$thaw" train --data d --out r --plan none.json
check "a missing plan" fails 74 none.json
run "$thaw" train --data d --out r --plan .
check "a folder as plan" fails 74 "."
: >p.json
refused "an empty file" p.json
printf 'lr: 0.1\n' >p.json
refused "YAML" "not JSON: p.json:1"
head -c 4096 "$thaw" >p.json
refused "a program" "not JSON: p.json:1"
plan p.json "$HOW" && head -c 200 p.json >cut.json && mv cut.json p.json
refused "a cut plan" "not JSON: p.json:"
printf '[1, 2]' >p.json
refused "a list" "not a plan: p.json"
printf '{"lr": 0.1}' >p.json
refused "another JSON object" "not a plan: p.json"
printf '{"thaw": "plan", "expected": %s}' "$EXPECTED" >p.json
refused "no flags" '"train" is missing'
for expected in null 0.9 '{}' '{"accuracy": 0.9, "low": 0.95, "high": 1.0}' '{"accuracy": 90, "low": 80, "high": 95}' \
	'{"accuracy": "0.9", "low": 0.8, "high": 1.0}'; do
	plan p.json "$HOW" "$expected"
	refused "expected: $expected" "no valid prediction in the plan: p.json"
done
while IFS='|' read -r flags text; do
	plan p.json "$flags"
	refused "$flags" "$text"
done <<'END'
"lrr": 0.1|unknown key: p.json: lrr: did you mean lr?
"xyzzyxyzzy": 0.1|unknown key: p.json: xyzzyxyzzy: keys are the flags
"plan": "q.json"|unknown key: p.json: plan
"config": "c.yaml"|unknown key: p.json: config
"help": true|unknown key: p.json: help
"lr": "fast"|not a number: p.json: lr: fast
"lr": true|not a number: p.json: lr: true
"lr": null|a flag without a value: p.json: lr
"lr": [0.1]|not a single value: p.json: lr
"lr": -0.1|out of range: p.json: lr: -0.1
"lr": 0.1, "lr": 0.2|not JSON: p.json:1: duplicate
"epochs": 1.5|not a whole number: p.json: epochs: 1.5
"optimizer": "adam"|not a choice: p.json: optimizer: adam
"unfreeze": ""|an empty value: p.json: unfreeze
END

# A run with a plan equals a run with its flags, and its result has the prediction.
plan p.json "$HOW"
run "$thaw" "${here[@]}" --out flags "${how[@]}" --json
check "without a plan" eval 'exits 0 && ! out_has predicted && [ ! -e flags/plan.json ]'
run "$thaw" "${here[@]}" --out run --plan p.json --json
check "with a plan" reports status=done
check "a plan and its flags give the same bits" cmp -s run/model.safetensors flags/model.safetensors
check "the run directory has the plan" grep -q '"low": 0.25' run/plan.json
check "the result has the prediction" out_has '"predicted": {"accuracy": 0.9, "low": 0.25, "high": 1.0}'
check "... and the network" reports network=cifar_resnet8 as_planned=true
check "... and whether it held" test "$(member inside)" = \
	"$(awk -v x="$(member top1)" 'BEGIN { print (x >= 0.25 ? "true" : "false") }')"
check "... and the hours" prints '"predicted_hours": 0.25' '"hours": '
check "result.json has it too" grep -q '"as_planned": true' run/result.json
run "$thaw" "${here[@]}" --out run --plan p.json
check "the text output of a complete run has the prediction" \
	eval 'exits 0 && out_has "predicted: top-1 25.00 % to 100.00 %; " && err_has "done"'
run mpirun -n 2 "$thaw" "${here[@]}" --out two --plan p.json
check "two ranks give the same bits" cmp -s two/model.safetensors flags/model.safetensors
plan q.json "${HOW/0.05/0.06}"
run mpirun -n 1 "$thaw" "${here[@]}" --out r --plan p.json : -n 1 "$thaw" "${here[@]}" --out r --plan q.json
check "ranks with different plans" exits 78 "--lr differs"
check "... and nothing is written" test ! -e r
cp p.json elsewhere.json
here_with=("${here[@]}" --out moved --plan)
run mpirun -n 1 "$thaw" "${here_with[@]}" p.json : -n 1 "$thaw" "${here_with[@]}" elsewhere.json
check "the path of the plan may differ between ranks" exits 0

# Predictions are compared only if the run followed the plan.
plan q.json "$HOW" '{"accuracy": 0.0, "low": 0.0, "high": 0.0}'
run "$thaw" "${here[@]}" --out outside --plan q.json --json
check "a result outside the predicted range" test "$(member inside)" = false
run "$thaw" "${here[@]}" --out departed --plan p.json --epochs 1 --json
check "a run that does not follow its plan is reported" \
	eval 'exits 0 "differs from its plan: epochs" && [ "$(member as_planned)" = false ]'
digest=$(grep -o '"data": "[^"]*' run/config.json | cut -c 10-)
for other in '"network": "resnet18"' '"data_digest": "0123456789abcdef"' '"data_digest": "'"$digest"'"'; do
	sed "s/\"network\": \"cifar_resnet8\"/$other/" p.json >q.json
	run "$thaw" "${here[@]}" --out "of${other//[^a-z0-9]/}" --plan q.json --json
	wanted=false
	[[ $other == *$digest* ]] && wanted=true
	check "a plan with $other" reports as_planned=$wanted
done
sed 's/"cost"/"uncalibrated": {"accuracy": 0.8, "low": 0.7, "high": 0.875}, "cost"/' p.json >q.json
run "$thaw" "${here[@]}" --out calibrated --plan q.json --json
check "the uncorrected prediction is stored too" out_has '"uncalibrated": {"accuracy": 0.8, "low": 0.7, "high": 0.875}'

# A run keeps the prediction of its first start.
plan p.json "${HOW/\"epochs\": 2/\"epochs\": 30}"
plan later.json "${HOW/\"epochs\": 2/\"epochs\": 30}" '{"accuracy": 0.5, "low": 0.5, "high": 0.75}'
long=("${here[@]}" --eval-every 30 --checkpoint-every 2)
kill_planned() { kill_at_lines "$1" "$2" "$thaw" "${long[@]}" --out "$1" --plan p.json; } # kill_planned RUN LINES
run "$thaw" "${long[@]}" --out unbroken --plan p.json --json
check "an uninterrupted run" exits 0
prediction() { tr -d ' \n' <"$1/result.json" | grep -o '"predicted":.*"predicted_hours":[^,]*'; }
kill_planned killed 5
kill_planned killed 20
check "a run killed twice" eval '[ $code -eq 137 ] && [ ! -e killed/result.json ]'
run "$thaw" "${long[@]}" --out killed --plan later.json
check "resumed with another prediction" exits 0 "keeps the prediction" "resumed at step"
check "a killed run ends with the same bits" cmp -s killed/model.safetensors unbroken/model.safetensors
check "a killed run keeps its prediction" test "$(prediction killed)" = "$(prediction unbroken)"
kill_planned killed2 10
run "$thaw" "${long[@]}" --out killed2 "${how[@]}" --epochs 30
check "a run resumed with flags instead of the plan keeps its prediction" \
	eval 'exits 0 && [ "$(prediction killed2)" = "$(prediction unbroken)" ]'
kill_planned killed3 10
head -c 100 killed3/plan.json >cut.json && mv cut.json killed3/plan.json
run "$thaw" "${long[@]}" --out killed3 --plan p.json
check "a damaged plan in the run directory" exits 78 "killed3/plan.json"
run "$thaw" "${here[@]}" --out flags "${how[@]}" --plan q.json --json
check "a complete run that started without a plan has no prediction" eval 'exits 0 "started without a plan" && ! out_has predicted'
mkdir begun && cp p.json begun/plan.json
run "$thaw" "${here[@]}" --out begun "${how[@]}"
check "a plan in the run directory that was not given" exits 78 "begun/plan.json"
check "... and nothing is written" test ! -e begun/config.json
run "$thaw" "${here[@]}" --out begun --plan begun/plan.json --epochs 1
check "a plan in the run directory that was given" eval 'exits 0 && grep -q "\"low\": 0.25" begun/result.json'

finish
