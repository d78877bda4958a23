/*
 * mmu.c: the root register, and flushes. riscv64.h tells what happens; here is why no translation
 * survives, and why nobody waits for ever.
 *
 * A flush changes entries first (the core does), then reads the tag and who has the address space
 * loaded, then makes all others stale, then reads once more who has it loaded, and has all CPUs
 * that it saw either time drop the tag. A CPU that loads it enters the set first, then takes the
 * tag, then looks whether it is stale, then lets its MMU walk the tables. All of these are
 * sequentially consistent. So a CPU
 *   - that was loaded at one of the two looks drops the tag, whatever it has loaded by then;
 *   - that was not loaded at the first is stale. If it was about to load it, so that it has looked
 *     before, it was in the set at the second; or else it enters the set after that, and hence
 *     sees the new entries, having dropped all older ones.
 * On the way out a CPU leaves the set when it has loaded the other root. What it has kept is
 * dropped when it comes back, if there was a flush meanwhile.
 *
 * A stale CPU drops before it loads: nothing can be kept under that tag in between. Without tags
 * all address spaces have 0, so it drops after, and leaves the old one's set last of all: until
 * then, walks may go through the old one's tables.
 *
 * Requests, if the kernel has `send_flush`. Each CPU has one, for it waits, without preemption,
 * until all have answered; handlers of interrupts do not flush. It writes the request, then sets
 * its bit in `asked_by` of each CPU. Who takes the bit out reads the request, drops, and counts
 * `waiting` down; after that the request is the asker's again. CPUs that have been asked by others,
 * and have not looked yet, need no second interrupt. Two CPUs that flush each other, even with
 * interrupts off: who waits for answers gives answers meanwhile, and giving one waits for nothing.
 */
#include "om_arch.h"

#define PAGE        (1ul << OM_PAGE_SHIFT)
#define FLUSH_BYTES (32 * PAGE) /* of a larger range everything is dropped, not page by page */
#define MODE        ((uint64_t)(OM_LEVELS + 5) << 60) /* of satp: 8 is Sv39, 9 is Sv48 */
#define ASID_SHIFT  44
#define EVERYTHING  UINTPTR_MAX /* as the end of a range that begins with 0 */

static inline uint64_t bit(unsigned cpu)
{
	return 1ull << cpu;
}

unsigned rv_asid_bits(void)
{
	uint64_t satp = rv_read_satp(), all = (uint64_t)0xffff << ASID_SHIFT, kept;
	unsigned bits = 0;

	rv_write_satp(satp | all);
	kept = rv_read_satp() & all;
	rv_write_satp(satp);
	rv_sfence_all();
	while (kept >> (ASID_SHIFT + bits) & 1)
		bits++;
	return bits;
}

void rv_mmu_init(struct rv_mmu *mmu, const struct rv_mmu_config *config)
{
	mmu->config = *config;
	asids_init(&mmu->asids, config->asid_bits, config->nr_cpus);
}

/* No CPU knows its tables yet; that includes the kernel's half, which the caller is to fill in. */
void rv_mm_init(struct rv_mm *mm)
{
	*mm = (struct rv_mm){.stale = UINT64_MAX};
}

/* ---------------------------------------------------------------- switching ----------------- */

/* Announce that this CPU is about to load `mm`, and drop what it may not know. Returns the tag. */
static unsigned enter(struct rv_mmu *mmu, struct rv_mm *mm, unsigned me)
{
	unsigned tag;
	bool drop;

	atomic_fetch_or(&mm->loaded, bit(me));
	tag = asid_load(&mmu->asids, &mm->asid, me, &drop);
	if (atomic_load(&mm->stale) & bit(me)) {
		atomic_fetch_and(&mm->stale, ~bit(me));
		rv_sfence_asid(tag);
	}
	if (drop)
		rv_sfence_all();
	return tag;
}

void rv_switch(struct rv_mmu *mmu, struct rv_mm *mm, om_pfn_t root)
{
	unsigned me = rv_cpu_number();
	struct rv_mmu_cpu *cpu = &mmu->cpu[me];
	struct rv_mm *old = cpu->loaded;
	uint64_t satp = MODE | mmu->config.kernel_root >> OM_PAGE_SHIFT;

	if (mm == old)
		return;
	if (mm)
		satp = MODE | (uint64_t)enter(mmu, mm, me) << ASID_SHIFT |
		       rv_phys(root) >> OM_PAGE_SHIFT;
	rv_write_satp(satp);
	if (!mmu->config.asid_bits)
		rv_sfence_asid(0);
	cpu->loaded = mm;
	if (old)
		atomic_fetch_and(&old->loaded, ~bit(me));
}

/* ---------------------------------------------------------------- dropping ------------------ */

static void drop(uintptr_t start, uintptr_t end, unsigned tag)
{
	if (end == EVERYTHING)
		rv_sfence_asid(tag);
	else
		for (uintptr_t addr = start; addr < end; addr += PAGE)
			rv_sfence_page(addr, tag);
}

