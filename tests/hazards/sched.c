/*
 * sched.c: see sched.h. Tasks are threads that hand a baton around: `running` says whose turn it
 * is, and everybody else sleeps. So all state here is touched by one thread at a time.
 */
#include "sched.h"

#include <pthread.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "machine.h"
#include "base/types.h"

#define NOBODY    ((unsigned)-1)
#define MAX_STEPS 3000000ul
#define MAX_SPINS 2000u /* turns of nothing but spinning */
#define TURN                                                                                       \
	3000ul /* steps, after which another task has a turn: some loops wait without sleeping */

enum status { READY, BLOCKED, SPINS, DONE };

struct task {
	struct run *run;
	pthread_t thread;
	pthread_cond_t turn;
	void (*fn)(struct play *p);
	enum status status;
	const void *key; /* BLOCKED on */
	unsigned depth;  /* of the record of held locks, when it was seen last */
};

/* One run. A run that failed is left alone for ever, with the threads that are stuck in it. */
struct run {
	pthread_mutex_t lock;
	pthread_cond_t over;
	unsigned running; /* task, or NOBODY: it is over */
	unsigned n;
	struct task task[SCHED_TASKS];
	struct play *play;
	struct sched_plan plan;
	unsigned next; /* point of the plan */
	unsigned long step;
	unsigned long turn; /* step at which the running task's turn began */
	unsigned spins;     /* turns since something else happened */
	bool failed;
	char scene[sizeof(rig_scene)];
};

static _Thread_local struct run *s; /* the run this thread has a part in */
static _Thread_local unsigned me = NOBODY;

unsigned long sched_budget = 150, sched_runs;
uint64_t sched_seed = 1;
const char *sched_only;
bool sched_verbose;

bool sched_possible(void)
{
#if OM_DEBUG && defined(SIM_PAUSE_HOOK)
	return true;
#else
	return false;
#endif
}

/* ---------------------------------------------------------------- the baton ----------------- */

static void wait_for_turn(void)
{
	while (s->running != me)
		pthread_cond_wait(&s->task[me].turn, &s->lock);
}

/* s->lock is held. Returns when it is this task's turn again. */
static void pass_to(unsigned task)
{
	s->running = task;
	if (task == NOBODY)
		pthread_cond_signal(&s->over);
	else
		pthread_cond_signal(&s->task[task].turn);
}

static void switch_to(unsigned task)
{
	if (task == me)
		return;
	pthread_mutex_lock(&s->lock);
	s->turn = s->step;
	pass_to(task);
	wait_for_turn();
	pthread_mutex_unlock(&s->lock);
}

/* The next task after this one that can run; one that does more than spin, if there is one. */
static unsigned choose(void)
{
	unsigned spinning = NOBODY;

	for (unsigned i = 1; i <= s->n; i++) {
		unsigned t = (me + i) % s->n;

		if (s->task[t].status == READY)
			return t;
		if (s->task[t].status == SPINS && spinning == NOBODY)
			spinning = t;
	}
	return spinning;
}

/* The next one whose turn it is when this one has had its own, also if it has been spinning. */
static unsigned rotate(void)
{
	for (unsigned i = 1; i < s->n; i++) {
		unsigned t = (me + i) % s->n;

		if (s->task[t].status == READY || s->task[t].status == SPINS)
			return t;
	}
	return me;
}

/* A task is stuck, or has found a bug: the run is over, and this thread stays where it is. */
static void give_up(void)
{
	pthread_mutex_lock(&s->lock);
	s->failed = true;
	pass_to(NOBODY);
	pthread_mutex_unlock(&s->lock);
	for (;;)
		pause();
}

static void (*main_failed)(void);

static void task_failed(void)
{
	if (me == NOBODY)
		main_failed();
	else
		give_up();
}

/* ---------------------------------------------------------------- steps --------------------- */

/* Would others only spin if they had a turn now? */
static bool holds_spinning_lock(void)
{
	const struct om_held *held = sim_port_ops.held(NULL);

	for (unsigned i = 0; i < held->depth; i++)
		if (held->entry[i].rank >= OM_RANK_MAPPING)
			return true;
	return false;
}

