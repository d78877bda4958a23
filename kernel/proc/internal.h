/*
 * internal.h: what the files of proc/ have of each other and nobody else needs.
 */
#ifndef PROC_INTERNAL_H
#define PROC_INTERNAL_H

#include <linux/fcntl.h>

#include "process.h"
#include "syscalls.h"

#define NR_SIGNALS 64
#define BITS_STOP  (BIT_STOP | SIGBIT(SIGTSTP) | SIGBIT(SIGTTIN) | SIGBIT(SIGTTOU))

/* ---- process.c; proc_lock held except for process_table_init() and proc_alloc() */
void process_table_init(void);
/* A free number, or -EAGAIN. */
int pid_alloc(void);
/* A process group or a session is called by this number from now on. */
void pid_names_group(int pid);
/* A process with one reference and nothing in it, in no list yet; then itimers_init(). */
struct proc *proc_alloc(void);
/* Make a process visible, as a child of `parent` (NULL: process 1). */
void proc_link(struct proc *p, struct proc *parent);
/* The end of a zombie; the caller drops the table's reference. */
void proc_unlink(struct proc *p);
/* A thread, with its number set, becomes one of the process. */
void thread_link(struct thread *t, struct proc *p);
/* It leaves it. The number of the first thread stays the process's until that is reaped. */
void thread_unlink(struct thread *t);
/* exec by another than the first thread, the only one left: it takes over the process's number. */
void thread_become_first(struct thread *t);
/* Threads there are, and zombies. */
unsigned tasks_total(void);

/* ---- account.c */
struct account { /* of a user: the processes whose real user it is; guarded by proc_lock */
	struct list node;
	unsigned uid;
	unsigned refs;      /* processes, and queued signals */
	unsigned nr_tasks;  /* threads and zombies: RLIMIT_NPROC */
	unsigned nr_queued; /* signals sent to them: RLIMIT_SIGPENDING */
};
/* Referenced; NULL without memory. May sleep. */
struct account *account_get(unsigned uid);
void account_put(struct account *a); /* proc_lock held. NULL is fine. */

/* ---- capability.c; proc_lock held, or the process is new */
void capabilities_of_root(struct cred *c);
/*
 * What the user numbers in `new` do to its capabilities; `old`: before they were changed. The
 * second one: after a change of the file system user alone.
 */
void capabilities_of_user(struct cred *new, const struct cred *old);
void capabilities_of_fs_user(struct cred *new, const struct cred *old);
/* The process begins another program. */
void cred_exec(struct proc *p);
/* Does it run with rights that its real user has not? */
bool cred_is_mixed(const struct cred *c);

/* ---- group.c; proc_lock held */
/* A member of that group: exists; is in that session; has stopped. */
bool group_exists(int pgid);
bool group_in_session(int pgid, int sid);
bool group_has_stopped(int pgid);
/* Has it a parent in another group of its session, which keeps its own from being orphaned? */
bool has_outside_parent(const struct proc *p);

/* ---- vfork.c: a parent in vfork(), on its stack. Guarded by proc_lock. */
struct vfork {
	struct waitq q;
	bool done;
};
void vfork_init(struct vfork *vfork, struct proc *child);
/* Sleep until the child has called exec or has ended, or the parent is killed itself. */
void vfork_wait(struct vfork *vfork, struct proc *child);
/* The process has a space of its own, or has ended: the parent goes on. proc_lock held. */
void vfork_done(struct proc *p);

/* ---- exit.c */
/* Give back what a process holds outside the table. May sleep. */
void proc_release(struct proc *p);

/* ---- oom.c */
/* An address space that no process has any more is given back: 1, then -1. proc_lock held. */
void oom_releasing(int n);
/* The process has given back its address space. */
void oom_released(struct proc *p);

/* ---- wait.c */
/*
 * Count a zombie's times as its parent's children's, take it out of the table. Then proc_put().
 * proc_lock held.
 */
void proc_reap(struct proc *child);

