/*
 * stat.c: figures: of the system, of an address space, of one area, of one entry.
 *
 * Those of the system are counted as things happen, and read off here: programs read them all the
 * time, and must not make others wait. They are exact when the system is at rest; otherwise each is
 * right for some moment, give or take the pages that change just now.
 */
#include "area/mm.h"
#include "base/mem.h"
#include "page/fold.h"
#include "page/frame.h"
#include "rmap/rmap.h"
#include "store/index.h"
#include "store/swap.h"

static const char *const event_name[OM_NR_EVENTS] = {
    [OM_EV_PGFAULT] = "pgfault",
    [OM_EV_PGMAJFAULT] = "pgmajfault",
    [OM_EV_FAULT_ANON] = "fault_anon",
    [OM_EV_FAULT_ZERO] = "fault_zero",
    [OM_EV_FAULT_COW] = "fault_cow",
    [OM_EV_FAULT_REUSE] = "fault_reuse",
    [OM_EV_FAULT_FILE] = "fault_file",
    [OM_EV_FAULT_SWAP] = "fault_swap",
    [OM_EV_PGALLOC] = "pgalloc",
    [OM_EV_PGFREE] = "pgfree",
    [OM_EV_META_ALLOC] = "meta_alloc",
    [OM_EV_PSWPIN] = "pswpin",
    [OM_EV_PSWPOUT] = "pswpout",
    [OM_EV_SWAP_READ] = "swap_read",
    [OM_EV_SWAP_OVER] = "swap_over",
    [OM_EV_SWAP_RA] = "swap_ra",
    [OM_EV_SWAP_RA_HIT] = "swap_ra_hit",
    [OM_EV_PGPGIN] = "pgpgin",
    [OM_EV_FILE_RA] = "file_ra",
    [OM_EV_FILE_RA_HIT] = "file_ra_hit",
    [OM_EV_FILE_RA_MISS] = "file_ra_miss",
    [OM_EV_PGPGOUT] = "pgpgout",
    [OM_EV_PGSCAN] = "pgscan",
    [OM_EV_PGSTEAL_ANON] = "pgsteal_anon",
    [OM_EV_PGSTEAL_FILE] = "pgsteal_file",
    [OM_EV_REFAULT_ANON] = "workingset_refault_anon",
    [OM_EV_REFAULT_FILE] = "workingset_refault_file",
    [OM_EV_PGACTIVATE] = "pgactivate",
    [OM_EV_PGDEACTIVATE] = "pgdeactivate",
    [OM_EV_PGLAZYFREE] = "pglazyfree",
    [OM_EV_PGLAZYFREED] = "pglazyfreed",
    [OM_EV_UNEVICTABLE_IN] = "unevictable_in",
    [OM_EV_UNEVICTABLE_OUT] = "unevictable_out",
    [OM_EV_ALLOCSTALL] = "allocstall",
    [OM_EV_OOM] = "oom",
    [OM_EV_FORK] = "fork",
    [OM_EV_FORK_COPY] = "fork_copy",
    [OM_EV_DIRECT_TO_SHARED] = "direct_to_shared",
    [OM_EV_SHARED_TO_DIRECT] = "shared_to_direct",
    [OM_EV_TABLE_MOVE] = "table_move",
    [OM_EV_RMAP_WALKS] = "rmap_walks",
    [OM_EV_RMAP_PROBES] = "rmap_probes",
    [OM_EV_RMAP_FOUND] = "rmap_found",
    [OM_EV_RMAP_RETRIES] = "rmap_retries",
    [OM_EV_RMAP_COPY] = "rmap_copies",
    [OM_EV_MERGE_REFUSED] = "merges_refused",
    [OM_EV_SWAP_READ_ERR] = "swap_read_err",
    [OM_EV_SWAP_WRITE_ERR] = "swap_write_err",
    [OM_EV_SWAP_SCAN] = "swap_scan",
    [OM_EV_TABLE_RECLAIM] = "table_reclaim",
    [OM_EV_TABLE_SHARE] = "table_share",
    [OM_EV_TABLE_UNSHARE] = "table_unshare",
    [OM_EV_TABLE_FOLD] = "table_fold",
    [OM_EV_TABLE_UNFOLD] = "table_unfold",
};

