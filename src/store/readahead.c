/*
 * readahead.c: which pages of a file are read with the one that is missed.
 *
 * A stream is a reader that goes through the file in order, up or down. A mapping remembers the
 * last windows that were read; a miss right behind one of them, or right before it, goes on with
 * its stream, and the next window has twice the size. Pages that are there already do not disturb:
 * a reader passes them without a word. So nothing is written while pages are found, and several
 * readers of one file, by read() or through mappings, have a stream each.
 *
 * A miss elsewhere is random, until a second one follows it: read() gets what it asked for and no
 * more (at the beginning of a file, a first window), a mapping the aligned block around it, since
 * programs use what lies together.
 *
 * Pages that were read ahead have OM_PG_READAHEAD until they are used. How many are, and how many
 * leave without, is counted for each file: where it does not pay, blocks shrink to the one page
 * and streams stay short. And no window takes more than half of the frames that are free above the
 * reserve: a machine that is short of memory all the time still reads ahead, but never at the price
 * of the frame that the next fault needs.
 */
#include "store/readahead.h"

#include "base/mem.h"
#include "store/mapping.h"

#define FIRST_WINDOW 4u
#define AROUND_PAGES 32u /* a power of two */
#define SHORT_WINDOW 8u  /* the largest where it does not pay */

/* ---- does it pay? ---- */

/* A transfer costs as much as this many pages of it: with one used in so many it still pays. */
#define PAGES_PER_USE 3u
#define GRACE         16u  /* pages that are wasted before anything is said of a file */
#define MEMORY        128u /* pages: then what was counted has half the weight */

/*
 * All that was read ahead lately was used: there is nothing to be learnt from one more, and the
 * mapping, which others read, is not written.
 */
static bool is_certain(const struct om_readahead *ra)
{
	return atomic_load_explicit(&ra->used, memory_order_relaxed) >= MEMORY / 2 &&
	       !atomic_load_explicit(&ra->wasted, memory_order_relaxed);
}

static bool pays(const struct om_readahead *ra)
{
	unsigned used = atomic_load_explicit(&ra->used, memory_order_relaxed);
	unsigned wasted = atomic_load_explicit(&ra->wasted, memory_order_relaxed);

	return wasted <= PAGES_PER_USE * used + GRACE;
}

void om_readahead_score(struct om_mapping *mapping, struct om_page *page, bool used)
{
	struct om_readahead *ra = &mapping->readahead;
	_Atomic uint16_t *count = used ? &ra->used : &ra->wasted;
	unsigned sum;

	if (!(om_page_clear(page, OM_PG_READAHEAD) & OM_PG_READAHEAD))
		return;
	om_count(mapping->sys, used ? OM_EV_FILE_RA_HIT : OM_EV_FILE_RA_MISS, 1);
	if (used && is_certain(ra))
		return;
	/* Two at a time may count as one: it is an estimate. */
	sum = atomic_load_explicit(count, memory_order_relaxed) + 1u;
	atomic_store_explicit(count, (uint16_t)sum, memory_order_relaxed);
	if (sum < MEMORY)
		return;
	for (count = &ra->used;; count = &ra->wasted) {
		sum = atomic_load_explicit(count, memory_order_relaxed);
		atomic_store_explicit(count, (uint16_t)(sum / 2), memory_order_relaxed);
		if (count == &ra->wasted)
			return;
	}
}

/* ---- streams ---- */

static bool all_there(struct om_mapping *mapping, uintptr_t first, uintptr_t end)
{
	while (first < end && om_index_get(mapping->sys, &mapping->index, first))
		first++;
	return first == end;
}

/* Does a miss at `index` go on with the stream? *down: backwards. */
static bool goes_on(struct om_mapping *mapping, const struct om_stream *s, uintptr_t index,
                    bool *down)
{
	/* One page is no stream yet: a second one must lie beside it. */
	uintptr_t reach = s->size > 1 ? OM_TRANSFER_MAX : 1, next = s->first + s->pages;

	if (!s->pages)
		return false;
	*down = index < s->first;
	if (*down)
		return s->first - index <= reach && all_there(mapping, index + 1, s->first);
	return index >= next && index - next < reach && all_there(mapping, next, index);
}

/* The stream that this miss goes on with, or NULL. */
static struct om_stream *find_stream(struct om_mapping *mapping, uintptr_t index, bool *down)
{
	for (unsigned i = 0; i < OM_NR_STREAMS; i++)
		if (goes_on(mapping, &mapping->readahead.stream[i], index, down))
			return &mapping->readahead.stream[i];
	return NULL;
}

/*
 * Streams that went on come first, the last of them before all; what may become one enters behind
 * them, or in the middle. So random misses do not drive readers out.
 */
