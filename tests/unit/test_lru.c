/*
 * test_lru.c: the page lists: order, moves, isolation and what may happen to an isolated page
 * meanwhile, locked pages (I12), dead pages (I7), and all of it in threads at once.
 */
#include "page/put.h"
#include "unit.h"

#include "page/frame.h"
#include "page/lru.h"

static uint64_t event(struct om_system *sys, enum om_event ev)
{
	return atomic_load(&sys->shard[0].event[ev]);
}

/* A mapped data page that is on no list yet. */
static struct om_page *new_page(struct om_system *sys, unsigned flags)
{
	struct om_page *page = om_frame_get(sys, OM_KIND_DATA, flags);

	om_frame_lock(sys, page);
	page->mapcount = 1;
	page->holds = 0;
	om_frame_unlock(sys, page);
	return page;
}

/* With the frame lock held, as the contracts want it. */
static void with_lock(struct om_system *sys, struct om_page *page,
                      void (*fn)(struct om_system *sys, struct om_page *page))
{
	om_frame_lock(sys, page);
	fn(sys, page);
	om_frame_unlock(sys, page);
}

static struct om_page *listed_page(struct om_system *sys, unsigned flags)
{
	struct om_page *page = new_page(sys, flags);

	with_lock(sys, page, om_lru_add);
	return page;
}

static void move(struct om_system *sys, struct om_page *page, unsigned set, unsigned clear,
                 bool tail)
{
	om_frame_lock(sys, page);
	om_lru_move(sys, page, set, clear, tail);
	om_frame_unlock(sys, page);
}

/* The last entry goes, as in zap. */
static void unmap(struct om_system *sys, struct om_page *page)
{
	om_frame_lock(sys, page);
	page->mapcount = 0;
	om_page_unlock_or_free(sys, page);
}

static void check_list(struct om_system *sys, enum om_lru_list nr, const om_pfn_t *want, om_pfn_t n)
{
	const struct om_pfn_list *list = &sys->lru[nr];
	om_pfn_t pfn = list->head;

	assert_int_equal(list->count, n);
	for (om_pfn_t i = 0; i < n; i++) {
		assert_int_equal(pfn, want[i]);
		assert_true(om_page_test(om_page_of(sys, pfn), OM_PG_LRU));
		pfn = om_page_of(sys, pfn)->lru.next;
	}
	assert_int_equal(pfn, OM_NO_PFN);
}

#define CHECK_LIST(nr, ...)                                                                        \
	check_list(sys, nr, (const om_pfn_t[]){__VA_ARGS__},                                       \
	           sizeof((const om_pfn_t[]){__VA_ARGS__}) / sizeof(om_pfn_t))
#define CHECK_EMPTY(nr) check_list(sys, nr, NULL, 0)

static void test_lists(void **state)
{
	static const unsigned flags[OM_NR_LRU] = {
	    [OM_LRU_INACTIVE_ANON] = OM_PG_SWAPBACKED,
	    [OM_LRU_ACTIVE_ANON] = OM_PG_SWAPBACKED | OM_PG_ACTIVE,
	    [OM_LRU_INACTIVE_FILE] = 0,
	    [OM_LRU_ACTIVE_FILE] = OM_PG_ACTIVE,
	};
	struct om_system *sys = unit_system(8);
	struct om_page *page;

	(void)state;
	for (unsigned i = 0; i < OM_NR_LRU; i++) {
		listed_page(sys, flags[i]);
		page = listed_page(sys, flags[i]);
		/* A second time changes nothing. */
		with_lock(sys, page, om_lru_add);
		CHECK_LIST(i, 2 * i + 2, 2 * i + 1);
	}
	for (unsigned i = 0; i < OM_NR_LRU; i++) {
		page = om_page_of(sys, 2 * i + 1);
		with_lock(sys, page, om_lru_del);
		with_lock(sys, page, om_lru_del);
		assert_int_equal(om_page_flags(page), flags[i]);
		CHECK_LIST(i, 2 * i + 2);
		unmap(sys, page);
		unmap(sys, om_page_of(sys, 2 * i + 2));
	}
	unit_assert_all_free(sys);
	unit_system_free(sys);
}

