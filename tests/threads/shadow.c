/*
 * shadow.c: what every page must hold, and accesses that are checked against it.
 *
 * A 64-bit word of a page says whose it is: 4 bits of magic, 20 of the serial number of an address
 * space or file, 13 of the page, 18 of the version, 9 of the word's place. A block's tag is such a
 * word with place 0.
 */
#include "threads.h"

#include <sched.h>
#include <stdarg.h>
#include <stdio.h>

#define MAGIC         0xaull
#define VERSION_BITS  18
#define VERSION_SHIFT 9
#define PLACE_MASK    0x1ffull
#define ID_MASK       (~0ull << (VERSION_SHIFT + VERSION_BITS))

void fail(struct thread *t, const char *format, ...)
{
	va_list args;

	fprintf(stderr, "threads: seed %llu, CPU %u, after %llu operations, in \"%s\": ",
	        (unsigned long long)t->w->cfg.seed, t->nr, (unsigned long long)atomic_load(&t->ops),
	        atomic_load(&t->doing));
	va_start(args, format);
	vfprintf(stderr, format, args);
	va_end(args);
	fputc('\n', stderr);
	abort();
}

void out_of_memory(struct thread *t)
{
	t->oom++;
	sched_yield();
}

/* ---------------------------------------------------------------- contents ------------------ */

void content_init(struct content *c, unsigned serial, unsigned page)
{
	atomic_store(&c->seq, 0);
	atomic_store(&c->version, 0);
	for (unsigned b = 0; b < BLOCKS; b++)
		atomic_store(&c->tag[b], 0);
	c->id = MAGIC << 60 | (uint64_t)(serial & 0xfffff) << 40 | (uint64_t)page << 27;
}

void content_begin(struct content *c)
{
	atomic_fetch_add(&c->seq, 1);
}

void content_end(struct content *c)
{
	atomic_fetch_add(&c->seq, 1);
}

uint64_t content_next(struct thread *t, struct content *c)
{
	uint32_t version = atomic_fetch_add(&c->version, 1) + 1;

	CHECK(t, version < 1u << VERSION_BITS, "too many versions for a tag: run it shorter");
	return c->id | (uint64_t)version << VERSION_SHIFT;
}

void content_set(struct content *c, unsigned block, unsigned n, uint64_t tag)
{
	while (n--)
		atomic_store(&c->tag[block++], tag);
}

void content_copy(struct content *to, const struct content *from)
{
	for (unsigned b = 0; b < BLOCKS; b++)
		atomic_store(&to->tag[b], atomic_load(&from->tag[b]));
}

void fill_words(uint64_t *words, size_t n, unsigned first, uint64_t tag)
{
	for (size_t j = 0; j < n; j++)
		words[j] = tag ? tag | (first + j) : 0;
}

/* ---------------------------------------------------------------- spots --------------------- */

struct file *file_of(struct thread *t, const struct proc *p, unsigned r)
{
	if (region[r].file < 0)
		return NULL;
	return region[r].file == OWN_FILE ? p->own : t->w->file[region[r].file];
}

struct file_page *file_page_of(struct thread *t, const struct proc *p, unsigned r, unsigned i)
{
	struct file *f = file_of(t, p, r);
	uint32_t k = region[r].file_page + i;

	if (!f)
		return NULL;
	if (region[r].kind == K_TWISTED)
		k = atomic_load(&p->spot[region[r].first + i].file_page);
	return &f->page[k];
}

bool is_mine(const struct thread *t, const struct proc *p, unsigned r, unsigned i)
{
	unsigned n = t->w->nr_threads;

	if (p->shared < 0)
		return true;
	switch (r) {
	case BIG:
		return (unsigned)p->shared % n == t->nr;
	case HEAP:
	case STACK:
		return (unsigned)(p->shared + 1) % n == t->nr;
	default:
		return (i / 8 + r) % n == t->nr;
	}
}

void spots_begin(struct proc *p, unsigned r, unsigned i, unsigned n)
{
	while (n--) {
		atomic_fetch_add(&spot_of(p, r, i)->upset, 1);
		content_begin(&spot_of(p, r, i++)->c);
	}
}

