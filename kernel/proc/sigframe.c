/*
 * sigframe.c: entering a signal handler and coming back: the frame on the user stack, rt_sigreturn,
 * and the alternate stack.
 *
 * From high to low addresses a frame is: the FPU state as XSAVE writes it, with a word behind it
 * that says so, then struct frame, whose first word is the return address (SA_RESTORER, the C
 * library's call of rt_sigreturn). The program may have changed anything in it when it comes back,
 * so nothing of it is trusted: only user segments, only harmless flags, no address beyond user
 * space, no FPU state that traps.
 */
#include <linux/signal.h>

#include <asm/sigcontext.h>
#include <asm/ucontext.h>

#include "internal.h"
#include "kmem.h"
#include "sys.h"

#define RED_ZONE 128

/* Flags a program may set: CF PF AF ZF SF TF DF OF, NT not, RF, AC, ID. */
#define FLAGS_USER  0x250dd5ul
#define FLAGS_FIXED 0x202ul /* interrupts on; bit 1 is always set */
#define FLAG_TF     0x100ul
#define FLAG_DF     0x400ul
#define FLAG_RF     0x10000ul

struct frame {
	uintptr_t return_address;
	struct ucontext uc;
	siginfo_t info;
};

/* ---------------------------------------------------------------- the alternate stack ------- */

static bool on_altstack(const struct thread *t, uintptr_t sp)
{
	return !(t->altstack_flags & SS_AUTODISARM) && sp > t->altstack &&
	       sp - t->altstack <= t->altstack_size;
}

static int altstack_state(const struct thread *t, uintptr_t sp)
{
	if (!t->altstack_size)
		return SS_DISABLE;
	return on_altstack(t, sp) ? SS_ONSTACK : 0;
}

static stack_t altstack_get(const struct thread *t, uintptr_t sp)
{
	stack_t ss;

	memset(&ss, 0, sizeof(ss));
	ss.ss_sp = (void *)t->altstack;
	ss.ss_size = t->altstack_size;
	ss.ss_flags = altstack_state(t, sp) | (t->altstack_flags & (int)SS_AUTODISARM);
	return ss;
}

static int altstack_set(struct thread *t, const stack_t *ss, uintptr_t sp)
{
	int mode = ss->ss_flags & ~(int)SS_AUTODISARM;

	if (on_altstack(t, sp))
		return -EPERM;
	if (mode != SS_DISABLE && mode != SS_ONSTACK && mode != 0)
		return -EINVAL;
	if (mode == SS_DISABLE) {
		t->altstack = t->altstack_size = 0;
		t->altstack_flags = 0;
		return 0;
	}
	if (ss->ss_size < MINSIGSTKSZ)
		return -ENOMEM;
	t->altstack = (uintptr_t)ss->ss_sp;
	t->altstack_size = ss->ss_size;
	t->altstack_flags = ss->ss_flags & (int)SS_AUTODISARM;
	return 0;
}

long sys_sigaltstack(uintptr_t set, uintptr_t old)
{
	struct thread *t = current;
	uintptr_t sp = thread_regs(t)->rsp;
	stack_t was = altstack_get(t, sp), ss;
	int err = 0;

	if (set) {
		if (user_get(ss, set))
			return -EFAULT;
		err = altstack_set(t, &ss, sp);
	}
	if (!err && old && user_put(old, was))
		err = -EFAULT;
	return err;
}

/* ---------------------------------------------------------------- entering ------------------ */

/* Where the handler's stack begins: below this. */
static uintptr_t stack_for(const struct thread *t, const struct regs *regs, unsigned long flags)
{
	if ((flags & SA_ONSTACK) && altstack_state(t, regs->rsp) == 0)
		return t->altstack + t->altstack_size;
	return regs->rsp - RED_ZONE;
}

static void save_registers(struct sigcontext *sc, const struct regs *regs, const struct thread *t)
{
	sc->r8 = regs->r8;
	sc->r9 = regs->r9;
	sc->r10 = regs->r10;
	sc->r11 = regs->r11;
	sc->r12 = regs->r12;
	sc->r13 = regs->r13;
	sc->r14 = regs->r14;
	sc->r15 = regs->r15;
	sc->rdi = regs->rdi;
	sc->rsi = regs->rsi;
	sc->rbp = regs->rbp;
	sc->rbx = regs->rbx;
	sc->rdx = regs->rdx;
	sc->rax = regs->rax;
	sc->rcx = regs->rcx;
	sc->rsp = regs->rsp;
	sc->rip = regs->rip;
	sc->eflags = regs->rflags;
	sc->cs = (__u16)regs->cs;
	sc->ss = (__u16)regs->ss;
	sc->trapno = t->trap_vector;
	sc->err = t->trap_error;
	sc->cr2 = t->trap_addr;
}

static void fill_frame(struct frame *f, struct thread *t, const struct regs *regs,
                       const struct kernel_sigaction *action, sigmask_t mask)
{
	memset(f, 0, sizeof(*f));
	f->return_address = action->restorer;
	f->uc.uc_flags = UC_SIGCONTEXT_SS | UC_STRICT_RESTORE_SS;
	if (cpu_fpu_extended())
		f->uc.uc_flags |= UC_FP_XSTATE;
	f->uc.uc_stack = altstack_get(t, regs->rsp);
	f->uc.uc_sigmask = mask;
	save_registers(&f->uc.uc_mcontext, regs, t);
}

