/*
 * spin.h: spinning locks. arch/spin.c
 *
 * Preemption is off while one is held. Never sleep, never call objrmap's sleeping functions with
 * it.
 */
#ifndef SPIN_H
#define SPIN_H

#include "lib.h"

struct spin {
	_Atomic unsigned locked;
};

void spin_lock(struct spin *s);
void spin_unlock(struct spin *s);
/* For what interrupt handlers take, too. Never call anything of objrmap while holding one. */
unsigned long spin_lock_irq(struct spin *s);
void spin_unlock_irq(struct spin *s, unsigned long flags);

#endif