void spots_end(struct proc *p, unsigned r, unsigned i, unsigned n)
{
	while (n--) {
		content_end(&spot_of(p, r, i)->c);
		atomic_fetch_add(&spot_of(p, r, i++)->upset, 1);
	}
}

void spots_attr(struct proc *p, unsigned r, unsigned i, unsigned n, uint32_t clear, uint32_t set)
{
	while (n--) {
		struct spot *s = spot_of(p, r, i++);

		atomic_store(&s->attr, (attr_of(s) & ~clear) | set);
	}
}

void spot_zero(struct thread *t, struct proc *p, unsigned r, unsigned i)
{
	struct spot *s = spot_of(p, r, i);

	if (attr_of(s) & A_PINNED)
		pins_detach(t, p, r, i);
	content_set(&s->c, 0, BLOCKS, 0);
	atomic_store(&s->attr, attr_of(s) & ~(A_FREED | A_COPY | A_HAZY));
	if (region[r].kind == K_TWISTED) /* linear again */
		atomic_store(&s->file_page, region[r].file_page + i);
}

/* ---------------------------------------------------------------- expectations -------------- */

/* The shadow of a page as it was before an access. */
struct view {
	struct spot *s;
	struct file_page *f; /* NULL: anonymous */
	uint32_t seq, attr, fseq, cuts, blocks;
	uint64_t tag[BLOCKS];
	unsigned end; /* blocks that are known */
	bool own;     /* the contents are the spot's, not the file's */
	bool anyone;  /* words of other address spaces may be inherited */
};

unsigned known_blocks(const struct proc *p, unsigned r, uint32_t attr)
{
	return has_guest(p, r) || (attr & A_HAZY) ? BLOCKS - 1 : BLOCKS;
}

static void look(struct thread *t, struct view *v, struct proc *p, unsigned r, unsigned i)
{
	const struct content *c;

	v->s = spot_of(p, r, i);
	v->seq = atomic_load(&v->s->c.seq);
	v->attr = attr_of(v->s);
	v->f = file_page_of(t, p, r, i);
	v->own = !v->f || (v->attr & A_COPY);
	v->end = known_blocks(p, r, v->attr);
	v->anyone = p->shared < 0 || region[r].kind == K_TWISTED;
	if (v->f) {
		v->fseq = atomic_load(&v->f->c.seq);
		v->cuts = atomic_load(&v->f->cuts);
		v->blocks = atomic_load(&v->f->blocks);
		/* What lies in the last page beyond the end of the file is nobody's. */
		if (!v->own)
			v->end = v->blocks;
	}
	c = v->own ? &v->s->c : &v->f->c;
	for (unsigned b = 0; b < BLOCKS; b++)
		v->tag[b] = atomic_load(&c->tag[b]);
}

static bool spot_is_steady(const struct view *v)
{
	return !(v->seq & 1) && atomic_load(&v->s->c.seq) == v->seq;
}

static bool file_is_steady(const struct view *v)
{
	return !(v->fseq & 1) && atomic_load(&v->f->c.seq) == v->fseq;
}

/* A truncation may have taken the private copy. */
static bool is_lost(const struct view *v)
{
	return v->f && v->own &&
	       ((v->cuts & 1) || atomic_load(&v->s->cut) != v->cuts ||
	        atomic_load(&v->f->cuts) != v->cuts);
}

/* Results of an access: 0, an enum om_fault_result, or that it failed some way or other. */
#define SOME_FAULT 99

static const char *result_name(int result)
{
	switch (result) {
	case 0:
		return "success";
	case OM_FAULT_MAPERR:
		return "SEGV_MAPERR";
	case OM_FAULT_ACCERR:
		return "SEGV_ACCERR";
	case OM_FAULT_BUS:
		return "SIGBUS";
	default:
		return "a fault";
	}
}

/* What must an access end in, if nobody changes anything? */
static int expected(const struct view *v, uint32_t access)
{
	if (!(v->attr & A_MAPPED))
		return OM_FAULT_MAPERR;
	if (!(v->attr & A_PROT) || (v->attr & access) != access)
		return OM_FAULT_ACCERR;
	if (v->f && !v->own && v->blocks == 0)
		return OM_FAULT_BUS;
	return 0;
}

