/*
 * rows.c: the operations that are measured, each as what one CPU does in a table's range of its
 * own.
 *
 * Tables and areas exist before the operations begin: scale.c maps the ranges and touches the last
 * page of each, which no operation uses. Where a row says so, operations undo what the last one
 * did.
 */
#include "rows.h"

#include "calls.h"

#define PAGES 256u /* of a range that operations use, one each */
#define RW    (OM_PROT_READ | OM_PROT_WRITE)

/* ---------------------------------------------------------------- helpers ------------------- */

static void fault(struct job *job, uintptr_t addr, enum om_access access)
{
	MUST(om_fault(job->mm, addr, access) > OM_FAULT_MAJOR);
}

static uintptr_t page(const struct job *job, unsigned i)
{
	return job->addr + i * PAGE;
}

/* Write to the first n pages of a job's range. */
static void touch(struct job *job, unsigned n)
{
	scale_cpu(job->cpu);
	for (unsigned i = 0; i < n; i++)
		fault(job, page(job, i), OM_WRITE);
}

static void end_child(struct job *job)
{
	if (job->child)
		om_mm_destroy(job->child);
	job->child = NULL;
}

/* The answer goes to the stack: a job's memory would be counted. */
static void fork_job(struct job *job)
{
	struct om_mm *child;

	MUST(om_fork(job->mm, NULL, &child));
	job->child = child;
}

/* ---------------------------------------------------------------- anonymous memory ---------- */

static void empty(struct scene *scene)
{
	for (unsigned k = 0; k < scene->cpus; k++) {
		struct job *job = &scene->job[k];

		scale_cpu(k);
		MUST(om_madvise(job->mm, job->addr, PAGES * PAGE, OM_MADV_DONTNEED));
	}
}

static void write_page(struct job *job, unsigned i)
{
	fault(job, page(job, i), OM_WRITE);
}

static void read_page(struct job *job, unsigned i)
{
	fault(job, page(job, i), OM_READ);
}

/*
 * Side by side: every eight pages, whose entries are one line, belong to another CPU. All CPUs are
 * in one table at a time.
 */
static uintptr_t beside(const struct job *job, unsigned cpus, unsigned i)
{
	return job->addr + ((i / 8 * cpus + job->cpu) * 8 + i % 8) * PAGE;
}

/* All jobs have the same first address. */
static unsigned cpus_beside;

static void empty_beside(struct scene *scene)
{
	cpus_beside = scene->cpus;
	for (unsigned k = 0; k < scene->cpus; k++)
		for (unsigned i = 0; i < PAGES; i += 8) {
			scale_cpu(k);
			MUST(om_madvise(scene->job[k].mm, beside(&scene->job[k], scene->cpus, i),
			                8 * PAGE, OM_MADV_DONTNEED));
		}
}

static void write_beside(struct job *job, unsigned i)
{
	fault(job, beside(job, cpus_beside, i), OM_WRITE);
}

static void present(struct scene *scene)
{
	for (unsigned k = 0; k < scene->cpus; k++)
		touch(&scene->job[k], PAGES);
}

/* ---------------------------------------------------------------- copy on write ------------- */

/* Every process has a child, or the one address space has. */
static void fork_all(struct scene *scene)
{
	unsigned parents = scene->one ? 1 : scene->cpus;

	for (unsigned k = 0; k < parents; k++) {
		scale_cpu(k);
		end_child(&scene->job[k]);
	}
	present(scene);
	for (unsigned k = 0; k < parents; k++) {
		scale_cpu(k);
		fork_job(&scene->job[k]);
	}
}

/*
 * Each had a child, which has ended; and has written something meanwhile, or the child would have
 * left nothing to be reused: the table would be as before.
 */
static void fork_and_end_all(struct scene *scene)
{
	fork_all(scene);
	for (unsigned k = 0; k < scene->cpus; k++) {
		scale_cpu(k);
		fault(&scene->job[k], page(&scene->job[k], 511), OM_WRITE);
		end_child(&scene->job[k]);
	}
}

/* ---------------------------------------------------------------- files --------------------- */

#define AROUND 16u /* pages that a read fault maps */

/* All of the file is in memory, and nothing is mapped but the last pages of each range. */
static void cached(struct scene *scene)
{
	for (unsigned k = 0; k < scene->cpus; k++) {
		struct job *job = &scene->job[k];

		scale_cpu(k);
		for (unsigned i = 0; i < 512; i++)
			fault(job, page(job, i), OM_READ);
		MUST(om_madvise(job->mm, job->addr, (512 - AROUND) * PAGE, OM_MADV_DONTNEED));
	}
}

