/*
 * pressure.h: how long threads wait for memory, for /proc/pressure/memory. core/pressure.c
 */
#ifndef PRESSURE_H
#define PRESSURE_H

#include "sched.h"

/*
 * The running thread begins to wait for memory, or is over with it: it reclaims, or what it needs
 * is being read again. May be nested. Context: any but interrupt handlers.
 */
void pressure_begin(void);
void pressure_end(void);

/* This CPU is about to run `next`. The scheduler's lock is held. */
void pressure_switch(struct cpu *cpu, const struct thread *next);

/*
 * Some thread has waited; all have, that is, at least one, and no CPU ran a program that did not.
 * Shares of the last 10, 60 and 300 seconds in hundredths of a percent, and the sum.
 */
enum { PRESSURE_SOME, PRESSURE_FULL, NR_PRESSURES };
struct pressure {
	unsigned avg10, avg60, avg300;
	uint64_t total_us;
};
void pressure_read(struct pressure pressure[NR_PRESSURES]);

#endif
