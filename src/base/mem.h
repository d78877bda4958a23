/*
 * mem.h: the four functions a freestanding compiler expects to exist anyway. They are all the
 * library wants from outside; the embedder's libc or kernel has them.
 */
#ifndef OM_MEM_H
#define OM_MEM_H

#include <stddef.h>

void *memcpy(void *restrict to, const void *restrict from, size_t n);
void *memmove(void *to, const void *from, size_t n);
void *memset(void *to, int byte, size_t n);
int memcmp(const void *a, const void *b, size_t n);

#endif
