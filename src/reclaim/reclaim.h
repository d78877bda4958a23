/*
 * reclaim.h: finding frames when there are none.
 *
 * Reclaim allocates nothing, so it needs no reserve and cannot recurse. It starts at the page lock
 * or, for page tables, at an mmap_lock, both by trylock; so any thread may reclaim that holds no
 * lock at all.
 */
#ifndef OM_RECLAIM_H
#define OM_RECLAIM_H

#include "page/frame.h"

/*
 * An outermost function got -OM_ENOFRAME inside, has released all locks, and wants to start
 * again; it needs about `want` frames. *tries starts at 0. Returns 0 (start again), -OM_ENOMEM
 * (nothing more can be freed), -OM_EINTR (nothing could be freed at once, and the thread is to
 * die). May sleep, but not for ever.
 */
int om_reclaim_retry(struct om_system *sys, unsigned *tries, size_t want);

/*
 * Between two tries of an outermost function: if the first ended in -OM_ENOFRAME, reclaim, and
 * say whether to try again; if not, *err becomes what om_reclaim_retry() says. May sleep.
 */
static inline bool om_try_again(struct om_system *sys, unsigned *tries, size_t want, int *err)
{
	if (om_likely(*err != -OM_ENOFRAME))
		return false;
	*err = om_reclaim_retry(sys, tries, want);
	return *err == 0;
}

/*
 * A fault of `mm` could not be resolved: `why` is -OM_ENOFRAME, or -OM_ENOMEM if OM_LIMIT_TABLES
 * stands in the way. 0: start again; otherwise OM_FAULT_OOM, OM_FAULT_LIMIT or OM_FAULT_INTR.
 * Context as om_reclaim_retry().
 */
int om_reclaim_for_fault(struct om_mm *mm, int why, unsigned *tries);

/* At the end of an outermost function that allocates: tell the port if frames are getting few. */
static inline void om_check_low_on(struct om_system *sys, const struct om_shard *shard)
{
	if (om_unlikely(om_frames_low(shard)) && sys->hooks.ops->low_memory)
		sys->hooks.ops->low_memory(sys->hooks.ctx);
}

static inline void om_check_low(struct om_system *sys)
{
	om_check_low_on(sys, om_shard(sys));
}

/*
 * om_reclaim_step(), which says, too, whether a store has put off writing (-OM_EAGAIN): another
 * thread may be able to free what this one has left. `put_off` may be NULL.
 */
size_t om_reclaim_some(struct om_system *sys, size_t pages, bool *put_off);

/* Pages a reclaim batch handles together. */
#define OM_RECLAIM_BATCH 32

/*
 * Write out and free what can be freed of these pages, even if they were used a moment ago. Each
 * comes with a reference, which is dropped. Returns how many were freed. May sleep.
 */
unsigned om_reclaim_pages(struct om_system *sys, const om_pfn_t page[], unsigned n);

#endif
