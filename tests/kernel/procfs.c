/* procfs.c: what /proc/self says of memory: maps, smaps, pagemap, status, statm. */
#include "test.h"

/* The lines of `file` that describe the area at p, through fn. */
static void area_lines(const char *file, const char *p, void (*fn)(const char *line, const char *p))
{
	char line[512];
	FILE *f = fopen(file, "r");
	bool in = false;

	while (f && fgets(line, sizeof(line), f)) {
		unsigned long start, end;
		char dash;

		line[strcspn(line, "\n")] = 0;
		if (sscanf(line, "%lx%c%lx ", &start, &dash, &end) == 3 && dash == '-')
			in = start <= (uintptr_t)p && (uintptr_t)p < end;
		if (in)
			fn(line, p);
	}
	if (f)
		fclose(f);
	else
		say("%s: %s", file, strerrorname_np(errno));
}

static void show_area(const char *line, const char *p)
{
	unsigned long start, end, offset;
	char rights[8], path[256] = "";

	sscanf(line, "%lx-%lx %7s %lx %*s %*s %255[^\n]", &start, &end, rights, &offset, path);
	say("  %+ld %+ld %s %lx %s", (long)(start - (uintptr_t)p), (long)(end - (uintptr_t)p),
	    rights, path[0] ? offset : 0, path[0] ? "of a file" : "anonymous");
}

static void show_name(const char *line, const char *p)
{
	char rights[8], *slash = strrchr(line, '/');

	(void)p;
	sscanf(line, "%*s %7s", rights);
	say("  %s %s", rights, slash ? slash + 1 : "?");
}

static void maps(const char *what, const char *p)
{
	say("%s:", what);
	area_lines("/proc/self/maps", p, show_area);
}

static void show_figure(const char *line, const char *p)
{
	static const char *const names[] = {"Size",          "Rss",          "Pss",
	                                    "Shared_Clean",  "Shared_Dirty", "Private_Clean",
	                                    "Private_Dirty", "Anonymous",    "Locked"};
	char name[64];
	long kb;

	(void)p;
	if (sscanf(line, "%63[A-Za-z_]: %ld kB", name, &kb) != 2)
		return;
	for (size_t i = 0; i < sizeof(names) / sizeof(*names); i++)
		if (!strcmp(name, names[i]))
			say("  %s %ld", name, kb);
}

static void smaps(const char *what, const char *p)
{
	say("%s:", what);
	area_lines("/proc/self/smaps", p, show_figure);
}

/* n pages with a page without access on either side, so that no neighbour becomes part of the area. */
static char *island(size_t n)
{
	char *p = mmap(hole(n + 2), (n + 2) * PAGE, PROT_NONE, ANON | MAP_FIXED, -1, 0);

	mprotect(p + PAGE, n * PAGE, RW);
	return p + PAGE;
}

/* A file in memory keeps its name for who maps it, after its last descriptor and its name are gone. */
static void names(char *p)
{
	int fd = memfd_create("kept", 0);

	result("size", ftruncate(fd, PAGE));
	mmap(p, PAGE, RW, MAP_SHARED | MAP_FIXED, fd, 0);
	close(fd);
	say("memfd:");
	area_lines("/proc/self/maps", p, show_name);
	fd = open("/tmp/named", O_RDWR | O_CREAT | O_TRUNC, 0600);
	result("size", ftruncate(fd, PAGE));
	mmap(p, PAGE, RW, MAP_PRIVATE | MAP_FIXED, fd, 0);
	say("named:");
	area_lines("/proc/self/maps", p, show_name);
	unlink("/tmp/named");
	close(fd);
	say("removed:");
	area_lines("/proc/self/maps", p, show_name);
	munmap(p, PAGE);
}

static void in_maps(void)
{
	char *p = island(4), path[64];
	int fd = memfd_create("mapped", 0);
	FILE *f = fopen("/proc/self/maps", "r");
	int heap = 0, stack = 0;

	maps("fresh", p);
	mprotect(p, 4 * PAGE, PROT_READ);
	maps("read-only", p);
	mprotect(p, 4 * PAGE, PROT_WRITE);
	maps("write-only", p);
	mprotect(p + PAGE, PAGE, PROT_READ);
	maps("middle read-only", p + PAGE);
	maps("before it", p);
	maps("after it", p + 2 * PAGE);
	munmap(p, 4 * PAGE);
	maps("nothing", p);
	result("size", ftruncate(fd, 8 * PAGE));
	mmap(p, 4 * PAGE, RW, MAP_SHARED | MAP_FIXED, fd, 2 * PAGE);
	maps("shared file", p);
	mmap(p, 4 * PAGE, PROT_READ, MAP_PRIVATE | MAP_FIXED, fd, 0);
	maps("private file", p);
	names(p);
	say("the program itself:");
	area_lines("/proc/self/maps", (const char *)(uintptr_t)in_maps, show_name);
	while (f && fscanf(f, "%*s %*s %*s %*s %*s%63[^\n]", path) >= 0) {
		heap += strstr(path, "[heap]") != NULL;
		stack += strstr(path, "[stack]") != NULL;
		path[0] = 0;
	}
	say("heap %s, stack %d", heap ? "yes" : "no", stack);
}

