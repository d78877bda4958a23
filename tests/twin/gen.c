/*
 * gen.c: random calls, at places that place.c picks. One process makes a few calls, then another.
 */
#include "gen.h"

#include <stdlib.h>
#include <string.h>

struct sim_rand rnd;
unsigned current;
static unsigned turn; /* for how many more calls */
static unsigned since_check, since_full_check;
static bool freed; /* by MADV_FREE, a moment ago */

/* One call in fifty has something wrong with its range. */
static void spoil(struct call *c)
{
	switch (below(120)) {
	case 0:
		c->a[0] += between(1, PAGE - 1);
		break;
	case 1:
		c->a[1] = 0;
		break;
	case 2:
		if (sizeof(long) == 8) /* wraps; under a 64-bit kernel nothing of 32 bits does */
			c->a[1] = (uint64_t)0 - between(1, 3 * PAGE);
		break;
	case 3:
		c->a[1] -= between(1, PAGE - 1); /* rounded up again */
		break;
	default:
		break;
	}
}

static void set_range(struct call *c, struct range r)
{
	c->a[0] = encode(r.page);
	c->a[1] = r.n * PAGE;
	spoil(c);
}

/* ---------------------------------------------------------------- mapping ------------------- */

static int pick_prot(void)
{
	static const uint8_t usual[] = {3, 3, 3, 3, 3, 3, 3, 3, 1, 1, 0, 7, 7, 5, 2, 4};

	return usual[below(sizeof(usual))];
}

/* A file, at an offset that makes neighbours fit more often than not. */
static void pick_file(struct call *c, unsigned page)
{
	c->a[4] = below(NR_FILES);
	if (chance(12))
		c->a[4] += 100;
	c->a[5] = (chance(60) ? page % 64 : below(24)) * PAGE;
	if (chance(1))
		c->a[5] += between(1, PAGE - 1);
	else if (chance(1) && sizeof(long) == 8)
		c->a[5] = (uint64_t)0 - PAGE; /* the end is beyond all files */
}

static void gen_mmap(struct call *c)
{
	struct range r = pick_range(30);
	uint64_t flags = chance(70) ? OM_MAP_PRIVATE : OM_MAP_SHARED;
	unsigned how = (unsigned)below(100);
	bool stack = in_zone(r.page, STACKS) && chance(60);

	set_range(c, r);
	c->a[2] = (uint64_t)pick_prot();
	c->a[4] = (uint64_t)-1;
	if (chance(stack ? 2 : 40))
		pick_file(c, r.page);
	flags |= how < 72 ? OM_MAP_FIXED : how < 90 ? OM_MAP_FIXED_NOREPLACE : 0;
	flags |= stack ? OM_MAP_GROWSDOWN : 0;
	flags |= chance(4) ? OM_MAP_LOCKED : 0;
	flags |= chance(7) ? OM_MAP_POPULATE : 0;
	flags |= chance(4) ? OM_MAP_NORESERVE : 0;
	if (chance(1))
		flags &= ~(uint64_t)3;
	c->a[3] = flags;
	if (how >= 98)
		c->a[0] = 0;
}

static void gen_munmap(struct call *c)
{
	set_range(c, pick_range(80));
}

static void gen_mprotect(struct call *c)
{
	set_range(c, pick_range(92));
	c->a[2] = (uint64_t)pick_prot();
	if (chance(2))
		c->a[2] |= OM_PROT_GROWSDOWN;
	else if (chance(1))
		c->a[2] |= (uint64_t)16 << below(22); /* up to GROWSUP; 8 is PROT_SEM */
}

/* Where a moved area goes: the same offset in its table, for whole tables. */
static uint64_t pick_target(unsigned from)
{
	unsigned page = page_in(in_zone(from, TABLES) && chance(80) ? TABLES : pick_zone());

	if (in_zone(page, TABLES) && chance(70))
		page = (page & ~511u) | (from & 511);
	return encode(page);
}

