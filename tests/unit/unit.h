/*
 * unit.h: what the unit tests share: a system built by hand, without ports and without the face of
 * the library, in which any layer can be tested as soon as the layers below it exist.
 *
 *     struct om_system *sys = unit_system(100);     100 free frames, empty lists and caches
 *     expect_bug("I12", om_page_munlock(sys, page));
 *     unit_assert_all_free(sys);
 *     unit_system_free(sys);
 *
 * The port behind it: waiting and waking by pthread conditions, one lock record for each thread,
 * flush does nothing, and a bug that no expect_bug() is waiting for fails the test. The frames are
 * full of junk at first. Assertions of cmocka are for the main thread; other threads use
 * unit_check().
 */
#ifndef UNIT_H
#define UNIT_H

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>

#include <cmocka.h>

#include "base/types.h"

/*
 * A system that owns frames 1 .. nr_frames, all free; frame 0 is the zero page. Watermarks are 0. A
 * test may change sys->hooks.ops to its own copy of unit_ops.
 */
struct om_system *unit_system(om_pfn_t nr_frames);
/* The same with so many CPUs; `sim_this_cpu` says on which one a thread runs, at first 0. */
struct om_system *unit_system_cpus(om_pfn_t nr_frames, unsigned nr_cpus);
/* Fails the test if this thread still holds a lock. */
void unit_system_free(struct om_system *sys);

/* Every frame is free again, every list and cache empty, every figure 0. */
void unit_assert_all_free(struct om_system *sys);

/* The last n frames are not for data. */
void unit_set_reserve(struct om_system *sys, om_pfn_t n);

extern const struct om_port_ops unit_ops;

/* Calls of the wait and wake hooks so far, by all threads. */
unsigned unit_waits(void);
unsigned unit_wakes(void);

/*
 * `call` must end in om_bug() with this rule. Whatever it had locked stays locked, but leaves this
 * thread's record. Works in every thread.
 */
#define expect_bug(rule, call)                                                                     \
	do {                                                                                       \
		if (setjmp(*unit_bug_begin()) == 0) {                                              \
			call;                                                                      \
			unit_bug_missed(rule, #call, __FILE__, __LINE__);                          \
		}                                                                                  \
		unit_bug_end(rule, #call, __FILE__, __LINE__);                                     \
	} while (0)

jmp_buf *unit_bug_begin(void);
_Noreturn void unit_bug_missed(const char *rule, const char *call, const char *file, int line);
void unit_bug_end(const char *rule, const char *call, const char *file, int line);

/* Assertion for any thread: ends the whole program. */
#define unit_check(cond)                                                                           \
	do {                                                                                       \
		if (!(cond)) {                                                                     \
			fprintf(stderr, "%s:%d: %s\n", __FILE__, __LINE__, #cond);                 \
			abort();                                                                   \
		}                                                                                  \
	} while (0)

/* Run fn(arg, 0) .. fn(arg, n - 1) in threads of their own and wait for all. */
void unit_threads(unsigned n, void (*fn)(void *arg, unsigned i), void *arg);

/* One thread that runs beside the test. */
struct unit_thread;
struct unit_thread *unit_thread_start(void (*fn)(void *arg, unsigned i), void *arg, unsigned i);
void unit_thread_join(struct unit_thread *thread);

/* A small generator; each thread keeps its own state, any seed will do. */
uint32_t unit_rand(uint64_t *state);

/* The body of main(). */
#define unit_run(tests) cmocka_run_group_tests(tests, NULL, NULL)

#endif
