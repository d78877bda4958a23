/*
 * swapin.c: reading pages from swap.
 *
 * Whatever is read ahead, a fault makes one transfer: of consecutive slots, from the first that is
 * worth reading to the last. What lies in between and is not wanted, because its page is in memory
 * or the slot is free, is read over: into a frame that is thrown away, because some pages more cost
 * less than a second request. No two transfers of one page may run at a time, so a slot that is
 * read over is held meanwhile: by its page's lock, or by reserving it.
 *
 * A page enters the cache empty: locked and not up to date, so that others who want it sleep on its
 * page lock. All locks but the first are tried only, and nothing is waited for but the transfer.
 */
#include "base/mem.h"
#include "page/age.h"
#include "page/put.h"
#include "store/swap.h"
#include "store/swapahead.h"

/*
 * Slots in a row that are read over, at most. Eight take 16 us at 2 GB/s, a request 80: it pays if
 * a page behind them is wanted in one case of five.
 */
#define GAP_MAX 8

_Static_assert(OM_SWAP_NEAR == OM_SWAP_RUN, "as far as one transfer reaches");

/* Why a slot is in the transfer. */
enum part {
	NOT_READ,
	READ,      /* its page is empty, locked and in the cache */
	OVER_PAGE, /* it has a page in memory, which is locked */
	OVER_HOLE, /* it was free, and is reserved */
};

struct transfer {
	struct om_system *sys;
	uint32_t first;  /* slot of part 0 */
	unsigned wanted; /* the part that is not read ahead */
	unsigned from, to;
	uint8_t what[OM_SWAP_RUN]; /* enum part */
	struct om_page *page[OM_SWAP_RUN];
	struct om_page *scratch; /* what is read over goes there; NULL: nothing is */
};

/* ---------------------------------------------------------------- single pages -------------- */

/*
 * A page for the slot, locked, empty and in the cache. -OM_EAGAIN if the slot is not in use or has
 * a page already, -OM_ENOFRAME.
 */
static int enter_empty(struct om_system *sys, uint32_t slot, struct om_page **result)
{
	struct om_page *page = om_frame_get(sys, OM_KIND_DATA, OM_PG_SWAPBACKED);
	bool claimed, locked;

	if (!page)
		return -OM_ENOFRAME;
	locked = om_page_trylock(sys, page);
	OM_BUG_ON(sys, !locked, "page lock", page, om_page_flags(page), slot);
	om_frame_lock(sys, page);
	claimed = om_slot_claim(sys, slot, om_page_pfn(sys, page));
	if (claimed) {
		page->slot = slot;
		om_page_ref_locked(sys, page);
		om_page_set(page, OM_PG_SWAPCACHE);
	}
	om_frame_unlock(sys, page);
	if (!claimed) {
		om_page_unlock_put(sys, page);
		return -OM_EAGAIN;
	}
	om_swapcache_counts(sys, 1);
	*result = page;
	return 0;
}

/* The transfer failed: nobody shall find the page. Whoever waits for it sees that it left. */
static void abandon(struct om_system *sys, struct om_page *page)
{
	om_swapcache_del(sys, page);
	om_page_unlock_put(sys, page);
}

/*
 * The contents are here. The caller's reference stays. What was read ahead leaves again unless it
 * is used before the hand comes.
 */
static void slot_arrived(struct om_system *sys, struct om_page *page, unsigned flags)
{
	if (flags & OM_PG_READAHEAD)
		om_page_set_unproven(sys, page);
	om_page_set(page, OM_PG_UPTODATE | flags);
	om_page_unlock(sys, page);
}

/* Read-ahead of a page is over. Its entries may have gone meanwhile: then it is of no use. */
static void ahead_arrived(struct om_system *sys, struct om_page *page)
{
	om_count(sys, OM_EV_SWAP_RA, 1);
	slot_arrived(sys, page, OM_PG_READAHEAD);
	om_swapcache_try_free(sys, page);
	om_page_put(sys, page);
}

/* The page that is in the slot, referenced and locked; NULL if there is none or it is in use. */
static struct om_page *lock_cached(struct om_system *sys, uint32_t slot)
{
	struct om_page *page = om_swapcache_lookup(sys, slot);

