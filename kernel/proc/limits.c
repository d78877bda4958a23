/*
 * limits.c: resource limits. Each is enforced where the resource is: those of memory by objrmap,
 * which is told them for each address space, NOFILE by fs/, NPROC by fork.c, CPU by itimer.c. The
 * rest is remembered. So is MEMLOCK, which does not hold for root on Linux, and all here are root.
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

/*
 * Those of process 1; all others inherit them. The kernel stacks of all threads may take a
 * sixteenth of memory.
 */
void limits_init(struct proc *p)
{
	struct om_sysinfo info;
	unsigned long threads;

	om_sysinfo(vm, &info);
	threads = MIN(info.frames * PAGE_SIZE / KSTACK_SIZE / 16, PID_MAX / 2ul);
	for (int i = 0; i < RLIM_NLIMITS; i++)
		limit_set(p, i, RLIM_INFINITY, RLIM_INFINITY);
	limit_set(p, RLIMIT_STACK, STACK_LIMIT, RLIM_INFINITY);
	limit_set(p, RLIMIT_CORE, 0, RLIM_INFINITY);
	limit_set(p, RLIMIT_NPROC, threads, threads);
	limit_set(p, RLIMIT_NOFILE, NR_FILES, NR_FILES);
	limit_set(p, RLIMIT_MEMLOCK, MEMLOCK_LIMIT, MEMLOCK_LIMIT);
	limit_set(p, RLIMIT_SIGPENDING, threads, threads);
	limit_set(p, RLIMIT_MSGQUEUE, QUEUE_LIMIT, QUEUE_LIMIT);
	limit_set(p, RLIMIT_NICE, 0, 0);
	limit_set(p, RLIMIT_RTPRIO, 0, 0);
}

void limits_apply(const struct rlimit *limit, struct space *space)
{
	om_set_limit(space->mm, OM_LIMIT_AS, limit[RLIMIT_AS].rlim_cur);
	om_set_limit(space->mm, OM_LIMIT_DATA, limit[RLIMIT_DATA].rlim_cur);
	om_set_limit(space->mm, OM_LIMIT_STACK, limit[RLIMIT_STACK].rlim_cur);
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

static bool is_of_memory(unsigned which)
{
	return which == RLIMIT_AS || which == RLIMIT_DATA || which == RLIMIT_STACK;
}

static int check_new(const struct proc *p, unsigned which, const struct rlimit *new)
{
	if (new->rlim_cur > new->rlim_max)
		return -EINVAL;
	if (which == RLIMIT_NOFILE && new->rlim_max > NR_FILES)
		return -EPERM;
	return new->rlim_max > p->limit[which].rlim_max ? -EPERM : 0;
}

/* proc_lock held. *space comes referenced if it has to be told. */
static int swap_limit(struct proc *p, unsigned which, const struct rlimit *new, struct rlimit *old,
                      struct space **space)
{
	int err = new ? check_new(p, which, new) : 0;

	*old = p->limit[which];
	if (err || !new)
		return err;
	p->limit[which] = *new;
	if (which == RLIMIT_CPU)
		limit_cpu_arm(p);
	if (is_of_memory(which) && p->space) {
		space_get(p->space);
		*space = p->space;
	}
	return 0;
}

/* pid 0: the running process. */
static long do_prlimit(int pid, unsigned which, const struct rlimit *new, struct rlimit *old)
{
	struct rlimit limit[RLIM_NLIMITS];
	struct space *space = NULL;
	struct proc *p;
	int err = -ESRCH;

	if (which >= RLIM_NLIMITS)
		return -EINVAL;
	spin_lock(&proc_lock);
	p = pid ? proc_find(pid) : current->proc;
	if (p) {
		err = swap_limit(p, which, new, old, &space);
		memcpy(limit, p->limit, sizeof(limit));
	}
	spin_unlock(&proc_lock);
	if (space) {
		limits_apply(limit, space);
		space_put(space);
	}
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
