/*
 * test_fileio.c: read, write and sync through the page cache against a plain array, with more data
 * than memory, so that pages go to their store or to swap and come back; errors; threads.
 */
#include "ram.h"

#include <string.h>

#include "store/mapping.h"
#include "reclaim/reclaim.h"
#include "store/swap.h"

#define PAGES 48
#define BYTES (PAGES * OM_PAGE_SIZE)

static struct ram file, swap;
static unsigned char plain[BYTES], buffer[BYTES];

static struct om_system *start(om_pfn_t frames)
{
	struct om_system *sys = unit_system(frames);
	unsigned area;

	ram_init(&file, PAGES);
	ram_init(&swap, 2 * PAGES);
	memset(plain, 0, BYTES);
	sys->swap_cluster = 2;
	atomic_store(&sys->free.low, 3);
	assert_int_equal(om_swapdev_add(sys, &ram_ops, &swap, 2 * PAGES, 0, &area), 0);
	return sys;
}

static void finish(struct om_system *sys)
{
	assert_null(sys->mappings);
	assert_int_equal(atomic_load(&sys->nr_cached), 0);
	/* Read-ahead may have left pages that nobody wants; reclaim finds them. */
	while (om_reclaim_step(sys, 100))
		;
	assert_int_equal(om_swapcache_pages(sys), 0);
	om_swapdev_remove(sys, 0);
	unit_assert_all_free(sys);
	unit_system_free(sys);
	ram_destroy(&file);
	ram_destroy(&swap);
}

static void write_some(struct om_mapping *m, uint64_t *seed, size_t limit)
{
	size_t offset = unit_rand(seed) % BYTES, len = unit_rand(seed) % limit, done = 99;

	if (len > BYTES - offset)
		len = BYTES - offset;
	for (size_t i = 0; i < len; i++)
		buffer[i] = (unsigned char)unit_rand(seed);
	assert_int_equal(om_mapping_write(m, offset, buffer, len, &done), 0);
	assert_int_equal(done, len);
	memcpy(plain + offset, buffer, len);
	if (len)
		assert_true(om_mapping_size(m) >= offset + len);
}

static void read_some(struct om_mapping *m, uint64_t *seed, size_t limit)
{
	size_t offset = unit_rand(seed) % (BYTES + 100), len = unit_rand(seed) % limit, done = 99;
	size_t size = (size_t)om_mapping_size(m);
	size_t expected = offset >= size ? 0 : len < size - offset ? len : size - offset;

	assert_int_equal(om_mapping_read(m, offset, buffer, len, &done), 0);
	assert_int_equal(done, expected);
	assert_memory_equal(buffer, plain + (offset < BYTES ? offset : 0), done);
}

static void random_run(struct om_mapping *m, unsigned steps)
{
	uint64_t seed = steps;

	for (unsigned i = 0; i < steps; i++) {
		size_t limit = i % 10 ? 300 : 5 * OM_PAGE_SIZE;

		write_some(m, &seed, limit);
		read_some(m, &seed, limit);
		if (i % 50 == 0)
			assert_int_equal(om_mapping_sync(m, unit_rand(&seed) % BYTES,
			                                 unit_rand(&seed) % BYTES),
			                 0);
	}
}

static void test_file(void **state)
{
	struct om_system *sys = start(20);
	struct om_mapping *m;

	(void)state;
	assert_int_equal(om_mapping_create(sys, &ram_ops, &file, 0, &m), 0);
	random_run(m, 4000);
	assert_int_equal(om_mapping_sync(m, 0, 0), 0);
	assert_memory_equal(file.data, plain, om_mapping_size(m));
	random_run(m, 100);
	om_mapping_put(m);
	assert_memory_equal(file.data, plain, BYTES);
	finish(sys);
}

static void test_shmem(void **state)
{
	struct om_system *sys = start(20);
	struct om_mapping *m;

	(void)state;
	assert_int_equal(om_mapping_create(sys, NULL, NULL, 0, &m), 0);
	random_run(m, 4000);
	assert_true(atomic_load(&swap.writes) > 0);
	om_mapping_put(m);
	finish(sys);
}

static void test_sizes(void **state)
{
	struct om_system *sys = start(20);
	struct om_mapping *m;
	size_t done;
	char c = 1;

	(void)state;
	assert_int_equal(om_mapping_create(sys, NULL, NULL, 10, &m), 0);
	assert_int_equal(om_mapping_read(m, 0, buffer, 0, &done), 0);
	assert_int_equal(done, 0);
	assert_int_equal(om_mapping_read(m, 5, buffer, 100, &done), 0);
	assert_int_equal(done, 5);
	assert_int_equal(om_mapping_read(m, 10, buffer, 100, &done), 0);
	assert_int_equal(done, 0);
	assert_int_equal(om_mapping_read(m, UINT64_MAX, buffer, 100, NULL), 0);
	assert_int_equal(om_mapping_write(m, 3, &c, 1, NULL), 0);
	assert_int_equal(om_mapping_size(m), 10); /* never shorter */
	assert_int_equal(om_mapping_write(m, 10, &c, 1, NULL), 0);
	assert_int_equal(om_mapping_size(m), 11);
	assert_int_equal(om_mapping_write(m, OM_MAPPING_MAX - 1, &c, 1, &done), 0);
	assert_int_equal(om_mapping_size(m), OM_MAPPING_MAX);
	assert_int_equal(om_mapping_read(m, OM_MAPPING_MAX - 2, buffer, 9, &done), 0);
	assert_int_equal(done, 2);
	assert_int_equal(buffer[0], 0);
	assert_int_equal(buffer[1], 1);
	assert_int_equal(om_mapping_write(m, OM_MAPPING_MAX - 1, buffer, 2, &done), -OM_EOVERFLOW);
	assert_int_equal(done, 0);
	assert_int_equal(om_mapping_write(m, UINT64_MAX, &c, 1, &done), -OM_EOVERFLOW);
	om_mapping_put(m);
	finish(sys);
}

