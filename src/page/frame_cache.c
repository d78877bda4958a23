/*
 * frame_cache.c: the machine's free list, and how frames get from there to the CPUs and back.
 *
 * A cache is two bundles of frames: its list, and a spare. Frames come and go at the head of the
 * list. When it is empty the spare takes its place, and if there is none, a bundle of the machine's
 * list; when it is full it becomes the spare, and the spare goes to the machine. So after each such
 * exchange a CPU can take and bring back a bundle before there is another one.
 *
 * Bundles that come to the machine's list stay together: the first frame of one has the number of
 * frames in `slot`, and the last one in link.prev; in all other free frames `slot` is 0. So to hand
 * it on is a few steps, however long it is. Whoever takes or frees a single frame there need not
 * know: with the first frame the mark is gone, and the rest are single frames.
 *
 * Frames on their way between a cache and the machine's list are so with the cache's lock held. So
 * whoever has had the locks of all caches, after caching has ended, has all free frames in the
 * machine's list.
 */
#include "page/frame_cache.h"

/* Frames in a bundle of the machine's list: enough not to come back soon; what a batch may free. */
#define LEAST (OM_BUNDLE / 2)
#define MOST  (3 * OM_BUNDLE)

static om_pfn_t load(const _Atomic om_pfn_t *n)
{
	return atomic_load_explicit(n, memory_order_relaxed);
}

static void set(_Atomic om_pfn_t *n, om_pfn_t to)
{
	atomic_store_explicit(n, to, memory_order_relaxed);
}

unsigned om_nr_shards(unsigned nr_cpus)
{
	unsigned n = 1;

	while (n < nr_cpus && n < OM_CPUS_MAX)
		n *= 2;
	return n;
}

void om_free_init(struct om_system *sys, unsigned nr_cpus)
{
	sys->cpu_mask = om_nr_shards(nr_cpus) - 1;
	sys->free.head = OM_NO_PFN;
	sys->free.max = OM_NO_PFN;
	for (unsigned i = 0; i <= sys->cpu_mask; i++)
		atomic_init(&sys->shard[i].cache.first, &sys->free);
}

/* ---------------------------------------------------------------- bundles ------------------- */

/* The list's lock is held. */
static void join(struct om_system *sys, struct om_free_list *list, struct om_bundle b)
{
	OM_ASSERT(sys, om_held(sys, &list->lock), "free list", list);
	om_page_of(sys, b.last)->link.next = list->head;
	list->head = b.first;
	if (!load(&list->n))
		list->last = b.last;
	set(&list->n, load(&list->n) + b.n);
}

/* free.lock held. Only frames in a number that is worth it get the mark of a bundle. */
static void join_machine(struct om_system *sys, struct om_bundle b)
{
	struct om_page *first = om_page_of(sys, b.first);

	OM_ASSERT(sys, om_held(sys, &sys->free.lock), "free list", &sys->free);
	OM_ASSERT(sys, first->kind == OM_KIND_FREE && !first->slot, "I7", first);
	if (b.n >= LEAST && b.n <= MOST) {
		first->slot = b.n;
		first->link.prev = b.last;
	}
	join(sys, &sys->free, b);
}

/* The bundle that begins with frame `pfn` is added to b, behind which it is in the list. */
static void add_bundle(struct om_system *sys, struct om_bundle *b, om_pfn_t pfn)
{
	struct om_page *page = om_page_of(sys, pfn);

	b->n += page->slot;
	b->last = page->link.prev;
	page->slot = 0;
}

/*
 * Frames off the machine's list, which has as many as a bundle may have: a bundle as it is, or
 * single ones. Of these, if there are few in a row, with the bundle behind them. free.lock held.
 */
static struct om_bundle cut(struct om_system *sys)
{
	struct om_free_list *list = &sys->free;
	struct om_bundle b = {list->head, list->head, 0};
	om_pfn_t next = list->head;

	OM_ASSERT(sys, om_held(sys, &list->lock), "free list", list);
	OM_ASSERT(sys, load(&list->n) >= MOST, "free list", list);
	for (; b.n < OM_BUNDLE && !om_page_of(sys, next)->slot; b.n++) {
		om_work(sys, 1);
		b.last = next;
		next = om_page_of(sys, next)->link.next;
	}
	if (b.n < LEAST && b.n + om_page_of(sys, next)->slot <= MOST)
		add_bundle(sys, &b, next);
	list->head = om_page_of(sys, b.last)->link.next;
	set(&list->n, load(&list->n) - b.n);
	return b;
}

/* ---------------------------------------------------------------- plenty, or not ------------ */

/*
 * If a frame comes to so many in the machine's list, there are caches again: well above the low
 * watermark, near which they are given up, and in all but small machines below the high one, to
 * which memory is reclaimed.
 */
static om_pfn_t plenty(const struct om_system *sys)
{
	om_pfn_t low = load(&sys->free.low), high = load(&sys->mark_high);

	if (!om_has_caches(sys))
		return OM_NO_PFN;
	return low + (high - low) / 2 + 4 * OM_BUNDLE;
}

