/*
 * test_uses.c: which page each access of a recording means, and what ways to choose victims make of it.
 */
#include "unit.h"

#include <string.h>

#include "../../trace/play.h"

/* ---------------------------------------------------------------- slow, and so simple -------- */

#define PAGES  6
#define LENGTH 11

/* A page in memory, or 0: free. Page numbers here are one more than those in `u`. */
struct memory {
	unsigned frame[3], frames;
	bool out[PAGES + 1]; /* has been in memory, and lost its place */
};

static unsigned *place_of(struct memory *m, unsigned page)
{
	for (unsigned i = 0; i < m->frames; i++)
		if (m->frame[i] == page)
			return &m->frame[i];
	return NULL;
}

/* The fewest misses from use `i` on, by trying every victim. */
static uint64_t fewest(const struct uses *u, size_t i, struct memory m)
{
	unsigned page, *place;
	uint64_t best = UINT64_MAX, miss;

	if (i == u->n)
		return 0;
	page = u->use[i] / 2 + 1;
	place = place_of(&m, page);
	if (u->use[i] & 1) {
		if (place)
			*place = 0;
		m.out[page] = false;
		return fewest(u, i + 1, m);
	}
	if (place)
		return fewest(u, i + 1, m);
	miss = m.out[page];
	m.out[page] = false;
	for (unsigned f = 0; f < m.frames; f++) {
		struct memory next = m;
		uint64_t n;

		if (place_of(&m, 0) && m.frame[f])
			continue;
		next.out[m.frame[f]] = m.frame[f];
		next.frame[f] = page;
		n = miss + fewest(u, i + 1, next);
		best = n < best ? n : best;
	}
	return best;
}

/* Has the page been in memory, and so many others been used since? All of them are still there. */
static uint64_t slow_lru(const struct uses *u, size_t frames)
{
	uint64_t misses = 0;

	for (size_t i = 0; i < u->n; i++) {
		bool seen[PAGES] = {false}, before = false;
		size_t others = 0;

		if (u->use[i] & 1)
			continue;
		for (size_t j = i; j-- > 0 && !before;) {
			uint32_t page = u->use[j] / 2;

			before = page == u->use[i] / 2;
			others += !before && !seen[page];
			seen[page] = true;
		}
		misses += before && others >= frames;
	}
	return misses;
}

/* ---------------------------------------------------------------- policies ------------------ */

static struct uses random_uses(uint32_t *seed, bool with_gone)
{
	struct uses u = {0};
	bool gone[PAGES] = {false};

	for (unsigned i = 0; i < PAGES; i++)
		uses_new_page(&u, i & 1);
	for (unsigned i = 0; i < LENGTH; i++) {
		uint32_t page = (*seed = *seed * 1664525u + 1013904223u) >> 16,
		         what = page >> 8 & 7;

		page %= PAGES;
		if (gone[page])
			continue;
		gone[page] = with_gone && !what;
		if (gone[page])
			uses_add_gone(&u, page);
		else
			uses_add(&u, page);
	}
	return u;
}

static void test_optimum(void **state)
{
	uint32_t seed = 1;

	(void)state;
	for (unsigned turn = 0; turn < 600; turn++) {
		struct uses u = random_uses(&seed, turn & 1);
		unsigned frames = 1 + turn % 3;
		uint64_t best = policy_optimum(&u, frames);

		assert_int_equal(best, fewest(&u, 0, (struct memory){.frames = frames}));
		assert_true(best <= policy_lru(&u, frames));
		assert_true(best <= policy_two_lists(&u, frames));
		uses_free(&u);
	}
}

static void test_lru(void **state)
{
	uint32_t seed = 2;

	(void)state;
	for (unsigned turn = 0; turn < 600; turn++) {
		struct uses u = random_uses(&seed, false);

		assert_int_equal(policy_lru(&u, 1 + turn % 3), slow_lru(&u, 1 + turn % 3));
		uses_free(&u);
	}
}

/* Where there is room for all, nobody misses. */
static void test_room(void **state)
{
	uint32_t seed = 3;

	(void)state;
	for (unsigned turn = 0; turn < 100; turn++) {
		struct uses u = random_uses(&seed, true);

		assert_int_equal(policy_lru(&u, PAGES), 0);
		assert_int_equal(policy_two_lists(&u, PAGES), 0);
		assert_int_equal(policy_optimum(&u, PAGES), 0);
		uses_free(&u);
	}
}

/*
 * Some pages are in use for a while, then many others are used once: exact LRU loses the first to the
 * others each time; with two lists they have become active, and stay.
 */
