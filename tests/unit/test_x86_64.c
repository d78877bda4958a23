/*
 * test_x86_64.c: the x86-64 port on a machine of this file's own: the format of entries, and that no
 * translation survives a flush.
 *
 * The machine's CPUs are structs with a root register, a TLB, an interrupt flag and a pending interrupt. The
 * port's privileged instructions work on them (they stand for ports/x86_64/insn.h). At each of these
 * instructions the MMU may also walk the page table that is loaded, of its own accord, and an interrupt may
 * come. In the first tests one thread plays all CPUs; in the last one every CPU is a thread, and any use of a
 * translation that a finished flush should have dropped, or of a table that is gone, ends the test.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>

#include <cmocka.h>

#if UINTPTR_MAX > 0xffffffff

#include <pthread.h>
#include <sched.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <string.h>

/* ---- the machine -------------------------------------------------------------------------- */

#define NR_CPUS     4
#define NR_MMS      8 /* more than a CPU has PCIDs for */
#define NR_PAGES    48
#define NR_PCIDS    8
#define KERNEL_ROOT 0xfff000ul
#define NO_ENTRY    0

struct cpu_model {
	uint64_t cr3;
	unsigned tlb[NR_PCIDS][NR_PAGES];
	bool irq_off;
	unsigned preempt, invlpg, cr3_writes, interrupts;
	uint64_t last_write; /* to CR3, as written */
	_Atomic bool pending;
};

/* A page table: the contents of its entries are numbers that only grow. All below `freed` are dead. */
struct table_model {
	_Atomic unsigned entry[NR_PAGES], freed[NR_PAGES];
	_Atomic bool alive;
};

static struct cpu_model models[NR_CPUS];
static struct table_model tables[NR_MMS];
static _Thread_local unsigned here;
static _Thread_local unsigned seed;
static bool threaded, with_pcid;

static void interrupt(void);

static void check_(bool ok, const char *what)
{
	if (ok)
		return;
	fprintf(stderr, "CPU %u: %s\n", here, what);
	abort();
}
#define check(cond) check_(cond, #cond)

static unsigned rnd(unsigned n)
{
	seed = seed * 1103515245 + 12345;
	return (seed >> 8) % n;
}

/* Of many things, some are more likely than others, so that what is done to them meets. */
static unsigned pick(unsigned n)
{
	return rnd(4) ? rnd(3) : rnd(n);
}

/* The table in the root register, or NULL: the kernel's. */
static struct table_model *root_table(const struct cpu_model *cpu)
{
	uint64_t root = cpu->cr3 & ~0xffful;

	return root == KERNEL_ROOT ? NULL : &tables[(root >> 12) - 1];
}

static unsigned *tlb_entry(struct cpu_model *cpu, unsigned page)
{
	return &cpu->tlb[with_pcid ? cpu->cr3 & 0xfff : 0][page];
}

/* The MMU: through the TLB, or by a walk that fills it. */
static unsigned translate(struct cpu_model *cpu, unsigned page)
{
	struct table_model *t = root_table(cpu);
	unsigned *cached = tlb_entry(cpu, page);

	check(t->alive);
	if (*cached == NO_ENTRY)
		*cached = atomic_load(&t->entry[page]);
	return *cached;
}

/* What may happen at any moment. */
static void moment(void)
{
	struct cpu_model *cpu = &models[here];

	if (!threaded)
		return;
	if (root_table(cpu))
		translate(cpu, pick(NR_PAGES));
	if (!cpu->irq_off && atomic_load(&cpu->pending) && rnd(2))
		interrupt();
	if (!rnd(8))
		sched_yield();
}

#define X86_INSN_H

static unsigned x86_cpu_number(void)
{
	return here;
}

static void x86_preempt_disable(void)
{
	models[here].preempt++;
}

static void x86_preempt_enable(void)
{
	models[here].preempt--;
	moment();
}

static unsigned long x86_irq_save(void)
{
	bool off = models[here].irq_off;

	models[here].irq_off = true;
	return !off;
}

static void x86_irq_restore(unsigned long on)
{
	models[here].irq_off = !on;
	moment();
}

