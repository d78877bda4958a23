/*
 * test_rmap.c: the reverse map: what each call makes of a page, how far walks look, and when
 * anon_vmas come and go.
 */
#include "page/put.h"
#include "space.h"

#include <string.h>

#include "page/frame.h"
#include "page/put.h"
#include "rmap/rmap.h"
#include "page/slab.h"
#include "store/swap.h"
#include "page/table.h"

/* ---------------------------------------------------------------- walking by hand ----------- */

static enum om_walk_verdict collect(struct om_walk *w, struct om_page *page, struct om_vma *vma,
                                    struct om_page *table, unsigned slot)
{
	unsigned *left = w->arg;
	om_pte_t pte = om_entry_get(w->sys, table, slot);

	assert_true(om_pte_present(pte));
	assert_int_equal(om_pte_pfn(pte), om_page_pfn(w->sys, page));
	if (vma)
		assert_true(om_vma_covers(vma, om_table_addr(table, slot)));
	return left && --*left == 0 ? OM_WALK_STOP : OM_WALK_GO;
}

/* Walk, stopping after `stop` visits (0: never). */
static struct om_walk walk_some(struct om_system *sys, struct om_page *page, unsigned stop)
{
	struct om_walk w = {.visit = collect, .arg = stop ? &stop : NULL};

	assert_true(om_page_trylock(sys, page)); /* some tests hold mmap_lock */
	om_rmap_walk(sys, page, &w);
	om_page_unlock(sys, page);
	return w;
}

static void expect_walk(struct om_system *sys, struct om_page *page, unsigned probed,
                        unsigned found)
{
	struct om_walk w = walk_some(sys, page, 0);

	assert_int_equal(w.probed, probed);
	assert_int_equal(w.found, found);
}

static size_t anon_vmas(struct om_system *sys)
{
	return om_slab_sum(sys, OM_CACHE_RMAP).objects;
}

static bool is_direct(const struct om_page *page)
{
	return om_page_test(page, OM_PG_DIRECT);
}

/* ---------------------------------------------------------------- pages by hand ------------- */

static const struct om_layout layout = {.lowest = 0x10000,
                                        .highest = OM_VA_LIMIT,
                                        .mmap_base = OM_VA_LIMIT};

/* A system without a port, one mm with one area of 8 pages, and its table. */
struct bench {
	struct om_system *sys;
	struct om_mm *mm;
	struct om_vma *vma;
	struct om_page *table;
};

static struct bench bench_start(void)
{
	struct bench b = {.sys = unit_system(64)};

	assert_int_equal(om_mm_new(b.sys, &layout, NULL, NULL, &b.mm), 0);
	om_mm_write_lock(b.mm);
	b.vma =
	    om_vma_new(b.mm, at(0), at(8), SPACE_BASE >> OM_PAGE_SHIFT, RW | OM_VM_MAYWRITE, NULL);
	assert_non_null(b.vma);
	om_vma_link(b.vma);
	b.table = om_table_make(b.mm, &b.mm->own, at(0));
	assert_non_null(b.table);
	return b;
}

static void bench_finish(struct bench *b)
{
	om_unmap_areas(b->mm, 0, OM_VA_LIMIT, false);
	om_mm_write_unlock(b->mm);
	om_mm_put(b->mm);
	unit_assert_all_free(b->sys);
	unit_system_free(b->sys);
}

/* A fresh page at this slot. */
static struct om_page *add_page(struct bench *b, unsigned slot)
{
	struct om_page *page = om_frame_get(b->sys, OM_KIND_DATA, 0);
	const unsigned prot = (unsigned)OM_PROT_READ | (unsigned)OM_PROT_WRITE;

	assert_non_null(page);
	om_vma_mark_anon(b->vma);
	om_table_lock(b->sys, b->table);
	om_entry_install(b->sys, b->table, slot, om_pte_make(om_page_pfn(b->sys, page), prot));
	om_rmap_page_new(b->sys, page, b->vma, b->table, slot);
	om_table_unlock(b->sys, b->table);
	atomic_fetch_add(&b->mm->own.rss_anon, 1);
	return page;
}

/* One entry less; the page lives on. */
static void remove_one(struct bench *b, struct om_page *page)
{
	om_frame_lock(b->sys, page);
	om_rmap_page_remove(b->sys, page, false);
	om_rmap_page_forget(b->sys, page);
	om_frame_unlock(b->sys, page);
}

