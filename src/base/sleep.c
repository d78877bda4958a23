/*
 * sleep.c: waiting for sleeping locks: queues of sleepers, and the sleeping readers-writer lock.
 *
 * A sleeper is a node on its thread's stack. Those who sleep on one lock make a crowd, first come
 * first served. The locks have no room for it, so crowds are found through a table by the lock's
 * address; what is to be known of a crowd is in the node of one of its members, and moves to
 * another when that one leaves. Each sleeper is known to the port by its node, so no two are woken
 * for what one can have.
 *
 * A lock may be handed over: it stays taken, and the one or those who get it are told so. Nobody is
 * overtaken then, but the lock is idle until they run, which is long against what most do with it.
 * So an om_rwsem is only offered to a writer that sleeps: the writer is woken, and others may have
 * the lock until it comes, OVERTAKES times in all. After that it is handed over.
 *
 * Why nobody sleeps for ever: the mark "somebody sleeps" in the lock is set in one atomic step in
 * which the lock is seen to be taken, with the queue locked until the node is in it. So the holder
 * that is to release it comes later in the order of that word, sees the mark, locks the queue and
 * finds the node. The uncontended release sees no mark and calls nobody.
 */
#include "base/types.h"

#define OVERTAKES 16u

/* How long a thread looks on before it sleeps: about as long as falling asleep and waking take. */
#define LOOKS 200u

struct sleeper;

/* Those who sleep on one lock; readers apart, as all of them come in together. */
struct om_crowd {
	const void *key;
	struct sleeper *reader, *last_reader;
	struct sleeper *writer, *last_writer;
	uint32_t nr_readers;
	unsigned overtaken;    /* how often the first writer has been */
	struct om_crowd *next; /* of its queue */
};

enum sleeper_state {
	LOOKING, /* not asleep yet, or again */
	ASLEEP,  /* the port has to wake it */
	CALLED,  /* it shall try to take the lock */
	GRANTED, /* it has the lock, and has left the crowd */
};

struct sleeper {
	struct sleeper *behind;
	_Atomic unsigned state; /* enum sleeper_state */
	struct om_crowd crowd;  /* if it is kept in this node */
};

/* ---- crowds; the queue is locked ---------------------------------------------------------- */

static struct om_sleep_queue *lock_queue(struct om_system *sys, const void *key)
{
	uintptr_t hash = (uintptr_t)key * sys->hooks.seed;
	struct om_sleep_queue *q =
	    &sys->sleep_queue[hash >> (sizeof(hash) * 8 - OM_SLEEP_QUEUE_SHIFT)];

	om_spin_lock(sys, &q->lock, OM_RANK_SLEEP);
	return q;
}

static void unlock_queue(struct om_system *sys, struct om_sleep_queue *q)
{
	om_spin_unlock(sys, &q->lock);
}

/* The link to the crowd of a key; to NULL if nobody sleeps on it. */
static struct om_crowd **find(struct om_system *sys, struct om_sleep_queue *q, const void *key)
{
	struct om_crowd **link = &q->first;

	while (*link && (*link)->key != key) {
		link = &(*link)->next;
		om_work(sys, 1);
	}
	return link;
}

static void append(struct sleeper **first, struct sleeper **last, struct sleeper *s)
{
	if (*first)
		(*last)->behind = s;
	else
		*first = s;
	*last = s;
}

static void enter(struct om_system *sys, struct om_sleep_queue *q, const void *key,
                  struct sleeper *s, bool reader)
{
	struct om_crowd **link = find(sys, q, key), *c = *link;

	if (!c) {
		c = *link = &s->crowd;
		*c = (struct om_crowd){.key = key};
	}
	if (reader) {
		append(&c->reader, &c->last_reader, s);
		c->nr_readers++;
	} else {
		append(&c->writer, &c->last_writer, s);
	}
}

/* Members have left the crowd, perhaps that in which it is kept. False: none is left. */
static bool rehouse(struct om_crowd **link)
{
	struct om_crowd *c = *link;
	struct sleeper *host = c->writer ? c->writer : c->reader;

	if (!host) {
		*link = c->next;
		return false;
	}
	if (c != &host->crowd) {
		host->crowd = *c;
		*link = &host->crowd;
	}
	return true;
}

/* The first writer leaves. */
static struct sleeper *take_writer(struct om_crowd *c)
{
	struct sleeper *s = c->writer;

