/*
 * test_fetch.c: no lock but the page's own is held while a store works.
 *
 * The stores here use the process in the middle of each transfer, as another thread of it may:
 * they map, write, look and unmap. With mmap_lock held by whoever waits for the transfer, that
 * would be a deadlock; debug builds report it.
 */
#include <string.h>

#include "area/mm.h"
#include "space.h"

static struct space *user; /* whose process the stores use; NULL: nobody's */
static unsigned used;

static void use_process(void)
{
	struct space *s = user;
	struct om_mminfo info;

	if (!s)
		return;
	user = NULL; /* what we do here may need transfers, too */
	space_map(s, 900, 2, RW, 0);
	space_put(s, s->mm, 901, 'u');
	assert_int_equal(om_mminfo(s->mm, 0, UINTPTR_MAX, &info), 0);
	assert_int_equal(om_munmap(s->mm, at(900), 2 * OM_PAGE_SIZE), 0);
	user = s;
	used++;
}

static int busy_read(void *store, uint64_t first, unsigned n, void *const frame[])
{
	use_process();
	return sim_store_ops.read(store, first, n, frame);
}

static int busy_write(void *store, uint64_t first, unsigned n, void *const frame[])
{
	use_process();
	return sim_store_ops.write(store, first, n, frame);
}

static const struct om_store_ops busy_ops = {.read = busy_read, .write = busy_write};

/* How often the process has been used since the last call; more than never. */
#define expect_used()                                                                              \
	do {                                                                                       \
		assert_true(used > 0);                                                             \
		used = 0;                                                                          \
	} while (0)

struct scene {
	struct space s;
	struct sim_store *file_store, *swap_store;
	struct om_mapping *file;
	unsigned device;
};

static void begin(struct scene *c)
{
	c->s = space_start(256, 0);
	c->file_store = sim_store_ram();
	c->swap_store = sim_store_ram();
	assert_int_equal(om_mapping_create(c->s.sys, &busy_ops, c->file_store, 40 * OM_PAGE_SIZE,
	                                   &c->file),
	                 0);
	assert_int_equal(om_swapon(c->s.sys, &busy_ops, c->swap_store, 128, 0, &c->device), 0);
	user = &c->s;
	used = 0;
}

/* The file has been put. */
static void end(struct scene *c)
{
	user = NULL;
	space_check(&c->s);
	assert_int_equal(om_swapoff(c->s.sys, c->device), 0);
	space_finish(&c->s);
	sim_store_free(c->file_store);
	sim_store_free(c->swap_store);
}

static int advise(struct scene *c, uintptr_t first, size_t n, int advice)
{
	return om_madvise(c->s.mm, at(first), n << OM_PAGE_SHIFT, advice);
}

static void test_file_faults(void **state)
{
	struct scene c;

	(void)state;
	begin(&c);
	space_map_file(&c.s, 0, 40, RW, OM_MAP_PRIVATE, c.file, 0);
	space_random(&c.s, 0, 40);
	assert_int_equal(space_get(&c.s, c.s.mm, 3), 0);
	expect_used();
	space_put(&c.s, c.s.mm, 20, 'c'); /* read, and copied at once */
	expect_used();
	assert_int_equal(space_event(c.s.sys, OM_EV_PGMAJFAULT), 2);
	assert_int_equal(advise(&c, 0, 40, OM_MADV_NORMAL), 0);
	assert_int_equal(advise(&c, 30, 4, OM_MADV_WILLNEED), 0);
	expect_used();
	om_mapping_put(c.file);
	end(&c);
}

/* Who waits for memory says so: for a page that was taken away, and for one that is to be taken. */
static void test_stalls(void **state)
{
	struct scene c;

	(void)state;
	begin(&c);
	space_map_file(&c.s, 100, 40, R, 0, c.file, 0);
	assert_int_equal(space_get(&c.s, c.s.mm, 103), 0);
	space_map(&c.s, 0, 40, RW, 0);
	space_fill(&c.s, c.s.mm, 0, 40, 1);
	assert_int_equal(advise(&c, 0, 40, OM_MADV_PAGEOUT), 0);
	assert_int_equal(atomic_load(&space_stalls), 0);
	assert_int_equal(space_get(&c.s, c.s.mm, 20), 21);
	assert_int_equal(atomic_load(&space_stalls), 1);
	space_put(&c.s, c.s.mm, 20, 1);
	assert_int_equal(atomic_load(&space_stalls), 1);
	space_fill(&c.s, c.s.mm, 0, 40, 1);
	space_map(&c.s, 200, 4, RW, 0);
	atomic_store(&space_stalls, 0);
	atomic_store(&space_stalls_over, 0);
	space_hog(c.s.sys, 0);
	space_put(&c.s, c.s.mm, 200, 9);
	assert_int_equal(atomic_load(&space_stalls), 1);
	space_unhog(c.s.sys);
	assert_int_equal(om_munmap(c.s.mm, at(100), 40 << OM_PAGE_SHIFT), 0);
	om_mapping_put(c.file);
	end(&c);
}

