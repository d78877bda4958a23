/*
 * fetch.c: waiting for a page with no lock held. See fetch.h.
 *
 * Neither kind of page needs the area any more: a mapping is held by a reference, and a slot that
 * was given to other contents meanwhile is read for those, which does no harm; the fault compares
 * its entry again.
 */
#include "ops/fetch.h"

#include "ops/truncate.h"
#include "page/put.h"
#include "store/mapping.h"
#include "store/swap.h"

/* ---------------------------------------------------------------- noting -------------------- */

void om_fetch_unlock(struct om_system *sys, struct om_fetch *fetch)
{
	if (fetch->locked)
		om_page_unlock(sys, fetch->page);
	fetch->locked = false;
}

/* Keep this page, which comes with a reference, and no other. */
static void set_page(struct om_system *sys, struct om_fetch *fetch, struct om_page *page)
{
	om_fetch_unlock(sys, fetch);
	if (fetch->page)
		om_page_put(sys, fetch->page);
	fetch->page = page;
}

int om_fetch_locked(struct om_system *sys, struct om_fetch *fetch, struct om_page *page)
{
	if (!fetch) {
		om_page_put(sys, page);
		return -OM_EFETCH;
	}
	set_page(sys, fetch, page);
	fetch->kind = OM_FETCH_LOCKED;
	fetch->err = 0;
	return -OM_EFETCH;
}

/* False: another mapping than last time; that one waits for its put until no lock is held. */
static bool note_page(struct om_fetch *fetch, enum om_fetch_kind kind, struct om_mapping *mapping,
                      uintptr_t index)
{
	if (fetch->mapping && fetch->mapping != mapping) {
		fetch->kind = OM_FETCH_NOTHING;
		return false;
	}
	if (!fetch->mapping)
		om_mapping_get(mapping);
	fetch->kind = kind;
	fetch->err = 0;
	fetch->mapping = mapping;
	fetch->index = index;
	return true;
}

int om_fetch_file(struct om_fetch *fetch, struct om_mapping *mapping, uintptr_t index,
                  struct om_ahead ahead)
{
	if (fetch && note_page(fetch, OM_FETCH_FILE, mapping, index))
		fetch->ahead = ahead;
	return -OM_EFETCH;
}

int om_fetch_slot(struct om_fetch *fetch, const struct om_swap_near *near)
{
	if (fetch) {
		fetch->kind = OM_FETCH_SLOT;
		fetch->err = 0;
		fetch->near = *near;
	}
	return -OM_EFETCH;
}

int om_fetch_ask(struct om_system *sys, struct om_fetch *fetch, struct om_mapping *mapping,
                 struct om_page *page)
{
	bool asked = fetch && fetch->kind == OM_FETCH_ASK && fetch->mapping == mapping &&
	             fetch->index == page->index;

	OM_ASSERT(sys, om_page_test(page, OM_PG_LOCKED), "page lock", page);
	if (asked && fetch->err)
		return fetch->err == -OM_ENOMEM ? OM_FAULT_OOM : OM_FAULT_BUS;
	if ((asked && om_page_test(page, OM_PG_DIRTY)) || page->object != mapping)
		return 0; /* or truncated: then the entry has changed, too */
	if (fetch && note_page(fetch, OM_FETCH_ASK, mapping, page->index)) {
		om_page_ref(sys, page);
		set_page(sys, fetch, page);
	}
	return -OM_EFETCH;
}

int om_fetch_file_error(const struct om_fetch *fetch, const struct om_mapping *mapping,
                        uintptr_t index)
{
	return fetch && fetch->kind == OM_FETCH_FILE && fetch->mapping == mapping &&
	               fetch->index == index
	           ? fetch->err
	           : 0;
}

int om_fetch_slot_error(const struct om_fetch *fetch, uint32_t slot)
{
	return fetch && fetch->kind == OM_FETCH_SLOT && fetch->near.slot == slot ? fetch->err : 0;
}

/* ---------------------------------------------------------------- waiting ------------------- */

/* The page stays locked for the try that comes. */
static int wait_for_answer(struct om_system *sys, struct om_fetch *fetch)
{
	struct om_mapping *mapping = fetch->mapping;
	int err;

	om_might_transfer(sys);
	err = mapping->ops->page_mkwrite(mapping->store, fetch->index);
	if (err)
		return err == -OM_ENOFRAME ? -OM_EIO : err;
	om_page_lock(sys, fetch->page);
	fetch->locked = true;
	if (om_mapping_has(mapping, fetch->page, fetch->index))
		om_page_set(fetch->page, OM_PG_DIRTY);
	return 0;
}

/* `page` is locked, and stays so for the try that comes. */
static void hold(struct om_system *sys, struct om_fetch *fetch, struct om_page *page)
{
	set_page(sys, fetch, page);
	fetch->locked = true;
}

static OM_NOINLINE int wait_for_file(struct om_system *sys, struct om_fetch *fetch)
{
	struct om_page *page;
	int err = om_file_getpage(fetch->mapping, fetch->index, fetch->ahead, &page, &fetch->read);

	if (!err)
		hold(sys, fetch, page);
	return err;
}

/*
 * What is read ahead would ask for frames soon, page by page: they are made free at once, here,
 * where no lock is held. If there are not so many, nothing is read ahead; then nothing is asked for
 * either, and the window becomes small: so this is not tried for long.
 */
static void make_room(struct om_system *sys, struct om_swap_near *near)
{
	unsigned n = om_swap_near_count(near);
	om_pfn_t least = om_frames_reserve(sys) + n + 1;

	if (n && om_frames_at_hand(sys) < least && om_reclaim_step(sys, n + 1) <= n)
		near->others = 0;
}

static OM_NOINLINE int wait_for_slot(struct om_system *sys, struct om_fetch *fetch)
{
	struct om_page *page;
	bool read;
	int err;

	om_stall_begin(sys);
	err = om_swap_readpages(sys, &fetch->near, &page, &read);
	om_stall_end(sys);
	fetch->read |= read;
	if (!err) {
		om_page_lock(sys, page);
		hold(sys, fetch, page);
	}
	return err == -OM_EAGAIN ? 0 : err; /* the slot is not in use any more */
}

int om_fetch_wait(struct om_system *sys, struct om_fetch *fetch)
{
	int err = 0;

	om_might_sleep(sys);
	om_fetch_unlock(sys, fetch);
	switch (fetch->kind) {
	case OM_FETCH_NOTHING:
		if (fetch->mapping)
			om_mapping_put(fetch->mapping);
		fetch->mapping = NULL;
		break;
	case OM_FETCH_LOCKED:
		om_page_lock(sys, fetch->page);
		fetch->locked = true;
		break;
	case OM_FETCH_FILE:
		err = wait_for_file(sys, fetch);
		break;
	case OM_FETCH_SLOT:
		make_room(sys, &fetch->near);
		err = wait_for_slot(sys, fetch);
		break;
	case OM_FETCH_ASK:
		err = wait_for_answer(sys, fetch);
		break;
	}
	if (err == -OM_ENOFRAME)
		return err;
	fetch->err = err;
	return 0;
}

void om_fetch_end(struct om_system *sys, struct om_fetch *fetch)
{
	set_page(sys, fetch, NULL);
	if (fetch->mapping)
		om_mapping_put(fetch->mapping);
}
