/*
 * test_slab.c: the object caches: sizes, zeroing, frames coming and going, exhaustion, misuse,
 * threads.
 */
#include "page/put.h"
#include "unit.h"

#include <string.h>

#include "page/slab.h"

static const size_t wanted[OM_NR_CACHES] = {
    [OM_CACHE_VMA] = sizeof(struct om_vma),
    [OM_CACHE_MM] = sizeof(struct om_mm),
    [OM_CACHE_MAPPING] = sizeof(struct om_mapping),
    [OM_CACHE_OWNER] = sizeof(struct om_owner),
    [OM_CACHE_RMAP] = 24,
    [OM_CACHE_RMAP + 1] = 60,
};

/* A reverse-map design that has objects of two sizes. */
static struct om_system *slab_system(om_pfn_t nr_frames)
{
	struct om_system *sys = unit_system(nr_frames);

	om_slab_init(sys, (const uint16_t[OM_NR_RMAP_CACHES]){24, 60});
	return sys;
}

/* As large as it takes for each CPU to have frames of its own. */
static struct om_system *large_system(unsigned nr_cpus)
{
	struct om_system *sys = unit_system_cpus(nr_cpus * OM_CACHED_FRAMES, nr_cpus);

	om_slab_init(sys, (const uint16_t[OM_NR_RMAP_CACHES]){24, 60});
	return sys;
}

static bool is_filled(const void *object, size_t size, unsigned char byte)
{
	const unsigned char *p = object;

	while (size && *p == byte) {
		p++;
		size--;
	}
	return size == 0;
}

static void test_sizes(void **state)
{
	struct om_system *sys = slab_system(OM_NR_CACHES);

	(void)state;
	for (unsigned i = 0; i < OM_NR_CACHES; i++) {
		char *object = om_object_alloc(sys, i);

		assert_in_range(om_slab(sys, i, 0)->size, wanted[i], wanted[i] + 7);
		assert_int_equal((uintptr_t)object % 8, 0);
		assert_true(is_filled(object, wanted[i], 0));
		assert_int_equal(om_slab(sys, i, 0)->frames, 1);
		memset(object, 0xff, wanted[i]);
		om_object_free(sys, i, object);
		assert_int_equal(om_slab(sys, i, 0)->frames, 0);
	}
	unit_assert_all_free(sys);
	assert_int_equal(atomic_load(&sys->shard[0].event[OM_EV_META_ALLOC]), OM_NR_CACHES);
	unit_system_free(sys);
}

/* Fill all memory with objects; they do not overlap, and every frame comes back. */
static void test_exhaustion(void **state)
{
	enum { FRAMES = 3 };
	struct om_system *sys = slab_system(FRAMES);

	(void)state;
	for (unsigned cache = 0; cache < OM_NR_CACHES; cache++) {
		struct om_slab *slab = om_slab(sys, cache, 0);
		size_t n = FRAMES * (OM_PAGE_SIZE / slab->size);
		char **object = calloc(n, sizeof(*object));

		for (size_t i = 0; i < n; i++) {
			object[i] = om_object_alloc(sys, cache);
			assert_non_null(object[i]);
			assert_true(is_filled(object[i], slab->size, 0));
			memset(object[i], (int)(i % 251) + 1, slab->size);
		}
		assert_null(om_object_alloc(sys, cache));
		assert_int_equal(slab->in_use, n);
		assert_int_equal(slab->frames, FRAMES);
		assert_int_equal(slab->partial.count, 0);
		/* Every second one first, so that full frames become partial before they are empty.
		 */
		for (size_t i = 0; i < 2 * n; i += 2) {
			size_t k = i < n ? i : i - n + (n % 2 == 0);

			assert_true(is_filled(object[k], slab->size, (unsigned char)(k % 251 + 1)));
			om_object_free(sys, cache, object[k]);
		}
		unit_assert_all_free(sys);
		free(object);
	}
	unit_system_free(sys);
}

/* A freed object is used again before a new frame is. */
static void test_reuse(void **state)
{
	struct om_system *sys = slab_system(2);
	void *a = om_object_alloc(sys, OM_CACHE_VMA), *b = om_object_alloc(sys, OM_CACHE_VMA);

	(void)state;
	om_object_free(sys, OM_CACHE_VMA, a);
	assert_ptr_equal(om_object_alloc(sys, OM_CACHE_VMA), a);
	assert_true(is_filled(a, sizeof(struct om_vma), 0));
	om_object_free(sys, OM_CACHE_VMA, b);
	om_object_free(sys, OM_CACHE_VMA, a);
	unit_assert_all_free(sys);
	unit_system_free(sys);
}

static void test_misuse(void **state)
{
	struct om_system *sys = slab_system(3);
	char *vma = om_object_alloc(sys, OM_CACHE_VMA);
	struct om_page *data = om_frame_get(sys, OM_KIND_DATA, 0);

	(void)state;
	expect_bug("slab", om_object_free(sys, OM_CACHE_MM, vma));
	expect_bug("slab", om_object_free(sys, OM_CACHE_VMA, vma + 8));
	expect_bug("slab", om_object_free(sys, OM_CACHE_VMA, om_page_ptr(sys, data)));
	om_object_free(sys, OM_CACHE_VMA, vma);
	/* The frame has gone with it. */
	expect_bug("slab", om_object_free(sys, OM_CACHE_VMA, vma));
	om_page_put(sys, data);
	unit_assert_all_free(sys);
	unit_system_free(sys);
}

