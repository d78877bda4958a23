/*
 * trap.c: what brings the CPU into the kernel: page faults, system calls, and a program's mistakes,
 * which end it. The kernel itself never traps: it has om_read() look at a program's memory.
 */
#include "tiny.h"

#define PAGE_FAULT  14
#define ERROR_WRITE 0x02
#define ERROR_FETCH 0x10

static void page_fault(struct process *p, uintptr_t addr)
{
	static const char *const why[] = {[OM_FAULT_MAPERR] = "nothing is mapped there",
	                                  [OM_FAULT_ACCERR] = "that is not allowed",
	                                  [OM_FAULT_BUS] = "the page cannot be read",
	                                  [OM_FAULT_OOM] = "out of memory"};
	bool write = p->regs.error & ERROR_WRITE, fetch = p->regs.error & ERROR_FETCH;
	const char *does = write ? "writes to" : fetch ? "jumps to" : "reads";
	enum om_access access = write ? OM_WRITE : fetch ? OM_EXEC : OM_READ;
	enum om_fault_result result = om_fault(p->mm, addr, access);

	if (result == OM_FAULT_MINOR || result == OM_FAULT_MAJOR)
		return; /* the program tries again */
	print("tiny: %s %s %lx: %s; killed\n", p->name, does, addr, why[result]);
	process_end(p, OM_EFAULT);
}

/* From entry.S. Answers with the registers to go on with. */
const struct regs *trap(const struct regs *regs)
{
	struct process *p = current;
	uintptr_t addr;

	__asm__ volatile("mov %%cr2, %0" : "=r"(addr)); /* before anything else can fault */
	if (!(regs->cs & 3))
		panic("trap %lu at %lx, address %lx", regs->vector, regs->rip, addr);
	p->regs = *regs;
	if (regs->vector == CALL_VECTOR) {
		p->regs.rax = (uint64_t)call(p, regs->rax, regs->rdi, regs->rsi);
	} else if (regs->vector == PAGE_FAULT) {
		page_fault(p, addr);
	} else {
		print("tiny: %s runs into exception %lu; killed\n", p->name, regs->vector);
		process_end(p, OM_EFAULT);
	}
	return &current->regs;
}
