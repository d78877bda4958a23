/*
 * fork.c: new processes and threads: fork, vfork, clone, clone3.
 *
 * All four end in do_clone(). There are two kinds of children only: a thread, which shares
 * everything with its process (what pthread_create() asks for), and a process, which shares
 * nothing, or the address space (vfork(), posix_spawn()). Other mixtures, and namespaces, are
 * EINVAL.
 */
#include <linux/sched.h>

#include "internal.h"
#include "kmem.h"
#include "sys.h"

#define NAMESPACES                                                                                 \
	(CLONE_NEWNS | CLONE_NEWCGROUP | CLONE_NEWUTS | CLONE_NEWIPC | CLONE_NEWUSER |             \
	 CLONE_NEWPID | CLONE_NEWNET | CLONE_NEWTIME)
#define OF_A_THREAD (CLONE_VM | CLONE_FS | CLONE_FILES | CLONE_SIGHAND | CLONE_THREAD)

struct clone {
	uint64_t flags;
	uintptr_t stack, parent_tid, child_tid, tls;
	int exit_signal;
};

static int clone_check(const struct clone *c)
{
	uint64_t shares = c->flags & OF_A_THREAD;

	if (c->flags & (NAMESPACES | CLONE_PIDFD | CLONE_INTO_CGROUP))
		return -EINVAL;
	if (shares != OF_A_THREAD && (shares & ~(uint64_t)CLONE_VM))
		return -EINVAL;
	if ((c->flags & CLONE_THREAD) && (c->flags & CLONE_VFORK))
		return -EINVAL;
	if ((c->flags & CLONE_PARENT) && current->proc == init_proc)
		return -EINVAL;
	if (c->exit_signal < 0 || c->exit_signal > NR_SIGNALS)
		return -EINVAL;
	if ((c->flags & CLONE_SETTLS) && c->tls >= USER_LIMIT)
		return -EPERM;
	return 0;
}

/* ---------------------------------------------------------------- copying ------------------- */

/* What the child begins with: the caller's registers and what else belongs to a thread. */
static void thread_copy(struct thread *t, const struct clone *c)
{
	const struct thread *me = current;
	struct regs regs = *thread_regs(me);

	regs.rax = 0;
	if (c->stack)
		regs.rsp = c->stack;
	cpu_fpu_save(current);
	memcpy(t->fpu, me->fpu, cpu_fpu_bytes());
	t->fs_base = c->flags & CLONE_SETTLS ? c->tls : me->fs_base;
	t->gs_base = me->gs_base;
	strlcpy(t->name, me->name, sizeof(t->name));
	t->blocked = me->blocked;
	t->policy = me->policy;
	t->affinity = me->affinity;
	if (!(c->flags & CLONE_VM) || (c->flags & CLONE_VFORK)) {
		t->altstack = me->altstack;
		t->altstack_size = me->altstack_size;
		t->altstack_flags = me->altstack_flags;
	}
	if (c->flags & CLONE_CHILD_CLEARTID)
		t->clear_tid = c->child_tid;
	cpu_thread_user(t, &regs);
}

/* A copy of a string that proc_lock guards; NULL without memory. */
static char *copy_guarded(char *const *s)
{
	char *buf = kmalloc(PATH_MAX_LEN), *copy;

	if (!buf)
		return NULL;
	spin_lock(&proc_lock);
	strlcpy(buf, *s ? *s : "", PATH_MAX_LEN);
	spin_unlock(&proc_lock);
	copy = kstrdup(buf);
	kfree(buf);
	return copy;
}

static int copy_paths(struct proc *child, struct proc *parent)
{
	child->fs.cwd_path = copy_guarded(&parent->fs.cwd_path);
	child->exe = copy_guarded(&parent->exe);
	if (!child->fs.cwd_path || !child->exe)
		return -ENOMEM;
	spin_lock(&proc_lock);
	child->fs.cwd = inode_get(parent->fs.cwd);
	child->fs.umask = parent->fs.umask;
	spin_unlock(&proc_lock);
	return 0;
}

static int copy_space(struct proc *child, struct proc *parent, uint64_t flags)
{
	if (!(flags & CLONE_VM))
		return space_fork(parent->space, &child->space);
	space_get(parent->space);
	child->space = parent->space;
	return 0;
}

/* What is copied under the lock because other threads of the parent may change it. */
static void copy_state(struct proc *child, const struct proc *parent, uint64_t flags)
{
	spin_lock(&proc_lock);
	memcpy(child->action, parent->action, sizeof(child->action));
	child->nice = parent->nice;
	child->oom_score_adj = parent->oom_score_adj;
	child->personality = parent->personality;
	spin_unlock(&proc_lock);
	if (!(flags & CLONE_CLEAR_SIGHAND))
		return;
	for (int sig = 1; sig <= NR_SIGNALS; sig++)
		if (child->action[sig - 1].handler != (uintptr_t)SIG_IGN)
			child->action[sig - 1] = (struct kernel_sigaction){0};
}

/* ---------------------------------------------------------------- children ------------------ */

/* May this process have one more thread, or child? proc_lock held. Returns its number. */
static int admit(const struct proc *p)
{
	int err;

	if (p->exiting || p->exec_thread || current->dying)
		return -ERESTARTNOINTR;
	err = limit_tasks();
	return err ? err : pid_alloc();
}

/*
 * Rights and limits are copied when the child appears, not before: a thread of the parent may give
 * some up meanwhile, and then none of its children shall have them.
 */
