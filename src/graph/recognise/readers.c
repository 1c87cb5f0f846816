/* Who reads each value, kept up to date by every rewrite: a network may have many thousands of matches, and to count
 * anew after each of them would take time quadratic in its nodes.
 *
 * An entry in the list of a value's readers may be out of date; it counts if the node still has the value as an
 * input. */
#include "src/graph/recognise/recognise.h"
#include "thaw/memory.h"

enum { NONE = 0 }; /* entry 0 is not used */

static bool add_entry(struct thaw_readers *u, int value, int node)
{
	if (u->entry_count == u->entry_room) {
		const int room = 2 * u->entry_room;
		struct thaw_reader *larger = thaw_alloc((size_t)room, sizeof(*larger));
		if (!larger)
			return false;
		for (int i = 0; i < u->entry_count; i++)
			larger[i] = u->entries[i];
		thaw_free(u->entries);
		u->entries = larger;
		u->entry_room = room;
	}
	u->entries[u->entry_count] = (struct thaw_reader){node, u->first[value]};
	u->first[value] = u->entry_count++;
	return true;
}

void thaw_readers_add(struct thaw_recogniser *r, int value, int node)
{
	r->readers.uses[value]++;
	if (!add_entry(&r->readers, value, node))
		r->g->failed = THAW_RESOURCE;
}

void thaw_readers_check(struct thaw_recogniser *r, int value)
{
	struct thaw_readers *u = &r->readers;
	if (u->uses[value] > 0 || u->unread_listed[value])
		return;
	u->unread_listed[value] = true;
	u->unread[u->unread_count++] = value;
}

void thaw_readers_drop(struct thaw_recogniser *r, int value)
{
	r->readers.uses[value]--;
	thaw_readers_check(r, value);
}

int thaw_readers_next(const struct thaw_recogniser *r, int value, int *entry)
{
	const struct thaw_readers *u = &r->readers;
	for (*entry = *entry < 0 ? u->first[value] : u->entries[*entry].next; *entry != NONE;
	     *entry = u->entries[*entry].next) {
		const int node = u->entries[*entry].node;
		const struct thaw_node *n = &r->g->nodes[node];
		for (int k = 0; !u->dead[node] && k < n->input_count; k++)
			if (n->inputs[k] == value)
				return node;
	}
	return -1;
}

void thaw_readers_sweep(struct thaw_recogniser *r)
{
	struct thaw_readers *u = &r->readers;
	while (u->unread_count > 0) {
		const int value = u->unread[--u->unread_count];
		const struct thaw_node *n = &r->g->nodes[value];
		u->unread_listed[value] = false;
		if (u->uses[value] > 0 || u->dead[value] || value == 0 || value == r->g->output)
			continue;
		u->dead[value] = true;
		for (int k = 0; k < n->input_count; k++)
			thaw_readers_drop(r, n->inputs[k]);
	}
}

static thaw_status allocate(struct thaw_readers *u, size_t nodes, size_t inputs)
{
	u->entry_room = (int)inputs + 1;
	u->entry_count = 1;
	u->uses = thaw_alloc(nodes, sizeof(*u->uses));
	u->dead = thaw_alloc(nodes, sizeof(*u->dead));
	u->first = thaw_alloc(nodes, sizeof(*u->first));
	u->unread = thaw_alloc(nodes, sizeof(*u->unread));
	u->unread_listed = thaw_alloc(nodes, sizeof(*u->unread_listed));
	u->entries = thaw_alloc((size_t)u->entry_room, sizeof(*u->entries));
	return u->uses && u->dead && u->first && u->unread && u->unread_listed && u->entries ? THAW_OK : THAW_RESOURCE;
}

thaw_status thaw_readers_count(struct thaw_recogniser *r)
{
	const struct thaw_graph *g = r->g;
	struct thaw_readers *u = &r->readers;
	size_t inputs = 0;
	for (int i = 0; i < g->node_count; i++)
		inputs += (size_t)g->nodes[i].input_count;
	if (allocate(u, (size_t)g->node_count, inputs) != THAW_OK)
		return THAW_RESOURCE;
	for (int i = g->node_count; i-- > 0;) /* backwards: the lists are in the order of the nodes */
		for (int k = 0; k < g->nodes[i].input_count; k++)
			thaw_readers_add(r, g->nodes[i].inputs[k], i);
	for (int i = 0; i < g->node_count; i++)
		thaw_readers_check(r, i);
	thaw_readers_sweep(r);
	return g->failed;
}

void thaw_readers_free(struct thaw_readers *u)
{
	thaw_free(u->uses);
	thaw_free(u->dead);
	thaw_free(u->first);
	thaw_free(u->unread);
	thaw_free(u->unread_listed);
	thaw_free(u->entries);
}
