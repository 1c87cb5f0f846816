/* See wrapper_names.h. Names that are changed in place never become longer. */
#include "src/model/wrapper_names.h"

#include <stdbool.h>
#include <stdio.h>
#include <string.h>

#include "thaw/memory.h"

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
