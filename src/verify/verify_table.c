/*
 * verify_table.c: om_verify()'s look at page tables: every table and every entry in use, read by
 * hand from the roots; and the reverse map, which must find exactly these entries.
 *
 * Whether a walk visits each entry once is seen without remembering them: each entry has a number
 * made from its place, and the sum of the numbers of a page's entries is kept in its tally. A walk
 * that misses one and visits another twice comes to a different sum.
 */
#include "area/mm.h"
#include "page/fold.h"
#include "rmap/rmap.h"
#include "store/mapping.h"
#include "store/swap.h"
#include "verify/verify.h"

/* ---------------------------------------------------------------- present entries ----------- */

/* Does the entry allow no more than its area? Writing may be forbidden for a time, nothing else. */
static void check_permissions(struct om_check *c, struct om_vma *vma, struct om_page *table,
                              unsigned pos, om_pte_t pte)
{
	om_pte_t full = om_pte_modify(pte, om_vma_prot(om_vma_flags(vma)));

	if (om_table_is_folded(table))
		return; /* the big entry is what counts */
	OM_CHECK(c, pte == full || pte == om_pte_wrprotect(full), "I9", table, pte, pos);
}

/* I2, I3, and the part of I4 that concerns this entry. */
static void check_anon_entry(struct om_check *c, struct om_vma *vma, struct om_page *table,
                             unsigned pos, om_pte_t pte)
{
	struct om_page *page = om_page_of(c->sys, om_pte_pfn(pte));
	unsigned flags = om_page_flags(page);

	/* Hazard 46: anonymous pages belong in private areas only. */
	OM_CHECK(c, !(om_vma_flags(vma) & OM_VM_SHARED), "I4", page, vma->start, flags);
	OM_CHECK(c, om_vma_had_anon(vma), "I4", vma, vma->start, om_page_pfn(c->sys, page));
	OM_CHECK(c, (flags & OM_PG_DIRECT) || !om_pte_write(pte), "I3", page, pte, pos);
	OM_CHECK(c,
	         om_page_test(table, OM_TABLE_HELD) ||
	             !(om_page_pins(page) || (flags & OM_PG_LAZYFREE)),
	         "I13", table, page, flags);
	om_anon_check_entry(&c->anon, page, vma, table, pos);
}

static void check_file_entry(struct om_check *c, struct om_vma *vma, struct om_page *table,
                             unsigned pos, om_pte_t pte)
{
	struct om_page *page = om_page_of(c->sys, om_pte_pfn(pte));
	uintptr_t index = om_vma_index(vma, om_table_addr(table, pos));
	unsigned flags = om_vma_flags(vma);

	OM_CHECK(c, vma->mapping && page->object == vma->mapping, "I4", page, page->object,
	         vma->mapping);
	OM_CHECK(c, page->index == index || (flags & OM_VM_NONLINEAR), "I4", page, page->index,
	         index);
	if (!om_pte_write(pte))
		return;
	OM_CHECK(c, flags & OM_VM_SHARED, "I3", page, pte, vma->start);
	/* Hazard 15: a page is dirty before any entry lets a program write it. */
	OM_CHECK(c, om_page_test(page, OM_PG_DIRTY), "I9", page, pte, om_page_flags(page));
}

static void check_zero_entry(struct om_check *c, struct om_vma *vma, struct om_page *table,
                             unsigned pos, om_pte_t pte)
{
	uintptr_t index = om_vma_index(vma, om_table_addr(table, pos));

	OM_CHECK(c, !om_pte_write(pte), "I8", table, pte, pos);
	OM_CHECK(c, vma->mapping || om_page_test(table, OM_TABLE_MIXED), "I13", table, pte, pos);
	OM_CHECK(c, !(om_vma_flags(vma) & OM_VM_SHARED), "I8", table, vma->start, pos);
	/* Of files, only shared memory's holes are shown like this. */
	if (vma->mapping)
		OM_CHECK(c,
		         om_mapping_is_shmem(vma->mapping) &&
		             !om_index_get(c->sys, &vma->mapping->index, index),
		         "I8", table, vma->start, index);
}

static void check_present(struct om_check *c, struct om_vma *vma, struct om_page *table,
                          unsigned pos, om_pte_t pte)
{
	struct om_page *page;
	struct om_tally *tally;

	if (!OM_CHECK(c, om_pte_pfn(pte) < c->sys->nr_frames, "I1", table, pte, pos))
		return;
	check_permissions(c, vma, table, pos, pte);
	page = om_page_of(c->sys, om_pte_pfn(pte));
	if (om_pte_pfn(pte) == c->sys->zero_pfn) {
		check_zero_entry(c, vma, table, pos, pte);
		return;
	}
	if (!OM_CHECK(c, page->kind == OM_KIND_DATA, "I7", page, page->kind, pte))
		return;
	tally = om_tally_of(c, page);
	tally->seen++;
	if (om_vma_flags(vma) & OM_VM_LOCKED)
		tally->locked++;
	if (om_page_test(page, OM_PG_ANON))
		check_anon_entry(c, vma, table, pos, pte);
	else
		check_file_entry(c, vma, table, pos, pte);
}

