#!/bin/bash
# thaw check: planted faults are found and named, for any number of ranks; its list is honoured by --exclude.
# Usage: test_check.sh THAW
# shellcheck disable=SC2016,SC2034,SC2154 # conditions are evaluated by check; lib.bash assigns
# shellcheck source=tests/cli/lib.bash
images=$(realpath "$(dirname "$0")/../golden/images")
. "$(dirname "$0")/lib.bash"
cd "$work" || exit 1

# count ISSUE: its "count" in the JSON result.
count() { tr -d '\n' <out | grep -o "\"issue\": \"$1\", \"count\": *[0-9]*" | head -n 1 | grep -o '[0-9]*$'; }
# counts ISSUE=N...: success, and these counts.
counts() {
	local wanted
	exits 0 || return 1
	for wanted; do [ "$(count "${wanted%%=*}")" = "${wanted#*=}" ] || return 1; done
}

# noise PREFIX SEED COUNT: IDX files of COUNT random images of the classes 0 and 1 in turn.
noise() {
	{
		printf '%b' "$(word 2051)$(word "$3")$(word $SIDE)$(word $SIDE)"
		LC_ALL=C awk -v seed="$2" -v n=$(($3 * SIDE * SIDE)) 'BEGIN { for (x = seed; n > 0; n--) {
			x = (x * 16807) % 2147483647; printf "%c", 1 + x % 255 } }'
	} >"$1-images-idx3-ubyte"
	{
		printf '%b' "$(word 2049)$(word "$3")"
		for ((i = 0; i < $3; i++)); do printf '%b' "\\x0$((i % 2))"; done
	} >"$1-labels-idx1-ubyte"
}
# copy_image FROM I TO K: image K of the file TO becomes image I of the file FROM.
copy_image() {
	dd if="$1" of="$3" bs=$((SIDE * SIDE)) skip=$((16 + $2 * SIDE * SIDE))B seek=$((16 + $4 * SIDE * SIDE))B count=1 \
		conv=notrunc status=none
}

# ---- A folder with one fault of each kind ----------------------------------------------------------------------------

mkdir -p d/train/{a,b,only} d/test/{a,b}
cp "$images/rgb.jpg" d/train/a/1.jpg
cp "$images/progressive.jpg" d/train/a/2.jpg
cp "$images/exif6.jpg" d/train/b/turned.jpg
cp "$images/cmyk.jpg" d/train/b/inks.jpg
cp "$images/misnamed.jpg" d/train/b/misnamed.jpg
cp "$images/exif3.jpg" d/train/only/x.jpg
head -c 600 "$images/rgb.jpg" >d/test/b/short.jpg
: >d/test/b/empty.jpg
echo "<html>" >d/test/b/page.jpg
cp "$images/rgb.jpg" "d/test/b/two
lines.jpg"
cp "$images/rgb.png" d/test/a/1.png
cp "$images/lzw.tif" d/train/a/3.tif
cp "$images/32.bmp" d/train/a/4.bmp

run "$thaw" check d --json --out list --scores scores
check "faults are counted" counts damaged=1 empty=1 not-an-image=1 exact-duplicate=3 misnamed=1 cmyk=1 turned=2 classes=1
check "a picture in two splits is a leak, in two classes a conflict" \
	eval '[ "$(count leak)" -ge 2 ] && [ "$(count conflict)" -ge 2 ]'
check "... the reason is given" out_has "damaged JPEG (Premature end of JPEG file)" "a web page, which thaw does not read"
check "... and the class that a split lacks" out_has '"class": "only", "split": "test"'
check "a copy with the same pixels in another format is a duplicate" out_has '"same_bytes": false'
check "the list names files that cannot be read" file_has list "test/b/short.jpg	damaged" "test/b/empty.jpg	empty" \
	"test/b/page.jpg	not-an-image"
check "... and training copies of test images, with odd names escaped" \
	file_has list 'train/a/1.jpg	exact-duplicate of test/b/two\nlines.jpg'
check "... but not the test images" eval '! grep -q "^test/a/1.png\|^test/b/two" list'
check "the table has a line for each image" test "$(wc -l <scores)" -eq 14
check "... and a score for each issue" eval '[ "$(grep "^test/b/empty.jpg" scores | cut -f 3-5)" = "1	0	1" ]'
run "$thaw" check d
check "the report names the worst images" prints "empty: 1 (" "    0.00  test/b/empty.jpg" "only is not in test" \
	"train/a/1.jpg  =  test/b/two?lines.jpg  (another class)"
