/*
 * vm.h: how this kernel embeds objrmap: the system, address spaces, copying to and from user
 * memory.
 *
 * The kernel never touches user addresses directly: user_read() and the like go through om_read()
 * and om_write(), which check the areas' permissions and take faults of their own. So a bad pointer
 * is an error value, never a trap. mm/
 */
#ifndef VM_H
#define VM_H

#include <objrmap/objrmap.h>

#include "sched.h"

struct memory_range;

/* ---------------------------------------------------------------- the system (mm/vm.c) ------ */

extern struct om_system *vm; /* all memory of the machine */

/*
 * Build the system from the `n` ranges of the memory map. `first_free` is the physical end of the
 * kernel's image. No return if that fails.
 */
void vm_init(const struct memory_range *ranges, unsigned n, uint64_t first_free);
/* Start the reclaim thread. */
void vm_start(void);
/* Memory was short, and the kernel's own thread has not done yet with reclaiming some. */
uint64_t vm_reclaimed(void); /* pages that the thread for it has freed since boot */
bool vm_is_reclaiming(void);
/* One more than the highest frame number. */
om_pfn_t vm_nr_frames(void);

static inline void *frame_addr(om_pfn_t pfn)
{
	return phys_to_virt((uint64_t)pfn << PAGE_SHIFT);
}

/* ---------------------------------------------------------------- address spaces (mm/space.c) */

/* What a process (or several: vfork) runs in. */
struct space {
	struct om_mm *mm; /* constant: every fault reads it */
	uintptr_t brk_start;
	/* For /proc: set by exec. */
	uintptr_t code_start, code_end, stack_top, arg_start, arg_end, env_start, env_end;
	_Atomic bool membarrier; /* registered for it */
	_Atomic unsigned refs;
	/* The port's part; the mm's cookie points to it. Flushes and switches write to its line. */
	struct x86_mm x86 __attribute__((aligned(64)));
};
_Static_assert(sizeof(struct space) == 192, "kmalloc() aligns objects of this size to lines");

int space_create(uintptr_t brk_start, struct space **space); /* empty, one reference */
int space_fork(struct space *parent, struct space **child);
void space_get(struct space *space);
void space_put(struct space *space); /* the last one destroys it; may sleep */

/* Run on this address space from now on (exec); the scheduler does it at every other switch. */
void space_activate(struct space *space);
/* That of the running process. */
static inline struct om_mm *current_mm(void)
{
	return current->space->mm;
}

/* ---------------------------------------------------------------- user memory (mm/uaccess.c) */

/* Of the running process. 0, -EFAULT, -ENOMEM (memory exhausted), -EINTR (to die). May sleep. */
int user_read(void *to, uintptr_t from, size_t n);
int user_write(uintptr_t to, const void *from, size_t n);
/* How many of the n bytes can be written, at least 1, or the error of the first. Changes none. */
long user_writable(uintptr_t to, size_t n);
/*
 * A string with its end: its length, -EFAULT, or -ENAMETOOLONG if it does not fit `max` bytes with
 * the 0.
 */
long user_string(char *to, uintptr_t from, size_t max);

#define user_get(var, addr) user_read(&(var), (uintptr_t)(addr), sizeof(var))
#define user_put(addr, var) user_write((uintptr_t)(addr), &(var), sizeof(var))

/* ---------------------------------------------------------------- swap (mm/swap.c) ---------- */

#define SWAP_NEXT_PRIORITY (-1) /* after all areas in use */

/*
 * Swap on disk number `disk`, whatever is on it. -ENODEV: there is no such disk; -EBUSY: it is in
 * use already; -EPERM: so are as many as can be; -EINVAL: no room; -EROFS; -ENOMEM. May sleep, as
 * those below.
 */
int swap_on_disk(unsigned disk);
/*
 * As swap_on_disk(), but only if mkswap has prepared the disk (else -EINVAL), and as it says; -EIO.
 */
int swap_on(unsigned disk, int priority);
/* Bring everything back into memory first. -EINVAL: not in use; as om_swapoff(). */
int swap_off(unsigned disk);

/* For /proc/swaps: the i-th area; false if there are not so many. The file is /dev/vd[a + disk]. */
struct swap_info {
	unsigned disk;
	uint32_t slots; /* pages */
	int priority;
};
bool swap_info(unsigned i, struct swap_info *info);

#endif