static void in_smaps(void)
{
	char *p = island(8), *s = island(4), *f = island(4);
	int fd = memfd_create("mapped", 0), fds[2], status;

	smaps("fresh", p);
	fill(p, 4);
	touch(p + 5 * PAGE);
	smaps("four written, one read", p);
	mlock(p, PAGE);
	mlock(p, 8 * PAGE);
	smaps("locked", p);
	munlock(p, 8 * PAGE);
	madvise(p, 8 * PAGE, MADV_DONTNEED);
	smaps("dontneed", p);
	mmap(s, 4 * PAGE, RW, MAP_SHARED | MAP_ANONYMOUS | MAP_FIXED, -1, 0);
	fill(s, 2);
	smaps("shared", s);
	result("size", ftruncate(fd, 4 * PAGE));
	mmap(f, 4 * PAGE, RW, MAP_PRIVATE | MAP_FIXED, fd, 0);
	fill(f, 2);
	smaps("private file, two written", f);
	fill(p, 4);
	if (pipe(fds))
		exit(1);
	if (fork() == 0) {
		char c;

		close(fds[1]);
		_exit(read(fds[0], &c, 1) != 0);
	}
	smaps("after fork", p);
	fill(p, 1);
	smaps("one copied", p);
	smaps("shared", s);
	close(fds[1]);
	wait(&status);
	smaps("child gone", p);
}

static void pagemap(const char *what, char *p, size_t n)
{
	int fd = open("/proc/self/pagemap", O_RDONLY);
	char text[32] = "";

	for (size_t i = 0; i < n; i++) {
		uint64_t e = 0;

		if (pread(fd, &e, 8, (off_t)(((uintptr_t)p / PAGE + i) * 8)) != 8)
			text[i] = '?';
		else if (e >> 63)
			text[i] = e >> 61 & 1 ? 'f' : 'a';
		else
			text[i] = e >> 62 & 1 ? 's' : '.';
	}
	say("%s: %s", what, text);
	close(fd);
}

static void in_pagemap(void)
{
	char *p = mmap(hole(8), 8 * PAGE, RW, ANON | MAP_FIXED, -1, 0);
	char *f = mmap(NULL, 2 * PAGE, RW, MAP_PRIVATE, file_of(2), 0);

	pagemap("fresh", p, 8);
	fill(p, 2);
	touch(p + 4 * PAGE);
	pagemap("two written, one read", p, 8);
	f[0] = 1;
	touch(f + PAGE);
	pagemap("file, one written, one read", f, 2);
	mprotect(p, 2 * PAGE, PROT_NONE);
	pagemap("without access", p, 8);
	munmap(p, PAGE);
	pagemap("unmapped", p, 8);
}

static void in_status(void)
{
	long size, data, pages, kb;
	FILE *f;
	char *p;

	size = status_kb("VmSize");
	data = status_kb("VmData");
	p = mmap(NULL, 16 * PAGE, RW, ANON, -1, 0);
	say("VmSize %+ld, VmData %+ld", status_kb("VmSize") - size, status_kb("VmData") - data);
	mprotect(p, 8 * PAGE, PROT_READ);
	say("VmSize %+ld, VmData %+ld", status_kb("VmSize") - size, status_kb("VmData") - data);
	munmap(p, 16 * PAGE);
	say("VmSize %+ld, VmData %+ld", status_kb("VmSize") - size, status_kb("VmData") - data);
	say("Threads %ld", status_kb("Threads"));
	f = fopen("/proc/self/statm", "r");
	pages = 0;
	kb = status_kb("VmSize");
	if (f && fscanf(f, "%ld", &pages) == 1)
		say("statm agrees: %d", pages * 4 == kb);
	say("rss is part of it: %d", status_kb("VmRSS") > 0 && status_kb("VmRSS") <= kb);
	say("peak: %d", status_kb("VmHWM") >= status_kb("VmRSS"));
}

int main(void)
{
	status_kb("VmSize");
	in_maps();
	in_smaps();
	in_pagemap();
	in_status();
	return 0;
}
