/*
 * table.c: finding and making page tables; what changes entries.
 *
 * Tables are made top-down by faults, fork and mremap. As they are freed (table_free.c) after all
 * areas over them are gone, or who is under way has been waited for, a reader that knows an area is
 * there may walk down without a lock. A reverse-map walker that comes from a direct page knows no
 * area; it locks the table it learnt from the page and then looks whether the page still names it.
 *
 * A call that may still fail when it knows which tables it needs reserves frames for them, and
 * makes the tables when it cannot fail any more (I10). They count as tables from then on.
 */
#include "page/table.h"

#include "page/frame.h"

/* OM_LIMIT_TABLES, which another thread may set at any time, in tables. */
static size_t most_tables(const struct om_mm *mm)
{
	return __atomic_load_n(&mm->limit[OM_LIMIT_TABLES], __ATOMIC_RELAXED) >> OM_PAGE_SHIFT;
}

int om_table_error(const struct om_mm *mm)
{
	size_t n = atomic_load_explicit(&mm->nr_tables, memory_order_relaxed);

	return n < most_tables(mm) ? -OM_ENOFRAME : -OM_ENOMEM;
}

void om_table_uncharge(struct om_mm *mm)
{
	atomic_fetch_sub_explicit(&mm->nr_tables, 1, memory_order_relaxed);
}

bool om_table_charge(struct om_mm *mm)
{
	if (atomic_fetch_add_explicit(&mm->nr_tables, 1, memory_order_relaxed) < most_tables(mm))
		return true;
	om_table_uncharge(mm);
	return false;
}

/*
 * A frame for a table whose level is not known yet: zeroed, and counted. NULL: none is free, or
 * the limit is reached.
 */
static struct om_page *new_frame(struct om_mm *mm)
{
	struct om_page *frame;

	if (!om_table_charge(mm))
		return NULL;
	frame = om_frame_get_zeroed(mm->sys, OM_KIND_TABLE, OM_TABLE_NEW);
	if (!frame)
		om_table_uncharge(mm);
	return frame;
}

static struct om_page *take_reserved(struct om_system *sys, struct om_table_stock *stock)
{
	struct om_page *frame = om_page_of(sys, stock->first);

	OM_BUG_ON(sys, stock->first == OM_NO_PFN, "I10", stock, 0, 0);
	stock->first = frame->link.next;
	return frame;
}

static void init_table(struct om_mm *mm, struct om_page *table, unsigned level, uintptr_t addr)
{
	om_table_lock_second(mm->sys, table);
	table->kind = (uint8_t)(OM_KIND_TABLE + level);
	table->object = mm;
	table->entries = om_page_ptr(mm->sys, table);
	table->index =
	    level == OM_LEVELS ? 0 : (addr & ~(om_level_span(level + 1) - 1)) >> OM_PAGE_SHIFT;
	om_table_unlock(mm->sys, table);
}

/* The frame comes from the stock, if there is one. */
static struct om_page *new_table(struct om_mm *mm, unsigned level, uintptr_t addr,
                                 struct om_table_stock *stock)
{
	struct om_page *table = stock ? take_reserved(mm->sys, stock) : new_frame(mm);

	if (table)
		init_table(mm, table, level, addr);
	return table;
}

void om_table_free(struct om_mm *mm, struct om_page *table)
{
	om_table_uncharge(mm);
	om_frame_release(mm->sys, table);
}

struct om_page *om_table_new_copy(struct om_mm *mm, const struct om_page *table)
{
	struct om_page *copy = om_frame_get_zeroed(mm->sys, OM_KIND_TABLE, OM_TABLE_NEW);

	if (copy)
		init_table(mm, copy, 1, om_table_addr(table, 0));
	return copy;
}

void om_table_free_copy(struct om_mm *mm, struct om_page *copy)
{
	OM_BUG_ON(mm->sys, copy->mapcount != 0, "I5", copy, copy->mapcount, copy->index);
	om_frame_release(mm->sys, copy);
}

struct om_page *om_table_new_root(struct om_mm *mm)
{
	return new_table(mm, OM_LEVELS, 0, NULL);
}

void om_table_free_root(struct om_mm *mm)
{
	OM_BUG_ON(mm->sys, mm->root->mapcount != 0, "I5", mm, mm->root->mapcount, 0);
	om_table_free(mm, mm->root);
}

/* The entry for addr in the table of this level that is in frame pfn. */
static inline om_pte_t load_at(struct om_system *sys, om_pfn_t pfn, uintptr_t addr, unsigned level)
{
	return om_arch_pte_load((om_pte_t *)om_arch_frame(&sys->arch, pfn) +
	                        om_level_pos(addr, level));
}

