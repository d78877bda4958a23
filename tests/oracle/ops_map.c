/*
 * ops_map.c: mmap, munmap, mprotect, brk, remap_file_pages.
 */
#include "calls.h"
#include "ops.h"

#include <stdlib.h>

/* One thing wrong at a time: which of two errors is reported is not what this test is about. */
#define ONE_IN(n, a) ((a) % (n) == (n)-1)

static size_t limit_pages(const struct space *s, enum om_limit which)
{
	return (size_t)(s->limit[which] / PAGE);
}

/* ---------------------------------------------------------------- mmap ---------------------- */

struct map {
	struct space *s;
	size_t page, n; /* the wish, or where it must be */
	int prot, flags;
	struct object *file;
	size_t index;
	unsigned vm_flags;
	bool hint; /* `page` means something without FIXED */
};

static int pick_prot(uint32_t a)
{
	static const int prot[] = {3, 3, 3, 3, 3, 1, 1, 7, 5, 0, 2, 3};

	return prot[a % 12];
}

static void pick_map_flags(struct map *m, uint32_t a)
{
	m->flags = a & 1 && (a & 2 || m->file) ? OM_MAP_SHARED : OM_MAP_PRIVATE;
	if (a & 4)
		m->flags |= OM_MAP_FIXED;
	if ((a >> 3) % 8 == 0)
		m->flags |= OM_MAP_POPULATE;
	if ((a >> 6) % 16 == 0)
		m->flags |= OM_MAP_LOCKED;
	if ((a >> 10) % 16 == 0)
		m->flags |= OM_MAP_NORESERVE;
	if ((a >> 14) % 16 == 0)
		m->flags |= OM_MAP_FIXED_NOREPLACE;
	if (!m->file && m->flags & OM_MAP_PRIVATE && (a >> 18) % 4 == 0)
		m->flags |= OM_MAP_GROWSDOWN;
	if ((m->file || m->flags & OM_MAP_SHARED) && (a >> 18) % 8 == 0)
		m->flags |= OM_MAP_FILE_RDONLY;
	m->hint = a & 8;
}

static unsigned map_vm_flags(const struct map *m)
{
	unsigned flags = (unsigned)m->prot | OM_VM_MAYWRITE | m->s->def_flags;

	if (m->flags & OM_MAP_SHARED) {
		flags |= OM_VM_SHARED;
		if (m->flags & OM_MAP_FILE_RDONLY)
			flags &= ~(unsigned)OM_VM_MAYWRITE;
	}
	if (m->flags & OM_MAP_GROWSDOWN)
		flags |= OM_VM_GROWSDOWN;
	if (m->flags & OM_MAP_LOCKED)
		flags |= OM_VM_LOCKED;
	if (m->flags & OM_MAP_NORESERVE)
		flags |= OM_VM_NORESERVE;
	return flags;
}

/* Where it will go; MODEL_PAGES if there is no room. */
static size_t map_place(const struct map *m)
{
	if (m->flags & (OM_MAP_FIXED | OM_MAP_FIXED_NOREPLACE))
		return m->page;
	if (m->hint && m->page + m->n <= MODEL_PAGES && space_is_free(m->s, m->page, m->n))
		return m->page;
	return space_place(m->s, m->n);
}

static int map_limits(const struct space *s, size_t add, unsigned flags)
{
	if (space_count(s, 0, MODEL_PAGES, MP_MAPPED) + add > limit_pages(s, OM_LIMIT_AS))
		return -OM_ENOMEM;
	if (flags_are_data(flags) && space_data_pages(s) + add > limit_pages(s, OM_LIMIT_DATA))
		return -OM_ENOMEM;
	return 0;
}

