/*
 * process.c: the table of processes and threads, their numbers, and process 1.
 *
 * Processes are on the list all_procs and in a hash by pid; threads in a hash by tid. A number is
 * taken as long as a thread or a process has it, or a process group or session is called by it.
 * Numbers are handed out in a circle, so that one is not used again soon after its process has
 * ended.
 *
 * References: the table holds one on each process, from proc_alloc() until it is reaped; readers of
 * /proc/PID hold others, which keep the memory but nothing else.
 */
#include <linux/capability.h>

#include "internal.h"
#include "kmem.h"
#include "sys.h"

#define HASH_SIZE     256
#define PIDS_PER_WORD 64

struct spin proc_lock;
struct list all_procs = LIST_INIT(all_procs);
struct proc *init_proc;

static struct list pid_hash[HASH_SIZE], tid_hash[HASH_SIZE];
static uint64_t pid_used[PID_MAX / PIDS_PER_WORD];
static int last_pid;
static unsigned nr_threads; /* of all processes */

/* ---------------------------------------------------------------- numbers ------------------- */

static bool group_or_session(int id)
{
	struct proc *p;

	list_for_each (p, &all_procs, all)
		if (p->pgid == id || p->sid == id)
			return true;
	return false;
}

/* A free number, or -EAGAIN. proc_lock held. */
int pid_alloc(void)
{
	for (int tries = 0; tries < PID_MAX; tries++) {
		int pid = last_pid + 1 < PID_MAX ? last_pid + 1 : 1;
		uint64_t *word = &pid_used[pid / PIDS_PER_WORD];
		uint64_t bit = 1ull << pid % PIDS_PER_WORD;

		last_pid = pid;
		if ((*word & bit) || group_or_session(pid))
			continue;
		*word |= bit;
		return pid;
	}
	return -EAGAIN;
}

static void pid_free(int pid)
{
	pid_used[pid / PIDS_PER_WORD] &= ~(1ull << pid % PIDS_PER_WORD);
}

/* ---------------------------------------------------------------- the table ----------------- */

struct proc *proc_find(int pid)
{
	struct list *bucket = &pid_hash[(unsigned)pid % HASH_SIZE];
	struct proc *p;

	list_for_each (p, bucket, by_pid)
		if (p->pid == pid)
			return p;
	return NULL;
}

struct thread *thread_find(int tid)
{
	struct list *bucket = &tid_hash[(unsigned)tid % HASH_SIZE];
	struct thread *t;

	list_for_each (t, bucket, by_tid)
		if (t->tid == tid)
			return t;
	return NULL;
}

struct proc *proc_get(int pid)
{
	struct proc *p;

	spin_lock(&proc_lock);
	p = proc_find(pid);
	if (p)
		p->refs++;
	spin_unlock(&proc_lock);
	return p;
}

void proc_put(struct proc *p)
{
	if (atomic_fetch_sub(&p->refs, 1) == 1)
		kfree(p);
}

void proc_times(const struct proc *p, uint64_t *cpu_ns, uint64_t *user_ns)
{
	const struct thread *t;

	sched_account();
	*cpu_ns = p->cpu_ns;
	*user_ns = p->user_ns;
	list_for_each (t, &p->threads, siblings) {
		*cpu_ns += t->cpu_ns;
		*user_ns += t->user_ns;
	}
}

/* A process with one reference and nothing in it, in no list yet. */
struct proc *proc_alloc(void)
{
	struct proc *p = kmalloc(sizeof(*p));

	if (!p)
		return NULL;
	p->refs = 1;
	list_init(&p->children);
	list_init(&p->sibling);
	list_init(&p->all);
	list_init(&p->by_pid);
	list_init(&p->threads);
	list_init(&p->pending_info);
	list_init(&p->timers);
	waitq_init(&p->thread_wait);
	waitq_init(&p->child_wait);
	p->exit_signal = SIGCHLD;
	p->dumpable = 1;
	p->start_ns = now_ns();
	itimers_init(p);
	return p;
}

/* Make a process visible, as a child of `parent` (NULL: process 1). proc_lock held. */
void proc_link(struct proc *p, struct proc *parent)
{
	p->parent = parent;
	if (parent)
		list_append(&parent->children, &p->sibling);
	list_append(&all_procs, &p->all);
	list_append(&pid_hash[(unsigned)p->pid % HASH_SIZE], &p->by_pid);
}

/* The end of a zombie; the caller drops the table's reference. proc_lock held. */
void proc_unlink(struct proc *p)
{
	list_remove(&p->sibling);
	list_remove(&p->all);
	list_remove(&p->by_pid);
	pid_free(p->pid);
}

/* A thread, with its number set, becomes one of the process. proc_lock held. */
void thread_link(struct thread *t, struct proc *p)
{
	list_init(&t->pending_info);
	list_append(&p->threads, &t->siblings);
	list_append(&tid_hash[(unsigned)t->tid % HASH_SIZE], &t->by_tid);
	p->nr_threads++;
	nr_threads++;
}

/* proc_lock held. The number of the first thread stays the process's until that is reaped. */
void thread_unlink(struct thread *t)
{
	list_remove(&t->siblings);
	list_remove(&t->by_tid);
	if (t->tid != t->proc->pid)
		pid_free(t->tid);
	t->proc->nr_threads--;
	nr_threads--;
}

/*
 * exec by another than the first thread, the only one left: it takes over the process's number.
 * proc_lock held.
 */
void thread_become_first(struct thread *t)
{
	list_remove(&t->by_tid);
	pid_free(t->tid);
	t->tid = t->proc->pid;
	list_append(&tid_hash[(unsigned)t->tid % HASH_SIZE], &t->by_tid);
}

unsigned threads_total(void)
{
	return nr_threads;
}

/* ---------------------------------------------------------------- process 1 ----------------- */

static void table_init(void)
{
	for (unsigned i = 0; i < HASH_SIZE; i++) {
		list_init(&pid_hash[i]);
		list_init(&tid_hash[i]);
	}
}

/* Standard files and the working directory. */
static int init_files(struct proc *p)
{
	struct inode *root;
	int err = path_lookup(AT_FDCWD, "/", 0, &root, NULL);

	if (err)
		return err;
	p->fs.cwd = root;
	p->fs.umask = 022;
	p->fs.cwd_path = kstrdup("/");
	if (!p->fs.cwd_path)
		return -ENOMEM;
	return files_open_console(p);
}

/*
 * The boot thread cannot become a user thread itself, so it prepares everything that exec would and
 * starts a thread that begins in user mode. A failure ends the machine: nothing is undone.
 */
int proc_start_init(const char *path, char *const argv[], char *const envp[])
{
	struct proc *p;
	struct thread *t;
	struct regs regs;
	int err;

	table_init();
	defer_start();
	p = proc_alloc();
	t = p ? thread_alloc(p) : NULL;
	if (!t)
		return -ENOMEM;
	limits_init(p);
	p->cap_effective = p->cap_permitted = (1ull << (CAP_LAST_CAP + 1)) - 1;
	err = init_files(p);
	if (!err)
		err = exec_first(p, t, path, argv, envp, &regs);
	if (err)
		return err;
	spin_lock(&proc_lock);
	p->pid = p->pgid = p->sid = t->tid = pid_alloc();
	proc_link(p, NULL);
	thread_link(t, p);
	init_proc = p;
	spin_unlock(&proc_lock);
	cpu_thread_user(t, &regs);
	thread_start(t);
	return 0;
}
