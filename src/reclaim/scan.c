/*
 * scan.c: a look at the frames to which the hand has come, for pages that are to leave.
 *
 * A page that was used becomes young; one that was not grows older; and one that has grown too old
 * becomes a victim.
 *
 * Neighbours among the frames were mostly taken by one fault after the other. So they are likely to
 * be in one table, whose lock is kept from one exclusive page to the next: such a page names its
 * table, and costs a look at one entry. A page that others map too is looked for by the reverse
 * map; if many do, not before it is about to leave: until then it grows older unseen.
 */
#include "reclaim/scan.h"

#include "page/age.h"
#include "page/fold.h"
#include "page/put.h"
#include "reclaim/unmap.h"
#include "store/swap.h"

/* Entries that are looked at each time the hand comes to a page. */
#define FEW_ENTRIES 8

struct scan {
	struct om_system *sys;
	struct om_round *round;
	bool swap;                /* there is a slot for who needs one */
	struct om_page *table;    /* locked; NULL: none is */
	unsigned looks;           /* at entries of exclusive pages */
	unsigned step;            /* a page that was not used grows older by it */
	struct om_findings found; /* in the claim that is being looked at */
	struct om_victims *v;
};

/* ---------------------------------------------------------------- growing older ------------- */

/*
 * May the page leave, as far as its descriptor tells? What is new and not yet known to anybody is
 * not up to date. FRAME held.
 */
static bool may_leave(const struct scan *s, const struct om_page *page)
{
	unsigned flags = om_page_flags(page);

	if (page->kind != OM_KIND_DATA || om_page_pins(page))
		return false;
	if ((flags & (OM_PG_UPTODATE | OM_PG_UNEVICTABLE | OM_PG_LOCKED)) != OM_PG_UPTODATE)
		return false;
	return s->swap || !(flags & OM_PG_SWAPBACKED) || (flags & OM_PG_SWAPCACHE);
}

/* The page stays: it may leave so many rounds from now, if it is not used. */
static void note_time(struct scan *s, unsigned limit, unsigned age)
{
	unsigned time = age < limit ? limit - age : 1;

	if (!s->found.nearest || time < s->found.nearest)
		s->found.nearest = time;
}

/* It cannot leave now, and does not grow older: its time may have come when it can. */
static void note_later(struct scan *s, const struct om_page *page)
{
	unsigned flags = om_page_flags(page);

	note_time(s, om_age_limit(s->sys, om_age_kind_of(flags)), om_age_of(flags));
}

/*
 * It was used. The first time may be all that ever happens to it: unless it is used again, it
 * leaves when the hand comes next. Who is known to be used more often is young.
 */
static void note_use(struct scan *s, struct om_page *page, bool often)
{
	unsigned flags = om_page_flags(page), limit, age;

	if (!often && !(flags & OM_PG_REFERENCED)) {
		limit = om_age_limit(s->sys, om_age_kind_of(flags));
		age = om_age_unproven(limit);
		om_page_set(page, OM_PG_REFERENCED);
		om_page_set_age(page, age);
		note_time(s, limit, age);
	} else if (om_page_clear(page, OM_PG_AGE) & OM_PG_AGE) {
		om_count(s->sys, OM_EV_PGACTIVATE, 1);
	}
}

static bool grows_older(const struct scan *s)
{
	return s->round->how <= OM_SCAN_REST;
}

/* Even if it was not used it stays this time. */
static bool has_time(const struct scan *s, unsigned flags)
{
	unsigned sooner = grows_older(s) ? s->step : s->round->early;

	return om_age_of(flags) + sooner < om_age_limit(s->sys, om_age_kind_of(flags));
}

/* It was not used. Is it old enough to leave now? */
static bool grow_older(struct scan *s, struct om_page *page)
{
	unsigned flags = om_page_flags(page), age = om_age_of(flags);
	enum om_age_kind kind = om_age_kind_of(flags);
	unsigned limit = om_age_limit(s->sys, kind);

	if (s->round->how == OM_SCAN_ALL)
		return true;
	if (s->round->how == OM_SCAN_NEXT) /* it has just grown older */
		return !has_time(s, flags);
	if (age == 0)
		om_count(s->sys, OM_EV_PGDEACTIVATE, 1);
	age = age + s->step < OM_AGE_MAX ? age + s->step : OM_AGE_MAX;
	om_page_set_age(page, age);
	s->found.unused[kind]++;
	if (age >= limit)
		return true;
	s->round->stay[limit - age]++;
	note_time(s, limit, age);
	return false;
}

/* ---------------------------------------------------------------- exclusive pages ----------- */

/* If the table is folded, its entries say now whether they were used. */
static OM_NOINLINE void lock_table(struct om_system *sys, struct om_page *table)
{
	om_table_lock(sys, table);
	if (om_unlikely(om_table_is_folded(table)))
		om_table_spread_use(sys, table);
}

