/*
 * exec.c: execve: another program in the same process.
 *
 * The new program is mapped completely into an address space of its own first; until then every
 * failure is an error that the old program sees. Then the other threads are ended, the spaces
 * change places, and what does not outlive an exec (handlers, files marked close-on-exec, timers)
 * goes.
 */
#include "exec.h"
#include "kmem.h"
#include "sys.h"

/* ---------------------------------------------------------------- preparing ----------------- */

static struct exec *exec_alloc(struct proc *p)
{
	struct exec *e = kmalloc(sizeof(*e));

	if (e)
		e->path = kmalloc(PATH_MAX_LEN);
	if (e && !e->path) {
		kfree(e);
		e = NULL;
	}
	if (e)
		e->p = p;
	return e;
}

static void exec_free(struct exec *e)
{
	for (unsigned i = 0; i < e->nr_prefix; i++)
		kfree(e->prefix[i]);
	args_free(&e->args);
	if (e->file)
		file_put(e->file);
	if (e->image.space)
		space_put(e->image.space);
	kfree(e->exe);
	kfree(e->path);
	kfree(e);
}

/* Everything that may fail: e->file is open and e->args are there. */
static int prepare_image(struct exec *e)
{
	int err = exec_script(e);

	if (err)
		return err;
	e->exe = kstrdup(e->file->path ? e->file->path : e->path);
	err = e->exe ? elf_load(e) : -ENOMEM;
	return err ? err : stack_build(e);
}

static int copy_strings(struct args *a, char *const argv[], char *const envp[])
{
	int err = 0;

	for (; !err && argv[a->argc]; a->argc++)
		err = args_add(a, argv[a->argc]);
	a->env_at = a->bytes;
	for (; !err && envp[a->envc]; a->envc++)
		err = args_add(a, envp[a->envc]);
	return err;
}

/* Add the strings that a user array of pointers names; NULL for the array is an empty one. */
static int copy_user_array(struct args *a, uintptr_t array, unsigned *count)
{
	for (; array; array += sizeof(uintptr_t), ++*count) {
		uintptr_t s;
		int err = user_get(s, array);

		if (err || !s)
			return err;
		err = args_add_user(a, s);
		if (err)
			return err;
	}
	return 0;
}

static int copy_user_strings(struct args *a, uintptr_t argv, uintptr_t envp)
{
	int err = copy_user_array(a, argv, &a->argc);

	if (!err && !a->argc) {
		/* Programs that read argv[0] without looking shall not read the environment. */
		err = args_add(a, "");
		a->argc = 1;
	}
	a->env_at = a->bytes;
	return err ? err : copy_user_array(a, envp, &a->envc);
}

/* ---------------------------------------------------------------- committing ---------------- */

static bool alone_or_dying(struct thread *t)
{
	bool yes;

	spin_lock(&proc_lock);
	yes = t->proc->nr_threads == 1 || t->dying;
	spin_unlock(&proc_lock);
	return yes;
}

/* End the other threads; fails if this one is to end itself. */
static int kill_siblings(struct thread *t)
{
	struct proc *p = t->proc;
	struct waiter w;
	bool ready = false;
	int err;

	spin_lock(&proc_lock);
	if (p->exec_thread || p->exiting || t->dying) {
		spin_unlock(&proc_lock);
		return -ERESTARTNOINTR;
	}
	p->exec_thread = t;
	threads_kill(p, t);
	spin_unlock(&proc_lock);
	while (!ready) {
		wait_begin(&p->thread_wait, &w, THREAD_INTERRUPTIBLE);
		ready = alone_or_dying(t);
		if (!ready)
			schedule();
		wait_end(&w);
	}
	spin_lock(&proc_lock);
	p->exec_thread = NULL;
	err = t->dying ? -ERESTARTNOINTR : 0;
	if (!err && t->tid != p->pid)
		thread_become_first(t);
	spin_unlock(&proc_lock);
	return err;
}

/*
 * What is exchanged under the lock. The caller puts and frees what was there; a new process has
 * nothing.
 */
