/* WebDataset groups members that follow one another and have the same key. Here they may be anywhere in their shard:
 * nothing is lost where a program wrote them in another order. */
#include "src/data/tar_group.h"

#include <string.h>

#include "src/base/grow.h"
#include "src/base/try.h"
#include "thaw/memory.h"

#define MOST_LINKS 8 /* from one to the next */

struct tar_group {
	uint64_t position; /* of the headers of its first label */
	uint64_t apart;    /* and of the first member that does not follow the one before; 0: none */
	uint32_t label, caption;
	uint32_t images;
	uint32_t best; /* the image that a labelled sample uses */
	bool labelled; /* has a member for labels, readable or not */
	float weight;
};

struct tar_image {
	uint64_t position, offset, key, name, link;
	uint32_t size, group, folder;
	bool dotted; /* its field has more parts than the extension */
};

void thaw_tar_groups_free(struct tar_groups *g)
{
	thaw_free(g->group);
	thaw_free(g->image);
	thaw_tar_map_free(&g->keys);
	thaw_tar_map_free(&g->names);
	thaw_tar_map_free(&g->images);
	*g = (struct tar_groups){0};
}

static thaw_status add_group(struct tar_groups *g, uint32_t *number)
{
	struct tar_group *grown = thaw_grow(g->group, (int)g->group_count, sizeof(*grown));
	if (!grown)
		return THAW_RESOURCE;
	g->group = grown;
	grown[g->group_count] = (struct tar_group){.label = TAR_NONE, .caption = TAR_NONE, .best = TAR_NONE};
	*number = g->group_count++;
	return THAW_OK;
}

/* The group that the member belongs to: that of its key, unless that has a member of this name already. */
static thaw_status find_group(struct tar_groups *g, const struct tar_name *n, uint64_t position, uint32_t *group)
{
	uint32_t *of_key = thaw_tar_map_at(&g->keys, thaw_tar_key_digest(n));
	uint32_t *of_name = of_key ? thaw_tar_map_at(&g->names, thaw_tar_name_digest(n)) : NULL;
	if (!of_name)
		return THAW_RESOURCE;
	if (*of_name != TAR_NONE)
		THAW_TRY(thaw_tar_count(&g->shard->counts, TAR_SAME_KEYS, n->text));
	if (*of_key == TAR_NONE || *of_key == *of_name)
		THAW_TRY(add_group(g, of_key));
	else if (*of_key != g->last && g->group[*of_key].apart == 0)
		g->group[*of_key].apart = position;
	*group = g->last = *of_name = *of_key;
	return THAW_OK;
}

/* The number of the image's folder among the texts. */
static thaw_status add_folder(struct tar_groups *g, const struct tar_name *n, uint32_t *number)
{
	char text[TAR_NAME + 1] = {TAR_LABEL_FOLDER};
	*number = TAR_NONE;
	if (n->folder == 0)
		return THAW_OK;
	memcpy(text + 1, n->text, n->folder);
	return thaw_tar_texts_add(&g->shard->texts, number, text);
}

thaw_status thaw_tar_groups_image(struct tar_groups *g, const struct tar_name *n, const struct tar_place *at,
				  uint64_t link)
{
	uint32_t group, *by_name = thaw_tar_map_at(&g->images, thaw_tar_name_digest(n));
	if (!by_name)
		return THAW_RESOURCE;
	THAW_TRY(find_group(g, n, at->position, &group));
	struct tar_image *grown = thaw_grow(g->image, (int)g->image_count, sizeof(*grown));
	if (!grown)
		return THAW_RESOURCE;
	g->image = grown;
	struct tar_image *image = &grown[g->image_count];
	*image = (struct tar_image){.position = at->position,
				    .offset = at->offset,
				    .key = thaw_tar_key_digest(n),
				    .name = thaw_tar_name_digest(n),
				    .link = link,
				    .size = (uint32_t)at->size,
				    .group = group,
				    .dotted = strchr(n->field, '.') != NULL};
	THAW_TRY(add_folder(g, n, &image->folder));
	struct tar_group *of = &g->group[group];
	if (of->images++ == 0 || (g->image[of->best].dotted && !image->dotted))
		of->best = g->image_count;
	*by_name = g->image_count++;
	return THAW_OK;
}

