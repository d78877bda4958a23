/*
 * frame_cache.c: the machine's free frames, and how they get from there to the CPUs and back.
 *
 * A cache is two bundles of frames: its list, and a spare. Frames come and go at the head of the
 * list. When it is empty the spare takes its place, and if there is none, frames of the machine's;
 * when it is full it becomes the spare, and the spare goes to the machine. So after each such
 * exchange a CPU can take and bring back a bundle before there is another one.
 *
 * The machine's frames are in two parts: some are linked, and the others are in runs (runs.h). Both
 * count in free.n. Where there are no caches, frames are pushed and popped at the linked ones,
 * which are the newest; when they are used up, a block is linked. CPUs with caches sort what they
 * bring back into runs, and get blocks from there, a few linked frames having been sorted first: so
 * frames that lie side by side go to one CPU, whoever had them before. They sort and link before
 * and after they have the free lock.
 *
 * Frames on their way between a cache and the machine are so with the cache's lock held. So whoever
 * has had the locks of all caches, after caching has ended, has all free frames in the machine's
 * two parts.
 */
#include "page/frame_cache.h"

/* The least that a cache gets, if there is so much; and the most. */
#define LEAST (OM_BUNDLE / 4)
#define MOST  (OM_BUNDLE + LEAST)

/* Pieces of blocks between a cache and the machine at a time: the stack may be deep. */
#define FEW 4

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
	om_runs_init(sys);
	for (unsigned i = 0; i <= sys->cpu_mask; i++) {
		sys->shard[i].cache.list.head = OM_NO_PFN;
		atomic_init(&sys->shard[i].cache.first, &sys->free);
	}
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

/* ---------------------------------------------------------------- the machine's two parts --- */

/* What is in runs cannot be popped, and the reserve not for data. free.lock held. */
static void set_floor(struct om_system *sys)
{
	om_pfn_t reserve = load(&sys->mark_min);

	OM_ASSERT(sys, om_held(sys, &sys->free.lock), "free list", &sys->free);
	sys->free.floor = sys->runs.n > reserve ? sys->runs.n : reserve;
}

void om_free_set_reserve(struct om_system *sys, om_pfn_t n)
{
	set(&sys->mark_min, n);
	set_floor(sys);
}

/* The first frame of a bundle, and those behind it that are of one block with it, are cut off. */
static struct om_piece sort_piece(struct om_system *sys, struct om_bundle *b)
{
	om_pfn_t pfn = b->first, first = pfn / OM_BLOCK * OM_BLOCK, left = b->n;
	struct om_piece piece = {.first = first};

	do {
		om_work(sys, 1);
		piece.frames |= 1ull << pfn % OM_BLOCK;
		pfn = om_page_of(sys, pfn)->link.next;
	} while (--left && pfn - first < OM_BLOCK);
	piece.n = b->n - left;
	b->first = pfn;
	b->n = left;
	return piece;
}

/* Frames off the beginning of a bundle, by blocks, as far as FEW pieces go. How many pieces? */
static unsigned sort(struct om_system *sys, struct om_bundle *b, struct om_piece *piece)
{
	unsigned n = 0;

	while (b->n && n < FEW)
		piece[n++] = sort_piece(sys, b);
	return n;
}

/* They go into runs. The caller counts them. free.lock held. */
static void add(struct om_system *sys, const struct om_piece *piece, unsigned n)
{
	while (n--)
		om_runs_add(sys, piece++);
	set_floor(sys);
}

/* Linked frames go into runs: a bundle, or LEAST pieces, at most. free.lock held. */
static void sort_linked(struct om_system *sys)
{
	om_pfn_t linked = load(&sys->free.n) - sys->runs.n;
	struct om_bundle b = {.first = sys->free.head,
	                      .n = linked < OM_BUNDLE ? linked : OM_BUNDLE};
	struct om_piece piece[FEW];

	for (unsigned n = 0; b.n && n < LEAST; n += FEW)
		add(sys, piece, sort(sys, &b, piece));
	sys->free.head = b.first;
}

/* The best block is linked, if there is any. free.lock held. */
static void link_block(struct om_system *sys)
{
	struct om_piece piece = om_runs_take(sys);
	struct om_bundle b = {.n = 0};

	if (!piece.n)
		return;
	om_piece_link(sys, &piece, &b);
	set(&sys->free.n, load(&sys->free.n) - piece.n);
	join(sys, &sys->free, b);
	set_floor(sys);
}

/*
 * Frames that leave the machine, which has MOST of them or more: a block, if there is any, else
 * LEAST of them, or FEW pieces. How many pieces? free.lock held.
 */