/* As fork does for the entry at `slot`; the child's entry is left to the imagination. */
static bool dup(struct bench *b, struct om_page *page, unsigned slot)
{
	const struct om_fork_part part = {
	    .parent = b->vma,
	    .child = b->vma,
	    .from = b->table,
	    .to = b->table,
	    .index = om_vma_index(b->vma, om_table_addr(b->table, 0)),
	};
	size_t now_shared = 0;
	bool was_direct = is_direct(page), done;

	om_table_lock(b->sys, b->table);
	done = om_rmap_page_dup(b->sys, page, &part, slot, &now_shared);
	om_table_unlock(b->sys, b->table);
	assert_int_equal(now_shared, done && was_direct);
	return done;
}

static bool reuse(struct bench *b, struct om_page *page, unsigned slot)
{
	bool sole;

	om_table_lock(b->sys, b->table);
	sole = om_rmap_page_reuse(b->sys, om_shard(b->sys), page, b->vma, b->table, slot);
	om_table_unlock(b->sys, b->table);
	return sole;
}

/* The entry goes, and the page with it if nothing else holds it. True: it is free. */
static bool drop_entry(struct bench *b, unsigned slot, bool locked)
{
	struct om_page *page;

	om_table_lock(b->sys, b->table);
	page = om_page_of(b->sys, om_pte_pfn(om_entry_take(b->sys, b->table, slot, 0)));
	om_table_unlock(b->sys, b->table);
	atomic_fetch_sub(&b->mm->own.rss_anon, 1);
	om_frame_lock(b->sys, page);
	om_rmap_page_remove(b->sys, page, locked);
	return om_page_unlock_or_free(b->sys, page);
}

static void test_new(void **state)
{
	struct bench b = bench_start();
	struct om_page *page = add_page(&b, 3);

	(void)state;
	assert_true(is_direct(page));
	assert_true(om_page_test(page, OM_PG_ANON));
	assert_ptr_equal(page->object, b.table);
	assert_int_equal(page->index, 3);
	assert_int_equal(page->mapcount, 1);
	assert_int_equal(om_page_refs(page), 0);
	assert_true(om_page_test(page, OM_PG_UPTODATE));
	expect_walk(b.sys, page, 1, 1);
	assert_true(drop_entry(&b, 3, false));
	bench_finish(&b);
}

static void test_new_locked(void **state)
{
	struct bench b = bench_start();
	struct om_page *page;

	(void)state;
	om_vma_change_flags(b.vma, om_vma_flags(b.vma) | LK);
	page = add_page(&b, 0);
	assert_true(om_page_test(page, OM_PG_UNEVICTABLE));
	assert_int_equal(page->mlocked, 1);
	assert_true(drop_entry(&b, 0, true));
	bench_finish(&b);
}

static void test_move(void **state)
{
	struct bench b = bench_start();
	struct om_page *page = add_page(&b, 3),
	               *other = om_table_make(b.mm, &b.mm->own, at(0) + OM_TABLE_SPAN);
	om_pte_t pte;

	(void)state;
	assert_non_null(other);
	om_table_lock(b.sys, b.table);
	om_table_lock_second(b.sys, other);
	pte = om_entry_take(b.sys, b.table, 3, 0);
	om_entry_install(b.sys, other, 5, pte);
	om_rmap_page_move(b.sys, page, b.table, 3, other, 5);
	om_table_unlock(b.sys, other);
	om_table_unlock(b.sys, b.table);
	assert_true(is_direct(page));
	assert_ptr_equal(page->object, other);
	assert_int_equal(page->index, 5);
	expect_walk(b.sys, page, 1, 1);

	om_table_lock(b.sys, other);
	om_entry_take(b.sys, other, 5, 0);
	om_table_unlock(b.sys, other);
	atomic_fetch_sub(&b.mm->own.rss_anon, 1);
	om_frame_lock(b.sys, page);
	om_rmap_page_remove(b.sys, page, false);
	assert_true(om_page_unlock_or_free(b.sys, page));
	bench_finish(&b);
}

