/*
 * process.h: threads and processes: what they consist of and who guards it. proc/
 *
 * One lock, `proc_lock` (a spin; never taken by interrupt handlers), guards the tree of processes,
 * the lists of threads, states, signals pending and actions. It is coarse on purpose: faults and
 * memory calls do not come near it. Letters: (c) constant, (p) proc_lock, (o) only the thread
 * itself, (s) scheduler, (a) atomic.
 */
#ifndef PROCESS_H
#define PROCESS_H

#include <asm/resource.h>
#include <asm/siginfo.h>
#include <asm/signal.h>
#include <linux/resource.h>

#include "sched.h"
#include "vfs.h"
#include "vm.h"

typedef uint64_t sigmask_t; /* bit n-1 is signal n */
#define SIGBIT(n) (1ull << ((n)-1))

/* thread.work: why a return to user mode has to take the long way. */
#define WORK_SIGNAL       1u /* a signal may be pending, or the thread is to stop or to end */
#define WORK_RESCHED      2u
#define WORK_RESTORE_MASK 4u /* sigsuspend, pselect: put saved_mask back if no handler runs */

struct sigqueued { /* a pending signal with its siginfo, on pending_info of a thread or a process */
	struct list node;
	struct proc *owner; /* counted in its nr_queued */
	siginfo_t info;
};

struct thread {
	_Atomic unsigned work; /* (a) WORK_...; first: entry.S looks at it */
	/* ---- scheduler */
	struct list run; /* (s) on cpu->queue */
	enum thread_state _Atomic state;
	unsigned cpu;              /* (s) where it runs or ran last */
	bool on_cpu, queued;       /* (s) */
	uint64_t cpu_ns, user_ns;  /* (s) time used; of it in user mode (by ticks) */
	void *sp;                  /* (s) saved stack pointer while switched away */
	char *stack;               /* (c) KSTACK_SIZE bytes */
	void *fpu;                 /* (c) 512 bytes, 16-byte aligned (FXSAVE) */
	uint64_t fs_base, gs_base; /* (o) user's */
	struct om_held held;       /* (o) objrmap's lock record, debug builds */
	char name[16];

	/* ---- process; all of it unused in kernel threads (proc == NULL) */
	struct proc *proc;        /* (o) the last thing a thread does is to leave it: NULL again */
	struct list siblings;     /* (p) proc->threads */
	int tid;                  /* (p) changed by exec only */
	struct list by_tid;       /* (p) hash of all threads */
	bool dying;               /* (p) to end: exit_group, or another thread runs exec */
	bool stopped;             /* (p) counted in proc->nr_stopped */
	sigmask_t blocked;        /* (o) changed under (p) */
	sigmask_t saved_mask;     /* (o) for WORK_RESTORE_MASK */
	sigmask_t waiting_for;    /* (p) sigtimedwait: taken although blocked */
	sigmask_t pending;        /* (p) for this thread alone */
	struct list pending_info; /* (p) struct sigqueued, those that have a siginfo */
	uintptr_t altstack;       /* (o) sigaltstack */
	size_t altstack_size;
	int altstack_flags;
	uint64_t trap_vector, trap_error,
	    trap_addr;                   /* (o) of the last fault signal, for the sigcontext */
	uint64_t restart_deadline;       /* (o) restart_at() */
	uintptr_t clear_tid;             /* (o) CLONE_CHILD_CLEARTID, set_tid_address */
	uintptr_t robust_list;           /* (o) */
	uint64_t min_faults, maj_faults; /* (o) */
	int policy;                      /* (p) SCHED_NORMAL, BATCH or IDLE; remembered */
	uint64_t ticked_ns;              /* (o) cpu_ns at the last proc_tick() */
};

/*
 * Work that interrupt handlers leave to a kernel thread, because it needs proc_lock. proc/defer.c
 */
struct deferred {
	struct list node;
	void (*fn)(struct deferred *); /* called by the thread, no lock held */
	bool queued;
};

