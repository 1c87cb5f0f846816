# Sourced by all parts of the study: the cells, and the recipe of all runs.
# A cell is a network, a dataset and a number of images per class.
# shellcheck disable=SC2034 # used by the scripts that source this file

networks="builtin lite0"
# DATASET:PER_CLASS, at 5 %, 20 % and 100 % of the images of a class.
all_data="flowers12:3 flowers12:12 flowers12:60 edges:3 edges:12 edges:60
	cifar10:5 cifar10:20 cifar10:100 fashion:5 fashion:20 fashion:100"
# Low, middle, high; fixed rules use the middle one.
rates="0.0001 0.0003 0.001"
head_rates="0.001 0.003 0.01" # higher, since the classifier starts from random weights

# Cells that were not used for tuning: other numbers of images.
fresh_data="flowers12:30 edges:30 cifar10:50 fashion:50"

# cells: writes lines of NETWORK DATASET PER_CLASS; STUDY_CELLS selects some of them, or fresh ones, as words
# NETWORK:DATASET:PER_CLASS.
cells() {
	local network data
	for data in $all_data $fresh_data; do
		for network in $networks; do
			case " ${STUDY_CELLS:-} " in
			*[[:space:]]"$network:$data"[[:space:]]*) ;;
			"  ") case " $fresh_data " in *" $data "*) continue ;; esac ;;
			*) continue ;;
			esac
			echo "$network" "${data%:*}" "${data#*:}"
		done
	done
}

# network_line FOLDER NETWORK: NAME SIDE/SIDE MODEL CUT...: the sides for photographs and for small images, the cuts
# from the classifier to the image.
network_line() { grep "^$2 " "$1/networks"; }

# classes_of DATASET
classes_of() {
	case $1 in
	flowers12 | edges) echo 12 ;;
	*) echo 10 ;;
	esac
}

# images_of DATASET PER_CLASS
images_of() { echo $(($(classes_of "$1") * $2)); }

# tests_of DATASET: number of test images.
tests_of() {
	case $1 in
	flowers12 | edges) echo 240 ;;
	*) echo $((10 * test_cap)) ;;
	esac
}
train_cap=100 # images per class of large datasets
test_cap=200

# size_of DATASET PHOTOGRAPHS/SMALL: the side of the input.
size_of() {
	case $1 in
	flowers12 | edges) echo "${2%/*}" ;;
	*) echo "${2#*/}" ;;
	esac
}

# recipe IMAGES: batch, head epochs, epochs; the same as in src/advise/recipe.c.
recipe() {
	local images=$1 batch=32 epochs
	[ "$images" -lt 512 ] && batch=16
	[ "$images" -lt 128 ] && batch=8
	epochs=$(((300 * batch + images - 1) / images))
	[ "$epochs" -lt 10 ] && epochs=10
	[ "$epochs" -gt 40 ] && epochs=40
	echo $batch $(((epochs + 3) / 4)) $epochs
}

# Layer decay that makes the learning rate of the first block a hundredth: 0.01^(1 / blocks).
fastai_decay() {
	case $1 in
	builtin) echo 0.316 ;;
	*) echo 0.774 ;;
	esac
}
