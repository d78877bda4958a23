/*
 * fault.h: making pages present, for the CPU and for the core itself.
 */
#ifndef OM_FAULT_H
#define OM_FAULT_H

#include "area/mm.h"
#include "ops/fetch.h"
#include "page/fold.h"

/*
 * Beside OM_READ, OM_WRITE and OM_EXEC: whatever is mapped in a private area becomes this mm's own
 * (direct), without need of write permission: for pins.
 */
#define OM_UNSHARE 8u

/* What the steps of one fault share. */
struct om_fault {
	struct om_system *sys;
	struct om_vma *vma;
	uintptr_t addr; /* page aligned */
	unsigned access;
	unsigned prot;         /* of the area */
	struct om_page *table; /* leaf table of addr */
	unsigned pos;
	om_pte_t pte; /* the entry when we looked last; everything is rechecked against it */
	struct om_fetch *fetch;  /* where to note what must be waited for; NULL in the first try */
	struct om_shard *shard;  /* of the CPU on which the fault began */
	struct om_mm_part *part; /* in which mmap_lock is held: hints and counts */
};

/*
 * The kinds of fault; each returns enum om_fault_result, -OM_ENOFRAME or -OM_EFETCH. mmap_lock
 * held, no spinning lock. None sleeps.
 */
int om_fault_file(struct om_fault *f, uintptr_t index);
int om_fault_swap(struct om_fault *f);
int om_fault_write(struct om_fault *f); /* present, read-only: COW, reuse, first write to a file */

/* A write to an empty table: it is filled and folded, if that may be (om_set_huge()). */
bool om_fault_fold(struct om_fault *f);

/*
 * If the entry at addr, in `table`, shows an anonymous page that others may map, too, give the area
 * one of its own. False if no frame is free. mmap_lock held for writing: only reclaim can come in
 * between, and what it takes is not mapped.
 */
bool om_fault_unshare(struct om_vma *vma, struct om_page *table, uintptr_t addr);

/* Does a fault in a private area want a page of its own? */
static inline bool om_fault_wants_own(const struct om_fault *f)
{
	return f->access & (OM_WRITE | OM_UNSHARE);
}

/*
 * The pages of a shared area are the file's own, and those of a folded table its only owner's:
 * there is nothing to unshare.
 */
static inline bool om_fault_unshares(const struct om_fault *f)
{
	return (f->access & OM_UNSHARE) && !(om_vma_flags(f->vma) & OM_VM_SHARED) &&
	       !om_table_is_folded(f->table);
}

/* What a page of the area's own is mapped with: writable, and then dirty, if the area is. */
static inline om_pte_t om_fault_own_pte(const struct om_fault *f, om_pfn_t pfn)
{
	om_pte_t pte = om_pte_mkyoung(om_pte_make(pfn, f->prot));

	return f->prot & OM_PROT_WRITE ? om_pte_mkdirty(pte) : pte;
}

/* Take the table's lock if the entry, which was absent, is still what it was when we looked. */
static inline bool om_fault_lock_absent(struct om_fault *f)
{
	struct om_system *sys = f->sys;
	struct om_page *table = f->table;

	om_table_lock(sys, table);
	if (om_likely(om_entry_get(sys, table, f->pos) == f->pte))
		return true;
	om_table_unlock(sys, table);
	return false;
}

/*
 * As om_fault_lock_absent(), for an entry that was present: it shows the same frame with the same
 * permissions, whatever its young and dirty bits, which the MMU sets at any time. It does not
 * follow that the page has not changed its state.
 */
static inline bool om_fault_lock_present(struct om_fault *f)
{
	struct om_system *sys = f->sys;
	struct om_page *table = f->table;
	om_pte_t now;

	om_table_lock(sys, table);
	now = om_entry_get(sys, table, f->pos);
	if (om_likely(now == f->pte) || om_entry_just_used(f->pte, now))
		return true;
	om_table_unlock(sys, table);
	return false;
}

/* Untouched memory is read: the zero page. */
static inline int om_fault_zero(struct om_fault *f)
{
	struct om_system *sys = f->sys;
	om_pte_t pte =
	    om_pte_mkyoung(om_pte_make(sys->zero_pfn, f->prot & ~(unsigned)OM_PROT_WRITE));

	if (om_fault_lock_absent(f)) {
		om_entry_install(sys, f->table, f->pos, pte);
		om_table_note(sys, f->table, OM_TABLE_MIXED);
		om_table_unlock(sys, f->table);
		om_count_in(f->shard, OM_EV_FAULT_ZERO, 1);
	}
	return OM_FAULT_MINOR;
}

/*
 * Make the pages of [start, end) present as mlock and MAP_POPULATE do: writable private areas get
 * pages of their own. Stops at the first page that cannot be made present: -OM_EFAULT (hole, no
 * access, beyond EOF), -OM_ENOMEM; or between two pages, -OM_EINTR. An outermost function: may
 * sleep, no lock held.
 */
int om_populate(struct om_mm *mm, uintptr_t start, uintptr_t end);

/* The area at addr: its flags, and its end, if that is before *stop. False: there is none. */
bool om_populate_area(struct om_mm *mm, uintptr_t addr, uintptr_t *stop, unsigned *flags);

/*
 * Make all pages of [start, end) present for one kind of access. Errors as
 * om_populate().
 */
int om_populate_access(struct om_mm *mm, uintptr_t start, uintptr_t end, unsigned access);

#endif
