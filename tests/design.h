/*
 * design.h: what tests may expect of the reverse map that they run on. All designs must find every
 * entry; how many looks and objects that may take, and which areas can be one, is each one's own.
 */
#ifndef DESIGN_H
#define DESIGN_H

#include <string.h>

#include "rmap/rmap.h"

static inline bool design_is(const char *name)
{
	return !strcmp(om_rmap_traits.name, name);
}

/* The rules of docs/design.md about merging, and its number of objects, are the default's. */
static inline bool is_default(void)
{
	return design_is("objrmap");
}

/*
 * In 2.6.7 all areas of a family are in one list for ever, and each page of each process is looked
 * for there (AIM7, 2010): no test may ask for less.
 */
static inline bool searches_family(void)
{
	return design_is("anon_vma_267");
}

/*
 * The RFC lets inherited areas grow: memory that siblings map at one address has one number in the
 * list of all, and who of them forks again shares pages that are looked for in all.
 */
static inline bool siblings_grow(void)
{
	return searches_family() || design_is("rfc_vma");
}

/* The first fault gives an area an object, and that numbers, which a neighbour does not share. */
static inline bool faults_name_areas(void)
{
	return design_is("anon_vma_267") || design_is("anon_vma_chain");
}

/* Pages that were moved keep the numbers of the place where they began, and so does their area. */
static inline bool moves_keep_numbers(void)
{
	return faults_name_areas() || design_is("cow_context");
}

/* Where nothing says where a page is, a walk may look at every entry of the machine. */
static inline bool looks_everywhere(void)
{
	return design_is("virtual_scan");
}

#endif
