/*
 * main.c: options, variants, rest points, the watchdog.
 *
 * The CPUs run rounds of a fixed number of operations each. Between rounds all of them meet at a
 * barrier, and one looks at the system while it is at rest: om_verify(), no translation in a TLB
 * that the page tables do not grant. An administrator adds and empties a swap device meanwhile, a
 * background thread reclaims. In the end everything is taken down, and nothing may be left.
 *
 *     threads [--seed N] [--cpus N] [--frames N] [--seconds N | --rounds N] [--ops N] [--latency N]
 * [-v]
 *
 * -s and -t stand for --seed and --seconds, -n for the number of operations of each CPU. Without a
 * number of CPUs or frames it runs several variants, by default so many rounds of each that it
 * takes some seconds. The order in which threads run is not part of the seed.
 */
#include "base/types.h"
#include "threads.h"

#include <dirent.h>
#include <getopt.h>
#include <stdio.h>
#include <time.h>
#include <unistd.h>

#define SWAP_SLOTS      8192
#define MORE_SWAP_SLOTS 1024
#define HANG_SECONDS    60  /* of CPU time without an operation coming to its end */
#define HANG_LOOKS      600 /* of the watchdog, at which all threads sleep */

static const struct {
	const char *name;
	unsigned weight;
	void (*run)(struct thread *t);
} op[] = {
    {"read", 90, op_read},
    {"read another's page", 60, op_spy},
    {"write", 120, op_write},
    {"execute", 10, op_exec},
    {"write as a guest", 60, op_guest},
    {"mmap", 30, op_map},
    {"munmap", 12, op_unmap},
    {"mprotect", 15, op_protect},
    {"mremap", 25, op_move},
    {"mremap of all", 12, op_move_big},
    {"madvise", 30, op_advise},
    {"madvise: forget", 15, op_forget},
    {"madvise: fork", 5, op_flags},
    {"mlock", 10, op_lock},
    {"munlock", 12, op_unlock},
    {"brk", 6, op_brk},
    {"stack", 6, op_stack},
    {"remap_file_pages", 6, op_twist},
    {"write(2)", 15, op_file_write},
    {"write through a mapping", 40, op_file_map_write},
    {"read(2)", 15, op_file_read},
    {"truncate", 4, op_truncate},
    {"punch", 6, op_punch},
    {"fsync", 6, op_sync},
    {"msync", 6, op_msync},
    {"pin", 10, op_pin},
    {"unpin", 8, op_unpin},
    {"device", 12, op_device},
    {"fork", 10, op_fork},
    {"exit", 7, op_exit},
    {"exec", 2, op_exec_mm},
    {"give away", 4, op_give},
    {"take over", 5, op_take},
    {"short-lived area", 6, op_short_area},
    {"short-lived file", 4, op_short_file},
    {"mlockall", 2, op_tiny},
    {"reclaim", 6, op_reclaim},
    {"query", 10, op_query},
    {"frame", 5, op_frame},
};
#define NR_OPS (sizeof(op) / sizeof(op[0]))

static double seconds_of(clockid_t clock)
{
	struct timespec ts;

	clock_gettime(clock, &ts);
	return (double)ts.tv_sec + (double)ts.tv_nsec / 1e9;
}

static double now(void)
{
	return seconds_of(CLOCK_MONOTONIC);
}

static void nap(unsigned microseconds)
{
	struct timespec ts = {.tv_nsec = microseconds * 1000l};

	nanosleep(&ts, NULL);
}

static void one_op(struct thread *t)
{
	unsigned total = 0, pick, i = 0;

	for (unsigned k = 0; k < NR_OPS; k++)
		total += op[k].weight;
	for (pick = below(t, total); pick >= op[i].weight; i++)
		pick -= op[i].weight;
	atomic_store(&t->doing, op[i].name);
	if (t->nr == 0 && chance(t, 2))
		aim_change(t);
	aim_take(t);
	op[i].run(t);
	t->count[i]++;
	atomic_fetch_add(&t->ops, 1);
}

/* ---------------------------------------------------------------- rest ---------------------- */

/* All address spaces there are. */
static unsigned all_mms(struct world *w, struct om_mm **mm)
{
	unsigned n = 0;

	for (unsigned i = 0; i < NR_SHARED; i++)
		mm[n++] = w->shared[i]->mm;
	for (unsigned i = 0; i < w->nr_threads; i++)
		for (unsigned k = 0; k < w->thread[i].nr_own; k++)
			mm[n++] = w->thread[i].own[k]->mm;
	for (struct proc *p = w->pool; p; p = p->next)
		mm[n++] = p->mm;
	return n;
}

