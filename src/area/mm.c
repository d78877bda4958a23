/*
 * mm.c: address spaces.
 *
 * An mm is an object, a top-level table and a tree of areas. It is on a list while it has a
 * reference; swapoff and reclaim walk the lists, so an mm may outlive om_mm_destroy() by a moment,
 * empty.
 */
#include "area/mm.h"

#include "area/zap.h"
#include "page/slab.h"
#include "page/table.h"
#include "rmap/rmap.h"

static void list_add(struct om_mm *mm)
{
	struct om_mm_list *list = &om_shard(mm->sys)->mms;

	mm->home = list;
	om_spin_lock(mm->sys, &list->lock, OM_RANK_LIST);
	mm->next = list->first;
	if (mm->next)
		mm->next->prev = mm;
	list->first = mm;
	om_spin_unlock(mm->sys, &list->lock);
}

/* Nobody finds the mm any more. The list's lock is held. */
static void list_del(struct om_mm_list *list, struct om_mm *mm)
{
	OM_ASSERT(mm->sys, om_held(mm->sys, &list->lock), "list lock", mm);
	if (mm->prev)
		mm->prev->next = mm->next;
	else
		list->first = mm->next;
	if (mm->next)
		mm->next->prev = mm->prev;
	if (list->turn == mm) {
		list->turn = mm->next;
		list->turn_addr = 0;
	}
}

static void free_mm(struct om_mm *mm)
{
	struct om_system *sys = mm->sys;

	/* No part names it, nor is about to leave it: its last writer has seen to that. */
	OM_ASSERT(sys, !om_parts_exist(mm) && !atomic_load(&mm->sum_lock.state), "parts", mm);
	om_table_free_root(mm);
	om_object_free(sys, OM_CACHE_MM, mm);
}

int om_mm_new(struct om_system *sys, const struct om_layout *layout, void *cookie,
              struct om_mm *parent, struct om_mm **out)
{
	struct om_mm *mm = om_object_alloc(sys, OM_CACHE_MM);

	if (!mm)
		return -OM_ENOFRAME;
	mm->sys = sys;
	mm->cookie = cookie;
	mm->layout = *layout;
	mm->brk = layout->brk_start;
	atomic_init(&mm->own.hint, &sys->no_area);
	atomic_init(&mm->own.table_hint, &sys->no_table);
	mm->refs = 1;
	for (unsigned i = 0; i < OM_NR_LIMITS; i++)
		mm->limit[i] = OM_UNLIMITED;
	mm->limit[OM_LIMIT_VMAS] = OM_VMAS_DEFAULT;
	mm->root = om_table_new_root(mm);
	if (!mm->root) {
		om_object_free(sys, OM_CACHE_MM, mm);
		return -OM_ENOFRAME;
	}
	if (om_rmap_mm_init(mm, parent)) {
		free_mm(mm);
		return -OM_ENOFRAME;
	}
	list_add(mm);
	*out = mm;
	return 0;
}

void om_mm_put(struct om_mm *mm)
{
	struct om_mm_list *list = mm->home;
	bool last;

	om_spin_lock(mm->sys, &list->lock, OM_RANK_LIST);
	last = --mm->refs == 0;
	if (last)
		list_del(list, mm);
	om_spin_unlock(mm->sys, &list->lock);
	if (!last)
		return;
	om_rmap_mm_exit(mm);
	free_mm(mm);
}

/* The shard on whose list the mm is; NULL: the first one. */
static unsigned home_of(const struct om_mm *mm)
{
	return mm ? (unsigned)(om_container(mm->home, struct om_shard, mms) - mm->sys->shard) : 0;
}

/* The mm after `mm` on the list, or its first, if `mm` is not on it; referenced. */
static struct om_mm *get_next(struct om_system *sys, struct om_mm_list *list,
                              const struct om_mm *mm)
{
	struct om_mm *next;

	om_spin_lock(sys, &list->lock, OM_RANK_LIST);
	next = mm && mm->home == list ? mm->next : list->first;
	if (next)
		om_mm_get(next);
	om_spin_unlock(sys, &list->lock);
	return next;
}

struct om_mm *om_mm_iterate(struct om_system *sys, struct om_mm *mm)
{
	struct om_mm *next = NULL;