const char *om_event_name(enum om_event ev)
{
	return (unsigned)ev < OM_NR_EVENTS ? event_name[ev] : NULL;
}

/* ---------------------------------------------------------------- the system ---------------- */

static void sum_events(struct om_system *sys, uint64_t *event)
{
	for (unsigned s = 0; s <= sys->cpu_mask; s++)
		for (unsigned ev = 0; ev < OM_NR_EVENTS; ev++)
			event[ev] +=
			    atomic_load_explicit(&sys->shard[s].event[ev], memory_order_relaxed);
}

static om_pfn_t load(const _Atomic om_pfn_t *n)
{
	return atomic_load_explicit(n, memory_order_relaxed);
}

static void count_kinds(struct om_system *sys, struct om_sysinfo *info)
{
	info->frames = load(&sys->nr_owned);
	info->free = om_frames_free(sys);
	info->tables = om_frames_of_kind(sys, OM_KIND_TABLE);
	info->index = om_frames_of_kind(sys, OM_KIND_INDEX);
	info->objects = om_frames_of_kind(sys, OM_KIND_OBJECT);
	info->file_cached = load(&sys->nr_cached);
	info->shmem = load(&sys->nr_shmem);
	info->swap_cached = om_swapcache_pages(sys);
	info->unevictable = load(&sys->nr_unevictable);
}

/* Nobody counts them: each frame that is not free was taken once more than it was freed. */
static void count_allocations(struct om_sysinfo *info, bool has_zero_page)
{
	om_pfn_t free = info->free + has_zero_page;

	info->event[OM_EV_PGALLOC] = info->event[OM_EV_PGFREE];
	if (info->frames > free)
		info->event[OM_EV_PGALLOC] += info->frames - free;
}

static void count_mapped(struct om_system *sys, struct om_sysinfo *info)
{
	struct om_mapped_pages mapped;

	om_rmap_mapped(sys, &mapped);
	info->anon_direct = mapped.direct;
	info->anon_shared = mapped.shared;
	info->file_mapped = mapped.file;
}

/*
 * Active is what the hand found used when it came by last, as far as it has been round. Unevictable
 * pages count, too, since no one looks.
 */
static void split(struct om_system *sys, enum om_age_kind kind, om_pfn_t all, om_pfn_t *active,
                  om_pfn_t *inactive)
{
	om_pfn_t unused = load(&sys->ages.unused[1][kind]);

	*inactive = unused < all ? unused : all;
	*active = all - *inactive;
}

static void count_ages(struct om_system *sys, struct om_sysinfo *info)
{
	split(sys, OM_AGE_ANON, info->anon_direct + info->anon_shared + info->shmem,
	      &info->active_anon, &info->inactive_anon);
	split(sys, OM_AGE_FILE, info->file_cached - info->shmem, &info->active_file,
	      &info->inactive_file);
}

static void count_swap(struct om_system *sys, struct om_sysinfo *info)
{
	om_swap_figures(sys, &info->swap_slots, &info->swap_free);
}

void om_sysinfo(struct om_system *sys, struct om_sysinfo *info)
{
	memset(info, 0, sizeof(*info));
	sum_events(sys, info->event);
	count_kinds(sys, info);
	count_allocations(info, sys->zero_pfn != OM_NO_PFN);
	count_mapped(sys, info);
	count_ages(sys, info);
	count_swap(sys, info);
	info->rmap_bytes = om_rmap_bytes(sys);
	info->nr_mm = (unsigned)om_slab_sum(sys, OM_CACHE_MM).objects;
	info->nr_vma = (unsigned)om_slab_sum(sys, OM_CACHE_VMA).objects;
	info->nr_anon_vma = (unsigned)om_slab_sum(sys, OM_CACHE_RMAP).objects;
	info->nr_mapping = (unsigned)om_slab_sum(sys, OM_CACHE_MAPPING).objects;
}

