/*
 * mremap.c: growing, shrinking and moving an area.
 *
 * A move makes a new area with the same numbering (pgoff), queues it, moves the entries, some at a
 * time, while the trees of the reverse map are locked for writing, so that no walk sees one on its
 * way (hazards 27-29), and takes the old area away. move.c has the entries.
 *
 * An area whose pages need no numbers gets new ones at its new place, and so merges with its new
 * neighbours.
 */
#include "area/limits.h"
#include "area/mm.h"
#include "area/zap.h"
#include "ops/fault.h"
#include "ops/move.h"
#include "reclaim/reclaim.h"
#include "rmap/rmap.h"
#include "store/mapping.h"

struct remap {
	struct om_mm *mm;
	uintptr_t old, new;
	size_t old_len, new_len;
	int flags;
	struct om_vma *vma;       /* the area at `old` */
	uintptr_t fill, fill_end; /* out: locked memory to be made present */
};

/* ---------------------------------------------------------------- moving -------------------- */

static unsigned moved_flags(const struct remap *r)
{
	return om_vma_flags(r->vma);
}

static size_t moved_len(const struct remap *r)
{
	return r->old_len < r->new_len ? r->old_len : r->new_len;
}

/*
 * The old area is empty: take it away, with what a smaller size cuts off behind it, or with
 * DONTUNMAP leave it, unlocked. Not before the new area is linked: that keeps the tables at the
 * new place (I5).
 */
static void leave(struct remap *r)
{
	if (!(r->flags & OM_MREMAP_DONTUNMAP)) {
		if (moved_len(r) < r->old_len)
			om_zap_areas(r->mm, r->old + moved_len(r), r->old + r->old_len);
		om_free_areas(r->mm, r->old, r->old + r->old_len, false);
		return;
	}
	r->vma = om_vma_find(r->mm, r->old);
	om_vma_change_flags(r->vma,
	                    om_vma_flags(r->vma) & ~(unsigned)(OM_VM_LOCKED | OM_VM_LOCKONFAULT));
}

/*
 * Everything at the new place is gone, `vma` is not linked yet, tables are in stock. Cannot fail.
 */
static void move_area(struct remap *r, struct om_vma *vma, const struct om_move *m,
                      struct om_table_stock *stock)
{
	om_vma_link(vma);
	om_move_entries(vma, m, stock);
	if (om_vma_flags(vma) & OM_VM_LOCKED) {
		r->fill = vma->start + m->len;
		r->fill_end = vma->end;
	}
	leave(r);
	/* The two may be neighbours, and one now: look for the old one again. */
	om_vma_merge(vma);
	if (r->flags & OM_MREMAP_DONTUNMAP)
		om_vma_merge(om_vma_find(r->mm, r->old));
}

/* Pages of areas that FIXED will replace, all and those that count as data. */
static void count_replaced(const struct remap *r, size_t *total, size_t *data)
{
	uintptr_t start = r->new, end = r->new + r->new_len;

	*total = *data = 0;
	if (!(r->flags & OM_MREMAP_FIXED))
		return;
	om_for_each_vma (vma, r->mm, start, end) {
		uintptr_t from = start, to = end;

		om_clip(&from, &to, vma->start, vma->end);
		*total += (to - from) >> OM_PAGE_SHIFT;
		if (om_flags_are_data(om_vma_flags(vma)))
			*data += (to - from) >> OM_PAGE_SHIFT;
	}
}

/*
 * Linux moves nothing to a new area with fewer than four areas left, or six if the call names the
 * place, where it may cut a hole: so no part of the call comes to the limit half way.
 */
static bool areas_left(const struct remap *r, unsigned n)
{
	return r->mm->nr_vmas + n <= om_mm_limit(r->mm, OM_LIMIT_VMAS);
}

/* DONTUNMAP keeps the old area: there will be one more. Any other growth is check_grow()'s. */
static int check_move(const struct remap *r)
{
	struct om_mm *mm = r->mm;
	size_t add = r->new_len >> OM_PAGE_SHIFT, total, data;

	if (!areas_left(r, 4))
		return -OM_ENOMEM;
	if (!(r->flags & OM_MREMAP_DONTUNMAP))
		return 0;
	count_replaced(r, &total, &data);
	if (mm->total_vm - total + add > om_mm_limit(mm, OM_LIMIT_AS) >> OM_PAGE_SHIFT)
		return -OM_ENOMEM;
	if (om_flags_are_data(moved_flags(r)) &&
	    mm->data_vm - data + add > om_mm_limit(mm, OM_LIMIT_DATA) >> OM_PAGE_SHIFT)
		return -OM_ENOMEM;
	return 0;
}

/* Both the old and the new range begin and end at area boundaries; or nothing has changed. */
static int cut_out_both(struct remap *r)
{
	int err = om_vma_cut_out(r->mm, r->new, r->new + r->new_len);

	if (err)
		return err;
	err = om_vma_cut_out(r->mm, r->old, r->old + r->old_len);
	if (err)
		om_vma_merge_range(r->mm, r->new, r->new + r->new_len);
	return err;
}

