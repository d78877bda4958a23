/*
 * sched.h: sleeping, mutexes, threads as the scheduler knows them. core/wait.c, core/sched.c,
 * core/threads.c
 */
#ifndef SCHED_H
#define SCHED_H

#include "cpu.h"
#include "spin.h"
#include "thread.h"
#include "upcalls.h"

/* ---------------------------------------------------------------- sleeping ------------------ */

struct waitq {
	struct spin lock; /* taken with interrupts off */
	struct list waiters;
};
#define WAITQ_INIT(name)                                                                           \
	{                                                                                          \
		.waiters = LIST_INIT((name).waiters)                                               \
	}

static inline void waitq_init(struct waitq *q)
{
	q->lock.locked = 0;
	list_init(&q->waiters);
}

/*
 * One thread on one queue; on the stack of the sleeper. A thread may be on several queues (poll).
 * Or a function that is called instead (epoll): then `thread` is NULL.
 */
struct waiter {
	struct list node;
	struct thread *thread;
	struct waitq *q;
	const void *key; /* NULL: it wants to be woken by wake_all() and wake_one() alone */
	/* What has happened, as poll bits. The queue's lock is held, interrupts are off. */
	void (*fn)(struct waiter *w, unsigned events);
};

/*
 * The long form of waiting:
 *     wait_begin(q, &w, THREAD_INTERRUPTIBLE);      queue first, state set,
 *     if (!condition) schedule();                   then look: no wake-up is lost
 *     wait_end(&w);                                 running again, off the queue
 */
void wait_begin(struct waitq *q, struct waiter *w, enum thread_state state);
void wait_end(struct waiter *w);
void wait_begin_key(struct waitq *q, struct waiter *w, enum thread_state state, const void *key);
void wake_all(struct waitq *q);                  /* from anywhere, interrupts included */
void wake_one(struct waitq *q);                  /* the one that has waited longest */
void wake_key(struct waitq *q, const void *key); /* those with this key */

/*
 * Call fn at each wake_all() and wake_events(), until wait_unwatch() has returned. Such a queue has
 * no use for wake_one().
 */
#define WAKE_EVERYTHING 0xffffu
void wait_watch(struct waitq *q, struct waiter *w, void (*fn)(struct waiter *w, unsigned events));
void wait_unwatch(struct waiter *w);
/* As wake_all(), which says WAKE_EVERYTHING to functions; `events`: POLLIN... */
void wake_events(struct waitq *q, unsigned events);

/* Sleep until cond, which must only look: it is evaluated once more after it was true. */
#define wait_event(q, cond)                                                                        \
	do {                                                                                       \
		struct waiter w_;                                                                  \
		while (!(cond)) {                                                                  \
			wait_begin(q, &w_, THREAD_SLEEPING);                                       \
			if (!(cond))                                                               \
				schedule();                                                        \
			wait_end(&w_);                                                             \
		}                                                                                  \
	} while (0)

/* Sleep until cond: 0; or a signal is pending: -EINTR. */
#define wait_event_intr(q, cond)                                                                   \
	({                                                                                         \
		struct waiter w_;                                                                  \
		int err_ = 0;                                                                      \
		while (!(cond)) {                                                                  \
			wait_begin(q, &w_, THREAD_INTERRUPTIBLE);                                  \
			if (!(cond)) {                                                             \
				if (signal_pending())                                              \
					err_ = -EINTR;                                             \
				else                                                               \
					schedule();                                                \
			}                                                                          \
			wait_end(&w_);                                                             \
			if (err_)                                                                  \
				break;                                                             \
		}                                                                                  \
		err_;                                                                              \
	})

/* schedule(), but woken at `deadline` (ns) at the latest; UINT64_MAX: never. For the long form. */
void schedule_until(uint64_t deadline);
/* Interruptible sleep: 0, or -EINTR. */
int sleep_until(uint64_t deadline);
/* No thread but the running one runs, or is ready to: at this moment. */
bool sched_at_rest(void);
/* Sleep so long, whatever signals there are. */
void pause_ms(unsigned ms);

/* A sleeping lock. */
struct mutex {
	struct thread *_Atomic owner;
	struct waitq q;
};
#define MUTEX_INIT(name)                                                                           \
	{                                                                                          \
		.q = WAITQ_INIT((name).q)                                                          \
	}
void mutex_init(struct mutex *m);
void mutex_lock(struct mutex *m);
void mutex_unlock(struct mutex *m);

/* ---------------------------------------------------------------- threads ------------------- */

#define SLICE_NS 10000000u /* how long a thread runs while others wait */

/*
 * Give up the CPU: if the state is still RUNNING the thread stays ready. May be called with
 * preemption on only.
 */
void schedule(void);
/* Let others go first. */
void yield(void);
/*
 * Make a sleeping thread ready; from anywhere. Does nothing to one that runs, or is stopped or
 * dead.
 */
void thread_wake(struct thread *t);
/*
 * As thread_wake(), but only if it sleeps interruptibly, for a signal; `stopped`: also if it is
 * stopped (SIGCONT, SIGKILL). One that runs on another CPU is interrupted, so that it sees its
 * `work`.
 */
void thread_interrupt(struct thread *t, bool stopped);
/* Put a new thread, made by thread_alloc(), on a run queue. */
void thread_start(struct thread *t);
/*
 * Let it run on these CPUs only (bit n: CPU n), of which one at least runs. If it runs elsewhere it
 * goes soon; the running thread goes when it calls schedule().
 */
void sched_set_affinity(struct thread *t, uint64_t allowed);

/*
 * A thread with its stack and FPU area, not started; NULL without memory. proc: NULL = kernel
 * thread.
 */
struct thread *thread_alloc(struct proc *proc);
/*
 * Free one that never ran, or is DEAD and off its stack (the scheduler's reaper does it after
 * thread_exit).
 */
void thread_free(struct thread *t);
/* Start a kernel thread. */
struct thread *kthread(const char *name, void (*fn)(void *), void *arg);
/* One that is dead has been switched away from; interrupts off, no lock held. core/threads.c */
void thread_bury(struct thread *t);
void threads_init(void); /* by sched_init() */
void threads_trim(void); /* give back what is kept for threads to come: memory is short */

/*
 * By clock_tick(): accounts, and ends the slice if it is over. Returns when that will be,
 * UINT64_MAX for an idle CPU.
 */
uint64_t sched_tick(uint64_t now, bool user);
/* Bring the running thread's cpu_ns up to now, before it is read. */
void sched_account(void);
/* The boot CPU comes here at the end of kernel_main(), the others when they are up. */
_Noreturn void sched_idle(void);
void sched_init(void); /* before interrupts are on and other CPUs run */
/* Start the other CPUs, up to `max` in all; each enters sched_idle(). */
void sched_start_cpus(unsigned max);

#endif
