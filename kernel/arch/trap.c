/*
 * trap.c: exceptions, from entry.S. Page faults of programs do not come here: they go straight to
 * page_fault() in mm/fault.c.
 *
 * What a program does wrong becomes a signal. The kernel itself never traps on purpose, so a trap
 * in it is the end: registers and a trace on the console, and all CPUs stop.
 */
#include <asm/siginfo.h>
#include <asm/signal.h>

#include "arch.h"

_Static_assert(offsetof(struct regs, r11) == REGS_R11, "entry.h");
_Static_assert(offsetof(struct regs, r10) == REGS_R10, "entry.h");
_Static_assert(offsetof(struct regs, r9) == REGS_R9, "entry.h");
_Static_assert(offsetof(struct regs, r8) == REGS_R8, "entry.h");
_Static_assert(offsetof(struct regs, rax) == REGS_RAX, "entry.h");
_Static_assert(offsetof(struct regs, rdx) == REGS_RDX, "entry.h");
_Static_assert(offsetof(struct regs, rsi) == REGS_RSI, "entry.h");
_Static_assert(offsetof(struct regs, rdi) == REGS_RDI, "entry.h");
_Static_assert(offsetof(struct regs, vector) == REGS_VECTOR, "entry.h");
_Static_assert(offsetof(struct regs, rip) == REGS_RIP, "entry.h");
_Static_assert(offsetof(struct regs, cs) == REGS_CS, "entry.h");
_Static_assert(offsetof(struct regs, rflags) == REGS_RFLAGS, "entry.h");
_Static_assert(offsetof(struct regs, rsp) == REGS_RSP, "entry.h");

#define TRAP_DIVIDE 0
#define TRAP_DEBUG  1
#define TRAP_FPU    16
#define TRAP_SIMD   19
#define FIRST_IRQ   32

#define RFLAGS_USER  0x254dd5ul /* what a program may have set on return to it: no I/O privilege */
#define RFLAGS_FIXED 0x202ul

syscall_fn *syscall_table[NR_SYSCALLS];

/* ---------------------------------------------------------------- programs ------------------ */

/* By vector; those that are not here cannot come from user mode. */
static const struct {
	uint8_t sig;
	bool has_addr; /* si_addr is the instruction; without, si_code is SI_KERNEL */
	int code;
} signals[FIRST_IRQ] = {
    [TRAP_DIVIDE] = {SIGFPE, true, FPE_INTDIV},
    [TRAP_DEBUG] = {SIGTRAP, true, TRAP_TRACE},
    [3] = {SIGTRAP, false, SI_KERNEL},
    [4] = {SIGSEGV, false, SI_KERNEL},
    [5] = {SIGSEGV, false, SI_KERNEL},
    [6] = {SIGILL, true, ILL_ILLOPN},
    [10] = {SIGSEGV, false, SI_KERNEL},
    [11] = {SIGBUS, false, SI_KERNEL},
    [12] = {SIGBUS, false, SI_KERNEL},
    [13] = {SIGSEGV, false, SI_KERNEL},
    [TRAP_FPU] = {SIGFPE, true, 0},
    [17] = {SIGBUS, true, BUS_ADRALN},
    [TRAP_SIMD] = {SIGFPE, true, 0},
};

/* Which of the exceptions that are not masked has happened. */
static int fpu_code(const struct thread *t, unsigned vector)
{
	const uint16_t *fsw = (const uint16_t *)t->fpu;
	const uint32_t mxcsr = ((const uint32_t *)t->fpu)[6];
	unsigned e = vector == TRAP_FPU ? fsw[1] & ~fsw[0] : mxcsr & ~(mxcsr >> 7);

	if (e & 0x01)
		return FPE_FLTINV;
	if (e & 0x04)
		return FPE_FLTDIV;
	if (e & 0x08)
		return FPE_FLTOVF;
	if (e & 0x12)
		return FPE_FLTUND;
	return FPE_FLTRES;
}

static void user_trap(struct regs *regs)
{
	unsigned vector = (unsigned)regs->vector;
	int code = signals[vector].code;

	if (!signals[vector].sig)
		panic("trap %u from user mode", vector);
	if (vector == TRAP_FPU || vector == TRAP_SIMD) {
		cpu_fpu_save(current);
		code = fpu_code(current, vector);
	}
	if (vector == TRAP_DEBUG)
		__asm__ volatile("mov %0, %%dr6" : : "r"(0xffff0ff0ul));
	signal_force(signals[vector].sig, code, signals[vector].has_addr ? regs->rip : 0);
}

/* ---------------------------------------------------------------- the kernel ---------------- */

static void print_regs(const struct regs *r)
{
	printk("rip %016lx rsp %016lx rflags %06lx cs %lx\n", r->rip, r->rsp, r->rflags, r->cs);
	printk("rax %016lx rbx %016lx rcx %016lx rdx %016lx\n", r->rax, r->rbx, r->rcx, r->rdx);
	printk("rsi %016lx rdi %016lx rbp %016lx cr2 %016lx\n", r->rsi, r->rdi, r->rbp, read_cr2());
	printk("r8  %016lx r9  %016lx r10 %016lx r11 %016lx\n", r->r8, r->r9, r->r10, r->r11);
	printk("r12 %016lx r13 %016lx r14 %016lx r15 %016lx\n", r->r12, r->r13, r->r14, r->r15);
}

/* Everything on the stack that may be a return address. */
static void print_stack(const struct regs *r)
{
	const char *stack = current->stack;
	const uint64_t *p = (const uint64_t *)r->rsp;
	unsigned n = 0;

	if (r->rsp < (uintptr_t)stack || r->rsp >= (uintptr_t)stack + KSTACK_SIZE || r->rsp % 8)
		return;
	printk("stack:");
	for (; p < (const uint64_t *)(stack + KSTACK_SIZE) && n < 24; p++)
		if (*p >= KERNEL_BASE && *p < (uintptr_t)kernel_text_end) {
			printk(" %lx", *p);
			n++;
		}
	printk("\n");
}

static void kernel_trap(const struct regs *regs)
{
	printk("\ntrap %lu, error %lx, in the kernel; cpu %u, thread %s\n", regs->vector,
	       regs->error, x86_cpu_number(), current->name);
	print_regs(regs);
	print_stack(regs);
	panic("trap in the kernel");
}

/* ---------------------------------------------------------------- from entry.S -------------- */

/* Interrupts are off, and must be again on return. */
void trap(struct regs *regs)
{
	if (regs->vector >= FIRST_IRQ) {
		interrupt(regs);
	} else if (regs_user(regs)) {
		irq_enable();
		user_trap(regs);
		irq_disable();
	} else {
		kernel_trap(regs);
	}
}

/*
 * The long way back to user mode: do what is flagged until nothing is. Interrupts are off at the
 * end, so nothing can be flagged by this CPU after the last look; another CPU sends an interrupt
 * afterwards.
 *
 * The registers may be anything that signal code has made of them. What would trap in the kernel at
 * the very last instruction, or would give privileges, is caught here.
 */
void user_work(struct regs *regs)
{
	for (;;) {
		while (atomic_load(&current->work)) {
			irq_enable();
			return_to_user(regs);
			irq_disable();
		}
		regs->cs = USER_CS;
		regs->ss = USER_DS;
		regs->rflags = (regs->rflags & RFLAGS_USER) | RFLAGS_FIXED;
		if (regs->rip < USER_LIMIT)
			return;
		irq_enable();
		signal_force(SIGSEGV, SI_KERNEL, 0);
		irq_disable();
	}
}
