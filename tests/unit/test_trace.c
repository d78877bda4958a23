/*
 * test_trace.c: the form of recordings: what is written is read again, and whatever is not a whole
 * trace of this version gets an error that says at which offset.
 */
#include "unit.h"

#include <string.h>
#include <unistd.h>

#include "../../trace/format.h"

static char path[] = "/tmp/objrmap-trace-XXXXXX";

static const struct trace_record records[] = {
    {.op = TRACE_START, .arg = {0}},
    {.op = TRACE_FILE, .arg = {0, 1}},
    {.op = TRACE_MAP, .addr = 0x7fff12345, .arg = {300, 3, TRACE_MAP_SHARED, 1, 1u << 20}},
    {.op = TRACE_FAULT, .addr = 0x7fff12345, .arg = {TRACE_WRITE}},
    {.op = TRACE_FAULT, .addr = 0x7fff12346, .arg = {TRACE_WRITE}},
    {.op = TRACE_FAULT, .addr = 0x10, .arg = {TRACE_EXEC}},
    {.op = TRACE_FAULT, .addr = TRACE_PAGES_MAX - 1, .arg = {TRACE_UNKNOWN}},
    {.op = TRACE_FORK, .arg = {1}},
    {.op = TRACE_REMAP, .space = 1, .addr = 0x7fff12345, .arg = {300, 1000, 0x400000, 1}},
    {.op = TRACE_PROTECT, .space = 1, .addr = 0x400010, .arg = {5, 1}},
    {.op = TRACE_ADVISE, .space = 1, .addr = 0x400000, .arg = {1000, 4}},
    {.op = TRACE_LOCK, .space = 1, .addr = 0x400000, .arg = {1}},
    {.op = TRACE_UNLOCK, .space = 1, .addr = 0x400000, .arg = {1}},
    {.op = TRACE_FAULT, .addr = 0x7fff12400, .arg = {TRACE_READ}},
    {.op = TRACE_CLEAR, .space = 1},
    {.op = TRACE_EXIT, .space = 1},
    {.op = TRACE_UNMAP, .addr = 0x7fff12345, .arg = {300}},
};
#define RECORDS (sizeof(records) / sizeof(*records))

/* ---------------------------------------------------------------- files --------------------- */

static unsigned char bytes[1 << 18];
static size_t size;

static void write_records(const struct trace_record *r, size_t n)
{
	struct trace_writer *w = trace_create(path, TRACE_FAULTS | TRACE_KINDS, "true or false");
	FILE *f;

	assert_non_null(w);
	for (size_t i = 0; i < n; i++)
		trace_put(w, &r[i]);
	assert_true(trace_finish(w));
	f = fopen(path, "rb");
	assert_non_null(f);
	size = fread(bytes, 1, sizeof(bytes), f);
	assert_in_range(size, 1, sizeof(bytes) - 1);
	fclose(f);
}

static void store(const unsigned char *from, size_t n)
{
	FILE *f = fopen(path, "wb");

	assert_non_null(f);
	assert_int_equal(fwrite(from, 1, n, f), n);
	assert_int_equal(fclose(f), 0);
}

/* Reads all; true if it ends well, else with the message. */
static bool reads(char *error)
{
	struct trace_reader *t = trace_open(path, error);
	struct trace_record r;
	int more;

	if (!t)
		return false;
	while ((more = trace_next(t, &r)) > 0)
		;
	snprintf(error, TRACE_ERROR_MAX, "%s", trace_error(t));
	if (more < 0) /* and it stays so */
		assert_int_equal(trace_next(t, &r), -1);
	trace_close(t);
	return more == 0;
}

/* The offset that the message names; it must be one of the file. */
static size_t offset_in(const char *error)
{
	unsigned long offset = ~0ul;

	if (sscanf(error, "offset %lu: ", &offset) != 1 || offset > size)
		fail_msg("no offset in: %s", error);
	return offset;
}

/* ---------------------------------------------------------------- whole ones ---------------- */

static void test_round_trip(void **state)
{
	char error[TRACE_ERROR_MAX];
	struct trace_reader *t;
	struct trace_record r;

	(void)state;
	write_records(records, RECORDS);
	t = trace_open(path, error);
	assert_non_null(t);
	assert_string_equal(trace_command(t), "true or false");
	assert_int_equal(trace_flags(t), TRACE_FAULTS | TRACE_KINDS);
	for (size_t i = 0; i < RECORDS; i++) {
		assert_int_equal(trace_next(t, &r), 1);
		assert_int_equal(r.op, records[i].op);
		assert_int_equal(r.space, records[i].space);
		assert_int_equal(r.addr, records[i].addr);
		assert_memory_equal(r.arg, records[i].arg, sizeof(r.arg));
	}
	assert_int_equal(trace_next(t, &r), 0);
	assert_int_equal(trace_next(t, &r), 0);
	assert_int_equal(trace_position(t), trace_size(t));
	trace_close(t);
}