static int foresee_map(const struct map *m, size_t place)
{
	const struct space *s = m->s;
	size_t locked = space_count(s, 0, MODEL_PAGES, OM_VM_LOCKED);
	int err;

	if (place == MODEL_PAGES || lacks_areas(s, 0))
		return -OM_ENOMEM;
	if ((m->flags & OM_MAP_FIXED_NOREPLACE) && space_next(s, place) < place + m->n)
		return -OM_EEXIST;
	if ((m->flags & OM_MAP_LOCKED) && s->limit[OM_LIMIT_MEMLOCK] == 0)
		return -OM_EPERM;
	if ((m->vm_flags & OM_VM_LOCKED) && locked + m->n > limit_pages(s, OM_LIMIT_MEMLOCK))
		return -OM_EAGAIN;
	if ((m->flags & OM_MAP_SHARED) && (m->flags & OM_MAP_FILE_RDONLY) &&
	    (m->prot & OM_PROT_WRITE))
		return -OM_EACCES;
	err = map_limits(s, m->n - space_count(s, place, m->n, MP_MAPPED), m->vm_flags);
	return !err && is_hole(s, place, m->n) && lacks_areas(s, 1) ? -OM_ENOMEM : err;
}

static void note_map(struct world *w, const struct map *m, size_t place)
{
	struct object *o = m->file;
	struct space *s = m->s;

	/* Held while what it replaces goes, which may be its own last page. */
	if (!o && (m->flags & OM_MAP_SHARED))
		o = object_new((uint64_t)m->n * PAGE, m->n);
	world_unmap(w, s, place, m->n);
	for (size_t i = 0; i < m->n; i++)
		space_map(s, place + i, m->vm_flags, o, m->index + i);
	if (m->flags & (OM_MAP_POPULATE | OM_MAP_LOCKED) || m->vm_flags & OM_VM_LOCKED)
		settle_populated(w, s, place, m->n);
	if ((m->vm_flags & MP_LOCKS) == OM_VM_LOCKED)
		check_present(w, s, place, m->n);
}

/* A call with one mistake in it. */
static void bad_map(struct world *w, struct map *m, uint32_t a)
{
	uintptr_t addr = addr_of(m->page);
	size_t len = m->n * PAGE;
	uint64_t offset = 0;
	int flags = OM_MAP_PRIVATE | OM_MAP_FIXED, want = -OM_EINVAL;
	struct om_mapping *file = NULL;

	switch (a % 8) {
	case 0:
		len = 0;
		break;
	case 1:
		addr -= 8;
		break;
	case 2:
		flags = OM_MAP_FIXED;
		break;
	case 3:
		flags |= OM_MAP_SHARED;
		break;
	case 4:
		addr = MODEL_END - (m->n - 1) * PAGE;
		want = -OM_ENOMEM;
		break;
	case 5:
		len = (size_t)0 - PAGE;
		want = -OM_ENOMEM;
		break;
	case 6:
		flags = OM_MAP_SHARED | OM_MAP_GROWSDOWN | OM_MAP_FIXED;
		break;
	default:
		if (!m->file)
			return;
		file = m->file->mapping;
		offset = a & 8 ? PAGE / 2 : (uint64_t)0 - PAGE;
		want = a & 8 ? -OM_EINVAL : -OM_EOVERFLOW;
		len = 2 * PAGE;
	}
	agree_or(w, do_mmap(m->s->mm, &addr, len, m->prot, flags, file, offset), want, -OM_ENOMEM,
	         lacks_areas(m->s, 0));
}

/* A whole table, for mremap to move. */
static void pick_table(struct map *m, uint32_t a)
{
	m->page = a % 3 * TABLE_PAGES;
	m->n = TABLE_PAGES;
	m->flags |= OM_MAP_FIXED;
	m->flags &= ~(OM_MAP_POPULATE | OM_MAP_LOCKED | OM_MAP_FIXED_NOREPLACE);
}

static void pick_map(struct world *w, const uint32_t *a, struct map *m)
{
	m->page = pick_page(m->s, a[1]);
	m->n = pick_len(m->s, m->page, a[2]);
	m->prot = pick_prot(a[3]);
	if ((a[3] >> 8) % 8 < 3)
		m->file = pick_file(w, a[5]);
	pick_map_flags(m, a[4]);
	if (m->file)
		m->index = (a[5] >> 4) % 4 ? (a[5] >> 6) % 6 : (a[5] >> 6) % 40;
	if ((a[0] >> 20) % 16 == 0)
		pick_table(m, a[1]);
	m->vm_flags = map_vm_flags(m);
}