static void check_absent(struct om_check *c, struct om_vma *vma, struct om_page *table,
                         unsigned pos, om_pte_t pte)
{
	unsigned flags = om_vma_flags(vma);

	if (om_pte_is_swap(pte)) {
		OM_CHECK(c, !(flags & OM_VM_SHARED), "I11", table, pte, pos);
		OM_CHECK(c, om_page_test(table, OM_TABLE_MIXED), "I13", table, pte, pos);
		OM_CHECK(c, om_vma_had_anon(vma), "I4", vma, vma->start, pte);
		OM_CHECK(c, om_slot_count(c->sys, om_pte_slot(pte)), "I11", table, pte, pos);
	} else if (OM_CHECK(c, om_pte_is_file(pte), "I9", table, pte, pos)) {
		OM_CHECK(c, flags & OM_VM_NONLINEAR, "I9", table, pte, pos);
	}
}

/* The area around addr; asked for in rising order, so the last answer is often right again. */
static struct om_vma *area_at(struct om_check *c, struct om_mm *mm, uintptr_t addr)
{
	if (!c->vma || c->vma->mm != mm || !om_vma_covers(c->vma, addr))
		c->vma = om_vma_find(mm, addr);
	return c->vma && om_vma_covers(c->vma, addr) ? c->vma : NULL;
}

static void check_entry(struct om_check *c, struct om_mm *mm, struct om_page *table, unsigned pos,
                        om_pte_t pte)
{
	struct om_vma *vma = area_at(c, mm, om_table_addr(table, pos));

	if (!OM_CHECK(c, vma, "I5", table, pte, om_table_addr(table, pos)))
		return;
	if (om_pte_present(pte))
		check_present(c, vma, table, pos, pte);
	else
		check_absent(c, vma, table, pos, pte);
}

/* ---------------------------------------------------------------- tables -------------------- */

/* I5: a table other than the root goes with the last area that it maps a part of. */
static bool has_area(struct om_mm *mm, const struct om_page *table, unsigned level)
{
	uintptr_t start = om_table_addr(table, 0);
	struct om_vma *vma = om_vma_find(mm, start);

	return vma && (vma->start <= start ||
	               vma->start - start < OM_TABLE_SPAN << (level - 1) * OM_TABLE_SHIFT);
}

static bool is_owner(const struct om_page *table, const struct om_mm *mm)
{
	om_for_each_owner (owner, table)
		if (owner == mm)
			return true;
	return false;
}

/* I13: what an owner of a shared table has around it. */
static void check_shared(struct om_check *c, struct om_mm *mm, struct om_page *table)
{
	uintptr_t start = om_table_addr(table, 0);
	struct om_vma *vma = om_vma_find(mm, start);
	struct om_page *upper = om_table_upper(mm, start);
	om_pte_t e = upper ? om_arch_pte_load(om_table_entry(upper, om_table_upper_pos(start))) : 0;

	OM_CHECK(c, mm->shares, "I13", table, mm, start);
	OM_CHECK(c, vma && vma->start <= start && vma->end - start >= OM_TABLE_SPAN, "I13", table,
	         vma, start);
	OM_CHECK(c, vma && !vma->mapping && !(om_vma_flags(vma) & OM_VM_LOCKED), "I13", table, vma,
	         start);
	OM_CHECK(c, om_pte_present(e) && !om_pte_write(e), "I13", table, e, mm);
	OM_CHECK(c, !om_page_test(table, OM_TABLE_HELD), "I13", table, mm, om_page_flags(table));
}

/* I14: areas cover all of it, and allow the same. Returns the first. */
static struct om_vma *check_around_folded(struct om_check *c, struct om_mm *mm,
                                          struct om_page *table)
{
	uintptr_t start = om_table_addr(table, 0), at = start;
	struct om_vma *first = om_vma_find(mm, start), *vma = first;

	for (; vma && vma->start <= at && at - start < OM_TABLE_SPAN; vma = om_vma_after(vma)) {
		unsigned prot = om_vma_prot(om_vma_flags(vma));

		OM_CHECK(c, !vma->mapping && !(prot & OM_PROT_EXEC), "I14", table, vma, start);
		OM_CHECK(c, prot == om_vma_prot(om_vma_flags(first)), "I14", table, vma, first);
		at = vma->end;
	}
	OM_CHECK(c, at - start >= OM_TABLE_SPAN, "I14", table, at, start);
	return first;
}

