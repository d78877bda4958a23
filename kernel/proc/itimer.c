/*
 * itimer.c: the interval timers of a process: alarm, setitimer, and RLIMIT_CPU.
 *
 * ITIMER_REAL is a timer of the kernel; ITIMER_VIRTUAL and ITIMER_PROF are counted down by the
 * clock tick of whatever thread of the process runs. Both expire in interrupt handlers, which defer
 * the signal.
 */
#include <linux/time.h>

#include "internal.h"
#include "sys.h"

/* A shorter interval would leave no time to anything but its own signals. */
#define MIN_INTERVAL 50000u

/* ---------------------------------------------------------------- expiry -------------------- */

static void alarm_fired(struct timer *timer)
{
	defer(&container_of(timer, struct proc, alarm)->alarm_due);
}

/* The next one is counted from the time the last was due, so that none drifts. */
static void rearm_alarm(struct proc *p)
{
	unsigned long flags = spin_lock_irq(&p->timer_lock);
	uint64_t interval = p->alarm_interval, now = now_ns(), next = p->alarm.deadline + interval;

	if (interval && !p->alarm.armed) {
		if (next < now + MIN_INTERVAL)
			next = now + MAX(interval, MIN_INTERVAL);
		timer_start(&p->alarm, next);
	}
	spin_unlock_irq(&p->timer_lock, flags);
}

static void alarm_due(struct deferred *d)
{
	struct proc *p = container_of(d, struct proc, alarm_due);

	rearm_alarm(p);
	spin_lock(&proc_lock);
	signal_proc(p, SIGALRM, NULL);
	spin_unlock(&proc_lock);
}

static void cpu_due(struct deferred *d)
{
	struct proc *p = container_of(d, struct proc, cpu_due);
	unsigned long flags = spin_lock_irq(&p->timer_lock);
	bool virtual = p->vtimer.due, prof = p->ptimer.due, limit = p->cpu_limit_due;

	p->vtimer.due = p->ptimer.due = p->cpu_limit_due = false;
	spin_unlock_irq(&p->timer_lock, flags);
	spin_lock(&proc_lock);
	if (virtual)
		signal_proc(p, SIGVTALRM, NULL);
	if (prof)
		signal_proc(p, SIGPROF, NULL);
	if (limit)
		limit_cpu_reached(p);
	spin_unlock(&proc_lock);
}

static void count_down(struct cpu_timer *timer, uint64_t ns)
{
	if (!timer->left)
		return;
	if (timer->left > ns) {
		timer->left -= ns;
		return;
	}
	timer->left = timer->interval;
	timer->due = true;
}

void proc_tick(struct thread *t, bool user)
{
	struct proc *p = t->proc;
	uint64_t ns = t->cpu_ns - t->ticked_ns;
	unsigned long flags;
	bool due;

	if (!p)
		return;
	t->ticked_ns = t->cpu_ns;
	flags = spin_lock_irq(&p->timer_lock);
	p->ticked_ns += ns;
	if (user)
		count_down(&p->vtimer, ns);
	count_down(&p->ptimer, ns);
	if (p->ticked_ns >= p->cpu_limit_ns) {
		p->cpu_limit_ns += NSEC_PER_SEC;
		p->cpu_limit_due = true;
	}
	due = p->vtimer.due || p->ptimer.due || p->cpu_limit_due;
	spin_unlock_irq(&p->timer_lock, flags);
	if (due)
		defer(&p->cpu_due);
}

void itimers_init(struct proc *p)
{
	p->alarm.fn = alarm_fired;
	deferred_init(&p->alarm_due, alarm_due);
	deferred_init(&p->cpu_due, cpu_due);
	p->cpu_limit_ns = UINT64_MAX;
}

/* Without an interval alarm_due(), which may be running, does not start the timer again. */
void itimers_stop(struct proc *p)
{
	unsigned long flags = spin_lock_irq(&p->timer_lock);

	p->alarm_interval = 0;
	p->vtimer.left = p->ptimer.left = 0;
	p->vtimer.due = p->ptimer.due = p->cpu_limit_due = false; /* no tick defers any more */
	p->cpu_limit_ns = UINT64_MAX;
	spin_unlock_irq(&p->timer_lock, flags);
	timer_stop(&p->alarm);
	defer_cancel(&p->alarm_due);
	defer_cancel(&p->cpu_due);
}

