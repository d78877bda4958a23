/* call.c: system calls. What they do is objrmap's, so there is little to it. */
#include "tiny.h"

/* From the program's memory to the console, through a buffer of the kernel. */
static long call_write(struct process *p, uintptr_t addr, size_t len)
{
	char part[128];
	int err = 0;

	for (size_t n; len && !err; addr += n, len -= n) {
		err = om_read(p->mm, addr, part, MIN(len, sizeof(part)), &n);
		write(part, n);
	}
	return err;
}

long call(struct process *p, uint64_t number, uint64_t a, uint64_t b)
{
	struct om_mminfo info;
	int err;

	switch (number) {
	case CALL_EXIT:
		process_end(p, (long)a);
		return 0;
	case CALL_WRITE:
		return call_write(p, a, b);
	case CALL_FORK:
		return process_fork(p);
	case CALL_WAIT:
		return process_wait(p);
	case CALL_YIELD:
		process_next();
		return 0;
	case CALL_MMAP:
		return process_map(p, 0, a, PROT_RW, 0, NULL);
	case CALL_MUNMAP:
		return om_munmap(p->mm, a, b);
	case CALL_IN_MEMORY:
		err = om_mminfo(p->mm, a, a + b, &info);
		return err ? err : (long)info.rss;
	}
	return -OM_EINVAL;
}
