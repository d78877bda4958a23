/*
 * fault.c: page faults of programs, straight from arch/entry.S, which has read the address and
 * enabled interrupts.
 *
 * Nearly all of them end in om_fault() and a return to the program, which tries again. What is left
 * is a signal. The kernel itself touches no user memory (uaccess.c), so its own faults are bugs:
 * arch/trap.c.
 */
#include <asm/siginfo.h>
#include <asm/signal.h>

#include "vm.h"

/* The error code. */
#define ERROR_WRITE    0x02ul
#define ERROR_USER     0x04ul
#define ERROR_RESERVED 0x08ul /* the entry is nonsense */
#define ERROR_FETCH    0x10ul

static void not_resolved(enum om_fault_result result, uintptr_t addr)
{
	switch (result) {
	case OM_FAULT_ACCERR:
		signal_force(SIGSEGV, SEGV_ACCERR, addr);
		break;
	case OM_FAULT_BUS:
		signal_force(SIGBUS, BUS_ADRERR, addr);
		break;
	case OM_FAULT_OOM:
		out_of_memory();
		break;
	case OM_FAULT_LIMIT:
		signal_force(SIGKILL, SI_KERNEL, addr);
		break;
	case OM_FAULT_INTR: /* the thread ends on its way back */
		break;
	default:
		signal_force(SIGSEGV, SEGV_MAPERR, addr);
	}
}

void page_fault(struct regs *regs, uintptr_t addr)
{
	uint64_t error = regs->error;
	struct thread *t = current;
	enum om_access access = OM_READ;
	enum om_fault_result result;

	if (unlikely((error & (ERROR_USER | ERROR_RESERVED)) != ERROR_USER))
		panic("page fault at %lx, error %lx, rip %lx", addr, error, regs->rip);
	if (error & ERROR_WRITE)
		access = OM_WRITE;
	else if (error & ERROR_FETCH)
		access = OM_EXEC;
	result = om_fault(t->space->mm, addr, access);
	if (likely(result == OM_FAULT_MINOR))
		t->min_faults++;
	else if (result == OM_FAULT_MAJOR)
		t->maj_faults++;
	else
		not_resolved(result, addr);
}