	if (!page)
		return NULL;
	if (om_page_trylock(sys, page)) {
		if (om_page_test(page, OM_PG_SWAPCACHE) && page->slot == slot)
			return page;
		om_page_unlock(sys, page);
	}
	om_page_put(sys, page);
	return NULL;
}

/* ---------------------------------------------------------------- parts --------------------- */

/* Take part i into the transfer to read it ahead. */
static bool add_ahead(struct transfer *t, unsigned i)
{
	if (!om_slot_is_unread(t->sys, t->first + i) ||
	    enter_empty(t->sys, t->first + i, &t->page[i]))
		return false;
	t->what[i] = READ;
	return true;
}

/* Take part i into the transfer although nobody asks for it. */
static bool add_over(struct transfer *t, unsigned i)
{
	struct om_system *sys = t->sys;

	if (add_ahead(t, i)) /* as it comes anyway */
		return true;
	if (!t->scratch)
		t->scratch = om_frame_get(sys, OM_KIND_DATA, 0);
	if (!t->scratch)
		return false;
	t->page[i] = lock_cached(sys, t->first + i);
	if (t->page[i])
		t->what[i] = OVER_PAGE;
	else if (om_slot_reserve(sys, t->first + i))
		t->what[i] = OVER_HOLE;
	return t->what[i] != NOT_READ;
}

/* Part i was read, or read over, with this result; or it will not be read, which is an error. */
static void end_part(struct transfer *t, unsigned i, int err)
{
	struct om_system *sys = t->sys;

	if (t->what[i] == OVER_PAGE)
		om_page_unlock_put(sys, t->page[i]);
	else if (t->what[i] == OVER_HOLE)
		om_slot_put(sys, t->first + i);
	else if (t->what[i] == READ && err)
		abandon(sys, t->page[i]);
	else if (t->what[i] == READ)
		ahead_arrived(sys, t->page[i]);
	t->what[i] = NOT_READ;
}

/* Take in all between parts `from` and `to`; if one cannot be, none. */
static bool bridge(struct transfer *t, unsigned from, unsigned to, int step)
{
	unsigned i = from + (unsigned)step;

	while (i != to && add_over(t, i))
		i += (unsigned)step;
	if (i == to)
		return true;
	for (i -= (unsigned)step; i != from; i -= (unsigned)step)
		end_part(t, i, -OM_EAGAIN);
	return false;
}

/* Go on from the wanted part, upwards (1) or downwards (-1), while something comes soon enough. */
static void extend(struct transfer *t, uint32_t worth, int step)
{
	unsigned last = t->wanted, gap = 0;

	for (unsigned i = last + (unsigned)step; i < OM_SWAP_RUN && gap <= GAP_MAX;
	     i += (unsigned)step) {
		if (!(worth >> i & 1) || !add_ahead(t, i)) {
			gap++;
			continue;
		}
		if (!bridge(t, last, i, step)) {
			end_part(t, i, -OM_EAGAIN);
			break;
		}
		last = i;
		gap = 0;
	}
	if (step > 0)
		t->to = last + 1;
	else
		t->from = last;
}

/* ---------------------------------------------------------------- one transfer -------------- */

static unsigned bit(const struct om_swap_near *near, int d)
{
	return near->others >> (OM_SWAP_NEAR + d) & 1;
}

/* Of all transfers with the wanted slot, the one with most others: how many slots lie below. */
static unsigned best_below(const struct om_swap_near *near)
{
	unsigned n = 0, best, below = 0;

	for (int d = 1; d < OM_SWAP_RUN; d++)
		n += bit(near, d);
	best = n;
	for (int k = 1; k < OM_SWAP_RUN; k++) {
		n += bit(near, -k);
		n -= bit(near, OM_SWAP_RUN - k);
		if (n > best) {
			best = n;
			below = (unsigned)k;
		}
	}
	return below;
}

/* `page` is the wanted one, which has entered. */
static void begin(struct transfer *t, struct om_system *sys, const struct om_swap_near *near,
                  struct om_page *page)
{
	unsigned below = near->others ? best_below(near) : 0;
	uint32_t worth = (uint32_t)(near->others >> (OM_SWAP_NEAR - below));