static uint64_t pick_new_length(const struct range *r)
{
	unsigned kind = (unsigned)below(100);

	if (kind < 40)
		return r->n * PAGE;
	if (kind < 65)
		return (r->n + between(1, 8)) * PAGE;
	if (kind < 95)
		return between(1, r->n) * PAGE;
	return kind < 98 ? pick_length(r->page) * PAGE : below(2 * PAGE);
}

/* Tables that lie in one area, to be moved whole; or any. */
static struct range whole_tables(void)
{
	struct range r = {(unsigned)between(2, 9) * 512, 512};
	struct om_vmainfo area;

	for (unsigned i = 0; i < 8; i++) {
		if (om_vma_next(twin.mm[current], page_address(r.page), &area) &&
		    area.start <= page_address(r.page) && area.end >= page_address(r.page + 512))
			break;
		r.page = r.page == 9 * 512 ? 1024 : r.page + 512;
	}
	if (chance(20))
		r.n = 1024;
	return r;
}

/* The same place in another table. */
static uint64_t other_table(unsigned page)
{
	return encode((unsigned)between(2, 9) * 512 + page % 512);
}

static void gen_mremap(struct call *c)
{
	static const uint8_t flags[] = {3, 3, 3, 3, 3, 3, 3, 3, 3, 1, 1, 1, 1, 0, 0, 5, 7, 7};
	bool whole = chance(12);
	struct range r = whole ? whole_tables() : pick_range(93);

	set_range(c, r);
	c->a[2] = pick_new_length(&r);
	c->a[3] = chance(97) ? flags[below(sizeof(flags))] : below(16);
	if ((c->a[3] & OM_MREMAP_DONTUNMAP) && chance(85))
		c->a[2] = c->a[1];
	c->a[4] = whole ? other_table(r.page) : pick_target(r.page);
	if (chance(2))
		c->a[4] += between(1, PAGE - 1);
	if (chance(4))
		c->a[1] = 0;
	c->a[5] = pick_target(r.page);
}

static void gen_madvise(struct call *c)
{
	static const uint8_t advice[] = {4,  4,  4,  4,  4,  8,  8,  8,  8,  3,  3,  20, 20, 21,
	                                 21, 21, 21, 21, 22, 22, 23, 23, 10, 11, 11, 18, 18, 19,
	                                 19, 9,  9,  9,  24, 24, 0,  1,  2,  0,  7,  5};

	set_range(c, pick_range(90));
	c->a[2] = advice[below(sizeof(advice))];
	freed |= c->a[2] == OM_MADV_FREE;
}

static void gen_range(struct call *c)
{
	set_range(c, pick_range(90));
	if (c->kind == C_MLOCK2)
		c->a[2] = chance(80) ? OM_MLOCK_ONFAULT : below(3);
	else if (c->kind == C_MSYNC)
		c->a[2] = below(9);
	if ((c->kind == C_MLOCK || c->kind == C_MLOCK2 || c->kind == C_MUNLOCK) && chance(20))
		c->a[0] += below(PAGE);
}

static void gen_mlockall(struct call *c)
{
	static const uint8_t flags[] = {1, 1, 1, 2, 3, 3, 5, 6, 7, 4, 0, 8};

	c->a[0] = flags[below(sizeof(flags))];
}

static void gen_brk(struct call *c)
{
	struct om_vmainfo area;

	if (chance(50) && om_vma_next(twin.mm[current], shared->heap, &area) &&
	    area.end - shared->heap < 100 * PAGE)
		c->a[0] = area.end - shared->heap + below(4 * PAGE) - below(2 * PAGE);
	else
		c->a[0] = below(chance(90) ? 32 * PAGE : 128 * PAGE);
	if (chance(2))
		c->a[0] = (uint64_t)0 - between(1, 2 * PAGE);
}

static uint64_t near_now(enum om_limit which)
{
	struct om_mminfo info;

	if (chance(50))
		return OM_UNLIMITED;
	om_mminfo(twin.mm[current], 0, OM_UNLIMITED, &info);
	return (which == OM_LIMIT_AS ? info.size : info.data) * PAGE + below(96 * PAGE);
}

