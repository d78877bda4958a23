/*
 * reclaim.h: finding frames when there are none.
 *
 * Reclaim allocates nothing, so it needs no reserve and cannot recurse. It starts at the page
 * lock (by trylock) and never takes an mmap_lock; so any thread may reclaim that holds no lock at
 * all.
 */
#ifndef OM_RECLAIM_H
#define OM_RECLAIM_H

#include "page/frame.h"

/*
 * An outermost function got -OM_ENOFRAME inside, has released all locks, and wants to start
 * again; it needs about `want` frames. *tries starts at 0. Returns 0 (start again) or -OM_ENOMEM
 * (nothing more can be freed). May sleep.
 */
int om_reclaim_retry(struct om_system *sys, unsigned *tries, size_t want);

/*
 * Between two tries of an outermost function: if the first ended in -OM_ENOFRAME, reclaim, and
 * say whether to try again; if nothing more can be freed, *err becomes -OM_ENOMEM. May sleep.
 */
static inline bool om_try_again(struct om_system *sys, unsigned *tries, size_t want, int *err)
{
	if (om_likely(*err != -OM_ENOFRAME))
		return false;
	*err = om_reclaim_retry(sys, tries, want);
	return *err == 0;
}

/* At the end of an outermost function that allocates: tell the port if frames are getting few. */
static inline void om_check_low(struct om_system *sys)
{
	if (om_unlikely(om_frames_low(sys)) && sys->hooks.ops->low_memory)
		sys->hooks.ops->low_memory(sys->hooks.ctx);
}

/* Pages a reclaim batch handles together. */
#define OM_RECLAIM_BATCH OM_TRANSFER_MAX

/*
 * Write out and free what can be freed of these isolated pages; each is put back or freed.
 * Returns how many were freed. `force`: even if used recently. May sleep.
 */
unsigned om_reclaim_pages(struct om_system *sys, struct om_page *const batch[], unsigned n,
                          bool force);

#endif
