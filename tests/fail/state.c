/*
 * state.c: the state of a stage as a list of facts, one for each page and each file page, which can
 * be compared.
 *
 * Two lists: `area` is the layout as it is; `fact` is page by page, so that it can be said of each
 * page alone whether it is as before or as after.
 */
#include "stage.h"

#include <stdlib.h>
#include <string.h>

enum { WHERE_FILE = 100, WHERE_PIN = 200 }; /* an address space is 0 .. RIG_MMS-1 */

#define FILE_SIZE UINTPTR_MAX /* as a place in a file: its size, instead of a hash */

struct fact {
	unsigned where;
	uintptr_t at; /* address, offset in the file, or number of the pin */
	/* What is there. */
	unsigned flags;
	int file;
	uint64_t pgoff;
	int err; /* of reading the contents */
	uint64_t hash;
	bool zero;
};

struct area {
	unsigned mm, flags;
	uintptr_t start, end, brk;
	int file;
	uint64_t pgoff;
};

struct state {
	struct fact *fact;
	struct area *area;
	size_t facts, areas;
};

static void *grow(void *array, size_t n, size_t size)
{
	if (n & (n - 1))
		return array; /* has room up to the next power of two */
	array = realloc(array, (n ? 2 * n : 1) * size);
	rig_check(array);
	return array;
}

static struct fact *add_fact(struct state *st, unsigned where, uintptr_t at)
{
	struct fact *f;

	st->fact = grow(st->fact, st->facts, sizeof(*st->fact));
	f = &st->fact[st->facts++];
	memset(f, 0, sizeof(*f));
	f->where = where;
	f->at = at;
	return f;
}

/* Four hashes of every fourth word each: a processor computes them side by side. */
static void set_contents(struct fact *f, const unsigned char *page)
{
	uint64_t hash[4] = {1, 2, 3, 4}, any = 0;

	for (size_t i = 0; i < RIG_PAGE / 8; i++) {
		uint64_t word, *h = &hash[i % 4];

		memcpy(&word, page + 8 * i, 8);
		any |= word;
		*h = (*h ^ word) * 0x100000001b3u;
		*h ^= *h >> 29;
	}
	f->hash = ((hash[0] * 31 + hash[1]) * 31 + hash[2]) * 31 + hash[3];
	f->zero = !any;
}

static int file_number(const struct stage *s, const struct om_mapping *m)
{
	if (!m)
		return -1;
	for (int i = 0; i < RIG_FILES; i++)
		if (s->r->file[i].mapping == m)
			return i;
	return RIG_FILES; /* anonymous shared memory */
}

static struct area *add_area(struct state *st, const struct stage *s, unsigned mm,
                             const struct om_vmainfo *info)
{
	struct area *a;

	st->area = grow(st->area, st->areas, sizeof(*st->area));
	a = &st->area[st->areas++];
	memset(a, 0, sizeof(*a));
	a->mm = mm;
	a->flags = info->flags;
	a->start = info->start;
	a->end = info->end;
	a->file = file_number(s, info->mapping);
	/* Numbers of private memory are nobody's business. */
	a->pgoff = info->mapping ? info->pgoff : 0;
	return a;
}

static void add_page(struct state *st, struct om_mm *mm, const struct area *a, uintptr_t addr)
{
	struct fact *f = add_fact(st, a->mm, addr);
	unsigned char page[RIG_PAGE];

	f->flags = a->flags;
	f->file = a->file;
	f->pgoff = a->file >= 0 ? a->pgoff + (addr - a->start) / RIG_PAGE : 0;
	f->err = om_read(mm, addr, page, RIG_PAGE, NULL);
	if (!f->err)
		set_contents(f, page);
	if (f->err == -OM_ENOMEM)
		rig_fail(__FILE__, __LINE__, "no memory to look at %#lx", (unsigned long)addr);
}

static void add_mm(struct state *st, const struct stage *s, unsigned i)
{
	struct om_mm *mm = s->r->mm[i];
	size_t first = st->areas;
	struct om_vmainfo info;

	for (uintptr_t at = 0; om_vma_next(mm, at, &info); at = info.end)
		add_area(st, s, i, &info)->brk = om_brk(mm, 0);
	for (size_t n = first; n < st->areas; n++) {
		const struct area a = st->area[n];

		/* What cannot be read must be there all the same. */
		if (!(a.flags & (OM_VM_READ | OM_VM_WRITE | OM_VM_EXEC)))
			rig_ok(om_mprotect(mm, a.start, a.end - a.start, OM_PROT_READ));
		for (uintptr_t addr = a.start; addr < a.end; addr += RIG_PAGE)
			add_page(st, mm, &a, addr);
	}
}

/* Contents through the cache; and the store must have the same as soon as the cache is written. */
static void add_file(struct state *st, const struct stage *s, unsigned i)
{
	const struct rig_file *file = &s->r->file[i];
	uint64_t size = om_mapping_size(file->mapping);

	rig_ok(om_mapping_sync(file->mapping, 0, 0));
	add_fact(st, WHERE_FILE + i, FILE_SIZE)->hash = size;
	for (uint64_t at = 0; at < size; at += RIG_PAGE) {
		struct fact *f = add_fact(st, WHERE_FILE + i, (uintptr_t)at);
		unsigned char page[RIG_PAGE] = {0}, stored[RIG_PAGE];
		size_t done;

		rig_ok(om_mapping_read(file->mapping, at, page, RIG_PAGE, &done));
		set_contents(f, page);
		if (!file->store)
			continue;
		sim_store_peek(file->store, at, stored, RIG_PAGE);
		if (memcmp(page, stored, done))
			rig_fail(__FILE__, __LINE__, "file %u at %#llx: the store differs", i,
			         (unsigned long long)at);
	}
}

