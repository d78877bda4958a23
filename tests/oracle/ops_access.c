/*
 * ops_access.c: programs load, store and execute; the core reads and writes for them; devices write
 * to pinned pages.
 */
#include "ops.h"

#include <string.h>

/* ---------------------------------------------------------------- faults -------------------- */

/* Does an access to this unmapped page make the stack above it grow? */
static bool stack_grows(const struct space *s, size_t page)
{
	size_t top = space_next(s, page), below = page;
	struct areas list;
	unsigned flags;
	int area;

	if (is_mapped(s, page) || top == MODEL_PAGES || !(s->page[top].flags & OM_VM_GROWSDOWN))
		return false;
	flags = s->page[top].flags;
	list_areas(s, &list);
	area = area_at(&list, top);
	if (area < 0 || top - page > list.area[area].pgoff)
		return false;
	if ((list.area[area].end - page) * PAGE > s->limit[OM_LIMIT_STACK])
		return false;
	while (below && !s->page[below - 1].flags)
		below--;
	if (below && page - below < GUARD_PAGES && (s->page[below - 1].flags & MP_PROT) &&
	    !(s->page[below - 1].flags & OM_VM_GROWSDOWN))
		return false;
	if (space_count(s, 0, MODEL_PAGES, MP_MAPPED) + top - page > s->limit[OM_LIMIT_AS] / PAGE)
		return false;
	return !(flags & OM_VM_LOCKED) ||
	       space_count(s, 0, MODEL_PAGES, OM_VM_LOCKED) + top - page <=
	           s->limit[OM_LIMIT_MEMLOCK] / PAGE;
}

static void grow_stack(struct space *s, size_t page)
{
	size_t top = space_next(s, page);
	unsigned flags = s->page[top].flags;

	while (top-- > page)
		space_map(s, top, flags, NULL, 0);
}

/* What an access will come to. The model's stack grows at once: it does even if memory is short
 * then. */
static enum om_fault_result foresee(struct space *s, size_t page, unsigned access)
{
	unsigned flags;

	if (page >= MODEL_PAGES)
		return OM_FAULT_MAPERR;
	if (stack_grows(s, page))
		grow_stack(s, page);
	flags = s->page[page].flags;
	if (!flags)
		return OM_FAULT_MAPERR;
	if (!(flags & MP_PROT) || ((access & OM_WRITE) && !(flags & OM_VM_WRITE)) ||
	    ((access & OM_EXEC) && !(flags & OM_VM_EXEC)))
		return OM_FAULT_ACCERR;
	return space_is_beyond(s, page) ? OM_FAULT_BUS : OM_FAULT_MINOR;
}

/* Memory was short before the copy came to a stack that the model has grown. */
static void shrink_stacks(struct world *w, struct space *s, size_t first)
{
	struct areas list;

	if (!had_trouble(w))
		return;
	list_areas(s, &list);
	for (size_t i = first; i < MODEL_PAGES; i++)
		if ((s->page[i].flags & OM_VM_GROWSDOWN) && area_at(&list, i) < 0)
			world_unmap(w, s, i, 1);
}

static bool fault_agrees(struct world *w, enum om_fault_result got, enum om_fault_result want)
{
	world_trace(w, " = %d\n", (int)got);
	if (got == want)
		return got == OM_FAULT_MINOR;
	if ((got == OM_FAULT_OOM || got == OM_FAULT_LIMIT) && had_oom(w))
		return false;
	if (got == OM_FAULT_BUS && had_io_error(w))
		return false;
	FAIL(w, "fault result %d, expected %d", (int)got, (int)want);
}

/* ---------------------------------------------------------------- contents ------------------ */

static void fill_bytes(uint8_t *buf, size_t n, uint32_t seed)
{
	for (size_t i = 0; i < n; i++) {
		seed = seed * 1664525u + 1013904223u;
		buf[i] = (uint8_t)(seed >> 24);
	}
}

