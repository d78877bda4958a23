/*
 * stage.h: the failure schedules: a scene, the stage it is played on, and the state of a stage.
 *
 * A scene is one call of the library. It is played again and again on a stage that is set up the
 * same way each time; each time another one of its allocations or transfers fails. Afterwards the
 * state of the stage (areas, every byte of memory and files) must be that before the call or that
 * after it, according to what the call answered.
 */
#ifndef FAIL_STAGE_H
#define FAIL_STAGE_H

#include "rig.h"

/* Where things are. All but FAR lie under one page table, so that memory may be small. */
#define AT(n)   ((uintptr_t)0x20000000 + (uintptr_t)(n)*RIG_PAGE)
#define ANON    AT(0)   /* 12 pages, private; the first 8 hold 100 .. 107 */
#define COPIES  AT(16)  /* 10 pages of file 0 (200 ..), private; 2 and 3 are copies: 300, 301 */
#define FILEAT  AT(32)  /* 10 pages of file 1 (400 ..), shared; 4 and 5 are written: 500, 501 */
#define SHMEM   AT(48)  /* 10 pages of shared memory (600 ..); the first 4 are in swap */
#define SWAPPED AT(64)  /* 6 pages, private, in swap: 700 .. 705 */
#define STACK   AT(480) /* 4 pages that grow downwards; the last holds 800 */
#define FREEAT  AT(96)  /* nothing up to AT(128) */
#define FAR     ((uintptr_t)0x40000000) /* nothing, not even page tables */

struct stage {
	struct rig *r;
	struct om_mm *mm; /* has all of the above */
	struct om_mm *child,
	    *deep; /* its child, and a child of the child; NULL on a stage without family */
	struct om_mapping *file[2], *shmem;
	struct om_mm *made; /* what the call has made */
	om_pfn_t frame;
	int swap;
};

/* What a scene needs, and what may be different afterwards. */
enum scene_flag {
	FAMILY = 1,   /* the stage has child and grandchild, who share the private pages */
	PARTIAL = 2,  /* each page, and each area, is as before or as after (a documented exception
			 to I10) */
	LAZY = 4,     /* a page may hold zeros instead */
	NEVER = 8,    /* the call does not report failures */
	ONE_WAY = 16, /* the call cannot be repeated */
};

struct scene {
	const char *name;
	unsigned flags;                  /* enum scene_flag */
	void (*prepare)(struct stage *); /* on top of the stage; may be NULL */
	int (*call)(struct stage *);     /* 0, an error, or enum om_fault_result */
	int oom, io; /* what it may answer without memory, and after a failed transfer */
	void (*check)(struct stage *); /* more to be checked after success; may be NULL */
};

/* Bytes of n pages, and of what one page table maps. */
#define PAGES(n) ((size_t)(n)*RIG_PAGE)
#define SPAN     (sizeof(long) == 8 ? PAGES(512) : PAGES(1024))

/* Most scenes answer with an error, or, if they are an access, with a fault result. */
#define CALL(name, flags, prepare)                                                                 \
	{                                                                                          \
#name, flags, prepare, name, -OM_ENOMEM, -OM_EIO, NULL                             \
	}
#define FAULT(name, flags, prepare)                                                                \
	{                                                                                          \
#name, flags, prepare, name, OM_FAULT_OOM, OM_FAULT_BUS, NULL                      \
	}

/* The same call on a stage with family. */
#define AGAIN(name, flags, prepare)                                                                \
	{                                                                                          \
#name "_family", FAMILY | (flags), prepare, name, -OM_ENOMEM, -OM_EIO, NULL        \
	}

/* A file's scenes. */
struct scene_list {
	const struct scene *scene;
	unsigned n;
};
#define SCENES(name, list) const struct scene_list name = {list, sizeof(list) / sizeof(*(list))}
extern const struct scene_list area_scenes, other_scenes;

/*
 * The machine of a stage: with room; with so little memory that nearly every allocation has to
 * reclaim; with room, but only 0, 1 or 2 areas can be made before another frame is needed for them.
 */
enum world { ROOMY, TIGHT, AREAS0, AREAS1, AREAS2, NR_WORLDS };
struct stage *stage_create(const struct scene *scene, enum world world);
void stage_destroy(struct stage *s);
/* Three areas side by side, at FREEAT, 4 pages each. */
void make_neighbours(struct stage *s);

/* ---- state.c ---- */

struct state;
/* Everything a program, or a reader of files, could notice. Faults in what is absent. */
struct state *state_of(struct stage *s);
void state_free(struct state *state);
bool state_same(const struct state *a, const struct state *b);
/* Is every page, and the area around it, as in one of the two? `lazy`: or zero. */
bool state_between(const struct state *s, const struct state *a, const struct state *b, bool lazy);
/* Print where the two differ. */
void state_diff(const struct state *a, const struct state *b);

#endif
