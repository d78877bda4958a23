/*
 * asid.c: giving out tags, and beginning a new round of them. asid.h tells how it works; here is
 * why no two address spaces have the same tag on one CPU, and no two tags are one's at a time.
 *
 * A tag that a CPU runs with when a round begins stays its address space's: others of its threads
 * may be running with it, too, and a flush names one tag. Whoever loads that address space next
 * finds its old number among those kept, and takes the tag with it into the new round.
 *
 * Each CPU is behind from then on. It cannot load anything without the lock, for its `running` is
 * 0, and with the lock it learns that it has to drop what it has kept of other rounds. Until then
 * it uses the tag that was kept for it.
 */
#include "asid.h"

#define FIRST_TAG 1u /* 0 is the kernel's */
#define TAG_MASK  ((1u << ASID_BITS) - 1)

void asids_init(struct asids *asids, unsigned bits, unsigned nr_cpus)
{
	asids->bits = bits;
	asids->nr_cpus = nr_cpus;
	asids->next = FIRST_TAG;
	atomic_store(&asids->round, 1);
}

static void lock(struct asids *asids)
{
	while (atomic_exchange_explicit(&asids->lock, 1, memory_order_acquire))
		;
}

static void unlock(struct asids *asids)
{
	atomic_store_explicit(&asids->lock, 0, memory_order_release);
}

static uint64_t round_of(uint64_t number)
{
	return number >> ASID_BITS;
}

static void set_used(struct asids *asids, uint64_t number)
{
	asids->used[(number & TAG_MASK) / 64] |= 1ull << (number % 64);
}

static bool is_used(const struct asids *asids, uint32_t tag)
{
	return asids->used[tag / 64] >> tag % 64 & 1;
}

/* A CPU that has loaded nothing since the last round is still with what was kept for it. */
static void begin_round(struct asids *asids)
{
	atomic_fetch_add(&asids->round, 1);
	for (uint32_t i = 0; i < sizeof(asids->used) / sizeof(*asids->used); i++)
		asids->used[i] = 0;
	for (unsigned i = 0; i < asids->nr_cpus; i++) {
		uint64_t number = atomic_exchange(&asids->cpu[i].running, 0);

		if (number)
			asids->cpu[i].kept = number;
		set_used(asids, asids->cpu[i].kept);
		asids->cpu[i].behind = true;
	}
	asids->next = FIRST_TAG;
}

/* A free tag; 0 if there is none. */
static uint32_t find_free(struct asids *asids)
{
	uint32_t tag = asids->next, end = 1u << asids->bits;

	while (tag < end && is_used(asids, tag))
		tag++;
	asids->next = tag;
	return tag < end ? tag : 0;
}

/* If the tag is one of those kept, take it into this round on all CPUs that are with it. */
static bool renew(struct asids *asids, uint64_t old, uint64_t new)
{
	bool found = false;

	for (unsigned i = 0; i < asids->nr_cpus; i++)
		if (asids->cpu[i].kept == old) {
			asids->cpu[i].kept = new;
			found = true;
		}
	return found;
}

/* A number of this round for an address space that has `old`, of another one or 0. Locked. */
static uint64_t choose(struct asids *asids, uint64_t old)
{
	uint64_t number = atomic_load(&asids->round) << ASID_BITS | (old & TAG_MASK);
	uint32_t tag;

	if (old && renew(asids, old, number))
		return number;
	tag = find_free(asids);
	if (!tag) {
		begin_round(asids);
		return choose(asids, old);
	}
	number = atomic_load(&asids->round) << ASID_BITS | tag;
	set_used(asids, number);
	return number;
}

static uint64_t load_locked(struct asids *asids, struct asid *asid, unsigned me, bool *drop)
{
	uint64_t number = atomic_load(&asid->number);

	if (round_of(number) != atomic_load(&asids->round)) {
		number = choose(asids, number);
		atomic_store(&asid->number, number);
	}
	*drop = asids->cpu[me].behind;
	asids->cpu[me].behind = false;
	atomic_store(&asids->cpu[me].running, number);
	return number;
}

unsigned asid_load(struct asids *asids, struct asid *asid, unsigned me, bool *drop)
{
	uint64_t number = atomic_load(&asid->number), last = atomic_load(&asids->cpu[me].running);

	*drop = false;
	if (!asids->bits)
		return 0;
	if (!last || round_of(number) != atomic_load(&asids->round) ||
	    !atomic_compare_exchange_strong(&asids->cpu[me].running, &last, number)) {
		lock(asids);
		number = load_locked(asids, asid, me, drop);
		unlock(asids);
	}
	return number & TAG_MASK;
}
