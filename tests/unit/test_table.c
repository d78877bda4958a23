/*
 * test_table.c: page tables: finding, making, freeing and moving them, and the accessors of entries
 * with their promises about flushes.
 */
#include "space.h"

#include <string.h>

#include "page/frame.h"
#include "page/table.h"

#define SPAN  OM_TABLE_SPAN
#define LEAFS (OM_LEVELS - 1) /* tables that the first leaf needs beside the root */
/* Bytes under one entry of the root. */
#define TOP_SPAN ((uintptr_t)1 << (OM_PAGE_SHIFT + LEAFS * OM_TABLE_SHIFT))

static uintptr_t span(uintptr_t n)
{
	return SPACE_BASE + n * SPAN;
}

static size_t tables(struct om_mm *mm)
{
	return atomic_load(&mm->nr_tables);
}

static struct om_page *make(struct om_mm *mm, uintptr_t addr)
{
	struct om_page *table = om_table_make(mm, &mm->own, addr);

	assert_non_null(table);
	assert_ptr_equal(om_table_find(mm, addr), table);
	assert_int_equal(table->kind, OM_KIND_TABLE + 1);
	assert_ptr_equal(om_table_mm(table), mm);
	assert_int_equal(om_table_addr(table, 0), addr & ~(SPAN - 1));
	return table;
}

/* Free what covers [start, end) as if nothing were mapped in [floor, ceiling). */
static void free_range(struct om_mm *mm, uintptr_t start, uintptr_t end, uintptr_t floor,
                       uintptr_t ceiling)
{
	struct om_table_list list;

	om_mm_write_lock(mm);
	list = om_table_unlink_range(mm, start, end, floor, ceiling);
	om_table_free_list(mm, &list);
	om_mm_write_unlock(mm);
}

/* The last flush was about tables, and named all that they mapped. */
static void expect_tables_flushed(uintptr_t start, uintptr_t end)
{
	assert_int_equal(space_flushes.what, OM_FLUSH_TABLES);
	assert_int_equal(space_flushes.start, start);
	assert_int_equal(space_flushes.end, end);
}

static void free_all(struct om_mm *mm)
{
	free_range(mm, 0, OM_VA_LIMIT, 0, OM_VA_LIMIT);
	assert_int_equal(tables(mm), 1);
	assert_int_equal(mm->root->mapcount, 0);
}

/* ---------------------------------------------------------------- tables -------------------- */

static void test_make(void **state)
{
	struct space s = space_start(64, 0);
	struct om_page *a, *b;

	(void)state;
	assert_int_equal(tables(s.mm), 1);
	assert_null(om_table_find(s.mm, SPACE_BASE));
	om_mm_read_lock(s.mm);
	a = make(s.mm, SPACE_BASE);
	assert_int_equal(tables(s.mm), 1 + LEAFS);
	assert_ptr_equal(make(s.mm, span(1) - 1), a);
	assert_null(om_table_find(s.mm, span(1)));
	b = make(s.mm, span(1) + 5 * OM_PAGE_SIZE);
	assert_ptr_not_equal(a, b);
	assert_int_equal(tables(s.mm), 2 + LEAFS);
	assert_ptr_equal(om_table_find(s.mm, SPACE_BASE), a);
	make(s.mm, 0);
	make(s.mm, OM_VA_LIMIT - 1);
	om_mm_read_unlock(s.mm);
	free_all(s.mm);
	assert_null(om_table_find(s.mm, SPACE_BASE));
	space_finish(&s);
}

