/*
 * layout.c: what a program has when it starts: the areas that exec made, and those pages of its stack that
 * the kernel has written without a fault, its arguments.
 */
#include <fcntl.h>
#include <inttypes.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "record.h"

#define SHIFT TRACE_PAGE_SHIFT

struct area {
	uint64_t start, end, offset;
	char perms[5], path[4096];
};

static void note_present(uint64_t time, pid_t pid, const struct area *a)
{
	char path[64];
	uint64_t entry;
	int fd;

	snprintf(path, sizeof(path), "/proc/%d/pagemap", (int)pid);
	fd = open(path, O_RDONLY);
	if (fd < 0)
		return;
	for (uint64_t page = a->start >> SHIFT; page < a->end >> SHIFT; page++)
		if (pread(fd, &entry, sizeof(entry), (off_t)(page * sizeof(entry))) ==
		        sizeof(entry) &&
		    entry >> 63)
			note_call(time, pid, TRACE_FAULT, page, TRACE_WRITE, 0, 0, 0, 0);
	close(fd);
}

static void note_area(uint64_t time, pid_t pid, const struct area *a)
{
	bool stack = !strcmp(a->path, "[stack]");
	struct stat s;
	unsigned file = 0;

	if (a->start >> SHIFT >= TRACE_PAGES_MAX || !strncmp(a->path, "[v", 2))
		return; /* what the kernel gives to all: no memory of a process */
	if (a->path[0] == '/' && !stat(a->path, &s))
		file = note_file(s.st_dev, s.st_ino, false);
	note_call(time, pid, TRACE_MAP, a->start >> SHIFT, (a->end - a->start) >> SHIFT,
	          (a->perms[0] == 'r' ? TRACE_PROT_READ : 0u) |
	              (a->perms[1] == 'w' ? TRACE_PROT_WRITE : 0u) |
	              (a->perms[2] == 'x' ? TRACE_PROT_EXEC : 0u),
	          stack ? TRACE_MAP_STACK : 0, file, file ? a->offset >> SHIFT : 0);
	if (stack)
		note_present(time, pid, a);
}

void note_layout(uint64_t time, pid_t pid)
{
	char path[64], line[4352];
	struct area a;
	FILE *maps;

	snprintf(path, sizeof(path), "/proc/%d/maps", (int)pid);
	maps = fopen(path, "r");
	if (!maps)
		return; /* it has been killed */
	while (fgets(line, sizeof(line), maps)) {
		a.path[0] = '\0';
		if (sscanf(line, "%" SCNx64 "-%" SCNx64 " %4s %" SCNx64 " %*s %*s %4095s", &a.start,
		           &a.end, a.perms, &a.offset, a.path) >= 4)
			note_area(time, pid, &a);
	}
	fclose(maps);
}
