/*
 * mmu.c: the MMU and the TLBs of the simulated CPUs.
 *
 * An access looks into the TLB, then walks the page tables as hardware does (setting the young bit,
 * and the dirty bit for a store, with a compare-and-swap on a present entry only), then calls
 * om_fault() and tries again. An entry is believed until it is flushed or displaced: that is the
 * point of the exercise. See machine.h for the lock.
 */
#include "machine.h"

#include <stdlib.h>
#include <string.h>

/* An access may lose its page to reclaim again and again, but not that often. */
#define SIM_MAX_TRIES 1000000u

/*
 * A program's own loads and stores are not synchronized with anything: that two of its threads, or
 * a thread and the kernel's copying of the same page, touch one byte at a time is the program's
 * race, not objrmap's. So ThreadSanitizer is told not to look at them; volatile words keep the
 * compiler from making a (checked) memcpy of the loop.
 */
__attribute__((no_sanitize("thread"))) static void copy_data(void *to, const void *from, size_t n)
{
	typedef unsigned long __attribute__((may_alias)) word;
	volatile unsigned char *t = to;
	const volatile unsigned char *f = from;

	if ((((uintptr_t)to | (uintptr_t)from) & (sizeof(word) - 1)) == 0) {
		for (; n >= sizeof(word); n -= sizeof(word)) {
			*(volatile word *)t = *(const volatile word *)f;
			t += sizeof(word);
			f += sizeof(word);
		}
	}
	while (n--)
		*t++ = *f++;
}

/* ---------------------------------------------------------------- TLB ----------------------- */

static struct sim_tlb_entry *tlb_slot(struct sim_cpu *cpu, const struct om_mm *mm, uintptr_t page)
{
	/* Spread address spaces, so that equal addresses do not always displace each other. */
	uintptr_t tag = ((uintptr_t)mm >> 6) * 37;

	return &cpu->tlb[(page + tag) % SIM_TLB_ENTRIES];
}

static void tlb_drop(struct sim_cpu *cpu, struct sim_tlb_entry *e)
{
	e->mm = NULL;
	cpu->stats.flushed++;
}

static void tlb_flush(struct sim_cpu *cpu, const struct om_mm *mm, uintptr_t first, uintptr_t last)
{
	if (last - first < SIM_TLB_ENTRIES) {
		for (uintptr_t page = first; page <= last; page++) {
			struct sim_tlb_entry *e = tlb_slot(cpu, mm, page);

			if (e->mm == mm && e->page == page)
				tlb_drop(cpu, e);
		}
		return;
	}
	for (unsigned i = 0; i < SIM_TLB_ENTRIES; i++) {
		struct sim_tlb_entry *e = &cpu->tlb[i];

		if (e->mm == mm && e->page >= first && e->page <= last)
			tlb_drop(cpu, e);
	}
}

/* Takes every CPU's lock, also of those without an entry: a walk may be under way there. */
void sim_mmu_flush(void *ctx, struct om_mm *mm, uintptr_t start, uintptr_t end)
{
	struct sim *sim = ctx;

	if (start >= end)
		return;
	for (unsigned i = 0; i < sim->nr_cpus; i++) {
		struct sim_cpu *cpu = &sim->cpu[i];

		pthread_mutex_lock(&cpu->lock);
		tlb_flush(cpu, mm, start >> OM_PAGE_SHIFT, (end - 1) >> OM_PAGE_SHIFT);
		pthread_mutex_unlock(&cpu->lock);
	}
}

void sim_tlb_flush(struct sim_cpu *cpu)
{
	pthread_mutex_lock(&cpu->lock);
	for (unsigned i = 0; i < SIM_TLB_ENTRIES; i++) {
		if (cpu->tlb[i].mm)
			tlb_drop(cpu, &cpu->tlb[i]);
	}
	pthread_mutex_unlock(&cpu->lock);
}

/* ---------------------------------------------------------------- walking ------------------- */

#define SIM_BUG(sim, text, object_, v0, v1)                                                        \
	sim_panic(sim, &(struct om_bug){.rule = "sim MMU",                                         \
	                                .what = text,                                              \
	                                .file = __FILE__,                                          \
	                                .line = __LINE__,                                          \
	                                .object = object_,                                         \
	                                .value = {v0, v1}})

