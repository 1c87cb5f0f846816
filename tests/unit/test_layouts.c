/* Layouts of datasets as people have them, each with the number of classes and images that a person would count. */
#include "tests/scratch.h"

#include <jansson.h>
#include <sys/stat.h>

#include "tests/unit/comm_threads.h"
#include "tests/unit/found_text.h"
#include "thaw/dataset.h"
#include "thaw/file.h"
#include "thaw/memory.h"
#include "thaw/train.h"

#define IMAGE "tests/golden/images/rgb.jpg"

enum { PATH = 2 * SCRATCH_PATH, TEXT = 4096, SPLITS = 3, RANKS = 3 };

/* A folder, and what is found in it with a quarter held out.
 *
 * entries: separated by spaces: "a/b:3" is three images 1.jpg .. 3.jpg in a/b, "a/" an empty folder, "a/x=KIND" one
 * file (see put_kind), "a/x>TARGET" a link. data: the folder to open, below the one that is made. found: "CLASSES
 * TRAINING/VALIDATION/TEST", "-" for a split that is not there, "~" before a part held out at random; or
 * "!" and a part of the message. also: a text in the description; NULL: any. */
struct layout {
	const char *name, *entries, *data, *found, *also;
};

static const struct layout layouts[] = {
	/* Names of splits. */
	{"train, val", "train/a:4 train/b:3 val/a:2 val/b:1", "", "2 7/3/-", "from val/"},
	{"train, test", "train/a:4 train/b:3 test/a:2 test/b:1", "", "2 7/-/3", "from test/"},
	{"train, valid", "train/a:4 train/b:3 valid/a:2 valid/b:1", "", "2 7/3/-", "from valid/"},
	{"train, validation", "train/a:4 train/b:3 validation/a:2 validation/b:1", "", "2 7/3/-", NULL},
	{"train, dev", "train/a:4 train/b:3 dev/a:2 dev/b:1", "", "2 7/3/-", NULL},
	{"train, eval", "train/a:4 train/b:3 eval/a:2 eval/b:1", "", "2 7/3/-", NULL},
	{"training, testing", "training/a:4 training/b:3 testing/a:2 testing/b:1", "", "2 7/-/3", NULL},
	{"Train, Test", "Train/a:4 Train/b:3 Test/a:2 Test/b:1", "", "2 7/-/3", "from Test/"},
	{"TRAIN, VAL", "TRAIN/a:4 TRAIN/b:3 VAL/a:2 VAL/b:1", "", "2 7/3/-", NULL},
	{"training_set, test_set", "training_set/a:4 training_set/b:3 test_set/a:2 test_set/b:1", "", "2 7/-/3", NULL},
	{"three splits", "train/a:4 train/b:3 val/a:2 val/b:1 test/a:1 test/b:1", "", "2 7/3/2", "from test/"},
	{"three splits, other names", "train/a:4 train/b:3 Valid/a:2 Valid/b:1 TEST/a:1 TEST/b:1", "", "2 7/3/2", NULL},
	{"train alone", "train/a:8 train/b:4", "", "2 9/-/~3", "train/: 25 %"},
	{"val and test without train", "val/a:2 val/b:1 test/a:1 test/b:1", "", "!no folder train/", NULL},
	{"two folders for one split", "train/a:4 train/b:3 val/a:1 val/b:1 valid/a:1 valid/b:1", "",
	 "!val/ and valid/ are the same split", NULL},
	{"an unlabelled test folder", "train/a:8 train/b:4 test:5", "", "2 9/-/~3", "test/ has 5 images but no class"},
	{"an unlabelled test folder beside val", "train/a:8 train/b:4 val/a:1 val/b:1 test:5", "", "2 12/2/-",
	 "test/ has 5 images"},
	{"other folders beside splits", "train/a:4 train/b:3 val/a:2 val/b:1 docs/x=text", "", "2 7/3/-",
	 "folders beside the splits: 1 (first: docs)"},
	{"test folder given, of a dataset", "d/train/a:4 d/train/b:4 d/test/a:2 d/test/b:3", "d/test",
	 "!no training images", NULL},
	{"train folder given, of a dataset", "d/train/a:4 d/train/b:4 d/test/a:2 d/test/b:3", "d/train", "2 6/-/~2",
	 "test images beside it, which are not used"},

	{"two folders for one split, and another", "train/a:4 train/b:3 Train/a:1 Train/b:1 val/a:1 val/b:1 docs/", "",
	 "!are the same split", NULL},
	{"training images without classes", "train:3 valid:2", "", "!no class folders but 3 images", NULL},
	{"object detection", "train/images:3 train/labels/1.txt=text valid/images:1 valid/labels/1.txt=text", "",
	 "!object detection", NULL},

	{"a list of labels beside the images", "train_images:3 test_images:2 train.csv=text sample.csv=text", "",
	 "!if sample.csv has their labels, give --manifest", NULL},
	{"a list of labels among the images", "images:3 labels.csv=text", "", "!if labels.csv has their labels", NULL},

	/* Names of splits with further words. */
	{"train2017, val2017", "train2017/a:4 train2017/b:3 val2017/a:2 val2017/b:1", "", "2 7/3/-", "from val2017/"},
	{"Training_data, Test_data", "Training_data/a:4 Training_data/b:3 Test_data/a:2 Test_data/b:1", "", "2 7/-/3",
	 NULL},
	{"trainImages, valImages", "trainImages/a:4 trainImages/b:3 valImages/a:2 valImages/b:1", "", "2 7/3/-", NULL},
	{"flowers-train, flowers-test", "flowers-train/a:4 flowers-train/b:3 flowers-test/a:2 flowers-test/b:1", "",
	 "2 7/-/3", "from flowers-test/"},
	{"the same folder in each split",
	 "seg_train/seg_train/a:4 seg_train/seg_train/b:3 seg_test/seg_test/a:2 seg_test/seg_test/b:1 "
	 "seg_pred/seg_pred:5",
	 "", "2 7/-/3", "folders beside the splits: 1 (first: seg_pred)"},
	{"a split of these given", "d/x_train/a:4 d/x_train/b:4 d/x_test/a:2 d/x_test/b:3", "d/x_train", "2 6/-/~2",
	 "test images beside it, which are not used"},
	{"splits below classes, with further words", "a/a_train:4 a/a_test:2 b/b_train:4 b/b_test:2", "",
	 "!splits below a class folder", NULL},
	{"train, holdout", "trn/a:4 trn/b:3 holdout/a:2 holdout/b:1", "", "2 7/-/3", "from holdout/"},
	{"numbered splits", "1_train/a:4 1_train/b:3 2_test/a:2 2_test/b:1", "", "2 7/-/3", "from 2_test/"},
	{"test beside another name for training", "entrainement/a:4 entrainement/b:3 test/a:2 test/b:1", "",
	 "!name the folder of training images train/", NULL},
	{"classes of things for testing", "test_tube:4 train_station:4 dev_board:4", "", "3 9/-/~3", NULL},
	{"a class called testing equipment", "testing-equipment:4 bus:4", "", "2 6/-/~2", NULL},
	{"validation data with another word", "train_a/a:4 train_a/b:4 val_b/a:2 val_b/b:2", "", "2 9/-/~3",
	 "every class folder contains folders of images"},
	{"a copy of the training images", "train/a:4 train/b:3 test/a:2 test/b:1 train_backup/a:4", "", "2 7/-/3",
	 "folders beside the splits: 1 (first: train_backup)"},
	{"validation images that are a link to the training images", "train/a:4 train/b:3 val>train", "",
	 "!train/ and val/ are the same folder", NULL},
	{"an empty folder of validation images", "train/a:4 train/b:3 val/.gitkeep=empty", "", "!no class folders",
	 NULL},

	/* Classes without splits. */
	{"flat", "a:8 b:4 c:4", "", "3 12/-/~4", "25 % of each class"},
	{"flat, classes of one and two images", "a:8 b:1 c:2", "", "3 8/-/~3", NULL},
	{"classes called train and bus", "train:4 bus:4", "", "2 6/-/~2", NULL},
	{"classes called test and bus", "test:4 bus:4", "", "2 6/-/~2", NULL},
	{"a class called train, and a split?", "train/a:4 train/b:4 bus:4", "", "!other folders beside it", NULL},
	{"numbers", "1:4 2:4 10:4 11:4", "", "4 12/-/~4", NULL},
	{"folders inside classes", "a/2023:4 a/2024:4 b/x/y:4", "", "2 9/-/~3", NULL},
	{"folders instead of images in a class", "a/2023:4 a/2024:4 b:4", "", "2 9/-/~3",
	 "class folders that contain only folders of images: 1 (first: a)"},
	{"families of classes in splits", "train/x/a:3 train/x/b:3 train/y/c:3 test/x/a:1 test/y/c:1", "", "2 9/-/2",
	 "class folders that contain only folders of images: 1 (first: train/x)"},
	{"Cat and cat", "Cat:4 cat:4", "", "2 6/-/~2", NULL},
	{"numbers with zeros", "00000:4 00001:4", "", "2 6/-/~2", NULL},
	{"ImageNet's names", "train/n01440764:4 train/n01443537:4 val:5", "", "2 6/-/~2",
	 "val/ has 5 images but no class"},
	{"images and lists of files", "images/001.x:4 images/002.y:4 images.txt=text split.csv=text", "", "2 6/-/~2",
	 "from images/"},
	{"names in UTF-8", "g\u00e4nsebl\u00fcmchen:4 \u96cf\u83ca:4", "", "2 6/-/~2", NULL},
	{"names in Latin-1", "g\xE4nse:4 stiefm\xFCtter:4", "", "2 6/-/~2", NULL},
	{"names with a quote, a backslash and a line feed", "a\"b:4 c\\d:4 e\nf:4", "", "3 9/-/~3", NULL},
	{"names that begin with a minus", "-x:4 --:4", "", "2 6/-/~2", NULL},
	{"names with spaces and dots", "a.b:4 c-d:4", "", "2 6/-/~2", NULL},
	{"images beside class folders", "a:4 b:4 x.jpg=jpeg y.png=jpeg", "", "2 6/-/~2",
	 "images outside of the class folders: 2 (first: x.jpg)"},

	/* Wrapping folders. */
	{"wrapped classes", "flowers/a:8 flowers/b:4", "", "2 9/-/~3", "flowers/: 25 %"},
	{"wrapped splits", "flowers/train/a:4 flowers/train/b:3 flowers/val/a:2 flowers/val/b:1", "", "2 7/3/-",
	 "from flowers/train/"},
	{"wrapped twice", "zip/flowers/train/a:4 zip/flowers/train/b:3 zip/flowers/test/a:2 zip/flowers/test/b:1", "",
	 "2 7/-/3", NULL},
	{"wrapped inside the splits", "train/train/a:4 train/train/b:4 test/test/a:2 test/test/b:2", "", "2 8/-/4",
	 "from train/train/"},
	{"wrapped, with a README and junk", "flowers/a:8 flowers/b:4 README=text __MACOSX/flowers:3 .DS_Store=text", "",
	 "2 9/-/~3", NULL},

	/* The wrong folder. */
	{"one class", "a:6", "", "!only one class, \"a\" with 6 images", NULL},
	{"one class in each split", "train/a:6 val/a:2", "", "!only one class, \"a\" with 6 images", NULL},
	{"the folder of a class", "d/a:3 d/b:3", "d/a", "!no class folders but 3 images", NULL},
	{"images without classes", "d/1.jpg=jpeg d/2.jpg=jpeg d/3.jpg=jpeg", "d", "!no class folders but 3 images",
	 NULL},
	{"several datasets", "x/train/a:2 x/train/b:2 x/val/a:2 x/val/b:2 y/train/a:2 y/train/b:2 y/val/a:2 y/val/b:2",
	 "", "!splits below a class folder", NULL},
	{"splits below classes", "a/train:4 a/val:2 b/train:4 b/val:2", "", "!splits below a class folder", NULL},
	{"one class, whose folders may be classes", "x/a:3 x/b:3 x/1.jpg=jpeg", "", "!if its 2 folders are the classes",
	 NULL},
	{"classes of folders only", "x/a:2 x/b:2 y/c:2 y/d:2", "", "2 6/-/~2",
	 "every class folder contains folders of images"},
	{"nothing", "", "", "!no class folders", NULL},

	/* Different and empty classes. */
	{"a class without validation images", "train/a:4 train/b:4 val/a:2", "", "!class \"b\" is in train/ but not in",
	 NULL},
	{"a class without training images", "train/a:4 train/b:4 val/a:2 val/b:2 val/c:2", "",
	 "!class \"c\" is in val/ but not in train/", NULL},
	{"a class in another case", "train/a:4 train/b:4 val/a:2 val/B:2", "", "!class \"B\" is in val/", NULL},
	{"test lacks a class, beside val", "train/a:4 train/b:4 val/a:2 val/b:2 test/b:3", "", "2 8/4/3",
	 "no images of 1 of the 2 classes"},
	{"an empty class folder", "a:4 b:4 c/", "", "!class without images", NULL},
	{"an empty class folder in val", "train/a:4 train/b:4 val/a:2 val/b/", "", "2 8/2/-", "val/b/ has no images"},

	/* Junk. */
	{"folders of operating systems", "a:4 b:4 @eaDir:2 __MACOSX:2 lost+found/ .ipynb_checkpoints:3 $RECYCLE.BIN:1",
	 "", "2 6/-/~2", "hidden or system files and folders: 5"},
	{"the same inside classes",
	 "a:4 b:4 a/@eaDir:2 a/.ipynb_checkpoints:3 b/Thumbs.db=text b/desktop.ini=text "
	 "b/._1.jpg=text",
	 "", "2 6/-/~2", "hidden or system files and folders: 5"},
	{"a run inside", "a:4 b:4 run/config.json=text run/metrics.jsonl=text run/model.safetensors=text", "",
	 "2 6/-/~2", "folders that thaw wrote: 1 (first: run)"},
	{"a folder of runs inside", "a:4 b:4 runs/r1/config.json=text runs/r1/.lock=text", "", "2 6/-/~2",
	 "folders that thaw wrote: 1 (first: runs/r1)"},

	{"backups and unfinished downloads", "a:4 b:4 a/1.jpg~=jpeg a/2.jpg.bak=jpeg b/9.jpg.part=jpeg", "", "2 6/-/~2",
	 "backups and unfinished downloads: 3 (first: a/1.jpg~)"},
	{"a pipe", "a:4 b:4 a/x.jpg=pipe b/y=pipe", "", "2 6/-/~2", "pipes, sockets or devices: 2"},

	{"advice inside", "a:4 b:4 advice/advice.json=text advice/plan.json=text", "", "2 6/-/~2", NULL},

	/* Files by content. */
	{"upper-case extensions", "a/1.JPG=jpeg a/2.JPEG=jpeg a/3.Png=jpeg b:3", "", "2 4/-/~2", NULL},
	{"no and unknown extensions", "a/1=jpeg a/2.jfif=jpeg a/3.dat=jpeg a/4.jpg_large=jpeg b:4", "", "2 6/-/~2",
	 NULL},
	{"formats by extension", "a/1.webp=jpeg a/2.bmp=jpeg a/3.tif=jpeg a/4.gif=jpeg b:4", "", "2 6/-/~2", NULL},
	{"other files", "a:4 b:4 a/labels.txt=text a/x.csv=text b/empty=empty", "", "2 6/-/~2",
	 "other files: 2 (first: a/labels.txt)"},
	{"images that are not read", "a:4 b:4 a/x.avif=avif b/y.avif=avif", "", "2 6/-/~2",
	 "AVIF images, which thaw does not read (convert them to JPEG or PNG): 2 (first: a/x.avif)"},
	{"camera raw images", "a:4 b:4 a/1.CR2=cr2 a/2.NEF=tiff b/3.dng=tiff b/4.scan=tiff", "", "2 7/-/~2",
	 "camera raw images, which thaw does not read (convert them to JPEG or PNG): 3 (first: a/1.CR2)"},
	{"a class of images that are not read", "a:4 b/x.avif=avif b/y.avif=avif", "", "!it contains AVIF images",
	 NULL},
	{"parquet files", "data/train-00000.parquet=parquet", "", "!it has Parquet files", NULL},
	{"CIFAR for Python", "cifar-10-batches-py/data_batch_1=text cifar-10-batches-py/test_batch=text", "",
	 "!batches.meta", NULL},
	{"an archive", "flowers.tgz=text", "", "!it has an archive: unpack it", NULL},

	/* Links. */
	{"linked images", "store/x.jpg=jpeg d/a:3 d/b:4 d/a/l.jpg>../../store/x.jpg", "d", "2 6/-/~2", NULL},
	{"linked classes", "store/a:4 store/b:4 d/a>../store/a d/b>../store/b", "d", "2 6/-/~2", NULL},
	{"a linked folder inside a class", "store:3 d/a:1 d/b:4 d/a/more>../../store", "d", "2 6/-/~2", NULL},
	{"a folder linked twice is read once", "store:3 d/a:1 d/b:4 d/a/more>../../store d/a/again>../../store", "d",
	 "2 6/-/~2", "linked folders that were read before: 1"},
	{"links in a circle", "a:4 b:4 a/up>.. a/self>. b/a>../a", "", "2 6/-/~2",
	 "links to folders of the dataset: 3"},
	{"a linked folder with a circle inside", "store:3 store/deep/back>.. d/a:1 d/b:4 d/a/more>../../store", "d",
	 "2 6/-/~2", "linked folders that were read before: 1"},
	{"links beside classes, to the dataset and to a class", "a:4 b:4 self>. up>.. c>a d>c", "", "2 6/-/~2",
	 "links to folders of the dataset: 4"},
	{"links beside classes that lead nowhere", "a:4 b:4 x>y y>x z>nowhere", "", "2 6/-/~2",
	 "links that lead nowhere: 3"},
	{"one folder linked as two classes", "store:4 d/a:4 d/b>../store d/c>../store", "d", "2 6/-/~2",
	 "links to folders of the dataset: 1"},
	{"splits that are links", "store/t/a:4 store/t/b:3 store/v/a:1 store/v/b:2 d/train>../store/t d/val>../store/v",
	 "d", "2 7/3/-", NULL},
	{"a linked dataset", "store/a:4 store/b:4 d>store", "d", "2 6/-/~2", NULL},
	{"a link that leads nowhere", "a:4 b:4 a/x.jpg>nowhere", "", "2 6/-/~2",
	 "links that lead nowhere: 1 (first: a/x.jpg)"},

	/* IDX files. */
	{"IDX",
	 "train-images-idx3-ubyte=images train-labels-idx1-ubyte=labels t10k-images-idx3-ubyte=images "
	 "t10k-labels-idx1-ubyte=labels",
	 "", "2 4/-/4", "from t10k-images-idx3-ubyte"},
	{"torchvision's MNIST",
	 "MNIST/raw/train-images-idx3-ubyte=images MNIST/raw/train-labels-idx1-ubyte=labels "
	 "MNIST/raw/t10k-images-idx3-ubyte=images MNIST/raw/t10k-labels-idx1-ubyte=labels",
	 "", "2 4/-/4", NULL},
	{"EMNIST",
	 "emnist-digits-train-images-idx3-ubyte=images emnist-digits-train-labels-idx1-ubyte=labels "
	 "emnist-digits-test-images-idx3-ubyte=images emnist-digits-test-labels-idx1-ubyte=labels",
	 "", "2 4/-/4", "EMNIST stores rows as columns"},
	{"two sets of EMNIST",
	 "emnist-digits-train-images-idx3-ubyte=images emnist-mnist-train-images-idx3-ubyte=images", "",
	 "!more than one set of IDX files", NULL},
	{"one of torchvision's sets of EMNIST",
	 "raw/emnist-digits-train-images-idx3-ubyte=images raw/emnist-mnist-train-images-idx3-ubyte=images "
	 "raw/emnist-digits-train-labels-idx1-ubyte=labels raw/emnist-digits-test-images-idx3-ubyte=images "
	 "raw/emnist-digits-test-labels-idx1-ubyte=labels raw/emnist-digits-mapping.txt=text",
	 "raw/emnist-digits", "!emnist-digits-mapping.txt", NULL},
	{"... without a mapping",
	 "raw/emnist-digits-train-images-idx3-ubyte=images raw/emnist-mnist-train-images-idx3-ubyte=images "
	 "raw/emnist-digits-train-labels-idx1-ubyte=labels raw/emnist-digits-test-images-idx3-ubyte=images "
	 "raw/emnist-digits-test-labels-idx1-ubyte=labels",
	 "raw/emnist-digits", "2 4/-/4", "EMNIST stores rows as columns"},
	{"a set of EMNIST that is not there", "raw/emnist-digits-train-images-idx3-ubyte=images", "raw/emnist-dig",
	 "!no such folder", NULL},
};