static uint64_t x86_read_cr3(void)
{
	moment();
	return models[here].cr3;
}

static void x86_write_cr3(uint64_t v)
{
	struct cpu_model *cpu = &models[here];

	moment();
	cpu->cr3_writes++;
	cpu->last_write = v;
	cpu->cr3 = v & ~(1ull << 63);
	if (!with_pcid)
		check(cpu->cr3 == v && !(v & 0xfff));
	if (cpu->cr3 == v)
		memset(cpu->tlb[with_pcid ? v & 0xfff : 0], 0, sizeof(cpu->tlb[0]));
	moment();
}

static void x86_invlpg(uintptr_t addr)
{
	struct cpu_model *cpu = &models[here];

	moment();
	cpu->invlpg++;
	if (addr >> 12 < NR_PAGES)
		*tlb_entry(cpu, (unsigned)(addr >> 12)) = NO_ENTRY;
	moment();
}

static void x86_decrement(uint8_t *byte)
{
	__atomic_fetch_sub(byte, 1, __ATOMIC_RELEASE);
}

/* A CPU waits: where one thread plays them all, the others have their turn. */
static void x86_pause(void)
{
	unsigned self = here;

	if (threaded) {
		moment();
		sched_yield();
		return;
	}
	for (here = 0; here < NR_CPUS; here++)
		if (here != self && models[here].pending)
			interrupt();
	here = self;
}

#include "../../ports/x86_64/mmu.c"

#include "../../ports/template/check.c"

static struct x86_mmu mmu;
static struct x86_mm mms[NR_MMS];

static void interrupt(void)
{
	bool off = models[here].irq_off;

	models[here].pending = false;
	models[here].interrupts++;
	models[here].irq_off = true;
	x86_flush_interrupt(&mmu);
	models[here].irq_off = off;
}

static void send_flush(void *ctx, uint32_t set)
{
	assert_ptr_equal(ctx, models);
	for (unsigned i = 0; i < NR_CPUS; i++)
		if (set & 1u << i)
			atomic_store(&models[i].pending, true);
}

/* The core's: an mm is its own cookie here. */
void *om_mm_cookie(const struct om_mm *mm)
{
	return (void *)(uintptr_t)mm;
}

static void machine_init(bool pcid)
{
	const struct x86_mmu_config config = {.ctx = models,
	                                      .kernel_root = KERNEL_ROOT,
	                                      .pcid = pcid,
	                                      .send_flush = send_flush};

	memset(models, 0, sizeof(models));
	memset(&mmu, 0, sizeof(mmu));
	memset(mms, 0, sizeof(mms));
	memset(tables, 0, sizeof(tables));
	with_pcid = pcid;
	x86_mmu_init(&mmu, &config);
	for (unsigned i = 0; i < NR_CPUS; i++)
		models[i].cr3 = KERNEL_ROOT;
	for (unsigned i = 0; i < NR_MMS; i++) {
		x86_mm_init(&mmu, &mms[i]);
		tables[i].alive = true;
		for (unsigned page = 0; page < NR_PAGES; page++)
			tables[i].entry[page] = tables[i].freed[page] = 1;
	}
}

/* CPU `cpu` goes to an mm; -1: to a kernel thread. */
static void go(unsigned cpu, int mm)
{
	unsigned long flags;

	here = cpu;
	flags = x86_irq_save();
	x86_switch(&mmu, mm < 0 ? NULL : &mms[mm], (om_pfn_t)(mm + 1));
	x86_irq_restore(flags);
}

static void flush(unsigned cpu, unsigned mm, uintptr_t start, uintptr_t end)
{
	here = cpu;
	x86_flush(&mmu, (struct om_mm *)&mms[mm], start << 12, end << 12);
	assert_int_equal(models[cpu].preempt, 0);
}

static bool kept(unsigned cpu)
{
	return models[cpu].last_write >> 63;
}

/* ---- entries ------------------------------------------------------------------------------ */

static void test_rules(void **state)
{
	const char *broken = port_check_entries();

	(void)state;
	if (broken)
		fail_msg("%s", broken);
}

