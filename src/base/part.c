/*
 * part.c: giving CPUs parts of an address space, and taking them back: see part.h.
 *
 * The bits in mm->parts are set before a part is given and cleared after all are taken back, so a
 * writer looks at those CPUs only whose part may name the mm; that one has become another mm's does
 * no harm. Bits and names change with mm->own.mmap_lock held, in one way or the other, which
 * also orders all that is done in a part before the writer, or after it: the accesses need no order
 * of their own.
 *
 * Counts of a part may be below 0, if another CPU has counted the entries up: only sums mean
 * something. A part that is folded moves from one term of the sum to another, and that is what
 * mm->sum_lock is for: who adds up finds it in one of them.
 */
#include "base/part.h"

static struct om_mm *named(const struct om_mm_part *part)
{
	return atomic_load_explicit(&part->mm, memory_order_relaxed);
}

/* The first part of the shards from `i` on that may name the mm, or NULL; *next: behind it. */
static struct om_mm_part *part_from(const struct om_mm *mm, unsigned i, unsigned *next)
{
	struct om_system *sys = mm->sys;

	for (; i <= sys->cpu_mask; i++) {
		unsigned bit = i % OM_PART_BITS;
		uint32_t bits = atomic_load_explicit(&mm->parts[bit / 32], memory_order_relaxed);

		if (!(bits >> bit % 32)) {
			i |= 31; /* no more in this word */
		} else if (bits & 1u << bit % 32) {
			*next = i + 1;
			return &sys->shard[i].part;
		}
	}
	return NULL;
}

#define om_for_each_part(part, mm)                                                                 \
	for (unsigned next_ = 0; next_ != ~0u; next_ = ~0u)                                        \
		for (struct om_mm_part *part = part_from(mm, 0, &next_); part;                     \
		     part = part_from(mm, next_, &next_))

/* ---------------------------------------------------------------- taking back --------------- */

static void move_count(_Atomic size_t *from, _Atomic size_t *to)
{
	size_t n = atomic_load_explicit(from, memory_order_relaxed);

	atomic_store_explicit(from, 0, memory_order_relaxed);
	atomic_fetch_add_explicit(to, n, memory_order_relaxed);
}

/* The part is nobody's. Its lock is held for writing. */
static void fold(struct om_system *sys, struct om_mm_part *part)
{
	struct om_mm *mm = named(part);

	OM_ASSERT(sys, om_rwsem_is_write_locked(&part->mmap_lock), "mmap_lock", part);
	om_spin_lock(sys, &mm->sum_lock, OM_RANK_SUM);
	move_count(&part->rss_anon, &mm->own.rss_anon);
	move_count(&part->rss_file, &mm->own.rss_file);
	move_count(&part->swapents, &mm->own.swapents);
	atomic_store_explicit(&part->mm, NULL, memory_order_relaxed);
	om_spin_unlock(sys, &mm->sum_lock);
}

enum recall { WAIT, BRIEFLY, TRY };

static bool lock_part(struct om_system *sys, struct om_mm_part *part, enum recall how)
{
	if (how == TRY)
		return om_rwsem_trywrite(sys, &part->mmap_lock, OM_RANK_PART);
	if (how == BRIEFLY)
		return om_rwsem_write_briefly(sys, &part->mmap_lock, OM_RANK_PART);
	om_rwsem_write(sys, &part->mmap_lock, OM_RANK_PART);
	return true;
}

/* Take a part back, if it is still one of the mm. False: somebody is in it. */
static bool recall_part(struct om_mm *mm, struct om_mm_part *part, enum recall how, unsigned *n)
{
	struct om_system *sys = mm->sys;

	if (named(part) == mm) {
		if (!lock_part(sys, part, how))
			return false;
		/* Another mm's fault may have been faster. */
		if (named(part) == mm)
			fold(sys, part);
		om_rwsem_write_done(sys, &part->mmap_lock);
		++*n;
	} else {
		/* Another mm's, for good. But it must have left ours, which may be about to go. */
		om_spin_lock(sys, &mm->sum_lock, OM_RANK_SUM);
		om_spin_unlock(sys, &mm->sum_lock);
	}
	return true;
}

static bool recall(struct om_mm *mm, enum recall how)
{
	unsigned n = 0;

	OM_ASSERT(mm->sys, om_rwsem_is_write_locked(&mm->own.mmap_lock), "mmap_lock", mm);
	om_for_each_part (part, mm)
		if (!recall_part(mm, part, how, &n))
			return false;
	for (unsigned i = 0; i < OM_PART_BITS / 32; i++)
		atomic_store_explicit(&mm->parts[i], 0, memory_order_relaxed);
	mm->moves = 0;
	if (n)
		mm->recalled = (uint16_t)n;
	return true;
}

void om_parts_recall(struct om_mm *mm)
{
	(void)recall(mm, WAIT);
}

