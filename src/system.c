/*
 * system.c: setting up a machine's memory, and taking it down.
 */
#include "area/mm.h"
#include "base/mem.h"
#include "base/part.h"
#include "page/frame.h"
#include "page/slab.h"
#include "reclaim/balance.h"
#include "reclaim/reclaim.h"
#include "rmap/rmap.h"
#include "store/shadow.h"

#define CACHE_LINE 64u

/* The system and its shards; the records of runs and the page array come next, at a line. */
static size_t head_bytes(unsigned nr_cpus)
{
	return offsetof(struct om_system, shard) + om_nr_shards(nr_cpus) * sizeof(struct om_shard);
}

static size_t region_bytes(om_pfn_t nr_frames)
{
	return (nr_frames + OM_REGION - 1) / OM_REGION * sizeof(struct om_region);
}

size_t om_system_bytes(const struct om_config *c)
{
	return head_bytes(c->nr_cpus) + om_runs_bytes(c->nr_frames) +
	       (size_t)c->nr_frames * sizeof(struct om_page) + region_bytes(c->nr_frames) +
	       om_shadow_bytes(c->nr_frames);
}

const char *om_check_config(const struct om_config *c)
{
	if (!c->arch || !c->ops)
		return "arch and ops are given";
	if (!c->ops->flush || !c->ops->panic)
		return "there are the hooks flush and panic";
	if (c->ops->wait && !c->ops->wake)
		return "with the hook wait there is wake";
	if (c->ops->wait_briefly && !c->ops->wait)
		return "with the hook wait_briefly there is wait";
	if (c->nr_frames < 2 || c->nr_frames >= OM_NO_PFN / 2)
		return "2 <= nr_frames < 2^31 - 1";
	if (!c->storage || (uintptr_t)c->storage % CACHE_LINE)
		return "storage is given, and 64-byte aligned";
	if (c->swap_cluster > OM_SWAP_CLUSTER_MAX)
		return "swap_cluster <= OM_SWAP_CLUSTER_MAX";
	return NULL;
}

struct om_system *om_system_init(const struct om_config *config)
{
	struct om_system *sys = config->storage;

	if (om_check_config(config))
		return NULL;
	memset(config->storage, 0, om_system_bytes(config));
	sys->arch = *config->arch;
	sys->hooks.ops = config->ops;
	sys->hooks.ctx = config->ctx;
	sys->hooks.seed = om_tree_seed(config->seed);
	sys->frame_run = (void *)((char *)config->storage + head_bytes(config->nr_cpus));
	sys->page = (void *)((char *)sys->frame_run + om_runs_bytes(config->nr_frames));
	sys->nr_frames = config->nr_frames;
	sys->region = (void *)(sys->page + config->nr_frames);
	sys->shadow = (void *)((char *)sys->region + region_bytes(config->nr_frames));
	sys->zero_pfn = OM_NO_PFN;
	sys->swap_cluster = config->swap_cluster;
	sys->share_tables = OM_READ_ONLY_TABLES && om_rmap_traits.shares_tables;
	om_set_huge(sys, OM_HUGE_MADVISE);
	om_free_init(sys, config->nr_cpus);
	om_parts_init(sys);
	om_ages_init(sys);
	om_slab_init(sys, om_rmap_traits.object_bytes);
	return sys;
}

void om_set_huge(struct om_system *sys, enum om_huge huge)
{
	if (!OM_BIG_ENTRIES || !om_rmap_traits.folds_tables)
		huge = OM_HUGE_NEVER;
	atomic_store_explicit(&sys->huge, (uint8_t)huge, memory_order_relaxed);
}

/* Is every frame free but the zero page? */
static bool is_idle(struct om_system *sys)
{
	bool idle = !om_mm_after(sys, NULL) && !sys->mappings;

	for (unsigned i = 0; i < OM_SWAP_DEVICES_MAX; i++)
		idle = idle && !sys->swap.device[i].ops;
	if (sys->zero_pfn == OM_NO_PFN)
		return idle;
	return idle && om_frames_free(sys) == sys->nr_owned - 1;
}

int om_system_fini(struct om_system *sys)
{
	return is_idle(sys) ? 0 : -OM_EBUSY;
}

/* ---------------------------------------------------------------- memory -------------------- */

