/*
 * check.c: is the machine what the model says?
 *
 * check_always() is cheap enough for every step. check_contents() looks at all bytes without a
 * fault: into the frames that page tables name, into swap slots, into page caches and stores. So it
 * neither disturbs what it looks at nor hides an error by mending it.
 */
#include "world.h"

#include <string.h>

#include "store/mapping.h"
#include "store/swap.h"

/* ---------------------------------------------------------------- every step ---------------- */

#define VISIBLE_FLAGS                                                                              \
	(MP_PROT | OM_VM_SHARED | OM_VM_MAYWRITE | OM_VM_GROWSDOWN | MP_LOCKS | OM_VM_DONTFORK |   \
	 OM_VM_WIPEONFORK | OM_VM_NORESERVE | OM_VM_RAND_READ | OM_VM_SEQ_READ)

static void check_area_page(struct world *w, struct space *s, size_t page,
                            const struct om_vmainfo *info)
{
	struct mpage *p = &s->page[page];
	size_t linear = (size_t)info->pgoff + page - (info->start - MODEL_BASE) / PAGE;

	if (!p->flags)
		FAIL(w, "space %u: page %zu is mapped", space_nr(w, s), page);
	if ((p->flags ^ info->flags) & VISIBLE_FLAGS)
		FAIL(w, "space %u: page %zu has flags %#x, expected %#x", space_nr(w, s), page,
		     info->flags, p->flags);
	if (!p->object != !info->mapping)
		FAIL(w, "space %u: page %zu belongs to a file or not", space_nr(w, s), page);
	if (!p->object)
		return;
	if (!p->object->mapping)
		p->object->mapping = info->mapping;
	if (p->object->mapping != info->mapping)
		FAIL(w, "space %u: page %zu belongs to another file", space_nr(w, s), page);
	if (p->linear != linear)
		FAIL(w, "space %u: page %zu is page %zu of the file, expected %zu", space_nr(w, s),
		     page, linear, p->linear);
	if (p->index != p->linear && !(info->flags & OM_VM_NONLINEAR))
		FAIL(w, "space %u: page %zu is in a linear area", space_nr(w, s), page);
}

static void check_areas(struct world *w, struct space *s)
{
	struct om_vmainfo info;
	size_t page = 0, end;

	for (uintptr_t addr = 0; om_vma_next(s->mm, addr, &info); addr = info.end) {
		if (info.start < MODEL_BASE || info.end > MODEL_END)
			FAIL(w, "space %u: an area lies outside", space_nr(w, s));
		end = (info.start - MODEL_BASE) / PAGE;
		if (space_next(s, page) < end)
			FAIL(w, "space %u: page %zu is not mapped", space_nr(w, s),
			     space_next(s, page));
		end = (info.end - MODEL_BASE) / PAGE;
		for (page = (info.start - MODEL_BASE) / PAGE; page < end; page++)
			check_area_page(w, s, page, &info);
	}
	if (space_next(s, page) < MODEL_PAGES)
		FAIL(w, "space %u: page %zu is not mapped", space_nr(w, s), space_next(s, page));
	if (om_brk(s->mm, 0) != s->brk)
		FAIL(w, "space %u: brk is %#lx, expected %#lx", space_nr(w, s),
		     (unsigned long)om_brk(s->mm, 0), (unsigned long)s->brk);
}

static void check_tlb(struct world *w)
{
	struct om_mm *mm[NR_SPACES];
	struct sim_tlb_entry bad;
	unsigned n = 0;

	for (unsigned i = 0; i < NR_SPACES; i++)
		if (w->space[i].mm)
			mm[n++] = w->space[i].mm;
	if (sim_check_tlb(w->sim, mm, n, &bad))
		FAIL(w, "a TLB still has page %#lx -> frame %u, prot %u, of mm %p",
		     (unsigned long)bad.page, bad.pfn, bad.prot, (void *)bad.mm);
}

static void check_pins(struct world *w)
{
	for (unsigned i = 0; i < NR_PINS; i++) {
		const struct pin *pin = &w->pin[i];
		uint8_t want[SIM_PAGE_SIZE];
		size_t n = PAGE;

		if (!pin->used)
			continue;
		if (pin->content) {
			memcpy(want, pin->content->byte, PAGE);
			n = pin->content->unknown_from;
		} else {
			object_read(pin->object, (uint64_t)pin->index * PAGE, want, PAGE);
			n = object_valid(pin->object, pin->index);
		}
		if (memcmp(sim_frame(w->sim, pin->pfn), want, n))
			FAIL(w, "pinned frame %u has other bytes than its page", pin->pfn);
	}
	for (unsigned i = 0; i < NR_USER; i++) {
		const uint8_t *frame;

		if (!w->user[i].used)
			continue;
		frame = sim_frame(w->sim, w->user[i].pfn);
		if (frame[0] != w->user[i].fill || memcmp(frame, frame + 1, PAGE - 1))
			FAIL(w, "somebody wrote to the embedder's frame %u", w->user[i].pfn);
	}
}

