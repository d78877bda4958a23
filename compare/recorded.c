/*
 * recorded.c: programs as they were recorded (trace/), each in less memory than it would like.
 *
 * The scale does not matter to them. Halfway, when most of what they will have is there, the reverse map is
 * walked, and 256 pages have to go.
 */
#include <stdio.h>
#include <stdlib.h>

#include "../trace/play.h"
#include "measure.h"
#include "workloads.h"

#define RECORDINGS "trace/recordings/"

static _Noreturn void fail(const char *path, const char *error)
{
	fprintf(stderr, "compare: %s: %s\n", path, error);
	exit(1);
}

/* ---------------------------------------------------------------- measuring ----------------- */

static const enum op op_of[PLAY_NR_OPS] = {
    [PLAY_FAULT] = OP_FAULT,    [PLAY_FORK] = OP_FORK,     [PLAY_EXIT] = OP_EXIT,
    [PLAY_UNMAP] = OP_UNMAP,    [PLAY_MREMAP] = OP_MREMAP, [PLAY_MPROTECT] = OP_MPROTECT,
    [PLAY_RECLAIM] = OP_RECLAIM};

static void begin(enum play_op op, unsigned who, const struct om_mm *mm)
{
	measure_begin(op_of[op], who, mm);
}

static void end(enum play_op op, uint64_t units)
{
	(void)op;
	measure_end(units);
}

/* ---------------------------------------------------------------- playing ------------------- */

static void play_on(struct play *p, struct trace_reader *t, const char *path)
{
	struct trace_record r;
	bool surveyed = false;
	int more;

	while ((more = trace_next(t, &r)) > 0) {
		if (play(p, &r))
			fail(path, play_error(p));
		if (surveyed || trace_position(t) < trace_size(t) / 2)
			continue;
		surveyed = true;
		measure_survey();
		play_reclaim(p, 256);
	}
	if (more)
		fail(path, trace_error(t));
	if (play_verify(p))
		fail(path, play_error(p));
}

static void play_recording(const char *path, om_pfn_t frames)
{
	char error[TRACE_ERROR_MAX];
	struct trace_reader *t = trace_open(path, error);
	struct om_port_ops ops = sim_port_ops;
	struct play *p;

	if (!t)
		fail(path, error);
	ops.held = locks_held;
	p = play_open(&(struct play_config){.frames = frames,
	                                    .slots = 4 * (uint32_t)frames,
	                                    .check = true,
	                                    .mode = SIM_X86,
	                                    .begin = begin,
	                                    .end = end,
	                                    .ops = &ops});
	measure_start(p->sys);
	play_on(p, t, path);
	measure_print();
	play_close(p);
	trace_close(t);
}

/* ---------------------------------------------------------------- the recordings ------------ */

#define RECORDING(name, frames)                                                                    \
	static void name(unsigned n)                                                               \
	{                                                                                          \
		(void)n;                                                                           \
		play_recording(RECORDINGS #name ".trace", frames);                                 \
	}

RECORDING(gcc_build, 5120)
RECORDING(configure, 2048)
RECORDING(python_pool, 8192)
RECORDING(sqlite, 3072)
RECORDING(redis, 8192)
RECORDING(java_gc, 8192)
RECORDING(browser, 40960)

const struct workload recorded[] = {
    {"gcc_build", "recorded: make -j4 with gcc", gcc_build, 1, 1},
    {"configure", "recorded: a configure script", configure, 1, 1},
    {"python_pool", "recorded: a pool of Python's multiprocessing", python_pool, 1, 1},
    {"sqlite", "recorded: sqlite3 that loads, sorts, updates", sqlite, 1, 1},
    {"redis", "recorded: redis that saves itself under load", redis, 1, 1},
    {"java_gc", "recorded: a JVM whose threads make garbage", java_gc, 1, 1},
    {"browser", "recorded: Chromium, without a head, with one page", browser, 1, 1},
    {0},
};
