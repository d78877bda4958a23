/*
 * ops_mm.c: address spaces come, multiply and go; limits; mlock and its family; figures.
 */
#include "ops.h"

#include <string.h>

static const struct om_layout layout = {
    .lowest = MODEL_BASE,
    .highest = MODEL_END,
    .mmap_base = MODEL_BASE + MMAP_PAGE * PAGE,
    .brk_start = MODEL_BASE + BRK_PAGE * PAGE,
    .guard_gap = GUARD_PAGES * PAGE,
};

/* ---------------------------------------------------------------- life ---------------------- */

void op_create(struct world *w, const uint32_t *a)
{
	struct space *s = free_space(w);
	struct om_mm *mm;

	if (!s)
		return;
	if (agree(w, om_mm_create(w->sys, &layout, (void *)(uintptr_t)a[0], &mm), 0))
		space_init(s, mm);
}

void op_fork(struct world *w, const uint32_t *a)
{
	struct space *parent = pick_space(w, a[0]), *child = free_space(w);
	void *cookie = (void *)(uintptr_t)a[1];
	struct om_mm *mm;

	if (!parent || !child)
		return;
	world_trace(w, " space %u to %u", space_nr(w, parent), space_nr(w, child));
	if (!agree(w, om_fork(parent->mm, cookie, &mm), 0))
		return;
	if (om_mm_cookie(mm) != cookie || om_mm_system(mm) != w->sys)
		FAIL(w, "the child has another cookie or system");
	space_fork(child, parent, mm);
}

void op_exit(struct world *w, const uint32_t *a)
{
	struct space *s = pick_space(w, a[0]);

	if (!s)
		return;
	world_trace(w, " space %u\n", space_nr(w, s));
	om_mm_destroy(s->mm);
	space_free(s, world_object_gone, w);
}

void op_empty(struct world *w, const uint32_t *a)
{
	struct space *s = pick_space(w, a[0]);

	if (!s)
		return;
	world_trace(w, " space %u\n", space_nr(w, s));
	om_mm_empty(s->mm);
	world_unmap(w, s, 0, MODEL_PAGES);
	s->brk = addr_of(BRK_PAGE);
	s->def_flags = 0;
}

void op_limit(struct world *w, const uint32_t *a)
{
	struct space *s = pick_space(w, a[0]);
	enum om_limit which = (enum om_limit)(a[1] % OM_NR_LIMITS);
	uintptr_t value;

	if (!s)
		return;
	value = a[2] % 2 ? OM_UNLIMITED : (uintptr_t)((a[2] >> 2) % 200) * PAGE + a[3] % PAGE;
	if (which == OM_LIMIT_VMAS)
		value = a[2] % 2 ? 65530 : (a[2] >> 2) % 32;
	if (which == OM_LIMIT_TABLES && value != OM_UNLIMITED)
		value = (uintptr_t)(a[2] >> 2) % 40 * PAGE;
	if (which == OM_LIMIT_MEMLOCK && (a[2] >> 12) % 8 == 0)
		value = 0;
	world_trace(w, " space %u which %d = %#lx\n", space_nr(w, s), (int)which,
	            (unsigned long)value);
	om_set_limit(s->mm, which, value);
	s->limit[which] = value;
	if (om_get_limit(s->mm, which) != value)
		FAIL(w, "the limit is not what was set");
}

/* ---------------------------------------------------------------- mlock --------------------- */

/* 0, or what the first page that cannot be made present means to mlock. */
static int foresee_populate(const struct space *s, size_t page, size_t n)
{
	for (size_t i = page; i < page + n; i++)
		if (!(s->page[i].flags & MP_PROT) || space_is_beyond(s, i))
			return -OM_ENOMEM;
	return 0;
}

static size_t locked_after(const struct space *s, size_t page, size_t n)
{
	return space_count(s, 0, MODEL_PAGES, OM_VM_LOCKED) -
	       space_count(s, page, n, OM_VM_LOCKED) + n;
}

