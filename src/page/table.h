/*
 * table.h: page tables: finding, making and freeing them, and the only functions that write an
 * entry.
 *
 * A table is a frame of kind OM_KIND_TABLE + level (1 = leaf). Its descriptor: `object` the mm, or
 * several (owners.h), `index` the number of the first page it maps, `mapcount` the entries in use.
 * Unlinked, it has the next of its list in `link`. Its frame lock guards its entries (I9).
 *
 * Walking down needs no lock: an upper entry, once set, names a table while an area covers the
 * range (I5), and a walker holds mmap_lock or the lock of a tree in which such an area is queued.
 * Only unsharing makes it name another table, with mmap_lock held for writing: then a walker that
 * has no mmap_lock may arrive at the old one, which others still own, and finds out whose it is.
 */
#ifndef OM_TABLE_H
#define OM_TABLE_H

#include "page/owners.h"

struct om_table_stock;

static inline void om_table_lock(struct om_system *sys, struct om_page *table)
{
	om_spin_lock(sys, &table->lock, OM_RANK_TABLE);
}

/* As om_table_lock(), in any order; false if that would take waiting. */
static inline bool om_table_trylock(struct om_system *sys, struct om_page *table)
{
	return om_spin_trylock(sys, &table->lock, OM_RANK_TABLE);
}

static inline void om_table_lock_second(struct om_system *sys, struct om_page *table)
{
	om_spin_lock(sys, &table->lock, OM_RANK_TABLE2);
}

static inline void om_table_unlock(struct om_system *sys, struct om_page *table)
{
	om_spin_unlock(sys, &table->lock);
}

static inline unsigned om_table_pos(uintptr_t addr)
{
	return (unsigned)(addr >> OM_PAGE_SHIFT) & (OM_TABLE_ENTRIES - 1);
}

/* Where addr stands in a table of this level, and the bytes that one entry there covers. */
static inline unsigned om_level_pos(uintptr_t addr, unsigned level)
{
	return (unsigned)(addr >> (OM_PAGE_SHIFT + (level - 1) * OM_TABLE_SHIFT)) &
	       (OM_TABLE_ENTRIES - 1);
}

static inline uintptr_t om_level_span(unsigned level)
{
	return (uintptr_t)1 << (OM_PAGE_SHIFT + (level - 1) * OM_TABLE_SHIFT);
}

static inline uintptr_t om_table_addr(const struct om_page *table, unsigned pos)
{
	return (table->index + pos) << OM_PAGE_SHIFT;
}

static inline om_pte_t *om_table_entry(const struct om_page *table, unsigned pos)
{
	return table->entries + pos;
}

/*
 * The table that an entry of an upper table stands for. Behind a big entry is the table that its
 * pages name, and that does not change while the upper table is locked (page/fold.h).
 */
static inline struct om_page *om_table_behind(struct om_system *sys, om_pte_t e)
{
	struct om_page *page = om_page_of(sys, om_pte_pfn(e));

	return om_unlikely(om_pte_is_big(e)) ? page->object : page;
}

/* An empty top-level table for `mm`, or NULL. */
struct om_page *om_table_new_root(struct om_mm *mm);

/* The leaf table that maps addr, or NULL. Lock-free; see above. */
struct om_page *om_table_find(struct om_mm *mm, uintptr_t addr);
/* For who may not spin: NULL also if it is not known at once. */
struct om_page *om_table_find_now(struct om_mm *mm, uintptr_t addr);

/*
 * The leaf table that maps addr, made if it is missing; NULL if no frame is free. It may have other
 * owners, too; if not, it is noted in the part, and nothing above it forbids writing any more.
 * mmap_lock held. Takes TABLE.
 */
struct om_page *om_table_make(struct om_mm *mm, struct om_mm_part *part, uintptr_t addr);
/* As om_table_make(), down to level 2, of which the leaf is an entry; of a stock, if not NULL. */
struct om_page *om_table_make_upper(struct om_mm *mm, uintptr_t addr, struct om_table_stock *stock);
/* The table of level 2 that maps addr, or NULL; and of another level. */
struct om_page *om_table_upper(struct om_mm *mm, uintptr_t addr);
struct om_page *om_table_at_level(struct om_mm *mm, uintptr_t addr, unsigned level);
/* Where a leaf table stands in that of level 2. */
static inline unsigned om_table_upper_pos(uintptr_t addr)
{
	return om_level_pos(addr, 2);
}

/*
 * An empty leaf table for the place of `table`, of which nobody knows yet, or NULL. The limit is
 * not asked: it takes the place of one that counts. Freed by om_table_free_copy().
 */
struct om_page *om_table_new_copy(struct om_mm *mm, const struct om_page *table);
void om_table_free_copy(struct om_mm *mm, struct om_page *copy);

