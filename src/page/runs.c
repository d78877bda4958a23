/*
 * runs.c: the records of runs, and the lists that they are on.
 */
#include "page/runs.h"

#define WHOLE (~0ull) /* a block of which all frames are free */

unsigned om_count_bits(uint64_t bits)
{
	bits -= bits >> 1 & 0x5555555555555555u;
	bits = (bits & 0x3333333333333333u) + (bits >> 2 & 0x3333333333333333u);
	bits = (bits + (bits >> 4)) & 0x0f0f0f0f0f0f0f0fu;
	return (unsigned)(bits * 0x0101010101010101u >> 56);
}

/* A whole block, and behind it `next`. */
static void link_all(struct om_page *page, om_pfn_t first, om_pfn_t next)
{
	for (om_pfn_t i = 1; i < OM_BLOCK; i++)
		page[i - 1].link.next = first + i;
	page[OM_BLOCK - 1].link.next = next;
}

/* The last first: which one is the last? */
static om_pfn_t link_some(struct om_page *page, const struct om_piece *piece, om_pfn_t *next)
{
	om_pfn_t last = OM_NO_PFN;

	for (om_pfn_t i = OM_BLOCK; i--;) {
		if (!(piece->frames >> i & 1))
			continue;
		page[i].link.next = *next;
		*next = piece->first + i;
		if (last == OM_NO_PFN)
			last = *next;
	}
	return last;
}

void om_piece_link(struct om_system *sys, const struct om_piece *piece, struct om_bundle *b)
{
	struct om_page *page = om_page_of(sys, piece->first);
	om_pfn_t last = piece->first + OM_BLOCK - 1;

	om_work(sys, piece->n);
	if (piece->n == OM_BLOCK) {
		link_all(page, piece->first, b->first);
		b->first = piece->first;
	} else {
		last = link_some(page, piece, &b->first);
	}
	if (!b->n)
		b->last = last;
	b->n += piece->n;
}

/* ---------------------------------------------------------------- lists --------------------- */

size_t om_runs_bytes(om_pfn_t nr_frames)
{
	return (nr_frames + OM_RUN - 1) / OM_RUN * sizeof(struct om_frame_run);
}

void om_runs_init(struct om_system *sys)
{
	for (unsigned i = 0; i < OM_NR_RUN_LISTS; i++)
		sys->runs.head[i] = OM_NO_RUN;
}

unsigned om_run_list(const struct om_frame_run *run)
{
	if (!run->n)
		return OM_NR_RUN_LISTS;
	if (run->n == OM_RUN)
		return OM_RUNS_WHOLE;
	return run->whole ? OM_RUNS_BLOCKS : OM_RUNS_PIECES;
}

static void leave(struct om_system *sys, const struct om_frame_run *run, unsigned list)
{
	if (run->prev == OM_NO_RUN)
		sys->runs.head[list] = run->next;
	else
		sys->frame_run[run->prev].next = run->next;
	if (run->next != OM_NO_RUN)
		sys->frame_run[run->next].prev = run->prev;
}

static void enter(struct om_system *sys, struct om_frame_run *run, unsigned list)
{
	uint32_t nr = (uint32_t)(run - sys->frame_run), next = sys->runs.head[list];

	run->prev = OM_NO_RUN;
	run->next = next;
	if (next != OM_NO_RUN)
		sys->frame_run[next].prev = nr;
	sys->runs.head[list] = nr;
}

/* The run has got frames, or lost some: it was on list `old`. */
static void move(struct om_system *sys, struct om_frame_run *run, unsigned old)
{
	unsigned list = om_run_list(run);

	OM_ASSERT(sys, om_held(sys, &sys->free.lock), "free list", run);
	if (list == old)
		return;
	if (old != OM_NR_RUN_LISTS)
		leave(sys, run, old);
	if (list != OM_NR_RUN_LISTS)
		enter(sys, run, list);
}

