/*
 * t_pairs.c: everything against everything: each two calls of a list, in a family with memory of
 * all kinds, under a few schedules each. What was not thought of when the scenes were written has
 * its chance here.
 *
 * The oracle knows every byte: a page holds what it held at first, or what the tasks write to it
 * (900 more), or zeros if one of the calls makes zeros there; never anything else, and never parts
 * of two. Pages of files have a history (history.h): what was written last stays. And om_verify(),
 * and nothing is left.
 */
#include "calls.h"
#include "hazards.h"
#include "history.h"

#include <string.h>

#include "fail.h"

/* HERE: 8 anonymous pages, and 4 each of a private file, a shared file, and shared memory. */
#define ANON   0u
#define COPY   8u
#define SHARED 12u
#define SHMEM  16u
#define ALL    20u

static uintptr_t at(unsigned i)
{
	return HERE + PAGES(i);
}

static unsigned long first_tag(unsigned i)
{
	return i < COPY     ? 100 + i
	       : i < SHARED ? 200 + i - COPY
	       : i < SHMEM  ? 400 + i - SHARED
	                    : 600 + i - SHMEM;
}

static struct om_mapping *file_of(struct play *p, unsigned i)
{
	return p->r->file[i < SHARED ? 0 : i < SHMEM ? 1 : 2].mapping;
}

/* Of the pages of the three files, in the order of the areas. */
static struct history history[ALL - COPY];

static struct history *history_of(unsigned i)
{
	return &history[i - COPY];
}

/* Which pages may read as zeros, because of the calls that are played. */
enum { ZEROS_PRIVATE = 4, ZEROS_FILES = 8 };
static unsigned zeros;

static bool may_be_zero(unsigned i)
{
	return zeros & (i < COPY     ? ZEROS_PRIVATE
	                : i < SHARED ? ZEROS_PRIVATE | ZEROS_FILES
	                             : ZEROS_FILES);
}

static void everything(struct play *p)
{
	for (unsigned i = COPY; i < ALL; i++)
		history_init(history_of(i), first_tag(i), i < SHMEM);
	p->mm = rig_mm(p->r);
	rig_map(p->r, p->mm, at(ANON), 8, RIG_RW, OM_MAP_PRIVATE, NULL, 0);
	rig_map(p->r, p->mm, at(COPY), 4, RIG_RW, OM_MAP_PRIVATE, rig_file(p->r, 4, 200), 0);
	rig_map(p->r, p->mm, at(SHARED), 4, RIG_RW, OM_MAP_SHARED, rig_file(p->r, 4, 400), 0);
	rig_map(p->r, p->mm, at(SHMEM), 4, RIG_RW, OM_MAP_SHARED, rig_shmem(p->r, 4, 600), 0);
	for (unsigned i = 0; i < ALL; i++)
		if (i % 2 == 0 || i < COPY)
			rig_put(p->r, p->mm, at(i), 1, first_tag(i));
	p->child = rig_fork(p->r, p->mm, NULL);
	/* Of each kind some are in swap, some here; and some belong to one of the two alone. */
	rig_reclaim(p->r);
	rig_expect(p->r, p->mm, at(1), 3, 101);
	rig_expect(p->r, p->child, at(2), 3, 102);
	rig_put(p->r, p->mm, at(4), 2, 104);
	rig_expect(p->r, p->mm, at(COPY), 1, 200);
	rig_put(p->r, p->mm, at(SHARED), 1, 400);
	rig_expect(p->r, p->mm, at(SHMEM), 1, 600);
	rig_check(rig_swapon(p->r, 256) == 1);
	rig_ok(om_madvise(p->mm, at(0), PAGES(ALL), OM_MADV_COLD));
}

static void check_tag(unsigned i, unsigned long tag)
{
	if (tag == first_tag(i) || tag == first_tag(i) + 900 || (tag == 0 && may_be_zero(i)))
		return;
	/* remap_file_pages may show any page of the file. */
	for (unsigned n = SHARED; i >= SHARED && i < SHMEM && n < SHMEM; n++)
		if (tag == first_tag(n) || tag == first_tag(n) + 900)
			return;
	rig_fail(__FILE__, __LINE__, "page %u holds %lu", i, tag);
}

