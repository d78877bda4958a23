/*
 * unshare.c: an owner of a shared table gets a copy for itself.
 *
 * That is what fork would have done with these entries, done later: pages turn shared one by one.
 * The copy is complete before the upper entry names it, and until then nobody looks into it; a walk
 * of the reverse map that misses it finds an entry less than the page counts, and will come again.
 */
#include "area/unshare.h"

#include "area/copy.h"
#include "area/mm.h"
#include "area/zap.h"
#include "page/fold.h"
#include "page/share.h"
#include "page/slab.h"

/* ---------------------------------------------------------------- one table ----------------- */

/* The copy ends before it has begun to count: its entries go, as others do. */
static OM_COLD void undo(struct om_vma *vma, const struct om_copy *c)
{
	struct om_mm *mm = vma->mm;
	uintptr_t page[OM_GATHER_FEW];
	struct om_gather g;

	atomic_fetch_add_explicit(&mm->own.rss_anon, c->anon, memory_order_relaxed);
	atomic_fetch_add_explicit(&mm->own.swapents, c->swap, memory_order_relaxed);
	om_gather_init(&g, mm, page, OM_GATHER_FEW);
	om_zap_table(&g, vma, c->part.to);
	om_gather_finish(&g);
	om_table_free_copy(mm, c->part.to);
}

/* `from` is locked. *gone: the record that is to be freed, or NULL: nothing was replaced. */
static int copy_and_replace(struct om_mm *mm, struct om_copy *c, unsigned *pos,
                            struct om_owner **gone)
{
	struct om_system *sys = mm->sys;
	int err;

	if (!om_table_is_shared(c->part.from))
		return 0; /* since a moment ago */
	c->room = OM_COPY_ROOM;
	om_table_lock_second(sys, c->part.to);
	err = om_copy_entries(sys, c, pos, OM_TABLE_ENTRIES);
	om_table_unlock(sys, c->part.to);
	if (!err)
		*gone = om_table_replace(mm, c->part.from, c->part.to);
	return err;
}

static int unshare_table(struct om_vma *vma, struct om_page *table)
{
	struct om_mm *mm = vma->mm;
	struct om_system *sys = mm->sys;
	struct om_copy c = {.part = {.parent = vma, .child = vma, .from = table}};
	struct om_owner *gone = NULL;
	unsigned pos = 0;
	int err;

	c.part.index = om_vma_index(vma, om_table_addr(table, 0));
	c.part.to = om_table_new_copy(mm, table);
	if (!c.part.to)
		return -OM_ENOFRAME;
	do {
		om_table_lock_entries(sys, table);
		err = copy_and_replace(mm, &c, &pos, &gone);
		om_table_unlock(sys, table);
	} while (err == OM_COPY_PAUSE);
	om_count(sys, OM_EV_DIRECT_TO_SHARED, c.now_shared);
	if (!gone) {
		undo(vma, &c);
		return err;
	}
	om_object_free(sys, OM_CACHE_OWNER, gone);
	om_count(sys, OM_EV_TABLE_UNSHARE, 1);
	return 0;
}

/* ---------------------------------------------------------------- ranges -------------------- */

int om_unshare(struct om_vma *vma, uintptr_t start, uintptr_t end)
{
	struct om_mm *mm = vma->mm;

	OM_ASSERT(mm->sys, om_rwsem_is_write_locked(&mm->own.mmap_lock), "mmap_lock", mm);
	if (om_likely(!mm->shares) || vma->mapping)
		return 0;
	om_for_each_table (part, mm, start, end) {
		int err = om_table_is_shared(part.table) ? unshare_table(vma, part.table) : 0;

		if (err)
			return err;
	}
	return 0;
}

int om_unshare_at(struct om_vma *vma, uintptr_t addr)
{
	return addr & (OM_TABLE_SPAN - 1) ? om_unshare(vma, addr, addr + OM_PAGE_SIZE) : 0;
}

bool om_is_shared(struct om_mm *mm, uintptr_t start, uintptr_t end)
{
	OM_ASSERT(mm->sys, om_mm_is_locked(mm), "mmap_lock", mm);
	if (om_likely(!mm->shares))
		return false;
	om_for_each_table (part, mm, start, end)
		if (om_table_is_shared(part.table))
			return true;
	return false;
}
