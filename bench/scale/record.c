/*
 * record.c: see record.h.
 *
 * For each pair of line and CPU there is an entry in a hash table with open addressing. It knows
 * the operation that was seen there last, so that further accesses of the same one make no new
 * visit.
 */
#include "record.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* What one CPU did to one line. */
struct use {
	uintptr_t line; /* 0: the entry is free */
	uint32_t cpu, kinds;
	uint32_t visit, write;   /* number of the last operation that touched it, that wrote it */
	uint32_t visits, writes; /* operations that did */
	uint64_t written, known; /* bytes, as in struct shared_line */
	uintptr_t by;            /* who wrote there last */
};

static struct use *uses;
static size_t size, used; /* size: a power of two */

static int (*kind_of)(uintptr_t addr);
static uint32_t operations;
static uint32_t under_way[RECORD_CPUS]; /* number of the operation of each CPU; 0: none */
static uint64_t accesses;

/* ---------------------------------------------------------------- entries ------------------- */

static struct use *table(size_t n)
{
	struct use *t = calloc(n, sizeof(*t));

	if (!t) {
		fprintf(stderr, "bench-scale: out of memory\n");
		exit(1);
	}
	return t;
}

/* The entry of this pair, or the free one that is to become it. */
static struct use *find(uintptr_t line, uint32_t of)
{
	uint64_t hash = (line / LINE_BYTES * 256 + of) * 0x9e3779b97f4a7c15u;
	size_t i = (size_t)(hash >> 20) & (size - 1);

	while (uses[i].line && (uses[i].line != line || uses[i].cpu != of))
		i = (i + 1) & (size - 1);
	return &uses[i];
}

static void grow(void)
{
	struct use *old = uses;
	size_t n = size;

	size = n * 2;
	uses = table(size);
	for (size_t i = 0; i < n; i++)
		if (old[i].line)
			*find(old[i].line, old[i].cpu) = old[i];
	free(old);
}

static struct use *use_of(uintptr_t line, uint32_t cpu)
{
	struct use *u;

	if (used * 2 >= size)
		grow();
	u = find(line, cpu);
	if (!u->line) {
		u->line = line;
		u->cpu = cpu;
		used++;
	}
	return u;
}

/* ---------------------------------------------------------------- recording ----------------- */

void record_start(int (*kind)(uintptr_t addr))
{
	free(uses);
	size = 1 << 16;
	uses = table(size);
	used = 0;
	kind_of = kind;
	operations = 0;
	accesses = 0;
	memset(under_way, 0, sizeof(under_way));
}

void record_begin(unsigned cpu)
{
	under_way[cpu] = ++operations;
}

void record_end(unsigned cpu)
{
	under_way[cpu] = 0;
}

static void touch(struct use *u, uint32_t operation, uint64_t bytes, bool write)
{
	u->known |= bytes;
	if (u->visit != operation) {
		u->visit = operation;
		u->visits++;
	}
	if (!write)
		return;
	u->written |= bytes;
	if (u->write != operation) {
		u->write = operation;
		u->writes++;
	}
}

/* Bytes [from, to) of a line. */
static uint64_t mask(uintptr_t from, uintptr_t to)
{
	uint64_t below = to - from == LINE_BYTES ? ~(uint64_t)0 : ((uint64_t)1 << (to - from)) - 1;

	return below << from % LINE_BYTES;
}

void record_access(unsigned cpu, uintptr_t addr, size_t bytes, bool write, uintptr_t by)
{
	uintptr_t end = addr + bytes;

	if (!under_way[cpu])
		return;
	accesses++;
	while (addr < end) {
		uintptr_t line = addr & ~(uintptr_t)(LINE_BYTES - 1), next = line + LINE_BYTES;
		int kind = kind_of(addr);

		if (next > end)
			next = end;
		if (kind >= 0) {
			struct use *u = use_of(line, cpu);

			u->kinds |= 1u << kind;
			if (write)
				u->by = by;
			touch(u, under_way[cpu], mask(addr, next), write);
		}
		addr = next;
	}
}

/* ---------------------------------------------------------------- adding up ----------------- */

static int by_line(const void *a, const void *b)
{
	const struct use *x = a, *y = b;

	if (x->line != y->line)
		return x->line < y->line ? -1 : 1;
	return x->cpu < y->cpu ? -1 : x->cpu > y->cpu;
}

/* All n entries of one line. */
static void line_sum(const struct use *u, size_t n, struct shared_line *s)
{
	uint64_t writes = 0;

	*s = (struct shared_line){.line = u->line, .cpus = (unsigned)n};
	for (size_t i = 0; i < n; i++) {
		writes += u[i].writes;
		s->kinds |= u[i].kinds;
		s->written |= u[i].written;
		s->known |= u[i].known;
		s->by = u[i].by ? u[i].by : s->by;
	}
	for (size_t i = 0; i < n; i++) {
		uint64_t others = writes - u[i].writes, reads = u[i].visits - u[i].writes;

		if (!others)
			continue;
		s->writes += u[i].writes;
		s->reads += reads < others ? reads : others;
	}
}

void record_sum(struct record_sum *sum, void (*each)(const struct shared_line *line))
{
	size_t n = 0, next;

	*sum = (struct record_sum){.operations = operations, .accesses = accesses};
	for (size_t i = 0; i < size; i++)
		if (uses[i].line)
			uses[n++] = uses[i];
	qsort(uses, n, sizeof(*uses), by_line);
	for (size_t i = 0; i < n; i = next) {
		struct shared_line s;

		for (next = i + 1; next < n && uses[next].line == uses[i].line; next++)
			;
		line_sum(&uses[i], next - i, &s);
		sum->writes += s.writes;
		sum->reads += s.reads;
		if (each && s.writes + s.reads)
			each(&s);
	}
}
