/*
 * operation.c: what a process does in one step, chosen at random: one function for each kind.
 *
 * A step that cannot be made (no area, enough memory in use) is left out. After each, the tags of
 * the process say what its memory must hold.
 */
#include <stdlib.h>
#include <string.h>

#include "family.h"

#define LARGEST_TABLE ((uintptr_t)4 << 20) /* what a page table maps is this or less */

static struct area *some_area(struct worker *w, struct process *p)
{
	return p->nr_areas ? &p->area[sim_rand_below(&w->rand, p->nr_areas)] : NULL;
}

static void op_map(struct worker *w, struct process *p)
{
	unsigned kind = (unsigned)sim_rand_below(&w->rand, 10);
	struct area a = {.pages = 1 + (unsigned)sim_rand_below(&w->rand, AREA_PAGES)};
	bool is_shared = kind == 0 || kind == 1, is_file = kind == 1 || kind == 2;
	struct om_map_request map = {.prot = READ_WRITE};

	if (p->nr_areas == AREAS || !family.hungry)
		return;
	if (is_file) {
		a.first = (unsigned)sim_rand_below(&w->rand, FILE_PAGES - a.pages);
		a.object = family.file_object;
		a.object->refs++;
	} else if (is_shared) {
		a.pages = 1 + a.pages / 4;
		a.object = object_new(a.pages);
	}
	if (!is_shared)
		a.tag = need(calloc(a.pages, sizeof(*a.tag)));
	map.len = a.pages * SIM_PAGE_SIZE;
	map.flags = is_shared ? OM_MAP_SHARED : OM_MAP_PRIVATE;
	map.file = is_file ? family.file : NULL;
	map.offset = a.first * SIM_PAGE_SIZE;
	MUST(om_mmap(p->mm, &map));
	a.addr = map.addr;
	p->area[p->nr_areas++] = a;
}

static void op_unmap(struct worker *w, struct process *p)
{
	struct area *a = some_area(w, p);

	if (!a || family.hungry)
		return;
	MUST(om_munmap(p->mm, a->addr, a->pages * SIM_PAGE_SIZE));
	area_forget(p, a);
}

/* A run of pages: written, or compared. */
static void op_touch(struct worker *w, struct process *p)
{
	struct area *a = some_area(w, p);
	unsigned i, n;
	bool write = sim_rand_chance(&w->rand, 50);

	if (!a)
		return;
	i = (unsigned)sim_rand_below(&w->rand, a->pages);
	n = 1 + (unsigned)sim_rand_below(&w->rand, 16);
	for (; n-- && i < a->pages; i++) {
		if (write)
			write_page(w, p, a, i);
		else
			check_page(w, p, a, i);
	}
}

static void op_scan(struct worker *w, struct process *p)
{
	struct area *a = some_area(w, p);

	for (unsigned i = 0; a && i < a->pages; i++)
		check_page(w, p, a, i);
}

/* To `to` with FIXED, else to any place. */
static void remap(struct process *p, struct area *a, size_t len, int flags, uintptr_t to)
{
	struct om_remap_request r = {.old_addr = a->addr,
	                             .old_len = a->pages * SIM_PAGE_SIZE,
	                             .new_len = len,
	                             .flags = OM_MREMAP_MAYMOVE | flags,
	                             .new_addr = to};

	MUST(om_mremap(p->mm, &r));
	a->addr = r.new_addr;
}

/* mremap to a place of our choice; every other time one where whole page tables can move. */
static void op_move(struct worker *w, struct process *p)
{
	struct area *a = some_area(w, p);
	size_t len = a ? a->pages * SIM_PAGE_SIZE : 0, hole = len + LARGEST_TABLE;
	struct om_map_request map = {.len = hole, .flags = OM_MAP_PRIVATE};
	uintptr_t from, to;

	if (!a)
		return;
	MUST(om_mmap(p->mm, &map));
	from = map.addr;
	to = from + (sim_rand_chance(&w->rand, 50) ? (a->addr - from) % LARGEST_TABLE : 0);
	remap(p, a, len, OM_MREMAP_FIXED, to);
	if (to > from)
		MUST(om_munmap(p->mm, from, to - from));
	MUST(om_munmap(p->mm, to + len, from + hole - to - len));
	family.moves++;
}

