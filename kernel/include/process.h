/*
 * process.h: processes: what they consist of and who guards it. proc/
 *
 * One lock, `proc_lock` (a spin; never taken by interrupt handlers), guards the tree of processes,
 * the lists of threads, states, signals pending and actions. It is coarse on purpose: faults and
 * memory calls do not come near it. Letters at fields: as in thread.h; (f) files_lock, (t)
 * timer_lock, (-) none: a word that is remembered for the program, and nothing depends on it.
 */
#ifndef PROCESS_H
#define PROCESS_H

#include <asm/resource.h>
#include <asm/siginfo.h>
#include <asm/signal.h>
#include <linux/resource.h>

#include "cred.h"
#include "sched.h"
#include "timer.h"
#include "vfs.h"
#include "vm.h"

#define SIGBIT(n) (1ull << ((n)-1)) /* of a sigmask_t */
#define BIT_KILL  SIGBIT(SIGKILL)
#define BIT_STOP  SIGBIT(SIGSTOP)
#define BITS_FAULT                                                                                 \
	(SIGBIT(SIGSEGV) | SIGBIT(SIGBUS) | SIGBIT(SIGILL) | SIGBIT(SIGTRAP) | SIGBIT(SIGFPE) |    \
	 SIGBIT(SIGSYS))

/*
 * Work that interrupt handlers leave to a kernel thread, because it needs proc_lock. proc/defer.c
 */
struct deferred {
	struct list node;
	void (*fn)(struct deferred *); /* called by the thread, no lock held */
	bool queued;
	bool used; /* it has been queued once */
};

enum proc_state { PROC_RUNNING, PROC_STOPPED, PROC_ZOMBIE };

struct proc {
	int pid;                       /* (c) tid of its first thread */
	int pgid, sid;                 /* (p) */
	struct tty *tty;               /* (p) controlling terminal */
	struct proc *parent;           /* (p) */
	struct list children, sibling; /* (p) */
	struct list all;               /* (p) all processes, in order of birth */
	struct list by_pid;            /* (p) hash of all processes */
	struct list threads;           /* (p) */
	unsigned nr_threads;           /* (p) */
	_Atomic unsigned refs;         /* (a) the table holds one until it is reaped */
	enum proc_state state;         /* (p) */
	int exit_status;               /* (p) as wait4() gives it */
	int exit_signal;               /* (p) what the parent gets at its end; 0: nothing */
	bool exiting;  /* (p) exit_group or a fatal signal: all threads are to end */
	bool stopping; /* (p) its threads are to stop, or have */
	bool stop_reported, continued; /* (p) for WUNTRACED, WCONTINUED */
	bool adopted;                  /* (p) by process 1 */
	bool did_exec;                 /* (p) since fork: setpgid() by the parent is too late */
	int stop_signal;               /* (p) */
	unsigned nr_stopped;           /* (p) of the threads */
	struct thread *exec_thread;    /* (p) in exec: waits on thread_wait for the others to end */
	struct waitq thread_wait;      /* exec_thread sleeps here, */
	struct waitq child_wait;       /* and threads in wait4() here */
	struct vfork *vfork;           /* (p) the parent waits until the child has left its space */

	struct space *space; /* (p) that of all threads; exec changes it; NULL in a zombie */

	struct spin files_lock;
	struct file_table files; /* (f) */
	struct path_ctx fs;      /* (p) cwd, umask */

	struct kernel_sigaction { /* (p) the layout of rt_sigaction(2) */
		uintptr_t handler;
		unsigned long flags;
		uintptr_t restorer;
		sigmask_t mask;
	} action[64];
	sigmask_t pending;        /* (p) for the process, any thread may take them */
	struct list pending_info; /* (p) struct sigqueued */

	struct rlimit limit[RLIM_NLIMITS]; /* (p) */

	struct spin timer_lock; /* handlers of timers use it: taken with interrupts off */
	struct timer alarm;     /* (t) ITIMER_REAL */
	struct deferred alarm_due, cpu_due;
	uint64_t ticked_ns, cpu_limit_ns; /* (t) CPU time by ticks; RLIMIT_CPU */
	bool cpu_limit_due;               /* (t) */
	uint64_t alarm_interval;          /* (t) */
	struct cpu_timer {
		uint64_t left, interval; /* ns of CPU time; 0: off */
		bool due;
	} vtimer, ptimer;   /* (t) ITIMER_VIRTUAL, PROF: counted down at ticks */
	struct list timers; /* (p) timer_create() */
	unsigned nr_timers; /* (p) */
	int next_timer;     /* (p) */

	uint64_t cpu_ns, user_ns, min_faults, maj_faults; /* (p) of threads that have ended */
	uint64_t child_cpu_ns, child_user_ns;             /* (p) of children waited for */
	uint64_t child_min_faults, child_maj_faults;      /* (p) of these, too */
	uint64_t max_rss, child_max_rss;                  /* (p) pages */
	uint64_t start_ns;                                /* (c) */
	struct cred cred;                                 /* (p) */
	struct account *account; /* (p) of cred.uid.real: what counts by user */
	int nice;                /* (p) remembered */
	int pdeathsig;           /* (-) but for this: a signal when the parent ends */
	int dumpable;            /* (p) 0: others of its user may not look into it */
	bool no_new_privs;       /* (p) exec gives no capabilities */
	int oom_score_adj;       /* (p) as set in /proc: see oom.c */
	bool oom_stuck;          /* (p) was to go because memory was out, and did not get on */
	unsigned personality;    /* (-) */
	char *exe;               /* (p) path of the program, for /proc/PID/exe */
};

