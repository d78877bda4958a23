/*
 * rand.c: random numbers for tests: one 64-bit counter, scrambled (splitmix64). Equal on every
 * host.
 */
#include "sim.h"

void sim_rand_seed(struct sim_rand *r, uint64_t seed)
{
	r->state = seed;
}

uint64_t sim_rand(struct sim_rand *r)
{
	uint64_t z = r->state += 0x9e3779b97f4a7c15u;

	z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9u;
	z = (z ^ (z >> 27)) * 0x94d049bb133111ebu;
	return z ^ (z >> 31);
}

/* The bias of the remainder is below n / 2^64: no matter here. */
uint64_t sim_rand_below(struct sim_rand *r, uint64_t n)
{
	return sim_rand(r) % n;
}

bool sim_rand_chance(struct sim_rand *r, unsigned percent)
{
	return sim_rand_below(r, 100) < percent;
}
