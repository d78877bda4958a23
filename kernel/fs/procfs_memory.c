/*
 * procfs_memory.c: /proc/meminfo, vmstat, swaps and pressure/memory, in Linux's words, and
 * /proc/objrmap, all of objrmap's own figures.
 */
#include "kmem.h"
#include "pressure.h"
#include "procfs.h"

/* ---------------------------------------------------------------- meminfo ------------------- */

void proc_show_meminfo(struct text *text, const struct proc_node *node)
{
	struct om_sysinfo i;

	(void)node;
	om_sysinfo(vm, &i);
	text_pages(text, "MemTotal:", i.frames);
	text_pages(text, "MemFree:", i.free);
	text_pages(text, "MemAvailable:", (uint64_t)i.free + i.active_file + i.inactive_file);
	text_pages(text, "Buffers:", 0);
	text_pages(text, "Cached:", i.file_cached);
	text_pages(text, "SwapCached:", i.swap_cached);
	text_pages(text, "Active:", i.active_anon + i.active_file);
	text_pages(text, "Inactive:", i.inactive_anon + i.inactive_file);
	text_pages(text, "Active(anon):", i.active_anon);
	text_pages(text, "Inactive(anon):", i.inactive_anon);
	text_pages(text, "Active(file):", i.active_file);
	text_pages(text, "Inactive(file):", i.inactive_file);
	text_pages(text, "Unevictable:", i.unevictable);
	text_pages(text, "Mlocked:", i.unevictable);
	text_pages(text, "SwapTotal:", i.swap_slots);
	text_pages(text, "SwapFree:", i.swap_free);
	text_pages(text, "AnonPages:", (uint64_t)i.anon_direct + i.anon_shared);
	text_pages(text, "Mapped:", i.file_mapped);
	text_pages(text, "Shmem:", i.shmem);
	text_pages(text, "Slab:", i.objects + i.index);
	text_pages(text, "SUnreclaim:", i.objects + i.index);
	text_pages(text, "PageTables:", i.tables);
	text_pages(text, "KernelMisc:",
	           kmem_frames()); /* not Linux's: stacks and all else of the kernel */
}

/* ---------------------------------------------------------------- vmstat -------------------- */

static void show_states(struct text *text, const struct om_sysinfo *i)
{
	text_add(text, "nr_free_pages %u\n", i->free);
	text_add(text, "nr_inactive_anon %u\nnr_active_anon %u\n", i->inactive_anon,
	         i->active_anon);
	text_add(text, "nr_inactive_file %u\nnr_active_file %u\n", i->inactive_file,
	         i->active_file);
	text_add(text, "nr_unevictable %u\nnr_mlock %u\n", i->unevictable, i->unevictable);
	text_add(text, "nr_anon_pages %u\nnr_mapped %u\nnr_file_pages %u\nnr_shmem %u\n",
	         i->anon_direct + i->anon_shared, i->file_mapped, i->file_cached, i->shmem);
	text_add(text, "nr_page_table_pages %u\nnr_swapcached %u\n", i->tables, i->swap_cached);
}

/*
 * An event is shown under the name that the library gives it. Here are those that Linux counts in
 * the same way under another name, or in other units.
 */
static const struct {
	const char *name;
	unsigned factor; /* 0: 1 */
} linux_events[OM_NR_EVENTS] = {
    [OM_EV_PGPGIN] = {"pgpgin", PAGE_SIZE / 1024},
    [OM_EV_PGPGOUT] = {"pgpgout", PAGE_SIZE / 1024},
    [OM_EV_ALLOCSTALL] = {"allocstall_normal", 0},
    [OM_EV_PGALLOC] = {"pgalloc_normal", 0},
    [OM_EV_UNEVICTABLE_IN] = {"unevictable_pgs_culled", 0},
    [OM_EV_UNEVICTABLE_OUT] = {"unevictable_pgs_rescued", 0},
};

/* Who has freed pages: threads that wanted one, or the thread that does it for all. */
static void show_who(struct text *text, uint64_t stolen)
{
	uint64_t background = MIN(vm_reclaimed(), stolen);

	text_add(text, "pgsteal_kswapd %lu\npgsteal_direct %lu\n", background, stolen - background);
}