#define MAX_GROUPS 16 /* supplementary */

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
	_Atomic unsigned refs;         /* the table holds one until it is reaped */
	enum proc_state state;         /* (p) */
	int exit_status;               /* (p) as wait4() gives it */
	int exit_signal;               /* (p) what the parent gets, SIGCHLD or 0 */
	bool exiting;  /* (p) exit_group or a fatal signal: all threads are to end */
	bool stopping; /* (p) its threads are to stop, or have */
	bool stop_reported, continued; /* (p) for WUNTRACED, WCONTINUED */
	bool adopted;                  /* (p) by process 1 */
	bool did_exec;                 /* (p) since fork: setpgid() by the parent is too late */
	int stop_signal;               /* (p) */
	unsigned nr_stopped;           /* (p) of the threads */
	struct thread
	    *exec_thread; /* (p) runs exec and waits on thread_wait for the others to end */
	struct waitq thread_wait;
	struct waitq child_wait; /* sleeps here in wait4() */
	struct vfork *vfork;     /* (p) the parent waits until the space is let go of */

	struct space *space; /* (p) changed by exec, with one thread; NULL in a zombie */

	struct spin files_lock; /* guards `files` */
	struct file_table files;
	struct path_ctx fs; /* cwd, umask; under proc_lock to read and write */

	struct kernel_sigaction { /* (p) the layout of rt_sigaction(2) */
		uintptr_t handler;
		unsigned long flags;
		uintptr_t restorer;
		sigmask_t mask;
	} action[64];
	sigmask_t pending;        /* (p) for the process, any thread may take them */
	struct list pending_info; /* (p) struct sigqueued */
	unsigned nr_queued;       /* (p) of the process and its threads: RLIMIT_SIGPENDING */

	struct rlimit limit[RLIM_NLIMITS]; /* (p) */

	/* Timers: setitimer, timer_create. Handlers use timer_lock, taken with interrupts off. */
	struct spin timer_lock;
	struct timer alarm; /* ITIMER_REAL */
	struct deferred alarm_due, cpu_due;
	uint64_t ticked_ns, cpu_limit_ns; /* (timer_lock) CPU time by ticks; RLIMIT_CPU */
	bool cpu_limit_due;
	uint64_t alarm_interval; /* (timer_lock) */
	struct cpu_timer {
		uint64_t left, interval; /* (timer_lock) ns of CPU time; 0: off */
		bool due;
	} vtimer, ptimer;   /* ITIMER_VIRTUAL, PROF: counted down at ticks */
	struct list timers; /* (p) timer_create() */
	unsigned nr_timers; /* (p) */
	int next_timer;     /* (p) */

	uint64_t cpu_ns, user_ns; /* (p) of threads that have ended */
	uint64_t min_faults, maj_faults;
	uint64_t child_cpu_ns, child_user_ns, child_min_faults, child_maj_faults, max_rss,
	    child_max_rss;
	uint64_t start_ns;
	struct ids { /* (p) remembered; nothing is forbidden to anybody */
		unsigned real, effective, saved;
	} uid, gid;
	unsigned group[MAX_GROUPS], nr_groups;
	uint64_t cap_effective, cap_permitted, cap_inheritable;
	int dumpable, pdeathsig, nice;
	bool no_new_privs; /* remembered: no program has more privileges than another */
	int oom_score_adj; /* as set in /proc; nothing depends on it */
	unsigned personality;
	char *exe; /* (p) path of the program, for /proc/PID/exe */
};

#define PID_MAX 32768

extern struct spin proc_lock;
extern struct list all_procs;
extern struct proc *init_proc; /* pid 1; its end is the end of the machine */

/* ---- proc/process.c: the table */
struct proc *proc_find(int pid);     /* proc_lock held; NULL; finds zombies, too */
struct thread *thread_find(int tid); /* proc_lock held */
struct proc *proc_get(int pid);      /* referenced; proc_put() it. For /proc. */
void proc_put(struct proc *p);
/* CPU time of all its threads; proc_lock held. */
void proc_times(const struct proc *p, uint64_t *cpu_ns, uint64_t *user_ns);
/* Run `path` as process 1 with these arguments. */
int proc_start_init(const char *path, char *const argv[], char *const envp[]);

/* ---- core/main.c: the machine ends because process 1 has; status as wait4() gives it */
_Noreturn void kernel_finish(int status);

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
/* A trap of the running thread: cannot be ignored or blocked. */
void signal_force(int sig, int code, uintptr_t addr);
/* SIGKILL to the running process because memory ran out, with a message on the console. */
void signal_oom(void);
/* A fault of the running process found no memory: who has to go? mm/oom.c. May sleep. */
void out_of_memory(void);
/* Is it blocked or ignored by the running process? (SIGTTOU, SIGTTIN) proc_lock held. */
bool signal_ignored(int sig);
/* No other process group of the session can continue this one's stopped members; proc_lock held. */
bool group_orphaned(int pgid);
/* Set the running thread's mask of blocked signals. */
void signal_set_mask(sigmask_t mask);
/*
 * ppoll, pselect: use the mask at `set` (0: none) until the system call has returned. -EFAULT,
 * -EINVAL.
 */
int signal_temp_mask(uintptr_t set, size_t size);

/*
 * Sleeps with a relative timeout that a stop, or a signal without handler, interrupts go on to the
 * same deadline: `return restart_at(deadline)` begins the call again, and then restarted(x) is that
 * deadline instead of x. With a handler the call fails with -EINTR.
 */
long restart_at(uint64_t deadline);
uint64_t restarted(uint64_t deadline);

/* ---- proc/futex.c */
int futex_wake_addr(uintptr_t addr, int n); /* of the running process */

/*
 * ---- proc/itimer.c: process timers that count CPU time; called at each tick of a running thread,
 * interrupts off
 */
void proc_tick(struct thread *t, bool user);

#endif
