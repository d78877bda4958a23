/*
 * thread.h: what a thread consists of.
 *
 * The first part is for the code that runs it, arch/ and core/sched.c. The second is about its
 * process, for proc/, fs/ and the fault counts of mm/; kernel threads have no process and leave it
 * unused. A letter at each field says what guards it: (c) constant, (o) only the thread itself uses
 * it, (s) the lock of the run queue of `cpu`, (p) proc_lock of process.h, (a) atomic.
 */
#ifndef THREAD_H
#define THREAD_H

#include <objrmap/port.h> /* struct om_held */

#include "lib.h"

#define KSTACK_SIZE 16384ul
#define FPU_ALIGN   64ul
#define ANY_CPU     UINT64_MAX /* affinity */

enum thread_state {
	THREAD_RUNNING,       /* or ready */
	THREAD_SLEEPING,      /* until woken */
	THREAD_INTERRUPTIBLE, /* or until a signal comes */
	THREAD_STOPPED,       /* job control */
	THREAD_DEAD,          /* its last switch is done or about to be */
};

/* thread.work: why a return to user mode has to take the long way. */
#define WORK_SIGNAL       1u /* a signal may be pending, or the thread is to stop or to end */
#define WORK_RESCHED      2u
#define WORK_RESTORE_MASK 4u /* sigsuspend, pselect: put saved_mask back if no handler runs */

typedef uint64_t sigmask_t; /* bit n-1 is signal n */

struct proc;
struct space;

struct thread {
	_Atomic unsigned work; /* (a) WORK_...; first: entry.S looks at it */
	struct list run;       /* (s) on the CPU's queue */
	enum thread_state _Atomic state;
	_Atomic unsigned cpu;      /* (s) where it runs or ran last, or waits to run */
	bool on_cpu;               /* (s) it runs */
	bool ready;                /* (s) on a queue, or on its way to one: see sched.c */
	_Atomic uint64_t affinity; /* (a) bit n: it may run on CPU n */
	uint64_t cpu_ns, user_ns;  /* (s) time used; of it in user mode (by ticks) */
	void *sp;                  /* (s) saved stack pointer while switched away */
	char *stack;               /* (c) KSTACK_SIZE bytes */
	void *fpu;                 /* (c) cpu_fpu_bytes(), aligned to FPU_ALIGN (XSAVE) */
	void *fpu_object;          /* (c) from kmalloc(), with `fpu` in it */
	uint64_t fs_base, gs_base; /* (o) user's */
	struct space *space;       /* (o) proc->space; NULL without a process, or when that ends */
	unsigned waits_for_memory; /* (o) pressure_begin(), less pressure_end() */
	struct om_held held;       /* (o) objrmap's lock record, debug builds */
	char name[16];

	/* ---- process */
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
	size_t altstack_size;     /* (o) */
	int altstack_flags;       /* (o) */
	uint64_t trap_vector;     /* (o) of the last fault signal, for the sigcontext; */
	uint64_t trap_error, trap_addr;  /* (o) these, too */
	uint64_t restart_deadline;       /* (o) restart_at() */
	uintptr_t clear_tid;             /* (o) CLONE_CHILD_CLEARTID, set_tid_address */
	uintptr_t robust_list;           /* (o) */
	uint64_t min_faults, maj_faults; /* (o) */
	int policy;                      /* (p) SCHED_NORMAL, BATCH or IDLE; remembered */
	uint64_t ticked_ns;              /* (o) cpu_ns at the last proc_tick() */
};

#endif