/* The upper table is locked. */
static struct om_page *leaf_in(struct om_system *sys, struct om_page *upper, uintptr_t addr)
{
	om_pte_t e = om_entry_get(sys, upper, om_level_pos(addr, 2));

	return om_pte_present(e) ? om_table_behind(sys, e) : NULL;
}

/* Without a lock, the upper table's entry for addr was seen to be big. Takes TABLE2. */
static OM_NOINLINE struct om_page *behind_big(struct om_system *sys, struct om_page *upper,
                                              uintptr_t addr)
{
	struct om_page *table;

	om_table_lock_second(sys, upper);
	table = leaf_in(sys, upper, addr);
	om_table_unlock(sys, upper);
	return table;
}

/* The table of `level` that covers addr, or NULL. */
static inline struct om_page *find_level(struct om_mm *mm, uintptr_t addr, unsigned level)
{
	om_pfn_t pfn = om_page_pfn(mm->sys, mm->root);

	for (unsigned l = OM_LEVELS; l > level; l--) {
		om_pte_t e = load_at(mm->sys, pfn, addr, l);

		if (!om_pte_present(e))
			return NULL;
		if (l == 2 && om_unlikely(om_pte_is_big(e)))
			return behind_big(mm->sys, om_page_of(mm->sys, pfn), addr);
		pfn = om_pte_pfn(e);
	}
	return om_page_of(mm->sys, pfn);
}

struct om_page *om_table_find_now(struct om_mm *mm, uintptr_t addr)
{
	struct om_page *upper = find_level(mm, addr, 2), *table = NULL;
	om_pte_t e = upper ? om_arch_pte_load(om_table_entry(upper, om_level_pos(addr, 2))) : 0;

	if (!om_pte_is_big(e))
		return om_pte_present(e) ? om_page_of(mm->sys, om_pte_pfn(e)) : NULL;
	if (om_table_trylock(mm->sys, upper)) {
		table = leaf_in(mm->sys, upper, addr);
		om_table_unlock(mm->sys, upper);
	}
	return table;
}

struct om_page *om_table_find(struct om_mm *mm, uintptr_t addr)
{
	return find_level(mm, addr, 1);
}

struct om_page *om_table_upper(struct om_mm *mm, uintptr_t addr)
{
	return find_level(mm, addr, 2);
}

struct om_page *om_table_at_level(struct om_mm *mm, uintptr_t addr, unsigned level)
{
	return find_level(mm, addr, level);
}

/* The child of `table` (of level l) at addr, made if it is missing; two faults may race for it. */
static struct om_page *make_child(struct om_mm *mm, struct om_page *table, unsigned l,
                                  uintptr_t addr, struct om_table_stock *stock)
{
	struct om_system *sys = mm->sys;
	struct om_page *child = new_table(mm, l - 1, addr, stock), *other = NULL;
	om_pte_t e;

	if (!child)
		return NULL;
	om_table_lock(sys, table);
	e = om_entry_get(sys, table, om_level_pos(addr, l));
	if (om_pte_none(e))
		om_entry_install(sys, table, om_level_pos(addr, l),
		                 om_pte_mktable(om_page_pfn(sys, child)));
	else
		other = om_table_behind(sys, e);
	om_table_unlock(sys, table);
	if (!other)
		return child;
	om_table_free(mm, child);
	return other;
}

/*
 * The table of `level` that covers addr, made with all above it, from the stock if there is one;
 * NULL if no frame is free.
 */
static inline struct om_page *make_level(struct om_mm *mm, uintptr_t addr, unsigned level,
                                         struct om_table_stock *stock)
{
	struct om_page *table = mm->root;

	for (unsigned l = OM_LEVELS; l > level && table; l--) {
		om_pte_t e = om_arch_pte_load(om_table_entry(table, om_level_pos(addr, l)));

		if (l == 2 && om_unlikely(om_pte_is_big(e)))
			return behind_big(mm->sys, table, addr);
		table = om_likely(om_pte_present(e)) ? om_page_of(mm->sys, om_pte_pfn(e))
		                                     : make_child(mm, table, l, addr, stock);
	}
	return table;
}

