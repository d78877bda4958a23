/*
 * share.c: see share.h.
 *
 * Order is what matters. On the way in, the table has a further owner before the child's upper
 * entry names it (or is big, as the parent's), and the parent's CPUs are flushed before the child
 * runs: until then they may
 * write, as they may while fork copies entries. On the way out, the upper entry goes first, then
 * what CPUs keep of it and of the pages, and last the owner: as long as a CPU of X may reach a page
 * by the table, whoever takes an entry finds X among the owners, and flushes it (CVE-2021-4002).
 */
#include "page/share.h"

#include "page/fold.h"

#include "page/slab.h"

/* The table is locked. Of a table that has nothing but anonymous pages, the mark goes. */
static void count_entries(struct om_system *sys, struct om_page *table, struct om_table_figures *f)
{
	f->anon = table->mapcount;
	f->swap = 0;
	if (!om_page_test(table, OM_TABLE_MIXED))
		return;
	f->anon = 0;
	for (unsigned pos = 0; pos < OM_TABLE_ENTRIES; pos++) {
		om_pte_t pte = om_entry_get(sys, table, pos);

		if (!om_pte_present(pte))
			f->swap += om_pte_is_swap(pte);
		else
			f->anon += om_pte_pfn(pte) != sys->zero_pfn;
	}
	if (f->anon == table->mapcount)
		om_page_clear(table, OM_TABLE_MIXED);
}

/* The parent's upper entry forbids writing from now on. Returns it. */
static om_pte_t forbid_writing(struct om_mm *mm, uintptr_t addr)
{
	struct om_page *upper = om_table_upper(mm, addr);
	unsigned pos = om_table_upper_pos(addr);
	om_pte_t e;

	om_table_lock_second(mm->sys, upper);
	e = om_entry_get(mm->sys, upper, pos);
	if (om_pte_write(e))
		e = om_entry_wrprotect(mm->sys, upper, pos);
	om_table_unlock(mm->sys, upper);
	return e;
}

/* As the parent's. */
static void add_to_child(struct om_mm *child, struct om_page *upper, uintptr_t addr, om_pte_t e)
{
	om_table_lock_second(child->sys, upper);
	om_entry_fill(child->sys, upper, om_table_upper_pos(addr), om_pte_wrprotect(e));
	om_table_unlock(child->sys, upper);
}

/* The table is locked, so nobody folds or unfolds it half way. */
static void share_locked(struct om_mm *parent, struct om_mm *child, struct om_page *upper,
                         struct om_page *table, struct om_owner *owner)
{
	struct om_system *sys = parent->sys;
	uintptr_t addr = om_table_addr(table, 0);

	OM_ASSERT(sys, om_held(sys, &table->lock), "I13", table);
	if (om_table_is_folded(table) && !om_table_is_shared(table) && om_table_lags(sys, table))
		om_table_unfold(sys, table);
	om_table_add_owner(sys, table, owner, child);
	add_to_child(child, upper, addr, forbid_writing(parent, addr));
}

int om_table_share(struct om_mm *parent, struct om_mm *child, struct om_page *table,
                   struct om_table_figures *f)
{
	struct om_system *sys = parent->sys;
	uintptr_t addr = om_table_addr(table, 0);
	struct om_owner *owner;
	struct om_page *upper;

	OM_ASSERT(sys, om_rwsem_is_write_locked(&parent->own.mmap_lock), "mmap_lock", parent);
	/* Nobody but the parent's threads makes these other than they are. */
	if (om_page_test(table, OM_TABLE_HELD) || !table->mapcount)
		return 1;
	upper = om_table_make_upper(child, addr);
	if (!upper || !om_table_charge(child))
		return om_table_error(child);
	owner = om_object_alloc(sys, OM_CACHE_OWNER);
	if (!owner) {
		om_table_uncharge(child);
		return -OM_ENOFRAME;
	}
	om_table_lock(sys, table);
	count_entries(sys, table, f);
	share_locked(parent, child, upper, table, owner);
	om_table_unlock(sys, table);
	return 0;
}

/* What the upper entry of mm is from now on: 0, or it names another table. The table is locked. */
static struct om_owner *leave(struct om_mm *mm, struct om_page *table, om_pte_t now)
{
	struct om_system *sys = mm->sys;
	uintptr_t addr = om_table_addr(table, 0);
	struct om_page *upper = om_table_upper(mm, addr);
	unsigned pos = om_table_upper_pos(addr);

	om_table_lock_second(sys, upper);
	if (om_pte_none(now))
		om_entry_take(sys, upper, pos, 0);
	else
		om_entry_replace(sys, upper, pos, now);
	om_table_unlock(sys, upper);
	om_tlb_flush(mm, addr, addr + OM_TABLE_SPAN, OM_FLUSH_ALL);
	return om_table_drop_owner(sys, table, mm);
}

bool om_table_leave(struct om_mm *mm, struct om_page *table, struct om_table_figures *f)
{
	struct om_system *sys = mm->sys;
	struct om_owner *owner = NULL;

	OM_ASSERT(sys, om_rwsem_is_locked(&mm->own.mmap_lock), "mmap_lock", mm);
	if (!om_table_is_shared(table))
		return false;
	om_table_lock(sys, table);
	if (om_table_is_shared(table)) {
		count_entries(sys, table, f);
		owner = leave(mm, table, 0);
	}
	om_table_unlock(sys, table);
	if (!owner)
		return false;
	om_object_free(sys, OM_CACHE_OWNER, owner);
	om_table_uncharge(mm);
	return true;
}

struct om_owner *om_table_replace(struct om_mm *mm, struct om_page *table, struct om_page *copy)
{
	OM_ASSERT(mm->sys, om_rwsem_is_write_locked(&mm->own.mmap_lock), "mmap_lock", mm);
	return leave(mm, table, om_pte_mktable(om_page_pfn(mm->sys, copy)));
}
