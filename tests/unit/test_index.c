/*
 * test_index.c: the index of a file against a plain array, from the first entries to the largest
 * place a word can name; running out of frames at every point; and every node given back.
 */
#include "unit.h"

#include <string.h>

#include "store/index.h"

#define STEPS  100000
#define PLACES 400

struct model {
	struct om_system *sys;
	struct om_index ix;
	uintptr_t place[PLACES]; /* ascending */
	om_ientry_t entry[PLACES];
};

static int compare(const void *a, const void *b)
{
	uintptr_t x = *(const uintptr_t *)a, y = *(const uintptr_t *)b;

	return x < y ? -1 : x > y;
}

/* Places of every order of magnitude, some of them neighbours. */
static void choose_places(struct model *m, uint64_t *seed)
{
	const unsigned bits = sizeof(uintptr_t) * 8;

	for (unsigned i = 0; i < PLACES; i++) {
		uintptr_t r = (uintptr_t)((uint64_t)unit_rand(seed) << 32 | unit_rand(seed));

		m->place[i] = r >> (unit_rand(seed) % bits);
		if (i && i % 3 == 0)
			m->place[i] = m->place[i - 1] + 1;
	}
	for (unsigned i = 0; i < 24; i++)
		m->place[i] = i;
	m->place[24] = 1023;
	m->place[25] = 1024;
	m->place[26] = ((uintptr_t)1 << 20) - 1;
	m->place[27] = (uintptr_t)1 << 20;
	m->place[28] = UINTPTR_MAX - 1;
	m->place[29] = UINTPTR_MAX;
	qsort(m->place, PLACES, sizeof(m->place[0]), compare);
	for (unsigned i = 1; i < PLACES; i++) {
		if (m->place[i] <= m->place[i - 1] && m->place[i - 1] < UINTPTR_MAX)
			m->place[i] = m->place[i - 1] + 1;
	}
}

static struct model *model_new(om_pfn_t frames, uint64_t *seed)
{
	struct model *m = calloc(1, sizeof(*m));

	assert_non_null(m);
	m->sys = unit_system(frames);
	om_index_init(&m->ix);
	choose_places(m, seed);
	return m;
}

static void model_free(struct model *m)
{
	for (unsigned i = 0; i < PLACES; i++) {
		assert_int_equal(om_index_clear(m->sys, &m->ix, m->place[i]), m->entry[i]);
		m->entry[i] = 0;
	}
	assert_int_equal(om_index_root(om_index_top(&m->ix)), OM_NO_PFN);
	unit_assert_all_free(m->sys);
	unit_system_free(m->sys);
	free(m);
}

/* om_index_next() from any place finds what the array has next. */
static void check_next(struct model *m, uintptr_t from)
{
	uintptr_t at = from;
	om_ientry_t e = om_index_next(m->sys, &m->ix, &at);
	unsigned i = 0;

	while (i < PLACES && (m->place[i] < from || !m->entry[i]))
		i++;
	if (i == PLACES) {
		assert_int_equal(e, 0);
	} else {
		assert_int_equal(e, m->entry[i]);
		assert_true(at == m->place[i]);
	}
}

/* While nobody changes anything a peek is as good. */
static void check_peek(struct model *m, uintptr_t i)
{
	om_ientry_t e[40];
	unsigned n = UINTPTR_MAX - i < 39 ? (unsigned)(UINTPTR_MAX - i) + 1 : 40;

	om_index_peek_many(m->sys, &m->ix, i, n, e);
	for (unsigned k = 0; k < n; k++) {
		assert_int_equal(e[k], om_index_get(m->sys, &m->ix, i + k));
		assert_int_equal(e[k], om_index_peek(m->sys, &m->ix, i + k));
	}
}

static void check_all(struct model *m)
{
	for (unsigned i = 0; i < PLACES; i++) {
		assert_int_equal(om_index_get(m->sys, &m->ix, m->place[i]), m->entry[i]);
		check_peek(m, m->place[i]);
		check_peek(m, m->place[i] < 20 ? 0 : m->place[i] - 20);
	}
}

