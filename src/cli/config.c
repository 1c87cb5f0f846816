/* Configuration files, read with libyaml.
 *
 * Accepts a single mapping with scalar keys; values are scalars or lists of them. The values remain text and are parsed
 * by the option table, as values of flags are. */
#include "src/cli/config.h"

#include <string.h>
#include <yaml.h>

#include "src/base/try.h"
#include "thaw/file.h"
#include "thaw/memory.h"

#define LARGEST_FILE (1 << 20) /* bytes */
#define LARGEST_LIST 64        /* values */

static int line_of(const yaml_node_t *node)
{
	return (int)node->start_mark.line + 1;
}

/* A copy of a scalar's text. */
static thaw_status scalar_text(const yaml_node_t *node, const char *path, char **text)
{
	if (node->type != YAML_SCALAR_NODE)
		return thaw_fail(THAW_CONFIG, "not a single value: %s:%d: give a flag name, a colon and a value", path,
				 line_of(node));
	if (memchr(node->data.scalar.value, 0, node->data.scalar.length))
		return thaw_fail(THAW_CONFIG, "a NUL character: %s:%d: remove it", path, line_of(node));
	*text = thaw_strdup((const char *)node->data.scalar.value);
	return *text ? THAW_OK : THAW_RESOURCE;
}

/* The items of a list as text, separated by commas, as a flag has them. */
static thaw_status list_text(yaml_document_t *document, const yaml_node_t *node, const char *path, char **text)
{
	const yaml_node_item_t *item = node->data.sequence.items.start, *end = node->data.sequence.items.top;
	if (end - item > LARGEST_LIST)
		return thaw_fail(THAW_CONFIG, "a list of more than %d values: %s:%d: give fewer", LARGEST_LIST, path,
				 line_of(node));
	*text = thaw_strdup("");
	for (; *text && item < end; item++) {
		char *one = NULL, *before = *text;
		thaw_status status = scalar_text(yaml_document_get_node(document, *item), path, &one);
		if (status == THAW_OK)
			*text = thaw_format("%s%s%s", before, *before ? "," : "", one);
		thaw_free(one);
		if (status != THAW_OK)
			return status;
		thaw_free(before);
	}
	return *text ? THAW_OK : THAW_RESOURCE;
}

static thaw_status value_text(yaml_document_t *document, const yaml_node_t *node, const char *path,
			      struct config_entry *entry)
{
	entry->list = node->type == YAML_SEQUENCE_NODE;
	return entry->list ? list_text(document, node, path, &entry->value) : scalar_text(node, path, &entry->value);
}

static thaw_status read_entry(struct config *c, yaml_document_t *document, const yaml_node_pair_t *pair)
{
	const yaml_node_t *key = yaml_document_get_node(document, pair->key);
	const yaml_node_t *value = yaml_document_get_node(document, pair->value);
	struct config_entry *entry = &c->entries[c->count++];
	entry->line = line_of(key);
	THAW_TRY(scalar_text(key, c->path, &entry->key));
	THAW_TRY(value_text(document, value, c->path, entry));
	bool plain = !entry->list && value->data.scalar.style == YAML_PLAIN_SCALAR_STYLE;
	if (plain && (!*entry->value || strcmp(entry->value, "~") == 0 || strcmp(entry->value, "null") == 0))
		return thaw_fail(THAW_CONFIG, "a key without a value: %s:%d: %s: give a value or remove the line",
				 c->path, entry->line, entry->key);
	for (int i = 0; i < c->count - 1; i++)
		if (strcmp(c->entries[i].key, entry->key) == 0)
			return thaw_fail(THAW_CONFIG, "duplicate key: %s:%d: %s: remove this line or line %d", c->path,
					 entry->line, entry->key, c->entries[i].line);
	return THAW_OK;
}

static thaw_status read_document(struct config *c, yaml_document_t *document)
{
	const yaml_node_t *root = yaml_document_get_root_node(document);
	if (!root)
		return THAW_OK;
	if (root->type != YAML_MAPPING_NODE)
		return thaw_fail(THAW_CONFIG,
				 "not a mapping of keys to values: %s:%d: write lines such as \"lr: 0.01\"", c->path,
				 line_of(root));
	const yaml_node_pair_t *pair = root->data.mapping.pairs.start, *end = root->data.mapping.pairs.top;
	c->entries = thaw_alloc((size_t)(end - pair), sizeof(*c->entries));
	if (!c->entries)
		return THAW_RESOURCE;
	for (; pair < end; pair++)
		THAW_TRY(read_entry(c, document, pair));
	return THAW_OK;
}

static thaw_status parse(struct config *c, const void *bytes, size_t size)
{
	yaml_parser_t parser;
	yaml_document_t document;
	if (!yaml_parser_initialize(&parser))
		return thaw_fail(THAW_RESOURCE, "out of memory: %s: free memory on this node", c->path);
	yaml_parser_set_input_string(&parser, bytes, size);
	thaw_status status;
	if (yaml_parser_load(&parser, &document)) {
		status = read_document(c, &document);
		yaml_document_delete(&document);
	} else {
		status = thaw_fail(THAW_CONFIG, "not YAML: %s:%zu: %s", c->path, parser.problem_mark.line + 1,
				   parser.problem ? parser.problem : "out of memory");
	}
	yaml_parser_delete(&parser);
	return status;
}

thaw_status config_read(struct config **config, const char *path)
{
	void *bytes = NULL;
	size_t size;
	struct config *c = thaw_alloc(1, sizeof(*c));
	if (!c)
		return THAW_RESOURCE;
	thaw_status status = (c->path = thaw_strdup(path)) ? THAW_OK : THAW_RESOURCE;
	if (status == THAW_OK)
		status = thaw_file_read(&bytes, &size, path, LARGEST_FILE);
	if (status == THAW_OK)
		status = parse(c, bytes, size);
	thaw_free(bytes);
	if (status != THAW_OK)
		config_free(c);
	else
		*config = c;
	return status;
}

void config_free(struct config *config)
{
	if (!config)
		return;
	for (int i = 0; i < config->count; i++) {
		thaw_free(config->entries[i].key);
		thaw_free(config->entries[i].value);
	}
	thaw_free(config->entries);
	thaw_free(config->path);
	thaw_free(config);
}
