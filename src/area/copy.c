/*
 * copy.c: page-table entries that two areas have from now on, copy-on-write.
 *
 * An entry is copied with both tables locked. A direct page becomes shared and read-only in both; a
 * pinned page stays where it is, and is copied.
 */
#include "area/copy.h"

#include "base/mem.h"
#include "page/frame.h"
#include "page/table.h"
#include "store/mapping.h"
#include "store/swap.h"

/* The child's own copy of a page that must not be shared. Both tables are locked. */
static OM_COLD int copy_page(struct om_system *sys, struct om_copy *c, struct om_page *page,
                             unsigned pos)
{
	struct om_page *new;
	om_pte_t pte;

	if (!c->room)
		return OM_COPY_PAUSE;
	new = om_frame_get(sys, OM_KIND_DATA, 0);
	if (!new)
		return -OM_ENOFRAME;
	c->room--;
	om_work(sys, OM_WORK_PAGE);
	memcpy(om_page_ptr(sys, new), om_page_ptr(sys, page), OM_PAGE_SIZE);
	pte = om_pte_make(om_page_pfn(sys, new), om_vma_prot(om_vma_flags(c->part.child)));
	if (om_pte_write(pte))
		pte = om_pte_mkdirty(pte);
	om_entry_install(sys, c->part.to, pos, pte);
	om_rmap_page_new(sys, new, c->part.child, c->part.to, pos);
	c->anon++;
	c->own++;
	om_count(sys, OM_EV_FORK_COPY, 1);
	return 0;
}

static OM_COLD int copy_file(struct om_system *sys, struct om_copy *c, struct om_page *page,
                             unsigned pos, om_pte_t pte)
{
	if (!om_rmap_file_add(sys, page, c->part.child))
		return 0; /* the child's fault will tell */
	/* The first write faults, and marks the page dirty. */
	om_entry_fill(sys, c->part.to, pos, om_pte_mkold(om_pte_mkclean(om_pte_wrprotect(pte))));
	c->file++;
	return 0;
}

/* Anything but an anonymous page that can be shared. */
static OM_COLD int copy_other(struct om_system *sys, struct om_copy *c, unsigned pos, om_pte_t pte)
{
	struct om_page *page = om_page_of(sys, om_pte_pfn(pte));

	if (om_pte_present(pte) && om_page_test(page, OM_PG_ANON))
		return copy_page(sys, c, page, pos);
	if (om_pte_present(pte) && page->kind != OM_KIND_ZERO)
		return copy_file(sys, c, page, pos, pte);
	if (om_pte_is_swap(pte)) {
		if (!om_slot_dup(sys, om_pte_slot(pte)))
			return -OM_ENOMEM;
		c->swap++;
	}
	om_entry_fill(sys, c->part.to, pos, pte); /* the zero page, too (I8) */
	return 0;
}

/* What fork has to know of a table, when entries [first, stop) have been copied. */
static void note(struct om_system *sys, const struct om_copy *c, unsigned first, unsigned stop)
{
	if (om_page_test(c->part.from, OM_TABLE_MIXED))
		om_table_note(sys, c->part.to, OM_TABLE_MIXED);
	/* All have been looked at, and there is nothing to keep. */
	if (om_unlikely(om_page_test(c->part.from, OM_TABLE_HELD)) && !c->own && !first &&
	    stop == OM_TABLE_ENTRIES)
		om_page_clear(c->part.from, OM_TABLE_HELD);
}

int om_copy_entries(struct om_system *sys, struct om_copy *c, unsigned *next, unsigned stop)
{
	const struct om_fork_part part = c->part;
	struct om_page *from = part.from, *to = part.to;
	unsigned pos = *next;
	size_t now_shared = 0;
	om_pte_t all = 0;
	int err = 0;

	for (; pos < stop; pos++) {
		om_pte_t pte = om_entry_get(sys, from, pos);
		struct om_page *page = om_page_of(sys, om_pte_pfn(pte));

		if (om_unlikely(!om_pte_present(pte) || !om_page_test(page, OM_PG_ANON) ||
		                !om_rmap_page_dup(sys, page, &part, pos, &now_shared))) {
			err = om_pte_none(pte) ? 0 : copy_other(sys, c, pos, pte);
			if (err)
				break;
			continue;
		}
		if (om_pte_write(pte))
			pte = om_entry_wrprotect(sys, from, pos);
		all |= pte;
		om_entry_fill(sys, to, pos, om_pte_mkold(om_pte_wrprotect(pte)));
		c->anon++;
	}
	c->flush |= om_pte_write(all);
	c->now_shared += now_shared;
	if (!err)
		note(sys, c, *next, stop);
	*next = pos;
	return err;
}
