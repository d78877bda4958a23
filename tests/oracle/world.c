/*
 * world.c: see world.h.
 */
#include "world.h"

#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include "rig.h"

/* ---------------------------------------------------------------- reporting ----------------- */

void world_trace(struct world *w, const char *format, ...)
{
	va_list args;

	if (!w->trace)
		return;
	va_start(args, format);
	vfprintf(w->trace, format, args);
	va_end(args);
	fflush(w->trace);
}

void world_fail(struct world *w, const char *file, int line, const char *format, ...)
{
	const char *base = strrchr(file, '/');
	char where[128];
	va_list args;

	snprintf(where, sizeof(where), "%s: %s:%d", w->op, base ? base + 1 : file, line);
	world_trace(w, "\n");
	fprintf(stderr, "step %u, %s: ", w->step, where);
	va_start(args, format);
	vfprintf(stderr, format, args);
	va_end(args);
	fputc('\n', stderr);
	if (w->failed)
		w->failed(w, where);
	abort();
}

static void panicked(void *arg, const struct om_bug *bug)
{
	struct world *w = arg;
	const char *base = strrchr(bug->file, '/');
	char where[80];

	snprintf(where, sizeof(where), "%s:%d", base ? base + 1 : bug->file, bug->line);
	world_trace(w, "\n");
	fprintf(stderr, "step %u, %s: objrmap panics\n", w->step, w->op);
	sim_print_bug(stderr, bug);
	if (w->failed)
		w->failed(w, where);
	abort();
}

/* ---------------------------------------------------------------- life ---------------------- */

struct world *world_new(const struct world_config *config)
{
	struct world *w = calloc(1, sizeof(*w));
	struct sim_config sim = {.nr_frames = config->frames,
	                         .nr_cpus = 2,
	                         .swap_cluster = config->swap_cluster,
	                         .junk = true,
	                         .ops = rig_ops()};

	if (!w)
		abort();
	w->op = "start";
	w->all_answers = config->answers;
	w->check_every = config->check_every ? config->check_every : 24;
	w->sim = sim_create(&sim);
	w->scratch = malloc((size_t)config->frames * 8);
	if (!w->sim || !w->scratch)
		abort();
	w->sys = sim_system(w->sim);
	w->sys->eager = config->frames % 2;
	w->sys->hold = 2 + config->frames % 63;
	om_set_huge(w->sys, config->frames % 4 ? OM_HUGE_ALWAYS : OM_HUGE_MADVISE);
	sim_on_panic(w->sim, panicked, w);
	return w;
}

static void end_pins(struct world *w)
{
	for (unsigned i = 0; i < NR_PINS; i++) {
		if (!w->pin[i].used)
			continue;
		om_unpin(w->sys, w->pin[i].pfn, w->pin[i].dirtied);
		if (w->pin[i].content)
			content_unpin(w->pin[i].content);
		w->pin[i].used = false;
	}
}

static void end_objects(struct world *w)
{
	for (unsigned i = 0; i < NR_SPACES; i++) {
		if (!w->space[i].mm)
			continue;
		om_mm_destroy(w->space[i].mm);
		space_free(&w->space[i], world_object_gone, w);
	}
	for (unsigned i = 0; i < NR_FILES; i++) {
		if (!w->file[i])
			continue;
		om_mapping_put(w->file[i]->mapping);
		w->file[i]->open = false;
		world_object_gone(w, w->file[i]);
		w->file[i] = NULL;
	}
}

void world_end(struct world *w)
{
	struct om_bug bug;

	w->op = "end";
	end_pins(w);
	end_objects(w);
	for (unsigned i = 0; i < NR_USER; i++)
		if (w->user[i].used)
			om_frame_free(w->sys, w->user[i].pfn);
	for (unsigned i = 0; i < NR_AREAS; i++) {
		if (!w->swap[i].on)
			continue;
		if (om_swapoff(w->sys, w->swap[i].area))
			FAIL(w, "nothing is left, but swapoff fails");
		sim_store_free(w->swap[i].store);
	}
	if (om_verify(w->sys, w->scratch, &bug)) {
		sim_print_bug(stderr, &bug);
		FAIL(w, "om_verify finds something at the end");
	}
	if (sim_destroy(w->sim))
		FAIL(w, "frames are lost: the system is still busy");
	free(w->scratch);
	free(w);
}

