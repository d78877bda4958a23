/*
 * families.c: families of processes as they exist.
 */
#include "stage.h"
#include "workloads.h"

/* Numbers that look random, the same in each run. */
static unsigned below(unsigned n)
{
	static struct sim_rand rand = {1};

	return (unsigned)sim_rand_below(&rand, n);
}

/* Every `step`-th page from `first` on. */
static void write_some(struct proc *p, uintptr_t addr, size_t pages, size_t first, size_t step)
{
	for (size_t i = first; i < pages; i += step)
		stage_write(p, addr + i * PAGE, 1);
}

/* ---------------------------------------------------------------- Android ------------------- */

/*
 * A zygote with its libraries and classes; `n` apps are forked from it and work in memory of their
 * own; each fourth forks a helper; a third of them goes when memory is short.
 */
static void zygote(unsigned n)
{
	enum { LIBRARIES = 64, CODE = 8, CLASSES = 2048, OWN = 512 };
	struct proc *p, *app[256], *helper;
	uintptr_t classes, own;

	n = n < 256 ? n : 256;
	stage_open(n * 1400 + 8192, LIBRARIES * CODE);
	p = stage_exec();
	for (unsigned i = 0; i < LIBRARIES; i++)
		stage_read(p, stage_map(p, CODE, FILE_PRIVATE, i * CODE), CODE);
	classes = stage_map(p, CLASSES, ANON, 0);
	stage_write(p, classes, CLASSES);
	for (unsigned i = 0; i < n; i++) {
		app[i] = stage_fork(p);
		own = stage_map(app[i], OWN, ANON, 0);
		stage_write(app[i], own, OWN);
		write_some(app[i], classes, CLASSES, i % 16, 16);
		if (i % 4)
			continue;
		helper = stage_fork(app[i]);
		write_some(helper, own, OWN, 0, 8);
	}
	stage_survey();
	stage_reclaim(256);
	for (unsigned i = 0; i < n; i += 3)
		stage_exit(app[i]);
	for (unsigned i = 1; i < n; i += 3)
		stage_read(app[i], classes, CLASSES);
	stage_close();
}

/* ---------------------------------------------------------------- a web server -------------- */

/* 32 workers take requests; one that has served 64 is replaced by a new one. */
static void prefork(unsigned n)
{
	enum { WORKERS = 32, SHARED = 1024, SCRATCH = 16 };
	struct proc *master, *worker[WORKERS];
	uintptr_t heap, scratch;

	stage_open(WORKERS * 400 + 8192, 0);
	master = stage_exec();
	heap = stage_map(master, SHARED, ANON, 0);
	stage_write(master, heap, SHARED);
	for (unsigned i = 0; i < WORKERS; i++)
		worker[i] = stage_fork(master);
	for (unsigned i = 0; i < n; i++) {
		struct proc **w = &worker[i % WORKERS];

		if (i / WORKERS % 64 == i % WORKERS) {
			stage_exit(*w);
			*w = stage_fork(master);
		}
		scratch = stage_map(*w, SCRATCH, ANON, 0);
		stage_write(*w, scratch, SCRATCH);
		stage_read(*w, heap + below(SHARED - 8) * PAGE, 8);
		stage_write(*w, heap + below(SHARED) * PAGE, 1);
		stage_unmap(*w, scratch, SCRATCH);
		if (i == n / 2) {
			stage_survey();
			stage_reclaim(256);
		}
	}
	stage_close();
}

/* ---------------------------------------------------------------- a database ---------------- */

/* It forks to save `n` pages, and goes on writing; the child reads all; memory is short. */
static void snapshot(unsigned n)
{
	struct proc *db, *saver;
	uintptr_t data;

	n += n % 2;
	stage_open(n + n / 2 + 2048, 0);
	db = stage_exec();
	data = stage_map(db, n, ANON, 0);
	stage_write(db, data, n);
	for (unsigned round = 0; round < 4; round++) {
		saver = stage_fork(db);
		for (unsigned i = 0; i < n; i += 2) {
			stage_write(db, data + below(n) * PAGE, 1);
			stage_read(saver, data + i * PAGE, 2);
		}
		if (round == 1)
			stage_survey();
		stage_reclaim(n / 32);
		stage_exit(saver);
	}
	stage_close();
}

/* ---------------------------------------------------------------- a compiler driver --------- */