static om_pfn_t frame_of(struct om_system *sys, const void *object)
{
	return om_arch_pfn(&sys->arch, object);
}

/* Each CPU takes objects from frames of its own; who frees one need not know. */
static void test_cpus(void **state)
{
	struct om_system *sys = large_system(2);
	void *object[2][2];

	(void)state;
	for (unsigned i = 0; i < 4; i++) {
		sim_this_cpu = i % 2;
		object[i % 2][i / 2] = om_object_alloc(sys, OM_CACHE_VMA);
	}
	for (unsigned cpu = 0; cpu < 2; cpu++) {
		assert_int_equal(frame_of(sys, object[cpu][0]), frame_of(sys, object[cpu][1]));
		assert_int_equal(om_slab(sys, OM_CACHE_VMA, cpu)->in_use, 2);
	}
	assert_int_not_equal(frame_of(sys, object[0][0]), frame_of(sys, object[1][0]));
	assert_int_equal(om_slab_sum(sys, OM_CACHE_VMA).frames, 2);
	sim_this_cpu = 1;
	om_object_free(sys, OM_CACHE_VMA, object[0][0]);
	assert_int_equal(om_slab(sys, OM_CACHE_VMA, 0)->in_use, 1);
	sim_this_cpu = 0;
	assert_ptr_equal(om_object_alloc(sys, OM_CACHE_VMA), object[0][0]);
	for (unsigned i = 0; i < 4; i++)
		om_object_free(sys, OM_CACHE_VMA, object[i % 2][i / 2]);
	assert_int_equal(om_slab_sum(sys, OM_CACHE_VMA).frames, 0);
	unit_assert_all_free(sys);
	unit_system_free(sys);
}

/* No frame is left: then an object that another CPU's frame has room for will do. */
static void test_last_object(void **state)
{
	struct om_system *sys = large_system(2);
	struct om_page *first = NULL, *page;
	char *mine, *theirs;

	(void)state;
	sim_this_cpu = 1;
	theirs = om_object_alloc(sys, OM_CACHE_MM);
	sim_this_cpu = 0;
	while ((page = om_frame_get(sys, OM_KIND_USER, 0))) {
		page->object = first;
		first = page;
	}
	mine = om_object_alloc(sys, OM_CACHE_MM);
	assert_non_null(mine);
	assert_int_equal(frame_of(sys, mine), frame_of(sys, theirs));
	assert_int_equal(om_slab(sys, OM_CACHE_MM, 1)->in_use, 2);
	assert_null(om_object_alloc(sys, OM_CACHE_VMA));
	for (; (page = first); om_frame_release(sys, page)) {
		first = page->object;
		page->object = NULL;
	}
	om_object_free(sys, OM_CACHE_MM, theirs);
	om_object_free(sys, OM_CACHE_MM, mine);
	unit_assert_all_free(sys);
	unit_system_free(sys);
}

enum { THREADS = 4, HELD = 60, ROUNDS = 50000 };

/* Each thread signs its objects; the memory is too small for all, so allocation fails now and then.
 */
static void stress_thread(void *arg, unsigned i)
{
	struct om_system *sys = arg;
	struct {
		char *object;
		enum om_cache cache;
	} mine[HELD] = {0}, *m;
	uint64_t rand = i;

	sim_this_cpu = i;
	for (unsigned round = 0; round < ROUNDS + HELD; round++) {
		m = &mine[round < ROUNDS ? unit_rand(&rand) % HELD : round - ROUNDS];
		if (m->object) {
			unit_check(is_filled(m->object, wanted[m->cache], (unsigned char)(i + 1)));
			om_object_free(sys, m->cache, m->object);
			m->object = NULL;
		} else if (round < ROUNDS) {
			m->cache = unit_rand(&rand) % OM_NR_CACHES;
			m->object = om_object_alloc(sys, m->cache);
			if (!m->object)
				continue;
			unit_check(is_filled(m->object, wanted[m->cache], 0));
			memset(m->object, (int)i + 1, wanted[m->cache]);
		}
	}
}

static void test_threads(void **state)
{
	struct om_system *sys = slab_system(9);

	(void)state;
	unit_threads(THREADS, stress_thread, sys);
	unit_assert_all_free(sys);
	unit_system_free(sys);
	sys = large_system(THREADS);
	unit_threads(THREADS, stress_thread, sys);
	unit_assert_all_free(sys);
	unit_system_free(sys);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(test_sizes),   cmocka_unit_test(test_exhaustion),
	    cmocka_unit_test(test_reuse),   cmocka_unit_test(test_misuse),
	    cmocka_unit_test(test_cpus),    cmocka_unit_test(test_last_object),
	    cmocka_unit_test(test_threads),
	};

	return unit_run(tests);
}
