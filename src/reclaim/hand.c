/*
 * hand.c: where reclaim looks next.
 *
 * Who reclaims takes the next few frames as its own to look at, so several reclaimers are at
 * different places, without a lock.
 *
 * A look at a region, 64 frames, tells when the first of its pages may leave: the rounds until then
 * are spent elsewhere, and the next look makes up for them. If all its pages were in use, so that
 * nothing is known of when they will not be, the next look comes after twice the time that has
 * passed since the last. So the cost of a round follows from what may leave, not from how much
 * memory there is. If a round finds too few, the hand looks at regions that it has passed by: first
 * at those whose time is near.
 *
 * All this is read and written without a lock. It decides how soon a page leaves, not whether it
 * may; and who gives a page an age wakes its region.
 */
#include "reclaim/hand.h"

/* Frames that one thread takes at a time: the descriptors of half a kilobyte, eight lines. */
#define CHUNK 16

/* A region may be new to some of its pages by now: even in use it is looked at so often. */
#define LONGEST OM_AGE_MAX

static unsigned smaller(unsigned a, unsigned b)
{
	return a < b ? a : b;
}

static unsigned larger(unsigned a, unsigned b)
{
	return a > b ? a : b;
}

static unsigned get(const _Atomic uint8_t *n)
{
	return atomic_load_explicit(n, memory_order_relaxed);
}

static void set(_Atomic uint8_t *n, unsigned to)
{
	atomic_store_explicit(n, (uint8_t)to, memory_order_relaxed);
}

static void add_unused(_Atomic om_pfn_t to[], const struct om_region *region)
{
	for (unsigned k = 0; k < OM_NR_AGE_KINDS; k++) {
		om_pfn_t n = atomic_load_explicit(&region->unused[k], memory_order_relaxed);

		if (n)
			atomic_fetch_add_explicit(&to[k], n, memory_order_relaxed);
	}
}

/* A round is over: what was found in it stands until the next one is. */
static void next_round(struct om_system *sys)
{
	for (unsigned k = 0; k < OM_NR_AGE_KINDS; k++)
		atomic_store_explicit(&sys->ages.unused[1][k],
		                      atomic_exchange(&sys->ages.unused[0][k], 0),
		                      memory_order_relaxed);
}

unsigned om_round_early(const struct om_round *round, size_t pages)
{
	unsigned early = 0;

	for (size_t n = 0; n < pages && early < OM_AGE_MAX;)
		n += round->stay[++early];
	return early;
}

/* ---------------------------------------------------------------- a look at a region -------- */

/* `passed` has this round in it already if it is for the rest. */
static void begin_look(struct om_region *region, enum om_scan how)
{
	set(&region->step, smaller(get(&region->passed) + (how == OM_SCAN_OLD), LONGEST));
	set(&region->passed, 0);
	set(&region->left, 0);
	set(&region->nearest, 0);
	for (unsigned k = 0; k < OM_NR_AGE_KINDS; k++)
		atomic_store_explicit(&region->unused[k], 0, memory_order_relaxed);
}

/* Nothing is to wait longer than for this. */
static void come_sooner(struct om_region *region, unsigned nearest)
{
	unsigned now = get(&region->nearest);

	if (!now || nearest < now)
		set(&region->nearest, nearest);
	/* The look is over, but for us. */
	if (get(&region->left) >= nearest)
		set(&region->left, nearest - 1);
}

static void end_look(struct om_system *sys, struct om_region *region)
{
	unsigned wait = get(&region->nearest);

	if (!wait)
		wait = larger(2 * get(&region->step), smaller(om_age_limit(sys, OM_AGE_ANON),
		                                              om_age_limit(sys, OM_AGE_FILE)));
	set(&region->left, smaller(wait, LONGEST) - 1);
}

/* ---------------------------------------------------------------- passing by ---------------- */

