/*
 * procfs_status.c: /proc/PID/stat, statm, status and comm: the figures of a process or a thread.
 *
 * They are collected under proc_lock and printed without it.
 */
#include "procfs.h"

/* The unit of times in stat. */
static unsigned long ticks(uint64_t ns)
{
	return ns / (NSEC_PER_SEC / 100);
}

/* ---------------------------------------------------------------- figures ------------------- */

struct figures {
	int id, pid, ppid, pgid, sid, threads, exit_signal, exit_status, nice;
	char name[sizeof(((struct thread *)NULL)->name)];
	char state;
	bool terminal;
	unsigned cpu, umask, files;
	uint64_t affinity; /* of the thread, as far as there are CPUs */
	struct cred cred;
	bool no_new_privs;
	uint64_t cpu_ns, user_ns, min_faults, maj_faults, start_ns, max_rss;
	uint64_t child_cpu_ns, child_user_ns, child_min_faults, child_maj_faults;
	sigmask_t pending, shared_pending, blocked, ignored, caught;
	struct om_mminfo mm;
	struct space *space;
};

static char state_of(const struct proc *p, const struct thread *t)
{
	if (p->state == PROC_ZOMBIE || !t)
		return 'Z';
	if (p->state == PROC_STOPPED)
		return 'T';
	switch (atomic_load(&t->state)) {
	case THREAD_RUNNING:
		return 'R';
	case THREAD_SLEEPING:
		return 'D';
	case THREAD_INTERRUPTIBLE:
		return 'S';
	case THREAD_STOPPED:
		return 'T';
	case THREAD_DEAD:
		return 'X';
	}
	return 'X';
}

/* The thread that `node` is about, or the first one; NULL: it is gone. proc_lock held. */
static const struct thread *thread_of(const struct proc_node *node)
{
	const struct proc *p = node->proc;
	const struct thread *t;

	list_for_each (t, &p->threads, siblings)
		if (t->tid == node->id)
			return t;
	return list_empty(&p->threads) ? NULL : list_first(&p->threads, struct thread, siblings);
}

static void collect_thread(struct figures *f, const struct proc *p, const struct thread *t)
{
	f->state = state_of(p, t);
	if (!t)
		return;
	memcpy(f->name, t->name, sizeof(f->name));
	f->name[sizeof(f->name) - 1] = 0;
	f->cpu = t->cpu;
	f->affinity = t->affinity & ((1ull << nr_cpus) - 1);
	f->pending = t->pending;
	f->blocked = t->blocked;
}

static void collect_signals(struct figures *f, const struct proc *p)
{
	f->shared_pending = p->pending;
	for (unsigned i = 0; i < ARRAY_SIZE(p->action); i++) {
		if (p->action[i].handler == (uintptr_t)SIG_IGN)
			f->ignored |= 1ull << i;
		else if (p->action[i].handler != (uintptr_t)SIG_DFL)
			f->caught |= 1ull << i;
	}
}

static void collect_faults(struct figures *f, const struct proc *p)
{
	const struct thread *t;

	f->min_faults = p->min_faults;
	f->maj_faults = p->maj_faults;
	list_for_each (t, &p->threads, siblings) {
		f->min_faults += t->min_faults;
		f->maj_faults += t->maj_faults;
	}
}

/* What there is to know; then figures_put(). */
static void collect(const struct proc_node *node, struct figures *f)
{
	const struct proc *p = node->proc;

	memset(f, 0, sizeof(*f));
	spin_lock(&proc_lock);
	f->id = node->id;
	f->pid = p->pid;
	f->ppid = p->parent ? p->parent->pid : 0;
	f->pgid = p->pgid;
	f->sid = p->sid;
	f->terminal = p->tty;
	f->threads = (int)p->nr_threads;
	f->exit_signal = p->exit_signal;
	f->exit_status = p->state == PROC_ZOMBIE ? p->exit_status : 0;
	f->nice = p->nice;
	f->cred = p->cred;
	f->no_new_privs = p->no_new_privs;
	f->umask = p->fs.umask;
	f->files = p->files.size;
	f->start_ns = p->start_ns;
	f->max_rss = p->max_rss;
	f->child_cpu_ns = p->child_cpu_ns;
	f->child_user_ns = p->child_user_ns;
	f->child_min_faults = p->child_min_faults;
	f->child_maj_faults = p->child_maj_faults;
	proc_times(p, &f->cpu_ns, &f->user_ns);
	collect_thread(f, p, thread_of(node));
	collect_signals(f, p);
	collect_faults(f, p);
	spin_unlock(&proc_lock);
	f->space = proc_space(node->proc);
	if (f->space)
		om_mminfo(f->space->mm, 0, USER_LIMIT, &f->mm);
}

static void figures_put(struct figures *f)
{
	if (f->space)
		space_put(f->space);
}

/* ---------------------------------------------------------------- comm ---------------------- */

void proc_show_comm(struct text *text, const struct proc_node *node)
{
	struct figures f = {0};

	spin_lock(&proc_lock);
	collect_thread(&f, node->proc, thread_of(node));
	spin_unlock(&proc_lock);
	text_add(text, "%s\n", f.name);
}

/* ---------------------------------------------------------------- stat, statm --------------- */

