/*
 * fork.c: duplicating an address space copy-on-write.
 *
 * For each area the child gets: the anon_vma if the parent has held anonymous pages (made here,
 * and nowhere else), a place in the reverse map, and only then entries (hazards 53, 62). A leaf
 * table that lies in one private anonymous area is given to the child as it is (page/share.h): so
 * fork costs as much as there are tables. Of others the entries are copied (area/copy.h). A pinned
 * page stays the parent's and is copied now. Pages of shared mappings, and of private ones that
 * were never written, are not copied: the child finds them in the page cache by a fault.
 *
 * A fork that fails takes the child down again. What it has done to the parent nobody can see:
 * pages that are shared with nobody turn direct at the next write.
 */
#include "area/copy.h"
#include "area/limits.h"
#include "area/mm.h"
#include "page/fold.h"
#include "page/share.h"
#include "reclaim/reclaim.h"

/*
 * om_copy_entries() with its locks. The mapping's shape is held while entries of a file's area are
 * copied, so that write-back and truncation meet either both entries of a page or none.
 */
static int copy_locked(struct om_system *sys, struct om_copy *c, unsigned *next, unsigned stop)
{
	struct om_mapping *mapping = c->part.parent->mapping;
	int err;

	if (mapping)
		om_rwsem_read(sys, &mapping->shape, OM_RANK_SHAPE);
	om_table_lock_entries(sys, c->part.from);
	om_table_lock_second(sys, c->part.to);
	c->room = OM_COPY_ROOM;
	err = om_copy_entries(sys, c, next, stop);
	om_table_unlock(sys, c->part.to);
	om_table_unlock(sys, c->part.from);
	if (mapping)
		om_rwsem_read_done(sys, &mapping->shape);
	return err;
}

/* Copy [addr, end), which lies in one table. */
static int copy_table(struct om_copy *c, uintptr_t addr, uintptr_t end)
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
	while (err == OM_COPY_PAUSE);
	return err;
}

static void settle_copy(struct om_copy *c)
{
	struct om_mm *mm = c->part.child->mm;

	atomic_fetch_add_explicit(&mm->own.rss_anon, c->anon, memory_order_relaxed);
	atomic_fetch_add_explicit(&mm->own.rss_file, c->file, memory_order_relaxed);
	atomic_fetch_add_explicit(&mm->own.swapents, c->swap, memory_order_relaxed);
	om_count(mm->sys, OM_EV_DIRECT_TO_SHARED, c->now_shared);
}

/*
 * Can the child have tables of the area as they are? Locked pages count their entries. And whoever
 * is on the way to the table by the area of one owner must be in the way of another one that frees
 * it: so both areas have one anon_vma (I5, I13).
 */
static bool may_share(const struct om_vma *parent)
{
	return parent->mm->sys->share_tables && !parent->mapping && om_rmap_has_numbers(parent) &&
	       !(om_vma_flags(parent) & OM_VM_LOCKED);
}

/* Whole tables from *at on, as far as can be; *at is where it has ended. */
static int share_tables(struct om_copy *c, uintptr_t *at)
{
	struct om_vma *vma = c->part.parent;
	struct om_share s = {.parent = vma->mm,
	                     .child = c->part.child->mm,
	                     .at = *at,
	                     .read_only = !(om_vma_flags(vma) & OM_VM_WRITE)};
	uintptr_t end = vma->end & ~(OM_TABLE_SPAN - 1);
	int err;

	if (*at % OM_TABLE_SPAN || *at >= end || !may_share(vma))
		return 0;
	err = om_tables_share(&s, end);
	if (s.tables) {
		vma->mm->shares = s.child->shares = true;
		c->flush = true;
		c->anon += s.f.anon;
		c->swap += s.f.swap;
		om_count(vma->mm->sys, OM_EV_TABLE_SHARE, s.tables);
	}
	*at = err ? s.at : end;
	return err > 0 ? 0 : err;
}

/* The first table from *at on. False: there is none. */
static bool copy_next(struct om_copy *c, uintptr_t *at, int *err)
{
	struct om_vma *parent = c->part.parent;
	struct om_table_part part = {.upper = NULL};

	if (*at >= parent->end || !om_table_part(parent->mm, *at, parent->end, &part))
		return false;
	c->part.from = part.table;
	*err = om_dying(parent->mm->sys) ? -OM_EINTR : copy_table(c, part.start, part.end);
	*at = part.end;
	return true;
}

static OM_NOINLINE int copy_entries(struct om_vma *parent, struct om_vma *child, bool *flush)
{
	struct om_copy c = {.part = {.parent = parent, .child = child}};
	uintptr_t at = parent->start;
	int err;

	do
		err = share_tables(&c, &at);
	while (!err && copy_next(&c, &at, &err) && !err);
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

	/* Nobody else's hint can name a table of the parent's: the CPUs' parts are recalled. */
	atomic_store_explicit(&parent->own.table_hint, &parent->sys->no_table,
	                      memory_order_relaxed);
	child->brk = parent->brk;
	for (unsigned i = 0; i < OM_NR_LIMITS; i++)
		child->limit[i] = om_mm_limit(parent, (enum om_limit)i);
	for (struct om_vma *vma = om_vma_find(parent, 0); vma && !err; vma = om_vma_after(vma))
		if (!(om_vma_flags(vma) & OM_VM_DONTFORK))
			err = fork_vma(child, vma, &flush);
	if (flush)
		om_tlb_flush(parent, 0, OM_VA_LIMIT,
		             parent->shares ? OM_FLUSH_ALL : OM_FLUSH_PAGES);
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
