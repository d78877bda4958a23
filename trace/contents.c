/*
 * contents.c: what each page must hold. See play.h.
 *
 * The first word of a page is its tag. A page of a file that has never been written has one that names the
 * file and the page; fresh memory has 0. A store makes a new tag and notes it: for the process if the area is
 * private, for the file if it is shared. So what a load must find is the process's tag, or else the file's.
 */
#include <inttypes.h>
#include <stdlib.h>

#include "play.h"
#include "store/swap.h"

#define ANY (~0ul) /* MADV_FREE: the old content or zeros */

/* ---------------------------------------------------------------- files --------------------- */

static unsigned long born(const struct play_file *f, uint64_t page)
{
	return f->store ? 1ul << 63 | (unsigned long)f->number << 36 | page : 0;
}

static int read_pages(void *file, uint64_t first, unsigned n, void *const frame[])
{
	struct play_file *f = file;
	int err = sim_store_ops.read(f->store, first, n, frame);

	for (unsigned i = 0; i < n && !err; i++)
		if (!*(unsigned long *)frame[i])
			*(unsigned long *)frame[i] = born(f, first + i);
	return err;
}

static int write_pages(void *file, uint64_t first, unsigned n, void *const frame[])
{
	return sim_store_ops.write(((struct play_file *)file)->store, first, n, frame);
}

const struct om_store_ops contents_store_ops = {.read = read_pages, .write = write_pages};

/* ---------------------------------------------------------------- what must be there -------- */

static struct play_file *file_of(struct play *p, const struct om_vmainfo *area)
{
	for (unsigned i = 0; area->mapping && i < p->nr_files; i++)
		if (p->file[i]->mapping == area->mapping)
			return p->file[i];
	return NULL;
}

static bool area_at(const struct play_space *s, uintptr_t addr, struct om_vmainfo *area)
{
	return om_vma_next(s->mm, addr, area) && area->start <= addr;
}

static uint64_t page_in_file(const struct om_vmainfo *area, uintptr_t addr)
{
	return area->pgoff + (addr - area->start) / PLAY_PAGE;
}

bool contents_file(struct play *p, const struct play_space *s, uintptr_t addr,
                   struct play_file **file, uint64_t *page, bool *shared)
{
	struct om_vmainfo area;

	if (!area_at(s, addr, &area))
		return false;
	*file = file_of(p, &area);
	*page = page_in_file(&area, addr);
	*shared = area.flags & OM_VM_SHARED;
	return true;
}

static unsigned long file_tag(const struct play_file *f, uint64_t page)
{
	unsigned long tag = tags_get(&f->tags, page + 1);

	return tag ? tag : born(f, page);
}

static unsigned long expected(struct play *p, const struct play_space *s, uintptr_t addr)
{
	unsigned long tag = tags_get(&s->tags, addr / PLAY_PAGE);
	struct om_vmainfo area;
	struct play_file *f;

	if (!area_at(s, addr, &area))
		return ANY;
	f = file_of(p, &area);
	if (tag && !(area.flags & OM_VM_SHARED))
		return tag;
	return f ? file_tag(f, page_in_file(&area, addr)) : 0;
}

static int compare(struct play *p, const struct play_space *s, uintptr_t addr, unsigned long found)
{
	unsigned long right = expected(p, s, addr);

	if (right == ANY || found == right)
		return 0;
	return play_fail(p, "wrong contents: space %u has %#lx at %#" PRIxPTR ", not %#lx", s->id,
	                 found, addr, right);
}

/* ---------------------------------------------------------------- without a fault ----------- */

static unsigned long swapped_tag(struct play *p, uint32_t slot)
{
	om_pfn_t pfn = om_slot_pfn(p->sys, slot);
	unsigned long tag;

	if (pfn != OM_NO_PFN)
		return *(unsigned long *)sim_frame(p->sim, pfn);
	sim_store_peek(p->swap, (slot & ((1u << OM_SWAP_DEVICE_SHIFT) - 1)) * PLAY_PAGE, &tag,
	               sizeof(tag));
	return tag;
}

static int check_page(struct play *p, const struct play_space *s, uintptr_t addr)
{
	struct om_pageinfo at;

	om_pageinfo(s->mm, addr, &at);
	switch (at.kind) {
	case OM_PAGE_SWAP:
		return compare(p, s, addr, swapped_tag(p, (uint32_t)at.value));
	case OM_PAGE_DIRECT:
	case OM_PAGE_SHARED:
	case OM_PAGE_FILE:
		return compare(p, s, addr, *(unsigned long *)sim_frame(p->sim, (om_pfn_t)at.value));
	case OM_PAGE_ZERO:
		return compare(p, s, addr, 0);
	default:
		return 0;
	}
}

