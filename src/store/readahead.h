/*
 * readahead.h: which pages of a file are read with the one that is missed.
 *
 * What is known of the readers of a file is in its mapping (struct om_readahead), so it serves
 * read() and page faults alike, and costs nothing as long as pages are found. See readahead.c for
 * the rules.
 */
#ifndef OM_READAHEAD_H
#define OM_READAHEAD_H

#include "page/frame.h"

/* How a page is wanted. */
enum om_pattern {
	OM_READ_ALONE,      /* no other is going to be: MADV_RANDOM */
	OM_READ_IN_ORDER,   /* by read(): if it follows what was missed last, the next ones are */
	OM_READ_AROUND,     /* through a mapping: those near it are, on both sides */
	OM_READ_SEQUENTIAL, /* through a mapping, and those behind it are: MADV_SEQUENTIAL */
};

struct om_ahead {
	enum om_pattern pattern;
	unsigned pages; /* that the caller wants, the one that is missed included; 0: as 1 */
};

#define OM_ALONE ((struct om_ahead){OM_READ_ALONE, 1})

/* Pages [first, first + n) of a file, 0 < n <= OM_TRANSFER_MAX. */
struct om_window {
	uintptr_t first;
	unsigned n;
	struct om_stream *stream; /* that this goes on with, or begins; NULL: none */
};

/*
 * Pages to be read because `index` is missed, and has its frame already. They contain it, and the
 * others are inside the file. mapping->lock held for writing.
 */
struct om_window om_readahead_plan(struct om_mapping *mapping, uintptr_t index,
                                   struct om_ahead ahead);

/* What was done of a plan in the end. mapping->lock held since. */
void om_readahead_done(struct om_mapping *mapping, struct om_window window);

/* Frames that may be taken for pages that nobody has asked for. Any context. */
static inline om_pfn_t om_readahead_room(const struct om_system *sys)
{
	om_pfn_t free = om_frames_at_hand(sys), min = om_frames_reserve(sys);

	return free > min ? (free - min) / 2 : 0;
}

/*
 * A page of the file was used, or is evicted: if it was read ahead, count that this was right, or
 * was not. The page lock is held, or an entry maps the page. Any context.
 */
void om_readahead_score(struct om_mapping *mapping, struct om_page *page, bool used);

static inline void om_readahead_used(struct om_mapping *mapping, struct om_page *page)
{
	if (om_unlikely(om_page_test(page, OM_PG_READAHEAD)))
		om_readahead_score(mapping, page, true);
}

static inline void om_readahead_evicted(struct om_mapping *mapping, struct om_page *page)
{
	if (om_unlikely(om_page_test(page, OM_PG_READAHEAD)))
		om_readahead_score(mapping, page, false);
}

#endif
