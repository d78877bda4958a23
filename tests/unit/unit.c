/*
 * unit.c: the system and the port of unit.h.
 */
#include "unit.h"

#include <pthread.h>
#include <string.h>

#include "base/part.h"
#include "page/frame.h"
#include "reclaim/balance.h"
#include "page/slab.h"
#include "rmap/rmap.h"

#define JUNK 0xa5

/* ---- bugs --------------------------------------------------------------------------------- */

static _Thread_local struct om_held held;

static _Thread_local struct {
	jmp_buf env;
	bool expecting, is_main;
	unsigned depth; /* of the lock record, to return to */
	struct om_bug bug;
} catch;

jmp_buf *unit_bug_begin(void)
{
	catch.expecting = true;
	catch.depth = held.depth;
	return &catch.env;
}

/* In the main thread fail the test, elsewhere the program. */
static _Noreturn void give_up(const char *file, int line)
{
	if (catch.is_main)
		_fail(file, line);
	abort();
}

void unit_bug_missed(const char *rule, const char *call, const char *file, int line)
{
	fprintf(stderr, "%s:%d: no bug \"%s\" in %s\n", file, line, rule, call);
	catch.expecting = false;
	give_up(file, line);
}

void unit_bug_end(const char *rule, const char *call, const char *file, int line)
{
	catch.expecting = false;
	held.depth = catch.depth;
	if (strcmp(catch.bug.rule, rule) == 0)
		return;
	fprintf(stderr, "%s:%d: bug \"%s\" (%s) instead of \"%s\" in %s\n", file, line,
	        catch.bug.rule, catch.bug.what, rule, call);
	give_up(file, line);
}

static void unit_panic(void *ctx, const struct om_bug *bug)
{
	(void)ctx;
	if (catch.expecting) {
		catch.bug = *bug;
		longjmp(catch.env, 1);
	}
	fprintf(stderr, "bug \"%s\": %s at %s:%d, object %p, values %#lx %#lx\n", bug->rule,
	        bug->what, bug->file, bug->line, bug->object, (unsigned long)bug->value[0],
	        (unsigned long)bug->value[1]);
	give_up(bug->file, bug->line);
}

/* ---- the port ----------------------------------------------------------------------------- */

#define NR_BUCKETS 16

struct sleeper {
	const void *key;
	bool woken;
	pthread_cond_t cond;
	struct sleeper *next;
};

static struct bucket {
	pthread_mutex_t lock;
	struct sleeper *sleepers;
} bucket[NR_BUCKETS];
static pthread_once_t bucket_once = PTHREAD_ONCE_INIT;
static atomic_uint waits, wakes;

static void bucket_init(void)
{
	for (unsigned i = 0; i < NR_BUCKETS; i++)
		pthread_mutex_init(&bucket[i].lock, NULL);
}

static struct bucket *bucket_of(const void *key)
{
	pthread_once(&bucket_once, bucket_init);
	return &bucket[((uintptr_t)key >> 4) % NR_BUCKETS];
}

static void unit_wait(void *ctx, const void *key, bool (*blocked)(const void *arg), const void *arg)
{
	struct bucket *b = bucket_of(key);

	(void)ctx;
	atomic_fetch_add(&waits, 1);
	pthread_mutex_lock(&b->lock);
	if (blocked(arg)) {
		struct sleeper me = {key, false, PTHREAD_COND_INITIALIZER, b->sleepers};

		b->sleepers = &me;
		while (!me.woken)
			pthread_cond_wait(&me.cond, &b->lock);
		pthread_cond_destroy(&me.cond);
	}
	pthread_mutex_unlock(&b->lock);
}

static void unit_wake(void *ctx, const void *key)
{
	struct bucket *b = bucket_of(key);

	(void)ctx;
	atomic_fetch_add(&wakes, 1);
	pthread_mutex_lock(&b->lock);
	for (struct sleeper **link = &b->sleepers, *s; (s = *link);) {
		if (s->key != key) {
			link = &s->next;
			continue;
		}
		*link = s->next;
		s->woken = true;
		pthread_cond_signal(&s->cond);
	}
	pthread_mutex_unlock(&b->lock);
}

unsigned unit_waits(void)
{
	return atomic_load(&waits);
}

unsigned unit_wakes(void)
{
	return atomic_load(&wakes);
}

static void unit_flush(void *ctx, struct om_mm *mm, uintptr_t start, uintptr_t end,
                       enum om_flush what)
{
	(void)ctx;
	(void)mm;
	(void)start;
	(void)end;
	(void)what;
}

static struct om_held *unit_held(void *ctx)
{
	(void)ctx;
	return &held;
}

const struct om_port_ops unit_ops = {
    .flush = unit_flush,
    .panic = unit_panic,
    .wait = unit_wait,
    .wake = unit_wake,
    .held = unit_held,
};

/* ---- the system --------------------------------------------------------------------------- */

static void *allocate(size_t align, size_t size)
{
	void *p = aligned_alloc(align, (size + align - 1) & ~(align - 1));

	unit_check(p);
	return p;
}

