/*
 * test_runs.c: runs of free frames: which blocks are taken first, and the bits, counts and lists
 * against a plain model.
 */
#include <string.h>

#include "unit.h"

#include "page/runs.h"

#define RUNS   3
#define FRAMES (RUNS * OM_RUN)

/* The page array and the records, and nothing else. No frame is in a run yet. */
static struct om_system *start(void)
{
	struct om_system *sys = unit_system(FRAMES - 1);

	memset(sys->frame_run, 0, om_runs_bytes(FRAMES));
	memset(&sys->runs, 0, sizeof(sys->runs));
	om_runs_init(sys);
	return sys;
}

static void add(struct om_system *sys, om_pfn_t first, om_pfn_t n)
{
	struct om_piece piece = om_piece_range(first, n);

	om_spin_lock(sys, &sys->free.lock, OM_RANK_FREE);
	om_runs_add(sys, &piece);
	om_spin_unlock(sys, &sys->free.lock);
}

static struct om_piece take(struct om_system *sys)
{
	struct om_piece piece;

	om_spin_lock(sys, &sys->free.lock, OM_RANK_FREE);
	piece = om_runs_take(sys);
	om_spin_unlock(sys, &sys->free.lock);
	return piece;
}

static void add_run(struct om_system *sys, unsigned run)
{
	for (om_pfn_t i = 0; i < OM_RUN; i += OM_BLOCK)
		add(sys, run * OM_RUN + i, OM_BLOCK);
}

static void expect(struct om_system *sys, om_pfn_t first, uint64_t frames)
{
	struct om_piece piece = take(sys);

	assert_int_equal(piece.first, first);
	assert_int_equal(piece.frames, frames);
	assert_int_equal(piece.n, om_count_bits(frames));
}

static void test_bits(void **state)
{
	(void)state;
	for (unsigned n = 0; n < 64; n++) {
		assert_int_equal(om_count_bits(~0ull >> n), 64 - n);
		assert_int_equal(om_count_bits(1ull << n), 1);
	}
	assert_int_equal(om_count_bits(0), 0);
	assert_int_equal(om_piece_range(OM_BLOCK, OM_BLOCK).frames, ~0ull);
	assert_int_equal(om_piece_range(OM_BLOCK + 3, 2).frames, 0x18);
	assert_int_equal(om_piece_range(OM_BLOCK + 3, 2).first, OM_BLOCK);
	assert_int_equal(om_piece_range(2 * OM_BLOCK - 1, 1).frames, 1ull << 63);
}

/* Blocks of runs that are in use come first, then whole runs, then what is left of blocks. */
static void test_order(void **state)
{
	struct om_system *sys = start();

	(void)state;
	expect(sys, 0, 0);
	add(sys, 2 * OM_RUN + OM_BLOCK + 5, 10);
	add_run(sys, 0);
	add(sys, OM_RUN + 3 * OM_BLOCK, OM_BLOCK);
	add(sys, OM_RUN + 1, 1);
	expect(sys, OM_RUN + 3 * OM_BLOCK, ~0ull);
	for (om_pfn_t i = 0; i < OM_RUN; i += OM_BLOCK)
		expect(sys, i, ~0ull);
	expect(sys, OM_RUN, 2);
	expect(sys, 2 * OM_RUN + OM_BLOCK, 0x3ff << 5);
	expect(sys, 0, 0);
	assert_int_equal(sys->runs.n, 0);
	unit_system_free(sys);
}

/* A block that is put together again is one, and so is a run. */
static void test_together(void **state)
{
	struct om_system *sys = start();

	(void)state;
	add_run(sys, 1);
	expect(sys, OM_RUN, ~0ull);
	assert_int_equal(om_run_list(&sys->frame_run[1]), OM_RUNS_BLOCKS);
	for (om_pfn_t i = 0; i < OM_BLOCK; i++) {
		assert_int_equal(sys->frame_run[1].whole, OM_RUN / OM_BLOCK - 1);
		add(sys, OM_RUN + i * 11 % OM_BLOCK, 1);
	}
	assert_int_equal(om_run_list(&sys->frame_run[1]), OM_RUNS_WHOLE);
	assert_int_equal(sys->runs.n, OM_RUN);
	expect(sys, OM_RUN, ~0ull);
	unit_system_free(sys);
}

