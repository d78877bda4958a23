/*
 * syscall.c: the table of system calls, indexed by Linux's numbers, and what happens to those that are not
 * in it: ENOSYS and, with the boot option `log_syscalls`, one line on the console for each number.
 *
 * arch/entry.S calls syscall_table[n](rdi, rsi, rdx, r10, r8, r9) directly. Handlers are declared with the
 * arguments they use; in the calling convention of x86-64 more registers do no harm.
 */
#include <asm/unistd_64.h>

#include "process.h"
#include "syscalls.h"

#define NR_SYSCALLS 512 /* entry.S knows it, too */

#define DECLARE(name) syscall_fn sys_##name;
SYSCALLS(DECLARE)

static long sys_missing(void);

#define ENTRY(name) [__NR_##name] = sys_##name,
syscall_fn *syscall_table[NR_SYSCALLS] = {SYSCALLS(ENTRY)};

/* The number is in the frame that entry.S has pushed. */
static long sys_missing(void)
{
	static _Atomic unsigned char seen[NR_SYSCALLS];
	unsigned n = (unsigned)thread_regs(current)->error;

	if (n < NR_SYSCALLS && boot_option("log_syscalls") && !atomic_exchange(&seen[n], 1))
		printk("%s: no system call %u\n", current->name, n);
	return -ENOSYS;
}

/* Every hole gets a handler, so that entry.S need not look. */
void syscall_init(void)
{
	for (unsigned i = 0; i < NR_SYSCALLS; i++)
		if (!syscall_table[i])
			syscall_table[i] = (syscall_fn *)sys_missing;
}
