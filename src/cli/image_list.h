/* The images that a command line names: files, and all images in folders. */
#ifndef THAW_SRC_CLI_IMAGE_LIST_H
#define THAW_SRC_CLI_IMAGE_LIST_H

#include <stddef.h>

#include "thaw/comm.h"
#include "thaw/error.h"

#define IMAGE_FILE_LIMIT ((size_t)1 << 30) /* bytes of an encoded image */

struct image_list {
	char **paths;        /* [count], from thaw_alloc */
	size_t count, room;  /* room: allocated entries of paths */
	size_t skipped;      /* files in folders that are not images */
	char *first_skipped; /* one of them; NULL: none */
};

/* Files are taken as they are. In folders, and folders in them, every file is taken whose content is an image; hidden
 * ones are ignored, links are followed. Sorted by name within a folder. THAW_IO if a folder has no images or cannot be
 * read. Release the list in any case. */
thaw_status image_list_fill(struct image_list *list, char *const *arguments, int count);

/* Logs which files were skipped. */
void image_list_log(const struct image_list *list, const struct thaw_comm *comm);

void image_list_release(struct image_list *list);

#endif
