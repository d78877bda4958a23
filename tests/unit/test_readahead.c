/*
 * test_readahead.c: which pages are read with the one that is missed, by the transfers that the
 * store sees.
 */
#include "space.h"

#include "page/put.h"
#include "reclaim/reclaim.h"
#include "store/mapping.h"

#define PAGES 1024
#define MAX   OM_TRANSFER_MAX

/* ---------------------------------------------------------------- a store that takes notes -- */

static struct note {
	uint64_t first;
	unsigned n, left_out;
} note[256];
static unsigned nr_notes;
static uint64_t bad_page; /* transfers with this page fail */

static int note_read(void *store, uint64_t first, unsigned n, void *const frame[])
{
	struct note *t = &note[nr_notes++];
	bool bad = false;

	(void)store;
	assert_in_range(nr_notes, 1, 255);
	assert_in_range(n, 1, OM_TRANSFER_MAX);
	assert_non_null(frame[0]);
	assert_non_null(frame[n - 1]);
	*t = (struct note){first, n, 0};
	for (unsigned i = 0; i < n; i++) {
		t->left_out += !frame[i];
		bad |= frame[i] && first + i == bad_page;
		if (frame[i])
			memset(frame[i], (int)((first + i) % 251 + 1), OM_PAGE_SIZE);
	}
	return bad ? -OM_EIO : 0;
}

static const struct om_store_ops note_ops = {.read = note_read, .read_gap = 2};
static const struct om_store_ops plain_ops = {.read = note_read};

static struct om_mapping *start(struct space *s, const struct om_store_ops *ops, om_pfn_t frames)
{
	struct om_mapping *m;

	*s = space_start(frames, 0);
	nr_notes = 0;
	bad_page = UINT64_MAX;
	assert_int_equal(om_mapping_create(s->sys, ops, NULL, PAGES << OM_PAGE_SHIFT, &m), 0);
	return m;
}

static void finish(struct space *s, struct om_mapping *m)
{
	space_check(s);
	om_mapping_put(m);
	space_finish(s);
}

/* read() one byte of a page. */
static void get(struct om_mapping *m, uintptr_t index)
{
	unsigned char byte = 0;

	assert_int_equal(om_mapping_read(m, ((uint64_t)index << OM_PAGE_SHIFT) + 9, &byte, 1, NULL),
	                 0);
	assert_int_equal(byte, index % 251 + 1);
}

/* Since the last call there were these transfers: {first, n}, ...; n 0 ends the list. */
static void expect_notes(const struct note *want)
{
	for (unsigned i = 0; i < nr_notes; i++, want++) {
		assert_int_equal(note[i].first, want->first);
		assert_int_equal(note[i].n, want->n);
		assert_int_equal(note[i].left_out, want->left_out);
	}
	assert_int_equal(want->n, 0);
	nr_notes = 0;
}
#define EXPECT(...)      expect_notes((const struct note[]){__VA_ARGS__, {0, 0, 0}})
#define EXPECT_NOTHING() expect_notes((const struct note[]){{0, 0, 0}})

/* ---------------------------------------------------------------- read() -------------------- */

/* From the beginning on, windows grow to the largest, whatever a call asks for at a time. */
static void test_in_order(void **state)
{
	struct space s;
	struct om_mapping *m = start(&s, &note_ops, 2 * PAGES);

	(void)state;
	for (uintptr_t i = 0; i < 4 + 8 + 16 + 32 + MAX + MAX; i++)
		get(m, i);
	EXPECT({0, 4, 0}, {4, 8, 0}, {12, 16, 0}, {28, 32, 0}, {60, MAX, 0}, {60 + MAX, MAX, 0});
	assert_int_equal(space_event(s.sys, OM_EV_FILE_RA), 60 + 2 * MAX - 6);
	assert_int_equal(space_event(s.sys, OM_EV_FILE_RA_HIT), 60 + 2 * MAX - 6);
	assert_int_equal(space_event(s.sys, OM_EV_PGPGIN), 60 + 2 * MAX);
	finish(&s, m);
}

