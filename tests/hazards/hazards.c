/*
 * hazards.c: the bugs this field has already had, row by row (docs/testing.md, "Hazards"), as named
 * tests. Most play a few calls and check bytes and om_verify(); those about races explore schedules
 * (sched.h).
 *
 *     hazards [-v] [-s SEED] [-n PLANS] [-t SECONDS] [--only TEST] [--plan SCENE:PLAN]
 *
 * A failing schedule prints SCENE:PLAN, which --plan repeats alone. -n is about how many plans with
 * one interruption, and how many with two or three, are tried for each scene; with 1000 it is each
 * single one of nearly all scenes. -t repeats with other seeds until the time is over.
 */
#include "hazards.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

static const struct tests *const all[] = {
    &cow_tests,     &pin_tests,    &tlb_tests,   &family_tests, &move_tests,       &area_tests,
    &lock_tests,    &swap_tests,   &file_tests,  &scale_tests,  &pair_tests,       &limit_tests,
    &walk_tests,    &attack_tests, &mixed_tests, &fork_tests,   &write_back_tests, &memory_tests,
    &frame_tests,   &part_tests,   &index_tests, &slot_tests,   &unmap_tests,      &fast_tests,
    &mm_list_tests, &share_tests};
#define NR_FILES (sizeof(all) / sizeof(*all))

static const char *only;
static long seconds;

static void failed(void)
{
	fail();
}

/* Names a failure that happens outside of a schedule, and begins a new limit. */
static int setup(void **state)
{
	(void)state;
	rig_scene[0] = 0;
	sim_port_ops.held(NULL)->depth = 0; /* of a test that failed */
	rig_watch(300);
	return 0;
}

static size_t collect(struct CMUnitTest *tests)
{
	size_t n = 0;

	for (size_t f = 0; f < NR_FILES; f++)
		for (size_t i = 0; i < all[f]->n; i++) {
			if (only && !strstr(all[f]->test[i].name, only))
				continue;
			if (tests) {
				tests[n] = all[f]->test[i];
				tests[n].setup_func = setup;
			}
			n++;
		}
	return n;
}

static void usage(void)
{
	fprintf(stderr, "usage: hazards [-v] [-s SEED] [-n PLANS] [-t SECONDS] [--only TEST] "
	                "[--plan SCENE:PLAN]\n");
	exit(2);
}

static void set_option(const char *option, const char *value)
{
	if (!strcmp(option, "-s"))
		sched_seed = strtoull(value, NULL, 0);
	else if (!strcmp(option, "-n"))
		sched_budget = strtoul(value, NULL, 0);
	else if (!strcmp(option, "-t"))
		seconds = strtol(value, NULL, 0);
	else if (!strcmp(option, "--only"))
		only = value;
	else if (!strcmp(option, "--plan"))
		sched_only = value;
	else
		usage();
}

static void parse(int argc, char **argv)
{
	for (int i = 1; i < argc; i++) {
		if (!strcmp(argv[i], "-v")) {
			sched_verbose = true;
			continue;
		}
		if (i + 1 == argc)
			usage();
		set_option(argv[i], argv[i + 1]);
		i++;
	}
	if (!sched_budget)
		sched_budget = 1;
}

/* Every second test is left, from `first` on. Returns how many. */
static size_t take_half(struct CMUnitTest *tests, size_t n, size_t first)
{
	size_t left = 0;

	for (size_t i = first; i < n; i += 2)
		tests[left++] = tests[i];
	return left;
}

static int run(struct CMUnitTest *tests, size_t n, time_t end)
{
	int result = 0;

	do {
		result |= _cmocka_run_group_tests("hazards", tests, n, NULL, NULL);
		sched_seed++;
	} while (!result && time(NULL) < end);
	printf("%lu schedules\n", sched_runs);
	return result;
}

/* All of them take minutes on one CPU: a second process does half of it. */
static int run_by_two(struct CMUnitTest *tests, size_t n, time_t end)
{
	pid_t child = fork();
	int result, status = 1;

	setvbuf(stdout, NULL, _IOLBF, BUFSIZ);
	if (child < 0)
		return run(tests, n, end);
	result = run(tests, take_half(tests, n, child ? 1 : 0), end);
	if (!child)
		exit(result != 0);
	if (waitpid(child, &status, 0) != child || !WIFEXITED(status) || WEXITSTATUS(status))
		printf("the other half has failed, see above\n");
	return result || status;
}

int main(int argc, char **argv)
{
	time_t end;
	struct CMUnitTest *tests;
	int result;
	size_t n;

	parse(argc, argv);
	end = time(NULL) + seconds;
	rig_failed = failed;
	n = collect(NULL);
	if (!n)
		usage();
	tests = calloc(n + 1, sizeof(*tests));
	collect(tests);
	result = only || sched_only ? run(tests, n, end) : run_by_two(tests, n, end);
	free(tests);
	return result;
}