static void demand(struct thread *t, const struct view *v, const char *what, const char *where,
                   unsigned i, int result, int want)
{
	if (result == want || (result == SOME_FAULT && want))
		return;
	fail(t, "%s of page %u of %s ended in %s, not in %s (attributes %#x)", what, i, where,
	     result_name(result), result_name(want), v->attr);
}

/* Is this a word that the page could have held at any time? */
static bool is_plausible(const struct view *v, uint64_t word, unsigned place)
{
	const struct content *c = &v->s->c;

	if (word == 0 || sizeof(void *) == 4) /* words can be torn there */
		return true;
	if (word >> 60 != MAGIC || (word & PLACE_MASK) != place)
		return false;
	if (v->anyone)
		return true;
	if ((word & ID_MASK) != c->id) {
		if (!v->f || (word & ID_MASK) != v->f->c.id)
			return false;
		c = &v->f->c;
	}
	if (v->own && !v->f && v->end < BLOCKS && place >= v->end * (PAGE_WORDS / BLOCKS))
		return (word & ~ID_MASK) >> VERSION_SHIFT <= atomic_load(&v->s->guest_version);
	return (word & ~ID_MASK) >> VERSION_SHIFT <= atomic_load(&c->version);
}

static void demand_plausible(struct thread *t, const struct view *v, const char *where, unsigned i,
                             unsigned block, unsigned n)
{
	for (unsigned j = 0; j < n * (PAGE_WORDS / BLOCKS); j++) {
		unsigned place = block * (PAGE_WORDS / BLOCKS) + j;

		CHECK(t, is_plausible(v, t->page[j], place),
		      "page %u of %s, word %u is %#llx: nobody ever wrote that there", i, where,
		      place, (unsigned long long)t->page[j]);
	}
}

/* Does block b of what was read, which began at block `first`, hold this tag? */
static bool block_is(const struct thread *t, unsigned first, unsigned b, uint64_t tag)
{
	const uint64_t *word = &t->page[(b - first) * (PAGE_WORDS / BLOCKS)];

	for (unsigned j = 0; j < PAGE_WORDS / BLOCKS; j++)
		if (word[j] != (tag ? tag | (b * (PAGE_WORDS / BLOCKS) + j) : 0))
			return false;
	return true;
}

static bool blocks_are(const struct thread *t, const uint64_t *tag, unsigned first, unsigned n,
                       unsigned end)
{
	for (unsigned b = first; b < first + n && b < end; b++)
		if (!block_is(t, first, b, tag ? tag[b] : 0))
			return false;
	return true;
}

/* What else can be said about a page that holds the wrong bytes. */
static void post_mortem(struct thread *t, const struct view *v, struct proc *p, unsigned r,
                        unsigned i)
{
	struct om_pageinfo info;
	uint64_t word[BLOCKS];
	size_t done = 0;

	if (v->f) {
		struct file *f = file_of(t, p, r);
		unsigned k = (unsigned)(v->f - f->page);

		fprintf(stderr, "  file page %u of %llu bytes, owner %u, %u blocks, cuts %u:", k,
		        (unsigned long long)om_mapping_size(f->mapping), v->f->owner, v->blocks,
		        v->cuts);
		for (unsigned b = 0; b < BLOCKS; b++) {
			(void)om_mapping_read(f->mapping, k * PAGE + b * BLOCK, &word[b], 8, &done);
			fprintf(stderr, " %#llx", (unsigned long long)(done ? word[b] : 1));
		}
		fputc('\n', stderr);
	}
	om_pageinfo(p->mm, addr_at(r, i, loc_of(v->attr)), &info);
	fprintf(stderr, "  entry of kind %d, %s, %s, value %llu, mapped %u times; tags:", info.kind,
	        info.writable ? "writable" : "read-only", info.dirty ? "dirty" : "clean",
	        (unsigned long long)info.value, info.mapcount);
	for (unsigned b = 0; b < BLOCKS; b++)
		fprintf(stderr, " %#llx", (unsigned long long)v->tag[b]);
	(void)om_read(p->mm, addr_at(r, i, loc_of(v->attr)), t->page, PAGE, NULL);
	fprintf(stderr, "\n  read again:");
	for (unsigned b = 0; b < BLOCKS; b++)
		fprintf(stderr, " %#llx", (unsigned long long)t->page[b * (PAGE_WORDS / BLOCKS)]);
	fputc('\n', stderr);
}

