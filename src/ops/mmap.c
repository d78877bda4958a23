/*
 * mmap.c: mmap, munmap, brk: areas come and go.
 *
 * Every call has three parts: check everything; get everything that can fail (the area's object, the cuts at
 * the edges); then change, which cannot fail. So a call that runs out of frames has changed nothing, gives up
 * its lock, reclaims and starts again (I10).
 */
#include "area/limits.h"
#include "area/mm.h"
#include "ops/fault.h"
#include "reclaim/reclaim.h"
#include "rmap/rmap.h"
#include "store/mapping.h"

/* ---------------------------------------------------------------- mmap ---------------------- */

struct request {
	uintptr_t addr;
	size_t len;
	int prot, flags;
	struct om_mapping *file;
	uint64_t offset;
	unsigned vm_flags;
	bool replaces; /* there are areas in the range */
};

/* The checks that need no lock. Here and below in the order Linux makes them. */
static int check_map_request(struct request *r)
{
	size_t len = om_page_align(r->len);

	if (r->len == 0 || (r->file && (r->offset & (OM_PAGE_SIZE - 1))))
		return -OM_EINVAL;
	if (r->flags & OM_MAP_FIXED_NOREPLACE)
		r->flags |= OM_MAP_FIXED;
	if (len == 0)
		return -OM_ENOMEM;
	if (r->file && (r->offset >> OM_PAGE_SHIFT) + (len >> OM_PAGE_SHIFT) > UINTPTR_MAX)
		return -OM_EOVERFLOW;
	r->len = len;
	return 0;
}

/* May this be mapped in this way? Asked when a place has been found. */
static int check_kind(const struct request *r)
{
	unsigned type = (unsigned)r->flags & (OM_MAP_SHARED | OM_MAP_PRIVATE);

	if (r->file && r->offset + r->len < r->offset)
		return -OM_EOVERFLOW;
	if (type != OM_MAP_SHARED && type != OM_MAP_PRIVATE)
		return -OM_EINVAL;
	if (r->file && type == OM_MAP_SHARED && (r->flags & OM_MAP_FILE_RDONLY) &&
	    (r->prot & OM_PROT_WRITE))
		return -OM_EACCES;
	if ((r->flags & OM_MAP_GROWSDOWN) && (r->file || type == OM_MAP_SHARED))
		return -OM_EINVAL;
	return 0;
}

static unsigned request_vm_flags(const struct request *r, unsigned def_flags)
{
	unsigned flags = (unsigned)r->prot & (OM_VM_READ | OM_VM_WRITE | OM_VM_EXEC);

	flags |= OM_VM_MAYWRITE | def_flags;
	if (r->flags & OM_MAP_SHARED) {
		flags |= OM_VM_SHARED;
		if (r->file && (r->flags & OM_MAP_FILE_RDONLY))
			flags &= ~(unsigned)OM_VM_MAYWRITE;
	}
	if (r->flags & OM_MAP_GROWSDOWN)
		flags |= OM_VM_GROWSDOWN;
	if (r->flags & OM_MAP_LOCKED)
		flags |= OM_VM_LOCKED;
	if (r->flags & OM_MAP_NORESERVE)
		flags |= OM_VM_NORESERVE;
	return flags;
}

static bool range_is_free(struct om_mm *mm, uintptr_t start, uintptr_t end)
{
	struct om_vma *next = om_vma_find(mm, start);

	return !next || om_vma_start_gap(next) >= end;
}

/* Choose or check the place. */
static int place(struct om_mm *mm, struct request *r)
{
	const struct om_layout *l = &mm->layout;
	uintptr_t hint = r->addr & OM_PAGE_MASK;

	if (r->len > l->highest - l->lowest)
		return -OM_ENOMEM;
	if (r->flags & OM_MAP_FIXED) {
		struct om_vma *next;

		if (r->addr > l->highest - r->len)
			return -OM_ENOMEM;
		if (r->addr & ~OM_PAGE_MASK)
			return -OM_EINVAL;
		if (r->addr < l->lowest)
			return -OM_EPERM;
		next = om_vma_find(mm, r->addr);
		r->replaces = next && next->start < r->addr + r->len;
		return r->replaces && (r->flags & OM_MAP_FIXED_NOREPLACE) ? -OM_EEXIST : 0;
	}
	if (hint >= l->lowest && hint <= l->highest - r->len &&
	    range_is_free(mm, hint, hint + r->len)) {
		r->addr = hint;
		return 0;
	}
	r->addr = om_gap_find(mm, r->len, l->mmap_base);
	if (!r->addr)
		r->addr = om_gap_find(mm, r->len, l->highest);
	return r->addr ? 0 : -OM_ENOMEM;
}

