/*
 * anonmm.c: pages name an address space, and are looked for in its relatives at one address.
 *
 * Hugh Dickins posted it in March 2004, against the anon_vma. Fork leaves a page at the address
 * where it was, so there is one address for all who share it:
 *
 *     object = om_anon_mm where the page is at home      index = number of the virtual page
 *
 * An om_anon_mm is made with each mm: by exec, as the head of a new family, or by fork, at the end
 * of its parent's ring. Areas know nothing of all this, and may be cut, merged and renumbered at
 * will; a fault allocates nothing. An om_anon_mm outlives its mm while a page of others is at home
 * there, so it counts its pages.
 *
 * A walk looks at the page's address at its home, and that is all if the page is exclusive, because
 * such a page is at home where its entry is. Otherwise it goes round the ring from there, until all
 * of mapcount are found: a page that two of a thousand share may cost a thousand looks. If the home
 * has ended, the page moves to where it was found.
 *
 * The price is mremap. An exclusive page gets its new index with its entry; a shared one is copied
 * first (moves_shared). Slots that are shared move, but swap-in refuses a page that is in memory
 * for another address, and the core makes a copy.
 *
 * What the posting left open, and is done here: an mm that has ended is forgotten with its last
 * page (family.h); walks let others in after so many looks; an exec that empties its mm and keeps
 * it (om_mm_empty) leaves the family, too, unless there is no memory for a new head: then it stays,
 * and is looked into in vain.
 *
 * The head's lock guards the ring, `mm`, and, as no area needs to be known for a look, the tables
 * (om_rmap_tables_unlinked()).
 */
#include "rmap/rmap.h"

const struct om_rmap_traits om_rmap_traits = {
    .name = "anonmm",
    .object_bytes = {sizeof(struct om_anon_mm)},
    .mm_bytes = sizeof(void *),
    .bounded = true,
    .objectless_fault = true,
};

/* ---------------------------------------------------------------- families ------------------ */

/* The mm has no entry left, or never had one. */
static void leave_family(struct om_system *sys, struct om_kin *kin)
{
	om_write_lock(sys, &kin->head->ring, OM_RANK_ANON);
	kin->mm = NULL;
	om_write_unlock(sys, &kin->head->ring);
	om_kin_end(sys, kin);
}

int om_anonmm_begin(struct om_mm *mm, struct om_mm *parent)
{
	struct om_kin *kin = om_kin_new(mm, parent ? parent->anon_mm->kin.head : NULL, NULL);

	if (!kin)
		return -OM_ENOFRAME;
	mm->anon_mm = om_container(kin, struct om_anon_mm, kin);
	return 0;
}

void om_anonmm_end(struct om_mm *mm)
{
	leave_family(mm->sys, &mm->anon_mm->kin);
}

void om_anonmm_start_anew(struct om_mm *mm)
{
	struct om_kin *old = &mm->anon_mm->kin;

	OM_ASSERT(mm->sys, om_rwsem_is_write_locked(&mm->own.mmap_lock), "mmap_lock", mm);
	if (!om_kin_is_alone(mm->sys, old) && !om_rmap_mm_init(mm, NULL))
		leave_family(mm->sys, old);
}

/* ---------------------------------------------------------------- pages --------------------- */

bool om_anon_page_join(struct om_system *sys, struct om_page *page, struct om_vma *vma,
                       struct om_page *table, unsigned pos)
{
	if (page->mapcount)
		return page->index == table->index + pos;
	om_anon_page_own(sys, page, vma, table, pos);
	return true;
}

void om_anon_move_begin(struct om_vma *vma)
{
	(void)vma;
}

void om_anon_move_end(struct om_vma *vma)
{
	(void)vma;
}

/* ---------------------------------------------------------------- walking ------------------- */

/* Look into one mm. False: the walk is over. The family's lock is held. */
static bool look_into(struct om_walk *w, const struct om_target *t, struct om_kin *kin)
{
	const struct om_kin *home = t->object;
	unsigned found = w->found;
	bool go;

	if (!kin->mm)
		return true;
	go = om_probe(w, t, kin->mm, NULL, t->index << OM_PAGE_SHIFT);
	if (om_unlikely(!home->mm) && w->found != found)
		om_kin_move_home(w->sys, t, kin);
	return go;
}

/*
 * Look into so many of the ring, from *at on, whose reference is dropped. Returns whether to go on,
 * at *at, which has one. Those that are only there to be freed cannot be stopped at.
 */
static bool walk_hold(struct om_walk *w, const struct om_target *t, struct om_kin **at)
{
	struct om_system *sys = w->sys;
	struct om_kin *home = t->object, *kin = *at;
	unsigned looked = 0;
	bool go;

	om_read_lock(sys, &home->head->ring, OM_RANK_ANON);
	do {
		looked++;
		go = look_into(w, t, kin) && kin->next != home;
		kin = kin->next;
	} while (go && (looked < om_hold(sys) || !om_kin_try_get(kin)));
	om_note_hold(sys, looked);
	om_read_unlock(sys, &home->head->ring);
	if (*at != home)
		om_kin_put(sys, *at);
	*at = kin;
	return go;
}

static OM_NOINLINE void walk_family(struct om_walk *w, const struct om_target *t)
{
	struct om_kin *at = t->object;

	while (walk_hold(w, t, &at))
		;
}

static void walk_home(struct om_walk *w, const struct om_target *t)
{
	struct om_kin *home = t->object;

	om_read_lock(w->sys, &home->head->ring, OM_RANK_ANON);
	look_into(w, t, home);
	om_read_unlock(w->sys, &home->head->ring);
}

void om_anon_walk(struct om_walk *w, struct om_page *page)
{
	om_kin_walk(w, page, walk_home, walk_family);
}

/* ---------------------------------------------------------------- checking ------------------ */

void om_anon_check_mm(struct om_anon_check *c, struct om_mm *mm)
{
	om_kin_check(c, mm, &mm->anon_mm->kin);
}

void om_anon_check_entry(struct om_anon_check *c, struct om_page *page, struct om_vma *vma,
                         struct om_page *table, unsigned pos)
{
	const char *rule = om_page_test(page, OM_PG_DIRECT) ? "I2" : "I4";

	if (page->index != table->index + pos)
		c->fail(c, rule, page, page->index, table->index + pos);
	if (!om_kin_is_home(&vma->mm->anon_mm->kin, page))
		c->fail(c, rule, page, (uintptr_t)page->object, (uintptr_t)vma->mm->anon_mm);
}
