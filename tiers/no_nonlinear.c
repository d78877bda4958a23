/*
 * no_nonlinear.c: in the place of src/ops/nonlinear.c and src/reclaim/sweep.c where no program
 * calls om_remap_file_pages(): no area is nonlinear, so there is nothing to sweep.
 */
#include "reclaim/sweep.h"

void om_sweep_nonlinear(struct om_mapping *mapping)
{
	(void)mapping;
}
