/*
 * compare.c: play one workload on the reverse-map design that is linked in, and print what it cost.
 *
 *     compare WORKLOAD [--scale PERCENT]     100 if not given; more for a larger machine
 *     compare CURVE --size N                 children, depth, areas
 *     compare ... --walks                   walk from all mapped pages; a run of its own, because a walk may
 *                                           leave things better than it found them
 *     compare --list
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "measure.h"
#include "rmap/rmap.h"
#include "workloads.h"

static const struct {
	const char *name;
	const struct workload *list;
} sets[] = {{"history", history},
            {"families", families},
            {"recorded", recorded},
            {"growth", growth}};

#define SETS (sizeof(sets) / sizeof(*sets))

static int list(void)
{
	for (size_t i = 0; i < SETS; i++)
		for (const struct workload *w = sets[i].list; w->name; w++)
			printf("%s %s %s\n", sets[i].name, w->name, w->what);
	return 0;
}

static const struct workload *find(const char *name)
{
	for (size_t i = 0; i < SETS; i++)
		for (const struct workload *w = sets[i].list; w->name; w++)
			if (!strcmp(w->name, name))
				return w;
	return NULL;
}

static unsigned scaled(const struct workload *w, unsigned long percent)
{
	unsigned long n = w->n * percent / 100;

	return n > w->least ? (unsigned)n : w->least;
}

static int usage(void)
{
	fprintf(stderr,
	        "usage: compare WORKLOAD [--scale PERCENT | --size N] [--walks] | --list\n");
	return 2;
}

int main(int argc, char **argv)
{
	const struct workload *w;
	unsigned n;

	if (argc == 2 && !strcmp(argv[1], "--list"))
		return list();
	if (argc > 2 && !strcmp(argv[argc - 1], "--walks")) {
		measure_want_walks();
		argc--;
	}
	if (argc != 2 && argc != 4)
		return usage();
	w = find(argv[1]);
	if (!w)
		return usage();
	n = w->n;
	if (argc == 4 && !strcmp(argv[2], "--scale"))
		n = scaled(w, strtoul(argv[3], NULL, 10));
	else if (argc == 4 && !strcmp(argv[2], "--size"))
		n = (unsigned)strtoul(argv[3], NULL, 10);
	if (!n)
		return usage();
	printf("design %s\n", om_rmap_traits.name);
	w->play(n);
	return 0;
}
