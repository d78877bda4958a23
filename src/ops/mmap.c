/*
 * mmap.c: mmap, munmap, brk: areas come and go.
 *
 * Every call has three parts: check everything; get everything that can fail (the area's object,
 * the cuts at the edges); then change, which cannot fail. So a call that runs out of frames has
 * changed nothing, gives up its lock, reclaims and starts again (I10).
 */
#include "area/limits.h"
#include "area/mm.h"
#include "ops/fault.h"
#include "reclaim/reclaim.h"
#include "rmap/rmap.h"
#include "store/mapping.h"

/* ---------------------------------------------------------------- mmap ---------------------- */

/* A request, and what is found out about it. */
struct map {
	struct om_map_request req;
	unsigned vm_flags;
	bool replaces; /* there are areas in the range */
	bool writable; /* shared, and counted in the file's i_mmap_writable until it is mapped */
	bool denied;   /* the file says that it shall not be */
};

/* The checks that need no lock. Here and below in the order Linux makes them. */
static int check_map_request(struct map *m)
{
	size_t len = om_page_align(m->req.len);

	if (m->req.len == 0 || (m->req.file && (m->req.offset & (OM_PAGE_SIZE - 1))))
		return -OM_EINVAL;
	if (m->req.flags & OM_MAP_FIXED_NOREPLACE)
		m->req.flags |= OM_MAP_FIXED;
	if (len == 0)
		return -OM_ENOMEM;
	if (m->req.file && (m->req.offset >> OM_PAGE_SHIFT) + (len >> OM_PAGE_SHIFT) > UINTPTR_MAX)
		return -OM_EOVERFLOW;
	m->req.len = len;
	return 0;
}

/* May this be mapped in this way? Asked when a place has been found. */
static int check_kind(const struct map *m)
{
	unsigned type = (unsigned)m->req.flags & (OM_MAP_SHARED | OM_MAP_PRIVATE);

	if (m->req.file && m->req.offset + m->req.len < m->req.offset)
		return -OM_EOVERFLOW;
	if (type != OM_MAP_SHARED && type != OM_MAP_PRIVATE)
		return -OM_EINVAL;
	if (type == OM_MAP_SHARED && (m->req.flags & OM_MAP_FILE_RDONLY) &&
	    (m->req.prot & OM_PROT_WRITE))
		return -OM_EACCES;
	if ((m->req.flags & OM_MAP_GROWSDOWN) && (m->req.file || type == OM_MAP_SHARED))
		return -OM_EINVAL;
	return m->denied && (m->req.prot & OM_PROT_WRITE) ? -OM_EPERM : 0;
}

static unsigned request_vm_flags(const struct map *m, unsigned def_flags)
{
	unsigned flags = (unsigned)m->req.prot & (OM_VM_READ | OM_VM_WRITE | OM_VM_EXEC);

	flags |= OM_VM_MAYWRITE | def_flags;
	if (m->req.flags & OM_MAP_SHARED) {
		flags |= OM_VM_SHARED;
		if ((m->req.flags & OM_MAP_FILE_RDONLY) || m->denied)
			flags &= ~(unsigned)OM_VM_MAYWRITE;
	}
	if (m->req.file && (m->req.flags & OM_MAP_HIDE_CACHE))
		flags |= OM_VM_HIDE_CACHE;
	if (m->req.flags & OM_MAP_GROWSDOWN)
		flags |= OM_VM_GROWSDOWN;
	if (m->req.flags & OM_MAP_LOCKED)
		flags |= OM_VM_LOCKED;
	if (m->req.flags & OM_MAP_NORESERVE)
		flags |= OM_VM_NORESERVE;
	return flags;
}

static bool range_is_free(struct om_mm *mm, uintptr_t start, uintptr_t end)
{
	struct om_vma *next = om_vma_find(mm, start);

	return !next || om_vma_start_gap(next) >= end;
}

