/*
 * t_attack.c: what a program does on purpose to stop or slow others: rows 86 and on. Nothing that
 * it can do stops the machine, and what it may cost others is bounded in steps, not in time.
 */
#include "hazards.h"

#include <pthread.h>
#include <stdlib.h>
#include <sys/mman.h>

#include "base/types.h"
#include "calls.h"
#include "rmap/i_mmap.h"

/* ---------------------------------------------------------------- trees --------------------- */

#define MAX_AREAS 300
#define SCRATCH   ((uintptr_t)0x10000000)
#define LOWEST    ((uintptr_t)0x20000000)

/* What src/base/tree.c makes of a node's address, if the seed is the one the adversary expects. */
static uintptr_t priority(const struct om_node *n)
{
	uintptr_t seed = om_tree_seed(0), x = (uintptr_t)n * seed;

	x ^= x >> (sizeof(x) * 4);
	return x * seed;
}

static const struct om_node *node_at(const struct om_mm *mm, uintptr_t addr)
{
	const struct om_node *n = mm->vmas;

	while (n && om_container(n, struct om_vma, by_addr)->start != addr)
		n = addr < om_container(n, struct om_vma, by_addr)->start ? n->left : n->right;
	rig_check(n);
	return n;
}

static unsigned depth_of(const struct om_node *n)
{
	unsigned left, right;

	if (!n)
		return 0;
	left = depth_of(n->left);
	right = depth_of(n->right);
	return 1 + (left > right ? left : right);
}

static void map_one(struct om_mm *mm, uintptr_t addr)
{
	rig_ok(do_mmap(mm, &addr, RIG_PAGE, RIG_RW, OM_MAP_PRIVATE | OM_MAP_FIXED, NULL, 0));
}

/*
 * The object of the next area is known, because free ones are last in, first out: map a page
 * anywhere, see where its area lies, unmap it, and map it again where its priority fits the order:
 * above all those of higher priority. Until there is no room. Returns the number of areas.
 */
static unsigned line_up(struct om_mm *mm, uintptr_t at[MAX_AREAS])
{
	uintptr_t rank[MAX_AREAS], high = mm->layout.mmap_base & ~(RIG_PAGE * 2 - 1);
	unsigned n;

	for (n = 0; n < MAX_AREAS; n++) {
		uintptr_t below = LOWEST, above = high;

		map_one(mm, SCRATCH);
		rank[n] = priority(node_at(mm, SCRATCH));
		rig_ok(om_munmap(mm, SCRATCH, RIG_PAGE));
		for (unsigned i = 0; i < n; i++) {
			if (rank[i] > rank[n] && at[i] > below)
				below = at[i];
			if (rank[i] < rank[n] && at[i] < above)
				above = at[i];
		}
		if (above - below < RIG_PAGE * 4)
			break;
		at[n] = (below + (above - below) / 2) & ~(RIG_PAGE * 2 - 1);
		map_one(mm, at[n]);
	}
	return n;
}

/* With a seed that nobody knows it is a tree like any other. */
static void test_h87_chosen_addresses(void **state)
{
	struct rig *r = rig_create(&(struct rig_config){.frames = 2048, .seed = 0x1234567});
	struct om_mm *mm = rig_mm(r);
	uintptr_t at[MAX_AREAS];
	unsigned n = line_up(mm, at);

	(void)state;
	rig_check(n >= 60);
	rig_check(depth_of(mm->vmas) < 40);
	rig_verify(r);
	rig_destroy(r);
}

/* With a seed that is known it is a list, on which all calls work. */
static void test_h87_tree_of_any_depth(void **state)
{
	struct rig *r = rig_create(&(struct rig_config){.frames = 4096});
	struct om_mm *mm = rig_mm(r), *child;
	uintptr_t at[MAX_AREAS];
	unsigned n = line_up(mm, at);

	(void)state;
	NEEDS(sizeof(long) == 8); /* room for a path longer than any that used to be allowed */
	rig_check(n > 200);
	rig_equal(depth_of(mm->vmas), n);
	for (unsigned i = 0; i < n; i++)
		rig_put(r, mm, at[i], 1, i);
	child = rig_fork(r, mm, NULL);
	for (unsigned i = 0; i < n; i += 2) {
		rig_ok(om_mprotect(mm, at[i], RIG_PAGE, OM_PROT_READ));
		rig_ok(om_munmap(child, at[i], RIG_PAGE));
	}
	rig_verify(r);
	for (unsigned i = 0; i < n; i++) {
		rig_expect(r, mm, at[i], 1, i);
		if (i % 2)
			rig_expect(r, child, at[i], 1, i);
	}
	rig_verify(r);
	rig_destroy(r);
}

/* ---------------------------------------------------------------- counts -------------------- */

