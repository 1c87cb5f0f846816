/* The images that a run began with, in place of those that are listed now. Internal to src/data. */
#ifndef THAW_SRC_DATA_KNOWN_IMAGES_H
#define THAW_SRC_DATA_KNOWN_IMAGES_H

#include "src/data/dataset.h"
#include "src/data/names.h"
#include "src/data/packed_names.h"

/* Appends the names to a list, unless it has the first of them already: both parts of a random split are listed alike.
 */
thaw_status thaw_known_images_add(struct thaw_image_names *list, const struct packed_names *files);

/* Replaces files, listed class by class (those of classes[c] end before end[c]), by the names in options->known.
 * `missing` receives the known ones that were not listed, sorted; options->added those that were listed and are not
 * known. Without it, they are THAW_CONFIG. */
thaw_status thaw_known_images_apply(struct packed_names *files, int64_t *end, const struct names *classes,
				    const struct thaw_dataset_options *options, struct names *missing);

/* Describes in `found` those of the files that are missing. */
thaw_status thaw_known_images_report(struct thaw_found *found, const struct packed_names *files,
				     const struct names *missing);

#endif