static void test_random(void **state)
{
	uint64_t seed = 1;
	struct model *m = model_new(3000, &seed);

	(void)state;
	for (unsigned step = 0; step < STEPS; step++) {
		/* The tree fills, empties, and fills again. */
		bool filling = step / 2000 % 2 == 0;
		unsigned i = unit_rand(&seed) % PLACES;

		if (unit_rand(&seed) % 3 ? filling : !filling) {
			om_ientry_t e =
			    unit_rand(&seed) % 2 ? om_ientry_page(i) : om_ientry_slot(i);

			assert_int_equal(om_index_set(m->sys, &m->ix, m->place[i], e), 0);
			m->entry[i] = e;
		} else {
			assert_int_equal(om_index_clear(m->sys, &m->ix, m->place[i]), m->entry[i]);
			m->entry[i] = 0;
		}
		i = unit_rand(&seed) % PLACES;
		assert_int_equal(om_index_get(m->sys, &m->ix, m->place[i]), m->entry[i]);
		check_next(m, m->place[i]);
		check_next(m, m->place[i] + 1);
		if (step % 1000 == 0)
			check_all(m);
	}
	model_free(m);
}

/* ---------------------------------------------------------------- peeking ------------------- */

/* At the n-th lock that is taken: a peek takes that of each node before and after it is read. */
static struct {
	struct om_system *sys;
	struct om_index *ix;
	uintptr_t place;
	unsigned at;
	struct om_page *got[8];
} meddler;

/* The entry is cleared, its nodes are freed, and their frames full of what looks like entries. */
static struct om_held *meddle(void *ctx)
{
	if (meddler.at && !unit_ops.held(ctx)->depth && !--meddler.at) {
		om_index_clear(meddler.sys, meddler.ix, meddler.place);
		for (unsigned i = 0; i < 8; i++) {
			meddler.got[i] = om_frame_get(meddler.sys, OM_KIND_USER, 0);
			memset(om_page_ptr(meddler.sys, meddler.got[i]), 0xfe, OM_PAGE_SIZE);
		}
	}
	return unit_ops.held(ctx);
}

/* Peek at a place whose nodes go before the n-th lock. False: that is after the last one. */
static bool peek_and_meddle(struct om_system *sys, unsigned n)
{
	struct om_index ix;
	om_ientry_t e;

	om_index_init(&ix);
	assert_int_equal(om_index_set(sys, &ix, 3 << 10, om_ientry_page(1)), 0);
	assert_int_equal(om_index_set(sys, &ix, 5 << 20, om_ientry_page(2)), 0);
	meddler.sys = sys;
	meddler.ix = &ix;
	meddler.place = 5 << 20;
	meddler.at = n;
	e = om_index_peek(sys, &ix, 5 << 20);
	if (meddler.at) {
		meddler.at = 0;
		assert_int_equal(e, om_ientry_page(2));
		om_index_clear(sys, &ix, 5 << 20);
		om_index_clear(sys, &ix, 3 << 10);
		return false;
	}
	assert_int_equal(e, 0);
	for (unsigned i = 0; i < 8; i++)
		om_frame_release(sys, meddler.got[i]);
	assert_int_equal(om_index_get(sys, &ix, 3 << 10), om_ientry_page(1));
	om_index_clear(sys, &ix, 3 << 10);
	return true;
}

/* Nodes that are freed, and become anything, under the eyes of who peeks. */
static void test_peek_at_freed_nodes(void **state)
{
	struct om_system *sys = unit_system(20);
	struct om_port_ops ops = unit_ops;
	unsigned n = 1;

	(void)state;
	ops.held = meddle;
	sys->hooks.ops = &ops;
	while (OM_DEBUG && peek_and_meddle(sys, n))
		n++;
	/* There are three levels. */
	assert_int_equal(n, OM_DEBUG ? 7 : 1);
	sys->hooks.ops = &unit_ops;
	unit_assert_all_free(sys);
	unit_system_free(sys);
}

static void test_encoding(void **state)
{
	(void)state;
	assert_false(om_ientry_is_page(0));
	assert_false(om_ientry_is_slot(0));
	for (uint32_t v = 0; v < 0x20000000; v = v * 2 + 1) {
		assert_true(om_ientry_is_page(om_ientry_page(v)));
		assert_false(om_ientry_is_slot(om_ientry_page(v)));
		assert_int_equal(om_ientry_value(om_ientry_page(v)), v);
		assert_true(om_ientry_is_slot(om_ientry_slot(v)));
		assert_false(om_ientry_is_page(om_ientry_slot(v)));
		assert_int_equal(om_ientry_value(om_ientry_slot(v)), v);
	}
}

