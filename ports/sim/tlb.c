/*
 * tlb.c: what the simulated CPUs keep of page tables, and the flushes that make them drop it.
 *
 * A CPU keeps translations of pages, and of upper levels which table it has found where. It also
 * keeps, if the mode says so, translations that it has faulted on, and that there are none.
 */
#include "tlb.h"

#include <stdlib.h>
#include <string.h>

/* ---------------------------------------------------------------- modes --------------------- */

static bool has_word(const char *list, const char *word)
{
	size_t n = strlen(word);

	for (const char *at = list; (at = strstr(at, word)); at += n)
		if ((at == list || at[-1] == ',') && (at[n] == ',' || !at[n]))
			return true;
	return false;
}

enum sim_mode sim_mmu_mode(enum sim_mode mode)
{
	static const struct {
		const char *word;
		unsigned mode;
	} known[] = {{"x86", SIM_X86},
	             {"readonly", SIM_KEEPS_READONLY},
	             {"absent", SIM_KEEPS_ABSENT},
	             {"upper", SIM_KEEPS_UPPER},
	             {"all", SIM_KEEPS_ALL}};
	const char *list = getenv("OM_SIM_MODE");
	unsigned found = 0;

	if (mode != SIM_MODE_ENV)
		return mode;
	if (!list || !*list)
		return SIM_X86;
	for (unsigned i = 0; i < sizeof(known) / sizeof(*known); i++)
		if (has_word(list, known[i].word))
			found |= known[i].mode;
	if (!found) {
		fprintf(stderr, "OM_SIM_MODE=%s: x86, all, or of readonly, absent, upper\n", list);
		exit(2);
	}
	return (enum sim_mode)found;
}

/* ---------------------------------------------------------------- TLB ----------------------- */

static void tlb_drop(struct sim_cpu *cpu, struct sim_tlb_entry *e)
{
	e->mm = NULL;
	cpu->stats.flushed++;
}

static void tlb_flush(struct sim_cpu *cpu, const struct om_mm *mm, uintptr_t first, uintptr_t last)
{
	if (last - first < SIM_TLB_ENTRIES) {
		for (uintptr_t page = first; page <= last; page++) {
			struct sim_tlb_entry *e = sim_tlb_slot(cpu, mm, page);

			if (sim_tlb_is(e, mm, page))
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

/* ---------------------------------------------------------------- upper levels -------------- */

/* Drop all of the mm, or what is on the way to pages first to last alone. */
static void upper_flush(struct sim_cpu *cpu, const struct om_mm *mm, uintptr_t first,
                        uintptr_t last, bool all)
{
	for (unsigned level = 1; level <= SIM_UPPER_LEVELS; level++)
		for (unsigned i = 0; i < SIM_UPPER_SETS; i++) {
			struct sim_upper *u = &cpu->upper[level - 1][i];

			if (u->mm == mm &&
			    (all || (u->first <= last &&
			             u->first + (sim_table_pages(level) - 1) >= first)))
				u->mm = NULL;
		}
}

void sim_upper_drop(struct sim_cpu *cpu, const struct om_mm *mm, uintptr_t page)
{
	upper_flush(cpu, mm, page, page, false);
}

/* ---------------------------------------------------------------- flushes ------------------- */

/* Takes every CPU's lock, also of those without an entry: a walk may be under way there. */
void sim_mmu_flush(void *ctx, struct om_mm *mm, uintptr_t start, uintptr_t end, enum om_flush what)
{
	struct sim *sim = ctx;
	uintptr_t first = start >> OM_PAGE_SHIFT, last = (end - 1) >> OM_PAGE_SHIFT;

	if (start >= end)
		return;
	for (unsigned i = 0; i < sim->nr_cpus; i++) {
		struct sim_cpu *cpu = &sim->cpu[i];

		pthread_mutex_lock(&cpu->lock);
		if (what & OM_FLUSH_PAGES)
			tlb_flush(cpu, mm, first, last);
		if ((what & OM_FLUSH_TABLES) || !sim_keeps(cpu, SIM_KEEPS_UPPER))
			upper_flush(cpu, mm, first, last, !sim_keeps(cpu, SIM_KEEPS_UPPER));
		pthread_mutex_unlock(&cpu->lock);
	}
}

/*
 * "This CPU" is the one that waits for om_fault() because of this very page. A CPU that keeps
 * nothing of absent entries believes the caller that there was none, as a port for Arm would.
 */
void sim_mmu_flush_local(void *ctx, struct om_mm *mm, uintptr_t addr, bool was_present)
{
	struct sim *sim = ctx;
	uintptr_t page = addr >> OM_PAGE_SHIFT;

	for (unsigned i = 0; i < sim->nr_cpus; i++) {
		struct sim_cpu *cpu = &sim->cpu[i];
		struct sim_tlb_entry *e = sim_tlb_slot(cpu, mm, page);

		pthread_mutex_lock(&cpu->lock);
		if (sim_tlb_is(&cpu->fault, mm, page))
			sim_upper_drop(cpu, mm, page);
		if (sim_tlb_is(&cpu->fault, mm, page) && sim_tlb_is(e, mm, page) &&
		    (was_present || sim_keeps(cpu, SIM_KEEPS_ABSENT)))
			tlb_drop(cpu, e);
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
	memset(cpu->upper, 0, sizeof(cpu->upper));
	pthread_mutex_unlock(&cpu->lock);
}
