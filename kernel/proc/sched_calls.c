/*
 * sched_calls.c: the system calls about scheduling, and those that change properties of the running
 * thread: prctl, arch_prctl, personality.
 *
 * There is one class of threads, all of equal rank: nice values and policies are remembered only,
 * and real-time policies are refused as to a user without privileges.
 */
#include <asm/prctl.h>
#include <linux/prctl.h>
#include <linux/sched.h>
#include <linux/sched/types.h>
#include <linux/time_types.h>

#include "internal.h"
#include "sys.h"

#define RT_PRIO_MIN 1
#define RT_PRIO_MAX 99
#define NICE_MIN    (-20)
#define NICE_MAX    19

/* ---------------------------------------------------------------- CPUs ---------------------- */

static bool thread_exists(int tid)
{
	bool yes;

	spin_lock(&proc_lock);
	yes = !tid || thread_find(tid);
	spin_unlock(&proc_lock);
	return yes;
}

/* May it be scheduled otherwise? -ESRCH, -EPERM. */
static int check_thread(int tid)
{
	const struct thread *t;
	int err;

	spin_lock(&proc_lock);
	t = tid ? thread_find(tid) : current;
	err = !t ? -ESRCH : may_schedule(t->proc) ? 0 : -EPERM;
	spin_unlock(&proc_lock);
	return err;
}

static uint64_t all_cpus(void)
{
	return (1ull << nr_cpus) - 1;
}

long sys_sched_yield(void)
{
	yield();
	return 0;
}

long sys_sched_getaffinity(int tid, unsigned size, uintptr_t to)
{
	const struct thread *t;
	uint64_t mask = 0;

	if (size % sizeof(mask) || !size)
		return -EINVAL;
	spin_lock(&proc_lock);
	t = tid ? thread_find(tid) : current;
	if (t)
		mask = atomic_load(&t->affinity) & all_cpus();
	spin_unlock(&proc_lock);
	if (!t)
		return -ESRCH;
	return user_put(to, mask) ? -EFAULT : (long)sizeof(mask);
}

/* What a shorter mask leaves out is 0. The caller is where it may be when this returns. */
long sys_sched_setaffinity(int tid, unsigned size, uintptr_t from)
{
	uint64_t mask = 0;
	struct thread *t;
	int err;

	if (user_read(&mask, from, MIN(size, (unsigned)sizeof(mask))))
		return -EFAULT;
	mask &= all_cpus();
	spin_lock(&proc_lock);
	t = tid ? thread_find(tid) : current;
	err = !t ? -ESRCH : !may_schedule(t->proc) ? -EPERM : !mask ? -EINVAL : 0;
	if (!err)
		sched_set_affinity(t, mask);
	spin_unlock(&proc_lock);
	if (!err && t == current)
		yield();
	return err;
}

long sys_getcpu(uintptr_t cpu_at, uintptr_t node_at)
{
	const unsigned cpu = x86_cpu_number(), node = 0;

	if ((cpu_at && user_put(cpu_at, cpu)) || (node_at && user_put(node_at, node)))
		return -EFAULT;
	return 0;
}

/* ---------------------------------------------------------------- policies ------------------ */

static bool is_realtime(int policy)
{
	return policy == SCHED_FIFO || policy == SCHED_RR;
}

static bool is_ordinary(int policy)
{
	return policy == SCHED_NORMAL || policy == SCHED_BATCH || policy == SCHED_IDLE;
}

long sys_sched_getscheduler(int tid)
{
	const struct thread *t;
	long policy;

	if (tid < 0)
		return -EINVAL;
	spin_lock(&proc_lock);
	t = tid ? thread_find(tid) : current;
	policy = t ? t->policy : -ESRCH;
	spin_unlock(&proc_lock);
	return policy;
}

static int check_param(int tid, uintptr_t param, int policy)
{
	struct sched_param p;

	if (tid < 0 || !param || (!is_ordinary(policy) && !is_realtime(policy)))
		return -EINVAL;
	if (user_get(p, param))
		return -EFAULT;
	if (!thread_exists(tid))
		return -ESRCH;
	if (is_realtime(policy))
		return p.sched_priority < RT_PRIO_MIN || p.sched_priority > RT_PRIO_MAX ? -EINVAL
		                                                                        : -EPERM;
	return p.sched_priority ? -EINVAL : check_thread(tid);
}

long sys_sched_setscheduler(int tid, int policy, uintptr_t param)
{
	struct thread *t;
	int err;

	policy &= ~SCHED_RESET_ON_FORK;
	err = check_param(tid, param, policy);
	if (err)
		return err;
	spin_lock(&proc_lock);
	t = tid ? thread_find(tid) : current;
	if (t)
		t->policy = policy;
	spin_unlock(&proc_lock);
	return t ? 0 : -ESRCH;
}

long sys_sched_setparam(int tid, uintptr_t param)
{
	return check_param(tid, param, SCHED_NORMAL);
}

long sys_sched_getparam(int tid, uintptr_t param)
{
	const struct sched_param p = {.sched_priority = 0};

	if (tid < 0 || !param)
		return -EINVAL;
	return thread_exists(tid) ? user_put(param, p) : -ESRCH;
}

long sys_sched_get_priority_max(int policy)
{
	if (is_realtime(policy))
		return RT_PRIO_MAX;
	return is_ordinary(policy) || policy == SCHED_DEADLINE ? 0 : -EINVAL;
}

long sys_sched_get_priority_min(int policy)
{
	if (is_realtime(policy))
		return RT_PRIO_MIN;
	return is_ordinary(policy) || policy == SCHED_DEADLINE ? 0 : -EINVAL;
}

