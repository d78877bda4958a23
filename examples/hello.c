/* hello.c: one machine, one process, one fork: who writes gets a page of its own. */
#include <objrmap/objrmap.h>
#include <sim.h>

int main(void)
{
	/* A simulated machine: 1 MiB of memory, one CPU. On real hardware, this is your kernel. */
	struct sim *sim = sim_create(&(struct sim_config){.nr_frames = 256});
	struct om_system *sys = sim_system(sim);
	struct sim_cpu *cpu = sim_cpu(sim, 0);
	struct om_mm *parent, *child;
	struct om_sysinfo info;
	struct om_map_request map = {.len = 4 * SIM_PAGE_SIZE,
	                             .prot = OM_PROT_READ | OM_PROT_WRITE,
	                             .flags = OM_MAP_PRIVATE};
	char word[8];

	/* A process with four pages of memory. They get frames when they are first used. */
	if (om_mm_create(sys, &sim_layout, NULL, &parent) != 0 || om_mmap(parent, &map) != 0)
		return 1;
	for (int i = 0; i < 4; i++)
		sim_store(cpu, parent, map.addr + i * SIM_PAGE_SIZE, "parent", 7);

	/* Fork copies no page, until one of the two writes. */
	if (om_fork(parent, NULL, &child) != 0)
		return 1;
	sim_store(cpu, child, map.addr, "child", 6);
	om_sysinfo(sys, &info);

	sim_load(cpu, parent, map.addr, word, sizeof(word));
	printf("the parent reads \"%s\", ", word);
	sim_load(cpu, child, map.addr, word, sizeof(word));
	printf("the child reads \"%s\"\n", word);
	printf("%u direct page, %u shared pages, %u page copied\n", info.anon_direct,
	       info.anon_shared, (unsigned)info.event[OM_EV_FAULT_COW]);

	om_mm_destroy(child);
	om_mm_destroy(parent);
	return sim_destroy(sim) != 0;
}