/* These bytes have been found on an accessible page. */
static void check_seen(struct world *w, struct space *s, size_t page, size_t offset,
                       const uint8_t *have, size_t n)
{
	struct mpage *p = &s->page[page];
	uint8_t want[SIM_PAGE_SIZE];
	size_t known = space_known(s, page);
	bool zeros = true;

	if (offset + n > known)
		n = known > offset ? known - offset : 0;
	space_bytes(s, page, want);
	for (size_t i = 0; i < n; i++)
		zeros &= have[i] == 0;
	if (!memcmp(have, want + offset, n) || (p->lazy && zeros))
		return;
	FAIL(w,
	     "space %u, page %zu, bytes %zu to %zu are not as they were written: %#x, expected %#x",
	     space_nr(w, s), page, offset, offset + n, have[0], want[offset]);
}

/* What MADV_FREE left of a page under this write: all of it or nothing. */
static void settle_base(struct world *w, struct space *s, size_t page, size_t offset,
                        const uint8_t *data, size_t n)
{
	struct content *c = space_own(s, page);
	uint8_t have[SIM_PAGE_SIZE], want[SIM_PAGE_SIZE];

	s->page[page].lazy = false;
	if (peek_page(w, s, page, have) != PEEK_OWN)
		FAIL(w, "space %u: page %zu was written and is not there", space_nr(w, s), page);
	memcpy(want, c->byte, PAGE);
	memcpy(want + offset, data, n);
	if (memcmp(have, want, PAGE))
		memset(c->byte, 0, PAGE);
}

/* These bytes have been written to an accessible page. */
static void note_written(struct world *w, struct space *s, size_t page, size_t offset,
                         const uint8_t *data, size_t n)
{
	struct mpage *p = &s->page[page];

	if (p->flags & OM_VM_SHARED) {
		object_write(p->object, (uint64_t)p->index * PAGE + offset, data, n);
		return;
	}
	if (p->lazy)
		settle_base(w, s, page, offset, data, n);
	memcpy(space_own(s, page)->byte + offset, data, n);
	settle_page(w, s, page);
}

/* ---------------------------------------------------------------- programs ------------------ */

struct place {
	struct space *s;
	size_t page, offset, n;
	struct sim_cpu *cpu;
};

/* Some bytes inside one page. */
static bool pick_place(struct world *w, const uint32_t *a, struct place *p)
{
	p->s = pick_space(w, a[0]);
	if (!p->s)
		return false;
	p->page = pick_page(p->s, a[1]);
	p->offset = a[2] % PAGE;
	p->n = 1 + (a[2] >> 12) % 64;
	if (p->n > PAGE - p->offset)
		p->n = PAGE - p->offset;
	p->cpu = sim_cpu(w->sim, a[3] % sim_nr_cpus(w->sim));
	world_trace(w, " space %u page %zu offset %zu n %zu", space_nr(w, p->s), p->page, p->offset,
	            p->n);
	return true;
}

void op_load(struct world *w, const uint32_t *a)
{
	enum om_fault_result want, got;
	struct place p;
	uint8_t buf[64];

	if (!pick_place(w, a, &p))
		return;
	want = foresee(p.s, p.page, OM_READ);
	got = sim_load(p.cpu, p.s->mm, addr_of(p.page) + p.offset, buf, p.n);
	if (fault_agrees(w, got, want))
		check_seen(w, p.s, p.page, p.offset, buf, p.n);
}

static bool store(struct world *w, const struct place *p, uint32_t seed)
{
	enum om_fault_result want = foresee(p->s, p->page, OM_WRITE), got;
	uint8_t buf[64];

	fill_bytes(buf, p->n, seed);
	got = sim_store(p->cpu, p->s->mm, addr_of(p->page) + p->offset, buf, p->n);
	if (!fault_agrees(w, got, want))
		return false;
	note_written(w, p->s, p->page, p->offset, buf, p->n);
	return true;
}

void op_store(struct world *w, const uint32_t *a)
{
	struct place p;

	if (pick_place(w, a, &p))
		store(w, &p, a[4]);
}

/* A few bytes on each of many pages: this is what fills memory. */
void op_fill(struct world *w, const uint32_t *a)
{
	struct place p;
	size_t n;

	if (!pick_place(w, a, &p))
		return;
	n = pick_len(p.s, p.page, a[5]);
	while (n-- && store(w, &p, a[4] + (uint32_t)n))
		p.page++;
}

