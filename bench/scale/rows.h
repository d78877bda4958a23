/*
 * rows.h: the operations that are measured, and the machine they are played on.
 */
#ifndef SCALE_ROWS_H
#define SCALE_ROWS_H

#include "meter.h"
#include "sim.h"

/* What one CPU works on. */
struct job {
	unsigned cpu;
	struct om_mm *mm, *child; /* child: NULL if there is none */
	uintptr_t addr;           /* where its 2 MiB begin */
};

struct scene {
	unsigned cpus;
	bool one; /* one address space */
	struct om_system *sys;
	struct om_mapping *file; /* NULL: the row is about anonymous memory */
	struct job job[SCALE_CPUS];
};

struct row {
	const char *name;
	bool separate, one;  /* in which spaces it is played */
	bool file, swap;     /* it needs these */
	bool together;       /* one area for all CPUs, which take turns in each table */
	unsigned operations; /* of each CPU */
	/* Bring the scene into the state in which the operations begin. May be called again. */
	void (*ready)(struct scene *scene);
	/* Before operation i, not counted; or NULL. */
	void (*before)(struct job *job, unsigned i);
	void (*operation)(struct job *job, unsigned i);
};

extern const struct row rows[];
extern const unsigned nr_rows;

#define PAGE       SIM_PAGE_SIZE
#define TABLE_SPAN (512 * PAGE)

/* End the program if a call fails that must not. */
void must(int answer, const char *call);
#define MUST(call) must((int)(call), #call)

/* This CPU is at work from now on. */
void scale_cpu(unsigned cpu);

#endif