/* ---------------------------------------------------------------- failures ------------------ */

/*
 * What fails from the end of the setup to the check: nothing (kind 0), transfers (1-4) or
 * allocations (5); the k-th; and all after it.
 */
static struct {
	unsigned kind, k;
	bool forever;
} failing;

static void set_failures(struct play *p, unsigned long k)
{
	enum sim_transfer which = failing.kind % 2 ? SIM_READ : SIM_WRITE;

	if (failing.kind == 5) {
		if (k)
			sim_fail_arm(p->r->sys, k, failing.forever);
		else
			sim_fail_disarm();
		return;
	}
	for (unsigned i = 0; failing.kind && i < 2; i++)
		sim_store_fail(failing.kind <= 2 ? p->r->swap[i].store : p->r->file[i].store, which,
		               k, failing.forever);
}

static void everything_failing(struct play *p)
{
	everything(p);
	set_failures(p, failing.k);
}

/* A call that can only fail because something else did. */
static void check_call(int err)
{
	rig_check(!err || (failing.kind && (err == -OM_EIO || err == -OM_ENOMEM)));
}

/* ---------------------------------------------------------------- the calls ----------------- */

static void call_reclaim(struct play *p)
{
	om_reclaim_step(p->r->sys, 64);
}

static void call_pageout(struct play *p)
{
	(void)om_madvise(p->mm, at(0), PAGES(ALL), OM_MADV_PAGEOUT);
}

static void call_fork(struct play *p)
{
	int err;

	(void)rig_fork(p->r, p->mm, &err);
	check_call(err);
}

static void call_fork_child(struct play *p)
{
	int err;

	(void)rig_fork(p->r, p->child, &err);
	check_call(err);
}

static void call_munmap(struct play *p)
{
	check_call(om_munmap(p->mm, at(4), PAGES(10)));
}

static void call_mmap(struct play *p)
{
	uintptr_t addr = at(6);

	check_call(do_mmap(p->mm, &addr, PAGES(4), RIG_RW, OM_MAP_PRIVATE | OM_MAP_FIXED, NULL, 0));
}

static void call_mremap(struct play *p)
{
	uintptr_t new;
	const int flags = OM_MREMAP_MAYMOVE | OM_MREMAP_FIXED;

	(void)do_mremap(p->mm, at(0), PAGES(4), PAGES(4), flags, THERE, &new);
	(void)do_mremap(p->mm, at(SHARED), PAGES(4), PAGES(4), flags, THERE + PAGES(SHARED), &new);
	(void)do_mremap(p->mm, at(COPY), PAGES(4), PAGES(4), flags, THERE + PAGES(COPY), &new);
}

static void call_mprotect(struct play *p)
{
	(void)om_mprotect(p->mm, at(2), PAGES(16), OM_PROT_READ);
	(void)om_mprotect(p->mm, at(2), PAGES(16), RIG_RW);
}

static void call_mlock(struct play *p)
{
	(void)om_mlock(p->mm, at(0), PAGES(ALL), 0);
}

static void call_munlock(struct play *p)
{
	(void)om_munlock(p->mm, at(0), PAGES(ALL));
}

static void call_dontneed(struct play *p)
{
	(void)om_madvise(p->mm, at(0), PAGES(ALL), OM_MADV_DONTNEED);
}

static void call_free(struct play *p)
{
	(void)om_madvise(p->mm, at(0), PAGES(8), OM_MADV_FREE);
}

static void call_populate(struct play *p)
{
	(void)om_madvise(p->mm, at(0), PAGES(ALL), OM_MADV_WILLNEED);
	(void)om_madvise(p->mm, at(0), PAGES(ALL), OM_MADV_POPULATE_WRITE);
}

