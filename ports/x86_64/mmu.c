/*
 * mmu.c: the root register, and flushes. x86_64.h tells what happens; here is why no translation
 * survives, and why nobody waits for ever.
 *
 * A flush changes entries first (the core does), then raises the generation, then reads the set of
 * CPUs. A CPU that loads an address space enters the set first, then reads the generation, then
 * lets its MMU walk the tables. All of these are sequentially consistent. The set has several
 * words, but each CPU has its bit in one of them, so what follows holds for each CPU by itself. Of
 * a flush and a switch that meet, either
 *   - the flush sees the CPU in the set, and waits for it; or
 *   - the CPU sees the new generation, and hence the new entries: it has no older translation, or
 *     drops what it has kept by PCID.
 * On the way out a CPU leaves the set after it has loaded the other root. A flush that no longer
 * sees it finds a CPU whose MMU does not walk these tables. What that CPU has kept by PCID carries
 * the generation of the last flush it has done, not the latest there is, so it is dropped later.
 *
 * A CPU that was seen in the set, and answers, is not in the midst of a switch: interrupts are off
 * there. If it has another root by then, it has left, as above. If it has left and come back, it
 * has read a generation at least as high, and there is nothing to do.
 *
 * `generation` of a CPU counts flushes done here without a gap. Of flushes that are under way at a
 * time one may come here before an earlier one. Then there is a gap, and the CPU drops everything,
 * which does all flushes up to the generation read before that; those that come late find that
 * they are done. The number may also go back, when an interrupt does a later flush in the midst of
 * an earlier one: then the next flush finds a gap and drops too much, never too little.
 *
 * Requests. Each CPU has one, for it waits, without preemption, until all have answered; handlers
 * of interrupts do not flush. It writes the request, then sets its bit in the mailboxes. Who takes
 * the bit out reads the request, drops, and counts `waiting` down; after that the request is the
 * asker's again, and so is the mm, which may go.
 *   - A bit in a word of the mailbox that was not empty needs no interrupt of its own: the CPU that
 *     found it empty has sent one, or is just about to (it waits for nothing before), and the owner
 *     takes all bits of the word at a time. If it takes them before that interrupt, all the better.
 *   - Two CPUs that flush each other, even with interrupts off: who waits for answers gives answers
 *     meanwhile, and giving one waits for nothing. So every CPU that others wait for answers, by an
 *     interrupt, or because it waits itself, here or in a loop that calls x86_flush_interrupt().
 *
 * Where drop_everywhere() exists a flush that finds others in the set uses that. It drops what was
 * kept by PCID, too, and CPUs that enter the set meanwhile find the new entries. The generations of
 * the CPUs stay behind; that is a gap, as above.
 */
#include <stdatomic.h>

#include "om_arch.h"

#define NO_FLUSH    (1ull << 63) /* in CR3, with CR4.PCIDE: keep what is tagged so */
#define FIRST_PCID  1            /* 0 is the kernel's */
#define PAGE        (1ul << OM_PAGE_SHIFT)
#define FLUSH_BYTES (32 * PAGE) /* of a larger range everything is dropped, not page by page */

#define WORD(cpu) ((cpu) / 64)
#define BIT(cpu)  (1ull << (cpu) % 64)

static inline void count(_Atomic uint64_t *figure, uint64_t n)
{
	atomic_fetch_add_explicit(figure, n, memory_order_relaxed);
}

void x86_mmu_init(struct x86_mmu *mmu, const struct x86_mmu_config *config)
{
	mmu->config = *config;
}

