/*
 * fork.c: duplicating an address space copy-on-write.
 *
 * For each area the child gets: the anon_vma if the parent has held anonymous pages (made here,
 * and nowhere else), a place in the reverse map, and only then entries (hazards 53, 62). An entry
 * is copied with both tables locked. A direct page becomes shared and read-only in both; a pinned
 * page stays the parent's and is copied now. Pages of shared mappings, and of private ones that
 * were never written, are not copied: the child finds them in the page cache by a fault.
 *
 * A fork that fails takes the child down again. What it has done to the parent nobody can see:
 * pages that are shared with nobody turn direct at the next write.
 */
#include "area/limits.h"
#include "area/mm.h"
#include "base/mem.h"
#include "page/frame.h"
#include "page/table.h"
#include "reclaim/reclaim.h"
#include "rmap/rmap.h"
#include "store/mapping.h"
#include "store/swap.h"

/* Copying the entries of one area. */
struct copy {
	struct om_fork_part part; /* its tables are locked while entries are copied */
	unsigned room;            /* pages that may be copied before the locks are released */
	bool flush;               /* the parent has lost write permissions */
	size_t anon, file, swap;  /* entries given to the child */
	size_t now_shared;        /* pages that were direct */
};

/* Internal: others may want the locks, after so many pages. */
#define PAUSE       (-OM_EAGAIN)
#define PAUSE_AFTER 16

/* The child's own copy of a page that must not be shared. Both tables are locked. */
static OM_COLD int copy_page(struct om_system *sys, struct copy *c, struct om_page *page,
                             unsigned pos)
{
	struct om_page *new;
	om_pte_t pte;

	if (!c->room)
		return PAUSE;
	new = om_frame_get(sys, OM_KIND_DATA, 0);
	if (!new)
		return -OM_ENOFRAME;
	c->room--;
	om_work(sys, OM_WORK_PAGE);
	memcpy(om_page_ptr(sys, new), om_page_ptr(sys, page), OM_PAGE_SIZE);
	pte = om_pte_make(om_page_pfn(sys, new), om_vma_prot(om_vma_flags(c->part.child)));
	if (om_pte_write(pte))
		pte = om_pte_mkdirty(pte);
	om_entry_install(sys, c->part.to, pos, pte);
	om_rmap_page_new(sys, new, c->part.child, c->part.to, pos);
	c->anon++;
	om_count(sys, OM_EV_FORK_COPY, 1);
	return 0;
}

static OM_COLD int copy_file(struct om_system *sys, struct copy *c, struct om_page *page,
                             unsigned pos, om_pte_t pte)
{
	if (!om_rmap_file_add(sys, page, c->part.child))
		return 0; /* the child's fault will tell */
	/* The first write faults, and marks the page dirty. */
	om_entry_fill(sys, c->part.to, pos, om_pte_mkold(om_pte_mkclean(om_pte_wrprotect(pte))));
	c->file++;
	return 0;
}

/* Anything but an anonymous page that can be shared. */
static OM_COLD int copy_other(struct om_system *sys, struct copy *c, unsigned pos, om_pte_t pte)
{
	struct om_page *page = om_page_of(sys, om_pte_pfn(pte));

	if (om_pte_present(pte) && om_page_test(page, OM_PG_ANON))
		return copy_page(sys, c, page, pos);
	if (om_pte_present(pte) && page->kind != OM_KIND_ZERO)
		return copy_file(sys, c, page, pos, pte);
	if (om_pte_is_swap(pte)) {
		if (!om_slot_dup(sys, om_pte_slot(pte)))
			return -OM_ENOMEM;
		c->swap++;
	}
	om_entry_fill(sys, c->part.to, pos, pte); /* the zero page, too (I8) */
	return 0;
}

/*
 * Copy entries [*next, stop). Both tables are locked. An entry that the parent could write through
 * loses that; the child gets it with its last dirty bit. *next: where it stopped.
 */
static int copy_range(struct om_system *sys, struct copy *c, unsigned *next, unsigned stop)
{
	const struct om_fork_part part = c->part;
	struct om_page *from = part.from, *to = part.to;
	unsigned pos = *next;
	size_t now_shared = 0;
	om_pte_t all = 0;
	int err = 0;

	for (; pos < stop; pos++) {
		om_pte_t pte = om_entry_get(sys, from, pos);
		struct om_page *page = om_page_of(sys, om_pte_pfn(pte));

		if (om_unlikely(!om_pte_present(pte) || !om_page_test(page, OM_PG_ANON) ||
		                !om_rmap_page_dup(sys, page, &part, pos, &now_shared))) {
			err = om_pte_none(pte) ? 0 : copy_other(sys, c, pos, pte);
			if (err)
				break;
			continue;
		}
		if (om_pte_write(pte))
			pte = om_entry_wrprotect(sys, from, pos);
		all |= pte;
		om_entry_fill(sys, to, pos, om_pte_mkold(om_pte_wrprotect(pte)));
		c->anon++;
	}
	c->flush |= om_pte_write(all);
	c->now_shared += now_shared;
	*next = pos;
	return err;
}

/*
 * copy_range() with its locks. The mapping's shape is held while entries of a file's area are
 * copied, so that write-back and truncation meet either both entries of a page or none.
 */