/* The destination is free, or FIXED says to replace what is there. */
static int move(struct remap *r)
{
	struct om_mm *mm = r->mm;
	const struct om_move m = {mm, r->old, r->new, moved_len(r)};
	uintptr_t end = r->new + r->new_len, pgoff = om_vma_index(r->vma, r->old);
	struct om_table_stock stock;
	struct om_vma *vma;
	int err;

	if (!r->vma->mapping && !om_rmap_has_numbers(r->vma))
		pgoff = r->new >> OM_PAGE_SHIFT;
	vma = om_vma_new(mm, r->new, end, pgoff, moved_flags(r), r->vma->mapping);
	if (!vma)
		return -OM_ENOFRAME;
	om_table_stock_init(&stock);
	err = om_rmap_vma_copy(vma, r->vma);
	if (!err)
		err = om_move_prepare(&m, r->vma, &stock);
	if (!err)
		err = cut_out_both(r);
	if (err) {
		om_table_unreserve(mm, &stock);
		om_rmap_vma_drop(vma);
		om_vma_free(vma);
		return err;
	}
	om_unmap_areas(mm, r->new, end, true);
	move_area(r, vma, &m, &stock);
	return 0;
}

/* ---------------------------------------------------------------- other ways ---------------- */

/* A second mapping of shared memory: an area, and no entries. */
static int duplicate(struct remap *r)
{
	struct om_vma *vma;
	uintptr_t end = r->new + r->new_len;
	int err;

	if (!areas_left(r, 4))
		return -OM_ENOMEM;
	if ((moved_flags(r) & OM_VM_LOCKED) &&
	    om_check_memlock(r->mm, r->new_len >> OM_PAGE_SHIFT, -OM_EAGAIN))
		return -OM_EAGAIN;
	err = om_check_limits(r->mm, r->new_len >> OM_PAGE_SHIFT, moved_flags(r));
	if (err)
		return err;
	vma = om_vma_new(r->mm, r->new, end, om_vma_index(r->vma, r->old), moved_flags(r),
	                 r->vma->mapping);
	if (!vma)
		return -OM_ENOFRAME;
	err = om_vma_cut_out(r->mm, r->new, end);
	if (err) {
		om_vma_free(vma);
		return err;
	}
	om_unmap_areas(r->mm, r->new, end, true);
	om_vma_link(vma);
	if (om_vma_flags(vma) & OM_VM_LOCKED) {
		r->fill = vma->start;
		r->fill_end = end;
	}
	om_vma_merge(vma);
	return 0;
}

/* Room behind the area for `grow` more bytes? As with FIXED, a guard gap does not count (Linux). */
static bool can_grow(const struct remap *r, size_t grow)
{
	uintptr_t end = r->vma->end + grow;
	struct om_vma *next = om_vma_after(r->vma);

	return r->old + r->old_len == r->vma->end && end > r->vma->end &&
	       end <= r->mm->layout.highest && (!next || next->start >= end);
}

static int grow_in_place(struct remap *r)
{
	unsigned flags = om_vma_flags(r->vma);

	if (flags & OM_VM_LOCKED) {
		r->fill = r->vma->end;
		r->fill_end = r->old + r->new_len;
	}
	om_vma_resize(r->vma, r->vma->start, r->old + r->new_len);
	om_vma_merge(r->vma);
	r->new = r->old;
	return 0;
}

static int check_grow(const struct remap *r)
{
	size_t grow = r->new_len > r->old_len ? r->new_len - r->old_len : 0;
	size_t pages = grow >> OM_PAGE_SHIFT;
	uintptr_t index = om_vma_index(r->vma, r->old);

	/* What a smaller size cuts off may hold several areas and holes: it is unmapped. */
	if (moved_len(r) > r->vma->end - r->old)
		return -OM_EFAULT;
	if (r->old_len > r->mm->layout.highest - r->old)
		return -OM_EINVAL;
	if (grow == 0)
		return 0;
	if (index + (r->new_len >> OM_PAGE_SHIFT) < index)
		return -OM_EINVAL;
	if ((om_vma_flags(r->vma) & OM_VM_LOCKED) && om_check_memlock(r->mm, pages, -OM_EAGAIN))
		return -OM_EAGAIN;
	return om_check_limits(r->mm, pages, om_vma_flags(r->vma));
}

/* Find a place for the moved area, the hint first. */
static int find_place(struct remap *r)
{
	const struct om_layout *l = &r->mm->layout;
	uintptr_t hint = r->new &OM_PAGE_MASK;
	struct om_vma *next = om_vma_find(r->mm, hint);

	if (hint && hint >= l->lowest && r->new_len <= l->highest &&
	    hint <= l->highest - r->new_len &&
	    (!next || om_vma_start_gap(next) >= hint + r->new_len)) {
		r->new = hint;
		return 0;
	}
	r->new = om_gap_find(r->mm, r->new_len, l->mmap_base);
	if (!r->new)
		r->new = om_gap_find(r->mm, r->new_len, l->highest);
	return r->new ? 0 : -OM_ENOMEM;
}