/* What the manual says about the bits. */
static void test_format(void **state)
{
	(void)state;
	assert_int_equal(om_pte_make(0x12345, OM_PROT_READ), 0x8000000012345205);
	assert_int_equal(om_pte_make(0x12345, RW), 0x8000000012345207);
	assert_int_equal(om_pte_make(0x12345, RX), 0x12345205);
	assert_int_equal(om_pte_make(0x12345, OM_PROT_NONE) & 1, 0);
	assert_int_equal(om_pte_mkyoung(0), 0x20);
	assert_int_equal(om_pte_mkdirty(0), 0x40);
	assert_int_equal(om_pte_mktable(0xfffff), 0xfffff207);
	assert_int_equal(om_pte_mkswap((1u << OM_SWAP_BITS) - 1) & 1, 0);
	assert_int_equal(om_pte_mkfile(~0ul >> 12) & 1, 0);
	assert_int_equal(om_arch_pfn(NULL, om_arch_frame(NULL, 0xfffff)), 0xfffff);
}

/* ---- one CPU ------------------------------------------------------------------------------ */

static void test_switch(void **state)
{
	(void)state;
	machine_init(false);
	go(0, 2);
	assert_int_equal(models[0].cr3, 3 << 12);
	go(0, 2);
	go(0, -1);
	go(0, 2);
	assert_int_equal(models[0].cr3_writes, 1);
	assert_int_equal(mms[2].loaded, 1);
	go(0, 1);
	assert_int_equal(models[0].cr3, 2 << 12);
	assert_int_equal(mms[2].loaded, 0);
}

static void test_flush_local(void **state)
{
	(void)state;
	machine_init(false);
	go(0, 0);
	flush(0, 0, 3, 4);
	assert_int_equal(models[0].invlpg, 1);
	flush(0, 0, 1, 33);
	assert_int_equal(models[0].invlpg, 33);
	assert_int_equal(models[0].cr3_writes, 1);
	flush(0, 0, 0, OM_VA_LIMIT >> 12);
	assert_int_equal(models[0].cr3_writes, 2);
	assert_int_equal(models[0].cr3, 1 << 12);
	flush(0, 1, 0, 48);
	assert_int_equal(models[0].invlpg, 33);
	assert_int_equal(models[0].cr3_writes, 2);
	assert_int_equal(mmu.shootdowns, 0);
	assert_int_equal(mmu.full_flushes, 1);
}

static void test_pcid(void **state)
{
	(void)state;
	machine_init(true);
	go(0, 0);
	assert_false(kept(0));
	flush(0, 0, 1, 2);
	go(0, 1);
	go(0, 0);
	assert_true(kept(0)); /* it has done that flush itself */
	go(0, 1);
	assert_true(kept(0));
	flush(0, 0, 1, 2);
	go(0, 0);
	assert_false(kept(0));
	for (int i = 1; i < NR_MMS; i++)
		go(0, i);
	go(0, 0);
	assert_false(kept(0)); /* its PCID is somebody else's now */
}

/* ---- several CPUs ------------------------------------------------------------------------- */

static void test_shootdown(void **state)
{
	(void)state;
	machine_init(false);
	go(0, 0);
	go(1, 0);
	go(2, 1);
	flush(0, 0, 5, 7);
	assert_int_equal(models[0].invlpg, 2);
	assert_int_equal(models[1].invlpg, 2);
	assert_int_equal(models[1].interrupts, 1);
	assert_int_equal(models[2].interrupts, 0);
	/* From a CPU that has something else loaded. */
	flush(3, 0, 0, 40);
	assert_int_equal(models[0].cr3_writes, 2);
	assert_int_equal(models[1].cr3_writes, 2);
	assert_int_equal(models[3].cr3_writes, 0);
	assert_int_equal(mmu.shootdowns, 2);
	assert_int_equal(mmu.ipis, 3);
}