static void test_scan(void **state)
{
	const uint32_t hot = 8, frames = 24, turns = 20;
	struct uses u = {0};

	(void)state;
	for (uint32_t i = 0; i < hot; i++)
		uses_new_page(&u, false);
	for (uint32_t turn = 0; turn < turns; turn++) {
		for (uint32_t i = 0; i < 2 * frames * hot; i++)
			uses_add(&u, i % hot       ? i % hot
			             : i / hot % 2 ? 0
			                           : uses_new_page(&u, false));
		for (uint32_t i = 0; i < 2 * frames; i++)
			uses_add(&u, uses_new_page(&u, false));
	}
	assert_int_equal(policy_lru(&u, frames), (turns - 1) * hot);
	assert_int_equal(policy_two_lists(&u, frames), 0);
	assert_int_equal(policy_optimum(&u, frames), 0);
	uses_free(&u);
}

/* ---------------------------------------------------------------- which page ---------------- */

static struct play *p;

static void op(enum trace_op what, unsigned space, uint64_t addr, uint64_t a, uint64_t b)
{
	struct trace_record r = {.op = what, .space = space, .addr = addr, .arg = {a, b}};

	if (play(p, &r))
		fail_msg("%s", play_error(p));
}

/* The uses since the last call, as text: each is the number of the page, "-" before it: gone. */
static void expect(const char *wanted)
{
	static size_t from;
	char got[128] = "", *end = got;

	if (!wanted) {
		from = 0;
		return;
	}
	for (; from < p->uses.n; from++)
		end += snprintf(end, sizeof(got) - (size_t)(end - got), "%s%u ",
		                p->uses.use[from] & 1 ? "-" : "", p->uses.use[from] / 2);
	assert_string_equal(got, wanted);
}

/* A page goes with parent and child, until one writes; what is unmapped, advised away or left is gone. */
static void test_fork(void **state)
{
	(void)state;
	p = play_open(&(struct play_config){.frames = 1024, .check = true, .uses = true});
	expect(NULL);
	op(TRACE_START, 0, 0, 0, 0);
	op(TRACE_MAP, 0, 0x1000, 8, 3);
	op(TRACE_FAULT, 0, 0x1000, TRACE_READ, 0);
	expect(""); /* zeros are nobody's */
	op(TRACE_FAULT, 0, 0x1000, TRACE_WRITE, 0);
	op(TRACE_FAULT, 0, 0x1001, TRACE_WRITE, 0);
	op(TRACE_FAULT, 0, 0x1000, TRACE_READ, 0);
	expect("0 1 0 ");
	op(TRACE_FORK, 0, 0, 1, 0);
	op(TRACE_FAULT, 1, 0x1000, TRACE_READ, 0);
	op(TRACE_FAULT, 1, 0x1001, TRACE_WRITE, 0);
	expect("0 1 2 "); /* the copy is read from the old one */
	op(TRACE_FAULT, 0, 0x1001, TRACE_WRITE, 0);
	expect("1 "); /* alone again */
	op(TRACE_REMAP, 0, 0x1000, 2, 2);
	op(TRACE_ADVISE, 1, 0x1001, 1, OM_MADV_DONTNEED);
	expect("-2 ");
	op(TRACE_UNMAP, 0, 0x1000, 2, 0);
	expect("-1 ");
	op(TRACE_EXIT, 1, 0, 0, 0);
	expect("-0 ");
	assert_int_equal(play_verify(p), 0);
	play_close(p);
}

/* Pages of files are one for all, until a private one is written. */
static void test_files(void **state)
{
	struct trace_record map = {.op = TRACE_MAP, .addr = 0x1000, .arg = {4, 3, 0, 1, 8}};

	(void)state;
	p = play_open(&(struct play_config){.frames = 1024, .check = true, .uses = true});
	expect(NULL);
	op(TRACE_START, 0, 0, 0, 0);
	op(TRACE_FILE, 0, 0, 0, 0);
	assert_int_equal(play(p, &map), 0);
	map.addr = 0x2000;
	map.arg[2] = TRACE_MAP_SHARED;
	assert_int_equal(play(p, &map), 0);
	op(TRACE_FAULT, 0, 0x1001, TRACE_READ, 0);
	op(TRACE_FAULT, 0, 0x2001, TRACE_WRITE, 0);
	expect("0 0 ");
	op(TRACE_FAULT, 0, 0x1001, TRACE_WRITE, 0);
	op(TRACE_FAULT, 0, 0x1001, TRACE_READ, 0);
	op(TRACE_FAULT, 0, 0x2001, TRACE_READ, 0);
	expect("0 1 1 0 ");
	assert_true(p->uses.page[0].stored);
	assert_false(p->uses.page[1].stored);
	op(TRACE_UNMAP, 0, 0x2000, 4, 0);
	expect("");
	op(TRACE_UNMAP, 0, 0x1000, 4, 0);
	expect("-1 ");
	assert_int_equal(p->count.waits, 1);
	assert_int_equal(p->count.waits_again, 0);
	play_close(p);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(test_optimum), cmocka_unit_test(test_lru),
	    cmocka_unit_test(test_room),    cmocka_unit_test(test_scan),
	    cmocka_unit_test(test_fork),    cmocka_unit_test(test_files),
	};

	return unit_run(tests);
}
