/*
 * random.h: numbers nobody can guess, as far as the seed goes. core/random.c
 */
#ifndef RANDOM_H
#define RANDOM_H

#include "lib.h"

/* May sleep. */
void random_bytes(void *buf, size_t n);

#endif
