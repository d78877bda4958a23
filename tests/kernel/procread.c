/*
 * procread.c: files of /proc are read in pieces of any size, from any position, and while what they show
 * changes. Prints whether the pieces fit together.
 */
#include "test.h"

#define AREAS 300ul
#define MOST  (1ul << 20)

static char whole[MOST], parts[MOST];

/* All of a file, in pieces of n; -1 if it is too long or cannot be read. */
static long read_all(const char *path, char *buf, size_t n)
{
	int fd = open(path, O_RDONLY);
	size_t sum = 0;
	ssize_t got = -1;

	while (fd >= 0 && sum + n <= MOST && (got = read(fd, buf + sum, n)) > 0)
		sum += (size_t)got;
	close(fd);
	return got == 0 ? (long)sum : -1;
}

/* Many areas, no two of which are alike and side by side. */
static char *many_areas(void)
{
	char *p = mmap(hole(AREAS), AREAS * PAGE, PROT_NONE, ANON | MAP_FIXED, -1, 0);

	for (size_t i = 0; i < AREAS; i += 2)
		mprotect(p + i * PAGE, PAGE, PROT_READ);
	return p;
}

/* ---------------------------------------------------------------- pieces -------------------- */

static void in_pieces(const char *path)
{
	static const size_t sizes[] = {1, 7, 100, 1000, 4095, 4096, 4097, 65536};
	long all = read_all(path, whole, 65536);

	say("%s: %s", path, all > 0 ? "some" : "nothing");
	for (size_t i = 0; i < sizeof(sizes) / sizeof(*sizes); i++) {
		long sum = read_all(path, parts, sizes[i]);

		say("  pieces of %zu: %s", sizes[i],
		    sum == all && !memcmp(whole, parts, (size_t)all) ? "the same" : "others");
	}
}

/* Lines that begin an area. */
static long headers(char *text, long n)
{
	char *to = text, *next;

	text[n] = 0;
	for (char *line = text; *line; line = next) {
		unsigned long start, end;

		next = strchrnul(line, '\n');
		next += *next == '\n';
		if (sscanf(line, "%lx-%lx ", &start, &end) != 2)
			continue;
		memmove(to, line, (size_t)(next - line));
		to += next - line;
	}
	return to - text;
}

static void smaps_and_maps(size_t n)
{
	long all = read_all("/proc/self/maps", whole, 4096);
	long sum = headers(parts, read_all("/proc/self/smaps", parts, n));

	say("smaps in pieces of %zu has the areas of maps: %d", n,
	    sum == all && !memcmp(whole, parts, (size_t)all));
}

/* ---------------------------------------------------------------- positions ----------------- */

static void at_positions(const char *path)
{
	long all = read_all(path, whole, 65536), wrong = 0;
	int fd = open(path, O_RDONLY);
	uint32_t seed = 1;

	for (int i = 0; i < 200; i++) {
		size_t at = rnd(&seed) % (size_t)all, n = 1 + rnd(&seed) % 200;
		ssize_t got;

		if (i % 2) {
			got = pread(fd, parts, n, (off_t)at);
		} else {
			lseek(fd, (off_t)at, SEEK_SET);
			got = read(fd, parts, n);
		}
		wrong += got <= 0 || memcmp(whole + at, parts, (size_t)got);
	}
	say("%s: %ld of 200 places are wrong", path, wrong);
	result("after the end", pread(fd, parts, 10, all));
	result("far after it", pread(fd, parts, 10, all + 100000));
	lseek(fd, 10, SEEK_SET);
	result("read 5", read(fd, parts, 5));
	result("on by 5", lseek(fd, 5, SEEK_CUR));
	result("back by 15", lseek(fd, -15, SEEK_CUR));
	result("before the beginning", lseek(fd, -10, SEEK_CUR));
	result("read 5", read(fd, parts, 5));
	say("there: %d", !memcmp(parts, whole + 5, 5));
	result("to the end", lseek(fd, 0, SEEK_END));
	result("data", lseek(fd, 0, SEEK_DATA));
	result("to nowhere", lseek(fd, 0, 99));
	result("far away", lseek(fd, 1l << 40, SEEK_SET));
	result("read there", read(fd, parts, 5));
	result("to the beginning", lseek(fd, 0, SEEK_SET));
	result("read 5", read(fd, parts, 5));
	say("there: %d", !memcmp(parts, whole, 5));
	close(fd);
}