/* `p` is NULL if the page was read through no address space. */
static void describe_difference(struct thread *t, const struct view *v, struct proc *p, unsigned r,
                                unsigned i, unsigned first, unsigned n)
{
	for (unsigned b = first; b < first + n && b < v->end; b++) {
		for (unsigned j = 0; j < PAGE_WORDS / BLOCKS; j++) {
			unsigned place = b * (PAGE_WORDS / BLOCKS) + j;
			uint64_t want = v->tag[b] ? v->tag[b] | place : 0;
			uint64_t got = t->page[place - first * (PAGE_WORDS / BLOCKS)];

			if (got == want)
				continue;
			if (p)
				post_mortem(t, v, p, r, i);
			fail(t, "page %u of %s, word %u is %#llx, not %#llx (attributes %#x, %s)",
			     i, p ? region[r].name : "a file", place, (unsigned long long)got,
			     (unsigned long long)want, v->attr, v->own ? "its own" : "the file's");
		}
	}
}

static void demand_data(struct thread *t, struct view *v, const char *where, struct proc *p,
                        unsigned r, unsigned i, unsigned first, unsigned n)
{
	if (first + n > v->end)
		demand_plausible(t, v, where, i, first, n);
	if (blocks_are(t, v->tag, first, n, v->end))
		return;
	if ((v->attr & A_FREED) && blocks_are(t, NULL, first, n, v->end)) {
		if (is_mine(t, p, r, i)) { /* it has been dropped, and stays zero */
			content_begin(&v->s->c);
			content_set(&v->s->c, 0, BLOCKS, 0);
			atomic_store(&v->s->attr, v->attr & ~A_FREED);
			content_end(&v->s->c);
		}
		return;
	}
	describe_difference(t, v, p, r, i, first, n);
}

/* Nobody knows whether a truncation took a private copy: make sure that it is gone. */
static void heal(struct thread *t, struct proc *p, unsigned r, unsigned i)
{
	uint32_t attr = attr_of(spot_of(p, r, i));
	int err;

	spots_begin(p, r, i, 1);
	RETRY(t, err,
	      om_madvise(p->mm, addr_at(r, i, loc_of(attr)), PAGE, OM_MADV_DONTNEED_LOCKED));
	CHECK(t, !err, "MADV_DONTNEED_LOCKED: %d", err);
	spot_zero(t, p, r, i);
	if (attr & A_LOCKED)
		spots_attr(p, r, i, 1, 0, A_ABSENT);
	spots_end(p, r, i, 1);
}

/* ---------------------------------------------------------------- accesses ------------------ */

/* Bytes of one page: all of them, or none if that would take waiting. */
static bool copied_at_once(struct thread *t, struct proc *p, uintptr_t addr, size_t n, bool write)
{
	size_t done = n + 1;
	int err;

	if (chance(t, 50))
		return false;
	err = write ? om_write_nofault(p->mm, addr, t->page, n, &done)
	            : om_read_nofault(p->mm, addr, t->page, n, &done);
	CHECK(t, err ? err == -OM_EAGAIN && done == 0 : done == n, "nofault: %d, %zu of %zu bytes",
	      err, done, n);
	return !err;
}

static int load(struct thread *t, struct proc *p, uintptr_t addr, size_t n, bool *by_core)
{
	size_t done = 0;
	int err;

	*by_core = chance(t, 20);
	t->reads++;
	if (*by_core) {
		if (copied_at_once(t, p, addr, n, false))
			return 0;
		RETRY(t, err, om_read(p->mm, addr, t->page, n, &done));
		CHECK(t, err ? err == -OM_EFAULT && done == 0 : done == n,
		      "om_read: %d, %zu of %zu bytes", err, done, n);
		return err ? SOME_FAULT : 0;
	}
	while ((err = (int)sim_load(t->cpu, p->mm, addr, t->page, n)) == OM_FAULT_OOM)
		out_of_memory(t);
	return err;
}