/* Each CPU gives out ids of its own, and nobody needs to know of the others'. */
void x86_mm_init(struct x86_mmu *mmu, struct x86_mm *mm)
{
	unsigned me;

	x86_preempt_disable();
	me = x86_cpu_number();
	mm->id = ++mmu->cpu[me].ids * X86_MAX_CPUS + me;
	x86_preempt_enable();
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
		atomic_fetch_or(&mm->loaded[WORD(me)], BIT(me));
		cpu->generation = atomic_load(&mm->generation);
	}
	if (mmu->config.pcid)
		root |= mm ? choose_pcid(cpu, mm) : NO_FLUSH;
	x86_write_cr3(root);
	cpu->loaded = mm;
	cpu->lazy = false;
	if (old)
		atomic_fetch_and(&old->loaded[WORD(me)], ~BIT(me));
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
static void drop_all(struct x86_mmu_cpu *cpu, struct x86_mm *mm)
{
	unsigned long flags = x86_irq_save();

	if (cpu->loaded == mm) {
		cpu->generation = atomic_load(&mm->generation);
		x86_write_cr3(x86_read_cr3());
	}
	x86_irq_restore(flags);
	count(&cpu->full_flushes, 1);
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
static inline void drop(struct x86_mmu_cpu *cpu, struct x86_mm *mm, struct x86_range r)
{
	if (cpu->generation >= r.generation)
		return;
	if (cpu->generation + 1 != r.generation || r.end - r.start > FLUSH_BYTES) {
		drop_all(cpu, mm);
		return;
	}
	drop_pages(r.start, r.end);
	/* If the handler has dropped the mm meanwhile, this is not looked at any more. */
	cpu->generation = r.generation;
}

/* ---------------------------------------------------------------- answering ----------------- */

/* A request for this CPU. Interrupts are off. */
static void answer(struct x86_mmu *mmu, struct x86_mmu_cpu *cpu, struct x86_request *r)
{
	if (!r->mm)
		drop_pages(r->range.start, r->range.end);
	else if (cpu->loaded != r->mm)
		; /* it has left since; what it has kept is too old to be used again */
	else if (r->retire || cpu->lazy)
		load_kernel(mmu);
	else
		drop(cpu, r->mm, r->range);
	atomic_fetch_sub(&r->waiting, 1);
}

static void answer_word(struct x86_mmu *mmu, struct x86_mmu_cpu *cpu, unsigned word)
{
	uint64_t askers = atomic_exchange(&cpu->asked_by[word], 0);

	for (; askers; askers &= askers - 1)
		answer(mmu, cpu, &mmu->cpu[64 * word + (unsigned)__builtin_ctzll(askers)].request);
}

static inline bool has_mail(struct x86_mmu_cpu *cpu)
{
	uint64_t any = 0;

	for (unsigned word = 0; word < X86_CPU_WORDS; word++)
		any |= atomic_load(&cpu->asked_by[word]);
	return any;
}

/*
 * The first look is for loops that spin. Who is moved to another CPU right after it has interrupts
 * on, and needs no look. For the answers interrupts go off: they change what is loaded, and must
 * not begin in the midst of each other.
 */
void x86_flush_interrupt(struct x86_mmu *mmu)
{
	struct x86_mmu_cpu *cpu = &mmu->cpu[x86_cpu_number()];
	unsigned long flags;

	if (!has_mail(cpu))
		return;
	flags = x86_irq_save();
	cpu = &mmu->cpu[x86_cpu_number()];
	for (unsigned word = 0; word < X86_CPU_WORDS; word++)
		if (atomic_load(&cpu->asked_by[word]))
			answer_word(mmu, cpu, word);
	x86_irq_restore(flags);
}

/* ---------------------------------------------------------------- asking -------------------- */

/* Set the bit of CPU `me` in a mailbox. True: its owner does not know yet that there is mail. */
static bool post(struct x86_mmu_cpu *to, unsigned me)
{
	return !atomic_fetch_or(&to->asked_by[WORD(me)], BIT(me));
}

/* Post to the CPUs of the set, and leave those in it that need an interrupt. Returns how many. */
static unsigned post_all(struct x86_mmu *mmu, unsigned me, struct x86_cpus *set)
{
	unsigned n = 0;

	for (unsigned word = 0; word < X86_CPU_WORDS; word++)
		for (uint64_t left = set->word[word]; left; left &= left - 1) {
			unsigned cpu = 64 * word + (unsigned)__builtin_ctzll(left);

			if (post(&mmu->cpu[cpu], me))
				n++;
			else
				set->word[word] &= ~BIT(cpu);
		}
	return n;
}

/* The compiler's own would be a call to its library. */
static unsigned count_cpus(const struct x86_cpus *set)
{
	unsigned n = 0;

	for (unsigned word = 0; word < X86_CPU_WORDS; word++)
		for (uint64_t left = set->word[word]; left; left &= left - 1)
			n++;
	return n;
}

/* Ask the CPUs of the set. The request of this CPU, `me`, is complete but for `waiting`. */
static void ask(struct x86_mmu *mmu, unsigned me, struct x86_cpus *set)
{
	struct x86_mmu_cpu *cpu = &mmu->cpu[me];
	unsigned n = count_cpus(set);

	if (!n)
		return;
	atomic_store(&cpu->request.waiting, n);
	n = post_all(mmu, me, set);
	if (n)
		mmu->config.send_flush(mmu->config.ctx, set);
	count(&cpu->shootdowns, 1);
	count(&cpu->ipis, n);
}

static void wait_for_answers(struct x86_mmu *mmu, const struct x86_mmu_cpu *cpu)
{
	while (atomic_load(&cpu->request.waiting)) {
		x86_flush_interrupt(mmu);
		x86_pause();
	}
}

_Static_assert((X86_CPU_WORDS & (X86_CPU_WORDS - 1)) == 0, "w ^ i are all words");

/* Has any CPU but `me` the mm loaded? */
static inline bool loaded_elsewhere(struct x86_mm *mm, unsigned me)
{
	uint64_t any = atomic_load(&mm->loaded[WORD(me)]) & ~BIT(me);

#pragma GCC unroll 4
	for (unsigned i = 1; i < X86_CPU_WORDS; i++)
		any |= atomic_load(&mm->loaded[WORD(me) ^ i]);
	return any;
}

/* Ask these CPUs about the request of this one. They may have become fewer; none need be added. */
static void ask_loaded(struct x86_mmu *mmu, unsigned me, struct x86_mm *mm)
{
	struct x86_cpus set;

	for (unsigned word = 0; word < X86_CPU_WORDS; word++)
		set.word[word] = atomic_load(&mm->loaded[word]);
	set.word[WORD(me)] &= ~BIT(me);
	mmu->cpu[me].request.mm = mm;
	ask(mmu, me, &set);
}

/*
 * The rest of x86_flush() when other CPUs have the mm loaded: they drop theirs while this one
 * does.
 */
static __attribute__((noinline)) void flush_set(struct x86_mmu *mmu, unsigned me, struct x86_mm *mm,
                                                struct x86_range r)
{
	struct x86_mmu_cpu *cpu = &mmu->cpu[me];

	if (mmu->config.drop_everywhere) {
		mmu->config.drop_everywhere(mmu->config.ctx, r.start, r.end);
		count(&cpu->shootdowns, 1);
		return;
	}
	cpu->request.range = r;
	cpu->request.retire = false;
	ask_loaded(mmu, me, mm);
	if (cpu->loaded == mm)
		drop(cpu, mm, r);
	wait_for_answers(mmu, cpu);
}

/* ---------------------------------------------------------------- the port's functions ------ */

void x86_flush(void *ctx, struct om_mm *om, uintptr_t start, uintptr_t end, enum om_flush what)
{
	/* Tables alone: one invlpg, of any page, drops all that is kept of upper levels. */
	struct x86_range r = {.start = start, .end = what & OM_FLUSH_PAGES ? end : start + PAGE};
	struct x86_mm *mm = om_mm_cookie(om);
	struct x86_mmu *mmu = ctx;
	unsigned me;

	x86_preempt_disable();
	me = x86_cpu_number();
	r.generation = atomic_fetch_add(&mm->generation, 1) + 1;
	if (loaded_elsewhere(mm, me))
		flush_set(mmu, me, mm, r);
	else if (mmu->cpu[me].loaded == mm)
		drop(&mmu->cpu[me], mm, r);
	x86_preempt_enable();
}

void x86_mm_retire(struct x86_mmu *mmu, struct x86_mm *mm)
{
	struct x86_mmu_cpu *cpu;
	unsigned long flags;
	unsigned me;

	x86_preempt_disable();
	me = x86_cpu_number();
	cpu = &mmu->cpu[me];
	flags = x86_irq_save();
	if (cpu->loaded == mm)
		load_kernel(mmu);
	x86_irq_restore(flags);
	if (loaded_elsewhere(mm, me)) {
		cpu->request.retire = true;
		ask_loaded(mmu, me, mm);
		wait_for_answers(mmu, cpu);
	}
	x86_preempt_enable();
}

/* CPUs 0 to nr_cpus - 1, without this one. */
static struct x86_cpus all_others(unsigned nr_cpus, unsigned me)
{
	struct x86_cpus set = {{0}};

	for (unsigned i = 0; i < nr_cpus; i++)
		if (i != me)
			set.word[WORD(i)] |= BIT(i);
	return set;
}

void x86_flush_kernel(struct x86_mmu *mmu, unsigned nr_cpus, uintptr_t start, uintptr_t end)
{
	struct x86_mmu_cpu *cpu;
	struct x86_cpus set;
	unsigned me;

	x86_preempt_disable();
	me = x86_cpu_number();
	cpu = &mmu->cpu[me];
	if (mmu->config.drop_everywhere) {
		mmu->config.drop_everywhere(mmu->config.ctx, start, end);
	} else {
		set = all_others(nr_cpus, me);
		cpu->request.mm = NULL;
		cpu->request.range.start = start;
		cpu->request.range.end = end;
		ask(mmu, me, &set);
		drop_pages(start, end);
		wait_for_answers(mmu, cpu);
	}
	x86_preempt_enable();
}

struct x86_figures x86_mmu_figures(const struct x86_mmu *mmu)
{
	struct x86_figures sum = {0};

	for (unsigned i = 0; i < X86_MAX_CPUS; i++) {
		sum.shootdowns += atomic_load(&mmu->cpu[i].shootdowns);
		sum.ipis += atomic_load(&mmu->cpu[i].ipis);
		sum.full_flushes += atomic_load(&mmu->cpu[i].full_flushes);
	}
	return sum;
}