void sched_step(void)
{
	const struct sched_plan *plan;

	if (me == NOBODY)
		return;
	plan = &s->plan;
	s->step++;
	s->spins = 0;
	s->task[me].status = READY;
	if (s->step > MAX_STEPS)
		rig_fail(__FILE__, __LINE__, "no end after %lu steps", s->step);
	while (s->next < plan->n && plan->point[s->next].step < s->step)
		s->next++;
	if (s->next < plan->n && plan->point[s->next].step == s->step) {
		unsigned to = plan->point[s->next++].task;

		if (s->task[to].status == READY || s->task[to].status == SPINS)
			switch_to(to);
	} else if (s->step - s->turn > TURN && !holds_spinning_lock()) {
		switch_to(rotate());
		s->turn = s->step;
	}
}

static void on_pause(void *arg)
{
	unsigned to;

	(void)arg;
	if (me == NOBODY)
		return;
	s->task[me].status = SPINS;
	if (s->spins++ > MAX_SPINS)
		rig_fail(__FILE__, __LINE__, "everybody spins");
	to = choose();
	switch_to(to);
}

static void hook_wait(void *ctx, const void *key, bool (*blocked)(const void *arg), const void *arg)
{
	unsigned to;

	if (me == NOBODY) {
		sim_port_ops.wait(ctx, key, blocked, arg);
		return;
	}
	sched_step();
	if (!blocked(arg))
		return;
	s->task[me].status = BLOCKED;
	s->task[me].key = key;
	to = choose();
	if (to == NOBODY)
		rig_fail(__FILE__, __LINE__, "deadlock: nobody is left to wake this task");
	switch_to(to);
}

static void hook_wake(void *ctx, const void *key)
{
	if (me == NOBODY) {
		sim_port_ops.wake(ctx, key);
		return;
	}
	for (unsigned i = 0; i < s->n; i++)
		if (s->task[i].status == BLOCKED && s->task[i].key == key)
			s->task[i].status = READY;
	sched_step();
}

/*
 * Called for each lock taken or released, before the record changes, and for assertions. So the
 * record has another depth than last time if a lock has been taken or released since.
 */
static struct om_held *hook_held(void *ctx)
{
	struct om_held *held = sim_port_ops.held(ctx);

	if (me != NOBODY && s->task[me].depth != held->depth) {
		s->task[me].depth = held->depth;
		sched_step();
	}
	return held;
}

/* I7: no CPU can reach a frame that is free, not even for the moment until a flush. */
static void check_tlb(struct sim *sim)
{
	for (unsigned c = 0; c < sim->nr_cpus; c++)
		for (unsigned i = 0; i < SIM_TLB_ENTRIES; i++) {
			const struct sim_tlb_entry *e = &sim->cpu[c].tlb[i];

			if (e->mm && sim->sys->page[e->pfn].kind == OM_KIND_FREE)
				rig_fail(__FILE__, __LINE__,
				         "CPU %u has a translation of %#lx to free frame %lu", c,
				         (unsigned long)e->page, (unsigned long)e->pfn);
		}
}

static void hook_flush(void *ctx, struct om_mm *mm, uintptr_t start, uintptr_t end)
{
	if (me != NOBODY) {
		check_tlb(ctx);
		sched_step();
	}
	sim_port_ops.flush(ctx, mm, start, end);
	sched_step();
}

const struct om_port_ops sched_ops = {
    .flush = hook_flush,
    .panic = sim_panic,
    .wait = hook_wait,
    .wake = hook_wake,
    .held = hook_held,
};

/* ---------------------------------------------------------------- transfers ----------------- */

/* Pages under transfer by the tasks: port.h promises that no page is transferred twice at a time.
 */
static struct {
	void *store;
	uint64_t first;
	unsigned n;
} active[SCHED_TASKS];

static void transfer_begin(void *store, uint64_t first, unsigned n)
{
	if (me == NOBODY)
		return;
	for (unsigned i = 0; i < SCHED_TASKS; i++)
		if (active[i].n && active[i].store == store &&
		    first < active[i].first + active[i].n && active[i].first < first + n)
			rig_fail(__FILE__, __LINE__, "two transfers of page %llu at a time",
			         (unsigned long long)first);
	active[me].store = store;
	active[me].first = first;
	active[me].n = n;
	sched_step();
}

static void transfer_end(void)
{
	if (me == NOBODY)
		return;
	sched_step();
	active[me].n = 0;
}

static int store_read(void *store, uint64_t first, unsigned n, void *const frame[])
{
	int err;

	transfer_begin(store, first, n);
	err = sim_store_ops.read(store, first, n, frame);
	transfer_end();
	return err;
}

static int store_write(void *store, uint64_t first, unsigned n, void *const frame[])
{
	int err;

	transfer_begin(store, first, n);
	err = sim_store_ops.write(store, first, n, frame);
	transfer_end();
	return err;
}