/* ---- exec.c */
int exec_first(struct proc *p, struct thread *t, const char *path, char *const argv[],
               char *const envp[], struct regs *regs);

/* ---- pending.c; proc_lock held except for signals_reserve() */
struct sigqueued { /* a pending signal with its siginfo, on pending_info of a thread or a process */
	struct list node;
	struct account *owner; /* counted in its nr_queued */
	siginfo_t info;
};

/* See to it that there are spare entries. May sleep. */
void signals_reserve(void);
/*
 * Make `sig` pending on one of the lists of `p`. -EAGAIN: there is no entry for its siginfo; it is
 * pending all the same unless `must`.
 */
int pending_add(struct proc *p, sigmask_t *pending, struct list *infos, int sig,
                const siginfo_t *info, bool must);
/* Forget what is pending: of one list, or of the process and all its threads. */
void signals_flush(sigmask_t *pending, struct list *infos, sigmask_t set);
void signals_flush_all(struct proc *p, sigmask_t set);
/* The siginfo that a timer of timer_create() has pending, or NULL. */
siginfo_t *signal_of_timer(struct list *infos, int id);

/* ---- signal.c; proc_lock held except for signal_info() */
/* A siginfo from the running process. */
siginfo_t signal_info(int sig, int code);
/* As signal_proc(), but for sigqueue(): -EAGAIN if the siginfo cannot be kept. */
int signal_queue_proc(struct proc *p, int sig, const siginfo_t *info);
int signal_queue_thread(struct thread *t, int sig, const siginfo_t *info);
/* The running thread is about to take no more signals, or fewer: others may have to. */
void signals_retarget(struct proc *p);
/* Does the disposition ignore it, by SIG_IGN or by default? */
bool signal_is_ignored(const struct proc *p, int sig);
/* Make a thread look at its signals: set WORK_SIGNAL, end its sleep; `stopped`: its stop, too. */
void thread_poke(struct thread *t, bool stopped);
/* End all other threads of the process but `keep`. */
void threads_kill(struct proc *p, const struct thread *keep);
/* The process is to end with this status, unless it is ending already. */
void group_exit(struct proc *p, int status, const struct thread *keep);
/* exec: handlers are gone. */
void signals_exec(struct proc *p);

/* ---- stop.c: job control; proc_lock held */
void stop_begin(struct proc *p, int sig);
void stop_self(void);            /* takes proc_lock again when it continues */
void stop_check(struct proc *p); /* a thread has stopped or left: are all stopped now? */
void stop_continue(struct proc *p);
/* SIGCHLD for a stop or its end, and wake wait4(). */
void parent_notify(struct proc *p, int code, int status);

/* ---- sigframe.c */
/* Push a frame and enter the handler; -EFAULT if the stack cannot be written. */
/* At most so many bytes of the stack: AT_MINSIGSTKSZ. */
unsigned sigframe_bytes(void);
int sigframe_push(struct regs *regs, int sig, const siginfo_t *info,
                  const struct kernel_sigaction *action, sigmask_t mask);

/* ---- robust.c */
void robust_exit(void);

/* ---- itimer.c, ptimer.c */
void itimers_init(struct proc *p);
void itimers_stop(struct proc *p); /* exit; may sleep */
void ptimers_stop(struct proc *p); /* exec, exit; may sleep */

/* ---- defer.c */
void defer_start(void);

/* ---- limits.c */
void limits_init(struct proc *p);
void limit_cpu_arm(struct proc *p);
void limit_cpu_reached(struct proc *p); /* proc_lock held */
/* Tell a space what it has to enforce for the process. proc_lock held, or the space is new. */
void limits_apply(const struct proc *p, struct space *space);
/* May the running process have one more thread or child? -EAGAIN. proc_lock held. */
int limit_tasks(void);

/* ---- usage.c */
/* Of a process and its own children that were waited for. proc_lock held. */
void usage_of_child(const struct proc *p, struct rusage *ru);

/* Look at the resident size of the running process. May sleep. */
void usage_note_rss(struct proc *p);

#endif
