/*
 * random.c: random numbers, for getrandom(), /dev/urandom and the kernel itself.
 *
 * A ChaCha20 generator (RFC 8439) that replaces its key after each request, so that numbers given
 * out earlier cannot be computed from a later state. It is seeded once, from RDRAND, or where the
 * CPU has none, from the time stamp counter: then an attacker who knows the moment of booting may
 * guess the numbers. Nothing is mixed in later. Good for what programs under test need; not for
 * keys that have to last.
 */
#include "random.h"
#include "sched.h"

#define BLOCK 64u
#define KEY   8u /* words */

static struct mutex lock = MUTEX_INIT(lock); /* guards the key */
static uint32_t key[KEY];
static bool seeded;

/* ---------------------------------------------------------------- ChaCha20 ------------------ */

static uint32_t rotate(uint32_t v, unsigned n)
{
	return v << n | v >> (32 - n);
}

static void quarter(uint32_t *s, unsigned a, unsigned b, unsigned c, unsigned d)
{
	s[a] += s[b], s[d] = rotate(s[d] ^ s[a], 16);
	s[c] += s[d], s[b] = rotate(s[b] ^ s[c], 12);
	s[a] += s[b], s[d] = rotate(s[d] ^ s[a], 8);
	s[c] += s[d], s[b] = rotate(s[b] ^ s[c], 7);
}

static void chacha_block(const uint32_t k[KEY], uint64_t counter, uint32_t out[16])
{
	uint32_t start[16] = {0x61707865, 0x3320646e, 0x79622d32, 0x6b206574};

	memcpy(start + 4, k, KEY * sizeof(*k));
	start[12] = (uint32_t)counter;
	start[13] = (uint32_t)(counter >> 32);
	memcpy(out, start, sizeof(start));
	for (unsigned round = 0; round < 20; round += 2) {
		for (unsigned i = 0; i < 4; i++)
			quarter(out, i, 4 + i, 8 + i, 12 + i);
		for (unsigned i = 0; i < 4; i++)
			quarter(out, i, 4 + (i + 1) % 4, 8 + (i + 2) % 4, 12 + (i + 3) % 4);
	}
	for (unsigned i = 0; i < 16; i++)
		out[i] += start[i];
}

/* ---------------------------------------------------------------- seed ---------------------- */

static bool has_rdrand(void)
{
	uint32_t a = 1, b, c = 0, d;

	__asm__ volatile("cpuid" : "+a"(a), "=b"(b), "+c"(c), "=d"(d));
	return c & 1u << 30;
}

static bool rdrand(uint32_t *v)
{
	bool ok = false;

	for (unsigned i = 0; i < 10 && !ok; i++)
		__asm__ volatile("rdrand %0; setc %1" : "=r"(*v), "=qm"(ok) : : "cc");
	return ok;
}

uint64_t random_word(void)
{
	uint32_t low = 0, high = 0;

	if (has_rdrand() && rdrand(&low) && rdrand(&high))
		return (uint64_t)high << 32 | low;
	return __builtin_ia32_rdtsc() * 0x9e3779b97f4a7c15u;
}

static void seed(void)
{
	bool hardware = has_rdrand();

	for (unsigned i = 0; i < KEY; i++) {
		uint64_t tsc = __builtin_ia32_rdtsc() + boot_time_ns();
		uint32_t v = 0;

		if (hardware && !rdrand(&v))
			hardware = false;
		key[i] = v ^ (uint32_t)tsc ^ (uint32_t)(tsc >> 32);
	}
	seeded = true;
}

/* ---------------------------------------------------------------- use ----------------------- */

void random_bytes(void *buf, size_t n)
{
	uint32_t out[16], mine[KEY];

	mutex_lock(&lock);
	if (!seeded)
		seed();
	chacha_block(key, 0, out);
	memcpy(key, out, sizeof(key));
	memcpy(mine, out + KEY, sizeof(mine));
	mutex_unlock(&lock);

	for (uint64_t i = 0; n; i++) {
		size_t now = MIN(n, BLOCK);

		chacha_block(mine, i, out);
		memcpy(buf, out, now);
		buf = (char *)buf + now;
		n -= now;
	}
}
