/*
 * mlock.c: memory that stays.
 *
 * VM_LOCKED is a flag of the area; each entry in a locked area counts in its page (`mlocked`),
 * and reclaim passes by a page that counts any (I12). Faults and zaps count as they go; here the
 * entries that are already present are counted when the flag changes. Reclaim asks the page, not
 * the area, so it does not matter that flag and counts change one after the other; truncation,
 * the only other call that takes entries without mmap_lock, removes all of a page's entries,
 * which ends its count whatever it was.
 */
#include "area/limits.h"
#include "area/mm.h"
#include "area/unshare.h"
#include "ops/fault.h"
#include "page/unevictable.h"
#include "reclaim/reclaim.h"
#include "rmap/rmap.h"

#define LOCK_BITS ((unsigned)(OM_VM_LOCKED | OM_VM_LOCKONFAULT))

/* ---------------------------------------------------------------- counting ------------------ */

static void count_page(struct om_system *sys, om_pte_t pte, bool lock)
{
	struct om_page *page = om_page_of(sys, om_pte_pfn(pte));

	if (!om_pte_present(pte) || om_pte_pfn(pte) == sys->zero_pfn)
		return;
	om_frame_lock(sys, page);
	if (lock)
		om_page_mlock(sys, page);
	else if (om_page_test(page, OM_PG_UNEVICTABLE))
		om_page_munlock(sys, page);
	om_frame_unlock(sys, page);
}

static void count_entries(struct om_vma *vma, bool lock)
{
	struct om_system *sys = vma->mm->sys;

	om_for_each_table (part, vma->mm, vma->start, vma->end) {
		om_table_lock(sys, part.table);
		for (uintptr_t addr = part.start; addr < part.end; addr += OM_PAGE_SIZE)
			count_page(sys, om_entry_get(sys, part.table, om_table_pos(addr)), lock);
		om_table_unlock(sys, part.table);
	}
}

/* Give a whole area new lock bits. */
static void set_lock_bits(struct om_vma *vma, unsigned bits)
{
	unsigned old = om_vma_flags(vma);

	om_vma_change_flags(vma, (old & ~LOCK_BITS) | bits);
	if ((old ^ bits) & OM_VM_LOCKED)
		count_entries(vma, bits & OM_VM_LOCKED);
}

/* ---------------------------------------------------------------- ranges -------------------- */

/* One area's part of the range; *vma is the area that covers it afterwards. */
static int lock_vma(struct om_vma **vma, uintptr_t start, uintptr_t end, unsigned bits)
{
	struct om_mm *mm = (*vma)->mm;
	unsigned old = om_vma_flags(*vma);
	int err;

	om_clip(&start, &end, (*vma)->start, (*vma)->end);
	if ((old & LOCK_BITS) == bits)
		return 0;
	err = om_unshare(*vma, start, end);
	if (!err)
		err = om_vma_cut_for(*vma, start, end, (old & ~LOCK_BITS) | bits);
	if (err)
		return err;
	*vma = om_vma_find(mm, start);
	set_lock_bits(*vma, bits);
	*vma = om_vma_merge(*vma);
	return 0;
}

/*
 * Both locking and unlocking stop at a hole, with everything before it changed, and report
 * -OM_ENOMEM (semantics of Linux, unlike its manual).
 */
static int lock_range(struct om_mm *mm, uintptr_t start, uintptr_t end, unsigned bits)
{
	while (start < end) {
		struct om_vma *vma = om_vma_find(mm, start);
		int err;

		if (!vma || vma->start > start)
			return -OM_ENOMEM;
		err = lock_vma(&vma, start, end, bits);
		if (err)
			return err;
		start = vma->end;
	}
	return 0;
}

static size_t locked_in(struct om_mm *mm, uintptr_t start, uintptr_t end)
{
	size_t pages = 0;

	om_for_each_vma (vma, mm, start, end) {
		uintptr_t from = start, to = end;

		om_clip(&from, &to, vma->start, vma->end);
		if (om_vma_flags(vma) & OM_VM_LOCKED)
			pages += (to - from) >> OM_PAGE_SHIFT;
	}
	return pages;
}

static OM_NOINLINE int lock_once(struct om_mm *mm, uintptr_t start, uintptr_t end, unsigned bits)
{
	size_t already;
	int err = 0;

	om_mm_write_lock(mm);
	already = start < end ? locked_in(mm, start, end) : 0;
	if (bits & OM_VM_LOCKED)
		err = om_check_memlock(mm, ((end - start) >> OM_PAGE_SHIFT) - already, -OM_ENOMEM);
	if (!err) /* Linux sees that the range wraps only now */
		err = end < start ? -OM_EINVAL : lock_range(mm, start, end, bits);
	om_mm_write_unlock(mm);
	return err;
}