	for (unsigned i = home_of(mm); !next && i <= sys->cpu_mask; i++)
		next = get_next(sys, &sys->shard[i].mms, mm);
	if (mm)
		om_mm_put(mm);
	return next;
}

struct om_mm *om_mm_after(struct om_system *sys, const struct om_mm *mm)
{
	struct om_mm *next = mm ? mm->next : sys->shard[0].mms.first;

	for (unsigned i = home_of(mm) + 1; !next && i <= sys->cpu_mask; i++)
		next = sys->shard[i].mms.first;
	return next;
}

struct om_mm_part *om_mm_enter(struct om_mm *mm)
{
	return om_part_enter(mm, om_shard(mm->sys));
}

/* mmap_lock has just been taken: keep it, unless a fault is in a CPU's part. */
static bool recall_or_unlock(struct om_mm *mm, bool briefly)
{
	if (om_likely(!om_parts_exist(mm)) || om_parts_try_recall(mm, briefly))
		return true;
	om_rwsem_write_done(mm->sys, &mm->own.mmap_lock); /* nothing was done: no flush is owed */
	return false;
}

bool om_mm_try_write_lock(struct om_mm *mm)
{
	return om_rwsem_trywrite(mm->sys, &mm->own.mmap_lock, OM_RANK_MMAP) &&
	       recall_or_unlock(mm, false);
}

bool om_mm_write_lock_briefly(struct om_mm *mm)
{
	return om_rwsem_write_briefly(mm->sys, &mm->own.mmap_lock, OM_RANK_MMAP) &&
	       recall_or_unlock(mm, true);
}

/*
 * The address space has been changed, and is about to be unlocked: pay for truncation (mm.h).
 * Returns areas of files, to be freed without the lock.
 */
static struct om_node *settle(struct om_mm *mm)
{
	struct om_node *gone = mm->gone;

	mm->gone = NULL;
	if (om_mm_flush_pending(mm))
		om_tlb_flush(mm, 0, OM_VA_LIMIT, OM_FLUSH_PAGES);
	return gone;
}

void om_mm_write_unlock_all(struct om_mm *mm)
{
	struct om_node *gone = settle(mm);

	OM_BUG_ON(mm->sys, gone, "areas", mm, (uintptr_t)gone, 0);
	om_rwsem_write_done(mm->sys, &mm->own.mmap_lock);
}

static OM_COLD void settle_and_unlock(struct om_mm *mm)
{
	struct om_node *gone = settle(mm);

	om_rwsem_write_done(mm->sys, &mm->own.mmap_lock);
	om_vma_free_gone(mm->sys, gone);
}

void om_mm_write_unlock(struct om_mm *mm)
{
	if (om_likely(!mm->gone && !om_mm_flush_pending(mm)))
		om_rwsem_write_done(mm->sys, &mm->own.mmap_lock);
	else
		settle_and_unlock(mm);
}

void om_mm_emptied_unlock(struct om_mm *mm)
{
	struct om_node *gone = settle(mm);

	atomic_store_explicit(&mm->emptying, false, memory_order_release);
	om_mm_read_unlock(mm);
	om_vma_free_gone(mm->sys, gone);
}

/* ---------------------------------------------------------------- small things -------------- */

struct om_system *om_mm_system(const struct om_mm *mm)
{
	return mm->sys;
}

void *om_mm_cookie(const struct om_mm *mm)
{
	return mm->cookie;
}

om_pfn_t om_mm_root(const struct om_mm *mm)
{
	return om_page_pfn(mm->sys, mm->root);
}

bool om_vma_next(struct om_mm *mm, uintptr_t addr, struct om_vmainfo *info)
{
	struct om_vma *vma;

	om_might_sleep(mm->sys);
	om_mm_read_lock(mm);
	vma = om_vma_find(mm, addr);
	if (vma) {
		info->start = vma->start;
		info->end = vma->end;
		info->flags = om_vma_flags(vma);
		info->mapping = vma->mapping;
		info->store = vma->mapping ? vma->mapping->store : NULL;
		info->pgoff = vma->pgoff;
	}
	om_mm_read_unlock(mm);
	return vma;
}
