/* Names of the graph's parameters, as a hash table: a model may have very many. */
#include <string.h>

#include "src/onnx/import/importer.h"
#include "thaw/digest.h"
#include "thaw/memory.h"

/* The slot of this name, or the empty one where it belongs. */
static int *find_slot(const struct thaw_onnx_importer *m, const char *name)
{
	size_t mask = (size_t)m->name_slots - 1, at = (size_t)thaw_digest(name, strlen(name), 0) & mask;
	while (m->names[at] && strcmp(m->graph->params[m->names[at] - 1].name, name) != 0)
		at = (at + 1) & mask;
	return &m->names[at];
}

bool thaw_onnx_param_exists(const struct thaw_onnx_importer *m, const char *name)
{
	return m->name_slots > 0 && *find_slot(m, name) != 0;
}

thaw_status thaw_onnx_param_added(struct thaw_onnx_importer *m)
{
	enum { LEAST = 64 };
	int count = m->graph->param_count;
	if (2 * count > m->name_slots) {
		int slots = m->name_slots ? 2 * m->name_slots : LEAST,
		    *larger = thaw_alloc((size_t)slots, sizeof(*larger));
		if (!larger)
			return THAW_RESOURCE;
		thaw_free(m->names);
		m->names = larger;
		m->name_slots = slots;
		for (int i = 0; i < count - 1; i++)
			*find_slot(m, m->graph->params[i].name) = i + 1;
	}
	*find_slot(m, m->graph->params[count - 1].name) = count;
	return THAW_OK;
}