/* From anywhere on, too, and up to the end. */
static void test_middle(void **state)
{
	struct space s;
	struct om_mapping *m = start(&s, &note_ops, 2 * PAGES);

	(void)state;
	for (uintptr_t i = PAGES - 21; i < PAGES; i++)
		get(m, i);
	EXPECT({PAGES - 21, 1, 0}, {PAGES - 20, 4, 0}, {PAGES - 16, 8, 0}, {PAGES - 8, 8, 0});
	finish(&s, m);
}

static void test_backwards(void **state)
{
	struct space s;
	struct om_mapping *m = start(&s, &note_ops, 2 * PAGES);

	(void)state;
	for (uintptr_t i = 40; i-- > 0;)
		get(m, i);
	EXPECT({39, 1, 0}, {35, 4, 0}, {27, 8, 0}, {11, 16, 0}, {0, 11, 0});
	finish(&s, m);
}

/* One page, and no other. */
static void test_random(void **state)
{
	struct space s;
	struct om_mapping *m = start(&s, &note_ops, 2 * PAGES);

	(void)state;
	for (uintptr_t i = 1; i < 200; i++) {
		get(m, i * 389 % PAGES);
		EXPECT({i * 389 % PAGES, 1, 0});
	}
	assert_int_equal(space_event(s.sys, OM_EV_FILE_RA), 0);
	finish(&s, m);
}

/* What a call asks for comes in one transfer, and is not read ahead. */
static void test_large_calls(void **state)
{
	struct space s;
	struct om_mapping *m = start(&s, &note_ops, 2 * PAGES);
	static char buf[2 * MAX * SIM_PAGE_SIZE];

	(void)state;
	assert_int_equal(om_mapping_read(m, 5 * SIM_PAGE_SIZE + 1, buf, 6 * SIM_PAGE_SIZE, NULL),
	                 0);
	EXPECT({5, 7, 0});
	assert_int_equal(space_event(s.sys, OM_EV_FILE_RA), 0);
	assert_int_equal(om_mapping_read(m, 12 * SIM_PAGE_SIZE, buf, 3 * SIM_PAGE_SIZE, NULL), 0);
	EXPECT({12, 14, 0});
	assert_int_equal(om_mapping_read(m, 500 * SIM_PAGE_SIZE, buf, sizeof(buf), NULL), 0);
	EXPECT({500, MAX, 0}, {500 + MAX, MAX, 0});
	finish(&s, m);
}

/* Several readers, and a random one among them, do not disturb each other. */
static void test_readers(void **state)
{
	struct space s;
	struct om_mapping *m = start(&s, &note_ops, 2 * PAGES);
	const unsigned bound = 2 * 5 + 60;

	(void)state;
	for (uintptr_t i = 0; i < 60; i++) {
		get(m, 100 + i);
		get(m, 499 - i);
		get(m, 600 + i * 97 % 397);
	}
	/* 1 + 4 + 8 + 16 + 32 of each stream. */
	assert_in_range(nr_notes, 10, bound);
	nr_notes = 0;
	finish(&s, m);
}

/* ---------------------------------------------------------------- what is there already ----- */

/* Pages that are there neither end a stream nor split a window, unless there are too many. */
static void test_gaps(void **state)
{
	struct space s;
	struct om_mapping *m = start(&s, &note_ops, 2 * PAGES);

	(void)state;
	get(m, 107);
	get(m, 101);
	get(m, 114);
	get(m, 110);
	EXPECT({107, 1, 0}, {101, 1, 0}, {114, 1, 0}, {110, 1, 0});
	get(m, 99);
	get(m, 100); /* 4 pages, 101 is there */
	get(m, 104); /* 8, with 107 and 110; the next goes on where the last has ended */
	EXPECT({99, 1, 0}, {100, 4, 1}, {104, 8, 2});
	for (uintptr_t i = 105; i < 128; i++)
		get(m, i);
	EXPECT({112, 16, 1});
	finish(&s, m);
}

