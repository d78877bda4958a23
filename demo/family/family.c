/*
 * family.c: `make family`. A family of processes that needs four times the memory of its machine.
 *
 * Four CPUs work on up to 48 processes, which fork, write, read, map files and shared memory, move,
 * lock, protect and drop memory, let a device write into pinned pages, and end. A real file on disk
 * is swap, another one is the file they all map. Every page has a tag, from which its bytes are
 * computed; each process remembers the tags its pages must have, and every look at a page compares
 * all its bytes. Now and then the world stops and om_verify() and the TLB checker have a look. At
 * the end all processes are compared in full, then taken down, and not one frame or swap slot may
 * be missing.
 *
 *     family [-t SECONDS] [-s SEED] [-d DIRECTORY]
 */
#include <getopt.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "family.h"

#define BATCH 32u /* operations on one process in a row */

/* Whoever wants the world to stand still comes first. */
struct family family = {.world = PTHREAD_RWLOCK_WRITER_NONRECURSIVE_INITIALIZER_NP};

static void *work(void *arg)
{
	struct worker *w = arg;

	while (!family.finished) {
		struct process *p = &family.process[sim_rand_below(&w->rand, PROCESSES)];

		pthread_rwlock_rdlock(&family.world);
		if (pthread_mutex_trylock(&p->lock) == 0) {
			for (unsigned i = 0; i < BATCH && p->mm; i++)
				one_operation(w, p);
			pthread_mutex_unlock(&p->lock);
		}
		pthread_rwlock_unlock(&family.world);
	}
	return NULL;
}

static struct sim_store *open_store(const char *directory, const char *name)
{
	char path[4096];
	struct sim_store *store;

	snprintf(path, sizeof(path), "%s/%s", directory, name);
	store = sim_store_file(path);
	if (!store)
		die("%s cannot be opened", path);
	/* The contents are of no use to anybody afterwards. */
	unlink(path);
	return store;
}

static void make_file(void)
{
	static unsigned char page[SIM_PAGE_SIZE];

	family.file_object = object_new(FILE_PAGES);
	for (unsigned i = 0; i < FILE_PAGES; i++) {
		family.file_object->tag[i] = (uint64_t)1 << 60 | i;
		fill_page(page, family.file_object->tag[i]);
		sim_store_poke(family.disk, i * SIM_PAGE_SIZE, page, SIM_PAGE_SIZE);
	}
	MUST(om_mapping_create(family.sys, &sim_store_ops, family.disk, FILE_PAGES * SIM_PAGE_SIZE,
	                       &family.file));
}

static void set_up(const char *directory)
{
	unsigned number;

	family.sim = need(sim_create(&(struct sim_config){
	    .nr_frames = RAM_FRAMES, .nr_cpus = CPUS, .swap_cluster = 3, .junk = true}));
	family.sys = sim_system(family.sim);
	family.swap = open_store(directory, "family.swap");
	family.disk = open_store(directory, "family.file");
	make_file();
	MUST(om_swapon(family.sys, &sim_store_ops, family.swap, SWAP_SLOTS, 0, &number));
	MUST(sim_kswapd_start(family.sim, RAM_FRAMES / 16));
	for (unsigned i = 0; i < PROCESSES; i++)
		pthread_mutex_init(&family.process[i].lock, NULL);
	for (unsigned i = 0; i < 4; i++)
		process_begin(&family.process[i]);
}

static void check_all_pages(struct worker *w)
{
	for (struct process *p = family.process; p < family.process + PROCESSES; p++) {
		for (unsigned k = 0; k < p->nr_areas; k++) {
			for (unsigned i = 0; i < p->area[k].pages; i++)
				check_page(w, p, &p->area[k], i);
		}
	}
	printf("all pages of all processes are as written\n");
}

static void check_disk(void)
{
	static unsigned char page[SIM_PAGE_SIZE], want[SIM_PAGE_SIZE];

	for (unsigned i = 0; i < FILE_PAGES; i++) {
		sim_store_peek(family.disk, i * SIM_PAGE_SIZE, page, SIM_PAGE_SIZE);
		fill_page(want, family.file_object->tag[i]);
		if (memcmp(page, want, SIM_PAGE_SIZE) != 0)
			die("page %u of the file on disk differs from what was written", i);
	}
}

/* Take all down: nothing may be left. */
static void tear_down(void)
{
	struct om_sysinfo info;

	sim_kswapd_stop(family.sim);
	verify();
	for (unsigned i = 0; i < PROCESSES; i++) {
		if (family.process[i].mm)
			process_end(&family.process[i]);
	}
	verify();
	MUST(om_mapping_sync(family.file, 0, 0));
	om_mapping_put(family.file);
	check_disk();
	om_sysinfo(family.sys, &info);
	if (info.swap_free != info.swap_slots)
		die("%u swap slots are lost", info.swap_slots - info.swap_free);
	MUST(om_swapoff(family.sys, 0));
	MUST(sim_destroy(family.sim));
	sim_store_free(family.swap);
	sim_store_free(family.disk);
	object_put(family.file_object);
}

int main(int argc, char **argv)
{
	static struct worker worker[CPUS];
	const char *directory = "build";
	pthread_t thread[CPUS];
	double seconds = 25;
	uint64_t seed = 1;
	unsigned peak;
	int c;

	while ((c = getopt(argc, argv, "t:s:d:")) != -1) {
		if (c == 't')
			seconds = atof(optarg);
		else if (c == 's')
			seed = strtoull(optarg, NULL, 0);
		else if (c == 'd')
			directory = optarg;
		else
			return 2;
	}
	set_up(directory);
	for (unsigned i = 0; i < CPUS; i++) {
		worker[i].cpu = sim_cpu(family.sim, i);
		worker[i].next_tag = (uint64_t)(i + 1) << 48;
		sim_rand_seed(&worker[i].rand, seed * CPUS + i);
		pthread_create(&thread[i], NULL, work, &worker[i]);
	}
	peak = watch(seconds);
	family.finished = true;
	for (unsigned i = 0; i < CPUS; i++)
		pthread_join(thread[i], NULL);
	report(peak);
	check_all_pages(&worker[0]);
	tear_down();
	printf("all as it should be\n");
	return 0;
}