run "$thaw" check d --fail-on damaged,classes
check "--fail-on ends with 65" eval 'exits 65 "issues found: d: classes (1), damaged (1)" || exits 65 "damaged (1)"'
check "... and still reports" out_has "damaged: 1 ("
run "$thaw" check d --fail-on blank
check "--fail-on an issue that is not there" exits 0
run "$thaw" check d --fail-on blurred
check "--fail-on an unknown issue" fails 64 "not an issue: --fail-on blurred"
run "$thaw" check d --out missing/list
check "a list that cannot be written" fails_once 74 "missing/list"
run "$thaw" check
check "without a dataset" fails 64 "no data: thaw check: name a folder of images, or give --manifest"

# ---- Groups ----------------------------------------------------------------------------------------------------------

{
	echo path,label,split,patient
	printf '%s\n' d/train/a/1.jpg,a,train,p1 d/train/a/2.jpg,a,train,p2 d/train/b/turned.jpg,b,train,p3 \
		d/train/b/inks.jpg,b,train,p1 d/test/a/1.png,a,test,p2 d/train/only/x.jpg,b,test,p4
} >groups.csv
run "$thaw" check groups.csv --json
check "groups with images in two splits are counted" counts groups=1
run "$thaw" check groups.csv --fail-on groups
check "... and can fail a script" eval '[ "$code" -eq 65 ]'

# ---- --exclude -------------------------------------------------------------------------------------------------------

run "$thaw" check d --exclude list --json
check "what the list has is not in the dataset" counts damaged=0 empty=0 not-an-image=0 exact-duplicate=0 leak=0
printf 'test/b/gone.jpg\n\\#1.jpg\n' >>list
run "$thaw" check d --exclude list
check "names that are not in the data are counted" exits 0 "2 of the" "names in list are not in the data"
printf 'a\\q\n' >bad
run "$thaw" check d --exclude bad
check "a list that is damaged" fails_once 65 "not the name of an image: bad:1"

for class in a b; do
	mkdir -p flat/$class
	for i in 1 2 3 4 5; do cp "$images/rgb.jpg" flat/$class/$i.jpg; done
done
printf 'a/2.jpg\nb/1.jpg\twhy\n' >some
train=(train --model cifar_resnet8 --size 8 --batch 8 --epochs 1 --data flat)
run "$thaw" "${train[@]}" --out run1 --exclude some --json
check "train leaves them out" eval 'reports training_images=6 images=2 && err_has "2 images are left out, as some says"'
check "... config.json has the digest of the list" grep -q '"exclude": "[0-9a-f]\{16\}"' run1/config.json
check "... and the run a copy" same_bytes run1/exclude.list <(printf 'a/2.jpg\nb/1.jpg\n')
run "$thaw" "${train[@]}" --out run1 --exclude run1/exclude.list
check "the same names again are the same run" prints "2 images (test)"
run "$thaw" "${train[@]}" --out run1
check "without the list it is another run" fails_once 78 "this run was started with a list of 2 excluded images, not of 0"
printf 'a/2.jpg\n' >fewer
run "$thaw" "${train[@]}" --out run1 --exclude fewer
check "... also with another list" fails_once 78 "a list of 2 excluded images, not of 1"
run "$thaw" eval --model run1 --data flat --json
check "eval measures the images that the run held out" eval 'reports images=2 && ! err_has "note: the run"'
cp -r flat removed && rm removed/a/2.jpg removed/b/1.jpg
run "$thaw" "${train[@]/flat/removed}" --out run2
check "the same bits as if they had been removed" same_bytes run1/model.safetensors run2/model.safetensors
run "$thaw" eval --model run1 --data flat --split all --exclude some --json
check "eval --exclude" reports images=8
echo nothing.jpg >none
run "$thaw" eval --model run1 --data flat --exclude none
check "eval says that a list has none of the images" exits 0 "none of the 1 names in none is among these images"
printf 'a/1.jpg\na/2.jpg\na/3.jpg\na/4.jpg\na/5.jpg\n' >all
run "$thaw" "${train[@]}" --out run3 --exclude all
check "a class of which nothing is left" fails_once 65 'every image of the class "a" is excluded: --exclude all'

# ---- Files of many images --------------------------------------------------------------------------------------------

mkdir idx
noise idx/train 11 60
noise idx/t10k 12 30
for i in 0 1 2 3 4 5 6 7 8 9; do
	copy_image idx/t10k-images-idx3-ubyte $((2 * i)) idx/train-images-idx3-ubyte $((5 * i))
done
run "$thaw" check idx --json --out idx.list
check "ten training images of the test set are found" counts leak=10 exact-duplicate=10
check "... and named" out_has '"image": "train-images-idx3-ubyte[45]"' '"other_image": "t10k-images-idx3-ubyte[18]"'
check "... and listed" eval '[ "$(grep -c "^train.*exact-duplicate of t10k" idx.list)" -eq 10 ]'
cp out alone
for ranks in 2 3; do
	run mpirun -np $ranks "$thaw" check idx --json --out idx.list$ranks
	check "the same report from $ranks ranks" eval 'exits 0 && cmp -s out alone && cmp -s idx.list idx.list$ranks'
