/*
 * no_swap.c: in the place of the files of swap (objrmap.cmake, OBJRMAP_SWAP), where om_swapon() is
 * never called. There is no slot and no page in the swap cache: what is asked for one of these
 * means that something is wrong.
 */
#include "ops/fault.h"
#include "store/slot.h"
#include "store/swap.h"

static _Noreturn void absent(struct om_system *sys)
{
	om_bug(sys, "tier", "there is no swap", __FILE__, __LINE__, NULL, 0, 0);
}

/* ---------------------------------------------------------------- asked at any time --------- */

unsigned om_slot_alloc(struct om_system *sys, unsigned n, uint32_t *first)
{
	(void)sys;
	(void)n;
	(void)first;
	return 0;
}

bool om_swap_has_room(const struct om_system *sys)
{
	(void)sys;
	return false;
}

void om_swap_figures(struct om_system *sys, uint32_t *slots, uint32_t *free)
{
	(void)sys;
	*slots = 0;
	*free = 0;
}

uint32_t om_slots_listed(const struct om_system *sys)
{
	(void)sys;
	return 0;
}

uint32_t om_swapcache_pages(const struct om_system *sys)
{
	(void)sys;
	return 0;
}

/* ---------------------------------------------------------------- never asked --------------- */

unsigned om_slot_count(struct om_system *sys, uint32_t slot)
{
	(void)slot;
	absent(sys);
}

om_pfn_t om_slot_pfn(struct om_system *sys, uint32_t slot)
{
	(void)slot;
	absent(sys);
}

bool om_slot_is_free(struct om_system *sys, uint32_t slot)
{
	(void)slot;
	absent(sys);
}

bool om_slot_dup(struct om_system *sys, uint32_t slot)
{
	(void)slot;
	absent(sys);
}

bool om_slot_dup_out(struct om_system *sys, uint32_t slot)
{
	(void)slot;
	absent(sys);
}

unsigned om_slot_put(struct om_system *sys, uint32_t slot)
{
	(void)slot;
	absent(sys);
}

void om_swap_free_entry(struct om_system *sys, uint32_t slot)
{
	(void)slot;
	absent(sys);
}

bool om_swap_near_add(struct om_system *sys, struct om_swap_near *near, uint32_t other)
{
	(void)near;
	(void)other;
	absent(sys);
}

int om_swap_write(struct om_system *sys, const om_pfn_t page[], unsigned n)
{
	(void)page;
	(void)n;
	absent(sys);
}

void om_swapcache_add(struct om_system *sys, struct om_page *page, uint32_t slot)
{
	(void)page;
	(void)slot;
	absent(sys);
}

void om_swapcache_del(struct om_system *sys, struct om_page *page)
{
	(void)page;
	absent(sys);
}

bool om_swapcache_is_sole(struct om_system *sys, struct om_page *page)
{
	(void)page;
	absent(sys);
}

void om_swapcache_try_free(struct om_system *sys, struct om_page *page)
{
	(void)page;
	absent(sys);
}

int om_swap_readpage(struct om_system *sys, uint32_t slot, struct om_page **page, bool *read)
{
	(void)slot;
	(void)page;
	(void)read;
	absent(sys);
}

int om_swap_readpages(struct om_system *sys, const struct om_swap_near *near, struct om_page **page,
                      bool *read)
{
	(void)near;
	(void)page;
	(void)read;
	absent(sys);
}

int om_fault_swap(struct om_fault *f)
{
	absent(f->sys);
}
