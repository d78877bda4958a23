/*
 * swap.c: who holds a swap slot, and which page caches it (I11). Its entry in the table of slots
 * has both in one word: slot.h says how it changes, and by which locks its device stays there.
 *
 * Free slots are slots.c's, devices swapdev.c's.
 */
#include "store/swap.h"

#include "store/slot.h"

/* om_slot_dup() refuses to count higher. Tests make it small. */
#ifndef OM_SLOT_COUNT_MAX
#define OM_SLOT_COUNT_MAX 0x7fffffffu
#endif

/* ---- entries ---- */

static bool is_cached(uint64_t v)
{
	return om_slot_page(v) && om_slot_page(v) != OM_SLOT_RESERVED;
}

static bool is_unread(uint64_t v)
{
	return om_slot_holders(v) && !om_slot_page(v);
}

/* The entry of any slot number, or NULL if there is no such slot. The list's lock is held. */
static om_slot_t *find(struct om_system *sys, const struct om_slot_list *list, uint32_t slot)
{
	const struct om_swap_device *device = om_device_find(sys, slot);

	OM_ASSERT(sys, om_held(sys, &list->lock), "slot list", list);
	return device ? om_slot_entry(sys, device, om_slot_offset(slot)) : NULL;
}

/* What the entry of any slot number says at this moment; 0 if there is none. */
static uint64_t look(struct om_system *sys, uint32_t slot)
{
	struct om_slot_list *list = om_slots_lock(sys);
	om_slot_t *s = find(sys, list, slot);
	uint64_t v = s ? om_slot_load(s) : 0;

	om_slots_unlock(sys, list);
	return v;
}

/* Of a slot that somebody holds who does not let it go meanwhile. */
static inline struct om_swap_device *used_device(struct om_system *sys, uint32_t slot)
{
	unsigned n = slot >> OM_SWAP_DEVICE_SHIFT;

	OM_BUG_ON(sys,
	          n >= OM_SWAP_DEVICES_MAX || om_slot_offset(slot) >= sys->swap.device[n].slots,
	          "I11", &sys->swap, slot, n);
	return &sys->swap.device[n];
}

static inline om_slot_t *used(struct om_system *sys, uint32_t slot)
{
	return om_slot_entry(sys, used_device(sys, slot), om_slot_offset(slot));
}

/* ---- one more, and one less ---- */

bool om_slot_dup(struct om_system *sys, uint32_t slot)
{
	om_slot_t *s = used(sys, slot);
	uint64_t v = om_slot_load(s);

	do {
		OM_BUG_ON(sys, !om_slot_holders(v), "I11", &sys->swap, slot, v);
		if (om_slot_holders(v) >= OM_SLOT_COUNT_MAX)
			return false;
	} while (!om_slot_change(s, &v, v + 1));
	return true;
}

/* With the list locked: who stops the writing has had all lists since (swapdev.c). */
bool om_slot_dup_out(struct om_system *sys, uint32_t slot)
{
	struct om_slot_list *list = om_slots_lock(sys);
	bool done = om_device_is_writable(om_device_of(sys, slot)) && om_slot_dup(sys, slot);

	om_slots_unlock(sys, list);
	return done;
}

/* What an entry becomes when a holder goes; `uncache`: that of the cache. */
static uint64_t less(struct om_system *sys, uint32_t slot, uint64_t v, bool uncache)
{
	uint32_t left = om_slot_holders(v) - 1;

	OM_BUG_ON(sys, !om_slot_holders(v) || (uncache ? !is_cached(v) : !left && is_cached(v)),
	          "I11", &sys->swap, slot, v);
	if (!left)
		return OM_SLOT_LISTED;
	return om_slot_value(left, uncache ? 0 : om_slot_page(v));
}

/*
 * The last holder goes, unless another one has come. It goes with the list locked: so who finds no
 * slot in use, and has had all lists since, finds them free.
 */
static OM_NOINLINE unsigned drop_last(struct om_system *sys, uint32_t slot, om_slot_t *s,
                                      bool uncache)
{
	struct om_slot_list *list = om_slots_lock(sys);
	uint64_t v = om_slot_load(s);

	while (!om_slot_change(s, &v, less(sys, slot, v, uncache)))
		;
	if (om_slot_holders(v) == 1)
		om_slots_freed(sys, list, slot);
	om_slots_unlock(sys, list);
	return om_slot_holders(v) - 1;
}

static unsigned drop(struct om_system *sys, uint32_t slot, bool uncache)
{
	om_slot_t *s = used(sys, slot);
	uint64_t v = om_slot_load(s);

	while (om_slot_holders(v) != 1)
		if (om_slot_change(s, &v, less(sys, slot, v, uncache)))
			return om_slot_holders(v) - 1;
	return drop_last(sys, slot, s, uncache);
}

unsigned om_slot_put(struct om_system *sys, uint32_t slot)
{
	return drop(sys, slot, false);
}

unsigned om_slot_uncache(struct om_system *sys, uint32_t slot)
{
	return drop(sys, slot, true);
}

/* ---- asking ---- */

unsigned om_slot_count(struct om_system *sys, uint32_t slot)
{
	return om_slot_holders(look(sys, slot));
}

unsigned om_slot_count_used(struct om_system *sys, uint32_t slot)
{
	unsigned n = om_slot_holders(om_slot_load(used(sys, slot)));

	OM_BUG_ON(sys, !n, "I11", &sys->swap, slot, 0);
	return n;
}

bool om_slot_is_unread(struct om_system *sys, uint32_t slot)
{
	return is_unread(look(sys, slot));
}

om_pfn_t om_slot_pfn(struct om_system *sys, uint32_t slot)
{
	uint64_t v = look(sys, slot);

	return om_slot_holders(v) && is_cached(v) ? om_slot_page(v) - 1 : OM_NO_PFN;
}

bool om_slot_is_free(struct om_system *sys, uint32_t slot)
{
	return !look(sys, slot);
}

const struct om_swap_device *om_slot_device(struct om_system *sys, uint32_t slot)
{
	return used_device(sys, slot);
}

/* ---- the page ---- */

void om_slot_set_pfn(struct om_system *sys, uint32_t slot, om_pfn_t pfn)
{
	om_slot_t *s = used(sys, slot);
	uint64_t v = om_slot_load(s);
	uint32_t page = pfn == OM_NO_PFN ? 0 : pfn + 1;

	do
		OM_BUG_ON(sys, !om_slot_holders(v), "I11", &sys->swap, slot, v);
	while (!om_slot_change(s, &v, om_slot_value(om_slot_holders(v), page)));
}

bool om_slot_claim(struct om_system *sys, uint32_t slot, om_pfn_t pfn)
{
	struct om_slot_list *list = om_slots_lock(sys);
	om_slot_t *s = find(sys, list, slot);
	uint64_t v = s ? om_slot_load(s) : 0;
	bool claimed = false;

	while (!claimed && is_unread(v))
		claimed = om_slot_change(s, &v, om_slot_value(om_slot_holders(v) + 1, pfn + 1));
	om_slots_unlock(sys, list);
	return claimed;
}