	t->sys = sys;
	t->first = near->slot - below;
	t->wanted = t->from = below;
	t->to = below + 1;
	memset(t->what, NOT_READ, sizeof(t->what));
	t->what[below] = READ;
	t->page[below] = page;
	t->scratch = NULL;
	if (!worth)
		return;
	extend(t, worth, 1);
	extend(t, worth, -1);
}

static int read_slots(const struct transfer *t, unsigned from, unsigned to)
{
	struct om_system *sys = t->sys;
	const struct om_swap_device *device = om_slot_device(sys, t->first + from);
	void *frame[OM_SWAP_RUN];
	unsigned n = 0;

	for (unsigned i = from; i < to; i++) {
		n += t->what[i] == READ;
		frame[i - from] = om_page_ptr(sys, t->what[i] == READ ? t->page[i] : t->scratch);
	}
	om_might_transfer(sys);
	om_count(sys, OM_EV_SWAP_READ, 1);
	if (device->ops->read(device->store, om_slot_offset(t->first + from), to - from, frame)) {
		om_count(sys, OM_EV_SWAP_READ_ERR, 1);
		return -OM_EIO;
	}
	om_count(sys, OM_EV_PSWPIN, n);
	om_count(sys, OM_EV_SWAP_OVER, to - from - n);
	return 0;
}

/* An error counts only for the wanted page: another one may be to blame. */
static int end(struct transfer *t, int err)
{
	struct om_page *page = t->page[t->wanted];
	int wanted_err = err;

	if (err && t->to - t->from > 1)
		wanted_err = read_slots(t, t->wanted, t->wanted + 1);
	t->what[t->wanted] = NOT_READ;
	if (wanted_err)
		abandon(t->sys, page);
	else
		slot_arrived(t->sys, page, 0);
	for (unsigned i = t->from; i < t->to; i++)
		end_part(t, i, err);
	if (t->scratch)
		om_page_put(t->sys, t->scratch);
	return wanted_err;
}

/* ---------------------------------------------------------------- the page of a slot -------- */

bool om_swapcache_hit(struct om_system *sys, struct om_page *page, struct om_swap_ahead *ahead)
{
	if (!om_page_test(page, OM_PG_READAHEAD) ||
	    !(om_page_clear(page, OM_PG_READAHEAD) & OM_PG_READAHEAD))
		return false;
	om_count(sys, OM_EV_SWAP_RA_HIT, 1);
	om_swap_ahead_hit(ahead);
	return true;
}

/*
 * A page found in the cache of a slot, which it may leave at any time: wait until its contents are
 * there. Drops it if they never come.
 */
static int await(struct om_system *sys, struct om_page *page, uint32_t slot)
{
	if (!om_page_test(page, OM_PG_UPTODATE)) {
		om_page_lock(sys, page);
		om_page_unlock(sys, page);
	}
	if (!om_page_test(page, OM_PG_UPTODATE)) {
		om_page_put(sys, page);
		return -OM_EAGAIN;
	}
	om_swapcache_hit(sys, page, om_swap_ahead_of_slot(sys, slot));
	return 0;
}

int om_swap_readpages(struct om_system *sys, const struct om_swap_near *near, struct om_page **page,
                      bool *read)
{
	struct transfer t;
	int err;

	om_might_sleep(sys);
	*read = false;
	*page = om_swapcache_lookup(sys, near->slot);
	if (*page)
		return await(sys, *page, near->slot);
	err = enter_empty(sys, near->slot, page);
	if (err)
		return err;
	om_age_note_refault(sys, OM_AGE_ANON);
	*read = true;
	begin(&t, sys, near, *page);
	return end(&t, read_slots(&t, t.from, t.to));
}

int om_swap_readpage(struct om_system *sys, uint32_t slot, struct om_page **page, bool *read)
{
	struct om_swap_near near = om_swap_near(slot);
	struct om_swap_ahead *ahead = om_swap_ahead_of_slot(sys, slot);

	if (om_slot_is_unread(sys, slot)) {
		unsigned n = om_swap_ahead_window(sys, ahead, slot, slot);

		om_swap_ahead_read(ahead, om_swap_near_add_block(sys, &near, n));
	}
	return om_swap_readpages(sys, &near, page, read);
}
