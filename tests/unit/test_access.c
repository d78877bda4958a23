/*
 * test_access.c: copies between an address space and the embedder: those that must not wait, and
 * strings.
 */
#include "space.h"

#include "page/table.h"

static struct om_page *table_of(struct space *s, uintptr_t page)
{
	return om_table_find(s->mm, at(page));
}

/* n bytes at `addr` are copied at once, and the next one is not. */
static void expect_nofault(struct space *s, bool write, uintptr_t addr, size_t want, size_t n)
{
	char buf[4 * 4096];
	size_t done = 12345;
	int err;

	memset(buf, 'w', sizeof(buf));
	assert_true(want <= sizeof(buf));
	err = write ? om_write_nofault(s->mm, addr, buf, want, &done)
	            : om_read_nofault(s->mm, addr, buf, want, &done);
	assert_int_equal(err, n == want ? 0 : -OM_EAGAIN);
	assert_int_equal(done, n);
}

/* ---------------------------------------------------------------- without waiting ----------- */

static void test_nofault(void **state)
{
	struct space s = space_start(128, 64);
	char buf[8] = "1234567";
	size_t done;

	(void)state;
	space_map(&s, 0, 4, RW, 0);
	/* Nothing is there: nor is anything made. */
	expect_nofault(&s, false, at(0), 8, 0);
	expect_nofault(&s, true, at(0), 8, 0);
	expect_nofault(&s, true, at(0), 0, 0);
	assert_int_equal(space_event(s.sys, OM_EV_PGFAULT), 0);
	/* Two pages are, one of them is only read, and the third is not. */
	assert_int_equal(om_write(s.mm, at(0), "zero", 5, NULL), 0);
	assert_int_equal(space_get(&s, s.mm, 1), 0);
	expect_nofault(&s, false, at(0) + 100, OM_PAGE_SIZE, OM_PAGE_SIZE);
	expect_nofault(&s, false, at(0) + 100, 2 * OM_PAGE_SIZE, 2 * OM_PAGE_SIZE - 100);
	expect_nofault(&s, true, at(0) + 100, OM_PAGE_SIZE, OM_PAGE_SIZE - 100);
	assert_int_equal(om_write_nofault(s.mm, at(0), buf, sizeof(buf), NULL), 0);
	memset(buf, 0, sizeof(buf));
	assert_int_equal(om_read_nofault(s.mm, at(0), buf, sizeof(buf), &done), 0);
	assert_string_equal(buf, "1234567");
	/* What is not allowed, and where nothing is. */
	assert_int_equal(om_mprotect(s.mm, at(0), OM_PAGE_SIZE, OM_PROT_READ), 0);
	expect_nofault(&s, true, at(0), 8, 0);
	expect_nofault(&s, false, at(0), 8, 8);
	assert_int_equal(om_mprotect(s.mm, at(0), OM_PAGE_SIZE, OM_PROT_NONE), 0);
	expect_nofault(&s, false, at(0), 8, 0);
	expect_nofault(&s, false, at(50), 8, 0);
	expect_nofault(&s, false, UINTPTR_MAX - 3, 8, 0);
	space_check(&s);
	space_finish(&s);
}

/* A page that is shared is not copied, one that is in swap not read: until somebody who may wait. */
static void test_nofault_takes_no_fault(void **state)
{
	struct space s = space_start(128, 64);
	struct om_mm *child;

	(void)state;
	space_map(&s, 0, 2, RW, 0);
	space_fill(&s, s.mm, 0, 2, 'a');
	assert_int_equal(om_fork(s.mm, NULL, &child), 0);
	expect_nofault(&s, false, at(0), 8, 8);
	expect_nofault(&s, true, at(0), 8, 0);
	assert_int_equal(om_write(s.mm, at(0), "x", 1, NULL), 0);
	expect_nofault(&s, true, at(0), 2 * OM_PAGE_SIZE, OM_PAGE_SIZE);
	space_expect(&s, child, 0, 2, 'a');
	om_mm_destroy(child);
	assert_true(om_reclaim_step(s.sys, 100) > 0);
	assert_int_equal(space_kind(s.mm, 0), OM_PAGE_SWAP);
	expect_nofault(&s, false, at(0), 8, 0);
	assert_int_equal(space_event(s.sys, OM_EV_PSWPIN), 0);
	space_check(&s);
	space_finish(&s);
}

/* What is stored so is not lost: the entry is dirty, and reclaim sees that it was used. */
static void test_nofault_marks(void **state)
{
	struct space s = space_start(128, 0);
	struct om_mapping *file = space_file(&s, 1);
	struct om_pageinfo info;
	char byte;

	(void)state;
	space_map_file(&s, 0, 1, RW, 0, file, 0);
	space_put(&s, s.mm, 0, 'p');
	expect_nofault(&s, true, at(0), 1, 1);
	om_pageinfo(s.mm, at(0), &info);
	assert_true(info.dirty && info.young);
	assert_int_equal(om_mapping_sync(file, 0, 0), 0);
	sim_store_peek(s.file_store, 0, &byte, 1);
	assert_int_equal(byte, 'w');
	/* It is clean now: the store must be told first, by a fault. */
	expect_nofault(&s, true, at(0), 1, 0);
	om_mapping_put(file);
	space_finish(&s);
}

static void no_pause(void *arg)
{
	(void)arg;
	fail_msg("it spins");
}

