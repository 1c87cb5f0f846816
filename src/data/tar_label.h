/* Labels in members of a tar shard: .cls, .json, .txt. Internal to src/data. */
#ifndef THAW_SRC_DATA_TAR_LABEL_H
#define THAW_SRC_DATA_TAR_LABEL_H

#include <stdbool.h>
#include <stddef.h>

#include "thaw/error.h"

#define TAR_LABEL_LIMIT ((size_t)1 << 20) /* bytes of a label's member */

/* What a member with this field is. */
enum tar_field {
	TAR_FIELD_OTHER,
	TAR_FIELD_CLASS,   /* .cls: a number or a name */
	TAR_FIELD_JSON,    /* .json: an object; one of its members may be the label */
	TAR_FIELD_CAPTION, /* .txt: text that may name a class */
};

enum tar_field thaw_tar_field(const char *field);

/* The first byte of a label's text says what follows. */
enum tar_label_kind {
	TAR_LABEL_CLASS = 'c',   /* a number or a name */
	TAR_LABEL_LIST = 'l',    /* JSON: {"on": [classes], "unknown": [classes]} */
	TAR_LABEL_GRADE = 'g',   /* a number */
	TAR_LABEL_VALUES = 'v',  /* JSON: an array of numbers and nulls */
	TAR_LABEL_CAPTION = 't', /* text; "" if it is too long for the name of a class */
	TAR_LABEL_FOLDER = 'd',  /* the folder that the image is in */
};

struct tar_label {
	char *text;   /* from thaw_alloc; NULL: the member has no label */
	float weight; /* factor of the loss; 0: not given */
	bool damaged; /* the member cannot be understood */
};

/* Parses the member bytes[size]. The caller frees l->text. THAW_RESOURCE without memory, else THAW_OK. */
thaw_status thaw_tar_label_parse(struct tar_label *l, enum tar_field field, const char *bytes, size_t size);

#endif