long sys_sched_rr_get_interval(int tid, uintptr_t to)
{
	const struct __kernel_timespec ts = ns_timespec(SLICE_NS);

	if (tid < 0)
		return -EINVAL;
	return thread_exists(tid) ? user_put(to, ts) : -ESRCH;
}

/* ---------------------------------------------------------------- nice ---------------------- */

static bool has_prio(const struct proc *p, int which, int who)
{
	const struct proc *me = current->proc;

	switch (which) {
	case PRIO_PROCESS:
		return who ? p->pid == who : p == me;
	case PRIO_PGRP:
		return p->pgid == (who ? who : me->pgid);
	default:
		return p->cred.uid.real == (who ? (unsigned)who : me->cred.uid.real);
	}
}

/* Returned as 20 - nice: never negative. */
long sys_getpriority(int which, int who)
{
	const struct proc *p;
	long best = -ESRCH;

	if (which < PRIO_PROCESS || which > PRIO_USER)
		return -EINVAL;
	spin_lock(&proc_lock);
	list_for_each (p, &all_procs, all)
		if (has_prio(p, which, who))
			best = MAX(best, 20 - p->nice);
	spin_unlock(&proc_lock);
	return best;
}

/* May the running process make `p` as urgent as this? */
static int check_nice(const struct proc *p, int nice)
{
	if (!is_owner(p))
		return -EPERM;
	if (nice < p->nice && !capable(CAP_SYS_NICE) &&
	    (unsigned long)(20 - nice) > p->limit[RLIMIT_NICE].rlim_cur)
		return -EACCES;
	return may_schedule(p) ? 0 : -EPERM;
}

/* Of several processes some may be changed and others not: the last of the errors counts. */
long sys_setpriority(int which, int who, int nice)
{
	struct proc *p;
	long err = -ESRCH;

	if (which < PRIO_PROCESS || which > PRIO_USER)
		return -EINVAL;
	nice = MAX(NICE_MIN, MIN(nice, NICE_MAX));
	spin_lock(&proc_lock);
	list_for_each (p, &all_procs, all) {
		int refused;

		if (!has_prio(p, which, who))
			continue;
		refused = check_nice(p, nice);
		if (!refused)
			p->nice = nice;
		if (refused || err == -ESRCH)
			err = refused;
	}
	spin_unlock(&proc_lock);
	return err;
}

/* ---------------------------------------------------------------- properties ---------------- */

long sys_personality(unsigned persona)
{
	struct proc *p = current->proc;
	unsigned old = p->personality;

	if (persona != 0xffffffffu)
		p->personality = persona;
	return old;
}

static long set_name(uintptr_t from)
{
	char name[sizeof(current->name)];
	long len = user_string(name, from, sizeof(name));

	/* A longer one is cut. */
	if (len == -ENAMETOOLONG)
		len = user_read(name, from, sizeof(name) - 1);
	if (len < 0)
		return len;
	name[sizeof(name) - 1] = 0;
	spin_lock(&proc_lock);
	memcpy(current->name, name, sizeof(name));
	spin_unlock(&proc_lock);
	return 0;
}

static long get_name(uintptr_t to)
{
	char name[sizeof(current->name)] = "";

	strlcpy(name, current->name, sizeof(name));
	return user_put(to, name);
}

static long set_pdeathsig(unsigned long sig)
{
	if (sig > NR_SIGNALS)
		return -EINVAL;
	current->proc->pdeathsig = (int)sig;
	return 0;
}

/* There is no way back. */
static long set_no_new_privs(unsigned long arg)
{
	if (arg != 1)
		return -EINVAL;
	current->proc->no_new_privs = true;
	return 0;
}

static long set_keep_caps(unsigned long arg)
{
	if (arg > 1)
		return -EINVAL;
	spin_lock(&proc_lock);
	current->proc->cred.keep_caps = arg;
	spin_unlock(&proc_lock);
	return 0;
}

long sys_prctl(int option, unsigned long arg)
{
	struct proc *p = current->proc;
	const int pdeathsig = p->pdeathsig;

	switch (option) {
	case PR_SET_NAME:
		return set_name(arg);
	case PR_GET_NAME:
		return get_name(arg);
	case PR_SET_PDEATHSIG:
		return set_pdeathsig(arg);
	case PR_GET_PDEATHSIG:
		return user_put(arg, pdeathsig);
	case PR_SET_NO_NEW_PRIVS:
		return set_no_new_privs(arg);
	case PR_GET_NO_NEW_PRIVS:
		return p->no_new_privs;
	case PR_SET_KEEPCAPS:
		return set_keep_caps(arg);
	case PR_GET_KEEPCAPS:
		return p->cred.keep_caps;
	case PR_CAPBSET_READ:
		return cap_valid(arg) ? 1 : -EINVAL;
	case PR_GET_DUMPABLE:
		return p->dumpable;
	case PR_SET_DUMPABLE:
		if (arg > 1)
			return -EINVAL;
		p->dumpable = (int)arg;
		return 0;
	default:
		return -EINVAL;
	}
}

long sys_arch_prctl(int option, uintptr_t arg)
{
	struct thread *t = current;
	const uint64_t fs = t->fs_base, gs = t->gs_base;

	switch (option) {
	case ARCH_SET_FS:
		if (arg >= USER_LIMIT)
			return -EPERM;
		cpu_set_fs(arg);
		return 0;
	case ARCH_GET_FS:
		return user_put(arg, fs);
	case ARCH_GET_GS:
		return user_put(arg, gs);
	default:
		return -EINVAL;
	}
}
