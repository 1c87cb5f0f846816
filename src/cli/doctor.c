/* thaw doctor: describes the machine, MPI and BLAS, and recommends settings. Every rank reports; rank 0 evaluates. */
#include <cblas.h>
#include <limits.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sys/stat.h>
#include <unistd.h>
#include <zstd.h>
/* jpeglib.h needs stdio.h before it. */
#include <jpeglib.h>

#include "mpi/guard.h"
#include "mpi/version.h"
#include "src/base/machine.h"
#include "src/base/minmax.h"
#include "src/base/try.h"
#include "src/cli/blas_kernel.h"
#include "src/cli/command.h"
#include "src/cli/common_options.h"
#include "src/cli/display_text.h"
#include "src/cli/doctor_nodes.h"
#include "src/cli/launch_report.h"
#include "src/cli/result.h"
#include "thaw/bench.h"
#include "thaw/memory.h"
#include "thaw/report.h"
#include "thaw/version.h"

#define SMALL_MEMORY 1e9 /* bytes per rank; large networks need more */

struct values {
	struct common common;
	const char *out;
};

static void defaults(void *values)
{
	((struct values *)values)->out = ".";
}

/* clang-format off */
static const struct option options[] = {
	{.name = "out", .metavar = "RUN", .type = OPTION_TEXT, .offset = offsetof(struct values, out),
	 .section = "Where",
	 .help = "run directory of the training, or where it will be: is it writable, and the same on all nodes"},
	COMMON_OPTIONS,
};
/* clang-format on */

/* Speed of products in GFLOP/s; 0 if out of memory, and in bfloat16 also where they are emulated. */
static void measure_products(struct rank_facts *facts)
{
	float *memory = thaw_alloc(THAW_BENCH_GEMM_FLOATS, sizeof(*memory));
	facts->gflops = memory ? thaw_bench_gemm(memory) : 0;
	facts->bf16_gflops = 0;
	facts->bf16_rejected = thaw_precision_rejected(THAW_PRECISION_BF16);
	if (memory && thaw_precision_arithmetic(THAW_PRECISION_BF16))
		facts->bf16_gflops = thaw_bench_gemm_bf16(memory);
	thaw_free(memory);
}

/* The directory itself, or the nearest one above it that exists. */
static void existing_directory(const char *wanted, char *path, size_t size)
{
	struct stat info;
	snprintf(path, size, "%s", wanted);
	while (stat(path, &info) != 0) {
		char *slash = strrchr(path, '/');
		if (!slash)
			snprintf(path, size, ".");
		else
			slash[slash == path] = '\0';
		if (!slash || slash == path)
			return;
	}
}

static thaw_status gather_facts(struct thaw_comm *comm, const char *directory, struct rank_facts **all)
{
	struct rank_facts mine;
	char existing[PATH_MAX];
	existing_directory(directory, existing, sizeof(existing));
	THAW_TRY(rank_facts_find(comm, existing, &mine));
	THAW_TRY(comm->barrier(comm));
	measure_products(&mine);
	return rank_facts_gather(comm, &mine, all);
}

static const char *batch_system(void)
{
	static const struct {
		const char *variable, *name;
	} known[] = {{"SLURM_JOB_ID", "Slurm"}, {"PBS_JOBID", "PBS"}, {"LSB_JOBID", "LSF"}, {"SGE_TASK_ID", "SGE"}};
	for (size_t i = 0; i < sizeof(known) / sizeof(*known); i++)
		if (getenv(known[i].variable))
			return known[i].name;
	return "none";
}

/* Warns of too many BLAS threads. thaw sets the thread count itself, but a library that reads another count when it is
 * loaded has already created its threads. */
