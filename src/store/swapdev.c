/*
 * swapdev.c: swap devices: their tables of slots, and how they come and go.
 *
 * A device's table has 8 bytes a slot. It is made of frames, so it needs neither an allocator nor
 * contiguous memory: device->dir[] names the frames of a directory, and these hold the pfns of the
 * table's frames. The descriptor of a table frame has its number in `object`, its slots in `slot`
 * and counts those that are not free in `mapcount`; a frame with a free one is on device->partial.
 *
 * Others look at entries without the swap lock (slot.h). So what they go by, `ops` and `writable`,
 * is cleared first, and then every CPU's list is locked once: om_slots_drain().
 */
#include "base/mem.h"
#include "store/slot.h"
#include "store/swap.h"

#define MAX_SLOTS OM_SWAP_SLOTS_MAX

_Static_assert(MAX_SLOTS == 1u << OM_SWAP_DEVICE_SHIFT, "a slot number is 32 bits");
_Static_assert(MAX_SLOTS / OM_TABLE_SLOTS / OM_DIR_TABLES <= OM_SWAP_DIR,
               "a device fits its directory");

static void lock(struct om_system *sys)
{
	om_spin_lock(sys, &sys->swap.lock, OM_RANK_SWAP);
}

static void unlock(struct om_system *sys)
{
	om_spin_unlock(sys, &sys->swap.lock);
}

static void change(_Atomic uint32_t *n, uint32_t d)
{
	atomic_store_explicit(n, atomic_load_explicit(n, memory_order_relaxed) + d,
	                      memory_order_relaxed);
}

/* ---- tables ---- */

/* Frames a table of that many slots needs. */
static uint32_t nr_tables(uint32_t slots)
{
	return slots / OM_TABLE_SLOTS + (slots % OM_TABLE_SLOTS != 0);
}

/* Give back the first n frames of a table, and the directory frames that name them. */
static void release_table(struct om_system *sys, const om_pfn_t *dir, uint32_t n)
{
	for (uint32_t i = 0; i < n; i++) {
		om_pfn_t *names = om_slot_dir(sys, dir, i * OM_TABLE_SLOTS);

		om_frame_release(sys, om_page_of(sys, names[i % OM_DIR_TABLES]));
	}
	for (uint32_t i = 0; i < n; i += OM_DIR_TABLES)
		om_frame_release(sys, om_page_of(sys, dir[i / OM_DIR_TABLES]));
}

/* Slots of frame i of a table: the last one may be cut short. */
static uint32_t frame_slots(const struct om_swap_device *device, uint32_t i)
{
	uint32_t left = device->slots - i * OM_TABLE_SLOTS;

	return left < OM_TABLE_SLOTS ? left : OM_TABLE_SLOTS;
}

/* Frame i of a new table, and before the first of each directory frame that one. */
static bool add_table(struct om_system *sys, struct om_swap_device *new, uint32_t i)
{
	om_pfn_t *dir = new->dir;
	struct om_page *names = NULL, *table;

	if (i % OM_DIR_TABLES == 0) {
		names = om_frame_get_zeroed(sys, OM_KIND_INDEX, 0);
		if (!names)
			return false;
		dir[i / OM_DIR_TABLES] = om_page_pfn(sys, names);
	}
	table = om_frame_get_zeroed(sys, OM_KIND_INDEX, 0);
	if (table) {
		table->object = (void *)(uintptr_t)i;
		table->slot = frame_slots(new, i);
		om_slot_dir(sys, dir, i * OM_TABLE_SLOTS)[i % OM_DIR_TABLES] =
		    om_page_pfn(sys, table);
		om_pfn_list_push_tail(sys, &new->partial, table);
	} else if (names) {
		om_frame_release(sys, names);
	}
	return table;
}

static bool make_table(struct om_system *sys, struct om_swap_device *new)
{
	om_pfn_list_init(&new->partial);
	for (uint32_t i = 0; i < nr_tables(new->slots); i++) {
		if (!add_table(sys, new, i)) {
			release_table(sys, new->dir, i);
			return false;
		}
	}
	return true;
}

/* ---- coming and going ---- */

/* Everything but `ops`, and then that: who finds it finds the rest. The number is free. */
static void set_device(struct om_swap_device *a, const struct om_swap_device *new,
                       const struct om_store_ops *ops)
{
	a->store = new->store;
	a->slots = new->slots;
	a->priority = new->priority;
	a->used = 0;
	a->cursor = 0;
	a->partial = new->partial;
	memcpy(a->dir, new->dir, sizeof(a->dir));
	atomic_store_explicit(&a->writable, true, memory_order_relaxed);
	atomic_store_explicit(&a->ops, ops, memory_order_release);
}

