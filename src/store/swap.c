/*
 * swap.c: swap devices, and their slots.
 *
 * A device has a table of 8 bytes a slot: how many hold it, and which page caches it (I11). The
 * table is made of frames, so it needs neither an allocator nor contiguous memory: device->dir[]
 * names the frames of a directory, and these hold the pfns of the table's frames. The descriptor of
 * a table frame has its slots in `slot` and counts the used ones in `mapcount`; a frame with a free
 * one is on device->partial.
 *
 * Pages that are written together shall lie together, so that read-ahead has a point. So a search
 * looks for as many free slots in a row as there are pages: from where the last search ended to the
 * end of that frame, and if there are not even CLUSTER, in the first of the partial ones; then it
 * takes the longest run of both. So it looks at two frames at most, however large and full the
 * device. Of partial frames the emptier ones come first. Everything here is under sys->swap.lock.
 */
#include "store/swap.h"

#include "base/mem.h"

/* om_slot_dup() refuses to count higher. Tests make it small. */
#ifndef OM_SLOT_COUNT_MAX
#define OM_SLOT_COUNT_MAX 0x7fffffffu
#endif

struct slot {
	uint32_t count;
	uint32_t page; /* pfn + 1; 0: not cached */
};

/* Allocated, and the page will be named soon. Read-ahead must not claim such a slot meanwhile. */
#define RESERVED UINT32_MAX

/* So many slots in a row are a place that is good enough. */
#define CLUSTER 16u

#define TABLE_SLOTS ((uint32_t)(OM_PAGE_SIZE / sizeof(struct slot)))
#define DIR_TABLES  ((uint32_t)(OM_PAGE_SIZE / sizeof(om_pfn_t)))
#define MAX_SLOTS   OM_SWAP_SLOTS_MAX

_Static_assert(MAX_SLOTS == 1u << OM_SWAP_DEVICE_SHIFT, "a slot number is 32 bits");
_Static_assert(MAX_SLOTS / TABLE_SLOTS / DIR_TABLES <= OM_SWAP_DIR, "a device fits its directory");

static void lock(struct om_system *sys)
{
	om_spin_lock(sys, &sys->swap.lock, OM_RANK_SWAP);
}

static void unlock(struct om_system *sys)
{
	om_spin_unlock(sys, &sys->swap.lock);
}

/* ---- the table ---- */

static inline om_pfn_t *dir_frame(struct om_system *sys, const om_pfn_t *dir, uint32_t offset)
{
	om_pfn_t pfn = dir[offset / TABLE_SLOTS / DIR_TABLES];

	return om_page_ptr(sys, om_page_of(sys, pfn));
}

/* Which frame of its device's table it is: `object` has no other use there. */
static inline uint32_t frame_number(const struct om_page *table)
{
	return (uint32_t)(uintptr_t)table->object;
}

/* The frame of the table that has the entry of this slot. */
static inline struct om_page *table_frame(struct om_system *sys,
                                          const struct om_swap_device *device, uint32_t offset)
{
	uint32_t i = offset / TABLE_SLOTS % DIR_TABLES;

	om_work(sys, 1);
	return om_page_of(sys, dir_frame(sys, device->dir, offset)[i]);
}

static inline struct slot *entry_of(struct om_system *sys, const struct om_swap_device *device,
                                    uint32_t offset)
{
	struct slot *table = om_page_ptr(sys, table_frame(sys, device, offset));

	return &table[offset % TABLE_SLOTS];
}

/* The device of any slot number, or NULL if there is no such slot. */
static struct om_swap_device *find_device(struct om_system *sys, uint32_t slot)
{
	uint32_t n = slot >> OM_SWAP_DEVICE_SHIFT;
	struct om_swap_device *device;

	OM_ASSERT(sys, om_held(sys, &sys->swap.lock), "swap lock", &sys->swap);
	if (n >= OM_SWAP_DEVICES_MAX)
		return NULL;
	device = &sys->swap.device[n];
	return device->ops && om_slot_offset(slot) < device->slots ? device : NULL;
}

/* The entry of a slot that may not exist or not be in use: then NULL. */
static struct slot *find_slot(struct om_system *sys, uint32_t slot)
{
	struct om_swap_device *device = find_device(sys, slot);
	struct slot *s = device ? entry_of(sys, device, om_slot_offset(slot)) : NULL;

	return s && s->count ? s : NULL;
}

/* The entry of a slot that somebody holds. */
static struct slot *used(struct om_system *sys, uint32_t slot)
{
	struct slot *s = find_slot(sys, slot);

