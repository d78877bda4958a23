/*
 * mmu.c: the root register, and flushes. x86_64.h tells what happens; here is why no translation
 * survives.
 *
 * A flush changes entries first (the core does), then raises the generation, then reads the set of
 * CPUs. A CPU that loads an address space enters the set first, then reads the generation, then
 * lets its MMU walk the tables. All of these are sequentially consistent. So of a flush and a
 * switch that meet, either
 *   - the flush sees the CPU in the set, and waits for it; or
 *   - the CPU sees the new generation, and hence the new entries: it has no older translation, or
 *     drops what it has kept by PCID.
 * On the way out a CPU leaves the set after it has loaded the other root. A flush that no longer
 * sees it finds a CPU whose MMU does not walk these tables. What that CPU has kept by PCID carries
 * the generation of the last flush it has done, not the latest there is, so it is dropped later.
 *
 * `generation` of a CPU counts flushes done here without a gap. A flush that comes out of order
 * (two CPUs flush at a time, and the second is faster) drops everything, which does all earlier
 * ones, too: the generation was read before.
 *
 * While a flush waits for answers it holds `busy`. Whoever waits for `busy` answers meanwhile: two
 * CPUs that flush each other do not wait for ever, even with interrupts off.
 */
#include <stdatomic.h>

#include "om_arch.h"

#define NO_FLUSH        (1ull << 63) /* in CR3, with CR4.PCIDE: keep what is tagged so */
#define FIRST_PCID      1            /* 0 is the kernel's */
#define PAGE            (1ul << OM_PAGE_SHIFT)
#define FLUSH_BYTES     (32 * PAGE) /* of a larger range everything is dropped, not page by page */
#define CPU_BIT(number) ((uint32_t)1 << (number))

void x86_mmu_init(struct x86_mmu *mmu, const struct x86_mmu_config *config)
{
	mmu->config = *config;
}

void x86_mm_init(struct x86_mmu *mmu, struct x86_mm *mm)
{
	mm->id = atomic_fetch_add(&mmu->next_id, 1) + 1;
}

/* ---------------------------------------------------------------- switching ----------------- */

/* The slot whose PCID `mm` has on this CPU; X86_PCIDS: none. */
static unsigned find_slot(const struct x86_mmu_cpu *cpu, const struct x86_mm *mm)
{
	for (unsigned i = 0; i < X86_PCIDS; i++)
		if (cpu->pcid[i].id == mm->id)
			return i;
	return X86_PCIDS;
}

/* Choose a PCID for `mm`, which this CPU is about to load. Returns what that adds to CR3. */
static uint64_t choose_pcid(struct x86_mmu_cpu *cpu, const struct x86_mm *mm)
{
	unsigned slot = find_slot(cpu, mm);
	bool keep = slot < X86_PCIDS && cpu->pcid[slot].generation == cpu->generation;

	if (slot == X86_PCIDS) {
		slot = cpu->next_slot;
		cpu->next_slot = (slot + 1) % X86_PCIDS;
		cpu->pcid[slot].id = mm->id;
	}
	cpu->slot = slot;
	return (slot + FIRST_PCID) | (keep ? NO_FLUSH : 0);
}

/* Replace what this CPU has loaded by `mm`; NULL: by the kernel's root. Interrupts are off. */
static void load(struct x86_mmu *mmu, struct x86_mm *mm, uint64_t root)
{
	unsigned me = x86_cpu_number();
	struct x86_mmu_cpu *cpu = &mmu->cpu[me];
	struct x86_mm *old = cpu->loaded;

	if (old)
		cpu->pcid[cpu->slot].generation = cpu->generation;
	if (mm) {
		atomic_fetch_or(&mm->loaded, CPU_BIT(me));
		cpu->generation = atomic_load(&mm->generation);
	}
	if (mmu->config.pcid)
		root |= mm ? choose_pcid(cpu, mm) : NO_FLUSH;
	x86_write_cr3(root);
	cpu->loaded = mm;
	cpu->lazy = false;
	if (old)
		atomic_fetch_and(&old->loaded, ~CPU_BIT(me));
}

