/*
 * process.c: the table of processes and threads, and their numbers.
 *
 * Processes are on the list all_procs and in a hash by pid; threads in a hash by tid. A number is
 * taken as long as a thread or a process has it, or a process group or session is called by it.
 * Numbers are handed out in a circle, so that one is not used again soon after its process has
 * ended.
 *
 * References: the table holds one on each process, from proc_alloc() until it is reaped; readers of
 * /proc/PID hold others, which keep the memory but nothing else.
 */
#include "internal.h"
#include "kmem.h"

#define HASH_SIZE     256
#define PIDS_PER_WORD 64

struct spin proc_lock;
struct list all_procs = LIST_INIT(all_procs);
struct proc *init_proc;

static struct list pid_hash[HASH_SIZE], tid_hash[HASH_SIZE];
static uint64_t pid_used[PID_MAX / PIDS_PER_WORD];
static uint64_t pid_named[PID_MAX / PIDS_PER_WORD]; /* groups or sessions have been called so */
static int last_pid;
static unsigned nr_tasks; /* threads, and processes that have none left: zombies */

void process_table_init(void)
{
	for (unsigned i = 0; i < HASH_SIZE; i++) {
		list_init(&pid_hash[i]);
		list_init(&tid_hash[i]);
	}
}

/* ---------------------------------------------------------------- numbers ------------------- */

static bool test_bit(const uint64_t *bits, int i)
{
	return bits[i / PIDS_PER_WORD] & 1ull << i % PIDS_PER_WORD;
}

static void set_bit(uint64_t *bits, int i)
{
	bits[i / PIDS_PER_WORD] |= 1ull << i % PIDS_PER_WORD;
}

static void clear_bit(uint64_t *bits, int i)
{
	bits[i / PIDS_PER_WORD] &= ~(1ull << i % PIDS_PER_WORD);
}

void pid_names_group(int pid)
{
	set_bit(pid_named, pid);
}

/* Only few numbers ever name a group: the others need no look at all processes. */
static bool is_group_or_session(int id)
{
	struct proc *p;

	if (!test_bit(pid_named, id))
		return false;
	list_for_each (p, &all_procs, all)
		if (p->pgid == id || p->sid == id)
			return true;
	clear_bit(pid_named, id);
	return false;
}

int pid_alloc(void)
{
	for (int tries = 0; tries < PID_MAX; tries++) {
		int pid = last_pid + 1 < PID_MAX ? last_pid + 1 : 1;

		last_pid = pid;
		if (test_bit(pid_used, pid) || is_group_or_session(pid))
			continue;
		set_bit(pid_used, pid);
		return pid;
	}
	return -EAGAIN;
}

static void pid_free(int pid)
{
	clear_bit(pid_used, pid);
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

struct proc *proc_of(int id)
{
	struct proc *p = proc_find(id);
	struct thread *t = p ? NULL : thread_find(id);

	return t ? t->proc : p;
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

struct space *proc_space(struct proc *p)
{
	struct space *space;

	spin_lock(&proc_lock);
	space = p->space;
	if (space)
		space_get(space);
	spin_unlock(&proc_lock);
	return space;
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
	return p;
}

void proc_link(struct proc *p, struct proc *parent)
{
	p->parent = parent;
	if (parent)
		list_append(&parent->children, &p->sibling);
	list_append(&all_procs, &p->all);
	list_append(&pid_hash[(unsigned)p->pid % HASH_SIZE], &p->by_pid);
}

static void count_task(struct proc *p, int n)
{
	p->account->nr_tasks += (unsigned)n;
	nr_tasks += (unsigned)n;
}

void proc_unlink(struct proc *p)
{
	count_task(p, -1);
	account_put(p->account);
	p->account = NULL;
	list_remove(&p->sibling);
	list_remove(&p->all);
	list_remove(&p->by_pid);
	pid_free(p->pid);
}

void thread_link(struct thread *t, struct proc *p)
{
	list_init(&t->pending_info);
	list_append(&p->threads, &t->siblings);
	list_append(&tid_hash[(unsigned)t->tid % HASH_SIZE], &t->by_tid);
	p->nr_threads++;
	count_task(p, 1);
}

void thread_unlink(struct thread *t)
{
	list_remove(&t->siblings);
	list_remove(&t->by_tid);
	if (t->tid != t->proc->pid)
		pid_free(t->tid);
	if (--t->proc->nr_threads) /* the last one counts until the zombie is gone */
		count_task(t->proc, -1);
}

void thread_become_first(struct thread *t)
{
	list_remove(&t->by_tid);
	pid_free(t->tid);
	t->tid = t->proc->pid;
	list_append(&tid_hash[(unsigned)t->tid % HASH_SIZE], &t->by_tid);
}

unsigned tasks_total(void)
{
	return nr_tasks;
}
