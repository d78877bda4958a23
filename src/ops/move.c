/*
 * move.c: page-table entries move from one place to another, for mremap.
 *
 * Shared and file pages do not notice: their linear index stays. A direct page names its
 * page-table page and its position in it: an entry that moves to another place rewrites them; a
 * table that moves whole (2 MiB on x86-64) changes only its own descriptor.
 */
#include "ops/move.h"

#include "ops/fault.h"
#include "ops/own.h"
#include "page/fold.h"
#include "rmap/rmap.h"

#define LINE 8 /* entries that move at a time: one by one, half the work is the loop */

/* The old position of an entry in its table, which is for designs that want it. */
OM_INLINE uintptr_t position(const struct om_page *table, const om_pte_t *entry)
{
	return (uintptr_t)(entry - om_table_entry(table, 0));
}

/*
 * These two move entries of t1, at `from`, to position `pos` of t2, which is at `to`, and return
 * how many there were. Both tables are locked, or they are one. pages[] are all page descriptors.
 */
static OM_NOINLINE unsigned move_one(struct om_system *sys, struct om_page *t1, om_pte_t *from,
                                     struct om_page *t2, om_pte_t *to, uintptr_t pos)
{
	om_pte_t pte = om_arch_pte_load(from);

	if (om_pte_none(pte))
		return 0;
	pte = om_entry_move(sys, from, to);
	if (om_pte_present(pte))
		om_rmap_page_move(sys, om_page_of(sys, om_pte_pfn(pte)), t1, position(t1, from), t2,
		                  pos);
	return 1;
}

OM_INLINE unsigned move_line(struct om_system *sys, struct om_page *pages, struct om_page *t1,
                             om_pte_t *from, struct om_page *t2, om_pte_t *to, uintptr_t pos)
{
	unsigned moved = LINE;

#pragma GCC unroll 8
	for (unsigned i = 0; i < LINE; i++) {
		om_pte_t pte = om_entry_move(sys, from + i, to + i);

		if (om_likely(om_pte_present(pte)))
			om_rmap_page_move(sys, pages + om_pte_pfn(pte), t1, position(t1, from + i),
			                  t2, pos + i);
		else
			moved -= om_pte_none(pte);
	}
	return moved;
}

/* Move the n entries from position p1 of t1 to position p2 of t2. Returns how many there were. */
static OM_NOINLINE unsigned move_locked(struct om_system *sys, struct om_page *t1, unsigned p1,
                                        struct om_page *t2, unsigned p2, unsigned n)
{
	struct om_page *const pages = om_page_of(sys, 0);
	om_pte_t *from = om_table_entry(t1, p1), *to = om_table_entry(t2, p2);
	uintptr_t pos = p2;
	unsigned step, moved = 0;

	for (; n && moved < t1->mapcount; n -= step) {
		step = n >= LINE && om_pte_present(om_arch_pte_load(from)) ? LINE : 1;
		om_work(sys, 2 * step);
		moved += step == LINE ? move_line(sys, pages, t1, from, t2, to, pos)
		                      : move_one(sys, t1, from, t2, to, pos);
		from += step;
		to += step;
		pos += step;
	}
	om_entries_moved(sys, t1, t2, moved);
	om_table_note(sys, t2, om_page_flags(t1) & (OM_TABLE_MIXED | OM_TABLE_HELD));
	return moved;
}

static void lock_two(struct om_system *sys, struct om_page *a, struct om_page *b)
{
	if (a == b) {
		om_table_lock(sys, a);
		return;
	}
	om_table_lock(sys, a < b ? a : b);
	om_table_lock_second(sys, a < b ? b : a);
}

static void unlock_two(struct om_system *sys, struct om_page *a, struct om_page *b)
{
	if (a != b)
		om_table_unlock(sys, b);
	om_table_unlock(sys, a);
}

/*
 * Is any of n entries from `pos` on in use? One may go meanwhile, but none can come: mmap_lock. The
 * table itself may be one that this move has just made.
 */
static bool any_in_use(const struct om_page *table, unsigned pos, unsigned n)
{
	const om_pte_t *entry = om_table_entry(table, pos);

	while (n && om_pte_none(om_arch_pte_load(entry))) {
		entry++;
		n--;
	}
	return n;
}

/*
 * Move n entries, which lie in one table at each end. The old translations are flushed before
 * either lock is let go: until then nobody can reach, and free, a page by its new address (hazard
 * 8).
 */
static void move_entries(const struct om_move *m, uintptr_t from, uintptr_t to, unsigned n,
                         struct om_table_stock *stock)
{
	struct om_system *sys = m->mm->sys;
	struct om_page *t1 = om_table_find(m->mm, from), *t2;

