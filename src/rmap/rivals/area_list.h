/*
 * area_list.h: a list of areas, linked through by_anon, for designs that look through all of them.
 */
#ifndef OM_AREA_LIST_H
#define OM_AREA_LIST_H

#include "base/types.h"

static inline struct om_vma *om_area_in_list(const struct om_node *n)
{
	return om_container(n, struct om_vma, by_anon);
}

/* The lock that the list is under is held. */
static inline void om_area_list_add(struct om_node **first, struct om_vma *vma)
{
	struct om_node *n = &vma->by_anon;

	n->left = NULL;
	n->right = *first;
	if (*first)
		(*first)->left = n;
	*first = n;
}

static inline void om_area_list_del(struct om_node **first, struct om_vma *vma)
{
	struct om_node *n = &vma->by_anon;

	*(n->left ? &n->left->right : first) = n->right;
	if (n->right)
		n->right->left = n->left;
}

#endif
