/*
 * gen.h: what choosing calls (gen.c) and choosing places (place.c) share.
 */
#ifndef TWIN_GEN_H
#define TWIN_GEN_H

#include "twin.h"

extern struct sim_rand rnd;
extern unsigned current; /* the process whose turn it is */

static inline uint64_t below(uint64_t n)
{
	return sim_rand_below(&rnd, n);
}

static inline bool chance(unsigned percent)
{
	return sim_rand_chance(&rnd, percent);
}

static inline uint64_t between(uint64_t a, uint64_t b)
{
	return a + below(b - a + 1);
}

enum { SMALL, TABLES, STACKS, FAR, HEAP, NR_ZONES };

/* Places are counted in pages of the windows: see page_address(). */
struct range {
	unsigned page, n;
};

bool in_zone(unsigned page, unsigned zone);
unsigned pick_zone(void);
unsigned page_in(unsigned zone);
/* An area of the current process; false if it has none. */
bool pick_area(struct om_vmainfo *area);
unsigned pick_length(unsigned page);
/* Pages of one area, or across its edges. */
struct range part_of(const struct om_vmainfo *area);
struct range pick_range(unsigned percent_existing);
/* Below a stack: near it, anywhere, or where the guard gap begins. */
bool pick_below_stack(unsigned *page);
/* The address as it is recorded: see HEAP_TAG. */
uint64_t encode(unsigned page);

#endif
