/*
 * table.c: the table of system calls, and what happens to those that are not in it: ENOSYS and,
 * with the boot option `log_syscalls`, one line on the console for each number.
 *
 * Handlers are declared with the arguments they use; in the calling convention of x86-64 more
 * registers do no harm.
 */
#include <asm/unistd_64.h>

#include "options.h"
#include "sched.h"
#include "syscalls.h"

#define DECLARE(name) syscall_fn sys_##name;
SYSCALLS(DECLARE)

/* The number is in the frame that entry.S has pushed. */
static long sys_missing(void)
{
	static _Atomic unsigned char seen[NR_SYSCALLS];
	unsigned n = (unsigned)thread_regs(current)->error;

	if (n < NR_SYSCALLS && boot_option(OPTION_log_syscalls) && !atomic_exchange(&seen[n], 1))
		printk("%s: no system call %u\n", current->name, n);
	return -ENOSYS;
}

/* Every hole gets a handler, so that entry.S need not look. */
void syscall_init(void)
{
#define ENTRY(name) [__NR_##name] = sys_##name,
	static syscall_fn *const calls[NR_SYSCALLS] = {SYSCALLS(ENTRY)};

	for (unsigned i = 0; i < NR_SYSCALLS; i++)
		syscall_table[i] = calls[i] ? calls[i] : (syscall_fn *)sys_missing;
}
