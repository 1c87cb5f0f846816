/* thaw pack: writes a dataset as tar shards. Each rank writes some of them. */
#include "thaw/pack.h"

#include "src/base/clock.h"
#include "src/base/try.h"
#include "src/cli/command.h"
#include "src/cli/common_options.h"
#include "src/cli/data_options.h"
#include "src/cli/failure.h"
#include "src/cli/log.h"
#include "src/cli/result.h"
#include "src/cli/signals.h"
#include "src/cli/unknown_names.h"
#include "thaw/dataset.h"
#include "thaw/memory.h"
#include "thaw/report.h"

#define PACK        "Shards"
#define DATA        "Dataset"
#define LOG_SECONDS 10.0 /* between lines of progress */

struct values {
	struct common common;
	int shards, lanes;
	bool shuffle;
	struct thaw_manifest_options manifest;
	const char *exclude;
	double test_share;
	long long seed;
};

/* clang-format off */
static const struct option options[] = {
	{.name = "shards", .metavar = "N", .type = OPTION_INT, .offset = offsetof(struct values, shards), .section = PACK,
	 .min = 0, .max = INFINITY, .absent = "shards of about 256 MB",
	 .help = "number of shards of the training images; other splits get as many per image"},
	LANES_OPTION(PACK, offsetof(struct values, lanes), "shards in the order of the dataset",
		     "for a training with L lanes, each shard has images of one lane: a rank then reads few of them; a "
		     "dataset without test images is split"),
	{.name = "shuffle", .type = OPTION_FLAG, .offset = offsetof(struct values, shuffle), .section = PACK,
	 .help = "put the images into a random order, so that each shard has images of all classes"},
	MANIFEST_OPTIONS(DATA, offsetof(struct values, manifest)),
	EXCLUDE_OPTION(DATA, offsetof(struct values, exclude), ""),
	TEST_SHARE_OPTION(DATA, offsetof(struct values, test_share), "; with --lanes only"),
	SEED_OPTION(DATA, offsetof(struct values, seed), "seed of the order and of that selection"),
	COMMON_OPTIONS,
};
/* clang-format on */

/* What one rank did. */
struct share {
	int64_t shards, kept, images, bytes;
};

static void defaults(void *values)
{
	struct values *v = values;
	v->test_share = 0.2;
	v->seed = 1;
}

static bool stop(void *context)
{
	(void)context;
	return thaw_stop_requested() != 0;
}

/* Every size-th shard. */
static thaw_status write_shards(const struct thaw_pack *pack, const struct thaw_comm *comm, struct share *share)
{
	double logged = thaw_clock();
	for (int s = comm->rank; s < thaw_pack_count(pack); s += comm->size) {
		struct thaw_packed packed;
		THAW_TRY(thaw_pack_write(pack, s, stop, NULL, &packed));
		share->shards++;
		share->kept += packed.kept;
		share->images += packed.images;
		share->bytes += packed.bytes;
		if (thaw_clock() - logged < LOG_SECONDS)
			continue;
		logged = thaw_clock();
		log_line(comm, "pack: about %d of %d shards are written", s + 1, thaw_pack_count(pack));
	}
	return THAW_OK;
}

static thaw_status begin(struct thaw_comm *comm, struct thaw_pack *pack)
{
	THAW_TRY(thaw_comm_same_digest(comm, thaw_pack_digest(pack), "images", "give every rank the same dataset"));
	return thaw_comm_agree(comm, comm->rank == 0 ? thaw_pack_begin(pack) : THAW_OK);
}

/* The sum over the ranks; on rank 0 only. */
static thaw_status sum_shares(struct thaw_comm *comm, struct share *share)
{
	struct share *all = thaw_alloc((size_t)comm->size, sizeof(*all));
	THAW_TRY(thaw_comm_agree(comm, all ? THAW_OK : THAW_RESOURCE));
	thaw_status status = comm->gather(comm, share, sizeof(*share), all);
	for (int r = 1; status == THAW_OK && comm->rank == 0 && r < comm->size; r++) {
		share->shards += all[r].shards;
		share->kept += all[r].kept;
		share->images += all[r].images;
		share->bytes += all[r].bytes;
	}
	thaw_free(all);
	return status;
}

static thaw_status run_pack(struct session *session, const void *values, json_t **result)
{
	const struct values *v = values;
	struct thaw_comm *comm = session->comm;
	struct thaw_exclude exclude = {0};
	const struct thaw_pack_options o = {.data = session->settings->arguments[0],
					    .out = session->settings->arguments[1],
					    .manifest = v->manifest,
					    .exclude = v->exclude ? &exclude : NULL,
					    .shards = v->shards,
					    .lanes = v->lanes,
					    .shuffle = v->shuffle,
					    .test_share = v->test_share,
					    .seed = (uint64_t)v->seed};
	struct thaw_pack *pack = NULL;
	struct share share = {0};
	thaw_status status;
	THAW_TRY_OUT(thaw_comm_agree(comm, v->exclude ? thaw_exclude_read(&exclude, v->exclude) : THAW_OK));
	THAW_TRY_OUT(thaw_comm_agree(comm, thaw_pack_open(&pack, &o)));
	log_unknown_names(comm, &exclude);
	if (thaw_pack_drops_groups(pack))
		log_line(comm,
			 "note: shards do not keep groups: --group-column and --group-by will not find them there");
	thaw_signals_exit(NULL);
	THAW_TRY_OUT(begin(comm, pack));
	THAW_TRY_OUT(failure_agree(comm, write_shards(pack, comm, &share)));
	THAW_TRY_OUT(sum_shares(comm, &share));
	THAW_TRY_OUT(thaw_comm_agree(comm, comm->rank == 0 ? thaw_pack_end(pack) : THAW_OK));
	if (comm->rank == 0)
		status = give_result(result,
				     json_pack("{s:o, s:I, s:I, s:I, s:I}", "out", thaw_report_string(o.out), "shards",
					       (json_int_t)share.shards, "kept", (json_int_t)share.kept, "images",
					       (json_int_t)share.images, "bytes", (json_int_t)share.bytes));
out:
	thaw_pack_close(pack);
	thaw_exclude_free(&exclude);
	return status;
}

static void print_pack(const json_t *result, FILE *out)
{
	double kept = member_real(result, "kept");
	fprintf(out, "%s: %.0f images in %.0f shards, %.1f MB", member_text(result, "out"),
		member_real(result, "images"), member_real(result, "shards"), member_real(result, "bytes") / 1e6);
	if (kept > 0)
		fprintf(out, "; %.0f of the shards were there", kept);
	fputc('\n', out);
}

const struct command command_pack = {
	.name = "pack",
	.usage = "D OUT [--shards N] [--lanes L | --shuffle]",
	.summary = "write a dataset as tar shards",
	.about = "Image files are copied as they are into tar files in WebDataset's layout, with an index beside each, "
		 "and "
		 "are read by --data OUT. Ranks share the work; the bytes do not depend on their number. The same "
		 "command "
		 "continues an interrupted start.",
	.min_arguments = 2,
	.max_arguments = 2,
	.argument = "D OUT",
	.options = options,
	.size = sizeof(struct values),
	.defaults = defaults,
	.ends = "asked to stop: nothing was written: run the same command again",
	.stops = "asked to stop: ending after the current image",
	.run = run_pack,
	.print = print_pack,
};