/* ---------------------------------------------------------------- changes ------------------- */

/*
 * Read on from `fd` and count the areas of p that are shown, by their addresses; returns whether these
 * ascend.
 */
static bool seen[AREAS];

static bool read_on(int fd, const char *p)
{
	unsigned long start, end, last = 0;
	long sum = 0;
	ssize_t got;
	bool fine = true;

	memset(seen, 0, sizeof(seen));
	while ((got = read(fd, parts + sum, 300)) > 0)
		sum += got;
	parts[sum] = 0;
	for (char *line = strchrnul(parts, '\n'); *line; line = strchrnul(line + 1, '\n')) {
		if (sscanf(line, "\n%lx-%lx ", &start, &end) != 2)
			continue;
		fine &= start >= last && end > start;
		last = end;
		for (; start < end; start += PAGE)
			if (start >= (uintptr_t)p && start < (uintptr_t)p + AREAS * PAGE)
				seen[(start - (uintptr_t)p) / PAGE] = true;
	}
	return fine;
}

static size_t count(size_t from, size_t to)
{
	size_t n = 0;

	while (from < to)
		n += seen[from++];
	return n;
}

/*
 * The reader stands among the first areas. A kernel may have written a page ahead, that is less than 100 areas,
 * so changes are made from the 150th on.
 */
static void while_it_changes(void)
{
	char *p = many_areas();
	int fd = open("/proc/self/maps", O_RDONLY);

	parts[0] = 0;
	while (!strstr(parts, " ---p ") && read(fd, parts, 200) == 200)
		parts[200] = 0;
	munmap(p, 3 * PAGE); /* about where it stands */
	munmap(p + 150 * PAGE, 20 * PAGE);
	mprotect(p + 200 * PAGE, 20 * PAGE, PROT_READ | PROT_WRITE);
	say("in order: %d", read_on(fd, p));
	say("not touched: %zu", count(100, 150) + count(170, 200) + count(220, AREAS));
	say("gone: %zu", count(150, 170));
	say("one area now: %zu", count(200, 220));
	mmap(p + 150 * PAGE, 20 * PAGE, RW, ANON | MAP_FIXED, -1, 0);
	lseek(fd, 0, SEEK_SET);
	say("once more, in order: %d", read_on(fd, p));
	say("all: %zu", count(0, AREAS));
	close(fd);
	munmap(p, AREAS * PAGE);
}

static void wait_for_signals(void)
{
	for (;;)
		pause();
}

/* The process ends meanwhile, and is not waited for yet. */
static void of_another(void)
{
	char path[64];
	pid_t pid = fork();
	siginfo_t info;
	int fd;

	if (pid == 0)
		wait_for_signals();
	snprintf(path, sizeof(path), "/proc/%d/maps", pid);
	fd = open(path, O_RDONLY);
	say("child's maps: %d", read(fd, parts, 100) > 0);
	kill(pid, SIGKILL);
	waitid(P_PID, (id_t)pid, &info, WEXITED | WNOWAIT);
	while (read(fd, parts, 1000) > 0)
		;
	result("zombie's maps", pread(fd, parts, 100, 0));
	close(fd);
	waitpid(pid, NULL, 0);
}

int main(void)
{
	char *p = many_areas();

	memset(whole, 1, MOST);
	memset(parts, 1, MOST);
	in_pieces("/proc/self/maps");
	in_pieces("/proc/self/environ");
	in_pieces("/proc/self/cmdline");
	in_pieces("/proc/mounts");
	in_pieces("/proc/self/limits");
	smaps_and_maps(4096);
	smaps_and_maps(1000);
	smaps_and_maps(65536);
	at_positions("/proc/self/maps");
	at_positions("/proc/self/limits");
	munmap(p, AREAS * PAGE);
	while_it_changes();
	of_another();
	return 0;
}