void op_mmap(struct world *w, const uint32_t *a)
{
	struct map m = {.s = pick_space(w, a[0])};
	size_t place;
	uintptr_t addr;
	int err, want;

	if (!m.s)
		return;
	pick_map(w, a, &m);
	world_trace(w, " space %u page %zu n %zu prot %d flags %#x file %d index %zu",
	            space_nr(w, m.s), m.page, m.n, m.prot, m.flags, m.file != NULL, m.index);
	if (ONE_IN(32, a[0] >> 8) && !m.s->def_flags) {
		bad_map(w, &m, a[0] >> 13);
		return;
	}
	place = map_place(&m);
	addr = m.hint || m.flags & (OM_MAP_FIXED | OM_MAP_FIXED_NOREPLACE) ? addr_of(m.page) : 0;
	want = foresee_map(&m, place);
	err = do_mmap(m.s->mm, &addr, m.n * PAGE - a[0] % PAGE, m.prot, m.flags,
	              m.file ? m.file->mapping : NULL, (uint64_t)m.index * PAGE);
	if (!agree(w, err, want))
		return;
	if (addr != addr_of(place))
		FAIL(w, "mapped at page %zu, expected %zu", (size_t)(addr - MODEL_BASE) / PAGE,
		     place);
	note_map(w, &m, place);
}

/* ---------------------------------------------------------------- munmap -------------------- */

void op_munmap(struct world *w, const uint32_t *a)
{
	struct space *s = pick_space(w, a[0]);
	size_t page, n;
	int err, want;

	if (!s)
		return;
	page = pick_page(s, a[1]);
	n = pick_len(s, page, a[2]);
	world_trace(w, " space %u page %zu n %zu", space_nr(w, s), page, n);
	if (ONE_IN(32, a[3])) {
		static const struct {
			uintptr_t addr;
			size_t len;
		} bad[] = {{0, 0}, {8, 0}, {1, 1}, {0, MODEL_END}};
		unsigned i = (a[3] >> 5) % 4;

		err = om_munmap(s->mm, addr_of(page) + bad[i].addr, bad[i].len);
		agree(w, err, -OM_EINVAL);
		return;
	}
	want = is_hole(s, page, n) && lacks_areas(s, 1) ? -OM_ENOMEM : 0;
	err = om_munmap(s->mm, addr_of(page), n * PAGE - a[3] % PAGE);
	if (agree(w, err, want))
		world_unmap(w, s, page, n);
}

/* ---------------------------------------------------------------- mprotect ------------------ */

/* Could that many pages of the kind be added? */
static bool expandable(const struct space *s, size_t data, size_t n, unsigned flags)
{
	return space_count(s, 0, MODEL_PAGES, MP_MAPPED) + n <= limit_pages(s, OM_LIMIT_AS) &&
	       (!flags_are_data(flags) || data + n <= limit_pages(s, OM_LIMIT_DATA));
}

/*
 * What happens area by area, up to the first problem; everything before it has changed. `stop` is
 * where.
 */
static int foresee_protect(const struct space *s, size_t page, size_t end, unsigned prot,
                           size_t *stop)
{
	size_t data = space_data_pages(s);
	struct areas list;

	list_areas(s, &list);
	for (*stop = page; *stop < end;) {
		int i = area_at(&list, *stop);
		unsigned old, new;
		size_t to;

		if (i < 0)
			return -OM_ENOMEM;
		old = list.area[i].flags;
		new = (old & ~MP_PROT) | prot;
		to = list.area[i].end < end ? list.area[i].end : end;
		if ((prot & OM_VM_WRITE) && !(old & OM_VM_MAYWRITE))
			return -OM_EACCES;
		if ((prot & OM_VM_WRITE) && !expandable(s, data, to - *stop, new) &&
		    expandable(s, data, to - *stop, old))
			return -OM_ENOMEM;
		data += flags_are_data(new) ? to - *stop : 0;
		data -= flags_are_data(old) ? to - *stop : 0;
		*stop = to;
	}
	return 0;
}

static void note_protect(struct space *s, size_t page, size_t end, unsigned prot)
{
	for (size_t p = page; p < end; p++)
		s->page[p].flags = (s->page[p].flags & ~MP_PROT) | prot;
}

