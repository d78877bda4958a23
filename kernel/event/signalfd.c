/*
 * signalfd.c: signalfd(): signals that are read instead of handled.
 *
 * What is read is pending for whoever reads, so such a file has nothing of its own but a set. All
 * of them wait on one queue, which every signal wakes: signals are rare.
 */
#include <asm/poll.h>
#include <linux/fcntl.h>
#include <linux/signalfd.h>

#include "kmem.h"
#include "process.h"
#include "sys.h"

struct signalfd {
	_Atomic sigmask_t set;
};

static bool is_pending(sigmask_t set)
{
	const struct thread *t = current;
	bool yes;

	spin_lock(&proc_lock);
	yes = (t->pending | t->proc->pending) & set;
	spin_unlock(&proc_lock);
	return yes;
}

static int take(sigmask_t set, siginfo_t *info)
{
	int sig;

	spin_lock(&proc_lock);
	sig = signal_take(set, info);
	spin_unlock(&proc_lock);
	return sig;
}

/* Which fields a siginfo has depends on who sent it. */
static struct signalfd_siginfo record(const siginfo_t *info)
{
	struct signalfd_siginfo r;
	bool fault = SIGBIT(info->si_signo) & BITS_FAULT;

	memset(&r, 0, sizeof(r));
	r.ssi_signo = (uint32_t)info->si_signo;
	r.ssi_errno = info->si_errno;
	r.ssi_code = info->si_code;
	if (info->si_code == SI_TIMER) {
		r.ssi_tid = (uint32_t)info->si_tid;
		r.ssi_overrun = (uint32_t)info->si_overrun;
	} else if (info->si_code > 0 && fault) {
		r.ssi_addr = (uintptr_t)info->si_addr;
		return r;
	} else {
		r.ssi_pid = (uint32_t)info->si_pid;
		r.ssi_uid = info->si_uid;
	}
	if (info->si_code > 0 && info->si_signo == SIGCHLD) {
		r.ssi_status = info->si_status;
		r.ssi_utime = (uint64_t)info->si_utime;
		r.ssi_stime = (uint64_t)info->si_stime;
	} else if (info->si_code == SI_QUEUE || info->si_code == SI_TIMER) {
		r.ssi_ptr = (uintptr_t)info->si_ptr;
		r.ssi_int = info->si_int;
	}
	return r;
}

/* As many as are pending and fit. */
static long take_records(sigmask_t set, char *buf, size_t n)
{
	struct signalfd_siginfo r;
	size_t sum = 0;
	siginfo_t info;

	while (sum + sizeof(r) <= n && take(set, &info)) {
		r = record(&info);
		memcpy(buf + sum, &r, sizeof(r));
		sum += sizeof(r);
	}
	return (long)sum;
}

static long signalfd_read(struct file *file, void *buf, size_t n, uint64_t *pos)
{
	struct signalfd *s = file->data;
	long got;

	(void)pos;
	if (n < sizeof(struct signalfd_siginfo))
		return -EINVAL;
	while (!(got = take_records(s->set, buf, n))) {
		if (file->flags & O_NONBLOCK)
			return -EAGAIN;
		if (wait_event_intr(&signal_arrived, is_pending(s->set)))
			return -ERESTARTSYS;
	}
	return got;
}

static unsigned signalfd_poll(struct file *file, struct poll_table *table)
{
	struct signalfd *s = file->data;

	poll_wait(table, &signal_arrived);
	return is_pending(s->set) ? POLLIN : 0;
}

static void signalfd_release(struct file *file)
{
	kfree(file->data);
}

static const struct file_ops signalfd_fops = {.read = signalfd_read,
                                              .poll = signalfd_poll,
                                              .release = signalfd_release,
                                              .stream = true};

static long signalfd_new(sigmask_t set, unsigned flags)
{
	struct signalfd *s = kmalloc(sizeof(*s));
	int fd;

	if (!s)
		return -ENOMEM;
	s->set = set;
	fd = anon_open("[signalfd]", &signalfd_fops, s, flags);
	if (fd < 0)
		kfree(s);
	return fd;
}

static long signalfd_change(int fd, sigmask_t set)
{
	struct file *file = fd_get(fd);
	long result = fd;

	if (!file)
		return -EBADF;
	if (file->ops == &signalfd_fops)
		((struct signalfd *)file->data)->set = set;
	else
		result = -EINVAL;
	file_put(file);
	wake_all(&signal_arrived);
	return result;
}

long sys_signalfd4(int fd, uintptr_t from, size_t size, unsigned flags)
{
	sigmask_t set;
	int err = sigmask_read(&set, from, size);

	if (err)
		return err;
	if (flags & ~(unsigned)(SFD_CLOEXEC | SFD_NONBLOCK))
		return -EINVAL;
	set &= ~(BIT_KILL | BIT_STOP);
	return fd == -1 ? signalfd_new(set, flags) : signalfd_change(fd, set);
}

long sys_signalfd(int fd, uintptr_t from, size_t size)
{
	return sys_signalfd4(fd, from, size, 0);
}