static int store(struct thread *t, struct proc *p, uintptr_t addr, size_t n)
{
	size_t done = 0;
	int err;

	t->writes++;
	if (chance(t, 20)) {
		if (copied_at_once(t, p, addr, n, true))
			return 0;
		RETRY(t, err, om_write(p->mm, addr, t->page, n, &done));
		CHECK(t, err ? err == -OM_EFAULT && done == 0 : done == n,
		      "om_write: %d, %zu of %zu bytes", err, done, n);
		return err ? SOME_FAULT : 0;
	}
	while ((err = (int)sim_store(t->cpu, p->mm, addr, t->page, n)) == OM_FAULT_OOM)
		out_of_memory(t);
	return err;
}

/* Whole pages as often as parts. */
static void choose_blocks(struct thread *t, unsigned end, unsigned *first, unsigned *n)
{
	*first = 0;
	*n = end;
	if (chance(t, 40)) {
		*first = below(t, end);
		*n = 1 + below(t, end - *first);
	}
}

/* A page is at one place only. */
static void check_elsewhere(struct thread *t, struct proc *p, unsigned r, unsigned i)
{
	uint32_t attr = attr_of(spot_of(p, r, i));
	unsigned loc = below(t, NR_LOCS);
	bool by_core;
	int result;

	if (region[r].kind >= K_HEAP || ((attr & A_MAPPED) && loc == loc_of(attr)))
		return;
	result = load(t, p, addr_at(r, i, loc), 8, &by_core);
	CHECK(t, result == OM_FAULT_MAPERR || result == SOME_FAULT,
	      "page %u of %s is not mapped at place %u, but reading it ended in %s", i,
	      region[r].name, loc, result_name(result));
}

void check_read(struct thread *t, struct proc *p, unsigned r, unsigned i)
{
	bool mine = is_mine(t, p, r, i), by_core, exact, lost;
	unsigned first, n;
	struct view v;
	int result;

	look(t, &v, p, r, i);
	/* Below a stack, a touch would make it grow. */
	if (r == STACK && (!mine || !(v.attr & A_MAPPED)))
		return;
	choose_blocks(t, BLOCKS, &first, &n);
	result = load(t, p, addr_at(r, i, loc_of(v.attr)) + first * BLOCK, n * BLOCK, &by_core);
	lost = is_lost(&v);
	exact = spot_is_steady(&v) &&
	        (v.own || file_is_steady(&v) || !(v.attr & A_MAPPED) || !(v.attr & A_PROT)) &&
	        !lost;
	if (exact) {
		t->exact++;
		demand(t, &v, by_core ? "om_read()" : "reading", region[r].name, i, result,
		       expected(&v, 0));
		if (!result)
			demand_data(t, &v, region[r].name, p, r, i, first, n);
		else
			t->faults++;
		if (mine && chance(t, 10))
			check_elsewhere(t, p, r, i);
	} else {
		CHECK(t, result != OM_FAULT_BUS || v.f, "SIGBUS at page %u of %s", i,
		      region[r].name);
		if (!result)
			demand_plausible(t, &v, region[r].name, i, first, n);
	}
	if (lost && mine)
		heal(t, p, r, i);
}

void check_exec(struct thread *t, struct proc *p, unsigned r, unsigned i)
{
	struct view v;
	int result;

	look(t, &v, p, r, i);
	if (r == STACK && !(v.attr & A_MAPPED))
		return;
	while ((result = (int)sim_exec(t->cpu, p->mm, addr_at(r, i, loc_of(v.attr)))) ==
	       OM_FAULT_OOM)
		out_of_memory(t);
	if (spot_is_steady(&v) && (v.own || file_is_steady(&v)) && !is_lost(&v))
		demand(t, &v, "executing", region[r].name, i, result, expected(&v, A_EXEC));
}

