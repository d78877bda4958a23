/*
 * test_x86_64_threads.c: no translation survives a flush of the x86-64 port, and no CPU waits for
 * ever. Every CPU is a thread; any use of a translation that a finished flush should have dropped,
 * or of a table that is gone, ends the test.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>

#include <cmocka.h>

#if UINTPTR_MAX > 0xffffffff

#include "x86_machine.h"

/* ---- what a kernel does ------------------------------------------------------------------- */

#define HALF (NR_PAGES / 2)

/* What a kernel has of an mm. Entries are changed under a lock for each half, as those of two page tables. */
static struct {
	_Atomic bool locked; /* guards the two counts, and whether the table is alive */
	unsigned users;      /* CPUs that run programs on it */
	unsigned changers;   /* CPUs at work on its entries */
	_Atomic bool half_locked[2];
} spaces[NR_MMS];

static void lock(_Atomic bool *locked)
{
	while (atomic_exchange(locked, true))
		x86_pause();
}

static void unlock(_Atomic bool *locked)
{
	atomic_store(locked, false);
}

/* Begin to run or to change this mm; false: it is gone. */
static bool begin(unsigned mm, unsigned *count)
{
	bool alive;

	lock(&spaces[mm].locked);
	alive = tables[mm].alive;
	*count += alive;
	unlock(&spaces[mm].locked);
	return alive;
}

static void end(unsigned mm, unsigned *count)
{
	lock(&spaces[mm].locked);
	--*count;
	unlock(&spaces[mm].locked);
}

static void leave(int *mm)
{
	if (*mm >= 0)
		end((unsigned)*mm, &spaces[*mm].users);
	*mm = -1;
}

/* To another mm, or to a kernel thread. */
static void step_switch(int *mm)
{
	unsigned to = pick(NR_MMS);

	if (rnd(4) == 0) {
		leave(mm);
		go(here, -1);
	} else if (begin(to, &spaces[to].users)) {
		go(here, (int)to);
		leave(mm);
		*mm = (int)to;
	}
}

/* The program uses a page. No interrupt can come between the translation and the use. */
static void step_use(int mm)
{
	unsigned page = pick(NR_PAGES), seen;

	if (mm < 0)
		return;
	check(root_table(&models[here]) == &tables[mm]);
	tlb_lock(&models[here]);
	seen = translate(&models[here], page);
	check(seen >= atomic_load(&tables[mm].freed[page]));
	tlb_unlock(&models[here]);
}

/* Change entries, flush, and only then count the old pages as free. Interrupts need not be on. */
static void change(unsigned mm, unsigned first, unsigned n)
{
	unsigned long flags = rnd(4) ? 0 : x86_irq_save();

	for (unsigned page = first; page < first + n; page++)
		atomic_fetch_add(&tables[mm].entry[page], 1);
	x86_flush(&mmu, (struct om_mm *)&mms[mm], (uintptr_t)first << 12,
	          (uintptr_t)(rnd(16) ? first + n : first + 64) << 12, OM_FLUSH_PAGES);
	for (unsigned page = first; page < first + n; page++)
		atomic_fetch_add(&tables[mm].freed[page], 1);
	if (flags)
		x86_irq_restore(flags);
}

/* What the core does in faults, system calls, and reclaim. */
static void step_change(void)
{
	unsigned mm = pick(NR_MMS), half = rnd(2), first = pick(HALF);
	unsigned n = 1 + (rnd(4) ? 0 : rnd(HALF - first));

	if (!begin(mm, &spaces[mm].changers))
		return;
	lock(&spaces[mm].half_locked[half]);
	change(mm, half * HALF + first, n);
	unlock(&spaces[mm].half_locked[half]);
	end(mm, &spaces[mm].changers);
}

static void revive(unsigned mm)
{
	for (unsigned page = 0; page < NR_PAGES; page++)
		tables[mm].freed[page] = ++tables[mm].entry[page];
	memset(&mms[mm], 0, sizeof(mms[mm]));
	x86_mm_init(&mmu, &mms[mm]);
	tables[mm].alive = true;
}

