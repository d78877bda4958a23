/*
 * history.c: the programs that decided each turn in the history of reverse mapping, from 2003 to
 * 2012. Each was the worst case of what Linux had at its time.
 */
#include "stage.h"
#include "workloads.h"

/* ---------------------------------------------------------------- 2003: 100 x 100 ----------- */

#define PIECES 100
#define PIECE  4 /* pages */

/* `n` processes map a file in 100 pieces, in another order each, and use every page. */
static struct proc *map_in_pieces(unsigned n)
{
	struct proc *p = NULL;

	for (unsigned i = 0; i < n; i++) {
		p = stage_exec();
		for (unsigned k = 0; k < PIECES; k++) {
			size_t piece = (k * 37 + i) % PIECES;

			stage_read(p, stage_map(p, PIECE, FILE_SHARED, piece * PIECE), PIECE);
		}
	}
	return p;
}

static void file_100x100(unsigned n)
{
	stage_open(n * 120 + 4096, PIECES * PIECE);
	map_in_pieces(n);
	stage_survey();
	stage_reclaim(PIECES * PIECE / 2);
	stage_close();
}

/* A database locks what it maps; others are pressed on meanwhile. */
static void file_locked(unsigned n)
{
	struct proc *p;

	stage_open(n * 120 + 4096, PIECES * PIECE);
	map_in_pieces(n);
	for (unsigned i = 0; i < n; i++) {
		p = stage_exec();
		stage_lock_all(p);
		stage_exit(p);
	}
	p = stage_exec();
	stage_write(p, stage_map(p, 1024, ANON, 0), 1024);
	stage_survey();
	stage_reclaim(256);
	stage_close();
}

/* ---------------------------------------------------------------- 2010: AIM7 ---------------- */

/* A server of 1000 children, each of which rewrites the 32 pages that it has inherited; or more of them. */
static void server(unsigned n)
{
	unsigned children = n < 1000 ? n : 1000, pages = n <= 1000 ? 32 : n / 10;
	struct proc *parent, *child;
	uintptr_t heap;

	stage_open(children * (pages + 8) + 8192, 0);
	parent = stage_exec();
	heap = stage_map(parent, pages, ANON, 0);
	stage_write(parent, heap, pages);
	for (unsigned i = 0; i < children; i++) {
		child = stage_fork(parent);
		stage_write(child, heap, pages);
	}
	stage_survey();
	stage_reclaim(256);
	stage_close();
}

/* ---------------------------------------------------------------- 2012: mprotect ------------ */

/* A heap of `n` pages, shared with a child, becomes as many areas, and one again. */
static void heap_split(unsigned n)
{
	struct proc *parent, *child;
	uintptr_t heap;

	stage_open(n * 4 + 8192, 0);
	parent = stage_exec();
	heap = stage_map(parent, n, ANON, 0);
	stage_write(parent, heap, n);
	child = stage_fork(parent);
	for (unsigned i = 0; i < n; i += 2)
		stage_protect(parent, heap + i * PAGE, 1, false);
	for (unsigned i = 1; i < n; i += 4)
		stage_write(parent, heap + i * PAGE, 1);
	stage_survey();
	stage_reclaim(n / 4);
	for (unsigned i = 0; i < n; i += 2)
		stage_protect(parent, heap + i * PAGE, 1, true);
	stage_read(parent, heap, n);
	stage_read(child, heap, n);
	stage_close();
}

/* ---------------------------------------------------------------- 2012: a daemon ------------ */

/* It forks, and its parent exits, `n` times. */
static void generations(unsigned n)
{
	enum { AREAS = 16, WRITTEN = 4 };
	struct proc *p, *child;
	uintptr_t areas;

	stage_open(4096, 0);
	p = stage_exec();
	areas = stage_map_apart(p, AREAS);
	for (unsigned k = 0; k < AREAS; k++)
		stage_write(p, areas + k * APART, 1);
	for (unsigned i = 0; i < n; i++) {
		child = stage_fork(p);
		stage_exit(p);
		p = child;
		for (unsigned k = 0; k < WRITTEN; k++)
			stage_write(p, areas + (i + k) % AREAS * APART, 1);
	}
	stage_survey();
	stage_reclaim(AREAS / 2);
	stage_close();
}

/* ---------------------------------------------------------------- 2026: layers -------------- */

/* `n` areas through 30 levels of fork; each level writes to each area. */
static void layers(unsigned n)
{
	enum { LEVELS = 30 };
	struct proc *p;
	uintptr_t areas;

	stage_open((n + 64) * (LEVELS + 2) + n * LEVELS / 12 + 8192, 0);
	p = stage_exec();
	areas = stage_map_apart(p, n);
	for (unsigned i = 0; i < n; i++)
		stage_write(p, areas + i * APART, 1);
	for (unsigned level = 0; level < LEVELS; level++) {
		p = stage_fork(p);
		for (unsigned i = 0; i < n; i++)
			stage_write(p, areas + i * APART, 1);
	}
	stage_survey();
	stage_reclaim(256);
	stage_close();
}

const struct workload history[] = {
    {"file_100x100", "100 processes map one file in 100 pieces", file_100x100, 100, 10},
    {"file_locked", "the same, all of it locked", file_locked, 100, 10},
    {"server_1000", "1000 children rewrite what they have inherited", server, 1000, 50},
    {"heap_split", "a heap is split page by page by mprotect", heap_split, 4096, 256},
    {"generations", "a daemon forks and exits, 100 000 times", generations, 100000, 1000},
    {"layers", "1000 areas through 30 levels of fork", layers, 1000, 50},
    {0},
};

/* ---------------------------------------------------------------- curves -------------------- */

#define GROWTH_PAGES 16

/*
 * One family of `n` children, each of the first or of the last; all rewrite what they inherit, but
 * the last child half of it. Its pages are reclaimed, whoever shares them.
 */
static void grow(unsigned n, bool deep)
{
	struct proc *first, *last;
	uintptr_t heap;

	stage_open(n * (GROWTH_PAGES + 8) + 4096, 0);
	first = stage_exec();
	heap = stage_map(first, GROWTH_PAGES, ANON, 0);
	stage_write(first, heap, GROWTH_PAGES);
	last = first;
	for (unsigned i = 1; i <= n; i++) {
		last = stage_fork(deep ? last : first);
		stage_write(last, heap, i < n ? GROWTH_PAGES : GROWTH_PAGES / 2);
	}
	stage_survey();
	stage_reclaim(4 * GROWTH_PAGES);
	stage_close();
}

static void grow_children(unsigned n)
{
	grow(n, false);
}

static void grow_depth(unsigned n)
{
	grow(n, true);
}

/* Areas of a process, which has forked once; some are reclaimed. */
static void grow_areas(unsigned n)
{
	struct proc *parent, *child;
	uintptr_t areas;

	stage_open(n * 4 + 8192, 0);
	parent = stage_exec();
	areas = stage_map_apart(parent, n);
	for (unsigned i = 0; i < n; i++)
		stage_write(parent, areas + i * APART, 1);
	child = stage_fork(parent);
	for (unsigned i = 0; i < n; i += 2)
		stage_write(child, areas + i * APART, 1);
	stage_survey();
	stage_reclaim(n < 256 ? n : 256);
	stage_close();
}

const struct workload growth[] = {
    {"children", "children that rewrite all", grow_children, 1000, 1},
    {"depth", "levels of fork that rewrite all", grow_depth, 100, 1},
    {"areas", "areas of a process that has forked", grow_areas, 10000, 1},
    {0},
};