static void call_exit_child(struct play *p)
{
	rig_exit(p->r, p->child);
}

static void call_empty_child(struct play *p)
{
	om_mm_empty(p->child);
}

static void call_swapoff(struct play *p)
{
	int err = om_swapoff(p->r->sys, p->r->swap[0].area);

	if (err != -OM_EINVAL) /* another swapoff is at it, or was */
		check_call(err);
	if (!err)
		p->r->swap[0].on = false;
}

/* A change of two pages; `i` is the first one. */
struct both {
	unsigned i, change[2];
};

static struct both begin_both(unsigned i, enum change_kind kind)
{
	struct both b = {.i = i};

	for (unsigned k = 0; k < 2; k++)
		b.change[k] = history_begin(history_of(i + k), kind, 0);
	return b;
}

static void end_both(const struct both *b, int err)
{
	check_call(err);
	for (unsigned k = 0; k < 2; k++)
		if (err)
			history_failed(history_of(b->i + k), b->change[k], false);
		else
			history_end(history_of(b->i + k), b->change[k]);
}

static void call_truncate(struct play *p)
{
	for (unsigned i = COPY; i < ALL; i += 4) {
		struct both b = begin_both(i + 2, CUT);

		end_both(&b, om_mapping_truncate(file_of(p, i), PAGES(2)));
	}
}

static void call_punch(struct play *p)
{
	for (unsigned i = COPY; i < ALL; i += 4) {
		struct both b = begin_both(i + 1, PUNCH);

		end_both(&b, om_mapping_punch(file_of(p, i), PAGES(1), PAGES(2)));
	}
}

static void call_sync(struct play *p)
{
	check_call(om_mapping_sync(file_of(p, SHARED), 0, 0));
}

static void call_write_files(struct play *p)
{
	unsigned char page[RIG_PAGE];

	memset(page, 0, sizeof(page));
	for (unsigned i = SHARED; i < ALL; i++) {
		unsigned change;
		int err;

		if (om_mapping_size(file_of(p, i)) <= PAGES(i % 4))
			history_saw_end(history_of(i));
		change = history_begin(history_of(i), WRITE, first_tag(i) + 900);
		rig_set_tag(page, first_tag(i) + 900);
		err = om_mapping_write(file_of(p, i), PAGES(i % 4), page, sizeof(page), NULL);
		check_call(err);
		if (err)
			history_failed(history_of(i), change, true);
		else
			history_end(history_of(i), change);
	}
}

static void call_remap_pages(struct play *p)
{
	(void)om_remap_file_pages(p->mm, at(SHARED), PAGES(2), 0, 2, 0);
}

/* Every other page by the copy that does not wait, if it can be had so. */
static int write_900(struct om_mm *mm, unsigned i)
{
	unsigned char page[RIG_PAGE];

	memset(page, 0, sizeof(page));
	rig_set_tag(page, first_tag(i) + 900);
	if (i % 2 && !om_write_nofault(mm, at(i), page, sizeof(page), NULL))
		return 0;
	return om_write(mm, at(i), page, sizeof(page), NULL);
}

static int read_page(struct om_mm *mm, unsigned i, unsigned char *page)
{
	if (i % 2 && !om_read_nofault(mm, at(i), page, RIG_PAGE, NULL))
		return 0;
	return om_read(mm, at(i), page, RIG_PAGE, NULL);
}

/* Shared memory: with what is there now seen first. */
static void store_shmem(struct om_mm *mm, unsigned i)
{
	unsigned char page[RIG_PAGE];
	unsigned change;

	if (!read_page(mm, i, page))
		history_saw(history_of(i), rig_tag(page));
	change = history_begin(history_of(i), STORE, first_tag(i) + 900);
	if (write_900(mm, i))
		history_failed(history_of(i), change, false);
	else
		history_end(history_of(i), change);
}

/* Whole pages at once, so that no half is seen. A remapped one could be of another number. */
static void write_all(struct om_mm *mm)
{
	for (unsigned i = 0; i < SHARED; i++)
		(void)write_900(mm, i);
	for (unsigned i = SHMEM; i < ALL; i++)
		store_shmem(mm, i);
}