static void test_swap(void **state)
{
	struct scene c;

	(void)state;
	begin(&c);
	space_map(&c.s, 0, 80, RW, 0);
	space_fill(&c.s, c.s.mm, 0, 80, 1);
	assert_int_equal(advise(&c, 0, 80, OM_MADV_PAGEOUT), 0);
	expect_used();
	assert_int_equal(space_kind(c.s.mm, 40), OM_PAGE_SWAP);
	assert_int_equal(space_get(&c.s, c.s.mm, 40), 41);
	expect_used();
	assert_int_equal(advise(&c, 0, 80, OM_MADV_WILLNEED), 0);
	expect_used();
	space_expect(&c.s, c.s.mm, 0, 80, 1);
	assert_int_equal(used, 0);
	assert_int_equal(advise(&c, 0, 80, OM_MADV_PAGEOUT), 0);
	assert_int_equal(om_swapoff(c.s.sys, c.device), 0);
	expect_used();
	space_expect(&c.s, c.s.mm, 0, 80, 1);
	assert_int_equal(om_swapon(c.s.sys, &busy_ops, c.swap_store, 128, 0, &c.device), 0);
	om_mapping_put(c.file);
	end(&c);
}

/* The last area of a file writes it back when it goes, whatever takes it away. */
static void test_last_area(void **state)
{
	struct scene c;

	(void)state;
	for (int way = 0; way < 3; way++) {
		begin(&c);
		space_map_file(&c.s, 10, 4, RW, 0, c.file, 0);
		space_put(&c.s, c.s.mm, 11, 'd');
		om_mapping_put(c.file);
		used = 0;
		if (way == 0)
			assert_int_equal(om_munmap(c.s.mm, at(10), 4 * OM_PAGE_SIZE), 0);
		else if (way == 1)
			space_map(&c.s, 8, 10, R, 0);
		else
			om_mm_empty(c.s.mm);
		expect_used();
		end(&c);
	}
}

/* An error is found by the try that comes after; a store that has healed serves the next fault. */
static void test_errors(void **state)
{
	struct scene c;

	(void)state;
	begin(&c);
	space_map_file(&c.s, 0, 40, R, 0, c.file, 0);
	sim_store_fail(c.file_store, SIM_READ, 1, true);
	assert_int_equal(space_try(&c.s, c.s.mm, 5, false), OM_FAULT_BUS);
	sim_store_fail(c.file_store, SIM_READ, 0, false);
	assert_int_equal(space_try(&c.s, c.s.mm, 5, false), OM_FAULT_MINOR);
	space_map(&c.s, 100, 4, RW, 0);
	space_fill(&c.s, c.s.mm, 100, 4, 1);
	assert_int_equal(advise(&c, 100, 4, OM_MADV_PAGEOUT), 0);
	sim_store_fail(c.swap_store, SIM_READ, 1, true);
	assert_int_equal(space_try(&c.s, c.s.mm, 101, false), OM_FAULT_BUS);
	sim_store_fail(c.swap_store, SIM_READ, 0, false);
	space_expect(&c.s, c.s.mm, 100, 4, 1);
	om_mapping_put(c.file);
	end(&c);
}

/*
 * What the process does meanwhile counts: the page that comes is not mapped where nothing is any
 * more.
 */
static struct scene *truncated;

static int cutting_read(void *store, uint64_t first, unsigned n, void *const frame[])
{
	(void)store, (void)first;
	for (unsigned i = 0; i < n; i++)
		memset(frame[i], 0, OM_PAGE_SIZE);
	assert_int_equal(om_munmap(truncated->s.mm, at(0), 4 * OM_PAGE_SIZE), 0);
	return 0;
}

static void test_unmapped_meanwhile(void **state)
{
	static const struct om_store_ops ops = {.read = cutting_read};
	struct om_mapping *file;
	struct scene c;

	(void)state;
	begin(&c);
	user = NULL;
	truncated = &c;
	assert_int_equal(om_mapping_create(c.s.sys, &ops, NULL, 4 * OM_PAGE_SIZE, &file), 0);
	space_map_file(&c.s, 0, 4, R, 0, file, 0);
	om_mapping_put(file); /* the fetch holds the mapping, when the area goes */
	assert_int_equal(space_try(&c.s, c.s.mm, 1, false), OM_FAULT_MAPERR);
	om_mapping_put(c.file);
	end(&c);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(test_file_faults), cmocka_unit_test(test_swap),
	    cmocka_unit_test(test_stalls),      cmocka_unit_test(test_last_area),
	    cmocka_unit_test(test_errors),      cmocka_unit_test(test_unmapped_meanwhile),
	};

	return unit_run(tests);
}