/* dup: the area needs an anon_vma; the page gets its number in it. A pinned page refuses. */
static void test_dup(void **state)
{
	struct bench b = bench_start();
	struct om_page *page = add_page(&b, 3), *pinned = add_page(&b, 4);
	struct om_vma *child = om_vma_new(b.mm, at(0), at(8), b.vma->pgoff, RW, NULL);

	(void)state;
	assert_non_null(child);
	assert_int_equal(om_rmap_vma_fork(child, b.vma), 0);
	assert_non_null(b.vma->anon_vma);
	assert_ptr_equal(child->anon_vma, b.vma->anon_vma);
	assert_int_equal(anon_vmas(b.sys), 1);
	assert_int_equal(om_rmap_vma_fork(child, b.vma), 0); /* it has one */
	assert_int_equal(anon_vmas(b.sys), 1);
	pinned->holds += OM_ONE_PIN;

	assert_false(dup(&b, pinned, 4));
	assert_true(dup(&b, page, 3));
	assert_true(is_direct(pinned));
	assert_int_equal(pinned->mapcount, 1);
	assert_false(is_direct(page));
	assert_ptr_equal(page->object, b.vma->anon_vma);
	assert_int_equal(page->index, at(3) >> OM_PAGE_SHIFT);
	assert_int_equal(page->mapcount, 2);

	/* Of two entries only one is here: the walk sees it, and the other is not missed twice. */
	expect_walk(b.sys, page, 1, 1);
	remove_one(&b, page);
	pinned->holds -= OM_ONE_PIN;
	child->anon_vma = NULL; /* it was never linked */
	om_vma_free(child);
	bench_finish(&b);
}

static void test_reuse(void **state)
{
	struct bench b = bench_start();
	struct om_page *page = add_page(&b, 3);

	(void)state;
	assert_int_equal(om_rmap_vma_fork(b.vma, b.vma), 0);
	assert_true(reuse(&b, page, 3)); /* is direct already */
	assert_true(dup(&b, page, 3));
	assert_false(reuse(&b, page, 3));
	assert_int_equal(om_page_refs(page), 1); /* for the copy */
	om_page_put(b.sys, page);

	remove_one(&b, page); /* the other one leaves */
	assert_false(is_direct(page));
	assert_true(reuse(&b, page, 3));
	assert_true(is_direct(page));
	assert_ptr_equal(page->object, b.table);
	assert_int_equal(page->index, 3);
	assert_int_equal(om_page_refs(page), 0);
	assert_int_equal(space_event(b.sys, OM_EV_SHARED_TO_DIRECT), 1);
	bench_finish(&b);
}

/* ---------------------------------------------------------------- anon_vmas ----------------- */

static void test_anon_vma_life(void **state)
{
	struct space s = space_start(256, 0);
	struct om_mm *child, *grandchild;
	struct om_anon_vma *av;
	struct om_bug found;
	uintptr_t reach;

	(void)state;
	space_map(&s, 0, 4, RW, 0);
	space_map(&s, 10, 4, R, 0);
	space_fill(&s, s.mm, 0, 2, 'a');
	assert_int_equal(anon_vmas(s.sys), 0);
	assert_int_equal(om_fork(s.mm, NULL, &child), 0);
	assert_int_equal(anon_vmas(s.sys), 1); /* the untouched area needs none */
	assert_int_equal(om_fork(child, NULL, &grandchild), 0);
	assert_int_equal(anon_vmas(s.sys), 1); /* one for the lineage */
	space_check(&s);
	av = om_vma_find(s.mm, at(0))->anon_vma;
	reach = av->root->aug;
	av->root->aug = 1; /* om_verify() sees that the tree is wrong */
	assert_true(om_verify(s.sys, s.scratch, &found));
	assert_string_equal(found.rule, "I4");
	av->root->aug = reach;

	/* A split brings no new one, nor does the part that goes last free it twice. */
	assert_int_equal(om_munmap(child, at(1), OM_PAGE_SIZE), 0);
	assert_int_equal(anon_vmas(s.sys), 1);
	om_mm_destroy(s.mm);
	s.mm = NULL;
	assert_int_equal(anon_vmas(s.sys), 1);
	space_check(&s);
	space_expect(&s, grandchild, 0, 2, 'a');
	om_mm_destroy(child);
	assert_int_equal(anon_vmas(s.sys), 1);
	om_mm_destroy(grandchild);
	assert_int_equal(anon_vmas(s.sys), 0);
	assert_int_equal(om_rmap_bytes(s.sys), 0);
	space_finish(&s);
}

