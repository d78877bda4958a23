/*
 * fail.c: failure schedules. For every scene (scenes.c, scenes_more.c), in machines with room and without
 * (stage.h): let the k-th frame allocation fail, k = 1, 2, 3... until the scene is over before it
 * comes to k; it alone, or it and all that follow. The same with the k-th transfer, to or from a
 * file or a swap device, and the k-th question whether a page may be written. After each:
 *
 *   - the answer is success, or the one that fits (out of memory, SIGBUS, EIO);
 *   - the state is that after the call, or that before it; where the header says "partial", each
 *     page is as before or as after. All of it: areas, every byte of every address space and file;
 *   - a call that has failed, and is not partial, has left no page table behind;
 *   - om_verify() finds nothing;
 *   - the same call now succeeds, and everything can be taken down without a frame missing.
 *
 * A failure prints scene:mode:k; `fail --only scene:mode:k` repeats it. A mode is like
 * tight.alloc.once. Failing allocations need a debug build (OM_FAIL_HOOK).
 */
#include "stage.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "fail.h"

enum what {
	ALLOC,
	SWAP_READ,
	SWAP_WRITE,
	FILE_READ,
	FILE_WRITE,
	FILE_MKWRITE,
	FILE_PUNCH,
	NR_WHAT
};
static const char *const what_name[] = {"alloc",      "swap-read",    "swap-write", "file-read",
                                        "file-write", "file-mkwrite", "file-punch"};

static const char *const world_name[] = {"roomy", "tight", "areas0", "areas1", "areas2"};

struct mode {
	enum world world;
	enum what what;
	bool forever;
};

/* From the command line: scene, mode and k to run, or anything. */
static char only_scene[64], only_mode[64];
static unsigned long only_k;
static unsigned long runs;

static void mode_name(const struct mode *m, char *buf, size_t n)
{
	snprintf(buf, n, "%s.%s.%s", world_name[m->world], what_name[m->what],
	         m->forever ? "forever" : "once");
}

/* ---------------------------------------------------------------- failing ------------------- */

/* All stores of a kind, so that it does not matter which one the scene uses. */
static void fail_stores(struct rig *r, bool files, enum sim_transfer which, unsigned long k,
                        bool forever)
{
	for (unsigned i = 0; files && i < RIG_FILES; i++)
		if (r->file[i].store)
			sim_store_fail(r->file[i].store, which, k, forever);
	for (unsigned i = 0; !files && i < RIG_SWAPS; i++)
		if (r->swap[i].store)
			sim_store_fail(r->swap[i].store, which, k, forever);
}

static bool store_failed(const struct sim_store *store)
{
	struct sim_store_stats st;

	if (!store)
		return false;
	sim_store_stats((struct sim_store *)(uintptr_t)store, &st);
	return st.read_errors || st.write_errors || st.mkwrite_errors || st.punch_errors;
}

static void arm(struct stage *s, const struct mode *m, unsigned long k)
{
	static const enum sim_transfer which[] = {
	    [SWAP_READ] = SIM_READ,   [SWAP_WRITE] = SIM_WRITE,     [FILE_READ] = SIM_READ,
	    [FILE_WRITE] = SIM_WRITE, [FILE_MKWRITE] = SIM_MKWRITE, [FILE_PUNCH] = SIM_PUNCH,
	};

	if (m->what == ALLOC)
		sim_fail_arm(s->r->sys, k, m->forever);
	else
		fail_stores(s->r, m->what >= FILE_READ, which[m->what], k, m->forever);
}

/* No more failures; was there one? */
static bool disarm(struct stage *s, const struct mode *m, unsigned long k)
{
	bool failed = false;

	if (m->what == ALLOC)
		return sim_fail_disarm() >= k;
	for (unsigned i = 0; i < RIG_FILES; i++)
		failed |= store_failed(s->r->file[i].store);
	for (unsigned i = 0; i < RIG_SWAPS; i++)
		failed |= store_failed(s->r->swap[i].store);
	for (unsigned f = 0; f < 2; f++) {
		fail_stores(s->r, f, SIM_READ, 0, false);
		fail_stores(s->r, f, SIM_WRITE, 0, false);
		fail_stores(s->r, f, SIM_MKWRITE, 0, false);
		fail_stores(s->r, f, SIM_PUNCH, 0, false);
	}
	return failed;
}

/* ---------------------------------------------------------------- one run ------------------- */

struct goal {
	const struct scene *scene;
	struct state *before, *after; /* in a machine with enough of everything that works */
};

static bool is_success(int answer)
{
	return answer == 0 || answer == OM_FAULT_MAJOR;
}

static void check_answer(const struct goal *g, const struct mode *m, int answer)
{
	bool read = m->what == SWAP_READ || m->what == FILE_READ;

	if (is_success(answer))
		return;
	if (answer == g->scene->oom && (!read || g->scene->oom == g->scene->io))
		return;
	if (answer == g->scene->io && m->what != ALLOC)
		return;
	rig_fail(__FILE__, __LINE__, "the call answers %d", answer);
}

static void check_state(const struct goal *g, const struct state *now, bool success)
{
	const struct state *want = success ? g->after : g->before;
	bool lazy = g->scene->flags & LAZY, partial = !success && (g->scene->flags & PARTIAL), fits;

	if (lazy || partial)
		fits = state_between(now, want, partial ? g->after : want, lazy);
	else
		fits = state_same(now, want);
	if (fits)
		return;
	state_diff(now, want);
	rig_fail(__FILE__, __LINE__, "the state is not that %s the call",
	         success ? "after" : "before");
}