void check_always(struct world *w)
{
	struct om_bug bug;

	if (om_verify(w->sys, w->scratch, &bug)) {
		sim_print_bug(stderr, &bug);
		world_fail(w, bug.file, bug.line, "om_verify: %s", bug.rule);
	}
	check_tlb(w);
	for (unsigned i = 0; i < NR_SPACES; i++)
		if (w->space[i].mm)
			check_areas(w, &w->space[i]);
	for (unsigned i = 0; i < NR_FILES; i++)
		if (w->file[i] && om_mapping_size(w->file[i]->mapping) != w->file[i]->size)
			FAIL(w, "file %u has %llu bytes, expected %llu", i,
			     (unsigned long long)om_mapping_size(w->file[i]->mapping),
			     (unsigned long long)w->file[i]->size);
	check_pins(w);
}

/* ---------------------------------------------------------------- looking ------------------- */

static void peek_slot(struct world *w, uint32_t slot, uint8_t *buf)
{
	om_pfn_t pfn = om_slot_pfn(w->sys, slot);

	if (pfn != OM_NO_PFN)
		memcpy(buf, sim_frame(w->sim, pfn), PAGE);
	else
		sim_store_peek(om_slot_device(w->sys, slot)->store,
		               (uint64_t)om_slot_offset(slot) * PAGE, buf, PAGE);
}

void peek_file(struct world *w, const struct object *o, size_t index, uint8_t *buf)
{
	om_ientry_t e = om_index_get(w->sys, &o->mapping->index, index);

	if (om_ientry_is_page(e))
		memcpy(buf, sim_frame(w->sim, om_ientry_value(e)), PAGE);
	else if (om_ientry_is_slot(e))
		peek_slot(w, om_ientry_value(e), buf);
	else if (o->store)
		sim_store_peek(o->store, (uint64_t)index * PAGE, buf, PAGE);
	else
		memset(buf, 0, PAGE);
}

enum peek peek_page(struct world *w, const struct space *s, size_t page, uint8_t *buf)
{
	struct om_pageinfo info;

	om_pageinfo(s->mm, addr_of(page), &info);
	switch (info.kind) {
	case OM_PAGE_NONE:
	case OM_PAGE_OFFSET:
		return PEEK_NONE;
	case OM_PAGE_SWAP:
		peek_slot(w, (uint32_t)info.value, buf);
		return PEEK_OWN;
	default:
		memcpy(buf, sim_frame(w->sim, (om_pfn_t)info.value), PAGE);
		if (info.kind == OM_PAGE_ZERO)
			return PEEK_ZERO;
		return info.kind == OM_PAGE_FILE ? PEEK_FILE : PEEK_OWN;
	}
}

/* ---------------------------------------------------------------- what cannot be foreseen --- */

static bool all_zero(const uint8_t *buf)
{
	return buf[0] == 0 && !memcmp(buf, buf + 1, PAGE - 1);
}

/* MADV_FREE'd: the bytes are there, or gone for good (hazard 66). */
static void settle_lazy(struct world *w, struct space *s, size_t page, enum peek kind,
                        const uint8_t *have)
{
	struct mpage *p = &s->page[page];

	if (kind == PEEK_OWN && !memcmp(have, p->own->byte, p->own->unknown_from))
		return;
	if (kind == PEEK_OWN && !all_zero(have))
		FAIL(w, "space %u: page %zu after MADV_FREE has neither its bytes nor zeros",
		     space_nr(w, s), page);
	content_put(p->own);
	p->own = NULL;
	p->lazy = false;
}

void settle_page(struct world *w, struct space *s, size_t page)
{
	struct mpage *p = &s->page[page];
	uint8_t have[SIM_PAGE_SIZE];
	enum peek kind;

	if (!p->own || (!p->lazy && p->own->unknown_from == PAGE))
		return;
	kind = peek_page(w, s, page, have);
	if (p->lazy)
		settle_lazy(w, s, page, kind, have);
	if (p->own && p->own->unknown_from < PAGE && kind == PEEK_OWN) {
		size_t from = p->own->unknown_from;

		memcpy(p->own->byte + from, have + from, PAGE - from);
		p->own->unknown_from = PAGE;
	}
}