void proc_show_vmstat(struct text *text, const struct proc_node *node)
{
	struct om_sysinfo info;

	(void)node;
	om_sysinfo(vm, &info);
	show_states(text, &info);
	for (unsigned e = 0; e < OM_NR_EVENTS; e++) {
		const char *name = linux_events[e].name;

		text_add(text, "%s %lu\n", name ? name : om_event_name(e),
		         info.event[e] * MAX(linux_events[e].factor, 1u));
	}
	show_who(text, info.event[OM_EV_PGSTEAL_ANON] + info.event[OM_EV_PGSTEAL_FILE]);
}

/* ---------------------------------------------------------------- pressure ------------------ */

static void show_pressure(struct text *text, const char *name, const struct pressure *p)
{
	text_add(text, "%s avg10=%u.%02u avg60=%u.%02u avg300=%u.%02u total=%lu\n", name,
	         p->avg10 / 100, p->avg10 % 100, p->avg60 / 100, p->avg60 % 100, p->avg300 / 100,
	         p->avg300 % 100, p->total_us);
}

void proc_show_pressure(struct text *text, const struct proc_node *node)
{
	struct pressure pressure[NR_PRESSURES];

	(void)node;
	pressure_read(pressure);
	show_pressure(text, "some", &pressure[PRESSURE_SOME]);
	show_pressure(text, "full", &pressure[PRESSURE_FULL]);
}

/* ---------------------------------------------------------------- swaps --------------------- */

void proc_show_swaps(struct text *text, const struct proc_node *node)
{
	struct swap_info info;
	struct om_sysinfo sys;
	uint64_t used;

	(void)node;
	om_sysinfo(vm, &sys);
	used = sys.swap_slots - sys.swap_free;
	text_add(text, "Filename\t\t\t\tType\t\tSize\t\tUsed\t\tPriority\n");
	for (unsigned i = 0; swap_info(i, &info); i++) {
		/* Slots in use are counted of all areas together: shown from the first on. */
		uint64_t here = MIN(used, info.slots);

		used -= here;
		text_add(text, "/dev/vd%c%32s%s\t%lu\t\t%lu\t\t%d\n", (char)('a' + info.disk), "",
		         "partition", info.slots * (PAGE_SIZE / 1024), here * (PAGE_SIZE / 1024),
		         info.priority);
	}
}

/* ---------------------------------------------------------------- objrmap ------------------- */

static void figure(struct text *text, const char *name, uint64_t value)
{
	text_add(text, "%s %lu\n", name, value);
}

void proc_show_objrmap(struct text *text, const struct proc_node *node)
{
	struct om_sysinfo i;

	(void)node;
	om_sysinfo(vm, &i);
	figure(text, "frames", i.frames);
	figure(text, "free", i.free);
	figure(text, "anon_direct", i.anon_direct);
	figure(text, "anon_shared", i.anon_shared);
	figure(text, "file_mapped", i.file_mapped);
	figure(text, "file_cached", i.file_cached);
	figure(text, "shmem", i.shmem);
	figure(text, "swap_cached", i.swap_cached);
	figure(text, "tables", i.tables);
	figure(text, "index", i.index);
	figure(text, "objects", i.objects);
	figure(text, "active_anon", i.active_anon);
	figure(text, "inactive_anon", i.inactive_anon);
	figure(text, "active_file", i.active_file);
	figure(text, "inactive_file", i.inactive_file);
	figure(text, "unevictable", i.unevictable);
	figure(text, "swap_slots", i.swap_slots);
	figure(text, "swap_free", i.swap_free);
	figure(text, "rmap_bytes", i.rmap_bytes);
	figure(text, "nr_mm", i.nr_mm);
	figure(text, "nr_vma", i.nr_vma);
	figure(text, "nr_anon_vma", i.nr_anon_vma);
	figure(text, "nr_mapping", i.nr_mapping);
	figure(text, "kernel_frames", kmem_frames());
	for (unsigned e = 0; e < OM_NR_EVENTS; e++)
		figure(text, om_event_name(e), i.event[e]);
}
