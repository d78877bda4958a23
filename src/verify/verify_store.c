/*
 * verify_store.c: om_verify()'s look at stores: the page caches of mappings, and the tables of swap
 * devices. Who holds which slot is counted in verify_slot.c.
 */
#include "store/mapping.h"
#include "store/slot.h"
#include "store/swap.h"
#include "verify/verify.h"

/* ---------------------------------------------------------------- file indexes -------------- */

#define NODE_SHIFT   (OM_PAGE_SHIFT - 2)
#define NODE_ENTRIES (1u << NODE_SHIFT)

/* Entries below one node. A node that was not tallied before is reached for the first time. */
static bool scan_node(struct om_check *c, struct om_mapping *mapping, om_index_visit *visit,
                      bool tally, om_pfn_t pfn, unsigned level, uintptr_t first)
{
	struct om_page *node;
	const uint32_t *entry;
	unsigned used = 0;

	if (!OM_CHECK(c, pfn < c->sys->nr_frames, "index", mapping, pfn, level))
		return false;
	node = om_page_of(c->sys, pfn);
	if (!OM_CHECK(c, node->kind == OM_KIND_INDEX, "index", node, node->kind, level))
		return false;
	if (tally && !OM_CHECK(c, om_tally_of(c, node)->seen++ == 0, "index", node, level, first))
		return false;
	c->nodes++;
	entry = om_page_ptr(c->sys, node);
	for (unsigned i = 0; i < NODE_ENTRIES; i++) {
		uintptr_t index = first + ((uintptr_t)i << (level * NODE_SHIFT));

		if (!entry[i])
			continue;
		used++;
		if (level ? !scan_node(c, mapping, visit, tally, om_ientry_value(entry[i]),
		                       level - 1, index)
		          : !visit(c, mapping, index, entry[i]))
			return false;
	}
	return OM_CHECK(c, node->mapcount == used && used, "index", node, node->mapcount, used);
}

void om_scan_index(struct om_check *c, struct om_mapping *mapping, om_index_visit *visit,
                   bool tally)
{
	const struct om_index *ix = &mapping->index;
	uint64_t top = om_index_top(ix);
	om_pfn_t root = om_index_root(top);
	unsigned height = om_index_height(top);

	c->nodes = 0;
	for (unsigned i = 0; i < OM_INDEX_DIRECT; i++) {
		uint32_t e = atomic_load(&ix->direct[i]);

		if (e && !visit(c, mapping, i, e))
			return;
	}
	if (OM_CHECK(c, (root == OM_NO_PFN) == (height == 0), "index", mapping, root, height) &&
	    height)
		scan_node(c, mapping, visit, tally, root, height - 1, 0);
}

/* The size shrinks before pages go, so at rest none is beyond it. */
static bool check_in_mapping(struct om_check *c, struct om_mapping *mapping, uintptr_t index,
                             uint32_t e)
{
	struct om_page *page;

	OM_CHECK(c, index < om_mapping_pages(mapping), "index", mapping, index,
	         om_mapping_size(mapping));
	if (om_ientry_is_slot(e)) {
		c->swapped++;
		OM_CHECK(c, om_mapping_is_shmem(mapping), "I11", mapping, index, e);
		return OM_CHECK(c, om_slot_count(c->sys, om_ientry_value(e)), "I11", mapping, index,
		                om_ientry_value(e));
	}
	c->cached++;
	c->shmem += om_mapping_is_shmem(mapping);
	if (!OM_CHECK(c, om_ientry_value(e) < c->sys->nr_frames, "index", mapping, index, e))
		return false;
	page = om_page_of(c->sys, om_ientry_value(e));
	return OM_CHECK(c, page->kind == OM_KIND_DATA, "I7", page, page->kind, index) &&
	       OM_CHECK(c, om_mapping_has(mapping, page, index), "index", page, page->index, index);
}

void om_check_mappings(struct om_check *c)
{
	for (struct om_mapping *m = c->sys->mappings; m; m = m->next) {
		size_t cached = c->cached, swapped = c->swapped;

		om_scan_index(c, m, check_in_mapping, true);
		OM_CHECK(c, om_index_nodes(c->sys, &m->index) == c->nodes, "index", m,
		         om_index_nodes(c->sys, &m->index), c->nodes);
		OM_CHECK(c, m->nr_pages == c->cached - cached, "index", m, m->nr_pages,
		         c->cached - cached);
		OM_CHECK(c, m->nr_swapped == c->swapped - swapped, "index", m, m->nr_swapped,
		         c->swapped - swapped);
	}
	OM_CHECK(c, atomic_load(&c->sys->nr_cached) == c->cached, "index", NULL,
	         atomic_load(&c->sys->nr_cached), c->cached);
	OM_CHECK(c, atomic_load(&c->sys->nr_shmem) == c->shmem, "index", NULL,
	         atomic_load(&c->sys->nr_shmem), c->shmem);
}

