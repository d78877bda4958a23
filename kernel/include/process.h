/*
 * process.h: threads and processes: what they consist of and who guards it. proc/
 *
 * One lock, `proc_lock` (a spin; never taken by interrupt handlers), guards the tree of processes, the lists
 * of threads, states, signals pending and actions. It is coarse on purpose: faults and memory calls do not
 * come near it. Letters: (c) constant, (p) proc_lock, (o) only the thread itself, (s) scheduler, (a) atomic.
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
#define WORK_SIGNAL   1u /* a signal may be pending */
#define WORK_RESCHED  2u
#define WORK_RESTORE_MASK 4u /* sigsuspend, pselect: put saved_mask back if no handler runs */

struct sigqueued { /* a pending signal with its siginfo; the n-th is for signal n */
	siginfo_t info;
};

struct thread {
	/* ---- scheduler */
	struct list run;                /* (s) on cpu->queue */
	enum thread_state _Atomic state;
	unsigned cpu;                   /* (s) where it runs or ran last */
	bool on_cpu, queued;            /* (s) */
	uint64_t cpu_ns, user_ns;       /* (s) time used; of it in user mode (by ticks) */
	void *sp;                       /* (s) saved stack pointer while switched away */
	char *stack;                    /* (c) KSTACK_SIZE bytes */
	void *fpu;                      /* (c) 512 bytes, 16-byte aligned (FXSAVE) */
	uint64_t fs_base, gs_base;      /* (o) user's */
	struct om_held held;            /* (o) objrmap's lock record, debug builds */
	char name[16];

	/* ---- process; all of it unused in kernel threads (proc == NULL) */
	struct proc *proc;              /* (c) */
	struct list siblings;           /* (p) proc->threads */
	int tid;                        /* (c) */
	struct list by_tid;             /* (p) hash of all threads */
	_Atomic unsigned work;          /* (a) WORK_... */
	sigmask_t blocked;              /* (o) changed under (p) */
	sigmask_t saved_mask;           /* (o) for WORK_RESTORE_MASK */
	sigmask_t pending;              /* (p) */
	siginfo_t *queued_info[64];     /* (p) siginfo of each pending signal, or NULL */
	uintptr_t altstack;             /* (o) sigaltstack */
	size_t altstack_size;
	int altstack_flags;
	uintptr_t clear_tid;            /* (o) CLONE_CHILD_CLEARTID, set_tid_address */
	uintptr_t robust_list;          /* (o) */
	uint64_t min_faults, maj_faults; /* (o) */
	int exit_signal_fatal;          /* (p) signal that kills the thread group, or 0 */
};

enum proc_state { PROC_RUNNING, PROC_STOPPED, PROC_ZOMBIE };

struct proc {
	int pid;                        /* (c) tid of its first thread */
	int pgid, sid;                  /* (p) */
	struct tty *tty;                /* (p) controlling terminal */
	struct proc *parent;            /* (p) */
	struct list children, sibling;  /* (p) */
	struct list all;                /* (p) all processes */
	struct list threads;            /* (p) */
	unsigned nr_threads;            /* (p) */
	_Atomic unsigned refs;          /* a reader of /proc/PID holds one, the process until it is reaped */
	enum proc_state state;          /* (p) */
	int exit_status;                /* (p) as wait4() gives it */
	int exit_signal;                /* (c) what the parent gets, SIGCHLD or 0 */
	bool exiting;                   /* (p) exit_group or a fatal signal: all threads are to end */
	bool stop_reported, continued;  /* (p) for WUNTRACED, WCONTINUED */
	struct waitq child_wait;        /* the parent sleeps here in wait4() */

	struct space *space;            /* changed by exec only, when there is one thread; NULL in a zombie */

	struct spin files_lock;         /* guards `files` */
	struct file_table files;
	struct path_ctx fs;             /* cwd, umask; under proc_lock to read and write */

	struct kernel_sigaction {       /* (p) the layout of rt_sigaction(2) */
		uintptr_t handler;
		unsigned long flags;
		uintptr_t restorer;
		sigmask_t mask;
	} action[64];
	sigmask_t pending;              /* (p) for the process, any thread may take them */
	siginfo_t *queued_info[64];     /* (p) */

	struct rlimit limit[RLIM_NLIMITS]; /* (p) */
	struct timer alarm;             /* ITIMER_REAL */
	uint64_t alarm_interval;
	uint64_t vtimer, vinterval, ptimer, pinterval; /* ITIMER_VIRTUAL, PROF: checked at ticks */
	uint64_t cpu_ns, user_ns;       /* (p) of threads that have ended */
	uint64_t min_faults, maj_faults;
	uint64_t child_cpu_ns, child_user_ns, child_min_faults, child_maj_faults, max_rss, child_max_rss;
	uint64_t start_ns;
	int dumpable, pdeathsig, nice;
	unsigned personality;
	char *exe;                      /* (p) path of the program, for /proc/PID/exe */
};

extern struct spin proc_lock;
extern struct list all_procs;
extern struct proc *init_proc; /* pid 1; its end is the end of the machine */

/* ---- proc/process.c: the table */
struct proc *proc_find(int pid);      /* proc_lock held; NULL if there is none (zombies are found) */
struct thread *thread_find(int tid);  /* proc_lock held */
struct proc *proc_get(int pid);       /* referenced; proc_put() it. For /proc. */
void proc_put(struct proc *p);
/* Run `path` as process 1 with these arguments. */
int proc_start_init(const char *path, char *const argv[], char *const envp[]);

/* ---- proc/exit.c */
_Noreturn void do_exit_group(int status);  /* status as wait4() gives it: code << 8, or the signal */
_Noreturn void do_exit_thread(int status); /* this thread only */

/* ---- proc/exec.c: replace the program of the running process; kernel strings. Does not return to the old one. */
int do_exec(const char *path, char *const argv[], char *const envp[]);

/* ---- proc/signal.c */
/* Send to a process or thread. `info` may be NULL (SI_KERNEL). From interrupts: timer handlers use signal_defer. */
int signal_proc(struct proc *p, int sig, const siginfo_t *info);   /* proc_lock held */
int signal_thread(struct thread *t, int sig, const siginfo_t *info); /* proc_lock held */
int signal_group(int pgid, int sig, const siginfo_t *info);        /* proc_lock held; -ESRCH */
/* A trap of the running thread: cannot be ignored or blocked. */
void signal_force(int sig, int code, uintptr_t addr);
/* SIGKILL to the running process because memory ran out, with a message on the console. */
void signal_oom(void);

/* ---- proc/futex.c */
int futex_wake_addr(uintptr_t addr, int n); /* of the running process: clear_child_tid, robust lists */

/* ---- proc/time.c: process timers that count CPU time; called at each tick of a running thread, interrupts off */
void proc_tick(struct thread *t, bool user);

#endif
