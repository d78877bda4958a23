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

/* Returns its anonymous pages. If it has nothing else after all, the mark goes. */
static size_t count_mixed(struct om_system *sys, struct om_page *table, struct om_table_figures *f)
{
	size_t anon = 0;

	for (unsigned pos = 0; pos < OM_TABLE_ENTRIES; pos++) {
		om_pte_t pte = om_entry_get(sys, table, pos);

		if (!om_pte_present(pte))
			f->swap += om_pte_is_swap(pte);
		else
			anon += om_pte_pfn(pte) != sys->zero_pfn;
	}
	if (anon == table->mapcount)
		om_page_clear(table, OM_TABLE_MIXED);
	return anon;
}

/* They are added to the figures. The table is locked. */
static void count_entries(struct om_system *sys, struct om_page *table, struct om_table_figures *f)
{
	size_t anon = table->mapcount;

	if (om_unlikely(om_page_test(table, OM_TABLE_MIXED)))
		anon = count_mixed(sys, table, f);
	f->anon += anon;
}

/* The upper tables of both at one place. */
struct uppers {
	struct om_page *parent, *child;
};

/* The parent's upper entry forbids writing from now on. Returns it. */
static om_pte_t forbid_writing(struct om_system *sys, struct om_page *upper, unsigned pos)
{
	om_pte_t e;

	om_table_lock_second(sys, upper);
	e = om_entry_get(sys, upper, pos);
	if (om_pte_write(e))
		e = om_entry_wrprotect(sys, upper, pos);
	om_table_unlock(sys, upper);
	return e;
}

static void add_to_child(struct om_system *sys, struct om_page *upper, unsigned pos, om_pte_t e)
{
	om_table_lock_second(sys, upper);
	om_entry_fill(sys, upper, pos, om_pte_wrprotect(e));
	om_table_unlock(sys, upper);
}

/* The child's upper entry becomes as the parent's. `owner` is the record for it. */
static void share_table(struct om_share *s, const struct uppers *u, struct om_page *table,
                        struct om_owner *owner)
{
	struct om_system *sys = s->parent->sys;
	unsigned pos = om_table_upper_pos(s->at);

	/* With the table locked, nobody folds or unfolds it half way. */
	om_table_lock(sys, table);
	/* Entries of a folded table may still allow it; several owners rely on what they say. */
	if (om_unlikely(s->read_only))
		om_table_show(sys, table);
	count_entries(sys, table, &s->f);
	om_table_add_owner(sys, table, owner, s->child);
	add_to_child(sys, u->child, pos, forbid_writing(sys, u->parent, pos));
	om_table_unlock(sys, table);
	s->tables++;
}

/* The table at s->at. As om_tables_share(). */
static int share_one(struct om_share *s, const struct uppers *u, struct om_page *table)
{
	struct om_owner *owner;

	/* Nobody but the parent's threads makes these other than they are. */
	if (om_page_test(table, OM_TABLE_HELD))
		return 1;
	if (!table->mapcount)
		return 0;
	if (!om_table_charge(s->child))
		return om_table_error(s->child);
	owner = om_object_alloc(s->parent->sys, OM_CACHE_OWNER);
	if (!owner) {
		om_table_uncharge(s->child);
		return -OM_ENOFRAME;
	}
	share_table(s, u, table, owner);
	return 0;
}

/* What lies under the upper table that has s->at. */
static int share_under_one(struct om_share *s, uintptr_t end)
{
	struct om_system *sys = s->parent->sys;
	struct uppers u = {om_table_upper(s->parent, s->at),
	                   om_table_make_upper(s->child, s->at, NULL)};
	unsigned pos = om_table_upper_pos(s->at);

	if (!u.child)
		return om_table_error(s->child);
	for (; pos < OM_TABLE_ENTRIES && s->at < end; pos++, s->at += OM_TABLE_SPAN) {
		om_pte_t e = om_arch_pte_load(om_table_entry(u.parent, pos));
		int err;

		om_work(sys, 1);
		if (om_pte_none(e))
			continue;
		err = share_one(s, &u,
		                om_likely(!om_pte_is_big(e)) ? om_page_of(sys, om_pte_pfn(e))
		                                             : om_table_find(s->parent, s->at));
		if (err)
			return err;
	}
	return 0;
}

int om_tables_share(struct om_share *s, uintptr_t end)
{
	struct om_page *table;
	int err = 0;

	OM_ASSERT(s->parent->sys, om_rwsem_is_write_locked(&s->parent->own.mmap_lock), "mmap_lock",
	          s->parent);
	while (!err && s->at < end && (table = om_table_next(s->parent, s->at, end))) {
		if (om_dying(s->parent->sys))
			return -OM_EINTR;
		s->at = om_table_addr(table, 0);
		err = share_under_one(s, end);
	}
	return err;
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
