/*
 * swapload.c: a family that needs half as much again as there is memory. Every page has contents that follow
 * from its number, the child changes every third; all bytes are checked on both sides.
 */
#include "test.h"

#include <sys/sysinfo.h>

static size_t n;
static uint32_t *words;

static void set(size_t i, uint32_t salt)
{
	for (size_t k = 0; k < PAGE / 4; k += 64)
		words[i * (PAGE / 4) + k] = (uint32_t)(i * 2654435761u + k + salt);
}

static void check(size_t i, uint32_t salt)
{
	for (size_t k = 0; k < PAGE / 4; k += 64)
		CHECK(words[i * (PAGE / 4) + k] == (uint32_t)(i * 2654435761u + k + salt));
}

static void child_part(void)
{
	for (size_t i = 0; i < n; i += 3)
		set(i, 77);
	for (size_t i = 0; i < n; i++)
		check(i, i % 3 ? 0 : 77);
}

int main(void)
{
	struct sysinfo info;
	uint32_t seed = seed_of(1);

	CHECK(sysinfo(&info) == 0);
	if (info.totalram * info.mem_unit > 512ul << 20 || info.totalswap == 0) {
		say("skipped: for a small machine with swap");
		return 0;
	}
	n = info.totalram * info.mem_unit / PAGE * 5 / 4;
	words = mmap(NULL, n * PAGE, RW, ANON, -1, 0);
	CHECK(words != MAP_FAILED);
	for (size_t i = 0; i < n; i++)
		set(i, 0);
	CHECK(child(child_part) == 0);
	for (size_t i = 0; i < n / 4; i++)
		check(rnd(&seed) % n, 0);
	for (size_t i = 0; i < n; i++)
		check(i, 0);
	say("ok");
	return 0;
}
