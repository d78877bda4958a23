/*
 * owners.c: the list of owners of a leaf table. Most recent first, since a child that forks to run
 * another program leaves at once.
 */
#include "page/owners.h"

static void set_owners(struct om_page *table, void *link)
{
	__atomic_store_n(&table->object, link, __ATOMIC_RELAXED);
}

unsigned om_table_nr_owners(struct om_system *sys, const struct om_page *table)
{
	unsigned n = 0;

	OM_ASSERT(sys, om_held(sys, &table->lock), "I13", table);
	om_for_each_owner (mm, table) {
		om_work(sys, 1);
		n++;
	}
	return n;
}

void om_table_add_owner(struct om_system *sys, struct om_page *table, struct om_owner *owner,
                        struct om_mm *mm)
{
	OM_ASSERT(sys, om_held(sys, &table->lock), "I13", table);
	owner->mm = mm;
	owner->next = table->object;
	set_owners(table, (char *)owner + OM_IS_OWNER);
}

/* The place where the link to this owner stands: in the table, or in a record. */
static void **find(struct om_system *sys, struct om_page *table, const struct om_mm *mm)
{
	void **at = &table->object;

	while (om_owner_mm(*at) != mm) {
		struct om_owner *o = om_owner_of(*at);

		OM_BUG_ON(sys, !o, "I13", table, mm, table->index);
		om_work(sys, 1);
		at = &o->next;
	}
	return at;
}

struct om_owner *om_table_drop_owner(struct om_system *sys, struct om_page *table, struct om_mm *mm)
{
	void **at = find(sys, table, mm);
	struct om_owner *o = om_owner_of(*at);

	OM_ASSERT(sys, om_held(sys, &table->lock), "I13", table);
	OM_BUG_ON(sys, !om_table_is_shared(table), "I13", table, mm, table->index);
	if (o) {
		__atomic_store_n(at, o->next, __ATOMIC_RELAXED);
		return o;
	}
	/* The one without a record goes: the last of the others needs none from now on. */
	for (at = &table->object; om_owner_of(om_owner_next(*at));)
		at = &om_owner_of(*at)->next;
	o = om_owner_of(*at);
	__atomic_store_n(at, (void *)o->mm, __ATOMIC_RELAXED);
	return o;
}
