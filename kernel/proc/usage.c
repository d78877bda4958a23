/*
 * usage.c: what processes have used: getrusage, times, and the figures of wait4.
 *
 * Time in user mode is sampled by clock ticks, the sum with time in the kernel is exact. The
 * resident size is looked at when somebody asks and when the process ends, so a peak in between is
 * not seen.
 */
#include <linux/resource.h>
#include <linux/times.h>

#include "internal.h"
#include "sys.h"

#define TICK_NS (NSEC_PER_SEC / 100)

static struct __kernel_old_timeval ns_timeval(uint64_t ns)
{
	return (struct __kernel_old_timeval){
	    .tv_sec = (long)(ns / NSEC_PER_SEC),
	    .tv_usec = (long)(ns % NSEC_PER_SEC / 1000),
	};
}

static void set_times(struct rusage *ru, uint64_t cpu, uint64_t user)
{
	user = MIN(user, cpu);
	ru->ru_utime = ns_timeval(user);
	ru->ru_stime = ns_timeval(cpu - user);
}

void usage_of_child(const struct proc *p, struct rusage *ru)
{
	uint64_t cpu, user;

	memset(ru, 0, sizeof(*ru));
	proc_times(p, &cpu, &user);
	set_times(ru, cpu + p->child_cpu_ns, user + p->child_user_ns);
	ru->ru_minflt = (long)(p->min_faults + p->child_min_faults);
	ru->ru_majflt = (long)(p->maj_faults + p->child_maj_faults);
	ru->ru_maxrss = (long)(MAX(p->max_rss, p->child_max_rss) * PAGE_SIZE / 1024);
}

static void usage_self(const struct proc *p, struct rusage *ru)
{
	const struct thread *t;
	uint64_t cpu, user;

	proc_times(p, &cpu, &user);
	set_times(ru, cpu, user);
	ru->ru_minflt = (long)p->min_faults;
	ru->ru_majflt = (long)p->maj_faults;
	list_for_each (t, &p->threads, siblings) {
		ru->ru_minflt += (long)t->min_faults;
		ru->ru_majflt += (long)t->maj_faults;
	}
	ru->ru_maxrss = (long)(p->max_rss * PAGE_SIZE / 1024);
}

static void usage_children(const struct proc *p, struct rusage *ru)
{
	set_times(ru, p->child_cpu_ns, p->child_user_ns);
	ru->ru_minflt = (long)p->child_min_faults;
	ru->ru_majflt = (long)p->child_maj_faults;
	ru->ru_maxrss = (long)(p->child_max_rss * PAGE_SIZE / 1024);
}

static void usage_thread(const struct thread *t, struct rusage *ru)
{
	sched_account();
	set_times(ru, t->cpu_ns, t->user_ns);
	ru->ru_minflt = (long)t->min_faults;
	ru->ru_majflt = (long)t->maj_faults;
	ru->ru_maxrss = (long)(t->proc->max_rss * PAGE_SIZE / 1024);
}

void usage_note_rss(struct proc *p)
{
	size_t rss = om_mm_rss(p->space->mm);

	spin_lock(&proc_lock);
	p->max_rss = MAX(p->max_rss, rss);
	spin_unlock(&proc_lock);
}

long sys_getrusage(int who, uintptr_t to)
{
	struct thread *t = current;
	struct rusage ru;

	if (who != RUSAGE_SELF && who != RUSAGE_CHILDREN && who != RUSAGE_THREAD)
		return -EINVAL;
	memset(&ru, 0, sizeof(ru));
	if (who != RUSAGE_CHILDREN)
		usage_note_rss(t->proc);
	spin_lock(&proc_lock);
	if (who == RUSAGE_SELF)
		usage_self(t->proc, &ru);
	else if (who == RUSAGE_CHILDREN)
		usage_children(t->proc, &ru);
	else
		usage_thread(t, &ru);
	spin_unlock(&proc_lock);
	return user_put(to, ru);
}

long sys_times(uintptr_t to)
{
	const struct proc *p = current->proc;
	uint64_t cpu, user;
	struct tms tms;

	spin_lock(&proc_lock);
	proc_times(p, &cpu, &user);
	user = MIN(user, cpu);
	tms.tms_utime = (long)(user / TICK_NS);
	tms.tms_stime = (long)((cpu - user) / TICK_NS);
	user = MIN(p->child_user_ns, p->child_cpu_ns);
	tms.tms_cutime = (long)(user / TICK_NS);
	tms.tms_cstime = (long)((p->child_cpu_ns - user) / TICK_NS);
	spin_unlock(&proc_lock);
	if (to && user_put(to, tms))
		return -EFAULT;
	return (long)(now_ns() / TICK_NS);
}
