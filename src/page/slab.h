/*
 * slab.h: objects carved from frames: areas, mms, mappings, and those of the reverse map.
 *
 * Each CPU has frames of its own that it takes objects from, so what several CPUs work on does not
 * share lines, and they do not wait for one another. An object goes back to the frame it is from,
 * whoever frees it. Small machines, which have no caches of free frames either, have one set of
 * frames for all CPUs.
 *
 * The descriptor of an OBJECT frame is its header: `object` = first free object (a list through the
 * objects), `mapcount` = objects in use, `slot` = the cache and the shard. An empty frame goes back
 * at once.
 */
#ifndef OM_SLAB_H
#define OM_SLAB_H

#include "page/frame.h"

/* `rmap_bytes`: the sizes of the objects of the reverse-map design. */
void om_slab_init(struct om_system *sys, const uint16_t rmap_bytes[OM_NR_RMAP_CACHES]);

/*
 * A zeroed object, or NULL if no frame is free, nor any room in another CPU's frames. Context: any;
 * takes SLAB, CACHE, FREE, FRAME, one at a time. O(1); O(CPUs) if no frame is free.
 */
void *om_object_alloc(struct om_system *sys, enum om_cache cache);
void om_object_free(struct om_system *sys, enum om_cache cache, void *object);

/* Objects in use and the frames they are in. Takes SLAB. Cost: linear in the number of CPUs. */
struct om_slab_sum {
	size_t objects, frames;
};
struct om_slab_sum om_slab_sum(struct om_system *sys, enum om_cache cache);

/* ---- what om_verify() needs, too ---- */

static inline struct om_slab *om_slab(struct om_system *sys, enum om_cache cache, unsigned shard)
{
	return &sys->shard[shard].slab[cache];
}

/* What the descriptor of a frame says of it. */
static inline uint32_t om_slab_name(enum om_cache cache, unsigned shard)
{
	return (uint32_t)cache | shard << 8;
}

static inline enum om_cache om_slab_cache(const struct om_page *frame)
{
	return frame->slot & 0xff;
}

static inline unsigned om_slab_owner(const struct om_page *frame)
{
	return frame->slot >> 8;
}

static inline struct om_slab *om_slab_of(struct om_system *sys, const struct om_page *frame)
{
	return om_slab(sys, om_slab_cache(frame), om_slab_owner(frame));
}

/* From whose slab this CPU takes objects. */
static inline unsigned om_slab_shard(const struct om_system *sys)
{
	return om_has_caches(sys) ? om_arch_cpu() & sys->cpu_mask : 0;
}

#endif
