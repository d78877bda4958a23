/*
 * clock.c: time. The time-stamp counter tells it, the timer of each CPU's local APIC interrupts,
 * and the clock of the PC's CMOS tells the date once.
 *
 * How fast the first two run is measured at boot against the PIT, whose frequency is known. We may
 * be interrupted at any place there (by the host, if the machine is virtual), so a reading counts
 * only if little time has gone by from before it to after it.
 */
#include "arch.h"

#define PIT_HZ      1193182u
#define PIT_COMMAND 0x43
#define PIT_DATA    0x42 /* of channel 2, which makes no interrupts */
#define PIT_GATE    0x61 /* bit 0: channel 2 counts; bit 5: it has come to 0 */

/* For how long, in ticks of the PIT: 20 ms, or 1 ms at least. */
#define MEASURE_MOST  (PIT_HZ / 50)
#define MEASURE_LEAST (PIT_HZ / 1000)
#define READINGS      8

#define CMOS_INDEX 0x70
#define CMOS_DATA  0x71

static uint64_t tsc_start, ns_per_tick; /* << 32 */
static uint64_t apic_per_ns;            /* << 32; ticks of the APIC timer */
static uint64_t boot_time;

static uint64_t scale(uint64_t value, uint64_t factor)
{
	return (uint64_t)((unsigned __int128)value * factor >> 32);
}

uint64_t now_ns(void)
{
	return scale(read_tsc() - tsc_start, ns_per_tick);
}

uint64_t boot_time_ns(void)
{
	return boot_time;
}

/* ---------------------------------------------------------------- measuring ----------------- */

struct reading {
	uint64_t tsc;
	uint32_t apic, pit;
};

static uint32_t pit_read(void)
{
	uint32_t low;

	outb(PIT_COMMAND, 0x80); /* latch channel 2 */
	low = inb(PIT_DATA);
	return low | (uint32_t)inb(PIT_DATA) << 8;
}

/* Channel 2 counts down from 65535, and on from there again; pit_is_over() tells. */
static void pit_start(void)
{
	outb(PIT_GATE, (uint8_t)((inb(PIT_GATE) & ~2) | 1));
	outb(PIT_COMMAND, 0xb0);
	outb(PIT_DATA, 0xff);
	outb(PIT_DATA, 0xff);
}

static bool pit_is_over(void)
{
	return inb(PIT_GATE) & 0x20;
}

/* All three clocks at one time: the best of several attempts. */
static struct reading read_clocks(void)
{
	struct reading best = {0}, r;
	uint64_t shortest = UINT64_MAX;

	for (unsigned i = 0; i < READINGS; i++) {
		uint64_t before = read_tsc(), took;

		r.pit = pit_read();
		r.apic = apic_timer_left();
		r.tsc = read_tsc();
		took = r.tsc - before;
		r.tsc -= took / 2;
		if (took < shortest) {
			shortest = took;
			best = r;
		}
	}
	return best;
}

/*
 * Read the clocks twice, with `ticks` of the PIT between. False: it has come round, because we
 * stood still for 55 ms or longer, and what was read says nothing.
 */
static bool measure(uint32_t ticks, struct reading *a, struct reading *b)
{
	apic_timer_set(UINT32_MAX);
	pit_start();
	*a = read_clocks();
	while (a->pit - pit_read() < ticks && !pit_is_over())
		cpu_relax();
	*b = read_clocks();
	apic_timer_set(0);
	return !pit_is_over();
}

static void measure_clocks(void)
{
	uint32_t ticks = MEASURE_MOST;
	struct reading a, b;
	uint64_t ns;

	/* If the host stops us again and again, a shorter time may fit in between. */
	while (!measure(ticks, &a, &b))
		ticks = MAX(ticks / 2, MEASURE_LEAST);
	ns = (uint64_t)(a.pit - b.pit) * NSEC_PER_SEC / PIT_HZ;
	ns_per_tick = (ns << 32) / (b.tsc - a.tsc);
	apic_per_ns = ((uint64_t)(a.apic - b.apic) << 32) / ns;
	tsc_start = b.tsc;
}

void delay_us(unsigned us)
{
	uint64_t until = now_ns() + us * 1000ull;

	while (now_ns() < until)
		cpu_relax();
}

/* ---------------------------------------------------------------- the date ------------------ */

static unsigned cmos(unsigned reg)
{
	outb(CMOS_INDEX, (uint8_t)reg);
	return inb(CMOS_DATA);
}

struct date {
	unsigned second, minute, hour, day, month, year;
};

static unsigned from_bcd(unsigned v)
{
	return (v & 15) + (v >> 4) * 10;
}

static struct date cmos_date(void)
{
	while (cmos(10) & 0x80) /* being updated */
		cpu_relax();
	return (struct date){cmos(0), cmos(2), cmos(4), cmos(7), cmos(8), cmos(9)};
}

/* 24 hours; the date twice the same, so that it was not read across an update. */
static struct date read_date(void)
{
	struct date d = cmos_date(), again = cmos_date();

	while (memcmp(&d, &again, sizeof(d))) {
		d = again;
		again = cmos_date();
	}
	if (!(cmos(11) & 4))
		d = (struct date){from_bcd(d.second), from_bcd(d.minute), from_bcd(d.hour),
		                  from_bcd(d.day),    from_bcd(d.month),  from_bcd(d.year)};
	d.year += 2000;
	return d;
}

/* Days from 1970: years are counted from March, so that the leap day is the last. */
static uint64_t seconds_since_1970(const struct date *d)
{
	unsigned year = d->year - (d->month <= 2);
	unsigned month = (d->month + 9) % 12;
	uint64_t days =
	    year * 365ull + year / 4 - year / 100 + year / 400 + (month * 153 + 2) / 5 + d->day - 1;

	return (days - 719468) * 86400 + d->hour * 3600 + d->minute * 60 + d->second;
}

void clock_init(void)
{
	struct date d;

	measure_clocks();
	d = read_date();
	boot_time = seconds_since_1970(&d) * NSEC_PER_SEC - now_ns();
	for (unsigned i = 0; i < MAX_CPUS; i++)
		cpus[i].armed = UINT64_MAX;
}

/* ---------------------------------------------------------------- the timer ----------------- */

void clock_arm(uint64_t deadline)
{
	unsigned long flags = irq_save();
	uint64_t *mine = &this_cpu()->armed;

	if (deadline < *mine) {
		uint64_t now = now_ns();
		uint64_t ticks =
		    deadline > now ? scale(MIN(deadline - now, NSEC_PER_SEC), apic_per_ns) : 0;

		*mine = deadline;
		apic_timer_set((uint32_t)ticks + 1);
	}
	irq_restore(flags);
}

/* A deadline more than a second away makes it come early; it is armed again for what remains. */
void clock_interrupt(bool user)
{
	uint64_t next;

	this_cpu()->armed = UINT64_MAX;
	next = clock_tick(now_ns(), user);
	if (next != UINT64_MAX)
		clock_arm(next);
}
