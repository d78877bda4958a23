/*
 * pte_chain.c: reverse mapping by lists of entries, as in Linux from 2.5.32 (Rik van Riel's patch
 * of 2001 and 2002) to 2.6.6.
 *
 * A page names the entries that map it, by their addresses; an entry's address says which table
 * page it lies in, and at which position, and the table's descriptor says whose it is:
 *
 *     one entry    object = the entry
 *     several      object = the first block of a chain, each of seven entries and a cache line
 * large
 *
 * Only the first block has free places. An entry that comes takes the last of them (index says how
 * many there are), one that goes leaves its place to the entry that came last. A page that is left
 * with one entry gives the chain back.
 *
 * So areas mean nothing here: they are split, merged, moved and renumbered as one likes. The price
 * is a word for each entry of a shared page, taken and given back under the page's frame lock;
 * blocks that fork and swap-in need, which they get ready before that lock (om_chain_make_room());
 * and that an entry which goes has to be looked for in its chain, with the lock held, however long
 * it is.
 *
 * The owners: a chain belongs to its page, (object, index) and the blocks are under its frame lock.
 * An entry is in the list from before it is set until just after it was cleared, both with its
 * table locked; an exclusive page, which nobody can join, keeps its only one until mapcount falls.
 *
 * A walk of a page with one entry locks the table and looks again whether the page still names the
 * entry. A chain is copied, OM_HOLD entries at a time, because tables are locked before pages; the
 * tables stay because sys->rmap.lock is held, on which whoever frees tables waits for us. Entries
 * change their places in the chain, but only towards its end: the walk begins at the head, and what
 * has fallen behind is met twice rather than never.
 *
 * Costs: one look an entry, no area, no other process's lock; removal O(entries / 7).
 */
#include "rmap/rmap.h"

const struct om_rmap_traits om_rmap_traits = {
    .name = "pte_chain",
    .object_bytes = {sizeof(struct om_pte_chain)},
    .moves_shared = true,
    .moves_tables = true,
    .shares_tables = true,
};

_Static_assert(sizeof(struct om_pte_chain) == 8 * sizeof(void *), "a cache line");

/* ---------------------------------------------------------------- chains -------------------- */

static struct om_pte_chain *chain_of(const void *object)
{
	return (struct om_pte_chain *)((uintptr_t)object & ~(uintptr_t)OM_CHAIN_BIT);
}

static void *object_of(struct om_pte_chain *head)
{
	return (void *)((uintptr_t)head | OM_CHAIN_BIT);
}

/* The place of an entry in a chain, or NULL. */
static om_pte_t **find(struct om_pte_chain *head, const om_pte_t *pte)
{
	for (struct om_pte_chain *k = head; k; k = k->next)
		for (unsigned i = 0; i < OM_CHAIN_ENTRIES; i++)
			if (k->pte[i] == pte)
				return &k->pte[i];
	return NULL;
}

bool om_chain_add(struct om_page *page, om_pte_t *pte)
{
	uintptr_t free = page->index;

	if (!om_chain_has_room(page))
		return false;
	chain_of(page->object)->pte[--free] = pte;
	om_chain_set(page, page->object, free);
	return true;
}

/* A pinned page will not be shared. Pins come with the table locked, as it is now. */
static bool wants_room(const struct om_page *page)
{
	return page->object && !om_chain_has_room(page) &&
	       !(om_page_test(page, OM_PG_DIRECT) && om_page_pins(page));
}

/* A new first block; the only entry moves into it. */
static void push(struct om_page *page, struct om_pte_chain *head)
{
	uintptr_t free = OM_CHAIN_ENTRIES;

	if (om_is_chain(page->object))
		head->next = chain_of(page->object);
	else
		head->pte[--free] = page->object;
	om_chain_set(page, object_of(head), free);
}

/*
 * The room is nobody's: if another process takes the last place before us, or an entry goes and the
 * block with it, the page is copied.
 */
void om_chain_make_room(struct om_system *sys, struct om_page *page)
{
	struct om_pte_chain *spare = om_object_alloc(sys, OM_CACHE_RMAP);
	bool wanted;

	if (!spare)
		return;
	om_frame_lock(sys, page);
	wanted = wants_room(page);
	if (wanted)
		push(page, spare);
	om_frame_unlock(sys, page);
	if (!wanted)
		om_object_free(sys, OM_CACHE_RMAP, spare);
}

