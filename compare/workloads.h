/*
 * workloads.h: what is played, and how large.
 */
#ifndef COMPARE_WORKLOADS_H
#define COMPARE_WORKLOADS_H

#include <stddef.h>

struct workload {
	const char *name;
	const char *what; /* a line for people */
	void (*play)(unsigned n);
	unsigned n; /* its size at scale 100: of what there are many in it */
	unsigned least;
};

/* Each ends with a workload without a name. */
extern const struct workload history[];  /* the five that decided each turn */
extern const struct workload families[]; /* programs as they exist */
extern const struct workload recorded[]; /* programs as they were recorded */
extern const struct workload growth[];   /* played with sizes of their own, for curves */

#endif
