/*
 * tlb.h: what a simulated CPU has kept of page tables, and where. For mmu.c, which fills it, and
 * tlb.c, which drops it. The CPU's lock is held.
 */
#ifndef SIM_TLB_H
#define SIM_TLB_H

#include "machine.h"

static inline bool sim_keeps(const struct sim_cpu *cpu, enum sim_mode what)
{
	return cpu->sim->mode & what;
}

/* Spread address spaces, so that equal addresses do not always displace each other. */
static inline uintptr_t sim_spread(const struct om_mm *mm, uintptr_t n)
{
	return n + ((uintptr_t)mm >> 6) * 37;
}

static inline struct sim_tlb_entry *sim_tlb_slot(struct sim_cpu *cpu, const struct om_mm *mm,
                                                 uintptr_t page)
{
	return &cpu->tlb[sim_spread(mm, page) % SIM_TLB_ENTRIES];
}

static inline bool sim_tlb_is(const struct sim_tlb_entry *e, const struct om_mm *mm, uintptr_t page)
{
	return e->mm == mm && e->page == page;
}

/* Pages that a table of this level maps. */
static inline uintptr_t sim_table_pages(unsigned level)
{
	return (uintptr_t)1 << level * OM_TABLE_SHIFT;
}

/* Where the CPU would remember the table of this level that maps `page`. */
static inline struct sim_upper *sim_upper_slot(struct sim_cpu *cpu, const struct om_mm *mm,
                                               unsigned level, uintptr_t page)
{
	uintptr_t n = sim_spread(mm, page >> level * OM_TABLE_SHIFT);

	return &cpu->upper[level - 1][n % SIM_UPPER_SETS];
}

static inline bool sim_upper_is(const struct sim_upper *u, const struct om_mm *mm, unsigned level,
                                uintptr_t page)
{
	return u->mm == mm && u->first == (page & ~(sim_table_pages(level) - 1));
}

/* Forget what lies on the way to this page. */
void sim_upper_drop(struct sim_cpu *cpu, const struct om_mm *mm, uintptr_t page);

#endif