/* Round as mlock(2) does. */
static void round_range(uintptr_t addr, size_t len, uintptr_t *start, uintptr_t *end)
{
	uintptr_t offset = addr & ~OM_PAGE_MASK;

	*start = addr & OM_PAGE_MASK;
	*end = *start + om_page_align(len + offset);
}

/* ---------------------------------------------------------------- calls --------------------- */

int om_mlock(struct om_mm *mm, uintptr_t addr, size_t len, int flags)
{
	unsigned bits = OM_VM_LOCKED | (flags & OM_MLOCK_ONFAULT ? OM_VM_LOCKONFAULT : 0u);
	uintptr_t start, end;
	unsigned tries = 0;
	int err;

	om_might_sleep(mm->sys);
	if (flags & ~OM_MLOCK_ONFAULT)
		return -OM_EINVAL;
	if (om_mm_limit(mm, OM_LIMIT_MEMLOCK) == 0)
		return -OM_EPERM;
	round_range(addr, len, &start, &end);
	do
		err = lock_once(mm, start, end, bits);
	while (om_try_again(mm->sys, &tries, 2, &err));
	if (!err && !(flags & OM_MLOCK_ONFAULT))
		err = om_populate(mm, start, end);
	return err == -OM_EFAULT ? -OM_ENOMEM : err;
}

int om_munlock(struct om_mm *mm, uintptr_t addr, size_t len)
{
	uintptr_t start, end;
	unsigned tries = 0;
	int err;

	om_might_sleep(mm->sys);
	round_range(addr, len, &start, &end);
	do
		err = lock_once(mm, start, end, 0);
	while (om_try_again(mm->sys, &tries, 2, &err));
	return err;
}

/* Locked entries are counted one by one, so the tables must be the caller's alone (I13). */
static int own_all(struct om_mm *mm)
{
	int err = 0;

	for (struct om_vma *vma = om_vma_find(mm, 0); vma && !err; vma = om_vma_after(vma))
		err = om_unshare(vma, vma->start, vma->end);
	return err;
}

/*
 * All areas get the same bits; no cut is needed, and no table of a locked area is shared, so this
 * cannot fail, after own_all() if it locks.
 */
static void lock_all(struct om_mm *mm, unsigned bits)
{
	for (struct om_vma *vma = om_vma_find(mm, 0); vma; vma = om_vma_after(vma)) {
		if ((om_vma_flags(vma) & LOCK_BITS) != bits)
			set_lock_bits(vma, bits);
		vma = om_vma_merge(vma);
	}
}

/* Make all areas present, as far as that is possible. */
static void populate_all(struct om_mm *mm)
{
	struct om_vmainfo info;

	for (uintptr_t addr = 0; om_vma_next(mm, addr, &info); addr = info.end)
		if (om_populate(mm, info.start, info.end) == -OM_EINTR)
			break;
}

static OM_NOINLINE int lock_all_once(struct om_mm *mm, int flags)
{
	unsigned bits = OM_VM_LOCKED | (flags & OM_MCL_ONFAULT ? OM_VM_LOCKONFAULT : 0u);
	int err = 0;

	om_mm_write_lock(mm);
	if (om_mm_limit(mm, OM_LIMIT_MEMLOCK) == 0)
		err = -OM_EPERM;
	else if ((flags & OM_MCL_CURRENT) &&
	         mm->total_vm > om_mm_limit(mm, OM_LIMIT_MEMLOCK) >> OM_PAGE_SHIFT)
		err = -OM_ENOMEM;
	else if (flags & OM_MCL_CURRENT)
		err = own_all(mm);
	if (!err) {
		mm->def_flags = flags & OM_MCL_FUTURE ? (uint16_t)bits : 0;
		if (flags & OM_MCL_CURRENT)
			lock_all(mm, bits);
	}
	om_mm_write_unlock(mm);
	return err;
}

int om_mlockall(struct om_mm *mm, int flags)
{
	unsigned tries = 0;
	int err;

	om_might_sleep(mm->sys);
	if (!flags || flags == OM_MCL_ONFAULT ||
	    (flags & ~(OM_MCL_CURRENT | OM_MCL_FUTURE | OM_MCL_ONFAULT)))
		return -OM_EINVAL;
	do
		err = lock_all_once(mm, flags);
	while (om_try_again(mm->sys, &tries, 2, &err));
	if (!err && (flags & OM_MCL_CURRENT) && !(flags & OM_MCL_ONFAULT))
		populate_all(mm);
	return err;
}

int om_munlockall(struct om_mm *mm)
{
	om_might_sleep(mm->sys);
	om_mm_write_lock(mm);
	mm->def_flags = 0;
	lock_all(mm, 0);
	om_mm_write_unlock(mm);
	return 0;
}