	OM_BUG_ON(sys, !s, "I11", &sys->swap, slot, 0);
	return s;
}

static bool is_cached(const struct slot *s)
{
	return s->page && s->page != RESERVED;
}

/* ---- slots ---- */

/* The frame of the table that an entry is in. */
static struct om_page *frame_of(struct om_system *sys, const struct slot *s)
{
	return om_page_of(sys, om_arch_pfn(&sys->arch, (void *)(uintptr_t)s));
}

static void free_slot(struct om_system *sys, uint32_t slot, const struct slot *s)
{
	struct om_swap_device *device = find_device(sys, slot);
	struct om_page *table = frame_of(sys, s);

	if (table->mapcount-- == table->slot) {
		om_pfn_list_push_tail(sys, &device->partial, table);
	} else if (table->mapcount == table->slot / 2) { /* here are likely to be long runs */
		om_pfn_list_del(sys, &device->partial, table);
		om_pfn_list_push(sys, &device->partial, table);
	}
	device->used--;
	if (device->writable)
		sys->swap.free++;
}

static unsigned put(struct om_system *sys, uint32_t slot, struct slot *s)
{
	unsigned left = --s->count;

	if (left)
		return left;
	OM_BUG_ON(sys, is_cached(s), "I11", &sys->swap, slot, s->page);
	s->page = 0;
	free_slot(sys, slot, s);
	return 0;
}

static bool dup(struct om_system *sys, uint32_t slot)
{
	struct slot *s = used(sys, slot);

	if (s->count >= OM_SLOT_COUNT_MAX)
		return false;
	s->count++;
	return true;
}

bool om_slot_dup(struct om_system *sys, uint32_t slot)
{
	bool done;

	lock(sys);
	done = dup(sys, slot);
	unlock(sys);
	return done;
}

bool om_slot_dup_out(struct om_system *sys, uint32_t slot)
{
	bool done;

	lock(sys);
	done = find_device(sys, slot)->writable && dup(sys, slot);
	unlock(sys);
	return done;
}

unsigned om_slot_put(struct om_system *sys, uint32_t slot)
{
	unsigned left;

	lock(sys);
	left = put(sys, slot, used(sys, slot));
	unlock(sys);
	return left;
}

unsigned om_slot_uncache(struct om_system *sys, uint32_t slot)
{
	struct slot *s;
	unsigned left;

	lock(sys);
	s = used(sys, slot);
	OM_BUG_ON(sys, !is_cached(s), "I11", &sys->swap, slot, s->count);
	s->page = 0;
	left = put(sys, slot, s);
	unlock(sys);
	return left;
}

unsigned om_slot_count(struct om_system *sys, uint32_t slot)
{
	struct slot *s;
	unsigned count;

	lock(sys);
	s = find_slot(sys, slot);
	count = s ? s->count : 0;
	unlock(sys);
	return count;
}

static bool is_unread(const struct slot *s)
{
	return s && !s->page;
}

bool om_slot_is_unread(struct om_system *sys, uint32_t slot)
{
	bool unread;

	lock(sys);
	unread = is_unread(find_slot(sys, slot));
	unlock(sys);
	return unread;
}

om_pfn_t om_slot_pfn(struct om_system *sys, uint32_t slot)
{
	struct slot *s;
	om_pfn_t pfn;

	lock(sys);
	s = find_slot(sys, slot);
	pfn = s && is_cached(s) ? s->page - 1 : OM_NO_PFN;
	unlock(sys);
	return pfn;
}

void om_slot_set_pfn(struct om_system *sys, uint32_t slot, om_pfn_t pfn)
{
	lock(sys);
	used(sys, slot)->page = pfn == OM_NO_PFN ? 0 : pfn + 1;
	unlock(sys);
}

bool om_slot_claim(struct om_system *sys, uint32_t slot, om_pfn_t pfn)
{
	struct slot *s;
	bool claimed;

	lock(sys);
	s = find_slot(sys, slot);
	claimed = is_unread(s);
	if (claimed) {
		s->page = pfn + 1;
		s->count++;
	}
	unlock(sys);
	return claimed;
}

bool om_swap_has_room(struct om_system *sys)
{
	bool room;

	lock(sys);
	room = sys->swap.free > 0;
	unlock(sys);
	return room;
}

bool om_swap_is_roomy(struct om_system *sys)
{
	bool roomy;

	lock(sys);
	roomy = sys->swap.free > sys->swap.total / 2;
	unlock(sys);
	return roomy;
}

struct om_swap_device *om_slot_device(struct om_system *sys, uint32_t slot)
{
	struct om_swap_device *device;