/* ---------------------------------------------------------------- frames -------------------- */

void om_runs_add(struct om_system *sys, const struct om_piece *piece)
{
	struct om_frame_run *run = &sys->frame_run[piece->first >> OM_RUN_SHIFT];
	uint64_t *block = &run->free[piece->first % OM_RUN / OM_BLOCK];
	unsigned old = om_run_list(run);

	OM_BUG_ON(sys, *block & piece->frames, "I7", run, *block, piece->frames);
	om_work(sys, 1);
	*block |= piece->frames;
	run->n = (uint16_t)(run->n + piece->n);
	run->whole = (uint8_t)(run->whole + (*block == WHOLE));
	sys->runs.n += piece->n;
	move(sys, run, old);
}

/* Some of a block's frames, which are free, leave the run. */
static struct om_piece take_frames(struct om_system *sys, struct om_frame_run *run, unsigned block,
                                   uint64_t frames)
{
	unsigned old = om_run_list(run);
	struct om_piece piece = {.first = ((om_pfn_t)(run - sys->frame_run) << OM_RUN_SHIFT) +
	                                  block * OM_BLOCK,
	                         .n = om_count_bits(frames),
	                         .frames = frames};

	om_work(sys, 1);
	run->whole = (uint8_t)(run->whole - (run->free[block] == WHOLE));
	run->free[block] &= ~frames;
	run->n = (uint16_t)(run->n - piece.n);
	sys->runs.n -= piece.n;
	move(sys, run, old);
	return piece;
}

static struct om_piece take_block(struct om_system *sys, struct om_frame_run *run, unsigned block)
{
	return take_frames(sys, run, block, run->free[block]);
}

/* The first block that has what its list promises. */
static unsigned find_block(const struct om_frame_run *run, unsigned list)
{
	unsigned i = 0;

	while (list == OM_RUNS_PIECES ? !run->free[i] : run->free[i] != WHOLE)
		i++;
	return i;
}

struct om_piece om_runs_take(struct om_system *sys)
{
	OM_ASSERT(sys, om_held(sys, &sys->free.lock), "free list", &sys->free);
	for (unsigned list = 0; list < OM_NR_RUN_LISTS; list++) {
		uint32_t nr = sys->runs.head[list];

		if (nr != OM_NO_RUN)
			return take_block(sys, &sys->frame_run[nr],
			                  find_block(&sys->frame_run[nr], list));
	}
	return (struct om_piece){.n = 0};
}

/* ---------------------------------------------------------------- frames for a table -------- */

/* Tables of tests are smaller than a block: the first frames of a whole one will do. */
#define TABLE_BLOCKS ((OM_TABLE_ENTRIES + OM_BLOCK - 1) / OM_BLOCK)
#define TABLE_BITS   (OM_TABLE_ENTRIES < OM_BLOCK ? (1ull << OM_TABLE_ENTRIES % OM_BLOCK) - 1 : WHOLE)

om_pfn_t om_runs_take_table(struct om_system *sys)
{
	unsigned list = TABLE_BLOCKS == 1 && sys->runs.head[OM_RUNS_BLOCKS] != OM_NO_RUN
	                    ? OM_RUNS_BLOCKS
	                    : OM_RUNS_WHOLE;
	uint32_t nr = sys->runs.head[list];
	struct om_frame_run *run;
	unsigned block;

	OM_ASSERT(sys, om_held(sys, &sys->free.lock), "free list", &sys->free);
	if (nr == OM_NO_RUN || OM_TABLE_ENTRIES > OM_RUN)
		return OM_NO_PFN;
	run = &sys->frame_run[nr];
	block = find_block(run, list);
	for (unsigned i = 0; i < TABLE_BLOCKS; i++)
		take_frames(sys, run, block + i, TABLE_BITS);
	return (nr << OM_RUN_SHIFT) + block * OM_BLOCK;
}