static void test_move(void **state)
{
	struct om_system *sys = unit_system(4);
	struct om_page *page[5];

	(void)state;
	for (unsigned i = 1; i <= 3; i++)
		page[i] = listed_page(sys, OM_PG_SWAPBACKED);
	CHECK_LIST(OM_LRU_INACTIVE_ANON, 3, 2, 1);
	move(sys, page[1], OM_PG_ACTIVE, 0, false);
	CHECK_LIST(OM_LRU_INACTIVE_ANON, 3, 2);
	CHECK_LIST(OM_LRU_ACTIVE_ANON, 1);
	move(sys, page[2], OM_PG_ACTIVE, 0, true);
	CHECK_LIST(OM_LRU_ACTIVE_ANON, 1, 2);
	/* Within a list: rotation. */
	move(sys, page[2], 0, 0, false);
	CHECK_LIST(OM_LRU_ACTIVE_ANON, 2, 1);
	/* MADV_FREE: to the tail of the inactive file list; and back. */
	move(sys, page[3], 0, OM_PG_SWAPBACKED | OM_PG_ACTIVE, true);
	move(sys, page[2], 0, OM_PG_SWAPBACKED | OM_PG_ACTIVE, true);
	CHECK_LIST(OM_LRU_INACTIVE_FILE, 3, 2);
	CHECK_EMPTY(OM_LRU_INACTIVE_ANON);
	move(sys, page[3], OM_PG_SWAPBACKED | OM_PG_ACTIVE, 0, false);
	CHECK_LIST(OM_LRU_ACTIVE_ANON, 3, 1);
	/* A page on no list just changes. */
	page[4] = new_page(sys, 0);
	move(sys, page[4], OM_PG_ACTIVE, 0, false);
	assert_int_equal(om_page_flags(page[4]), OM_PG_ACTIVE);
	CHECK_EMPTY(OM_LRU_ACTIVE_FILE);
	for (unsigned i = 1; i <= 4; i++)
		unmap(sys, page[i]);
	unit_assert_all_free(sys);
	unit_system_free(sys);
}

static void test_isolate(void **state)
{
	struct om_system *sys = unit_system(4);
	struct om_page *page[5], *batch[8];

	(void)state;
	assert_int_equal(om_lru_isolate(sys, OM_LRU_INACTIVE_FILE, batch, 8), 0);
	for (unsigned i = 1; i <= 4; i++)
		page[i] = listed_page(sys, 0);
	assert_int_equal(om_lru_isolate(sys, OM_LRU_INACTIVE_FILE, batch, 2), 2);
	assert_ptr_equal(batch[0], page[1]);
	assert_ptr_equal(batch[1], page[2]);
	assert_int_equal(om_page_flags(page[1]), OM_PG_ISOLATED);
	CHECK_LIST(OM_LRU_INACTIVE_FILE, 4, 3);
	/* Isolated pages resist everything but a change of their flags. */
	with_lock(sys, page[1], om_lru_add);
	with_lock(sys, page[1], om_lru_del);
	move(sys, page[2], OM_PG_ACTIVE, 0, true);
	CHECK_LIST(OM_LRU_INACTIVE_FILE, 4, 3);
	om_lru_putback(sys, page[1]);
	om_lru_putback(sys, page[2]);
	CHECK_LIST(OM_LRU_INACTIVE_FILE, 1, 4, 3);
	CHECK_LIST(OM_LRU_ACTIVE_FILE, 2);
	expect_bug("lru", om_lru_putback(sys, page[1]));
	atomic_store(&page[1]->lock.state, 0);

	om_frame_lock(sys, page[4]);
	assert_true(om_lru_isolate_page(sys, page[4]));
	assert_false(om_lru_isolate_page(sys, page[4]));
	om_frame_unlock(sys, page[4]);
	CHECK_LIST(OM_LRU_INACTIVE_FILE, 1, 3);
	assert_int_equal(om_lru_isolate(sys, OM_LRU_INACTIVE_FILE, batch, 8), 2);
	CHECK_EMPTY(OM_LRU_INACTIVE_FILE);
	om_lru_putback(sys, page[1]);
	om_lru_putback(sys, page[3]);
	om_lru_putback(sys, page[4]);
	for (unsigned i = 1; i <= 4; i++)
		unmap(sys, page[i]);
	unit_assert_all_free(sys);
	unit_system_free(sys);
}