/* From now on CPUs use their caches, or the machine's list. free.lock held. */
static void set_caching(struct om_system *sys, bool on)
{
	OM_ASSERT(sys, om_held(sys, &sys->free.lock), "free list", &sys->free);
	sys->free.max = on ? OM_NO_PFN : plenty(sys);
	if (atomic_load_explicit(&sys->caching, memory_order_relaxed) == on)
		return;
	atomic_store_explicit(&sys->caching, on, memory_order_relaxed);
	for (unsigned i = 0; i <= sys->cpu_mask; i++) {
		struct om_frame_cache *cache = &sys->shard[i].cache;

		om_work(sys, 1);
		atomic_store_explicit(&cache->first, on ? &cache->list : &sys->free,
		                      memory_order_relaxed);
	}
}

static bool is_plenty(const struct om_system *sys)
{
	return load(&sys->free.n) >= sys->free.max;
}

static void count_open(struct om_system *sys, unsigned n)
{
	unsigned open = atomic_load_explicit(&sys->nr_open, memory_order_relaxed);

	OM_ASSERT(sys, om_held(sys, &sys->free.lock), "free list", &sys->free);
	atomic_store_explicit(&sys->nr_open, open + n, memory_order_relaxed);
}

/* A cache's two parts, with its lock held. */
static struct om_bundle take_list(struct om_system *sys, struct om_frame_cache *cache)
{
	struct om_bundle b = {cache->list.head, cache->list.last, load(&cache->list.n)};

	OM_ASSERT(sys, om_held(sys, &cache->list.lock), "free list", cache);
	set(&cache->list.n, 0);
	return b;
}

static struct om_bundle take_spare(struct om_system *sys, struct om_frame_cache *cache)
{
	struct om_bundle b = {cache->spare_first, cache->spare_last, load(&cache->spare_n)};

	OM_ASSERT(sys, om_held(sys, &cache->list.lock), "free list", cache);
	set(&cache->spare_n, 0);
	return b;
}

static void put_spare(struct om_system *sys, struct om_frame_cache *cache, struct om_bundle b)
{
	OM_ASSERT(sys, om_held(sys, &cache->list.lock), "free list", cache);
	cache->spare_first = b.first;
	cache->spare_last = b.last;
	set(&cache->spare_n, b.n);
}

/* Also free.lock is held. Nothing comes in from now on, until the CPU opens it again. */
static void shut(struct om_system *sys, struct om_frame_cache *cache)
{
	struct om_bundle list = take_list(sys, cache), spare = take_spare(sys, cache);

	if (spare.n)
		join_machine(sys, spare);
	if (list.n)
		join_machine(sys, list);
	cache->list.max = 0;
	count_open(sys, -1u);
}

static void drain(struct om_system *sys, struct om_frame_cache *cache)
{
	struct om_free_list *list = &cache->list;

	om_spin_lock(sys, &list->lock, OM_RANK_CACHE);
	if (list->max) {
		om_spin_lock(sys, &sys->free.lock, OM_RANK_FREE);
		shut(sys, cache);
		om_spin_unlock(sys, &sys->free.lock);
	}
	om_spin_unlock(sys, &list->lock);
}

/* May frames come in? Both locks are held. */
static bool open_up(struct om_system *sys, struct om_frame_cache *cache)
{
	OM_ASSERT(sys, om_held(sys, &cache->list.lock), "free list", cache);
	OM_ASSERT(sys, om_held(sys, &sys->free.lock), "free list", &sys->free);
	if (!atomic_load_explicit(&sys->caching, memory_order_relaxed))
		return false;
	if (!cache->list.max) {
		cache->list.max = OM_BUNDLE;
		count_open(sys, 1);
	}
	return true;
}

/*
 * A cache that opens meanwhile has its frames for a reason: memory is plenty again. It takes the
 * lock of every cache, shut or not, since another thread may be at work in it.
 */
static void drain_all(struct om_system *sys)
{
	for (unsigned i = 0; i <= sys->cpu_mask; i++) {
		om_work(sys, 1);
		drain(sys, &sys->shard[i].cache);
	}
}

void om_free_settle(struct om_system *sys)
{
	bool open;

	om_spin_lock(sys, &sys->free.lock, OM_RANK_FREE);
	set_caching(sys, false);
	if (is_plenty(sys))
		set_caching(sys, true);
	open = !atomic_load_explicit(&sys->caching, memory_order_relaxed) && sys->nr_open;
	om_spin_unlock(sys, &sys->free.lock);
	if (open)
		drain_all(sys);
}

/* ---------------------------------------------------------------- taking -------------------- */

/* The spare, or a bundle that leaves the machine's list above the low watermark. Cache locked. */
static struct om_bundle bundle_for(struct om_system *sys, struct om_frame_cache *cache)
{
	struct om_bundle b = take_spare(sys, cache);

	if (b.n)
		return b;
	om_spin_lock(sys, &sys->free.lock, OM_RANK_FREE);
	if (load(&sys->free.n) >= load(&sys->free.low) + MOST && open_up(sys, cache))
		b = cut(sys);
	om_spin_unlock(sys, &sys->free.lock);
	return b;
}

