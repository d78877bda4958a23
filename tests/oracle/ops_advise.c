/*
 * ops_advise.c: madvise and msync, which go through a range area by area.
 */
#include "ops.h"

#include <string.h>

static const int advices[] = {
    OM_MADV_NORMAL,
    OM_MADV_RANDOM,
    OM_MADV_SEQUENTIAL,
    OM_MADV_WILLNEED,
    OM_MADV_DONTNEED,
    OM_MADV_DONTNEED,
    OM_MADV_DONTNEED,
    OM_MADV_FREE,
    OM_MADV_FREE,
    OM_MADV_FREE,
    OM_MADV_REMOVE,
    OM_MADV_REMOVE,
    OM_MADV_DONTFORK,
    OM_MADV_DOFORK,
    OM_MADV_HUGEPAGE,
    OM_MADV_NOHUGEPAGE,
    OM_MADV_WIPEONFORK,
    OM_MADV_KEEPONFORK,
    OM_MADV_COLD,
    OM_MADV_COLD,
    OM_MADV_PAGEOUT,
    OM_MADV_PAGEOUT,
    OM_MADV_PAGEOUT,
    OM_MADV_PAGEOUT,
    OM_MADV_POPULATE_READ,
    OM_MADV_POPULATE_WRITE,
    OM_MADV_POPULATE_WRITE,
    OM_MADV_DONTNEED_LOCKED,
    7,
    99,
};

/* What an area answers to the advice. */
static int area_answer(const struct mpage *p, int advice)
{
	switch (advice) {
	case OM_MADV_REMOVE:
		if ((p->flags & OM_VM_LOCKED) || !p->object)
			return -OM_EINVAL;
		if (!(p->flags & OM_VM_SHARED) || !(p->flags & OM_VM_MAYWRITE))
			return -OM_EACCES;
		return 0;
	case OM_MADV_WIPEONFORK:
		return p->object ? -OM_EINVAL : 0;
	case OM_MADV_FREE:
		return p->object || (p->flags & OM_VM_LOCKED) ? -OM_EINVAL : 0;
	case OM_MADV_DONTNEED:
	case OM_MADV_COLD:
	case OM_MADV_PAGEOUT:
		return p->flags & OM_VM_LOCKED ? -OM_EINVAL : 0;
	default:
		return 0;
	}
}

/* Flags that the advice takes from an area and gives to it; both 0: the advice is about pages. */
static void advised_flags(int advice, unsigned *mask, unsigned *set)
{
	*mask = *set = 0;
	switch (advice) {
	case OM_MADV_NORMAL:
	case OM_MADV_RANDOM:
	case OM_MADV_SEQUENTIAL:
		*mask = OM_VM_RAND_READ | OM_VM_SEQ_READ;
		break;
	case OM_MADV_DONTFORK:
	case OM_MADV_DOFORK:
		*mask = OM_VM_DONTFORK;
		break;
	case OM_MADV_HUGEPAGE:
	case OM_MADV_NOHUGEPAGE:
		*mask = OM_VM_HUGEPAGE | OM_VM_NOHUGEPAGE;
		break;
	case OM_MADV_WIPEONFORK:
	case OM_MADV_KEEPONFORK:
		*mask = OM_VM_WIPEONFORK;
	}
	if (advice == OM_MADV_HUGEPAGE)
		*set = OM_VM_HUGEPAGE;
	if (advice == OM_MADV_NOHUGEPAGE)
		*set = OM_VM_NOHUGEPAGE;
	if (advice == OM_MADV_RANDOM)
		*set = OM_VM_RAND_READ;
	if (advice == OM_MADV_SEQUENTIAL)
		*set = OM_VM_SEQ_READ;
	if (advice == OM_MADV_DONTFORK || advice == OM_MADV_WIPEONFORK)
		*set = *mask;
}

/* `stop`: where the first error comes up; the pages before it have been advised. */
static int foresee_advice(const struct space *s, size_t page, size_t n, int advice, size_t *stop)
{
	int hole = 0, err;

	for (*stop = page; *stop < page + n; ++*stop) {
		const struct mpage *p = &s->page[*stop];

		if (!p->flags) {
			hole = -OM_ENOMEM;
			continue;
		}
		err = area_answer(p, advice);
		if (err)
			return err;
	}
	return hole;
}

static void forget_own(struct mpage *p)
{
	if (p->own)
		content_put(p->own);
	p->own = NULL;
	p->lazy = false;
}

static void note_page_advice(struct world *w, struct mpage *p, int advice)
{
	uint64_t offset = (uint64_t)p->linear * PAGE;

	switch (advice) {
	case OM_MADV_DONTNEED:
	case OM_MADV_DONTNEED_LOCKED:
		forget_own(p);
		break;
	case OM_MADV_FREE:
		p->lazy = p->own;
		break;
	case OM_MADV_REMOVE:
		orphan_pins(w, p->object, p->linear, p->linear + 1);
		object_zero(p->object, offset, offset + PAGE);
	}
}

static void note_advice(struct world *w, struct space *s, size_t page, size_t stop, int advice)
{
	unsigned mask, set;

	advised_flags(advice, &mask, &set);
	for (; page < stop; page++) {
		struct mpage *p = &s->page[page];

		if (!p->flags)
			continue;
		p->flags = (p->flags & ~mask) | set;
		note_page_advice(w, p, advice);
	}
}

/* ---------------------------------------------------------------- populate ------------------ */

