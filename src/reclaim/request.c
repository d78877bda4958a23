/*
 * request.c: somebody needs a frame, and none is free.
 *
 * The one who asks reclaims by itself, in rounds, until something has been freed; it holds no lock.
 * Every wait in here ends: other reclaimers may have all pages in their hands, and one of them may
 * be in a transfer that never ends.
 */
#include "area/trim.h"
#include "reclaim/reclaim.h"

/* ---------------------------------------------------------------- waiting for others -------- */

/*
 * Tenths of a second that a request waits for other reclaimers, of which none gets on. Then all
 * that are inside are taken for hung in a transfer, and nobody waits for these any more.
 */
#define PATIENCE 100

/* And tenths that it waits for the background thread, if a store writes for that one alone. */
#define PUT_OFF_PATIENCE 10

struct others {
	const struct om_reclaimers *r;
	uint32_t won; /* when we looked */
};

static bool others_have_won(const struct others *o)
{
	return atomic_load(&o->r->won) != o->won;
}

static bool others_have_not_won(const void *arg)
{
	return !others_have_won(arg);
}

static bool others_busy(const void *arg)
{
	const struct others *o = arg;

	return atomic_load(&o->r->inside) > atomic_load(&o->r->hung) && !others_have_won(o);
}

static void take_for_hung(struct om_system *sys)
{
	struct om_reclaimers *r = &sys->reclaimers;

	om_spin_lock(sys, &r->lock, OM_RANK_LIST);
	atomic_store(&r->hung, atomic_load(&r->inside));
	r->hangs++;
	om_spin_unlock(sys, &r->lock);
}

/*
 * A store does not write for this thread, but would for the background thread, which may not have
 * begun yet. Wait until it has freed something, not for long: this thread may be in its way.
 */
static void wait_for_background(struct om_system *sys, const struct others *o)
{
	const struct om_hooks *h = om_hooks(sys);

	if (!h->ops->low_memory || !h->ops->wait_briefly)
		return;
	h->ops->low_memory(h->ctx);
	for (unsigned n = 0; n < PUT_OFF_PATIENCE && !others_have_won(o) && !om_dying(sys); n++)
		om_wait_briefly(sys, &sys->reclaimers, others_have_not_won, o);
}

/*
 * We found nothing: perhaps because other threads have all pages isolated. Wait until one of them
 * has freed some; false if none has, or they hang, so that it was really nothing.
 */
static OM_COLD bool wait_for_others(struct om_system *sys, bool put_off)
{
	struct others o = {&sys->reclaimers, atomic_load(&sys->reclaimers.won)};
	unsigned left = PATIENCE;

	if (put_off)
		wait_for_background(sys, &o);
	while (others_busy(&o) && left && !om_dying(sys))
		left -= om_wait_briefly(sys, &sys->reclaimers, others_busy, &o);
	if (!left && others_busy(&o))
		take_for_hung(sys);
	return others_have_won(&o);
}

/* ---------------------------------------------------------------- rounds -------------------- */

/* Rounds without any result before a request fails, and rounds in all. */
#define DRY_ROUNDS 3
#define MAX_ROUNDS 64

/* Others may have freed what we need, whether we noticed or not. */
static bool enough_free(struct om_system *sys, size_t want)
{
	return om_frames_free(sys) > want + om_frames_reserve(sys);
}

/*
 * Reclaim until something has been freed; *freed says how much, 0 if it was others who did. A
 * thread that is to die tries, too, but waits for nobody.
 */
static int do_rounds(struct om_system *sys, unsigned *tries, size_t want, size_t *freed)
{
	size_t target = want < OM_RECLAIM_BATCH ? OM_RECLAIM_BATCH : want;
	unsigned dry = 0;
	bool put_off;

	om_count(sys, OM_EV_ALLOCSTALL, 1);
	while (dry < DRY_ROUNDS && *tries < MAX_ROUNDS) {
		++*tries;
		*freed = om_reclaim_some(sys, target, &put_off);
		if (*freed)
			return 0;
		dry += !wait_for_others(sys, put_off);
		if (enough_free(sys, want))
			return 0;
	}
	return om_dying(sys) ? -OM_EINTR : -OM_ENOMEM;
}

static int free_some(struct om_system *sys, unsigned *tries, size_t want, size_t *freed)
{
	int err;

	om_stall_begin(sys);
	err = do_rounds(sys, tries, want, freed);
	om_stall_end(sys);
	return err;
}

int om_reclaim_retry(struct om_system *sys, unsigned *tries, size_t want)
{
	size_t freed;
	int err = free_some(sys, tries, want, &freed);

	if (err == -OM_ENOMEM)
		om_count(sys, OM_EV_OOM, 1);
	return err;
}

/* ---------------------------------------------------------------- faults -------------------- */

/*
 * If a step has been through all pages, taken the used ones, too, and freed less than this part
 * of memory, it is the code of the programs that asked; they only fault it back in. So many
 * faults of one address space in a row are one too many.
 */
#define FEW_PART   512
#define FEW_ROUNDS 16

/* Has too little been freed for a fault of this address space, once too often? */
static bool is_thrashing(struct om_mm *mm, size_t freed)
{
	om_pfn_t owned = atomic_load_explicit(&mm->sys->nr_owned, memory_order_relaxed);

	if (freed >= OM_RECLAIM_BATCH || freed >= owned / FEW_PART) {
		atomic_store_explicit(&mm->few_rounds, 0, memory_order_relaxed);
		return false;
	}
	return freed &&
	       atomic_fetch_add_explicit(&mm->few_rounds, 1, memory_order_relaxed) >= FEW_ROUNDS;
}

/* Somebody will go now, or give up: after that the count begins anew. */
static int out_of_memory(struct om_mm *mm)
{
	atomic_store_explicit(&mm->few_rounds, 0, memory_order_relaxed);
	om_count(mm->sys, OM_EV_OOM, 1);
	return OM_FAULT_OOM;
}

/*
 * Twice at most: what is given back may be what the fault has just made. Nothing need be given
 * back: another thread's fault may have made the very table, and is over now.
 */
static int make_room_for_table(struct om_mm *mm, unsigned *tries)
{
	*tries += MAX_ROUNDS / 2;
	if (*tries > MAX_ROUNDS)
		return OM_FAULT_LIMIT;
	om_trim_mm(mm);
	return 0;
}

int om_reclaim_for_fault(struct om_mm *mm, int why, unsigned *tries)
{
	size_t freed;
	int err;

	if (why == -OM_ENOMEM)
		return make_room_for_table(mm, tries);
	err = free_some(mm->sys, tries, 1, &freed);
	if (err == -OM_EINTR)
		return OM_FAULT_INTR;
	return err || is_thrashing(mm, freed) ? out_of_memory(mm) : 0;
}
