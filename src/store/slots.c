/*
 * slots.c: free swap slots: finding some in a row, and each CPU's list of its own.
 *
 * Pages that are written together shall lie together, so that read-ahead has a point. So a search
 * looks for as many free slots in a row as there are pages: from where the last search ended to the
 * end of that frame of the table, and if there are not even ENOUGH, in the first of the frames on
 * device->partial, which have a free one; then it takes the longest run of both. So it looks at two
 * frames at most, however large and full the device. Of partial frames the emptier ones come first.
 *
 * While swap has plenty, a CPU takes a *cluster* of slots in a row, and serves itself; slots that
 * are freed on it are gathered, and go back together. Both are its om_slot_list, under its own
 * lock; the swap lock is taken once for many. Slots in a list count as used in device and table
 * (their entries are OM_SLOT_LISTED), and as free in all figures.
 *
 * A list opens, and closes, with its lock and the swap lock held, which also counts the open ones.
 * Who finds no free slot while any is open empties all, and asks again: so nobody goes without a
 * slot that lies in another CPU's list. Slots of a device that is being emptied are in no list:
 * `writable` is looked at with the list's lock, and all lists are emptied after it is cleared.
 */
#include "store/slot.h"
#include "store/swap.h"

/* So many slots in a row are a place that is good enough. */
#define ENOUGH 16u

/* Slots of a cluster, if there are so many in a row. */
#define CLUSTER 128u

static void lock(struct om_system *sys)
{
	om_spin_lock(sys, &sys->swap.lock, OM_RANK_SWAP);
}

static void unlock(struct om_system *sys)
{
	om_spin_unlock(sys, &sys->swap.lock);
}

static uint32_t load(const _Atomic uint32_t *n)
{
	return atomic_load_explicit(n, memory_order_relaxed);
}

static void add(_Atomic uint32_t *n, uint32_t d)
{
	atomic_store_explicit(n, load(n) + d, memory_order_relaxed);
}

/* ---- single slots, under the swap lock ---- */

/* The frame of the table that an entry is in. */
static struct om_page *frame_of(struct om_system *sys, const om_slot_t *s)
{
	return om_page_of(sys, om_arch_pfn(&sys->arch, (void *)(uintptr_t)s));
}

/* A free slot is free no more. */
static void take_slot(struct om_system *sys, struct om_swap_device *device, uint32_t at, uint64_t v)
{
	om_slot_t *s = om_slot_entry(sys, device, at);
	struct om_page *table = frame_of(sys, s);

	OM_ASSERT(sys, om_held(sys, &sys->swap.lock), "swap lock", &sys->swap);
	atomic_store_explicit(s, v, memory_order_release);
	if (++table->mapcount == table->slot)
		om_pfn_list_del(sys, &device->partial, table);
	device->used++;
	if (om_device_is_writable(device))
		add(&sys->swap.free, -1u);
}

/* Its entry is OM_SLOT_LISTED, and it is in no list any more. */
static void free_slot(struct om_system *sys, uint32_t slot)
{
	struct om_swap_device *device = om_device_of(sys, slot);
	om_slot_t *s = om_slot_entry(sys, device, om_slot_offset(slot));
	struct om_page *table = frame_of(sys, s);

	OM_ASSERT(sys, om_held(sys, &sys->swap.lock), "swap lock", &sys->swap);
	OM_ASSERT(sys, om_slot_load(s) == OM_SLOT_LISTED, "I11", s);
	atomic_store_explicit(s, 0, memory_order_release);
	if (table->mapcount-- == table->slot) {
		om_pfn_list_push_tail(sys, &device->partial, table);
	} else if (table->mapcount == table->slot / 2) { /* here are likely to be long runs */
		om_pfn_list_del(sys, &device->partial, table);
		om_pfn_list_push(sys, &device->partial, table);
	}
	device->used--;
	if (om_device_is_writable(device))
		add(&sys->swap.free, 1);
}

/* ---- finding some in a row, under the swap lock ---- */

/* The device to allocate from: highest priority, equals in turn. NULL: all are full. */
static struct om_swap_device *pick_device(struct om_system *sys)
{
	struct om_swap_device *best = NULL;

	for (unsigned i = 0; i < OM_SWAP_DEVICES_MAX; i++) {
		struct om_swap_device *a =
		    &sys->swap.device[(sys->swap.next + i) % OM_SWAP_DEVICES_MAX];

		if (!om_device_ops(a) || !om_device_is_writable(a) || a->used == a->slots)
			continue;
		if (!best || a->priority > best->priority)
			best = a;
	}
	if (best)
		sys->swap.next = (unsigned)(best - sys->swap.device + 1) % OM_SWAP_DEVICES_MAX;
	return best;
}

/* Free slots in a row. */
struct run {
	uint32_t at;
	unsigned n;
};

/* It goes on at the end of its table frame: as far as n slots. */
static void extend_run(struct om_system *sys, const struct om_swap_device *device, unsigned n,
                       struct run *run)
{
	while (run->n < n && run->at + run->n < device->slots &&
	       !om_slot_load(om_slot_entry(sys, device, run->at + run->n)))
		run->n++;
}