/* The spot's own contents change; it is t's. */
static void write_own(struct thread *t, struct proc *p, unsigned r, unsigned i)
{
	struct spot *s = spot_of(p, r, i);
	unsigned first = 0, n = BLOCKS;
	struct view v;
	uint64_t tag;
	bool whole;
	int result;

	look(t, &v, p, r, i);
	if (r == STACK && !(v.attr & A_MAPPED))
		return;
	if (is_lost(&v)) {
		heal(t, p, r, i);
		look(t, &v, p, r, i);
	}
	whole = (v.attr & A_FREED) || !v.own;
	n = has_guest(p, r) ? BLOCKS - 1 : BLOCKS;
	if (!whole)
		choose_blocks(t, n, &first, &n);
	content_begin(&s->c);
	tag = content_next(t, &s->c);
	fill_words(t->page, n * PAGE_WORDS / BLOCKS, first * PAGE_WORDS / BLOCKS, tag);
	result = store(t, p, addr_at(r, i, loc_of(v.attr)) + first * BLOCK, n * BLOCK);
	if (!result) {
		content_set(&s->c, first, n, tag);
		atomic_store(&s->attr, (v.attr & ~(A_FREED | (first + n == BLOCKS ? A_HAZY : 0))) |
		                           (v.f ? A_COPY : 0));
		if (!v.own)
			atomic_store(&s->cut, v.cuts);
	}
	content_end(&s->c);
	/* A truncation may have come in between: then the next look finds the copy lost. */
	if (!v.f ||
	    (!(v.cuts & 1) && atomic_load(&v.f->cuts) == v.cuts && (v.own || file_is_steady(&v))))
		demand(t, &v, "writing", region[r].name, i, result, expected(&v, A_WRITE));
	else if (result == OM_FAULT_BUS || result == SOME_FAULT)
		return;
	else
		demand(t, &v, "writing", region[r].name, i, result,
		       v.attr & A_MAPPED ? (v.attr & A_WRITE ? 0 : OM_FAULT_ACCERR)
		                         : OM_FAULT_MAPERR);
}

/* A page of a file, t's, through a mapping that may be another thread's. */
static void write_file(struct thread *t, struct proc *p, unsigned r, unsigned i,
                       struct file_page *f)
{
	unsigned blocks = atomic_load(&f->blocks), first = 0, n = 1;
	struct view v;
	uint64_t tag;
	int result;

	if (blocks)
		choose_blocks(t, blocks, &first, &n);
	look(t, &v, p, r, i);
	if (v.f != f)
		return;
	content_begin(&f->c);
	tag = content_next(t, &f->c);
	fill_words(t->page, n * PAGE_WORDS / BLOCKS, first * PAGE_WORDS / BLOCKS, tag);
	result = store(t, p, addr_at(r, i, loc_of(v.attr)) + first * BLOCK, n * BLOCK);
	if (!result) {
		/* Where it went is sure only if the spot shows this page still. */
		CHECK(t, file_page_of(t, p, r, i) == f, "%s page %u turned away during a write",
		      region[r].name, i);
		content_set(&f->c, first, n, tag);
	}
	content_end(&f->c);
	if (spot_is_steady(&v))
		demand(t, &v, "writing", region[r].name, i, result, expected(&v, A_WRITE));
	else
		CHECK(t, result != OM_FAULT_BUS || !blocks, "SIGBUS at page %u of %s", i,
		      region[r].name);
}

void check_write(struct thread *t, struct proc *p, unsigned r, unsigned i)
{
	struct file_page *f;

	if (holds_private(r)) {
		if (is_mine(t, p, r, i))
			write_own(t, p, r, i);
		return;
	}
	f = file_page_of(t, p, r, i);
	/* Which page a twisted spot shows is known to its owner alone. */
	if (f && f->owner == t->nr && (region[r].kind != K_TWISTED || is_mine(t, p, r, i)))
		write_file(t, p, r, i, f);
}

/* The last block of a page of a shared address space, whose guest t is. */
void check_guest(struct thread *t, struct proc *p, unsigned r, unsigned i)
{
	struct spot *s = spot_of(p, r, i);
	uint32_t upset = atomic_load(&s->upset);
	unsigned b = BLOCKS - 1;
	bool write = chance(t, 60), by_core = false, steady;
	uint64_t tag = 0;
	struct view v;
	uintptr_t addr;
	int result;

	look(t, &v, p, r, i);
	addr = addr_at(r, i, loc_of(v.attr)) + b * BLOCK;
	if (write) {
		uint32_t version = atomic_fetch_add(&s->guest_version, 1) + 1;

		CHECK(t, version < 1u << VERSION_BITS,
		      "too many versions for a tag: run it shorter");
		tag = s->c.id | (uint64_t)version << VERSION_SHIFT;
		fill_words(t->page, PAGE_WORDS / BLOCKS, b * (PAGE_WORDS / BLOCKS), tag);
		result = store(t, p, addr, BLOCK);
	} else {
		result = load(t, p, addr, BLOCK, &by_core);
	}
	steady = !(upset & 1) && atomic_load(&s->upset) == upset;
	if (steady)
		demand(t, &v, write ? "a guest's writing" : "a guest's reading", region[r].name, i,
		       result, expected(&v, write ? A_WRITE : 0));
	if (result)
		return;
	if (write) {
		s->guest_tag = tag;
		s->guest_upset = steady ? upset : 1;
	} else if (steady && s->guest_upset == upset) {
		t->exact++;
		CHECK(t, block_is(t, b, b, s->guest_tag),
		      "page %u of %s: the guest's block has %#llx, not %#llx", i, region[r].name,
		      (unsigned long long)t->page[0],
		      (unsigned long long)(s->guest_tag ? s->guest_tag | b * (PAGE_WORDS / BLOCKS)
		                                        : 0));
	} else {
		demand_plausible(t, &v, region[r].name, i, b, 1);
	}
}