static void write_file(const char *path, const void *bytes, size_t size)
{
	char folder[PATH];
	snprintf(folder, sizeof(folder), "%s", path);
	*strrchr(folder, '/') = '\0';
	assert_int_equal(thaw_make_directory(folder), THAW_OK);
	scratch_put(path, bytes, size);
}

/* Four images of one pixel with the labels 0 1 0 1. */
static const uint8_t idx_images[] = {0, 0, 8, 3, 0, 0, 0, 4, 0, 0, 0, 1, 0, 0, 0, 1, 1, 2, 3, 4};
static const uint8_t idx_labels[] = {0, 0, 8, 1, 0, 0, 0, 4, 0, 1, 0, 1};

static void put_kind(const char *path, const char *kind)
{
	if (strcmp(kind, "jpeg") == 0) {
		void *bytes;
		size_t size;
		assert_int_equal(thaw_file_read(&bytes, &size, IMAGE, 1 << 20), THAW_OK);
		write_file(path, bytes, size);
		thaw_free(bytes);
	} else if (strcmp(kind, "avif") == 0) {
		write_file(path,
			   "\0\0\0\x20"
			   "ftypavif\0\0\0\0",
			   16);
	} else if (strcmp(kind, "pipe") == 0) {
		assert_int_equal(mkfifo(path, 0600), 0);
	} else if (strcmp(kind, "cr2") == 0) {
		write_file(path, "II*\0\x10\0\0\0CR\2\0", 12);
	} else if (strcmp(kind, "tiff") == 0) {
		write_file(path, "II*\0\x08\0\0\0\0\0\0\0", 12);
	} else if (strcmp(kind, "parquet") == 0) {
		write_file(path, "PAR1....PAR1", 12);
	} else if (strcmp(kind, "images") == 0) {
		write_file(path, idx_images, sizeof(idx_images));
	} else if (strcmp(kind, "labels") == 0) {
		write_file(path, idx_labels, sizeof(idx_labels));
	} else {
		write_file(path, "{}\n", strcmp(kind, "empty") == 0 ? 0 : 3);
	}
}

