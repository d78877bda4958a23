/*
 * measure.c: see measure.h.
 */
#include "measure.h"

#include <stdio.h>
#include <stdlib.h>

#include "page/slab.h"
#include "rmap/rmap.h"

static struct om_system *sys;
static enum op op;
static uint64_t units[NR_OPS];
static uint64_t fault_objects, objects_before;

/* Bytes at the moment when they were most in all. */
static struct {
	size_t all, objects, areas, mms;
} peak;

/* ---------------------------------------------------------------- counters ------------------ */

static uint64_t event(enum om_event ev)
{
	uint64_t sum = 0;

	for (unsigned i = 0; i <= sys->cpu_mask; i++)
		sum += sys->shard[i].event[ev];
	return sum;
}

static void note_bytes(void)
{
	const struct om_rmap_traits *t = &om_rmap_traits;
	size_t areas = om_slab_sum(sys, OM_CACHE_VMA).objects * t->vma_bytes;
	size_t mms = om_slab_sum(sys, OM_CACHE_MM).objects * t->mm_bytes;
	size_t objects = 0;

	for (unsigned i = 0; i < OM_NR_RMAP_CACHES; i++)
		objects += om_slab_sum(sys, OM_CACHE_RMAP + i).objects * t->object_bytes[i];
	if (objects + areas + mms > peak.all) {
		peak.all = objects + areas + mms;
		peak.objects = objects;
		peak.areas = areas;
		peak.mms = mms;
	}
}

/* ---------------------------------------------------------------- operations ---------------- */

void measure_start(struct om_system *system)
{
	sys = system;
}

enum op measure_op(void)
{
	return op;
}

void measure_begin(enum op next, unsigned who, const struct om_mm *mm)
{
	op = next;
	objects_before = event(OM_EV_META_ALLOC);
	locks_begin(mm);
	compare_mark(op, who);
}

void measure_end(uint64_t n)
{
	compare_mark(OP_NONE, 0);
	units[op] += n;
	if (op == OP_FAULT)
		fault_objects += event(OM_EV_META_ALLOC) - objects_before;
	op = OP_NONE;
	note_bytes();
}

/* ---------------------------------------------------------------- walks --------------------- */

#define PROBES_MOST 20000000u /* of one survey; then it has seen enough */
#define STEP        1000003u  /* a prime: so each frame has its turn, and neighbours are apart */

static unsigned *probes; /* of each walk */
static size_t walks, missed;
static bool wanted;

static enum om_walk_verdict just_look(struct om_walk *w, struct om_page *page, struct om_vma *vma,
                                      struct om_page *table, unsigned pos)
{
	(void)w, (void)page, (void)vma, (void)table, (void)pos;
	return OM_WALK_GO;
}

static bool is_mapped(const struct om_page *page)
{
	return page->kind == OM_KIND_DATA && page->mapcount;
}

static unsigned walk(struct om_page *page)
{
	struct om_walk w = {.visit = just_look};

	om_page_lock(sys, page);
	om_rmap_walk(sys, page, &w);
	om_page_unlock(sys, page);
	missed += w.found != page->mapcount;
	return w.probed;
}

void measure_want_walks(void)
{
	wanted = true;
}

void measure_survey(void)
{
	om_pfn_t n = sys->nr_frames;
	uint64_t sum = 0;

	if (!wanted)
		return;
	probes = realloc(probes, (walks + n) * sizeof(*probes));
	if (!probes)
		abort();
	for (uint64_t i = 0; i < n && sum < PROBES_MOST; i++) {
		struct om_page *page = &sys->page[i * STEP % n];

		if (is_mapped(page)) {
			probes[walks] = walk(page);
			sum += probes[walks++];
		}
	}
}

static int by_size(const void *a, const void *b)
{
	unsigned x = *(const unsigned *)a, y = *(const unsigned *)b;

	return (x > y) - (x < y);
}

static void print_walks(void)
{
	double sum = 0;

	if (!walks)
		return;
	qsort(probes, walks, sizeof(*probes), by_size);
	for (size_t i = 0; i < walks; i++)
		sum += probes[i];
	printf("probes_mean %.4g\n", sum / (double)walks);
	printf("probes_p99 %u\n", probes[walks * 99 / 100]);
	printf("probes_max %u\n", probes[walks - 1]);
	printf("pages_missed %zu\n", missed);
}

/* ---------------------------------------------------------------- results ------------------- */

void measure_print(void)
{
	printf("metadata_bytes %zu\n", peak.all);
	printf("metadata_objects %zu\n", peak.objects);
	printf("metadata_areas %zu\n", peak.areas);
	printf("metadata_mms %zu\n", peak.mms);
	printf("fault_objects %llu\n", (unsigned long long)fault_objects);
	printf("merges_refused %llu\n", (unsigned long long)event(OM_EV_MERGE_REFUSED));
	printf("pages_copied %llu\n", (unsigned long long)event(OM_EV_RMAP_COPY));
	print_walks();
	for (unsigned i = OP_NONE + 1; i < NR_OPS; i++)
		if (units[i])
			printf("units %u %s %llu\n", i, op_name[i], (unsigned long long)units[i]);
	locks_print(units);
}
