#!/bin/bash
# Tar shards: thaw pack under mpirun, the same bits from shards as from the folder, staging, interruptions, a full disk.
# Usage: test_pack.sh THAW
# shellcheck disable=SC2016,SC2034,SC2154 # conditions are evaluated by check; lib.bash assigns
# shellcheck source=tests/cli/lib.bash
images=$(realpath "$(dirname "$0")/../golden/images")
. "$(dirname "$0")/lib.bash"
cd "$work" || exit 1

# The images of tests/golden that are valid, as files of three classes with different bytes.
pictures() { # FOLDER COUNT
	local class i file files=("$images"/rgb.jpg "$images"/gray.jpg "$images"/rgb.png "$images"/lossy.webp "$images"/plain.gif)
	for class in a b c; do
		mkdir -p "$1/$class"
		for i in $(seq "$2"); do
			file=${files[$(((i + ${#class}) % 5))]}
			{ cat "$file" && head -c "$i" /dev/zero; } >"$1/$class/$i.${file##*.}"
		done
	done
}
pictures d/train 14 && pictures d/val 4
train=(train --model cifar_resnet8 --size 8 --batch 12 --lanes 4 --epochs 3 --unfreeze all --eval-every 1)

# ---- Packing -------------------------------------------------------------------------------------------

run "$thaw" pack d p1 --shards 3
check "pack says what it wrote" prints "p1: 54 images in 4 shards"
check "... and there are shards, indexes and class names" eval '[ "$(ls p1 | tr "\n" " ")" = "classnames.txt pack.json train-000000.tar \
train-000000.tar.index train-000001.tar train-000001.tar.index train-000002.tar train-000002.tar.index val-000000.tar \
val-000000.tar.index " ]'
check "tar reads them" eval 'tar tf p1/train-000000.tar >names && grep -qx 00000000_1.png names && grep -qx 00000000_1.cls names'
run mpirun -np 2 "$thaw" pack d p2 --shards 3 --json
check "two ranks write the same bytes" eval 'reports images=54 shards=4 kept=0 && diff -r p1 p2'
run "$thaw" pack d p1 --shards 3
check "a second start finds the shards" prints "4 of the shards were there"
run "$thaw" pack d p1 --shards 2
check "other shards in the same folder are refused" fails 78 "of other images, or of other flags" "--out p1"
run "$thaw" pack d d/p --shards 2
check "... and shards inside the dataset" eval 'fails 78 "inside the dataset" && [ ! -e d/p ]'
run "$thaw" pack d
check "a missing folder is said" fails 64 "an argument is missing" "D OUT"
run "$thaw" pack d p3 --shards 6 --lanes 4
check "lanes need a multiple of shards" fails 64 "not a multiple of the lanes" "give 8"
run "$thaw" inspect --data p1
check "inspect describes shards" prints "data: p1: 3 classes" "training   42 images from train-000000.tar and 2 more" \
	"validation 12 images from val-000000.tar"

# ---- The same bits -------------------------------------------------------------------------------------

run "$thaw" "${train[@]}" --data d --out from-folder
check "a training on the folder" exits 0
run "$thaw" "${train[@]}" --data p1 --out from-shards
check "shards give the bits of the folder" same_bytes from-folder/model.safetensors from-shards/model.safetensors
run mpirun -np 2 "$thaw" "${train[@]}" --data 'p1' --out two-ranks
check "... with two ranks" same_bytes from-folder/model.safetensors two-ranks/model.safetensors
run mpirun -np 2 "$thaw" pack d lanes --shards 8 --lanes 4
check "shards of lanes" eval 'exits 0 && [ "$(ls lanes/train-lane?of4-00000[01].tar | wc -l)" -eq 8 ]'
run mpirun -np 2 "$thaw" "${train[@]}" --data lanes --stage local --out staged
check "... and staged shards of lanes" same_bytes from-folder/model.safetensors staged/model.safetensors
check "staging is said" err_has "stage: local: 12 shards copied"
run "$thaw" eval --model staged --data lanes --stage local
check "a later start uses the copies" exits 0 "stage: local: 0 shards copied (0.0 MB), 4 there"
run "$thaw" "${train[@]}" --data p1 --folds 3 --fold 2 --out folds
run "$thaw" "${train[@]}" --data p1 --folds 3 --fold 2 --stage fold-copies --out staged-folds
check "folds are made of staged shards, too" same_bytes folds/model.safetensors staged-folds/model.safetensors
check "... from copies" err_has "stage: fold-copies: "
run "$thaw" eval --model staged --data lanes --stage local --stage-limit lots
check "a limit that is not a size is refused" fails_once 64 "--stage-limit lots"
run mpirun -np 2 "$thaw" "${train[@]}" --data p1 --out killed --time-limit 0:00:01
for _ in 1 2 3 4 5 6 7 8 9; do
	[ "$code" -eq 75 ] || break
	run "$thaw" "${train[@]}" --data p1 --out killed
done
check "a run that was stopped goes on with another number of ranks" same_bytes from-folder/model.safetensors killed/model.safetensors

# 42 images in 5 lanes and batches of 13: lanes, ranks, batches and shards are all uneven.
uneven=(train --model cifar_resnet8 --size 8 --batch 13 --lanes 5 --epochs 20 --unfreeze all --eval-every 20
	--checkpoint-every 1)
run "$thaw" pack d five --shards 10 --lanes 5
run "$thaw" "${uneven[@]}" --data d --out five-folder --json
check "lanes that divide nothing: each image once per epoch" reports training_images=42
kill_at_lines killed5 3 "$thaw" "${uneven[@]}" --data five --out killed5
kill_at_lines killed5 15 "$thaw" "${uneven[@]}" --data five --out killed5
check "a run on shards is killed twice within an epoch" eval '[ $code -eq 137 ] && [ ! -e killed5/result.json ]'
run mpirun -np 3 "$thaw" "${uneven[@]}" --data five --out killed5
check "... and goes on with 3 ranks to the bits of the folder" same_bytes five-folder/model.safetensors killed5/model.safetensors

# ---- Manifests -----------------------------------------------------------------------------------------

{
	echo path,label,split,patient
	(cd d && for file in train/?/* val/?/*; do
		class=${file#*/} split=${file%%/*}
		echo "${file%.*},${class%%/*},$split,$(basename "${file%.*}")"
	done)
} >m.csv
mkdir tars && tar cf tars/1.tar -C d train/a train/c val/b && tar cf tars/2.tar -C d val/a val/c train/b
run "$thaw" "${train[@]}" --data d --manifest m.csv --split-column none --folds 3 --fold 1 --out listed-files
run mpirun -np 3 "$thaw" "${train[@]}" --data tars --manifest m.csv --split-column none --folds 3 --fold 1 --stage copies \
	--out listed-shards
check "a manifest over tar shards gives the bits of one over files, on other ranks" \
	same_bytes listed-files/model.safetensors listed-shards/model.safetensors
check "... from copies" err_has "stage: copies: 2 shards copied"
run "$thaw" eval --model listed-shards --data tars --manifest m.csv --json
check "eval takes the fold from the run" eval 'exits 0 && ! err_has "note: the run"'
printf '%s\n' train/a/1 val/b/2 nothing >some.list
run "$thaw" inspect --data tars --manifest m.csv --exclude some.list
check "inspect --exclude" prints "training   41 images" "of which 11 are used"
check "... counts names that are not there" exits 0 "1 of the 3 names in some.list are not in the data (first: nothing)"
run "$thaw" pack tars p4 --manifest m.csv --exclude some.list --shards 2
check "pack takes the images and splits of a manifest" prints "p4: 52 images in 3 shards"
check "... and says that groups are not kept" err_has "note: shards do not keep groups"
run "$thaw" "${train[@]}" --data d --manifest m.csv --exclude some.list --out listed-fewer
run "$thaw" "${train[@]}" --data p4 --out packed-fewer
check "... a training on these shards gives the same bits" same_bytes listed-fewer/model.safetensors packed-fewer/model.safetensors
sed 's/,split,patient/,split,size/' m.csv >sizes.csv
run "$thaw" pack tars p5 --manifest sizes.csv --label-column size --task value
run "$thaw" inspect --data p5
check "... numbers as well" prints "training   42 images" "size"

# ---- Shards of others ----------------------------------------------------------------------------------

tar cf classes.tar -C d/train a b c
run "$thaw" inspect --data classes.tar --json
check "a tar file of class folders" eval 'exits 0 && out_has "\"name\": \"a\", \"training\": 11, \"test\": 3"'
gzip -k classes.tar && mkdir gz && mv classes.tar.gz gz
run "$thaw" inspect --data gz
check "compressed shards: what to do" fails 65 "compressed tar files: decompress them"
mkdir beside && cp -r d/train/* beside && cp classes.tar beside
run "$thaw" inspect --data beside
check "an archive beside what was unpacked from it" prints "data: beside: 3 classes" "33 images"
head -c $(($(stat -c %s classes.tar) * 4 / 5)) classes.tar >cut.tar
run "$thaw" inspect --data cut.tar
check "a tar file cut in the middle" prints "members where their shard ends too early or cannot be read further: 1 (first: cut.tar/"
mkdir fewer && cp -p p1/* fewer/ && head -c 30000 p1/train-000001.tar >fewer/train-000001.tar
run "$thaw" inspect --data fewer
check "a shard that is shorter than its index" prints "not of their shards as they are now: 1 (first: train-000001.tar)"

# An image whose bytes were overwritten is damaged, not another one.
mkdir hit && cp -p p1/* hit/
printf 'XXXXXXXX' | dd of=hit/train-000002.tar bs=1 seek=512 conv=notrunc status=none
touch -r p1/train-000002.tar hit/train-000002.tar
run "$thaw" "${train[@]}" --data hit --out hit-run
check "a damaged image in a shard is skipped and named" exits 0 \
	"not an image of a known format: train-000002.tar/00000028_1.png" "damaged images skipped: 1"

# ---- Interruptions, full disks -------------------------------------------------------------------------

# In small steps: a folder of one image that is linked many times.
mkdir -p many/a many/b
head -c 3000000 /dev/zero | cat "$images/rgb.jpg" - >many/a/0.jpg
for i in $(seq 400); do ln many/a/0.jpg many/a/"$i".jpg; done
cp "$images/rgb.jpg" many/b/1.jpg && cp "$images/rgb.jpg" many/b/2.jpg
"$thaw" pack many stopped --shards 2 >out 2>err &
pid=$!
for _ in $(seq 1200); do [ -n "$(find stopped -name '*.tmp' 2>/dev/null)" ] && break; sleep 0.05; done
start=$SECONDS
kill -TERM $pid
wait $pid
code=$? command="pack, and SIGTERM"
check "SIGTERM ends pack with 75" fails_once 75 "asked to stop" "run the same command again"
check "... and leaves no temporary file" eval '[ -z "$(find stopped -name "*.tmp")" ]'
run "$thaw" inspect --data stopped
check "unfinished shards are not read" fails 65 "unfinished shards" "run the same thaw pack command again"

mkdir disk
if unshare -rm true 2>/dev/null; then
	run unshare -rm sh -c 'mount -t tmpfs -o size=20M none disk && exec "$@"' - "$thaw" pack many disk/p --shards 2
	check "a full disk is one line" fails 74 "No space left" "free some space or choose another folder"
else
	skip "a full disk is one line" "no permission to mount in a namespace"
fi
finish
