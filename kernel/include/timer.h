/*
 * timer.h: one-shot timers; the handler runs in interrupt context. core/timer.c
 */
#ifndef TIMER_H
#define TIMER_H

#include "lib.h"

struct timer {
	struct list node;
	uint64_t deadline; /* ns, by now_ns() */
	void (*fn)(struct timer *);
	bool armed;
	bool used;            /* it has been started once */
	_Atomic unsigned cpu; /* on whose list it is, or was last */
};

void timer_start(struct timer *t, uint64_t deadline); /* may be armed already: moves it */
bool timer_stop(struct timer *t); /* true if it was armed; when it returns fn is not running */
void timers_init(void);           /* at boot, before any is started */

#endif