static void test_errors(void **state)
{
	struct om_system *sys = start(20);
	struct om_mapping *m;
	size_t done;

	(void)state;
	assert_int_equal(om_mapping_create(sys, &ram_ops, &file, BYTES, &m), 0);
	atomic_store(&file.bad_page, 2);
	assert_int_equal(om_mapping_read(m, 100, buffer, 4 * OM_PAGE_SIZE, &done), -OM_EIO);
	assert_int_equal(done, 2 * OM_PAGE_SIZE - 100);
	assert_int_equal(om_mapping_write(m, 100, buffer, 4 * OM_PAGE_SIZE, &done), -OM_EIO);
	assert_int_equal(done, 2 * OM_PAGE_SIZE - 100);
	atomic_store(&file.bad_page, RAM_NEVER);
	memset(buffer, 9, BYTES);
	assert_int_equal(om_mapping_write(m, 0, buffer, 5 * OM_PAGE_SIZE, &done), 0);
	/* One page cannot be written: the others are, and it stays dirty. */
	atomic_store(&file.bad_page, 1);
	assert_int_equal(om_mapping_sync(m, 0, 0), -OM_EIO);
	assert_true(ram_is(file.data + 4 * OM_PAGE_SIZE, 9));
	assert_true(ram_is(file.data + 1 * OM_PAGE_SIZE, 0));
	atomic_store(&file.bad_page, RAM_NEVER);
	atomic_store(&file.pages_written, 0);
	assert_int_equal(om_mapping_sync(m, 0, OM_PAGE_SIZE), 0);
	assert_int_equal(atomic_load(&file.pages_written), 0);
	assert_int_equal(om_mapping_sync(m, OM_PAGE_SIZE - 1, 2), 0);
	assert_int_equal(atomic_load(&file.pages_written), 1);
	assert_true(ram_is(file.data + 1 * OM_PAGE_SIZE, 9));
	assert_int_equal(om_mapping_sync(m, UINT64_MAX, UINT64_MAX), 0);
	om_mapping_put(m);
	finish(sys);
}

/* Nothing can be reclaimed: swap is too small for what is written. */
static void test_no_memory(void **state)
{
	struct om_system *sys = start(20);
	struct om_mapping *m, *more;
	struct om_page *user[20];
	unsigned n = 0;
	size_t done;

	(void)state;
	om_swapdev_remove(sys, 0);
	assert_int_equal(om_mapping_create(sys, NULL, NULL, 0, &m), 0);
	assert_int_equal(om_mapping_write(m, 0, buffer, BYTES, &done), -OM_ENOMEM);
	assert_true(done > 0 && done < BYTES && done % OM_PAGE_SIZE == 0);
	while ((user[n] = om_frame_get(sys, OM_KIND_USER, 0)))
		n++;
	while (om_mapping_create(sys, NULL, NULL, 0, &more) == 0)
		assert_ptr_equal(more, sys->mappings);
	while (n)
		om_frame_release(sys, user[--n]);
	while (sys->mappings)
		om_mapping_put(sys->mappings);
	assert_int_equal(om_swapdev_add(sys, &ram_ops, &swap, 8, 0, &n), 0);
	finish(sys);
}

/* ---- threads ---- */

struct shared {
	struct om_system *sys;
	struct om_mapping *m;
};

#define STRIPE 64

/*
 * With so few frames the other threads' reclaim may hold every page there is, so that a call finds
 * none to take: that is no reason to fail the test, as long as what has been done is reported.
 */
static size_t transfer(struct shared *s, uint64_t offset, unsigned char *bytes, bool write)
{
	size_t done = 0;
	int err;

	do {
		err = write ? om_mapping_write(s->m, offset, bytes, STRIPE, &done)
		            : om_mapping_read(s->m, offset, bytes, STRIPE, &done);
		unit_check(err == 0 || (err == -OM_ENOMEM && done == 0));
	} while (err);
	return done;
}

/* Each thread owns some bytes of every page, and finds in them what it wrote last. */
static void write_and_read(void *arg, unsigned t)
{
	struct shared *s = arg;
	unsigned char last[PAGES] = {0}, bytes[STRIPE];
	uint64_t seed = t;

	for (unsigned step = 0; step < 1500; step++) {
		unsigned i = unit_rand(&seed) % PAGES;
		uint64_t offset = i * OM_PAGE_SIZE + t * STRIPE;
		size_t done;

		done = transfer(s, offset, bytes, false);
		for (size_t k = 0; k < done; k++)
			unit_check(bytes[k] == last[i]);
		last[i]++;
		memset(bytes, last[i], STRIPE);
		unit_check(transfer(s, offset, bytes, true) == STRIPE);
		if (step % 100 == 99)
			unit_check(om_mapping_sync(s->m, 0, 0) == 0);
	}
}

static void test_threads(void **state)
{
	struct shared s = {.sys = start(24)};

	(void)state;
	assert_int_equal(om_mapping_create(s.sys, &ram_ops, &file, 0, &s.m), 0);
	unit_threads(4, write_and_read, &s);
	om_mapping_put(s.m);
	assert_int_equal(om_mapping_create(s.sys, NULL, NULL, 0, &s.m), 0);
	unit_threads(4, write_and_read, &s);
	om_mapping_put(s.m);
	finish(s.sys);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(test_file),      cmocka_unit_test(test_shmem),
	    cmocka_unit_test(test_sizes),     cmocka_unit_test(test_errors),
	    cmocka_unit_test(test_no_memory), cmocka_unit_test(test_threads),
	};

	return unit_run(tests);
}