static void test_gap_too_long(void **state)
{
	struct space s;
	struct om_mapping *m = start(&s, &note_ops, 2 * PAGES);
	static char buf[3 * SIM_PAGE_SIZE];

	(void)state;
	assert_int_equal(om_mapping_read(m, 6 * SIM_PAGE_SIZE, buf, sizeof(buf), NULL), 0);
	EXPECT({6, 3, 0});
	for (uintptr_t i = 0; i < 20; i++)
		get(m, i);
	/* 6-8 are passed by: the stream goes on behind them. */
	EXPECT({0, 4, 0}, {4, 2, 0}, {9, 16, 0});
	finish(&s, m);
}

/* A store that can leave out nothing is never asked to. */
static void test_no_gap(void **state)
{
	struct space s;
	struct om_mapping *m = start(&s, &plain_ops, 2 * PAGES);

	(void)state;
	get(m, 2);
	for (uintptr_t i = 0; i < 10; i++)
		get(m, i);
	EXPECT({2, 1, 0}, {0, 2, 0}, {3, 8, 0});
	finish(&s, m);
}

/* ---------------------------------------------------------------- mappings ------------------ */

/* The block around, wherever in it; then, in order, larger windows. */
static void test_mapped(void **state)
{
	struct space s;
	struct om_mapping *m = start(&s, &note_ops, 2 * PAGES);

	(void)state;
	space_map_file(&s, 0, PAGES, R, 0, m, 0);
	space_get(&s, s.mm, 300);
	EXPECT({288, 32, 0});
	space_get(&s, s.mm, 319);
	EXPECT_NOTHING();
	for (uintptr_t i = 320; i < 320 + MAX; i++)
		space_get(&s, s.mm, i);
	EXPECT({320, MAX, 0});
	space_get(&s, s.mm, 287);
	EXPECT({288 - MAX, MAX, 0});
	space_random(&s, 800, 100);
	space_get(&s, s.mm, 801);
	EXPECT({801, 1, 0});
	assert_int_equal(om_madvise(s.mm, at(600), 100 << OM_PAGE_SHIFT, OM_MADV_SEQUENTIAL), 0);
	space_get(&s, s.mm, 610);
	EXPECT({610, 32, 0});
	finish(&s, m);
}

/* Take all pages of the file away, none of which was used since. */
static void evict_all(struct space *s, struct om_mapping *m)
{
	assert_int_equal(om_munmap(s->mm, at(0), PAGES << OM_PAGE_SHIFT), 0);
	for (unsigned i = 0; m->nr_pages && i < 1000; i++)
		om_reclaim_step(s->sys, 32);
	assert_int_equal(m->nr_pages, 0);
	space_map_file(s, 0, PAGES, R, 0, m, 0);
}

/* Where pages leave unused, blocks shrink to the page; where single pages fill one, it is read. */
static void test_does_not_pay(void **state)
{
	struct space s;
	struct om_mapping *m = start(&s, &note_ops, 2 * PAGES);

	(void)state;
	space_map_file(&s, 0, PAGES, R, 0, m, 0);
	for (uintptr_t i = 0; i < 10; i++)
		space_get(&s, s.mm, 64 * i + 17);
	assert_int_equal(note[9].n, 32);
	nr_notes = 0;
	evict_all(&s, m);
	assert_int_equal(space_event(s.sys, OM_EV_FILE_RA_MISS), 310);
	for (uintptr_t i = 0; i < 11; i++) {
		space_get(&s, s.mm, 300 + 2 * i);
		EXPECT({300 + 2 * i, 1, 0});
	}
	space_get(&s, s.mm, 289);
	assert_int_equal(note[0].first, 288);
	assert_int_equal(note[0].n, 32);
	nr_notes = 0;
	/* And it pays again when what was read has been used. */
	for (uintptr_t round = 0; round < 3; round++)
		for (uintptr_t i = 0; i < PAGES / 2; i++)
			get(m, i);
	nr_notes = 0;
	space_get(&s, s.mm, 900);
	EXPECT({896, 32, 0});
	finish(&s, m);
}