#define MANY 40000u

/*
 * One page of a file is mapped by 40,000 areas of each of two processes: more entries than 16 bits
 * can count. All of a process go in one call.
 */
static void test_h86_many_areas(void **state)
{
	struct rig *r = rig_create(&(struct rig_config){.frames = 8192});
	struct om_mm *mm[2] = {rig_mm(r)};
	struct om_mapping *file = rig_file(r, 1, 7);

	(void)state;
	for (unsigned i = 0; i < MANY; i++)
		rig_map(r, mm[0], HERE + PAGES(i), 1, OM_PROT_READ, OM_MAP_SHARED, file, 0);
	mm[1] = rig_fork(r, mm[0], NULL);
	for (unsigned p = 0; p < 2; p++)
		for (unsigned i = 0; i < MANY; i++)
			rig_equal(om_fault(mm[p], HERE + PAGES(i), OM_READ) > OM_FAULT_MAJOR, 0);
	rig_equal(rig_info(mm[0], HERE).mapcount, 2 * MANY);
	rig_ok(om_munmap(mm[0], HERE, PAGES(MANY)));
	rig_equal(rig_info(mm[1], HERE).mapcount, MANY);
	rig_exit(r, mm[1]);
	rig_verify(r);
	rig_destroy(r);
}

/*
 * Threads that want a page whose transfer never ends sleep on its lock, with a reference each. They
 * are played on one large stack: each begins inside the `wait` hook of the one before.
 */
#define SLEEPERS    70000u
#define STACK_BYTES ((size_t)2 << 30)

static struct {
	struct rig *r;
	struct om_mm *mm;
	uintptr_t a;
	unsigned sleepers;
	jmp_buf all_asleep;
} hang;

static void hang_wait(void *ctx, const void *key, bool (*blocked)(const void *arg), const void *arg)
{
	(void)ctx;
	(void)key;
	rig_check(blocked(arg));
	if (++hang.sleepers == SLEEPERS)
		longjmp(hang.all_asleep, 1);
	(void)om_fault(hang.mm, hang.a, OM_READ);
	rig_fail(__FILE__, __LINE__, "a sleeper woke");
}

static int hang_read(void *store, uint64_t first, unsigned n, void *const frame[])
{
	(void)store;
	(void)first;
	(void)n;
	(void)frame;
	(void)om_fault(hang.mm, hang.a, OM_READ);
	rig_fail(__FILE__, __LINE__, "the first sleeper woke");
}

/* Nobody is there whom a thread could let run before it sleeps. */
static void no_pause(void *arg)
{
	(void)arg;
}

static void *hang_main(void *arg)
{
	struct om_port_ops ops = sim_port_ops;
	struct om_store_ops store_ops = {.read = hang_read};
	struct om_mapping *file;

	(void)arg;
	hang.sleepers = 0;
	ops.wait = hang_wait;
	ops.held = NULL;
	hang.r = rig_create(&(struct rig_config){.frames = 256, .ops = &ops});
	hang.mm = rig_mm(hang.r);
	rig_ok(om_mapping_create(hang.r->sys, &store_ops, NULL, RIG_PAGE, &file));
	hang.a = rig_map(hang.r, hang.mm, HERE, 1, OM_PROT_READ, OM_MAP_PRIVATE, file, 0);
	if (!setjmp(hang.all_asleep))
		(void)om_fault(hang.mm, hang.a, OM_READ);
	return NULL;
}

/* The machine goes on. With all its sleepers it cannot be taken down, so it is left behind. */
static void test_h86_many_sleepers(void **state)
{
	pthread_attr_t attr;
	pthread_t thread;
	void *stack = mmap(NULL, STACK_BYTES, PROT_READ | PROT_WRITE,
	                   MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);

	(void)state;
	NEEDS(sizeof(long) == 8);
	rig_check(stack != MAP_FAILED);
	pthread_attr_init(&attr);
	rig_ok(pthread_attr_setstack(&attr, stack, STACK_BYTES));
	sim_on_pause(no_pause, NULL);
	rig_ok(pthread_create(&thread, &attr, hang_main, NULL));
	pthread_join(thread, NULL);
	sim_on_pause(NULL, NULL);
	rig_equal(hang.sleepers, SLEEPERS);
	munmap(stack, STACK_BYTES);
}

/* ---------------------------------------------------------------- locks --------------------- */