/* ---------------------------------------------------------------- an address space ---------- */

/* What reports need to know of a page, copied under its frame lock. */
struct glance {
	uint32_t mapcount; /* address spaces that show it, as far as this table can tell */
	unsigned flags;
	bool pinned;
};

/*
 * The page is mapped and its table locked, so it stays what it is; its mapcount may change. One
 * entry in a table of several owners shows the page to all of them: it is not exclusive (I13).
 */
static struct glance glance_at(struct om_system *sys, const struct om_page *table,
                               struct om_page *page)
{
	unsigned owners = om_table_is_shared(table) ? om_table_nr_owners(sys, table) : 1;
	struct glance g;

	om_frame_lock(sys, page);
	g.mapcount = page->mapcount + owners - 1;
	g.flags = om_page_flags(page);
	g.pinned = om_page_pins(page);
	om_frame_unlock(sys, page);
	if (owners > 1)
		g.flags &= ~(unsigned)OM_PG_DIRECT;
	return g;
}

static enum om_pagekind kind_of(unsigned flags)
{
	if (!(flags & OM_PG_ANON))
		return OM_PAGE_FILE;
	return flags & OM_PG_DIRECT ? OM_PAGE_DIRECT : OM_PAGE_SHARED;
}

static void add_page(struct om_mminfo *info, struct glance g, om_pte_t pte)
{
	bool dirty = om_pte_dirty(pte) || (g.flags & OM_PG_DIRTY);
	enum om_pagekind kind = kind_of(g.flags);

	info->rss++;
	info->pss += 4096u / g.mapcount;
	if (g.mapcount > 1)
		*(dirty ? &info->shared_dirty : &info->shared_clean) += 1;
	else
		*(dirty ? &info->private_dirty : &info->private_clean) += 1;
	info->direct += kind == OM_PAGE_DIRECT;
	info->shared += kind == OM_PAGE_SHARED;
	info->file += kind == OM_PAGE_FILE;
	info->pinned += g.pinned;
	info->referenced += om_pte_young(pte) || (g.flags & OM_PG_REFERENCED);
}

/* Table locked. */
static void sum_up_entry(struct om_system *sys, const struct om_page *table, struct om_mminfo *info,
                         om_pte_t pte)
{
	if (om_pte_none(pte))
		return;
	if (!om_pte_present(pte))
		info->swap += om_pte_is_swap(pte);
	else if (om_pte_pfn(pte) == sys->zero_pfn)
		info->zero++; /* I8 */
	else
		add_page(info, glance_at(sys, table, om_page_of(sys, om_pte_pfn(pte))), pte);
}

static void add_entries(struct om_mm *mm, uintptr_t start, uintptr_t end, struct om_mminfo *info)
{
	struct om_system *sys = mm->sys;

	om_for_each_table (part, mm, start, end) {
		om_table_lock(sys, part.table);
		if (om_table_is_folded(part.table))
			om_table_spread_use(sys, part.table);
		for (uintptr_t a = part.start; a < part.end; a += OM_PAGE_SIZE)
			sum_up_entry(sys, part.table, info,
			             om_entry_get(sys, part.table, om_table_pos(a)));
		om_table_unlock(sys, part.table);
	}
}

/* The part of an area inside [start, end). */
static void add_area(struct om_vma *vma, uintptr_t start, uintptr_t end, struct om_mminfo *info)
{
	unsigned flags = om_vma_flags(vma);
	size_t pages;

	om_clip(&start, &end, vma->start, vma->end);
	pages = (end - start) >> OM_PAGE_SHIFT;
	info->vmas++;
	info->size += pages;
	if (flags & OM_VM_LOCKED)
		info->locked += pages;
	if (om_flags_are_data(flags))
		info->data += pages;
	add_entries(vma->mm, start, end, info);
}