thaw_status thaw_tar_groups_label(struct tar_groups *g, const struct tar_name *n, const struct tar_place *at,
				  const struct tar_label *label)
{
	uint32_t group, number = TAR_NONE;
	THAW_TRY(find_group(g, n, at->position, &group));
	struct tar_group *of = &g->group[group];
	if (!of->labelled)
		of->position = at->position;
	of->labelled = true;
	if (label->damaged)
		THAW_TRY(thaw_tar_count(&g->shard->counts, TAR_DAMAGED_LABELS, n->text));
	if (label->weight > 0)
		of->weight = label->weight;
	if (!label->text)
		return THAW_OK;
	THAW_TRY(thaw_tar_texts_add(&g->shard->texts, &number, label->text));
	if (label->text[0] == TAR_LABEL_CAPTION)
		of->caption = number;
	else if (of->label == TAR_NONE || thaw_tar_field(n->field) == TAR_FIELD_CLASS)
		of->label = number; /* .cls goes before .json */
	return THAW_OK;
}

/* Counts what was found at `position`, with its name as the example. */
static thaw_status count_at(struct tar_groups *g, enum tar_count what, int fd, uint64_t position, const char *shard)
{
	if (g->shard->counts.count[what] > 0)
		return thaw_tar_count(&g->shard->counts, what, "");
	struct tar_name *n = thaw_alloc(1, sizeof(*n));
	thaw_status status = n ? thaw_tar_name_read(n, fd, position, 0, shard) : THAW_RESOURCE;
	if (status == THAW_OK)
		status = thaw_tar_count(&g->shard->counts, what, n->text);
	thaw_free(n);
	return status;
}

/* The image that a link leads to, or NULL. */
static const struct tar_image *follow(const struct tar_groups *g, const struct tar_image *image)
{
	for (int i = 0; image && image->link != 0; i++) {
		uint32_t at = thaw_tar_map_find(&g->images, image->link);
		image = i < MOST_LINKS && at != TAR_NONE ? &g->image[at] : NULL;
	}
	return image;
}

static thaw_status add_sample(struct tar_groups *g, const struct tar_image *image, const struct tar_image *bytes)
{
	const struct tar_group *of = &g->group[image->group];
	bool shared = of->label == TAR_NONE && of->caption == TAR_NONE && of->images > 1;
	struct tar_shard *s = g->shard;
	struct tar_sample *grown = thaw_grow(s->samples, (int)s->count, sizeof(*grown));
	if (!grown)
		return THAW_RESOURCE;
	s->samples = grown;
	grown[s->count++] = (struct tar_sample){.offset = bytes->offset,
						.key = shared ? image->name : image->key,
						.size = bytes->size,
						.header = (uint32_t)(bytes->offset - bytes->position),
						.label = of->label != TAR_NONE ? of->label : of->caption,
						.folder = image->folder,
						.weight = of->weight,
						.link = bytes != image};
	return THAW_OK;
}

thaw_status thaw_tar_groups_end(struct tar_groups *g, int fd, const char *name)
{
	for (uint32_t i = 0; i < g->image_count; i++) {
		const struct tar_image *image = &g->image[i], *bytes = follow(g, image);
		const struct tar_group *of = &g->group[image->group];
		bool labelled = of->label != TAR_NONE || of->caption != TAR_NONE;
		if (labelled && of->best != i)
			THAW_TRY(count_at(g, TAR_FURTHER_IMAGES, fd, image->position, name));
		else if (!bytes)
			THAW_TRY(count_at(g, TAR_LINKS_OUTSIDE, fd, image->position, name));
		else
			THAW_TRY(add_sample(g, image, bytes));
	}
	for (uint32_t i = 0; i < g->group_count; i++) {
		const struct tar_group *of = &g->group[i];
		if (of->labelled && of->images == 0)
			THAW_TRY(count_at(g, TAR_LABELS_ALONE, fd, of->position, name));
		if (of->labelled && of->apart > 0)
			THAW_TRY(count_at(g, TAR_APART, fd, of->apart, name));
	}
	return THAW_OK;
}