/* A table that nobody can reach any more, with nothing in it. */
void om_table_free(struct om_mm *mm, struct om_page *table);

/* One table more or less in the figures of an mm; false: OM_LIMIT_TABLES. */
bool om_table_charge(struct om_mm *mm);
void om_table_uncharge(struct om_mm *mm);

/*
 * The table found last, if it maps addr; or NULL: neighbouring faults meet in it. It has no other
 * owner, and nothing above it forbids writing. With the part's mmap_lock held it is alive.
 */
static inline struct om_page *om_table_hint(const struct om_mm *mm, const struct om_mm_part *part,
                                            uintptr_t addr)
{
	struct om_page *table = atomic_load_explicit(&part->table_hint, memory_order_acquire);

	return om_likely((addr >> OM_PAGE_SHIFT) - table->index < OM_TABLE_ENTRIES) &&
	               om_likely(om_table_is_sole(table, mm))
	           ? table
	           : NULL;
}

/* Why no table could be made: -OM_ENOFRAME, or -OM_ENOMEM at OM_LIMIT_TABLES. */
int om_table_error(const struct om_mm *mm);

/* Frames for tables that a call will need. */
struct om_table_stock {
	om_pfn_t first;
	uintptr_t last; /* the last address that was asked for; none: UINTPTR_MAX */
};

static inline void om_table_stock_init(struct om_table_stock *stock)
{
	stock->first = OM_NO_PFN;
	stock->last = UINTPTR_MAX;
}

/*
 * Get frames for the tables that are missing on the way to addr, down to `level`: 1, the leaf, or
 * 2, for om_table_move(). Asked for rising addresses, of which no two have the same table of this
 * level. 0, or what om_table_error() says; then the caller gives up by om_table_unreserve().
 * mmap_lock held for writing, from here on until the tables are made.
 */
int om_table_reserve(struct om_mm *mm, uintptr_t addr, unsigned level,
                     struct om_table_stock *stock);
/* The leaf table that maps addr, found, or made of the stock. Cannot fail. Takes TABLE. */
struct om_page *om_table_make_reserved(struct om_mm *mm, uintptr_t addr,
                                       struct om_table_stock *stock);
/* Free what is left. */
void om_table_unreserve(struct om_mm *mm, struct om_table_stock *stock);

/* The first leaf table that maps any of [addr, end), or NULL; skips what has no table at once. */
struct om_page *om_table_next(struct om_mm *mm, uintptr_t addr, uintptr_t end);
/*
 * As om_table_next(), in areas of files, for who may not look for long: from *addr on, which moves,
 * and over no more than *left spans without a table, which decreases. NULL: *left is 0, or there is
 * no table. Passes over folded ones, which files do not have.
 */
struct om_page *om_table_next_within(struct om_mm *mm, uintptr_t *addr, uintptr_t end,
                                     unsigned *left);

/* Of a range, what one leaf table maps of it. */
struct om_table_part {
	struct om_page *table;
	uintptr_t start, end;
	struct om_page *upper; /* that names the table: the next one is looked for there; or NULL */
};

/*
 * The first part of [start, end) that has a leaf table. False: none has. `part` is the one before,
 * under the same locks, or its `upper` is NULL. Lock-free; see above.
 */
bool om_table_part(struct om_mm *mm, uintptr_t start, uintptr_t end, struct om_table_part *part);

/* All parts of [from, to) that have a leaf table, in order. */
#define om_for_each_table(part, mm, from, to)                                                      \
	for (struct om_table_part part = {.end = from, .upper = NULL};                             \
	     part.end < (to) && om_table_part(mm, part.end, to, &part);)

/* Tables taken off the tree of tables, linked by `slot`, and the range that they covered. */
struct om_table_list {
	om_pfn_t first;
	uintptr_t start, end;
};

/*
 * Areas in [start, end) are gone, and none is left between `floor` <= start and `ceiling` >= end:
 * unlink the tables that map any of [start, end) and nothing outside [floor, ceiling) (I5). No
 * entry of a leaf may be in use. mmap_lock held; for reading is enough, since faults make tables
 * under areas only. Then, when nobody can be on the way to
 * them any more, flush, and free them.
 */
struct om_table_list om_table_unlink_range(struct om_mm *mm, uintptr_t start, uintptr_t end,
                                           uintptr_t floor, uintptr_t ceiling);
void om_table_free_list(struct om_mm *mm, const struct om_table_list *list);

/* ------- giving back single tables; mmap_lock held for writing ------- */

/*
 * The first table of [addr, end) that has none below it, a leaf or an empty one of another level;
 * NULL if there is none but the root.
 */
