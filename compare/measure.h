/*
 * measure.h: the figures of a workload: what one run of one design costs.
 *
 * Instructions and cache lines are counted by count.c from outside; everything else here. Locks are
 * seen in debug builds only.
 */
#ifndef COMPARE_MEASURE_H
#define COMPARE_MEASURE_H

#include "base/types.h"
#include "mark.h"

void measure_start(struct om_system *sys);

/*
 * From here on, `op` is done by process `who`, whose address space is `mm` (0, NULL: the kernel);
 * until it is done, and was for so many pages, faults or areas.
 */
void measure_begin(enum op op, unsigned who, const struct om_mm *mm);
void measure_end(uint64_t units);
enum op measure_op(void);

/* Walks from the mapped pages, if they are wanted; nothing else may be under way. */
void measure_want_walks(void);
void measure_survey(void);

/* "KEY VALUE" lines on standard output. */
void measure_print(void);

/* The hook of the port (struct om_port_ops), and what was seen through it: locks.c. */
struct om_held *locks_held(void *ctx);
void locks_begin(const struct om_mm *mm);
void locks_print(const uint64_t *units);

#endif