bool om_parts_try_recall(struct om_mm *mm, bool briefly)
{
	return recall(mm, briefly ? BRIEFLY : TRY);
}

/* ---------------------------------------------------------------- giving -------------------- */

/*
 * This CPU's part becomes one of the mm, unless somebody is in it. mm->own.mmap_lock is held for
 * reading. If the part was another mm's, that is alive until its writer has had the part's lock.
 */
static void give(struct om_mm *mm, struct om_shard *shard)
{
	struct om_system *sys = mm->sys;
	struct om_mm_part *part = &shard->part;
	unsigned bit = (unsigned)(shard - sys->shard) % OM_PART_BITS;

	OM_ASSERT(sys, om_rwsem_is_locked(&mm->own.mmap_lock), "mmap_lock", mm);
	if (!om_rwsem_trywrite(sys, &part->mmap_lock, OM_RANK_PART))
		return;
	if (named(part) != mm) {
		if (named(part))
			fold(sys, part);
		atomic_store_explicit(&part->hint, &sys->no_area, memory_order_relaxed);
		atomic_store_explicit(&part->table_hint, &sys->no_table, memory_order_relaxed);
		atomic_fetch_or_explicit(&mm->parts[bit / 32], 1u << bit % 32,
		                         memory_order_relaxed);
		atomic_store_explicit(&part->mm, mm, memory_order_relaxed);
	}
	om_rwsem_write_done(sys, &part->mmap_lock);
	/* Now everybody looks at the CPU's part first, and nobody writes `last` any more. */
	if (atomic_load_explicit(&mm->last, memory_order_relaxed))
		atomic_store_explicit(&mm->last, NULL, memory_order_relaxed);
}

/* The lock has moved often enough, since the last writer, for CPUs to get parts. */
static bool pays(const struct om_mm *mm, unsigned moves)
{
	if (!mm->sys->cpu_mask)
		return false;
	return moves >= (mm->sys->eager ? 1 : OM_PART_MOVES + (unsigned)mm->recalled);
}

/* A fault has mm->own.mmap_lock on another shard than the last one; some may go uncounted. */
static void note_move(struct om_mm *mm, struct om_shard *shard)
{
	unsigned n = __atomic_load_n(&mm->moves, __ATOMIC_RELAXED);

	if (pays(mm, n)) {
		give(mm, shard);
		return;
	}
	if (atomic_exchange_explicit(&mm->last, shard, memory_order_relaxed))
		__atomic_store_n(&mm->moves, (uint16_t)(n + 1), __ATOMIC_RELAXED);
}

static OM_NOINLINE struct om_mm_part *enter_own(struct om_mm *mm, struct om_shard *shard)
{
	om_rwsem_read(mm->sys, &mm->own.mmap_lock, OM_RANK_MMAP);
	note_move(mm, shard);
	return &mm->own;
}

/* The lock of the CPU's part is held, but the mm's writer has been faster. */
static OM_COLD struct om_mm_part *leave_and_enter_own(struct om_mm *mm, struct om_shard *shard)
{
	om_rwsem_read_done(mm->sys, &shard->part.mmap_lock);
	return enter_own(mm, shard);
}

struct om_mm_part *om_part_enter_slow(struct om_mm *mm, struct om_shard *shard)
{
	struct om_mm_part *part = &shard->part;

	/* Without its lock the name says only that it is worth trying. */
	if (om_unlikely(named(part) != mm))
		return enter_own(mm, shard);
	om_rwsem_read(mm->sys, &part->mmap_lock, OM_RANK_PART);
	if (om_unlikely(named(part) != mm))
		return leave_and_enter_own(mm, shard);
	return part;
}

/* ---------------------------------------------------------------- looking ------------------- */

bool om_mm_is_locked(const struct om_mm *mm)
{
	bool locked = om_rwsem_is_locked(&mm->own.mmap_lock);

	om_for_each_part (part, mm)
		locked |= named(part) == mm && om_rwsem_is_locked(&part->mmap_lock);
	return locked;
}

static void add(struct om_mm_sums *sums, const struct om_mm_part *part)
{
	sums->anon += atomic_load_explicit(&part->rss_anon, memory_order_relaxed);
	sums->file += atomic_load_explicit(&part->rss_file, memory_order_relaxed);
	sums->swap += atomic_load_explicit(&part->swapents, memory_order_relaxed);
}

struct om_mm_sums om_mm_sums(const struct om_mm *mm)
{
	struct om_system *sys = mm->sys;
	struct om_spinlock *lock = (struct om_spinlock *)(uintptr_t)&mm->sum_lock;
	struct om_mm_sums sums = {0, 0, 0};

	om_spin_lock(sys, lock, OM_RANK_SUM);
	add(&sums, &mm->own);
	om_for_each_part (part, mm) {
		om_work(sys, 1);
		if (named(part) == mm)
			add(&sums, part);
	}
	om_spin_unlock(sys, lock);
	return sums;
}
