/*
 * verify_vma.c: om_verify()'s look at address spaces: areas, the three trees they are in, and the
 * counters of pages of areas. (Counters of entries: verify_table.c.)
 *
 * Every area is looked for in its trees by the same iteration that walks use; every tree is read as
 * a whole, so that nothing is in it that is no area any more (I4, I5).
 */
#include "area/mm.h"
#include "area/vma_place.h"
#include "rmap/rmap.h"
#include "store/mapping.h"
#include "verify/verify.h"

/* ---------------------------------------------------------------- the trees of files -------- */

/* Does iterating over the area's own range come across it? */
static bool is_queued(struct om_check *c, const struct om_node *root, const struct om_node *node,
                      const struct om_interval_ops *ops)
{
	uintptr_t first = ops->tree.key(node), last = ops->last(node);
	struct om_interval_iter it;
	struct om_node *n = om_interval_first(&it, c->sys, root, ops, first, last);

	while (n && n != node)
		n = om_interval_next(&it);
	return n;
}

static void check_i_mmap(struct om_check *c, struct om_mapping *mapping)
{
	const unsigned may = OM_VM_SHARED | OM_VM_MAYWRITE;
	struct om_interval_iter it;
	size_t n = om_check_tree(c, mapping->i_mmap, &om_file_tree.tree, mapping);
	uint32_t writable = 0;

	c->mappings++;
	c->file_in_trees += n;
	OM_CHECK(c, atomic_load(&mapping->refs) >= n && atomic_load(&mapping->refs), "I5", mapping,
	         atomic_load(&mapping->refs), n);
	OM_CHECK(c, atomic_load(&mapping->lock.state) == 0, "rest", mapping,
	         atomic_load(&mapping->lock.state), 0);
	OM_CHECK(c, !om_rwsem_is_locked(&mapping->size_lock), "rest", mapping, 0, 0);
	OM_CHECK(c, !om_rwsem_is_locked(&mapping->hole_lock), "rest", mapping, mapping->hole_end,
	         0);
	for (struct om_node *node =
	         om_interval_first(&it, c->sys, mapping->i_mmap, &om_file_tree, 0, UINTPTR_MAX);
	     node; node = om_interval_next(&it)) {
		struct om_vma *vma = om_container(node, struct om_vma, by_file);

		OM_CHECK(c, vma->mapping == mapping, "I5", mapping, vma, vma->mapping);
		writable += (om_vma_flags(vma) & may) == may;
	}
	OM_CHECK(c, om_mapping_writably_mapped(mapping) == writable, "I5", mapping,
	         om_mapping_writably_mapped(mapping), writable);
}

/* ---------------------------------------------------------------- areas --------------------- */

static void check_vma(struct om_check *c, struct om_mm *mm, struct om_vma *vma)
{
	unsigned flags = om_vma_flags(vma);

	OM_CHECK(c, vma->mm == mm, "vma", vma, vma->mm, mm);
	OM_CHECK(c, vma->start < vma->end, "vma", vma, vma->start, vma->end);
	OM_CHECK(c, !((vma->start | vma->end) & ~OM_PAGE_MASK), "vma", vma, vma->start, vma->end);
	OM_CHECK(c, vma->start >= mm->layout.lowest && vma->end <= mm->layout.highest, "vma", vma,
	         vma->start, vma->end);
	OM_CHECK(c, vma->pgoff + om_vma_pages(vma) - 1 >= vma->pgoff, "vma", vma, vma->pgoff,
	         om_vma_pages(vma));
	OM_CHECK(c, vma->mapping || !(flags & (OM_VM_SHARED | OM_VM_NONLINEAR)), "vma", vma,
	         vma->start, flags);
	OM_CHECK(c, !(flags & OM_VM_NONLINEAR) || (flags & OM_VM_SHARED), "vma", vma, vma->start,
	         flags);
	OM_CHECK(c, !(flags & OM_VM_LOCKONFAULT) || (flags & OM_VM_LOCKED), "vma", vma, vma->start,
	         flags);
	OM_CHECK(c, !(flags & OM_VM_WRITE) || (flags & OM_VM_MAYWRITE), "vma", vma, vma->start,
	         flags);
	om_anon_check_area(&c->anon, vma);
	if (vma->mapping) {
		c->file_vmas++;
		OM_CHECK(c, is_queued(c, vma->mapping->i_mmap, &vma->by_file, &om_file_tree), "I5",
		         vma, vma->start, vma->pgoff);
	}
}

struct sums {
	size_t vmas, total, data, locked;
	bool hint_found;
};

/* The areas are found one by one as calls find them, and must not overlap. */
static struct sums add_areas(struct om_check *c, struct om_mm *mm)
{
	struct sums s = {0};
	uintptr_t end = 0;
	struct om_vma *hint = atomic_load(&mm->own.hint);

	for (struct om_vma *vma = om_vma_find(mm, 0); vma; vma = om_vma_after(vma)) {
		unsigned flags = om_vma_flags(vma);

		if (!OM_CHECK(c, vma->start >= end && vma->end > vma->start, "vma", vma, vma->start,
		              end))
			break;
		end = vma->end;
		check_vma(c, mm, vma);
		s.vmas++;
		s.total += om_vma_pages(vma);
		s.data += om_flags_are_data(flags) ? om_vma_pages(vma) : 0;
		s.locked += flags & OM_VM_LOCKED ? om_vma_pages(vma) : 0;
		s.hint_found |= vma == hint;
	}
	OM_CHECK(c, hint == &c->sys->no_area || s.hint_found, "vma", mm, hint, s.vmas);
	return s;
}

/* What `aug` writes beside the word it returns must be right as well: recompute it in a copy. */
static uintptr_t area_key(const struct om_node *n)
{
	return om_vma_tree.key(n);
}