/* Pages of areas that MAP_FIXED will replace: they do not count against the limits. */
static size_t pages_in(struct om_mm *mm, uintptr_t start, uintptr_t end)
{
	size_t pages = 0;

	om_for_each_vma (vma, mm, start, end) {
		uintptr_t from = start, to = end;

		om_clip(&from, &to, vma->start, vma->end);
		pages += (to - from) >> OM_PAGE_SHIFT;
	}
	return pages;
}

static int check_mm_limits(struct om_mm *mm, const struct request *r)
{
	size_t pages = r->len >> OM_PAGE_SHIFT;
	int err;

	if (r->vm_flags & OM_VM_LOCKED) {
		if ((r->flags & OM_MAP_LOCKED) && om_mm_limit(mm, OM_LIMIT_MEMLOCK) == 0)
			return -OM_EPERM;
		err = om_check_memlock(mm, pages, -OM_EAGAIN);
		if (err)
			return err == -OM_EPERM ? -OM_EAGAIN : err;
	}
	err = check_kind(r);
	if (err)
		return err;
	if (r->replaces)
		pages -= pages_in(mm, r->addr, r->addr + r->len);
	return om_check_limits(mm, pages, r->vm_flags);
}

/* Anonymous numbers follow the address; any others will do just as well. */
static uintptr_t first_index(const struct request *r)
{
	return r->file ? (uintptr_t)(r->offset >> OM_PAGE_SHIFT) : r->addr >> OM_PAGE_SHIFT;
}

/* All that can fail, then the change. Takes over nothing; `mapping` is what backs the area, or NULL. */
static int map_area(struct om_mm *mm, const struct request *r, struct om_mapping *mapping)
{
	uintptr_t end = r->addr + r->len;
	uintptr_t pgoff = mapping && !r->file ? 0 : first_index(r);
	struct om_vma *vma;
	int err = 0;

	if (!r->replaces && om_vma_extend(mm, r->addr, end, pgoff, r->vm_flags, mapping))
		return 0;
	vma = om_vma_new(mm, r->addr, end, pgoff, r->vm_flags, mapping);
	if (!vma)
		return -OM_ENOFRAME;
	if (r->replaces)
		err = om_vma_cut_out(mm, r->addr, end);
	if (err) {
		om_vma_free(vma);
		return err;
	}
	if (r->replaces)
		om_unmap_areas(mm, r->addr, end, true);
	om_vma_link(vma);
	if (r->replaces)
		om_vma_merge(vma);
	return 0;
}

static int mmap_locked(struct om_mm *mm, struct request *r)
{
	struct om_mapping *shmem = NULL;
	int err;

	if (mm->nr_vmas > om_mm_limit(mm, OM_LIMIT_VMAS))
		return -OM_ENOMEM;
	err = place(mm, r);
	if (err)
		return err;
	r->vm_flags = request_vm_flags(r, mm->def_flags);
	err = check_mm_limits(mm, r);
	if (err)
		return err;
	if (!r->file && (r->flags & OM_MAP_SHARED)) {
		err = om_mapping_new(mm->sys, NULL, NULL, r->len, &shmem);
		if (err)
			return err;
	}
	err = map_area(mm, r, shmem ? shmem : r->file);
	if (shmem)
		om_mapping_put(shmem); /* the area holds its own reference */
	return err;
}

static int mmap_once(struct om_mm *mm, struct request *r)
{
	int err;

	om_mm_write_lock(mm);
	err = mmap_locked(mm, r);
	om_mm_write_unlock(mm);
	return err;
}

int om_mmap(struct om_mm *mm, uintptr_t *addr, size_t len, int prot, int flags,
            struct om_mapping *file, uint64_t offset)
{
	struct request first = {.addr = *addr,
	                        .len = len,
	                        .prot = prot,
	                        .flags = flags,
	                        .file = file,
	                        .offset = offset},
	               r;
	unsigned tries = 0;
	int err = check_map_request(&first);