	c->writer = s->behind;
	c->overtaken = 0;
	s->behind = NULL;
	return s;
}

/* All readers leave, at the price of one. */
static struct sleeper *take_readers(struct om_crowd *c)
{
	struct sleeper *s = c->reader;

	c->reader = NULL;
	c->nr_readers = 0;
	return s;
}

/* ---- sleeping and waking ------------------------------------------------------------------ */

void om_wait(struct om_system *sys, const void *key, bool (*blocked)(const void *arg),
             const void *arg)
{
	const struct om_hooks *h = om_hooks(sys);

	om_might_sleep(sys);
	if (h->ops->wait) {
		h->ops->wait(h->ctx, key, blocked, arg);
		return;
	}
	while (blocked(arg))
		om_arch_pause();
}

bool om_wait_briefly(struct om_system *sys, const void *key, bool (*blocked)(const void *arg),
                     const void *arg)
{
	const struct om_hooks *h = om_hooks(sys);

	om_might_sleep(sys);
	if (h->ops->wait_briefly)
		h->ops->wait_briefly(h->ctx, key, blocked, arg);
	else
		om_wait(sys, key, blocked, arg);
	return h->ops->wait_briefly;
}

void om_wake(struct om_system *sys, const void *key)
{
	const struct om_hooks *h = om_hooks(sys);

	if (h->ops->wake)
		h->ops->wake(h->ctx, key);
}

static bool is_asleep(const void *sleeper)
{
	return atomic_load_explicit(&((const struct sleeper *)sleeper)->state,
	                            memory_order_acquire) == ASLEEP;
}

/* Returns what somebody has told us: CALLED or GRANTED; or LOOKING, for no reason. */
static unsigned await(struct om_system *sys, struct sleeper *me)
{
	unsigned state = LOOKING;

	for (unsigned n = 0; n < LOOKS && state == LOOKING; n++) {
		om_arch_pause();
		state = atomic_load_explicit(&me->state, memory_order_acquire);
	}
	if (state == LOOKING &&
	    atomic_compare_exchange_strong_explicit(&me->state, &state, ASLEEP,
	                                            memory_order_acquire, memory_order_acquire)) {
		om_wait(sys, me, is_asleep, me);
		state = ASLEEP;
		if (atomic_compare_exchange_strong_explicit(&me->state, &state, LOOKING,
		                                            memory_order_acquire,
		                                            memory_order_acquire))
			state = LOOKING;
	}
	return state;
}

/* A node may be gone as soon as it has been told; its address is a name then, and no more. */
static void tell(struct om_system *sys, struct sleeper *s, unsigned what)
{
	if (atomic_exchange_explicit(&s->state, what, memory_order_release) == ASLEEP)
		om_wake(sys, s);
}

static void grant(struct om_system *sys, struct sleeper *s)
{
	while (s) {
		struct sleeper *behind = s->behind;

		tell(sys, s, GRANTED);
		s = behind;
	}
}

void om_sleep(struct om_system *sys, const void *key, bool (*take)(void *arg), void *arg)
{
	struct sleeper me = {.behind = NULL};
	struct om_sleep_queue *q;
	bool taken;

	om_might_sleep(sys);
	q = lock_queue(sys, key);
	taken = take(arg);
	if (!taken)
		enter(sys, q, key, &me, false);
	unlock_queue(sys, q);
	while (!taken)
		taken = await(sys, &me) == GRANTED;
}

void om_hand_over(struct om_system *sys, const void *key, void (*last)(void *arg), void *arg)
{
	struct om_sleep_queue *q = lock_queue(sys, key);
	struct om_crowd **link = find(sys, q, key);
	struct sleeper *s;

	OM_BUG_ON(sys, !*link || !(*link)->writer, "sleepers", key, *link, 0);
	s = take_writer(*link);
	if (!rehouse(link))
		last(arg);
	unlock_queue(sys, q);
	grant(sys, s);
}

/* ---- om_rwsem: getting in ----------------------------------------------------------------- */

static inline uint32_t sem_load(const struct om_rwsem *sem)
{
	return atomic_load_explicit(&sem->state, memory_order_acquire);
}

static inline bool sem_cas(struct om_rwsem *sem, uint32_t *old, uint32_t now)
{
	return atomic_compare_exchange_weak_explicit(&sem->state, old, now, memory_order_acquire,
	                                             memory_order_relaxed);
}