/* The lock of another table than until now, or of none. */
static void keep_table(struct scan *s, struct om_page *table)
{
	if (s->table == table)
		return;
	if (s->table)
		om_table_unlock(s->sys, s->table);
	s->table = table;
	if (table)
		lock_table(s->sys, table);
}

/* FRAME held, and the lock of the table that has its entry. */
static bool is_too_old(struct scan *s, struct om_page *page)
{
	unsigned pos = (unsigned)page->index;
	om_pte_t pte = om_entry_get(s->sys, s->table, pos);

	s->looks++;
	/* It still counts an entry that is gone and owes its flush: whoever took it frees it. */
	if (!om_pte_present(pte) || om_pte_pfn(pte) != om_page_pfn(s->sys, page))
		return false;
	if (!om_pte_young(pte))
		return grow_older(s, page);
	om_entry_age(s->sys, s->table, pos);
	note_use(s, page, false);
	return s->round->how == OM_SCAN_ALL;
}

/* FRAME held: the page is ours, locked and referenced. False: somebody else has it locked. */
static bool take(struct scan *s, struct om_page *page)
{
	if (!om_page_trylock(s->sys, page)) {
		note_later(s, page);
		return false;
	}
	om_page_ref_locked(s->sys, page);
	return true;
}

/* ---------------------------------------------------------------- other pages --------------- */

/*
 * A page of a file, or one that others map, too: locked and referenced. `many`: by so many entries
 * that they are looked at once, at the end.
 */
static bool is_too_old_by_walk(struct scan *s, struct om_page *page, bool many)
{
	struct om_uses uses;

	if (many && s->round->how != OM_SCAN_ALL && has_time(s, om_page_flags(page)))
		return grow_older(s, page);
	om_page_referenced(s->sys, page, &uses);
	if (!uses.young)
		return grow_older(s, page);
	note_use(s, page, uses.young > 1 || uses.exec);
	return s->round->how == OM_SCAN_ALL;
}

/* ---------------------------------------------------------------- one frame ----------------- */

static void look_by_walk(struct scan *s, struct om_page *page, bool many)
{
	keep_table(s, NULL);
	if (is_too_old_by_walk(s, page, many))
		s->v->page[s->v->n++] = om_page_pfn(s->sys, page);
	else
		om_page_unlock_put(s->sys, page);
}

/*
 * Look at the page. True: its only entry is in *table, whose lock is not the one we have. FRAME of
 * the page is taken and released.
 */
static bool look(struct scan *s, struct om_page *page, struct om_page **table)
{
	struct om_system *sys = s->sys;
	bool may, taken = false, many;

	om_frame_lock(sys, page);
	may = may_leave(s, page);
	*table = may ? om_anon_page_table(page) : NULL;
	if (*table && *table == s->table) {
		if (is_too_old(s, page) && take(s, page))
			s->v->page[s->v->n++] = om_page_pfn(s->sys, page);
		*table = NULL;
	} else if (may && !*table) {
		taken = take(s, page);
	} else if (!may) {
		note_later(s, page);
	}
	many = page->mapcount > FEW_ENTRIES;
	om_frame_unlock(sys, page);
	if (taken)
		look_by_walk(s, page, many);
	return *table;
}

static void look_at_frame(struct scan *s, struct om_page *page)
{
	struct om_page *table;

	/* Without a lock: what becomes a page just now is young anyhow. Only data is up to date. */
	if ((om_page_flags(page) & (OM_PG_UPTODATE | OM_PG_UNEVICTABLE)) != OM_PG_UPTODATE)
		return;
	if (!look(s, page, &table))
		return;
	keep_table(s, table);
	/* The page may have moved, and that frame may be anything by now, even one of ours. */
	if (look(s, page, &table))
		keep_table(s, NULL);
}

/* ---------------------------------------------------------------- all of a round ------------ */

/* Look at the frames of a claim, until there are enough victims. */
static void look_at_claim(struct scan *s, const struct om_claim *claim, unsigned want)
{
	struct om_round *round = s->round;
	om_pfn_t at = claim->first;

	s->step = claim->step;
	s->found = (struct om_findings){.nearest = 0};
	for (; at < claim->end && s->v->n < want && round->left; at++, round->left--)
		look_at_frame(s, om_page_of(s->sys, at));
	keep_table(s, NULL);
	round->looked += at - claim->first;
	om_hand_done(s->sys, claim, at, &s->found);
}

void om_scan(struct om_system *sys, struct om_round *round, unsigned want, struct om_victims *v)
{
	struct scan s = {.sys = sys, .round = round, .swap = om_swap_has_room(sys), .v = v};
	struct om_claim claim;

	OM_ASSERT(sys, want <= OM_RECLAIM_BATCH, "batch", v);
	while (v->n < want && round->left)
		if (om_hand_claim(sys, round, &claim))
			look_at_claim(&s, &claim, want);
	if (s.looks)
		om_rmap_count(sys, s.looks, s.looks, s.looks);
}
