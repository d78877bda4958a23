/* call.c: what a program may ask for. It is objrmap that does it, so there is little to it. */
#include "kernel.h"

/* From the program's memory to the console, through a buffer of the kernel. */
static long call_write(struct om_mm *mm, uintptr_t addr, size_t len)
{
	char part[128];
	int err = 0;

	for (size_t n; len && !err; addr += n, len -= n) {
		err = om_read(mm, addr, part, MIN(len, sizeof(part)), &n);
		write(part, n);
	}
	return err;
}

static long call_mmap(struct om_mm *mm, const unsigned long arg[6])
{
	struct om_map_request r = {.addr = arg[0],
	                           .len = arg[1],
	                           .prot = (int)arg[2],
	                           .flags = (int)arg[3],
	                           .offset = arg[5]};

	return memory_map(mm, &r, arg[4]);
}

static long call_mremap(struct om_mm *mm, const unsigned long arg[6])
{
	struct om_remap_request r = {.old_addr = arg[0],
	                             .old_len = arg[1],
	                             .new_len = arg[2],
	                             .flags = (int)arg[3]};
	int err = om_mremap(mm, &r);

	return err ? err : (long)r.new_addr;
}

static long call_resident(struct om_mm *mm, uintptr_t addr, size_t len)
{
	struct om_mminfo info;
	int err = om_mminfo(mm, addr, addr + len, &info);

	return err ? err : (long)info.rss;
}

static _Noreturn void call_finish(bool success)
{
	task_leave();
	memory_end(success);
}

/* Calls of threads. */
static long call_task(struct task *task, const unsigned long arg[6], unsigned long number)
{
	switch (number) {
	case CALL_EXIT:
		task_end((long)arg[0]);
	case CALL_FORK:
		return task_fork(task);
	case CALL_THREAD:
		return task_thread(task, arg[0], arg[1], arg[2]);
	case CALL_WAIT:
		return task_wait(task, arg[0]);
	case CALL_YIELD:
		task_answer(task, 0);
		task_yield();
	case CALL_CHECK:
		return memory_check();
	case CALL_FINISH:
		call_finish(arg[0]);
	}
	return -OM_EINVAL;
}

/* Calls of memory; and those. */
long call(struct task *task, const unsigned long arg[6], unsigned long number)
{
	struct om_mm *mm = task->space->mm;

	switch (number) {
	case CALL_WRITE:
		return call_write(mm, arg[0], arg[1]);
	case CALL_MMAP:
		return call_mmap(mm, arg);
	case CALL_MUNMAP:
		return om_munmap(mm, arg[0], arg[1]);
	case CALL_MPROTECT:
		return om_mprotect(mm, arg[0], arg[1], (int)arg[2]);
	case CALL_MREMAP:
		return call_mremap(mm, arg);
	case CALL_MADVISE:
		return om_madvise(mm, arg[0], arg[1], (int)arg[2]);
	case CALL_MLOCK:
		return om_mlock(mm, arg[0], arg[1], 0);
	case CALL_MUNLOCK:
		return om_munlock(mm, arg[0], arg[1]);
	case CALL_MSYNC:
		return om_msync(mm, arg[0], arg[1], OM_MS_SYNC);
	case CALL_RESIDENT:
		return call_resident(mm, arg[0], arg[1]);
	case CALL_DISK:
		return disk_byte(arg[0]);
	}
	return call_task(task, arg, number);
}
