/*
 * litmus.c: the order of memory accesses that the locks of threads' faults promise: of the CPUs'
 * parts of an address space (base/part.h) and of the caches of free frames (page/frame_cache.h).
 *
 * Real threads, a CPU each, take and give nothing but these, and what they guard are plain
 * variables: no access of the test itself orders anything. So where a protocol lets two in, or
 * lacks an acquire or a release, ThreadSanitizer sees a race, and a CPU that reorders, or an
 * emulator of one, may show a wrong value. docs/design.md, "Order of memory accesses", says what is
 * needed.
 *
 *   parts    faults and writers of one address space, in parts that come and go
 *   takers   short-lived address spaces take the parts over, and are freed
 *   frames   all free frames in the hands of all threads, caches shut and opened all the time
 *
 *     litmus [-s SEED] [-n ROUNDS] [-t SECONDS]
 */
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "area/mm.h"
#include "base/part.h"
#include "page/frame_cache.h"
#include "sim.h"

#define CPUS    4u
#define FRAMES  1040u /* so few have caches, with four CPUs */
#define OBJECTS 4u

static unsigned long rounds = 6000;
static uint64_t seed = 1;

#define check(cond)                                                                                \
	do {                                                                                       \
		if (!(cond)) {                                                                     \
			fprintf(stderr, "litmus: seed %llu: %s:%d: %s\n",                          \
			        (unsigned long long)seed, __FILE__, __LINE__, #cond);              \
			abort();                                                                   \
		}                                                                                  \
	} while (0)

/* What the threads share. All plain, but for the library's. */
static struct world {
	struct sim *sim;
	struct om_system *sys;
	struct om_mm *mm;
	/* Written by writers of mm, read in faults. */
	unsigned long generation, again;
	struct om_vma object[OBJECTS]; /* stand for areas; pgoff: the generation they are of */
	/* Of each thread: is it in a fault; what it has counted in mm; its frames. */
	struct {
		_Alignas(64) bool inside;
		size_t counted;
		struct sim_rand rand;
		om_pfn_t frame[FRAMES];
		unsigned nr_frames, quota;
	} of[CPUS];
	unsigned owner[FRAMES]; /* of a frame: the thread's number + 1 */
} w;

static unsigned below(unsigned t, unsigned n)
{
	return (unsigned)sim_rand_below(&w.of[t].rand, n);
}

static void in_threads(void *(*fn)(void *arg))
{
	static unsigned number[CPUS];
	pthread_t thread[CPUS];

	for (unsigned t = 0; t < CPUS; t++) {
		number[t] = t;
		sim_rand_seed(&w.of[t].rand, seed * CPUS + t);
		check(!pthread_create(&thread[t], NULL, fn, &number[t]));
	}
	for (unsigned t = 0; t < CPUS; t++)
		check(!pthread_join(thread[t], NULL));
}

static struct om_mm *new_mm(void)
{
	struct om_mm *mm;

	check(!om_mm_create(w.sys, &sim_layout, NULL, &mm));
	return mm;
}

/* ---------------------------------------------------------------- parts --------------------- */

/* What a part, or the mm, remembers is of this generation. */
static void look_at_hint(struct om_mm_part *part)
{
	struct om_vma *object = atomic_load_explicit(&part->hint, memory_order_acquire);

	if (object != &w.sys->no_area) {
		check(object->pgoff == w.generation);
		return;
	}
	atomic_store_explicit(&part->hint, &w.object[w.generation % OBJECTS], memory_order_release);
}

static void fault(unsigned t)
{
	struct om_mm_part *part = om_part_enter(w.mm, om_shard(w.sys));
	size_t n = below(t, 5) - 2ul;

	w.of[t].inside = true;
	check(w.generation == w.again);
	look_at_hint(part);
	atomic_fetch_add_explicit(&part->rss_anon, n, memory_order_relaxed);
	w.of[t].counted += n;
	if (below(t, 16) == 0)
		sim_pause();
	check(w.generation == w.again);
	w.of[t].inside = false;
	om_part_leave(w.sys, part);
}

static bool lock_for_writing(unsigned t)
{
	unsigned how = below(t, 4);

	if (how == 0)
		return om_mm_try_write_lock(w.mm);
	if (how == 1)
		return om_mm_write_lock_briefly(w.mm);
	om_mm_write_lock(w.mm);
	return true;
}

/* An area goes, and its memory is another one's. */
static void change(unsigned t)
{
	size_t counted = 0;

	if (!lock_for_writing(t))
		return;
	for (unsigned i = 0; i < CPUS; i++) {
		check(!w.of[i].inside);
		counted += w.of[i].counted;
	}
	check(atomic_load_explicit(&w.mm->own.rss_anon, memory_order_relaxed) == counted);
	check(w.generation == w.again);
	w.generation++;
	atomic_store_explicit(&w.mm->own.hint, &w.sys->no_area, memory_order_relaxed);
	w.object[w.generation % OBJECTS].pgoff = w.generation;
	w.again++;
	om_mm_write_unlock(w.mm);
}

static void *parts_thread(void *arg)
{
	unsigned t = *(unsigned *)arg;

	sim_run_on(sim_cpu(w.sim, t));
	for (unsigned long n = 0; n < rounds; n++) {
		if (below(t, 24) == 0)
			change(t);
		else
			fault(t);
	}
	return NULL;
}

/* ---------------------------------------------------------------- takers -------------------- */

/* An address space of this thread alone: it takes over the parts of CPUs, and is gone. */
static void live_and_die(unsigned t)
{
	struct om_mm *mm = new_mm();

	for (unsigned i = 0; i < 2 * CPUS; i++) {
		struct om_shard *shard = &w.sys->shard[(t + i) % CPUS];
		struct om_mm_part *part = om_part_enter(mm, shard);

		atomic_fetch_add_explicit(&part->rss_anon, i % 2 ? 3 : -3ul, memory_order_relaxed);
		om_part_leave(w.sys, part);
		if (below(t, 2) == 0)
			sim_pause(); /* others have the parts meanwhile */
	}
	om_mm_destroy(mm); /* that no part is counting any more, its writer must know */
}

static void *takers_thread(void *arg)
{
	unsigned t = *(unsigned *)arg;

	sim_run_on(sim_cpu(w.sim, t));
	for (unsigned long n = 0; n < rounds / 8; n++) {
		if (t % 2)
			live_and_die(t);
		for (unsigned i = 0; t % 2 == 0 && i < 8; i++)
			fault(t);
		if (t == 0 && n % 16 == 0)
			change(t);
	}
	return NULL;
}

/* ---------------------------------------------------------------- frames -------------------- */

/* There is one for each request, so none may have to reclaim, let alone fail. */
static void take(unsigned t)
{
	om_pfn_t pfn;

	check(!om_frame_alloc(w.sys, &pfn));
	check(w.owner[pfn] == 0);
	w.owner[pfn] = t + 1;
	w.of[t].frame[w.of[t].nr_frames++] = pfn;
}

static void give(unsigned t)
{
	om_pfn_t pfn = w.of[t].frame[--w.of[t].nr_frames];

	check(w.owner[pfn] == t + 1);
	w.owner[pfn] = 0;
	om_frame_free(w.sys, pfn);
}

/* Now this thread, now that one, and now all have what they may: memory is short, and plenty. */
static void *frames_thread(void *arg)
{
	unsigned t = *(unsigned *)arg;

	sim_run_on(sim_cpu(w.sim, t));
	for (unsigned long n = 0; n < rounds / 16; n++) {
		unsigned want = n % 3 ? below(t, w.of[t].quota + 1) : w.of[t].quota;

		while (w.of[t].nr_frames < want)
			take(t);
		if (below(t, 2))
			sim_pause();
		while (w.of[t].nr_frames > (n % 3 == 2 ? 0 : want / 2))
			give(t);
	}
	while (w.of[t].nr_frames)
		give(t);
	return NULL;
}

/* ---------------------------------------------------------------- all ----------------------- */

static void begin(void)
{
	w.sim = sim_create(&(struct sim_config){.nr_frames = FRAMES, .nr_cpus = CPUS});
	check(w.sim);
	w.sys = sim_system(w.sim);
	w.sys->eager = true;
	w.mm = new_mm();
}

static void end(void)
{
	size_t counted = 0;

	for (unsigned t = 0; t < CPUS; t++) {
		counted += w.of[t].counted;
		w.of[t].counted = 0;
	}
	check(om_mm_sums(w.mm).anon == counted);
	om_mm_write_lock(w.mm);
	atomic_store(&w.mm->own.rss_anon, 0);
	om_mm_write_unlock(w.mm);
	om_mm_destroy(w.mm);
	check(!sim_destroy(w.sim));
}

static void play(void)
{
	struct om_sysinfo info;
	om_pfn_t free;

	begin();
	in_threads(parts_thread);
	in_threads(takers_thread);
	free = om_free_frames(w.sys);
	for (unsigned t = 0; t < CPUS; t++)
		w.of[t].quota = (unsigned)(free / CPUS);
	in_threads(frames_thread);
	om_sysinfo(w.sys, &info);
	check(info.event[OM_EV_ALLOCSTALL] == 0 && om_free_frames(w.sys) == free);
	end();
}

int main(int argc, char **argv)
{
	time_t until = time(NULL);
	unsigned long played = 0;

	for (int i = 1; i + 1 < argc; i += 2) {
		unsigned long n = strtoul(argv[i + 1], NULL, 0);

		if (!strcmp(argv[i], "-s"))
			seed = n;
		else if (!strcmp(argv[i], "-n"))
			rounds = n;
		else if (!strcmp(argv[i], "-t"))
			until += (time_t)n;
	}
	do {
		play();
		seed++;
		played++;
	} while (time(NULL) < until);
	printf("litmus: %lu rounds of %lu on %u CPUs\n", played, rounds, CPUS);
	return 0;
}