static void verify(struct thread *t)
{
	struct world *w = t->w;
	struct om_mm *mm[NR_SHARED + MAX_THREADS * MAX_OWN + 256];
	struct sim_tlb_entry bad;
	struct om_bug bug;
	unsigned n = om_verify(w->sys, w->scratch, &bug);

	if (n) {
		sim_print_bug(stderr, &bug);
		fail(t, "om_verify() finds %u violations", n);
	}
	n = sim_check_tlb(w->sim, mm, all_mms(w, mm), &bad);
	CHECK(t, !n, "%u TLB entries that the page tables do not grant; one maps %#lx to frame %u",
	      n, (unsigned long)(bad.page << OM_PAGE_SHIFT), bad.pfn);
}

/* A new shared address space in the place of an old one; other threads may have pages of it pinned.
 */
static void replace_shared(struct thread *t, int nr)
{
	struct world *w = t->w;

	for (unsigned i = 0; i < w->nr_threads; i++)
		pins_detach_all(&w->thread[i], w->shared[nr]);
	proc_destroy(t, w->shared[nr]);
	w->shared[nr] = proc_new(t, nr);
}

static bool is_over(const struct world *w, unsigned rounds, double end)
{
	return w->cfg.rounds ? rounds >= w->cfg.rounds : now() >= end;
}

/* Between two barriers: nobody else runs. */
static void rest(struct thread *t, unsigned round, double end)
{
	struct world *w = t->w;

	atomic_store(&t->doing, "rest");
	sim_kswapd_stop(w->sim);
	verify(t);
	if (round % 10 == 9) {
		printf("threads: seed %llu: %u rounds\n", (unsigned long long)w->cfg.seed,
		       round + 1);
		fflush(stdout);
	}
	if (round % 8 == 7)
		replace_shared(t, (int)(round / 8 % NR_SHARED));
	if (is_over(w, round + 1, end))
		atomic_store(&w->stop, true);
	else
		(void)sim_kswapd_start(w->sim, w->cfg.frames / 16);
	atomic_store(&w->arrived, 0);
}

/* ---------------------------------------------------------------- threads ------------------- */

static void *cpu_main(void *arg)
{
	struct thread *t = arg;
	struct world *w = t->w;
	double end = now() + w->cfg.seconds;

	t->held = sim_held_locks();
	for (unsigned round = 0; !atomic_load(&w->stop); round++) {
		for (unsigned i = 0; i < w->cfg.ops; i++)
			one_op(t);
		atomic_store(&t->doing, "check all");
		t->aim.on = false;
		for (unsigned k = 0; round % 4 == 3 && k < t->nr_own; k++)
			check_all(t, t->own[k]);
		for (unsigned k = 0; round % 4 == 3 && k < NR_SHARED; k++)
			check_all(t, w->shared[k]);
		atomic_store(&t->doing, "barrier");
		atomic_fetch_add(&w->arrived, 1);
		pthread_barrier_wait(&w->barrier);
		if (t->nr == 0)
			rest(t, round, end);
		pthread_barrier_wait(&w->barrier);
	}
	atomic_store(&t->doing, "the end");
	unpin_all(t);
	frames_free_all(t);
	while (t->nr_own)
		proc_destroy(t, t->own[--t->nr_own]);
	return NULL;
}

/* Swap devices come and go. */
static void administrate(struct thread *t)
{
	struct world *w = t->w;
	unsigned area;
	int err;

	atomic_store(&t->doing, "swapon");
	RETRY(t, err, om_swapon(w->sys, &sim_store_ops, w->swap[1], MORE_SWAP_SLOTS, 1, &area));
	CHECK(t, !err, "swapon: %d", err);
	nap(1 + below(t, 20000));
	atomic_store(&t->doing, "swapoff");
	while ((err = om_swapoff(w->sys, area))) {
		CHECK(t, err == -OM_ENOMEM, "swapoff: %d", err);
		atomic_fetch_add(&w->swapoff_failures, 1);
		out_of_memory(t);
		nap(1000);
	}
	atomic_fetch_add(&w->swapoffs, 1);
	atomic_fetch_add(&t->ops, 1);
}

static void *admin_main(void *arg)
{
	struct thread *t = arg;
	struct world *w = t->w;

	t->held = sim_held_locks();
	while (!atomic_load(&w->stop)) {
		while (atomic_load(&w->arrived) < w->nr_threads)
			administrate(t);
		atomic_store(&t->doing, "barrier");
		pthread_barrier_wait(&w->barrier);
		pthread_barrier_wait(&w->barrier);
	}
	return NULL;
}

