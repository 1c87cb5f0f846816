/* The rules of the watch, fed with reports and seconds. Does not start MPI, so it runs the same with and without
 * mpirun.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "mpi/watch_rules.h"

#define LIMIT 60.0
#define BEAT  2.0

static struct thaw_place places[4] = {{.host = "n0"}, {.host = "n1"}, {.host = "n2"}, {.host = "n3"}};

/* What has been said so far, and whether the job must end. */
struct heard {
	char lines[4096];
	int count, end;
	double seconds, end_at;
};

static void beat(struct watch_rules *r, int from, bool waiting, uint64_t moved)
{
	const struct thaw_beat b = {.from = from, .to = 0, .waiting = waiting, .moved = moved};
	watch_rules_heard(r, &b);
}

static void tick(struct watch_rules *r, struct watch_state now, struct heard *h)
{
	char line[WATCH_LINE_SIZE];
	double seconds = BEAT;
	h->seconds += seconds;
	while (h->end == 0 && watch_rules_tick(r, &now, seconds, line, &h->end)) {
		snprintf(h->lines + strlen(h->lines), sizeof(h->lines) - strlen(h->lines), "%s\n", line);
		h->count++;
		h->end_at = h->seconds;
		seconds = 0.0;
	}
}

static bool says(const struct heard *h, const char *text)
{
	return strstr(h->lines, text) != NULL;
}

static struct watch_rules *open_rules(int rank, int size)
{
	struct watch_rules *r = NULL;
	if (watch_rules_create(&r, rank, places[rank].host) != THAW_OK ||
	    watch_rules_join(r, rank, size, places) != THAW_OK)
		abort();
	return r;
}

static const struct watch_state waiting = {.stage = WATCH_RUNNING, .limit = LIMIT, .waiting = true, .moved = 7};

static bool a_silent_rank_is_named_and_ends_the_job(void)
{
	struct watch_rules *r = open_rules(0, 4);
	struct heard h = {.count = 0};
	for (int t = 0; t < 100; t++) {
		beat(r, 1, true, (uint64_t)t);
		if (t == 0)
			beat(r, 2, false, 0);
		beat(r, 3, true, 0);
		tick(r, waiting, &h);
	}
	watch_rules_destroy(r);
	return h.end == THAW_UNFINISHED && h.count == 2 && h.end_at >= LIMIT && h.end_at <= LIMIT + BEAT &&
	       says(&h, "waiting for rank 2 on host n2, which has been silent for 30 s") &&
	       says(&h, "thaw: a rank does not answer: rank 2 on host n2, silent for 60 s");
}

static bool a_rank_that_answers_again_is_forgiven(void)
{
	struct watch_rules *r = open_rules(0, 2);
	struct heard h = {.count = 0};
	for (int t = 0; t < 200; t++) {
		if (t % 20 == 0) /* every 40 s */
			beat(r, 1, true, (uint64_t)t);
		tick(r, waiting, &h);
	}
	watch_rules_destroy(r);
	return h.end == 0 && says(&h, "rank 1 on host n1 answers again");
}

static bool a_busy_rank_is_waited_for(void)
{
	struct watch_rules *r = open_rules(0, 2);
	struct heard h = {.count = 0};
	for (int t = 0; t < 500; t++) { /* 1000 s */
		beat(r, 1, false, 0);
		tick(r, waiting, &h);
	}
	watch_rules_destroy(r);
	return h.end == 0 && h.count == 5 && /* after 60, 120, 240, 480 and 960 s */
	       says(&h, "waiting for rank 1 on host n1 for 60 s: it is alive");
}

static bool rank_1_names_rank_0_that_is_busy(void)
{
	struct heard h[3] = {{.count = 0}};
	for (int rank = 1; rank < 3; rank++) {
		struct watch_rules *r = open_rules(rank, 3);
		for (int t = 0; t < 100; t++) { /* 200 s */
			beat(r, 0, false, 0);
			tick(r, waiting, &h[rank]);
		}
		watch_rules_destroy(r);
	}
	return h[1].end == 0 && h[1].count == 2 &&
	       says(&h[1], "waiting for rank 0 on host n0 for 120 s: it is alive") && h[2].end == 0 && h[2].count == 0;
}

static bool silence_does_not_matter_to_a_rank_that_works(void)
{
	struct watch_rules *r = open_rules(0, 2);
	struct heard h = {.count = 0};
	struct watch_state working = waiting;
	working.waiting = false;
	beat(r, 1, true, 0);
	for (int t = 0; t < 200; t++)
		tick(r, working, &h);
	watch_rules_destroy(r);
	return h.end == 0 && h.count == 0;
}

