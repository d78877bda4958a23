/*
 * kmem.c: kmalloc(): small objects of the kernel, in frames from objrmap.
 *
 * A frame holds objects of one size, after a header. So no object is page aligned, and kfree()
 * knows from the address alone what it has: a whole frame, or an object whose frame begins with the
 * header. The sizes are those that fill a frame well with 2, 3, 4... objects. A frame without
 * objects goes back, unless its cache has no other with room.
 */
#include <objrmap/objrmap.h>

#include "kmem.h"
#include "sched.h"

struct slab {
	struct list node; /* on its cache's list while it has a free object */
	void *free;       /* the first free object, which points to the next */
	uint32_t magic;
	uint16_t cache, used;
};
#define SLAB_MAGIC 0x51ab51ab

static const uint16_t sizes[] = {32, 64, 96, 128, 192, 256, 336, 448, 576, 800, 1008, 1344, 2032};
#define NR_CACHES  ARRAY_SIZE(sizes)
#define MAX_OBJECT sizes[NR_CACHES - 1]

static struct cache {
	struct spin lock;
	struct list partial;
} caches[NR_CACHES];

static struct om_system *vm;
static _Atomic unsigned long nr_frames;

void kmem_init(struct om_system *sys)
{
	vm = sys;
	for (unsigned i = 0; i < NR_CACHES; i++)
		list_init(&caches[i].partial);
}

/* ---------------------------------------------------------------- frames -------------------- */

void *kframe_alloc(void)
{
	om_pfn_t pfn;

	if (om_frame_alloc(vm, &pfn))
		return NULL;
	atomic_fetch_add_explicit(&nr_frames, 1, memory_order_relaxed);
	return phys_to_virt((uint64_t)pfn << PAGE_SHIFT);
}

void kframe_free(void *frame)
{
	atomic_fetch_sub_explicit(&nr_frames, 1, memory_order_relaxed);
	om_frame_free(vm, (om_pfn_t)(virt_to_phys(frame) >> PAGE_SHIFT));
}

unsigned long kmem_frames(void)
{
	return atomic_load_explicit(&nr_frames, memory_order_relaxed);
}

/* ---------------------------------------------------------------- slabs --------------------- */

static unsigned cache_for(size_t n)
{
	unsigned i = 0;

	while (sizes[i] < n)
		i++;
	return i;
}

static void push_free(struct slab *slab, void *object)
{
	*(void **)object = slab->free;
	slab->free = object;
}

static struct slab *slab_create(unsigned cache)
{
	char *frame = kframe_alloc();
	struct slab *slab = (struct slab *)frame;

	if (!slab)
		return NULL;
	slab->magic = SLAB_MAGIC;
	slab->cache = cache;
	for (size_t end = PAGE_SIZE; end >= sizeof(*slab) + sizes[cache]; end -= sizes[cache])
		push_free(slab, frame + end - sizes[cache]);
	return slab;
}

/* An object of a slab that has one; NULL: there is none. */
static void *take_object(struct cache *cache)
{
	struct slab *slab;
	void *object;

	if (list_empty(&cache->partial))
		return NULL;
	slab = list_first(&cache->partial, struct slab, node);
	object = slab->free;
	slab->free = *(void **)object;
	slab->used++;
	if (!slab->free)
		list_remove(&slab->node);
	return object;
}

static void *object_alloc(unsigned i)
{
	struct cache *cache = &caches[i];
	struct slab *slab;
	void *object;

	spin_lock(&cache->lock);
	object = take_object(cache);
	spin_unlock(&cache->lock);
	if (object)
		return object;
	slab = slab_create(i);
	if (!slab)
		return NULL;
	spin_lock(&cache->lock);
	list_push(&cache->partial, &slab->node);
	object = take_object(cache);
	spin_unlock(&cache->lock);
	return object;
}

static void object_free(struct slab *slab, void *object)
{
	struct cache *cache = &caches[slab->cache];
	bool empty;

	BUG_ON(slab->magic != SLAB_MAGIC);
	spin_lock(&cache->lock);
	if (!slab->free)
		list_push(&cache->partial, &slab->node);
	push_free(slab, object);
	empty = --slab->used == 0 && slab->node.prev != slab->node.next;
	if (empty)
		list_remove(&slab->node);
	spin_unlock(&cache->lock);
	if (empty)
		kframe_free(slab);
}

/* ---------------------------------------------------------------- kmalloc ------------------- */

void *kmalloc(size_t n)
{
	unsigned cache;
	void *object;

	if (n > PAGE_SIZE)
		return NULL;
	if (n > MAX_OBJECT)
		return kframe_alloc();
	cache = cache_for(n);
	object = object_alloc(cache);
	if (object)
		memset(object, 0, sizes[cache]);
	return object;
}

void kfree(void *p)
{
	struct slab *slab = (struct slab *)((uintptr_t)p & PAGE_MASK);

	if (!p)
		return;
	if (p == slab)
		kframe_free(p);
	else
		object_free(slab, p);
}

char *kstrdup(const char *s)
{
	size_t n = strlen(s) + 1;
	char *copy = kmalloc(n);

	if (copy)
		memcpy(copy, s, n);
	return copy;
}
