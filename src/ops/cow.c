/*
 * cow.c: a write (or an unshare) meets a present entry that does not allow it.
 *
 *     zero page, or file page in a private area    copy: the area gets an anonymous page of its own
 *     anonymous, sole owner                        reuse: direct and writable from now on
 *     anonymous, shared                            copy
 *     file page in a shared area                   the page is dirty from now on: allow the write
 *
 * A direct page is never replaced (I2), so a pinned page, which is always direct, never parts from
 * its mapping (hazards 4, 5, 74).
 */
#include "base/mem.h"
#include "ops/fault.h"
#include "page/frame.h"
#include "page/put.h"
#include "rmap/rmap.h"
#include "store/swap.h"

/*
 * Put `page` in the place of `old` (NULL: the zero page), which the entry shows. The old
 * translation is flushed everywhere before the new entry appears: no thread sees the old contents
 * after another has written the new ones.
 */
static inline void replace_page(struct om_fault *f, struct om_page *old, struct om_page *page,
                                om_pfn_t pfn)
{
	struct om_system *sys = f->sys;
	struct om_page *table = f->table;
	unsigned pos = f->pos;

	om_entry_clear(sys, table, pos);
	if (old && om_page_test(old, OM_PG_ANON))
		om_rmap_entry_cleared(sys, old, table, pos);
	om_tlb_flush_page(f->vma->mm, f->addr);
	om_entry_fill(sys, table, pos, om_fault_own_pte(f, pfn));
	om_rmap_page_new(sys, page, f->vma, table, pos);
}

/* The counters of the mm after `old` (NULL: the zero page) has given way to an anonymous page. */
static void account_copy(const struct om_fault *f, const struct om_page *old)
{
	if (om_likely(old && om_page_test(old, OM_PG_ANON)))
		return;
	atomic_fetch_add_explicit(&f->part->rss_anon, 1, memory_order_relaxed);
	if (old)
		atomic_fetch_sub_explicit(&f->part->rss_file, 1, memory_order_relaxed);
}

/* Drop our reference, and the entry if it was replaced. */
static void put_old(struct om_fault *f, struct om_page *old, bool replaced)
{
	struct om_system *sys = f->sys;

	if (!old)
		return;
	om_frame_lock(sys, old);
	if (om_likely(replaced)) {
		om_rmap_page_remove(sys, old, om_vma_flags(f->vma) & OM_VM_LOCKED);
		om_rmap_page_forget(sys, old);
	}
	if (om_unlikely(om_page_test(old, OM_PG_SWAPCACHE))) {
		om_frame_unlock(sys, old);
		om_swapcache_try_free(sys, old);
		om_page_put(sys, old);
		return;
	}
	om_page_unref_locked(sys, old);
	om_page_unlock_or_free(sys, old);
}

/*
 * Take the table's lock if the entry still shows `old` (NULL: the zero page), and the page is still
 * somebody else's, too. The entry alone does not tell: where writing is not allowed, an unshare by
 * another thread makes the page direct, perhaps to be pinned, and leaves the entry as it is.
 */
static inline bool lock_to_replace(struct om_fault *f, const struct om_page *old)
{
	if (!om_fault_lock_present(f))
		return false;
	if (om_likely(old) && om_unlikely(om_page_test(old, OM_PG_DIRECT))) {
		om_table_unlock(f->sys, f->table);
		return false;
	}
	return true;
}

/*
 * `old`, NULL for the zero page, comes with a reference, which is dropped. Its bytes are read
 * without a lock. To an anonymous page nobody can write as long as our entry counts (I3), and if
 * that is gone, so is the copy. To a page of a file write() or a program may: then the copy has
 * some of that or not, as if the program had read the page at that moment.
 */
static OM_NOINLINE int copy(struct om_fault *f, struct om_page *old)
{
	struct om_system *sys = f->sys;
	struct om_page *page = om_frame_take(sys, f->shard, OM_KIND_DATA, 0);
	om_pfn_t pfn;
	bool same;

	if (om_unlikely(!page)) {
		put_old(f, old, false);
		return -OM_ENOFRAME;
	}
	pfn = om_page_pfn(sys, page);
	if (om_likely(old))
		memcpy(om_arch_frame(&sys->arch, pfn),
		       om_arch_frame(&sys->arch, om_pte_pfn(f->pte)), OM_PAGE_SIZE);
	else
		memset(om_arch_frame(&sys->arch, pfn), 0, OM_PAGE_SIZE);
	if (om_unlikely(!om_rmap_prepare(f->vma))) {
		om_page_put(sys, page);
		put_old(f, old, false);
		return -OM_ENOFRAME;
	}
	same = lock_to_replace(f, old);
	if (om_likely(same)) {
		replace_page(f, old, page, pfn);
		account_copy(f, old);
		om_table_unlock(sys, f->table);
		om_count_in(f->shard, OM_EV_FAULT_COW, 1);
	} else {
		om_page_put(sys, page);
	}
	put_old(f, old, same);
	return OM_FAULT_MINOR;
}