static void gen_limit(struct call *c)
{
	unsigned kind = (unsigned)below(100);

	if (kind < 40) {
		c->a[0] = OM_LIMIT_MEMLOCK;
		c->a[1] = chance(8) ? 0 : below(MEMLOCK);
	} else if (kind < 60) {
		c->a[0] = OM_LIMIT_STACK;
		c->a[1] = chance(50) ? OM_UNLIMITED : below(700 * PAGE);
	} else {
		c->a[0] = kind < 80 ? OM_LIMIT_AS : OM_LIMIT_DATA;
		c->a[1] = near_now((enum om_limit)c->a[0]);
	}
}

/* ---------------------------------------------------------------- accesses ------------------ */

/* A page of an area that allows the access, for most tries. */
static struct range pick_for(unsigned flag)
{
	struct om_vmainfo area;

	for (unsigned i = 0; flag && i < 4; i++)
		if (pick_area(&area) && (area.flags & flag))
			return part_of(&area);
	return pick_range(93);
}

static uint64_t pick_byte(unsigned flag)
{
	struct range r = pick_for(chance(80) ? flag : 0);

	r.page += (unsigned)below(r.n < 64 ? r.n : 64);
	if (chance(6))
		pick_below_stack(&r.page);
	return encode(r.page);
}

/* Where return instructions were written last. */
static uint64_t code[16];
static unsigned nr_code;

static void gen_exec(struct call *c)
{
	c->a[0] = nr_code && chance(75) ? code[below(nr_code < 16 ? nr_code : 16)]
	                                : pick_byte(OM_VM_EXEC);
}

static void gen_write(struct call *c)
{
	bool ret = chance(12);

	c->a[0] = pick_byte(ret ? OM_VM_EXEC : OM_VM_WRITE);
	c->a[1] = between(1, 16);
	if (ret) {
		c->a[2] = SEED_RET;
		code[nr_code++ % 16] = c->a[0];
	} else {
		c->a[0] += below(PAGE - 15);
		c->a[2] = sim_rand(&rnd) >> 8 | 2;
	}
}

static void gen_read(struct call *c)
{
	c->a[0] = pick_byte(0) + below(PAGE - 7);
	c->a[1] = between(1, 8);
}

static void gen_copy(struct call *c)
{
	c->a[0] = pick_byte(c->kind == C_UWRITE ? OM_VM_WRITE : 0) + below(PAGE);
	c->a[1] = between(1, chance(50) ? 64 : 3 * PAGE);
	c->a[2] = c->kind == C_UWRITE ? sim_rand(&rnd) >> 8 | 2 : 0;
}

/* ---------------------------------------------------------------- files --------------------- */

static uint64_t pick_size(uint64_t size)
{
	unsigned kind = (unsigned)below(100);

	if (kind < 30)
		return below(40) * PAGE;
	if (kind < 70)
		return below(30 * PAGE);
	return size / 2 + below(size + 1);
}

static void gen_file(struct call *c)
{
	uint64_t size;

	c->a[0] = below(NR_FILES);
	size = om_mapping_size(twin.file[c->a[0]].mapping);
	if (c->kind == C_TRUNCATE) {
		c->a[1] = pick_size(size) % (200 * PAGE);
	} else if (c->kind != C_FSYNC) {
		c->a[1] = below(size + (chance(20) ? 4 * PAGE : 1));
		c->a[2] = between(1, chance(50) ? 300 : 3 * PAGE);
	}
	if (c->kind == C_PUNCH && chance(50)) {
		c->a[1] &= ~(uint64_t)(PAGE - 1);
		c->a[2] = between(1, 6) * PAGE;
	}
	if (c->kind == C_PWRITE)
		c->a[3] = sim_rand(&rnd) >> 8 | 2;
}

/* ---------------------------------------------------------------- processes ----------------- */

static unsigned count_alive(void)
{
	unsigned n = 0;

	for (unsigned i = 0; i < NR_PROCS; i++)
		n += twin.mm[i] != NULL;
	return n;
}

static unsigned pick_process(bool alive)
{
	unsigned i;

	do
		i = (unsigned)below(NR_PROCS);
	while ((twin.mm[i] != NULL) != alive);
	return i;
}

