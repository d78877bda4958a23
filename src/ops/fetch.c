/*
 * fetch.c: waiting for a page with no lock held. See fetch.h.
 *
 * Neither kind of page needs the area any more: a mapping is held by a reference, and a slot that
 * was given to other contents meanwhile is read for those, which does no harm; the fault compares
 * its entry again.
 */
#include "ops/fetch.h"

#include "page/put.h"
#include "store/mapping.h"
#include "store/swap.h"

/* ---------------------------------------------------------------- noting -------------------- */

bool om_fetch_trylock(struct om_system *sys, struct om_fetch *fetch, struct om_page *page)
{
	if (page != om_fetch_mine(fetch))
		return om_page_trylock(sys, page);
	om_fetch_taken(fetch);
	return true;
}

void om_fetch_unlock(struct om_system *sys, struct om_fetch *fetch)
{
	if (fetch->locked)
		om_page_unlock(sys, fetch->page);
	fetch->locked = false;
}

int om_fetch_locked(struct om_system *sys, struct om_fetch *fetch, struct om_page *page)
{
	if (!fetch) {
		om_page_put(sys, page);
		return -OM_EFETCH;
	}
	om_fetch_unlock(sys, fetch);
	if (fetch->page)
		om_page_put(sys, fetch->page);
	fetch->page = page;
	fetch->kind = OM_FETCH_LOCKED;
	fetch->err = 0;
	return -OM_EFETCH;
}

int om_fetch_file(struct om_fetch *fetch, struct om_mapping *mapping, uintptr_t index,
                  unsigned ahead)
{
	if (!fetch)
		return -OM_EFETCH;
	/* Another mapping than last time: that one waits for its put until no lock is held. */
	if (fetch->mapping && fetch->mapping != mapping) {
		fetch->kind = OM_FETCH_NOTHING;
		return -OM_EFETCH;
	}
	if (!fetch->mapping)
		om_mapping_get(mapping);
	fetch->kind = OM_FETCH_FILE;
	fetch->err = 0;
	fetch->mapping = mapping;
	fetch->index = index;
	fetch->ahead = ahead;
	return -OM_EFETCH;
}

int om_fetch_slot(struct om_fetch *fetch, uint32_t slot)
{
	if (fetch) {
		fetch->kind = OM_FETCH_SLOT;
		fetch->err = 0;
		fetch->slot = slot;
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
	return fetch && fetch->kind == OM_FETCH_SLOT && fetch->slot == slot ? fetch->err : 0;
}

/* ---------------------------------------------------------------- waiting ------------------- */

/* `page` is locked, and stays so for the try that comes. */
static void hold(struct om_system *sys, struct om_fetch *fetch, struct om_page *page)
{
	if (fetch->page)
		om_page_put(sys, fetch->page);
	fetch->page = page;
	fetch->locked = true;
}

static int wait_for_file(struct om_system *sys, struct om_fetch *fetch)
{
	struct om_page *page;
	int err =
	    om_mapping_getpage(fetch->mapping, fetch->index, fetch->ahead, &page, &fetch->read);

	if (!err)
		hold(sys, fetch, page);
	return err;
}

static int wait_for_slot(struct om_system *sys, struct om_fetch *fetch)
{
	struct om_page *page;
	bool read;
	int err = om_swap_readpage(sys, fetch->slot, &page, &read);

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
		err = wait_for_slot(sys, fetch);
		break;
	}
	if (err == -OM_ENOFRAME)
		return err;
	fetch->err = err;
	return 0;
}

void om_fetch_end(struct om_system *sys, struct om_fetch *fetch)
{
	om_fetch_unlock(sys, fetch);
	if (fetch->page)
		om_page_put(sys, fetch->page);
	if (fetch->mapping)
		om_mapping_put(fetch->mapping);
}
