/*
 * hooks.h: the way from a system to what the port gave, for the files below the data model.
 *
 * Assertions and locks call hooks, and types.h needs both. So a struct om_system begins with its
 * hooks (types.h checks that), and these files see no more of it.
 */
#ifndef OM_HOOKS_H
#define OM_HOOKS_H

#include <objrmap/port.h>

struct om_hooks {
	const struct om_port_ops *ops;
	void *ctx;      /* first argument of every hook */
	uintptr_t seed; /* of hashes that no program may foresee: om_tree_seed() */
};

static inline const struct om_hooks *om_hooks(const struct om_system *sys)
{
	return (const struct om_hooks *)(const void *)sys;
}

/* Is the running thread to die? Then long work ends early, with -OM_EINTR. */
static inline bool om_dying(const struct om_system *sys)
{
	const struct om_hooks *h = om_hooks(sys);

	return h->ops->dying && h->ops->dying(h->ctx);
}

/* The running thread waits for memory from here to om_stall_end(). */
static inline void om_stall_begin(const struct om_system *sys)
{
	const struct om_hooks *h = om_hooks(sys);

	if (h->ops->stall)
		h->ops->stall(h->ctx, true);
}

static inline void om_stall_end(const struct om_system *sys)
{
	const struct om_hooks *h = om_hooks(sys);

	if (h->ops->stall)
		h->ops->stall(h->ctx, false);
}

#endif