/* Enter the device under the first number that is free; false if none is. */
static bool enter_device(struct om_system *sys, const struct om_swap_device *new,
                         const struct om_store_ops *ops, unsigned *device)
{
	for (unsigned i = 0; i < OM_SWAP_DEVICES_MAX; i++) {
		if (sys->swap.device[i].slots)
			continue;
		set_device(&sys->swap.device[i], new, ops);
		change(&sys->swap.total, new->slots);
		change(&sys->swap.free, new->slots);
		*device = i;
		return true;
	}
	return false;
}

int om_swapdev_add(struct om_system *sys, const struct om_store_ops *ops, void *store,
                   uint32_t slots, int priority, unsigned *device)
{
	struct om_swap_device new = {.store = store, .slots = slots, .priority = priority};
	bool entered;

	if (!ops || !ops->read || !ops->write || slots == 0 || slots > MAX_SLOTS)
		return -OM_EINVAL;
	if (!make_table(sys, &new))
		return -OM_ENOFRAME;
	lock(sys);
	entered = enter_device(sys, &new, ops, device);
	unlock(sys);
	if (!entered) {
		release_table(sys, new.dir, nr_tables(slots));
		return -OM_ENOSPC;
	}
	/* It may be a better one than those of which CPUs have clusters. */
	om_slots_drain(sys);
	return 0;
}

int om_swapdev_set_writable(struct om_system *sys, unsigned device, bool writable)
{
	struct om_swap_device *a;

	if (device >= OM_SWAP_DEVICES_MAX)
		return -OM_EINVAL;
	lock(sys);
	a = &sys->swap.device[device];
	if (!om_device_ops(a) || om_device_is_writable(a) == writable) {
		unlock(sys);
		return -OM_EINVAL;
	}
	atomic_store_explicit(&a->writable, writable, memory_order_release);
	change(&sys->swap.total, writable ? a->slots : -a->slots);
	change(&sys->swap.free, writable ? a->slots - a->used : a->used - a->slots);
	unlock(sys);
	if (!writable)
		om_slots_drain(sys);
	return 0;
}

/* Slots looked at, or table frames stepped over, while the lock is held. */
#define SCAN_STEPS 1024u

/* Go on with *at to a slot in use, the end of the device, or as far as one hold of the lock may. */
static bool scan_used(struct om_system *sys, const struct om_swap_device *a, uint32_t *at)
{
	for (unsigned steps = 0; *at < a->slots && steps < SCAN_STEPS; steps++) {
		if (om_slot_frame(sys, a, *at)->mapcount == 0)
			*at = (*at / OM_TABLE_SLOTS + 1) * OM_TABLE_SLOTS;
		else if (!om_slot_holders(om_slot_load(om_slot_entry(sys, a, *at))))
			++*at;
		else
			return true;
	}
	return false;
}

bool om_swapdev_next_used(struct om_system *sys, unsigned device, uint32_t *offset)
{
	struct om_swap_device *a = &sys->swap.device[device];
	bool found, end;

	do {
		lock(sys);
		found = scan_used(sys, a, offset);
		end = *offset >= a->slots;
		unlock(sys);
	} while (!found && !end);
	return found;
}

/* Nobody finds the device any more, whatever number he comes with; its number is not free yet. */
static void hide_device(struct om_system *sys, struct om_swap_device *a)
{
	lock(sys);
	OM_BUG_ON(sys, !om_device_ops(a) || a->used, "I11", a, a->slots, a->used);
	atomic_store_explicit(&a->ops, NULL, memory_order_release);
	if (om_device_is_writable(a)) {
		change(&sys->swap.total, -a->slots);
		change(&sys->swap.free, -a->slots);
	}
	unlock(sys);
	om_slots_drain(sys);
}

void om_swapdev_remove(struct om_system *sys, unsigned device)
{
	struct om_swap_device *a = &sys->swap.device[device];
	struct om_swap_device old;

	/* The last ones that were put may be on their way to the device. */
	om_slots_drain(sys);
	hide_device(sys, a);
	lock(sys);
	old = *a;
	a->slots = 0;
	unlock(sys);
	release_table(sys, old.dir, nr_tables(old.slots));
}
