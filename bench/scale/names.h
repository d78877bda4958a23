/*
 * names.h: what lies at an address, in the words of src/base/types.h.
 */
#ifndef SCALE_NAMES_H
#define SCALE_NAMES_H

#include "record.h"

struct om_system;

/* Names are of this system from now on. */
void names_start(struct om_system *sys);

/* For record_start(): the contents of pages are not counted, page tables are. */
int names_kind(uintptr_t addr);

/* What CPUs touch on a line, with a * behind what they write: at most `size` bytes. */
void names_of(const struct shared_line *line, char *out, size_t size);

#endif