/* The FPU state on the user stack, and FP_XSTATE_MAGIC2. */
static unsigned fpu_frame_bytes(void)
{
	return cpu_fpu_bytes() + (cpu_fpu_extended() ? sizeof(uint32_t) : 0);
}

unsigned sigframe_bytes(void)
{
	return sizeof(struct frame) + ALIGN_UP(fpu_frame_bytes(), 64u) + 64 + RED_ZONE;
}

static int write_frame(uintptr_t at, uintptr_t fpu, struct frame *f, struct thread *t)
{
	const uint32_t magic = FP_XSTATE_MAGIC2;

	f->uc.uc_mcontext.fpstate = (void *)fpu;
	cpu_fpu_save(t);
	if (user_write(fpu, t->fpu, cpu_fpu_bytes()) ||
	    (cpu_fpu_extended() && user_put(fpu + cpu_fpu_bytes(), magic)))
		return -EFAULT;
	return user_write(at, f, sizeof(*f)) ? -EFAULT : 0;
}

int sigframe_push(struct regs *regs, int sig, const siginfo_t *info,
                  const struct kernel_sigaction *action, sigmask_t mask)
{
	struct thread *t = current;
	struct frame f;
	uintptr_t sp = stack_for(t, regs, action->flags);
	uintptr_t fpu = ALIGN_DOWN(sp - fpu_frame_bytes(), (uintptr_t)64);
	/* As after a call: the stack was aligned to 16 before the return address was pushed. */
	uintptr_t at = ALIGN_DOWN(fpu - sizeof(f), (uintptr_t)16) - sizeof(uintptr_t);

	if (!(action->flags & SA_RESTORER) || action->handler >= USER_LIMIT)
		return -EFAULT;
	/* A handler on the alternate stack may not overflow into what is below. */
	if (on_altstack(t, regs->rsp) && !on_altstack(t, at))
		return -EFAULT;
	fill_frame(&f, t, regs, action, mask);
	f.info = *info;
	if (write_frame(at, fpu, &f, t))
		return -EFAULT;
	if (t->altstack_flags & (int)SS_AUTODISARM)
		t->altstack = t->altstack_size = 0, t->altstack_flags = 0;
	regs->rdi = (uint64_t)sig;
	regs->rsi = at + offsetof(struct frame, info);
	regs->rdx = at + offsetof(struct frame, uc);
	regs->rax = 0;
	regs->rsp = at;
	regs->rip = action->handler;
	regs->rflags &= ~(FLAG_TF | FLAG_DF | FLAG_RF);
	return 0;
}

/* ---------------------------------------------------------------- coming back --------------- */

static int restore_registers(struct regs *regs, const struct sigcontext *sc)
{
	if (sc->rip >= USER_LIMIT)
		return -EFAULT;
	regs->r8 = sc->r8;
	regs->r9 = sc->r9;
	regs->r10 = sc->r10;
	regs->r11 = sc->r11;
	regs->r12 = sc->r12;
	regs->r13 = sc->r13;
	regs->r14 = sc->r14;
	regs->r15 = sc->r15;
	regs->rdi = sc->rdi;
	regs->rsi = sc->rsi;
	regs->rbp = sc->rbp;
	regs->rbx = sc->rbx;
	regs->rdx = sc->rdx;
	regs->rax = sc->rax;
	regs->rcx = sc->rcx;
	regs->rsp = sc->rsp;
	regs->rip = sc->rip;
	regs->rflags = (sc->eflags & FLAGS_USER) | FLAGS_FIXED;
	regs->cs = USER_CS;
	regs->ss = USER_DS;
	regs->vector = 0; /* rax is the interrupted program's, not a system call's result */
	return 0;
}

/* Read a frame's FPU state. A damaged one counts as the 512 bytes that always were there. */
static int read_fpu(void *image, uintptr_t from, unsigned *bytes)
{
	const unsigned first = sizeof(struct _fpstate_64);
	uint32_t magic;

	if (user_read(image, from, first))
		return -EFAULT;
	*bytes = cpu_fpu_frame_bytes(image);
	if (!*bytes)
		return 0;
	if (user_get(magic, from + *bytes))
		return -EFAULT;
	if (magic != FP_XSTATE_MAGIC2)
		*bytes = 0;
	else if (user_read((char *)image + first, from + first, *bytes - first))
		return -EFAULT;
	return 0;
}

static int restore_fpu(struct thread *t, uintptr_t from)
{
	unsigned bytes;
	void *image;
	int err;

	if (!from)
		return 0;
	image = kmalloc(cpu_fpu_bytes());
	if (!image)
		return -ENOMEM;
	err = read_fpu(image, from, &bytes);
	if (!err)
		cpu_fpu_set(t, image, bytes);
	kfree(image);
	return err;
}

long sys_rt_sigreturn(void)
{
	struct thread *t = current;
	struct regs *regs = thread_regs(t);
	uintptr_t at = regs->rsp - sizeof(uintptr_t); /* the handler's `ret` has popped one word */
	struct frame f;

	if (user_get(f, at) || restore_fpu(t, (uintptr_t)f.uc.uc_mcontext.fpstate) ||
	    restore_registers(regs, &f.uc.uc_mcontext))
		do_exit_group(SIGSEGV);
	signal_set_mask(f.uc.uc_sigmask);
	/* As sigaltstack() would; what cannot be set stays as it is. */
	altstack_set(t, &f.uc.uc_stack, regs->rsp);
	return (long)regs->rax;
}
