/*
 * test_replay.c: recordings are played: real ones that come with the project, and ones that make no
 * sense.
 */
#include "unit.h"

#include <string.h>

#include "../../trace/play.h"

#define RECORDINGS "trace/recordings/"

/* ---------------------------------------------------------------- real ones ----------------- */

/* In `frames`: invariants hold and contents are right, all the time and in the end. */
static void play_recording(const char *path, om_pfn_t frames)
{
	struct play_config config = {.frames = frames, .slots = 4 * frames, .check = true};
	struct play *p = play_open(&config);
	char error[TRACE_ERROR_MAX];
	struct trace_reader *t = trace_open(path, error);
	struct trace_record r;
	struct om_sysinfo info;
	int more;

	if (!t)
		fail_msg("%s: %s", path, error);
	while ((more = trace_next(t, &r)) > 0)
		if (play(p, &r) || (p->count.records % 4096 == 0 && play_verify(p)))
			fail_msg("%s: %s", path, play_error(p));
	assert_int_equal(more, 0);
	if (play_verify(p))
		fail_msg("%s: %s", path, play_error(p));
	om_sysinfo(p->sys, &info);
	assert_true(info.event[OM_EV_PSWPOUT] > 100); /* memory was short indeed */
	assert_true(p->count.accesses > 1000);
	/* Most that the host did, the library does, too. */
	assert_true(p->count.bad_accesses < p->count.accesses / 50);
	assert_true(p->count.bad_calls < 1 + p->count.calls / 50);
	trace_close(t);
	play_close(p);
}

/* Anonymous memory, mremap, a mapped file. */
static void test_sqlite(void **state)
{
	(void)state;
	play_recording(RECORDINGS "sqlite.trace", 2048);
}

/* Forks, and programs executed. */
static void test_configure(void **state)
{
	(void)state;
	play_recording(RECORDINGS "configure.trace", 1536);
}

/* ---------------------------------------------------------------- made ones ----------------- */

static const struct trace_record start = {.op = TRACE_START};
static const struct trace_record map = {.op = TRACE_MAP, .addr = 0x1000, .arg = {4096, 3}};

static struct trace_record store_to(uint64_t page)
{
	return (struct trace_record){.op = TRACE_FAULT, .addr = page, .arg = {TRACE_WRITE}};
}

static struct play *open_small(void)
{
	struct play *p = play_open(&(struct play_config){.frames = 1024, .check = true});

	assert_int_equal(play(p, &start), 0);
	assert_int_equal(play(p, &map), 0);
	return p;
}

/* What it names is not there: an error with the record's offset, and nothing more is played. */
static void test_senseless(void **state)
{
	static const struct trace_record bad[] = {
	    {.op = TRACE_START, .arg = {0}},
	    {.op = TRACE_START, .arg = {2}},
	    {.op = TRACE_FORK, .arg = {0}},
	    {.op = TRACE_FORK, .space = 1, .arg = {1}},
	    {.op = TRACE_EXIT, .space = 1000},
	    {.op = TRACE_FAULT, .space = 1, .addr = 0x1000},
	    {.op = TRACE_FILE, .arg = {1}},
	    {.op = TRACE_MAP, .addr = 0x1000, .arg = {1, 3, 0, 1}},
	    {.op = TRACE_MAP, .addr = 0x1000, .arg = {1, 3, TRACE_MAP_SHARED, 0}},
	};

	(void)state;
	for (size_t i = 0; i < sizeof(bad) / sizeof(*bad); i++) {
		struct play *p = open_small();
		struct trace_record r = bad[i], good = store_to(0x1000);

		r.offset = 1234;
		assert_int_equal(play(p, &r), -1);
		assert_int_equal(strncmp(play_error(p), "offset 1234: ", 13), 0);
		assert_int_equal(play(p, &good), -1);
		play_close(p);
	}
}

static void test_gone_space(void **state)
{
	struct trace_record gone = {.op = TRACE_EXIT};
	struct play *p = open_small();

	(void)state;
	assert_int_equal(play(p, &gone), 0);
	assert_int_equal(play(p, &gone), -1);
	assert_string_equal(play_error(p), "offset 0: space 0 does not exist");
	play_close(p);
}

/* A program may do what is not allowed: it is counted, and the others go on. */
static void test_refused(void **state)
{
	struct trace_record nowhere = store_to(0x900000),
	                    wrong = {.op = TRACE_ADVISE, .addr = 0x1000, .arg = {1, 99}};
	struct play *p = open_small();

	(void)state;
	assert_int_equal(play(p, &nowhere), 0);
	assert_int_equal(play(p, &wrong), 0);
	assert_int_equal(p->count.bad_accesses, 1);
	assert_int_equal(p->count.bad_calls, 1);
	assert_int_equal(play_verify(p), 0);
	play_close(p);
}

/* No swap: the error says so. */
static void test_full(void **state)
{
	struct play *p = open_small();
	uint64_t page = 0x1000;
	struct trace_record r;
	int err = 0;

	(void)state;
	for (; page < 0x2000 && !err; page++) {
		r = store_to(page);
		err = play(p, &r);
	}
	assert_int_equal(err, -1);
	assert_non_null(strstr(play_error(p), "memory is full"));
	play_close(p);
}

/* A page that is not what the process has written is noticed, wherever it is looked at. */
static void test_wrong_contents(void **state)
{
	struct trace_record write = store_to(0x1000), read = {.op = TRACE_FAULT, .addr = 0x1000};
	struct trace_record leave = {.op = TRACE_EXIT};

	(void)state;
	for (int look = 0; look < 4; look++) {
		struct play *p = open_small();

		assert_int_equal(play(p, &write), 0);
		assert_int_equal(play(p, &read), 0);
		assert_int_equal(play_verify(p), 0);
		sim_put(p->cpu, p->space[0].mm, 0x1000 * PLAY_PAGE, 4711);
		assert_int_equal(look == 0   ? play(p, &write)
		                 : look == 1 ? play(p, &read)
		                 : look == 2 ? play(p, &leave)
		                             : play_verify(p),
		                 -1);
		assert_non_null(strstr(play_error(p), "wrong contents"));
		play_close(p);
	}
}

/* And so is one that has gone. */
static void test_lost_page(void **state)
{
	struct trace_record write = store_to(0x1000);
	struct play *p = open_small();

	(void)state;
	assert_int_equal(play(p, &write), 0);
	assert_int_equal(om_madvise(p->space[0].mm, 0x1000 * PLAY_PAGE, PLAY_PAGE,
	                            OM_MADV_DONTNEED),
	                 0);
	assert_int_equal(play_verify(p), -1);
	assert_non_null(strstr(play_error(p), "lost"));
	play_close(p);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(test_sqlite),         cmocka_unit_test(test_configure),
	    cmocka_unit_test(test_senseless),      cmocka_unit_test(test_gone_space),
	    cmocka_unit_test(test_refused),        cmocka_unit_test(test_full),
	    cmocka_unit_test(test_wrong_contents), cmocka_unit_test(test_lost_page),
	};

	return unit_run(tests);
}
