/*
 * writers.h: who may write for reclaim.
 *
 * A store may be slow, or hang, and must not get hold of everybody who needs a frame. So few
 * threads write at a time, and the others find out that they may not.
 */
#ifndef OM_WRITERS_H
#define OM_WRITERS_H

#include "base/types.h"

/*
 * One thread at a time writes to one file, OM_RECLAIM_WRITERS to files at all: NULL for the others,
 * whose pages stay. Otherwise to be given back. Takes LIST.
 */
struct om_mapping **om_file_writer_begin(struct om_system *sys, struct om_mapping *mapping);
void om_file_writer_end(struct om_system *sys, struct om_mapping **place);

/*
 * OM_SWAP_WRITERS threads at most write to one swap device, or one for each CPU if these are more.
 * Others wait, and find what can leave still there; NULL if no transfer has ended since somebody
 * waited in vain, or nobody can tell how long it takes. Otherwise to be given back. May sleep.
 */
_Atomic uint8_t *om_swap_writer_begin(struct om_system *sys, unsigned device);
void om_swap_writer_end(struct om_system *sys, unsigned device, _Atomic uint8_t *place);

#endif
