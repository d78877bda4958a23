/*
 * calls.c: what a system call did to memory, in the words of traces.
 *
 * A call is noted when it has succeeded, with the place that the kernel chose; so a trace has no hints and no
 * flags about places, and its player puts everything where it was.
 */
#include <errno.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/vfs.h>

#include "record.h"

#define SHIFT       TRACE_PAGE_SHIFT
#define PAGES(len)  (((len) + (1u << SHIFT) - 1) >> SHIFT)
#define TMPFS_MAGIC 0x01021994
#ifndef MADV_DONTNEED_LOCKED
#define MADV_DONTNEED_LOCKED 24
#endif
enum { POPULATE_READ = 22, POPULATE_WRITE = 23 };

/* The file behind a descriptor, as note_file() has it; 0: a device, whose memory counts as anonymous. */
static unsigned file_of(pid_t pid, int fd)
{
	char path[64];
	struct stat s;
	struct statfs fs;

	snprintf(path, sizeof(path), "/proc/%d/fd/%d", (int)pid, fd);
	if (stat(path, &s) || !S_ISREG(s.st_mode))
		return 0;
	return note_file(s.st_dev, s.st_ino, !statfs(path, &fs) && fs.f_type == TMPFS_MAGIC);
}

static void mapped(pid_t pid, const struct call *c, uint64_t addr)
{
	uint64_t len = PAGES(c->arg[1]), prot = c->arg[2] & 7, flags = c->arg[3], time = now();
	bool shared = (flags & MAP_TYPE) != MAP_PRIVATE;
	unsigned file = flags & MAP_ANONYMOUS ? 0 : file_of(pid, (int)c->arg[4]);
	uint64_t first = file ? c->arg[5] >> SHIFT : 0;

	if (shared && !file)
		file = note_file(0, 0, true);
	note_call(time, pid, TRACE_MAP, addr >> SHIFT, len, prot,
	          (shared ? TRACE_MAP_SHARED : 0u) |
	              (flags & MAP_GROWSDOWN ? TRACE_MAP_STACK : 0u) |
	              (flags & MAP_LOCKED ? TRACE_MAP_LOCKED : 0u),
	          file, first);
	if (flags & MAP_POPULATE && prot)
		note_call(time, pid, TRACE_ADVISE, addr >> SHIFT, len,
		          prot & PROT_WRITE && !shared ? POPULATE_WRITE : POPULATE_READ, 0, 0, 0);
}

/* A program break is not aligned; a heap's pages are those that it has begun. */
static void broke(pid_t pid, uint64_t result, uint64_t *brk)
{
	uint64_t old = PAGES(*brk), new = PAGES(result);

	if (*brk && new > old)
		note_call(now(), pid, TRACE_MAP, old, new - old, PROT_READ | PROT_WRITE, 0, 0, 0);
	if (*brk && new < old)
		note_call(now(), pid, TRACE_UNMAP, new, old - new, 0, 0, 0, 0);
	*brk = result;
}

static void advised(pid_t pid, const struct call *c)
{
	uint64_t advice = c->arg[2];

	/* Hints about huge pages, merging and dumps do not change what is in memory. */
	if (c->arg[1] &&
	    (advice < 12 || (advice >= MADV_WIPEONFORK && advice <= MADV_DONTNEED_LOCKED)))
		note_call(c->entered, pid, TRACE_ADVISE, c->arg[0] >> SHIFT, PAGES(c->arg[1]),
		          advice, 0, 0, 0);
}

void call_done(pid_t pid, const struct call *c, int64_t result, uint64_t *brk)
{
	uint64_t page = c->arg[0] >> SHIFT, len = PAGES(c->arg[1]), whole;
	bool failed = result < 0 && result > -4096;

	whole = PAGES(c->arg[0] + c->arg[1]) - page;
	if (failed)
		return;
	switch (c->nr) {
	case SYS_mmap:
		mapped(pid, c, (uint64_t)result);
		break;
	case SYS_munmap:
		note_call(c->entered, pid, TRACE_UNMAP, page, len, 0, 0, 0, 0);
		break;
	case SYS_mprotect:
	case SYS_pkey_mprotect:
		if (len)
			note_call(now(), pid, TRACE_PROTECT, page, len, c->arg[2] & 7, 0, 0, 0);
		break;
	case SYS_mremap:
		if (len)
			note_call(now(), pid, TRACE_REMAP, page, len, PAGES(c->arg[2]),
			          (uint64_t)result >> SHIFT, c->arg[3] >> 2 & 1, 0);
		break;
	case SYS_brk:
		broke(pid, (uint64_t)result, brk);
		break;
	case SYS_madvise:
		advised(pid, c);
		break;
	case SYS_mlock:
	case SYS_mlock2:
		note_call(now(), pid, TRACE_LOCK, page, whole, 0, 0, 0, 0);
		break;
	case SYS_munlock:
		note_call(now(), pid, TRACE_UNLOCK, page, whole, 0, 0, 0, 0);
		break;
	default:
		break;
	}
}