static void settle_locked(struct world *w, struct space *s, size_t page, size_t end)
{
	for (; page < end; page++)
		if (s->page[page].flags & OM_VM_LOCKED)
			settle_populated(w, s, page, 1);
}

static int foresee_growsdown(const struct space *s, size_t *page, size_t end)
{
	size_t first = space_next(s, *page);
	struct areas list;

	if (first >= end)
		return -OM_ENOMEM;
	if (!(s->page[first].flags & OM_VM_GROWSDOWN))
		return -OM_EINVAL;
	list_areas(s, &list);
	*page = list.area[area_at(&list, first)].first;
	return 0;
}

void op_mprotect(struct world *w, const uint32_t *a)
{
	static const int bad[] = {8, OM_PROT_GROWSUP, OM_PROT_GROWSDOWN | OM_PROT_GROWSUP};
	struct space *s = pick_space(w, a[0]);
	unsigned prot = (unsigned)pick_prot(a[3]);
	bool down = ONE_IN(16, a[3] >> 8), near;
	size_t page, from, n, stop = 0;
	int want, err;

	if (!s)
		return;
	page = from = pick_page(s, a[1]);
	n = pick_len(s, page, a[2]);
	world_trace(w, " space %u page %zu n %zu prot %u%s", space_nr(w, s), page, n, prot,
	            down ? " down" : "");
	if (ONE_IN(32, a[4])) {
		int wrong = bad[(a[4] >> 6) % 3];

		want = -OM_EINVAL;
		if (wrong == OM_PROT_GROWSUP && !(a[4] & 32) && !is_mapped(s, page))
			want = -OM_ENOMEM; /* a hole is found first */
		err = om_mprotect(s->mm, addr_of(page) + (a[4] & 32 ? 4 : 0), n * PAGE,
		                  a[4] & 32 ? 1 : wrong);
		agree(w, err, want);
		return;
	}
	want = down ? foresee_growsdown(s, &from, page + n) : 0;
	if (!want)
		want = foresee_protect(s, from, page + n, prot, &stop);
	near = may_lack_areas(s, from, page + n - from, MP_PROT, prot);
	err = om_mprotect(s->mm, addr_of(page), n * PAGE - a[4] % PAGE,
	                  (int)prot | (down ? OM_PROT_GROWSDOWN : 0));
	agree_or(w, err, want, -OM_ENOMEM, near);
	if (!err || (err == want && !near && !had_trouble(w)))
		note_protect(s, from, stop, prot);
	else
		world_adopt_flags(w, s, from, stop - from, MP_PROT, prot);
	/* Locked memory that becomes writable gets its copies at once. */
	if (prot & OM_PROT_WRITE)
		settle_locked(w, s, from, stop);
}

/* ---------------------------------------------------------------- brk ----------------------- */

static size_t heap_pages(uintptr_t brk)
{
	return (brk - addr_of(BRK_PAGE) + PAGE - 1) / PAGE;
}

static bool can_set_brk(const struct space *s, uintptr_t end)
{
	size_t old = BRK_PAGE + heap_pages(s->brk), new = BRK_PAGE + heap_pages(end);
	unsigned flags = OM_VM_READ | OM_VM_WRITE | OM_VM_MAYWRITE | s->def_flags;
	size_t locked = space_count(s, 0, MODEL_PAGES, OM_VM_LOCKED);

	if (end < addr_of(BRK_PAGE) || end - addr_of(BRK_PAGE) > s->limit[OM_LIMIT_DATA])
		return false;
	if (new <= old)
		return new == old || !is_hole(s, new, old - new) || !lacks_areas(s, 1);
	if (lacks_areas(s, 0))
		return false;
	/* One page must stay free behind it. */
	if (new > MODEL_PAGES ||
	    (space_next(s, old) < MODEL_PAGES && space_claim(s, space_next(s, old)) < new + 1))
		return false;
	if (map_limits(s, new - old, flags))
		return false;
	return !(flags & OM_VM_LOCKED) || locked + new - old <= limit_pages(s, OM_LIMIT_MEMLOCK);
}

