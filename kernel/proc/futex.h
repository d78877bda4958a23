/*
 * futex.h: waking those that wait for a word of user memory, and changing one indivisibly.
 */
#ifndef PROC_FUTEX_H
#define PROC_FUTEX_H

#include "vm.h"

/* As FUTEX_WAKE: up to `n`; how many, or an error. Of the running process. futex.c */
int futex_wake_addr(uintptr_t addr, int n);

/*
 * Replace `expect` by `value`; *old is what was there. -EINVAL (alignment), -EFAULT, -ENOMEM. May
 * sleep. futex_word.c
 */
int user_cmpxchg(uintptr_t addr, uint32_t expect, uint32_t value, uint32_t *old);

#endif