/* The leaf entry of a page, or NULL if a level is missing. */
static om_pte_t *walk_tables(struct sim *sim, struct om_mm *mm, uintptr_t page)
{
	om_pfn_t pfn = om_mm_root(mm);

	for (unsigned level = OM_LEVELS;; level--) {
		unsigned shift = (level - 1) * OM_TABLE_SHIFT;
		uintptr_t index = (page >> shift) & ((1u << OM_TABLE_SHIFT) - 1);
		om_pte_t *table, entry;

		if (pfn == 0 || pfn >= sim->nr_frames)
			SIM_BUG(sim, "a page table lies in RAM", mm, page, pfn);
		table = om_arch_frame(&sim->arch, pfn);
		if (level == 1)
			return &table[index];
		entry = om_arch_pte_load(&table[index]);
		if (!om_pte_present(entry))
			return NULL;
		pfn = om_pte_pfn(entry);
	}
}

static unsigned pte_prot(om_pte_t pte)
{
	return (pte & SIM_R ? OM_PROT_READ : 0) | (pte & SIM_W ? OM_PROT_WRITE : 0) |
	       (pte & SIM_X ? OM_PROT_EXEC : 0);
}

/*
 * Walk for an access that needs `prot`; false: the program faults. An entry without R allows
 * nothing, so R is needed for all.
 */
static bool walk(struct sim *sim, struct om_mm *mm, uintptr_t page, unsigned prot,
                 struct sim_tlb_entry *e)
{
	om_pte_t *entry = walk_tables(sim, mm, page), pte, used;

	if (!entry)
		return false;
	prot |= OM_PROT_READ;
	pte = om_arch_pte_load(entry);
	do {
		if (!om_pte_present(pte) || (pte_prot(pte) & prot) != prot)
			return false;
		used = om_pte_mkyoung(pte);
		if (prot & OM_PROT_WRITE)
			used = om_pte_mkdirty(used);
	} while (used != pte && !om_arch_pte_cas(entry, &pte, used));

	if (om_pte_pfn(used) == 0 || om_pte_pfn(used) >= sim->nr_frames)
		SIM_BUG(sim, "a mapped page lies in RAM", mm, page, om_pte_pfn(used));
	*e = (struct sim_tlb_entry){.mm = mm,
	                            .page = page,
	                            .pfn = om_pte_pfn(used),
	                            .prot = pte_prot(used),
	                            .dirty = om_pte_dirty(used)};
	return true;
}

/* The translation for an access, from the TLB or by a walk; NULL: fault. CPU's lock held. */
static const struct sim_tlb_entry *translate(struct sim_cpu *cpu, struct om_mm *mm, uintptr_t page,
                                             unsigned prot)
{
	struct sim_tlb_entry *e = tlb_slot(cpu, mm, page);

	if (e->mm == mm && e->page == page && (e->prot & prot) == prot &&
	    (e->dirty || !(prot & OM_PROT_WRITE))) {
		cpu->stats.hits++;
		return e;
	}
	/* An entry that grants too little is dropped, as x86 does when it faults. */
	if (e->mm == mm && e->page == page)
		e->mm = NULL;
	cpu->stats.walks++;
	return walk(cpu->sim, mm, page, prot, e) ? e : NULL;
}

/* ---------------------------------------------------------------- accesses ------------------ */

/* One try at an access inside one page. `access` is an enum om_access, with PROT's values. */
static bool access_once(struct sim_cpu *cpu, struct om_mm *mm, uintptr_t addr, unsigned access,
                        void *to, const void *from, size_t n)
{
	const struct sim_tlb_entry *e;

	pthread_mutex_lock(&cpu->lock);
	e = translate(cpu, mm, addr >> OM_PAGE_SHIFT, access);
	if (e) {
		char *data =
		    (char *)om_arch_frame(&cpu->sim->arch, e->pfn) + (addr & (SIM_PAGE_SIZE - 1));

		copy_data(to ? to : data, from ? from : data, n);
	}
	pthread_mutex_unlock(&cpu->lock);
	return e;
}

static void count_fault(struct sim_cpu *cpu, enum om_fault_result result)
{
	pthread_mutex_lock(&cpu->lock);
	cpu->stats.faults++;
	cpu->stats.major += result == OM_FAULT_MAJOR;
	pthread_mutex_unlock(&cpu->lock);
}

static enum om_fault_result access_page(struct sim_cpu *cpu, struct om_mm *mm, uintptr_t addr,
                                        enum om_access access, void *to, const void *from, size_t n)
{
	for (unsigned tries = 0; tries < SIM_MAX_TRIES; tries++) {
		enum om_fault_result result;

		if (access_once(cpu, mm, addr, access, to, from, n))
			return OM_FAULT_MINOR;
		result = om_fault(mm, addr, access);
		count_fault(cpu, result);
		if (result != OM_FAULT_MINOR && result != OM_FAULT_MAJOR)
			return result;
	}
	SIM_BUG(cpu->sim, "a resolved fault lets the program go on", mm, addr, access);
	return OM_FAULT_OOM;
}