/* mremap to another length: private memory grows and shrinks, the rest shrinks. */
static void op_resize(struct worker *w, struct process *p)
{
	struct area *a = some_area(w, p);
	unsigned pages;

	if (!a || a->locked)
		return;
	pages = 1 + (unsigned)sim_rand_below(&w->rand, a->object ? a->pages : AREA_PAGES);
	if (pages > a->pages && !family.hungry)
		return;
	remap(p, a, pages * SIM_PAGE_SIZE, 0, 0);
	if (a->tag)
		a->tag = need(realloc(a->tag, pages * sizeof(*a->tag)));
	for (unsigned i = a->pages; i < pages; i++)
		a->tag[i] = 0;
	a->pages = pages;
}

/*
 * Not for private areas of the file: a lock makes their pages present with a copy each, and from
 * that moment, which we do not know, they no longer show what others write to the file.
 */
static void op_lock(struct worker *w, struct process *p)
{
	struct area *a = some_area(w, p);

	if (!a || (a->object && a->tag))
		return;
	if (a->locked) {
		MUST(om_munlock(p->mm, a->addr, a->pages * SIM_PAGE_SIZE));
		a->locked = false;
	} else if (a->pages <= LOCK_PAGES) {
		int err = om_mlock(p->mm, a->addr, a->pages * SIM_PAGE_SIZE, 0);

		if (err != 0 && err != -OM_ENOMEM) /* ENOMEM: the limit */
			die("om_mlock: error %d", -err);
		a->locked = err == 0;
	}
}

static void op_protect(struct worker *w, struct process *p)
{
	struct area *a = some_area(w, p);
	size_t len = a ? a->pages * SIM_PAGE_SIZE : 0;

	if (!a)
		return;
	MUST(om_mprotect(p->mm, a->addr, len, OM_PROT_READ));
	if (sim_store(w->cpu, p->mm, a->addr, "x", 1) != OM_FAULT_ACCERR)
		die("a store to read-only memory");
	check_page(w, p, a, 0);
	MUST(om_mprotect(p->mm, a->addr, len, READ_WRITE));
}

static void op_drop(struct worker *w, struct process *p)
{
	struct area *a = some_area(w, p);
	size_t len = a ? a->pages * SIM_PAGE_SIZE : 0;

	if (!a || a->locked)
		return;
	if (sim_rand_chance(&w->rand, 70)) {
		MUST(om_madvise(p->mm, a->addr, len, OM_MADV_PAGEOUT));
		return;
	}
	/* Private pages are lost: zeros, or the file, show again. */
	MUST(om_madvise(p->mm, a->addr, len, OM_MADV_DONTNEED));
	if (a->tag)
		memset(a->tag, 0, a->pages * sizeof(*a->tag));
}

static void op_fork(struct worker *w, struct process *p)
{
	if (family.hungry)
		process_fork(w, p);
}

static void op_exit(struct worker *w, struct process *p)
{
	(void)w;
	/* Somebody has to carry on the family. */
	if (!family.hungry && family.births - family.deaths > 4)
		process_end(p);
}

void one_operation(struct worker *w, struct process *p)
{
	static const struct {
		void (*run)(struct worker *w, struct process *p);
		unsigned weight;
	} op[] = {
	    {op_touch, 850}, {op_scan, 20},   {op_map, 40},  {op_unmap, 15},
	    {op_move, 20},   {op_resize, 15}, {op_lock, 15}, {op_protect, 10},
	    {op_drop, 5},    {op_fork, 15},   {op_exit, 10},
	};
	unsigned total = 0, i, dice;

	for (i = 0; i < sizeof(op) / sizeof(*op); i++)
		total += op[i].weight;
	dice = (unsigned)sim_rand_below(&w->rand, total);
	for (i = 0; dice >= op[i].weight;)
		dice -= op[i++].weight;
	if (family.full)
		(sim_rand_chance(&w->rand, 70) ? op_unmap : op_exit)(w, p);
	else
		op[i].run(w, p);
}
