/*
 * record.h: the recorder of accesses: which CPU has visited which cache line, in which operation.
 *
 * CPUs are played one after the other by one thread. A visit is an operation that touches a line,
 * be it once or many times; it writes if any of its accesses does. What would travel between real
 * CPUs follows from the visits, whatever the order in which they were played:
 *
 *   - a visit that writes counts if another CPU writes the line, too;
 *   - a visit that only reads counts if another CPU writes the line, but no more of them than there
 *     are visits by which others write: a line that is hardly ever written stays where it is read.
 */
#ifndef SCALE_RECORD_H
#define SCALE_RECORD_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define LINE_BYTES 64u

/*
 * Forget everything. `kind_of` sorts memory: a number below 32 for what is at an address, or -1 if
 * that is not to be counted. What lies on the stack below `stack` never is.
 */
void record_start(int (*kind_of)(uintptr_t addr), const void *stack);

void record_begin(unsigned cpu);
void record_end(void);

/* Called by the entry points of instrumented code (tsan.c). */
void record_access(const void *at, size_t bytes, bool write);

/* A line that counts, and what all CPUs together did there. */
struct shared_line {
	uintptr_t line;          /* address */
	uint32_t kinds;          /* a bit for each number that kind_of() has answered */
	unsigned cpus;           /* that have visited it */
	uint64_t writes, reads;  /* visits that count */
	uint64_t written, known; /* a bit for each byte: some CPU writes it; touches it at all */
};

struct record_sum {
	uint64_t operations, accesses;
	uint64_t writes, reads; /* visits that count, of all lines */
};

/* Add up. `each`, if it is not NULL, sees every line that counts. */
void record_sum(struct record_sum *sum, void (*each)(const struct shared_line *line));

#endif