void op_exec(struct world *w, const uint32_t *a)
{
	struct place p;

	if (pick_place(w, a, &p)) {
		enum om_fault_result want = foresee(p.s, p.page, OM_EXEC);

		fault_agrees(w, sim_exec(p.cpu, p.s->mm, addr_of(p.page) + p.offset), want);
	}
}

void op_tlb_flush(struct world *w, const uint32_t *a)
{
	world_trace(w, "\n");
	sim_tlb_flush(sim_cpu(w->sim, a[0] % sim_nr_cpus(w->sim)));
}

/* ---------------------------------------------------------------- copies by the core -------- */

#define COPY_MAX (4 * SIM_PAGE_SIZE)

/* How far a copy of n bytes comes, and what it then meets. */
static int foresee_copy(struct space *s, size_t page, size_t offset, size_t n, unsigned access,
                        size_t *done)
{
	for (*done = 0; *done < n; offset = 0, page++) {
		size_t piece = PAGE - offset < n - *done ? PAGE - offset : n - *done;

		if (foresee(s, page, access) != OM_FAULT_MINOR)
			return -OM_EFAULT;
		*done += piece;
	}
	return 0;
}

/* Bytes [0, done) of the buffer have moved; `fn` gets them page by page. */
static void each_piece(struct world *w, struct space *s, size_t page, size_t offset,
                       const uint8_t *buf, size_t done,
                       void (*fn)(struct world *, struct space *, size_t, size_t, const uint8_t *,
                                  size_t))
{
	for (size_t at = 0; at < done; offset = 0, page++) {
		size_t piece = PAGE - offset < done - at ? PAGE - offset : done - at;

		fn(w, s, page, offset, buf + at, piece);
		at += piece;
	}
}

/* The copy that does not wait may be as short as it likes, but what it has copied must be right. */
static void copy_nofault(struct world *w, const struct place *p, uint8_t *buf, size_t n, bool write)
{
	uintptr_t addr = addr_of(p->page) + p->offset;
	size_t done = n + 1;
	int got = write ? om_write_nofault(p->s->mm, addr, buf, n, &done)
	                : om_read_nofault(p->s->mm, addr, buf, n, &done);

	if (done > n || got != (done < n ? -OM_EAGAIN : 0))
		FAIL(w, "without a fault: %d, %zu bytes", got, done);
	each_piece(w, p->s, p->page, p->offset, buf, done, write ? note_written : check_seen);
}

static void copy(struct world *w, const uint32_t *a, bool write)
{
	static uint8_t buf[COPY_MAX];
	size_t n = 1 + a[4] % COPY_MAX, want_done, done = n + 1;
	struct place p;
	int want, got;

	if (!pick_place(w, a, &p))
		return;
	world_trace(w, " in all %zu", n);
	fill_bytes(buf, n, a[5]);
	if (a[5] % 4 == 0)
		copy_nofault(w, &p, buf, n, write);
	want = foresee_copy(p.s, p.page, p.offset, n, write ? OM_WRITE : OM_READ, &want_done);
	fill_bytes(buf, n, a[5]);
	if (write)
		got = om_write(p.s->mm, addr_of(p.page) + p.offset, buf, n, &done);
	else
		got = om_read(p.s->mm, addr_of(p.page) + p.offset, buf, n, &done);
	agree(w, got, want);
	shrink_stacks(w, p.s, p.page);
	if (done > want_done || (got == want && done != want_done && !had_trouble(w)))
		FAIL(w, "%zu bytes were copied, expected %zu", done, want_done);
	each_piece(w, p.s, p.page, p.offset, buf, done, write ? note_written : check_seen);
}

void op_read(struct world *w, const uint32_t *a)
{
	copy(w, a, false);
}

void op_write(struct world *w, const uint32_t *a)
{
	copy(w, a, true);
}

/* ---------------------------------------------------------------- pins ---------------------- */

static struct pin *free_pin(struct world *w)
{
	for (unsigned i = 0; i < NR_PINS; i++)
		if (!w->pin[i].used)
			return &w->pin[i];
	return NULL;
}

static struct pin *pick_pin(struct world *w, uint32_t a)
{
	for (unsigned i = 0; i < NR_PINS; i++)
		if (w->pin[(a + i) % NR_PINS].used)
			return &w->pin[(a + i) % NR_PINS];
	return NULL;
}

