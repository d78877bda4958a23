/*
 * sched.c: see sched.h. Tasks are coroutines: the running one decides who goes on, and nothing else
 * does, neither the host's scheduler nor the time of day. A run that fails is left alone as it
 * stands, its machine, too; the stacks of its tasks are dropped.
 */
#include "sched.h"

#include <stddef.h>
#include <stdlib.h>
#include <string.h>

#include "coroutine.h"
#include "machine.h"
#include "base/types.h"

#define NOBODY    ((unsigned)-1)
#define MAX_STEPS 3000000ul
#define MAX_SPINS 2000u /* turns of nothing but spinning */
#define TURN                                                                                       \
	3000ul /* steps, after which another task has a turn: some loops wait without sleeping */

enum status { READY, BLOCKED, SPINS, DONE };

struct task {
	void (*fn)(struct play *p);
	enum status status;
	const void *key;     /* BLOCKED on */
	bool briefly;        /* BLOCKED: goes on, too, when nobody else can */
	unsigned depth;      /* of the record of held locks, when it was seen last */
	struct om_held held; /* the record, while another one runs */
};

/* One run. */
struct run {
	unsigned n;
	struct task task[SCHED_TASKS];
	struct play *play;
	struct sched_plan plan;
	unsigned next; /* point of the plan */
	unsigned long step;
	unsigned long long_steps; /* those that are no mere accesses */
	unsigned long turn;       /* step at which the running task's turn began */
	unsigned rotated;         /* the task that rotate() has chosen last */
	unsigned spins;           /* turns since something else happened */
	bool failed;
};

static struct run *s;                            /* the one under way */
static unsigned me = NOBODY;                     /* the running task */
static struct coroutine *coroutine[SCHED_TASKS]; /* play the task of this number, run after run */

unsigned long sched_budget = 300, sched_runs;
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

/* ---------------------------------------------------------------- turns --------------------- */

static void copy_record(struct om_held *to, const struct om_held *from)
{
	memcpy(to, from, offsetof(struct om_held, entry) + from->depth * sizeof(*from->entry));
}

/*
 * To a task, or NOBODY: back to who began the run, who holds nothing. The record of held locks
 * belongs to the CPU, as its registers do. Returns when it is the caller's turn again.
 */
static void switch_to(unsigned task)
{
	struct om_held *held = sim_port_ops.held(NULL);
	unsigned self = me;

	if (task == self)
		return;
	s->turn = s->step;
	if (self != NOBODY)
		copy_record(&s->task[self].held, held);
	held->depth = 0;
	if (task != NOBODY)
		copy_record(held, &s->task[task].held);
	me = task;
	coroutine_switch(task == NOBODY ? NULL : coroutine[task]);
}

/* The next task after this one that can run; one that does more than spin, if there is one. */
static unsigned choose(void)
{
	unsigned spinning = NOBODY, brief = NOBODY;

	for (unsigned i = 1; i <= s->n; i++) {
		unsigned t = (me + i) % s->n;

		if (s->task[t].status == READY)
			return t;
		if (s->task[t].status == SPINS && spinning == NOBODY)
			spinning = t;
		if (s->task[t].status == BLOCKED && s->task[t].briefly && brief == NOBODY)
			brief = t;
	}
	return spinning == NOBODY ? brief : spinning;
}

/*
 * The next one whose turn it is when this one has had its own, also if it has been spinning: each in
 * turn, because in the queue of a lock one that spins may wait for another that does.
 */
static unsigned rotate(void)
{
	for (unsigned i = 1; i <= s->n; i++) {
		unsigned t = (s->rotated + i) % s->n;

		if (t != me && (s->task[t].status == READY || s->task[t].status == SPINS))
			return s->rotated = t;
	}
	return me;
}