/* From this CPU's cache, which gets frames if it has none. */
static struct om_page *take_cached(struct om_system *sys, unsigned kind)
{
	struct om_frame_cache *cache = &om_shard(sys)->cache;
	struct om_free_list *list = &cache->list;
	struct om_page *page;

	om_spin_lock(sys, &list->lock, OM_RANK_CACHE);
	if (!load(&list->n)) {
		struct om_bundle b = bundle_for(sys, cache);

		if (b.n)
			join(sys, list, b);
	}
	page = om_free_pop(sys, list, kind);
	om_spin_unlock(sys, &list->lock);
	return page;
}

/*
 * Memory is short, or was when we looked: the caches are given up, and the request is answered from
 * the machine's list. If that has no frame for it, and there were caches, they may have had some:
 * so once more when they are empty. None means that no cache was open, and none can open while
 * nobody frees as many frames as it takes to be plenty.
 */
static struct om_page *take_last(struct om_system *sys, unsigned kind)
{
	struct om_page *page;
	unsigned open;

	do {
		om_spin_lock(sys, &sys->free.lock, OM_RANK_FREE);
		set_caching(sys, false);
		page = om_free_pop(sys, &sys->free, kind);
		open = atomic_load_explicit(&sys->nr_open, memory_order_relaxed);
		om_spin_unlock(sys, &sys->free.lock);
		if (open)
			drain_all(sys);
	} while (!page && open);
	return page;
}

struct om_page *om_free_find(struct om_system *sys, unsigned kind)
{
	struct om_page *page = NULL;

	/* A hint, here and below: whether the cache is open is seen under its lock. */
	if (atomic_load_explicit(&sys->caching, memory_order_relaxed))
		page = take_cached(sys, kind);
	return page ? page : take_last(sys, kind);
}

/* ---------------------------------------------------------------- bringing back ------------- */

void om_free_to_machine(struct om_system *sys, struct om_bundle b)
{
	om_spin_lock(sys, &sys->free.lock, OM_RANK_FREE);
	join_machine(sys, b);
	if (om_unlikely(is_plenty(sys)))
		set_caching(sys, true);
	om_spin_unlock(sys, &sys->free.lock);
}

/* Is the list to be used? A CPU that frees only opens its cache here. The cache's lock is held. */
static bool is_open(struct om_system *sys, struct om_frame_cache *cache)
{
	bool open;

	if (cache->list.max)
		return true;
	om_spin_lock(sys, &sys->free.lock, OM_RANK_FREE);
	open = open_up(sys, cache);
	om_spin_unlock(sys, &sys->free.lock);
	return open;
}

/* What does not fit becomes the list, the list the spare, and the spare goes. */
static bool give_cached(struct om_system *sys, struct om_frame_cache *cache, struct om_bundle b)
{
	struct om_free_list *list = &cache->list;
	bool open;

	om_spin_lock(sys, &list->lock, OM_RANK_CACHE);
	open = is_open(sys, cache);
	if (open && load(&list->n) + b.n > OM_BUNDLE) {
		struct om_bundle old = take_spare(sys, cache);

		if (old.n)
			om_free_to_machine(sys, old);
		put_spare(sys, cache, take_list(sys, cache));
	}
	if (open)
		join(sys, list, b);
	om_spin_unlock(sys, &list->lock);
	return open;
}

void om_free_bundle(struct om_system *sys, struct om_bundle b)
{
	if (b.n <= OM_BUNDLE && atomic_load_explicit(&sys->caching, memory_order_relaxed) &&
	    give_cached(sys, &om_shard(sys)->cache, b))
		return;
	om_free_to_machine(sys, b);
}

/* ---------------------------------------------------------------- figures ------------------- */

om_pfn_t om_frames_free(const struct om_system *sys)
{
	om_pfn_t n = load(&sys->free.n);

	if (!atomic_load_explicit(&sys->nr_open, memory_order_relaxed))
		return n;
	for (unsigned i = 0; i <= sys->cpu_mask; i++) {
		const struct om_frame_cache *cache = &sys->shard[i].cache;

		n += load(&cache->list.n) + load(&cache->spare_n);
	}
	return n;
}

/* Sums of counts that wrap; while others count, one may be a little below 0. */
static om_pfn_t counted(const struct om_system *sys, unsigned kind)
{
	unsigned i_kind = om_counted_as(kind);
	om_pfn_t n = load(&sys->free.kind[i_kind]);

	for (unsigned i = 0; i <= sys->cpu_mask; i++)
		n += load(&sys->shard[i].cache.list.kind[i_kind]);
	return (int32_t)n < 0 ? 0 : n;
}

om_pfn_t om_frames_of_kind(const struct om_system *sys, unsigned kind)
{
	om_pfn_t owned, other;

	if (kind != OM_KIND_DATA)
		return counted(sys, kind);
	owned = load(&sys->nr_owned);
	other = om_frames_free(sys) + (sys->zero_pfn != OM_NO_PFN);
	other += counted(sys, OM_KIND_OBJECT) + counted(sys, OM_KIND_INDEX) +
	         counted(sys, OM_KIND_USER) + counted(sys, OM_KIND_TABLE);
	return owned > other ? owned - other : 0;
}
