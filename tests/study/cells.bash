# What the parts of the study agree on: its cells and how a run is trained, whatever its cut and learning rate.

# DATASET:PER_CLASS, at 5 %, 20 % and 100 % of the images of a class.
cells="flowers12:3 flowers12:12 flowers12:60 edges:3 edges:12 edges:60
	cifar10:5 cifar10:20 cifar10:100 fashion:5 fashion:20 fashion:100"

# images_of DATASET PER_CLASS
images_of() {
	case $1 in
	flowers12 | edges) echo $((12 * $2)) ;;
	*) echo $((10 * $2)) ;;
	esac
}

# size_of DATASET PHOTOGRAPHS/SMALL: the side of the input.
size_of() {
	case $1 in
	flowers12 | edges) echo "${2%/*}" ;;
	*) echo "${2#*/}" ;;
	esac
}

# recipe IMAGES: batch, head epochs, epochs; that of thaw advise (src/advise/recipe.c).
recipe() {
	local images=$1 batch=32 epochs
	[ "$images" -lt 512 ] && batch=16
	[ "$images" -lt 128 ] && batch=8
	epochs=$(((300 * batch + images - 1) / images))
	[ "$epochs" -lt 10 ] && epochs=10
	[ "$epochs" -gt 40 ] && epochs=40
	echo $batch $(((epochs + 3) / 4)) $epochs
}

# The factor from block to block that makes the first one's rate a hundredth: 0.01^(1 / blocks).
fastai_decay() {
	case $1 in
	builtin) echo 0.316 ;;
	*) echo 0.774 ;;
	esac
}
export cells
export -f images_of size_of recipe fastai_decay