static void advise_on_threads(json_t *advice, const struct thaw_comm *comm)
{
	static const char *const variables[] = {"OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "GOTO_NUM_THREADS"};
	for (size_t i = 0; i < sizeof(variables) / sizeof(*variables); i++) {
		const char *text = getenv(variables[i]);
		int threads = text ? atoi(text) : 0;
		if (threads > 1)
			append_line(advice, "%s is %d with %d rank%s on %d cores: set it to 1", variables[i], threads,
				    comm->node_size, comm->node_size == 1 ? "" : "s", thaw_machine_cores());
	}
}

static void advise_on_blas(json_t *advice, const struct rank_facts *all, int ranks)
{
	const char *forced = getenv("OPENBLAS_CORETYPE");
	const char *core = all[0].blas_core;
	bool corrected = blas_kernel_was_corrected();
	if (corrected && !blas_kernel_is_fallback())
		append_line(
			advice,
			"this OpenBLAS does not know the processor: thaw selected its %s kernels; a newer OpenBLAS may "
			"have better ones",
			core);
	else if (forced && !corrected)
		append_line(advice,
			    "OPENBLAS_CORETYPE is set: %s: unset it unless nodes of different kinds must give the same "
			    "bits",
			    forced);
	for (int r = 1; r < ranks; r++) {
		if (strcmp(all[r].blas_core, core) != 0) {
			append_line(advice,
				    "BLAS kernels differ: %s on %s, %s on %s: request nodes of one kind, or set "
				    "OPENBLAS_CORETYPE to the older one on all nodes",
				    core, all[0].host, all[r].blas_core, all[r].host);
			break;
		}
	}
	if (blas_kernel_is_fallback())
		append_line(advice, "OpenBLAS uses its %s kernels though the processor has AVX2: %s", core,
			    corrected ? "install a newer OpenBLAS" : "unset OPENBLAS_CORETYPE");
}

/* What the warnings at the start of a training do not say: cores are left idle. */
static void advise_on_idle_cores(json_t *advice, const struct thaw_comm *comm, const struct rank_facts *all)
{
	if (comm->size == 1 && all[0].usable > 1)
		append_line(advice, "one rank on %d cores: use mpirun -n %d thaw ... to use all of them", all[0].usable,
			    all[0].usable);
}

static void advise_on_bf16(json_t *advice, const struct rank_facts *all, int ranks)
{
	for (int r = 0; r < ranks; r++)
		if (all[r].bf16_rejected && rank_facts_first_of_node(all, r) == r)
			append_line(advice,
				    "a sample product in bfloat16 is wrong on %s: its instructions are not used there: "
				    "have the node's processor checked",
				    all[r].host);
}

static void advise_on_space(json_t *advice, const struct thaw_comm *comm)
{
	char text[32];
	double limit = thaw_machine_memory_limit(), memory = thaw_machine_memory_available();
	if (limit > 0 && limit < memory)
		memory = limit;
	if (memory > 0 && memory / comm->node_size < SMALL_MEMORY)
		append_line(advice, "%s of memory per rank: use fewer ranks per node or more nodes",
			    text_bytes(memory / comm->node_size, text, sizeof(text)));
}

static void advise_on_directory(json_t *advice, const struct rank_facts *all, int ranks, const char *directory)
{
	if (!all[0].sees_directory) {
		append_line(advice, "files cannot be written: %s: give --out a path that is writable", directory);
		return;
	}
	for (int r = 1; r < ranks; r++) {
		if (!all[r].sees_directory) {
			append_line(advice,
				    "%s is another directory on %s than on %s: give --out a path on a file system that "
				    "all nodes share",
				    directory, all[r].host, all[0].host);
			return;
		}
	}
}

static json_t *versions_json(void)
{
	char jpeg[32], mpi[256];
	snprintf(jpeg, sizeof(jpeg), "%d.%d.%d", LIBJPEG_TURBO_VERSION_NUMBER / 1000000,
		 LIBJPEG_TURBO_VERSION_NUMBER / 1000 % 1000, LIBJPEG_TURBO_VERSION_NUMBER % 1000);
	return json_pack("{s:s, s:s, s:o, s:o, s:s, s:s, s:s}", "thaw", thaw_build(), "compiler", __VERSION__, "mpi",
			 thaw_report_string(thaw_mpi_version(mpi, sizeof(mpi))), "openblas",
			 thaw_report_string(openblas_get_config()), "libjpeg-turbo", jpeg, "zstd", ZSTD_versionString(),
			 "jansson", jansson_version_str());
}

static json_t *machine_json(void)
{
	char cpu[128], vectors[128];
	return json_pack("{s:o, s:s, s:i, s:i, s:I, s:I, s:I, s:f}", "cpu",
			 thaw_report_string(thaw_machine_cpu(cpu, sizeof(cpu))), "vectors",
			 thaw_machine_vectors(vectors, sizeof(vectors)), "cores", thaw_machine_cores(), "usable_cores",
			 thaw_machine_usable_cores(NULL), "memory", (json_int_t)thaw_machine_memory(),
			 "memory_available", (json_int_t)thaw_machine_memory_available(), "cgroup_memory_limit",
			 (json_int_t)thaw_machine_memory_limit(), "cgroup_cpu_limit", thaw_machine_cpu_limit());
}

static json_t *blas_json(const struct rank_facts *all, int ranks)
{
	double least = all[0].gflops, sum = 0;
	for (int r = 0; r < ranks; r++) {
		least = min_double(least, all[r].gflops);
		sum += all[r].gflops;
	}
	return json_pack("{s:s, s:i, s:f, s:f}", "core", all[0].blas_core, "threads", openblas_get_num_threads(),
			 "sgemm_gflops_slowest_rank", least, "sgemm_gflops_all_ranks", sum);
}

static json_t *bf16_json(const struct rank_facts *all, int ranks)
{
	char vectors[128];
	double least = all[0].bf16_gflops, sgemm = all[0].gflops;
	for (int r = 0; r < ranks; r++) {
		least = min_double(least, all[r].bf16_gflops);
		sgemm = min_double(sgemm, all[r].gflops);
	}
	return json_pack("{s:s?, s:s?, s:b, s:f, s:f}", "arithmetic", thaw_precision_arithmetic(THAW_PRECISION_BF16),
			 "rejected", thaw_precision_rejected(THAW_PRECISION_BF16), "amx",
			 strstr(thaw_machine_vectors(vectors, sizeof(vectors)), "amx-bf16") != NULL,
			 "gflops_slowest_rank", least, "times_sgemm", sgemm > 0 ? least / sgemm : 0.0);
}

static json_t *mpi_json(const struct thaw_comm *comm, const json_t *nodes)
{
	struct thaw_launch launch = thaw_launch_read();
	return json_pack("{s:i, s:i, s:i, s:s, s:s}", "ranks", comm->size, "ranks_per_node", comm->node_size, "nodes",
			 (int)json_array_size(nodes), "launcher", launch.by ? launch.by : "none", "batch_system",
			 batch_system());
}

static json_t *diagnose(const struct thaw_comm *comm, const struct rank_facts *all, const struct values *v)
{
	char path[PATH_MAX];
	const char *directory = realpath(v->out, path) ? path : v->out;
	json_t *advice = json_array(), *nodes = nodes_json(all, comm->size);
	advise_on_threads(advice, comm);
	advise_on_blas(advice, all, comm->size);
	advise_on_bf16(advice, all, comm->size);
	launch_append_warnings(comm, all, v->common.threads, advice);
	advise_on_idle_cores(advice, comm, all);
	advise_on_space(advice, comm);
	advise_on_directory(advice, all, comm->size, directory);
	json_t *place =
		json_pack("{s:o, s:b}", "path", thaw_report_string(directory), "writable", all[0].sees_directory);
	return json_pack("{s:o, s:o, s:o, s:o, s:o, s:o, s:o, s:o}", "versions", versions_json(), "machine",
			 machine_json(), "mpi", mpi_json(comm, nodes), "nodes", nodes, "blas",
			 blas_json(all, comm->size), "bf16", bf16_json(all, comm->size), "directory", place, "advice",
			 advice);
}

static thaw_status run_doctor(struct session *session, const void *values, json_t **result)
{
	const struct values *v = values;
	struct rank_facts *all = NULL;
	thaw_status status = gather_facts(session->comm, v->out, &all);
	if (status == THAW_OK && session->comm->rank == 0)
		status = give_result(result, diagnose(session->comm, all, v));
	thaw_free(all);
	return status;
}

static void print_machine(const json_t *m, FILE *out)
{
	char a[32], b[32];
	fprintf(out, "machine\n  %-16s %s\n  %-16s %s\n", "processor", member_text(m, "cpu"), "vectors",
		member_text(m, "vectors"));
	fprintf(out, "  %-16s %.0f, usable by this process %.0f\n", "cores", member_real(m, "cores"),
		member_real(m, "usable_cores"));
	fprintf(out, "  %-16s %s, available %s\n", "memory", text_bytes(member_real(m, "memory"), a, sizeof(a)),
		text_bytes(member_real(m, "memory_available"), b, sizeof(b)));
	fprintf(out, "  %-16s memory %s, cores ", "cgroup limits",
		member_real(m, "cgroup_memory_limit") > 0
			? text_bytes(member_real(m, "cgroup_memory_limit"), a, sizeof(a))
			: "none");
	if (member_real(m, "cgroup_cpu_limit") > 0)
		fprintf(out, "%.1f\n", member_real(m, "cgroup_cpu_limit"));
	else
		fputs("none\n", out);
}

/* What --precision bf16 would bring. */
static void print_bf16(const json_t *bf16, FILE *out)
{
	double speed = member_real(bf16, "gflops_slowest_rank");
	fprintf(out, "  %-16s ", "bfloat16");
	if (speed > 0.0)
		fprintf(out,
			"%s: %.1f GFLOP/s on the slowest rank: --precision bf16 makes products %.1f times as fast\n",
			member_text(bf16, "arithmetic"), speed, member_real(bf16, "times_sgemm"));
	else if (json_is_string(json_object_get(bf16, "rejected")))
		fprintf(out,
			"%s is not used, as a sample product by it is wrong: --precision bf16 is emulated, slowly\n",
			member_text(bf16, "rejected"));
	else
		fputs("no arithmetic for it: --precision bf16 works, but is slower than fp32\n", out);
	if (json_is_true(json_object_get(bf16, "amx")))
		fprintf(out, "  %-16s the processor has it, Thaw does not use it\n", "AMX");
}

static void print_doctor(const json_t *result, FILE *out)
{
	const json_t *mpi = json_object_get(result, "mpi"), *blas = json_object_get(result, "blas");
	const json_t *place = json_object_get(result, "directory"), *advice = json_object_get(result, "advice");
	const char *name;
	size_t i;
	json_t *value;
	fputs("versions\n", out);
	json_object_foreach(json_object_get(result, "versions"), name, value)
		fprintf(out, "  %-16s %s\n", name, json_string_value(value));
	print_machine(json_object_get(result, "machine"), out);
	fprintf(out, "mpi\n  %-16s %.0f on %.0f node%s, %.0f on this one\n  %-16s %s, batch system %s\n", "ranks",
		member_real(mpi, "ranks"), member_real(mpi, "nodes"), member_real(mpi, "nodes") == 1 ? "" : "s",
		member_real(mpi, "ranks_per_node"), "launcher", member_text(mpi, "launcher"),
		member_text(mpi, "batch_system"));
	print_nodes(json_object_get(result, "nodes"), out);
	fprintf(out,
		"blas\n  %-16s %s, %.0f thread%s per rank\n  %-16s %.1f GFLOP/s on the slowest rank, %.1f in all\n",
		"kernel", member_text(blas, "core"), member_real(blas, "threads"),
		member_real(blas, "threads") == 1 ? "" : "s", "sgemm", member_real(blas, "sgemm_gflops_slowest_rank"),
		member_real(blas, "sgemm_gflops_all_ranks"));
	print_bf16(json_object_get(result, "bf16"), out);
	fprintf(out, "directory\n  %-16s %s\n",
		json_is_true(json_object_get(place, "writable")) ? "writable" : "not writable",
		member_text(place, "path"));
	fputs("advice\n", out);
	json_array_foreach(advice, i, value) fprintf(out, "  %s\n", json_string_value(value));
	if (json_array_size(advice) == 0)
		fputs("  none: no problem found\n", out);
}

const struct command command_doctor = {
	.name = "doctor",
	.usage = "[--out RUN] [--json]",
	.summary = "describe this machine, MPI and BLAS, and recommend settings",
	.about = "Start it in the same way as the training (mpirun or srun, same number of ranks per node): it checks "
		 "every rank and lists the nodes.",
	.argument = "",
	.options = options,
	.size = sizeof(struct values),
	.defaults = defaults,
	.reports_launch = true,
	.run = run_doctor,
	.print = print_doctor,
};
