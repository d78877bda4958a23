/*
 * tables.c: looking for page tables that hold nothing.
 *
 * One address space after the other, and in each from the lowest table to the highest, a piece at a
 * time (area/trim.c). Where to go on is kept in the lists: all reclaimers share the way. An
 * mmap_lock is only tried at first; but before pages go that are in use, somebody who is in an
 * address space with many tables is waited for, a moment: a CPU may be at a fault there for as long
 * as a hypervisor keeps it from going on.
 */
#include "reclaim/tables.h"

#include "area/mm.h"
#include "area/trim.h"
#include "page/frame_cache.h"

/* Whoever looks begins with the first list so often, at most: so it has been at all of them. */
#define ROUNDS 2

/*
 * The address space whose turn it is on list `i`, referenced, and from where on; NULL: all have had
 * theirs. Then `begin` begins with the first one again.
 */
static struct om_mm *turn_on(struct om_system *sys, unsigned i, bool begin, uintptr_t *addr)
{
	struct om_mm_list *list = &sys->shard[i].mms;
	struct om_mm *mm;

	om_spin_lock(sys, &list->lock, OM_RANK_LIST);
	if (begin && !list->turn) {
		list->turn = list->first;
		list->turn_addr = 0;
	}
	mm = list->turn;
	*addr = list->turn_addr;
	if (mm)
		om_mm_get(mm);
	om_spin_unlock(sys, &list->lock);
	return mm;
}

/*
 * The address space whose turn it is, as turn_on() of the list whose turn it is, or of the next one
 * that has any; NULL: there is none. *rounds counts how often we have begun with the first list.
 */
static struct om_mm *whose_turn(struct om_system *sys, uintptr_t *addr, unsigned *rounds)
{
	unsigned i = atomic_load_explicit(&sys->tables_shard, memory_order_relaxed);
	struct om_mm *mm = turn_on(sys, i, false, addr);

	while (!mm && *rounds < ROUNDS) {
		i = (i + 1) & sys->cpu_mask;
		*rounds += i == 0;
		mm = turn_on(sys, i, true, addr);
		/* Others may be at another one: each list remembers for itself who comes next. */
		atomic_store_explicit(&sys->tables_shard, i, memory_order_relaxed);
	}
	return mm;
}

/* It has been looked at up to `addr`. Drops the reference. */
static void turn_over(struct om_system *sys, struct om_mm *mm, uintptr_t addr)
{
	struct om_mm_list *list = mm->home;

	om_spin_lock(sys, &list->lock, OM_RANK_LIST);
	if (list->turn == mm) {
		list->turn_addr = addr;
		if (addr == OM_VA_LIMIT) {
			list->turn = mm->next;
			list->turn_addr = 0;
		}
	}
	om_spin_unlock(sys, &list->lock);
	om_mm_put(mm);
}

/* Part of all tables that is worth waiting for. */
#define WORTH 64

static bool lock_mm(struct om_mm *mm, enum om_tables how, size_t all)
{
	size_t own = atomic_load_explicit(&mm->nr_tables, memory_order_relaxed);

	if (how == OM_TABLES_FREE || own < all / WORTH)
		return om_mm_try_write_lock(mm);
	return om_mm_write_lock_briefly(mm);
}

size_t om_reclaim_tables(struct om_system *sys, enum om_tables how, size_t target)
{
	om_pfn_t all = om_frames_of_kind(sys, OM_KIND_TABLE);
	enum om_trim which = how == OM_TABLES_ALL ? OM_TRIM_ZERO : OM_TRIM_UNUSED;
	size_t freed = 0, budget = (how == OM_TABLES_ALL ? all : all / 2) + 1;
	unsigned rounds = 0;
	uintptr_t addr;

	while (budget && freed < target && rounds < ROUNDS) {
		struct om_mm *mm = whose_turn(sys, &addr, &rounds);
		unsigned looked = 0;

		if (!mm)
			break;
		if (lock_mm(mm, how, all)) {
			freed += om_trim(mm, &addr, OM_VA_LIMIT, which, &looked);
			om_mm_write_unlock_all(mm);
		} else {
			addr = OM_VA_LIMIT;
		}
		turn_over(sys, mm, addr);
		/* Its root counts as one: so the way round all of them ends. */
		looked += addr == OM_VA_LIMIT;
		budget -= looked < budget ? looked : budget;
	}
	om_count(sys, OM_EV_TABLE_RECLAIM, freed);
	return freed;
}