/* `first`: the hand is at the first frame of the region. */
static bool may_pass(const struct om_round *round, const struct om_region *region, bool first)
{
	switch (round->how) {
	case OM_SCAN_OLD:
		return first && get(&region->left);
	case OM_SCAN_REST:
		if (!first)
			return round->rest != region;
		return !get(&region->passed) || get(&region->left) >= round->early;
	case OM_SCAN_NEXT:
		return first && get(&region->left) >= round->early;
	case OM_SCAN_ALL:
		break;
	}
	return false;
}

static void pass_by(struct om_system *sys, struct om_region *region)
{
	unsigned left = get(&region->left), passed = get(&region->passed);

	if (left)
		set(&region->left, left - 1);
	set(&region->passed, smaller(passed + 1, LONGEST));
	add_unused(sys->ages.unused[0], region);
}

static bool begins(om_pfn_t pfn)
{
	return !(pfn & (OM_REGION - 1));
}

/* The hand goes on: true if it passes by what is in `claim` now. */
static bool go_on(struct om_system *sys, const struct om_round *round, struct om_claim *claim)
{
	om_pfn_t hand = atomic_load_explicit(&sys->ages.hand, memory_order_relaxed), end, next;
	struct om_region *region;
	bool pass;

	do {
		region = &sys->region[hand >> OM_REGION_SHIFT];
		pass = may_pass(round, region, begins(hand));
		end = (hand | ((pass ? OM_REGION : CHUNK) - 1)) + 1;
		if (end > sys->nr_frames)
			end = sys->nr_frames;
		next = end == sys->nr_frames ? 0 : end;
	} while (!atomic_compare_exchange_weak(&sys->ages.hand, &hand, next));
	*claim = (struct om_claim){.first = hand, .end = end, .region = region};
	return pass;
}

bool om_hand_claim(struct om_system *sys, struct om_round *round, struct om_claim *claim)
{
	bool pass = go_on(sys, round, claim);
	om_pfn_t n = claim->end - claim->first;

	if (pass && round->how == OM_SCAN_OLD) /* the others do not count as rounds */
		pass_by(sys, claim->region);
	if (claim->end == sys->nr_frames)
		next_round(sys);
	if (pass) {
		round->left -= n < round->left ? n : round->left;
		return false;
	}
	claim->look = round->how <= OM_SCAN_REST;
	if (claim->look && begins(claim->first)) {
		begin_look(claim->region, round->how);
		round->rest = round->how == OM_SCAN_REST ? claim->region : NULL;
	}
	/* The very first one may have begun in the middle, with none. */
	claim->step = larger(get(&claim->region->step), 1);
	return true;
}

/* ---------------------------------------------------------------- what was found ------------ */

static void note(struct om_system *sys, struct om_region *region, const struct om_findings *found)
{
	for (unsigned k = 0; k < OM_NR_AGE_KINDS; k++) {
		if (!found->unused[k])
			continue;
		atomic_fetch_add_explicit(&region->unused[k], (uint16_t)found->unused[k],
		                          memory_order_relaxed);
		atomic_fetch_add_explicit(&sys->ages.unused[0][k], found->unused[k],
		                          memory_order_relaxed);
	}
	if (found->nearest)
		come_sooner(region, found->nearest);
}

static bool give_back(struct om_system *sys, const struct om_claim *claim, om_pfn_t at)
{
	om_pfn_t hand = claim->end == sys->nr_frames ? 0 : claim->end;

	return atomic_compare_exchange_strong(&sys->ages.hand, &hand, at);
}

void om_hand_done(struct om_system *sys, const struct om_claim *claim, om_pfn_t at,
                  const struct om_findings *found)
{
	bool back = at < claim->end && give_back(sys, claim, at);

	note(sys, claim->region, found);
	if (at < claim->end && !back) /* nobody has looked there */
		come_sooner(claim->region, 1);
	if (claim->look && !back && (claim->end == sys->nr_frames || begins(claim->end)))
		end_look(sys, claim->region);
}