	if (!t1 || !any_in_use(t1, om_table_pos(from), n))
		return;
	om_table_lock_entries(sys, t1); /* nobody folds it again: mmap_lock */
	om_table_unlock(sys, t1);
	t2 = om_table_make_reserved(m->mm, to, stock);
	lock_two(sys, t1, t2);
	if (move_locked(sys, t1, om_table_pos(from), t2, om_table_pos(to), n))
		om_tlb_flush(m->mm, from, from + n * OM_PAGE_SIZE, OM_FLUSH_PAGES);
	unlock_two(sys, t1, t2);
}

static uintptr_t to_table_end(uintptr_t addr)
{
	return OM_TABLE_SPAN - (addr & (OM_TABLE_SPAN - 1));
}

#define WHOLE 64 /* what it costs to move a table as it is, in entries */

static bool moves_whole(size_t step)
{
	return step >= OM_TABLE_SPAN && om_rmap_traits.moves_tables;
}

/* What it costs to move what lies in one table at each end, in entries. */
static unsigned cost(size_t step)
{
	return moves_whole(step) ? WHOLE : (unsigned)(step >> OM_PAGE_SHIFT);
}

static void move_step(const struct om_move *m, uintptr_t from, uintptr_t to, size_t step,
                      struct om_table_stock *stock)
{
	if (!moves_whole(step))
		move_entries(m, from, to, cost(step), stock);
	else if (om_table_move(m->mm, from, to, stock))
		om_count(m->mm->sys, OM_EV_TABLE_MOVE, 1);
}

void om_move_entries(struct om_vma *vma, const struct om_move *m, struct om_table_stock *stock)
{
	uintptr_t from = m->from, to = m->to;
	size_t len = m->len;
	unsigned done = 0;

	om_rmap_move_begin(vma);
	while (len) {
		size_t step =
		    to_table_end(from) < to_table_end(to) ? to_table_end(from) : to_table_end(to);

		if (step > len)
			step = len;
		if (done + cost(step) > OM_TABLE_ENTRIES) { /* let others at the trees */
			om_note_hold(vma->mm->sys, done);
			om_rmap_move_end(vma);
			om_rmap_move_begin(vma);
			done = 0;
		}
		move_step(m, from, to, step, stock);
		done += cost(step);
		from += step;
		to += step;
		len -= step;
	}
	om_note_hold(vma->mm->sys, done);
	om_rmap_move_end(vma);
	om_table_unreserve(m->mm, stock);
}

/* Bytes under one table of the level above the leaves (all of them, where that is the root). */
#define UPPER_SPAN (OM_TABLE_SPAN << OM_TABLE_SHIFT)

/*
 * The destination's next piece, which begins at `to` and has `len` bytes at most: what lies under
 * one leaf table; or, of what moves table by table, what lies under one table of level 2. Returns
 * its size, and the level whose table it needs.
 */
static size_t next_piece(uintptr_t from, uintptr_t to, size_t len, unsigned *level)
{
	bool whole = om_rmap_traits.moves_tables && !((from | to) & (OM_TABLE_SPAN - 1)) &&
	             len >= OM_TABLE_SPAN;
	size_t n = whole ? UPPER_SPAN - (to & (UPPER_SPAN - 1)) : to_table_end(to);

	*level = whole ? 2 : 1;
	if (whole && n > len)
		n = len & ~(OM_TABLE_SPAN - 1);
	return n < len ? n : len;
}

static int reserve(const struct om_move *m, struct om_table_stock *stock)
{
	unsigned level;

	for (size_t at = 0, n; at < m->len; at += n) {
		uintptr_t from = m->from + at;

		n = next_piece(from, m->to + at, m->len - at, &level);
		if (om_table_next(m->mm, from, from + n)) {
			int err = om_table_reserve(m->mm, m->to + at, level, stock);

			if (err) {
				om_table_unreserve(m->mm, stock);
				return err;
			}
		}
	}
	return 0;
}

/* Pages of the range that others map, too, are copied. Nobody can see that. */
static OM_COLD bool unshare(const struct om_move *m, struct om_vma *vma)
{
	om_for_each_table (part, m->mm, m->from, m->from + m->len) {
		for (uintptr_t a = part.start; a < part.end; a += OM_PAGE_SIZE)
			if (!om_fault_unshare(vma, part.table, a))
				return false;
	}
	return true;
}

int om_move_prepare(const struct om_move *m, struct om_vma *vma, struct om_table_stock *stock)
{
	int err;

	om_table_stock_init(stock);
	/* Before it is seen which tables are missing: a shared one would leave with its area. */
	err = om_own_tables_locked(m->mm, m->from, m->from + m->len, false);
	if (!err)
		err = om_own_tables_locked(m->mm, m->to, m->to + m->len, false);
	if (err)
		return err;
	if (!om_rmap_traits.moves_shared && !unshare(m, vma))
		return -OM_ENOFRAME;
	return reserve(m, stock);
}