/* Making fails for want of a frame, at each level; what was made on the way stays and is used. */
static void test_make_fails(void **state)
{
	struct space s = space_start(64, 0);

	(void)state;
	om_mm_read_lock(s.mm);
	for (om_pfn_t have = 0; have < LEAFS; have++) {
		space_hog(s.sys, have ? 1 : 0);
		assert_null(om_table_make(s.mm, &s.mm->own, SPACE_BASE));
		assert_null(om_table_find(s.mm, SPACE_BASE));
		assert_int_equal(tables(s.mm), 1 + have);
		space_unhog(s.sys);
	}
	space_hog(s.sys, 1);
	make(s.mm, SPACE_BASE);
	om_mm_read_unlock(s.mm);
	space_unhog(s.sys);
	free_all(s.mm);
	space_finish(&s);
}

/* Leaf tables met on the way through [from, to), as numbers of spans. */
static unsigned next_all(struct om_mm *mm, uintptr_t from, uintptr_t to, uintptr_t *found)
{
	struct om_page *table;
	unsigned n = 0;

	while ((table = om_table_next(mm, from, to))) {
		uintptr_t base = om_table_addr(table, 0);

		assert_true(base + SPAN > from && base < to);
		found[n++] = base;
		from = base + SPAN;
	}
	return n;
}

static void test_next(void **state)
{
	struct space s = space_start(128, 0);
	const uintptr_t far = OM_VA_LIMIT - SPAN;
	uintptr_t found[16];

	(void)state;
	om_mm_read_lock(s.mm);
	assert_null(om_table_next(s.mm, 0, OM_VA_LIMIT));
	make(s.mm, span(0));
	make(s.mm, span(1));
	make(s.mm, span(3));
	make(s.mm, far);
	assert_int_equal(next_all(s.mm, 0, OM_VA_LIMIT, found), 4);
	assert_int_equal(found[0], span(0));
	assert_int_equal(found[1], span(1));
	assert_int_equal(found[2], span(3));
	assert_int_equal(found[3], far);
	assert_int_equal(next_all(s.mm, span(0) + 1, span(1), found), 1);
	assert_int_equal(next_all(s.mm, span(1), span(1) + 1, found), 1);
	assert_int_equal(next_all(s.mm, span(2), span(3), found), 0);
	assert_int_equal(next_all(s.mm, span(2), span(3) + 1, found), 1);
	assert_int_equal(next_all(s.mm, span(3) + SPAN - 1, far, found), 1);
	assert_null(om_table_next(s.mm, span(1), span(1)));
	assert_int_equal(next_all(s.mm, far, OM_VA_LIMIT, found), 1);
	om_mm_read_unlock(s.mm);
	free_all(s.mm);
	space_finish(&s);
}

/* Random tables against a set, over places that share upper levels and places that do not. */
static void test_random(void **state)
{
	static const uintptr_t base[] = {0, SPACE_BASE, OM_VA_LIMIT - 16 * SPAN};
	struct space s = space_start(256, 0);
	uint64_t seed = 1;
	bool have[48] = {false};
	unsigned count = 0;

	(void)state;
	for (unsigned step = 0; step < 4000; step++) {
		unsigned i = unit_rand(&seed) % 48;
		uintptr_t addr = base[i / 16] + i % 16 * SPAN, found[48];

		if (!have[i]) {
			om_mm_read_lock(s.mm);
			make(s.mm, addr + unit_rand(&seed) % SPAN);
			om_mm_read_unlock(s.mm);
			count++;
			have[i] = true;
		} else {
			uintptr_t floor = addr, ceiling = addr + SPAN;

			while (floor > base[i / 16] &&
			       !have[(floor - base[i / 16]) / SPAN - 1 + i / 16 * 16])
				floor -= SPAN;
			free_range(s.mm, addr, addr + SPAN, floor, ceiling);
			count--;
			have[i] = false;
		}
		assert_int_equal(next_all(s.mm, 0, OM_VA_LIMIT, found), count);
		for (unsigned k = 0; k < 48; k++)
			assert_int_equal(!!om_table_find(s.mm, base[k / 16] + k % 16 * SPAN),
			                 have[k]);
	}
	free_all(s.mm);
	space_finish(&s);
}

