/*
 * oom.c: memory and swap are used up: the process that took them is killed, the others go on with all their bytes.
 */
#include "test.h"

#include <sys/sysinfo.h>

#define KEEP 256 /* pages of the one that goes on */

static void take_everything(void)
{
	for (;;) {
		char *p = mmap(NULL, 256 * PAGE, RW, ANON, -1, 0);

		if (p == MAP_FAILED)
			_exit(3);
		for (size_t i = 0; i < 256; i++)
			memset(p + i * PAGE, (int)i,
			       PAGE); /* every byte: a page of equal bytes is a page */
	}
}

static bool mine_is_right(const char *p)
{
	for (size_t i = 0; i < KEEP; i++)
		if (p[i * PAGE] != 'a' + (int)i % 26 || p[i * PAGE + PAGE - 1] != 'a' + (int)i % 26)
			return false;
	return true;
}

int main(void)
{
	struct sysinfo info;
	char *p;

	CHECK(sysinfo(&info) == 0);
	if ((info.totalram + info.totalswap) * info.mem_unit > 1ul << 30) {
		say("skipped: for a small machine");
		return 0;
	}
	p = pages(NULL, KEEP);
	mlockall(MCL_CURRENT); /* who waits must not be the one that asks */
	for (int round = 0; round < 2; round++) {
		int status = child(take_everything);

		CHECK(WIFSIGNALED(status) && WTERMSIG(status) == SIGKILL);
		CHECK(mine_is_right(p));
	}
	/* there is memory again */
	munmap(pages(NULL, 1000), 1000 * PAGE);
	say("ok");
	return 0;
}
