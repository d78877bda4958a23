/*
 * anon_page.c: what happens to pages less often, and how many there are of each kind. Beside
 * anonymous ones, the pages of files, which need no more than to be counted.
 */
#include "rmap/rmap.h"

bool om_rmap_file_add(struct om_system *sys, struct om_page *page, struct om_vma *vma)
{
	bool room;

	om_frame_lock(sys, page);
	room = om_rmap_file_add_locked(sys, page, vma);
	om_frame_unlock(sys, page);
	return room;
}

/* MADV_FREE'd contents that are needed after all: a swap-backed page like any other again. */
void om_rmap_cancel_lazyfree(struct om_page *page)
{
	om_page_clear(page, OM_PG_LAZYFREE);
	om_page_set(page, OM_PG_DIRTY);
	om_page_set(page, OM_PG_SWAPBACKED);
	om_page_set_age(page, 0);
}

void om_rmap_anon_unmapped(struct om_system *sys, struct om_page *page)
{
	void *object = om_rmap_object(page);

	page->object = NULL;
	om_count_mapped(sys, OM_MAPPED_ANON, -1);
	if (!(om_page_clear(page, OM_PG_DIRECT) & OM_PG_DIRECT))
		om_count_mapped(sys, OM_MAPPED_SHARED, -1);
	om_anon_page_leave(sys, page, object);
}

/* The page gets an entry here: how? Frame lock held. */
static enum om_swapin join(struct om_system *sys, struct om_page *page, struct om_vma *vma,
                           struct om_page *table, unsigned pos, bool exclusive)
{
	if (exclusive && page->mapcount == 0) {
		om_anon_page_own(sys, page, vma, table, pos);
		om_page_set(page, OM_PG_ANON | OM_PG_DIRECT);
		return OM_SWAPIN_DIRECT;
	}
	if (page->mapcount >= OM_MAPCOUNT_MAX || !om_anon_page_join(sys, page, vma, table, pos))
		return OM_SWAPIN_REFUSED;
	om_page_set(page, OM_PG_ANON);
	om_page_clear(page, OM_PG_DIRECT);
	return OM_SWAPIN_SHARED;
}

enum om_swapin om_rmap_page_swapin(struct om_system *sys, struct om_page *page, struct om_vma *vma,
                                   struct om_page *table, unsigned pos, bool exclusive)
{
	enum om_swapin how;

	OM_ASSERT(sys, om_held(sys, &table->lock), "I9", table);
	om_anon_stock_up(sys, page);
	om_frame_lock(sys, page);
	OM_BUG_ON(sys, page->mapcount && om_page_test(page, OM_PG_DIRECT), "I2", page,
	          page->mapcount, page->slot);
	how = join(sys, page, vma, table, pos, exclusive);
	if (how != OM_SWAPIN_REFUSED) {
		if (!page->mapcount++) {
			om_count_mapped(sys, OM_MAPPED_ANON, 1);
			om_count_mapped(sys, OM_MAPPED_SHARED, how == OM_SWAPIN_SHARED);
		}
		if (om_vma_flags(vma) & OM_VM_LOCKED)
			om_page_mlock(sys, page);
	}
	om_frame_unlock(sys, page);
	return how;
}

/* ---------------------------------------------------------------- counting ------------------ */

/* While others count, a sum may be a few pages off, to either side. */
static om_pfn_t clamp(uint64_t sum)
{
	return (int64_t)sum < 0 ? 0 : (om_pfn_t)sum;
}

/*
 * Faults and forks count their new pages and those that change their kind anyway, as events. So the
 * paths that run for every page count nothing for this.
 */
void om_rmap_mapped(struct om_system *sys, struct om_mapped_pages *mapped)
{
	uint64_t anon = 0, shared = 0, file = 0;

	for (unsigned i = 0; i <= sys->cpu_mask; i++) {
		struct om_shard *s = &sys->shard[i];

		anon += s->event[OM_EV_FAULT_ANON] + s->event[OM_EV_FAULT_COW] +
		        s->event[OM_EV_FORK_COPY] + s->mapped[OM_MAPPED_ANON];
		shared += s->event[OM_EV_DIRECT_TO_SHARED] - s->event[OM_EV_SHARED_TO_DIRECT] +
		          s->mapped[OM_MAPPED_SHARED];
		file += s->mapped[OM_MAPPED_FILE];
	}
	mapped->direct = clamp(anon - shared);
	mapped->shared = clamp(shared);
	mapped->file = clamp(file);
}

size_t om_rmap_bytes(struct om_system *sys)
{
	size_t frames = 0;

	for (unsigned i = 0; i < OM_NR_RMAP_CACHES; i++)
		frames += om_slab_sum(sys, OM_CACHE_RMAP + i).frames;
	return frames << OM_PAGE_SHIFT;
}