/* The others have gone since fork: this owner may write again. No flush is owed. */
static OM_COLD void allow_writing(struct om_mm *mm, struct om_page *upper, uintptr_t addr)
{
	unsigned pos = om_level_pos(addr, 2);
	om_pte_t e;

	om_table_lock(mm->sys, upper);
	e = om_entry_get(mm->sys, upper, pos);
	if (!om_pte_is_big(e))
		om_entry_replace(mm->sys, upper, pos, om_pte_mktable(om_pte_pfn(e)));
	om_table_unlock(mm->sys, upper);
}

struct om_page *om_table_make(struct om_mm *mm, struct om_mm_part *part, uintptr_t addr)
{
	struct om_page *upper = make_level(mm, addr, 2, NULL), *table;
	om_pte_t e;

	if (!upper)
		return NULL;
	e = om_arch_pte_load(om_table_entry(upper, om_level_pos(addr, 2)));
	if (om_unlikely(om_pte_is_big(e)))
		return behind_big(mm->sys, upper, addr);
	table = om_likely(om_pte_present(e)) ? om_page_of(mm->sys, om_pte_pfn(e))
	                                     : make_child(mm, upper, 2, addr, NULL);
	if (!table || om_unlikely(!om_table_is_sole(table, mm)))
		return table;
	if (OM_READ_ONLY_TABLES && om_unlikely(om_pte_present(e) && !om_pte_write(e)))
		allow_writing(mm, upper, addr);
	atomic_store_explicit(&part->table_hint, table, memory_order_release);
	return table;
}

struct om_page *om_table_make_upper(struct om_mm *mm, uintptr_t addr, struct om_table_stock *stock)
{
	return make_level(mm, addr, 2, stock);
}

/*
 * Skips *left spans without a table at most; *addr: where it is then. *upper: the table of level 2
 * that names the one returned; NULL: who asks knows that he has no folded ones.
 */
static inline struct om_page *next_table(struct om_mm *mm, uintptr_t *addr, uintptr_t end,
                                         unsigned *left, struct om_page **upper)
{
	struct om_system *sys = mm->sys;

	while (*addr < end && *left) {
		om_pfn_t pfn = om_page_pfn(sys, mm->root);
		struct om_page *table = NULL;
		unsigned l = OM_LEVELS;
		uintptr_t next;

		for (; l > 1; l--) {
			om_pte_t e = load_at(sys, pfn, *addr, l);

			if (!om_pte_present(e))
				break;
			table = om_page_of(sys, om_pte_pfn(e));
			if (upper)
				*upper = om_page_of(sys, pfn);
			if (om_unlikely(om_pte_is_big(e)))
				table = upper ? behind_big(sys, *upper, *addr) : NULL;
			pfn = om_pte_pfn(e);
		}
		if (l == 1 && om_likely(table))
			return table;
		next = (*addr & ~(om_level_span(l) - 1)) + om_level_span(l);
		om_work(sys, 1);
		--*left;
		*addr = next < *addr ? end : next; /* the last span of the machine's addresses */
	}
	return NULL;
}

struct om_page *om_table_next(struct om_mm *mm, uintptr_t addr, uintptr_t end)
{
	unsigned left = ~0u;
	struct om_page *upper;

	return next_table(mm, &addr, end, &left, &upper);
}

struct om_page *om_table_next_within(struct om_mm *mm, uintptr_t *addr, uintptr_t end,
                                     unsigned *left)
{
	return next_table(mm, addr, end, left, NULL);
}

/* The first leaf table below `upper` that maps any of [*addr, end), or NULL. */
static struct om_page *next_below(struct om_system *sys, struct om_page *upper, uintptr_t *addr,
                                  uintptr_t end)
{
	const om_pte_t *entry = om_table_entry(upper, om_level_pos(*addr, 2));
	const om_pte_t *last = om_table_entry(upper, OM_TABLE_ENTRIES);
	struct om_page *table = NULL;

	for (; entry < last && *addr < end; entry++) {
		om_pte_t e = om_arch_pte_load(entry);

		om_work(sys, 1);
		if (om_pte_present(e))
			table = om_likely(!om_pte_is_big(e)) ? om_page_of(sys, om_pte_pfn(e))
			                                     : behind_big(sys, upper, *addr);
		if (table)
			return table;
		*addr = (*addr & ~(OM_TABLE_SPAN - 1)) + OM_TABLE_SPAN;
	}
	return NULL;
}

/* Does an entry of this table of level 2 map addr? */
static bool is_below(const struct om_page *upper, uintptr_t addr)
{
	uintptr_t from = om_table_addr(upper, 0);

	return (addr ^ from) >> (OM_PAGE_SHIFT + OM_TABLE_SHIFT) >> OM_TABLE_SHIFT == 0;
}