static void call_write(struct play *p)
{
	write_all(p->mm);
}

static void call_write_child(struct play *p)
{
	write_all(p->child);
}

/* Single words by the CPU, of the contents that are there. */
static void call_touch(struct play *p)
{
	for (unsigned i = 0; i < ALL; i++) {
		unsigned long word;

		if (get_word(p, p->mm, at(i), &word) == OM_FAULT_MINOR)
			check_tag(i, word);
	}
}

static void call_touch_child(struct play *p)
{
	for (unsigned i = ALL; i-- > 0;) {
		unsigned long word;

		if (get_word(p, p->child, at(i), &word) == OM_FAULT_MINOR)
			check_tag(i, word);
	}
}

static void call_pin(struct play *p)
{
	for (unsigned i = 1; i < ALL; i += 3) {
		om_pfn_t pfn;

		if (om_pin(p->mm, at(i), i % 2 ? OM_WRITE : OM_READ, &pfn))
			continue;
		sched_step();
		check_tag(i, rig_tag(sim_frame(p->r->sim, pfn)));
		om_unpin(p->r->sys, pfn, i % 2);
	}
}

enum { CHILD = 1, ENDS_CHILD = 2 };

static const struct call {
	const char *name;
	void (*fn)(struct play *p);
	unsigned flags;
} calls[] = {
    {"reclaim", call_reclaim, 0},
    {"pageout", call_pageout, 0},
    {"fork", call_fork, 0},
    {"fork_child", call_fork_child, CHILD},
    {"munmap", call_munmap, 0},
    {"mmap", call_mmap, ZEROS_PRIVATE},
    {"mremap", call_mremap, 0},
    {"mprotect", call_mprotect, 0},
    {"mlock", call_mlock, 0},
    {"munlock", call_munlock, 0},
    {"dontneed", call_dontneed, ZEROS_PRIVATE},
    {"free", call_free, ZEROS_PRIVATE},
    {"populate", call_populate, 0},
    {"exit", call_exit_child, CHILD | ENDS_CHILD},
    {"empty", call_empty_child, CHILD},
    {"swapoff", call_swapoff, 0},
    {"truncate", call_truncate, ZEROS_FILES},
    {"punch", call_punch, ZEROS_FILES},
    {"sync", call_sync, 0},
    {"write_files", call_write_files, 0},
    {"remap_pages", call_remap_pages, 0},
    {"write", call_write, 0},
    {"write_child", call_write_child, CHILD},
    {"touch", call_touch, 0},
    {"touch_child", call_touch_child, CHILD},
    {"pin", call_pin, 0},
};
#define CALLS (sizeof(calls) / sizeof(*calls))

/* ---------------------------------------------------------------- all pairs ----------------- */

static void check_page(struct play *p, struct om_mm *mm, uintptr_t addr, unsigned i)
{
	unsigned long tag;
	enum om_fault_result result = rig_get(sched_cpu(p), mm, addr, &tag);

	rig_check(result != OM_FAULT_OOM && result != OM_FAULT_ACCERR);
	if (result == OM_FAULT_MINOR)
		check_tag(i, tag);
}

static void check_file(struct play *p, unsigned i)
{
	uint64_t size = om_mapping_size(file_of(p, i));
	unsigned long tag;

	if (size <= PAGES(i % 4)) {
		if (!history_allows_end(history_of(i)))
			rig_fail(__FILE__, __LINE__, "page %u is gone, but was written last", i);
		return;
	}
	tag = rig_file_tag(file_of(p, i), i % 4);
	if (!history_allows(history_of(i), tag, size == PAGES(i % 4 + 1)))
		rig_fail(__FILE__, __LINE__, "page %u holds %lu, which is not what came last", i,
		         tag);
}

