#!/bin/bash
# thaw compare: the order of networks, the same result for any number of ranks, and datasets without a result.
# Usage: test_compare.sh THAW
# shellcheck disable=SC2016,SC2034,SC2154 # conditions are evaluated by check; lib.bash assigns
# shellcheck source=tests/cli/lib.bash
here=$(realpath "$(dirname "$0")")
. "$(dirname "$0")/lib.bash"
cd "$work" || exit 1
fashion=/usr/share/datasets/fashion-mnist
image=$here/../golden/images/rgb.jpg

# The names of the networks, in order.
models() { grep -o '"model": "[^"]*"' out | cut -d'"' -f4 | tr '\n' ' '; }
# The result without times and values derived from them, which differ between runs.
lasting() { sed -E 's/"milliseconds": [0-9.e+-]+, //g; s/, "pareto": (true|false)//g' out; }
# numbers NAMES CONDITION COUNT: there are COUNT numbers with these names (a|b|c), and the awk condition holds for each.
numbers() {
	grep -oE "\"($1)\": [0-9.]+" out | awk "!($2) { bad = 1 } END { exit bad || NR != $3 }"
}
# networks_with MEMBER: number of networks with this member.
networks_with() { grep -oF -e "$1" out | wc -l; }
# pictures FOLDER CLASS:IMAGES...: copies of a single picture.
pictures() {
	local folder=$1 class i
	shift
	for class; do
		mkdir -p "$folder/train/${class%:*}" "$folder/test/${class%:*}"
		cp "$image" "$folder/test/${class%:*}/test.jpg"
		for ((i = 0; i < ${class#*:}; i++)); do cp "$image" "$folder/train/${class%:*}/$i.jpg"; done
	done
}

if [ -d "$fashion" ]; then
	small=(compare --data "$fashion" --per-class 10)
	run "$thaw" "${small[@]}" --json cifar_resnet8 builtin cifar_resnet20
	cp out json
	check "one line of JSON" eval 'exits 0 && [ "$(wc -l <out)" -eq 1 ] && ! grep -qiE "nan|inf[^e]" out'
	check "a pretrained network is ranked before random ones" test "$(models | cut -d" " -f1)" = builtin
	check "the result has the number of images and classes" reports images=100 classes=10 damaged=0 classes_of_one_image=0
	check "two networks have no LEEP" test "$(networks_with '"leep": null')" -eq 2
	check "... and random weights" test "$(networks_with '"pretrained": false')" -eq 2
	check "probes are better than chance" \
		numbers probe '$2 >= 0.3 && $2 <= 1' 3
	check "each network has a cost" \
		numbers 'milliseconds|mflop|parameters' '$2 > 0' 9
	check "the best network is on the Pareto front" eval 'grep -o "\"pareto\": [a-z]*" out | head -n 1 | grep -q true'
	lasting >alone
	check "the order of the arguments does not matter" eval '
		run "$thaw" "${small[@]}" --json cifar_resnet20 cifar_resnet8 builtin && lasting | cmp - alone'
	for ranks in 2 4; do
		run mpirun -n $ranks "$thaw" "${small[@]}" --json cifar_resnet8 builtin cifar_resnet20
		check "the same result from $ranks ranks" eval 'exits 0 && lasting | cmp - alone'
	done
	run "$thaw" "${small[@]}" cifar_resnet8 builtin
	check "the text output" prints "* builtin" "cifar_resnet8 (random)" "100 training images of 10 classes" "Start with builtin"
	check "... has at most 100 columns" eval '! sed "s/±/+/g" out | grep -qE "^.{101}"'
	run "$thaw" "${small[@]}" --seed 2 --json builtin
	check "another seed selects other images" eval 'exits 0 && ! lasting | grep -qF "$(grep -o "\"logme\": [^,]*" alone | head -n 1)"'
	run "$thaw" "${small[@]}" --size 16 --json builtin
	check "another image size" reports size=16
	run "$thaw" compare --data "$fashion" --size 8 --json builtin
	check "at most 2048 images are used" reports images=2040

	for bad in nothing.pth resnet81 resnet18:nothing.pth; do
		run "$thaw" "${small[@]}" builtin $bad
		check "a missing network: $bad" fails 74 "${bad#*:}"
	done
	echo "no weights" >words.pth
	run "$thaw" "${small[@]}" builtin words.pth
	check "a file that is not a network" fails 65 words.pth
	run "$thaw" "${small[@]}" builtin alexnet --size 16
	check "images too small for one of the networks" fails 78 "alexnet: "
	run mpirun -n 2 "$thaw" "${small[@]}" builtin nothing.pth
	check "two ranks report an error once" fails_once 74 nothing.pth
	run mpirun -n 2 "$thaw" "${small[@]}" --lanes 1 builtin
	check "more ranks than lanes" exits 78 "--lanes"
	run "$thaw" "${small[@]}" --per-class 1 builtin
	check "one image per class" fails 78 "one training image of each class"
else
	skip "networks on Fashion-MNIST" "no $fashion"
fi

pictures lonely daisy:3
run "$thaw" compare --data lonely builtin
check "one class" fails 78 "one class"
pictures single daisy:1 tulip:1
run "$thaw" compare --data single builtin
check "one picture per class" fails 78 "one training image of each class"
pictures mixed daisy:1 tulip:3
run "$thaw" compare --data mixed builtin
check "a class with one image is reported" eval 'exits 0 && out_has "classes with a single image" &&
	out_has "fewer than 5 images per class" && ! grep -qiE "nan|inf " out'
for i in 0 1 2; do echo "no picture" >mixed/train/tulip/$i.jpg; done
run "$thaw" compare --data mixed builtin
check "too few readable images" fails_once 78 builtin
run "$thaw" compare --data nowhere builtin
check "a missing dataset" fails 74 nowhere
run "$thaw" compare --data mixed
check "no network" fails 64 "an argument is missing"

finish