/*
 * The first n free slots in a row that begin in a table frame, from `offset` on; or if there are
 * none, the longest run, if that is longer than *best.
 */
static void find_in_frame(struct om_system *sys, const struct om_swap_device *device,
                          uint32_t offset, unsigned n, struct run *best)
{
	const om_slot_t *s = om_slot_entry(sys, device, offset);
	uint32_t end = offset / OM_TABLE_SLOTS * OM_TABLE_SLOTS + frame_of(sys, s)->slot;
	uint32_t at = offset;
	unsigned length = 0;

	for (; at < end && length < n; at++, s++) {
		length = om_slot_load(s) ? 0 : length + 1;
		if (length > best->n)
			*best = (struct run){at + 1 - length, length};
	}
	om_count(sys, OM_EV_SWAP_SCAN, at - offset + 1);
	om_work(sys, at - offset + 1);
	if (length && length < n) {
		struct run last = {at - length, length};

		extend_run(sys, device, n, &last);
		*best = last.n > best->n ? last : *best;
	}
}

static void put_last(struct om_system *sys, struct om_swap_device *device, struct om_page *table)
{
	om_pfn_list_del(sys, &device->partial, table);
	om_pfn_list_push_tail(sys, &device->partial, table);
}

/* The first frame with a free slot, and not the cursor's if there is another one. */
static struct om_page *next_partial(struct om_system *sys, struct om_swap_device *device)
{
	struct om_page *table;

	OM_BUG_ON(sys, !device->partial.count, "I11", device, device->used, device->slots);
	table = om_page_of(sys, device->partial.head);
	if (device->partial.count > 1 && table == om_slot_frame(sys, device, device->cursor)) {
		put_last(sys, device, table);
		table = om_page_of(sys, device->partial.head);
	}
	return table;
}

/* Where n pages, or as many of them as possible, find slots side by side; the device has some. */
static struct run find_run(struct om_system *sys, struct om_swap_device *device, unsigned n)
{
	unsigned enough = n < ENOUGH ? n : ENOUGH;
	struct run best = {0};
	struct om_page *table;

	find_in_frame(sys, device, device->cursor, n, &best);
	if (best.n >= enough)
		return best;
	table = next_partial(sys, device);
	find_in_frame(sys, device, (uint32_t)(uintptr_t)table->object * OM_TABLE_SLOTS, n, &best);
	if (best.n < enough)
		put_last(sys, device, table);
	return best;
}

/* Take up to n consecutive slots, whose entries become `v`. Returns how many, 0: all are taken. */
static unsigned take_run(struct om_system *sys, unsigned n, uint64_t v, uint32_t *first)
{
	struct om_swap_device *device = n ? pick_device(sys) : NULL;
	struct run run;
	uint32_t end;

	OM_ASSERT(sys, om_held(sys, &sys->swap.lock), "swap lock", &sys->swap);
	if (!device)
		return 0;
	run = find_run(sys, device, n);
	OM_BUG_ON(sys, !run.n, "I11", device, device->used, device->slots);
	end = run.at + run.n;
	for (uint32_t at = run.at; at < end; at++)
		take_slot(sys, device, at, v);
	device->cursor = end < device->slots ? end : 0;
	*first = (uint32_t)(device - sys->swap.device) << OM_SWAP_DEVICE_SHIFT | run.at;
	return run.n;
}

/* ---- lists ---- */

/* With so many free slots a CPU may have some for itself. */
static uint32_t plenty(const struct om_system *sys)
{
	return 2 * (sys->cpu_mask + 1) * (CLUSTER + OM_SLOTS_FREED);
}

/* May slots come into the list? Its lock and the swap lock are held. */
static bool open_up(struct om_system *sys, struct om_slot_list *list)
{
	OM_ASSERT(sys, om_held(sys, &list->lock), "slot list", list);
	OM_ASSERT(sys, om_held(sys, &sys->swap.lock), "swap lock", &sys->swap);
	if (!sys->cpu_mask || load(&sys->swap.free) < plenty(sys))
		return false;
	if (!list->open)
		add(&sys->swap.nr_open, 1);
	list->open = true;
	return true;
}

/* Slots that were freed are free for all. Both locks are held. */
static void give_freed(struct om_system *sys, struct om_slot_list *list)
{
	OM_ASSERT(sys, om_held(sys, &list->lock), "slot list", list);
	for (unsigned i = 0; i < list->nr_freed; i++)
		free_slot(sys, list->freed[i]);
	add(&list->n, -(uint32_t)list->nr_freed);
	list->nr_freed = 0;
}

/* Nothing is in the list, and nothing comes in until it is opened. Both locks are held. */
static void close_down(struct om_system *sys, struct om_slot_list *list)
{
	give_freed(sys, list);
	while (list->left) {
		free_slot(sys, list->next++);
		list->left--;
	}
	add(&list->n, -load(&list->n));
	list->open = false;
	add(&sys->swap.nr_open, -1u);
}

