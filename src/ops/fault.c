/*
 * fault.c: the page-fault entry.
 *
 *     om_fault            outermost: mmap_lock, stack growth, reclaim and start again
 *       handle_fault      find area and entry, check access; a table of our own, unless the entry
 *                         allows what is wanted; choose:
 *         none            private anonymous: fault_anon (here); else om_fault_file (filefault.c)
 *         file entry      om_fault_file, at the offset the entry holds
 *         swap entry      om_fault_swap (swapfault.c)
 *         present         write to a read-only entry: om_fault_write (cow.c); else nothing to do
 *
 * A step that drops the table's lock checks, when it has it again, that the entry is what it
 * was; if not, somebody else served the fault and the program just tries again. No step looks at
 * a neighbouring area (hazard 41), and none allocates but frames (I6).
 */
#include "ops/fault.h"

#include "area/limits.h"
#include "base/mem.h"
#include "ops/own.h"
#include "page/frame.h"
#include "page/put.h"
#include "reclaim/reclaim.h"
#include "rmap/rmap.h"

/* ---------------------------------------------------------------- anonymous ----------------- */

OM_INLINE int fault_anon(struct om_fault *f)
{
	struct om_system *sys = f->sys;
	struct om_page *page;
	om_pfn_t pfn;

	if (!om_fault_wants_own(f))
		return om_fault_zero(f);
	page = om_frame_take(sys, f->shard, OM_KIND_DATA, 0);
	if (om_unlikely(!page))
		return -OM_ENOFRAME;
	if (om_unlikely(!om_rmap_prepare(f->vma))) {
		om_page_put(sys, page);
		return -OM_ENOFRAME;
	}
	pfn = om_page_pfn(sys, page);
	memset(om_arch_frame(&sys->arch, pfn), 0, OM_PAGE_SIZE);
	if (om_unlikely(!om_fault_lock_absent(f))) {
		om_page_put(sys, page);
		return OM_FAULT_MINOR;
	}
	om_entry_install(sys, f->table, f->pos, om_fault_own_pte(f, pfn));
	om_rmap_page_new(sys, page, f->vma, f->table, f->pos);
	om_table_unlock(sys, f->table);
	atomic_fetch_add_explicit(&f->part->rss_anon, 1, memory_order_relaxed);
	om_count_in(f->shard, OM_EV_FAULT_ANON, 1);
	return OM_FAULT_MINOR;
}

/* ---------------------------------------------------------------- dispatch ------------------ */

static bool access_ok(unsigned flags, unsigned access)
{
	if ((access & OM_WRITE) && !(flags & OM_VM_WRITE))
		return false;
	if ((access & OM_EXEC) && !(flags & OM_VM_EXEC))
		return false;
	return om_vma_prot(flags) != 0;
}

/* The big entry may have lost write permission since the table was folded: page/fold.h. */
static void use_big(struct om_fault *f)
{
	if (om_fault_wants_own(f) && !om_table_is_shared(f->table))
		om_table_protect_big(f->vma->mm, f->table, f->prot, true);
}

/*
 * The entry allows the access already: another thread's fault resolved it, or the MMU leaves it
 * to software to note the use.
 */
static OM_COLD int fault_spurious(struct om_fault *f)
{
	if (om_fault_lock_present(f)) {
		if (om_table_is_folded(f->table))
			use_big(f);
		else
			om_entry_use(f->sys, f->table, f->pos, f->access & OM_WRITE);
		om_table_unlock(f->sys, f->table);
	}
	return OM_FAULT_MINOR;
}

OM_INLINE int dispatch(struct om_fault *f)
{
	om_pte_t pte = f->pte;

	if (om_pte_none(pte))
		return f->vma->mapping ? om_fault_file(f, om_vma_index(f->vma, f->addr))
		                       : fault_anon(f);
	if (!om_pte_present(pte))
		return om_pte_is_swap(pte) ? om_fault_swap(f) : om_fault_file(f, om_pte_pgoff(pte));
	if (((f->access & OM_WRITE) && !om_pte_write(pte)) || om_fault_unshares(f))
		return om_fault_write(f);
	return fault_spurious(f);
}

