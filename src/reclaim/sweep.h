/*
 * sweep.h: what reclaim does about nonlinear areas.
 */
#ifndef OM_SWEEP_H
#define OM_SWEEP_H

#include "rmap/rmap.h"

/*
 * A page of shared memory is still mapped after a walk, perhaps in nonlinear areas: take pages that
 * have not been used since the last time out of the mapping's window, whichever they are, and move
 * its hand behind it. Page lock of a page in the mapping held, which keeps the mapping. Takes
 * MAPPING, TABLE and below, and flushes. Cost: OM_WINDOW entries.
 */
void om_sweep_nonlinear(struct om_mapping *mapping);

#endif
