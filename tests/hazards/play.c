/*
 * play.c: what the scenes are made of; see hazards.h.
 */
#include "hazards.h"

#include <string.h>

struct rig *small_rig(void)
{
	return rig_create(&(struct rig_config){.frames = 256, .cpus = 3, .slots = 256});
}

void play_anon(struct play *p, unsigned pages)
{
	p->mm = rig_mm(p->r);
	p->a = rig_map(p->r, p->mm, HERE, pages, RIG_RW, OM_MAP_PRIVATE, NULL, 0);
	rig_put(p->r, p->mm, p->a, pages, 100);
}

void play_family(struct play *p, unsigned pages)
{
	play_anon(p, pages);
	p->child = rig_fork(p->r, p->mm, NULL);
}

void play_file(struct play *p, unsigned pages, int flags)
{
	p->mm = rig_mm(p->r);
	p->file = rig_file(p->r, pages, 200);
	p->a = rig_map(p->r, p->mm, HERE, pages, RIG_RW, flags, p->file, 0);
}

void play_shmem(struct play *p, unsigned pages)
{
	p->mm = rig_mm(p->r);
	p->file = rig_shmem(p->r, pages, 200);
	p->a = rig_map(p->r, p->mm, HERE, pages, RIG_RW, OM_MAP_SHARED, p->file, 0);
}

void play_cold(struct play *p, struct om_mm *mm, unsigned pages)
{
	for (unsigned c = 0; c < sim_nr_cpus(p->r->sim); c++)
		sim_tlb_flush(sim_cpu(p->r->sim, c));
	rig_ok(om_madvise(mm, p->a, PAGES(pages), OM_MADV_COLD));
}

void play_warm(struct play *p, struct om_mm *mm, uintptr_t addr, unsigned pages, bool write)
{
	for (unsigned c = 0; c < sim_nr_cpus(p->r->sim); c++)
		for (unsigned i = 0; i < pages; i++) {
			struct sim_cpu *cpu = sim_cpu(p->r->sim, c);
			unsigned long tag;

			rig_equal(rig_get(cpu, mm, addr + PAGES(i), &tag), OM_FAULT_MINOR);
			if (write)
				rig_equal(rig_set(cpu, mm, addr + PAGES(i), tag), OM_FAULT_MINOR);
		}
}

void task_reclaim(struct play *p)
{
	om_reclaim_step(p->r->sys, 64);
}

void task_pageout(struct play *p)
{
	(void)om_madvise(p->mm, p->a, PAGES(8), OM_MADV_PAGEOUT);
}

void task_fork(struct play *p)
{
	p->other = rig_fork(p->r, p->mm, NULL);
}

void task_swapoff(struct play *p)
{
	rig_ok(rig_swapoff(p->r, 0));
}

enum om_fault_result get_word(struct play *p, struct om_mm *mm, uintptr_t addr, unsigned long *word)
{
	sched_step();
	return sim_load(sched_cpu(p), mm, addr, word, sizeof(*word));
}

enum om_fault_result set_word(struct play *p, struct om_mm *mm, uintptr_t addr, unsigned long word)
{
	sched_step();
	return sim_store(sched_cpu(p), mm, addr, &word, sizeof(word));
}

int write_tag(struct om_mm *mm, uintptr_t addr, unsigned long tag)
{
	unsigned char page[RIG_PAGE];

	memset(page, 0, sizeof(page));
	rig_set_tag(page, tag);
	return om_write(mm, addr, page, sizeof(page), NULL);
}

unsigned long get_tag(struct play *p, struct om_mm *mm, uintptr_t addr)
{
	unsigned long tag;

	rig_equal(rig_get(sched_cpu(p), mm, addr, &tag), OM_FAULT_MINOR);
	return tag;
}

bool fill_hole(struct play *p, uintptr_t addr, unsigned long tag)
{
	for (unsigned i = 0; i < 40 && get_tag(p, p->mm, addr); i++)
		sched_step();
	if (get_tag(p, p->mm, addr))
		return false;
	rig_equal(rig_set(sched_cpu(p), p->mm, addr, tag), OM_FAULT_MINOR);
	return true;
}