/* That nothing private has gone: of files, what is absent can be read again. */
static int check_kept(struct play *p, const struct play_space *s, uintptr_t addr)
{
	unsigned long tag = tags_get(&s->tags, addr / PLAY_PAGE);
	struct om_pageinfo at;
	struct om_vmainfo area;

	om_pageinfo(s->mm, addr, &at);
	if (at.kind != OM_PAGE_NONE || !tag || tag == ANY || !area_at(s, addr, &area) ||
	    area.flags & OM_VM_SHARED)
		return check_page(p, s, addr);
	return play_fail(p, "lost: space %u has nothing at %#" PRIxPTR, s->id, addr);
}

int contents_check(struct play *p, const struct play_space *s)
{
	for (size_t i = 0; i < s->tags.slots; i++)
		if (s->tags.slot[i].tag && check_kept(p, s, s->tags.slot[i].page * PLAY_PAGE))
			return -1;
	return 0;
}

/* ---------------------------------------------------------------- accesses ------------------ */

int contents_loaded(struct play *p, const struct play_space *s, uintptr_t addr, unsigned long tag)
{
	return p->config.check ? compare(p, s, addr, tag) : 0;
}

int contents_before_store(struct play *p, const struct play_space *s, uintptr_t addr)
{
	return p->config.check ? check_kept(p, s, addr) : 0;
}

void contents_stored(struct play *p, struct play_space *s, uintptr_t addr, unsigned long tag)
{
	struct om_vmainfo area;

	if (!area_at(s, addr, &area))
		return;
	if (area.flags & OM_VM_SHARED)
		tags_set(&file_of(p, &area)->tags, page_in_file(&area, addr) + 1, tag);
	else
		tags_set(&s->tags, addr / PLAY_PAGE, tag);
}

/* ---------------------------------------------------------------- calls --------------------- */

/* All tags of the range become `tag`, those that are there. */
static void retag(struct tags *t, uint64_t first, uint64_t n, unsigned long tag)
{
	for (uint64_t i = 0; n <= t->slots && i < n; i++)
		if (tags_get(t, first + i))
			tags_set(t, first + i, tag);
	for (size_t i = 0; n > t->slots && i < t->slots; i++)
		if (t->slot[i].tag && t->slot[i].page - first < n)
			t->slot[i].tag = tag;
}

void contents_drop(struct play *p, struct play_space *s, uint64_t first, uint64_t n)
{
	retag(&s->tags, first, n, 0);
	pages_drop(p, s, first, n);
}

/* The ranges do not overlap. */
void contents_move(struct play *p, struct play_space *s, uint64_t from, uint64_t n, uint64_t to)
{
	struct tags before;

	tags_copy(&before, &s->tags);
	contents_drop(p, s, to, n);
	retag(&s->tags, from, n, 0);
	for (size_t i = 0; i < before.slots; i++)
		if (before.slot[i].tag && before.slot[i].page - from < n)
			tags_set(&s->tags, before.slot[i].page - from + to, before.slot[i].tag);
	tags_free(&before);
	pages_move(s, from, n, to);
}

void contents_fork(struct play *p, const struct play_space *parent, struct play_space *child)
{
	struct om_vmainfo area = {0};

	tags_copy(&child->tags, &parent->tags);
	pages_fork(p, parent, child);
	while (om_vma_next(parent->mm, area.end, &area))
		if (area.flags & (OM_VM_DONTFORK | OM_VM_WIPEONFORK))
			contents_drop(p, child, area.start / PLAY_PAGE,
			              (area.end - area.start) / PLAY_PAGE);
}

void contents_leave(struct play *p, struct play_space *s)
{
	tags_free(&s->tags);
	pages_leave(p, s);
}

/* MADV_REMOVE: of each area's file. */
static void remove_pages(struct play *p, const struct play_space *s, uintptr_t addr, uintptr_t end)
{
	struct om_vmainfo area;

	for (; addr < end && area_at(s, addr, &area); addr = area.end) {
		struct play_file *f = file_of(p, &area);
		uintptr_t stop = area.end < end ? area.end : end;

		for (; f && addr < stop; addr += PLAY_PAGE)
			tags_set(&f->tags, page_in_file(&area, addr) + 1, ANY);
	}
}

void contents_advise(struct play *p, struct play_space *s, uint64_t first, uint64_t n, int advice)
{
	switch (advice) {
	case OM_MADV_DONTNEED:
	case OM_MADV_DONTNEED_LOCKED:
		contents_drop(p, s, first, n);
		break;
	case OM_MADV_FREE:
		retag(&s->tags, first, n, ANY);
		break;
	case OM_MADV_REMOVE:
		remove_pages(p, s, first * PLAY_PAGE, (first + n) * PLAY_PAGE);
		break;
	default:
		break;
	}
}
