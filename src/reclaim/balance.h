/*
 * balance.h: at which age pages of each kind leave.
 */
#ifndef OM_BALANCE_H
#define OM_BALANCE_H

#include "base/types.h"

void om_ages_init(struct om_system *sys);

/*
 * Reclaim has looked at so many frames, and evicted so many pages of each kind: perhaps it is time
 * to move the limits. Any context; takes nothing. Cost: linear in the number of CPUs if so.
 */
void om_balance(struct om_system *sys, size_t looked, const unsigned evicted[]);

#endif