/* A look at an empty word is for loops that spin. */
void rv_flush_interrupt(struct rv_mmu *mmu)
{
	struct rv_mmu_cpu *cpu = &mmu->cpu[rv_cpu_number()];
	unsigned long flags;
	uint64_t askers;

	if (!atomic_load(&cpu->asked_by))
		return;
	flags = rv_irq_save();
	askers = atomic_exchange(&mmu->cpu[rv_cpu_number()].asked_by, 0);
	for (unsigned i = 0; i < mmu->config.nr_cpus; i++)
		if (askers & bit(i)) {
			struct rv_request *r = &mmu->cpu[i].request;

			drop(r->start, r->end, r->asid);
			atomic_fetch_sub(&r->waiting, 1);
		}
	rv_irq_restore(flags);
}

/* ---------------------------------------------------------------- other CPUs ---------------- */

static unsigned hart_of(const struct rv_mmu *mmu, unsigned cpu)
{
	return mmu->config.harts ? mmu->config.harts[cpu] : cpu;
}

/* The firmware takes a set of 64 harts at a time. */
static void flush_by_firmware(struct rv_mmu *mmu, uint64_t cpus, uintptr_t start, uintptr_t end,
                              unsigned tag)
{
	size_t size = end == EVERYTHING ? (size_t)-1 : end - start;

	while (cpus) {
		uint64_t harts = 0, base = 0;

		for (unsigned i = 0; i < mmu->config.nr_cpus; i++) {
			unsigned hart = hart_of(mmu, i);

			if (!(cpus & bit(i)) || (harts && hart / 64 != base / 64))
				continue;
			base = hart / 64 * 64;
			harts |= bit(hart % 64);
			cpus &= ~bit(i);
		}
		rv_sbi_sfence(harts, base, start, size, tag);
	}
}

/* Post to the CPUs of the set, and return those that need an interrupt. */
static uint64_t post(struct rv_mmu *mmu, unsigned me, uint64_t cpus)
{
	uint64_t quiet = 0;

	for (unsigned i = 0; i < mmu->config.nr_cpus; i++)
		if (cpus & bit(i) && !atomic_fetch_or(&mmu->cpu[i].asked_by, bit(me)))
			quiet |= bit(i);
	return quiet;
}

/* Ask the CPUs of the set; they answer while this one does its own part. */
static void ask(struct rv_mmu *mmu, unsigned me, uint64_t cpus, uintptr_t start, uintptr_t end,
                unsigned tag)
{
	struct rv_request *r = &mmu->cpu[me].request;
	unsigned n = 0;

	for (uint64_t left = cpus; left; left &= left - 1)
		n++;
	r->start = start;
	r->end = end;
	r->asid = tag;
	atomic_store(&r->waiting, n);
	cpus = post(mmu, me, cpus);
	if (cpus)
		mmu->config.send_flush(mmu->config.ctx, cpus);
}

static void wait_for_answers(struct rv_mmu *mmu, unsigned me)
{
	while (atomic_load(&mmu->cpu[me].request.waiting)) {
		rv_flush_interrupt(mmu);
		rv_pause();
	}
}

/* ---------------------------------------------------------------- the port's functions ------ */

/* All CPUs that may know the address space without being stale; the others are made stale. */
static uint64_t find_cpus(struct rv_mm *mm)
{
	uint64_t cpus = atomic_load(&mm->loaded);

	if (~cpus & ~atomic_load(&mm->stale))
		atomic_fetch_or(&mm->stale, ~cpus);
	return cpus | atomic_load(&mm->loaded);
}

/*
 * An address drops entries of leaves alone, so where tables go all of the tag is dropped. The
 * fence: entries were changed before anything is read here.
 */
void rv_flush(void *ctx, struct om_mm *om, uintptr_t start, uintptr_t end, enum om_flush what)
{
	struct rv_mm *mm = om_mm_cookie(om);
	struct rv_mmu *mmu = ctx;
	unsigned me, tag;
	uint64_t cpus;

	if (what & OM_FLUSH_TABLES || end - start > FLUSH_BYTES) {
		start = 0;
		end = EVERYTHING;
	}
	rv_preempt_disable();
	me = rv_cpu_number();
	atomic_thread_fence(memory_order_seq_cst);
	tag = asid_tag(&mm->asid);
	cpus = find_cpus(mm);
	if (cpus & ~bit(me)) {
		atomic_fetch_add_explicit(&mmu->cpu[me].remote, 1, memory_order_relaxed);
		if (mmu->config.send_flush)
			ask(mmu, me, cpus & ~bit(me), start, end, tag);
		else
			flush_by_firmware(mmu, cpus & ~bit(me), start, end, tag);
	}
	if (cpus & bit(me))
		drop(start, end, tag);
	wait_for_answers(mmu, me);
	rv_preempt_enable();
}

/*
 * A CPU may keep that an entry is invalid, as well as one that grants less than there is now; and
 * without a fence its MMU may not see the new one yet. A thread that is moved meanwhile faults once
 * more.
 */
void rv_flush_local(void *ctx, struct om_mm *om, uintptr_t addr, bool was_present)
{
	struct rv_mm *mm = om_mm_cookie(om);
	struct rv_mmu *mmu = ctx;

	(void)was_present;
	if (mmu->cpu[rv_cpu_number()].loaded == mm)
		rv_sfence_page(addr, asid_tag(&mm->asid));
}