/* An idle CPU is interrupted once, and lets go. */
static void test_lazy(void **state)
{
	(void)state;
	machine_init(true);
	go(1, 0);
	go(1, -1);
	go(0, 0);
	flush(0, 0, 5, 6);
	flush(0, 0, 5, 6);
	assert_int_equal(models[1].interrupts, 1);
	assert_int_equal(models[1].cr3, KERNEL_ROOT);
	assert_int_equal(mms[0].loaded, 1);
	go(1, 0);
	assert_false(kept(1));
}

static void test_retire(void **state)
{
	(void)state;
	machine_init(true);
	for (unsigned i = 0; i < 3; i++)
		go(i, 0);
	go(1, -1);
	go(2, 1);
	here = 0;
	x86_mm_retire(&mmu, &mms[0]);
	for (unsigned i = 0; i < 2; i++)
		assert_int_equal(models[i].cr3, KERNEL_ROOT);
	assert_int_equal(models[2].interrupts, 0);
	assert_int_equal(mms[0].loaded, 0);
	/* Another one at the same address is not taken for it. */
	memset(&mms[0], 0, sizeof(mms[0]));
	x86_mm_init(&mmu, &mms[0]);
	go(0, 0);
	assert_false(kept(0));
}

static void test_flush_kernel(void **state)
{
	(void)state;
	machine_init(false);
	here = 1;
	x86_flush_kernel(&mmu, 0x7, 0x2000, 0x5000);
	for (unsigned i = 0; i < NR_CPUS; i++)
		assert_int_equal(models[i].invlpg, i < 3 ? 3 : 0);
	assert_int_equal(models[1].interrupts, 0);
}

/* ---- CPUs as threads ---------------------------------------------------------------------- */

#define STEPS 60000
#define HALF  (NR_PAGES / 2)

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
	seen = translate(&models[here], page);
	check(seen >= atomic_load(&tables[mm].freed[page]));
}

/* Change entries, flush, and only then count the old pages as free. Interrupts need not be on. */
static void change(unsigned mm, unsigned first, unsigned n)
{
	unsigned long flags = rnd(4) ? 0 : x86_irq_save();

	for (unsigned page = first; page < first + n; page++)
		atomic_fetch_add(&tables[mm].entry[page], 1);
	x86_flush(&mmu, (struct om_mm *)&mms[mm], (uintptr_t)first << 12,
	          (uintptr_t)(rnd(16) ? first + n : first + 64) << 12);
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

static void *run_cpu(void *arg)
{
	int mm = -1;

	here = (unsigned)(uintptr_t)arg;
	seed = here * 7919 + with_pcid;
	for (unsigned i = 0; i < STEPS; i++) {
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
	atomic_fetch_sub(&running, 1);
	while (atomic_load(&running))
		x86_pause();
	check(models[here].preempt == 0 && !models[here].irq_off);
	return NULL;
}

static void run_threads(bool pcid)
{
	pthread_t thread[NR_CPUS];

	machine_init(pcid);
	memset(spaces, 0, sizeof(spaces));
	running = NR_CPUS;
	threaded = true;
	for (uintptr_t i = 0; i < NR_CPUS; i++)
		assert_int_equal(pthread_create(&thread[i], NULL, run_cpu, (void *)i), 0);
	for (unsigned i = 0; i < NR_CPUS; i++)
		pthread_join(thread[i], NULL);
	threaded = false;
	assert_true(mmu.shootdowns > 0 && mmu.full_flushes > 0);
	assert_int_equal(mmu.shootdown.waiting | mmu.shootdown.busy, 0);
}

static void test_threads(void **state)
{
	(void)state;
	run_threads(false);
}

static void test_threads_pcid(void **state)
{
	(void)state;
	run_threads(true);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(test_rules),        cmocka_unit_test(test_format),
	    cmocka_unit_test(test_switch),       cmocka_unit_test(test_flush_local),
	    cmocka_unit_test(test_pcid),         cmocka_unit_test(test_shootdown),
	    cmocka_unit_test(test_lazy),         cmocka_unit_test(test_retire),
	    cmocka_unit_test(test_flush_kernel), cmocka_unit_test(test_threads),
	    cmocka_unit_test(test_threads_pcid),
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