static void exchange_image(struct exec *e, struct thread *t, struct space **space, char **exe)
{
	const char *slash = strrchr(e->path, '/');
	struct proc *p = e->p;

	spin_lock(&proc_lock);
	*space = p->space;
	p->space = t->space = e->image.space;
	e->image.space = NULL;
	*exe = p->exe;
	p->exe = e->exe;
	e->exe = NULL;
	strlcpy(t->name, slash ? slash + 1 : e->path, sizeof(t->name));
	signals_exec(p);
	vfork_done(p);
	p->did_exec = true;
	cred_exec(p);
	limits_apply(p, p->space);
	spin_unlock(&proc_lock);
}

static void thread_reset(struct thread *t)
{
	t->altstack = t->altstack_size = 0;
	t->altstack_flags = 0;
	t->restart_deadline = 0;
	cpu_set_fs(0);
	cpu_fpu_reset(t);
}

static void first_regs(const struct image *im, struct regs *regs)
{
	memset(regs, 0, sizeof(*regs));
	regs->rip = im->start;
	regs->rsp = im->sp;
	regs->cs = USER_CS;
	regs->ss = USER_DS;
	regs->rflags = 0x202; /* interrupts on */
}

/* No way back from here. */
static void commit_image(struct exec *e, struct thread *t)
{
	struct proc *p = t->proc;
	struct space *old;
	char *old_exe;

	robust_exit();
	ptimers_stop(p);
	files_exec(p);
	exchange_image(e, t, &old, &old_exe);
	space_activate(t->space);
	space_put(old);
	kfree(old_exe);
	thread_reset(t);
	first_regs(&e->image, thread_regs(t));
}

static int run_exec(struct exec *e)
{
	int err = prepare_image(e);

	if (!err)
		err = kill_siblings(current);
	if (!err)
		commit_image(e, current);
	return err;
}

/* ---------------------------------------------------------------- entries ------------------- */

int exec_first(struct proc *p, struct thread *t, const char *path, char *const argv[],
               char *const envp[], struct regs *regs)
{
	struct exec *e = exec_alloc(p);
	struct space *space;
	char *exe;
	int err;

	if (!e)
		return -ENOMEM;
	strlcpy(e->path, path, PATH_MAX_LEN);
	err = exec_open(AT_FDCWD, e->path, 0, &e->file);
	if (!err)
		err = copy_strings(&e->args, argv, envp);
	if (!err)
		err = prepare_image(e);
	if (!err) {
		exchange_image(e, t, &space, &exe);
		first_regs(&e->image, regs);
	}
	exec_free(e);
	return err;
}

/*
 * The file that a path, or with AT_EMPTY_PATH a descriptor, names; e->path becomes what a script is
 * told.
 */
static int open_at(struct exec *e, int dirfd, uintptr_t path, int flags)
{
	long len = user_string(e->path, path, PATH_MAX_LEN);

	if (len < 0)
		return (int)len;
	if (len)
		return exec_open(dirfd, e->path, flags & AT_SYMLINK_NOFOLLOW ? O_NOFOLLOW : 0,
		                 &e->file);
	if (!(flags & AT_EMPTY_PATH))
		return -ENOENT;
	e->file = fd_get(dirfd);
	if (!e->file)
		return -EBADF;
	snprintf(e->path, PATH_MAX_LEN, "/dev/fd/%d", dirfd);
	return exec_is_program(e->file) ? 0 : -EACCES;
}

long sys_execveat(int dirfd, uintptr_t path, uintptr_t argv, uintptr_t envp, int flags)
{
	struct exec *e;
	int err;

	if (flags & ~(AT_EMPTY_PATH | AT_SYMLINK_NOFOLLOW))
		return -EINVAL;
	e = exec_alloc(current->proc);
	if (!e)
		return -ENOMEM;
	err = open_at(e, dirfd, path, flags);
	if (!err)
		err = copy_user_strings(&e->args, argv, envp);
	if (!err)
		err = run_exec(e);
	exec_free(e);
	return err;
}

long sys_execve(uintptr_t path, uintptr_t argv, uintptr_t envp)
{
	return sys_execveat(AT_FDCWD, path, argv, envp, 0);
}