/* It waits for no lock: neither for the table's nor for a writer of the address space. */
static void test_nofault_locks(void **state)
{
	struct space s = space_start(128, 0);
	struct om_page *table;

	(void)state;
	space_map(&s, 0, 2, RW, 0);
	space_fill(&s, s.mm, 0, 2, 'a');
	table = table_of(&s, 0);
	sim_on_pause(no_pause, NULL);
	om_table_lock(s.sys, table);
	expect_nofault(&s, false, at(0), 8, 0);
	om_table_unlock(s.sys, table);
	om_mm_write_lock(s.mm);
	expect_nofault(&s, false, at(0), 8, 0);
	om_mm_write_unlock(s.mm);
	expect_nofault(&s, false, at(0), 8, 8);
	assert_int_equal(atomic_load(&table->lock.state), 0);
	sim_on_pause(NULL, NULL);
	space_finish(&s);
}

/* What would sleep between the two marks is reported, as under a lock. */
static void test_atomic(void **state)
{
	struct om_system *sys = unit_system(3);
	static struct om_rwsem sem;
	static struct om_spinlock lock, second;

	(void)state;
	if (!OM_DEBUG)
		skip();
	om_atomic_begin(sys, state);
	expect_bug("lock rank", om_might_sleep(sys));
	expect_bug("lock rank", om_rwsem_read(sys, &sem, OM_RANK_MMAP));
	assert_true(om_rwsem_tryread(sys, &sem, OM_RANK_MMAP));
	assert_true(om_spin_trylock(sys, &lock, OM_RANK_TABLE));
	assert_false(om_spin_trylock(sys, &lock, OM_RANK_TABLE));
	assert_true(om_spin_trylock(sys, &second, OM_RANK_TABLE)); /* in any order */
	om_spin_unlock(sys, &second);
	om_spin_unlock(sys, &lock);
	assert_false(om_rwsem_trywrite(sys, &sem, OM_RANK_MMAP));
	om_rwsem_read_done(sys, &sem);
	om_atomic_end(sys, state);
	om_might_sleep(sys);
	unit_system_free(sys);
}

/* ---------------------------------------------------------------- strings ------------------- */

static void want_string(struct space *s, uintptr_t addr, size_t size, int err, size_t len)
{
	char buf[3 * 4096], before[3 * 4096];
	size_t got = 12345, touched = err ? len : len + 1;

	memset(buf, '#', sizeof(buf));
	memset(before, '#', sizeof(before));
	assert_true(size <= sizeof(buf));
	assert_int_equal(om_read_string(s->mm, addr, buf, size, &got), err);
	assert_int_equal(got, len);
	assert_int_equal(om_read_string(s->mm, addr, buf, size, NULL), err);
	for (size_t i = 0; i < len; i++)
		assert_int_equal(buf[i], 'a' + (addr + i) % 23);
	if (!err)
		assert_int_equal(buf[len], 0);
	assert_memory_equal(buf + touched, before, sizeof(buf) - touched);
}

/* Two pages of letters, and behind them nothing. */
static void test_string(void **state)
{
	struct space s = space_start(128, 0);
	const uintptr_t end = at(2);
	char nul = 0;

	(void)state;
	space_map(&s, 0, 2, RW, 0);
	for (uintptr_t a = at(0); a < end; a++) {
		char c = (char)('a' + a % 23);

		assert_int_equal(om_write(s.mm, a, &c, 1, NULL), 0);
	}
	assert_int_equal(om_write(s.mm, at(0) + 5, &nul, 1, NULL), 0);
	assert_int_equal(om_write(s.mm, at(1) + 9, &nul, 1, NULL), 0);
	want_string(&s, at(0), 100, 0, 5);
	want_string(&s, at(0), 6, 0, 5);                /* room for the NUL, exactly, */
	want_string(&s, at(0), 5, -OM_ENAMETOOLONG, 5); /* and none */
	want_string(&s, at(0), 1, -OM_ENAMETOOLONG, 1);
	want_string(&s, at(0), 0, -OM_ENAMETOOLONG, 0);
	want_string(&s, at(0) + 5, 1, 0, 0);    /* an empty one */
	want_string(&s, at(1) - 3, 100, 0, 12); /* over the end of a page, */
	want_string(&s, at(0) + 6, 2 * OM_PAGE_SIZE, 0, OM_PAGE_SIZE + 3);
	want_string(&s, at(1) - 3, 3, -OM_ENAMETOOLONG, 3); /* exactly up to it */
	want_string(&s, end - 7, 100, -OM_EFAULT, 7);       /* the area ends before the string, */
	want_string(&s, end - 7, 7, -OM_ENAMETOOLONG, 7);
	want_string(&s, end, 100, -OM_EFAULT, 0);
	want_string(&s, end, 0, -OM_ENAMETOOLONG, 0); /* nobody looks */
	assert_int_equal(om_write(s.mm, end - 1, &nul, 1, NULL), 0);
	want_string(&s, end - 7, 100, 0, 6); /* or just behind it */
	assert_int_equal(om_mprotect(s.mm, at(1), OM_PAGE_SIZE, OM_PROT_NONE), 0);
	want_string(&s, at(1) - 3, 100, -OM_EFAULT, 3);
	space_finish(&s);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(test_nofault),       cmocka_unit_test(test_nofault_takes_no_fault),
	    cmocka_unit_test(test_nofault_marks), cmocka_unit_test(test_nofault_locks),
	    cmocka_unit_test(test_atomic),        cmocka_unit_test(test_string),
	};

	return unit_run(tests);
}
