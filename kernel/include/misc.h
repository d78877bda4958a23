/*
 * misc.h: names of the machine, and random numbers. core/misc.c, core/random.c
 */
#ifndef MISC_H
#define MISC_H

#include "lib.h"

/* What uname() says; programs compare the release with the kernel versions they need. */
#define UTS_SYSNAME  "Linux"
#define UTS_RELEASE  "6.1.0-objrmap"
#define UTS_VERSION  "#1 SMP"
#define UTS_MACHINE  "x86_64"
#define HOSTNAME_MAX 64

/* The name of the host, cut to HOSTNAME_MAX bytes and terminated: `buf` is one byte longer. */
void hostname_get(char *buf);

/* Numbers nobody can guess, as far as the seed goes: see random.c. May sleep. */
void random_bytes(void *buf, size_t n);

/* One word from the hardware, or where it has none to give, from the time: for the first moments. */
uint64_t random_word(void);

#endif