/* A task is stuck, or has found a bug: the run is over. */
static void give_up(void)
{
	s->failed = true;
	switch_to(NOBODY);
	abort();
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

/* Does the plan say that another task goes on here? */
static bool is_interrupted(void)
{
	const struct sched_plan *plan = &s->plan;
	unsigned to;

	s->step++;
	while (s->next < plan->n && plan->point[s->next].step < s->step)
		s->next++;
	if (s->next == plan->n || plan->point[s->next].step != s->step)
		return false;
	to = plan->point[s->next++].task;
	if (s->task[to].status == READY || s->task[to].status == SPINS)
		switch_to(to);
	return true;
}

void sched_step(void)
{
	if (me == NOBODY)
		return;
	s->spins = 0;
	s->task[me].status = READY;
	if (s->long_steps++ > MAX_STEPS)
		rig_fail(__FILE__, __LINE__, "no end after %lu steps", s->step);
	if (!is_interrupted() && s->step - s->turn > TURN && !holds_spinning_lock()) {
		switch_to(rotate());
		s->turn = s->step;
	}
}

/* An atomic access of the core, perhaps of one that spins. */
static void before_atomic(void)
{
	if (me != NOBODY)
		(void)is_interrupted();
}

/* In a build that tells of them (bench/scale/tsan.c). */
__attribute__((weak)) void tsan_before_atomic(void (*fn)(void));

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

/* Sleep; `briefly`: time passes when nobody else can run. */
static void sleep_on(const void *key, bool (*blocked)(const void *arg), const void *arg,
                     bool briefly)
{
	unsigned to;

	sched_step();
	if (!blocked(arg))
		return;
	if (me == NOBODY)
		rig_fail(__FILE__, __LINE__, "deadlock: nobody is left to wake this thread");
	s->task[me].status = BLOCKED;
	s->task[me].key = key;
	s->task[me].briefly = briefly;
	to = choose();
	if (to == NOBODY)
		rig_fail(__FILE__, __LINE__, "deadlock: nobody is left to wake this task");
	switch_to(to);
	s->task[me].status = READY;
}

static void hook_wait(void *ctx, const void *key, bool (*blocked)(const void *arg), const void *arg)
{
	if (me == NOBODY)
		sim_port_ops.wait(ctx, key, blocked, arg);
	else
		sleep_on(key, blocked, arg, false);
}

static void hook_wait_briefly(void *ctx, const void *key, bool (*blocked)(const void *arg),
                              const void *arg)
{
	if (me == NOBODY)
		sim_port_ops.wait_briefly(ctx, key, blocked, arg);
	else
		sleep_on(key, blocked, arg, true);
}

static void hook_wake(void *ctx, const void *key)
{
	(void)ctx;
	if (me == NOBODY)
		return;
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

static void hook_flush(void *ctx, struct om_mm *mm, uintptr_t start, uintptr_t end,
                       enum om_flush what)
{
	if (me != NOBODY) {
		check_tlb(ctx);
		sched_step();
	}
	sim_port_ops.flush(ctx, mm, start, end, what);
	sched_step();
}

const struct om_port_ops sched_ops = {
    .flush = hook_flush,
    .flush_local = sim_mmu_flush_local,
    .panic = sim_panic,
    .wait = hook_wait,
    .wait_briefly = hook_wait_briefly,
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
	void *const *frame; /* NULL in it: that page is not transferred; NULL: a hole */
} active[SCHED_TASKS];

/* Does task i transfer page `index` of the store? */
static bool is_active(unsigned i, const void *store, uint64_t index)
{
	uint64_t at = index - active[i].first;

	return active[i].n && active[i].store == store && at < active[i].n &&
	       (!active[i].frame || active[i].frame[at]);
}

static void transfer_begin(void *store, uint64_t first, unsigned n, void *const frame[])
{
	if (me == NOBODY)
		return;
	for (unsigned i = 0; i < SCHED_TASKS * n; i++)
		if ((!frame || frame[i % n]) && is_active(i / n, store, first + i % n))
			rig_fail(__FILE__, __LINE__, "two transfers of page %llu at a time",
			         (unsigned long long)(first + i % n));
	active[me].store = store;
	active[me].first = first;
	active[me].n = n;
	active[me].frame = frame;
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

	transfer_begin(store, first, n, frame);
	err = sim_store_ops.read(store, first, n, frame);
	transfer_end();
	return err;
}

static int store_write(void *store, uint64_t first, unsigned n, void *const frame[])
{
	int err;

	transfer_begin(store, first, n, frame);
	err = sim_store_ops.write(store, first, n, frame);
	transfer_end();
	return err;
}

static int store_punch(void *store, uint64_t first, uint64_t n)
{
	int err;

	transfer_begin(store, first, (unsigned)n, NULL);
	err = sim_store_ops.punch(store, first, n);
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
    .read_gap = 8,
    .write = store_write,
    .page_mkwrite = store_mkwrite,
    .punch = store_punch,
    .release = store_release,
};

/* ---------------------------------------------------------------- one run ------------------- */

static unsigned nr_tasks(const struct scene *scene)
{
	unsigned n = 0;

	while (n < SCHED_TASKS && scene->task[n])
		n++;
	return n;
}

/* The next one when a task has come to its end. */
static unsigned successor(void)
{
	unsigned to = choose();

	for (unsigned i = 0; to == NOBODY && i < s->n; i++)
		if (s->task[i].status != DONE)
			rig_fail(__FILE__, __LINE__, "deadlock: task %u sleeps for ever", i);
	return to;
}

static void play_tasks(void *arg)
{
	(void)arg;
	for (;;) {
		s->task[me].fn(s->play);
		s->task[me].status = DONE;
		switch_to(successor());
	}
}

static void make_coroutines(void)
{
	for (unsigned i = 0; i < SCHED_TASKS; i++)
		if (!coroutine[i])
			coroutine[i] = coroutine_create(play_tasks, NULL);
}

/* After a failure: they are in the middle of something. */
static void drop_coroutines(void)
{
	for (unsigned i = 0; i < SCHED_TASKS; i++) {
		coroutine_destroy(coroutine[i]);
		coroutine[i] = NULL;
	}
}

/* Returns the number of steps. */
static unsigned long run_tasks(const struct scene *scene, struct play *p,
                               const struct sched_plan *plan)
{
	struct run run = {.play = p, .plan = *plan, .n = nr_tasks(scene)};

	for (unsigned i = 0; i < run.n; i++)
		run.task[i].fn = scene->task[i];
	make_coroutines();
	memset(active, 0, sizeof(active));
	sim_on_pause(on_pause, NULL);
	if (tsan_before_atomic)
		tsan_before_atomic(before_atomic);
	s = &run;
	switch_to(plan->first);
	sim_on_pause(NULL, NULL);
	if (run.failed) {
		drop_coroutines();
		main_failed(); /* the task has said why */
	}
	return run.step;
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
	rig_watch(60);
	sched_runs++;
	rig_check(p);
	p->r = rig_create(&(struct rig_config){.frames = scene->frames ? scene->frames : 256,
	                                       .cpus = SCHED_TASKS,
	                                       .cluster = scene->cluster,
	                                       .slots = scene->slots ? scene->slots : 64,
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

/* Each stride-th pair of steps, for an interruption by the second and the third task. */
static void explore_steps(const struct scene *scene, unsigned long steps, unsigned long stride,
                          const unsigned task[3])
{
	unsigned long skip = sched_seed % stride; /* so many pairs, from the first of `one` on */

	for (unsigned long one = 1; one < steps; one++) {
		for (; skip < steps - one; skip += stride)
			run(scene, &(struct sched_plan){.first = task[0],
			                                .n = 2,
			                                .point = {{one, task[1]},
			                                          {one + 1 + skip, task[2]}}});
		skip -= steps - one;
	}
}

/*
 * Pairs of interruptions: to another task, and from that one to another, or back; each stride-th of
 * them. Of three tasks the first one begins.
 */
static void explore_pairs(const struct scene *scene, unsigned long steps, unsigned long stride)
{
	unsigned n = nr_tasks(scene);

	for (unsigned plan = 0; plan < n * n * n; plan++) {
		const unsigned task[3] = {plan % n, plan / n % n, plan / n / n};

		if (task[1] != task[0] && task[2] != task[1] && (n == 2 || !task[0]))
			explore_steps(scene, steps, stride, task);
	}
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

	if ((scene->all_pairs && !tsan_before_atomic) ||
	    (nr_tasks(scene) == 2 && steps * steps <= sched_budget)) {
		explore_pairs(scene, steps, 1);
		return;
	}
	if (scene->even || scene->all_pairs) {
		explore_pairs(scene, steps, steps * steps / sched_budget + 1);
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