done
run "$thaw" check idx --json --decode-threads 4
check "... and from 4 threads" eval 'exits 0 && [ "$(count leak)" = 10 ]'
run "$thaw" train --model cifar_resnet8 --size 8 --batch 8 --epochs 1 --data idx --exclude idx.list --out idx-run --json
check "train leaves out images of such files" reports training_images=50

# ---- Manifests, groups, folds ----------------------------------------------------------------------------------------

mkdir listed
for i in 1 2; do cp "$images/rgb.jpg" listed/$i.jpg; done
for i in 3 4; do cp "$images/lzw.tif" listed/$i.tif; done
cp "$images/cmyk.jpg" listed/5.jpg
tar -cf one.tar -C listed 1.jpg 2.jpg 3.tif 4.tif 5.jpg
cat >m.csv <<-END
	path,label,split,patient,tags,size
	1.jpg,x,train,p,s|t,1
	2.jpg,x,test,p,s,1
	3.tif,y,train,q,t,2
	4.tif,x,train,r,t,2.5
	5.jpg,z,test,,s|t,3
END
run "$thaw" check listed --manifest m.csv --json --out m.list
check "a manifest: its splits, groups and classes" counts leak=1 groups=1 group-leak=1 conflict=1 exact-duplicate=2 classes=2
check "... the first group in two splits is named" out_has '"image": "1.jpg", "split": "training", "class": "x", "other_image": "2.jpg"'
check "... the list has names of the manifest" file_has m.list "1.jpg	exact-duplicate of 2.jpg" \
	"3.tif	duplicate, in another class, of 4.tif"
run "$thaw" check one.tar --manifest m.csv --json --out shards.list
check "the same over tar shards" eval 'exits 0 && cmp -s m.list shards.list'
check "... with the same counts" counts leak=1 groups=1 group-leak=1 conflict=1 exact-duplicate=2 classes=2
cp m.csv listed
run "$thaw" check --manifest listed/m.csv --split-column none --folds 2 --fold 1 --json
check "folds: copies in both parts, no group in two" counts groups=0 group-leak=1 exact-duplicate=2 conflict=1
run "$thaw" check listed --manifest m.csv --split-column none --group-column none --group-by jpg --test-share 0.4
check "groups by names" prints "group-leak: 1:" "exact 1, near 0"
run "$thaw" check listed --manifest m.csv --label-column tags --model cifar_resnet8 --json
check "several labels per image: copies with other labels are a conflict" counts conflict=1 leak=1
check "... and no image has a doubtful label" eval '! out_has "\"issue\": \"label\"" && ! out_has "\"probe\""'
run "$thaw" check listed --manifest m.csv --label-column tags
check "... as text" prints "1.jpg  =  2.jpg  (another label)"
run "$thaw" check listed --manifest m.csv --label-column size --task value --json
check "numbers" counts conflict=1 leak=1
run "$thaw" check listed --manifest m.csv --label-column size --task grade --json
check "grades" counts conflict=1 leak=1 imbalance=0
run mpirun -np 2 "$thaw" check listed --manifest m.csv --fail-on groups
check "--fail-on names the manifest" eval 'exits 65 "issues found: m.csv: groups (1)"'
run "$thaw" check listed m.csv
check "two datasets" fails 64 "one argument too many: m.csv"

# ---- With a network --------------------------------------------------------------------------------------------------

mkdir levels
noise levels/train 5 40
noise levels/t10k 6 10
run "$thaw" check levels --model cifar_resnet8 --json
check "--model adds labels and outliers" eval 'exits 0 && out_has "\"probe\"" "\"issue\": \"label\"" "\"issue\": \"outlier\""'
run mpirun -np 2 "$thaw" check levels --model cifar_resnet8 --json
check "... also on two ranks" exits 0
run "$thaw" check levels --model nonsense
check "an unknown network is refused before images are read" eval '[ "$code" -ne 0 ] && [ ! -s out ]'

# ---- Signals ---------------------------------------------------------------------------------------------------------

fashion=/usr/share/datasets/fashion-mnist
if [ -d $fashion ]; then
	rm -f err # of the last command: its text would send the signal before the program starts
	"$thaw" check $fashion >out 2>err &
	pid=$!
	until grep -qs "test " err || ! kill -0 $pid 2>/dev/null; do sleep 0.05; done
	kill -TERM $pid
	wait $pid
	code=$?
	check "a signal ends it at once" eval '[ $code -eq 75 ] && err_has "thaw check saves nothing"'
else
	skip "a signal ends it at once" "Fashion-MNIST is not installed"
fi
finish
