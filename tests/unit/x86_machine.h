/*
 * x86_machine.h: a machine for the tests of the x86-64 port, ports/x86_64/mmu.c, which it includes.
 *
 * Its CPUs are structs with a root register, a TLB, an interrupt flag and a pending interrupt. The
 * port's privileged instructions work on them (they stand for ports/x86_64/insn.h). Where CPUs are
 * threads (`threaded`), at each of these instructions the MMU may also walk the page table that is
 * loaded, of its own accord, and an interrupt may come. Else one thread plays all CPUs.
 */
#ifndef X86_MACHINE_H
#define X86_MACHINE_H

#include <pthread.h>
#include <sched.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <string.h>

#define MAX_CPUS    256
#define FEW         4 /* CPUs of most tests */
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
	_Atomic bool tlb_locked; /* guards the TLB, which other CPUs reach by drop_everywhere() */
};

/* A page table: the contents of its entries are numbers that only grow. All below `freed` are dead. */
struct table_model {
	_Atomic unsigned entry[NR_PAGES], freed[NR_PAGES];
	_Atomic bool alive;
};

static struct cpu_model models[MAX_CPUS];
static unsigned nr_models;
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

static void tlb_lock(struct cpu_model *cpu)
{
	while (atomic_exchange(&cpu->tlb_locked, true))
		sched_yield();
}

static void tlb_unlock(struct cpu_model *cpu)
{
	atomic_store(&cpu->tlb_locked, false);
}

/* The MMU: through the TLB, or by a walk that fills it. The TLB is locked. */
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
	if (root_table(cpu)) {
		tlb_lock(cpu);
		translate(cpu, pick(NR_PAGES));
		tlb_unlock(cpu);
	}
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
	tlb_lock(cpu);
	if (cpu->cr3 == v)
		memset(cpu->tlb[with_pcid ? v & 0xfff : 0], 0, sizeof(cpu->tlb[0]));
	tlb_unlock(cpu);
	moment();
}

static void x86_invlpg(uintptr_t addr)
{
	struct cpu_model *cpu = &models[here];

	moment();
	cpu->invlpg++;
	tlb_lock(cpu);
	if (addr >> 12 < NR_PAGES)
		*tlb_entry(cpu, (unsigned)(addr >> 12)) = NO_ENTRY;
	tlb_unlock(cpu);
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
	for (here = 0; here < nr_models; here++)
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

static void send_flush(void *ctx, const struct x86_cpus *set)
{
	assert_ptr_equal(ctx, models);
	for (unsigned i = 0; i < MAX_CPUS; i++)
		if (set->word[i / 64] >> i % 64 & 1) {
			check(i < nr_models && i != here);
			atomic_store(&models[i].pending, true);
		}
}

/* INVLPGB: no CPU has to do anything, whatever it does now. */
static void drop_everywhere(void *ctx, uintptr_t start, uintptr_t end)
{
	assert_ptr_equal(ctx, models);
	for (struct cpu_model *cpu = models; cpu < models + nr_models; cpu++) {
		tlb_lock(cpu);
		for (unsigned page = 0; page < NR_PAGES; page++)
			for (unsigned i = 0; i < NR_PCIDS; i++)
				if (start <= (uintptr_t)page << 12 && (uintptr_t)page << 12 < end)
					cpu->tlb[i][page] = NO_ENTRY;
		tlb_unlock(cpu);
	}
}

/* The core's: an mm is its own cookie here. */
void *om_mm_cookie(const struct om_mm *mm)
{
	return (void *)(uintptr_t)mm;
}

static void machine_with(unsigned cpus, bool pcid, bool everywhere)
{
	const struct x86_mmu_config config = {.ctx = models,
	                                      .kernel_root = KERNEL_ROOT,
	                                      .pcid = pcid,
	                                      .send_flush = send_flush,
	                                      .drop_everywhere =
	                                          everywhere ? drop_everywhere : NULL};

	nr_models = cpus;
	memset(models, 0, sizeof(models));
	memset(&mmu, 0, sizeof(mmu));
	memset(mms, 0, sizeof(mms));
	memset(tables, 0, sizeof(tables));
	with_pcid = pcid;
	x86_mmu_init(&mmu, &config);
	for (unsigned i = 0; i < MAX_CPUS; i++)
		models[i].cr3 = KERNEL_ROOT;
	here = 0;
	for (unsigned i = 0; i < NR_MMS; i++) {
		x86_mm_init(&mmu, &mms[i]);
		tables[i].alive = true;
		for (unsigned page = 0; page < NR_PAGES; page++)
			tables[i].entry[page] = tables[i].freed[page] = 1;
	}
}

static inline void machine_init(bool pcid)
{
	machine_with(FEW, pcid, false);
}

/* CPU `cpu` goes to an mm; -1: to a kernel thread. */
static inline void go(unsigned cpu, int mm)
{
	unsigned long flags;

	here = cpu;
	flags = x86_irq_save();
	x86_switch(&mmu, mm < 0 ? NULL : &mms[mm], (om_pfn_t)(mm + 1));
	x86_irq_restore(flags);
}

static inline void flush(unsigned cpu, unsigned mm, uintptr_t start, uintptr_t end)
{
	here = cpu;
	x86_flush(&mmu, (struct om_mm *)&mms[mm], start << 12, end << 12, OM_FLUSH_PAGES);
	assert_int_equal(models[cpu].preempt, 0);
}

static inline void flush_tables(unsigned cpu, unsigned mm, uintptr_t start, uintptr_t end)
{
	here = cpu;
	x86_flush(&mmu, (struct om_mm *)&mms[mm], start << 12, end << 12, OM_FLUSH_TABLES);
}

static inline bool kept(unsigned cpu)
{
	return models[cpu].last_write >> 63;
}

#endif