/*
 * Returns a block that is not needed any more, or NULL. There is one at most: the head, if it was
 * empty, held the entry alone, or holds the only one left.
 */
static struct om_pte_chain *unchain(struct om_system *sys, struct om_page *page, om_pte_t *pte)
{
	struct om_pte_chain *head = chain_of(page->object), *dead = NULL;
	uintptr_t free = page->index;
	om_pte_t **place = find(head, pte);

	OM_BUG_ON(sys, !place, "I1", page, pte, page->mapcount);
	if (free == OM_CHAIN_ENTRIES) {
		dead = head;
		head = head->next;
		free = 0;
	}
	*place = head->pte[free];
	head->pte[free++] = NULL;
	if (free == OM_CHAIN_ENTRIES) {
		dead = head;
		head = head->next;
		free = 0;
	}
	if (head && !head->next && free == OM_CHAIN_ENTRIES - 1) {
		dead = head;
		om_chain_set(page, head->pte[free], 0);
	} else {
		om_chain_set(page, head ? object_of(head) : NULL, free);
	}
	return dead;
}

void om_chain_remove(struct om_system *sys, struct om_page *page, om_pte_t *pte)
{
	struct om_pte_chain *dead = NULL;

	om_frame_lock(sys, page);
	if (om_is_chain(page->object)) {
		dead = unchain(sys, page, pte);
	} else {
		OM_BUG_ON(sys, page->object != pte, "I1", page, page->object, pte);
		om_chain_set(page, NULL, 0);
	}
	om_frame_unlock(sys, page);
	if (dead)
		om_object_free(sys, OM_CACHE_RMAP, dead);
}

void om_chain_replace(struct om_system *sys, struct om_page *page, om_pte_t *old, om_pte_t *pte)
{
	om_pte_t **place;

	om_frame_lock(sys, page);
	if (om_is_chain(page->object)) {
		place = find(chain_of(page->object), old);
		OM_BUG_ON(sys, !place, "I1", page, old, pte);
		*place = pte;
	} else {
		OM_BUG_ON(sys, page->object != old, "I1", page, page->object, old);
		om_chain_set(page, pte, 0);
	}
	om_frame_unlock(sys, page);
}

/* ---------------------------------------------------------------- pages --------------------- */

/* A page that still counts entries may name none: those that are left wait for their flush. */
bool om_anon_page_join(struct om_system *sys, struct om_page *page, struct om_vma *vma,
                       struct om_page *table, unsigned pos)
{
	(void)sys;
	(void)vma;
	if (page->object)
		return om_chain_add(page, om_table_entry(table, pos));
	om_chain_set(page, om_table_entry(table, pos), 0);
	return true;
}

/* ---------------------------------------------------------------- walking ------------------- */

static struct om_page *table_of(struct om_system *sys, const om_pte_t *pte)
{
	return om_page_of(sys, om_arch_pfn(&sys->arch, pte));
}

/* TABLE held. False: the walk is over. */
static bool probe(struct om_walk *w, const struct om_target *t, struct om_page *table,
                  const om_pte_t *pte)
{
	w->probed++;
	return om_probe_entry(w, t, NULL, table, (unsigned)(pte - table->entries));
}

/* False: the page named something else by the time the table was locked. */
static bool walk_one(struct om_walk *w, const struct om_target *t)
{
	struct om_system *sys = w->sys;
	struct om_page *table = table_of(sys, t->object);
	bool still;

	om_table_lock(sys, table);
	om_frame_lock(sys, t->page);
	still = t->page->mapcount && om_rmap_object(t->page) == t->object;
	om_frame_unlock(sys, t->page);
	if (still)
		probe(w, t, table, t->object);
	om_table_unlock(sys, table);
	return still;
}

/*
 * Copy up to `max` entries of those that have fewer than *left behind them in the chain, from the
 * head on. *left becomes what is behind the last one: 0 is the end. FRAME held.
 */
static unsigned copy(const struct om_page *page, uintptr_t *left, om_pte_t *to[], unsigned max)
{
	struct om_pte_chain *head = chain_of(page->object);
	uintptr_t behind = 0;
	unsigned n = 0;

	for (struct om_pte_chain *k = head; k; k = k->next)
		behind += OM_CHAIN_ENTRIES;
	for (struct om_pte_chain *k = head; k; k = k->next)
		for (unsigned i = 0; i < OM_CHAIN_ENTRIES; i++) {
			if (--behind >= *left || !k->pte[i])
				continue;
			if (n == max)
				return n;
			to[n++] = k->pte[i];
			*left = behind;
		}
	return n;
}

