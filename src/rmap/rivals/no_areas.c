/*
 * no_areas.c: the areas of a design that finds pages without them. All that an area has is whether
 * it ever held an anonymous page; it may be cut, merged and numbered anew at will.
 */
#include "rmap/rmap.h"

void om_rmap_vma_pretend(struct om_vma *to, const struct om_vma *from)
{
	if (om_vma_had_anon(from))
		om_vma_mark_anon(to);
}

int om_rmap_vma_fork(struct om_vma *child, struct om_vma *parent)
{
	om_rmap_vma_pretend(child, parent);
	return 0;
}

int om_rmap_vma_copy(struct om_vma *to, const struct om_vma *from)
{
	om_rmap_vma_pretend(to, from);
	return 0;
}

void om_rmap_vma_absorb(struct om_vma *vma, struct om_vma *gone)
{
	om_rmap_vma_pretend(vma, gone);
}

bool om_rmap_can_merge(const struct om_vma *a, const struct om_vma *b)
{
	(void)a;
	(void)b;
	return true;
}

void om_anon_link(struct om_vma *vma)
{
	(void)vma;
}

void om_anon_unlink(struct om_vma *vma)
{
	(void)vma;
}

void om_anon_change_begin(struct om_vma *vma, struct om_vma *partner)
{
	(void)vma;
	(void)partner;
}

void om_anon_change_end(struct om_vma *vma, struct om_vma *partner)
{
	(void)vma;
	(void)partner;
}

void om_anon_check_area(struct om_anon_check *c, struct om_vma *vma)
{
	(void)c;
	(void)vma;
}
