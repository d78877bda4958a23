/*
 * oom.c: memory and swap are exhausted, and a program's fault finds no frame: somebody has to go.
 *
 * One process at a time: the one whose end frees most. That is the sum of its present pages, its
 * swap slots, its page tables and its areas, as objrmap counts them, shifted by oom_score_adj as on
 * Linux; -1000 is never. Process 1 never goes, because the machine ends with it. Whoever finds no
 * memory meanwhile waits until that one is gone and tries again. A victim that gets no smaller for
 * a while is stuck, perhaps in a transfer that does not end: then the next one is chosen.
 */
#include "internal.h"

#define LOOK     (NSEC_PER_SEC / 10) /* how often those who wait look at the victim */
#define PATIENCE (2 * NSEC_PER_SEC)  /* with one that gets no smaller */

#define NEVER (-1000) /* of oom_score_adj */

/* The process that is on its way out; all under proc_lock. */
static struct {
	struct proc *_Atomic proc; /* NULL: none */
	long pages;                /* the least it has been seen with */
	om_pfn_t free;             /* the most frames that have been free meanwhile */
	uint64_t since;            /* when it got smaller last */
} victim;

static struct waitq victim_gone = WAITQ_INIT(victim_gone);
static int releasing; /* address spaces on their way back; proc_lock */

/* ---------------------------------------------------------------- scores -------------------- */

/* Pages that a process holds. proc_lock held. */
static long pages_of(const struct proc *p)
{
	struct om_mm_usage usage;

	if (!p->space)
		return 0;
	om_mm_usage(p->space->mm, &usage);
	return (long)(usage.anon + usage.file + usage.swap + usage.tables + usage.areas);
}

/* All pages of memory and swap. */
static long pages_in_all(void)
{
	struct om_sysinfo info;

	om_sysinfo(vm, &info);
	return (long)(info.frames + info.swap_slots);
}

static bool never_goes(const struct proc *p)
{
	return p == init_proc || p->oom_score_adj == NEVER;
}

/* proc_lock held. */
static long badness(const struct proc *p, long all)
{
	return pages_of(p) + p->oom_score_adj * (all / 1000);
}

long oom_score(const struct proc *p)
{
	long all = pages_in_all(), score = 0;

	spin_lock(&proc_lock);
	if (!never_goes(p) && p->space)
		score = (1000 + badness(p, all) * 1000 / all) * 2 / 3;
	spin_unlock(&proc_lock);
	return MAX(score, 0l);
}

/* ---------------------------------------------------------------- choosing ------------------ */

/*
 * Can its end help? A space shared with process 1 (vfork) stays; one that was stuck has had its
 * turn. Those that are ending anyway come first. proc_lock held.
 */
static bool is_eligible(const struct proc *p)
{
	return p->space && p->space != init_proc->space && !p->oom_stuck &&
	       (p->exiting || !never_goes(p));
}

static struct proc *choose_victim(long all)
{
	struct proc *p, *best = NULL;
	long most = 0;

	list_for_each (p, &all_procs, all) {
		long score;

		if (!is_eligible(p))
			continue;
		score = p->exiting ? INT64_MAX : badness(p, all);
		if (!best || score > most) {
			best = p;
			most = score;
		}
	}
	return best;
}

/* All that run in its space go with it, otherwise nothing is freed. proc_lock held. */
static void kill_victim(struct proc *v)
{
	struct proc *p;

	if (!v->exiting && !list_empty(&v->threads))
		printk("out of memory: killed %s[%d], %ld pages\n",
		       list_first(&v->threads, struct thread, siblings)->name, v->pid, pages_of(v));
	list_for_each (p, &all_procs, all)
		if (p->space == v->space)
			signal_proc(p, SIGKILL, NULL);
}

/* False: there is nobody. proc_lock held. */
static bool begin(long all)
{
	struct proc *p = choose_victim(all);

	if (!p)
		return false;
	kill_victim(p);
	victim.proc = p;
	victim.pages = pages_of(p);
	victim.free = om_free_frames(vm);
	victim.since = now_ns();
	return true;
}

/* ---------------------------------------------------------------- its end ------------------- */

static void end(void)
{
	victim.proc = NULL;
	wake_all(&victim_gone);
}

void oom_releasing(int n)
{
	releasing += n;
}

void oom_released(struct proc *p)
{
	spin_lock(&proc_lock);
	if (victim.proc == p)
		end();
	spin_unlock(&proc_lock);
}

/* Does it get on? Otherwise its turn is over. proc_lock held. */
static void look_at_victim(void)
{
	long pages = pages_of(victim.proc);
	om_pfn_t free = om_free_frames(vm);
	uint64_t now = now_ns();

	if (pages < victim.pages || free > victim.free)
		victim.since = now;
	victim.pages = MIN(pages, victim.pages);
	victim.free = MAX(free, victim.free);
	if (now - victim.since < PATIENCE)
		return;
	victim.proc->oom_stuck = true;
	end();
}

static bool is_over(struct proc *p)
{
	spin_lock(&proc_lock);
	if (victim.proc == p)
		look_at_victim();
	spin_unlock(&proc_lock);
	return victim.proc != p;
}

/* Until `p` is no longer the one whose end is awaited, or the running thread has a signal. */
static void wait_for(struct proc *p)
{
	struct waiter w;

	while (!is_over(p) && !signal_pending()) {
		wait_begin(&victim_gone, &w, THREAD_INTERRUPTIBLE);
		if (victim.proc == p && !signal_pending())
			schedule_until(now_ns() + LOOK);
		wait_end(&w);
	}
}

/* Is memory left that is not that of process 1, or on its way back? proc_lock held. */
static bool others_left(void)
{
	struct proc *p;

	if (releasing)
		return true;
	list_for_each (p, &all_procs, all)
		if (p->space && p->space != init_proc->space)
			return true;
	return false;
}

static void kill_self(void)
{
	struct thread *t = current;

	printk("out of memory: killed %s[%d]\n", t->name, t->tid);
	spin_lock(&proc_lock);
	group_exit(t->proc, SIGKILL, NULL);
	spin_unlock(&proc_lock);
}

/* Nobody can be asked to go. Process 1 waits as long as there are others. */
static void no_victim(bool others)
{
	if (current->proc == init_proc && others)
		sleep_until(now_ns() + LOOK);
	else
		kill_self();
}

void out_of_memory(void)
{
	long all = pages_in_all();
	bool found, others;
	struct proc *p;

	spin_lock(&proc_lock);
	found = current->dying || victim.proc || begin(all);
	others = others_left();
	p = victim.proc;
	spin_unlock(&proc_lock);
	if (!found)
		no_victim(others);
	else if (p)
		wait_for(p);
}