/* A page that dies while isolated is freed by putback, not before. */
static void test_dead(void **state)
{
	struct om_system *sys = unit_system(2);
	struct om_page *page = listed_page(sys, OM_PG_SWAPBACKED), *batch[1];

	(void)state;
	assert_int_equal(om_lru_isolate(sys, OM_LRU_INACTIVE_ANON, batch, 1), 1);
	unmap(sys, page);
	assert_int_equal(page->kind, OM_KIND_DATA);
	om_lru_putback(sys, page);
	unit_assert_all_free(sys);

	/* It was dead, and is isolated between that finding and the release. */
	page = listed_page(sys, OM_PG_SWAPBACKED);
	om_frame_lock(sys, page);
	page->mapcount = 0;
	assert_true(om_page_is_dead(page));
	assert_int_equal(om_lru_isolate(sys, OM_LRU_INACTIVE_ANON, batch, 1), 1);
	om_frame_release_dead(sys, page);
	assert_int_equal(page->kind, OM_KIND_DATA);
	om_lru_putback(sys, page);
	unit_assert_all_free(sys);

	/* Locked ones too; the figure is right at once. */
	page = listed_page(sys, OM_PG_SWAPBACKED);
	with_lock(sys, page, om_page_mlock);
	unmap(sys, page);
	unit_assert_all_free(sys);
	page = listed_page(sys, OM_PG_SWAPBACKED);
	assert_int_equal(om_lru_isolate(sys, OM_LRU_INACTIVE_ANON, batch, 1), 1);
	with_lock(sys, page, om_page_mlock);
	unmap(sys, page);
	om_lru_putback(sys, page);
	unit_assert_all_free(sys);
	unit_system_free(sys);
}

static void test_mlock(void **state)
{
	struct om_system *sys = unit_system(2);
	struct om_page *page = listed_page(sys, OM_PG_ACTIVE);

	(void)state;
	with_lock(sys, page, om_page_mlock);
	with_lock(sys, page, om_page_mlock);
	assert_int_equal(page->mlocked, 2);
	assert_int_equal(atomic_load(&sys->nr_unevictable), 1);
	assert_int_equal(event(sys, OM_EV_UNEVICTABLE_IN), 1);
	CHECK_EMPTY(OM_LRU_ACTIVE_FILE);
	/* On no list, whoever tries. */
	with_lock(sys, page, om_lru_add);
	move(sys, page, 0, OM_PG_ACTIVE, false);
	om_frame_lock(sys, page);
	assert_false(om_lru_isolate_page(sys, page));
	om_frame_unlock(sys, page);
	assert_int_equal(page->mlocked, 2);

	with_lock(sys, page, om_page_munlock);
	CHECK_EMPTY(OM_LRU_INACTIVE_FILE);
	with_lock(sys, page, om_page_munlock);
	CHECK_LIST(OM_LRU_INACTIVE_FILE, 1);
	assert_int_equal(atomic_load(&sys->nr_unevictable), 0);
	assert_int_equal(event(sys, OM_EV_UNEVICTABLE_OUT), 1);
	expect_bug("I12", om_page_munlock(sys, (om_frame_lock(sys, page), page)));
	atomic_store(&page->lock.state, 0);

	/* A page-cache page that nobody maps any more is evictable, whatever was counted. */
	with_lock(sys, page, om_page_mlock);
	with_lock(sys, page, om_page_mlock);
	om_frame_lock(sys, page);
	page->mapcount = 0;
	page->holds = OM_ONE_REF;
	om_page_munlock_all(sys, page);
	om_page_munlock_all(sys, page);
	om_frame_unlock(sys, page);
	CHECK_LIST(OM_LRU_INACTIVE_FILE, 1);
	om_page_put(sys, page);
	unit_assert_all_free(sys);
	unit_system_free(sys);
}

