/*
 * mmu.c: the MMU and the TLBs of the simulated CPUs.
 *
 * An access looks into the TLB, then walks the page tables as hardware does (setting the young bit,
 * and the dirty bit for a store, with a compare-and-swap on a present entry only), then calls
 * om_fault() and tries again. An entry is believed until it is flushed or displaced: that is the
 * point of the exercise. tlb.c tells what else is kept. See machine.h for the lock.
 */
#include "tlb.h"

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

/* ---------------------------------------------------------------- walking ------------------- */

#define SIM_BUG(sim, text, object_, v0, v1)                                                        \
	sim_panic(sim, &(struct om_bug){.rule = "sim MMU",                                         \
	                                .what = text,                                              \
	                                .file = __FILE__,                                          \
	                                .line = __LINE__,                                          \
	                                .object = object_,                                         \
	                                .value = {v0, v1}})

/* The entry for `page` in the table of this level that is in frame pfn. */
static om_pte_t *entry_in(struct sim *sim, struct om_mm *mm, om_pfn_t pfn, unsigned level,
                          uintptr_t page)
{
	uintptr_t index = (page >> (level - 1) * OM_TABLE_SHIFT) & (sim_table_pages(1) - 1);

	if (pfn == 0 || pfn >= sim->nr_frames)
		SIM_BUG(sim, "a page table lies in RAM", mm, page, pfn);
	return (om_pte_t *)om_arch_frame(&sim->arch, pfn) + index;
}

/*
 * The frame of the table of `level` that maps the page, and whether what lies below may be written;
 * 0 if it or one above it is missing.
 */
static om_pfn_t find_table(struct sim *sim, struct om_mm *mm, uintptr_t page, unsigned level,
                           bool *writable)
{
	om_pfn_t pfn = om_mm_root(mm);

	*writable = true;
	for (unsigned l = OM_LEVELS; l > level; l--) {
		om_pte_t entry = om_arch_pte_load(entry_in(sim, mm, pfn, l, page));

		if (!om_pte_present(entry) || om_pte_is_big(entry))
			return 0;
		pfn = om_pte_pfn(entry);
		*writable &= om_pte_write(entry);
	}
	return pfn;
}

/*
 * The entry that maps the page, in a leaf table or a big one, or NULL, as a CPU finds it: from the
 * lowest table that it remembers. *writable: no upper entry on the way forbids it.
 */
static om_pte_t *walk_tables(struct sim_cpu *cpu, struct om_mm *mm, uintptr_t page, bool *writable)
{
	om_pfn_t pfn = om_mm_root(mm);
	unsigned level = 1;

	*writable = true;
	while (level < OM_LEVELS &&
	       !sim_upper_is(sim_upper_slot(cpu, mm, level, page), mm, level, page))
		level++;
	if (level < OM_LEVELS) {
		pfn = sim_upper_slot(cpu, mm, level, page)->pfn;
		*writable = sim_upper_slot(cpu, mm, level, page)->writable;
	}
	for (; level > 1; level--) {
		om_pte_t *at = entry_in(cpu->sim, mm, pfn, level, page);
		om_pte_t entry = om_arch_pte_load(at);

		if (!om_pte_present(entry))
			return NULL;
		if (om_pte_is_big(entry))
			return at;
		pfn = om_pte_pfn(entry);
		*writable &= om_pte_write(entry);
		*sim_upper_slot(cpu, mm, level - 1, page) =
		    (struct sim_upper){mm, page & ~(sim_table_pages(level - 1) - 1), pfn,
		                       *writable};
	}
	return entry_in(cpu->sim, mm, pfn, 1, page);
}

/* What a big entry says of one page. */
static om_pte_t leaf_of(om_pte_t e, uintptr_t page)
{
	return om_pte_is_big(e) ? om_pte_mksmall(e, page & (sim_table_pages(1) - 1)) : e;
}

static unsigned pte_prot(om_pte_t pte)
{
	return (pte & SIM_R ? OM_PROT_READ : 0) | (pte & SIM_W ? OM_PROT_WRITE : 0) |
	       (pte & SIM_X ? OM_PROT_EXEC : 0);
}