/* How many pages from `page` on are mapped without a hole. */
static size_t run_length(const struct space *s, size_t page, size_t n)
{
	size_t run = 0;

	while (run < n && is_mapped(s, page + run))
		run++;
	return run;
}

static void set_flags(struct space *s, size_t page, size_t n, unsigned mask, unsigned set)
{
	for (size_t i = page; i < page + n; i++)
		if (s->page[i].flags)
			s->page[i].flags = (s->page[i].flags & ~mask) | set;
}

static int foresee_mlock(const struct space *s, size_t page, size_t n, bool onfault)
{
	if (s->limit[OM_LIMIT_MEMLOCK] == 0)
		return -OM_EPERM;
	if (locked_after(s, page, n) > s->limit[OM_LIMIT_MEMLOCK] / PAGE)
		return -OM_ENOMEM;
	if (run_length(s, page, n) < n)
		return -OM_ENOMEM;
	return onfault ? 0 : foresee_populate(s, page, n);
}

/* The flags are set even if a page cannot be had afterwards, but not if a limit forbids it. */
static bool mlock_sets_flags(const struct space *s, size_t page, size_t n)
{
	return s->limit[OM_LIMIT_MEMLOCK] &&
	       locked_after(s, page, n) <= s->limit[OM_LIMIT_MEMLOCK] / PAGE;
}

void op_mlock(struct world *w, const uint32_t *a)
{
	struct space *s = pick_space(w, a[0]);
	int flags = a[3] % 4 == 0 ? OM_MLOCK_ONFAULT : 0, want, err;
	unsigned bits = OM_VM_LOCKED | (flags ? OM_VM_LOCKONFAULT : 0u);
	size_t page, n, run;
	bool near;

	if (!s)
		return;
	page = pick_page(s, a[1]);
	n = pick_len(s, page, a[2]);
	if (n > 24 && (a[3] >> 2) % 8)
		n = 24;
	world_trace(w, " space %u page %zu n %zu flags %d", space_nr(w, s), page, n, flags);
	if ((a[3] >> 8) % 32 == 0) {
		agree(w, om_mlock(s->mm, addr_of(page), n * PAGE, 2), -OM_EINVAL);
		return;
	}
	want = foresee_mlock(s, page, n, flags);
	near = may_lack_areas(s, page, n, MP_LOCKS, bits);
	run = mlock_sets_flags(s, page, n) ? run_length(s, page, n) : 0;
	/* Rounded to pages at both ends. */
	err = om_mlock(s->mm, addr_of(page) + 5, n * PAGE - 9, flags);
	agree_or(w, err, want, -OM_ENOMEM, near);
	if (err == want && !had_trouble(w) && !near)
		set_flags(s, page, run, MP_LOCKS, bits);
	else
		world_adopt_flags(w, s, page, run, MP_LOCKS, bits);
	settle_populated(w, s, page, n);
	if (!err && !flags)
		check_present(w, s, page, n);
}

void op_munlock(struct world *w, const uint32_t *a)
{
	struct space *s = pick_space(w, a[0]);
	size_t page, n, run;
	int err, want;
	bool near;

	if (!s)
		return;
	page = pick_page(s, a[1]);
	n = pick_len(s, page, a[2]);
	world_trace(w, " space %u page %zu n %zu", space_nr(w, s), page, n);
	run = run_length(s, page, n); /* up to a hole */
	want = run < n ? -OM_ENOMEM : 0;
	near = may_lack_areas(s, page, n, MP_LOCKS, 0);
	err = om_munlock(s->mm, addr_of(page), n * PAGE);
	agree_or(w, err, want, -OM_ENOMEM, near);
	if (err == want && !had_trouble(w) && !near)
		set_flags(s, page, run, MP_LOCKS, 0);
	else
		world_adopt_flags(w, s, page, run, MP_LOCKS, 0);
}

static int foresee_mlockall(const struct space *s, int flags)
{
	if (!flags || flags == OM_MCL_ONFAULT || flags > 7)
		return -OM_EINVAL;
	if (s->limit[OM_LIMIT_MEMLOCK] == 0)
		return -OM_EPERM;
	if ((flags & OM_MCL_CURRENT) &&
	    space_count(s, 0, MODEL_PAGES, MP_MAPPED) > s->limit[OM_LIMIT_MEMLOCK] / PAGE)
		return -OM_ENOMEM;
	return 0;
}

