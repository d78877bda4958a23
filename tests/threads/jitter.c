/*
 * jitter.c: hooks that lose the CPU now and then.
 *
 * On a host with few CPUs threads run in long slices, and windows of a few instructions are hardly
 * ever hit. So the hooks that the core calls at every lock (in debug builds) and at every flush
 * give up the CPU, or sleep, with a small probability; under spinning locks, too: the others spin.
 */
#include "threads.h"

#include <sched.h>
#include <time.h>

static _Atomic unsigned rate; /* once in so many calls; 0: never */

static uint32_t next_random(void)
{
	static _Thread_local uint32_t state;

	if (!state)
		state = (uint32_t)(uintptr_t)&state | 1;
	state ^= state << 13;
	state ^= state >> 17;
	state ^= state << 5;
	return state;
}

static void perhaps_pause(unsigned one_in)
{
	uint32_t n = one_in ? next_random() : 1;

	if (!one_in || n % one_in)
		return;
	if (n / one_in % 4)
		sched_yield();
	else
		nanosleep(&(struct timespec){.tv_nsec = 1000 + n % 50000}, NULL);
}

static struct om_held *held(void *ctx)
{
	perhaps_pause(atomic_load_explicit(&rate, memory_order_relaxed));
	return sim_port_ops.held(ctx);
}

static void flush(void *ctx, struct om_mm *mm, uintptr_t start, uintptr_t end, enum om_flush what)
{
	perhaps_pause(atomic_load_explicit(&rate, memory_order_relaxed) / 32);
	sim_port_ops.flush(ctx, mm, start, end, what);
}

const struct om_port_ops *jitter_ops(unsigned one_in)
{
	static struct om_port_ops ops;

	ops = sim_port_ops;
	ops.held = held;
	ops.flush = flush;
	atomic_store(&rate, one_in);
	return &ops;
}