static uintptr_t area_aug(struct om_node *n)
{
	struct om_vma *vma = om_container(n, struct om_vma, by_addr), copy = *vma;
	uintptr_t aug = om_vma_tree.aug(&copy.by_addr);

	return copy.low == vma->low && copy.high == vma->high ? aug : ~aug;
}

static const struct om_tree_ops area_tree = {area_key, area_aug};

static void check_mm(struct om_check *c, struct om_mm *mm)
{
	size_t nodes = om_check_tree(c, mm->vmas, &area_tree, mm);
	struct sums s;

	if (!OM_CHECK(c, nodes == mm->nr_vmas, "vma", mm, nodes, mm->nr_vmas))
		return;
	om_anon_check_mm(&c->anon, mm);
	s = add_areas(c, mm);
	OM_CHECK(c, s.vmas == mm->nr_vmas, "vma", mm, s.vmas, mm->nr_vmas);
	OM_CHECK(c, s.total == mm->total_vm, "vma", mm, s.total, mm->total_vm);
	OM_CHECK(c, s.data == mm->data_vm, "vma", mm, s.data, mm->data_vm);
	OM_CHECK(c, s.locked == mm->locked_vm, "I12", mm, s.locked, mm->locked_vm);
	OM_CHECK(c, mm->sys == c->sys, "mm", mm, mm->sys, c->sys);
	OM_CHECK(c, mm->refs == 1, "mm", mm, mm->refs, 1);
	OM_CHECK(c, atomic_load(&mm->own.mmap_lock.state) == 0, "rest", mm,
	         atomic_load(&mm->own.mmap_lock.state), 0);
	c->mms++;
	c->vmas += s.vmas;
}

/* ---------------------------------------------------------------- CPUs' parts --------------- */

static void check_part_of(struct om_check *c, struct om_mm *mm, unsigned shard)
{
	struct om_mm_part *part = &c->sys->shard[shard].part;
	struct om_vma *hint = atomic_load(&part->hint);
	struct om_page *table = atomic_load(&part->table_hint);
	unsigned bit = shard % OM_PART_BITS;

	OM_CHECK(c, atomic_load(&mm->parts[bit / 32]) & (1u << bit % 32), "parts", mm, part, shard);
	OM_CHECK(c, mm->moves, "parts", mm, part, shard);
	OM_CHECK(c,
	         hint == &c->sys->no_area ||
	             (hint->mm == mm && om_vma_find(mm, hint->start) == hint),
	         "parts", mm, part, hint);
	OM_CHECK(c,
	         table == &c->sys->no_table ||
	             (om_table_find(mm, om_table_addr(table, 0)) == table &&
	              om_table_is_sole(table, mm)),
	         "parts", mm, part, table);
}

static void check_no_part(struct om_check *c, struct om_mm_part *part)
{
	OM_CHECK(c, !atomic_load(&part->rss_anon) && !atomic_load(&part->rss_file), "parts", part,
	         atomic_load(&part->rss_anon), atomic_load(&part->rss_file));
	OM_CHECK(c, !atomic_load(&part->swapents), "parts", part, atomic_load(&part->swapents), 0);
}

/* A part names an mm that is there and knows it; or nothing is in it. */
static void check_part(struct om_check *c, unsigned shard)
{
	struct om_mm_part *part = &c->sys->shard[shard].part;
	struct om_mm *mm = om_mm_after(c->sys, NULL), *of = atomic_load(&part->mm);

	OM_CHECK(c, atomic_load(&part->mmap_lock.state) == 0, "rest", part,
	         atomic_load(&part->mmap_lock.state), 0);
	while (mm && mm != of)
		mm = om_mm_after(c->sys, mm);
	if (!OM_CHECK(c, mm == of, "parts", part, of, shard))
		return;
	if (mm)
		check_part_of(c, mm, shard);
	else
		check_no_part(c, part);
}

/* The list of a shard is linked well, and the mm whose turn it is, is on it. */
static bool check_list(struct om_check *c, unsigned shard)
{
	const struct om_mm_list *list = &c->sys->shard[shard].mms;
	const struct om_mm *prev = NULL;
	bool turn = !list->turn;

	for (struct om_mm *mm = list->first; mm; prev = mm, mm = mm->next) {
		if (!OM_CHECK(c, mm->prev == prev, "mm", mm, mm->prev, prev) ||
		    !OM_CHECK(c, mm->home == list, "mm", mm, mm->home, list))
			return false;
		turn |= list->turn == mm;
	}
	return OM_CHECK(c, turn, "mm", list->turn, shard, 0) &&
	       OM_CHECK(c, !list->lock.state, "rest", list, shard, 0);
}

void om_check_areas(struct om_check *c)
{
	struct om_mapping *before = NULL;

	for (unsigned i = 0; i <= c->sys->cpu_mask; i++)
		if (!check_list(c, i))
			return;
	om_for_each_mm (mm, c->sys)
		check_mm(c, mm);
	for (unsigned i = 0; i <= c->sys->cpu_mask; i++)
		check_part(c, i);
	for (struct om_mapping *m = c->sys->mappings; m; before = m, m = m->next) {
		if (!OM_CHECK(c, m->prev == before, "mapping", m, m->prev, before))
			return;
		check_i_mmap(c, m);
	}
	/* Each area is in its trees, and the trees hold no more: so they hold exactly the areas. */
	OM_CHECK(c, c->file_in_trees == c->file_vmas, "I5", NULL, c->file_in_trees, c->file_vmas);
	OM_CHECK(c, c->anon.in_trees == c->anon.queued, "I4", NULL, c->anon.in_trees,
	         c->anon.queued);
}