static unsigned cut(struct om_system *sys, struct om_piece *piece)
{
	om_pfn_t frames = 0;
	unsigned n = 0;

	OM_ASSERT(sys, load(&sys->free.n) >= MOST, "free list", &sys->free);
	if (sys->free.head != OM_NO_PFN)
		sort_linked(sys);
	do {
		piece[n] = om_runs_take(sys);
		frames += piece[n].n;
	} while (piece[n++].n && frames < LEAST && n < FEW);
	set(&sys->free.n, load(&sys->free.n) - frames);
	set_floor(sys);
	return n;
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
	return low + (high - low) / 2 + 2 * OM_BUNDLE;
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
	cache->list.head = OM_NO_PFN;
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
		join(sys, &sys->free, spare);
	if (list.n)
		join(sys, &sys->free, list);
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

/* Frames that leave the machine, which keeps as many as the low watermark says. Cache locked. */
static struct om_bundle refill(struct om_system *sys, struct om_frame_cache *cache)
{
	struct om_bundle b = {.n = 0};
	struct om_piece piece[FEW];
	unsigned n, got;

	do {
		n = 0;
		om_spin_lock(sys, &sys->free.lock, OM_RANK_FREE);
		if (load(&sys->free.n) >= load(&sys->free.low) + MOST && open_up(sys, cache))
			n = cut(sys, piece);
		om_spin_unlock(sys, &sys->free.lock);
		for (got = n; n; n--)
			om_piece_link(sys, &piece[n - 1], &b);
	} while (got == FEW && b.n < LEAST);
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
		struct om_bundle b = take_spare(sys, cache);

		if (!b.n)
			b = refill(sys, cache);
		if (b.n)
			join(sys, list, b);
	}
	page = om_free_pop(sys, list, kind);
	om_spin_unlock(sys, &list->lock);
	return page;
}

/* From the machine. free.lock held. */
static struct om_page *take_machine(struct om_system *sys, unsigned kind)
{
	if (sys->free.head == OM_NO_PFN)
		link_block(sys);
	return om_free_pop(sys, &sys->free, kind);
}

/*
 * Memory is short, or was when we looked, or the machine has one CPU: the caches are given up, and
 * the machine answers. If it has no frame for the request, and there were caches, they may have:
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
		page = take_machine(sys, kind);
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

/* Bundles of linked frames that are sorted, in search of what lies side by side. */
#define SORTED_MOST (2 * OM_TABLE_ENTRIES / OM_BUNDLE + 1)

/* free.lock held. *sort: there may be what is asked for when a bundle has been sorted. */
static om_pfn_t take_table(struct om_system *sys, bool *sort)
{
	om_pfn_t pfn = OM_NO_PFN, n = load(&sys->free.n);

	OM_ASSERT(sys, om_held(sys, &sys->free.lock), "free list", &sys->free);
	*sort = false;
	if (n < load(&sys->mark_high) + OM_TABLE_ENTRIES)
		return OM_NO_PFN;
	pfn = om_runs_take_table(sys);
	if (pfn == OM_NO_PFN) {
		*sort = sys->free.head != OM_NO_PFN;
		return OM_NO_PFN;
	}
	set(&sys->free.n, n - OM_TABLE_ENTRIES);
	set_floor(sys);
	return pfn;
}

/* Where there is one CPU, what comes back is not sorted: some of it is, if need be. */
om_pfn_t om_free_take_table(struct om_system *sys)
{
	om_pfn_t pfn = OM_NO_PFN;
	bool sort = true;

	for (unsigned i = 0; i < SORTED_MOST && pfn == OM_NO_PFN && sort; i++) {
		om_spin_lock(sys, &sys->free.lock, OM_RANK_FREE);
		pfn = take_table(sys, &sort);
		if (sort)
			sort_linked(sys);
		om_spin_unlock(sys, &sys->free.lock);
	}
	return pfn;
}

/* ---------------------------------------------------------------- bringing back ------------- */

/* More have come. free.lock held. */
static void see_if_plenty(struct om_system *sys)
{
	if (om_unlikely(is_plenty(sys)))
		set_caching(sys, true);
}

static void to_linked(struct om_system *sys, struct om_bundle b)
{
	om_spin_lock(sys, &sys->free.lock, OM_RANK_FREE);
	join(sys, &sys->free, b);
	see_if_plenty(sys);
	om_spin_unlock(sys, &sys->free.lock);
}

static void to_runs(struct om_system *sys, const struct om_piece *piece, unsigned n,
                    om_pfn_t frames)
{
	om_spin_lock(sys, &sys->free.lock, OM_RANK_FREE);
	add(sys, piece, n);
	set(&sys->free.n, load(&sys->free.n) + frames);
	see_if_plenty(sys);
	om_spin_unlock(sys, &sys->free.lock);
}

void om_free_piece(struct om_system *sys, struct om_piece piece)
{
	to_runs(sys, &piece, 1, piece.n);
}

/* Past the caches. */
static void to_machine(struct om_system *sys, struct om_bundle b)
{
	struct om_piece piece[FEW];

	/* A hint: both parts are right. */
	if (!atomic_load_explicit(&sys->caching, memory_order_relaxed)) {
		to_linked(sys, b);
		return;
	}
	while (b.n) {
		om_pfn_t before = b.n;
		unsigned n = sort(sys, &b, piece);

		to_runs(sys, piece, n, before - b.n);
	}
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
			to_machine(sys, old);
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
	to_machine(sys, b);
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
