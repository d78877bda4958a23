/*
 * kmem.c: kmalloc(): small objects of the kernel, in frames from objrmap.
 *
 * A frame holds objects of one size, after a header. So no object is page aligned, and kfree()
 * knows from the address alone what it has: a whole frame, or an object whose frame begins with the
 * header. The sizes are those that fill a frame well with 2, 3, 4... objects. A frame without
 * objects goes back, unless its cache has no other with room.
 *
 * In front of that each CPU keeps a few free objects of each size, a page of them at most, and
 * gives away those that it was given last. So what a CPU frees it uses again, without a lock, and
 * the lines stay where they are. They are taken and given back by halves. For the frames they are
 * in use.
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

#define KEPT_MOST  16
#define KEPT_BYTES PAGE_SIZE /* of one size, but two objects at least */

/* Used by its CPU alone, with preemption off; not by interrupt handlers. */
static struct kept {
	unsigned n;
	void *object[KEPT_MOST];
} kept[MAX_CPUS][NR_CACHES] __attribute__((aligned(64)));

static struct om_system *vm;

/* Frames that were given out on a CPU, less those that came back there. */
static struct given {
	_Atomic unsigned long frames; /* a thread may go to another CPU in the midst */
} __attribute__((aligned(64))) given[MAX_CPUS];

void kmem_init(struct om_system *sys)
{
	vm = sys;
	for (unsigned i = 0; i < NR_CACHES; i++)
		list_init(&caches[i].partial);
}

/* ---------------------------------------------------------------- frames -------------------- */

static void count_frames(unsigned long n)
{
	atomic_fetch_add_explicit(&given[x86_cpu_number()].frames, n, memory_order_relaxed);
}

void *kframe_alloc(void)
{
	om_pfn_t pfn;

	if (om_frame_alloc(vm, &pfn))
		return NULL;
	count_frames(1);
	return phys_to_virt((uint64_t)pfn << PAGE_SHIFT);
}

void kframe_free(void *frame)
{
	count_frames(-1ul);
	om_frame_free(vm, (om_pfn_t)(virt_to_phys(frame) >> PAGE_SHIFT));
}

unsigned long kmem_frames(void)
{
	unsigned long sum = 0; /* it wraps on the way */

	for (unsigned i = 0; i < MAX_CPUS; i++)
		sum += atomic_load_explicit(&given[i].frames, memory_order_relaxed);
	return sum;
}

/* ---------------------------------------------------------------- slabs --------------------- */

static unsigned cache_for(size_t n)
{
	unsigned i = 0;

	while (sizes[i] < n)
		i++;
	return i;
}

static struct slab *slab_of(void *object)
{
	struct slab *slab = (struct slab *)((uintptr_t)object & PAGE_MASK);

	BUG_ON(slab->magic != SLAB_MAGIC);
	return slab;
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

static void slab_free(void *object)
{
	struct slab *slab = slab_of(object);
	struct cache *cache = &caches[slab->cache];
	bool empty;

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

/* ---------------------------------------------------------------- what a CPU keeps ---------- */

static struct kept *mine(unsigned cache)
{
	return &kept[x86_cpu_number()][cache];
}

static unsigned kept_most(unsigned cache)
{
	return MAX(2u, MIN((unsigned)KEPT_BYTES / sizes[cache], KEPT_MOST));
}

/* NULL: this CPU has none. */
static void *take_kept(unsigned cache)
{
	void *object = NULL;
	struct kept *k;

	preempt_disable();
	k = mine(cache);
	if (k->n)
		object = k->object[--k->n];
	preempt_enable();
	return object;
}

/* One from the slabs, and some to keep; NULL: there is none. */
static void *take_some(unsigned i)
{
	struct cache *cache = &caches[i];
	void *object, *more;
	struct kept *k;

	spin_lock(&cache->lock);
	k = mine(i);
	object = take_object(cache);
	while (object && k->n < kept_most(i) / 2 && (more = take_object(cache)))
		k->object[k->n++] = more;
	spin_unlock(&cache->lock);
	return object;
}

static void *object_alloc(unsigned i)
{
	void *object = take_kept(i);
	struct slab *slab;

	if (!object)
		object = take_some(i);
	if (object)
		return object;
	slab = slab_create(i);
	if (!slab)
		return NULL;
	spin_lock(&caches[i].lock);
	list_push(&caches[i].partial, &slab->node);
	object = take_object(&caches[i]);
	spin_unlock(&caches[i].lock);
	return object;
}

static void object_free(void *object)
{
	const unsigned cache = slab_of(object)->cache;
	struct kept *k;

	preempt_disable();
	k = mine(cache);
	if (k->n == kept_most(cache))
		while (k->n > kept_most(cache) / 2)
			slab_free(k->object[--k->n]);
	k->object[k->n++] = object;
	preempt_enable();
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
	if (!p)
		return;
	if (((uintptr_t)p & ~PAGE_MASK) == 0)
		kframe_free(p);
	else
		object_free(p);
}

char *kstrdup(const char *s)
{
	size_t n = strlen(s) + 1;
	char *copy = kmalloc(n);

	if (copy)
		memcpy(copy, s, n);
	return copy;
}