/* A process that forks itself for ever: one anon_vma, whatever the generation (hazard 18). */
static void test_generations(void **state)
{
	struct space s = space_start(128, 0);

	(void)state;
	space_map(&s, 0, 4, RW, 0);
	space_fill(&s, s.mm, 0, 4, 0);
	for (int i = 1; i <= 500; i++) {
		struct om_mm *child;

		assert_int_equal(om_fork(s.mm, NULL, &child), 0);
		om_mm_destroy(s.mm);
		s.mm = child;
		space_put(&s, s.mm, (uintptr_t)i % 4, i);
		assert_int_equal(anon_vmas(s.sys), 1);
	}
	space_check(&s);
	space_finish(&s);
}

/* ---------------------------------------------------------------- how far a walk looks ------ */

#define FAMILY 1000

static void test_family(void **state)
{
	struct space s = space_start(10 * FAMILY, 0);
	static struct om_mm *child[FAMILY];
	struct om_page *shared, *own, *two;
	struct om_walk w;

	(void)state;
	space_map(&s, 0, 4, RW, 0);
	space_fill(&s, s.mm, 0, 4, 'a');
	for (unsigned i = 0; i < FAMILY; i++)
		assert_int_equal(om_fork(s.mm, NULL, &child[i]), 0);
	assert_int_equal(anon_vmas(s.sys), 1);

	/* All have page 0: each entry is looked at, and none twice. */
	shared = space_page(s.mm, 0, NULL, NULL);
	assert_int_equal(shared->mapcount, FAMILY + 1);
	expect_walk(s.sys, shared, FAMILY + 1, FAMILY + 1);
	w = walk_some(s.sys, shared, 3);
	assert_int_equal(w.found, 3);

	/* A page of one's own costs one look, whatever the family (hazard 19). */
	space_put(&s, child[500], 1, 'x');
	own = space_page(child[500], 1, NULL, NULL);
	expect_walk(s.sys, own, 1, 1);
	for (unsigned i = 0; i < FAMILY; i++)
		if (i != 500)
			space_put(&s, child[i], 1, 'y');
	expect_walk(s.sys, own, 1, 1);
	/* The parent is the last one on the old page: its next write makes it direct. */
	space_put(&s, s.mm, 1, 'p');
	expect_walk(s.sys, space_page(s.mm, 1, NULL, NULL), 1, 1);

	/* Two have page 2: the walk ends when it has found both. */
	for (unsigned i = 1; i < FAMILY; i++)
		assert_int_equal(om_madvise(child[i], at(2), OM_PAGE_SIZE, OM_MADV_DONTNEED), 0);
	two = space_page(s.mm, 2, NULL, NULL);
	assert_int_equal(two->mapcount, 2);
	w = walk_some(s.sys, two, 0);
	assert_int_equal(w.found, 2);
	assert_true(w.probed <= FAMILY + 1);
	space_check(&s);
	for (unsigned i = 0; i < FAMILY; i++)
		om_mm_destroy(child[i]);
	space_finish(&s);
}

/* Areas that do not cover the page's number are not even looked at (hazard 20). */
static void test_split_family(void **state)
{
	struct space s = space_start(1024, 0);
	struct om_mm *child;

	(void)state;
	space_map(&s, 0, 200, RW, 0);
	space_fill(&s, s.mm, 0, 200, 0);
	assert_int_equal(om_fork(s.mm, NULL, &child), 0);
	for (uintptr_t i = 0; i < 200; i += 2)
		assert_int_equal(om_mprotect(s.mm, at(i), OM_PAGE_SIZE, OM_PROT_READ), 0);
	assert_int_equal(anon_vmas(s.sys), 1);
	for (uintptr_t i = 0; i < 200; i++)
		expect_walk(s.sys, space_page(s.mm, i, NULL, NULL), 2, 2);
	space_check(&s);
	om_mm_destroy(child);
	space_finish(&s);
}

static void test_file_walk(void **state)
{
	struct space s = space_start(256, 0);
	struct om_mapping *file = space_file(&s, 20);
	struct om_page *page;

	(void)state;
	space_map_file(&s, 0, 10, RW, 0, file, 0);   /* covers page 5 */
	space_map_file(&s, 20, 10, RW, 0, file, 5);  /* covers it */
	space_map_file(&s, 40, 10, RW, 0, file, 10); /* does not */
	assert_int_equal(space_get(&s, s.mm, 5), 6);
	page = space_page(s.mm, 5, NULL, NULL);
	expect_walk(s.sys, page, 1, 1);
	assert_int_equal(space_get(&s, s.mm, 20), 6);
	assert_ptr_equal(space_page(s.mm, 20, NULL, NULL), page);
	expect_walk(s.sys, page, 2, 2);

	/* A nonlinear area is searched, entry by entry. */
	assert_int_equal(om_remap_file_pages(s.mm, at(40), 10 * OM_PAGE_SIZE, 0, 0, 0), 0);
	assert_int_equal(space_get(&s, s.mm, 45), 6);
	assert_int_equal(page->mapcount, 3);
	assert_int_equal(walk_some(s.sys, page, 0).found, 3);
	space_check(&s);
	om_mapping_put(file);
	space_finish(&s);
}