static struct sim_tlb_entry translation(struct sim *sim, struct om_mm *mm, uintptr_t page,
                                        om_pte_t pte, unsigned mask)
{
	pte = leaf_of(pte, page);
	if (om_pte_pfn(pte) == 0 || om_pte_pfn(pte) >= sim->nr_frames)
		SIM_BUG(sim, "a mapped page lies in RAM", mm, page, om_pte_pfn(pte));
	return (struct sim_tlb_entry){.mm = mm,
	                              .page = page,
	                              .pfn = om_pte_pfn(pte),
	                              .prot = pte_prot(pte) & mask,
	                              .dirty = om_pte_dirty(pte)};
}

/*
 * Walk for an access that needs `prot`, and leave in *e what the CPU keeps of it. False: the
 * program faults. An entry without R allows nothing, so R is needed for all.
 */
static bool walk(struct sim_cpu *cpu, struct om_mm *mm, uintptr_t page, unsigned prot,
                 struct sim_tlb_entry *e)
{
	bool writable;
	om_pte_t *entry = walk_tables(cpu, mm, page, &writable);
	om_pte_t pte = entry ? om_arch_pte_load(entry) : 0, used;
	unsigned mask = writable ? ~0u : ~(unsigned)OM_PROT_WRITE;

	prot |= OM_PROT_READ;
	do {
		if (!om_pte_present(pte)) {
			if (sim_keeps(cpu, SIM_KEEPS_ABSENT))
				*e = (struct sim_tlb_entry){.mm = mm, .page = page};
			return false;
		}
		if ((pte_prot(pte) & mask & prot) != prot) {
			if (sim_keeps(cpu, SIM_KEEPS_READONLY))
				*e = translation(cpu->sim, mm, page, pte, mask);
			return false;
		}
		used = om_pte_mkyoung(pte);
		if (prot & OM_PROT_WRITE)
			used = om_pte_mkdirty(used);
	} while (used != pte && !om_arch_pte_cas(entry, &pte, used));
	*e = translation(cpu->sim, mm, page, used, mask);
	return true;
}

/* Does the CPU fault on what it has kept, without a walk? */
static bool is_kept(const struct sim_cpu *cpu, const struct sim_tlb_entry *e, unsigned prot)
{
	if (e->pfn == 0)
		return true;
	return sim_keeps(cpu, SIM_KEEPS_READONLY) && (e->prot & prot) != prot;
}