/* ---------------------------------------------------------------- choosing ------------------ */

struct space *pick_space(struct world *w, uint32_t a)
{
	unsigned n = 0;

	for (unsigned i = 0; i < NR_SPACES; i++)
		n += w->space[i].mm != NULL;
	if (!n)
		return NULL;
	n = a % n;
	for (struct space *s = w->space;; s++)
		if (s->mm && n-- == 0)
			return s;
}

struct space *free_space(struct world *w)
{
	for (unsigned i = 0; i < NR_SPACES; i++)
		if (!w->space[i].mm)
			return &w->space[i];
	return NULL;
}

struct object *pick_file(struct world *w, uint32_t a)
{
	for (unsigned i = 0; i < NR_FILES; i++) {
		struct object *o = w->file[(a + i) % NR_FILES];

		if (o)
			return o;
	}
	return NULL;
}

/* Does something other than the page before begin here? */
static bool is_edge(const struct space *s, size_t page)
{
	const struct mpage *p = &s->page[page], *q = p - 1;

	if (page == 0)
		return p->flags;
	return p->flags != q->flags || p->object != q->object;
}

static size_t pick_nth(const struct space *s, uint32_t a,
                       bool (*fits)(const struct space *, size_t))
{
	size_t n = 0;

	for (size_t i = 0; i < MODEL_PAGES; i++)
		n += fits(s, i);
	if (!n)
		return MODEL_PAGES;
	n = a % n;
	for (size_t i = 0;; i++)
		if (fits(s, i) && n-- == 0)
			return i;
}

size_t pick_mapped(const struct space *s, uint32_t a)
{
	size_t page = pick_nth(s, a, is_mapped);

	return page < MODEL_PAGES ? page : pick_page(s, a << 4);
}

static bool shows_object(const struct space *s, size_t page)
{
	return s->page[page].object;
}

/* Places where things happen: around the borders of the tables, and at both ends. */
size_t pick_page(const struct space *s, uint32_t a)
{
	static const size_t spot[] = {0, TABLE_PAGES - 12, 2 * TABLE_PAGES - 12, MODEL_PAGES - 24};
	size_t page = MODEL_PAGES;
	uint32_t b = a >> 4;

	switch (a % 16) {
	case 0:
		return b % MODEL_PAGES;
	case 1:
		return b % 3 * TABLE_PAGES;
	case 2 ... 6:
		page = pick_nth(s, b, is_mapped);
		break;
	case 7:
	case 8:
		page = pick_nth(s, b, shows_object);
		break;
	case 9 ... 11:
		page = pick_nth(s, b, is_edge);
		break;
	}
	return page < MODEL_PAGES ? page : spot[b % 4] + (b >> 2) % 24;
}

size_t pick_len(const struct space *s, size_t page, uint32_t a)
{
	size_t n, end = page + 1;
	uint32_t b = a >> 5;

	switch (a % 32) {
	case 0:
		n = TABLE_PAGES;
		break;
	case 1:
		n = 1 + b % MODEL_PAGES;
		break;
	case 2 ... 5:
		n = 1 + b % 40;
		break;
	case 6 ... 11: /* to the next edge */
		while (end < MODEL_PAGES && !is_edge(s, end))
			end++;
		n = end - page;
		break;
	default:
		n = 1 + b % 8;
	}
	return n < MODEL_PAGES - page ? n : MODEL_PAGES - page;
}

/* ---------------------------------------------------------------- results ------------------- */

uint64_t event(const struct world *w, enum om_event ev)
{
	uint64_t n = 0;

	for (unsigned i = 0; i <= w->sys->cpu_mask; i++)
		n += atomic_load(&w->sys->shard[i].event[ev]);
	return n;
}

