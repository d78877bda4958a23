/*
 * futex.h: words of user memory that are changed indivisibly. proc/futex_word.c
 */
#ifndef PROC_FUTEX_H
#define PROC_FUTEX_H

#include "vm.h"

/*
 * Replace `expect` by `value`; *old is what was there. -EINVAL (alignment), -EFAULT, -ENOMEM. May
 * sleep.
 */
int user_cmpxchg(uintptr_t addr, uint32_t expect, uint32_t value, uint32_t *old);

#endif
