/*
 * verify_slot.c: om_verify()'s look at swap slots: the count of each must be the number of
 * page-table entries and file-index entries that hold it, and one more if it is cached (I11).
 *
 * Slots are counted in chunks: the scratch memory has two words a frame, and each pass over tables
 * and indexes counts the holders of as many slots as there are words. With swap of twice the memory
 * that is one pass.
 */
#include "store/index.h"
#include "store/swap.h"
#include "verify/verify.h"

/* How often slot first_slot + i has been met. */
static uint32_t *holders_of(const struct om_check *c, uint32_t i)
{
	struct om_tally *t = om_tally_at(c, i / 2);

	return i % 2 ? &t->locked : &t->seen;
}

static void hold(struct om_check *c, uint32_t slot)
{
	if (slot - c->first_slot < c->nr_slots)
		++*holders_of(c, slot - c->first_slot);
}

static void held_by_entry(struct om_check *c, struct om_mm *mm, struct om_page *table, unsigned pos,
                          om_pte_t pte)
{
	(void)mm;
	(void)table;
	(void)pos;
	if (om_pte_is_swap(pte))
		hold(c, om_pte_slot(pte));
}

static bool held_by_index(struct om_check *c, struct om_mapping *mapping, uintptr_t index,
                          uint32_t e)
{
	(void)mapping;
	(void)index;
	if (om_ientry_is_slot(e))
		hold(c, om_ientry_value(e));
	return true;
}

/* Page and slot must name each other. */
static void check_in_swapcache(struct om_check *c, uint32_t slot, om_pfn_t pfn)
{
	struct om_page *page;

	if (!OM_CHECK(c, pfn < c->sys->nr_frames, "I11", NULL, slot, pfn))
		return;
	page = om_page_of(c->sys, pfn);
	OM_CHECK(c, page->kind == OM_KIND_DATA, "I11", page, page->kind, slot);
	OM_CHECK(c, om_page_test(page, OM_PG_SWAPCACHE), "I11", page, om_page_flags(page), slot);
	OM_CHECK(c, page->slot == slot, "I11", page, page->slot, slot);
}

static void check_chunk(struct om_check *c)
{
	static const struct om_entry_scan scan = {NULL, held_by_entry};

	om_tally_clear(c);
	om_scan_tables(c, &scan);
	for (struct om_mapping *m = c->sys->mappings; m; m = m->next)
		om_scan_index(c, m, held_by_index, false);
	for (uint32_t i = 0; i < c->nr_slots; i++) {
		uint32_t slot = c->first_slot + i, count = om_slot_count(c->sys, slot);
		om_pfn_t pfn = om_slot_pfn(c->sys, slot);

		OM_CHECK(c, count == *holders_of(c, i) + (pfn != OM_NO_PFN), "I11", NULL, slot,
		         count);
		if (pfn != OM_NO_PFN)
			check_in_swapcache(c, slot, pfn);
	}
}

static void check_device_slots(struct om_check *c, unsigned nr)
{
	uint32_t slots = c->sys->swap.device[nr].slots, done = 0;
	uint32_t most = c->sys->nr_frames * 2;

	while (done < slots && !c->violations) {
		c->first_slot = nr << OM_SWAP_DEVICE_SHIFT | done;
		c->nr_slots = slots - done < most ? slots - done : most;
		check_chunk(c);
		done += c->nr_slots;
	}
}

void om_check_slots(struct om_check *c)
{
	for (unsigned i = 0; i < OM_SWAP_DEVICES_MAX && !c->violations; i++)
		if (c->sys->swap.device[i].ops)
			check_device_slots(c, i);
}
