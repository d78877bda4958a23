/*
 * ops_file.c: files and shared memory: opened, closed, cut, punched, read, written, synced.
 *
 * The test is the file system here: what lies in a store beyond a file's end is cut off before the
 * file grows.
 */
#include "ops.h"

#include <string.h>

#define MOST_PAGES 40 /* sizes and offsets stay below */

static void fill_bytes(uint8_t *buf, size_t n, uint32_t seed)
{
	for (size_t i = 0; i < n; i++) {
		seed = seed * 1103515245u + 12345u;
		buf[i] = (uint8_t)(seed >> 16);
	}
}

static uint64_t pick_offset(uint32_t a)
{
	uint64_t page = a % 4 ? (a >> 2) % 8 : (a >> 2) % MOST_PAGES;

	return page * PAGE + (a % 3 ? (a >> 10) % PAGE : 0);
}

/* ---------------------------------------------------------------- life ---------------------- */

static void fill_file(struct object *o)
{
	uint8_t buf[SIM_PAGE_SIZE];

	for (size_t i = 0; i < object_pages(o); i++) {
		fill_bytes(buf, PAGE, (uint32_t)i + 77);
		object_write(o, (uint64_t)i * PAGE, buf, object_valid(o, i));
		sim_store_poke(o->store, (uint64_t)i * PAGE, buf, object_valid(o, i));
	}
}

void op_open(struct world *w, const uint32_t *a)
{
	uint64_t size = pick_offset(a[1]);
	const struct om_store_ops *ops;
	struct object *o;
	unsigned slot = 0;
	int err;

	while (slot < NR_FILES && w->file[slot])
		slot++;
	if (slot == NR_FILES)
		return;
	world_trace(w, " file %u, %s, size %llu", slot, a[0] % 2 ? "store" : "shared memory",
	            (unsigned long long)size);
	o = object_new(size, FILE_ROOM);
	if (a[0] % 2) {
		o->store = sim_store_ram();
		fill_file(o);
	}
	ops = !o->store ? NULL : a[0] & 2 ? &sim_store_mkwrite_ops : &sim_store_ops;
	err = om_mapping_create(w->sys, ops, o->store, size, &o->mapping);
	if (agree(w, err, 0)) {
		o->open = true;
		w->file[slot] = o;
		return;
	}
	if (o->store)
		sim_store_free(o->store);
	object_free(o);
}

void op_close(struct world *w, const uint32_t *a)
{
	struct object *o = pick_file(w, a[0]);

	world_trace(w, "\n");
	if (!o)
		return;
	for (unsigned i = 0; i < NR_FILES; i++)
		if (w->file[i] == o)
			w->file[i] = NULL;
	om_mapping_put(o->mapping);
	o->open = false;
	world_object_gone(w, o);
}

/* ---------------------------------------------------------------- sizes and holes ----------- */

/* Private copies beyond the end go, too. */
static void drop_copies(struct world *w, const struct object *o)
{
	for (unsigned i = 0; i < NR_SPACES; i++) {
		struct space *s = &w->space[i];

		for (size_t page = 0; s->mm && page < MODEL_PAGES; page++) {
			struct mpage *p = &s->page[page];

			if (p->object != o || !p->own || p->index < object_pages(o))
				continue;
			content_put(p->own);
			p->own = NULL;
		}
	}
}

static void note_size(struct world *w, struct object *o, uint64_t size)
{
	uint64_t old = o->size;

	o->size = size;
	if (size > old) {
		object_zero(o, old, size);
		return;
	}
	object_zero(o, size, (uint64_t)o->room * PAGE);
	orphan_pins(w, o, object_pages(o), SIZE_MAX);
	drop_copies(w, o);
}

void op_truncate(struct world *w, const uint32_t *a)
{
	struct object *o = pick_file(w, a[0]);
	uint64_t size = pick_offset(a[1]);
	int err;

	if (!o)
		return;
	world_trace(w, " from %llu to %llu", (unsigned long long)o->size, (unsigned long long)size);
	err = om_mapping_truncate(o->mapping, size);
	if (!agree(w, err, 0))
		return;
	if (o->store)
		sim_store_truncate(o->store, size < o->size ? size : o->size);
	note_size(w, o, size);
}

