/* See wrapper_names.h. Names that are changed in place never become longer. */
#include "src/model/wrapper_names.h"

#include <stdbool.h>
#include <stdio.h>
#include <string.h>

#include "thaw/memory.h"

#define ROOT        "embedder.embedder.convolution.weight"
#define ROOT_KERNEL 7 /* of a ResNet; a RegNet, which keeps its names, has 3 */

/* Components, with their dot, of DataParallel and DistributedDataParallel, torch.compile, FSDP, activation
 * checkpointing, and of timm's wrapper in transformers. */
static const char *const wrappers[] = {"module.", "_orig_mod.", "_fsdp_wrapped_module.", "_checkpoint_wrapped_module.",
				       "timm_model."};

#define WRAPPERS (sizeof(wrappers) / sizeof(*wrappers))

/* Removes this component wherever it stands, except at the end. Returns whether there was one. */
static bool remove_component(char *name, const char *component)
{
	size_t length = strlen(component);
	bool removed = false;
	for (char *at = name; at && *at;) {
		if (strncmp(at, component, length) == 0 && at[length]) {
			memmove(at, at + length, strlen(at + length) + 1);
			removed = true;
		} else {
			at = strchr(at, '.');
			at = at ? at + 1 : NULL;
		}
	}
	return removed;
}

void thaw_names_remove_wrappers(struct thaw_named_tensor *tensors, int count, struct thaw_note *note)
{
	bool removed[WRAPPERS] = {false};
	for (int i = 0; i < count; i++)
		for (size_t k = 0; k < WRAPPERS; k++)
			removed[k] |= remove_component(tensors[i].name, wrappers[k]);
	thaw_note_list(note);
	for (size_t k = 0; k < WRAPPERS; k++)
		if (removed[k])
			thaw_note_item(note, "removed from the names:", wrappers[k]);
}

/* The part of the name from `component` on, which must begin a component of the name; NULL without one. */
static char *find_component(char *name, const char *component)
{
	for (char *at = strstr(name, component); at; at = strstr(at + 1, component))
		if (at == name || at[-1] == '.')
			return at;
	return NULL;
}

/* Replaces `from`, if the name contains it from the start of a component on, by the text `to`. */
static bool replace(char *name, const char *from, const char *to)
{
	char *at = find_component(name, from);
	if (!at)
		return false;
	size_t old = strlen(from), new = strlen(to);
	memmove(at + new, at + old, strlen(at + old) + 1);
	for (size_t i = 0; i < new; i++)
		at[i] = to[i];
	return true;
}

/* "encoder.stages.0.layers.1.layer.2.convolution" becomes "layer1.1.conv3". */
static void rename_block(char *name)
{
	char old[128], new[64];
	int stage, block, unit, used = 0;
	char *at = find_component(name, "encoder.stages.");
	if (!at || sscanf(at, "encoder.stages.%2d.layers.%3d.%n", &stage, &block, &used) != 2 || used == 0)
		return;
	snprintf(old, sizeof(old), "%.*s", used, at);
	snprintf(new, sizeof(new), "layer%d.%d.", stage + 1, block);
	replace(name, old, new);
	replace(name, "shortcut.convolution.", "downsample.0.");
	replace(name, "shortcut.normalization.", "downsample.1.");
	at = find_component(name, "layer.");
	if (!at || sscanf(at, "layer.%1d.", &unit) != 1)
		return;
	snprintf(old, sizeof(old), "layer.%d.convolution.", unit);
	snprintf(new, sizeof(new), "conv%d.", unit + 1);
	replace(name, old, new);
	snprintf(old, sizeof(old), "layer.%d.normalization.", unit);
	snprintf(new, sizeof(new), "bn%d.", unit + 1);
	replace(name, old, new);
}

void thaw_names_from_transformers(struct thaw_named_tensor *tensors, int count, struct thaw_note *note)
{
	bool found = false;
	for (int i = 0; i < count && !found; i++)
		found = find_component(tensors[i].name, ROOT) && tensors[i].shape.ndim == 4 &&
			tensors[i].shape.dim[3] == ROOT_KERNEL;
	if (!found)
		return;
	for (int i = 0; i < count; i++) {
		char *name = tensors[i].name;
		replace(name, "resnet.embedder.", "embedder.");
		replace(name, "resnet.encoder.", "encoder.");
		replace(name, "embedder.embedder.convolution.", "conv1.");
		replace(name, "embedder.embedder.normalization.", "bn1.");
		replace(name, "classifier.1.", "fc.");
		rename_block(name);
	}
	thaw_note_part(note, "its names are those of transformers");
}

/* The children of torchvision's ResNet by their numbers; those without parameters are NULL. */
static const char *const children[] = {"conv1", "bn1", NULL, NULL, "layer1", "layer2", "layer3", "layer4", NULL, "fc"};

/* Replaces the number after the first `prefix` bytes of the name by the name of the child. */
static thaw_status rename_child(struct thaw_named_tensor *t, size_t prefix)
{
	const char *number = t->name + prefix;
	const size_t child = (size_t)(number[0] - '0');
	if (number[0] < '0' || number[0] > '9' || number[1] != '.' || !children[child])
		return THAW_OK;
	char *name = thaw_format("%.*s%s%s", (int)prefix, t->name, children[child], number + 1);
	if (!name)
		return THAW_RESOURCE;
	thaw_free(t->name);
	t->name = name;
	return THAW_OK;
}

thaw_status thaw_names_from_sequence(struct thaw_named_tensor *tensors, int count, struct thaw_note *note)
{
	static const char first[] = "4.0.conv1.weight"; /* of layer1 */
	const char *found = NULL;
	size_t prefix = 0;
	for (int i = 0; i < count && !found; i++) {
		found = find_component(tensors[i].name, first);
		if (found && strcmp(found, first) != 0)
			found = NULL;
		prefix = found ? (size_t)(found - tensors[i].name) : 0;
	}
	if (!found)
		return THAW_OK;
	char *before = thaw_format("%.*s", (int)prefix, found - prefix);
	thaw_status status = before ? THAW_OK : THAW_RESOURCE;
	for (int i = 0; i < count && status == THAW_OK; i++)
		if (strncmp(tensors[i].name, before, prefix) == 0)
			status = rename_child(&tensors[i], prefix);
	thaw_free(before);
	thaw_note_part(note, "its modules are numbered, as in nn.Sequential(*resnet.children())");
	return status;
}