static int remap_fixed(struct remap *r)
{
	int err;

	if (r->new < r->mm->layout.lowest)
		return -OM_EPERM;
	if (r->old_len == 0)
		return duplicate(r);
	err = check_grow(r);
	if (!err)
		err = check_move(r);
	return err ? err : move(r);
}

static int remap_anywhere(struct remap *r)
{
	int err;

	if (r->old_len && r->new_len <= r->old_len && !(r->flags & OM_MREMAP_DONTUNMAP)) {
		r->new = r->old;
		if (r->new_len == r->old_len)
			return 0;
		if (r->old_len > r->mm->layout.highest - r->old)
			return -OM_EINVAL;
		err = om_vma_cut_out(r->mm, r->old + r->new_len, r->old + r->old_len);
		if (!err)
			om_unmap_areas(r->mm, r->old + r->new_len, r->old + r->old_len, false);
		return err;
	}
	err = check_grow(r);
	if (err)
		return err;
	if (r->old_len && !(r->flags & OM_MREMAP_DONTUNMAP) && can_grow(r, r->new_len - r->old_len))
		return grow_in_place(r);
	if (!(r->flags & OM_MREMAP_MAYMOVE))
		return -OM_ENOMEM;
	if (!(r->flags & OM_MREMAP_DONTUNMAP))
		r->new = 0;
	err = find_place(r);
	if (err)
		return err;
	if (r->old_len == 0)
		return duplicate(r);
	err = check_move(r);
	return err ? err : move(r);
}

/* ---------------------------------------------------------------- the call ------------------ */

static int mremap_locked(struct remap *r)
{
	if ((r->flags & (OM_MREMAP_FIXED | OM_MREMAP_DONTUNMAP)) && !areas_left(r, 6))
		return -OM_ENOMEM;
	r->vma = om_vma_at(r->mm, r->old);
	if (!r->vma)
		return -OM_EFAULT;
	if (r->old_len == 0 && !(om_vma_flags(r->vma) & OM_VM_SHARED))
		return -OM_EINVAL;
	return r->flags & OM_MREMAP_FIXED ? remap_fixed(r) : remap_anywhere(r);
}

static int check_remap_request(const struct remap *r)
{
	const int known = OM_MREMAP_MAYMOVE | OM_MREMAP_FIXED | OM_MREMAP_DONTUNMAP;
	const struct om_layout *l = &r->mm->layout;

	if ((r->flags & ~known) || (r->old & ~OM_PAGE_MASK))
		return -OM_EINVAL;
	if (r->new_len == 0 || r->new_len > l->highest)
		return -OM_EINVAL;
	/* Both name a new address: for DONTUNMAP alone it is a hint, and checked all the same. */
	if (!(r->flags & (OM_MREMAP_FIXED | OM_MREMAP_DONTUNMAP)))
		return 0;
	if (!(r->flags & OM_MREMAP_MAYMOVE))
		return -OM_EINVAL;
	if ((r->flags & OM_MREMAP_DONTUNMAP) && r->old_len != r->new_len)
		return -OM_EINVAL;
	if ((r->new & ~OM_PAGE_MASK) || r->new > l->highest - r->new_len)
		return -OM_EINVAL;
	if (r->old + r->old_len > r->new && r->new + r->new_len > r->old)
		return -OM_EINVAL;
	return 0;
}

/* What is left to be done: memory to be made present. And where the area is. */
struct outcome {
	uintptr_t new, fill, fill_end;
};

static OM_NOINLINE int mremap_once(struct om_mm *mm, const struct om_remap_request *request,
                                   struct outcome *out)
{
	struct remap r = {.mm = mm,
	                  .old = request->old_addr,
	                  .new = request->new_addr,
	                  .flags = request->flags,
	                  .old_len = om_page_align(request->old_len),
	                  .new_len = om_page_align(request->new_len)};
	int err = check_remap_request(&r);

	if (err)
		return err;
	om_mm_write_lock(mm);
	err = mremap_locked(&r);
	om_mm_write_unlock(mm);
	*out = (struct outcome){r.new, r.fill, r.fill_end};
	return err;
}

int om_mremap(struct om_mm *mm, struct om_remap_request *request)
{
	size_t tables = (request->new_len >> OM_PAGE_SHIFT) / OM_TABLE_ENTRIES + 4;
	struct outcome out;
	unsigned tries = 0;
	int err;

	om_might_sleep(mm->sys);
	do
		err = mremap_once(mm, request, &out);
	while (om_try_again(mm->sys, &tries, tables, &err));
	if (err)
		return err;
	request->new_addr = out.new;
	if (out.fill < out.fill_end)
		(void)om_populate(mm, out.fill, out.fill_end);
	return 0;
}
