/*
 * procfs_memory.c: /proc/meminfo, vmstat and swaps, in Linux's words, and /proc/objrmap, all of
 * objrmap's own figures.
 */
#include "kmem.h"
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

void proc_show_vmstat(struct text *text, const struct proc_node *node)
{
	/* What Linux counts in the same way under another name, or in other units. */
	static const struct {
		enum om_event event;
		unsigned factor;
		const char *name;
	} events[] = {
	    {OM_EV_PGPGIN, PAGE_SIZE / 1024, "pgpgin"},
	    {OM_EV_PGPGOUT, PAGE_SIZE / 1024, "pgpgout"},
	    {OM_EV_PSWPIN, 1, "pswpin"},
	    {OM_EV_PSWPOUT, 1, "pswpout"},
	    {OM_EV_ALLOCSTALL, 1, "allocstall_normal"},
	    {OM_EV_PGALLOC, 1, "pgalloc_normal"},
	    {OM_EV_PGFREE, 1, "pgfree"},
	    {OM_EV_PGACTIVATE, 1, "pgactivate"},
	    {OM_EV_PGDEACTIVATE, 1, "pgdeactivate"},
	    {OM_EV_PGLAZYFREE, 1, "pglazyfree"},
	    {OM_EV_PGLAZYFREED, 1, "pglazyfreed"},
	    {OM_EV_PGFAULT, 1, "pgfault"},
	    {OM_EV_PGMAJFAULT, 1, "pgmajfault"},
	    {OM_EV_PGSCAN, 1, "pgscan"},
	    {OM_EV_PGSTEAL_ANON, 1, "pgsteal_anon"},
	    {OM_EV_PGSTEAL_FILE, 1, "pgsteal_file"},
	    {OM_EV_REFAULT_ANON, 1, "workingset_refault_anon"},
	    {OM_EV_REFAULT_FILE, 1, "workingset_refault_file"},
	    {OM_EV_UNEVICTABLE_IN, 1, "unevictable_pgs_culled"},
	    {OM_EV_UNEVICTABLE_OUT, 1, "unevictable_pgs_rescued"},
	    {OM_EV_SWAP_RA, 1, "swap_ra"},
	    {OM_EV_SWAP_RA_HIT, 1, "swap_ra_hit"},
	};
	struct om_sysinfo info;

	(void)node;
	om_sysinfo(vm, &info);
	show_states(text, &info);
	for (unsigned i = 0; i < ARRAY_SIZE(events); i++)
		text_add(text, "%s %lu\n", events[i].name,
		         info.event[events[i].event] * events[i].factor);
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