/* Images are opened only if their name does not say what they are: most are empty files here. */
static void put_images(const char *folder, int count)
{
	char path[PATH + 16];
	for (int i = 1; i <= count; i++) {
		snprintf(path, sizeof(path), "%s/%d.jpg", folder, i);
		write_file(path, "", 0);
	}
}

static void put_entry(const char *root, char *entry)
{
	char path[PATH];
	size_t end = strcspn(entry, ":=>");
	char kind = entry[end];
	const char *rest = kind ? entry + end + 1 : "";
	entry[end] = '\0';
	snprintf(path, sizeof(path), "%s/%s", root, entry);
	if (kind == ':') {
		put_images(path, atoi(rest));
	} else if (kind == '=') {
		put_kind(path, rest);
	} else if (kind == '>') {
		char folder[PATH];
		snprintf(folder, sizeof(folder), "%s", path);
		*strrchr(folder, '/') = '\0';
		assert_int_equal(thaw_make_directory(folder), THAW_OK);
		assert_int_equal(symlink(rest, path), 0);
	} else {
		assert_int_equal(thaw_make_directory(path), THAW_OK);
	}
}

static void make(const char *root, const char *entries)
{
	char text[TEXT], *save;
	snprintf(text, sizeof(text), "%s", entries);
	assert_int_equal(thaw_make_directory(root), THAW_OK);
	for (char *e = strtok_r(text, " ", &save); e; e = strtok_r(NULL, " ", &save))
		put_entry(root, e);
}