static void test_twice(void **state)
{
	struct om_system *sys = start();

	(void)state;
	add(sys, 7, 3);
	expect_bug("I7", add(sys, 9, 2));
	unit_system_free(sys);
}

/* Pieces are linked in order, the last one first. */
static void test_link(void **state)
{
	struct om_system *sys = start();
	struct om_piece some = om_piece_range(OM_BLOCK + 7, 3), all = om_piece_range(0, OM_BLOCK);
	struct om_bundle b = {.n = 0};
	om_pfn_t pfn;

	(void)state;
	some.frames |= 1ull << 63;
	some.n++;
	om_piece_link(sys, &some, &b);
	assert_int_equal(b.last, 2 * OM_BLOCK - 1);
	om_piece_link(sys, &all, &b);
	assert_int_equal(b.n, OM_BLOCK + 4);
	assert_int_equal(b.last, 2 * OM_BLOCK - 1);
	pfn = b.first;
	for (om_pfn_t i = 0; i < b.n - 1; i++) {
		assert_int_equal(pfn, i < OM_BLOCK ? i : i + 7);
		pfn = om_page_of(sys, pfn)->link.next;
	}
	assert_int_equal(pfn, b.last);
	unit_system_free(sys);
}

/* What the model says of a run. */
static unsigned list_of(const bool *is_free)
{
	unsigned n = 0, whole = 0;

	for (unsigned i = 0; i < OM_RUN; i += OM_BLOCK) {
		unsigned in = 0;

		for (unsigned k = 0; k < OM_BLOCK; k++)
			in += is_free[i + k];
		n += in;
		whole += in == OM_BLOCK;
	}
	if (!n || n == OM_RUN)
		return n ? OM_RUNS_WHOLE : OM_NR_RUN_LISTS;
	return whole ? OM_RUNS_BLOCKS : OM_RUNS_PIECES;
}

/* A block leaves: it is of the best kind that the model has, and all that is free of it. */
static void take_best(struct om_system *sys, bool *is_free)
{
	unsigned best = OM_NR_RUN_LISTS;
	struct om_piece piece;

	for (unsigned run = 0; run < RUNS; run++) {
		unsigned list = list_of(is_free + run * OM_RUN);

		assert_int_equal(om_run_list(&sys->frame_run[run]), list);
		best = list < best ? list : best;
	}
	piece = take(sys);
	assert_int_equal(!piece.n, best == OM_NR_RUN_LISTS);
	if (!piece.n)
		return;
	assert_int_equal(list_of(is_free + piece.first / OM_RUN * OM_RUN), best);
	assert_int_equal(piece.n == OM_BLOCK, best != OM_RUNS_PIECES);
	for (unsigned i = 0; i < OM_BLOCK; i++) {
		assert_int_equal(is_free[piece.first + i], piece.frames >> i & 1);
		is_free[piece.first + i] = false;
	}
}

/* Random pieces come, and the best ones leave. Runs become whole and empty many times. */
static void test_random(void **state)
{
	struct om_system *sys = start();
	static bool is_free[FRAMES];
	uint64_t rand = 1;

	(void)state;
	for (unsigned step = 0; step < 30000; step++) {
		om_pfn_t first = unit_rand(&rand) % FRAMES, n = 1;

		if (unit_rand(&rand) % 1000 < 20) {
			take_best(sys, is_free);
			continue;
		}
		if (is_free[first])
			continue;
		for (; (first + n) % OM_BLOCK && !is_free[first + n]; n++)
			;
		add(sys, first, n);
		memset(is_free + first, true, n);
	}
	while (sys->runs.n)
		take_best(sys, is_free);
	take_best(sys, is_free);
	unit_system_free(sys);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(test_bits),     cmocka_unit_test(test_order),
	    cmocka_unit_test(test_together), cmocka_unit_test(test_twice),
	    cmocka_unit_test(test_link),     cmocka_unit_test(test_random),
	};

	return unit_run(tests);
}
