/*
 * ops_mremap.c: mremap in all its forms.
 */
#include "calls.h"
#include "ops.h"

#include <stdlib.h>

struct move {
	struct space *s;
	size_t old, old_n, new, new_n;
	int flags;
	/* What the model makes of it. */
	size_t area_end; /* of the area at `old` */
	unsigned area_flags;
	bool in_place; /* grows, shrinks or stays where it is */
	size_t to;
};

static size_t mapped(const struct space *s)
{
	return space_count(s, 0, MODEL_PAGES, MP_MAPPED);
}

/* Would n more pages of that kind pass a limit? With DONTUNMAP those that they replace do not count. */
static int foresee_limits(const struct move *m, size_t n)
{
	const struct space *s = m->s;
	bool dontunmap = m->old_n && m->flags & OM_MREMAP_DONTUNMAP;
	size_t total = mapped(s), data = space_data_pages(s);

	if (n == 0)
		return 0;
	/* With DONTUNMAP the old area is locked no more. */
	if ((m->area_flags & OM_VM_LOCKED) && !dontunmap &&
	    space_count(s, 0, MODEL_PAGES, OM_VM_LOCKED) + n > s->limit[OM_LIMIT_MEMLOCK] / PAGE)
		return -OM_EAGAIN;
	for (size_t i = m->to; dontunmap && i < m->to + m->new_n; i++) {
		total -= s->page[i].flags != 0;
		data -= s->page[i].flags && flags_are_data(s->page[i].flags);
	}
	if (total + n > s->limit[OM_LIMIT_AS] / PAGE)
		return -OM_ENOMEM;
	if (flags_are_data(m->area_flags) && data + n > s->limit[OM_LIMIT_DATA] / PAGE)
		return -OM_ENOMEM;
	return 0;
}

static size_t growth(const struct move *m)
{
	return m->new_n > m->old_n ? m->new_n - m->old_n : 0;
}

/* Room behind the area, which ends where the range ends? A stack above it loses its guard gap. */
static bool can_grow(const struct move *m)
{
	size_t end = m->old + m->new_n;

	return m->old + m->old_n == m->area_end && end <= MODEL_PAGES &&
	       space_next(m->s, m->area_end) >= end;
}

/* With DONTUNMAP the address is a wish. */
static size_t foresee_place(const struct move *m)
{
	if ((m->flags & OM_MREMAP_DONTUNMAP) && m->new + m->new_n <= MODEL_PAGES &&
	    space_is_free(m->s, m->new, m->new_n))
		return m->new;
	return space_place(m->s, m->new_n);
}

static int foresee_move(struct move *m)
{
	size_t add = m->flags & OM_MREMAP_DONTUNMAP || m->old_n == 0 ? m->new_n : growth(m);
	size_t moved = m->old_n < m->new_n ? m->old_n : m->new_n;
	int err;

	if (moved > m->area_end - m->old)
		return -OM_EFAULT;
	if (!(m->flags & OM_MREMAP_FIXED) && m->old_n && !(m->flags & OM_MREMAP_DONTUNMAP)) {
		err = foresee_limits(m, growth(m));
		if (err)
			return err;
		if (can_grow(m)) {
			m->in_place = true;
			return 0;
		}
	}
	if (!(m->flags & OM_MREMAP_MAYMOVE))
		return -OM_ENOMEM;
	m->to = m->flags & OM_MREMAP_FIXED ? m->new : foresee_place(m);
	if (m->to == MODEL_PAGES || lacks_areas(m->s, 4))
		return -OM_ENOMEM;
	return foresee_limits(m, add);
}