/* The end of an mm on which nobody runs, though its pages may be being reclaimed; or another in its place. */
static void step_end(void)
{
	unsigned mm = pick(NR_MMS);

	lock(&spaces[mm].locked);
	if (!tables[mm].alive) {
		revive(mm);
	} else if (!spaces[mm].users) {
		x86_mm_retire(&mmu, &mms[mm]);
		tables[mm].alive = spaces[mm].changers > 0;
	}
	unlock(&spaces[mm].locked);
}

static _Atomic unsigned running;
static unsigned steps;

/* A CPU that has come to its end answers those that have not. */
static void wait_for_others(void)
{
	atomic_fetch_sub(&running, 1);
	while (atomic_load(&running))
		x86_pause();
}

static void *run_cpu(void *arg)
{
	int mm = -1;

	here = (unsigned)(uintptr_t)arg;
	seed = here * 7919 + with_pcid;
	for (unsigned i = 0; i < steps; i++) {
		unsigned what = rnd(16);

		if (what < 3)
			step_switch(&mm);
		else if (what < 6)
			step_change();
		else if (what == 6)
			step_end();
		else
			step_use(mm);
		moment();
	}
	leave(&mm);
	go(here, -1);
	wait_for_others();
	check(models[here].preempt == 0 && !models[here].irq_off);
	return NULL;
}

/* All interrupts are off all the time, and each flushes what the others have loaded. */
static void *flush_each_other(void *arg)
{
	here = (unsigned)(uintptr_t)arg;
	seed = here;
	models[here].irq_off = true;
	go(here, (int)(here % 2));
	for (unsigned i = 0; i < steps; i++)
		x86_flush(&mmu, (struct om_mm *)&mms[i % 2], 0, 0x1000, OM_FLUSH_PAGES);
	atomic_fetch_sub(&running, 1);
	while (atomic_load(&running)) {
		x86_flush_interrupt(&mmu);
		x86_pause();
	}
	return NULL;
}

static void run_threads(void *(*cpu)(void *))
{
	static pthread_t thread[MAX_CPUS];

	memset(spaces, 0, sizeof(spaces));
	running = nr_models;
	threaded = true;
	for (uintptr_t i = 0; i < nr_models; i++)
		assert_int_equal(pthread_create(&thread[i], NULL, cpu, (void *)i), 0);
	for (unsigned i = 0; i < nr_models; i++)
		pthread_join(thread[i], NULL);
	threaded = false;
	for (unsigned i = 0; i < nr_models; i++) {
		assert_int_equal(mmu.cpu[i].request.waiting, 0);
		for (unsigned word = 0; word < X86_CPU_WORDS; word++)
			assert_int_equal(mmu.cpu[i].asked_by[word], 0);
	}
	assert_true(x86_mmu_figures(&mmu).shootdowns > 0);
}

static void test_threads(void **state)
{
	(void)state;
	machine_with(FEW, false, false);
	steps = 60000;
	run_threads(run_cpu);
	assert_true(x86_mmu_figures(&mmu).full_flushes > 0);
}

static void test_threads_pcid(void **state)
{
	(void)state;
	machine_with(FEW, true, false);
	steps = 60000;
	run_threads(run_cpu);
	assert_true(x86_mmu_figures(&mmu).full_flushes > 0);
}

static void test_threads_everywhere(void **state)
{
	(void)state;
	machine_with(FEW, true, true);
	steps = 30000;
	run_threads(run_cpu);
}

/* Sets of more than one word. */
static void test_threads_many(void **state)
{
	(void)state;
	machine_with(72, true, false);
	steps = 500;
	run_threads(run_cpu);
}

static void test_mutual(void **state)
{
	(void)state;
	machine_with(6, true, false);
	steps = 3000;
	run_threads(flush_each_other);
	for (unsigned i = 0; i < 6; i++)
		assert_int_equal(models[i].interrupts, 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(test_threads),
	    cmocka_unit_test(test_threads_pcid),
	    cmocka_unit_test(test_threads_everywhere),
	    cmocka_unit_test(test_threads_many),
	    cmocka_unit_test(test_mutual),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

#else

int main(void)
{
	puts("skipped: the port is for 64-bit machines");
	return 77;
}

#endif
