/*
 * ops_system.c: swap devices, reclaim, frames of the embedder, watermarks, and a look at everything.
 */
#include "ops.h"

#include <string.h>

/* ---------------------------------------------------------------- swap ---------------------- */

void op_swapon(struct world *w, const uint32_t *a)
{
	uint32_t slots = 4 + a[0] % 4 * 64 + (a[0] >> 2) % 32;
	unsigned i = 0;
	int err;

	while (i < NR_AREAS && w->swap[i].on)
		i++;
	if (i == NR_AREAS)
		return;
	world_trace(w, " %u: slots %u", i, slots);
	w->swap[i].store = sim_store_ram();
	err = om_swapon(w->sys, &sim_store_ops, w->swap[i].store, slots, (int)(a[1] % 3),
	                &w->swap[i].area);
	if (agree(w, err, 0))
		w->swap[i].on = true;
	else
		sim_store_free(w->swap[i].store);
}

void op_swapoff(struct world *w, const uint32_t *a)
{
	struct swap *swap = &w->swap[a[0] % NR_AREAS];

	if (!swap->on) {
		agree(w, om_swapoff(w->sys, OM_SWAP_DEVICES_MAX + a[1] % 2), -OM_EINVAL);
		return;
	}
	if (!agree(w, om_swapoff(w->sys, swap->area), 0))
		return;
	sim_store_free(swap->store);
	swap->on = false;
}

void op_reclaim(struct world *w, const uint32_t *a)
{
	size_t n = om_reclaim_step(w->sys, 1 + a[0] % 48);

	world_trace(w, " %u = %zu\n", 1 + a[0] % 48, n);
}

/* The k-th transfer from now fails, of a swap device or of a file. Nothing happens before it is made.
 */
void op_io_error(struct world *w, const uint32_t *a)
{
	enum sim_transfer which = a[1] % 2 ? SIM_READ : SIM_WRITE;
	struct object *o = pick_file(w, a[0] >> 1);
	struct sim_store *store = o ? o->store : NULL;
	unsigned long k = 1 + a[2] % 4;

	if (a[0] % 2)
		store = w->swap[(a[0] >> 1) % NR_AREAS].on ? w->swap[(a[0] >> 1) % NR_AREAS].store
		                                           : NULL;
	world_trace(w, " %s, %s, in %lu\n", a[0] % 2 ? "swap" : "file",
	            which == SIM_READ ? "read" : "write", k);
	if (store)
		sim_store_fail(store, which, k, false);
}

/* ---------------------------------------------------------------- frames -------------------- */

static void take_frame(struct world *w, unsigned i, uint8_t fill)
{
	const uint8_t *frame;

	if (!agree(w, om_frame_alloc(w->sys, &w->user[i].pfn), 0))
		return;
	frame = sim_frame(w->sim, w->user[i].pfn);
	if (frame[0] || memcmp(frame, frame + 1, PAGE - 1))
		FAIL(w, "the embedder's frame is not zeroed");
	memset(sim_frame(w->sim, w->user[i].pfn), fill, PAGE);
	w->user[i].fill = fill;
	w->user[i].used = true;
}

void op_frame(struct world *w, const uint32_t *a)
{
	unsigned i = a[0] % NR_USER;

	if (!w->user[i].used) {
		take_frame(w, i, (uint8_t)a[1]);
		return;
	}
	world_trace(w, " free\n");
	om_frame_free(w->sys, w->user[i].pfn);
	w->user[i].used = false;
}

void op_watermarks(struct world *w, const uint32_t *a)
{
	om_pfn_t min = a[0] % 6, low = min + a[1] % 8, high = low + a[2] % 8;
	bool wrong = a[3] % 8 == 0;

	world_trace(w, " %u %u %u%s", min, low, high, wrong ? " wrong" : "");
	if (wrong)
		high = low, low = high + 1;
	agree(w, om_set_watermarks(w->sys, min, low, high), wrong ? -OM_EINVAL : 0);
}

/* ---------------------------------------------------------------- everything ---------------- */

/* Read a whole address space, as a debugger would, page by page. */
static void read_space(struct world *w, struct space *s)
{
	uint8_t have[SIM_PAGE_SIZE], want[SIM_PAGE_SIZE];

	for (size_t page = 0; page < MODEL_PAGES; page++) {
		struct mpage *p = &s->page[page];
		size_t done, known;

		if (!p->flags || !(p->flags & MP_PROT) || space_is_beyond(s, page))
			continue;
		if (om_read(s->mm, addr_of(page), have, PAGE, &done)) {
			if (!had_trouble(w))
				FAIL(w, "space %u: page %zu cannot be read", space_nr(w, s), page);
			return;
		}
		settle_page(w, s, page);
		known = space_known(s, page);
		space_bytes(s, page, want);
		if (memcmp(have, want, known))
			FAIL(w, "space %u: page %zu has other bytes", space_nr(w, s), page);
	}
}

void op_check(struct world *w, const uint32_t *a)
{
	struct space *s = pick_space(w, a[0]);
	struct om_sysinfo info;

	world_trace(w, "\n");
	check_contents(w);
	if (s && a[1] % 4 == 0)
		read_space(w, s);
	om_sysinfo(w->sys, &info);
	if (info.frames != w->sys->nr_owned || info.free != om_free_frames(w->sys))
		FAIL(w, "sysinfo: %u frames, %u free", info.frames, info.free);
}
