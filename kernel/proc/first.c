/*
 * first.c: process 1.
 *
 * The boot thread cannot become a user thread itself, so it prepares everything that exec would and
 * starts a thread that begins in user mode.
 */
#include "internal.h"
#include "kmem.h"

/* The working directory, and the terminal as files 0, 1 and 2. */
static int init_files(struct proc *p)
{
	struct inode *root;
	struct file *console;
	int err = path_lookup(AT_FDCWD, "/", 0, &root, NULL);

	if (err)
		return err;
	p->fs.cwd = root;
	p->fs.umask = 022;
	p->fs.cwd_path = kstrdup("/");
	if (!p->fs.cwd_path)
		return -ENOMEM;
	err = path_open(AT_FDCWD, "/dev/console", O_RDWR, 0, &console);
	if (err)
		return err;
	tty_give(p, 1);
	return files_init(p, console);
}

int proc_start_init(const char *path, char *const argv[], char *const envp[])
{
	struct proc *p;
	struct thread *t;
	struct regs regs;
	int err;

	process_table_init();
	defer_start();
	p = proc_alloc();
	t = p ? thread_alloc(p) : NULL;
	if (!t)
		return -ENOMEM;
	itimers_init(p);
	limits_init(p);
	capabilities_of_root(&p->cred);
	p->account = account_get(0);
	if (!p->account)
		return -ENOMEM;
	err = init_files(p);
	if (!err)
		err = exec_first(p, t, path, argv, envp, &regs);
	if (err)
		return err;
	spin_lock(&proc_lock);
	p->pid = p->pgid = p->sid = t->tid = pid_alloc();
	pid_names_group(p->pid);
	proc_link(p, NULL);
	thread_link(t, p);
	init_proc = p;
	spin_unlock(&proc_lock);
	cpu_thread_user(t, &regs);
	thread_start(t);
	return 0;
}