struct om_page *om_table_lowest(struct om_mm *mm, uintptr_t addr, uintptr_t end);

/* The last address of its range. */
uintptr_t om_table_last(const struct om_page *table);

enum om_table_use {
	OM_TABLE_EMPTY, /* no entry is in use */
	OM_TABLE_ZEROS, /* entries of the zero page alone, and not used since this was asked last */
	OM_TABLE_YOUNG, /* of the zero page alone */
	OM_TABLE_USED,
};

/* What is in a table of any level; without `zeros` any entry is use. Takes TABLE. */
enum om_table_use om_table_use(struct om_mm *mm, struct om_page *table, bool zeros);

/* Clear the entries of a leaf that has those of the zero page alone. Takes TABLE; flushes. */
void om_table_clear_zeros(struct om_mm *mm, struct om_page *table);

/* Take an empty table off the tree of tables. Takes TABLE. */
void om_table_unlink(struct om_mm *mm, struct om_page *table);

/* Nobody can be on the way to these tables any more: flush, and free them. */
void om_table_free_unlinked(struct om_mm *mm, struct om_page *const table[], unsigned n);

/* Free the root: last act of an mm. */
void om_table_free_root(struct om_mm *mm);

/*
 * Move the whole leaf table at `from` to `to`, both multiples of OM_TABLE_SPAN: no entry and no
 * page changes. False, and nothing done, if there is no table at `from`. If there is one at `to`,
 * it must be empty and is freed. The levels above `to` are there or in stock. Flushes. mmap_lock
 * and the trees' locks held for writing (I1). Takes TABLE.
 */
bool om_table_move(struct om_mm *mm, uintptr_t from, uintptr_t to, struct om_table_stock *stock);

/* ------- flushes (I9); any context: the hook does not sleep ------- */

static inline void om_tlb_flush(struct om_mm *mm, uintptr_t start, uintptr_t end,
                                enum om_flush what)
{
	const struct om_hooks *hooks = &mm->sys->hooks;

	hooks->ops->flush(hooks->ctx, mm, start, end, what);
}

static inline void om_tlb_flush_page(struct om_mm *mm, uintptr_t addr)
{
	om_tlb_flush(mm, addr, addr + OM_PAGE_SIZE, OM_FLUSH_PAGES);
}

/* In the address spaces of all owners. TABLE held. */
static inline void om_table_flush(const struct om_page *table, uintptr_t start, uintptr_t end)
{
	om_for_each_owner (mm, table)
		om_tlb_flush(mm, start, end, OM_FLUSH_PAGES);
}

/* ------- entries of a leaf; the table's lock is held by the caller of every function ------- */

/* Note in the table's flags what fork has to know: see enum om_tableflag. */
static inline void om_table_note(struct om_system *sys, struct om_page *table, unsigned what)
{
	OM_ASSERT(sys, om_held(sys, &table->lock), "I13", table);
	if ((om_page_flags(table) & what) != what)
		om_page_set(table, what);
}

static inline om_pte_t om_entry_get(struct om_system *sys, struct om_page *table, unsigned pos)
{
	OM_ASSERT(sys, om_held(sys, &table->lock), "I9", table);
	om_work(sys, 1);
	return om_arch_pte_load(om_table_entry(table, pos));
}

/* I14: what changes an entry has unfolded its table. */
#define OM_ASSERT_SHOWN(sys, table)                                                                \
	OM_ASSERT(sys, !om_page_test(table, OM_TABLE_FOLDED), "I14", table)

/*
 * Fill an entry that is none, or replace one that is absent (swap, file) or unused. No flush is
 * owed.
 */
static inline void om_entry_install(struct om_system *sys, struct om_page *table, unsigned pos,
                                    om_pte_t pte)
{
	om_pte_t *p = om_table_entry(table, pos);
	om_pte_t old = om_arch_pte_load(p);

	OM_ASSERT(sys, om_held(sys, &table->lock), "I9", table);
	OM_ASSERT_SHOWN(sys, table);
	OM_BUG_ON(sys, om_pte_present(old), "I9", table, old, pte);
	table->counts += om_pte_none(old);
	om_arch_pte_store(p, pte);
}

/* Install into an entry that is known to be none. */
static inline void om_entry_fill(struct om_system *sys, struct om_page *table, unsigned pos,
                                 om_pte_t pte)
{
	OM_ASSERT(sys, om_held(sys, &table->lock), "I9", table);
	OM_ASSERT(sys, om_pte_none(om_arch_pte_load(om_table_entry(table, pos))), "I9", table);
	table->counts++;
	om_arch_pte_store(om_table_entry(table, pos), pte);
}

