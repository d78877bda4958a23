/*
 * sim.c: the machine: memory, set-up, and the hooks of port.h other than the TLB (mmu.c).
 *
 * Sleepers are listed in hashed buckets. A sleeper evaluates its condition under the bucket's lock,
 * which a waker takes too, so no wake-up is lost; each has a condition variable of its own, so only
 * those with the right key wake.
 */
#include "machine.h"

#include <sched.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <time.h>

const struct om_layout sim_layout = {
    .lowest = 0x10000,
    .highest = OM_VA_LIMIT,
    .mmap_base = OM_VA_LIMIT - 0x10000000,
    .brk_start = 0x10000000,
    .guard_gap = 256 * SIM_PAGE_SIZE,
};

/* ---------------------------------------------------------------- hooks --------------------- */

/* A thread may use several machines, but is inside one call of one of them at a time. */
static struct om_held *sim_held(void *ctx)
{
	static _Thread_local struct om_held held;

	(void)ctx;
	return &held;
}

const struct om_held *sim_held_locks(void)
{
	return sim_held(NULL);
}

void sim_print_bug(FILE *out, const struct om_bug *bug)
{
	const struct om_held *held = sim_held(NULL);

	fprintf(out, "objrmap: bug: %s: \"%s\"\n", bug->rule, bug->what);
	fprintf(out, "  at %s:%d, object %p, values %#lx %#lx\n", bug->file, bug->line, bug->object,
	        (unsigned long)bug->value[0], (unsigned long)bug->value[1]);
	for (unsigned i = 0; i < held->depth && i < sizeof(held->entry) / sizeof(*held->entry); i++)
		fprintf(out, "  holding %p, rank %u, for %u steps\n", held->entry[i].lock,
		        held->entry[i].rank, held->entry[i].steps);
}

void sim_panic(void *ctx, const struct om_bug *bug)
{
	struct sim *sim = ctx;

	if (sim->panic)
		sim->panic(sim->panic_arg, bug);
	sim_print_bug(stderr, bug);
	abort();
}

void sim_on_panic(struct sim *sim, void (*fn)(void *arg, const struct om_bug *bug), void *arg)
{
	sim->panic = fn;
	sim->panic_arg = arg;
}

static struct sim_bucket *bucket_of(struct sim *sim, const void *key)
{
	uint64_t hash = (uint64_t)(uintptr_t)key * 0x9e3779b97f4a7c15u;

	return &sim->bucket[hash >> 58];
}

static void sim_wait(void *ctx, const void *key, bool (*blocked)(const void *arg), const void *arg)
{
	struct sim_bucket *b = bucket_of(ctx, key);

	pthread_mutex_lock(&b->lock);
	if (blocked(arg)) {
		struct sim_sleeper me = {key, false, PTHREAD_COND_INITIALIZER, b->sleepers};

		b->sleepers = &me;
		while (!me.woken)
			pthread_cond_wait(&me.cond, &b->lock);
		pthread_cond_destroy(&me.cond);
	}
	pthread_mutex_unlock(&b->lock);
}

/* The absolute time in `ms` milliseconds. */
static struct timespec in_ms(long ms)
{
	struct timespec t;

	clock_gettime(CLOCK_REALTIME, &t);
	t.tv_nsec += ms * 1000000;
	t.tv_sec += t.tv_nsec / 1000000000;
	t.tv_nsec %= 1000000000;
	return t;
}

/* The time is up. */
static void leave(struct sim_bucket *b, struct sim_sleeper *me)
{
	struct sim_sleeper **link = &b->sleepers;

	while (*link != me)
		link = &(*link)->next;
	*link = me->next;
}

static void sim_wait_briefly(void *ctx, const void *key, bool (*blocked)(const void *arg),
                             const void *arg)
{
	struct sim_bucket *b = bucket_of(ctx, key);
	struct timespec end = in_ms(100);
	int err = 0;

	pthread_mutex_lock(&b->lock);
	while (!err && blocked(arg)) {
		struct sim_sleeper me = {key, false, PTHREAD_COND_INITIALIZER, b->sleepers};

		b->sleepers = &me;
		while (!err && !me.woken)
			err = pthread_cond_timedwait(&me.cond, &b->lock, &end);
		if (!me.woken)
			leave(b, &me);
		pthread_cond_destroy(&me.cond);
	}
	pthread_mutex_unlock(&b->lock);
}

