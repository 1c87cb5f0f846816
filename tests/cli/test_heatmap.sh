#!/bin/bash
# Fully convolutional networks and heat maps: thaw predict --heatmap, --fully-conv. Usage: test_heatmap.sh THAW
# shellcheck disable=SC2016,SC2034 # conditions are evaluated by check
# shellcheck source=tests/cli/lib.bash
. "$(dirname "$0")/lib.bash"
images=$(realpath "$(dirname "$0")/../golden/images")
cd "$work" || exit 1
mkdir a b data
cp "$images/rgb.png" a/x.png
cp "$images/rgb.png" 'a/;$(touch bad)é..png'
cp "$images/exif1.jpg" b/x.jpg
idx data/train 8
idx data/t10k 4

# is_png FILE: begins as a PNG and ends with its last chunk.
is_png() { [ "$(head -c 8 "$1" | od -An -c | tr -d ' ')" = '211PNG\r\n032\n' ] && tail -c 8 "$1" | grep -qa IEND; }
pictures() { find "$1" -type f 2>/dev/null | wc -l; }

run "$thaw" predict --model cifar_resnet8 --heatmap maps --heatmap-classes 2 --json a b
check "a picture per image and class" eval 'exits 0 && [ "$(pictures maps)" -eq 6 ]'
check "the result names them" out_has '"heatmaps"' maps/00001- maps/00003-x-2-
bad=0
for file in maps/*; do is_png "$file" || bad=1; done
check "they are PNG files" [ $bad -eq 0 ]
check "names are plain" eval '[ ! -e bad ] && ! ls maps | grep -q "[^A-Za-z0-9._-]"'
check "equal names do not replace each other" eval '[ "$(find maps -name "*-x-1-*" | wc -l)" -eq 2 ]'
run "$thaw" predict --model cifar_resnet8 a/x.png
cp out plain
run "$thaw" predict --model cifar_resnet8 --heatmap maps2 a/x.png
check "predictions are the same" eval 'exits 0 && grep -v "heat map:" out | cmp -s - plain'
run "$thaw" predict --model cifar_resnet8 --heatmap maps3 --heatmap-classes 99 a/x.png
check "more classes than the network has" eval 'exits 0 && [ "$(pictures maps3)" -eq 10 ]'
run "$thaw" predict --model cifar_resnet8 --heatmap a/x.png b/x.jpg
check "a file in the place of the folder" fails 74 a/x.png
head -c 100 a/x.png >broken.png
run "$thaw" predict --model cifar_resnet8 --heatmap maps4 broken.png b/x.jpg
check "a damaged image has no picture, the others have" eval 'exits 65 broken.png && [ "$(pictures maps4)" -eq 1 ]'

run "$thaw" predict --model alexnet --heatmap none a/x.png
check "fully connected layers have no map" fails 78 "no heat map" --fully-conv
run "$thaw" predict --model alexnet --heatmap none --fully-conv a/x.png
check "a grid of one position is no map" fails 78 "one position" 448
check "nothing is written then" [ ! -e none ]
run "$thaw" predict --model alexnet --size 160 --fully-conv a/x.png
check "an image smaller than the kernel" fails 78 "160 x 160" "too small for a kernel of 6x6"
run "$thaw" predict --model alexnet --size 320 --fully-conv --heatmap grid a/x.png
check "a larger image has a map" eval 'exits 0 "run as convolutions" && [ "$(pictures grid)" -eq 1 ]'
run "$thaw" predict --model resnet18 --fully-conv a/x.png
check "a network with global pooling is one already" exits 0 "fully convolutional already"

run "$thaw" export cifar_resnet8 --fully-conv --onnx grid.onnx --verify a/x.png
check "export with a grid" eval 'exits 0 && grep -qa grid_H grid.onnx'
checker=$(dirname "$thaw")/tests/onnx/check_model
if [ -x "$checker" ]; then
	run "$checker" grid.onnx
	check "ONNX's checker accepts it" exits 0
else
	skip "ONNX's checker accepts it" "the checker is not built"
fi
run "$thaw" predict --model grid.onnx a/x.png
check "computes the same" eval 'exits 0 "output logits is used, not grid" && cmp -s out plain'

train=(train --model alexnet --data data --size 256 --unfreeze head --epochs 2 --lanes 2 --batch 4 --views 1 --out run)
run "$thaw" "${train[@]}" --fully-conv --json
check "training on grids" eval 'exits 0 "run as convolutions"'
run "$thaw" "${train[@]}"
check "another start must say so too" fails_once 78 "fully-conv true, not false"
run "$thaw" eval --model run --data data --json
check "the trained network is fully convolutional" exits 0 "run as convolutions"
run "$thaw" predict --model run --heatmap last a/x.png
check "and has maps" eval 'exits 0 && [ "$(pictures last)" -eq 1 ]'
run "$thaw" predict --model run --from step-2 --heatmap step a/x.png
check "so has a checkpoint" eval 'exits 0 && [ "$(pictures step)" -eq 1 ]'

finish
