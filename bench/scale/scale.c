/*
 * scale.c: plays operations of the library on many CPUs, on the sim port.
 *
 *     scale-lines [OPTIONS OF THE METER] CPUS...
 *     ROW=name                                    in the environment: only this row
 *
 * The CPUs take turns, an operation each, on one thread: nothing depends on time, and two runs give
 * the same. In each round they come in another order, by lot, or else which of them gets
 * neighbouring frames would depend on whether numbers are even. Nobody ever waits for a lock; what
 * counts is which lines would have travelled. Every case has a machine of its own. Its operations
 * are played twice, and counted the second time: by then tables and caches are what they are in a
 * system that has been running for a while.
 *
 * Each CPU has a shard of its own, and plays as itself. Flushes do nothing: their cost is the
 * port's.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "calls.h"
#include "om_arch.h"
#include "rows.h"

static unsigned long flushes;
static bool counting;

/* ---------------------------------------------------------------- for rows and meters ------- */

void must(int answer, const char *call)
{
	if (!answer)
		return;
	fprintf(stderr, "bench-scale: %s = %d\n", call, answer);
	exit(1);
}

void scale_cpu(unsigned cpu)
{
	sim_this_cpu = cpu;
}

void scale_print(const struct scale_case *what, const char *metric, double value)
{
	printf("%s %s %u %s %.3f\n", what->name, what->one ? "one" : "separate", what->cpus, metric,
	       value);
}

/* ---------------------------------------------------------------- the scene ----------------- */

static void no_flush(void *ctx, struct om_mm *mm, uintptr_t start, uintptr_t end,
                     enum om_flush what)
{
	(void)ctx, (void)mm, (void)start, (void)end, (void)what;
	flushes += counting;
}

/* Where job k's 2 MiB are: threads have no neighbours, so each has an area of its own. */
static uintptr_t range(const struct row *row, bool one, unsigned k)
{
	return 0x40000000ul + (one && !row->together ? 2 * k * TABLE_SPAN : 0);
}

static void map_range(const struct row *row, struct scene *scene, struct job *job)
{
	size_t len = row->together ? scene->cpus * TABLE_SPAN : TABLE_SPAN;
	int flags = (scene->file ? OM_MAP_SHARED : OM_MAP_PRIVATE) | OM_MAP_FIXED;

	MUST(do_mmap(job->mm, &job->addr, len, OM_PROT_READ | OM_PROT_WRITE, flags, scene->file,
	             job->cpu * TABLE_SPAN));
	for (uintptr_t end = TABLE_SPAN; end <= len; end += TABLE_SPAN)
		MUST(om_fault(job->mm, job->addr + end - PAGE, OM_WRITE) > OM_FAULT_MAJOR);
}

static void build(const struct row *row, struct scene *scene)
{
	if (row->file)
		MUST(om_mapping_create(scene->sys, NULL, NULL, scene->cpus * TABLE_SPAN,
		                       &scene->file));
	for (unsigned k = 0; k < scene->cpus; k++) {
		struct job *job = &scene->job[k];

		scale_cpu(k);
		*job = (struct job){.cpu = k, .addr = range(row, scene->one, k)};
		if (scene->one && k)
			job->mm = scene->job[0].mm;
		else
			MUST(om_mm_create(scene->sys, &sim_layout, NULL, &job->mm));
		if (!row->together || !k)
			map_range(row, scene, job);
	}
}

static void tear_down(struct scene *scene)
{
	for (unsigned k = 0; k < scene->cpus; k++) {
		if (scene->job[k].child)
			om_mm_destroy(scene->job[k].child);
		if (!scene->one || !k)
			om_mm_destroy(scene->job[k].mm);
	}
	if (scene->file)
		om_mapping_put(scene->file);
}

/* ---------------------------------------------------------------- playing ------------------- */

static void shuffle(unsigned *order, unsigned n, struct sim_rand *lots)
{
	for (unsigned i = 0; i < n; i++) {
		unsigned k = (unsigned)sim_rand_below(lots, i + 1);

		order[i] = order[k];
		order[k] = i;
	}
}

static void turn(const struct row *row, struct job *job, unsigned i, bool count)
{
	scale_cpu(job->cpu);
	if (row->before)
		row->before(job, i);
	counting = count;
	if (count)
		meter_begin(job->cpu);
	row->operation(job, i);
	if (count)
		meter_end();
	counting = false;
}

static void play(const struct row *row, struct scene *scene, bool count)
{
	unsigned order[SCALE_CPUS];
	struct sim_rand lots;

	sim_rand_seed(&lots, 1);
	row->ready(scene);
	if (count)
		meter_start(scene->sys);
	for (unsigned i = 0; i < row->operations; i++) {
		shuffle(order, scene->cpus, &lots);
		for (unsigned k = 0; k < scene->cpus; k++)
			turn(row, &scene->job[order[k]], i, count);
	}
}

static void measure(const struct row *row, bool one, unsigned cpus)
{
	static struct scene scene;
	struct om_port_ops ops = sim_port_ops;
	struct sim_config config = {.nr_frames = 8192 + cpus * 1200,
	                            .nr_cpus = cpus,
	                            .swap_cluster = 3,
	                            .mode = SIM_X86,
	                            .seed = 1,
	                            .ops = &ops};
	struct scale_case what = {row->name, one, cpus};
	unsigned long operations = (unsigned long)row->operations * cpus;
	struct sim_store *swap = sim_store_ram();
	struct sim *sim;
	unsigned device;

	ops.flush = no_flush;
	ops.flush_local = NULL; /* as on x86: nothing is kept of what faulted */
	sim = sim_create(&config);
	MUST(!sim || !swap);
	scene = (struct scene){.cpus = cpus, .one = one, .sys = sim_system(sim)};
	if (row->swap)
		MUST(om_swapon(scene.sys, &sim_store_ops, swap, cpus * 1024, 0, &device));
	build(row, &scene);
	play(row, &scene, false);
	flushes = 0;
	play(row, &scene, true);
	meter_report(&what, operations);
	scale_print(&what, "flushes", (double)flushes / operations);
	fflush(stdout);
	tear_down(&scene);
	if (row->swap)
		MUST(om_swapoff(scene.sys, device));
	MUST(sim_destroy(sim));
	sim_store_free(swap);
}

static void measure_all(unsigned cpus)
{
	const char *only = getenv("ROW");

	if (cpus < 1 || cpus > SCALE_CPUS) {
		fprintf(stderr, "bench-scale: 1 to %d CPUs\n", SCALE_CPUS);
		exit(2);
	}
	for (unsigned i = 0; i < nr_rows; i++) {
		if (only && *only && strcmp(only, rows[i].name))
			continue;
		if (rows[i].separate)
			measure(&rows[i], false, cpus);
		if (rows[i].one)
			measure(&rows[i], true, cpus);
	}
}

int main(int argc, char **argv)
{
	int first = meter_options(argc, argv);

	if (!first)
		return 0;
	for (int i = first; i < argc; i++)
		measure_all((unsigned)strtoul(argv[i], NULL, 10));
	return 0;
}