void settle_populated(struct world *w, struct space *s, size_t first, size_t n)
{
	uint8_t have[SIM_PAGE_SIZE];

	for (size_t i = first; i < first + n; i++) {
		struct mpage *p = &s->page[i];

		if (!p->flags || !p->object || (p->flags & OM_VM_SHARED) || p->own)
			continue;
		if (peek_page(w, s, i, have) == PEEK_OWN) {
			space_own(s, i);
			settle_page(w, s, i);
		}
	}
}

void check_present(struct world *w, struct space *s, size_t first, size_t n)
{
	uint8_t have[SIM_PAGE_SIZE];

	bool stalled = event(w, OM_EV_ALLOCSTALL) != w->stalls;

	if (had_trouble(w))
		return;
	for (size_t i = first; i < first + n; i++) {
		const struct mpage *p = &s->page[i];

		if (stalled && !(p->flags & OM_VM_LOCKED))
			return;
		if (!p->flags || !(p->flags & MP_PROT) || space_is_beyond(s, i))
			return;
		if (peek_page(w, s, i, have) == PEEK_NONE)
			FAIL(w, "space %u: page %zu should be present", space_nr(w, s), i);
	}
}

/* ---------------------------------------------------------------- contents ------------------ */

static void check_same(struct world *w, const struct space *s, size_t page, const uint8_t *have)
{
	uint8_t want[SIM_PAGE_SIZE];
	size_t n = space_known(s, page), i = 0;

	space_bytes(s, page, want);
	if (!memcmp(have, want, n))
		return;
	while (have[i] == want[i])
		i++;
	FAIL(w, "space %u: page %zu, byte %zu is %#x, expected %#x", space_nr(w, s), page, i,
	     have[i], want[i]);
}

/* A hole of shared memory that is read through a private area is the zero page there. */
static bool shows_hole(const struct mpage *p, enum peek kind)
{
	return kind == PEEK_ZERO && !p->own && !p->object->store && !(p->flags & OM_VM_SHARED);
}

static void check_page(struct world *w, struct space *s, size_t page)
{
	struct mpage *p = &s->page[page];
	uint8_t have[SIM_PAGE_SIZE];
	enum peek kind;

	settle_page(w, s, page);
	kind = peek_page(w, s, page, have);
	if (kind == PEEK_NONE) {
		if (p->own && (p->object || !all_zero(p->own->byte)))
			FAIL(w, "space %u: page %zu has lost what was written", space_nr(w, s),
			     page);
		if (!p->object || space_is_beyond(s, page))
			return;
		peek_file(w, p->object, p->index, have);
		kind = PEEK_FILE;
	}
	if (space_is_beyond(s, page))
		FAIL(w, "space %u: page %zu shows a page beyond the end", space_nr(w, s), page);
	if (p->object && kind != (p->own ? PEEK_OWN : PEEK_FILE) && !shows_hole(p, kind))
		FAIL(w, "space %u: page %zu is of kind %d, but it was %swritten", space_nr(w, s),
		     page, kind, p->own ? "" : "not ");
	if (kind == PEEK_ZERO && p->own && !all_zero(p->own->byte))
		FAIL(w, "space %u: page %zu is the zero page", space_nr(w, s), page);
	check_same(w, s, page, have);
}

static void check_file(struct world *w, const struct object *o, unsigned nr)
{
	uint8_t want[SIM_PAGE_SIZE], have[SIM_PAGE_SIZE];

	for (size_t i = 0; i < object_pages(o); i++) {
		size_t n = object_valid(o, i);

		peek_file(w, o, i, have);
		object_read(o, (uint64_t)i * PAGE, want, n);
		if (memcmp(want, have, n))
			FAIL(w, "file %u: page %zu has other bytes", nr, i);
	}
}

void check_contents(struct world *w)
{
	for (unsigned i = 0; i < NR_SPACES; i++)
		for (size_t page = 0; w->space[i].mm && page < MODEL_PAGES; page++)
			if (w->space[i].page[page].flags)
				check_page(w, &w->space[i], page);
	for (unsigned i = 0; i < NR_FILES; i++)
		if (w->file[i])
			check_file(w, w->file[i], i);
}