/* Bytes from `addr` to the end of its page, at most n. */
static size_t piece(uintptr_t addr, size_t n)
{
	size_t rest = SIM_PAGE_SIZE - (addr & (SIM_PAGE_SIZE - 1));

	return n < rest ? n : rest;
}

enum om_fault_result sim_load(struct sim_cpu *cpu, struct om_mm *mm, uintptr_t addr, void *buf,
                              size_t n)
{
	enum om_fault_result result = OM_FAULT_MINOR;
	char *to = buf;

	while (n && result == OM_FAULT_MINOR) {
		size_t now = piece(addr, n);

		result = access_page(cpu, mm, addr, OM_READ, to, NULL, now);
		addr += now;
		to += now;
		n -= now;
	}
	return result;
}

enum om_fault_result sim_store(struct sim_cpu *cpu, struct om_mm *mm, uintptr_t addr,
                               const void *buf, size_t n)
{
	enum om_fault_result result = OM_FAULT_MINOR;
	const char *from = buf;

	while (n && result == OM_FAULT_MINOR) {
		size_t now = piece(addr, n);

		result = access_page(cpu, mm, addr, OM_WRITE, NULL, from, now);
		addr += now;
		from += now;
		n -= now;
	}
	return result;
}

enum om_fault_result sim_exec(struct sim_cpu *cpu, struct om_mm *mm, uintptr_t addr)
{
	char instruction;

	return access_page(cpu, mm, addr, OM_EXEC, &instruction, NULL, 1);
}

static void must_be_mended(struct sim_cpu *cpu, struct om_mm *mm, uintptr_t addr,
                           enum om_fault_result result)
{
	if (result != OM_FAULT_MINOR)
		SIM_BUG(cpu->sim, "the program is not killed by this access", mm, addr, result);
}

unsigned long sim_get(struct sim_cpu *cpu, struct om_mm *mm, uintptr_t addr)
{
	unsigned long value = 0;

	must_be_mended(cpu, mm, addr, sim_load(cpu, mm, addr, &value, sizeof(value)));
	return value;
}

void sim_put(struct sim_cpu *cpu, struct om_mm *mm, uintptr_t addr, unsigned long value)
{
	must_be_mended(cpu, mm, addr, sim_store(cpu, mm, addr, &value, sizeof(value)));
}

void sim_cpu_stats(struct sim_cpu *cpu, struct sim_cpu_stats *stats)
{
	pthread_mutex_lock(&cpu->lock);
	*stats = cpu->stats;
	pthread_mutex_unlock(&cpu->lock);
}

/* ---------------------------------------------------------------- checking ------------------ */

bool sim_tlb_holds(struct sim *sim, om_pfn_t pfn)
{
	bool found = false;

	for (unsigned c = 0; c < sim->nr_cpus && !found; c++) {
		struct sim_cpu *cpu = &sim->cpu[c];

		pthread_mutex_lock(&cpu->lock);
		for (unsigned i = 0; i < SIM_TLB_ENTRIES && !found; i++)
			found = cpu->tlb[i].mm && cpu->tlb[i].pfn == pfn;
		pthread_mutex_unlock(&cpu->lock);
	}
	return found;
}

/* Do the page tables still say at least what this translation says? */
static bool entry_is_true(struct sim *sim, struct om_mm *const mm[], unsigned n,
                          const struct sim_tlb_entry *e)
{
	om_pte_t *entry, pte;
	unsigned i = 0;

	while (i < n && mm[i] != e->mm)
		i++;
	if (i == n)
		return false;
	entry = walk_tables(sim, e->mm, e->page);
	pte = entry ? om_arch_pte_load(entry) : 0;
	return om_pte_present(pte) && om_pte_pfn(pte) == e->pfn &&
	       (pte_prot(pte) & e->prot) == e->prot &&
	       (om_pte_dirty(pte) || !e->dirty || !(e->prot & OM_PROT_WRITE));
}

unsigned sim_check_tlb(struct sim *sim, struct om_mm *const mm[], unsigned n,
                       struct sim_tlb_entry *bad)
{
	unsigned count = 0;

	for (unsigned c = 0; c < sim->nr_cpus; c++) {
		struct sim_cpu *cpu = &sim->cpu[c];

		pthread_mutex_lock(&cpu->lock);
		for (unsigned i = 0; i < SIM_TLB_ENTRIES; i++) {
			const struct sim_tlb_entry *e = &cpu->tlb[i];

			if (!e->mm || entry_is_true(sim, mm, n, e))
				continue;
			if (!count++ && bad)
				*bad = *e;
		}
		pthread_mutex_unlock(&cpu->lock);
	}
	return count;
}