/* Page tables of all address spaces. */
static size_t count_tables(struct stage *s)
{
	struct om_mminfo info;
	size_t n = 0;

	for (unsigned i = 0; i < RIG_MMS; i++)
		if (s->r->mm[i] && !om_mminfo(s->r->mm[i], 0, UINTPTR_MAX, &info))
			n += info.tables;
	return n;
}

/* Faults may leave tables: the area is there, and will need them. */
static bool may_leave_tables(const struct scene *scene)
{
	return (scene->flags & PARTIAL) || scene->oom == OM_FAULT_OOM;
}

/* What was not possible is possible now. */
static void repeat(const struct goal *g, struct stage *s)
{
	int answer = g->scene->call(s);
	struct state *now;

	if (!is_success(answer))
		rig_fail(__FILE__, __LINE__, "nothing fails any more, but the call answers %d",
		         answer);
	rig_verify(s->r);
	now = state_of(s);
	check_state(g, now, true);
	state_free(now);
}

/* True if k was reached. */
static bool run(const struct goal *g, const struct mode *m, unsigned long k)
{
	struct stage *s = stage_create(g->scene, m->world);
	struct state *now;
	bool reached, success;
	size_t tables = count_tables(s);
	int answer;

	runs++;
	rig_watch(60);
	arm(s, m, k);
	answer = g->scene->call(s);
	reached = disarm(s, m, k);
	success = is_success(answer);
	/* In a small machine a call may fail because it is small. */
	if (reached || m->world != TIGHT || success)
		check_answer(g, m, answer);
	rig_verify(s->r);
	if (!success && !may_leave_tables(g->scene))
		rig_equal(count_tables(s), tables);
	now = state_of(s);
	check_state(g, now, success);
	if (success && g->scene->check)
		g->scene->check(s);
	rig_verify(s->r);
	if (!success)
		repeat(g, s);
	state_free(now);
	stage_destroy(s);
	return reached;
}

/* ---------------------------------------------------------------- all runs ------------------ */

static void try_all(const struct goal *g, const struct mode *m)
{
	unsigned long k = only_k ? only_k : 1;
	char name[64];

	mode_name(m, name, sizeof(name));
	if (only_mode[0] && strcmp(only_mode, name))
		return;
	do
		snprintf(rig_scene, sizeof(rig_scene), "%s:%s:%lu", g->scene->name, name, k);
	while (run(g, m, k++) && !only_k);
}

/* The state before the call, and the one after a call that nothing disturbs. */
static struct state *undisturbed(const struct scene *scene, enum world world, bool call)
{
	struct stage *s = stage_create(scene, world);
	struct state *state;
	int answer = call ? scene->call(s) : 0;

	snprintf(rig_scene, sizeof(rig_scene), "%s:undisturbed", scene->name);
	if (!is_success(answer))
		rig_fail(__FILE__, __LINE__, "nothing fails, but the call answers %d", answer);
	rig_verify(s->r);
	state = state_of(s);
	rig_verify(s->r);
	stage_destroy(s);
	return state;
}

static void test_scene(void **arg)
{
	const struct scene *scene = *arg;

	for (enum world world = 0; world < NR_WORLDS; world++) {
		struct goal g = {scene, undisturbed(scene, world, false),
		                 undisturbed(scene, world, true)};

		for (enum what what = 0; what < (world < AREAS0 ? NR_WHAT : 1); what++)
			for (unsigned forever = 0; forever < 2; forever++)
				try_all(&g, &(struct mode){world, what, forever});
		state_free(g.before);
		state_free(g.after);
	}
}

static void failed(void)
{
	fail();
}

static unsigned nr_scenes(void)
{
	return area_scenes.n + other_scenes.n;
}

static const struct scene *scene_at(unsigned i)
{
	return i < area_scenes.n ? &area_scenes.scene[i] : &other_scenes.scene[i - area_scenes.n];
}

static void usage(void)
{
	fprintf(stderr, "usage: fail [--only scene[:mode[:k]]] [--list]\n");
	exit(2);
}

static void parse(int argc, char **argv)
{
	for (int i = 1; i < argc; i++) {
		if (!strcmp(argv[i], "--list")) {
			for (unsigned n = 0; n < nr_scenes(); n++)
				printf("%s\n", scene_at(n)->name);
			exit(0);
		} else if (!strcmp(argv[i], "--only") && i + 1 < argc) {
			if (sscanf(argv[++i], "%63[^:]:%63[^:]:%lu", only_scene, only_mode,
			           &only_k) < 1)
				usage();
		} else if (argv[i][0] == '-' && strchr("snt", argv[i][1]) && i + 1 < argc) {
			i++; /* nothing here is random: soak runs repeat the same */
		} else {
			usage();
		}
	}
}

int main(int argc, char **argv)
{
	struct CMUnitTest *tests = calloc(nr_scenes(), sizeof(*tests));
	unsigned n = 0;
	int result;

	parse(argc, argv);
	rig_failed = failed;
	for (unsigned i = 0; i < nr_scenes(); i++) {
		const struct scene *scene = scene_at(i);

		if (only_scene[0] && strcmp(only_scene, scene->name))
			continue;
		tests[n].name = scene->name;
		tests[n].test_func = test_scene;
		tests[n++].initial_state = (void *)(uintptr_t)scene;
	}
	if (!n)
		usage();
	result = _cmocka_run_group_tests("fail", tests, n, NULL, NULL);
	printf("%u scenes, %lu runs\n", n, runs);
	free(tests);
	return result;
}