static void note_brk(struct world *w, struct space *s, uintptr_t end)
{
	size_t old = BRK_PAGE + heap_pages(s->brk), new = BRK_PAGE + heap_pages(end);

	if (new < old)
		world_unmap(w, s, new, old - new);
	for (size_t i = old; i < new; i++)
		space_map(s, i, OM_VM_READ | OM_VM_WRITE | OM_VM_MAYWRITE | s->def_flags, NULL, 0);
	s->brk = end;
}

void op_brk(struct world *w, const uint32_t *a)
{
	struct space *s = pick_space(w, a[0]);
	uintptr_t end, got, old;
	bool can;

	if (!s)
		return;
	old = s->brk;
	end = addr_of(BRK_PAGE) + (a[1] % 64) * PAGE + a[2] % PAGE;
	if (ONE_IN(4, a[3] >> 8)) /* up to the next area, or nearly */
		end = addr_of(space_claim(s, space_next(s, BRK_PAGE + heap_pages(old))) - a[3] % 3);
	if (ONE_IN(16, a[3]))
		end = a[3] & 16 ? addr_of(BRK_PAGE) - 1 - a[1] % PAGE : OM_UNLIMITED - a[1] % PAGE;
	world_trace(w, " space %u end %#lx", space_nr(w, s), (unsigned long)end);
	can = can_set_brk(s, end);
	got = om_brk(s->mm, end);
	world_trace(w, " = %#lx\n", (unsigned long)got);
	if (got == old && old != end && had_trouble(w))
		return;
	if (got != (can ? end : old))
		FAIL(w, "brk returns %#lx, expected %#lx", (unsigned long)got,
		     (unsigned long)(can ? end : old));
	if (can)
		note_brk(w, s, end);
}

/* ---------------------------------------------------------------- remap_file_pages ---------- */

/* Do areas of one kind follow each other up to `end`? `i` is the first. */
static bool is_one_kind(const struct space *s, const struct areas *list, int i, size_t end)
{
	for (size_t at; (at = list->area[i].end) < end; i++)
		if ((unsigned)i + 1 == list->n || list->area[i + 1].first != at ||
		    list->area[i + 1].flags != list->area[i].flags ||
		    s->page[at].object != s->page[at - 1].object)
			return false;
	return true;
}

/* A file with a store gets areas of its own, as if by mmap. */
static int foresee_remap(const struct space *s, size_t page, size_t n)
{
	struct areas list;
	int i;

	list_areas(s, &list);
	i = area_at(&list, page);
	if (i < 0 || !(list.area[i].flags & OM_VM_SHARED))
		return -OM_EINVAL;
	if (!s->page[page].object->store)
		return list.area[i].end < page + n ? -OM_EINVAL : 0;
	if (!is_one_kind(s, &list, i, page + n))
		return -OM_EINVAL;
	return lacks_areas(s, is_hole(s, page, n)) ? -OM_ENOMEM : 0;
}

static bool is_shared(const struct space *s, size_t page)
{
	return s->page[page].flags & OM_VM_SHARED;
}

void op_remap(struct world *w, const uint32_t *a)
{
	struct space *s = pick_space(w, a[0]);
	size_t page, n, index = a[3] % 24;
	int want, prot = ONE_IN(32, a[4]);

	if (!s)
		return;
	page = pick_page(s, a[1]);
	for (size_t i = 0; i < MODEL_PAGES && !is_shared(s, page); i++)
		page = (page + 1) % MODEL_PAGES;
	n = pick_len(s, page, a[2]);
	if (n > 32)
		n = 32;
	world_trace(w, " space %u page %zu n %zu index %zu", space_nr(w, s), page, n, index);
	want = prot ? -OM_EINVAL : foresee_remap(s, page, n);
	if (!agree(w,
	           om_remap_file_pages(s->mm, addr_of(page) + a[4] % PAGE, n * PAGE, prot, index,
	                               0),
	           want))
		return;
	for (size_t i = 0; i < n; i++) {
		s->page[page + i].index = index + i;
		if (s->page[page].object->store)
			s->page[page + i].linear = index + i;
	}
	if ((s->page[page].flags & MP_LOCKS) == OM_VM_LOCKED)
		check_present(w, s, page, n);
}