static bool range_is_new(struct om_system *sys, om_pfn_t first, om_pfn_t n)
{
	if (n == 0 || first >= sys->nr_frames || n > sys->nr_frames - first)
		return false;
	for (om_pfn_t i = first; i < first + n; i++) {
		bool reserved;

		om_frame_lock(sys, &sys->page[i]);
		reserved = sys->page[i].kind == OM_KIND_RESERVED;
		om_frame_unlock(sys, &sys->page[i]);
		if (!reserved)
			return false;
	}
	return true;
}

static void derive_watermarks(struct om_system *sys)
{
	if (sys->marks_fixed)
		return;
	om_free_set_reserve(sys, sys->nr_owned / 256);
	atomic_store_explicit(&sys->free.low, sys->nr_owned / 64, memory_order_relaxed);
	atomic_store_explicit(&sys->mark_high, sys->nr_owned / 32, memory_order_relaxed);
}

/* I8: all reads of untouched memory meet in this frame. */
static void make_zero_page(struct om_system *sys, om_pfn_t pfn)
{
	struct om_page *page = &sys->page[pfn];

	memset(om_page_ptr(sys, page), 0, OM_PAGE_SIZE);
	om_frame_lock(sys, page);
	page->kind = OM_KIND_ZERO;
	om_frame_unlock(sys, page);
	sys->zero_pfn = pfn;
}

static int add_memory(struct om_system *sys, om_pfn_t first, om_pfn_t n)
{
	bool zero = sys->zero_pfn == OM_NO_PFN;

	if (!range_is_new(sys, first, n))
		return -OM_EINVAL;
	if (zero)
		make_zero_page(sys, first);
	om_frames_donate(sys, first + zero, n - zero);
	om_spin_lock(sys, &sys->free.lock, OM_RANK_FREE);
	sys->nr_owned += n;
	derive_watermarks(sys);
	om_spin_unlock(sys, &sys->free.lock);
	om_free_settle(sys);
	return 0;
}

int om_add_memory(struct om_system *sys, om_pfn_t first, om_pfn_t n)
{
	int err;

	om_might_sleep(sys);
	om_rwsem_write(sys, &sys->adding, OM_RANK_MEMORY);
	err = add_memory(sys, first, n);
	om_rwsem_write_done(sys, &sys->adding);
	return err;
}

int om_set_watermarks(struct om_system *sys, om_pfn_t min, om_pfn_t low, om_pfn_t high)
{
	int err = 0;

	om_spin_lock(sys, &sys->free.lock, OM_RANK_FREE);
	if (min > low || low > high || high > sys->nr_owned) {
		err = -OM_EINVAL;
	} else {
		sys->marks_fixed = true;
		om_free_set_reserve(sys, min);
		atomic_store_explicit(&sys->free.low, low, memory_order_relaxed);
		atomic_store_explicit(&sys->mark_high, high, memory_order_relaxed);
	}
	om_spin_unlock(sys, &sys->free.lock);
	if (!err)
		om_free_settle(sys);
	return err;
}

void om_get_watermarks(const struct om_system *sys, om_pfn_t *min, om_pfn_t *low, om_pfn_t *high)
{
	if (min)
		*min = om_frames_reserve(sys);
	if (low)
		*low = atomic_load_explicit(&sys->free.low, memory_order_relaxed);
	if (high)
		*high = atomic_load_explicit(&sys->mark_high, memory_order_relaxed);
}

om_pfn_t om_free_frames(const struct om_system *sys)
{
	return om_frames_free(sys);
}

/* ---------------------------------------------------------------- embedder's frames --------- */

static int user_frame(struct om_system *sys, om_pfn_t *pfn)
{
	struct om_page *page = om_frame_get_zeroed(sys, OM_KIND_USER, 0);

	if (!page)
		return -OM_ENOFRAME;
	*pfn = om_page_pfn(sys, page);
	return 0;
}

int om_frame_alloc(struct om_system *sys, om_pfn_t *pfn)
{
	unsigned tries = 0;
	int err;

	om_might_sleep(sys);
	do
		err = user_frame(sys, pfn);
	while (om_try_again(sys, &tries, 1, &err));
	om_check_low(sys);
	return err;
}

void om_frame_free(struct om_system *sys, om_pfn_t pfn)
{
	struct om_page *page = om_page_of(sys, pfn);

	OM_BUG_ON(sys, page->kind != OM_KIND_USER, "om_frame_free", page, pfn, page->kind);
	om_frame_release(sys, page);
}
