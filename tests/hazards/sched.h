/*
 * sched.h: controlled interleaving. Up to three tasks, one for each simulated CPU, run one at a
 * time; at certain steps the running one is interrupted and another goes on. Which steps, says the
 * plan, so every run can be repeated.
 *
 * A step is a lock taken or released (seen through the `held` hook), a flush, and the begin, middle
 * and end of a transfer; in the build `points` each atomic access of the core, too. A task that
 * sleeps (`wait`) or spins (sim_on_pause()) lets another one run without being told to; a task may
 * be interrupted while it holds spinning locks, since the others then spin. If nobody can run, or
 * all spin, or there are far too many steps, the run has failed.
 *
 * explore() runs a scene under many plans: none, each single interruption, and pairs of them; as
 * many as sched_budget allows, or the scene wants.
 */
#ifndef HAZARDS_SCHED_H
#define HAZARDS_SCHED_H

#include "rig.h"

#define SCHED_TASKS  3
#define SCHED_POINTS 3

/* Hooks for a machine that is used under the scheduler; without it they do what the sim's do. */
extern const struct om_port_ops sched_ops;
extern const struct om_store_ops sched_store_ops;

/* Scenes need a debug build whose spinning loops call sim_pause(). */
bool sched_possible(void);

/* Who begins, and who goes on after which step. */
struct sched_plan {
	unsigned first, n;
	struct {
		unsigned long step;
		unsigned task;
	} point[SCHED_POINTS];
};

/* One play of a scene. The fields are the scene's own to use; `r` is torn down by explore(). */
struct play {
	struct rig *r;
	struct om_mm *mm, *child, *other;
	struct om_mapping *file;
	uintptr_t a, b, c;
	om_pfn_t pfn;
	int err[SCHED_TASKS];
	unsigned long seen[8];
	bool flag[4];
};

struct scene {
	const char *name;
	om_pfn_t frames;  /* 0: 256 */
	unsigned slots;   /* 0: 256 */
	unsigned cluster; /* of swap read-ahead */
	bool all_pairs;   /* of interruptions, whatever the budget: for tasks of few steps */
	bool even;        /* pairs at equal distances, as many as the budget allows, not by lot */
	void (*setup)(struct play *p);
	void (*task[SCHED_TASKS])(struct play *p); /* NULL: no such task */
	void (*check)(struct play *p);             /* at rest; om_verify() has found nothing */
};

void explore(const struct scene *scene);

/* From the command line. */
extern unsigned long sched_budget; /* plans of each kind, for each scene */
extern uint64_t sched_seed;
extern const char *sched_only; /* "scene:plan", to be run alone */
extern bool sched_verbose;     /* say how long each scene is */
extern unsigned long sched_runs;

/* A step of the running task's own, e.g. between two accesses. */
void sched_step(void);
/* The CPU of the running task; CPU 0 outside of a run. */
struct sim_cpu *sched_cpu(const struct play *p);

#endif