static void gen_process(struct call *c)
{
	unsigned n = count_alive();

	if (c->kind == C_FORK && n < NR_PROCS)
		c->a[0] = pick_process(false);
	else if (c->kind == C_SPAWN && n < NR_PROCS)
		c->proc = (uint8_t)pick_process(false);
	else
		c->kind = C_EXIT;
	if (c->kind == C_EXIT && n == 1)
		c->kind = C_READ;
}

static void gen_check(struct call *c)
{
	bool full = since_full_check > 800;

	c->kind = C_CHECK;
	c->a[0] = full ? CHECK_ALL_PROCS | CHECK_VERIFY : 0;
	if (chance(25))
		c->a[0] |= CHECK_FLAGS;
	if (chance(8))
		c->a[0] |= CHECK_ALL_PAGES;
	since_check = 0;
	if (full)
		since_full_check = 0;
}

/* ---------------------------------------------------------------- choosing ------------------ */

static const struct {
	uint8_t kind;
	uint16_t weight;
	void (*gen)(struct call *c);
} menu[] = {
    {C_WRITE, 260, gen_write},    {C_READ, 110, gen_read},        {C_MMAP, 90, gen_mmap},
    {C_MUNMAP, 45, gen_munmap},   {C_MPROTECT, 70, gen_mprotect}, {C_MREMAP, 75, gen_mremap},
    {C_MADVISE, 95, gen_madvise}, {C_MLOCK, 22, gen_range},       {C_MLOCK2, 8, gen_range},
    {C_MUNLOCK, 20, gen_range},   {C_MLOCKALL, 3, gen_mlockall},  {C_MUNLOCKALL, 4, NULL},
    {C_MINCORE, 18, gen_range},   {C_MSYNC, 12, gen_range},       {C_BRK, 20, gen_brk},
    {C_LIMIT, 6, gen_limit},      {C_EXEC, 14, gen_exec},         {C_UREAD, 20, gen_copy},
    {C_UWRITE, 25, gen_copy},     {C_SPAWN, 1, gen_process},      {C_FORK, 13, gen_process},
    {C_EXIT, 9, gen_process},     {C_TRUNCATE, 7, gen_file},      {C_PUNCH, 7, gen_file},
    {C_PREAD, 10, gen_file},      {C_PWRITE, 16, gen_file},       {C_FSYNC, 2, gen_file},
    {C_RECLAIM, 30, NULL},        {C_SWAPOFF, 1, NULL},           {C_FLUSH_TLB, 3, NULL},
};

static void gen_from_menu(struct call *c)
{
	static unsigned total;
	unsigned w, i = 0;

	if (!total)
		for (unsigned k = 0; k < sizeof(menu) / sizeof(*menu); k++)
			total += menu[k].weight;
	w = (unsigned)below(total);
	while (w >= menu[i].weight)
		w -= menu[i++].weight;
	c->kind = menu[i].kind;
	if (c->kind == C_BRK && !shared->heap_is_ours)
		c->kind = C_RECLAIM;
	if (c->kind == C_RECLAIM)
		c->a[0] = between(1, 64);
	else if (c->kind == C_SWAPOFF)
		c->a[0] = below(2);
	else if (menu[i].gen)
		menu[i].gen(c);
}

void gen_open(uint64_t seed)
{
	sim_rand_seed(&rnd, seed);
	turn = since_check = since_full_check = nr_code = 0;
	freed = false;
}

void gen_call(struct call *c)
{
	memset(c, 0, sizeof(*c));
	if (!count_alive()) {
		c->kind = C_SPAWN;
		return;
	}
	if (!turn || !twin.mm[current]) {
		current = pick_process(true);
		turn = (unsigned)between(1, 40);
	}
	turn--;
	c->proc = (uint8_t)current;
	since_full_check++;
	if (freed && chance(30)) {
		c->kind = C_RECLAIM; /* or else the pages are rarely lost */
		c->a[0] = between(1, 300);
		freed = false;
		return;
	}
	if (++since_check > 120 && turn == 0)
		gen_check(c);
	else
		gen_from_menu(c);
	if (c->kind == C_READ && !c->a[1]) /* an exit that may not be */
		gen_read(c);
}