void op_punch(struct world *w, const uint32_t *a)
{
	struct object *o = pick_file(w, a[0]);
	uint64_t from = pick_offset(a[1]), len = 1 + pick_offset(a[2]), to;

	if (!o)
		return;
	world_trace(w, " offset %llu len %llu", (unsigned long long)from, (unsigned long long)len);
	if (!agree(w, om_mapping_punch(o->mapping, from, len), 0))
		return;
	to = from + len < o->size ? from + len : o->size;
	object_zero(o, from, to);
	/* Whole pages have left the cache. */
	orphan_pins(w, o, (size_t)((from + PAGE - 1) / PAGE), (size_t)((from + len) / PAGE));
}

/* ---------------------------------------------------------------- bytes --------------------- */

#define COPY_MAX (3 * SIM_PAGE_SIZE)

void op_fread(struct world *w, const uint32_t *a)
{
	static uint8_t have[COPY_MAX], want[COPY_MAX];
	struct object *o = pick_file(w, a[0]);
	uint64_t offset = pick_offset(a[1]);
	size_t n = 1 + a[2] % COPY_MAX, done = 0, most;

	if (!o)
		return;
	world_trace(w, " offset %llu n %zu", (unsigned long long)offset, n);
	most = o->size > offset ? (size_t)(o->size - offset) : 0;
	if (most > n)
		most = n;
	if (agree(w, om_mapping_read(o->mapping, offset, have, n, &done), 0) && done != most)
		FAIL(w, "%zu bytes were read, expected %zu", done, most);
	object_read(o, offset, want, done);
	if (done > most || memcmp(have, want, done))
		FAIL(w, "a read of a file gives other bytes");
}

/* The file has at least `size` bytes now; the new ones are zeros until they are written. */
static void note_growth(struct object *o, uint64_t size)
{
	if (size <= o->size)
		return;
	object_zero(o, o->size, size);
	o->size = size;
}

void op_fwrite(struct world *w, const uint32_t *a)
{
	static uint8_t buf[COPY_MAX];
	struct object *o = pick_file(w, a[0]);
	uint64_t offset = pick_offset(a[1]), now;
	size_t n = 1 + a[2] % COPY_MAX, done = 0;

	if (!o)
		return;
	world_trace(w, " offset %llu n %zu size %llu", (unsigned long long)offset, n,
	            (unsigned long long)o->size);
	fill_bytes(buf, n, a[3]);
	if (o->store)
		sim_store_truncate(o->store, o->size);
	if (agree(w, om_mapping_write(o->mapping, offset, buf, n, &done), 0) && done != n)
		FAIL(w, "%zu bytes were written, expected %zu", done, n);
	if (done)
		note_growth(o, offset + done);
	object_write(o, offset, buf, done);
	/* A write that failed may have made the file longer, by zeros, up to where it wanted to go.
	 */
	now = om_mapping_size(o->mapping);
	if (done < n && now <= offset + n)
		note_growth(o, now);
}

static bool is_pinned(const struct world *w, const struct object *o, size_t index)
{
	for (unsigned i = 0; i < NR_PINS; i++)
		if (w->pin[i].used && w->pin[i].object == o && w->pin[i].index == index)
			return true;
	return false;
}

void op_fsync(struct world *w, const uint32_t *a)
{
	uint8_t want[SIM_PAGE_SIZE], have[SIM_PAGE_SIZE];
	struct object *o = pick_file(w, a[0]);
	uint64_t offset = pick_offset(a[1]), len = a[2] % 2 ? 0 : pick_offset(a[2]);
	size_t end;

	if (!o)
		return;
	world_trace(w, " offset %llu len %llu", (unsigned long long)offset,
	            (unsigned long long)len);
	if (!agree(w, om_mapping_sync(o->mapping, offset, len), 0))
		return;
	end = len ? (size_t)((offset + len + PAGE - 1) / PAGE) : object_pages(o);
	for (size_t i = (size_t)(offset / PAGE); o->store && i < end && i < object_pages(o); i++) {
		size_t n = object_valid(o, i);

		if (is_pinned(w, o, i))
			continue;
		object_read(o, (uint64_t)i * PAGE, want, n);
		sim_store_peek(o->store, (uint64_t)i * PAGE, have, n);
		if (memcmp(want, have, n))
			FAIL(w, "page %zu was not written by sync", i);
	}
}
