/*
 * layout.c: what a program has when it starts: the areas that exec made, and those pages that were written
 * without a fault: of its stack, its arguments.
 */
#include <fcntl.h>
#include <inttypes.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "record.h"

#define SHIFT          TRACE_PAGE_SHIFT
#define EMULATED_LIMIT (UINT64_C(1) << 46) /* below it the program has its memory, above QEMU */

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

/* QEMU maps a program's text for itself, which only reads it. */
static unsigned protection(const struct area *a, bool emulated)
{
	bool text = a->perms[2] == 'x' || (emulated && a->path[0] == '/' && a->perms[1] != 'w');

	return (a->perms[0] == 'r' ? TRACE_PROT_READ : 0u) |
	       (a->perms[1] == 'w' ? TRACE_PROT_WRITE : 0u) | (text ? TRACE_PROT_EXEC : 0u);
}

static void note_area(uint64_t time, pid_t pid, const struct area *a, bool emulated)
{
	bool stack = !strcmp(a->path, "[stack]");
	struct stat s;
	unsigned file = 0;

	if (a->start >> SHIFT >= TRACE_PAGES_MAX || !strncmp(a->path, "[v", 2))
		return; /* what the kernel gives to all: no memory of a process */
	if (a->path[0] == '/' && !stat(a->path, &s))
		file = note_file(s.st_dev, s.st_ino, false);
	note_call(time, pid, TRACE_MAP, a->start >> SHIFT, (a->end - a->start) >> SHIFT,
	          protection(a, emulated), stack ? TRACE_MAP_STACK : 0, file,
	          file ? a->offset >> SHIFT : 0);
	if (!file)
		note_present(time, pid, a);
}

void note_layout(uint64_t time, pid_t pid, bool emulated)
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
		           &a.end, a.perms, &a.offset, a.path) >= 4 &&
		    (!emulated || a.end <= EMULATED_LIMIT))
			note_area(time, pid, &a, emulated);
	}
	fclose(maps);
}