static void check_everything(struct play *p)
{
	set_failures(p, 0);
	for (unsigned n = 0; n < RIG_MMS; n++)
		for (unsigned i = 0; p->r->mm[n] && i < ALL; i++) {
			check_page(p, p->r->mm[n], at(i), i);
			check_page(p, p->r->mm[n], THERE + PAGES(i), i);
		}
	for (unsigned i = COPY; i < ALL; i++)
		check_file(p, i);
}

static bool compatible(const struct call *a, const struct call *b)
{
	return !((a->flags & ENDS_CHILD) && (b->flags & CHILD)) &&
	       !((b->flags & ENDS_CHILD) && (a->flags & CHILD));
}

static void test_all_pairs(void **state)
{
	const unsigned long budget = sched_budget;

	(void)state;
	NEEDS(sched_possible());
	sched_budget = budget / 20 + 1;
	for (size_t a = 0; a < CALLS; a++)
		for (size_t b = a; b < CALLS; b++) {
			char name[64];
			struct scene scene = {.name = name,
			                      .setup = everything,
			                      .task = {calls[a].fn, calls[b].fn},
			                      .check = check_everything};

			snprintf(name, sizeof(name), "%s_x_%s", calls[a].name, calls[b].name);
			zeros = calls[a].flags | calls[b].flags;
			if (compatible(&calls[a], &calls[b]))
				explore(&scene);
		}
	sched_budget = budget;
}

/* Three at a time, drawn by lot. */
static void test_random_triples(void **state)
{
	struct sim_rand rand;
	const unsigned long budget = sched_budget;

	(void)state;
	NEEDS(sched_possible());
	sim_rand_seed(&rand, sched_seed);
	sched_budget = 4;
	for (unsigned long n = 0; n < budget / 2; n++) {
		const struct call *a = &calls[sim_rand_below(&rand, CALLS)];
		const struct call *b = &calls[sim_rand_below(&rand, CALLS)];
		const struct call *c = &calls[sim_rand_below(&rand, CALLS)];
		char name[96];
		struct scene scene = {.name = name,
		                      .cluster = n % 4,
		                      .setup = everything,
		                      .task = {a->fn, b->fn, c->fn},
		                      .check = check_everything};

		snprintf(name, sizeof(name), "%s_x_%s_x_%s", a->name, b->name, c->name);
		zeros = a->flags | b->flags | c->flags;
		if (compatible(a, b) && compatible(b, c) && compatible(a, c))
			explore(&scene);
	}
	sched_budget = budget;
}

/* A store that fails, or no memory, once or for ever: nobody but the one who is told may notice. */
static void test_pairs_with_failures(void **state)
{
	struct sim_rand rand;
	const unsigned long budget = sched_budget;

	(void)state;
	NEEDS(sched_possible());
	sim_rand_seed(&rand, sched_seed);
	sched_budget = 4;
	for (unsigned long n = 0; n < 2 * budget; n++) {
		const struct call *a = &calls[sim_rand_below(&rand, CALLS)];
		const struct call *b = &calls[sim_rand_below(&rand, CALLS)];
		char name[96];
		struct scene scene = {.name = name,
		                      .cluster = n % 4,
		                      .setup = everything_failing,
		                      .task = {a->fn, b->fn},
		                      .check = check_everything};

		zeros = a->flags | b->flags;
		failing.kind = 1 + (unsigned)n % 5;
		failing.k = 1 + (unsigned)sim_rand_below(&rand, 4);
		failing.forever = sim_rand_chance(&rand, 30);
		snprintf(name, sizeof(name), "%s_x_%s_fail%u-%u%s", a->name, b->name, failing.kind,
		         failing.k, failing.forever ? "-forever" : "");
		if (compatible(a, b))
			explore(&scene);
	}
	failing.kind = 0;
	sched_budget = budget;
}

static const struct CMUnitTest list[] = {
    cmocka_unit_test(test_all_pairs),
    cmocka_unit_test(test_pairs_with_failures),
    cmocka_unit_test(test_random_triples),
};
TESTS(pair_tests, list);
