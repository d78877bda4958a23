/*
 * pressure.c: /proc/pressure/memory and /proc/vmstat are as programs for Linux expect them, and tell
 * of a program that uses more memory than there is.
 */
#include "test.h"

#define ROUNDS 3

struct line {
	char name[8];
	double avg10, avg60, avg300;
	unsigned long long total;
};

static void read_line(FILE *file, const char *name, struct line *l)
{
	CHECK(fscanf(file, "%7s avg10=%lf avg60=%lf avg300=%lf total=%llu\n", l->name, &l->avg10,
	             &l->avg60, &l->avg300, &l->total) == 5);
	CHECK(!strcmp(l->name, name));
	CHECK(l->avg10 >= 0 && l->avg10 <= 100 && l->avg300 >= 0 && l->avg300 <= 100);
}

static void read_pressure(struct line *some, struct line *full)
{
	FILE *file = fopen("/proc/pressure/memory", "r");

	CHECK(file);
	read_line(file, "some", some);
	read_line(file, "full", full);
	CHECK(fgetc(file) == EOF);
	fclose(file);
	CHECK(full->total <= some->total && full->avg10 <= some->avg10 + 0.011);
}

/* A figure of /proc/vmstat; each name is there once. */
static unsigned long long vmstat(const char *wanted)
{
	FILE *file = fopen("/proc/vmstat", "r");
	unsigned long long value, result = 0;
	unsigned found = 0;
	char name[64];

	CHECK(file);
	while (fscanf(file, "%63s %llu\n", name, &value) == 2)
		if (!strcmp(name, wanted)) {
			result = value;
			found++;
		}
	CHECK(feof(file));
	fclose(file);
	CHECK(found == 1);
	return result;
}

static size_t kib_of(const char *wanted)
{
	FILE *file = fopen("/proc/meminfo", "r");
	char line[128];
	size_t kib = 0;

	CHECK(file);
	while (fgets(line, sizeof(line), file))
		if (!strncmp(line, wanted, strlen(wanted)))
			kib = strtoul(line + strlen(wanted), NULL, 10);
	fclose(file);
	return kib;
}

int main(void)
{
	static const char *const names[] = {"pgmajfault", "pswpin", "swap_ra", "pgsteal_kswapd",
	                                    "pgsteal_direct"};
	size_t bytes = kib_of("MemTotal:") * 1024 / 4 * 5;
	unsigned long long faults;
	struct line some[2], full[2];
	volatile char *p;

	for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++)
		vmstat(names[i]);
	if (kib_of("SwapFree:") * 1024 < bytes / 2) {
		say("skipped: too little swap");
		return 0;
	}
	read_pressure(&some[0], &full[0]);
	faults = vmstat("pgmajfault");
	p = mmap(NULL, bytes, RW, ANON | MAP_NORESERVE, -1, 0);
	CHECK(p != MAP_FAILED);
	for (int round = 0; round < ROUNDS; round++)
		for (size_t i = 0; i < bytes; i += PAGE)
			p[i]++;
	read_pressure(&some[1], &full[1]);
	CHECK(some[1].total > some[0].total);
	CHECK(some[1].avg300 >= 0 && full[1].total >= full[0].total);
	CHECK(vmstat("pgmajfault") > faults);
	/* At rest nobody waits any more, and the average goes down. */
	sleep(5);
	read_pressure(&some[0], &full[0]);
	CHECK(some[0].total - some[1].total < 1000000);
	say("ok");
	return 0;
}