/* The lock is free, but offered to a writer that sleeps: may somebody else have it first? */
static bool overtake(struct om_crowd *c)
{
	return !c->reader && c->overtaken++ < OVERTAKES;
}

/* Take the lock as `add` if none of `busy` is set, or it may be overtaken; otherwise mark it. */
static bool take_or_mark(struct om_rwsem *sem, struct om_crowd *c, uint32_t busy, uint32_t add)
{
	uint32_t v = sem_load(sem);

	for (;;) {
		if (!(v & busy) || (v == OM_RW_WAITED && overtake(c))) {
			if (sem_cas(sem, &v, v + add))
				return true;
		} else if ((v & OM_RW_WAITED) || sem_cas(sem, &v, v | OM_RW_WAITED)) {
			return false;
		}
	}
}

/* A writer has been called: true if it has the lock now. It is too late if it was overtaken. */
static bool come(struct om_system *sys, struct om_rwsem *sem, struct sleeper *me)
{
	struct om_sleep_queue *q = lock_queue(sys, sem);
	struct om_crowd **link = find(sys, q, sem);
	bool first = *link && (*link)->writer == me;
	bool mine = first && sem_load(sem) == OM_RW_WAITED;

	/* If it is not the first any more, it has just been granted the lock. */
	if (first)
		atomic_store_explicit(&me->state, LOOKING, memory_order_relaxed);
	if (mine) {
		take_writer(*link);
		atomic_store_explicit(&sem->state,
		                      OM_RW_WRITER | (rehouse(link) ? OM_RW_WAITED : 0),
		                      memory_order_relaxed);
	}
	unlock_queue(sys, q);
	return mine;
}

static void rwsem_wait(struct om_system *sys, struct om_rwsem *sem, bool reader)
{
	uint32_t busy = reader ? OM_RW_WRITER | OM_RW_WAITED : ~0u;
	struct sleeper me = {.behind = NULL};
	struct om_sleep_queue *q;
	bool in;

	om_might_sleep(sys);
	q = lock_queue(sys, sem);
	in = take_or_mark(sem, *find(sys, q, sem), busy, reader ? 1 : OM_RW_WRITER);
	if (!in)
		enter(sys, q, sem, &me, reader);
	unlock_queue(sys, q);
	while (!in) {
		unsigned told = await(sys, &me);

		in = told == GRANTED || (told == CALLED && come(sys, sem, &me));
	}
}

void om_rwsem_read_wait(struct om_system *sys, struct om_rwsem *sem)
{
	uint32_t v = sem_load(sem);

	/* Perhaps it was only another reader that came at the same moment. */
	while (!(v & ~OM_RW_READERS))
		if (sem_cas(sem, &v, v + 1))
			return;
	rwsem_wait(sys, sem, true);
}

void om_rwsem_write(struct om_system *sys, struct om_rwsem *sem, enum om_rank rank)
{
	uint32_t free = 0;

	if (OM_DEBUG)
		om_held_push(sys, sem, rank, true);
	if (om_unlikely(!atomic_compare_exchange_strong_explicit(&sem->state, &free, OM_RW_WRITER,
	                                                         memory_order_acquire,
	                                                         memory_order_relaxed)))
		rwsem_wait(sys, sem, false);
}

/* ---- om_rwsem: getting out ---------------------------------------------------------------- */

/* The lock goes to all readers that sleep, or to the first writer. Returns who has to be told. */
static struct sleeper *hand_over(struct om_rwsem *sem, struct om_crowd **link, bool readers)
{
	uint32_t state = readers ? (*link)->nr_readers : OM_RW_WRITER;
	struct sleeper *s = readers ? take_readers(*link) : take_writer(*link);

	if (rehouse(link))
		state |= OM_RW_WAITED;
	atomic_store_explicit(&sem->state, state, memory_order_release);
	return s;
}

/*
 * The lock has been released, and somebody sleeps. After a writer all readers have their turn, and
 * after readers a writer: a reader waits for one writer at most; a writer for those before it, for
 * those that overtake it, and for the readers between them. If the lock is not free any more,
 * whoever has it now will be here later.
 */