/* ---------------------------------------------------------------- retries ------------------- */

/*
 * Between the look at a direct page and the lock of its table another thread may move the entry.
 * Here the hook that every lock of a debug build calls does it, at the latest at the moment when the
 * table's lock is taken: who holds it forbids that.
 */
struct mover {
	struct bench *b;
	struct om_page *page, *to;
	unsigned countdown;
};

static struct mover *mover;

static struct om_held *move_then_held(void *ctx)
{
	struct mover *m = mover;

	if (m && m->countdown && !atomic_load(&m->b->table->lock.state) && --m->countdown == 0) {
		om_pte_t *from = om_table_entry(m->b->table, 3), *to = om_table_entry(m->to, 6);

		om_arch_pte_store(to, om_arch_pte_xchg(from, 0));
		m->b->table->mapcount--;
		m->to->mapcount++;
		m->page->object = m->to;
		m->page->index = 6;
	}
	return unit_ops.held(ctx);
}

static void test_retries(void **state)
{
	struct om_port_ops ops = unit_ops;
	unsigned moved = 0;

	(void)state;
	if (!OM_DEBUG)
		skip();
	ops.held = move_then_held;
	for (unsigned k = 1; k < 40; k++) {
		struct bench b = bench_start();
		struct mover m = {.b = &b, .page = add_page(&b, 3), .countdown = k};
		struct om_walk w;

		m.to = om_table_make(b.mm, &b.mm->own, at(0) + OM_TABLE_SPAN);
		b.sys->hooks.ops = &ops;
		mover = &m;
		w = walk_some(b.sys, m.page, 0);
		mover = NULL;
		b.sys->hooks.ops = &unit_ops;
		assert_true(w.found <= 1);
		moved += space_event(b.sys, OM_EV_RMAP_RETRIES) == 1 && w.found == 1;
		assert_true(space_event(b.sys, OM_EV_RMAP_RETRIES) <= 1);
		/* Undo by hand what was moved by hand, so that the table counts are right. */
		if (m.page->object == m.to) {
			om_arch_pte_store(om_table_entry(b.table, 3),
			                  om_arch_pte_xchg(om_table_entry(m.to, 6), 0));
			b.table->mapcount++;
			m.to->mapcount--;
			m.page->object = b.table;
			m.page->index = 3;
		}
		om_mm_free_tables(b.mm, at(0) + OM_TABLE_SPAN, at(0) + 2 * OM_TABLE_SPAN,
		                  at(0) + OM_TABLE_SPAN, OM_VA_LIMIT);
		bench_finish(&b);
	}
	assert_true(moved > 0);
}

/* ---------------------------------------------------------------- swap ---------------------- */

static void push_out(struct space *s, struct om_mm *mm, uintptr_t first, size_t n)
{
	assert_int_equal(om_madvise(mm, at(first), n << OM_PAGE_SHIFT, OM_MADV_PAGEOUT), 0);
	for (size_t i = 0; i < n; i++)
		assert_int_equal(space_kind(mm, first + i), OM_PAGE_SWAP);
	(void)s;
}