/* The pinned page is the space's own from now on. */
static void note_pinned(struct world *w, struct place *at, struct pin *pin)
{
	struct mpage *p = &at->s->page[at->page];
	uint8_t have[SIM_PAGE_SIZE];

	if (p->flags & OM_VM_SHARED) {
		pin->object = p->object;
		pin->index = p->index;
		return;
	}
	settle_page(w, at->s, at->page);
	if (peek_page(w, at->s, at->page, have) != PEEK_OWN)
		FAIL(w, "a pinned page is not the space's own");
	if (pin->write)
		p->lazy = false;
	pin->content = space_own(at->s, at->page);
	pin->content->pins++;
	settle_page(w, at->s, at->page);
}

void op_pin(struct world *w, const uint32_t *a)
{
	struct pin *pin = free_pin(w), new = {.used = true, .write = a[4] & 1};
	enum om_access access = new.write ? OM_WRITE : OM_READ;
	struct om_pageinfo info;
	enum om_fault_result want;
	struct place p;
	int got;

	if (!pin || !pick_place(w, a, &p))
		return;
	want = foresee(p.s, p.page, access);
	got = om_pin(p.s->mm, addr_of(p.page) + p.offset, access, &new.pfn);
	if (!agree(w, got, want == OM_FAULT_MINOR ? 0 : -OM_EFAULT))
		return;
	om_pageinfo(p.s->mm, addr_of(p.page), &info);
	if (!info.mapcount || info.value != new.pfn)
		FAIL(w, "frame %u is pinned, but the page has %u", new.pfn, (unsigned)info.value);
	note_pinned(w, &p, &new);
	*pin = new;
}

/* A device writes to a pinned page. */
static void dma(struct world *w, struct pin *pin, const uint32_t *a)
{
	size_t offset = a[1] % PAGE, n = 1 + a[2] % 64;
	uint8_t buf[64];

	if (n > PAGE - offset)
		n = PAGE - offset;
	fill_bytes(buf, n, a[3]);
	memcpy((uint8_t *)sim_frame(w->sim, pin->pfn) + offset, buf, n);
	if (pin->content)
		memcpy(pin->content->byte + offset, buf, n);
	else
		object_write(pin->object, (uint64_t)pin->index * PAGE + offset, buf, n);
	pin->dirtied = true;
}

void op_dma(struct world *w, const uint32_t *a)
{
	struct pin *pin = pick_pin(w, a[0]);

	if (pin && pin->write)
		dma(w, pin, a);
	world_trace(w, "\n");
}

void op_unpin(struct world *w, const uint32_t *a)
{
	struct pin *pin = pick_pin(w, a[0]);

	world_trace(w, "\n");
	if (!pin)
		return;
	om_unpin(w->sys, pin->pfn, pin->dirtied);
	if (pin->content)
		content_unpin(pin->content);
	memset(pin, 0, sizeof(*pin));
}

/* ---------------------------------------------------------------- mincore ------------------- */

void op_mincore(struct world *w, const uint32_t *a)
{
	static unsigned char vec[MODEL_PAGES];
	struct space *s = pick_space(w, a[0]);
	bool odd = a[3] % 32 == 0;
	size_t page, n;
	int want = 0;

	if (!s)
		return;
	page = pick_page(s, a[1]);
	n = pick_len(s, page, a[2]);
	world_trace(w, " space %u page %zu n %zu", space_nr(w, s), page, n);
	if (space_count(s, page, n, MP_MAPPED) != n)
		want = -OM_ENOMEM;
	if (odd)
		want = -OM_EINVAL;
	if (!agree(w, om_mincore(s->mm, addr_of(page) + odd, n * PAGE, vec), want))
		return;
	for (size_t i = 0; i < n; i++) {
		struct om_pageinfo info;

		om_pageinfo(s->mm, addr_of(page + i), &info);
		if (info.mapcount && vec[i] != 1)
			FAIL(w, "mincore: page %zu is present", page + i);
		if (info.kind == OM_PAGE_NONE && !s->page[page + i].object && vec[i])
			FAIL(w, "mincore: page %zu was never touched", page + i);
	}
}