/* Opens the splits that exist. A failure to open the training images is *message. */
static void open_splits(struct thaw_dataset d[SPLITS], const char *path, const char **message)
{
	const struct thaw_dataset_options options = {.test_share = 0.25, .seed = 1};
	if (thaw_dataset_open(&d[0], path, THAW_SPLIT_TRAIN, &options) != THAW_OK) {
		*message = thaw_error_message();
		return;
	}
	assert_int_equal(thaw_dataset_open(&d[1], path, THAW_SPLIT_VAL, &options), THAW_OK);
	assert_int_equal(thaw_dataset_open(&d[2], path, THAW_SPLIT_TEST, &options), THAW_OK);
	if (d[1].found->split == THAW_SPLIT_TEST) /* there is one held-out part: both are the same */
		thaw_dataset_close(&d[1]);
	else if (d[2].found->split == THAW_SPLIT_VAL)
		thaw_dataset_close(&d[2]);
}

static char *count_text(char text[16], const struct thaw_dataset *d)
{
	if (d->count == 0)
		snprintf(text, 16, "-");
	else
		snprintf(text, 16, "%s%lld", d->found->held_out ? "~" : "", (long long)d->count);
	return text;
}

static void check_found(const struct layout *l, const struct thaw_dataset d[SPLITS], const char *path)
{
	char found[64], val[16], test[16], text[FOUND_TEXT];
	const struct thaw_dataset *parts[] = {&d[0], &d[1], &d[2]};
	snprintf(found, sizeof(found), "%d %lld/%s/%s", d[0].classes, (long long)d[0].count, count_text(val, &d[1]),
		 count_text(test, &d[2]));
	found_text(text, path, parts, SPLITS);
	if (strcmp(found, l->found) != 0)
		fail_msg("%s: %s instead of %s\n%s", l->name, found, l->found, text);
	if (l->also && !strstr(text, l->also))
		fail_msg("%s: no \"%s\" in\n%s", l->name, l->also, text);
}