static void read_around(struct job *job, unsigned i)
{
	fault(job, page(job, i * AROUND), OM_READ);
}

/* ---------------------------------------------------------------- areas --------------------- */

#define FEW 8u /* pages present of what is unmapped */

/* An area of its own for what is mapped and unmapped: a hole behind it. */
static void separate_areas(struct scene *scene)
{
	for (unsigned k = 0; k < scene->cpus; k++) {
		scale_cpu(k);
		MUST(
		    om_munmap(scene->job[k].mm, page(&scene->job[k], PAGES), (511 - PAGES) * PAGE));
	}
}

static void touch_few(struct job *job, unsigned i)
{
	(void)i;
	touch(job, FEW);
}

static void unmap_and_map(struct job *job, unsigned i)
{
	uintptr_t addr = job->addr;

	(void)i;
	MUST(om_munmap(job->mm, addr, PAGES * PAGE));
	MUST(do_mmap(job->mm, &addr, PAGES * PAGE, RW, OM_MAP_PRIVATE | OM_MAP_FIXED, NULL, 0));
}

/* What threads do who give memory back and use it again. */
static void discard(struct job *job, unsigned i)
{
	(void)i;
	MUST(om_madvise(job->mm, job->addr, PAGES * PAGE, OM_MADV_DONTNEED));
}

/* ---------------------------------------------------------------- fork and exit ------------- */

#define FORKED 16u /* pages of the parent */

static void forkable(struct scene *scene)
{
	for (unsigned k = 0; k < scene->cpus; k++) {
		scale_cpu(k);
		end_child(&scene->job[k]);
		touch(&scene->job[k], FORKED);
	}
}

/* The last child has ended, and the parent's pages are its own again. */
static void alone(struct job *job, unsigned i)
{
	(void)i;
	end_child(job);
	touch(job, FORKED);
}

static void fork_one(struct job *job, unsigned i)
{
	(void)i;
	fork_job(job);
}

static void with_child(struct job *job, unsigned i)
{
	alone(job, i);
	fork_job(job);
}

static void exit_one(struct job *job, unsigned i)
{
	(void)i;
	end_child(job);
}

/* ---------------------------------------------------------------- swap ---------------------- */

static void swapped(struct scene *scene)
{
	present(scene);
	for (unsigned k = 0; k < scene->cpus; k++) {
		struct job *job = &scene->job[k];

		scale_cpu(k);
		MUST(om_madvise(job->mm, job->addr, PAGES * PAGE, OM_MADV_PAGEOUT));
	}
}

static void swap_out(struct job *job, unsigned i)
{
	MUST(om_madvise(job->mm, page(job, i), PAGE, OM_MADV_PAGEOUT));
}

/* ---------------------------------------------------------------- the rows ------------------ */

const struct row rows[] = {
    {"anon-write", .separate = true, .one = true, .operations = PAGES, .ready = empty,
     .operation = write_page},
    {"anon-write-one-table", .one = true, .together = true, .operations = PAGES,
     .ready = empty_beside, .operation = write_beside},
    {"zero-read", .separate = true, .one = true, .operations = PAGES, .ready = empty,
     .operation = read_page},
    {"cow-copy", .separate = true, .one = true, .operations = PAGES, .ready = fork_all,
     .operation = write_page},
    {"cow-reuse", .separate = true, .one = true, .operations = PAGES, .ready = fork_and_end_all,
     .operation = write_page},
    {"spurious", .separate = true, .one = true, .operations = PAGES, .ready = present,
     .operation = write_page},
    {"file-read", .separate = true, .one = true, .file = true, .operations = 512 / AROUND - 1,
     .ready = cached, .operation = read_around},
    {"munmap-mmap", .separate = true, .one = true, .operations = 64, .ready = separate_areas,
     .before = touch_few, .operation = unmap_and_map},
    {"discard", .separate = true, .one = true, .operations = 64, .ready = empty,
     .before = touch_few, .operation = discard},
    {"fork", .separate = true, .operations = 32, .ready = forkable, .before = alone,
     .operation = fork_one},
    {"exit", .separate = true, .operations = 32, .ready = forkable, .before = with_child,
     .operation = exit_one},
    {"swap-out", .separate = true, .swap = true, .operations = PAGES, .ready = present,
     .operation = swap_out},
    {"swap-in", .separate = true, .swap = true, .operations = PAGES, .ready = swapped,
     .operation = write_page},
};
const unsigned nr_rows = sizeof(rows) / sizeof(*rows);