/* mlock and munlock of a page that reclaim has in hand. */
static void test_mlock_isolated(void **state)
{
	struct om_system *sys = unit_system(1);
	struct om_page *page = listed_page(sys, 0), *batch[1];

	(void)state;
	om_lru_isolate(sys, OM_LRU_INACTIVE_FILE, batch, 1);
	with_lock(sys, page, om_page_mlock);
	om_lru_putback(sys, page);
	CHECK_EMPTY(OM_LRU_INACTIVE_FILE);
	assert_int_equal(page->mlocked, 1);
	with_lock(sys, page, om_page_munlock);
	CHECK_LIST(OM_LRU_INACTIVE_FILE, 1);

	om_lru_isolate(sys, OM_LRU_INACTIVE_FILE, batch, 1);
	with_lock(sys, page, om_page_mlock);
	with_lock(sys, page, om_page_munlock);
	assert_int_equal(om_page_flags(page), OM_PG_ISOLATED);
	om_lru_putback(sys, page);
	CHECK_LIST(OM_LRU_INACTIVE_FILE, 1);
	unmap(sys, page);
	unit_assert_all_free(sys);
	unit_system_free(sys);
}

static void test_touch(void **state)
{
	struct om_system *sys = unit_system(2);
	struct om_page *page = listed_page(sys, OM_PG_SWAPBACKED);

	(void)state;
	om_page_touch(sys, page);
	CHECK_LIST(OM_LRU_INACTIVE_ANON, 1);
	assert_true(om_page_test(page, OM_PG_REFERENCED));
	om_page_touch(sys, page);
	CHECK_LIST(OM_LRU_ACTIVE_ANON, 1);
	assert_false(om_page_test(page, OM_PG_REFERENCED));
	assert_int_equal(event(sys, OM_EV_PGACTIVATE), 1);
	om_page_touch(sys, page);
	om_page_touch(sys, page);
	assert_true(om_page_test(page, OM_PG_REFERENCED));
	assert_int_equal(event(sys, OM_EV_PGACTIVATE), 1);
	unmap(sys, page);

	/* On no list: the choice is kept for later. */
	page = new_page(sys, 0);
	with_lock(sys, page, om_page_mlock);
	om_page_touch(sys, page);
	om_page_touch(sys, page);
	with_lock(sys, page, om_page_munlock);
	CHECK_LIST(OM_LRU_ACTIVE_FILE, 1);
	unmap(sys, page);
	unit_assert_all_free(sys);
	unit_system_free(sys);
}

static void test_assertions(void **state)
{
	struct om_system *sys = unit_system(1);
	struct om_page *page = listed_page(sys, 0), *table = om_page_of(sys, 0);

	(void)state;
	if (!OM_DEBUG)
		skip();
	expect_bug("frame lock", om_lru_add(sys, page));
	expect_bug("frame lock", om_lru_del(sys, page));
	expect_bug("frame lock", om_page_mlock(sys, page));
	expect_bug("lru", move(sys, page, OM_PG_DIRTY, 0, false));
	atomic_store(&page->lock.state, 0);
	expect_bug("I12", with_lock(sys, page, om_page_munlock_all));
	atomic_store(&page->lock.state, 0);
	/* The zero page. */
	expect_bug("I8", with_lock(sys, table, om_lru_add));
	unit_system_free(sys);
}

/* ---- threads ------------------------------------------------------------------------------ */

/*
 * Mappers share a few places, each of which names a page or none: like page tables, a place has a
 * lock, and its page stays alive while the lock is held. They map, lock, unlock, touch, move and
 * unmap the pages, while isolators take pages off the lists, hold them for a moment and put them
 * back.
 */
enum { PLACES = 12, MAPPERS = 2, ISOLATORS = 2, ROUNDS = 25000 };

struct place {
	struct om_spinlock lock;
	struct om_page *page;
	unsigned mlocked;
};

struct stress {
	struct om_system *sys;
	struct place place[PLACES];
	atomic_uint running; /* mappers */
	atomic_uint isolated;
};

static void stress_new(struct stress *s, struct place *p, uint64_t *rand)
{
	unsigned flags = unit_rand(rand) % 2 ? OM_PG_SWAPBACKED : 0;

	p->page = om_frame_get(s->sys, OM_KIND_DATA, flags);
	p->mlocked = 0;
	if (!p->page)
		return;
	om_frame_lock(s->sys, p->page);
	p->page->holds = 0;
	p->page->mapcount = 1;
	om_lru_add(s->sys, p->page);
	om_frame_unlock(s->sys, p->page);
}

