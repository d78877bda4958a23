/*
 * record.h: the recorder of accesses: which CPU has visited which cache line, in which operation.
 *
 * CPUs take turns, so that one thread calls all of this. A visit is an operation that touches a
 * line, be it once or many times; it writes if any of its accesses does. What would travel between
 * real CPUs follows from the visits, whatever the order in which they were played:
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

#define RECORD_CPUS 256u

/*
 * Forget everything. `kind_of` sorts memory: a number below 32 for what is at an address, or -1 if
 * that is not to be counted.
 */
void record_start(int (*kind_of)(uintptr_t addr));

/* An operation of that CPU begins, or ends: what it does in between is counted. */
void record_begin(unsigned cpu);
void record_end(unsigned cpu);

/* `by` says who it is: the address of the instruction. */
void record_access(unsigned cpu, uintptr_t addr, size_t bytes, bool write, uintptr_t by);

/* A line that counts, and what all CPUs together did there. */
struct shared_line {
	uintptr_t line;          /* address */
	uint32_t kinds;          /* a bit for each number that kind_of() has answered */
	unsigned cpus;           /* that have visited it */
	uint64_t writes, reads;  /* visits that count */
	uint64_t written, known; /* a bit for each byte: some CPU writes it; touches it at all */
	uintptr_t by;            /* who has written there last */
};

struct record_sum {
	uint64_t operations, accesses;
	uint64_t writes, reads; /* visits that count, of all lines */
};

/* Add up. `each`, if it is not NULL, sees every line that counts. */
void record_sum(struct record_sum *sum, void (*each)(const struct shared_line *line));

#endif
