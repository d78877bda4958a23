/*
 * trim.c: giving back page tables that hold nothing.
 *
 * A table holds nothing if no entry of it is in use, or only entries of the zero page, which any
 * read makes again. munmap frees tables when the areas over them are gone (om_mm_free_tables());
 * here the areas stay, so a walk of the reverse map, or truncation, may be on its way to the table:
 * it has found an area in a tree, holds that tree's lock, and reads the upper entries without one
 * (I5). Hence:
 *
 *   1. mmap_lock is held for writing: no fault, no fork, no other call is in these tables, and
 *      nothing makes an entry in them;
 *   2. the table is taken off the tree of tables: whoever walks down from now on finds none;
 *   3. the locks of the trees in which the areas over it are queued are taken, each once, and given
 *      back: whoever had found the table before has left it, and what it gathered there is flushed;
 *   4. the upper levels are flushed, and the frame is free.
 *
 * A walk from a direct page needs no area: but a table that a page names has an entry (I2).
 */
#include "area/trim.h"

#include "area/mm.h"
#include "rmap/rmap.h"

struct trim {
	struct om_mm *mm;
	enum om_trim how;
	unsigned n;
	struct om_page *gone[OM_TRIM_BATCH]; /* taken off the tree of tables */
};

/*
 * Step 3 takes the locks of so many areas at most for one table. More can only lie over an upper
 * one, and are more memory themselves than such a table.
 */
#define MOST_AREAS OM_TABLE_ENTRIES

/* May this table go, if it is empty? *locked: an area over it is. */
static bool areas_allow(struct om_mm *mm, const struct om_page *table, bool *locked)
{
	uintptr_t last = om_table_last(table);
	struct om_vma *vma = om_vma_find(mm, om_table_addr(table, 0));
	unsigned n = 0;

	*locked = false;
	for (; vma && vma->start <= last && n <= MOST_AREAS; vma = om_vma_after(vma), n++)
		*locked |= (om_vma_flags(vma) & OM_VM_LOCKED) != 0;
	return n <= MOST_AREAS;
}

/* A table is made before there is a page for it: whoever made it may be back at once. */
static bool is_new(struct om_page *table)
{
	return om_page_clear(table, OM_TABLE_NEW) & OM_TABLE_NEW;
}

/* Could this table go for what is in it? */
static bool is_unused(enum om_table_use use, enum om_trim how)
{
	return use == OM_TABLE_EMPTY || (use == OM_TABLE_ZEROS && how != OM_TRIM_EMPTY) ||
	       (use == OM_TABLE_YOUNG && how == OM_TRIM_ZERO);
}

static bool unlink_table(struct trim *t, struct om_page *table)
{
	enum om_table_use use;
	bool locked;

	if (t->how == OM_TRIM_UNUSED && is_new(table))
		return false;
	use = om_table_use(t->mm, table, t->how != OM_TRIM_EMPTY);
	if (!is_unused(use, t->how) || !areas_allow(t->mm, table, &locked))
		return false;
	if (use != OM_TABLE_EMPTY && locked) /* mlock() promises that there is no fault */
		return false;
	if (use != OM_TABLE_EMPTY)
		om_table_clear_zeros(t->mm, table);
	om_table_unlink(t->mm, table);
	t->gone[t->n++] = table;
	return true;
}

/* Step 3, for one table; *last: the area that was dealt with last. */
static void wait_for_walks(struct om_mm *mm, const struct om_page *table, struct om_vma **last)
{
	struct om_vma *vma = om_vma_find(mm, om_table_addr(table, 0));

	for (; vma && vma->start <= om_table_last(table); vma = om_vma_after(vma)) {
		if (vma != *last) {
			om_rmap_move_begin(vma);
			om_rmap_move_end(vma);
		}
		*last = vma;
	}
}

static void free_gone(struct trim *t)
{
	struct om_vma *last = NULL;

	for (unsigned i = 0; i < t->n; i++)
		wait_for_walks(t->mm, t->gone[i], &last);
	if (t->n)
		om_rmap_tables_unlinked(t->mm);
	om_table_free_unlinked(t->mm, t->gone, t->n);
}

/* Where no area is, there are no tables (I5): a small address space is not looked through. */
static bool skip_to_area(struct om_mm *mm, uintptr_t *addr)
{
	struct om_vma *vma = om_vma_find(mm, *addr);
	uintptr_t from = vma ? vma->start & ~(OM_TABLE_SPAN - 1) : 0;

	if (from > *addr)
		*addr = from;
	return vma;
}

unsigned om_trim(struct om_mm *mm, uintptr_t *addr, uintptr_t end, enum om_trim how,
                 unsigned *looked)
{
	struct trim t = {.mm = mm, .how = how};
	struct om_page *table;

	OM_ASSERT(mm->sys, om_rwsem_is_write_locked(&mm->own.mmap_lock), "mmap_lock", mm);
	for (*looked = 0; t.n < OM_TRIM_BATCH && *looked < OM_TRIM_LOOKS; ++*looked) {
		uintptr_t last;

		table = skip_to_area(mm, addr) ? om_table_lowest(mm, *addr, end) : NULL;
		if (!table) {
			*addr = end;
			break;
		}
		last = om_table_last(table);
		/* With it gone, the table above may be the lowest one here, and empty. */
		if (!unlink_table(&t, table))
			*addr = last < end ? last + 1 : end;
	}
	free_gone(&t);
	return t.n;
}

void om_trim_range(struct om_mm *mm, uintptr_t start, uintptr_t end)
{
	uintptr_t highest = mm->layout.highest;
	uintptr_t from = (start + (OM_TABLE_SPAN - 1)) & ~(OM_TABLE_SPAN - 1);
	uintptr_t to = (end < highest ? end : highest) & ~(OM_TABLE_SPAN - 1);
	unsigned looked;

	while (from >= start && from < to) {
		om_mm_write_lock(mm);
		om_trim(mm, &from, to, OM_TRIM_EMPTY, &looked);
		om_mm_write_unlock_all(mm);
	}
}

unsigned om_trim_mm(struct om_mm *mm)
{
	unsigned n = 0, looked;

	om_might_sleep(mm->sys);
	for (uintptr_t addr = 0; addr < OM_VA_LIMIT;) {
		om_mm_write_lock(mm);
		n += om_trim(mm, &addr, OM_VA_LIMIT, OM_TRIM_ZERO, &looked);
		om_mm_write_unlock_all(mm);
	}
	return n;
}