static void stress_mlock(struct stress *s, struct place *p, bool lock)
{
	om_frame_lock(s->sys, p->page);
	unit_check(!p->mlocked == !om_page_test(p->page, OM_PG_UNEVICTABLE));
	unit_check(!p->mlocked || p->page->mlocked == p->mlocked);
	if (lock) {
		om_page_mlock(s->sys, p->page);
		p->mlocked++;
	} else if (p->mlocked) {
		om_page_munlock(s->sys, p->page);
		p->mlocked--;
	}
	om_frame_unlock(s->sys, p->page);
}

static void stress_unmap(struct stress *s, struct place *p)
{
	om_frame_lock(s->sys, p->page);
	unit_check(p->page->mapcount == 1);
	p->page->mapcount = 0;
	om_page_unlock_or_free(s->sys, p->page);
	p->page = NULL;
}

static void stress_step(struct stress *s, struct place *p, uint64_t *rand)
{
	unsigned active = unit_rand(rand) % 2 ? OM_PG_ACTIVE : 0;

	if (!p->page) {
		stress_new(s, p, rand);
		return;
	}
	switch (unit_rand(rand) % 6) {
	case 0:
		stress_unmap(s, p);
		break;
	case 1:
		om_page_touch(s->sys, p->page);
		break;
	case 2:
	case 3:
		stress_mlock(s, p, active);
		break;
	case 4:
		move(s->sys, p->page, active | OM_PG_SWAPBACKED, active ^ OM_PG_ACTIVE, active);
		break;
	default:
		om_page_ref(s->sys, p->page);
		om_page_put(s->sys, p->page);
		break;
	}
}

static void mapper(struct stress *s, uint64_t rand)
{
	/* On a busy machine wait for the isolators to have their share. */
	for (unsigned round = 0; round < ROUNDS || atomic_load(&s->isolated) < 1000; round++) {
		struct place *p = &s->place[unit_rand(&rand) % PLACES];

		om_spin_lock(s->sys, &p->lock, OM_RANK_TABLE);
		stress_step(s, p, &rand);
		om_spin_unlock(s->sys, &p->lock);
	}
	atomic_fetch_sub(&s->running, 1);
}

static void isolator(struct stress *s, uint64_t rand)
{
	struct om_page *batch[4];

	while (atomic_load(&s->running)) {
		unsigned n = om_lru_isolate(s->sys, unit_rand(&rand) % OM_NR_LRU, batch, 4);

		atomic_fetch_add(&s->isolated, n);
		while (n-- > 0) {
			if (unit_rand(&rand) % 4 == 0 && om_page_trylock(s->sys, batch[n]))
				om_page_unlock(s->sys, batch[n]);
			om_frame_lock(s->sys, batch[n]);
			unit_check(batch[n]->kind == OM_KIND_DATA);
			om_frame_unlock(s->sys, batch[n]);
			om_lru_putback(s->sys, batch[n]);
		}
	}
}

static void stress_thread(void *arg, unsigned i)
{
	if (i < MAPPERS)
		mapper(arg, i);
	else
		isolator(arg, i);
}

static void test_threads(void **state)
{
	struct stress s = {.sys = unit_system(PLACES + 2)};
	om_pfn_t listed = 0, pages = 0;

	(void)state;
	atomic_store(&s.running, MAPPERS);
	unit_threads(MAPPERS + ISOLATORS, stress_thread, &s);
	for (unsigned i = 0; i < OM_NR_LRU; i++)
		listed += s.sys->lru[i].count;
	for (unsigned i = 0; i < PLACES; i++)
		pages += s.place[i].page != NULL;
	assert_int_equal(listed + atomic_load(&s.sys->nr_unevictable), pages);
	for (unsigned i = 0; i < PLACES; i++)
		if (s.place[i].page)
			stress_unmap(&s, &s.place[i]);
	unit_assert_all_free(s.sys);
	unit_system_free(s.sys);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(test_lists),   cmocka_unit_test(test_move),
	    cmocka_unit_test(test_isolate), cmocka_unit_test(test_dead),
	    cmocka_unit_test(test_mlock),   cmocka_unit_test(test_mlock_isolated),
	    cmocka_unit_test(test_touch),   cmocka_unit_test(test_assertions),
	    cmocka_unit_test(test_threads),
	};

	return unit_run(tests);
}