/* ---------------------------------------------------------------- watchdog ------------------ */

static void print_thread(const struct thread *t)
{
	const struct om_held *held = t->held;

	fprintf(stderr, "  CPU %u, after %llu operations, in \"%s\"\n", t->nr,
	        (unsigned long long)atomic_load(&t->ops), atomic_load(&t->doing));
	for (unsigned i = 0; held && i < held->depth; i++)
		fprintf(stderr, "    holds or waits for lock %p, rank %u\n", held->entry[i].lock,
		        held->entry[i].rank);
}

/* The administrator's does not count: there is always something for it to do. */
static uint64_t progress(const struct world *w)
{
	uint64_t sum = 0;

	for (unsigned i = 0; i < w->nr_threads; i++)
		sum += atomic_load(&w->thread[i].ops);
	return sum;
}

static _Noreturn void hangs(const struct world *w)
{
	fprintf(stderr, "threads: seed %llu: nothing moves\n", (unsigned long long)w->cfg.seed);
	for (unsigned i = 0; i < w->nr_threads; i++)
		print_thread(&w->thread[i]);
	print_thread(&w->admin);
	abort();
}

/* The state of a thread of this program: R, S, D... */
static char state_of(const char *tid)
{
	char path[64], line[256], *end;
	FILE *file;
	size_t n;

	snprintf(path, sizeof(path), "/proc/self/task/%.16s/stat", tid);
	file = fopen(path, "r");
	if (!file)
		return 'S'; /* it has just ended */
	n = fread(line, 1, sizeof(line) - 1, file);
	line[n] = 0;
	fclose(file);
	end = strrchr(line, ')'); /* of the name */
	return end ? end[2] : 'R';
}

/* Does no thread want a CPU, but the caller? A host that does not tell: false. */
static bool all_sleep(void)
{
	DIR *dir = opendir("/proc/self/task");
	struct dirent *entry;
	unsigned awake = 0;

	if (!dir)
		return false;
	while ((entry = readdir(dir)))
		if (entry->d_name[0] != '.' && strchr("RD", state_of(entry->d_name)))
			awake++;
	closedir(dir);
	return awake <= 1;
}

/*
 * The clock does not tell a hanging program from a machine that has other work, nor does CPU time
 * that is not used: there may be none. Hanging is to use much CPU time and come to no end, or to
 * sleep, all threads, mostly when the watchdog looks. (The administrator wakes up now and then.)
 */
static void *watch_main(void *arg)
{
	struct world *w = arg;
	double start = 0; /* CPU time when something moved last */
	uint64_t before = UINT64_MAX;
	unsigned looks = 0, asleep = 0; /* since then */

	while (!atomic_load(&w->stop)) {
		uint64_t sum = progress(w);

		if (sum != before) {
			start = seconds_of(CLOCK_PROCESS_CPUTIME_ID);
			looks = asleep = 0;
		}
		before = sum;
		looks++;
		asleep += all_sleep();
		if (seconds_of(CLOCK_PROCESS_CPUTIME_ID) - start > HANG_SECONDS ||
		    (asleep > HANG_LOOKS && 2 * asleep > looks))
			hangs(w);
		nap(100000);
	}
	return NULL;
}

/* ---------------------------------------------------------------- a variant ----------------- */

static void thread_init(struct world *w, struct thread *t, unsigned nr)
{
	t->w = w;
	t->nr = nr;
	t->cpu = sim_cpu(w->sim, nr);
	sim_rand_seed(&t->rand, w->cfg.seed * 1000 + nr);
	atomic_store(&t->doing, "start");
}

static struct world *world_new(const struct config *cfg)
{
	struct world *w = calloc(1, sizeof(*w));

	w->cfg = *cfg;
	w->nr_threads = cfg->cpus;
	w->sim = sim_create(&(struct sim_config){.nr_frames = cfg->frames,
	                                         .nr_cpus = cfg->cpus + 1,
	                                         .swap_cluster = cfg->cluster,
	                                         .junk = true,
	                                         .ops = jitter_ops(cfg->jitter)});
	w->sys = sim_system(w->sim);
	w->sys->eager = cfg->seed % 4; /* or else writers come too often */
	om_set_huge(w->sys, OM_HUGE_ALWAYS);
	w->sys->hold = 2 + (unsigned)(cfg->seed % 8); /* walks let others in all the time */
	w->scratch = calloc(cfg->frames, 8);
	pthread_mutex_init(&w->lock, NULL);
	pthread_mutex_init(&w->lock_all, NULL);
	pthread_barrier_init(&w->barrier, NULL, cfg->cpus + 1);
	atomic_store(&w->serial, 1);
	/* Page tables are never reclaimed: leave most of the memory to data. */
	atomic_store(&w->max_procs, NR_SHARED + 1 + cfg->frames / 48);
	atomic_store(&w->max_pins, cfg->frames / 24);
	for (unsigned i = 0; i < cfg->cpus; i++)
		thread_init(w, &w->thread[i], i);
	thread_init(w, &w->admin, cfg->cpus);
	return w;
}