/* No lock is held here: whatever can happen may happen. */
static int store_mkwrite(void *store, uint64_t index)
{
	int err;

	if (me != NOBODY && sim_port_ops.held(NULL)->depth)
		rig_fail(__FILE__, __LINE__, "page_mkwrite of page %llu with a lock held",
		         (unsigned long long)index);
	sched_step();
	err = sim_store_mkwrite_ops.page_mkwrite(store, index);
	sched_step();
	return err;
}

static void store_release(void *store)
{
	sim_store_ops.release(store);
}

const struct om_store_ops sched_store_ops = {
    .read = store_read,
    .write = store_write,
    .page_mkwrite = store_mkwrite,
    .release = store_release,
};

/* ---------------------------------------------------------------- one run ------------------- */

static void *task_main(void *arg)
{
	struct task *task = arg;
	unsigned to;

	s = task->run;
	me = (unsigned)(task - s->task);
	memcpy(rig_scene, s->scene, sizeof(rig_scene));
	pthread_mutex_lock(&s->lock);
	wait_for_turn();
	pthread_mutex_unlock(&s->lock);
	task->fn(s->play);
	task->status = DONE;
	to = choose();
	if (to == NOBODY)
		for (unsigned i = 0; i < s->n; i++)
			if (s->task[i].status != DONE)
				rig_fail(__FILE__, __LINE__, "deadlock: task %u sleeps for ever",
				         i);
	pthread_mutex_lock(&s->lock);
	pass_to(to);
	pthread_mutex_unlock(&s->lock);
	return NULL;
}

static struct run *new_run(const struct scene *scene, struct play *p, const struct sched_plan *plan)
{
	struct run *run = calloc(1, sizeof(*run));

	rig_check(run);
	pthread_mutex_init(&run->lock, NULL);
	pthread_cond_init(&run->over, NULL);
	run->running = plan->first;
	run->play = p;
	run->plan = *plan;
	memcpy(run->scene, rig_scene, sizeof(run->scene));
	while (run->n < SCHED_TASKS && scene->task[run->n]) {
		struct task *task = &run->task[run->n];

		task->run = run;
		task->fn = scene->task[run->n++];
		pthread_cond_init(&task->turn, NULL);
	}
	return run;
}

static void free_run(struct run *run)
{
	for (unsigned i = 0; i < run->n; i++)
		pthread_cond_destroy(&run->task[i].turn);
	pthread_cond_destroy(&run->over);
	pthread_mutex_destroy(&run->lock);
	free(run);
}

/* Returns the number of steps. */
static unsigned long run_tasks(const struct scene *scene, struct play *p,
                               const struct sched_plan *plan)
{
	struct run *run = new_run(scene, p, plan);
	unsigned long steps;

	memset(active, 0, sizeof(active));
	sim_on_pause(on_pause, NULL);
	for (unsigned i = 0; i < run->n; i++)
		rig_check(!pthread_create(&run->task[i].thread, NULL, task_main, &run->task[i]));
	pthread_mutex_lock(&run->lock);
	while (run->running != NOBODY)
		pthread_cond_wait(&run->over, &run->lock);
	pthread_mutex_unlock(&run->lock);
	sim_on_pause(NULL, NULL);
	if (run->failed)
		main_failed(); /* the task has said why */
	for (unsigned i = 0; i < run->n; i++)
		pthread_join(run->task[i].thread, NULL);
	steps = run->step;
	free_run(run);
	return steps;
}

struct sim_cpu *sched_cpu(const struct play *p)
{
	return sim_cpu(p->r->sim, me == NOBODY ? 0 : me);
}

static void name_run(const struct scene *scene, const struct sched_plan *plan)
{
	int n = snprintf(rig_scene, sizeof(rig_scene), "%s:%u", scene->name, plan->first);

	for (unsigned i = 0; i < plan->n; i++)
		n += snprintf(rig_scene + n, sizeof(rig_scene) - (size_t)n, ",%lu>%u",
		              plan->point[i].step, plan->point[i].task);
}

/* Returns the number of steps. */
static unsigned long run(const struct scene *scene, const struct sched_plan *plan)
{
	struct play *p = calloc(1, sizeof(*p)); /* left behind, too, if the run fails */
	unsigned long steps;

	name_run(scene, plan);
	alarm(60);
	sched_runs++;
	rig_check(p);
	p->r = rig_create(&(struct rig_config){.frames = scene->frames ? scene->frames : 256,
	                                       .cpus = SCHED_TASKS,
	                                       .cluster = scene->cluster,
	                                       .slots = scene->slots ? scene->slots : 256,
	                                       .ops = &sched_ops,
	                                       .store_ops = &sched_store_ops});
	scene->setup(p);
	steps = run_tasks(scene, p, plan);
	rig_verify(p->r);
	if (scene->check) {
		scene->check(p);
		rig_verify(p->r);
	}
	rig_destroy(p->r);
	free(p);
	return steps;
}

