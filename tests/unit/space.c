/*
 * space.c: the fixture of space.h.
 */
#include "calls.h"
#include "space.h"

#include <string.h>

#include "page/frame.h"
#include "page/table.h"

struct space_flushes space_flushes;
atomic_uint space_stalls, space_stalls_over;
void (*space_on_lock)(void *arg);
void *space_on_lock_arg;

/* ---------------------------------------------------------------- the machine --------------- */

static void count_flush(void *ctx, struct om_mm *mm, uintptr_t start, uintptr_t end,
                        enum om_flush what)
{
	space_flushes.calls++;
	space_flushes.what = what;
	space_flushes.mm = mm;
	space_flushes.start = start;
	space_flushes.end = end;
	sim_port_ops.flush(ctx, mm, start, end, what);
}

/* The callback may take locks itself, which come here again. */
static struct om_held *watch_held(void *ctx)
{
	void (*watcher)(void *arg) = space_on_lock;

	if (watcher) {
		space_on_lock = NULL;
		watcher(space_on_lock_arg);
		space_on_lock = watcher;
	}
	return sim_port_ops.held(ctx);
}

static void count_stall(void *ctx, bool begin)
{
	(void)ctx;
	atomic_fetch_add(begin ? &space_stalls : &space_stalls_over, 1);
}

struct space space_start(om_pfn_t frames, uint32_t slots)
{
	return space_start_cpus(frames, slots, 1);
}

struct space space_start_cpus(om_pfn_t frames, uint32_t slots, unsigned nr_cpus)
{
	static struct om_port_ops ops;
	struct sim_config config = {.nr_frames = frames,
	                            .nr_cpus = nr_cpus,
	                            .junk = true,
	                            .ops = &ops};
	struct space s = {0};

	ops = sim_port_ops;
	ops.flush = count_flush;
	ops.held = watch_held;
	ops.stall = count_stall;
	space_on_lock = NULL;
	s.sim = sim_create(&config);
	assert_non_null(s.sim);
	s.sys = sim_system(s.sim);
	s.cpu = sim_cpu(s.sim, 0);
	s.scratch = calloc(frames, 8);
	assert_non_null(s.scratch);
	if (slots) {
		s.swap = sim_store_ram();
		assert_int_equal(om_swapon(s.sys, &sim_store_ops, s.swap, slots, 0, &s.area), 0);
	}
	assert_int_equal(om_mm_create(s.sys, &sim_layout, NULL, &s.mm), 0);
	memset(&space_flushes, 0, sizeof(space_flushes));
	atomic_store(&space_stalls, 0);
	atomic_store(&space_stalls_over, 0);
	return s;
}

void space_finish(struct space *s)
{
	assert_int_equal(atomic_load(&space_stalls), atomic_load(&space_stalls_over));
	space_on_lock = NULL;
	if (s->mm)
		om_mm_destroy(s->mm);
	s->mm = NULL;
	space_check(s);
	if (s->swap)
		assert_int_equal(om_swapoff(s->sys, s->area), 0);
	assert_int_equal(sim_destroy(s->sim), 0);
	if (s->swap)
		sim_store_free(s->swap);
	if (s->file_store)
		sim_store_free(s->file_store);
	free(s->scratch);
}

void space_check_at(struct space *s, const char *file, int line)
{
	struct om_mm *mms[1100];
	struct sim_tlb_entry bad;
	struct om_bug bug;
	unsigned n = 0;

	if (om_verify(s->sys, s->scratch, &bug)) {
		sim_print_bug(stderr, &bug);
		_fail(file, line);
	}
	om_for_each_mm (mm, s->sys)
		if (n < 1100)
			mms[n++] = mm;
	if (sim_check_tlb(s->sim, mms, n, &bad)) {
		fprintf(stderr, "stale translation of page %#lx\n", (unsigned long)bad.page);
		_fail(file, line);
	}
}

/* ---------------------------------------------------------------- mapping ------------------- */

void space_map(struct space *s, uintptr_t first, size_t n, unsigned prot, int flags)
{
	uintptr_t addr = at(first);

	if (!(flags & OM_MAP_SHARED))
		flags |= OM_MAP_PRIVATE;
	assert_int_equal(do_mmap(s->mm, &addr, n << OM_PAGE_SHIFT, (int)prot, flags | OM_MAP_FIXED,
	                         NULL, 0),
	                 0);
	assert_int_equal(addr, at(first));
}

void space_map_file(struct space *s, uintptr_t first, size_t n, unsigned prot, int flags,
                    struct om_mapping *file, uintptr_t pgoff)
{
	uintptr_t addr = at(first);

	if (!(flags & OM_MAP_PRIVATE))
		flags |= OM_MAP_SHARED;
	assert_int_equal(do_mmap(s->mm, &addr, n << OM_PAGE_SHIFT, (int)prot, flags | OM_MAP_FIXED,
	                         file, (uint64_t)pgoff << OM_PAGE_SHIFT),
	                 0);
	assert_int_equal(addr, at(first));
}

void space_random(struct space *s, uintptr_t first, size_t n)
{
	assert_int_equal(om_madvise(s->mm, at(first), n << OM_PAGE_SHIFT, OM_MADV_RANDOM), 0);
}

