/*
 * fail.h: failing allocations on purpose.
 *
 * Debug builds of the core are compiled with `-DOM_FAIL_HOOK=sim_fail_alloc -include
 * ports/sim/fail.h`: the frame allocator asks the hook first and fails if it says so. So a test can
 * let the k-th allocation of a call fail, for every k, and look whether anything was changed (I10).
 * Release builds have no hook, and the functions below then have no effect.
 *
 *     sim_fail_arm(sys, k, false);        the k-th allocation from now fails, the others do not
 *     err = om_fork(...);
 *     if (sim_fail_disarm() < k) ;        the call made fewer than k allocations: done
 */
#ifndef SIM_FAIL_H
#define SIM_FAIL_H

#include <stdbool.h>

#ifdef __cplusplus
extern "C" {
#endif

struct om_system;

/* Called by the core: shall this allocation fail? */
bool sim_fail_alloc(struct om_system *sys);

/*
 * From now on count the allocations of `sys` (NULL: of every system) and let the k-th fail, it
 * alone or it and all after it. k = 0: count only.
 */
void sim_fail_arm(struct om_system *sys, unsigned long k, bool forever);

/* Stop failing; returns the allocations asked for since sim_fail_arm(). */
unsigned long sim_fail_disarm(void);

#ifdef __cplusplus
}
#endif
#endif