/* What each of RANKS ranks finds that open the training images together; it must be what one rank finds alone. */
struct together {
	const char *path, *other; /* other: of rank 1; NULL: the same */
	thaw_status status[RANKS];
	uint64_t digest[RANKS];
	char *found[RANKS]; /* JSON; NULL: failed */
};

static char *describe(const struct thaw_dataset *d, const char *path)
{
	json_t *json = thaw_found_json(path, &d, 1);
	char *text = json_dumps(json, JSON_SORT_KEYS);
	json_decref(json);
	return text;
}

static void open_together(struct thaw_comm *comm, void *argument)
{
	struct together *t = argument;
	const struct thaw_dataset_options options = {.test_share = 0.25, .seed = 1};
	struct thaw_dataset d = {0};
	int rank = comm->rank;
	const char *path = rank == 1 && t->other ? t->other : t->path;
	t->status[rank] = thaw_dataset_open_together(comm, &d, path, THAW_SPLIT_TRAIN, &options);
	if (t->status[rank] != THAW_OK)
		return;
	t->digest[rank] = thaw_dataset_digest(&d);
	t->found[rank] = describe(&d, t->path);
	thaw_dataset_close(&d);
}

static void check_together(const struct layout *l, const struct thaw_dataset *alone, const char *path)
{
	struct together t = {.path = path};
	ranks_run(RANKS, open_together, &t);
	char *found = alone->count > 0 ? describe(alone, path) : NULL;
	for (int r = 0; r < RANKS; r++) {
		if ((t.status[r] == THAW_OK) != (alone->count > 0))
			fail_msg("%s: rank %d: status %d", l->name, r, t.status[r]);
		if (found && (strcmp(found, t.found[r]) != 0 || t.digest[r] != thaw_dataset_digest(alone)))
			fail_msg("%s: rank %d: %s\ninstead of %s", l->name, r, t.found[r], found);
		free(t.found[r]);
	}
	free(found);
}