/* Frames first, tables later: as many as are missing, whatever two places have in common. */
static void test_reserve(void **state)
{
	struct space s = space_start(64, 0);
	const uintptr_t far = SPACE_BASE + TOP_SPAN;
	om_pfn_t free = om_free_frames(s.sys);
	struct om_table_stock stock;

	(void)state;
	if (OM_LEVELS < 3) { /* no address is under another table of the top */
		space_finish(&s);
		skip();
	}
	om_mm_write_lock(s.mm);
	om_table_stock_init(&stock);
	assert_int_equal(om_table_reserve(s.mm, span(0), 1, &stock), 0);
	assert_int_equal(om_table_reserve(s.mm, span(1), 1, &stock), 0);
	assert_int_equal(om_table_reserve(s.mm, far, 1, &stock), 0);
	assert_int_equal(om_table_reserve(s.mm, far + TOP_SPAN, 2, &stock), 0);
	assert_int_equal(free - om_free_frames(s.sys), 3 * LEAFS);
	/* They count from now on: nothing can stand in the way of making them. */
	assert_int_equal(tables(s.mm), 3 * LEAFS + 1);
	om_set_limit(s.mm, OM_LIMIT_TABLES, 0);
	om_table_make_reserved(s.mm, span(0), &stock);
	om_table_make_reserved(s.mm, span(1), &stock);
	om_table_make_reserved(s.mm, far, &stock);
	assert_int_equal(tables(s.mm), 3 * LEAFS + 1);
	make(s.mm, span(0));
	make(s.mm, span(1));
	make(s.mm, far);
	/* A table that moves there needs the levels above alone. */
	assert_true(om_table_move(s.mm, span(1), far + TOP_SPAN, &stock));
	assert_true(stock.first == OM_NO_PFN);
	assert_int_equal(tables(s.mm), 3 * LEAFS + 1);

	/* All there: nothing is taken. And what is not used comes back, also at the limit. */
	om_set_limit(s.mm, OM_LIMIT_TABLES, OM_UNLIMITED);
	assert_int_equal(om_table_reserve(s.mm, span(0), 1, &stock), 0);
	assert_true(stock.first == OM_NO_PFN);
	assert_int_equal(om_table_reserve(s.mm, span(4), 1, &stock), 0);
	space_hog(s.sys, 0);
	assert_int_equal(om_table_reserve(s.mm, span(5), 1, &stock), -OM_ENOFRAME);
	om_table_unreserve(s.mm, &stock);
	space_unhog(s.sys);
	assert_int_equal(tables(s.mm), 3 * LEAFS + 1);
	om_set_limit(s.mm, OM_LIMIT_TABLES, (3 * LEAFS + 2) << OM_PAGE_SHIFT);
	om_table_stock_init(&stock);
	assert_int_equal(om_table_reserve(s.mm, span(4), 1, &stock), 0);
	assert_int_equal(om_table_reserve(s.mm, span(5), 1, &stock), -OM_ENOMEM);
	om_table_unreserve(s.mm, &stock);
	assert_int_equal(tables(s.mm), 3 * LEAFS + 1);
	om_mm_write_unlock(s.mm);
	free_all(s.mm);
	assert_int_equal(om_free_frames(s.sys), free);
	space_finish(&s);
}

/* ---------------------------------------------------------------- freeing ------------------- */