static int foresee_populate(const struct space *s, size_t page, size_t n, bool write)
{
	for (size_t i = page; i < page + n; i++) {
		if (!s->page[i].flags)
			return -OM_ENOMEM;
		if (!(s->page[i].flags & (write ? OM_VM_WRITE : OM_VM_READ)))
			return -OM_EINVAL;
		if (space_is_beyond(s, i))
			return -OM_EFAULT;
	}
	return 0;
}

static void populate(struct world *w, struct space *s, size_t page, size_t n, int advice)
{
	bool write = advice == OM_MADV_POPULATE_WRITE;
	int want = foresee_populate(s, page, n, write);
	int err = om_madvise(s->mm, addr_of(page), n * PAGE, advice);

	agree(w, err, want);
	for (size_t i = page; write && i < page + n; i++)
		if (s->page[i].flags && !(s->page[i].flags & OM_VM_SHARED) && s->page[i].lazy)
			settle_page(w, s, i);
	if (write)
		settle_populated(w, s, page, n);
	if (!err)
		check_present(w, s, page, n);
}

/* ---------------------------------------------------------------- madvise ------------------- */

/*
 * There was no frame to unshare a table with: some areas have lost their contents, others have not.
 */
static void adopt_contents(struct world *w, struct space *s, size_t page, size_t n)
{
	uint8_t have[PAGE];

	for (size_t i = page; i < page + n; i++) {
		struct mpage *p = &s->page[i];

		if (!p->own)
			continue;
		if (p->object && peek_page(w, s, i, have) != PEEK_OWN)
			forget_own(p);
		else if (!p->object)
			p->lazy = true;
		settle_page(w, s, i);
	}
}

void op_madvise(struct world *w, const uint32_t *a)
{
	int advice = advices[a[3] % (sizeof(advices) / sizeof(advices[0]))], want, err;
	bool odd = a[4] % 32 == 0, flags, near;
	struct space *s = pick_space(w, a[0]);
	size_t page, n, stop;
	unsigned mask, set;

	if (!s)
		return;
	page = pick_page(s, a[1]);
	n = pick_len(s, page, a[2]);
	world_trace(w, " space %u page %zu n %zu advice %d", space_nr(w, s), page, n, advice);
	if (advice == 7 || advice == 99 || odd) {
		agree(w, om_madvise(s->mm, addr_of(page) + odd, n * PAGE, advice), -OM_EINVAL);
		return;
	}
	if (advice == OM_MADV_POPULATE_READ || advice == OM_MADV_POPULATE_WRITE) {
		populate(w, s, page, n, advice);
		return;
	}
	advised_flags(advice, &mask, &set);
	flags = mask;
	near = flags && may_lack_areas(s, page, n, mask, set);
	want = foresee_advice(s, page, n, advice, &stop);
	err = om_madvise(s->mm, addr_of(page), n * PAGE, advice);
	agree_or(w, err, want, -OM_EAGAIN, (flags && near) || had_trouble(w));
	if (err == want && !near && !had_trouble(w))
		note_advice(w, s, page, stop, advice);
	else if (err == -OM_EAGAIN && !flags)
		adopt_contents(w, s, page, n);
	else if (flags)
		world_adopt_flags(w, s, page, stop - page, mask, set);
	else
		note_advice(w, s, page, stop, advice);
}

/* ---------------------------------------------------------------- msync --------------------- */

static int foresee_msync(const struct space *s, size_t page, size_t n, int flags)
{
	int hole = 0;

	for (size_t i = page; i < page + n; i++) {
		if (!s->page[i].flags)
			hole = -OM_ENOMEM;
		if ((flags & OM_MS_INVALIDATE) && (s->page[i].flags & OM_VM_LOCKED))
			return -OM_EBUSY;
	}
	return hole;
}

static bool is_pinned(const struct world *w, const struct mpage *p)
{
	for (unsigned i = 0; i < NR_PINS; i++)
		if (w->pin[i].used && w->pin[i].object == p->object && w->pin[i].index == p->index)
			return true;
	return false;
}

static void check_synced(struct world *w, const struct mpage *p)
{
	uint8_t want[SIM_PAGE_SIZE], have[SIM_PAGE_SIZE];
	uint64_t offset = (uint64_t)p->index * PAGE;
	size_t n;

	if (!p->object || !p->object->store || !(p->flags & OM_VM_SHARED) || is_pinned(w, p))
		return;
	n = object_valid(p->object, p->index);
	object_read(p->object, offset, want, n);
	sim_store_peek(p->object->store, offset, have, n);
	if (memcmp(want, have, n))
		FAIL(w, "page %zu of a file was not written by msync", p->index);
}

void op_msync(struct world *w, const uint32_t *a)
{
	static const int some[] = {4, 4, 4, 6, 1, 3, 0, 2, 5, 8};
	int flags = some[a[3] % 10], want;
	struct space *s = pick_space(w, a[0]);
	size_t page, n;

	if (!s)
		return;
	page = pick_page(s, a[1]);
	n = pick_len(s, page, a[2]);
	world_trace(w, " space %u page %zu n %zu flags %d", space_nr(w, s), page, n, flags);
	want = flags == 5 || flags == 8 ? -OM_EINVAL : foresee_msync(s, page, n, flags);
	if (!agree(w, om_msync(s->mm, addr_of(page), n * PAGE, flags), want) ||
	    !(flags & OM_MS_SYNC))
		return;
	for (size_t i = page; i < page + n; i++)
		check_synced(w, &s->page[i]);
}