/* ---------------------------------------------------------------- many runs ----------------- */

/* "scene:first,step>task,..." */
static bool parse_plan(const struct scene *scene, struct sched_plan *plan)
{
	size_t len = strlen(scene->name);
	const char *at = sched_only;

	memset(plan, 0, sizeof(*plan));
	if (strncmp(at, scene->name, len) || at[len] != ':')
		return false;
	at += len + 1;
	plan->first = (unsigned)strtoul(at, (char **)(uintptr_t)&at, 10);
	while (*at == ',' && plan->n < SCHED_POINTS) {
		plan->point[plan->n].step = strtoul(at + 1, (char **)(uintptr_t)&at, 10);
		if (*at == '>')
			plan->point[plan->n].task =
			    (unsigned)strtoul(at + 1, (char **)(uintptr_t)&at, 10);
		plan->n++;
	}
	return true;
}

static unsigned nr_tasks(const struct scene *scene)
{
	unsigned n = 0;

	while (n < SCHED_TASKS && scene->task[n])
		n++;
	return n;
}

/*
 * Every single interruption of a run that begins with `first`; of a long run, as many as the budget
 * allows, at equal distances. Returns the length of the run without any.
 */
static unsigned long explore_single(const struct scene *scene, unsigned first)
{
	struct sched_plan plan = {.first = first};
	unsigned n = nr_tasks(scene);
	unsigned long steps = run(scene, &plan), stride = steps / sched_budget + 1;

	plan.n = 1;
	for (unsigned long step = 1 + sched_seed % stride; step <= steps; step += stride)
		for (unsigned other = 0; other < n; other++) {
			plan.point[0].step = step;
			plan.point[0].task = other;
			if (n > 2 || other != first)
				run(scene, &plan);
		}
	return steps;
}

/* All pairs of interruptions of two tasks: to the other one, and back. */
static void explore_pairs(const struct scene *scene, unsigned long steps)
{
	for (unsigned first = 0; first < 2; first++)
		for (unsigned long one = 1; one < steps; one++)
			for (unsigned long two = one + 1; two <= steps; two++)
				run(scene,
				    &(struct sched_plan){.first = first,
				                         .n = 2,
				                         .point = {{one, !first}, {two, first}}});
}

/* One plan with two or three interruptions, the later ones as often near as far. */
static void explore_random(const struct scene *scene, unsigned long steps, struct sim_rand *rand)
{
	unsigned tasks = nr_tasks(scene);
	struct sched_plan plan = {.first = (unsigned)sim_rand_below(rand, tasks),
	                          .n = sim_rand_chance(rand, 70) ? 2 : 3};
	unsigned long step = 0;

	for (unsigned i = 0; i < plan.n; i++) {
		unsigned long reach = i && sim_rand_chance(rand, 50) ? 40 : steps;

		step += 1 + sim_rand_below(rand, reach);
		plan.point[i].step = step;
		plan.point[i].task = (unsigned)sim_rand_below(rand, tasks);
	}
	run(scene, &plan);
}

static void explore_double(const struct scene *scene, unsigned long steps)
{
	struct sim_rand rand;

	if (nr_tasks(scene) == 2 && steps * steps <= sched_budget) {
		explore_pairs(scene, steps);
		return;
	}
	sim_rand_seed(&rand, sched_seed);
	for (unsigned long n = 0; n < sched_budget; n++)
		explore_random(scene, steps, &rand);
}

void explore(const struct scene *scene)
{
	struct sched_plan plan;
	unsigned long steps = 0, before = sched_runs;

	if (!main_failed) {
		main_failed = rig_failed;
		rig_failed = task_failed;
	}
	if (sched_only) {
		if (parse_plan(scene, &plan))
			run(scene, &plan);
		return;
	}
	for (unsigned first = 0; first < nr_tasks(scene); first++) {
		unsigned long took = explore_single(scene, first);

		steps = took > steps ? took : steps;
	}
	explore_double(scene, steps);
	if (sched_verbose)
		printf("  %s: %lu steps, %lu plans\n", scene->name, steps, sched_runs - before);
}