/* ---------------------------------------------------------------- frames of swap devices ------ */

/* As swapdev.c lays them out: 8 bytes a slot, and a directory of pfns. */
#define TABLE_SLOTS ((uint32_t)(OM_PAGE_SIZE / 8))
#define DIR_TABLES  ((uint32_t)(OM_PAGE_SIZE / sizeof(om_pfn_t)))

static bool reach_index_frame(struct om_check *c, const struct om_swap_device *device, om_pfn_t pfn)
{
	struct om_page *page;

	if (!OM_CHECK(c, pfn < c->sys->nr_frames, "I11", device, pfn, device->slots))
		return false;
	page = om_page_of(c->sys, pfn);
	return OM_CHECK(c, page->kind == OM_KIND_INDEX, "I11", page, page->kind, pfn) &&
	       OM_CHECK(c, om_tally_of(c, page)->seen++ == 0, "I11", page, pfn, device->slots);
}

static uint32_t slots_of_table(const struct om_swap_device *device, uint32_t t)
{
	uint32_t left = device->slots - t * TABLE_SLOTS;

	return left < TABLE_SLOTS ? left : TABLE_SLOTS;
}

/* Slots that are not free among those of table frame t; of these, *listed are in CPUs' lists. */
static uint32_t used_in_table(struct om_check *c, unsigned device, uint32_t t, uint32_t *listed)
{
	uint32_t first = device << OM_SWAP_DEVICE_SHIFT | t * TABLE_SLOTS, used = 0;
	uint32_t n = slots_of_table(&c->sys->swap.device[device], t);

	for (uint32_t i = 0; i < n; i++) {
		bool taken = !om_slot_is_free(c->sys, first + i);

		used += taken;
		*listed += taken && !om_slot_count(c->sys, first + i);
	}
	return used;
}

/* *listed: its slots in CPUs' lists are added. */
static void check_device_table(struct om_check *c, unsigned nr, uint32_t *listed)
{
	const struct om_swap_device *device = &c->sys->swap.device[nr];
	uint32_t tables = (device->slots + TABLE_SLOTS - 1) / TABLE_SLOTS, used = 0, full = 0;
	const om_pfn_t *names = NULL;

	for (uint32_t t = 0; t < tables; t++) {
		om_pfn_t dir = device->dir[t / DIR_TABLES];
		struct om_page *table;
		uint32_t here;

		if (t % DIR_TABLES == 0) {
			if (!reach_index_frame(c, device, dir))
				return;
			names = om_page_ptr(c->sys, om_page_of(c->sys, dir));
		}
		if (!reach_index_frame(c, device, names[t % DIR_TABLES]))
			return;
		table = om_page_of(c->sys, names[t % DIR_TABLES]);
		here = used_in_table(c, nr, t, listed);
		OM_CHECK(c, table->mapcount == here, "I11", device, table->mapcount, here);
		used += here;
		full += here == slots_of_table(device, t);
	}
	OM_CHECK(c, device->used == used, "I11", device, device->used, used);
	OM_CHECK(c, device->partial.count == tables - full, "I11", device, device->partial.count,
	         full);
}

void om_check_swap(struct om_check *c)
{
	const struct om_swap *swap = &c->sys->swap;
	uint32_t total = 0, free = 0, listed = 0, before;

	for (unsigned i = 0; i < OM_SWAP_DEVICES_MAX; i++) {
		if (!swap->device[i].ops)
			continue;
		before = listed;
		check_device_table(c, i, &listed);
		if (!swap->device[i].writable) {
			OM_CHECK(c, listed == before, "I11", &swap->device[i], listed, before);
			continue;
		}
		total += swap->device[i].slots;
		free += swap->device[i].slots - swap->device[i].used;
	}
	OM_CHECK(c, swap->total == total, "I11", swap, swap->total, total);
	OM_CHECK(c, swap->free == free, "I11", swap, swap->free, free);
	OM_CHECK(c, om_slots_listed(c->sys) == listed, "I11", swap, om_slots_listed(c->sys),
	         listed);
}