/* copy() of a page in any state: of its chain one entry may be left, or none. */
static unsigned copy_any(const struct om_page *page, uintptr_t *left, om_pte_t *to[], unsigned max)
{
	if (om_is_chain(page->object))
		return copy(page, left, to, max);
	*left = 0;
	to[0] = page->object;
	return page->object != NULL;
}

/* As much of the chain as one hold of the lock is for. False: the walk is over. */
static bool walk_hold(struct om_walk *w, const struct om_target *t, uintptr_t *left)
{
	struct om_system *sys = w->sys;
	om_pte_t *pte[OM_HOLD];
	unsigned n;
	bool go = true;

	om_read_lock(sys, &sys->rmap.lock, OM_RANK_ANON);
	om_frame_lock(sys, t->page);
	n = copy_any(t->page, left, pte, om_hold(sys));
	om_frame_unlock(sys, t->page);
	for (unsigned i = 0; i < n && go; i++) {
		struct om_page *table = table_of(sys, pte[i]);

		om_table_lock(sys, table);
		go = probe(w, t, table, pte[i]);
		om_table_unlock(sys, table);
	}
	om_note_hold(sys, n);
	om_read_unlock(sys, &sys->rmap.lock);
	return go && *left;
}

void om_anon_walk(struct om_walk *w, struct om_page *page)
{
	uintptr_t left = UINTPTR_MAX;
	struct om_target t;

	for (;;) {
		om_frame_lock(w->sys, page);
		om_target_set(&t, page);
		om_frame_unlock(w->sys, page);
		if (!t.mapcount || !t.object)
			return;
		if (om_is_chain(t.object))
			break;
		if (walk_one(w, &t))
			return;
		om_count(w->sys, OM_EV_RMAP_RETRIES, 1);
	}
	while (walk_hold(w, &t, &left))
		;
}

/*
 * A table that moves whole takes the place of an empty one, which is freed: walks that have copied
 * entries of that before they were unmapped must have come to their end.
 */
void om_anon_move_begin(struct om_vma *vma)
{
	om_rmap_tables_unlinked(vma->mm);
}

void om_anon_move_end(struct om_vma *vma)
{
	(void)vma;
}

/* ---------------------------------------------------------------- checking ------------------ */

void om_anon_check_mm(struct om_anon_check *c, struct om_mm *mm)
{
	const struct om_rwspin *lock = &c->sys->rmap.lock;

	if (atomic_load(&lock->state))
		c->fail(c, "rest", mm, atomic_load(&lock->state), 0);
}

/* Blocks behind the first are full, and there are as many entries as the page counts. */
static void check_chain(struct om_anon_check *c, struct om_page *page)
{
	uintptr_t n = 0, used, free = page->index;

	for (struct om_pte_chain *k = chain_of(page->object); k; k = k->next, free = 0) {
		used = 0;
		for (unsigned i = 0; i < OM_CHAIN_ENTRIES; i++)
			used += i >= free && k->pte[i];
		if (used != OM_CHAIN_ENTRIES - free)
			c->fail(c, "I4", page, used, free);
		n += used;
		c->objects[0]++;
	}
	if (n != page->mapcount)
		c->fail(c, "I1", page, n, page->mapcount);
}

static bool is_last(const struct om_page *page, om_pte_t *const *place)
{
	struct om_pte_chain *k = chain_of(page->object);

	while (k->next)
		k = k->next;
	return place == &k->pte[OM_CHAIN_ENTRIES - 1];
}

/* The chain is looked at as a whole when the entry that ends it is met. */
void om_anon_check_entry(struct om_anon_check *c, struct om_page *page, struct om_vma *vma,
                         struct om_page *table, unsigned pos)
{
	om_pte_t *pte = om_table_entry(table, pos), **place;
	bool found = page->object == pte && page->index == 0;

	(void)vma;
	if (om_is_chain(page->object)) {
		place = find(chain_of(page->object), pte);
		found = place;
		if (found && is_last(page, place))
			check_chain(c, page);
	}
	if (!found)
		c->fail(c, om_page_test(page, OM_PG_DIRECT) ? "I2" : "I4", page,
		        (uintptr_t)page->object, page->index);
}