static int copy_locked(struct om_system *sys, struct copy *c, unsigned *next, unsigned stop)
{
	struct om_mapping *mapping = c->part.parent->mapping;
	int err;

	if (mapping)
		om_rwsem_read(sys, &mapping->shape, OM_RANK_SHAPE);
	om_table_lock(sys, c->part.from);
	om_table_lock_second(sys, c->part.to);
	c->room = PAUSE_AFTER;
	err = copy_range(sys, c, next, stop);
	om_table_unlock(sys, c->part.to);
	om_table_unlock(sys, c->part.from);
	if (mapping)
		om_rwsem_read_done(sys, &mapping->shape);
	return err;
}

/* Copy [addr, end), which lies in one table. */
static int copy_table(struct copy *c, uintptr_t addr, uintptr_t end)
{
	struct om_system *sys = c->part.parent->mm->sys;
	unsigned pos = om_table_pos(addr), stop = pos + (unsigned)((end - addr) >> OM_PAGE_SHIFT);
	int err;

	c->part.to = om_table_make(c->part.child->mm, &c->part.child->mm->own, addr);
	if (!c->part.to)
		return om_table_error(c->part.child->mm);
	c->part.index = om_vma_index(c->part.parent, addr) - pos;
	do
		err = copy_locked(sys, c, &pos, stop);
	while (err == PAUSE);
	return err;
}

static void settle_copy(struct copy *c)
{
	struct om_mm *mm = c->part.child->mm;

	atomic_fetch_add_explicit(&mm->own.rss_anon, c->anon, memory_order_relaxed);
	atomic_fetch_add_explicit(&mm->own.rss_file, c->file, memory_order_relaxed);
	atomic_fetch_add_explicit(&mm->own.swapents, c->swap, memory_order_relaxed);
	om_count(mm->sys, OM_EV_DIRECT_TO_SHARED, c->now_shared);
}

static int copy_entries(struct om_vma *parent, struct om_vma *child, bool *flush)
{
	struct copy c = {.part = {.parent = parent, .child = child}};
	int err = 0;

	om_for_each_table (part, parent->mm, parent->start, parent->end) {
		c.part.from = part.table;
		err = om_dying(parent->mm->sys) ? -OM_EINTR : copy_table(&c, part.start, part.end);
		if (err)
			break;
	}
	settle_copy(&c);
	*flush |= c.flush;
	return err;
}

/* Must the child have entries from the start, or can it find its pages by faults? */
static bool needs_entries(const struct om_vma *vma)
{
	unsigned flags = om_vma_flags(vma);

	if (flags & OM_VM_WIPEONFORK)
		return false;
	return !vma->mapping || om_vma_had_anon(vma) || (flags & OM_VM_NONLINEAR);
}

static int fork_vma(struct om_mm *mm, struct om_vma *parent, bool *flush)
{
	unsigned flags = om_vma_flags(parent) & ~(unsigned)(OM_VM_LOCKED | OM_VM_LOCKONFAULT);
	struct om_vma *child =
	    om_vma_new(mm, parent->start, parent->end, parent->pgoff, flags, parent->mapping);

	if (!child)
		return -OM_ENOFRAME;
	if (!(flags & OM_VM_WIPEONFORK) && om_rmap_vma_fork(child, parent)) {
		om_vma_free(child);
		return -OM_ENOFRAME;
	}
	om_vma_link(child);
	return needs_entries(parent) ? copy_entries(parent, child, flush) : 0;
}

/* Both mms are locked for writing. */
static int copy_mm(struct om_mm *parent, struct om_mm *child)
{
	bool flush = false;
	int err = 0;

	child->brk = parent->brk;
	for (unsigned i = 0; i < OM_NR_LIMITS; i++)
		child->limit[i] = om_mm_limit(parent, (enum om_limit)i);
	for (struct om_vma *vma = om_vma_find(parent, 0); vma && !err; vma = om_vma_after(vma))
		if (!(om_vma_flags(vma) & OM_VM_DONTFORK))
			err = fork_vma(child, vma, &flush);
	if (flush)
		om_tlb_flush(parent, 0, OM_VA_LIMIT, OM_FLUSH_PAGES);
	return err;
}

static int fork(struct om_mm *parent, void *cookie, struct om_mm **out)
{
	struct om_system *sys = parent->sys;
	struct om_mm *child;
	int err;

	om_mm_write_lock(parent);
	err = om_mm_new(sys, &parent->layout, cookie, parent, &child);
	if (err) {
		om_mm_write_unlock(parent);
		return err;
	}
	om_rwsem_write(sys, &child->own.mmap_lock, OM_RANK_MMAP2);
	err = copy_mm(parent, child);
	om_mm_write_unlock(parent); /* first: the other may sleep */
	om_mm_write_unlock(child);
	if (err) {
		om_mm_destroy(child);
		return err;
	}
	*out = child;
	return 0;
}

int om_fork(struct om_mm *parent, void *cookie, struct om_mm **child)
{
	struct om_system *sys = parent->sys;
	size_t want = atomic_load_explicit(&parent->nr_tables, memory_order_relaxed) + 8;
	unsigned tries = 0;
	int err;

	om_might_sleep(sys);
	do
		err = fork(parent, cookie, child);
	while (om_try_again(sys, &tries, want, &err));
	if (!err)
		om_count(sys, OM_EV_FORK, 1);
	om_check_low(sys);
	return err;
}
