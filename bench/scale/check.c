/*
 * check.c: two CPUs touch a few lines in all ways the core touches memory, and the recorder must
 * have counted what is known beforehand. This file is compiled as the core is, so a compiler that
 * does not report its accesses is found out before anybody believes a zero.
 */
#include "check.h"

#include <stdatomic.h>
#include <stdio.h>
#include <string.h>

#include "record.h"
#include "tsan.h"

struct line {
	union {
		unsigned word[16];
		_Atomic unsigned atom;
		struct {
			unsigned low : 24;
			unsigned high : 8;
		};
		struct {
			char bytes[48];
		} block;
	};
};

struct check_memory {
	_Alignas(LINE_BYTES) struct line both, own[2], left_out;
};

/* Not static: the compiler cannot know that nobody else looks. */
struct check_memory check_memory;
#define memory check_memory

static int kind_of(uintptr_t addr)
{
	return addr - (uintptr_t)&memory.left_out < sizeof(memory.left_out) ? -1 : 0;
}

/* ---------------------------------------------------------------- what CPUs do -------------- */

static __attribute__((noinline)) void write_own(unsigned cpu)
{
	memory.own[cpu].word[3]++;
}

static __attribute__((noinline)) void write_word(unsigned cpu)
{
	memory.both.word[cpu] = cpu;
	memory.both.word[cpu + 8] = cpu; /* one visit */
}

static __attribute__((noinline)) void write_bits(unsigned cpu)
{
	memory.both.high = cpu;
}

static __attribute__((noinline)) void add_atomically(unsigned cpu)
{
	atomic_fetch_add_explicit(&memory.both.atom, cpu, memory_order_relaxed);
}

static __attribute__((noinline)) void compare_and_exchange(unsigned cpu)
{
	unsigned was = cpu;

	atomic_compare_exchange_strong(&memory.both.atom, &was, cpu);
}

static __attribute__((noinline)) void set_bytes(unsigned cpu)
{
	memset(&memory.both, (int)cpu, sizeof(memory.both));
}

static __attribute__((noinline)) void copy_block(unsigned cpu)
{
	memory.both.block = memory.own[cpu].block;
}

/* CPU 0 writes, CPU 1 reads. */
static __attribute__((noinline)) void write_or_read(unsigned cpu)
{
	if (cpu == 0)
		atomic_store_explicit(&memory.both.atom, 1, memory_order_release);
	else
		memory.own[1].word[5] = atomic_load(&memory.both.atom);
}

static __attribute__((noinline)) void read_only(unsigned cpu)
{
	memory.own[cpu].word[5] = memory.both.word[cpu];
}

static __attribute__((noinline)) void write_left_out(unsigned cpu)
{
	memory.left_out.word[cpu] = cpu;
}

static __attribute__((noinline)) void set(unsigned *word, unsigned value)
{
	*word = value;
}

static __attribute__((noinline)) void write_stack(unsigned cpu)
{
	unsigned local;

	set(&local, cpu);
}

/* ---------------------------------------------------------------- what is expected ---------- */

/* Visits that count in ten operations, five of each CPU. */
static const struct {
	const char *what;
	void (*operation)(unsigned cpu);
	unsigned writes, reads;
} cases[] = {
    {"a line of each CPU's own", write_own, 0, 0},
    {"two words of one line", write_word, 10, 0},
    {"a bit field", write_bits, 10, 0},
    {"an atomic addition", add_atomically, 10, 0},
    {"a compare-exchange", compare_and_exchange, 10, 0},
    {"memset()", set_bytes, 10, 0},
    {"a structure that is copied", copy_block, 10, 0},
    {"a reader and a writer", write_or_read, 0, 5},
    {"two readers", read_only, 0, 0},
    {"memory that is left out", write_left_out, 0, 0},
    {"the stack", write_stack, 0, 0},
};

static bool check(unsigned n, const void *stack)
{
	struct record_sum sum;

	record_start(kind_of);
	for (unsigned i = 0; i < 10; i++) {
		tsan_begin(i % 2, stack);
		cases[n].operation(i % 2);
		tsan_end();
		cases[n].operation(1 - i % 2); /* by the other CPU, and not counted */
	}
	record_sum(&sum, NULL);
	if (sum.operations == 10 && sum.writes == cases[n].writes && sum.reads == cases[n].reads)
		return true;
	fprintf(stderr, "bench-scale: the recorder is wrong about %s: %lu writes, %lu reads\n",
	        cases[n].what, (unsigned long)sum.writes, (unsigned long)sum.reads);
	return false;
}

bool check_recorder(void)
{
	bool ok = true;

	for (unsigned i = 0; i < sizeof(cases) / sizeof(*cases); i++)
		ok &= check(i, __builtin_frame_address(0));
	return ok;
}