static void add_frames(struct om_system *sys)
{
	sys->page[0].kind = OM_KIND_ZERO;
	sys->zero_pfn = 0;
	memset(om_page_ptr(sys, om_page_of(sys, 0)), 0, OM_PAGE_SIZE);
	/* The first frame allocated is number 1. */
	om_frames_donate(sys, 1, sys->nr_frames - 1);
	sys->nr_owned = sys->nr_frames;
	om_free_settle(sys);
}

struct om_system *unit_system(om_pfn_t nr_frames)
{
	return unit_system_cpus(nr_frames, 1);
}

struct om_system *unit_system_cpus(om_pfn_t nr_frames, unsigned nr_cpus)
{
	size_t size = sizeof(struct om_system) + om_nr_shards(nr_cpus) * sizeof(struct om_shard);
	struct om_system *sys = allocate(_Alignof(struct om_system), size);
	size_t bytes = (size_t)(nr_frames + 1) * OM_PAGE_SIZE;

	memset(sys, 0, size);
	om_free_init(sys, nr_cpus);
	om_parts_init(sys);
	sim_this_cpu = 0;
	sys->nr_frames = nr_frames + 1;
	sys->arch.base = allocate(OM_PAGE_SIZE, bytes);
	memset(sys->arch.base, JUNK, bytes);
	sys->page = allocate(sizeof(void *), sys->nr_frames * sizeof(*sys->page));
	memset(sys->page, 0, sys->nr_frames * sizeof(*sys->page));
	sys->region = calloc(sys->nr_frames / OM_REGION + 1, sizeof(*sys->region));
	assert_non_null(sys->region);
	sys->frame_run = allocate(_Alignof(struct om_frame_run), om_runs_bytes(sys->nr_frames));
	memset(sys->frame_run, 0, om_runs_bytes(sys->nr_frames));
	sys->hooks.ops = &unit_ops;
	sys->hooks.seed = om_tree_seed(0);
	add_frames(sys);
	om_ages_init(sys);
	om_slab_init(sys, om_rmap_traits.object_bytes);
	held.depth = 0;
	catch.is_main = true;
	return sys;
}

void unit_system_free(struct om_system *sys)
{
	assert_int_equal(held.depth, 0);
	free(sys->region);
	free(sys->frame_run);
	free(sys->page);
	free(sys->arch.base);
	free(sys);
}

void unit_assert_all_free(struct om_system *sys)
{
	assert_int_equal(om_frames_free(sys), sys->nr_frames - 1);
	for (om_pfn_t pfn = 1; pfn < sys->nr_frames; pfn++) {
		assert_int_equal(sys->page[pfn].kind, OM_KIND_FREE);
		assert_int_equal(om_page_flags(&sys->page[pfn]), 0);
	}
	assert_int_equal(om_frames_of_kind(sys, OM_KIND_DATA), 0);
	assert_int_equal(om_frames_of_kind(sys, OM_KIND_OBJECT), 0);
	assert_int_equal(om_frames_of_kind(sys, OM_KIND_INDEX), 0);
	assert_int_equal(om_frames_of_kind(sys, OM_KIND_USER), 0);
	assert_int_equal(om_frames_of_kind(sys, OM_KIND_TABLE), 0);
	for (unsigned i = 0; i < OM_NR_CACHES; i++)
		assert_int_equal(om_slab_sum(sys, i).objects + om_slab_sum(sys, i).frames, 0);
	assert_int_equal(atomic_load(&sys->nr_unevictable), 0);
}

void unit_set_reserve(struct om_system *sys, om_pfn_t n)
{
	om_spin_lock(sys, &sys->free.lock, OM_RANK_FREE);
	om_free_set_reserve(sys, n);
	om_spin_unlock(sys, &sys->free.lock);
}

/* ---- tools -------------------------------------------------------------------------------- */

struct unit_thread {
	pthread_t thread;
	void (*fn)(void *arg, unsigned i);
	void *arg;
	unsigned i;
};

static void *thread_main(void *p)
{
	struct unit_thread *t = p;

	t->fn(t->arg, t->i);
	unit_check(held.depth == 0);
	return NULL;
}

struct unit_thread *unit_thread_start(void (*fn)(void *arg, unsigned i), void *arg, unsigned i)
{
	struct unit_thread *t = allocate(sizeof(void *), sizeof(*t));

	t->fn = fn;
	t->arg = arg;
	t->i = i;
	unit_check(pthread_create(&t->thread, NULL, thread_main, t) == 0);
	return t;
}

void unit_thread_join(struct unit_thread *thread)
{
	unit_check(pthread_join(thread->thread, NULL) == 0);
	free(thread);
}

void unit_threads(unsigned n, void (*fn)(void *arg, unsigned i), void *arg)
{
	struct unit_thread *thread[32];

	unit_check(n <= 32);
	for (unsigned i = 0; i < n; i++)
		thread[i] = unit_thread_start(fn, arg, i);
	for (unsigned i = 0; i < n; i++)
		unit_thread_join(thread[i]);
}

uint32_t unit_rand(uint64_t *state)
{
	/* A linear congruence; its upper half is good enough for tests. */
	*state = *state * 6364136223846793005u + 1442695040888963407u;
	return (uint32_t)(*state >> 32);
}