/* More than a block holds, in spaces that take turns. */
static void test_many_blocks(void **state)
{
	enum { MANY = 9000 };
	static struct trace_record r[MANY];
	char error[TRACE_ERROR_MAX];
	struct trace_reader *t;
	struct trace_record got;
	uint64_t seed = 1;

	(void)state;
	for (size_t i = 0; i < MANY; i++)
		r[i] = (struct trace_record){.op = TRACE_FAULT,
		                             .space = i % 7 * 1000,
		                             .addr = unit_rand(&seed),
		                             .arg = {i % 4}};
	write_records(r, MANY);
	assert_true(size > 3 * TRACE_BLOCK_MAX);
	t = trace_open(path, error);
	assert_non_null(t);
	for (size_t i = 0; i < MANY; i++) {
		assert_int_equal(trace_next(t, &got), 1);
		assert_int_equal(got.space, r[i].space);
		assert_int_equal(got.addr, r[i].addr);
		assert_int_equal(got.arg[0], r[i].arg[0]);
	}
	assert_int_equal(trace_next(t, &got), 0);
	trace_close(t);
}

/* ---------------------------------------------------------------- damaged ones -------------- */

/* Cut short anywhere: the offset is the file's end, or where the header should go on. */
static void test_cut_short(void **state)
{
	char error[TRACE_ERROR_MAX];
	size_t whole;

	(void)state;
	write_records(records, RECORDS);
	whole = size;
	for (size = 0; size < whole; size++) {
		store(bytes, size);
		assert_false(reads(error));
		if (size >= sizeof(TRACE_MAGIC) - 1) {
			assert_non_null(strstr(error, "cut short"));
			assert_int_equal(offset_in(error), size);
		}
	}
}

/* No bit of it can change unnoticed. */
static void test_damaged(void **state)
{
	char error[TRACE_ERROR_MAX];

	(void)state;
	write_records(records, RECORDS);
	for (size_t bit = 0; bit < 8 * size; bit++) {
		bytes[bit / 8] ^= (unsigned char)(1 << bit % 8);
		store(bytes, size);
		assert_false(reads(error));
		assert_true(offset_in(error) <= bit / 8 || strstr(error, "cut short"));
		bytes[bit / 8] ^= (unsigned char)(1 << bit % 8);
	}
}

static void test_other_version(void **state)
{
	char error[TRACE_ERROR_MAX];

	(void)state;
	write_records(records, RECORDS);
	bytes[sizeof(TRACE_MAGIC) - 1] = TRACE_VERSION + 1;
	store(bytes, size);
	assert_false(reads(error));
	assert_string_equal(error, "offset 8: version 2, this program knows 1");
}

static void test_no_trace(void **state)
{
	char error[TRACE_ERROR_MAX];

	(void)state;
	store((const unsigned char *)"GIF89a, or so", 13);
	assert_false(reads(error));
	assert_string_equal(error, "offset 0: this is no trace");
	unlink(path);
	assert_null(trace_open(path, error));
	assert_string_equal(error, "No such file or directory");
	assert_null(trace_create("/no/such/directory/trace", 0, ""));
}

static void test_behind_the_end(void **state)
{
	char error[TRACE_ERROR_MAX];

	(void)state;
	write_records(records, RECORDS);
	bytes[size] = 0;
	store(bytes, size + 1);
	assert_false(reads(error));
	assert_non_null(strstr(error, "behind the end"));
	assert_int_equal(offset_in(error), size);
}

/* The sum is right, but what is in the block cannot be. */
static void test_senseless(void **state)
{
	static const struct trace_record bad[] = {
	    {.op = TRACE_FAULT, .addr = TRACE_PAGES_MAX},
	    {.op = TRACE_START, .arg = {TRACE_SPACES_MAX}},
	    {.op = TRACE_FILE, .arg = {TRACE_FILES_MAX}},
	    {.op = TRACE_FILE, .arg = {0, 2}},
	    {.op = TRACE_UNMAP, .addr = TRACE_PAGES_MAX - 1, .arg = {2}},
	    {.op = TRACE_UNMAP, .addr = 1, .arg = {UINT64_MAX}},
	    {.op = TRACE_REMAP, .addr = 1, .arg = {1, UINT64_MAX, 1, 0}},
	    {.op = TRACE_REMAP, .addr = 1, .arg = {1, 2, TRACE_PAGES_MAX - 1, 0}},
	};
	char error[TRACE_ERROR_MAX];

	(void)state;
	for (size_t i = 0; i < sizeof(bad) / sizeof(*bad); i++) {
		write_records((const struct trace_record[]){records[0], bad[i], records[0]}, 3);
		assert_false(reads(error));
		assert_non_null(strstr(error, "means nothing"));
		offset_in(error);
	}
}

static int remove_file(void **state)
{
	(void)state;
	unlink(path);
	return 0;
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(test_round_trip),     cmocka_unit_test(test_many_blocks),
	    cmocka_unit_test(test_cut_short),      cmocka_unit_test(test_damaged),
	    cmocka_unit_test(test_other_version),  cmocka_unit_test(test_no_trace),
	    cmocka_unit_test(test_behind_the_end), cmocka_unit_test(test_senseless),
	};
	int fd = mkstemp(path);

	if (fd < 0)
		return 1;
	close(fd);
	return cmocka_run_group_tests(tests, NULL, remove_file);
}