/* MAP_FIXED: is it a place for an area, and may what is there go? */
static int check_fixed(struct om_mm *mm, struct map *m)
{
	const struct om_layout *l = &mm->layout;
	struct om_vma *next;

	if (m->req.addr > l->highest - m->req.len)
		return -OM_ENOMEM;
	if (m->req.addr & ~OM_PAGE_MASK)
		return -OM_EINVAL;
	if (m->req.addr < l->lowest)
		return -OM_EPERM;
	next = om_vma_find(mm, m->req.addr);
	m->replaces = next && next->start < m->req.addr + m->req.len;
	return m->replaces && (m->req.flags & OM_MAP_FIXED_NOREPLACE) ? -OM_EEXIST : 0;
}

/* The hint if it is free, else the highest gap below `end`, those below mmap_base first. */
static uintptr_t find_place(struct om_mm *mm, uintptr_t hint, size_t len, uintptr_t end)
{
	const struct om_layout *l = &mm->layout;
	uintptr_t base = l->mmap_base < end ? l->mmap_base : end, found;

	if (end < l->lowest || len > end - l->lowest)
		return 0;
	hint &= OM_PAGE_MASK;
	if (hint && hint < l->lowest)
		hint = l->lowest;
	if (hint && hint <= end - len && range_is_free(mm, hint, hint + len))
		return hint;
	found = om_gap_find(mm, len, base);
	return found || base == end ? found : om_gap_find(mm, len, end);
}