void om_slots_drain(struct om_system *sys)
{
	for (unsigned i = 0; i <= sys->cpu_mask; i++) {
		struct om_slot_list *list = &sys->shard[i].slots;

		om_spin_lock(sys, &list->lock, OM_RANK_SLOTS);
		lock(sys);
		if (list->open)
			close_down(sys, list);
		unlock(sys);
		om_spin_unlock(sys, &list->lock);
	}
}

uint32_t om_slots_listed(const struct om_system *sys)
{
	uint32_t n = 0;

	if (!load(&sys->swap.nr_open))
		return 0;
	for (unsigned i = 0; i <= sys->cpu_mask; i++)
		n += load(&sys->shard[i].slots.n);
	return n;
}

void om_slots_freed(struct om_system *sys, struct om_slot_list *list, uint32_t slot)
{
	bool writable = om_device_is_writable(om_device_of(sys, slot));

	OM_ASSERT(sys, om_held(sys, &list->lock), "slot list", list);
	if (list->open && writable && list->nr_freed < OM_SLOTS_FREED) {
		list->freed[list->nr_freed++] = slot;
		add(&list->n, 1);
		return;
	}
	lock(sys);
	free_slot(sys, slot);
	give_freed(sys, list);
	open_up(sys, list);
	unlock(sys);
}

/* ---- taking ---- */

/* From the cluster, whose slots are in a row. The list's lock is held. */
static unsigned take_own(struct om_system *sys, struct om_slot_list *list, unsigned n,
                         uint32_t *first)
{
	const struct om_swap_device *device = om_device_of(sys, list->next);

	n = n < list->left ? n : list->left;
	*first = list->next;
	for (unsigned i = 0; i < n; i++)
		atomic_store_explicit(om_slot_entry(sys, device, om_slot_offset(*first + i)),
		                      om_slot_value(1, OM_SLOT_RESERVED), memory_order_release);
	list->next += n;
	list->left -= n;
	add(&list->n, -n);
	return n;
}

/* From the machine's: a cluster first, if there is to be one. The list's lock is held. */
static unsigned take_new(struct om_system *sys, struct om_slot_list *list, unsigned n,
                         uint32_t *first)
{
	unsigned got = 0;

	lock(sys);
	give_freed(sys, list);
	if (open_up(sys, list)) {
		list->left = take_run(sys, CLUSTER, OM_SLOT_LISTED, &list->next);
		add(&list->n, list->left);
	} else {
		got = take_run(sys, n, om_slot_value(1, OM_SLOT_RESERVED), first);
	}
	unlock(sys);
	return got ? got : take_own(sys, list, n, first);
}

/* Nothing is free but what other CPUs have. */
static unsigned take_last(struct om_system *sys, unsigned n, uint32_t *first)
{
	unsigned got, open;

	do {
		lock(sys);
		got = take_run(sys, n, om_slot_value(1, OM_SLOT_RESERVED), first);
		open = load(&sys->swap.nr_open);
		unlock(sys);
		if (!got && open)
			om_slots_drain(sys);
	} while (!got && open);
	return got;
}

unsigned om_slot_alloc(struct om_system *sys, unsigned n, uint32_t *first)
{
	struct om_slot_list *list;
	unsigned got;

	if (!n)
		return 0;
	list = om_slots_lock(sys);
	got = list->left ? take_own(sys, list, n, first) : take_new(sys, list, n, first);
	om_slots_unlock(sys, list);
	return got ? got : take_last(sys, n, first);
}

bool om_slot_reserve(struct om_system *sys, uint32_t slot)
{
	struct om_slot_list *list = om_slots_lock(sys);
	struct om_swap_device *device = om_device_find(sys, slot);
	uint32_t at = om_slot_offset(slot);
	bool free;

	lock(sys);
	give_freed(sys, list);
	free = device && om_device_is_writable(device) &&
	       !om_slot_load(om_slot_entry(sys, device, at));
	if (free)
		take_slot(sys, device, at, om_slot_value(1, OM_SLOT_RESERVED));
	unlock(sys);
	om_slots_unlock(sys, list);
	return free;
}

/* ---- how many ---- */

/*
 * Slots move between the machine and a list under the swap lock, so none is counted twice. Those of
 * a device that has just been forbidden may still be in lists: there are no more free than slots.
 */
void om_swap_figures(struct om_system *sys, uint32_t *slots, uint32_t *free)
{
	lock(sys);
	*slots = load(&sys->swap.total);
	*free = load(&sys->swap.free) + om_slots_listed(sys);
	unlock(sys);
	if (*free > *slots)
		*free = *slots;
}

uint32_t om_swap_free(struct om_system *sys)
{
	uint32_t slots, free;

	om_swap_figures(sys, &slots, &free);
	return free;
}

bool om_swap_has_room(const struct om_system *sys)
{
	return load(&sys->swap.free) || om_slots_listed(sys);
}

bool om_swap_is_roomy(const struct om_system *sys)
{
	return load(&sys->swap.free) > load(&sys->swap.total) / 2;
}
