/*
 * limits.c: resource limits. Each is enforced where the resource is: those of memory by objrmap,
 * which is told them for each address space; NOFILE and FSIZE by fs/; NPROC here, when fork.c asks;
 * SIGPENDING by pending.c; CPU by itimer.c; NICE by sched_calls.c. What the others are about does
 * not exist (core dumps, message queues, real-time threads), or Linux does not enforce them either
 * (RSS, LOCKS).
 */
#include "internal.h"
#include "sys.h"

#define STACK_LIMIT   (8ul << 20)
#define MEMLOCK_LIMIT (8ul << 20)
#define QUEUE_LIMIT   819200ul

static void limit_set(struct proc *p, int which, unsigned long soft, unsigned long hard)
{
	p->limit[which] = (struct rlimit){.rlim_cur = soft, .rlim_max = hard};
}

static unsigned tasks_max; /* of the machine: kernel stacks take an eighth of memory then */

/* Those of process 1; all others inherit them. One user may have half of all tasks. */
void limits_init(struct proc *p)
{
	struct om_sysinfo info;
	unsigned long threads;

	om_sysinfo(vm, &info);
	tasks_max = (unsigned)MIN(info.frames * PAGE_SIZE / KSTACK_SIZE / 8, PID_MAX / 2ul);
	threads = tasks_max / 2;
	for (int i = 0; i < RLIM_NLIMITS; i++)
		limit_set(p, i, RLIM_INFINITY, RLIM_INFINITY);
	limit_set(p, RLIMIT_STACK, STACK_LIMIT, RLIM_INFINITY);
	limit_set(p, RLIMIT_CORE, 0, RLIM_INFINITY);
	limit_set(p, RLIMIT_NPROC, threads, threads);
	limit_set(p, RLIMIT_NOFILE, MIN(USUAL_FILES, fd_most()), fd_most());
	limit_set(p, RLIMIT_MEMLOCK, MEMLOCK_LIMIT, MEMLOCK_LIMIT);
	limit_set(p, RLIMIT_SIGPENDING, threads, threads);
	limit_set(p, RLIMIT_MSGQUEUE, QUEUE_LIMIT, QUEUE_LIMIT);
	limit_set(p, RLIMIT_NICE, 0, 0);
	limit_set(p, RLIMIT_RTPRIO, 0, 0);
}

/*
 * MEMLOCK does not hold for those with the capability, so this is done again when that comes or
 * goes. An address space knows one set of limits: of several processes, that of the last to call.
 */
void limits_apply(const struct proc *p, struct space *space)
{
	bool any = cred_has(&p->cred, CAP_IPC_LOCK);

	om_set_limit(space->mm, OM_LIMIT_AS, p->limit[RLIMIT_AS].rlim_cur);
	om_set_limit(space->mm, OM_LIMIT_DATA, p->limit[RLIMIT_DATA].rlim_cur);
	om_set_limit(space->mm, OM_LIMIT_STACK, p->limit[RLIMIT_STACK].rlim_cur);
	om_set_limit(space->mm, OM_LIMIT_MEMLOCK,
	             any ? OM_UNLIMITED : p->limit[RLIMIT_MEMLOCK].rlim_cur);
}

/* RLIMIT_NPROC is for users other than root. */
int limit_tasks(void)
{
	const struct proc *p = current->proc;

	if (tasks_total() >= tasks_max)
		return -EAGAIN;
	if (p->account->nr_tasks < p->limit[RLIMIT_NPROC].rlim_cur || !p->cred.uid.real)
		return 0;
	return capable(CAP_SYS_RESOURCE) || capable(CAP_SYS_ADMIN) ? 0 : -EAGAIN;
}

/* The clock tick compares with this. proc_lock held, or the process is new. */
void limit_cpu_arm(struct proc *p)
{
	unsigned long flags = spin_lock_irq(&p->timer_lock);
	unsigned long soft = p->limit[RLIMIT_CPU].rlim_cur;

	p->cpu_limit_ns =
	    soft < UINT64_MAX / NSEC_PER_SEC ? MAX(soft, 1ul) * NSEC_PER_SEC : UINT64_MAX;
	spin_unlock_irq(&p->timer_lock, flags);
}

/* Every second beyond the soft limit, until the hard one. proc_lock held. */
void limit_cpu_reached(struct proc *p)
{
	unsigned long hard = p->limit[RLIMIT_CPU].rlim_max;
	bool end = hard != RLIM_INFINITY && p->ticked_ns / NSEC_PER_SEC >= hard;

	signal_proc(p, end ? SIGKILL : SIGXCPU, NULL);
}

static int check_new(const struct proc *p, unsigned which, const struct rlimit *new)
{
	if (new->rlim_cur > new->rlim_max)
		return -EINVAL;
	if (which == RLIMIT_NOFILE && new->rlim_max > fd_most())
		return -EPERM;
	return new->rlim_max > p->limit[which].rlim_max && !capable(CAP_SYS_RESOURCE) ? -EPERM : 0;
}

/* proc_lock held. */
static int swap_limit(struct proc *p, unsigned which, const struct rlimit *new, struct rlimit *old)
{
	int err;

	if (!may_limit(p))
		return -EPERM;
	if (which >= RLIM_NLIMITS)
		return -EINVAL;
	err = new ? check_new(p, which, new) : 0;
	*old = p->limit[which];
	if (err || !new)
		return err;
	p->limit[which] = *new;
	if (which == RLIMIT_CPU)
		limit_cpu_arm(p);
	if (p->space)
		limits_apply(p, p->space);
	return 0;
}

/* pid 0: the running process. */
static long do_prlimit(int pid, unsigned which, const struct rlimit *new, struct rlimit *old)
{
	struct proc *p;
	int err;

	spin_lock(&proc_lock);
	p = pid ? proc_of(pid) : current->proc;
	err = p ? swap_limit(p, which, new, old) : -ESRCH;
	spin_unlock(&proc_lock);
	return err;
}

long sys_prlimit64(int pid, unsigned which, uintptr_t from, uintptr_t to)
{
	struct rlimit new, old;
	long err;

	_Static_assert(sizeof(struct rlimit) == sizeof(struct rlimit64), "one structure for both");
	if (from && user_get(new, from))
		return -EFAULT;
	err = do_prlimit(pid, which, from ? &new : NULL, &old);
	if (err || !to)
		return err;
	return user_put(to, old);
}

long sys_getrlimit(unsigned which, uintptr_t to)
{
	return to ? sys_prlimit64(0, which, 0, to) : -EFAULT;
}

long sys_setrlimit(unsigned which, uintptr_t from)
{
	return from ? sys_prlimit64(0, which, from, 0) : -EFAULT;
}