static void copy_rights(struct proc *child, const struct proc *parent)
{
	child->cred = parent->cred;
	child->account = parent->account;
	child->account->refs++;
	child->dumpable = parent->dumpable;
	child->no_new_privs = parent->no_new_privs;
	memcpy(child->limit, parent->limit, sizeof(child->limit));
	limits_apply(child, child->space);
	limit_cpu_arm(child);
}

static void write_tids(const struct clone *c, struct space *space, int tid)
{
	if (c->flags & CLONE_PARENT_SETTID)
		user_put(c->parent_tid, tid);
	if (c->flags & CLONE_CHILD_SETTID)
		om_write(space->mm, c->child_tid, &tid, sizeof(tid), NULL);
}

static long clone_thread(const struct clone *c)
{
	struct proc *p = current->proc;
	struct thread *t = thread_alloc(p);
	int tid;

	if (!t)
		return -ENOMEM;
	thread_copy(t, c);
	spin_lock(&proc_lock);
	tid = admit(p);
	if (tid > 0) {
		t->tid = tid;
		thread_link(t, p);
		if (p->stopping)
			t->work |= WORK_SIGNAL;
	}
	spin_unlock(&proc_lock);
	if (tid < 0) {
		thread_free(t);
		return tid;
	}
	write_tids(c, p->space, tid);
	t->space = current->space;
	thread_start(t);
	return tid;
}

static int proc_copy(struct proc *child, struct proc *parent, uint64_t flags)
{
	int err;

	copy_state(child, parent, flags);
	err = copy_paths(child, parent);
	if (!err)
		err = files_fork(child, parent);
	return err ? err : copy_space(child, parent, flags);
}

/* Give the finished child its place in the table; its number, or an error. */
static int proc_enter(struct proc *child, struct thread *t, const struct clone *c)
{
	struct proc *me = current->proc;
	int pid;

	spin_lock(&proc_lock);
	pid = admit(me);
	if (pid > 0) {
		child->pid = t->tid = pid;
		child->pgid = me->pgid;
		child->sid = me->sid;
		child->tty = me->tty;
		child->exit_signal = c->exit_signal;
		copy_rights(child, me);
		proc_link(child, c->flags & CLONE_PARENT ? me->parent : me);
		thread_link(t, child);
	}
	spin_unlock(&proc_lock);
	return pid;
}

static long clone_proc(const struct clone *c)
{
	struct proc *child = proc_alloc();
	struct thread *t = child ? thread_alloc(child) : NULL;
	struct vfork vfork;
	int pid = -ENOMEM;

	if (!child)
		return -ENOMEM;
	itimers_init(child);
	if (c->flags & CLONE_VFORK)
		vfork_init(&vfork, child);
	if (t) {
		thread_copy(t, c);
		pid = proc_copy(child, current->proc, c->flags);
	}
	if (!pid)
		pid = proc_enter(child, t, c);
	if (pid < 0) {
		proc_release(child);
		if (t)
			thread_free(t);
		proc_put(child);
		return pid;
	}
	write_tids(c, child->space, pid);
	t->space = child->space;
	child->refs++;
	thread_start(t);
	if (c->flags & CLONE_VFORK)
		vfork_wait(&vfork, child);
	proc_put(child);
	return pid;
}

static long do_clone(const struct clone *c)
{
	int err = clone_check(c);

	if (err)
		return err;
	/* Otherwise a fork bomb could not be stopped by signals. */
	if (signal_pending())
		return -ERESTARTNOINTR;
	signals_reserve();
	return c->flags & CLONE_THREAD ? clone_thread(c) : clone_proc(c);
}

/* ---------------------------------------------------------------- system calls -------------- */

long sys_fork(void)
{
	const struct clone c = {.exit_signal = SIGCHLD};

	return do_clone(&c);
}

long sys_vfork(void)
{
	const struct clone c = {.flags = CLONE_VM | CLONE_VFORK, .exit_signal = SIGCHLD};

	return do_clone(&c);
}

long sys_clone(unsigned long flags, uintptr_t stack, uintptr_t parent_tid, uintptr_t child_tid,
               uintptr_t tls)
{
	const struct clone c = {
	    .flags = (uint32_t)flags & ~CSIGNAL,
	    .exit_signal = (int)(flags & CSIGNAL),
	    .stack = stack,
	    .parent_tid = parent_tid,
	    .child_tid = child_tid,
	    .tls = tls,
	};

	return do_clone(&c);
}

/* The structure may be longer than ours if the rest is 0. */
static int read_clone_args(struct clone_args *args, uintptr_t from, size_t size)
{
	size_t ours = MIN(size, sizeof(*args));
	int err;

	memset(args, 0, sizeof(*args));
	if (size < CLONE_ARGS_SIZE_VER0)
		return -EINVAL;
	if (size > PAGE_SIZE)
		return -E2BIG;
	err = user_read(args, from, ours);
	for (size_t i = ours; !err && i < size; i++) {
		char c;

		err = user_get(c, from + i);
		if (!err && c)
			err = -E2BIG;
	}
	return err;
}

long sys_clone3(uintptr_t from, size_t size)
{
	struct clone_args args;
	int err = read_clone_args(&args, from, size);

	if (err)
		return err;
	if ((args.flags & CSIGNAL) || args.exit_signal > NR_SIGNALS || args.set_tid ||
	    args.set_tid_size)
		return -EINVAL;
	if (!args.stack != !args.stack_size || args.stack + args.stack_size < args.stack)
		return -EINVAL;
	return do_clone(&(struct clone){
	    .flags = args.flags,
	    .exit_signal = (int)args.exit_signal,
	    .stack = args.stack + args.stack_size,
	    .parent_tid = args.parent_tid,
	    .child_tid = args.child_tid,
	    .tls = args.tls,
	});
}