static void test_free_range(void **state)
{
	struct space s = space_start(64, 0);
	unsigned calls;

	(void)state;
	om_mm_read_lock(s.mm);
	for (uintptr_t i = 0; i < 4; i++)
		make(s.mm, span(i));
	om_mm_read_unlock(s.mm);
	calls = space_flushes.calls;

	/* Areas on either side end inside the tables: none may go. */
	free_range(s.mm, span(1) + OM_PAGE_SIZE, span(2) - OM_PAGE_SIZE, span(1) + OM_PAGE_SIZE,
	           span(2) - OM_PAGE_SIZE);
	assert_int_equal(tables(s.mm), 4 + LEAFS);
	assert_int_equal(space_flushes.calls, calls);

	/* The area below ends inside the first one: the other goes, and a flush tells the MMU. */
	free_range(s.mm, span(1) + OM_PAGE_SIZE, span(3), span(1) + OM_PAGE_SIZE, span(3));
	assert_non_null(om_table_find(s.mm, span(1)));
	assert_null(om_table_find(s.mm, span(2)));
	assert_int_equal(tables(s.mm), 3 + LEAFS);
	assert_int_equal(space_flushes.calls, calls + 1);
	expect_tables_flushed(span(2), span(3));

	/* The hole is smaller than what is free around it: its table goes all the same. */
	free_range(s.mm, span(1) + OM_PAGE_SIZE, span(1) + 2 * OM_PAGE_SIZE, span(1), span(3));
	assert_null(om_table_find(s.mm, span(1)));
	expect_tables_flushed(span(1), span(2));
	assert_non_null(om_table_find(s.mm, span(0)));
	assert_non_null(om_table_find(s.mm, span(3)));

	/* Upper tables go with the last leaf, and not before. */
	free_range(s.mm, span(0), span(1), 0, span(3));
	assert_int_equal(tables(s.mm), 1 + LEAFS);
	free_range(s.mm, span(3), span(4), 0, OM_VA_LIMIT);
	assert_int_equal(tables(s.mm), 1);
	/* What the highest of them mapped is named, not the hole alone. */
	if (OM_LEVELS > 2)
		expect_tables_flushed(SPACE_BASE & ~(TOP_SPAN - 1),
		                      (SPACE_BASE & ~(TOP_SPAN - 1)) + TOP_SPAN);
	else
		expect_tables_flushed(span(3), span(4));
	space_finish(&s);
}

static const struct om_layout layout = {.lowest = 0x10000,
                                        .highest = OM_VA_LIMIT,
                                        .mmap_base = OM_VA_LIMIT};

static void test_free_in_use(void **state)
{
	struct om_system *sys = unit_system(64);
	struct om_page *table;
	struct om_mm *mm;

	(void)state;
	assert_int_equal(om_mm_new(sys, &layout, NULL, NULL, &mm), 0);
	om_mm_read_lock(mm);
	table = make(mm, SPACE_BASE);
	om_mm_read_unlock(mm);
	om_table_lock(sys, table);
	om_entry_install(sys, table, 3, om_pte_mkswap(7));
	om_table_unlock(sys, table);
	expect_bug("I5", free_all(mm));
	unit_system_free(sys);
}

/* ---------------------------------------------------------------- moving -------------------- */

static void test_move(void **state)
{
	struct space s = space_start(64, 0);
	struct om_page *table, *empty;
	unsigned calls;
	bool moved;

	(void)state;
	om_mm_write_lock(s.mm);
	make(s.mm, span(7)); /* the levels above are there */
	moved = om_table_move(s.mm, span(0), span(1), NULL);
	assert_false(moved);
	table = make(s.mm, span(0));
	om_table_lock(s.sys, table);
	om_entry_install(s.sys, table, 3, om_pte_mkswap(7));
	om_table_unlock(s.sys, table);

	assert_true(om_table_move(s.mm, span(0), span(1), NULL));
	assert_null(om_table_find(s.mm, span(0)));
	assert_ptr_equal(om_table_find(s.mm, span(1)), table);
	assert_int_equal(om_table_addr(table, 3), span(1) + 3 * OM_PAGE_SIZE);
	assert_true(om_pte_is_swap(om_arch_pte_load(om_table_entry(table, 3))));
	assert_ptr_equal(space_flushes.mm, s.mm);
	assert_int_equal(space_flushes.what, OM_FLUSH_ALL);
	assert_true(space_flushes.start == span(0) && space_flushes.end == span(1));
	/* Nothing looks for it where it was: not even the fault path's short cut. */
	empty = make(s.mm, span(0));
	assert_ptr_not_equal(empty, table);

	/* An empty table in the way is freed. */
	assert_int_equal(tables(s.mm), 3 + LEAFS);
	calls = space_flushes.calls;
	assert_true(om_table_move(s.mm, span(1), span(0), NULL));
	assert_ptr_equal(om_table_find(s.mm, span(0)), table);
	assert_int_equal(tables(s.mm), 2 + LEAFS);
	assert_int_equal(space_flushes.calls, calls + 2); /* for it, and for the one that moved */
	assert_int_equal(space_flushes.start, span(1));

	om_table_lock(s.sys, table);
	om_entry_take(s.sys, table, 3, 0);
	om_table_unlock(s.sys, table);
	om_mm_write_unlock(s.mm);
	free_all(s.mm);
	space_finish(&s);
}

