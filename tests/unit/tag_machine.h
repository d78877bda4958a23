/*
 * tag_machine.h: what the tests of ports with address-space tags share: page tables that are
 * numbers, which a flush has to follow, and anything in any order. Each test has TLBs of its own,
 * which keep all that they may, and says what its port does.
 */
#ifndef TAG_MACHINE_H
#define TAG_MACHINE_H

#include <objrmap/objrmap.h>

#define FEW      4  /* CPUs */
#define NR_MMS   12 /* more than there are tags */
#define NR_PAGES 40 /* more than are flushed one by one */
#define TAG_BITS 3
#define NOTHING  0 /* in a TLB */

static unsigned entries[NR_MMS][NR_PAGES]; /* page tables: numbers that only grow */
static unsigned here;                      /* the CPU that runs */

/* CPU `cpu` goes to an mm; -1: to none. */
static void go(unsigned cpu, int mm);
/* Entries of pages [start, end) have changed, or `all`: any may have. */
static void flush_entries(unsigned cpu, unsigned mm, unsigned start, unsigned end, bool all);
/* What a program on this CPU finds; the TLB keeps it. */
static unsigned look(unsigned cpu, unsigned page);
/* The mm that is loaded there; -1: none. */
static int mm_on(unsigned cpu);

/* The core's: an mm is its own cookie here. */
void *om_mm_cookie(const struct om_mm *mm)
{
	return (void *)(uintptr_t)mm;
}

static void fill_entries(void)
{
	for (unsigned i = 0; i < NR_MMS; i++)
		for (unsigned page = 0; page < NR_PAGES; page++)
			entries[i][page] = 1;
}

static unsigned dice(unsigned n)
{
	return (unsigned)rand() % n;
}

static void change_entries(unsigned cpu, unsigned mm, unsigned page)
{
	unsigned end = page;

	do
		entries[mm][end++]++;
	while (end < NR_PAGES && dice(8));
	flush_entries(cpu, mm, page, end, !dice(8));
}

/* Anything in any order: no CPU finds an entry that was flushed, or another address space's. */
static void play_anything(unsigned seed)
{
	srand(seed);
	for (unsigned step = 0; step < 20000; step++) {
		unsigned cpu = dice(FEW), page = dice(NR_PAGES), mm = dice(dice(4) ? 3 : NR_MMS);

		switch (dice(4)) {
		case 0:
			go(cpu, dice(8) ? (int)mm : -1);
			break;
		case 1:
			change_entries(cpu, mm, page);
			break;
		default:
			if (mm_on(cpu) >= 0)
				assert_int_equal(look(cpu, page), entries[mm_on(cpu)][page]);
		}
	}
}

#endif