/* The translation for an access, from the TLB or by a walk; NULL: fault. CPU's lock held. */
static const struct sim_tlb_entry *translate(struct sim_cpu *cpu, struct om_mm *mm, uintptr_t page,
                                             unsigned prot)
{
	struct sim_tlb_entry *e = sim_tlb_slot(cpu, mm, page);

	if (sim_tlb_is(e, mm, page)) {
		if ((e->prot & prot) == prot && (e->dirty || !(prot & OM_PROT_WRITE))) {
			cpu->stats.hits++;
			return e;
		}
		if (is_kept(cpu, e, prot))
			return NULL;
		e->mm = NULL;
	}
	cpu->stats.walks++;
	if (walk(cpu, mm, page, prot, e))
		return e;
	if (!sim_keeps(cpu, SIM_KEEPS_UPPER))
		sim_upper_drop(cpu, mm, page);
	return NULL;
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

static enum om_fault_result take_fault(struct sim_cpu *cpu, struct om_mm *mm, uintptr_t addr,
                                       enum om_access access)
{
	const struct sim_tlb_entry fault = {.mm = mm, .page = addr >> OM_PAGE_SHIFT};
	enum om_fault_result result;

	pthread_mutex_lock(&cpu->lock);
	cpu->fault = fault;
	pthread_mutex_unlock(&cpu->lock);
	sim_run_on(cpu);
	result = om_fault(mm, addr, access);
	pthread_mutex_lock(&cpu->lock);
	cpu->fault.mm = NULL;
	cpu->stats.faults++;
	cpu->stats.major += result == OM_FAULT_MAJOR;
	pthread_mutex_unlock(&cpu->lock);
	return result;
}

static enum om_fault_result access_page(struct sim_cpu *cpu, struct om_mm *mm, uintptr_t addr,
                                        enum om_access access, void *to, const void *from, size_t n)
{
	for (unsigned tries = 0; tries < SIM_MAX_TRIES; tries++) {
		enum om_fault_result result;

		if (access_once(cpu, mm, addr, access, to, from, n))
			return OM_FAULT_MINOR;
		result = take_fault(cpu, mm, addr, access);
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

static bool cpu_holds(const struct sim_cpu *cpu, om_pfn_t pfn)
{
	for (unsigned i = 0; i < SIM_TLB_ENTRIES; i++)
		if (cpu->tlb[i].mm && cpu->tlb[i].pfn == pfn)
			return true;
	for (unsigned level = 1; level <= SIM_UPPER_LEVELS; level++)
		for (unsigned i = 0; i < SIM_UPPER_SETS; i++)
			if (cpu->upper[level - 1][i].mm && cpu->upper[level - 1][i].pfn == pfn)
				return true;
	return false;
}

bool sim_tlb_holds(struct sim *sim, om_pfn_t pfn)
{
	bool found = false;

	for (unsigned c = 0; c < sim->nr_cpus && !found; c++) {
		pthread_mutex_lock(&sim->cpu[c].lock);
		found = cpu_holds(&sim->cpu[c], pfn);
		pthread_mutex_unlock(&sim->cpu[c].lock);
	}
	return found;
}

/* What is to be compared with the page tables, and what has been found. */
struct comparison {
	struct sim *sim;
	struct om_mm *const *mm;
	unsigned n;
	struct sim_tlb_entry *bad;
	unsigned count;
};

static bool is_alive(const struct comparison *c, const struct om_mm *mm)
{
	unsigned i = 0;

	while (i < c->n && c->mm[i] != mm)
		i++;
	return i < c->n;
}

static void note_stale(struct comparison *c, const struct sim_tlb_entry *e)
{
	if (!c->count++ && c->bad)
		*c->bad = *e;
}

/* What the page tables say of the page; 0 if there is nothing. */
static om_pte_t find_leaf(struct sim *sim, struct om_mm *mm, uintptr_t page, bool *writable)
{
	om_pfn_t table = find_table(sim, mm, page, 2, writable);
	om_pte_t e = table ? om_arch_pte_load(entry_in(sim, mm, table, 2, page)) : 0;

	if (om_pte_is_big(e))
		return leaf_of(e, page);
	table = find_table(sim, mm, page, 1, writable);
	return table ? om_arch_pte_load(entry_in(sim, mm, table, 1, page)) : 0;
}

/* Do the page tables still say at least what this translation says? */
static bool entry_is_true(const struct comparison *c, const struct sim_tlb_entry *e)
{
	bool writable = false;
	om_pte_t pte = is_alive(c, e->mm) ? find_leaf(c->sim, e->mm, e->page, &writable) : 0;

	return om_pte_present(pte) && om_pte_pfn(pte) == e->pfn &&
	       (pte_prot(pte) & e->prot) == e->prot && (writable || !(e->prot & OM_PROT_WRITE)) &&
	       (om_pte_dirty(pte) || !e->dirty || !(e->prot & OM_PROT_WRITE));
}

static bool upper_is_true(const struct comparison *c, const struct sim_upper *u, unsigned level)
{
	bool writable;

	return is_alive(c, u->mm) &&
	       find_table(c->sim, u->mm, u->first, level, &writable) == u->pfn &&
	       (writable || !u->writable);
}

static void compare_uppers(struct comparison *c, const struct sim_cpu *cpu)
{
	for (unsigned level = 1; level <= SIM_UPPER_LEVELS; level++)
		for (unsigned i = 0; i < SIM_UPPER_SETS; i++) {
			const struct sim_upper *u = &cpu->upper[level - 1][i];

			if (u->mm && !upper_is_true(c, u, level))
				note_stale(c, &(struct sim_tlb_entry){.mm = u->mm,
				                                      .page = u->first,
				                                      .pfn = u->pfn});
		}
}

unsigned sim_check_tlb(struct sim *sim, struct om_mm *const mm[], unsigned n,
                       struct sim_tlb_entry *bad)
{
	struct comparison c = {.sim = sim, .mm = mm, .n = n, .bad = bad};

	for (unsigned i = 0; i < sim->nr_cpus; i++) {
		struct sim_cpu *cpu = &sim->cpu[i];

		pthread_mutex_lock(&cpu->lock);
		for (unsigned e = 0; e < SIM_TLB_ENTRIES; e++)
			if (cpu->tlb[e].mm && cpu->tlb[e].pfn && !entry_is_true(&c, &cpu->tlb[e]))
				note_stale(&c, &cpu->tlb[e]);
		compare_uppers(&c, cpu);
		pthread_mutex_unlock(&cpu->lock);
	}
	return c.count;
}