	lock(sys);
	device = find_device(sys, slot);
	OM_BUG_ON(sys, !device, "I11", &sys->swap, slot, 0);
	unlock(sys);
	return device;
}

/* ---- finding free slots ---- */

/* The device to allocate from: highest priority, equals in turn. NULL: all are full. */
static struct om_swap_device *pick_device(struct om_system *sys)
{
	struct om_swap_device *best = NULL;

	for (unsigned i = 0; i < OM_SWAP_DEVICES_MAX; i++) {
		struct om_swap_device *a =
		    &sys->swap.device[(sys->swap.next + i) % OM_SWAP_DEVICES_MAX];

		if (!a->ops || !a->writable || a->used == a->slots)
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
	       !entry_of(sys, device, run->at + run->n)->count)
		run->n++;
}

/*
 * The first n free slots in a row that begin in a table frame, from `offset` on; or if there are
 * none, the longest run, if that is longer than *best.
 */
static void find_in_frame(struct om_system *sys, const struct om_swap_device *device,
                          uint32_t offset, unsigned n, struct run *best)
{
	const struct slot *s = entry_of(sys, device, offset);
	uint32_t end = offset / TABLE_SLOTS * TABLE_SLOTS + frame_of(sys, s)->slot, at = offset;
	unsigned length = 0;

	for (; at < end && length < n; at++, s++) {
		length = s->count ? 0 : length + 1;
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
	if (device->partial.count > 1 && table == table_frame(sys, device, device->cursor)) {
		put_last(sys, device, table);
		table = om_page_of(sys, device->partial.head);
	}
	return table;
}

/* Where n pages, or as many of them as possible, find slots side by side; the device has some. */
static struct run find_run(struct om_system *sys, struct om_swap_device *device, unsigned n)
{
	unsigned enough = n < CLUSTER ? n : CLUSTER;
	struct run best = {0};
	struct om_page *table;

	find_in_frame(sys, device, device->cursor, n, &best);
	if (best.n >= enough)
		return best;
	table = next_partial(sys, device);
	find_in_frame(sys, device, frame_number(table) * TABLE_SLOTS, n, &best);
	if (best.n < enough)
		put_last(sys, device, table);
	return best;
}

static void take_slot(struct om_system *sys, struct om_swap_device *device, uint32_t at)
{
	struct slot *s = entry_of(sys, device, at);
	struct om_page *table = frame_of(sys, s);

	s->count = 1;
	s->page = RESERVED;
	if (++table->mapcount == table->slot)
		om_pfn_list_del(sys, &device->partial, table);
}

/* Take up to n consecutive slots of a device that is not full. */
static unsigned take_run(struct om_system *sys, struct om_swap_device *device, unsigned n,
                         uint32_t *offset)
{
	struct run run = find_run(sys, device, n);
	uint32_t end = run.at + run.n;

	for (uint32_t at = run.at; at < end; at++)
		take_slot(sys, device, at);
	device->cursor = end < device->slots ? end : 0;
	device->used += run.n;
	sys->swap.free -= run.n;
	*offset = run.at;
	return run.n;
}

unsigned om_slot_alloc(struct om_system *sys, unsigned n, uint32_t *first)
{
	struct om_swap_device *device;
	unsigned got = 0;
	uint32_t offset;

	lock(sys);
	device = n ? pick_device(sys) : NULL;
	if (device) {
		got = take_run(sys, device, n, &offset);
		OM_BUG_ON(sys, !got, "I11", device, device->used, device->slots);
		*first = (uint32_t)(device - sys->swap.device) << OM_SWAP_DEVICE_SHIFT | offset;
	}
	unlock(sys);
	return got;
}

bool om_slot_reserve(struct om_system *sys, uint32_t slot)
{
	struct om_swap_device *device;
	bool free;

	lock(sys);
	device = find_device(sys, slot);
	free = device && device->writable && !entry_of(sys, device, om_slot_offset(slot))->count;
	if (free) {
		take_slot(sys, device, om_slot_offset(slot));
		device->used++;
		sys->swap.free--;
	}
	unlock(sys);
	return free;
}

/* ---- devices ---- */

/* Frames a table of that many slots needs. */
static uint32_t nr_tables(uint32_t slots)
{
	return slots / TABLE_SLOTS + (slots % TABLE_SLOTS != 0);
}

/* Give back the first n frames of a table, and the directory frames that name them. */
static void release_table(struct om_system *sys, const om_pfn_t *dir, uint32_t n)
{
	for (uint32_t i = 0; i < n; i++) {
		om_pfn_t *names = dir_frame(sys, dir, i * TABLE_SLOTS);

		om_frame_release(sys, om_page_of(sys, names[i % DIR_TABLES]));
	}
	for (uint32_t i = 0; i < n; i += DIR_TABLES)
		om_frame_release(sys, om_page_of(sys, dir[i / DIR_TABLES]));
}

/* Slots of frame i of a table: the last one may be cut short. */
static uint32_t frame_slots(const struct om_swap_device *device, uint32_t i)
{
	uint32_t left = device->slots - i * TABLE_SLOTS;

	return left < TABLE_SLOTS ? left : TABLE_SLOTS;
}

/* Frame i of a new table, and before the first of each directory frame that one. */
static bool add_table(struct om_system *sys, struct om_swap_device *new, uint32_t i)
{
	om_pfn_t *dir = new->dir;
	struct om_page *names = NULL, *table;

	if (i % DIR_TABLES == 0) {
		names = om_frame_get_zeroed(sys, OM_KIND_INDEX, 0);
		if (!names)
			return false;
		dir[i / DIR_TABLES] = om_page_pfn(sys, names);
	}
	table = om_frame_get_zeroed(sys, OM_KIND_INDEX, 0);
	if (table) {
		table->object = (void *)(uintptr_t)i;
		table->slot = frame_slots(new, i);
		dir_frame(sys, dir, i * TABLE_SLOTS)[i % DIR_TABLES] = om_page_pfn(sys, table);
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

/* Enter the device under the first number that is free; false if none is. */
static bool enter_device(struct om_system *sys, const struct om_swap_device *new, unsigned *device)
{
	for (unsigned i = 0; i < OM_SWAP_DEVICES_MAX; i++) {
		if (sys->swap.device[i].ops)
			continue;
		sys->swap.device[i] = *new;
		sys->swap.total += new->slots;
		sys->swap.free += new->slots;
		*device = i;
		return true;
	}
	return false;
}

int om_swapdev_add(struct om_system *sys, const struct om_store_ops *ops, void *store,
                   uint32_t slots, int priority, unsigned *device)
{
	struct om_swap_device new = {
	    .ops = ops, .store = store, .slots = slots, .priority = priority, .writable = true};
	bool entered;

	if (!ops || !ops->read || !ops->write || slots == 0 || slots > MAX_SLOTS)
		return -OM_EINVAL;
	if (!make_table(sys, &new))
		return -OM_ENOFRAME;
	lock(sys);
	entered = enter_device(sys, &new, device);
	unlock(sys);
	if (entered)
		return 0;
	release_table(sys, new.dir, nr_tables(slots));
	return -OM_ENOSPC;
}

int om_swapdev_set_writable(struct om_system *sys, unsigned device, bool writable)
{
	struct om_swap_device *a;

	if (device >= OM_SWAP_DEVICES_MAX)
		return -OM_EINVAL;
	lock(sys);
	a = &sys->swap.device[device];
	if (!a->ops || a->writable == writable) {
		unlock(sys);
		return -OM_EINVAL;
	}
	a->writable = writable;
	if (writable) {
		sys->swap.total += a->slots;
		sys->swap.free += a->slots - a->used;
	} else {
		sys->swap.total -= a->slots;
		sys->swap.free -= a->slots - a->used;
	}
	unlock(sys);
	return 0;
}

/* Slots looked at, or table frames stepped over, while the lock is held. */
#define SCAN_STEPS 1024u

/* Go on with *at to a slot in use, the end of the device, or as far as one hold of the lock may. */
static bool scan_used(struct om_system *sys, const struct om_swap_device *a, uint32_t *at)
{
	for (unsigned steps = 0; *at < a->slots && steps < SCAN_STEPS; steps++) {
		if (table_frame(sys, a, *at)->mapcount == 0)
			*at = (*at / TABLE_SLOTS + 1) * TABLE_SLOTS;
		else if (!entry_of(sys, a, *at)->count)
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

void om_swapdev_remove(struct om_system *sys, unsigned device)
{
	struct om_swap_device *a = &sys->swap.device[device];
	struct om_swap_device old;

	lock(sys);
	OM_BUG_ON(sys, !a->ops || a->used, "I11", a, device, a->used);
	old = *a;
	if (old.writable) {
		sys->swap.total -= old.slots;
		sys->swap.free -= old.slots;
	}
	memset(a, 0, sizeof(*a));
	unlock(sys);
	release_table(sys, old.dir, nr_tables(old.slots));
}