/* The table is locked, and is unlocked on return. */
static inline void reuse(struct om_fault *f, struct om_page *table, unsigned pos)
{
	struct om_system *sys = f->sys;

	if (f->prot & OM_PROT_WRITE) /* adds permissions only: no flush is owed */
		om_entry_replace(sys, table, pos, om_fault_own_pte(f, om_pte_pfn(f->pte)));
	om_table_unlock(sys, table);
	om_count_in(f->shard, OM_EV_FAULT_REUSE, 1);
}

/*
 * First write to a page of a shared file mapping. The page lock keeps write-back and truncation
 * out; the page is marked dirty before the entry allows the write (hazard 15), and before that the
 * store is asked, without locks, if it wants to be.
 */
static OM_NOINLINE int make_writable(struct om_fault *f, struct om_page *page)
{
	struct om_system *sys = f->sys;
	int r;

	/* Whoever has it may be writing it back. */
	if (!om_fetch_trylock(sys, f->fetch, page))
		return om_fetch_locked(sys, f->fetch, page);
	r = om_fetch_mkwrite(sys, f->fetch, f->vma->mapping, page);
	if (om_unlikely(r)) {
		om_page_unlock_put(sys, page);
		return r;
	}
	if (om_fault_lock_present(f)) {
		om_page_set(page, OM_PG_DIRTY);
		om_entry_replace(sys, f->table, f->pos,
		                 om_fault_own_pte(f, om_page_pfn(sys, page)));
		om_table_unlock(sys, f->table);
		om_count_in(f->shard, OM_EV_FAULT_REUSE, 1);
	}
	om_page_unlock_put(sys, page);
	return OM_FAULT_MINOR;
}

int om_fault_write(struct om_fault *f)
{
	struct om_system *sys = f->sys;
	struct om_page *page = om_page_of(sys, om_pte_pfn(f->pte)), *table = f->table;
	unsigned pos = f->pos;

	if (om_pte_pfn(f->pte) == sys->zero_pfn)
		return copy(f, NULL);
	if (!om_fault_lock_present(f))
		return OM_FAULT_MINOR;
	if (om_rmap_page_reuse(sys, f->shard, page, f->vma, table, pos)) {
		reuse(f, table, pos);
		return OM_FAULT_MINOR;
	}
	om_table_unlock(sys, table);
	return om_vma_flags(f->vma) & OM_VM_SHARED ? make_writable(f, page) : copy(f, page);
}

bool om_fault_unshare(struct om_vma *vma, struct om_page *table, uintptr_t addr)
{
	struct om_system *sys = vma->mm->sys;
	struct om_fault f = {
	    .sys = sys,
	    .vma = vma,
	    .addr = addr,
	    .access = OM_READ | OM_UNSHARE,
	    .prot = om_vma_prot(om_vma_flags(vma)),
	    .table = table,
	    .pos = om_table_pos(addr),
	    .pte = om_arch_pte_load(om_table_entry(table, om_table_pos(addr))),
	    .shard = om_shard(sys),
	    .part = &vma->mm->own,
	};
	struct om_page *page = om_page_of(sys, om_pte_pfn(f.pte));

	/* Nobody but a fork, or a fault, of this mm could have a page here shared: mmap_lock. */
	OM_ASSERT(sys, om_rwsem_is_write_locked(&vma->mm->own.mmap_lock), "mmap_lock", vma);
	if (!om_pte_present(f.pte) || om_pte_pfn(f.pte) == sys->zero_pfn ||
	    (om_page_flags(page) & (OM_PG_ANON | OM_PG_DIRECT)) != OM_PG_ANON)
		return true;
	if (om_fault_write(&f) < 0)
		return false;
	om_count(sys, OM_EV_RMAP_COPY, 1);
	return true;
}
