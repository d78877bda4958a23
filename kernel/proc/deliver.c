/*
 * deliver.c: a thread is about to return to user mode and has something to do first: end, stop, or
 * take signals. Here, too, is how interrupted system calls begin again.
 *
 * A system call that a signal interrupts returns one of the ERESTART codes. It is begun again by
 * putting its number back into rax and stepping back over the `syscall` instruction, unless a
 * handler that does not want that runs first: then the program sees EINTR.
 */
#include "internal.h"

#define SYSCALL_INSN_BYTES 2

/* ---------------------------------------------------------------- restarting ---------------- */

/* `action` is of the handler about to run, NULL if none is. */
static void restart_call(struct regs *regs, const struct kernel_sigaction *action)
{
	bool again;

	if (regs->vector != SYSCALL_VECTOR)
		return;
	switch (-(long)regs->rax) {
	case ERESTARTNOINTR:
		again = true;
		break;
	case ERESTARTSYS:
		again = !action || (action->flags & SA_RESTART);
		break;
	case ERESTARTNOHAND:
	case ERESTART_RESTARTBLOCK:
		again = !action;
		break;
	default:
		return;
	}
	if (again) {
		regs->rax = regs->error; /* its number */
		regs->rip -= SYSCALL_INSN_BYTES;
	} else {
		regs->rax = (uint64_t)-EINTR;
	}
}

/* ---------------------------------------------------------------- delivering ---------------- */

/*
 * What a signal without a handler does. Called and returns with proc_lock held, or does not return.
 */
static void default_action(struct proc *p, int sig)
{
	if (signal_is_ignored(p, sig))
		return;
	if (SIGBIT(sig) & BITS_STOP) {
		if (sig == SIGSTOP || !group_orphaned(p->pgid))
			stop_begin(p, sig);
		return;
	}
	spin_unlock(&proc_lock);
	do_exit_group(sig);
}

/* The next signal that has a handler; 0: none. */
static int next_handled(struct thread *t, siginfo_t *info, struct kernel_sigaction *action)
{
	struct proc *p = t->proc;
	int sig;

	spin_lock(&proc_lock);
	for (;;) {
		atomic_fetch_and(&t->work, ~WORK_SIGNAL);
		if (t->dying) {
			spin_unlock(&proc_lock);
			do_exit_thread(p->exit_status);
		}
		if (p->stopping) {
			stop_self();
			continue;
		}
		sig = signal_take(~t->blocked, info);
		if (!sig)
			break;
		*action = p->action[sig - 1];
		if (action->handler == (uintptr_t)SIG_DFL) {
			default_action(p, sig);
		} else if (action->handler != (uintptr_t)SIG_IGN) {
			if (action->flags & SA_RESETHAND)
				p->action[sig - 1].handler = (uintptr_t)SIG_DFL;
			break;
		}
	}
	spin_unlock(&proc_lock);
	return sig;
}

/* Make the return to user mode go to the handler. */
static void enter_handler(struct thread *t, struct regs *regs, int sig, const siginfo_t *info,
                          const struct kernel_sigaction *action)
{
	unsigned work = atomic_fetch_and(&t->work, ~WORK_RESTORE_MASK);
	sigmask_t mask = work & WORK_RESTORE_MASK ? t->saved_mask : t->blocked;

	restart_call(regs, action);
	t->restart_deadline = 0;
	if (sigframe_push(regs, sig, info, action, mask))
		do_exit_group(SIGSEGV);
	regs->vector = 0; /* nothing to restart any more */
	mask = t->blocked | action->mask;
	if (!(action->flags & SA_NODEFER))
		mask |= SIGBIT(sig);
	signal_set_mask(mask);
}

void return_to_user(struct regs *regs)
{
	struct thread *t = current;
	struct kernel_sigaction action;
	siginfo_t info;
	int sig;

	if (atomic_fetch_and(&t->work, ~WORK_RESCHED) & WORK_RESCHED)
		schedule();
	while ((sig = next_handled(t, &info, &action)))
		enter_handler(t, regs, sig, &info, &action);
	restart_call(regs, NULL);
	if (atomic_fetch_and(&t->work, ~WORK_RESTORE_MASK) & WORK_RESTORE_MASK)
		signal_set_mask(t->saved_mask);
}