/* A small file needs no node, and the nodes of a large one go with its last entry. */
static void test_nodes(void **state)
{
	struct om_system *sys = unit_system(20);
	struct om_index ix;
	unsigned levels = sizeof(uintptr_t) == 8 ? 7 : 4;

	(void)state;
	om_index_init(&ix);
	for (om_pfn_t i = 1; i <= 20; i++) /* of the last owner */
		om_page_of(sys, i)->slot = 20;
	for (uintptr_t i = 0; i < OM_INDEX_DIRECT; i++)
		assert_int_equal(om_index_set(sys, &ix, i, om_ientry_page(7)), 0);
	assert_int_equal(atomic_load(&sys->free.n), 20);
	assert_int_equal(om_index_nodes(sys, &ix), 0);
	assert_int_equal(om_index_set(sys, &ix, 16, om_ientry_page(8)), 0);
	assert_int_equal(om_index_set(sys, &ix, 1023, om_ientry_page(9)), 0);
	assert_int_equal(atomic_load(&sys->free.n), 19);
	assert_int_equal(om_index_set(sys, &ix, UINTPTR_MAX, om_ientry_page(9)), 0);
	assert_int_equal(atomic_load(&sys->free.n), 20 - 2 * levels + 1);
	assert_int_equal(om_index_nodes(sys, &ix), 2 * levels - 1);
	assert_int_equal(om_index_clear(sys, &ix, UINTPTR_MAX), om_ientry_page(9));
	assert_int_equal(atomic_load(&sys->free.n), 20 - levels);
	assert_int_equal(om_index_nodes(sys, &ix), levels);
	assert_int_equal(om_index_clear(sys, &ix, 16), om_ientry_page(8));
	assert_int_equal(om_index_clear(sys, &ix, 1023), om_ientry_page(9));
	assert_int_equal(om_index_clear(sys, &ix, 1023), 0);
	assert_int_equal(atomic_load(&sys->free.n), 20);
	for (uintptr_t i = 0; i < OM_INDEX_DIRECT; i++)
		assert_int_equal(om_index_clear(sys, &ix, i), om_ientry_page(7));
	unit_assert_all_free(sys);
	unit_system_free(sys);
}

/* Leave n frames free. */
static om_pfn_t occupy(struct om_system *sys, om_pfn_t n, struct om_page **kept)
{
	om_pfn_t got = 0;

	while (atomic_load(&sys->free.n) > n)
		kept[got++] = om_frame_get(sys, OM_KIND_USER, 0);
	return got;
}

static void give_back(struct om_system *sys, om_pfn_t n, struct om_page **kept)
{
	while (n)
		om_frame_release(sys, kept[--n]);
}

/* With too few frames nothing changes; with just enough it works. */
static void test_no_frames(void **state)
{
	static const uintptr_t before[] = {3, 20, 5000, 3000000, UINTPTR_MAX / 2};
	struct om_system *sys = unit_system(40);
	struct om_page *kept[40];
	struct om_index ix, copy;

	(void)state;
	for (unsigned b = 0; b < 5; b++) {
		om_pfn_t spare, n;
		int err;

		om_index_init(&ix);
		assert_int_equal(om_index_set(sys, &ix, before[b], om_ientry_page(1)), 0);
		for (spare = 0, err = -OM_ENOFRAME; err; spare++) {
			copy = ix;
			n = occupy(sys, spare, kept);
			err = om_index_set(sys, &ix, UINTPTR_MAX, om_ientry_page(2));
			give_back(sys, n, kept);
			if (!err)
				break;
			assert_int_equal(err, -OM_ENOFRAME);
			assert_memory_equal(&ix, &copy, sizeof(ix));
			assert_int_equal(om_index_get(sys, &ix, before[b]), om_ientry_page(1));
			assert_int_equal(om_index_get(sys, &ix, UINTPTR_MAX), 0);
		}
		assert_true(spare > 0);
		assert_int_equal(om_index_get(sys, &ix, before[b]), om_ientry_page(1));
		/* Replacing needs nothing. */
		n = occupy(sys, 0, kept);
		assert_int_equal(om_index_set(sys, &ix, UINTPTR_MAX, om_ientry_slot(3)), 0);
		give_back(sys, n, kept);
		assert_int_equal(om_index_clear(sys, &ix, UINTPTR_MAX), om_ientry_slot(3));
		assert_int_equal(om_index_clear(sys, &ix, before[b]), om_ientry_page(1));
		unit_assert_all_free(sys);
	}
	unit_system_free(sys);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(test_encoding),
	    cmocka_unit_test(test_nodes),
	    cmocka_unit_test(test_peek_at_freed_nodes),
	    cmocka_unit_test(test_random),
	    cmocka_unit_test(test_no_frames),
	};

	return unit_run(tests);
}