/*
 * The table of f->addr, not found before, and the entry. A table that has other owners, too (I13),
 * serves for reading what is there, and for nothing else: zeros or a page from swap would come to
 * all of them, also where their areas want something else, and each would have to count it.
 */
static OM_NOINLINE int find_entry(struct om_fault *f, struct om_mm *mm)
{
	f->table = om_table_make(mm, f->part, f->addr);
	if (!f->table)
		return om_table_error(mm);
	f->pte = om_arch_pte_load(om_table_entry(f->table, f->pos));
	if (om_pte_none(f->pte) && om_fault_wants_own(f) && om_fault_fold(f))
		f->pte = om_arch_pte_load(om_table_entry(f->table, f->pos));
	if (om_table_is_shared(f->table) && (!om_pte_present(f->pte) || om_fault_wants_own(f)))
		return -OM_ESHARED;
	return 0;
}

/*
 * mmap_lock is held for reading. enum om_fault_result, -OM_ENOFRAME, -OM_EFETCH, -OM_ESHARED, or
 * -OM_ENOMEM (OM_LIMIT_TABLES).
 */
OM_INLINE int handle_fault(struct om_fault *f, struct om_mm *mm, uintptr_t addr, unsigned access)
{
	unsigned flags;

	OM_ASSERT(mm->sys, om_rwsem_is_locked(&f->part->mmap_lock), "mmap_lock", mm);
	f->vma = om_vma_at_in(mm, f->part, addr);
	if (om_unlikely(!f->vma))
		return OM_FAULT_MAPERR;
	flags = om_vma_flags(f->vma);
	if (om_unlikely(!access_ok(flags, access)))
		return OM_FAULT_ACCERR;
	f->addr = addr & OM_PAGE_MASK;
	f->access = access;
	f->prot = om_vma_prot(flags);
	f->pos = om_table_pos(addr);
	f->table = om_table_hint(mm, f->part, addr);
	if (om_likely(f->table)) {
		f->pte = om_arch_pte_load(om_table_entry(f->table, f->pos));
	} else {
		int err = find_entry(f, mm);

		if (om_unlikely(err))
			return err;
	}
	return dispatch(f);
}

/* ---------------------------------------------------------------- stack growth -------------- */

/* Why a GROWSDOWN area may not begin at `start`, or false. mmap_lock held for writing. */
static bool may_not_grow(struct om_vma *vma, uintptr_t start)
{
	struct om_mm *mm = vma->mm;
	struct om_vma *prev = om_vma_before(mm, vma->start);
	size_t grow = (vma->start - start) >> OM_PAGE_SHIFT;
	unsigned flags = om_vma_flags(vma);

	if (start < mm->layout.lowest || grow > vma->pgoff)
		return true;
	if (vma->end - start > om_mm_limit(mm, OM_LIMIT_STACK))
		return true;
	if (prev && !(om_vma_flags(prev) & OM_VM_GROWSDOWN) && om_vma_prot(om_vma_flags(prev)) &&
	    start - prev->end < mm->layout.guard_gap)
		return true;
	return om_check_limits(mm, grow, flags) ||
	       ((flags & OM_VM_LOCKED) && om_check_memlock(mm, grow, -OM_ENOMEM));
}

/*
 * Nothing is mapped at addr: is there a stack above it that may grow there? Only here, with
 * mmap_lock held for writing, does an area grow by a fault (hazards 36, 37).
 */