struct om_mapping *space_file(struct space *s, size_t n)
{
	char page[SIM_PAGE_SIZE];
	struct om_mapping *file;

	assert_null(s->file_store);
	s->file_store = sim_store_ram();
	for (size_t i = 0; i < n; i++) {
		memset(page, (int)i + 1, sizeof(page));
		sim_store_poke(s->file_store, i << OM_PAGE_SHIFT, page, sizeof(page));
	}
	assert_int_equal(om_mapping_create(s->sys, &sim_store_ops, s->file_store,
	                                   (uint64_t)n << OM_PAGE_SHIFT, &file),
	                 0);
	return file;
}

/* ---------------------------------------------------------------- access -------------------- */

#define MIDDLE (SIM_PAGE_SIZE / 2)

void space_put(struct space *s, struct om_mm *mm, uintptr_t page, int byte)
{
	unsigned char b = (unsigned char)byte;

	assert_int_equal(sim_store(s->cpu, mm, at(page) + MIDDLE, &b, 1), OM_FAULT_MINOR);
}

int space_get(struct space *s, struct om_mm *mm, uintptr_t page)
{
	unsigned char b;

	assert_int_equal(sim_load(s->cpu, mm, at(page) + MIDDLE, &b, 1), OM_FAULT_MINOR);
	return b;
}

enum om_fault_result space_try(struct space *s, struct om_mm *mm, uintptr_t page, bool write)
{
	unsigned char b = 0x5a;

	return write ? sim_store(s->cpu, mm, at(page) + MIDDLE, &b, 1)
	             : sim_load(s->cpu, mm, at(page) + MIDDLE, &b, 1);
}

void space_fill(struct space *s, struct om_mm *mm, uintptr_t first, size_t n, int tag)
{
	for (size_t i = 0; i < n; i++)
		space_put(s, mm, first + i, tag + (int)i);
}

void space_expect(struct space *s, struct om_mm *mm, uintptr_t first, size_t n, int tag)
{
	for (size_t i = 0; i < n; i++)
		assert_int_equal(space_get(s, mm, first + i), (tag + (int)i) & 0xff);
}

struct om_page *space_page(struct om_mm *mm, uintptr_t page, struct om_page **table, unsigned *slot)
{
	struct om_page *t = om_table_find(mm, at(page));
	om_pte_t pte;

	assert_non_null(t);
	pte = om_arch_pte_load(om_table_entry(t, om_table_pos(at(page))));
	assert_true(om_pte_present(pte));
	if (table)
		*table = t;
	if (slot)
		*slot = om_table_pos(at(page));
	return om_page_of(mm->sys, om_pte_pfn(pte));
}

enum om_pagekind space_kind(struct om_mm *mm, uintptr_t page)
{
	struct om_pageinfo info;

	om_pageinfo(mm, at(page), &info);
	return info.kind;
}

uint64_t space_event(struct om_system *sys, enum om_event ev)
{
	uint64_t n = 0;

	for (unsigned i = 0; i <= sys->cpu_mask; i++)
		n += atomic_load(&sys->shard[i].event[ev]);
	return n;
}

/* ---------------------------------------------------------------- layouts ------------------- */

#define SHOWN (R | W | X | SH | LK | GD | NL)

static void print_layout(struct om_mm *mm)
{
	struct om_vmainfo v;

	for (uintptr_t a = 0; om_vma_next(mm, a, &v); a = v.end)
		fprintf(stderr, "  {%ld, %ld, %#x, %lu}\n",
		        (long)((intptr_t)(v.start - SPACE_BASE) >> OM_PAGE_SHIFT),
		        (long)((intptr_t)(v.end - SPACE_BASE) >> OM_PAGE_SHIFT), v.flags & SHOWN,
		        (unsigned long)v.pgoff);
}

void expect_rows(struct om_mm *mm, const struct row *row, size_t n, const char *file, int line)
{
	struct om_vmainfo v;
	uintptr_t a = 0;
	size_t i = 0;
	bool same = true;

	for (; om_vma_next(mm, a, &v) && same; a = v.end, i++) {
		same = i < n && v.start == at(row[i].start) && v.end == at(row[i].end) &&
		       (v.flags & SHOWN) == row[i].flags;
		if (same && v.mapping && row[i].pgoff != ANY)
			same = v.pgoff == row[i].pgoff;
	}
	if (same && i == n)
		return;
	fprintf(stderr, "%s:%d: the layout is\n", file, line);
	print_layout(mm);
	_fail(file, line);
}

/* ---------------------------------------------------------------- memory -------------------- */

static struct om_page *hogged;

om_pfn_t space_hog(struct om_system *sys, om_pfn_t leave)
{
	om_pfn_t n = 0;

	while (om_free_frames(sys) > leave) {
		struct om_page *page = om_frame_get(sys, OM_KIND_USER, 0);

		assert_non_null(page);
		page->object = hogged;
		hogged = page;
		n++;
	}
	return n;
}

void space_unhog(struct om_system *sys)
{
	while (hogged) {
		struct om_page *page = hogged;

		hogged = page->object;
		om_frame_release(sys, page);
	}
}
