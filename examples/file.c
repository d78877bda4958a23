/*
 * file.c: a file in the page cache, seen through three windows: a shared mapping, a private
 * mapping, and read and write calls.
 */
#include <string.h>

#include <objrmap/objrmap.h>
#include <sim.h>

#define CHECK(call)                                                                                \
	do {                                                                                       \
		int err = (call);                                                                  \
		if (err) {                                                                         \
			fprintf(stderr, "%s: error %d\n", #call, -err);                            \
			return 1;                                                                  \
		}                                                                                  \
	} while (0)

static void show(struct sim_cpu *cpu, struct om_mm *mm, uintptr_t addr, const char *what)
{
	char text[24] = "";

	sim_load(cpu, mm, addr, text, sizeof(text) - 1);
	printf("%-22s %s\n", what, text);
}

int main(void)
{
	struct sim *sim = sim_create(&(struct sim_config){.nr_frames = 256});
	struct sim_cpu *cpu = sim_cpu(sim, 0);
	struct sim_store *disk = sim_store_ram();
	struct om_mapping *file;
	struct om_mm *mm;
	struct om_map_request map = {.len = 2 * SIM_PAGE_SIZE,
	                             .prot = OM_PROT_READ | OM_PROT_WRITE};
	uintptr_t shared, private;
	char text[24] = "";
	size_t done;

	/*
	 * A file is an om_mapping: a size, and a store that reads and writes its pages. Here the
	 * store is a piece of memory that plays a disk.
	 */
	sim_store_poke(disk, 0, "written by mkfs", 16);
	CHECK(om_mapping_create(sim_system(sim), &sim_store_ops, disk, 2 * SIM_PAGE_SIZE, &file));
	CHECK(om_mm_create(sim_system(sim), &sim_layout, NULL, &mm));
	map.file = file;
	map.flags = OM_MAP_SHARED;
	CHECK(om_mmap(mm, &map));
	shared = map.addr;
	map.addr = 0; /* anywhere again */
	map.flags = OM_MAP_PRIVATE;
	CHECK(om_mmap(mm, &map));
	private = map.addr;
	show(cpu, mm, shared, "shared mapping:");
	show(cpu, mm, private, "private mapping:");

	/* A write call is seen by both mappings at once: all of them look at the same page. */
	CHECK(om_mapping_write(file, 0, "written by write", 17, &done));
	show(cpu, mm, shared, "shared, then:");
	show(cpu, mm, private, "private, then:");

	/* A store to the private mapping makes a copy that the file never sees... */
	sim_store(cpu, mm, private, "written in private", 19);
	/* ...a store to the shared one is a store to the file. */
	sim_store(cpu, mm, shared, "written in shared", 18);
	show(cpu, mm, private, "private, after stores:");
	CHECK(om_mapping_read(file, 0, text, sizeof(text) - 1, &done));
	printf("%-22s %s\n", "read call:", text);

	/* The disk learns of it when somebody asks for that, or memory gets short. */
	sim_store_peek(disk, 0, text, sizeof(text));
	printf("%-22s %s\n", "disk before msync:", text);
	CHECK(om_msync(mm, shared, 2 * SIM_PAGE_SIZE, OM_MS_SYNC));
	sim_store_peek(disk, 0, text, sizeof(text));
	printf("%-22s %s\n", "disk after msync:", text);

	/* Beyond the end of the file there is nothing to see: the program would get SIGBUS. */
	CHECK(om_mapping_truncate(file, SIM_PAGE_SIZE));
	if (sim_load(cpu, mm, shared + SIM_PAGE_SIZE, text, 1) != OM_FAULT_BUS)
		return 1;
	printf("%-22s a bus error\n", "beyond the end:");

	om_mapping_put(file);
	om_mm_destroy(mm);
	CHECK(sim_destroy(sim));
	sim_store_free(disk);
	return 0;
}