static int foresee_mremap(struct move *m)
{
	struct areas list;
	int i;

	if ((m->flags & (OM_MREMAP_FIXED | OM_MREMAP_DONTUNMAP)) && lacks_areas(m->s, 6))
		return -OM_ENOMEM;
	list_areas(m->s, &list);
	i = area_at(&list, m->old);
	if (i < 0)
		return -OM_EFAULT;
	m->area_end = list.area[i].end;
	m->area_flags = list.area[i].flags;
	m->in_place = false;
	if (m->old_n == 0 && !(m->area_flags & OM_VM_SHARED))
		return -OM_EINVAL;
	if (m->old_n && m->new_n <= m->old_n &&
	    !(m->flags & (OM_MREMAP_FIXED | OM_MREMAP_DONTUNMAP))) {
		size_t less = m->old_n - m->new_n;

		m->in_place = true;
		return less && is_hole(m->s, m->old + m->new_n, less) && lacks_areas(m->s, 1)
		           ? -OM_ENOMEM
		           : 0;
	}
	return foresee_move(m);
}

/* ---------------------------------------------------------------- the model ----------------- */

/* Pages behind [from, from + n), of the same kind, untouched. */
static void extend(struct space *s, const struct mpage *like, size_t to, size_t n, size_t step)
{
	for (size_t i = 0; i < n; i++)
		space_map(s, to + i, like->flags, like->object,
		          like->object ? like->linear + step + i : 0);
}

static void note_in_place(struct world *w, const struct move *m)
{
	if (m->new_n < m->old_n)
		world_unmap(w, m->s, m->old + m->new_n, m->old_n - m->new_n);
	else
		extend(m->s, &m->s->page[m->old], m->old + m->old_n, growth(m), m->old_n);
}

static void move_page(struct space *s, size_t from, size_t to, bool leave)
{
	struct mpage *old = &s->page[from];

	s->page[to] = *old;
	if (!leave) {
		*old = (struct mpage){0};
		return;
	}
	if (old->object)
		old->object->mapped++;
	old->own = NULL;
	old->lazy = false;
	old->index = old->linear;
	old->flags &= ~MP_LOCKS;
}

static void note_move(struct world *w, const struct move *m)
{
	size_t n = m->old_n < m->new_n ? m->old_n : m->new_n;
	struct mpage like = m->s->page[m->old];

	/* The object must not go while its last page is replaced. */
	if (like.object)
		like.object->mapped++;
	world_unmap(w, m->s, m->to, m->new_n);
	if (m->old_n > n)
		world_unmap(w, m->s, m->old + n, m->old_n - n);
	for (size_t i = 0; i < n; i++)
		move_page(m->s, m->old + i, m->to + i, m->flags & OM_MREMAP_DONTUNMAP);
	extend(m->s, &like, m->to + n, m->new_n - n, n);
	if (like.object)
		like.object->mapped--;
}

static void note_mremap(struct world *w, const struct move *m)
{
	size_t to = m->in_place ? m->old : m->to, n = m->old_n < m->new_n ? m->old_n : m->new_n;

	if (m->in_place)
		note_in_place(w, m);
	else
		note_move(w, m);
	if (!(m->area_flags & OM_VM_LOCKED) || m->new_n == n)
		return;
	settle_populated(w, m->s, to + n, m->new_n - n);
	if (!(m->area_flags & OM_VM_LOCKONFAULT))
		check_present(w, m->s, to + n, m->new_n - n);
}

/* ---------------------------------------------------------------- the call ------------------ */

/* Is one kind of memory mapped all over a table? */
static bool is_whole(const struct space *s, unsigned table)
{
	const struct mpage *first = &s->page[table * TABLE_PAGES];

	for (size_t i = 0; i < TABLE_PAGES; i++)
		if (!first->flags || first[i].flags != first->flags ||
		    first[i].object != first->object)
			return false;
	return true;
}

/* Whole tables, so that one can move as it is. */
static void pick_tables(struct move *m, uint32_t a)
{
	unsigned table = a % 3;

	for (unsigned i = 0; i < 3 && !is_whole(m->s, table); i++)
		table = (table + 1) % 3;
	m->old = table * TABLE_PAGES;
	m->new = (table + 1 + (a >> 4) % 2) % 3 * TABLE_PAGES;
	m->old_n = m->new_n = TABLE_PAGES;
	m->flags = OM_MREMAP_MAYMOVE | OM_MREMAP_FIXED;
	if ((a >> 8) % 4 == 0)
		m->flags |= OM_MREMAP_DONTUNMAP;
}