bool om_table_part(struct om_mm *mm, uintptr_t start, uintptr_t end, struct om_table_part *part)
{
	unsigned left = ~0u;
	uintptr_t base;

	part->table = NULL;
	if (part->upper && is_below(part->upper, start))
		part->table = next_below(mm->sys, part->upper, &start, end);
	if (!part->table)
		part->table = next_table(mm, &start, end, &left, &part->upper);
	if (!part->table)
		return false;
	base = om_table_addr(part->table, 0);
	part->start = base > start ? base : start;
	part->end = end - base > OM_TABLE_SPAN ? base + OM_TABLE_SPAN : end;
	return true;
}

/* ---------------------------------------------------------------- in two steps -------------- */

/* The lowest level that has a table for addr. */
static unsigned lowest_level(struct om_mm *mm, uintptr_t addr)
{
	om_pfn_t pfn = om_page_pfn(mm->sys, mm->root);
	unsigned level = OM_LEVELS;

	for (; level > 1; level--) {
		om_pte_t e = load_at(mm->sys, pfn, addr, level);

		if (!om_pte_present(e))
			break;
		pfn = om_pte_pfn(e);
	}
	return level;
}

int om_table_reserve(struct om_mm *mm, uintptr_t addr, unsigned level, struct om_table_stock *stock)
{
	struct om_system *sys = mm->sys;

	OM_ASSERT(sys, om_rwsem_is_write_locked(&mm->own.mmap_lock), "mmap_lock", mm);
	/* What a table of level l lacks for this address and for the last one is in stock. */
	for (unsigned l = lowest_level(mm, addr); l > level; l--) {
		struct om_page *frame;

		if ((addr ^ stock->last) < om_level_span(l))
			continue;
		frame = new_frame(mm);
		if (!frame)
			return om_table_error(mm);
		frame->link.next = stock->first;
		stock->first = om_page_pfn(sys, frame);
	}
	stock->last = addr;
	return 0;
}

struct om_page *om_table_make_reserved(struct om_mm *mm, uintptr_t addr,
                                       struct om_table_stock *stock)
{
	OM_ASSERT(mm->sys, om_rwsem_is_write_locked(&mm->own.mmap_lock), "mmap_lock", mm);
	return make_level(mm, addr, 1, stock);
}

void om_table_unreserve(struct om_mm *mm, struct om_table_stock *stock)
{
	while (stock->first != OM_NO_PFN)
		om_table_free(mm, take_reserved(mm->sys, stock));
}

/* ---------------------------------------------------------------- entries ------------------- */

/* The MMU sets bits at any time: change the entry with a loop that loses none of them. */
#define OM_ENTRY_UPDATE(sys, table, pos, old, expr)                                                \
	do {                                                                                       \
		om_pte_t *p_ = om_table_entry(table, pos);                                         \
                                                                                                   \
		OM_ASSERT(sys, om_held(sys, &(table)->lock), "I9", table);                         \
		(old) = om_arch_pte_load(p_);                                                      \
		while (!om_arch_pte_cas(p_, &(old), (expr)))                                       \
			;                                                                          \
	} while (0)

om_pte_t om_entry_protect(struct om_system *sys, struct om_page *table, unsigned pos, unsigned prot)
{
	om_pte_t old;

	OM_ASSERT_SHOWN(sys, table);
	OM_ENTRY_UPDATE(sys, table, pos, old, om_pte_modify(old, prot));
	return old;
}

om_pte_t om_entry_clean(struct om_system *sys, struct om_page *table, unsigned pos)
{
	om_pte_t old;

	OM_ASSERT_SHOWN(sys, table);
	OM_ENTRY_UPDATE(sys, table, pos, old, om_pte_mkclean(om_pte_wrprotect(old)));
	return old;
}

void om_entry_use(struct om_system *sys, struct om_page *table, unsigned pos, bool wrote)
{
	om_pte_t old;

	OM_ENTRY_UPDATE(sys, table, pos, old,
	                wrote ? om_pte_mkdirty(om_pte_mkyoung(old)) : om_pte_mkyoung(old));
}

om_pte_t om_entry_age(struct om_system *sys, struct om_page *table, unsigned pos)
{
	om_pte_t old;

	OM_ENTRY_UPDATE(sys, table, pos, old, om_pte_mkold(old));
	return old;
}

OM_COLD bool om_entry_just_used(om_pte_t old, om_pte_t now)
{
	return om_pte_present(now) &&
	       om_pte_mkold(om_pte_mkclean(old)) == om_pte_mkold(om_pte_mkclean(now));
}