/* The big entry allows no more than the areas do. */
static void check_big(struct om_check *c, struct om_vma *vma, struct om_page *table, om_pte_t big)
{
	om_pte_t full = om_pte_modify(big, om_vma_prot(om_vma_flags(vma)));

	OM_CHECK(c, om_pte_pfn(big) % OM_TABLE_ENTRIES == 0, "I14", table, big, vma->start);
	OM_CHECK(c, om_pte_dirty(big), "I14", table, big, vma->start);
	OM_CHECK(c, big == full || big == om_pte_wrprotect(full), "I14", table, big, full);
}

/* I14: what is around a folded table, and what it shows. */
static void check_folded(struct om_check *c, struct om_mm *mm, struct om_page *table)
{
	uintptr_t start = om_table_addr(table, 0);
	struct om_page *upper = om_table_upper(mm, start);
	om_pte_t big = om_arch_pte_load(om_table_entry(upper, om_table_upper_pos(start)));
	struct om_vma *vma;

	OM_CHECK(c, om_pte_is_big(big) == om_table_is_folded(table), "I14", table, big, start);
	if (!om_table_is_folded(table))
		return;
	vma = check_around_folded(c, mm, table);
	if (vma)
		check_big(c, vma, table, big);
	for (unsigned i = 0; i < OM_TABLE_ENTRIES; i++) {
		om_pte_t e = om_arch_pte_load(om_table_entry(table, i));
		struct om_page *page = om_page_of(c->sys, om_pte_pfn(e));

		OM_CHECK(c, om_pte_present(e) && om_pte_pfn(e) == om_pte_pfn(big) + i, "I14", table,
		         e, i);
		OM_CHECK(c, om_pte_write(e) && om_pte_dirty(e), "I14", table, e, i);
		OM_CHECK(c, page->object == table && page->index == i, "I14", page, page->object,
		         i);
	}
}

/* Of several owners the first is the one by way of which the entries are looked at. */
static bool check_table(struct om_check *c, struct om_mm *mm, struct om_page *table, unsigned level,
                        uintptr_t index)
{
	unsigned used = 0;

	if (!OM_CHECK(c, table->kind == OM_KIND_TABLE + level, "I5", table, table->kind, level) ||
	    !OM_CHECK(c, is_owner(table, mm), "I5", table, table->object, mm))
		return false;
	OM_CHECK(c, table->index == index, "I5", table, table->index, index);
	OM_CHECK(c, level == 1 || om_table_is_sole(table, mm), "I13", table, mm, level);
	om_tally_of(c, table)->locked++;
	if (om_table_is_shared(table))
		check_shared(c, mm, table);
	if (level == 1)
		check_folded(c, mm, table);
	c->owners += om_owner_of(table->object) && om_owner_mm(table->object) != mm;
	if (om_table_mm(table) != mm)
		return false;
	if (!OM_CHECK(c, om_tally_of(c, table)->seen++ == 0, "I5", table, mm, level))
		return false;
	for (unsigned i = 0; i < om_table_ours(level); i++)
		used += !om_pte_none(om_arch_pte_load(om_table_entry(table, i)));
	OM_CHECK(c, table->mapcount == used, "I5", table, table->mapcount, used);
	OM_CHECK(c, level == OM_LEVELS || has_area(mm, table, level), "I5", table, index, level);
	return true;
}

/* Counters of one mm, by entries. */
struct entry_sums {
	size_t anon, file, swap, tables;
};

static void tally_entry(struct om_system *sys, om_pte_t pte, struct entry_sums *s)
{
	if (om_pte_is_swap(pte))
		s->swap++;
	if (!om_pte_present(pte) || om_pte_pfn(pte) == sys->zero_pfn)
		return;
	if (om_page_test(om_page_of(sys, om_pte_pfn(pte)), OM_PG_ANON))
		s->anon++;
	else
		s->file++;
}

/* The tables have been found sound. */
static void tally_table(struct om_system *sys, struct om_page *table, unsigned level,
                        struct entry_sums *s)
{
	s->tables++;
	for (unsigned i = 0; i < om_table_ours(level); i++) {
		om_pte_t pte = om_arch_pte_load(om_table_entry(table, i));

		if (om_pte_none(pte))
			continue;
		if (level > 1)
			tally_table(sys, om_table_behind(sys, pte), level - 1, s);
		else
			tally_entry(sys, pte, s);
	}
}