void check_file_read(struct thread *t, struct file *f, unsigned k)
{
	struct file_page *page = &f->page[k];
	struct spot none = {0};
	struct view v = {.s = &none, .f = page, .anyone = true};
	unsigned first, n;
	size_t done, want;
	int err;

	v.fseq = atomic_load(&page->c.seq);
	v.end = v.blocks = atomic_load(&page->blocks);
	for (unsigned b = 0; b < BLOCKS; b++)
		v.tag[b] = atomic_load(&page->c.tag[b]);
	choose_blocks(t, BLOCKS, &first, &n);
	RETRY(t, err,
	      om_mapping_read(f->mapping, k * PAGE + first * BLOCK, t->page, n * BLOCK, &done));
	CHECK(t, !err, "om_mapping_read: %d", err);
	t->reads++;
	if (!file_is_steady(&v)) {
		demand_plausible(t, &v, "a file", k, first, (unsigned)(done / BLOCK));
		return;
	}
	t->exact++;
	want = v.blocks <= first ? 0 : (first + n < v.blocks ? n : v.blocks - first) * BLOCK;
	CHECK(t, done == want, "read of file page %u moved %zu bytes, not %zu", k, done, want);
	if (!blocks_are(t, v.tag, first, n, v.blocks))
		describe_difference(t, &v, NULL, 0, k, first, (unsigned)(done / BLOCK));
}

void check_all(struct thread *t, struct proc *p)
{
	for (unsigned r = 0; r < NR_REGIONS; r++)
		for (unsigned i = 0; i < region[r].pages; i++)
			if (is_mine(t, p, r, i))
				check_read(t, p, r, i);
}

/* ---------------------------------------------------------------- devices ------------------- */

/*
 * A device does not synchronize with anybody: fork may copy the page while it writes. So
 * ThreadSanitizer shall not look, as in the loads and stores of programs (ports/sim/mmu.c).
 */
__attribute__((no_sanitize("thread"))) void device_write(struct thread *t, om_pfn_t pfn,
                                                         unsigned block, unsigned n, uint64_t tag)
{
	volatile uint64_t *word =
	    (uint64_t *)sim_frame(t->w->sim, pfn) + block * (PAGE_WORDS / BLOCKS);

	for (unsigned j = 0; j < n * (PAGE_WORDS / BLOCKS); j++)
		word[j] = tag | (block * (PAGE_WORDS / BLOCKS) + j);
}

/* What a device sees in a pinned frame is what the program sees, or saw when the page left it. */
void check_pin(struct thread *t, struct pin *pin)
{
	const struct spot *s = pin->proc ? &pin->proc->spot[pin->spot] : NULL;
	const volatile uint64_t *word = sim_frame(t->w->sim, pin->pfn);

	for (unsigned j = 0; j < PAGE_WORDS; j++) {
		unsigned b = j / (PAGE_WORDS / BLOCKS);
		uint64_t tag = s ? atomic_load(&s->c.tag[b]) : pin->tag[b];
		uint64_t want = tag ? tag | j : 0;

		if (b == pin->end)
			break;
		CHECK(t, word[j] == want,
		      "frame %u, pinned at page %u, %s: word %u is %#llx, not %#llx", pin->pfn,
		      pin->spot, s ? "mapped" : "detached", j, (unsigned long long)word[j],
		      (unsigned long long)want);
	}
}