static void world_fill(struct world *w)
{
	struct thread *t = &w->thread[0];
	int err;

	for (unsigned i = 0; i < 2; i++) {
		w->swap[i] = sim_store_ram();
		sim_store_latency(w->swap[i], w->cfg.latency, w->cfg.latency);
	}
	err = om_swapon(w->sys, &sim_store_ops, w->swap[0], SWAP_SLOTS, 0, &w->area);
	CHECK(t, !err, "swapon: %d", err);
	for (unsigned i = 0; i < NR_FILES; i++)
		w->file[i] = file_new(t, i == 1, i % w->nr_threads, FILE_PAGES);
	for (int i = 0; i < NR_SHARED; i++)
		w->shared[i] = proc_new(t, i);
}

/* Everything goes, and nothing may be left. */
static void world_end(struct world *w)
{
	struct thread *t = &w->thread[0];
	struct proc *p;
	int err;

	atomic_store(&t->doing, "the end");
	for (int i = 0; i < NR_SHARED; i++)
		proc_destroy(t, w->shared[i]);
	while ((p = w->pool)) {
		w->pool = p->next;
		proc_destroy(t, p);
	}
	for (unsigned i = 0; i < NR_FILES; i++)
		file_put(t, w->file[i]);
	err = om_swapoff(w->sys, w->area);
	CHECK(t, !err, "the last swapoff: %d", err);
	err = sim_destroy(w->sim);
	CHECK(t, !err, "something is left: %d", err);
	sim_store_free(w->swap[0]);
	sim_store_free(w->swap[1]);
	pthread_barrier_destroy(&w->barrier);
	free(w->scratch);
	free(w);
}

static void report(struct world *w, double seconds)
{
	uint64_t ops = 0, exact = 0, reads = 0, writes = 0, oom = 0;
	struct om_sysinfo info;

	om_sysinfo(w->sys, &info);
	for (unsigned i = 0; i < w->nr_threads; i++) {
		const struct thread *t = &w->thread[i];

		ops += atomic_load(&t->ops);
		exact += t->exact;
		reads += t->reads;
		writes += t->writes;
		oom += t->oom;
	}
	printf("threads: seed %llu, %u CPUs, %u frames: %llu operations in %.1f s, %llu reads "
	       "(%llu exact), %llu writes, "
	       "%llu times no memory; %llu forks, %llu pages to swap, %llu back, %llu tables "
	       "moved, %llu swapoffs\n",
	       (unsigned long long)w->cfg.seed, w->nr_threads, w->cfg.frames,
	       (unsigned long long)ops, seconds, (unsigned long long)reads,
	       (unsigned long long)exact, (unsigned long long)writes, (unsigned long long)oom,
	       (unsigned long long)info.event[OM_EV_FORK],
	       (unsigned long long)info.event[OM_EV_PSWPOUT],
	       (unsigned long long)info.event[OM_EV_PSWPIN],
	       (unsigned long long)info.event[OM_EV_TABLE_MOVE],
	       (unsigned long long)atomic_load(&w->swapoffs));
	for (unsigned k = 0; w->cfg.verbose && k < OM_NR_EVENTS; k++)
		printf("  %s %llu", om_event_name((enum om_event)k),
		       (unsigned long long)info.event[k]);
	for (unsigned k = 0; w->cfg.verbose && k < NR_OPS; k++) {
		uint64_t n = 0;

		for (unsigned i = 0; i < w->nr_threads; i++)
			n += w->thread[i].count[k];
		printf("\n  %8llu %s", (unsigned long long)n, op[k].name);
	}
	if (w->cfg.verbose)
		putchar('\n');
	fflush(stdout);
}

