/*
 * swap.c: a program with four times the memory of its machine, and a swap file on disk for the
 * rest.
 *
 *     build/examples/swap [SWAPFILE]
 */
#include <objrmap/objrmap.h>
#include <sim.h>

#define RAM_PAGES  512u
#define DATA_PAGES (4 * RAM_PAGES)

int main(int argc, char **argv)
{
	const char *path = argc > 1 ? argv[1] : "objrmap-example.swap";
	struct sim *sim =
	    sim_create(&(struct sim_config){.nr_frames = RAM_PAGES, .swap_cluster = 3});
	struct om_system *sys = sim_system(sim);
	struct sim_cpu *cpu = sim_cpu(sim, 0);
	struct sim_store *disk = sim_store_file(path);
	struct om_sysinfo info;
	struct om_mm *mm;
	struct om_map_request data = {.len = DATA_PAGES * SIM_PAGE_SIZE,
	                              .prot = OM_PROT_READ | OM_PROT_WRITE,
	                              .flags = OM_MAP_PRIVATE};
	unsigned device;
	int err;

	if (!disk) {
		perror(path);
		return 1;
	}
	/* The swap device: a store, like that of a file. Twice the data: there is always room. */
	err = om_swapon(sys, &sim_store_ops, disk, 2 * DATA_PAGES, 0, &device);
	if (!err)
		err = om_mm_create(sys, &sim_layout, NULL, &mm);
	if (!err)
		err = om_mmap(mm, &data);
	if (err) {
		fprintf(stderr, "set-up: error %d\n", -err);
		return 1;
	}

	/* Write all pages, then read them all twice. Reclaim works inside the faults. */
	for (uintptr_t i = 0; i < DATA_PAGES; i++)
		sim_put(cpu, mm, data.addr + i * SIM_PAGE_SIZE, 1000000 + i);
	for (unsigned round = 0; round < 2; round++) {
		for (uintptr_t i = 0; i < DATA_PAGES; i++) {
			if (sim_get(cpu, mm, data.addr + i * SIM_PAGE_SIZE) != 1000000 + i) {
				fprintf(stderr, "page %lu is wrong\n", (unsigned long)i);
				return 1;
			}
		}
	}
	om_sysinfo(sys, &info);
	printf("%u pages of data in %u frames: all as written\n", DATA_PAGES, info.frames);
	printf("swapped out %llu, in %llu (%llu of them ahead of the fault), in %llu faults\n",
	       (unsigned long long)info.event[OM_EV_PSWPOUT],
	       (unsigned long long)info.event[OM_EV_PSWPIN],
	       (unsigned long long)info.event[OM_EV_SWAP_RA],
	       (unsigned long long)info.event[OM_EV_PGFAULT]);
	printf("now: %u frames free, %u of %u swap slots in use\n", info.free,
	       info.swap_slots - info.swap_free, info.swap_slots);

	om_mm_destroy(mm);
	err = om_swapoff(sys, device);
	if (!err)
		err = sim_destroy(sim);
	sim_store_free(disk);
	remove(path);
	if (err)
		fprintf(stderr, "the end: error %d\n", -err);
	return err != 0;
}
