/*
 * vma_place.h: the address-space tree's summary of gaps; shared by vma.c and vma_place.c.
 */
#ifndef OM_VMA_PLACE_H
#define OM_VMA_PLACE_H

#include "base/types.h"

/* Areas by start address; the augmented word is the largest gap strictly inside the subtree. */
extern const struct om_tree_ops om_vma_tree;

#endif