static struct om_stream *put_stream(struct om_readahead *ra, struct om_stream new,
                                    const struct om_stream *old)
{
	unsigned to = 0;
	unsigned from = old ? (unsigned)(old - ra->stream) : OM_NR_STREAMS - 1;

	while (!old && to < OM_NR_STREAMS / 2 && ra->stream[to].size > 1)
		to++;
	memmove(&ra->stream[to + 1], &ra->stream[to], (from - to) * sizeof(new));
	ra->stream[to] = new;
	return &ra->stream[to];
}

/* ---- the plan ---- */

static unsigned next_size(const struct om_readahead *ra, unsigned size, unsigned want)
{
	unsigned max = pays(ra) ? OM_TRANSFER_MAX : SHORT_WINDOW;

	size = 2 * size < FIRST_WINDOW ? FIRST_WINDOW : 2 * size;
	size = size > max ? max : size;
	return size < want ? want : size;
}

/* Much of the block has been wanted, a page at a time. */
static bool is_dense(struct om_mapping *mapping, uintptr_t first)
{
	unsigned n = 0;

	for (unsigned i = 0; i < AROUND_PAGES; i++)
		n += om_index_get(mapping->sys, &mapping->index, first + i) != 0;
	return n * PAGES_PER_USE >= AROUND_PAGES;
}

/* A miss that goes on with nothing. The window may reach beyond the end of the file. */
static struct om_window start(struct om_mapping *mapping, uintptr_t index, struct om_ahead ahead)
{
	const struct om_readahead *ra = &mapping->readahead;
	uintptr_t block = index & ~(uintptr_t)(AROUND_PAGES - 1);

	if (ahead.pattern == OM_READ_IN_ORDER && index == 0)
		return (struct om_window){0, next_size(ra, ahead.pages, ahead.pages), NULL};
	if (ahead.pattern == OM_READ_AROUND && (pays(ra) || is_dense(mapping, block)))
		return (struct om_window){block, AROUND_PAGES, NULL};
	if (ahead.pattern == OM_READ_SEQUENTIAL)
		return (struct om_window){index, AROUND_PAGES, NULL};
	return (struct om_window){index, ahead.pages, NULL};
}

/* The next window of a stream. */
static struct om_window go_on(const struct om_readahead *ra, const struct om_stream *s,
                              uintptr_t index, unsigned want, bool down)
{
	unsigned n = next_size(ra, s->size, want);

	if (!down)
		return (struct om_window){index, n, NULL};
	n = index < n - 1 ? (unsigned)index + 1 : n;
	return (struct om_window){index - (n - 1), n, NULL};
}

/* Cut a window to the pages of the file, and to `room` of them beside `index`. */
static void cut(struct om_window *w, uintptr_t index, uint64_t pages, om_pfn_t room)
{
	uint64_t left = pages - w->first;
	uintptr_t end;

	w->n = left < w->n ? (unsigned)left : w->n;
	if (w->n - 1 <= room)
		return;
	/* Of a stream downwards the last pages stay, else those from the one that is missed on. */
	end = w->first + w->n;
	w->first = index + 1 == end ? index - (uintptr_t)room : index;
	w->n = end - w->first <= room ? (unsigned)(end - w->first) : (unsigned)room + 1;
}

struct om_window om_readahead_plan(struct om_mapping *mapping, uintptr_t index,
                                   struct om_ahead ahead)
{
	struct om_readahead *ra = &mapping->readahead;
	struct om_stream *old;
	uint64_t pages = om_mapping_pages(mapping);
	struct om_window w;
	bool down = false;

	OM_ASSERT(mapping->sys, om_held(mapping->sys, &mapping->lock), "mapping lock", mapping);
	if (index >= pages) /* cut off just now */
		return (struct om_window){index, 1, NULL};
	if (ahead.pages == 0)
		ahead.pages = 1;
	if (ahead.pages > OM_TRANSFER_MAX)
		ahead.pages = OM_TRANSFER_MAX;
	if (ahead.pattern == OM_READ_ALONE) {
		w = start(mapping, index, ahead);
	} else {
		old = find_stream(mapping, index, &down);
		w = old ? go_on(ra, old, index, ahead.pages, down) : start(mapping, index, ahead);
		w.stream = put_stream(ra, (struct om_stream){.size = w.n}, old);
	}
	cut(&w, index, pages, om_readahead_room(mapping->sys));
	return w;
}

void om_readahead_done(struct om_mapping *mapping, struct om_window w)
{
	OM_ASSERT(mapping->sys, om_held(mapping->sys, &mapping->lock), "mapping lock", mapping);
	if (!w.stream)
		return;
	w.stream->first = w.first;
	w.stream->pages = w.n;
}
