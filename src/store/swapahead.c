/*
 * swapahead.c: the window of swap read-ahead, and what lies in it. See swapahead.h.
 *
 * Many threads read and write an account without a lock. It holds hints: a hit that is lost between
 * a load and a store, or an account that another thread has settled meanwhile, makes a window too
 * large or too small once; nothing else depends on it. So all accesses are relaxed.
 */
#include "store/swapahead.h"

#include "page/frame.h"
#include "store/swap.h"

/* Logarithms: where nothing is known, and the least while there is memory that nobody needs. */
#define FIRST_WINDOW 2u
#define ROOMY_WINDOW 3u

/* A window takes a small part of memory at most, whatever it promises. */
#define MEMORY_PART 16

#define load(field)         atomic_load_explicit(field, memory_order_relaxed)
#define store(field, value) atomic_store_explicit(field, value, memory_order_relaxed)

/* ---------------------------------------------------------------- the window ---------------- */

/* The last transfer was of one page: does this one follow, in memory or in swap? */
static bool follows(struct om_swap_ahead *ahead, uintptr_t page, uint32_t slot)
{
	uint16_t step = (uint16_t)(page - load(&ahead->page));

	return step == 1 || step == UINT16_MAX || (uint16_t)(slot - load(&ahead->slot)) == 1;
}

/* The logarithm of the next window, by what became of the pages read ahead in the last one. */
static unsigned settle(struct om_swap_ahead *ahead, uintptr_t page, uint32_t slot)
{
	unsigned window = load(&ahead->window), read = load(&ahead->read);
	unsigned hits = load(&ahead->hits);

	if (!window--)
		return FIRST_WINDOW;
	if (!window)
		return follows(ahead, page, slot);
	if (2 * hits < read)
		return window - 1;
	return read && 4 * hits >= 3 * read ? window + 1 : window;
}

static bool is_roomy(struct om_system *sys)
{
	return om_frames_at_hand(sys) > 2 * load(&sys->mark_high) + om_frames_reserve(sys);
}

unsigned om_swap_ahead_window(struct om_system *sys, struct om_swap_ahead *ahead, uintptr_t page,
                              uint32_t slot)
{
	unsigned window = settle(ahead, page, slot);

	if (window < ROOMY_WINDOW && is_roomy(sys))
		window = ROOMY_WINDOW;
	if (window > sys->swap_cluster)
		window = sys->swap_cluster;
	while (window && 1u << window > load(&sys->nr_owned) / MEMORY_PART)
		window--;
	store(&ahead->window, (uint8_t)(window + 1));
	store(&ahead->read, 0);
	store(&ahead->hits, 0);
	store(&ahead->page, (uint16_t)page);
	store(&ahead->slot, (uint16_t)slot);
	return 1u << window;
}

void om_swap_ahead_read(struct om_swap_ahead *ahead, unsigned n)
{
	store(&ahead->read, (uint8_t)n);
}

void om_swap_ahead_hit(struct om_swap_ahead *ahead)
{
	uint8_t hits = load(&ahead->hits);

	if (hits < OM_TRANSFER_MAX)
		store(&ahead->hits, (uint8_t)(hits + 1));
}

void om_swap_ahead_found(struct om_swap_ahead *ahead, uintptr_t page)
{
	uint16_t apart = (uint16_t)(page ^ load(&ahead->page));
	unsigned window = load(&ahead->window);

	if (apart && window && !(apart >> (window - 1)))
		om_swap_ahead_hit(ahead);
}

/* ---------------------------------------------------------------- what lies in it ----------- */

bool om_swap_near_add(struct om_system *sys, struct om_swap_near *near, uint32_t other)
{
	uint64_t bit;

	if (other == near->slot || !om_swap_near_reaches(near, other))
		return false;
	bit = 1ull << (other - near->slot + OM_SWAP_NEAR);
	if (near->others & bit || !om_slot_is_unread(sys, other))
		return false;
	near->others |= bit;
	return true;
}

unsigned om_swap_near_add_block(struct om_system *sys, struct om_swap_near *near, unsigned n)
{
	uint32_t first = near->slot & ~(n - 1);
	unsigned added = 0;

	for (uint32_t other = first; other < first + n; other++)
		added += om_swap_near_add(sys, near, other);
	return added;
}