/*
 * Replace whatever is there by an absent entry (0, swap, file) and return the old one with its
 * final dirty and young bits. A flush is owed if the old one was present.
 */
static inline om_pte_t om_entry_take(struct om_system *sys, struct om_page *table, unsigned pos,
                                     om_pte_t absent)
{
	om_pte_t old;

	OM_ASSERT(sys, om_held(sys, &table->lock), "I9", table);
	OM_ASSERT_SHOWN(sys, table);
	OM_ASSERT(sys, !om_pte_present(absent), "I9", table);
	old = om_arch_pte_xchg(om_table_entry(table, pos), absent);
	if (om_pte_none(absent) && !om_pte_none(old))
		table->counts--;
	return old;
}

/* Take an entry that is known to be present, leaving none. A flush is owed. */
static inline om_pte_t om_entry_clear(struct om_system *sys, struct om_page *table, unsigned pos)
{
	OM_ASSERT(sys, om_held(sys, &table->lock), "I9", table);
	OM_ASSERT_SHOWN(sys, table);
	table->counts--;
	return om_arch_pte_xchg(om_table_entry(table, pos), 0);
}

/*
 * Move an entry to a place that is none, in another table or the same; returns it. Both tables
 * are locked. A flush of the old place is owed if it is present. om_entries_moved() counts, once
 * for many.
 */
static inline om_pte_t om_entry_move(struct om_system *sys, om_pte_t *from, om_pte_t *to)
{
	om_pte_t pte = om_arch_pte_xchg(from, 0);

	OM_ASSERT(sys, om_pte_none(om_arch_pte_load(to)), "I9", to);
	om_arch_pte_store(to, pte);
	return pte;
}

static inline void om_entries_moved(struct om_system *sys, struct om_page *from, struct om_page *to,
                                    unsigned n)
{
	OM_ASSERT(sys, om_held(sys, &from->lock) && om_held(sys, &to->lock), "I9", from);
	from->counts -= n;
	to->counts += n;
}

/*
 * Replace a present entry by another one; returns the old one. A flush is owed unless only
 * permissions were added (same pfn, nothing taken away).
 */
static inline om_pte_t om_entry_replace(struct om_system *sys, struct om_page *table, unsigned pos,
                                        om_pte_t pte)
{
	om_pte_t old;

	OM_ASSERT(sys, om_held(sys, &table->lock), "I9", table);
	OM_ASSERT_SHOWN(sys, table);
	old = om_arch_pte_xchg(om_table_entry(table, pos), pte);
	OM_BUG_ON(sys, !om_pte_present(old), "I9", table, old, pte);
	return old;
}

/* Take write permission away; returns the old entry. Flush owed if it was writable. */
static inline om_pte_t om_entry_wrprotect(struct om_system *sys, struct om_page *table,
                                          unsigned pos)
{
	om_pte_t *p = om_table_entry(table, pos), old = om_arch_pte_load(p);

	OM_ASSERT(sys, om_held(sys, &table->lock), "I9", table);
	OM_ASSERT_SHOWN(sys, table);
	/* The MMU sets bits at any time: lose none of them. */
	while (!om_arch_pte_cas(p, &old, om_pte_wrprotect(old)))
		;
	return old;
}

/* Change a present entry's permissions, keeping dirty and young; returns the old one. Flush owed if
 * any permission was taken away. */
om_pte_t om_entry_protect(struct om_system *sys, struct om_page *table, unsigned pos,
                          unsigned prot);

/* Take write permission and the dirty bit; returns the old entry. Flush owed if either was set. */
om_pte_t om_entry_clean(struct om_system *sys, struct om_page *table, unsigned pos);

/*
 * Note a use by the core itself, as the MMU would: young, and dirty if it wrote. No flush is
 * owed.
 */
void om_entry_use(struct om_system *sys, struct om_page *table, unsigned pos, bool wrote);

/* Clear the young bit; returns the old entry. No flush is owed: a stale one only loses a use. */
om_pte_t om_entry_age(struct om_system *sys, struct om_page *table, unsigned pos);

/* Does a present entry differ from what it is now in its young and dirty bits alone? */
bool om_entry_just_used(om_pte_t old, om_pte_t now);

/*
 * Does going from `old` to `now` leave something in a TLB that grants too much? (I9) What grants
 * too little is harmless: whoever meets it faults, and om_fault() has this CPU drop it.
 */
static inline bool om_flush_owed(om_pte_t old, om_pte_t now)
{
	return om_pte_present(old) && (!om_pte_present(now) || om_pte_pfn(old) != om_pte_pfn(now) ||
	                               om_pte_modify(now, 0) != om_pte_modify(old, 0) ||
	                               (om_pte_write(old) && !om_pte_write(now)));
}

#endif
