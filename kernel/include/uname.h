/*
 * uname.h: names of the machine. core/hostname.c
 */
#ifndef UNAME_H
#define UNAME_H

#include "lib.h"

/* What uname() says; programs compare the release with the kernel versions they need. */
#define UTS_SYSNAME  "Linux"
#define UTS_RELEASE  "6.1.0-objrmap"
#define UTS_VERSION  "#1 SMP"
#define UTS_MACHINE  "x86_64"
#define HOSTNAME_MAX 64

/* The name of the host: up to HOSTNAME_MAX bytes and, in any case, zeros to the end of `buf`. */
void hostname_get(char buf[HOSTNAME_MAX + 1]);
void hostname_set(const char buf[HOSTNAME_MAX + 1]);

#endif