struct state *state_of(struct stage *s)
{
	struct state *st = calloc(1, sizeof(*st));

	rig_check(st);
	for (unsigned i = 0; i < RIG_PINS; i++)
		if (s->r->pin[i])
			set_contents(add_fact(st, WHERE_PIN, i),
			             sim_frame(s->r->sim, s->r->pin[i]));
	for (unsigned i = 0; i < RIG_MMS; i++)
		if (s->r->mm[i])
			add_mm(st, s, i);
	for (unsigned i = 0; i < RIG_FILES; i++)
		if (s->r->file[i].mapping)
			add_file(st, s, i);
	return st;
}

void state_free(struct state *st)
{
	free(st->fact);
	free(st->area);
	free(st);
}

/* ---------------------------------------------------------------- comparing ----------------- */

static bool fact_same(const struct fact *a, const struct fact *b)
{
	return a->flags == b->flags && a->file == b->file && a->pgoff == b->pgoff &&
	       a->err == b->err && a->hash == b->hash;
}

static bool area_same(const struct area *a, const struct area *b)
{
	return a->mm == b->mm && a->flags == b->flags && a->start == b->start && a->end == b->end &&
	       a->brk == b->brk && a->file == b->file && a->pgoff == b->pgoff;
}

static bool same_place(const struct fact *a, const struct fact *b)
{
	return a->where == b->where && a->at == b->at;
}

bool state_same(const struct state *a, const struct state *b)
{
	if (a->areas != b->areas || a->facts != b->facts)
		return false;
	for (size_t i = 0; i < a->areas; i++)
		if (!area_same(&a->area[i], &b->area[i]))
			return false;
	for (size_t i = 0; i < a->facts; i++)
		if (!same_place(&a->fact[i], &b->fact[i]) || !fact_same(&a->fact[i], &b->fact[i]))
			return false;
	return true;
}

static const struct fact *find(const struct state *st, const struct fact *place)
{
	for (size_t i = 0; i < st->facts; i++)
		if (same_place(&st->fact[i], place))
			return &st->fact[i];
	return NULL;
}

/* The same, or zeros where these are allowed; NULL: nothing is there. */
static bool agree(const struct fact *s, const struct fact *with, bool lazy)
{
	struct fact f;

	if (!s || !with)
		return s == with;
	f = *s;
	if (lazy && s->zero)
		f.hash = with->hash;
	return fact_same(&f, with);
}

static bool place_between(const struct fact *place, const struct state *s, const struct state *a,
                          const struct state *b, bool lazy)
{
	const struct fact *f = find(s, place);

	if (place->at == FILE_SIZE && place->where >= WHERE_FILE)
		return f && f->hash >= find(a, place)->hash && f->hash <= find(b, place)->hash;
	return agree(f, find(a, place), lazy) || agree(f, find(b, place), lazy);
}

bool state_between(const struct state *s, const struct state *a, const struct state *b, bool lazy)
{
	const struct state *places[] = {s, a, b};

	for (unsigned n = 0; n < 3; n++)
		for (size_t i = 0; i < places[n]->facts; i++)
			if (!place_between(&places[n]->fact[i], s, a, b, lazy))
				return false;
	return true;
}

/* ---------------------------------------------------------------- telling ------------------- */

static void print_fact(const char *which, const struct fact *f)
{
	if (!f)
		fprintf(stderr, "    %s: nothing\n", which);
	else
		fprintf(stderr, "    %s: flags %#x file %d page %llu err %d hash %016llx%s\n",
		        which, f->flags, f->file, (unsigned long long)f->pgoff, f->err,
		        (unsigned long long)f->hash, f->zero ? " (zero)" : "");
}

static void diff_facts(const struct state *a, const struct state *b, const struct state *places)
{
	for (size_t i = 0; i < places->facts; i++) {
		const struct fact *p = &places->fact[i], *fa = find(a, p), *fb = find(b, p);

		if (places == b && fa)
			continue;
		if (fa && fb && fact_same(fa, fb))
			continue;
		fprintf(stderr, "  %u:%#lx\n", p->where, (unsigned long)p->at);
		print_fact("is", fa);
		print_fact("should be", fb);
	}
}

static void print_areas(const struct state *st)
{
	for (size_t i = 0; i < st->areas; i++)
		fprintf(stderr, "    mm %u %#lx-%#lx flags %#x file %d page %llu brk %#lx\n",
		        st->area[i].mm, (unsigned long)st->area[i].start,
		        (unsigned long)st->area[i].end, st->area[i].flags, st->area[i].file,
		        (unsigned long long)st->area[i].pgoff, (unsigned long)st->area[i].brk);
}

void state_diff(const struct state *a, const struct state *b)
{
	bool areas = a->areas != b->areas;

	for (size_t i = 0; !areas && i < a->areas; i++)
		areas = !area_same(&a->area[i], &b->area[i]);
	if (areas) {
		fprintf(stderr, "  areas are:\n");
		print_areas(a);
		fprintf(stderr, "  and should be:\n");
		print_areas(b);
	}
	diff_facts(a, b, a);
	diff_facts(a, b, b);
}