/* Choose or check the place. */
static int place(struct om_mm *mm, struct map *m)
{
	const struct om_layout *l = &mm->layout;
	uintptr_t end = l->highest;

	if (m->req.len > l->highest - l->lowest)
		return -OM_ENOMEM;
	if (m->req.flags & OM_MAP_FIXED)
		return check_fixed(mm, m);
	if (m->req.below && m->req.below < end)
		end = m->req.below & OM_PAGE_MASK;
	m->req.addr = find_place(mm, m->req.addr, m->req.len, end);
	return m->req.addr ? 0 : -OM_ENOMEM;
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

static int check_mm_limits(struct om_mm *mm, const struct map *m)
{
	size_t pages = m->req.len >> OM_PAGE_SHIFT;
	int err;

	if (m->vm_flags & OM_VM_LOCKED) {
		if ((m->req.flags & OM_MAP_LOCKED) && om_mm_limit(mm, OM_LIMIT_MEMLOCK) == 0)
			return -OM_EPERM;
		err = om_check_memlock(mm, pages, -OM_EAGAIN);
		if (err)
			return err == -OM_EPERM ? -OM_EAGAIN : err;
	}
	err = check_kind(m);
	if (err)
		return err;
	if (m->replaces)
		pages -= pages_in(mm, m->req.addr, m->req.addr + m->req.len);
	return om_check_limits(mm, pages, m->vm_flags);
}

/* Anonymous numbers follow the address; any others will do just as well. */
static uintptr_t first_index(const struct map *m)
{
	return m->req.file ? (uintptr_t)(m->req.offset >> OM_PAGE_SHIFT)
	                   : m->req.addr >> OM_PAGE_SHIFT;
}

/*
 * All that can fail, then the change. Takes over nothing; `mapping` is what backs the area, or
 * NULL.
 */
static int map_area(struct om_mm *mm, const struct map *m, struct om_mapping *mapping)
{
	uintptr_t end = m->req.addr + m->req.len;
	uintptr_t pgoff = mapping && !m->req.file ? 0 : first_index(m);
	struct om_vma *vma;
	int err = 0;

	if (!m->replaces && om_vma_extend(mm, m->req.addr, end, pgoff, m->vm_flags, mapping))
		return 0;
	vma = om_vma_new(mm, m->req.addr, end, pgoff, m->vm_flags, mapping);
	if (!vma)
		return -OM_ENOFRAME;
	if (m->replaces)
		err = om_vma_cut_out(mm, m->req.addr, end);
	if (err) {
		om_vma_free(vma);
		return err;
	}
	if (m->replaces)
		om_unmap_areas(mm, m->req.addr, end, true);
	om_vma_link(vma);
	if (m->replaces)
		om_vma_merge(vma);
	return 0;
}

static int map_request(struct om_mm *mm, struct map *m)
{
	struct om_mapping *shmem = NULL;
	int err;

	if (mm->nr_vmas > om_mm_limit(mm, OM_LIMIT_VMAS))
		return -OM_ENOMEM;
	err = place(mm, m);
	if (err)
		return err;
	m->vm_flags = request_vm_flags(m, mm->def_flags);
	err = check_mm_limits(mm, m);
	if (err)
		return err;
	if (!m->req.file && (m->req.flags & OM_MAP_SHARED)) {
		err = om_mapping_new(mm->sys, NULL, NULL, m->req.len, &shmem);
		if (err)
			return err;
	}
	err = map_area(mm, m, shmem ? shmem : m->req.file);
	if (shmem)
		om_mapping_put(shmem); /* the area holds its own reference */
	return err;
}

/* Counted before, so that om_mapping_deny_writable() sees us, or we its answer. */
static int mmap_locked(struct om_mm *mm, struct map *m)
{
	int err;

	if (m->req.file && (m->req.flags & OM_MAP_SHARED) && !(m->req.flags & OM_MAP_FILE_RDONLY)) {
		m->writable = om_mapping_map_writable(m->req.file);
		m->denied = !m->writable;
	}
	err = map_request(mm, m);
	if (m->writable)
		om_mapping_unmap_writable(m->req.file);
	return err;
}

/* Is the new area to be present from the start? */
static bool is_filled(const struct map *m)
{
	return (m->req.flags & OM_MAP_POPULATE) ||
	       (m->vm_flags & (OM_VM_LOCKED | OM_VM_LOCKONFAULT)) == OM_VM_LOCKED;
}

/* *fill: so much, from the address on that the request has got. */
static OM_NOINLINE int mmap_once(struct om_mm *mm, struct om_map_request *request, size_t *fill)
{
	struct map m = {.req = *request};
	int err = check_map_request(&m);

	if (err)
		return err;
	om_mm_write_lock(mm);
	err = mmap_locked(mm, &m);
	om_mm_write_unlock(mm);
	if (err)
		return err;
	request->addr = m.req.addr;
	*fill = is_filled(&m) ? m.req.len : 0;
	return 0;
}

int om_mmap(struct om_mm *mm, struct om_map_request *request)
{
	unsigned tries = 0;
	size_t fill;
	int err;

	om_might_sleep(mm->sys);
	do
		err = mmap_once(mm, request, &fill);
	while (om_try_again(mm->sys, &tries, 4, &err));
	if (err)
		return err;
	if (fill) /* As in Linux, a failure is not reported. */
		(void)om_populate(mm, request->addr, request->addr + fill);
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
	err = om_unmap_edge(first, start, end);
	if (err)
		return err > 0 ? 0 : err;
	err = om_vma_cut_out(mm, start, end);
	if (!err)
		om_unmap_areas(mm, start, end, false);
	return err;
}

/* So much that faults shall not wait for its pages: more than one table may have. */
static bool is_large(const struct om_mm *mm, uintptr_t start, uintptr_t end)
{
	return end - start > OM_TABLE_SPAN || mm->sys->eager;
}

static OM_NOINLINE int munmap_once(struct om_mm *mm, uintptr_t start, uintptr_t end)
{
	int err;

	om_mm_write_lock(mm);
	/* Without memory to cut areas it goes as a small one, which at an area's end needs none. */
	if (is_large(mm, start, end) && !om_vma_cut_out(mm, start, end)) {
		om_unmap_areas_and_unlock(mm, start, end);
		return 0;
	}
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
	struct map m = {.req = {.addr = start, .len = end - start}};
	struct om_vma *next = om_vma_find(mm, start);
	size_t pages = m.req.len >> OM_PAGE_SHIFT;

	/* One page stays free before the next area. */
	if (end > mm->layout.highest || (next && om_vma_start_gap(next) < end + OM_PAGE_SIZE))
		return -OM_ENOMEM;
	m.vm_flags = HEAP_FLAGS | mm->def_flags;
	if (om_check_limits(mm, pages, m.vm_flags) ||
	    ((m.vm_flags & OM_VM_LOCKED) && om_check_memlock(mm, pages, -OM_EAGAIN)))
		return -OM_ENOMEM;
	if (mm->nr_vmas > om_mm_limit(mm, OM_LIMIT_VMAS))
		return -OM_ENOMEM;
	return map_area(mm, &m, NULL);
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
static OM_NOINLINE int brk_once(struct om_mm *mm, uintptr_t end, uintptr_t *now, uintptr_t *from,
                                uintptr_t *to)
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
