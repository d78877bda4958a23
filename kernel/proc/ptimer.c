/*
 * ptimer.c: the timers of timer_create(): a process may have many, with signals of their own.
 *
 * A timer expires in an interrupt handler, which defers the rest to a thread: that counts how many
 * periods have gone by, starts the timer again, and sends the signal, or, if the last one is still
 * pending, adds to its overrun count.
 */
#include <linux/time.h>

#include "internal.h"
#include "kmem.h"
#include "sys.h"

#define MAX_TIMERS   256
#define MIN_INTERVAL 50000u /* as in itimer.c */

struct ptimer {
	struct list node; /* proc->timers, under proc_lock, as everything here but what is marked */
	struct proc *p;
	struct timer timer;
	struct deferred due;
	uint64_t interval; /* (proc->timer_lock) */
	int id, clock;
	int notify, sig, tid; /* SIGEV_... */
	sigval_t value;
	int overrun;
};

/* ---------------------------------------------------------------- expiry -------------------- */

static void ptimer_fired(struct timer *timer)
{
	defer(&container_of(timer, struct ptimer, timer)->due);
}

/* Start the next period; returns how many have been missed. */
static int next_period(struct ptimer *pt)
{
	unsigned long flags = spin_lock_irq(&pt->p->timer_lock);
	uint64_t now = now_ns(), missed = 0, next;

	if (pt->interval && !pt->timer.armed) {
		next = pt->timer.deadline + pt->interval;
		if (next <= now)
			missed = (now - pt->timer.deadline) / pt->interval;
		next += missed * pt->interval;
		timer_start(&pt->timer, MAX(next, now + MIN_INTERVAL));
	}
	spin_unlock_irq(&pt->p->timer_lock, flags);
	return (int)MIN(missed, (uint64_t)INT32_MAX);
}

/* proc_lock held. */
static void send_expiry(struct ptimer *pt, int missed)
{
	struct thread *t = pt->notify == SIGEV_THREAD_ID ? thread_find(pt->tid) : NULL;
	siginfo_t info, *pending;

	if (pt->notify == SIGEV_THREAD_ID && (!t || t->proc != pt->p))
		return;
	pending = signal_of_timer(t ? &t->pending_info : &pt->p->pending_info, pt->id);
	if (pending) {
		pending->si_overrun += missed + 1;
		pt->overrun = pending->si_overrun;
		return;
	}
	memset(&info, 0, sizeof(info));
	info.si_code = SI_TIMER;
	info.si_tid = pt->id;
	info.si_overrun = pt->overrun = missed;
	info.si_value = pt->value;
	if (t)
		signal_thread(t, pt->sig, &info);
	else
		signal_proc(pt->p, pt->sig, &info);
}

static void ptimer_due(struct deferred *d)
{
	struct ptimer *pt = container_of(d, struct ptimer, due);
	int missed = next_period(pt);

	spin_lock(&proc_lock);
	if (pt->notify != SIGEV_NONE)
		send_expiry(pt, missed);
	spin_unlock(&proc_lock);
}

/* ---------------------------------------------------------------- life ---------------------- */

static struct ptimer *find_timer(struct proc *p, int id)
{
	struct ptimer *pt;

	list_for_each (pt, &p->timers, node)
		if (pt->id == id)
			return pt;
	return NULL;
}

/* Off the list already, so nobody sets it any more; it may be expiring. */
static void ptimer_destroy(struct ptimer *pt)
{
	unsigned long flags = spin_lock_irq(&pt->p->timer_lock);

	pt->interval = 0;
	spin_unlock_irq(&pt->p->timer_lock, flags);
	timer_stop(&pt->timer);
	defer_cancel(&pt->due);
	kfree(pt);
}

/* Take one off the list: the one with this number, or with -1 any. */
static struct ptimer *take_timer(struct proc *p, int id)
{
	struct ptimer *pt = NULL;

	spin_lock(&proc_lock);
	if (id != -1)
		pt = find_timer(p, id);
	else if (!list_empty(&p->timers))
		pt = list_first(&p->timers, struct ptimer, node);
	if (pt) {
		list_remove(&pt->node);
		p->nr_timers--;
	}
	spin_unlock(&proc_lock);
	return pt;
}

void ptimers_stop(struct proc *p)
{
	struct ptimer *pt;

	while ((pt = take_timer(p, -1)))
		ptimer_destroy(pt);
}

/* What a struct sigevent asks for. */
static int set_event(struct ptimer *pt, const sigevent_t *ev)
{
	pt->sig = ev->sigev_signo;
	pt->value = ev->sigev_value;
	/* SIGEV_THREAD is the C library's: the kernel sends a signal. */
	pt->notify = ev->sigev_notify == SIGEV_THREAD ? SIGEV_SIGNAL : ev->sigev_notify;
	pt->tid = ev->_sigev_un._tid;
	if (pt->notify == SIGEV_NONE)
		return 0;
	if (pt->notify != SIGEV_SIGNAL && pt->notify != SIGEV_THREAD_ID)
		return -EINVAL;
	return pt->sig >= 1 && pt->sig <= NR_SIGNALS ? 0 : -EINVAL;
}

