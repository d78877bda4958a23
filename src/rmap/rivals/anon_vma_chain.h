/*
 * anon_vma_chain.h: Linux's design since 2010: what it does for every page of a fault, fork or
 * unmap. anon_vma_chain.c explains the design and has the rest.
 */
#ifndef OM_RMAP_ANON_VMA_CHAIN_H
#define OM_RMAP_ANON_VMA_CHAIN_H

#include "rmap/rivals/anon_vma.h"

/* What this design has to do where others are idle: idle.h. */
#define om_rmap_vma_drop om_rmap_vma_drop

/* The areas in which the pages that one area has got can be mapped: itself and its descendants. */
struct om_anon_vma {
	struct om_anon_vma *root;   /* (c) the oldest ancestor's, or it is one */
	struct om_anon_vma *parent; /* (c) a root's is itself */
	struct om_rwspin lock;      /* a root's: of all in its family */
	/* (a) one while it has areas, for each walk; of a root, for each other in the family */
	_Atomic uint32_t refs;
	uint32_t num_children; /* (O) anon_vmas whose parent this is; a root is one of its own */
	uint32_t num_active;   /* (O) areas whose new pages name it */
	struct om_node *areas; /* (O) chains, by the linear index of their areas */
};

/* What links an area to an anon_vma: its own, or an ancestor's. */
struct om_chain {
	struct om_vma *vma;           /* (M+O) */
	struct om_anon_vma *anon_vma; /* (c) */
	struct om_chain *older;       /* (M) of the area's */
	struct om_node by_index;      /* (O) in anon_vma->areas */
};

extern const struct om_interval_ops om_chain_tree;

static inline struct om_chain *om_chain_of(const struct om_node *n)
{
	return om_container(n, struct om_chain, by_index);
}

/* vma->by_anon is no node in this design: `left` leads to the area's newest chain. */
static inline struct om_chain *om_newest_chain(const struct om_vma *vma)
{
	struct om_node *n = __atomic_load_n(&vma->by_anon.left, __ATOMIC_ACQUIRE);

	return n ? om_chain_of(n) : NULL;
}

/*
 * The page names the area's own anon_vma from now on, in whose tree are fewer areas than in that of
 * an ancestor. A walk that is in the other tree still finds it: the area is in both.
 */
OM_INLINE void om_anon_page_own(struct om_system *sys, struct om_page *page, struct om_vma *vma,
                                struct om_page *table, unsigned pos)
{
	(void)sys;
	page->object = om_anon_vma_of(vma);
	page->index = om_vma_index(vma, om_table_addr(table, pos));
}

/* The child's area is in every tree that the parent's is in, with equal numbers. */
OM_INLINE bool om_anon_page_share(struct om_system *sys, struct om_page *page,
                                  const struct om_fork_part *part, unsigned pos, bool direct)
{
	(void)sys;
	(void)page;
	(void)part;
	(void)pos;
	(void)direct;
	return true;
}

/* Its chains, if it has any, are freed. */
OM_COLD void om_anon_chains_drop(struct om_vma *vma);

OM_INLINE void om_rmap_vma_drop(struct om_vma *vma)
{
	om_anon_chains_drop(vma);
}

#endif
