/*
 * workload.c: the workloads by name, for the machine.
 *
 *     workload room MIB
 *     workload sequential MIB PASSES
 *     workload scattered MIB ACCESSES HOT%
 *     workload swapped_back MIB HOG_MIB forwards|backwards|stride|random
 *     workload fork_server MIB CHILDREN ROUNDS
 *     workload beside_turns MIB ROUNDS COMMAND ARG...
 *     workload beside_hog MIB RUNS COMMAND ARG...
 *     workload stream SET_MIB MAPPED_FILE FILE
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "pages.h"

int main(int argc, char **argv)
{
	const char *name = argc > 2 ? argv[1] : "";
	long mib = argc > 2 ? atol(argv[2]) : 0, n = argc > 3 ? atol(argv[3]) : 0;

	if (!strcmp(name, "room"))
		return room(mib);
	if (argc > 3 && !strcmp(name, "sequential"))
		return sequential(mib, n);
	if (argc > 4) {
		if (!strcmp(name, "scattered"))
			return scattered(mib, n, atol(argv[4]));
		if (!strcmp(name, "swapped_back"))
			return swapped_back(mib, n, argv[4]);
		if (!strcmp(name, "fork_server"))
			return fork_server(mib, n, atol(argv[4]));
		if (!strcmp(name, "beside_turns"))
			return beside_turns(mib, n, argv + 4);
		if (!strcmp(name, "beside_hog"))
			return beside_hog(mib, n, argv + 4);
		if (!strcmp(name, "stream"))
			return stream(mib, argv[3], argv[4]);
	}
	fprintf(stderr, "workload: which?\n");
	return 2;
}