/* Hazard 72. */
static void check_counters(struct om_check *c, struct om_mm *mm)
{
	struct entry_sums s = {0};
	struct om_mm_sums sums;

	tally_table(c->sys, mm->root, OM_LEVELS, &s);
	sums = om_mm_sums(mm);
	OM_CHECK(c, s.anon == sums.anon, "rss", mm, s.anon, sums.anon);
	OM_CHECK(c, s.file == sums.file, "rss", mm, s.file, sums.file);
	OM_CHECK(c, s.swap == sums.swap, "rss", mm, s.swap, sums.swap);
	OM_CHECK(c, s.tables == atomic_load(&mm->nr_tables), "I5", mm, s.tables,
	         atomic_load(&mm->nr_tables));
	OM_CHECK(c, !om_mm_flush_pending(mm), "I9", mm, atomic_load(&mm->flush_pending), 0);
	OM_CHECK(c, !atomic_load(&mm->emptying), "I9", mm, atomic_load(&mm->emptying), 0);
}

void om_check_tables(struct om_check *c)
{
	static const struct om_entry_scan scan = {check_table, check_entry};

	om_scan_tables(c, &scan);
	if (c->violations)
		return;
	om_for_each_mm (mm, c->sys)
		check_counters(c, mm);
}

/* ---------------------------------------------------------------- walks --------------------- */

/* A number for an entry, from its place. */
static uint32_t place_number(struct om_system *sys, const struct om_page *table, unsigned pos)
{
	uint32_t x = (om_page_pfn(sys, table) << OM_TABLE_SHIFT | pos) + 1;

	x = (x ^ x >> 16) * 0x45d9f3bu;
	x = (x ^ x >> 15) * 0x27d4eb2du;
	return x ^ x >> 16;
}

static void sum_entry(struct om_check *c, struct om_mm *mm, struct om_page *table, unsigned pos,
                      om_pte_t pte)
{
	struct om_tally *tally;

	(void)mm;
	if (!om_pte_present(pte) || om_pte_pfn(pte) == c->sys->zero_pfn)
		return;
	tally = om_tally_at(c, om_pte_pfn(pte));
	tally->seen++;
	tally->locked += place_number(c->sys, table, pos);
}

struct visited {
	struct om_check *c;
	struct om_tally sum;
};

static enum om_walk_verdict visit(struct om_walk *w, struct om_page *page, struct om_vma *vma,
                                  struct om_page *table, unsigned pos)
{
	struct visited *v = w->arg;
	om_pte_t pte = om_entry_get(w->sys, table, pos);
	uintptr_t addr = om_table_addr(table, pos);

	OM_CHECK(v->c, om_pte_present(pte) && om_pte_pfn(pte) == om_page_pfn(w->sys, page), "I1",
	         page, pte, addr);
	OM_CHECK(v->c, !vma || (vma->mm == om_table_mm(table) && om_vma_covers(vma, addr)), "I1",
	         vma, addr, om_page_pfn(w->sys, page));
	v->sum.seen++;
	v->sum.locked += place_number(w->sys, table, pos);
	return OM_WALK_GO;
}

/* The figures of the program's own walks stay as they were. */
static void uncount_walk(struct om_system *sys, const struct om_walk *w)
{
	om_count(sys, OM_EV_RMAP_WALKS, (uint64_t)-1);
	om_count(sys, OM_EV_RMAP_PROBES, 0 - (uint64_t)w->probed);
	om_count(sys, OM_EV_RMAP_FOUND, 0 - (uint64_t)w->found);
}

static void check_walk(struct om_check *c, struct om_page *page)
{
	struct om_tally *want = om_tally_of(c, page);
	struct visited v = {.c = c};
	struct om_walk w = {.visit = visit, .arg = &v, .complete = true};

	if (!OM_CHECK(c, om_page_trylock(c->sys, page), "rest", page, om_page_flags(page), 0))
		return;
	om_rmap_walk(c->sys, page, &w);
	om_page_unlock(c->sys, page);
	uncount_walk(c->sys, &w);
	OM_CHECK(c, v.sum.seen == want->seen, "I1", page, v.sum.seen, want->seen);
	OM_CHECK(c, w.found == want->seen, "I1", page, w.found, want->seen);
	OM_CHECK(c, v.sum.locked == want->locked, "I1", page, v.sum.locked, want->locked);
}

void om_check_walks(struct om_check *c)
{
	static const struct om_entry_scan scan = {NULL, sum_entry};

	om_tally_clear(c);
	om_scan_tables(c, &scan);
	for (om_pfn_t pfn = 0; pfn < c->sys->nr_frames && !c->violations; pfn++) {
		struct om_page *page = om_page_of(c->sys, pfn);

		if (page->kind == OM_KIND_DATA)
			check_walk(c, page);
	}
}
