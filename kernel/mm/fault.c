/*
 * fault.c: page faults. The processor has noted the address; arch/trap.c has read it and enabled interrupts.
 *
 * Nearly all of them end in om_fault() and a return to the program, which tries again. What is left is a
 * signal. The kernel itself touches no user memory (uaccess.c), so a fault of its own is a bug.
 */
#include "process.h"

/* The error code. */
#define ERROR_PRESENT  0x01ul /* the entry is there, but does not allow it */
#define ERROR_WRITE    0x02ul
#define ERROR_USER     0x04ul
#define ERROR_RESERVED 0x08ul /* the entry is nonsense */
#define ERROR_FETCH    0x10ul

static _Noreturn void fault_of_kernel(const struct regs *regs, uintptr_t addr)
{
	printk("rip %016lx rsp %016lx flags %lx\n", regs->rip, regs->rsp, regs->rflags);
	printk("rax %016lx rbx %016lx rcx %016lx rdx %016lx\n", regs->rax, regs->rbx, regs->rcx,
	       regs->rdx);
	printk("rsi %016lx rdi %016lx rbp %016lx r8  %016lx\n", regs->rsi, regs->rdi, regs->rbp,
	       regs->r8);
	printk("r9  %016lx r10 %016lx r11 %016lx r12 %016lx\n", regs->r9, regs->r10, regs->r11,
	       regs->r12);
	printk("r13 %016lx r14 %016lx r15 %016lx\n", regs->r13, regs->r14, regs->r15);
	panic("page fault at %lx, error %lx, in %s", addr, regs->error,
	      current ? current->name : "no thread");
}

static void cannot_mend(enum om_fault_result result, uintptr_t addr)
{
	switch (result) {
	case OM_FAULT_ACCERR:
		signal_force(SIGSEGV, SEGV_ACCERR, addr);
		break;
	case OM_FAULT_BUS:
		signal_force(SIGBUS, BUS_ADRERR, addr);
		break;
	case OM_FAULT_OOM:
		signal_oom();
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
		fault_of_kernel(regs, addr);
	if (error & ERROR_WRITE)
		access = OM_WRITE;
	else if (error & ERROR_FETCH)
		access = OM_EXEC;
	result = om_fault(t->proc->space->mm, addr, access);
	if (likely(result == OM_FAULT_MINOR))
		t->min_faults++;
	else if (result == OM_FAULT_MAJOR)
		t->maj_faults++;
	else
		cannot_mend(result, addr);
}