static bool expand_stack(struct om_mm *mm, uintptr_t addr)
{
	struct om_vma *vma;
	bool ok = false;

	om_mm_write_lock(mm);
	vma = om_vma_find(mm, addr);
	if (vma && vma->start <= addr) {
		ok = true; /* somebody else was faster */
	} else if (vma && (om_vma_flags(vma) & OM_VM_GROWSDOWN) &&
	           !may_not_grow(vma, addr & OM_PAGE_MASK)) {
		om_vma_resize(vma, addr & OM_PAGE_MASK, vma->end);
		ok = true;
	}
	om_mm_write_unlock(mm);
	return ok;
}

/* ---------------------------------------------------------------- outermost ----------------- */

/* Internal, beside -OM_ENOFRAME and its like: an area that grows down may reach the address. */
#define GROW_STACK (-OM_EAGAIN)

static OM_COLD bool below_stack(struct om_mm *mm, uintptr_t addr)
{
	struct om_vma *vma = om_vma_find(mm, addr);

	return vma && vma->start > addr && (om_vma_flags(vma) & OM_VM_GROWSDOWN);
}

/*
 * The CPU may have kept what it faulted on, an entry that granted less or that there was none, and
 * would fault on it again: port.h, `flush_local`.
 */
static OM_COLD void flush_local(const struct om_fault *f, struct om_mm *mm, int r)
{
	const struct om_hooks *hooks;

	if (r != OM_FAULT_MINOR && r != OM_FAULT_MAJOR)
		return; /* *f may be empty */
	hooks = &f->sys->hooks;
	hooks->ops->flush_local(hooks->ctx, mm, f->addr, om_pte_present(f->pte));
}

OM_INLINE int fault_once(struct om_fault *f, struct om_mm *mm, uintptr_t addr, unsigned access)
{
	int r;

	f->part = om_part_enter(mm, f->shard);
	r = handle_fault(f, mm, addr, access);
	if (om_unlikely(r == OM_FAULT_MAPERR) && below_stack(mm, addr))
		r = GROW_STACK;
	om_part_leave(f->sys, f->part);
	if (om_unlikely(f->sys->hooks.ops->flush_local))
		flush_local(f, mm, r);
	return r;
}

/* What stopped a try that ended with r < 0 is dealt with, without locks; 0: try again. */
static OM_NOINLINE int overcome(struct om_mm *mm, uintptr_t addr, int r, unsigned *tries,
                                struct om_fetch *fetch)
{
	om_fetch_unlock(mm->sys, fetch);
	if (r == -OM_EFETCH)
		r = om_fetch_wait(mm->sys, fetch);
	if (r == GROW_STACK)
		return expand_stack(mm, addr) ? 0 : OM_FAULT_MAPERR;
	if (r == -OM_ESHARED)
		r = om_own_tables(mm, addr, addr + 1, false);
	if (r == -OM_ENOFRAME || r == -OM_ENOMEM)
		return om_reclaim_for_fault(mm, r, tries);
	return 0;
}

static int try_fault(struct om_mm *mm, uintptr_t addr, unsigned access, struct om_fetch *fetch);

/* The first try ended with `r`, which was not a minor fault. */
static OM_COLD int fault_again(struct om_mm *mm, uintptr_t addr, unsigned access, int r)
{
	struct om_fetch fetch = {.kind = OM_FETCH_NOTHING};
	unsigned tries = 0;

	while (r < 0) {
		r = overcome(mm, addr, r, &tries, &fetch);
		if (!r)
			r = try_fault(mm, addr, access, &fetch);
	}
	if (r == OM_FAULT_MINOR && fetch.read) {
		r = OM_FAULT_MAJOR;
		om_count(mm->sys, OM_EV_PGMAJFAULT, 1);
	}
	om_fetch_end(mm->sys, &fetch);
	return r;
}

