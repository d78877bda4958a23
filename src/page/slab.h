/*
 * slab.h: objects carved from frames: areas, mms, mappings, and those of the reverse map.
 *
 * The descriptor of an OBJECT frame is its header: `object` = first free object (a list through the
 * objects), `mapcount` = objects in use, `index` = the cache. An empty frame goes back at once.
 */
#ifndef OM_SLAB_H
#define OM_SLAB_H

#include "page/frame.h"

/* `rmap_bytes`: the sizes of the objects of the reverse-map design. */
void om_slab_init(struct om_system *sys, const uint16_t rmap_bytes[OM_NR_RMAP_CACHES]);

/*
 * A zeroed object, or NULL if no frame is free. Context: any; takes SLAB, FREE, FRAME, one at a
 * time. O(1).
 */
void *om_object_alloc(struct om_system *sys, enum om_cache cache);
void om_object_free(struct om_system *sys, enum om_cache cache, void *object);

#endif