static void sim_wake(void *ctx, const void *key)
{
	struct sim_bucket *b = bucket_of(ctx, key);

	pthread_mutex_lock(&b->lock);
	for (struct sim_sleeper **link = &b->sleepers, *s; (s = *link);) {
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

static void (*pause_fn)(void *arg);
static void *pause_arg;

void sim_on_pause(void (*fn)(void *arg), void *arg)
{
	pause_fn = fn;
	pause_arg = arg;
}

void sim_pause(void)
{
	if (pause_fn)
		pause_fn(pause_arg);
	else
		sched_yield();
}

/* ---------------------------------------------------------------- background reclaim -------- */

static void sim_low_memory(void *ctx)
{
	struct sim_kswapd *k = &((struct sim *)ctx)->kswapd;

	if (atomic_exchange(&k->hinted, true))
		return;
	pthread_mutex_lock(&k->lock);
	k->low = true;
	pthread_cond_broadcast(&k->cond);
	pthread_mutex_unlock(&k->lock);
}

static void kswapd_work(struct sim *sim)
{
	while (!atomic_load(&sim->kswapd.stop) && om_free_frames(sim->sys) < sim->kswapd.high) {
		if (!om_reclaim_step(sim->sys, 32))
			break;
	}
}

static void *kswapd_main(void *arg)
{
	struct sim *sim = arg;
	struct sim_kswapd *k = &sim->kswapd;

	pthread_mutex_lock(&k->lock);
	while (!atomic_load(&k->stop)) {
		if (!k->low) {
			pthread_cond_wait(&k->cond, &k->lock);
			continue;
		}
		k->low = false;
		/* From here on a hint counts again: it may come after the work has ended. */
		atomic_store(&k->hinted, false);
		pthread_mutex_unlock(&k->lock);
		kswapd_work(sim);
		pthread_mutex_lock(&k->lock);
	}
	pthread_mutex_unlock(&k->lock);
	return NULL;
}

int sim_kswapd_start(struct sim *sim, om_pfn_t high)
{
	struct sim_kswapd *k = &sim->kswapd;

	if (k->running)
		return -OM_EBUSY;
	k->high = high;
	atomic_store(&k->stop, false);
	if (pthread_create(&k->thread, NULL, kswapd_main, sim))
		return -OM_EAGAIN;
	k->running = true;
	return 0;
}

void sim_kswapd_stop(struct sim *sim)
{
	struct sim_kswapd *k = &sim->kswapd;

	if (!k->running)
		return;
	pthread_mutex_lock(&k->lock);
	atomic_store(&k->stop, true);
	pthread_cond_broadcast(&k->cond);
	pthread_mutex_unlock(&k->lock);
	pthread_join(k->thread, NULL);
	k->running = false;
}

/* ---------------------------------------------------------------- set-up -------------------- */

#define HOOKS                                                                                      \
	.flush = sim_mmu_flush, .panic = sim_panic, .wait = sim_wait,                              \
	.wait_briefly = sim_wait_briefly, .wake = sim_wake, .low_memory = sim_low_memory,          \
	.held = sim_held

const struct om_port_ops sim_port_ops = {HOOKS, .flush_local = sim_mmu_flush_local};

/* A CPU that keeps nothing of what it faulted on has no use for flush_local. */
static const struct om_port_ops x86_ops = {HOOKS};

static const struct om_port_ops *port_ops(const struct sim *sim)
{
	return sim->mode == SIM_X86 ? &x86_ops : &sim_port_ops;
}

/*
 * New memory is junk all over. In what another machine has used before, some lines of each frame
 * are enough, since the rest is what that has left: tests make thousands of machines a second.
 */
static void spoil(char *ram, size_t bytes, bool all)
{
	for (size_t at = 0; !all && at < bytes; at += SIM_PAGE_SIZE) {
		memset(ram + at, 0xa5, 64);
		memset(ram + at + SIM_PAGE_SIZE / 2 - 64, 0xa5, 128);
		memset(ram + at + SIM_PAGE_SIZE - 64, 0xa5, 64);
	}
	if (all)
		memset(ram, 0xa5, bytes);
}

static bool ram_create(struct sim *sim, const struct sim_config *config)
{
	void *base = config->ram;

	if (!base) {
		base = mmap(NULL, sim->ram_bytes, PROT_READ | PROT_WRITE,
		            MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
		if (base == MAP_FAILED)
			return false;
		sim->own_ram = true;
	}
	sim->arch.base = base;
	/* Whoever takes 0 for a frame number traps at once. */
	mprotect(base, SIM_PAGE_SIZE, PROT_NONE);
	if (config->junk)
		spoil((char *)base + SIM_PAGE_SIZE, sim->ram_bytes - SIM_PAGE_SIZE, !config->ram);
	return true;
}

static bool system_create(struct sim *sim, const struct sim_config *config)
{
	struct om_config om = {
	    .arch = &sim->arch,
	    .ops = config->ops ? config->ops : port_ops(sim),
	    .ctx = sim,
	    .nr_frames = sim->nr_frames,
	    .swap_cluster = config->swap_cluster,
	    .seed = config->seed,
	    .nr_cpus = sim->nr_cpus,
	};
	size_t bytes = om_system_bytes(&om);

	sim->storage = aligned_alloc(64, (bytes + 63) & ~(size_t)63);
	if (!sim->storage)
		return false;
	om.storage = sim->storage;
	sim->sys = om_system_init(&om);
	return sim->sys && om_add_memory(sim->sys, 1, sim->nr_frames - 1) == 0;
}

static void machine_init(struct sim *sim)
{
	pthread_mutex_init(&sim->kswapd.lock, NULL);
	pthread_cond_init(&sim->kswapd.cond, NULL);
	for (unsigned i = 0; i < SIM_WAIT_BUCKETS; i++)
		pthread_mutex_init(&sim->bucket[i].lock, NULL);
	for (unsigned i = 0; i < sim->nr_cpus; i++) {
		sim->cpu[i].sim = sim;
		pthread_mutex_init(&sim->cpu[i].lock, NULL);
	}
}

static void machine_free(struct sim *sim)
{
	for (unsigned i = 0; i < sim->nr_cpus; i++)
		pthread_mutex_destroy(&sim->cpu[i].lock);
	for (unsigned i = 0; i < SIM_WAIT_BUCKETS; i++)
		pthread_mutex_destroy(&sim->bucket[i].lock);
	pthread_mutex_destroy(&sim->kswapd.lock);
	pthread_cond_destroy(&sim->kswapd.cond);
	if (sim->own_ram)
		munmap(sim->arch.base, sim->ram_bytes);
	free(sim->storage);
	free(sim);
}

struct sim *sim_create(const struct sim_config *config)
{
	unsigned nr_cpus = config->nr_cpus ? config->nr_cpus : 1;
	struct sim *sim = calloc(1, sizeof(*sim) + nr_cpus * sizeof(struct sim_cpu));

	if (!sim)
		return NULL;
	sim->nr_cpus = nr_cpus;
	sim_this_cpu = 0;
	sim->mode = sim_mmu_mode(config->mode);
	sim->nr_frames = config->nr_frames;
	sim->ram_bytes = (size_t)config->nr_frames * SIM_PAGE_SIZE;
	machine_init(sim);
	if (!ram_create(sim, config) || !system_create(sim, config)) {
		machine_free(sim);
		return NULL;
	}
	return sim;
}

int sim_destroy(struct sim *sim)
{
	int err;

	sim_kswapd_stop(sim);
	err = om_system_fini(sim->sys);
	if (!err)
		machine_free(sim);
	return err;
}

struct om_system *sim_system(struct sim *sim)
{
	return sim->sys;
}

struct sim_cpu *sim_cpu(struct sim *sim, unsigned nr)
{
	return &sim->cpu[nr];
}

void sim_run_on(const struct sim_cpu *cpu)
{
	sim_this_cpu = (unsigned)(cpu - cpu->sim->cpu);
}

unsigned sim_nr_cpus(const struct sim *sim)
{
	return sim->nr_cpus;
}

void *sim_frame(struct sim *sim, om_pfn_t pfn)
{
	return om_arch_frame(&sim->arch, pfn);
}
