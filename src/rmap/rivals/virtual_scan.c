/*
 * virtual_scan.c: no reverse map: who looks for a page goes through all page tables, as in Linux
 * until 2.4 (swap_out(), Linus Torvalds and others, 1991-2001).
 *
 * Nothing is kept for a page, an entry or an area, and nothing is done for them: fault, fork, unmap
 * and mremap cost nothing, areas merge as they like. There is a list of all address spaces, and a
 * hand, the place where the last search came to its end. A walk begins at the hand, looks at each
 * present entry of each table of each address space, and goes round until it has found mapcount
 * entries.
 *
 * That would be all tables for each page. But reclaim takes victims from a list whose neighbours
 * were mostly mapped side by side, so the next one is found near the hand. And as swap_out() freed
 * what it met, rather than what somebody looked for, a walk takes along the pages that its caller
 * has locked and wants to look for next (om_walk.others): a batch costs one time round, not one
 * for each page.
 *
 * sys->rmap.lock guards the list. A walk holds it for reading, for one table or OM_HOLD entries at
 * a time. Address spaces leave the list, and tables are freed, when no walk is under way to them.
 * mremap holds it for writing, so that no walk meets a table on its way.
 *
 * Costs: 40 bytes an address space; a look at every present entry of the machine, and a thousand
 * steps through the upper tables of each address space, for a page that is far from the hand or
 * that counts an entry which is being zapped.
 */
#include "rmap/rmap.h"

const struct om_rmap_traits om_rmap_traits = {
    .name = "virtual_scan",
    .object_bytes = {sizeof(struct om_anon_mm)},
    .mm_bytes = sizeof(void *),
    .moves_shared = true,
    .moves_tables = true,
    .bounded = true,
    .shares_tables = true,
    .objectless_fault = true,
};

/* ---------------------------------------------------------------- address spaces ------------ */

static uintptr_t mm_key(const struct om_node *n)
{
	return (uintptr_t)om_container(n, struct om_anon_mm, node)->mm;
}

static uintptr_t mm_aug(struct om_node *n)
{
	return om_interval_aug(n, mm_key(n));
}

static const struct om_interval_ops mm_tree = {{mm_key, mm_aug}, mm_key};

int om_scan_mm_begin(struct om_mm *mm, struct om_mm *parent)
{
	struct om_system *sys = mm->sys;
	struct om_anon_mm *am = om_object_alloc(sys, OM_CACHE_RMAP);
	struct om_node *root;

	(void)parent;
	if (!am)
		return -OM_ENOFRAME;
	am->mm = mm;
	mm->anon_mm = am;
	om_write_lock(sys, &sys->rmap.lock, OM_RANK_ANON);
	root = sys->rmap.first;
	om_tree_insert(sys, &root, &am->node, &mm_tree.tree);
	sys->rmap.first = root;
	om_write_unlock(sys, &sys->rmap.lock);
	return 0;
}

void om_scan_mm_end(struct om_mm *mm)
{
	struct om_system *sys = mm->sys;
	struct om_node *root;

	om_write_lock(sys, &sys->rmap.lock, OM_RANK_ANON);
	root = sys->rmap.first;
	om_tree_remove(sys, &root, &mm->anon_mm->node, &mm_tree.tree);
	sys->rmap.first = root;
	om_write_unlock(sys, &sys->rmap.lock);
	om_object_free(sys, OM_CACHE_RMAP, mm->anon_mm);
}

/* The first address space that is not before `from`, or NULL. sys->rmap.lock held. */
static struct om_mm *find_mm(struct om_system *sys, uintptr_t from)
{
	struct om_interval_iter it;
	struct om_node *n =
	    om_interval_first(&it, sys, sys->rmap.first, &mm_tree, from, UINTPTR_MAX);

	return n ? om_container(n, struct om_anon_mm, node)->mm : NULL;
}

/* ---------------------------------------------------------------- walking ------------------- */

/* What lies before it has been looked at. The mm is compared only: it may be gone. */
struct place {
	uintptr_t mm, addr;
};

static bool is_before(const struct place *a, const struct place *b)
{
	return a->mm < b->mm || (a->mm == b->mm && a->addr < b->addr);
}

/* The hand is a hint: its two words may be of two walks. */
static struct place hand(struct om_system *sys)
{
	return (struct place){__atomic_load_n(&sys->rmap.hand[0], __ATOMIC_RELAXED),
	                      __atomic_load_n(&sys->rmap.hand[1], __ATOMIC_RELAXED)};
}

/* The next walk begins with this table: an aged page is mostly unmapped soon. */
static void set_hand(struct om_system *sys, const struct place *at)
{
	__atomic_store_n(&sys->rmap.hand[0], at->mm, __ATOMIC_RELAXED);
	__atomic_store_n(&sys->rmap.hand[1], at->addr & ~(OM_TABLE_SPAN - 1), __ATOMIC_RELAXED);
}

