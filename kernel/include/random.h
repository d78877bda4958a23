/*
 * random.h: numbers nobody can guess, as far as the seed goes. core/random.c
 */
#ifndef RANDOM_H
#define RANDOM_H

#include "lib.h"

/* May sleep. */
void random_bytes(void *buf, size_t n);

/*
 * One word from the hardware, or where it has none to give, from the time: for the first moments.
 */
uint64_t random_word(void);

#endif