/* Alone, a page comes back direct; of a slot that is shared, shared, in the anon_vma. */
static void test_swapin(void **state)
{
	struct space s = space_start(128, 64);
	struct om_mm *child;

	(void)state;
	space_map(&s, 0, 4, RW, 0);
	space_fill(&s, s.mm, 0, 4, 'a');
	push_out(&s, s.mm, 0, 4);
	assert_int_equal(space_get(&s, s.mm, 0), 'a');
	assert_int_equal(space_kind(s.mm, 0), OM_PAGE_DIRECT);

	/* Fork while swapped: no page exists to be made shared, only slots. The area gets its
	 * anon_vma. */
	assert_int_equal(om_fork(s.mm, NULL, &child), 0);
	assert_int_equal(anon_vmas(s.sys), 1);
	assert_int_equal(space_get(&s, child, 1), 'b');
	assert_int_equal(space_kind(child, 1), OM_PAGE_SHARED);
	assert_int_equal(space_kind(s.mm, 1), OM_PAGE_SWAP);
	space_check(&s);
	assert_int_equal(space_get(&s, s.mm, 1), 'b');
	assert_ptr_equal(space_page(s.mm, 1, NULL, NULL), space_page(child, 1, NULL, NULL));
	expect_walk(s.sys, space_page(s.mm, 1, NULL, NULL), 2, 2);

	/* A write while the other still holds the slot copies; the last one may keep the page. */
	space_put(&s, child, 2, 'X');
	assert_int_equal(space_kind(child, 2), OM_PAGE_DIRECT);
	space_put(&s, s.mm, 2, 'Y');
	assert_int_equal(space_kind(s.mm, 2), OM_PAGE_DIRECT);
	assert_int_equal(space_get(&s, child, 2), 'X');
	space_check(&s);
	om_mm_destroy(child);
	assert_int_equal(space_get(&s, s.mm, 3), 'd');
	assert_int_equal(space_kind(s.mm, 3), OM_PAGE_DIRECT);
	space_finish(&s);
}

/* om_verify() reads an anon_vma's tree. */
/*
 * The others have copies of their own: the first walk looks for the page in all of them, and the next
 * one no more. Not so as long as somebody can bring it back from swap.
 */
static void test_claim(void **state)
{
	struct space s = space_start(256, 64);
	struct om_mm *child[8];
	struct om_page *page;

	(void)state;
	space_map(&s, 0, 2, RW, 0);
	space_fill(&s, s.mm, 0, 2, 'a');
	push_out(&s, s.mm, 1, 1);
	for (unsigned i = 0; i < 8; i++) {
		assert_int_equal(om_fork(s.mm, NULL, &child[i]), 0);
		space_put(&s, child[i], 0, 'x');
	}
	page = space_page(s.mm, 0, NULL, NULL);
	assert_false(is_direct(page));
	assert_true(walk_some(s.sys, page, 0).probed >= 1);
	assert_true(is_direct(page));
	expect_walk(s.sys, page, 1, 1);
	assert_int_equal(space_event(s.sys, OM_EV_SHARED_TO_DIRECT), 1);

	for (unsigned i = 0; i < 7; i++)
		om_mm_destroy(child[i]);
	assert_int_equal(space_kind(child[7], 1), OM_PAGE_SWAP);
	assert_int_equal(space_get(&s, s.mm, 1), 'b');
	page = space_page(s.mm, 1, NULL, NULL);
	assert_int_equal(page->mapcount, 1);
	walk_some(s.sys, page, 0);
	assert_false(is_direct(page));
	space_check(&s);
	assert_int_equal(om_madvise(child[7], at(1), OM_PAGE_SIZE, OM_MADV_DONTNEED), 0);
	walk_some(s.sys, page, 0);
	assert_true(is_direct(page));
	space_check(&s);
	om_mm_destroy(child[7]);
	space_finish(&s);
}

static void test_verify_tree(void **state)
{
	struct space s = space_start(128, 0);
	struct om_bug first;
	struct om_anon_vma *av;
	struct om_mm *child;
	uintptr_t aug;

	(void)state;
	space_map(&s, 0, 4, RW, 0);
	space_fill(&s, s.mm, 0, 4, 'a');
	assert_int_equal(om_fork(s.mm, NULL, &child), 0);
	av = om_vma_find(s.mm, 0)->anon_vma;
	aug = av->root->aug;
	av->root->aug = 1;
	assert_true(om_verify(s.sys, s.scratch, &first) > 0);
	assert_string_equal(first.rule, "I4");
	av->root->aug = aug;
	space_check(&s);
	om_mm_destroy(child);
	space_finish(&s);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(test_new),          cmocka_unit_test(test_new_locked),
	    cmocka_unit_test(test_move),         cmocka_unit_test(test_dup),
	    cmocka_unit_test(test_reuse),        cmocka_unit_test(test_anon_vma_life),
	    cmocka_unit_test(test_generations),  cmocka_unit_test(test_family),
	    cmocka_unit_test(test_split_family), cmocka_unit_test(test_file_walk),
	    cmocka_unit_test(test_retries),      cmocka_unit_test(test_swapin),
	    cmocka_unit_test(test_claim),        cmocka_unit_test(test_verify_tree),
	};

	return unit_run(tests);
}