/* ---------------------------------------------------------------- setting ------------------- */

/* In ns: what is left (0: not running) and the interval. */
struct setting {
	uint64_t left, interval;
};

static struct setting alarm_swap(struct proc *p, const struct setting *new)
{
	unsigned long flags = spin_lock_irq(&p->timer_lock);
	uint64_t now = now_ns();
	struct setting old = {.interval = p->alarm_interval};

	if (p->alarm.armed)
		old.left = p->alarm.deadline > now ? p->alarm.deadline - now : 1;
	if (new) {
		p->alarm_interval = new->interval;
		if (new->left)
			timer_start(&p->alarm, deadline_in(new->left));
		else
			p->alarm_interval = 0;
	}
	spin_unlock_irq(&p->timer_lock, flags);
	if (new && !new->left)
		timer_stop(&p->alarm);
	return old;
}

static struct setting cpu_timer_swap(struct proc *p, struct cpu_timer *timer,
                                     const struct setting *new)
{
	unsigned long flags = spin_lock_irq(&p->timer_lock);
	struct setting old = {.left = timer->left, .interval = timer->interval};

	if (new) {
		timer->left = new->left;
		timer->interval = new->interval;
	}
	spin_unlock_irq(&p->timer_lock, flags);
	return old;
}

static int itimer_swap(int which, const struct setting *new, struct setting *old)
{
	struct proc *p = current->proc;

	switch (which) {
	case ITIMER_REAL:
		*old = alarm_swap(p, new);
		return 0;
	case ITIMER_VIRTUAL:
		*old = cpu_timer_swap(p, &p->vtimer, new);
		return 0;
	case ITIMER_PROF:
		*old = cpu_timer_swap(p, &p->ptimer, new);
		return 0;
	default:
		return -EINVAL;
	}
}

static struct timeval left_timeval(uint64_t ns)
{
	ns += 999; /* what is left is never shown as 0 */
	return (struct timeval){
	    .tv_sec = (long)(ns / NSEC_PER_SEC),
	    .tv_usec = (long)(ns % NSEC_PER_SEC / 1000),
	};
}

static bool timeval_ns(const struct timeval *tv, uint64_t *ns)
{
	if (tv->tv_sec < 0 || tv->tv_usec < 0 || tv->tv_usec >= 1000000)
		return false;
	*ns = (uint64_t)MIN(tv->tv_sec, INT32_MAX) * NSEC_PER_SEC + (uint64_t)tv->tv_usec * 1000;
	return true;
}

static int put_setting(uintptr_t to, const struct setting *s)
{
	struct itimerval value = {
	    .it_value = left_timeval(s->left),
	    .it_interval = left_timeval(s->interval),
	};

	return user_put(to, value);
}

/* ---------------------------------------------------------------- system calls -------------- */

long sys_setitimer(int which, uintptr_t from, uintptr_t old_at)
{
	struct itimerval value = {0};
	struct setting new, old;
	int err;

	if (from && user_get(value, from))
		return -EFAULT;
	if (!timeval_ns(&value.it_value, &new.left) ||
	    !timeval_ns(&value.it_interval, &new.interval))
		return -EINVAL;
	err = itimer_swap(which, &new, &old);
	if (err || !old_at)
		return err;
	return put_setting(old_at, &old);
}

long sys_getitimer(int which, uintptr_t to)
{
	struct setting s;
	int err = itimer_swap(which, NULL, &s);

	return err ? err : put_setting(to, &s);
}

/* A fraction of a second left counts as one. */
long sys_alarm(unsigned seconds)
{
	const struct setting new = {.left =
	                                (uint64_t)MIN(seconds, (unsigned)INT32_MAX) * NSEC_PER_SEC};
	struct setting old = alarm_swap(current->proc, &new);

	return (long)((old.left + NSEC_PER_SEC - 1) / NSEC_PER_SEC);
}
