/*
 * hash.c: sums and patterns, the same in both worlds. Plain loops: the worker calls them on memory
 * that only exists for the kernel.
 */
#include "twin.h"

#define PLAIN __attribute__((no_sanitize("address", "undefined")))

uint8_t pattern(uint64_t seed, unsigned i)
{
	uint64_t x = (seed + i) * 0x9e3779b97f4a7c15u;

	if (seed == SEED_RET)
		return 0xc3;
	return (uint8_t)((x ^ x >> 29) | 1);
}

static uint64_t mix(uint64_t h, uint64_t x)
{
	h = (h ^ x) * 0xff51afd7ed558ccdu;
	return h ^ h >> 32;
}

/* Never has the bit of HASH_FAULT; zero for a page of zeros. */
PLAIN static uint64_t hash_words(const volatile uint64_t *w)
{
	uint64_t a = 1, b = 2, any = 0;

	for (unsigned i = 0; i < PAGE / 8; i += 2) {
		uint64_t x = w[i], y = w[i + 1];

		any |= x | y;
		a = (a ^ x) * 0x9e3779b97f4a7c15u;
		b = (b ^ y) * 0xc2b2ae3d27d4eb4fu;
		a ^= a >> 29;
		b ^= b >> 31;
	}
	return any ? (mix(a, b) | 1) & ~HASH_FAULT : 0;
}

PLAIN uint64_t hash_bytes(const void *bytes, size_t n)
{
	const volatile uint8_t *p = bytes;
	uint64_t h = n;

	if (n == PAGE && !((uintptr_t)bytes & 7))
		return hash_words(bytes);
	for (size_t i = 0; i < n; i++)
		h = mix(h, p[i]);
	return h & ~HASH_FAULT;
}
