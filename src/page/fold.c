/*
 * fold.c: see fold.h.
 *
 * Whoever changes a big entry has the leaf table's lock. So with it held, the big entries of all
 * owners can be read without the locks of their upper tables; the MMU alone sets bits meanwhile.
 */
#include "page/fold.h"

/* Where an owner has its big entry. */
struct place {
	struct om_page *upper;
	unsigned pos;
};

static struct place find_place(struct om_mm *mm, const struct om_page *table)
{
	uintptr_t addr = om_table_addr(table, 0);
	struct place p = {om_table_upper(mm, addr), om_table_upper_pos(addr)};

	OM_ASSERT(mm->sys, om_held(mm->sys, &table->lock), "I14", table);
	return p;
}

static om_pte_t load(const struct place *p)
{
	return om_arch_pte_load(om_table_entry(p->upper, p->pos));
}

/* ---------------------------------------------------------------- folding ------------------- */

void om_table_fold(struct om_mm *mm, struct om_page *table)
{
	struct om_system *sys = mm->sys;
	struct place p = find_place(mm, table);
	uintptr_t addr = om_table_addr(table, 0);
	om_pte_t first = om_arch_pte_load(om_table_entry(table, 0));

	OM_BUG_ON(sys, table->mapcount != OM_TABLE_ENTRIES || !om_table_is_sole(table, mm), "I14",
	          table, table->mapcount, addr);
	om_page_set(table, OM_TABLE_FOLDED);
	om_table_lock_second(sys, p.upper);
	om_entry_replace(sys, p.upper, p.pos, om_pte_mkbig(om_pte_mkyoung(first)));
	om_table_unlock(sys, p.upper);
	/* No CPU goes by the table any more: what the entries say may be out of date soon. */
	om_tlb_flush(mm, addr, addr + OM_TABLE_SPAN, OM_FLUSH_TABLES);
}

/* ---------------------------------------------------------------- unfolding ----------------- */

/* What entry i says: as the big one, young if either is. */
static om_pte_t renewed(om_pte_t big, unsigned i, om_pte_t entry)
{
	om_pte_t e = om_pte_mksmall(big, i);

	return om_pte_young(entry) ? om_pte_mkyoung(e) : e;
}

/* No MMU sees the entries. */
static void renew(struct om_system *sys, struct om_page *table, om_pte_t big)
{
	om_work(sys, OM_TABLE_ENTRIES);
	for (unsigned i = 0; i < OM_TABLE_ENTRIES; i++) {
		om_pte_t *e = om_table_entry(table, i);

		om_arch_pte_store(e, renewed(big, i, om_arch_pte_load(e)));
	}
}

/* Nobody's permissions have changed, but an owner has used the table. */
static void mark_young(struct om_system *sys, struct om_page *table)
{
	om_work(sys, OM_TABLE_ENTRIES);
	for (unsigned i = 0; i < OM_TABLE_ENTRIES; i++) {
		om_pte_t *e = om_table_entry(table, i);

		om_arch_pte_store(e, om_pte_mkyoung(om_arch_pte_load(e)));
	}
}

static bool same_rights(om_pte_t a, om_pte_t b)
{
	return om_pte_mkold(om_pte_mkclean(a)) == om_pte_mkold(om_pte_mkclean(b));
}

/*
 * Has the big entry of the only owner other permissions than the entries? They have changed since,
 * or fork has taken that to write, and no write has given it back.
 */
static bool lags(const struct om_page *table)
{
	struct place p = find_place(om_table_mm(table), table);

	return !same_rights(om_pte_mksmall(load(&p), 0),
	                    om_arch_pte_load(om_table_entry(table, 0)));
}

/* All owners' upper entries name the table. */
static void show(struct om_system *sys, struct om_page *table)
{
	bool shared = om_table_is_shared(table);
	om_pte_t e = om_pte_mktable(om_page_pfn(sys, table));

	om_for_each_owner (mm, table) {
		struct place p = find_place(mm, table);

		om_table_lock_second(sys, p.upper);
		OM_BUG_ON(sys, !om_pte_is_big(load(&p)), "I14", table, load(&p), mm);
		om_entry_replace(sys, p.upper, p.pos, shared ? om_pte_wrprotect(e) : e);
		om_table_unlock(sys, p.upper);
		om_tlb_flush(mm, om_table_addr(table, 0), om_table_addr(table, 0) + OM_TABLE_SPAN,
		             OM_FLUSH_ALL);
	}
	om_page_clear(table, OM_TABLE_FOLDED);
	om_count(sys, OM_EV_TABLE_UNFOLD, 1);
}

void om_table_empty_folded(struct om_system *sys, struct om_page *table)
{
	om_pte_t *e = om_table_entry(table, 0);

	OM_BUG_ON(sys, !om_table_is_folded(table) || om_table_is_shared(table), "I14", table,
	          table->mapcount, table->index);
	/* While they are hidden: no CPU shall find one of them between this and the flush. */
#pragma GCC unroll 8
	for (unsigned i = 0; i < OM_TABLE_ENTRIES; i++)
		om_arch_pte_store(e + i, 0);
	table->counts -= OM_TABLE_ENTRIES;
	show(sys, table);
}

/* Has any owner used it? */
static bool is_young(const struct om_page *table)
{
	bool young = false;

	om_for_each_owner (mm, table) {
		struct place p = find_place(mm, table);

		young |= om_pte_young(load(&p));
	}
	return young;
}

void om_table_unfold(struct om_system *sys, struct om_page *table)
{
	struct place p = find_place(om_table_mm(table), table);

	/* Writing is forbidden to several owners, and the entries are as they all want them. */
	if (!om_table_is_shared(table) && lags(table))
		renew(sys, table, load(&p));
	else if (is_young(table))
		mark_young(sys, table);
	show(sys, table);
}

/* ---------------------------------------------------------------- staying folded ------------ */

/* Returns whether it was young. */
static bool age_big(struct om_mm *mm, struct om_page *table)
{
	struct place p = find_place(mm, table);
	om_pte_t old;

	if (!om_pte_young(load(&p)))
		return false;
	om_table_lock_second(mm->sys, p.upper);
	old = om_entry_age(mm->sys, p.upper, p.pos);
	om_table_unlock(mm->sys, p.upper);
	return om_pte_young(old);
}

void om_table_spread_use(struct om_system *sys, struct om_page *table)
{
	bool young = false;

	om_for_each_owner (mm, table)
		young |= age_big(mm, table);
	if (young)
		mark_young(sys, table);
}

void om_table_protect_big(struct om_mm *mm, struct om_page *table, unsigned prot, bool write)
{
	struct om_system *sys = mm->sys;
	struct place p = find_place(mm, table);

	OM_ASSERT(sys, om_table_is_sole(table, mm), "I13", table);
	om_table_lock_second(sys, p.upper);
	if (!write && !om_pte_write(load(&p)))
		prot &= ~(unsigned)OM_PROT_WRITE;
	om_entry_protect(sys, p.upper, p.pos, prot);
	om_table_unlock(sys, p.upper);
}
