/*
 * mkwrite.c: see mkwrite.h.
 */
#include "ops/mkwrite.h"

#include "page/put.h"

bool om_mkwrite_needed_slow(struct om_mkwrite *m, struct om_mapping *mapping, struct om_page *page)
{
	struct om_system *sys = mapping->sys;

	OM_ASSERT(sys, om_page_test(page, OM_PG_LOCKED), "page lock", page);
	if (!m)
		return true;
	if (page->object != mapping)
		return false; /* truncated: its entry has gone, too */
	if (m->asked == mapping && m->index == page->index && om_page_test(page, OM_PG_DIRTY))
		return false;
	om_mapping_get(mapping);
	om_page_ref(sys, page);
	m->ask = mapping;
	m->page = page;
	m->index = page->index;
	return true;
}

int om_mkwrite_ask(struct om_mkwrite *m)
{
	struct om_mapping *mapping = m->ask;
	struct om_system *sys;
	int err;

	if (!m->page)
		return 0;
	sys = mapping->sys;
	om_might_sleep(sys);
	om_mkwrite_end(m);
	m->asked = mapping;
	err = mapping->ops->page_mkwrite(mapping->store, m->index);
	if (!err) {
		om_page_lock(sys, m->page);
		if (om_mapping_has(mapping, m->page, m->index))
			om_page_set(m->page, OM_PG_DIRTY);
		om_page_unlock(sys, m->page);
	}
	om_page_put(sys, m->page);
	m->page = NULL;
	return !err ? 0 : err == -OM_ENOMEM ? OM_FAULT_OOM : OM_FAULT_BUS;
}

void om_mkwrite_end(struct om_mkwrite *m)
{
	if (m->asked)
		om_mapping_put(m->asked);
	m->asked = NULL;
}
