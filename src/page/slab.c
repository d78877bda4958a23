/*
 * slab.c: the object caches.
 *
 * A frame of kind OBJECT holds objects of one cache, side by side from its start. Free ones are
 * linked through their first word from the descriptor's `object`. Frames with a free object are on
 * slab->partial; a full one is on no list, and is found again from the address of an object. `slot`
 * is the number of the cache, and of the shard whose slab has the frame. `object`, `mapcount` and
 * the links of such a frame are guarded by that slab's lock, not by the frame lock: a stale walker
 * that locks the frame looks at `kind` and goes away.
 */
#include "page/slab.h"

#include "base/mem.h"

#define OBJECT_ALIGN 8u
#define POISON       0x6b /* freed objects, in debug builds */

_Static_assert(sizeof(struct om_mapping) <= 1024 && sizeof(struct om_mm) <= 1024,
               "objects should be small against a frame");

static void slab_init(struct om_slab *slab, size_t size)
{
	atomic_init(&slab->lock.state, 0);
	slab->size = (uint16_t)((size + OBJECT_ALIGN - 1) & ~(OBJECT_ALIGN - 1));
	om_pfn_list_init(&slab->partial);
	slab->in_use = 0;
	slab->frames = 0;
}

void om_slab_init(struct om_system *sys, const uint16_t rmap_bytes[OM_NR_RMAP_CACHES])
{
	uint16_t size[OM_NR_CACHES] = {
	    [OM_CACHE_VMA] = sizeof(struct om_vma),
	    [OM_CACHE_MM] = sizeof(struct om_mm),
	    [OM_CACHE_MAPPING] = sizeof(struct om_mapping),
	    [OM_CACHE_OWNER] = sizeof(struct om_owner),
	};

	for (unsigned i = 0; i < OM_NR_RMAP_CACHES; i++)
		size[OM_CACHE_RMAP + i] = rmap_bytes[i];
	for (unsigned i = 0; i < OM_NR_CACHES; i++)
		for (unsigned shard = 0; shard <= sys->cpu_mask; shard++)
			slab_init(om_slab(sys, i, shard), size[i]);
}

/* A frame full of free objects of this shard's, not on any list yet. */
static struct om_page *slab_grow(struct om_system *sys, enum om_cache cache, unsigned shard)
{
	struct om_page *frame = om_frame_get(sys, OM_KIND_OBJECT, 0);
	size_t size = om_slab(sys, cache, shard)->size;
	char *base;
	void *next = NULL;

	if (!frame)
		return NULL;
	base = om_page_ptr(sys, frame);
	/* Backwards, so that the list begins with the lowest. */
	for (size_t i = OM_PAGE_SIZE / size; i-- > 0;) {
		void **object = (void **)(void *)(base + i * size);

		*object = next;
		next = object;
	}
	frame->object = next;
	frame->slot = om_slab_name(cache, shard);
	return frame;
}

/* The first free object of the first partial frame. Slab lock held. */
static void *slab_take(struct om_system *sys, struct om_slab *slab)
{
	struct om_page *frame = om_page_of(sys, slab->partial.head);
	void **object = frame->object;

	frame->object = *object;
	frame->mapcount++;
	slab->in_use++;
	if (!frame->object)
		om_pfn_list_del(sys, &slab->partial, frame);
	return object;
}

/* NULL: no frame has room. */
OM_INLINE void *take_any(struct om_system *sys, struct om_slab *slab)
{
	void *object = NULL;

	om_spin_lock(sys, &slab->lock, OM_RANK_SLAB);
	if (om_likely(slab->partial.count))
		object = slab_take(sys, slab);
	om_spin_unlock(sys, &slab->lock);
	return object;
}

/*
 * From another frame, or, if none is free, from what another CPU has left. The frame goes to the
 * head of the list, so it is taken from and never stays empty, whoever grew meanwhile.
 */
static void *take_elsewhere(struct om_system *sys, enum om_cache cache, unsigned shard)
{
	struct om_page *fresh = slab_grow(sys, cache, shard);
	struct om_slab *slab = om_slab(sys, cache, shard);
	void *object = NULL;

	if (fresh) {
		om_spin_lock(sys, &slab->lock, OM_RANK_SLAB);
		om_pfn_list_push(sys, &slab->partial, fresh);
		slab->frames++;
		object = slab_take(sys, slab);
		om_spin_unlock(sys, &slab->lock);
	}
	for (unsigned i = 0; !object && i <= sys->cpu_mask; i++)
		object = take_any(sys, om_slab(sys, cache, i));
	return object;
}

void *om_object_alloc(struct om_system *sys, enum om_cache cache)
{
	unsigned shard = om_slab_shard(sys);
	struct om_slab *slab = om_slab(sys, cache, shard);
	void *object = take_any(sys, slab);

	if (om_unlikely(!object)) {
		object = take_elsewhere(sys, cache, shard);
		if (!object)
			return NULL;
	}
	memset(object, 0, slab->size);
	om_count(sys, OM_EV_META_ALLOC, 1);
	return object;
}

/* Slab lock held. True if the frame is empty now; it is on no list then. */
static bool slab_give(struct om_system *sys, struct om_slab *slab, struct om_page *frame,
                      void **object)
{
	bool was_full = !frame->object;

	OM_BUG_ON(sys, frame->mapcount == 0, "slab", object, frame->mapcount, frame->slot);
	*object = frame->object;
	frame->object = object;
	slab->in_use--;
	if (--frame->mapcount == 0) {
		/* A frame holds several objects, so this one was not full: it is listed. */
		om_pfn_list_del(sys, &slab->partial, frame);
		slab->frames--;
		return true;
	}
	if (was_full)
		om_pfn_list_push(sys, &slab->partial, frame);
	return false;
}

void om_object_free(struct om_system *sys, enum om_cache cache, void *object)
{
	struct om_page *frame = om_page_of(sys, om_arch_pfn(&sys->arch, object));
	size_t offset = (size_t)((char *)object - (char *)om_page_ptr(sys, frame));
	struct om_slab *slab;
	bool empty;

	/* Without a lock: as long as it holds an object the frame stays what it is. */
	OM_BUG_ON(sys, frame->kind != OM_KIND_OBJECT || om_slab_cache(frame) != cache, "slab",
	          object, frame->kind, frame->slot);
	slab = om_slab_of(sys, frame);
	OM_BUG_ON(sys, offset % slab->size, "slab", object, offset, slab->size);
	if (OM_DEBUG)
		memset(object, POISON, slab->size);
	om_spin_lock(sys, &slab->lock, OM_RANK_SLAB);
	empty = slab_give(sys, slab, frame, object);
	om_spin_unlock(sys, &slab->lock);
	if (empty)
		om_frame_release(sys, frame);
}

struct om_slab_sum om_slab_sum(struct om_system *sys, enum om_cache cache)
{
	struct om_slab_sum sum = {0, 0};

	for (unsigned i = 0; i <= sys->cpu_mask; i++) {
		struct om_slab *slab = om_slab(sys, cache, i);

		om_spin_lock(sys, &slab->lock, OM_RANK_SLAB);
		sum.objects += slab->in_use;
		sum.frames += slab->frames;
		om_spin_unlock(sys, &slab->lock);
	}
	return sum;
}
