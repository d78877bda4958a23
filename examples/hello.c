/* hello.c: fork copies no page; whoever writes to one afterwards gets a copy of its own. */
#include <objrmap/objrmap.h>
#include <sim.h>

int main(void)
{
	struct sim *sim = sim_create(&(struct sim_config){.nr_frames = 256}); /* your kernel */
	struct sim_cpu *cpu = sim_cpu(sim, 0);
	struct om_mm *parent, *child;
	struct om_sysinfo info;
	char mine[8], other[8];
	uintptr_t addr = 0;

	if (om_mm_create(sim_system(sim), &sim_layout, NULL, &parent) != 0 ||
	    om_mmap(parent, &addr, 4 * SIM_PAGE_SIZE, OM_PROT_READ | OM_PROT_WRITE, OM_MAP_PRIVATE,
	            NULL, 0) != 0)
		return 1;
	for (unsigned i = 0; i < 4; i++) /* each store faults, and om_fault() finds a frame */
		sim_store(cpu, parent, addr + i * SIM_PAGE_SIZE, "parent", 7);
	if (om_fork(parent, NULL, &child) != 0)
		return 1;
	sim_store(cpu, child, addr, "child", 6); /* this fault copies the page */

	sim_load(cpu, parent, addr, mine, sizeof(mine));
	sim_load(cpu, child, addr, other, sizeof(other));
	om_sysinfo(sim_system(sim), &info);
	printf("The parent reads \"%s\", the child reads \"%s\": %u page of 4 was copied.\n", mine,
	       other, (unsigned)info.event[OM_EV_FAULT_COW]);
	om_mm_destroy(child);
	om_mm_destroy(parent);
	return sim_destroy(sim) != 0; /* not 0 if a frame is lost */
}