static bool a_lost_message_ends_the_job(void)
{
	struct watch_rules *r = open_rules(0, 3);
	struct heard h = {.count = 0};
	for (int t = 0; t < 100; t++) {
		beat(r, 1, true, t < 50 ? (uint64_t)t : 50); /* messages arrive for 100 s */
		beat(r, 2, true, 0);
		tick(r, waiting, &h);
	}
	watch_rules_destroy(r);
	return h.end == THAW_UNFINISHED && h.end_at > 150.0 && says(&h, "all 3 ranks are alive");
}

static bool other_ranks_watch_rank_0_one_after_the_other(void)
{
	double end_at[3];
	int lines[3];
	for (int rank = 1; rank < 4; rank++) {
		struct watch_rules *r = open_rules(rank, 4);
		struct heard h = {.count = 0};
		beat(r, 0, false, 0);
		for (int t = 0; t < 100; t++)
			tick(r, waiting, &h);
		watch_rules_destroy(r);
		if (h.end != THAW_UNFINISHED || !says(&h, "rank 0 on host n0, silent for"))
			return false;
		end_at[rank - 1] = h.end_at;
		lines[rank - 1] = h.count;
	}
	return end_at[0] < end_at[1] && end_at[1] < end_at[2] && lines[0] == 2 && lines[1] == 1 && lines[2] == 1;
}

static bool without_signs_of_life_the_limit_is_ten_times_longer(void)
{
	struct watch_rules *r = open_rules(0, 2);
	struct heard h = {.count = 0};
	for (int t = 0; t < 500; t++)
		tick(r, waiting, &h);
	watch_rules_destroy(r);
	return h.end == THAW_UNFINISHED && h.end_at >= 10 * LIMIT && says(&h, "(UDP) do not arrive");
}

static bool a_start_that_hangs_is_ended(void)
{
	struct watch_rules *r = NULL;
	struct heard h = {.count = 0};
	const struct watch_state starting = {.stage = WATCH_STARTING, .limit = LIMIT};
	if (watch_rules_create(&r, 0, "n0") != THAW_OK)
		return false;
	for (int t = 0; t < 500; t++)
		tick(r, starting, &h);
	watch_rules_destroy(r);
	return h.end == THAW_RESOURCE && h.count == 2 && h.end_at >= 5 * LIMIT && says(&h, "MPI does not start");
}

static bool a_stop_request_is_answered_while_waiting(void)
{
	struct watch_rules *r = open_rules(0, 2);
	struct heard h = {.count = 0};
	struct watch_state now = waiting;
	beat(r, 1, false, 0);
	for (int t = 0; t < 20; t++) {
		now.stop = t >= 10;
		tick(r, now, &h);
	}
	watch_rules_destroy(r);
	return h.end == 0 && says(&h, "asked to stop while waiting for rank 1 on host n1, silent for");
}

static bool the_timeout_follows_the_pace(void)
{
	const double slow[THAW_WATCH_STEPS] = {10, 10, 10, 500, 10}, fast[THAW_WATCH_STEPS] = {0.1, 0.1, 90, 0.1};
	return watch_timeout(slow, 0) == 60.0 && watch_timeout(slow, 5) == 200.0 && watch_timeout(fast, 4) == 60.0;
}

static const struct {
	const char *name;
	bool (*holds)(void);
} all[] = {
	{"a silent rank is named and ends the job", a_silent_rank_is_named_and_ends_the_job},
	{"a rank that answers again is forgiven", a_rank_that_answers_again_is_forgiven},
	{"a busy rank is waited for", a_busy_rank_is_waited_for},
	{"rank 1 names rank 0 that is busy", rank_1_names_rank_0_that_is_busy},
	{"silence does not matter to a rank that works", silence_does_not_matter_to_a_rank_that_works},
	{"a lost message ends the job", a_lost_message_ends_the_job},
	{"other ranks watch rank 0 one after the other", other_ranks_watch_rank_0_one_after_the_other},
	{"without signs of life the limit is ten times longer", without_signs_of_life_the_limit_is_ten_times_longer},
	{"a start that hangs is ended", a_start_that_hangs_is_ended},
	{"a stop request is answered while waiting", a_stop_request_is_answered_while_waiting},
	{"the timeout follows the pace", the_timeout_follows_the_pace},
};

int main(void)
{
	int failed = 0;
	const char *rank = getenv("OMPI_COMM_WORLD_RANK");
	bool prints = !rank || strcmp(rank, "0") == 0;
	for (size_t i = 0; i < sizeof(all) / sizeof(all[0]); i++) {
		bool good = all[i].holds();
		failed += !good;
		if (prints)
			printf("%s - watch: %s\n", good ? "ok" : "not ok", all[i].name);
	}
	return failed ? 1 : 0;
}