static void pass_on(struct om_system *sys, struct om_rwsem *sem, bool readers_first)
{
	struct om_sleep_queue *q = lock_queue(sys, sem);
	struct om_crowd **link = find(sys, q, sem), *c = *link;
	struct sleeper *granted = NULL;

	if (sem_load(sem) == OM_RW_WAITED) {
		OM_BUG_ON(sys, !c, "sleepers", sem, readers_first, 0);
		if (c->reader && (readers_first || !c->writer))
			granted = hand_over(sem, link, true);
		else if (c->overtaken >= OVERTAKES)
			granted = hand_over(sem, link, false);
		else
			tell(sys, c->writer, CALLED);
	}
	unlock_queue(sys, q);
	grant(sys, granted);
}

/* Two may see that nobody is inside: pass_on() looks again under the queue's lock. */
void om_rwsem_read_wake(struct om_system *sys, struct om_rwsem *sem)
{
	if (sem_load(sem) == OM_RW_WAITED)
		pass_on(sys, sem, false);
}

void om_rwsem_write_done(struct om_system *sys, struct om_rwsem *sem)
{
	if (OM_DEBUG)
		om_held_pop(sys, sem);
	OM_ASSERT(sys, sem_load(sem) & OM_RW_WRITER, "lock not held", sem);
	if (om_unlikely(atomic_fetch_sub_explicit(&sem->state, OM_RW_WRITER,
	                                          memory_order_release) != OM_RW_WRITER))
		pass_on(sys, sem, true);
}

/* Readers that sleep join a reader that is inside, so the lock is not free meanwhile. */
static OM_COLD void let_readers_in(struct om_system *sys, struct om_rwsem *sem)
{
	struct om_sleep_queue *q = lock_queue(sys, sem);
	struct om_crowd **link = find(sys, q, sem);
	struct sleeper *granted = NULL;

	if (*link && (*link)->reader) {
		atomic_fetch_add_explicit(&sem->state, (*link)->nr_readers, memory_order_relaxed);
		granted = take_readers(*link);
		if (!rehouse(link))
			atomic_fetch_and_explicit(&sem->state, ~OM_RW_WAITED, memory_order_relaxed);
	}
	unlock_queue(sys, q);
	grant(sys, granted);
}

void om_rwsem_downgrade(struct om_system *sys, struct om_rwsem *sem)
{
	OM_ASSERT(sys, sem_load(sem) & OM_RW_WRITER, "lock not held", sem);
	if (om_unlikely(atomic_fetch_sub_explicit(&sem->state, OM_RW_WRITER - 1,
	                                          memory_order_release) != OM_RW_WRITER))
		let_readers_in(sys, sem);
}

bool om_rwsem_is_write_locked(const struct om_rwsem *sem)
{
	return atomic_load_explicit(&sem->state, memory_order_acquire) & OM_RW_WRITER;
}

bool om_rwsem_is_locked(const struct om_rwsem *sem)
{
	return sem_load(sem) & (OM_RW_WRITER | OM_RW_READERS);
}

/* ---- om_rwsem: without a place in the queue ----------------------------------------------- */

bool om_rwsem_tryread(struct om_system *sys, struct om_rwsem *sem, enum om_rank rank)
{
	uint32_t v = sem_load(sem);

	while (!(v & ~OM_RW_READERS)) {
		if (!sem_cas(sem, &v, v + 1))
			continue;
		if (OM_DEBUG)
			om_held_push(sys, sem, rank, false);
		return true;
	}
	return false;
}

bool om_rwsem_trywrite(struct om_system *sys, struct om_rwsem *sem, enum om_rank rank)
{
	uint32_t free = 0;

	if (!atomic_compare_exchange_strong_explicit(&sem->state, &free, OM_RW_WRITER,
	                                             memory_order_acquire, memory_order_relaxed))
		return false;
	if (OM_DEBUG)
		om_held_push(sys, sem, rank, false);
	return true;
}

static bool is_taken(const void *sem)
{
	return sem_load(sem) != 0;
}

/* Nobody wakes us: the port looks now and then. A port that cannot is not asked to wait at all. */
bool om_rwsem_write_briefly(struct om_system *sys, struct om_rwsem *sem, enum om_rank rank)
{
	if (om_rwsem_trywrite(sys, sem, rank))
		return true;
	if (!om_hooks(sys)->ops->wait_briefly)
		return false;
	om_wait_briefly(sys, sem, is_taken, sem);
	return om_rwsem_trywrite(sys, sem, rank);
}