static void run(const struct config *cfg)
{
	struct world *w = world_new(cfg);
	pthread_t watch;
	double start = now();

	world_fill(w);
	(void)sim_kswapd_start(w->sim, cfg->frames / 16);
	for (unsigned i = 0; i < w->nr_threads; i++)
		pthread_create(&w->thread[i].pthread, NULL, cpu_main, &w->thread[i]);
	pthread_create(&w->admin.pthread, NULL, admin_main, &w->admin);
	pthread_create(&watch, NULL, watch_main, w);
	for (unsigned i = 0; i < w->nr_threads; i++)
		pthread_join(w->thread[i].pthread, NULL);
	pthread_join(w->admin.pthread, NULL);
	pthread_join(watch, NULL);
	report(w, now() - start);
	world_end(w);
}

/* ---------------------------------------------------------------- options ------------------- */

static void run_all(const struct config *given)
{
	static const struct {
		unsigned cpus, frames, cluster, latency, jitter, rounds;
	} variant[] = {{4, 512, 3, 0, 0, 40},
	               {8, 768, 3, 20, 500, 12},
	               {6, 1024, 0, 0, 50, 5},
	               {6, 2560, 3, 0, 50, 10},  /* with frames in caches */
	               {16, 9216, 3, 0, 50, 1}}; /* so, with many CPUs */
	unsigned n = sizeof(variant) / sizeof(variant[0]);

	generations();
	for (unsigned i = 0; i < n; i++) {
		struct config cfg = *given;

		cfg.seed += i;
		cfg.cpus = variant[i].cpus;
		cfg.frames = variant[i].frames;
		cfg.cluster = variant[i].cluster;
		cfg.latency = variant[i].latency;
		cfg.jitter = variant[i].jitter;
		cfg.seconds /= n;
		if (!cfg.seconds && !cfg.rounds)
			cfg.rounds = variant[i].rounds;
		run(&cfg);
	}
}

static void usage(void)
{
	fprintf(stderr,
	        "usage: threads [--seed N] [--cpus N] [--frames N] [--seconds N | --rounds "
	        "N] [--ops N]\n"
	        "               [--cluster N] [--latency MICROSECONDS] [--jitter N] [--verbose]\n");
	exit(2);
}

int main(int argc, char **argv)
{
	static const struct option options[] = {{"seed", required_argument, NULL, 's'},
	                                        {"cpus", required_argument, NULL, 'c'},
	                                        {"frames", required_argument, NULL, 'f'},
	                                        {"seconds", required_argument, NULL, 't'},
	                                        {"rounds", required_argument, NULL, 'r'},
	                                        {"ops", required_argument, NULL, 'o'},
	                                        {"cluster", required_argument, NULL, 'k'},
	                                        {"latency", required_argument, NULL, 'l'},
	                                        {"jitter", required_argument, NULL, 'j'},
	                                        {"verbose", no_argument, NULL, 'v'},
	                                        {NULL, 0, NULL, 0}};
	struct config cfg = {.seed = 1, .ops = 1000, .cluster = 3};
	int c;

	while ((c = getopt_long(argc, argv, "s:c:f:t:r:o:k:l:j:n:v", options, NULL)) != -1) {
		unsigned long n = optarg ? strtoul(optarg, NULL, 0) : 0;

		switch (c) {
		case 's':
			cfg.seed = n;
			break;
		case 'c':
			cfg.cpus = (unsigned)n;
			break;
		case 'f':
			cfg.frames = (unsigned)n;
			break;
		case 't':
			cfg.seconds = (double)n;
			break;
		case 'r':
			cfg.rounds = (unsigned)n;
			break;
		case 'n': /* operations of each CPU */
			cfg.rounds = (unsigned)(n / cfg.ops + 1);
			break;
		case 'o':
			cfg.ops = (unsigned)n;
			break;
		case 'k':
			cfg.cluster = (unsigned)n;
			break;
		case 'l':
			cfg.latency = (unsigned)n;
			break;
		case 'j':
			cfg.jitter = (unsigned)n;
			break;
		case 'v':
			cfg.verbose = true;
			break;
		default:
			usage();
		}
	}
	if (cfg.cpus > MAX_THREADS || (cfg.cpus && cfg.cpus < 2) || !cfg.ops)
		usage();
	regions_init();
	if (!cfg.cpus && !cfg.frames) {
		run_all(&cfg);
		return 0;
	}
	cfg.cpus = cfg.cpus ? cfg.cpus : 4;
	if (!cfg.frames)
		cfg.frames = cfg.cpus <= 8 ? 512 : 576 * cfg.cpus; /* so many have caches */
	if (!cfg.seconds && !cfg.rounds)
		cfg.rounds = 20;
	run(&cfg);
	return 0;
}