static void load_kernel(struct x86_mmu *mmu)
{
	load(mmu, NULL, mmu->config.kernel_root);
}

void x86_switch(struct x86_mmu *mmu, struct x86_mm *mm, om_pfn_t root)
{
	struct x86_mmu_cpu *cpu = &mmu->cpu[x86_cpu_number()];

	if (!mm)
		cpu->lazy = true;
	else if (mm == cpu->loaded)
		cpu->lazy = false;
	else
		load(mmu, mm, (uint64_t)root << OM_PAGE_SHIFT);
}

/* ---------------------------------------------------------------- this CPU ------------------ */

/*
 * Interrupts go off because the handler may drop what is loaded: CR3 must not be written back
 * after that.
 */
static void drop_all(struct x86_mmu *mmu, struct x86_mmu_cpu *cpu, struct x86_mm *mm)
{
	unsigned long flags = x86_irq_save();

	if (cpu->loaded == mm) {
		cpu->generation = atomic_load(&mm->generation);
		x86_write_cr3(x86_read_cr3());
	}
	x86_irq_restore(flags);
	atomic_fetch_add_explicit(&mmu->full_flushes, 1, memory_order_relaxed);
}

static inline void drop_pages(uintptr_t start, uintptr_t end)
{
	for (uintptr_t addr = start; addr < end; addr += PAGE)
		x86_invlpg(addr);
}

/*
 * A flush of `mm`, which this CPU has loaded. invlpg drops all cached upper-level entries as well,
 * whatever their address, so freed page tables are covered.
 */
static inline void drop(struct x86_mmu *mmu, struct x86_mmu_cpu *cpu, struct x86_mm *mm,
                        struct x86_range r)
{
	if (cpu->generation >= r.generation)
		return;
	if (cpu->generation + 1 != r.generation || r.end - r.start > FLUSH_BYTES) {
		drop_all(mmu, cpu, mm);
		return;
	}
	drop_pages(r.start, r.end);
	/* If the handler has dropped the mm meanwhile, this is not looked at any more. */
	cpu->generation = r.generation;
}

/* ---------------------------------------------------------------- other CPUs ---------------- */

/* A request has this CPU's bit set. Interrupts are off. */
static void answer(struct x86_mmu *mmu, struct x86_mmu_cpu *cpu)
{
	const struct x86_shootdown *s = &mmu->shootdown;

	if (!s->mm)
		drop_pages(s->range.start, s->range.end);
	else if (cpu->loaded != s->mm)
		return; /* it has left since; what it has kept is too old to be used again */
	else if (s->retire || cpu->lazy)
		load_kernel(mmu);
	else
		drop(mmu, cpu, s->mm, s->range);
}

/*
 * Interrupts go off: if the interrupt came in the middle and answered for us, the next request
 * could be there already, and we would answer that one without having looked at it.
 */
void x86_flush_interrupt(struct x86_mmu *mmu)
{
	unsigned long flags = x86_irq_save();
	unsigned me = x86_cpu_number();

	if (atomic_load(&mmu->shootdown.waiting) & CPU_BIT(me)) {
		answer(mmu, &mmu->cpu[me]);
		atomic_fetch_and(&mmu->shootdown.waiting, ~CPU_BIT(me));
	}
	x86_irq_restore(flags);
}

/* Become the one whose request is under way. */
static void shootdown_lock(struct x86_mmu *mmu)
{
	while (atomic_exchange(&mmu->shootdown.busy, 1)) {
		x86_flush_interrupt(mmu);
		x86_pause();
	}
}

/* The compiler's own would be a call to its library. */
static unsigned count_cpus(uint32_t cpus)
{
	unsigned n = 0;

	for (; cpus; cpus &= cpus - 1)
		n++;
	return n;
}

