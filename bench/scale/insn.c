/*
 * insn.c: the meter of the program that runs under callgrind. Instructions are collected between
 * meter_begin() and meter_end(); each case is one profile, named "NAME SPACES CPUS OPERATIONS"
 * (run.sh divides, and knows which functions are the library's).
 */
#include <stdio.h>

#include <valgrind/callgrind.h>

#include "meter.h"

int meter_options(int argc, char **argv)
{
	(void)argc, (void)argv;
	return 1;
}

void meter_start(struct om_system *sys)
{
	(void)sys;
	CALLGRIND_ZERO_STATS;
}

void meter_begin(unsigned cpu)
{
	(void)cpu;
	CALLGRIND_TOGGLE_COLLECT;
}

void meter_end(void)
{
	CALLGRIND_TOGGLE_COLLECT;
}

void meter_report(const struct scale_case *what, unsigned long operations)
{
	char name[96];

	snprintf(name, sizeof(name), "%s %s %u %lu", what->name, what->one ? "one" : "separate",
	         what->cpus, operations);
	CALLGRIND_DUMP_STATS_AT(name);
}