int om_mminfo(struct om_mm *mm, uintptr_t start, uintptr_t end, struct om_mminfo *info)
{
	om_might_sleep(mm->sys);
	if (start > end || (start & ~OM_PAGE_MASK))
		return -OM_EINVAL;
	memset(info, 0, sizeof(*info));
	/* Areas end on pages: up to the last page boundary is enough, and cannot wrap. */
	end = end > mm->layout.highest ? mm->layout.highest : om_page_align(end);
	om_mm_read_lock(mm);
	om_for_each_vma (vma, mm, start, end)
		add_area(vma, start, end, info);
	if (start <= mm->layout.lowest && end == mm->layout.highest)
		info->tables = atomic_load_explicit(&mm->nr_tables, memory_order_relaxed);
	om_mm_read_unlock(mm);
	return 0;
}

/* Entries that went may have been counted before others that came: numbers wrap. */
static size_t at_least_0(size_t n)
{
	return n > SIZE_MAX / 2 ? 0 : n;
}

size_t om_mm_rss(const struct om_mm *mm)
{
	struct om_mm_usage usage;

	om_mm_usage(mm, &usage);
	return usage.anon + usage.file;
}

void om_mm_usage(const struct om_mm *mm, struct om_mm_usage *usage)
{
	struct om_mm_sums sums = om_mm_sums(mm);

	usage->anon = at_least_0(sums.anon);
	usage->file = at_least_0(sums.file);
	usage->swap = at_least_0(sums.swap);
	usage->tables = atomic_load_explicit(&mm->nr_tables, memory_order_relaxed);
	usage->areas = __atomic_load_n(&mm->nr_vmas, __ATOMIC_RELAXED) * sizeof(struct om_vma) >>
	               OM_PAGE_SHIFT;
}

void om_mapping_usage(struct om_mapping *mapping, struct om_mapping_usage *usage)
{
	om_read_lock(mapping->sys, &mapping->lock, OM_RANK_MAPPING);
	usage->pages = mapping->nr_pages;
	usage->swap = mapping->nr_swapped;
	usage->nodes = om_index_nodes(mapping->sys, &mapping->index);
	om_read_unlock(mapping->sys, &mapping->lock);
}

/* ---------------------------------------------------------------- entries ------------------- */

static void describe_present(struct om_system *sys, const struct om_page *table, om_pte_t pte,
                             struct om_pageinfo *info)
{
	struct glance g;

	info->value = om_pte_pfn(pte);
	info->writable = om_pte_write(pte) && !om_table_is_shared(table);
	info->dirty = om_pte_dirty(pte);
	info->young = om_pte_young(pte);
	if (om_pte_pfn(pte) == sys->zero_pfn) {
		info->kind = OM_PAGE_ZERO; /* I8: it has no count */
		return;
	}
	g = glance_at(sys, table, om_page_of(sys, om_pte_pfn(pte)));
	info->kind = kind_of(g.flags);
	info->mapcount = g.mapcount;
}

static void describe(struct om_system *sys, const struct om_page *table, om_pte_t pte,
                     struct om_pageinfo *info)
{
	if (om_pte_present(pte)) {
		describe_present(sys, table, pte, info);
	} else if (om_pte_is_swap(pte)) {
		info->kind = OM_PAGE_SWAP;
		info->value = om_pte_slot(pte);
	} else if (om_pte_is_file(pte)) {
		info->kind = OM_PAGE_OFFSET;
		info->value = om_pte_pgoff(pte);
	}
}

void om_pageinfo(struct om_mm *mm, uintptr_t addr, struct om_pageinfo *info)
{
	struct om_system *sys = mm->sys;
	struct om_page *table;

	om_might_sleep(sys);
	memset(info, 0, sizeof(*info)); /* OM_PAGE_NONE */
	if (addr >= mm->layout.highest)
		return;
	om_mm_read_lock(mm);
	table = om_vma_at(mm, addr) ? om_table_find(mm, addr) : NULL;
	if (table) {
		om_table_lock(sys, table);
		describe(sys, table, om_entry_get(sys, table, om_table_pos(addr)), info);
		om_table_unlock(sys, table);
	}
	om_mm_read_unlock(mm);
}
