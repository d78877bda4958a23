/*
 * crowd.c: several processes at once that need half as much again as there is memory, so that all of them swap
 * all the time: each writes, checks, drops and forks over pages whose contents it knows.
 */
#include "test.h"

#include <sys/sysinfo.h>

#define PROCESSES 5
#define STEPS     64  /* of each, at least */
#define CPU_MS    300 /* of each: until it has used so much */

static size_t n;
static uint32_t (*page)[PAGE / 4];
static uint32_t *want; /* what page i holds: its stamp, or 0 */

static uint32_t mix(uint32_t stamp, size_t k)
{
	return stamp ? stamp * 2654435761u + (uint32_t)k : 0;
}

static void write_page(size_t i, uint32_t stamp)
{
	want[i] = stamp;
	for (size_t k = 0; k < PAGE / 4; k += 37)
		page[i][k] = mix(stamp, k);
}

static void check_page(size_t i)
{
	for (size_t k = 0; k < PAGE / 4; k += 37)
		CHECK(page[i][k] == mix(want[i], k));
}

static void fork_one(uint32_t *seed)
{
	pid_t pid = fork();
	int status;

	if (pid < 0)
		return; /* no memory for it at this moment */
	if (pid == 0) {
		for (int i = 0; i < 50; i++) {
			size_t at = rnd(seed) % n;

			check_page(at);
			write_page(at, 7);
			check_page(at);
		}
		_exit(0);
	}
	write_page(rnd(seed) % n, rnd(seed));
	CHECK(waitpid(pid, &status, 0) == pid && status == 0);
}

static void live(uint32_t seed)
{
	for (size_t i = 0; i < n; i++)
		write_page(i, seed + (uint32_t)i);
	for (uint32_t step = 1; step <= STEPS || cpu_ms() < CPU_MS; step++) {
		size_t i = rnd(&seed) % n;

		check_page(i);
		if (step % 64 == 0)
			fork_one(&seed);
		else if (step % 16 == 0 && madvise(page[i], PAGE, MADV_DONTNEED) == 0)
			want[i] = 0;
		else if (step % 8 == 0)
			madvise(page[i], PAGE, MADV_PAGEOUT);
		else if (step % 3 == 0)
			write_page(i, rnd(&seed));
	}
	for (size_t i = 0; i < n; i++)
		check_page(i);
}

int main(void)
{
	struct sysinfo info;

	CHECK(sysinfo(&info) == 0);
	if (info.totalram * info.mem_unit > 512ul << 20 || info.totalswap == 0) {
		say("skipped: for a small machine with swap");
		return 0;
	}
	n = info.totalram * info.mem_unit / PAGE * 3 / 2 / PROCESSES;
	page = mmap(NULL, n * PAGE, RW, ANON, -1, 0);
	want = mmap(NULL, n * sizeof(*want), RW, ANON, -1, 0);
	CHECK(page != MAP_FAILED && want != MAP_FAILED);
	for (uint32_t i = 0; i < PROCESSES; i++) {
		pid_t pid = fork();

		CHECK(pid >= 0);
		if (pid == 0) {
			live(seed_of(i * 1000 + 1));
			_exit(0);
		}
	}
	for (int i = 0; i < PROCESSES; i++) {
		int status = -1;

		CHECK(wait(&status) > 0 && status == 0);
	}
	say("ok");
	return 0;
}
