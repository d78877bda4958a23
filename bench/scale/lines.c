/*
 * lines.c: the meter that counts visits to cache lines that another CPU writes (record.h).
 *
 *     scale-lines [--lines N] CPUS...        with --lines, names of the N most visited ones
 *     scale-lines --check                    only see whether the recorder sees anything (check.c)
 *
 * Lines of one name are added up: there may be thousands of descriptors of pages. What is printed
 * is visits per operation; behind fields that are written there is a *.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "check.h"
#include "meter.h"
#include "names.h"
#include "tsan.h"

struct named {
	char name[512];
	uint64_t writes, reads;
	unsigned lines;
};

static const void *stack;
static unsigned top; /* names that are to be printed */
static struct named *named;
static size_t nr_named;

int meter_options(int argc, char **argv)
{
	stack = argv; /* above all frames of functions */
	if (!check_recorder())
		exit(1);
	if (argc > 1 && !strcmp(argv[1], "--check"))
		return 0;
	if (argc < 3 || strcmp(argv[1], "--lines"))
		return 1;
	top = (unsigned)strtoul(argv[2], NULL, 10);
	return 3;
}

void meter_start(struct om_system *sys)
{
	names_start(sys);
	record_start(names_kind);
}

void meter_begin(unsigned cpu)
{
	tsan_begin(cpu, stack);
}

void meter_end(void)
{
	tsan_end();
}

/* ---------------------------------------------------------------- names --------------------- */

static void add_line(const struct shared_line *line)
{
	char name[sizeof(named->name)];
	size_t i;

	names_of(line, name, sizeof(name));
	for (i = 0; i < nr_named; i++)
		if (!strcmp(named[i].name, name))
			break;
	if (i == nr_named) {
		named = realloc(named, ++nr_named * sizeof(*named));
		if (!named)
			exit(1);
		memset(&named[i], 0, sizeof(named[i]));
		memcpy(named[i].name, name, sizeof(name));
	}
	named[i].writes += line->writes;
	named[i].reads += line->reads;
	named[i].lines++;
}

static int most_first(const void *a, const void *b)
{
	const struct named *x = a, *y = b;

	if (x->writes != y->writes)
		return x->writes > y->writes ? -1 : 1;
	return x->reads > y->reads ? -1 : x->reads < y->reads;
}

static void print_names(const struct scale_case *what, unsigned long operations)
{
	qsort(named, nr_named, sizeof(*named), most_first);
	printf("# %s, %s, %u CPUs: writes, reads, lines\n", what->name,
	       what->one ? "one address space" : "separate", what->cpus);
	for (size_t i = 0; i < nr_named && i < top; i++)
		printf("# %7.2f %7.2f %7u  %s\n", (double)named[i].writes / operations,
		       (double)named[i].reads / operations, named[i].lines, named[i].name);
	free(named);
	named = NULL;
	nr_named = 0;
}

void meter_report(const struct scale_case *what, unsigned long operations)
{
	struct record_sum sum;

	record_sum(&sum, top ? add_line : NULL);
	if (sum.operations != operations || sum.accesses < operations) {
		fprintf(stderr, "bench-scale: %s: nothing was seen\n", what->name);
		exit(1);
	}
	scale_print(what, "lines", (double)sum.writes / operations);
	scale_print(what, "lines_read", (double)sum.reads / operations);
	if (top)
		print_names(what, operations);
}
