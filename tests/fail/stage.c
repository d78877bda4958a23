/*
 * stage.c: setting up what the scenes are played on; see stage.h.
 */
#include "stage.h"

#include <stdlib.h>
#include <string.h>

#include "page/slab.h"

#define MANY 512 /* frames */
#define FEW  112

static void map_private(struct stage *s)
{
	struct rig *r = s->r;

	rig_map(r, s->mm, ANON, 12, RIG_RW, OM_MAP_PRIVATE, NULL, 0);
	rig_put(r, s->mm, ANON, 8, 100);
	rig_map(r, s->mm, SWAPPED, 6, RIG_RW, OM_MAP_PRIVATE, NULL, 0);
	rig_put(r, s->mm, SWAPPED, 6, 700);
	rig_map(r, s->mm, STACK, 4, RIG_RW, OM_MAP_PRIVATE | OM_MAP_GROWSDOWN, NULL, 0);
	rig_put(r, s->mm, STACK + 3 * RIG_PAGE, 1, 800);
}

static void map_files(struct stage *s)
{
	struct rig *r = s->r;

	s->file[0] = rig_file(r, 10, 200);
	s->file[1] = rig_file(r, 10, 400);
	s->shmem = rig_shmem(r, 10, 600);
	rig_map(r, s->mm, COPIES, 10, RIG_RW, OM_MAP_PRIVATE, s->file[0], 0);
	rig_expect(r, s->mm, COPIES, 2, 200);
	rig_put(r, s->mm, COPIES + 2 * RIG_PAGE, 2, 300);
	rig_map(r, s->mm, FILEAT, 10, RIG_RW, OM_MAP_SHARED, s->file[1], 0);
	rig_put(r, s->mm, FILEAT + 4 * RIG_PAGE, 2, 500);
	rig_map(r, s->mm, SHMEM, 10, RIG_RW, OM_MAP_SHARED, s->shmem, 0);
}

/* After the forks: what is swapped out then is held by all of the family. */
static void swap_out(struct stage *s)
{
	struct rig *r = s->r;
	struct om_mm *family[] = {s->mm, s->child, s->deep};

	for (unsigned i = 0; i < 3 && family[i]; i++)
		rig_ok(om_madvise(family[i], SWAPPED, 6 * RIG_PAGE, OM_MADV_COLD));
	if (s->child)
		rig_reclaim(r);
	else
		rig_pageout(r, s->mm, SWAPPED, 6);
	rig_expect(r, s->mm, SHMEM, 4, 600);
	rig_pageout(r, s->mm, SHMEM, 4);
}

/* Another process uses all the memory there is. */
static void add_hog(struct stage *s)
{
	struct om_mm *hog = rig_mm(s->r);

	rig_map(s->r, hog, ANON, FEW, RIG_RW, OM_MAP_PRIVATE, NULL, 0);
	rig_put(s->r, hog, ANON, FEW, 9000);
}

/* Another process has so many areas that there is room for `spare` more in their frames. */
static void fill_areas(struct stage *s, size_t spare)
{
	const struct om_slab *slab = om_slab(s->r->sys, OM_CACHE_VMA, 0);
	struct om_mm *mm = rig_mm(s->r);

	for (unsigned i = 0; slab->frames * (RIG_PAGE / slab->size) - slab->in_use != spare; i++)
		rig_map(s->r, mm, AT(2 * i), 1, RIG_RW, OM_MAP_PRIVATE, NULL, 0);
}

struct stage *stage_create(const struct scene *scene, enum world world)
{
	struct stage *s = calloc(1, sizeof(*s));

	rig_check(s);
	s->swap = -1;
	s->r = rig_create(&(struct rig_config){
	    .frames = world == TIGHT ? FEW : MANY, .cpus = 1, .slots = 1024, .cluster = 2});
	s->mm = rig_mm(s->r);
	map_private(s);
	map_files(s);
	if (scene->flags & FAMILY) {
		s->child = rig_fork(s->r, s->mm, NULL);
		s->deep = rig_fork(s->r, s->child, NULL);
	}
	swap_out(s);
	if (world == TIGHT)
		add_hog(s);
	if (scene->prepare)
		scene->prepare(s);
	if (world >= AREAS0)
		fill_areas(s, world - AREAS0);
	return s;
}

void stage_destroy(struct stage *s)
{
	if (s->frame)
		om_frame_free(s->r->sys, s->frame);
	rig_destroy(s->r);
	free(s);
}

void make_neighbours(struct stage *s)
{
	rig_map(s->r, s->mm, FREEAT, 4, OM_PROT_READ, OM_MAP_PRIVATE, NULL, 0);
	rig_map(s->r, s->mm, FREEAT + PAGES(4), 4, RIG_RW, OM_MAP_PRIVATE, s->file[0], 0);
	rig_map(s->r, s->mm, FREEAT + PAGES(8), 4, RIG_RW, OM_MAP_SHARED, s->shmem, 0);
	rig_put(s->r, s->mm, FREEAT + PAGES(5), 2, 900);
}