static struct ptimer *ptimer_alloc(int clock)
{
	struct ptimer *pt = kmalloc(sizeof(*pt));

	if (!pt)
		return NULL;
	pt->p = current->proc;
	pt->clock = clock;
	pt->timer.fn = ptimer_fired;
	deferred_init(&pt->due, ptimer_due);
	pt->notify = SIGEV_SIGNAL;
	pt->sig = SIGALRM;
	return pt;
}

/* A number for it, and on the list; -EAGAIN: too many, -EINVAL: no such thread. */
static int enter_timer(struct ptimer *pt, bool value_is_id)
{
	struct proc *p = pt->p;
	struct thread *t;
	int err = 0;

	spin_lock(&proc_lock);
	if (p->nr_timers >= MAX_TIMERS)
		err = -EAGAIN;
	if (pt->notify == SIGEV_THREAD_ID) {
		t = thread_find(pt->tid);
		if (!t || t->proc != p)
			err = -EINVAL;
	}
	if (!err) {
		do {
			pt->id = p->next_timer++ & INT32_MAX;
		} while (find_timer(p, pt->id));
		if (value_is_id)
			pt->value.sival_int = pt->id;
		list_append(&p->timers, &pt->node);
		p->nr_timers++;
	}
	spin_unlock(&proc_lock);
	return err;
}

/* ---------------------------------------------------------------- system calls -------------- */

long sys_timer_create(int clock, uintptr_t event, uintptr_t id_at)
{
	struct ptimer *pt;
	sigevent_t ev;
	uint64_t unused;
	int err = clock_deadline(clock, 0, &unused);

	if (err)
		return err == -EOPNOTSUPP ? -EINVAL : err;
	if (event && user_get(ev, event))
		return -EFAULT;
	pt = ptimer_alloc(clock);
	if (!pt)
		return -EAGAIN;
	if (event)
		err = set_event(pt, &ev);
	if (!err)
		err = enter_timer(pt, !event);
	if (err) {
		kfree(pt);
		return err;
	}
	if (!user_put(id_at, pt->id))
		return 0;
	sys_timer_delete(pt->id);
	return -EFAULT;
}

long sys_timer_delete(int id)
{
	struct ptimer *pt = id < 0 ? NULL : take_timer(current->proc, id);

	if (!pt)
		return -EINVAL;
	ptimer_destroy(pt);
	return 0;
}

/* proc_lock held. */
static struct __kernel_itimerspec timer_setting(struct ptimer *pt)
{
	struct __kernel_itimerspec s = {.it_interval = ns_timespec(pt->interval)};
	uint64_t now = now_ns();

	if (pt->timer.armed)
		s.it_value = ns_timespec(pt->timer.deadline > now ? pt->timer.deadline - now : 1);
	return s;
}

/* proc_lock held. */
static void set_timer(struct ptimer *pt, int flags, const struct __kernel_itimerspec *s)
{
	uint64_t value = timespec_ns(&s->it_value), deadline;
	unsigned long irq;

	timer_stop(&pt->timer);
	irq = spin_lock_irq(&pt->p->timer_lock);
	pt->interval = value ? timespec_ns(&s->it_interval) : 0;
	pt->overrun = 0;
	if (value) {
		deadline = deadline_in(value);
		if (flags & TIMER_ABSTIME)
			clock_deadline(pt->clock, value, &deadline);
		timer_start(&pt->timer, deadline);
	}
	spin_unlock_irq(&pt->p->timer_lock, irq);
}

long sys_timer_settime(int id, int flags, uintptr_t from, uintptr_t old_at)
{
	struct __kernel_itimerspec new, old;
	struct ptimer *pt;

	if (user_get(new, from))
		return -EFAULT;
	if (!timespec_valid(&new.it_value) || !timespec_valid(&new.it_interval))
		return -EINVAL;
	spin_lock(&proc_lock);
	pt = find_timer(current->proc, id);
	if (pt) {
		old = timer_setting(pt);
		set_timer(pt, flags, &new);
	}
	spin_unlock(&proc_lock);
	if (!pt)
		return -EINVAL;
	return old_at && user_put(old_at, old) ? -EFAULT : 0;
}

long sys_timer_gettime(int id, uintptr_t to)
{
	struct __kernel_itimerspec s;
	struct ptimer *pt;

	spin_lock(&proc_lock);
	pt = find_timer(current->proc, id);
	if (pt)
		s = timer_setting(pt);
	spin_unlock(&proc_lock);
	return pt ? user_put(to, s) : -EINVAL;
}

long sys_timer_getoverrun(int id)
{
	struct ptimer *pt;
	int overrun = -EINVAL;

	spin_lock(&proc_lock);
	pt = find_timer(current->proc, id);
	if (pt)
		overrun = pt->overrun;
	spin_unlock(&proc_lock);
	return overrun;
}