/* Does the caller want this one as well? */
static bool is_other(const struct om_walk *w, const struct om_page *page)
{
	const unsigned both = OM_PG_ANON | OM_PG_LOCKED;
	om_pfn_t pfn = om_page_pfn(w->sys, page);

	if ((om_page_flags(page) & both) != both)
		return false;
	for (unsigned i = 0; i < w->nr_others; i++)
		if (w->others[i] == pfn)
			return true;
	return false;
}

/* As much of the part as one hold of the lock is for. False: the walk is over. */
static bool scan_part(struct om_walk *w, const struct om_target *t,
                      const struct om_table_part *part, struct place *at)
{
	struct om_system *sys = w->sys;
	unsigned looked = 0;
	bool go = true;

	om_table_lock(sys, part->table);
	for (at->addr = part->start; go && at->addr < part->end && looked < om_hold(sys);
	     at->addr += OM_PAGE_SIZE) {
		unsigned pos = om_table_pos(at->addr);
		om_pte_t pte = om_entry_get(sys, part->table, pos);
		struct om_page *page = om_page_of(sys, om_pte_pfn(pte));

		if (!om_pte_present(pte))
			continue;
		looked++;
		if (page == t->page)
			go = om_probe_entry(w, t, NULL, part->table, pos);
		else if (is_other(w, page))
			w->visit(w, page, NULL, part->table, pos);
	}
	om_table_unlock(sys, part->table);
	w->probed += looked;
	om_note_hold(sys, looked);
	return go;
}

/* One table, or what is next of one, before `end`. False: the walk is over. */
static bool scan_hold(struct om_walk *w, const struct om_target *t, struct place *at,
                      const struct place *end)
{
	struct om_system *sys = w->sys;
	struct om_table_part part = {0};
	struct om_mm *mm;
	bool go = true;

	om_read_lock(sys, &sys->rmap.lock, OM_RANK_ANON);
	mm = find_mm(sys, at->mm);
	if (!mm)
		*at = *end;
	else if ((uintptr_t)mm != at->mm)
		*at = (struct place){(uintptr_t)mm, 0};
	if (is_before(at, end)) {
		if (om_table_part(mm, at->addr, at->mm == end->mm ? end->addr : OM_VA_LIMIT, &part))
			go = scan_part(w, t, &part, at);
		else
			*at = (struct place){at->mm + 1, 0};
	}
	om_read_unlock(sys, &sys->rmap.lock);
	return go;
}

static bool scan(struct om_walk *w, const struct om_target *t, struct place *at,
                 const struct place *end)
{
	bool go = true;

	while (go && is_before(at, end))
		go = scan_hold(w, t, at, end);
	return go;
}

void om_anon_walk(struct om_walk *w, struct om_page *page)
{
	const struct place start = hand(w->sys), last = {UINTPTR_MAX, 0};
	struct place at = start;
	struct om_target t;

	om_frame_lock(w->sys, page);
	om_target_set(&t, page);
	om_frame_unlock(w->sys, page);
	if (!t.mapcount)
		return;
	if (scan(w, &t, &at, &last)) {
		at = (struct place){0, 0};
		if (scan(w, &t, &at, &start))
			return;
	}
	set_hand(w->sys, &at);
}

/* ---------------------------------------------------------------- pages, areas -------------- */

bool om_anon_page_join(struct om_system *sys, struct om_page *page, struct om_vma *vma,
                       struct om_page *table, unsigned pos)
{
	om_anon_page_own(sys, page, vma, table, pos);
	return true;
}

void om_anon_move_begin(struct om_vma *vma)
{
	om_write_lock(vma->mm->sys, &vma->mm->sys->rmap.lock, OM_RANK_ANON);
}

void om_anon_move_end(struct om_vma *vma)
{
	om_write_unlock(vma->mm->sys, &vma->mm->sys->rmap.lock);
}

/* ---------------------------------------------------------------- checking ------------------ */

/* Each mm is in the tree, which is read once, and the tree has no more. */
void om_anon_check_mm(struct om_anon_check *c, struct om_mm *mm)
{
	struct om_system *sys = c->sys;

	if (atomic_load(&sys->rmap.lock.state))
		c->fail(c, "rest", mm, atomic_load(&sys->rmap.lock.state), 0);
	if (!c->queued)
		c->in_trees += c->tree(c, sys->rmap.first, &mm_tree.tree, sys);
	c->queued++;
	c->objects[0]++;
	if (mm->anon_mm->mm != mm || find_mm(sys, (uintptr_t)mm) != mm)
		c->fail(c, "I4", mm, (uintptr_t)mm->anon_mm, (uintptr_t)mm->anon_mm->mm);
}

void om_anon_check_entry(struct om_anon_check *c, struct om_page *page, struct om_vma *vma,
                         struct om_page *table, unsigned pos)
{
	(void)vma;
	(void)table;
	(void)pos;
	if (page->object != c->sys || page->index)
		c->fail(c, om_page_test(page, OM_PG_DIRECT) ? "I2" : "I4", page,
		        (uintptr_t)page->object, page->index);
}