void op_mlockall(struct world *w, const uint32_t *a)
{
	struct space *s = pick_space(w, a[0]);
	int flags = (int)(a[1] % 9);
	unsigned bits = OM_VM_LOCKED | (flags & OM_MCL_ONFAULT ? OM_VM_LOCKONFAULT : 0u);
	struct areas list;

	if (!s)
		return;
	world_trace(w, " space %u flags %d", space_nr(w, s), flags);
	if (!agree(w, om_mlockall(s->mm, flags), foresee_mlockall(s, flags)))
		return;
	s->def_flags = flags & OM_MCL_FUTURE ? bits : 0;
	if (!(flags & OM_MCL_CURRENT))
		return;
	set_flags(s, 0, MODEL_PAGES, MP_LOCKS, bits);
	if (flags & OM_MCL_ONFAULT)
		return;
	settle_populated(w, s, 0, MODEL_PAGES);
	list_areas(s, &list);
	for (unsigned i = 0; i < list.n; i++)
		check_present(w, s, list.area[i].first, list.area[i].end - list.area[i].first);
}

void op_munlockall(struct world *w, const uint32_t *a)
{
	struct space *s = pick_space(w, a[0]);

	if (!s)
		return;
	world_trace(w, " space %u", space_nr(w, s));
	agree(w, om_munlockall(s->mm), 0);
	s->def_flags = 0;
	set_flags(s, 0, MODEL_PAGES, MP_LOCKS, 0);
}

/* ---------------------------------------------------------------- figures ------------------- */

/* What the entries say, one by one. */
static void count_entries(const struct space *s, size_t first, size_t end, struct om_mminfo *sum)
{
	for (size_t page = first; page < end; page++) {
		struct om_pageinfo info;

		om_pageinfo(s->mm, addr_of(page), &info);
		sum->zero += info.kind == OM_PAGE_ZERO;
		sum->swap += info.kind == OM_PAGE_SWAP;
		sum->direct += info.kind == OM_PAGE_DIRECT;
		sum->shared += info.kind == OM_PAGE_SHARED;
		sum->file += info.kind == OM_PAGE_FILE;
		if (info.mapcount)
			sum->pss += 4096 / info.mapcount;
	}
	sum->rss = sum->direct + sum->shared + sum->file;
}

void op_mminfo(struct world *w, const uint32_t *a)
{
	struct space *s = pick_space(w, a[0]);
	struct om_mminfo info, sum = {0};
	size_t first, n;

	if (!s)
		return;
	first = a[1] % 4 ? 0 : pick_page(s, a[2]);
	n = a[1] % 4 ? MODEL_PAGES : pick_len(s, first, a[3]);
	world_trace(w, " space %u page %zu n %zu", space_nr(w, s), first, n);
	agree(w, om_mminfo(s->mm, addr_of(first), addr_of(first + n), &info), 0);
	count_entries(s, first, first + n, &sum);
	if (info.size != space_count(s, first, n, MP_MAPPED) ||
	    info.locked != space_count(s, first, n, OM_VM_LOCKED))
		FAIL(w, "mminfo: size %zu, locked %zu", info.size, info.locked);
	if (info.rss != sum.rss || info.pss != sum.pss || info.direct != sum.direct ||
	    info.shared != sum.shared || info.file != sum.file || info.zero != sum.zero ||
	    info.swap != sum.swap)
		FAIL(w, "mminfo: rss %zu, entries say %zu", info.rss, sum.rss);
	if (info.shared_clean + info.shared_dirty + info.private_clean + info.private_dirty !=
	    info.rss)
		FAIL(w, "mminfo: the parts of rss do not make it up");
	if (n == MODEL_PAGES && (info.data != space_data_pages(s) || !info.tables))
		FAIL(w, "mminfo: data %zu, tables %zu", info.data, info.tables);
}
