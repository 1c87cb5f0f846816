#!/bin/bash
# thaw compare: the order of networks, the same from any number of ranks, and what nothing can be said of. Usage:
# test_compare.sh THAW
# shellcheck disable=SC2016,SC2034,SC2154 # conditions are evaluated by check; lib.bash assigns
# shellcheck source=tests/cli/lib.bash
here=$(realpath "$(dirname "$0")")
. "$(dirname "$0")/lib.bash"
cd "$work" || exit 1
fashion=/usr/share/datasets/fashion-mnist
image=$(find "$here/../golden/images" -name '*.jpg' | sort | head -n 1)

# The networks in their order.
models() { grep -o '"model": "[^"]*"' out | cut -d'"' -f4 | tr '\n' ' '; }
# Numbers that do not depend on who computes them: neither times nor what follows from them.
lasting() { sed -E 's/"milliseconds": [0-9.e+-]+, //g; s/, "pareto": (true|false)//g' out; }
# pictures FOLDER CLASS:IMAGES...: one picture again and again.
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
	check "a pretrained network before random ones" eval '[ "$(models | cut -d" " -f1)" = builtin ]'
	check "it says what was looked at" eval '[ "$(member images)" -eq 100 ] && [ "$(member classes)" -eq 10 ] &&
		[ "$(member damaged)" -eq 0 ] && [ "$(member classes_of_one_image)" -eq 0 ]'
	check "random weights have no classifier to ask" eval '[ "$(grep -o "\"leep\": null" out | wc -l)" -eq 2 ] &&
		[ "$(grep -o "\"pretrained\": false" out | wc -l)" -eq 2 ]'
	check "probes tell more than chance" \
		eval 'grep -oE "\"probe\": [0-9.]+" out | awk "\$2 < 0.3 || \$2 > 1 { bad = 1 } END { exit bad || NR != 3 }"'
	check "each has its cost" \
		eval 'grep -oE "\"(milliseconds|mflop|parameters)\": [0-9.]+" out | awk "\$2 <= 0 { bad = 1 } END { exit bad || NR != 9 }"'
	check "the best one is on the front" eval 'grep -o "\"pareto\": [a-z]*" out | head -n 1 | grep -q true'
	lasting >alone
	check "the order of the arguments does not matter" eval '
		run "$thaw" "${small[@]}" --json cifar_resnet20 cifar_resnet8 builtin && lasting | cmp - alone'
	for ranks in 2 4; do
		run mpirun -n $ranks "$thaw" "${small[@]}" --json cifar_resnet8 builtin cifar_resnet20
		check "the same from $ranks ranks" eval 'exits 0 && lasting | cmp - alone'
	done
	run "$thaw" "${small[@]}" cifar_resnet8 builtin
	check "for people" eval 'exits 0 && out_has "* builtin" && out_has "cifar_resnet8 (random)" &&
		out_has "100 training images of 10 classes" && out_has "Start with builtin"'
	check "... in lines of a hundred columns" eval '! sed "s/±/+/g" out | grep -qE "^.{101}"'
	run "$thaw" "${small[@]}" --seed 2 --json builtin
	check "another seed, other images" eval 'exits 0 && ! lasting | grep -qF "$(grep -o "\"logme\": [^,]*" alone | head -n 1)"'
	run "$thaw" "${small[@]}" --size 16 --json builtin
	check "another size" eval 'exits 0 && [ "$(member size)" -eq 16 ]'
	run "$thaw" compare --data "$fashion" --size 8 --json builtin
	check "2048 images are enough" eval 'exits 0 && [ "$(member images)" -eq 2040 ]'

	for bad in nothing.pth resnet81 resnet18:nothing.pth; do
		run "$thaw" "${small[@]}" builtin $bad
		check "a network that is not there: $bad" fails 74 "${bad#*:}"
	done
	echo "no weights" >words.pth
	run "$thaw" "${small[@]}" builtin words.pth
	check "a file that is no network" fails 65 words.pth
	run "$thaw" "${small[@]}" builtin alexnet --size 16
	check "an image too small for one of them" fails 78 "alexnet: "
	run mpirun -n 2 "$thaw" "${small[@]}" builtin nothing.pth
	check "two ranks tell a mistake once" eval 'exits 74 nothing.pth && [ "$(grep -c "^thaw: " err)" -eq 1 ] && [ ! -s out ]'
	run mpirun -n 2 "$thaw" "${small[@]}" --lanes 1 builtin
	check "more ranks than lanes" exits 78 "--lanes"
	run "$thaw" "${small[@]}" --per-class 1 builtin
	check "one image a class" fails 78 "one training image of each class"
else
	skip "networks on Fashion-MNIST" "no $fashion"
fi

pictures lonely daisy:3
run "$thaw" compare --data lonely builtin
check "one class" fails 78 "one class"
pictures single daisy:1 tulip:1
run "$thaw" compare --data single builtin
check "one picture a class" fails 78 "one training image of each class"
pictures mixed daisy:1 tulip:3
run "$thaw" compare --data mixed builtin
check "a class of one is told" eval 'exits 0 && out_has "classes with a single image" &&
	out_has "fewer than 5 images per class" && ! grep -qiE "nan|inf " out'
for i in 0 1 2; do echo "no picture" >mixed/train/tulip/$i.jpg; done
run "$thaw" compare --data mixed builtin
check "too few of them can be read" eval 'exits 78 builtin && ! [ -s out ]'
run "$thaw" compare --data nowhere builtin
check "no such dataset" fails 74 nowhere
run "$thaw" compare --data mixed
check "no network" fails 64 "an argument is missing"

finish
