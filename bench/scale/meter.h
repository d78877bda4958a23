/*
 * meter.h: what the rows tell whoever measures them.
 *
 * The rows are built twice. In one program the meter counts visits to shared cache lines (lines.c),
 * in the other one callgrind counts instructions (insn.c).
 */
#ifndef SCALE_METER_H
#define SCALE_METER_H

#include <stdbool.h>

struct om_system;

/* The most CPUs that can be played. */
#define SCALE_CPUS 256

/* One line of results: an operation, who does it, where. */
struct scale_case {
	const char *name;
	bool one; /* all CPUs in one address space */
	unsigned cpus;
};

/* Options of the meter's own come first. Answers where those of scale.c begin; 0: all is done. */
int meter_options(int argc, char **argv);

/* The operations of a new case follow, on this system. */
void meter_start(struct om_system *sys);

/* Between these two an operation is under way, of that CPU; nothing else is counted. */
void meter_begin(unsigned cpu);
void meter_end(void);

/* The case is over: print "NAME SPACES CPUS METRIC VALUE" for each metric, a line each. */
void meter_report(const struct scale_case *what, unsigned long operations);

/* Print one of these lines. */
void scale_print(const struct scale_case *what, const char *metric, double value);

#endif