/* The model has no tables: where their limit is low, a call may find that it is reached. */
static bool tables_are_limited(const struct world *w)
{
	for (unsigned i = 0; i < NR_SPACES; i++)
		if (w->space[i].mm && w->space[i].limit[OM_LIMIT_TABLES] < MOST_TABLES * PAGE)
			return true;
	return false;
}

bool had_oom(const struct world *w)
{
	return event(w, OM_EV_OOM) != w->oom || tables_are_limited(w);
}

static uint64_t store_errors(struct sim_store *store)
{
	struct sim_store_stats stats;

	sim_store_stats(store, &stats);
	return stats.read_errors + stats.write_errors;
}

/* Stores that are gone take their errors with them: that is seen as a change, too. */
uint64_t io_errors(const struct world *w)
{
	uint64_t sum = 0;

	for (unsigned i = 0; i < NR_AREAS; i++)
		sum += w->swap[i].on ? store_errors(w->swap[i].store) : 0;
	for (unsigned i = 0; i < NR_FILES; i++)
		sum += w->file[i] && w->file[i]->store ? store_errors(w->file[i]->store) : 0;
	for (unsigned i = 0; i < NR_SPACES; i++) {
		const struct object *last = NULL;

		for (size_t page = 0; w->space[i].mm && page < MODEL_PAGES; page++) {
			const struct object *o = w->space[i].page[page].object;

			if (o && o != last && o->store && !o->open)
				sum += store_errors(o->store) * 1000003;
			last = o;
		}
	}
	return sum;
}

bool had_io_error(const struct world *w)
{
	return io_errors(w) != w->io_errors;
}

bool had_trouble(const struct world *w)
{
	return had_oom(w) || had_io_error(w);
}

bool agree_or(struct world *w, int got, int want, int error, bool excuse)
{
	char place[64];

	world_trace(w, " = %d\n", got);
	if (w->answers && got <= 0 && got > -NR_ERRORS)
		w->answers[-got]++;
	if (got == want)
		return got == 0;
	if (got == -OM_ENOMEM && had_trouble(w))
		return false;
	if ((got == -OM_EIO || got == -OM_EFAULT) && had_io_error(w))
		return false;
	if (excuse && got == error)
		return false;
	/* Runs that fail with other results fail for another reason. */
	snprintf(place, sizeof(place), "result %d, expected %d", got, want);
	world_fail(w, place, 0, "%s", place);
}

bool agree(struct world *w, int got, int want)
{
	return agree_or(w, got, want, 0, false);
}

/* ---------------------------------------------------------------- areas --------------------- */

void list_areas(const struct space *s, struct areas *list)
{
	struct om_vmainfo info;

	list->n = 0;
	for (uintptr_t addr = 0; om_vma_next(s->mm, addr, &info); addr = info.end) {
		if (list->n == MODEL_PAGES)
			return; /* the comparison will say why */
		list->area[list->n].first = (info.start - MODEL_BASE) / PAGE;
		list->area[list->n].end = (info.end - MODEL_BASE) / PAGE;
		list->area[list->n].pgoff = info.pgoff;
		list->area[list->n++].flags = info.flags;
	}
}

int area_at(const struct areas *list, size_t page)
{
	for (unsigned i = 0; i < list->n; i++)
		if (list->area[i].first <= page && page < list->area[i].end)
			return (int)i;
	return -1;
}

void world_adopt_flags(struct world *w, struct space *s, size_t first, size_t n, unsigned mask,
                       unsigned set)
{
	struct areas list;

	list_areas(s, &list);
	for (size_t page = first; page < first + n; page++) {
		unsigned old = s->page[page].flags, have;
		int i = area_at(&list, page);

		if (i < 0 || !old)
			continue; /* the comparison of areas will find what is wrong */
		have = list.area[i].flags & mask;
		if (have != (old & mask) && have != set)
			FAIL(w, "page %zu has flags %#x after a failed call", page, have);
		s->page[page].flags = (old & ~mask) | have;
	}
}