/* Where all that was read ahead was used, that one more was does not write the mapping. */
static void test_certain(void **state)
{
	struct space s;
	struct om_mapping *m = start(&s, &note_ops, 2 * PAGES);
	unsigned used;

	(void)state;
	for (uintptr_t i = 0; i < PAGES / 2; i++)
		get(m, i);
	used = atomic_load(&m->readahead.used);
	assert_int_equal(used, 64);
	assert_int_equal(atomic_load(&m->readahead.wasted), 0);
	assert_true(space_event(s.sys, OM_EV_FILE_RA_HIT) > 2 * used);
	finish(&s, m);
}

/* ---------------------------------------------------------------- memory, errors ------------ */

/* Half of what is free above the reserve, and nothing of that. */
static void test_memory(void **state)
{
	struct space s;
	struct om_mapping *m = start(&s, &note_ops, 256);
	om_pfn_t free;

	(void)state;
	get(m, 99);
	get(m, 100);
	get(m, 104);
	EXPECT({99, 1, 0}, {100, 4, 0}, {104, 8, 0});
	free = atomic_load(&s.sys->free.n);
	unit_set_reserve(s.sys, free - 1 - 10);
	get(m, 112);
	EXPECT({112, 6, 0});
	unit_set_reserve(s.sys, atomic_load(&s.sys->free.n) - 2);
	get(m, 118);
	EXPECT({118, 1, 0});
	/* A window downwards keeps its upper end. */
	get(m, 209);
	get(m, 208);
	nr_notes = 0;
	unit_set_reserve(s.sys, atomic_load(&s.sys->free.n) - 1 - 4);
	get(m, 204);
	EXPECT({202, 3, 0});
	unit_set_reserve(s.sys, 0);
	finish(&s, m);
}

/* A bad page harms who asks for it, and nobody else; those that came with it have gone. */
static void test_errors(void **state)
{
	struct space s;
	struct om_mapping *m = start(&s, &note_ops, 2 * PAGES);
	unsigned char byte;

	(void)state;
	bad_page = 7;
	for (uintptr_t i = 0; i < 7; i++)
		get(m, i);
	/* 4-11 cannot be read, 4 alone can; then 5-8 cannot, and so on. */
	assert_int_equal(note[1].n, 8);
	assert_int_equal(note[2].first, 4);
	assert_int_equal(note[2].n, 1);
	assert_int_equal(om_mapping_read(m, 7 * SIM_PAGE_SIZE, &byte, 1, NULL), -OM_EIO);
	assert_int_equal(m->nr_pages, 7);
	assert_int_equal(space_event(s.sys, OM_EV_FILE_RA), 3);
	for (uintptr_t i = 8; i < 40; i++)
		get(m, i);
	assert_int_equal(space_event(s.sys, OM_EV_FILE_RA_MISS), 0);
	finish(&s, m);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(test_in_order),     cmocka_unit_test(test_middle),
	    cmocka_unit_test(test_backwards),    cmocka_unit_test(test_random),
	    cmocka_unit_test(test_large_calls),  cmocka_unit_test(test_readers),
	    cmocka_unit_test(test_gaps),         cmocka_unit_test(test_gap_too_long),
	    cmocka_unit_test(test_no_gap),       cmocka_unit_test(test_mapped),
	    cmocka_unit_test(test_does_not_pay), cmocka_unit_test(test_certain),
	    cmocka_unit_test(test_memory),       cmocka_unit_test(test_errors),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
