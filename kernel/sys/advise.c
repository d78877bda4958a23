/*
 * advise.c: the system calls by which a program says how it uses its memory: madvise, the mlock
 * family, membarrier.
 *
 * There are no huge pages, no merging of equal pages and no nodes of memory here. So madvise()
 * answers EINVAL to advice about them, and mbind(), get_mempolicy(), set_mempolicy() and
 * userfaultfd() are not in the table: ENOSYS, as from a Linux configured without them.
 */
#include <linux/membarrier.h>

#include "sys.h"

/* ---------------------------------------------------------------- madvise ------------------- */

/* Advice about core dumps, which nobody writes here: nothing but the checks of the range. */
static long advise_nothing(uintptr_t addr, size_t len)
{
	uintptr_t end = addr + ALIGN_UP(len, PAGE_SIZE);
	struct om_vmainfo info;

	if ((addr & ~PAGE_MASK) || end < addr || (len && end == addr))
		return -EINVAL;
	for (; addr < end; addr = info.end)
		if (!om_vma_next(current_mm(), addr, &info) || info.start > addr)
			return -ENOMEM;
	return 0;
}

long sys_madvise(uintptr_t addr, size_t len, int advice)
{
	if (advice == MADV_DONTDUMP || advice == MADV_DODUMP)
		return advise_nothing(addr, len);
	return om_madvise(current_mm(), addr, len, advice);
}

/* Processes are named by numbers only, so no descriptor stands for one. */
long sys_process_madvise(int pidfd, uintptr_t vec, size_t n, int advice, unsigned flags)
{
	(void)pidfd, (void)vec, (void)advice;
	return flags || n > UIO_MAXIOV ? -EINVAL : -EBADF;
}

/* ---------------------------------------------------------------- mlock --------------------- */

/*
 * EINVAL, says Linux to those that no limit holds for. To all others the range is too large, and
 * objrmap says so: ENOMEM.
 */
static bool range_wraps(uintptr_t addr, size_t len)
{
	uintptr_t start = ALIGN_DOWN(addr, PAGE_SIZE);

	return start + ALIGN_UP(len + (addr - start), PAGE_SIZE) < start;
}

long sys_mlock2(uintptr_t addr, size_t len, int flags)
{
	if (range_wraps(addr, len) && capable(CAP_IPC_LOCK))
		return -EINVAL;
	return om_mlock(current_mm(), addr, len, flags);
}

long sys_mlock(uintptr_t addr, size_t len)
{
	return sys_mlock2(addr, len, 0);
}

long sys_munlock(uintptr_t addr, size_t len)
{
	return om_munlock(current_mm(), addr, len);
}

long sys_mlockall(int flags)
{
	return om_mlockall(current_mm(), flags);
}

long sys_munlockall(void)
{
	return om_munlockall(current_mm());
}

/* ---------------------------------------------------------------- membarrier ---------------- */

#define BARRIER_CMDS (MEMBARRIER_CMD_PRIVATE_EXPEDITED | MEMBARRIER_CMD_REGISTER_PRIVATE_EXPEDITED)

/*
 * A barrier on every CPU that runs this process. A flush of one page that is never mapped does it:
 * it interrupts these CPUs and waits for their answers. A CPU that switches to or from the process
 * meanwhile has a barrier in the switch.
 */
static void barrier_everywhere(struct om_mm *mm)
{
	atomic_thread_fence(memory_order_seq_cst);
	x86_flush(&mmu, mm, 0, PAGE_SIZE);
	atomic_thread_fence(memory_order_seq_cst);
}

long sys_membarrier(int cmd, unsigned flags, int cpu)
{
	struct space *space = current->space;

	(void)cpu; /* has a meaning only with a flag that is refused below */
	if (flags)
		return -EINVAL;
	switch (cmd) {
	case MEMBARRIER_CMD_QUERY:
		return BARRIER_CMDS;
	case MEMBARRIER_CMD_REGISTER_PRIVATE_EXPEDITED:
		space->membarrier = true;
		return 0;
	case MEMBARRIER_CMD_PRIVATE_EXPEDITED:
		if (!space->membarrier)
			return -EPERM;
		barrier_everywhere(space->mm);
		return 0;
	default:
		return -EINVAL;
	}
}
