#include <stdio.h>

#include "src/check/report.h"
#include "thaw/found.h"
#include "thaw/report.h"

#define NAME_SIZE 4096

static json_t *name_json(const struct thaw_pool *p, int64_t image)
{
	char name[NAME_SIZE];
	p->all.name(&p->all, image, name, sizeof(name));
	return thaw_report_string(name);
}

void thaw_describe_image(json_t *o, const char *prefix, const struct thaw_pool *p, int64_t image)
{
	char key[32];
	snprintf(key, sizeof(key), "%simage", prefix);
	json_object_set_new(o, key, name_json(p, image));
	snprintf(key, sizeof(key), "%ssplit", prefix);
	json_object_set_new(o, key, json_string(thaw_dataset_kind(&p->part[thaw_pool_part(p, image)])));
	if (p->all.task != THAW_TASK_CLASS && p->all.task != THAW_TASK_GRADE)
		return;
	snprintf(key, sizeof(key), "%sclass", prefix);
	json_object_set_new(o, key, thaw_report_string(p->all.class_names[p->all.labels[image]]));
}