static void pick_move(struct move *m, const uint32_t *a)
{
	static const int flags[] = {1, 1, 1, 3, 3, 3, 0, 5, 7};

	m->flags = flags[a[5] % 9];
	m->old = pick_mapped(m->s, a[1]);
	if ((a[1] >> 20) % 4 == 0)
		m->old = pick_page(m->s, a[1]);
	m->old_n = pick_len(m->s, m->old, a[2]);
	m->new = pick_page(m->s, a[3]);
	switch (a[4] % 8) {
	case 0:
		m->new_n = 1 + (a[4] >> 3) % m->old_n;
		break;
	case 1 ... 3:
		m->new_n = m->old_n + 1 + (a[4] >> 3) % 16;
		break;
	default:
		m->new_n = m->old_n;
	}
	if ((a[4] >> 8) % 16 == 0)
		m->old_n = 0;
	if (m->flags & OM_MREMAP_DONTUNMAP)
		m->new_n = m->old_n ? m->old_n : 1;
	if (m->new + m->new_n > MODEL_PAGES)
		m->new = MODEL_PAGES - (m->new_n < MODEL_PAGES ? m->new_n : MODEL_PAGES);
}

/* Mistakes that are found before anything is looked up. */
static bool is_wrong(const struct move *m)
{
	if (m->flags & OM_MREMAP_DONTUNMAP && m->old_n != m->new_n)
		return true;
	if (!(m->flags & (OM_MREMAP_FIXED | OM_MREMAP_DONTUNMAP)))
		return false;
	return m->new + m->new_n > MODEL_PAGES ||
	       (m->old < m->new + m->new_n && m->new < m->old + m->old_n);
}

static void bad_mremap(struct world *w, const struct move *m, uint32_t a)
{
	uintptr_t old = addr_of(m->old), new = addr_of(m->new), got;
	size_t old_len = m->old_n * PAGE, new_len = m->new_n * PAGE;
	int flags = m->flags;

	switch (a % 6) {
	case 0:
		old += 16;
		break;
	case 1:
		new_len = 0;
		break;
	case 2:
		flags |= 8;
		break;
	case 3:
		flags = OM_MREMAP_FIXED;
		break;
	case 4:
		flags = OM_MREMAP_MAYMOVE | OM_MREMAP_FIXED;
		new += 1;
		break;
	default:
		flags = OM_MREMAP_DONTUNMAP | OM_MREMAP_MAYMOVE;
		new_len = old_len + PAGE;
	}
	agree(w, do_mremap(m->s->mm, old, old_len, new_len, flags, new, &got), -OM_EINVAL);
}

void op_mremap(struct world *w, const uint32_t *a)
{
	struct move m = {.s = pick_space(w, a[0])};
	uintptr_t got = 0;
	int want, err;

	if (!m.s)
		return;
	if ((a[0] >> 8) % 8 == 0)
		pick_tables(&m, a[1]);
	else
		pick_move(&m, a);
	world_trace(w, " space %u page %zu n %zu to %zu n %zu flags %d", space_nr(w, m.s), m.old,
	            m.old_n, m.new, m.new_n, m.flags);
	if ((a[0] >> 12) % 32 == 0) {
		bad_mremap(w, &m, a[0] >> 17);
		return;
	}
	want = is_wrong(&m) ? -OM_EINVAL : foresee_mremap(&m);
	err = do_mremap(m.s->mm, addr_of(m.old), m.old_n * PAGE, m.new_n * PAGE, m.flags,
	                addr_of(m.new), &got);
	if (!agree(w, err, want))
		return;
	if (got != addr_of(m.in_place ? m.old : m.to))
		FAIL(w, "moved to page %zu, expected %zu", (size_t)(got - MODEL_BASE) / PAGE,
		     m.in_place ? m.old : m.to);
	note_mremap(w, &m);
}