/* It forks and executes `n` programs, each of which reads its text and writes to memory. */
static void driver(unsigned n)
{
	enum { OWN = 256, TEXT = 128, WORK = 128 };
	struct proc *make, *child, *last = NULL;
	uintptr_t work;

	stage_open(8192, TEXT);
	make = stage_exec();
	stage_write(make, stage_map(make, OWN, ANON, 0), OWN);
	stage_read(make, stage_map(make, TEXT, FILE_PRIVATE, 0), TEXT);
	for (unsigned i = 0; i < n; i++) {
		child = stage_fork(make);
		stage_exec_over(child);
		stage_read(child, stage_map(child, TEXT, FILE_PRIVATE, 0), TEXT);
		work = stage_map(child, WORK, ANON, 0);
		stage_write(child, work, WORK);
		stage_unmap(child, work, WORK / 2);
		if (i == n / 2) {
			stage_survey();
			stage_reclaim(256);
		}
		if (last)
			stage_exit(last); /* two at a time, as with make -j2 */
		last = child;
	}
	stage_close();
}

/* ---------------------------------------------------------------- a collector --------------- */

/*
 * A heap of `n` pages, half of it shared with a child, is moved to the other space in blocks of 64
 * pages, and back: once in units that are not those of page tables, and once as whole tables.
 */
static void collector(unsigned n)
{
	enum { BLOCK = 64, TABLE = 512 };
	size_t pages = (n + TABLE - 1) / TABLE * TABLE;
	struct proc *p, *child;
	uintptr_t space, from, to;

	stage_open((om_pfn_t)pages * 4 + 8192, 0);
	p = stage_exec();
	space = stage_map(p, 2 * pages + 2 * TABLE, ANON, 0);
	from = (space + TABLE * PAGE - 1) & -(TABLE * PAGE);
	to = from + pages * PAGE;
	stage_write(p, from, pages);
	child = stage_fork(p);
	write_some(p, from, pages, 0, 2);
	for (size_t i = 0; i < pages; i += BLOCK)
		stage_move(p, from + i * PAGE, BLOCK, to + (i + BLOCK / 2) * PAGE);
	stage_survey();
	stage_reclaim(256);
	stage_read(p, to + BLOCK / 2 * PAGE, pages);
	stage_read(child, from, pages);
	stage_exit(child);
	stage_write(p, to + BLOCK / 2 * PAGE, pages);
	for (size_t i = 0; i < pages; i += BLOCK)
		stage_move(p, to + (i + BLOCK / 2) * PAGE, BLOCK, from + i * PAGE);
	for (size_t i = 0; i < pages; i += TABLE)
		stage_move(p, from + i * PAGE, TABLE, to + i * PAGE);
	stage_read(p, to, pages);
	stage_reclaim(256);
	stage_close();
}

/* ---------------------------------------------------------------- two of a thousand --------- */

/* A family of `n` in which one child alone has not written to pages that it shares with all. */
static void two_of_many(unsigned n)
{
	enum { COMMON = 16 };
	struct proc *parent, *child, *odd = NULL;
	uintptr_t common;

	stage_open(n * (COMMON + 8) + 8192, 0);
	parent = stage_exec();
	common = stage_map(parent, COMMON, ANON, 0);
	stage_write(parent, common, COMMON);
	for (unsigned i = 0; i < n; i++) {
		child = stage_fork(parent);
		if (i == n / 2)
			odd = child;
		else
			stage_write(child, common, COMMON);
	}
	stage_survey();
	stage_reclaim(COMMON * 16);
	stage_read(odd, common, COMMON);
	stage_close();
}

/* ---------------------------------------------------------------- areas and forks ----------- */

/* One process with 1000 areas; `n` children, which write to few of them, and live. */
static void areas_forks(unsigned n)
{
	enum { AREAS = 1000 };
	struct proc *parent, *child;
	uintptr_t areas;

	stage_open(n * (AREAS / 10 + 96) + 16384, 0);
	parent = stage_exec();
	areas = stage_map_apart(parent, AREAS);
	for (unsigned i = 0; i < AREAS; i++)
		stage_write(parent, areas + i * APART, 1);
	for (unsigned c = 0; c < n; c++) {
		child = stage_fork(parent);
		for (unsigned i = c % 10; i < AREAS; i += 10)
			stage_write(child, areas + i * APART, 1);
	}
	stage_survey();
	stage_reclaim(256);
	stage_close();
}

const struct workload families[] = {
    {"zygote", "an Android-like zygote and 24 apps", zygote, 24, 6},
    {"prefork", "a web server that forks its workers", prefork, 10000, 500},
    {"snapshot", "a database that saves itself by fork", snapshot, 8192, 512},
    {"driver", "a compiler driver: fork, exec, exit", driver, 500, 25},
    {"collector", "a collector that moves its heap by mremap", collector, 8192, 512},
    {"two_of_1000", "a page shared by two of a family of 1000", two_of_many, 1000, 50},
    {"areas_forks", "a process with 1000 areas, and 100 forks of it", areas_forks, 100, 10},
    {0},
};
