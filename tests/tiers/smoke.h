/*
 * smoke.h: a program for each tier of the core (docs/porting.md, "How small can it be"). smoke.c
 * is for the smallest, and each other file for what a part adds; scripts/check-tiers.sh links those
 * that a tier has.
 */
#ifndef SMOKE_H
#define SMOKE_H

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <objrmap/objrmap.h>

#include "sim.h"

#define CHECK(cond)                                                                                \
	do {                                                                                       \
		if (!(cond)) {                                                                     \
			fprintf(stderr, "%s:%d: %s\n", __FILE__, __LINE__, #cond);                 \
			exit(1);                                                                   \
		}                                                                                  \
	} while (0)

#define RW ((int)OM_PROT_READ | (int)OM_PROT_WRITE)

struct smoke {
	struct sim *sim;
	struct om_system *sys;
	struct sim_cpu *cpu;
	struct om_mm *mm;
	om_pfn_t frames;
};

/* n pages of private memory, or of a file. */
uintptr_t smoke_map(struct smoke *s, size_t n, int flags, struct om_mapping *file);

/* What the parts add. */
void smoke_calls(struct smoke *s);
void smoke_swap(struct smoke *s);
void smoke_files(struct smoke *s);
void smoke_nonlinear(struct smoke *s);
void smoke_verify(struct smoke *s);

#endif
