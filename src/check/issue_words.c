#include "src/check/report.h"
#include "thaw/check.h"

const struct thaw_issue_words thaw_issue_words[THAW_ALL_ISSUES] = {
	[THAW_ISSUE_DAMAGED] = {"damaged", "damaged or truncated files",
				"Replace them or take them out; a training skips them."},
	[THAW_ISSUE_EMPTY] = {"empty", "files of no bytes", "Replace them or take them out; a training skips them."},
	[THAW_ISSUE_FOREIGN] = {"not-an-image", "files that are not images, or of a format that thaw does not read",
				"Convert them to JPEG or PNG, or take them out."},
	[THAW_ISSUE_UNREADABLE] = {"unreadable", "files that cannot be read",
				   "See to their permissions, or to the disk, and check again."},
	[THAW_ISSUE_EXACT] = {"exact-duplicate", "images with the same pixels as another one",
			      "Keep one of each; --out lists the others."},
	[THAW_ISSUE_NEAR] = {"near-duplicate", "the same picture again, compressed, resized or cropped",
			     "Look at the worst; if they are copies, keep one of each: --out lists the others."},
	[THAW_ISSUE_LABEL] = {"label", "images that seem to be of another class",
			      "Look at them, and move those that are wrong; --out lists them as comments."},
	[THAW_ISSUE_OUTLIER] = {"outlier", "images that are unlike all others",
				"Look at them: they may not belong here; --out lists them as comments."},
	[THAW_ISSUE_BLANK] = {"blank", "images of one colour", "Take them out, unless a blank image is a class."},
	[THAW_ISSUE_MISNAMED] = {"misnamed", "files whose content is of another format than their extension",
				 "thaw reads them; rename them for other programs."},
	[THAW_ISSUE_LARGE] = {"large", "absurdly large images", "Reduce them: decoding them takes time and memory."},
	[THAW_ISSUE_TINY] = {"tiny", "images far smaller than the others", "See whether they are thumbnails or icons."},
	[THAW_ISSUE_SHAPE] = {"shape", "images far longer than wide, or wider than long",
			      "Crop them: a centre crop shows little of them."},
	[THAW_ISSUE_CMYK] = {"cmyk", "images stored as inks (CMYK)",
			     "thaw converts them without a profile: convert them to RGB if colours matter."},
	[THAW_ISSUE_GREY] = {"grey", "grey images among images in colour",
			     "See whether they are of a few classes only: grey would tell these apart."},
	[THAW_ISSUE_TURNED] = {"turned", "images that EXIF turns or mirrors",
			       "thaw turns them; turn the pixels if other programs do not."},
	[THAW_ISSUE_DARK] = {"dark", "images that are almost black", "See whether anything can be recognised."},
	[THAW_ISSUE_BRIGHT] = {"bright", "images that are almost white", "See whether anything can be recognised."},
	[THAW_ISSUE_PLAIN] = {"low-information", "images with far fewer shades than the others",
			      "See whether they show something."},
	[THAW_ISSUE_BLURRED] = {"blurry", "images far less sharp than the others",
				"See whether anything can be recognised."},
	[THAW_ISSUE_LEAK] = {"leak", "images that also are in another split, as exact or near duplicates",
			     "Take the training copies out: accuracy on images that were trained on means nothing."},
	[THAW_ISSUE_CONFLICT] = {"conflict", "duplicates with different labels",
				 "Look at them: one of the two labels is wrong."},
	[THAW_ISSUE_GROUPS] = {"groups", "groups, such as patients, that have images in two splits",
			       "Move each group into one split: accuracy on known groups says little of new ones."},
	[THAW_ISSUE_GROUP_LEAK] = {"group-leak", "duplicates in two groups, or in none",
				   "See whether they are of one group: folds and random splits may separate them."},
	[THAW_ISSUE_CLASSES] = {"classes", "classes that are not in all splits",
				"Add images or remove the class: training needs images of it, and without held-out "
				"ones it is not measured."},
	[THAW_ISSUE_IMBALANCE] = {"imbalance", "classes with far fewer training images than the largest",
				  "Read the accuracy of each class, not only the total; add images of the small ones."},
};

const char *thaw_check_issue(int number)
{
	return number >= 0 && number < THAW_ALL_ISSUES ? thaw_issue_words[number].name : NULL;
}