OM_INLINE int one_try(struct om_mm *mm, uintptr_t addr, unsigned access, struct om_fetch *fetch,
                      bool *again)
{
	struct om_fault f;
	int r;

	f.sys = mm->sys;
	f.fetch = fetch;
	f.shard = om_shard(f.sys);
	r = fault_once(&f, mm, addr, access);

	om_check_low_on(f.sys, f.shard);
	*again = false;
	if (om_likely(r == OM_FAULT_MINOR)) {
		om_count_in(f.shard, OM_EV_PGFAULT, 1);
		return OM_FAULT_MINOR;
	}
	*again = !f.fetch;
	return r;
}

/*
 * One try, and if it was the first, without `fetch`, those that follow: there is nothing of it on
 * the stack then.
 */
static OM_NOINLINE int try_fault(struct om_mm *mm, uintptr_t addr, unsigned access,
                                 struct om_fetch *fetch)
{
	bool again;
	int r = one_try(mm, addr, access, fetch, &again);

	return again ? fault_again(mm, addr, access, r) : r;
}

enum om_fault_result om_fault(struct om_mm *mm, uintptr_t addr, enum om_access access)
{
	om_might_sleep(mm->sys);
	return (enum om_fault_result)try_fault(mm, addr, access, NULL);
}

/* ---------------------------------------------------------------- populate ------------------ */

/*
 * A fault that was crossed by another one, or by reclaim, has perhaps resolved nothing: the
 * program would try again. So do we, because mlock() promises that the page is there.
 */
static bool is_resolved(struct om_mm *mm, uintptr_t addr, unsigned access)
{
	struct om_mm_part *part = om_mm_enter(mm);
	struct om_page *table = om_vma_at_in(mm, part, addr) ? om_table_find(mm, addr) : NULL;
	om_pte_t pte = 0;

	if (table && !((access & OM_WRITE) && om_table_is_shared(table)))
		pte = om_arch_pte_load(om_table_entry(table, om_table_pos(addr)));
	om_part_leave(mm->sys, part);
	return om_pte_present(pte) && (!(access & OM_WRITE) || om_pte_write(pte));
}

OM_INLINE int populate(struct om_mm *mm, uintptr_t start, uintptr_t end, unsigned access)
{
	for (uintptr_t addr = start; addr < end;) {
		switch (om_fault(mm, addr, (enum om_access)access)) {
		case OM_FAULT_MINOR:
		case OM_FAULT_MAJOR:
			break;
		case OM_FAULT_OOM:
		case OM_FAULT_LIMIT:
			return -OM_ENOMEM;
		case OM_FAULT_INTR:
			return -OM_EINTR;
		default:
			return -OM_EFAULT;
		}
		if (om_likely(is_resolved(mm, addr, access)))
			addr += OM_PAGE_SIZE;
		if (addr < end && om_dying(mm->sys))
			return -OM_EINTR;
	}
	return 0;
}

int om_populate_access(struct om_mm *mm, uintptr_t start, uintptr_t end, unsigned access)
{
	return populate(mm, start, end, access);
}

bool om_populate_area(struct om_mm *mm, uintptr_t addr, uintptr_t *stop, unsigned *flags)
{
	struct om_mm_part *part = om_mm_enter(mm);
	struct om_vma *vma = om_vma_at_in(mm, part, addr);

	if (vma) {
		*stop = vma->end < *stop ? vma->end : *stop;
		*flags = om_vma_flags(vma);
	}
	om_part_leave(mm->sys, part);
	return vma;
}

int om_populate(struct om_mm *mm, uintptr_t start, uintptr_t end)
{
	while (start < end) {
		uintptr_t stop = end;
		unsigned flags, access = OM_READ;
		int err;

		if (!om_populate_area(mm, start, &stop, &flags))
			return -OM_EFAULT;
		if ((flags & (OM_VM_WRITE | OM_VM_SHARED)) == OM_VM_WRITE)
			access = OM_WRITE;
		if (!(flags & OM_VM_LOCKONFAULT)) {
			err = populate(mm, start, stop, access);
			if (err)
				return err;
		}
		start = stop;
	}
	return 0;
}
