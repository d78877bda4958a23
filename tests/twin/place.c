/*
 * place.c: where random calls go.
 *
 * Calls are only useful where something happens, so addresses come from a few small zones and
 * mostly from areas that exist: their edges, their insides, the pages beside them. The zones: pages
 * around the border of two page-table pages; eight whole tables, for large areas and moves of whole
 * tables; a wide one, for stacks and their guard gaps; a far one; the heap.
 */
#include "gen.h"

static const struct {
	unsigned first, pages, weight;
} zones[NR_ZONES] = {[SMALL] = {384, 256, 50},
                     [TABLES] = {1024, 4096, 14},
                     [STACKS] = {6144, 4096, 10},
                     [FAR] = {12288, 64, 8},
                     [HEAP] = {ARENA_PAGES, 128, 8}};

bool in_zone(unsigned page, unsigned zone)
{
	return page >= zones[zone].first && page - zones[zone].first < zones[zone].pages;
}

unsigned pick_zone(void)
{
	unsigned w = (unsigned)below(shared->heap_is_ours ? 90 : 82), i = 0;

	while (w >= zones[i].weight)
		w -= zones[i++].weight;
	return i;
}

unsigned page_in(unsigned zone)
{
	unsigned page = zones[zone].first + (unsigned)below(zones[zone].pages);

	if (zone == TABLES && chance(70))
		page &= ~511u;
	return page;
}

/* Pages up to the end of the window, less one that always stays free. */
static unsigned room(unsigned page)
{
	return (page < ARENA_PAGES ? ARENA_PAGES : NR_PAGES) - page - 1;
}

bool pick_area(struct om_vmainfo *area)
{
	struct om_mm *mm = twin.mm[current];

	return om_vma_next(mm, page_address(page_in(pick_zone())), area) ||
	       om_vma_next(mm, 0, area);
}

unsigned pick_length(unsigned page)
{
	unsigned kind = (unsigned)below(100), n;

	if (in_zone(page, TABLES) && kind < 60)
		n = 512 * (unsigned)between(1, 3) + (kind < 20 ? (unsigned)below(20) : 0);
	else if (kind < 75)
		n = (unsigned)between(1, 8);
	else if (kind < 98)
		n = (unsigned)between(1, 64);
	else
		n = (unsigned)between(1, 700);
	return n < room(page) ? n : room(page);
}

struct range part_of(const struct om_vmainfo *area)
{
	unsigned start, end;
	struct range r;

	if (!page_number(area->start, &start) || !page_number(area->end - 1, &end))
		return (struct range){384, 1};
	end++;
	r.page = chance(40) ? start : start + (unsigned)below(end - start);
	r.n = chance(45) ? end - r.page : (unsigned)between(1, end - r.page);
	if (chance(12) && r.page > 0 && r.page != ARENA_PAGES) {
		r.page--;
		r.n++;
	}
	if (chance(15))
		r.n += (unsigned)between(1, 8);
	if (r.n > room(r.page))
		r.n = room(r.page);
	return r;
}

struct range pick_range(unsigned percent_existing)
{
	struct om_vmainfo area;
	struct range r;

	if (chance(percent_existing) && pick_area(&area))
		return part_of(&area);
	r.page = page_in(pick_zone());
	r.n = pick_length(r.page);
	return r;
}

uint64_t encode(unsigned page)
{
	return page < ARENA_PAGES ? ARENA + page * PAGE
	                          : HEAP_TAG | (uint64_t)(page - ARENA_PAGES) * PAGE;
}

/* A stack of the current process, and the end of what lies below it. */
static bool pick_stack(unsigned *start, unsigned *floor)
{
	struct om_vmainfo area;
	uintptr_t addr = page_address(zones[STACKS].first), below_it = addr - 2048 * PAGE;
	unsigned seen = 0;

	while (om_vma_next(twin.mm[current], addr, &area) && page_number(area.start, start) &&
	       area.start < page_address(ARENA_PAGES - 1)) {
		if ((area.flags & OM_VM_GROWSDOWN) && below(++seen) == 0) {
			*floor = (unsigned)((below_it - ARENA) / PAGE);
			addr = area.start;
			if (chance(60))
				break;
		}
		below_it = area.end;
		addr = area.end;
	}
	return seen && page_number(addr, start) && *floor < *start;
}

bool pick_below_stack(unsigned *page)
{
	unsigned start, floor, kind = (unsigned)below(100);

	if (!pick_stack(&start, &floor))
		return false;
	if (kind < 40)
		*page = start - (unsigned)between(1, 8);
	else if (kind < 60)
		*page = start - (unsigned)between(1, 600);
	else
		*page = floor + 254 + (unsigned)below(5);
	return *page < start;
}
