/*
 * writers.c: places for those who write for reclaim: see writers.h.
 *
 * Each CPU has places for every swap device, and takes another one's only if its own are taken. So
 * CPUs that write at a time do not write a line in common, but when they are more than may. Whoever
 * has to wait says so first, and then looks at all places once more; whoever ends gives its place
 * back first, and then looks whether somebody waits: so one of the two sees the other. (And if not,
 * it would cost a tenth of a second.)
 */
#include "reclaim/writers.h"

#include "base/hooks.h"

/* ---------------------------------------------------------------- files --------------------- */

struct om_mapping **om_file_writer_begin(struct om_system *sys, struct om_mapping *mapping)
{
	struct om_reclaimers *r = &sys->reclaimers;
	struct om_mapping **place = NULL;
	bool busy = false;

	om_spin_lock(sys, &r->lock, OM_RANK_LIST);
	for (unsigned i = 0; i < OM_RECLAIM_WRITERS; i++) {
		busy |= r->being_written[i] == mapping;
		if (!r->being_written[i])
			place = &r->being_written[i];
	}
	if (busy)
		place = NULL;
	if (place)
		*place = mapping;
	om_spin_unlock(sys, &r->lock);
	return place;
}

void om_file_writer_end(struct om_system *sys, struct om_mapping **place)
{
	om_spin_lock(sys, &sys->reclaimers.lock, OM_RANK_LIST);
	*place = NULL;
	om_spin_unlock(sys, &sys->reclaimers.lock);
}

/* ---------------------------------------------------------------- swap ---------------------- */

struct places {
	struct om_system *sys;
	unsigned device;
};

static _Atomic uint8_t *place_on(const struct places *p, unsigned shard)
{
	return &p->sys->shard[shard & p->sys->cpu_mask].swap_writers[p->device];
}

/* Places on each CPU. */
static unsigned max_on_each(const struct om_system *sys)
{
	unsigned n = OM_SWAP_WRITERS / (sys->cpu_mask + 1);

	return n ? n : 1;
}

static bool is_full(const void *arg)
{
	const struct places *p = arg;

	for (unsigned i = 0; i <= p->sys->cpu_mask; i++)
		if (atomic_load(place_on(p, i)) < max_on_each(p->sys))
			return false;
	return true;
}

static bool take(_Atomic uint8_t *place, unsigned max)
{
	uint8_t n = atomic_load(place);

	do {
		if (n >= max)
			return false;
	} while (!atomic_compare_exchange_weak(place, &n, n + 1));
	return true;
}

static _Atomic uint8_t *take_any(const struct places *p)
{
	unsigned cpu = om_arch_cpu();

	for (unsigned i = 0; i <= p->sys->cpu_mask; i++)
		if (take(place_on(p, cpu + i), max_on_each(p->sys)))
			return place_on(p, cpu + i);
	return NULL;
}

static bool may_wait(struct om_system *sys, const struct om_swap_waiters *w)
{
	return om_hooks(sys)->ops->wait_briefly && !om_dying(sys) && !atomic_load(&w->hung);
}

/* We are counted among those who wait. */
static _Atomic uint8_t *wait_for_place(struct places *p, struct om_swap_waiters *w)
{
	for (;;) {
		uint32_t ended = atomic_load(&w->ended);
		_Atomic uint8_t *place = take_any(p);

		if (place || !may_wait(p->sys, w))
			return place;
		om_wait_briefly(p->sys, w, is_full, p);
		if (atomic_load(&w->ended) == ended && is_full(p)) {
			atomic_store(&w->hung, true);
			return NULL;
		}
	}
}

_Atomic uint8_t *om_swap_writer_begin(struct om_system *sys, unsigned device)
{
	struct om_swap_waiters *w = &sys->reclaimers.swap_waiters[device];
	struct places p = {sys, device};
	_Atomic uint8_t *place = take_any(&p);

	if (om_likely(place))
		return place;
	atomic_fetch_add(&w->waiting, 1);
	place = wait_for_place(&p, w);
	atomic_fetch_sub(&w->waiting, 1);
	return place;
}

void om_swap_writer_end(struct om_system *sys, unsigned device, _Atomic uint8_t *place)
{
	struct om_swap_waiters *w = &sys->reclaimers.swap_waiters[device];

	atomic_fetch_sub(place, 1);
	if (om_likely(!atomic_load(&w->waiting) && !atomic_load(&w->hung)))
		return;
	atomic_fetch_add(&w->ended, 1);
	atomic_store(&w->hung, false);
	om_wake(sys, w);
}