#define PID_MAX 32768

extern struct spin proc_lock;
extern struct list all_procs;  /* (p) in order of birth */
extern struct proc *init_proc; /* (c) pid 1; its end is the end of the machine */

/* ---- proc/process.c: the table */
struct proc *proc_find(int pid);     /* proc_lock held; NULL; finds zombies, too */
struct thread *thread_find(int tid); /* proc_lock held */
struct proc *proc_get(int pid);      /* referenced: proc_put() it; or NULL. For /proc. */
void proc_put(struct proc *p);
/* Its address space, referenced: space_put() it; NULL: it is a zombie, or about to be. */
struct space *proc_space(struct proc *p);
/* By its number, or that of one of its threads; proc_lock held. */
struct proc *proc_of(int id);
/* CPU time of all its threads; proc_lock held. */
void proc_times(const struct proc *p, uint64_t *cpu_ns, uint64_t *user_ns);

/*
 * Has the running process the capability CAP_...? No lock: whoever asks while it changes gets the
 * old answer or the new one.
 */
static inline bool capable(int cap)
{
	return cred_has(&current->proc->cred, cap);
}

/* ---- proc/permission.c: may the running process do this to `p`? proc_lock held */

/* Send a signal. */
bool may_signal(const struct proc *p, int sig);
/* Change how it is scheduled; is_owner() is the part of it that setpriority() asks first. */
bool may_schedule(const struct proc *p);
bool is_owner(const struct proc *p);
/* Look at its resource limits, or set them. */
bool may_limit(const struct proc *p);
/*
 * Look into it, and change what is there: ptrace(2) calls this the access mode check. By way of
 * a file in /proc it is the file system user that counts, else the real one.
 */
bool may_trace(const struct proc *p);
bool may_trace_by_file(const struct proc *p);

/* ---- proc/first.c */
/* Run `path` as process 1 with these arguments. An error ends the machine: nothing is undone. */
int proc_start_init(const char *path, char *const argv[], char *const envp[]);

/* ---- proc/group.c */
/* No other process group of the session can continue this one's stopped members; proc_lock held. */
bool group_orphaned(int pgid);

/* ---- proc/exit.c */
_Noreturn void do_exit_group(int status);  /* as wait4() gives it: code << 8, or the signal */
_Noreturn void do_exit_thread(int status); /* this thread only */

/* ---- proc/defer.c */
void deferred_init(struct deferred *d, void (*fn)(struct deferred *));
void defer(struct deferred *d);        /* from anywhere; does nothing to a queued one */
void defer_cancel(struct deferred *d); /* on return fn does not run and will not. May sleep. */

/* ---- proc/signal.c */
/*
 * Send to a process or thread; proc_lock held, so not from interrupt handlers: they defer(). `info`
 * may be NULL (SI_KERNEL).
 */
int signal_proc(struct proc *p, int sig, const siginfo_t *info);
int signal_thread(struct thread *t, int sig, const siginfo_t *info);
int signal_group(int pgid, int sig, const siginfo_t *info); /* -ESRCH */
/* Is it blocked or ignored by the running process? (SIGTTOU, SIGTTIN) proc_lock held. */
bool signal_ignored(int sig);
/* Set the running thread's mask of blocked signals. */
void signal_set_mask(sigmask_t mask);
/*
 * ppoll, pselect: use the mask at `set` (0: none) until the system call has returned. -EFAULT,
 * -EINVAL.
 */
int signal_temp_mask(uintptr_t set, size_t size);
/* The set that a call like sigsuspend names: -EFAULT, -EINVAL. May sleep. */
int sigmask_read(sigmask_t *mask, uintptr_t set, size_t size);
/* Woken whenever a signal becomes pending, of whatever process: for signalfd. */
extern struct waitq signal_arrived;

/* ---- proc/pending.c */
/* Take the next signal of the set that is pending, for the running thread; 0: none. proc_lock. */
int signal_take(sigmask_t set, siginfo_t *info);

/* ---- proc/time.c */
/* So many ns from now; UINT64_MAX (never) if that is beyond all time. */
uint64_t deadline_in(uint64_t ns);
/* A time by one of the clocks as a deadline: -EOPNOTSUPP if one cannot wait for this clock. */
int clock_deadline(int clock, uint64_t at, uint64_t *deadline);
/* A relative timeout at a user address (struct timespec) as a deadline: -EFAULT, -EINVAL. */
int read_timeout(uintptr_t from, uint64_t *deadline);
struct __kernel_timespec;
bool timespec_valid(const struct __kernel_timespec *ts);
/* Saturates: UINT64_MAX is never. */
uint64_t timespec_ns(const struct __kernel_timespec *ts);
struct __kernel_timespec ns_timespec(uint64_t ns);
/*
 * Sleeps with a relative timeout that a stop, or a signal without handler, interrupts go on to the
 * same deadline: `return restart_at(deadline)` begins the call again, and then restarted(x) is that
 * deadline instead of x. With a handler the call fails with -EINTR.
 */
long restart_at(uint64_t deadline);
uint64_t restarted(uint64_t deadline);

/* ---- proc/oom.c */
/* As /proc/PID/oom_score has it. */
long oom_score(const struct proc *p);

#endif
