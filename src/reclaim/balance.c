/*
 * balance.c: at which age pages of each kind leave: the balance between memory of programs and
 * pages of files.
 *
 * What counts is how many of the pages that were evicted are missed: read again, from swap or from
 * their file. If that is a greater part of one kind than of the other, the wrong pages have gone:
 * the one kind is kept longer, or the other leaves earlier. How hard the hand has to look for a
 * victim says whether both limits are too high, or too low to tell pages apart.
 */
#include "reclaim/balance.h"

#include "page/age.h"

/* The limits move when so small a part of memory has been evicted. */
#define PART 32

/* Frames looked at for one victim: fewer, and both kinds are kept longer; more, and less long. */
#define FEW  2
#define MANY 4

#define FIRST_LIMIT 2

void om_ages_init(struct om_system *sys)
{
	for (unsigned k = 0; k < OM_NR_AGE_KINDS; k++)
		atomic_init(&sys->ages.limit[k], FIRST_LIMIT);
}

/* What happened since the last time; begins anew. */
struct account {
	uint32_t looked, evicted[OM_NR_AGE_KINDS], refaults[OM_NR_AGE_KINDS];
};

/* Pages of the kind that have been missed. No CPU waits for this: some may not be in it yet. */
static uint32_t all_refaults(const struct om_system *sys, enum om_age_kind kind)
{
	enum om_event event = kind == OM_AGE_ANON ? OM_EV_REFAULT_ANON : OM_EV_REFAULT_FILE;
	uint64_t sum = 0;

	for (unsigned i = 0; i <= sys->cpu_mask; i++)
		sum += atomic_load_explicit(&sys->shard[i].event[event], memory_order_relaxed);
	return (uint32_t)sum;
}

/* Another one may have closed it with a later sum meanwhile: then there is nothing left. */
static uint32_t close_refaults(struct om_system *sys, enum om_age_kind kind)
{
	uint32_t now = all_refaults(sys, kind);
	uint32_t n =
	    now - atomic_exchange_explicit(&sys->ages.refaults[kind], now, memory_order_relaxed);

	return n > INT32_MAX ? 0 : n;
}

static void close_account(struct om_system *sys, struct account *a)
{
	struct om_ages *ages = &sys->ages;

	a->looked = atomic_exchange_explicit(&ages->looked, 0, memory_order_relaxed);
	for (unsigned k = 0; k < OM_NR_AGE_KINDS; k++) {
		a->evicted[k] =
		    atomic_exchange_explicit(&ages->evicted[k], 0, memory_order_relaxed);
		a->refaults[k] = close_refaults(sys, (enum om_age_kind)k);
	}
}

static void move(struct om_ages *ages, enum om_age_kind kind, int by)
{
	int now = (int)atomic_load_explicit(&ages->limit[kind], memory_order_relaxed) + by;

	if (now >= 1 && now <= (int)OM_AGE_MAX)
		atomic_store_explicit(&ages->limit[kind], (uint32_t)now, memory_order_relaxed);
}

static unsigned limit(const struct om_ages *ages, enum om_age_kind kind)
{
	return atomic_load_explicit(&ages->limit[kind], memory_order_relaxed);
}

/* Pages missed of 256 evicted. Of a kind of which hardly any went, hardly any can be missed. */
static unsigned missed(const struct account *a, enum om_age_kind kind)
{
	uint64_t all = a->evicted[OM_AGE_ANON] + a->evicted[OM_AGE_FILE];

	return (unsigned)(256 * (uint64_t)a->refaults[kind] / (a->evicted[kind] + all / 16 + 1));
}

/* Keep `kind` longer at the expense of `other`. */
static void favour(struct om_ages *ages, enum om_age_kind kind, enum om_age_kind other)
{
	if (limit(ages, other) > 1)
		move(ages, other, -1);
	else
		move(ages, kind, 1);
}

static void move_limits(struct om_ages *ages, const struct account *a)
{
	unsigned anon = missed(a, OM_AGE_ANON), file = missed(a, OM_AGE_FILE);
	uint32_t evicted = a->evicted[OM_AGE_ANON] + a->evicted[OM_AGE_FILE] + 1;

	if (anon > file + file / 4 + 8)
		favour(ages, OM_AGE_ANON, OM_AGE_FILE);
	else if (file > anon + anon / 4 + 8)
		favour(ages, OM_AGE_FILE, OM_AGE_ANON);
	if (a->looked / evicted >= MANY) {
		enum om_age_kind later =
		    limit(ages, OM_AGE_ANON) > limit(ages, OM_AGE_FILE) ? OM_AGE_ANON : OM_AGE_FILE;

		move(ages, later, -1);
	} else if (a->looked / evicted < FEW) {
		move(ages, OM_AGE_ANON, 1);
		move(ages, OM_AGE_FILE, 1);
	}
}

void om_balance(struct om_system *sys, size_t looked, const unsigned evicted[])
{
	struct om_ages *ages = &sys->ages;
	uint32_t sum = evicted[OM_AGE_ANON] + evicted[OM_AGE_FILE];
	struct account a;

	atomic_fetch_add_explicit(&ages->looked, (uint32_t)looked, memory_order_relaxed);
	for (unsigned k = 0; k < OM_NR_AGE_KINDS; k++)
		sum +=
		    atomic_fetch_add_explicit(&ages->evicted[k], evicted[k], memory_order_relaxed);
	if (sum < sys->nr_frames / PART + 1)
		return;
	/* Two at a time share what there is between them: each moves the limits by less reason. */
	close_account(sys, &a);
	move_limits(ages, &a);
}