/* ---------------------------------------------------------------- entries ------------------- */

#define PROT_RW  ((unsigned)OM_PROT_READ | (unsigned)OM_PROT_WRITE)
#define PROT_RX  ((unsigned)OM_PROT_READ | (unsigned)OM_PROT_EXEC)
#define USED(e)  om_pte_mkdirty(om_pte_mkyoung(e))
#define ENTRY(p) om_pte_make(5, p)

static void test_entries(void **state)
{
	struct om_system *sys = unit_system(64);
	struct om_page *t;
	struct om_mm *mm;
	om_pte_t old;

	(void)state;
	assert_int_equal(om_mm_new(sys, &layout, NULL, NULL, &mm), 0);
	om_mm_read_lock(mm);
	t = make(mm, SPACE_BASE);
	om_table_lock(sys, t);
	assert_int_equal(t->mapcount, 0);

	/* Entries in use are counted, whatever they hold. */
	om_entry_install(sys, t, 0, om_pte_mkswap(9));
	om_entry_install(sys, t, 1, om_pte_mkfile(9));
	om_entry_install(sys, t, 2, ENTRY(PROT_RW));
	assert_int_equal(t->mapcount, 3);
	om_entry_install(sys, t, 0, ENTRY(OM_PROT_READ)); /* in the place of the swap entry */
	assert_int_equal(t->mapcount, 3);
	assert_int_equal(om_entry_get(sys, t, 0), ENTRY(OM_PROT_READ));
	assert_int_equal(om_entry_get(sys, t, 4), 0);

	old = om_entry_take(sys, t, 0, om_pte_mkswap(9));
	assert_int_equal(old, ENTRY(OM_PROT_READ));
	assert_int_equal(t->mapcount, 3);
	old = om_entry_take(sys, t, 0, 0);
	assert_true(om_pte_is_swap(old) && om_pte_slot(old) == 9);
	assert_int_equal(t->mapcount, 2);
	assert_int_equal(om_entry_take(sys, t, 0, 0), 0);
	assert_int_equal(t->mapcount, 2);

	/* Each change gives the old entry back and keeps what is not its business. */
	om_entry_use(sys, t, 2, false);
	assert_int_equal(om_entry_get(sys, t, 2), om_pte_mkyoung(ENTRY(PROT_RW)));
	om_entry_use(sys, t, 2, true);
	assert_int_equal(om_entry_protect(sys, t, 2, PROT_RX), USED(ENTRY(PROT_RW)));
	assert_int_equal(om_entry_protect(sys, t, 2, 0), USED(ENTRY(PROT_RX)));
	assert_true(om_pte_present(om_entry_get(sys, t, 2)));
	assert_int_equal(om_entry_protect(sys, t, 2, PROT_RW), USED(ENTRY(0)));
	assert_int_equal(om_entry_wrprotect(sys, t, 2), USED(ENTRY(PROT_RW)));
	assert_int_equal(om_entry_get(sys, t, 2), USED(ENTRY(OM_PROT_READ)));
	assert_int_equal(om_entry_age(sys, t, 2), USED(ENTRY(OM_PROT_READ)));
	assert_int_equal(om_entry_get(sys, t, 2), om_pte_mkdirty(ENTRY(OM_PROT_READ)));
	assert_int_equal(om_entry_replace(sys, t, 2, USED(ENTRY(PROT_RW))),
	                 om_pte_mkdirty(ENTRY(OM_PROT_READ)));
	assert_int_equal(om_entry_clean(sys, t, 2), USED(ENTRY(PROT_RW)));
	assert_int_equal(om_entry_get(sys, t, 2), om_pte_mkyoung(ENTRY(OM_PROT_READ)));
	assert_int_equal(t->mapcount, 2);

	expect_bug("I9", om_entry_install(sys, t, 2, ENTRY(PROT_RW)));
	expect_bug("I9", om_entry_replace(sys, t, 9, ENTRY(PROT_RW)));
	om_table_unlock(sys, t);
	if (OM_DEBUG) {
		expect_bug("I9", om_entry_take(sys, t, 2, 0));
		expect_bug("I9", om_entry_install(sys, t, 9, ENTRY(PROT_RW)));
		expect_bug("I9", om_entry_age(sys, t, 2));
	}
	om_mm_read_unlock(mm);
	unit_system_free(sys);
}