void proc_show_stat(struct text *text, const struct proc_node *node)
{
	static const struct space none;
	struct figures f;
	const struct space *s;

	collect(node, &f);
	s = f.space ? f.space : &none;
	text_add(text, "%d (%s) %c %d %d %d %d -1 0 %lu %lu %lu %lu ", f.id, f.name, f.state,
	         f.ppid, f.pgid, f.sid, f.terminal ? 4 << 8 | 64 : 0, f.min_faults,
	         f.child_min_faults, f.maj_faults, f.child_maj_faults);
	text_add(text, "%lu %lu %lu %lu %d %d %d 0 %lu ", ticks(f.user_ns),
	         ticks(f.cpu_ns - f.user_ns), ticks(f.child_user_ns),
	         ticks(f.child_cpu_ns - f.child_user_ns), 20 + f.nice, f.nice, f.threads,
	         ticks(f.start_ns));
	text_add(text, "%lu %lu %lu %lu %lu %lu 0 0 ", f.mm.size << PAGE_SHIFT, f.mm.rss,
	         node->proc->limit[RLIMIT_RSS].rlim_cur, s->code_start, s->code_end, s->stack_top);
	text_add(text, "%lu %lu %lu %lu 0 0 0 %d %u 0 0 0 0 0 ", f.pending & 0x7fffffff,
	         f.blocked & 0x7fffffff, f.ignored & 0x7fffffff, f.caught & 0x7fffffff,
	         f.exit_signal, f.cpu);
	text_add(text, "0 0 %lu %lu %lu %lu %lu %d\n", s->brk_start, s->arg_start, s->arg_end,
	         s->env_start, s->env_end, f.exit_status);
	figures_put(&f);
}

static size_t code_pages(const struct figures *f)
{
	if (!f->space)
		return 0;
	return (ALIGN_UP(f->space->code_end, PAGE_SIZE) -
	        ALIGN_DOWN(f->space->code_start, PAGE_SIZE)) >>
	       PAGE_SHIFT;
}

void proc_show_statm(struct text *text, const struct proc_node *node)
{
	struct figures f;

	collect(node, &f);
	text_add(text, "%lu %lu %lu %lu 0 %lu 0\n", f.mm.size, f.mm.rss, f.mm.file, code_pages(&f),
	         f.mm.data);
	figures_put(&f);
}

/* ---------------------------------------------------------------- status -------------------- */

static const char *state_name(char state)
{
	switch (state) {
	case 'R':
		return "running";
	case 'S':
		return "sleeping";
	case 'D':
		return "disk sleep";
	case 'T':
		return "stopped";
	case 'Z':
		return "zombie";
	default:
		return "dead";
	}
}

static void show_ids(struct text *text, const char *name, const struct ids *ids)
{
	text_add(text, "%s:\t%u\t%u\t%u\t%u\n", name, ids->real, ids->effective, ids->saved,
	         ids->fs);
}

static void show_groups(struct text *text, const struct cred *c)
{
	text_add(text, "Groups:\t");
	for (unsigned i = 0; i < c->nr_groups; i++)
		text_add(text, "%u ", c->group[i]);
	text_add(text, "\n");
}

/* None are ambient, and any may be gained by exec. */
static void show_capabilities(struct text *text, const struct cred *c)
{
	text_add(text, "CapInh:\t%016lx\nCapPrm:\t%016lx\nCapEff:\t%016lx\n", c->inheritable,
	         c->permitted, c->effective);
	text_add(text, "CapBnd:\t%016lx\nCapAmb:\t%016lx\n", ALL_CAPABILITIES, 0ul);
}

static void show_pages(struct text *text, const char *name, size_t n)
{
	text_add(text, "%s%8lu kB\n", name, n * (PAGE_SIZE / 1024));
}

static void show_memory(struct text *text, const struct figures *f)
{
	const struct om_mminfo *m = &f->mm;

	show_pages(text, "VmSize:\t", m->size);
	show_pages(text, "VmLck:\t", m->locked);
	show_pages(text, "VmHWM:\t", MAX(f->max_rss, m->rss));
	show_pages(text, "VmRSS:\t", m->rss);
	show_pages(text, "RssAnon:\t", m->direct + m->shared);
	show_pages(text, "RssFile:\t", m->file);
	show_pages(text, "VmData:\t", m->data);
	show_pages(text, "VmExe:\t", code_pages(f));
	show_pages(text, "VmPTE:\t", m->tables);
	show_pages(text, "VmSwap:\t", m->swap);
}

void proc_show_status(struct text *text, const struct proc_node *node)
{
	struct figures f;

	collect(node, &f);
	text_add(text, "Name:\t%s\nUmask:\t%04o\nState:\t%c (%s)\n", f.name, f.umask, f.state,
	         state_name(f.state));
	text_add(text, "Tgid:\t%d\nNgid:\t0\nPid:\t%d\nPPid:\t%d\nTracerPid:\t0\n", f.pid, f.id,
	         f.ppid);
	show_ids(text, "Uid", &f.cred.uid);
	show_ids(text, "Gid", &f.cred.gid);
	text_add(text, "FDSize:\t%u\n", f.files);
	show_groups(text, &f.cred);
	if (f.space)
		show_memory(text, &f);
	text_add(text, "Threads:\t%d\n", f.threads);
	text_add(text, "SigPnd:\t%016lx\nShdPnd:\t%016lx\nSigBlk:\t%016lx\n", f.pending,
	         f.shared_pending, f.blocked);
	text_add(text, "SigIgn:\t%016lx\nSigCgt:\t%016lx\n", f.ignored, f.caught);
	show_capabilities(text, &f.cred);
	text_add(text, "NoNewPrivs:\t%d\n", f.no_new_privs);
	text_add(text, "Cpus_allowed:\t%0*lx\n", (int)(nr_cpus + 3) / 4, f.affinity);
	figures_put(&f);
}
