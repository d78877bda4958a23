/*
 * space.h: what the tests of address spaces share: a simulated machine with one process, and
 * layouts written as tables.
 *
 *     struct space s = space_start(256, 0);
 *     space_map(&s, 0, 8, RW, 0);                            pages 0-7, private and anonymous
 *     expect_layout(s.mm, {0, 8, RW});
 *     space_put(&s, s.mm, 3, 'x');
 *     space_check(&s);                                       om_verify() and the TLBs
 *     space_finish(&s);                                      nothing may be left
 *
 * Places are page numbers from SPACE_BASE, which is the beginning of a leaf table.
 */
#ifndef SPACE_H
#define SPACE_H

#include <string.h>

#include "unit.h"

#include "area/mm.h"
#include "page/page.h"
#include "rmap/rmap.h"
#include "sim.h"

#define SPACE_BASE ((uintptr_t)0x40000000)

static inline uintptr_t at(uintptr_t page)
{
	return SPACE_BASE + (page << OM_PAGE_SHIFT);
}

#define R   ((unsigned)OM_VM_READ)
#define W   ((unsigned)OM_VM_WRITE)
#define X   ((unsigned)OM_VM_EXEC)
#define RW  (R | W)
#define RX  (R | X)
#define SH  ((unsigned)OM_VM_SHARED)
#define LK  ((unsigned)OM_VM_LOCKED)
#define GD  ((unsigned)OM_VM_GROWSDOWN)
#define NL  ((unsigned)OM_VM_NONLINEAR)
#define ANY UINT64_MAX /* in a row: the offset does not matter */

/* What the default design alone promises, a test asserts for it alone. */
static inline bool space_is_default(void)
{
	return !strcmp(om_rmap_traits.name, "objrmap");
}

struct space {
	struct sim *sim;
	struct om_system *sys;
	struct sim_cpu *cpu;
	struct om_mm *mm;
	struct sim_store *swap; /* NULL: none */
	struct sim_store *file_store;
	unsigned area; /* of swap */
	void *scratch;
};

/* `slots`: size of the swap device, 0: none. The hooks count, and can be watched: see below. */
struct space space_start(om_pfn_t frames, uint32_t slots);
/* With more CPUs; the test runs on the first. */
struct space space_start_cpus(om_pfn_t frames, uint32_t slots, unsigned nr_cpus);
/* Ends s->mm (unless NULL), and all else; every frame must be free then. */
void space_finish(struct space *s);

/* Calls of flush so far, and the arguments of the last one. */
extern struct space_flushes {
	unsigned calls;
	enum om_flush what;
	struct om_mm *mm;
	uintptr_t start, end;
} space_flushes;
/* Times that a thread began to wait for memory, and that it was over with it. */
extern atomic_uint space_stalls, space_stalls_over;
/* Called by the `held` hook, that is at every lock and unlock of a debug build. NULL: nothing. */
extern void (*space_on_lock)(void *arg);
extern void *space_on_lock_arg;

/* Map n pages at page `first` of the process with these permissions; `flags` beside FIXED. */
void space_map(struct space *s, uintptr_t first, size_t n, unsigned prot, int flags);
/* The same for a file; shared unless `flags` says PRIVATE. */
void space_map_file(struct space *s, uintptr_t first, size_t n, unsigned prot, int flags,
                    struct om_mapping *file, uintptr_t pgoff);
/* A fault on these pages reads no others ahead. */
void space_random(struct space *s, uintptr_t first, size_t n);
/* A file of n pages; page i is full of the byte i + 1. */
struct om_mapping *space_file(struct space *s, size_t n);

/* One byte in the middle of a page, through the CPU. */
void space_put(struct space *s, struct om_mm *mm, uintptr_t page, int byte);
int space_get(struct space *s, struct om_mm *mm, uintptr_t page);
/* The result of an access that may fail. */
enum om_fault_result space_try(struct space *s, struct om_mm *mm, uintptr_t page, bool write);
/* put() of tag + i to page first + i, and the check that they are there. */
void space_fill(struct space *s, struct om_mm *mm, uintptr_t first, size_t n, int tag);
void space_expect(struct space *s, struct om_mm *mm, uintptr_t first, size_t n, int tag);

/* The page that a present entry shows; table and slot if not NULL. */
struct om_page *space_page(struct om_mm *mm, uintptr_t page, struct om_page **table,
                           unsigned *slot);
enum om_pagekind space_kind(struct om_mm *mm, uintptr_t page);
uint64_t space_event(struct om_system *sys, enum om_event ev);

/* om_verify() finds nothing, and no TLB has anything that the tables have not. */
#define space_check(s) space_check_at(s, __FILE__, __LINE__)
void space_check_at(struct space *s, const char *file, int line);

/*
 * One area: pages [start, end), flags R W X SH LK GD NL, and if it shows a file, the offset, or
 * ANY. Rows may leave the offset out: 0.
 */
#pragma GCC diagnostic ignored "-Wmissing-field-initializers"
struct row {
	uintptr_t start, end;
	unsigned flags;
	uint64_t pgoff;
};

/* The areas of mm are exactly these. */
#define expect_layout(mm, ...)                                                                     \
	expect_rows(mm, (const struct row[]){__VA_ARGS__},                                         \
	            sizeof((const struct row[]){__VA_ARGS__}) / sizeof(struct row), __FILE__,      \
	            __LINE__)
#define expect_no_areas(mm) expect_rows(mm, NULL, 0, __FILE__, __LINE__)
void expect_rows(struct om_mm *mm, const struct row *row, size_t n, const char *file, int line);

/* Take every free frame; returns their number. And give them back. */
om_pfn_t space_hog(struct om_system *sys, om_pfn_t leave);
void space_unhog(struct om_system *sys);

#endif
