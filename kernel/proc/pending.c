/*
 * pending.c: signals that have been sent and not yet been taken.
 *
 * A pending signal is a bit in `pending` of a thread or of a process (any thread may take it then),
 * and, where there is something to say about it, an entry with its siginfo on pending_info. Signals
 * below 32 are pending once at most, real-time ones as often as they were sent. Everything is under
 * proc_lock, under which nothing can be allocated: entries come from a list of spare ones that
 * system calls fill up before they take the lock. Without a spare entry a signal still arrives, but
 * says nothing of its sender.
 */
#include "internal.h"
#include "kmem.h"

#define SPARE_LOW  32u
#define SPARE_HIGH 256u

static struct list spare = LIST_INIT(spare);
static unsigned nr_spare; /* changed under proc_lock */

/* ---------------------------------------------------------------- entries ------------------- */

void signals_reserve(void)
{
	while (nr_spare < SPARE_LOW) {
		struct sigqueued *q = kmalloc(sizeof(*q));

		if (!q)
			return;
		spin_lock(&proc_lock);
		list_append(&spare, &q->node);
		nr_spare++;
		spin_unlock(&proc_lock);
	}
}

/* Faults have to tell their address, whatever the limit. */
static struct sigqueued *entry_get(struct proc *p, int sig)
{
	bool full = p->account->nr_queued >= p->limit[RLIMIT_SIGPENDING].rlim_cur;
	struct sigqueued *q;

	if (list_empty(&spare) || (full && !(SIGBIT(sig) & BITS_FAULT)))
		return NULL;
	q = list_first(&spare, struct sigqueued, node);
	list_remove(&q->node);
	nr_spare--;
	q->owner = p->account;
	q->owner->refs++;
	q->owner->nr_queued++;
	return q;
}

static void entry_put(struct sigqueued *q)
{
	list_remove(&q->node);
	q->owner->nr_queued--;
	account_put(q->owner);
	if (nr_spare >= SPARE_HIGH) {
		kfree(q);
		return;
	}
	list_append(&spare, &q->node);
	nr_spare++;
}

/* ---------------------------------------------------------------- what is pending ----------- */

void signals_flush(sigmask_t *pending, struct list *infos, sigmask_t set)
{
	struct sigqueued *q, *next;

	if (!(*pending & set))
		return;
	*pending &= ~set;
	list_for_each_safe (q, next, infos, node)
		if (SIGBIT(q->info.si_signo) & set)
			entry_put(q);
}

void signals_flush_all(struct proc *p, sigmask_t set)
{
	struct thread *t;

	signals_flush(&p->pending, &p->pending_info, set);
	list_for_each (t, &p->threads, siblings)
		signals_flush(&t->pending, &t->pending_info, set);
}

int pending_add(struct proc *p, sigmask_t *pending, struct list *infos, int sig,
                const siginfo_t *info, bool must)
{
	struct sigqueued *q;

	if (sig < SIGRTMIN && (*pending & SIGBIT(sig)))
		return 0;
	q = entry_get(p, sig);
	if (!q && must)
		return -EAGAIN;
	*pending |= SIGBIT(sig);
	if (!q)
		return 0;
	if (info) {
		q->info = *info;
	} else {
		memset(&q->info, 0, sizeof(q->info));
		q->info.si_code = SI_KERNEL;
	}
	q->info.si_signo = sig;
	list_append(infos, &q->node);
	return 0;
}

/* Take one of the set, those that tell of a fault first. */
static int take_from(sigmask_t *pending, struct list *infos, sigmask_t set, siginfo_t *info)
{
	sigmask_t ready = *pending & set;
	struct sigqueued *q, *found = NULL;
	bool more = false;
	int sig;

	if (!ready)
		return 0;
	sig = __builtin_ctzll(ready & BITS_FAULT ? ready & BITS_FAULT : ready) + 1;
	list_for_each (q, infos, node) {
		if (q->info.si_signo != sig)
			continue;
		more = found;
		if (more)
			break;
		found = q;
	}
	memset(info, 0, sizeof(*info));
	info->si_signo = sig;
	if (found) {
		*info = found->info;
		entry_put(found);
	}
	if (!more)
		*pending &= ~SIGBIT(sig);
	return sig;
}

int signal_take(sigmask_t set, siginfo_t *info)
{
	struct thread *t = current;
	int sig = take_from(&t->pending, &t->pending_info, set, info);

	return sig ? sig : take_from(&t->proc->pending, &t->proc->pending_info, set, info);
}

siginfo_t *signal_of_timer(struct list *infos, int id)
{
	struct sigqueued *q;

	list_for_each (q, infos, node)
		if (q->info.si_code == SI_TIMER && q->info.si_tid == id)
			return &q->info;
	return NULL;
}
