/*
 * pressure.c: how long threads wait for memory.
 *
 * Time is cut where the state changes: a thread begins to wait or ends to, or a CPU switches while
 * some thread waits. Each piece is added to what the state was. Threads that wait are counted; who
 * runs is noted for each CPU at every switch, so "full" costs nobody anything while memory is
 * plenty. A kernel thread is no program: that one reclaims while all others wait is "full".
 *
 * Averages are those of Linux: every two seconds the share of the last two is mixed into each,
 * weighted so that what is 10, 60 or 300 seconds old counts 1/e. Nothing has to tick for it: a
 * piece of time is cut at these moments as well, whenever somebody next comes by.
 */
#include "pressure.h"

#define PERIOD      (2 * NSEC_PER_SEC)
#define NR_AVERAGES 3
#define MAX_PERIODS 4096u /* in one state: then the averages are what they would be for ever */
#define AVERAGE_ONE (10000ull << 16) /* all the time */

/* exp(-2/10), exp(-2/60), exp(-2/300), in 1/65536 */
static const uint64_t decay[NR_AVERAGES] = {53656, 63387, 65101};

static struct spin lock; /* taken with interrupts off; below the scheduler's */
static uint64_t since;   /* the state is as it is */
static uint64_t period_end = PERIOD;
static bool state[NR_PRESSURES];
static struct {
	uint64_t total, in_period; /* ns */
	uint64_t average[NR_AVERAGES];
} sums[NR_PRESSURES];

static _Atomic unsigned nr_waiting;

/* ---------------------------------------------------------------- time ---------------------- */

/* The state was this until `now`. Lock held. */
static void add_time(uint64_t now)
{
	for (unsigned p = 0; p < NR_PRESSURES; p++)
		if (state[p]) {
			sums[p].total += now - since;
			sums[p].in_period += now - since;
		}
	since = now;
}

static void end_period(void)
{
	for (unsigned p = 0; p < NR_PRESSURES; p++) {
		uint64_t share = sums[p].in_period * 10000 / PERIOD << 16;

		for (unsigned a = 0; a < NR_AVERAGES; a++)
			sums[p].average[a] =
			    (sums[p].average[a] * decay[a] + share * (65536 - decay[a])) >> 16;
		sums[p].in_period = 0;
	}
	period_end += PERIOD;
}

/* Nobody came by for hours. */
static void skip_periods(uint64_t now)
{
	uint64_t n = now < period_end ? 0 : (now - period_end) / PERIOD;

	if (n <= MAX_PERIODS)
		return;
	add_time(period_end + n * PERIOD);
	period_end = since + PERIOD;
	for (unsigned p = 0; p < NR_PRESSURES; p++) {
		sums[p].in_period = 0;
		for (unsigned a = 0; a < NR_AVERAGES; a++)
			sums[p].average[a] = state[p] ? AVERAGE_ONE : 0;
	}
}

/* Up to now it was as it was. Lock held. */
static void account(uint64_t now)
{
	if (now < since)
		return; /* another CPU was here, a moment later */
	skip_periods(now);
	while (period_end <= now) {
		add_time(period_end);
		end_period();
	}
	add_time(now);
}

/* ---------------------------------------------------------------- state --------------------- */

static bool somebody_gets_on(void)
{
	for (unsigned i = 0; i < nr_cpus; i++)
		if (atomic_load_explicit(&cpus[i].gets_on, memory_order_relaxed))
			return true;
	return false;
}

static void state_changed(void)
{
	unsigned long flags = spin_lock_irq(&lock);

	account(now_ns());
	state[PRESSURE_SOME] = atomic_load(&nr_waiting);
	state[PRESSURE_FULL] = state[PRESSURE_SOME] && !somebody_gets_on();
	spin_unlock_irq(&lock, flags);
}

/* Interrupts are off. */
static void note(struct cpu *cpu, const struct thread *t)
{
	atomic_store_explicit(&cpu->gets_on, t->proc && !t->waits_for_memory, memory_order_relaxed);
}

void pressure_switch(struct cpu *cpu, const struct thread *next)
{
	note(cpu, next);
	if (unlikely(atomic_load_explicit(&nr_waiting, memory_order_relaxed)))
		state_changed();
}

void pressure_begin(void)
{
	struct thread *t = current;
	unsigned long flags;

	if (!t->proc || t->waits_for_memory++)
		return;
	flags = irq_save();
	atomic_fetch_add(&nr_waiting, 1);
	note(this_cpu(), t);
	state_changed();
	irq_restore(flags);
}

void pressure_end(void)
{
	struct thread *t = current;
	unsigned long flags;

	if (!t->proc || --t->waits_for_memory)
		return;
	flags = irq_save();
	atomic_fetch_sub(&nr_waiting, 1);
	note(this_cpu(), t);
	state_changed();
	irq_restore(flags);
}

void pressure_read(struct pressure pressure[NR_PRESSURES])
{
	unsigned long flags = spin_lock_irq(&lock);

	account(now_ns());
	for (unsigned p = 0; p < NR_PRESSURES; p++)
		pressure[p] = (struct pressure){
		    .avg10 = (unsigned)(sums[p].average[0] >> 16),
		    .avg60 = (unsigned)(sums[p].average[1] >> 16),
		    .avg300 = (unsigned)(sums[p].average[2] >> 16),
		    .total_us = sums[p].total / 1000,
		};
	spin_unlock_irq(&lock, flags);
}