bool lacks_areas(const struct space *s, unsigned more)
{
	struct om_mminfo info;

	om_mminfo(s->mm, 0, OM_VA_LIMIT, &info);
	return info.vmas + more > s->limit[OM_LIMIT_VMAS];
}

bool is_hole(const struct space *s, size_t page, size_t n)
{
	struct areas list;
	int i;

	list_areas(s, &list);
	i = area_at(&list, page);
	return i >= 0 && list.area[i].first < page && list.area[i].end > page + n;
}

/* Does something in the middle of an area begin here that will have other flags than before? */
static bool cuts_at(const struct areas *list, size_t edge, size_t page, unsigned mask, unsigned set)
{
	int i = area_at(list, edge);

	return i >= 0 && list->area[i].first < edge && area_at(list, page) == i &&
	       (list->area[i].flags & mask) != set;
}

bool may_lack_areas(const struct space *s, size_t page, size_t n, unsigned mask, unsigned set)
{
	struct areas list;
	unsigned cuts;

	list_areas(s, &list);
	cuts = cuts_at(&list, page, page, mask, set);
	cuts += cuts_at(&list, page + n, page + n - 1, mask, set);
	return cuts && lacks_areas(s, cuts);
}

/* ---------------------------------------------------------------- objects ------------------- */

static bool is_pinned(const struct world *w, const struct object *o, size_t index)
{
	for (unsigned i = 0; i < NR_PINS; i++)
		if (w->pin[i].used && w->pin[i].object == o && w->pin[i].index == index)
			return true;
	return false;
}

/* What a device wrote and has not told yet, nobody could have written back. */
static void check_written_back(struct world *w, const struct object *o)
{
	uint8_t want[SIM_PAGE_SIZE], have[SIM_PAGE_SIZE];

	for (size_t i = 0; i < object_pages(o); i++) {
		size_t n = object_valid(o, i);

		if (is_pinned(w, o, i))
			continue;
		object_read(o, (uint64_t)i * PAGE, want, n);
		sim_store_peek(o->store, (uint64_t)i * PAGE, have, n);
		if (memcmp(want, have, n))
			FAIL(w,
			     "the last user of a file is gone; its page %zu was not written back",
			     i);
	}
}

/* What is in a pinned frame that has left its object; pins of one frame see the same bytes. */
static struct content *orphan_content(struct world *w, om_pfn_t pfn)
{
	struct content *c;

	for (unsigned i = 0; i < NR_PINS; i++)
		if (w->pin[i].used && w->pin[i].content && w->pin[i].pfn == pfn)
			return w->pin[i].content;
	c = content_new();
	c->refs = 0;
	c->pins = 0;
	memcpy(c->byte, sim_frame(w->sim, pfn), PAGE);
	return c;
}

void orphan_pins(struct world *w, const struct object *o, size_t first, size_t end)
{
	for (unsigned i = 0; i < NR_PINS; i++) {
		struct pin *pin = &w->pin[i];

		if (!pin->used || pin->object != o || pin->index < first || pin->index >= end)
			continue;
		pin->content = orphan_content(w, pin->pfn);
		pin->content->pins++;
		pin->object = NULL;
	}
}

void world_object_gone(void *world, struct object *o)
{
	struct world *w = world;
	struct sim_store_stats stats;

	if (o->open || o->mapped)
		return;
	if (o->store) {
		sim_store_stats(o->store, &stats);
		if (!stats.write_errors)
			check_written_back(w, o);
		if (stats.released != 1)
			FAIL(w, "the store of a file was released %u times", stats.released);
		sim_store_free(o->store);
	}
	orphan_pins(w, o, 0, SIZE_MAX);
	object_free(o);
}

void world_unmap(struct world *w, struct space *s, size_t first, size_t n)
{
	space_unmap(s, first, n, world_object_gone, w);
}