/* Send the request, but for `waiting` complete, to the CPUs of the set. */
static void shootdown_send(struct x86_mmu *mmu, uint32_t cpus)
{
	if (!cpus)
		return;
	atomic_store(&mmu->shootdown.waiting, cpus);
	mmu->config.send_flush(mmu->config.ctx, cpus);
	atomic_fetch_add_explicit(&mmu->shootdowns, 1, memory_order_relaxed);
	atomic_fetch_add_explicit(&mmu->ipis, count_cpus(cpus), memory_order_relaxed);
}

/* Ask the other CPUs that have the mm loaded now; on return the request is under way. */
static void shootdown_begin(struct x86_mmu *mmu, struct x86_mm *mm, struct x86_range r, bool retire)
{
	struct x86_shootdown *s = &mmu->shootdown;

	shootdown_lock(mmu);
	s->mm = mm;
	s->range = r;
	s->retire = retire;
	shootdown_send(mmu, atomic_load(&mm->loaded) & ~CPU_BIT(x86_cpu_number()));
}

static void shootdown_wait(struct x86_mmu *mmu)
{
	while (atomic_load(&mmu->shootdown.waiting))
		x86_pause();
	atomic_store(&mmu->shootdown.busy, 0);
}

/*
 * The rest of x86_flush() when other CPUs have the mm loaded: they drop theirs while this one
 * does.
 */
static __attribute__((noinline)) void flush_all_cpus(struct x86_mmu *mmu, struct x86_mmu_cpu *cpu,
                                                     struct x86_mm *mm, struct x86_range r)
{
	shootdown_begin(mmu, mm, r, false);
	if (cpu->loaded == mm)
		drop(mmu, cpu, mm, r);
	shootdown_wait(mmu);
}

/* ---------------------------------------------------------------- the port's functions ------ */

void x86_flush(void *ctx, struct om_mm *om, uintptr_t start, uintptr_t end, enum om_flush what)
{
	/* Tables alone: one invlpg, of any page, drops all that is kept of upper levels. */
	struct x86_range r = {.start = start, .end = what & OM_FLUSH_PAGES ? end : start + PAGE};
	struct x86_mm *mm = om_mm_cookie(om);
	struct x86_mmu *mmu = ctx;
	uint32_t loaded;
	unsigned me;

	x86_preempt_disable();
	me = x86_cpu_number();
	r.generation = atomic_fetch_add(&mm->generation, 1) + 1;
	loaded = atomic_load(&mm->loaded);
	if (loaded == CPU_BIT(me))
		drop(mmu, &mmu->cpu[me], mm, r);
	else if (loaded)
		flush_all_cpus(mmu, &mmu->cpu[me], mm, r);
	x86_preempt_enable();
}

void x86_mm_retire(struct x86_mmu *mmu, struct x86_mm *mm)
{
	const struct x86_range all = {.end = OM_VA_LIMIT};
	unsigned long flags;

	x86_preempt_disable();
	flags = x86_irq_save();
	if (mmu->cpu[x86_cpu_number()].loaded == mm)
		load_kernel(mmu);
	x86_irq_restore(flags);
	if (atomic_load(&mm->loaded)) {
		shootdown_begin(mmu, mm, all, true);
		shootdown_wait(mmu);
	}
	x86_preempt_enable();
}

void x86_flush_kernel(struct x86_mmu *mmu, uint32_t cpus, uintptr_t start, uintptr_t end)
{
	x86_preempt_disable();
	shootdown_lock(mmu);
	mmu->shootdown.mm = NULL;
	mmu->shootdown.range.start = start;
	mmu->shootdown.range.end = end;
	shootdown_send(mmu, cpus & ~CPU_BIT(x86_cpu_number()));
	drop_pages(start, end);
	shootdown_wait(mmu);
	x86_preempt_enable();
}