/* Fork copies pinned pages with both tables locked: not all of a table in one go. */
static void test_fork_of_pinned_pages(void **state)
{
	enum { N = 512 };
	struct rig *r = rig_create(&(struct rig_config){.frames = 3 * N});
	struct om_mm *mm = rig_mm(r), *child;
	uintptr_t a = rig_map(r, mm, HERE, N, RIG_RW, OM_MAP_PRIVATE, NULL, 0);
	static om_pfn_t pfn[N];

	(void)state;
	rig_put(r, mm, a, N, 100);
	for (unsigned i = 0; i < N; i++)
		rig_ok(om_pin(mm, a + PAGES(i), OM_WRITE, &pfn[i]));
	child = rig_fork(r, mm, NULL);
	rig_verify(r);
	rig_put(r, mm, a, N, 5000);
	rig_expect(r, child, a, N, 100);
	for (unsigned i = 0; i < N; i++)
		om_unpin(r->sys, pfn[i], true);
	rig_expect(r, mm, a, N, 5000);
	rig_verify(r);
	rig_destroy(r);
}

/*
 * A file is cut that is shown in areas of half a terabyte each, with a page at the end that is alone
 * in its table: what has no tables is passed by in pieces, too, and nothing behind it is forgotten.
 */
static void test_truncate_sparse_areas(void **state)
{
	enum { AREAS = 32 };
	const uint64_t step = UINT64_C(1) << 40, bytes = step / 2 - OM_TABLE_SPAN + RIG_PAGE;
	struct rig *r;
	struct om_mm *mm;
	struct om_mapping *file;
	uintptr_t last[AREAS];

	(void)state;
	NEEDS(sizeof(uintptr_t) == 8);
	r = rig_create(&(struct rig_config){.frames = 512, .hold = OM_HOLD});
	mm = rig_mm(r);
	file = rig_shmem(r, 1, 7);
	rig_ok(om_mapping_truncate(file, bytes));
	for (unsigned i = 0; i < AREAS; i++) {
		uintptr_t at = (uintptr_t)(step * (i + 1));

		rig_map(r, mm, at, (size_t)(bytes / RIG_PAGE), RIG_RW, OM_MAP_SHARED, file, 0);
		last[i] = at + (uintptr_t)bytes - RIG_PAGE;
		rig_put(r, mm, last[i], 1, 5);
	}
	rig_equal(om_mm_rss(mm), AREAS);
	rig_ok(om_mapping_truncate(file, RIG_PAGE));
	rig_equal(om_mm_rss(mm), 0);
	rig_expect(r, mm, (uintptr_t)step, 1, 7);
	rig_verify(r);
	rig_destroy(r);
}

/* ---------------------------------------------------------------- memory -------------------- */

/* A second system, whose memory is handed over by two threads at once. */
static struct {
	struct om_system *sys;
	struct om_arch arch;
} young;

#define YOUNG_FRAMES 32u

static void setup_young(struct play *p)
{
	struct om_config config = {.arch = &young.arch,
	                           .ops = &sched_ops,
	                           .ctx = p->r->sim,
	                           .nr_frames = YOUNG_FRAMES};

	if (!young.arch.base)
		young.arch.base = aligned_alloc(RIG_PAGE, YOUNG_FRAMES * RIG_PAGE);
	config.storage = aligned_alloc(64, (om_system_bytes(&config) + 63) & ~63ul);
	rig_check(young.arch.base && config.storage);
	young.sys = om_system_init(&config);
	rig_check(young.sys);
}

static void task_add_one(struct play *p)
{
	p->err[0] = om_add_memory(young.sys, 4, 12);
}

static void task_add_same(struct play *p)
{
	p->err[1] = om_add_memory(young.sys, 4, 12);
}

static void task_add_overlapping(struct play *p)
{
	p->err[2] = om_add_memory(young.sys, 8, 20);
}

/* One of them has won, and has handed over all of its frames; the first is the zero page. */
static void check_young(struct play *p)
{
	rig_equal(!p->err[0] + !p->err[1] + !p->err[2], 1);
	rig_equal(p->err[0] + p->err[1] + p->err[2], -2 * OM_EINVAL);
	rig_equal(om_free_frames(young.sys), p->err[2] ? 11 : 19);
	rig_ok(om_system_fini(young.sys));
	free(young.sys);
}

static void test_add_memory_twice(void **state)
{
	(void)state;
	EXPLORE({.name = "add_memory",
	         .setup = setup_young,
	         .task = {task_add_one, task_add_same, task_add_overlapping},
	         .check = check_young});
}

static const struct CMUnitTest list[] = {
    cmocka_unit_test(test_truncate_sparse_areas), cmocka_unit_test(test_fork_of_pinned_pages),
    cmocka_unit_test(test_add_memory_twice),      cmocka_unit_test(test_h86_many_areas),
    cmocka_unit_test(test_h86_many_sleepers),     cmocka_unit_test(test_h87_chosen_addresses),
    cmocka_unit_test(test_h87_tree_of_any_depth),
};
TESTS(attack_tests, list);