static void counted(void **state)
{
	const struct scratch *s = *state;
	for (size_t i = 0; i < sizeof(layouts) / sizeof(layouts[0]); i++) {
		const struct layout *l = &layouts[i];
		struct thaw_dataset d[SPLITS] = {{0}};
		char root[PATH], path[2 * PATH];
		const char *message = NULL;
		snprintf(root, sizeof(root), "%s/%zu", s->path, i);
		snprintf(path, sizeof(path), "%s%s%s", root, l->data[0] ? "/" : "", l->data);
		make(root, l->entries);
		open_splits(d, path, &message);
		if (message && (l->found[0] != '!' || !strstr(message, l->found + 1)))
			fail_msg("%s: message: %s", l->name, message);
		if (!message)
			check_found(l, d, path);
		check_together(l, &d[0], path);
		for (int k = 0; k < SPLITS; k++)
			thaw_dataset_close(&d[k]);
	}
}

/* One rank cannot open the dataset, or finds another format: all ranks fail, none waits. With other folders each rank
 * lists its own, and what they found is compared later. */
static void ranks_fail_together(void **state)
{
	const struct scratch *s = *state;
	static const struct {
		const char *other;
		thaw_status status;
	} cases[] = {{"none", THAW_IO}, {"empty", THAW_DATA}, {"idx", THAW_CONFIG}, {"more", THAW_OK}};
	make(s->path, "flat/a:4 flat/b:4 empty/a/ empty/b:3 more/a:4 more/b:4 more/c:4 more/d:4 "
		      "idx/train-images-idx3-ubyte=images idx/train-labels.idx1-ubyte=labels "
		      "idx/t10k-images.idx3-ubyte=images idx/t10k-labels-idx1-ubyte=labels");
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		struct together t = {.path = scratch_file(s, "flat"), .other = scratch_file(s, cases[i].other)};
		ranks_run(RANKS, open_together, &t);
		for (int r = 0; r < RANKS; r++) {
			if (t.status[r] != cases[i].status)
				fail_msg("%s: rank %d: status %d", cases[i].other, r, t.status[r]);
			free(t.found[r]);
		}
	}
}

