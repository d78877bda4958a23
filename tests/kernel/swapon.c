/*
 * swapon.c: swapoff(2) reads everything back, swapon(2) takes the disk again, for mkswap has been at it.
 */
#include "test.h"

#include <sys/swap.h>
#include <sys/sysinfo.h>

#define DISK "/dev/vdb"
#define N    2000

static unsigned long swap_total(void)
{
	struct sysinfo info;

	CHECK(sysinfo(&info) == 0);
	return info.totalswap;
}

static void check(const char *p)
{
	for (size_t i = 0; i < N; i++)
		CHECK(p[i * PAGE] == 'a' + (int)i % 26 && p[i * PAGE + PAGE - 1] == p[i * PAGE]);
}

static void refused(void)
{
	int fd = open("/tmp/a-file", O_CREAT | O_RDWR, 0600);

	CHECK(fd >= 0 && ftruncate(fd, 100 * PAGE) == 0);
	CHECK(swapon("/tmp/a-file", 0) < 0 && errno == EINVAL);
	CHECK(swapoff("/tmp/a-file") < 0 && errno == EINVAL);
	CHECK(swapon("/nowhere", 0) < 0 && errno == ENOENT);
	CHECK(swapon(NULL, 0) < 0 && errno == EFAULT);
	CHECK(swapon(DISK, 1 << 30) < 0 && errno == EINVAL);
	CHECK(swapon(DISK, 0) < 0 && errno == EBUSY);
	CHECK(swapon("/dev/vda", 0) < 0 && errno == EINVAL); /* a file system */
	unlink("/tmp/a-file");
}

int main(void)
{
	unsigned long total = swap_total();
	char *p;

	if (total == 0 || access(DISK, F_OK)) {
		say("skipped: for the test machine");
		return 0;
	}
	refused();
	p = pages(NULL, N);
	for (int round = 0; round < 3; round++) {
		CHECK(madvise(p, N * PAGE, MADV_PAGEOUT) == 0);
		CHECK(swapoff(DISK) == 0);
		CHECK(swap_total() == 0);
		CHECK(swapoff(DISK) < 0 && errno == EINVAL);
		check(p);
		CHECK(swapon(DISK, round == 1 ? SWAP_FLAG_PREFER | 5 : 0) == 0);
		CHECK(swap_total() == total);
		CHECK(madvise(p, N * PAGE, MADV_PAGEOUT) == 0);
		check(p);
	}
	say("ok");
	return 0;
}
