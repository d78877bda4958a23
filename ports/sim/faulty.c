/*
 * faulty.c: the countdown behind fail.h. It uses nothing of the rest of the machine, so that unit
 * tests of single core files can link it alone.
 *
 * The state is global: the hook sees no more of the machine than the om_system, and a test arms one
 * countdown at a time.
 */
#include "fail.h"

#include <limits.h>
#include <stdatomic.h>
#include <stddef.h>

static _Atomic bool armed;
static struct om_system *_Atomic target; /* NULL: every system */
static _Atomic unsigned long asked;      /* allocations since sim_fail_arm() */
static _Atomic unsigned long first;      /* number of the first one to fail; 0: none */
static _Atomic unsigned long last;       /* and of the last */

bool sim_fail_alloc(struct om_system *sys)
{
	struct om_system *only;
	unsigned long nr, from;

	if (!atomic_load_explicit(&armed, memory_order_acquire))
		return false;
	only = atomic_load(&target);
	if (only && only != sys)
		return false;
	nr = atomic_fetch_add(&asked, 1) + 1;
	from = atomic_load(&first);
	return from && nr >= from && nr <= atomic_load(&last);
}

void sim_fail_arm(struct om_system *sys, unsigned long k, bool forever)
{
	atomic_store(&armed, false);
	atomic_store(&target, sys);
	atomic_store(&asked, 0);
	atomic_store(&first, k);
	atomic_store(&last, forever ? ULONG_MAX : k);
	atomic_store_explicit(&armed, true, memory_order_release);
}

unsigned long sim_fail_disarm(void)
{
	atomic_store(&armed, false);
	return atomic_load(&asked);
}
