/*
 * i_mmap.c: the tree of a file's areas.
 *
 * It is ordered by the first page of the file that an area shows. Nonlinear areas can show any
 * page, so they are behind all others, where nobody meets them who looks for a page in its place.
 */
#include "rmap/i_mmap.h"

#include "base/vma_fields.h"

static uintptr_t file_key(const struct om_node *n)
{
	const struct om_vma *vma = om_container(n, struct om_vma, by_file);

	return om_vma_flags(vma) & OM_VM_NONLINEAR ? OM_NONLINEAR_INDEX : vma->pgoff;
}

static uintptr_t file_last(const struct om_node *n)
{
	const struct om_vma *vma = om_container(n, struct om_vma, by_file);

	return om_vma_flags(vma) & OM_VM_NONLINEAR ? OM_NONLINEAR_INDEX
	                                           : vma->pgoff + om_vma_pages(vma) - 1;
}

static uintptr_t file_aug(struct om_node *n)
{
	return om_interval_aug(n, file_last(n));
}

const struct om_interval_ops om_file_tree = {{file_key, file_aug}, file_last};

/* The addresses where vma shows pages [first, last]. */
static struct om_part showing(struct om_vma *vma, uintptr_t first, uintptr_t last)
{
	struct om_part p = {.vma = vma, .start = vma->start, .end = vma->end};

	if (om_vma_flags(vma) & OM_VM_NONLINEAR)
		return p;
	if (first > vma->pgoff)
		p.start += (first - vma->pgoff) << OM_PAGE_SHIFT;
	if (last - vma->pgoff < om_vma_pages(vma) - 1)
		p.end = vma->start + ((last - vma->pgoff + 1) << OM_PAGE_SHIFT);
	return p;
}

/* So many spans without a table are skipped for one look: their entries are neighbours. */
#define SKIPS 16

/*
 * Of what is to be looked at in one area, the next entries, as many as *left allows. False: none
 * were found as far as p->start; that is the end, or as far as *left allows to go.
 */
static OM_NOINLINE bool first_part(struct om_part *p, unsigned *left)
{
	unsigned most = *left * SKIPS, skips = most;
	uintptr_t room;

	p->table = om_table_next_within(p->vma->mm, &p->start, p->end, &skips);
	*left -= (most - skips) / SKIPS;
	if (!p->table)
		return false;
	room = om_table_addr(p->table, 0) + OM_TABLE_SPAN - p->start;
	if (room > (uintptr_t)*left << OM_PAGE_SHIFT)
		room = (uintptr_t)*left << OM_PAGE_SHIFT;
	if (p->end - p->start > room)
		p->end = p->start + room;
	*left -= (unsigned)((p->end - p->start) >> OM_PAGE_SHIFT);
	return true;
}

bool om_i_mmap_next(struct om_mapping *mapping, struct om_cursor *c, uintptr_t first,
                    uintptr_t last, unsigned *left, struct om_part *part)
{
	struct om_system *sys = mapping->sys;
	struct om_interval_iter it;

	OM_ASSERT(sys, om_held(sys, &mapping->lock), "mapping lock", mapping);
	while (*left > 1) {
		struct om_node *n = om_interval_resume(&it, sys, mapping->i_mmap, &om_file_tree,
		                                       first, last, c->key, c->node);
		uintptr_t end, rest;
		bool found;

		if (!n) {
			c->done = true;
			return false;
		}
		*part = showing(om_container(n, struct om_vma, by_file), first, last);
		end = part->end;
		if (c->node + 1 == (uintptr_t)n && c->addr > part->start)
			part->start = c->addr;
		--*left;
		found = first_part(part, left);
		c->key = file_key(n);
		c->node = (uintptr_t)n;
		c->addr = 0;
		rest = found ? part->end : part->start;
		if (rest < end) {
			c->node--;
			c->addr = rest;
		}
		if (found)
			return true;
	}
	return false;
}

struct om_cursor om_i_mmap_hand(const struct om_mapping *mapping)
{
	return (struct om_cursor){.key = OM_NONLINEAR_INDEX,
	                          .node = atomic_load_explicit(&mapping->hand_area,
	                                                       memory_order_relaxed),
	                          .addr = atomic_load_explicit(&mapping->hand_addr,
	                                                       memory_order_relaxed)};
}

void om_i_mmap_set_hand(struct om_mapping *mapping, const struct om_cursor *c)
{
	atomic_store_explicit(&mapping->hand_area, c->node, memory_order_relaxed);
	atomic_store_explicit(&mapping->hand_addr, c->addr, memory_order_relaxed);
}

OM_INLINE bool hold(struct om_mapping *mapping, struct om_cursor *c, om_part_fn *fn, void *arg)
{
	struct om_system *sys = mapping->sys;
	unsigned left = om_hold(sys);
	struct om_part part;
	bool go = true;

	om_read_lock(sys, &mapping->lock, OM_RANK_MAPPING);
	while (go &&
	       om_i_mmap_next(mapping, c, OM_NONLINEAR_INDEX, OM_NONLINEAR_INDEX, &left, &part))
		go = fn(arg, &part);
	om_note_hold(sys, om_hold(sys) - left);
	om_read_unlock(sys, &mapping->lock);
	return go;
}

bool om_i_mmap_hold(struct om_mapping *mapping, struct om_cursor *c, om_part_fn *fn, void *arg)
{
	return hold(mapping, c, fn, arg);
}

void om_i_mmap_window(struct om_mapping *mapping, struct om_cursor *c, om_part_fn *fn, void *arg)
{
	bool again = c->node != 0;

	for (unsigned holds = OM_WINDOW / om_hold(mapping->sys); holds && !c->done; holds--) {
		if (!hold(mapping, c, fn, arg))
			return;
		if (c->done && again) {
			*c = (struct om_cursor){.key = OM_NONLINEAR_INDEX};
			again = false;
		}
	}
}