/* What must be flushed (I9), as a table. */
static void test_flush_owed(void **state)
{
	const om_pte_t r = ENTRY(OM_PROT_READ), rw = ENTRY(PROT_RW), rx = ENTRY(PROT_RX);
	const struct {
		om_pte_t old, now;
		bool owed;
	} row[] = {
	    {0, rw, false},                /* nothing was there */
	    {om_pte_mkswap(3), rw, false}, /* nothing the MMU could use */
	    {om_pte_mkfile(3), om_pte_mkswap(3), false},
	    {r, 0, true}, /* gone */
	    {r, om_pte_mkswap(3), true},
	    {r, om_pte_make(6, OM_PROT_READ), true}, /* another frame */
	    {rw, r, true},                           /* less */
	    {r, rw, false},                          /* more */
	    {rx, rx, false},
	    {USED(rw), USED(r), true},
	};

	(void)state;
	for (size_t i = 0; i < sizeof(row) / sizeof(row[0]); i++)
		assert_int_equal(om_flush_owed(row[i].old, row[i].now), row[i].owed);
}

/* A child that races for the same missing table loses nothing: see om_table_make(). */
static void make_many(void *arg, unsigned i)
{
	struct om_mm *mm = arg;

	for (uintptr_t n = 0; n < 64; n++) {
		om_mm_read_lock(mm);
		unit_check(om_table_make(mm, &mm->own, SPACE_BASE + (n * 7 + i) % 64 * SPAN));
		om_mm_read_unlock(mm);
	}
}

static void test_race(void **state)
{
	struct space s = space_start(256, 0);

	(void)state;
	for (unsigned round = 0; round < 20; round++) {
		unit_threads(4, make_many, s.mm);
		for (uintptr_t n = 0; n < 64; n++)
			assert_non_null(om_table_find(s.mm, span(n)));
		assert_int_equal(om_frames_of_kind(s.mm->sys, OM_KIND_TABLE), tables(s.mm));
		free_all(s.mm);
	}
	space_finish(&s);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(test_make),        cmocka_unit_test(test_make_fails),
	    cmocka_unit_test(test_next),        cmocka_unit_test(test_random),
	    cmocka_unit_test(test_reserve),     cmocka_unit_test(test_free_range),
	    cmocka_unit_test(test_free_in_use), cmocka_unit_test(test_move),
	    cmocka_unit_test(test_entries),     cmocka_unit_test(test_flush_owed),
	    cmocka_unit_test(test_race),
	};

	return unit_run(tests);
}