	om_might_sleep(mm->sys);
	if (err)
		return err;
	do {
		r = first;
		err = mmap_once(mm, &r);
	} while (om_try_again(mm->sys, &tries, 4, &err));
	if (err)
		return err;
	*addr = r.addr;
	if ((flags & OM_MAP_POPULATE) ||
	    (r.vm_flags & (OM_VM_LOCKED | OM_VM_LOCKONFAULT)) == OM_VM_LOCKED)
		(void)om_populate(mm, r.addr, r.addr + r.len); /* as in Linux, not reported */
	om_check_low(mm->sys);
	return 0;
}

/* ---------------------------------------------------------------- munmap -------------------- */

static int munmap_locked(struct om_mm *mm, uintptr_t start, uintptr_t end)
{
	struct om_vma *first = om_vma_find(mm, start);
	int err;

	if (!first || first->start >= end)
		return 0;
	if (om_unmap_edge(first, start, end))
		return 0;
	err = om_vma_cut_out(mm, start, end);
	if (!err)
		om_unmap_areas(mm, start, end, false);
	return err;
}

static int munmap_once(struct om_mm *mm, uintptr_t start, uintptr_t end)
{
	int err;

	om_mm_write_lock(mm);
	err = munmap_locked(mm, start, end);
	om_mm_write_unlock(mm);
	return err;
}

int om_munmap(struct om_mm *mm, uintptr_t addr, size_t len)
{
	uintptr_t end;
	unsigned tries = 0;
	int err;

	om_might_sleep(mm->sys);
	if (!om_range(addr, len, &end) || end == addr || end > mm->layout.highest)
		return -OM_EINVAL;
	do
		err = munmap_once(mm, addr, end);
	while (om_try_again(mm->sys, &tries, 2, &err));
	return err;
}

/* ---------------------------------------------------------------- brk ----------------------- */

#define HEAP_FLAGS (OM_VM_READ | OM_VM_WRITE | OM_VM_MAYWRITE)

/* Map [start, end) as heap. */
static int grow_heap(struct om_mm *mm, uintptr_t start, uintptr_t end)
{
	struct request r = {.addr = start, .len = end - start};
	struct om_vma *next = om_vma_find(mm, start);
	size_t pages = r.len >> OM_PAGE_SHIFT;

	/* One page stays free before the next area. */
	if (end > mm->layout.highest || (next && om_vma_start_gap(next) < end + OM_PAGE_SIZE))
		return -OM_ENOMEM;
	r.vm_flags = HEAP_FLAGS | mm->def_flags;
	if (om_check_limits(mm, pages, r.vm_flags) ||
	    ((r.vm_flags & OM_VM_LOCKED) && om_check_memlock(mm, pages, -OM_EAGAIN)))
		return -OM_ENOMEM;
	if (mm->nr_vmas > om_mm_limit(mm, OM_LIMIT_VMAS))
		return -OM_ENOMEM;
	return map_area(mm, &r, NULL);
}

static int brk_locked(struct om_mm *mm, uintptr_t end)
{
	uintptr_t old = om_page_align(mm->brk), new = om_page_align(end);
	int err = 0;

	if (end < mm->layout.brk_start || new < end ||
	    end - mm->layout.brk_start > om_mm_limit(mm, OM_LIMIT_DATA))
		return -OM_ENOMEM;
	if (new > old)
		err = grow_heap(mm, old, new);
	else if (new < old)
		err = munmap_locked(mm, new, old);
	if (!err)
		mm->brk = end;
	return err;
}

/* *from, *to: what is new, and must be present if the mm locks its future memory. */
static int brk_once(struct om_mm *mm, uintptr_t end, uintptr_t *now, uintptr_t *from, uintptr_t *to)
{
	int err = 0;

	om_mm_write_lock(mm);
	*from = *to = om_page_align(mm->brk);
	if (mm->layout.brk_start && end)
		err = brk_locked(mm, end);
	*now = mm->brk;
	if ((mm->def_flags & (OM_VM_LOCKED | OM_VM_LOCKONFAULT)) == OM_VM_LOCKED)
		*to = om_page_align(mm->brk);
	om_mm_write_unlock(mm);
	return err;
}

uintptr_t om_brk(struct om_mm *mm, uintptr_t end)
{
	uintptr_t now, from, to;
	unsigned tries = 0;
	int err;

	om_might_sleep(mm->sys);
	do
		err = brk_once(mm, end, &now, &from, &to);
	while (om_try_again(mm->sys, &tries, 2, &err));
	if (from < to)
		(void)om_populate(mm, from, to);
	return now;
}