/* A folder of test images is evaluated as a whole, also when it is given itself. */
static void whole_test_folder(void **state)
{
	const struct scratch *s = *state;
	const struct thaw_dataset_options options = {.test_share = 0.25, .seed = 1};
	struct thaw_dataset d;
	make(s->path, "d/train/a:4 d/train/b:4 d/test/a:2 d/test/b:3 flat/a:4 flat/b:4");
	assert_int_equal(thaw_dataset_open(&d, scratch_file(s, "d/test"), THAW_SPLIT_TEST, &options), THAW_OK);
	assert_int_equal(d.count, 5);
	thaw_dataset_close(&d);
	assert_int_equal(thaw_dataset_open(&d, scratch_file(s, "flat"), THAW_SPLIT_ALL, &options), THAW_OK);
	assert_int_equal(d.count, 8);
	thaw_dataset_close(&d);
	assert_int_equal(thaw_dataset_open(&d, scratch_file(s, "d"), THAW_SPLIT_ALL, &options), THAW_USAGE);
}

static void match_classes(void **state)
{
	const struct scratch *s = *state;
	const struct thaw_dataset_options options = {.test_share = 0.25, .seed = 1};
	char *names[] = {"z", "b", "a"}, *others[] = {"a", "c"};
	struct thaw_dataset d;
	make(s->path, "a:1 b:1");
	assert_int_equal(thaw_dataset_open(&d, s->path, THAW_SPLIT_ALL, &options), THAW_OK);
	assert_int_equal(thaw_dataset_match_classes(&d, others, 2), THAW_CONFIG);
	assert_int_equal(d.classes, 2);
	assert_int_equal(d.labels[1], 1);
	assert_int_equal(thaw_dataset_match_classes(&d, names, 3), THAW_OK);
	assert_int_equal(d.classes, 3);
	assert_string_equal(d.class_names[0], "z");
	assert_int_equal(d.labels[0], 2); /* a */
	assert_int_equal(d.labels[1], 1); /* b */
	thaw_dataset_close(&d);
}

