/* hello.c: fork copies no page; whoever writes to one afterwards gets a copy of its own. */
#include <objrmap/objrmap.h>
#include <sim.h>

int main(void)
{
	struct sim *sim = sim_create(&(struct sim_config){.nr_frames = 256}); /* your kernel */
	struct sim_cpu *cpu = sim_cpu(sim, 0);
	struct om_map_request map = {.len = 4 * SIM_PAGE_SIZE,
	                             .prot = OM_PROT_READ | OM_PROT_WRITE,
	                             .flags = OM_MAP_PRIVATE};
	struct om_mm *parent, *child;
	char mine[8], other[8];

	om_mm_create(sim_system(sim), &sim_layout, NULL, &parent);
	om_mmap(parent, &map);                         /* an area; no frame yet */
	sim_store(cpu, parent, map.addr, "parent", 7); /* faults; om_fault() finds a frame */
	om_fork(parent, NULL, &child);                 /* shares the page */
	sim_store(cpu, child, map.addr, "child", 6);   /* faults, and copies it */

	sim_load(cpu, parent, map.addr, mine, sizeof(mine));
	sim_load(cpu, child, map.addr, other, sizeof(other));
	printf("The parent reads \"%s\", the child reads \"%s\".\n", mine, other);
	om_mm_destroy(child);
	om_mm_destroy(parent);
	return sim_destroy(sim) != 0; /* not 0 if a frame is lost */
}