/* The order of samples and the digests of layouts that were read by earlier versions, whose runs continue. */
static void same_digests(void **state)
{
	const struct scratch *s = *state;
	const struct thaw_dataset_options options = {.test_share = 0.25, .seed = 3, .limit_per_class = 2};
	static const struct {
		const char *data;
		enum thaw_split split;
		uint64_t digest;
	} golden[] = {
		{"splits", THAW_SPLIT_TRAIN, 0xf25be52ea2bb1539}, {"splits", THAW_SPLIT_TEST, 0x13ba723bbe2329ac},
		{"flat", THAW_SPLIT_TRAIN, 0x23bbfc60b9d47005},   {"flat", THAW_SPLIT_TEST, 0x5b7ed84c54f26178},
		{"idx", THAW_SPLIT_TRAIN, 0xf9b8f5ba09befe69},    {"idx", THAW_SPLIT_TEST, 0x88d50961d5e9792e},
	};
	make(s->path, "splits/train/b/x:3 splits/train/b:2 splits/train/A:4 splits/test/A:2 splits/test/b:1 "
		      "flat/b:9 flat/a:5 flat/C:1 idx/train-images-idx3-ubyte=images "
		      "idx/train-labels.idx1-ubyte=labels idx/t10k-images.idx3-ubyte=images "
		      "idx/t10k-labels-idx1-ubyte=labels");
	for (size_t i = 0; i < sizeof(golden) / sizeof(golden[0]); i++) {
		struct thaw_dataset d;
		assert_int_equal(thaw_dataset_open(&d, scratch_file(s, golden[i].data), golden[i].split, &options),
				 THAW_OK);
		if (thaw_dataset_digest(&d) != golden[i].digest)
			fail_msg("%s, split %d: %016llx", golden[i].data, golden[i].split,
				 (unsigned long long)thaw_dataset_digest(&d));
		thaw_dataset_close(&d);
	}
}

#define TEST(f) cmocka_unit_test_setup_teardown(f, scratch_make, scratch_remove)

int main(void)
{
	const struct CMUnitTest tests[] = {TEST(counted), TEST(ranks_fail_together), TEST(whole_test_folder),
					   TEST(match_classes), TEST(same_digests)};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
