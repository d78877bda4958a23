/*
 * others.c: pins and devices, areas and files that live for one operation, reclaim, queries, the
 * embedder's own frames.
 */
#include "calls.h"
#include "threads.h"

/* ---------------------------------------------------------------- pins ---------------------- */

static uintptr_t pin_addr(const struct pin *pin, unsigned *r, unsigned *i)
{
	for (*r = 0; *r + 1 < NR_REGIONS && pin->spot >= region[*r + 1].first; ++*r)
		;
	*i = pin->spot - region[*r].first;
	return addr_at(*r, *i, loc_of(attr_of(&pin->proc->spot[pin->spot])));
}

static bool may_pin_one_more(struct thread *t)
{
	unsigned n = atomic_load(&t->w->nr_pins);

	while (n < t->w->max_pins)
		if (atomic_compare_exchange_weak(&t->w->nr_pins, &n, n + 1))
			return true;
	return false;
}

void op_pin(struct thread *t)
{
	struct proc *p = pick_proc(t);
	unsigned r = chance(t, 80) ? ANON : BIG, i = pick_page(t, r);
	struct spot *s = spot_of(p, r, i);
	uint32_t attr = attr_of(s);
	bool write = (attr & A_WRITE) && chance(t, 70);
	om_pfn_t pfn;
	int err;

	if (!is_mine(t, p, r, i) || !(attr & A_MAPPED) || !(attr & A_PROT) ||
	    (attr & (A_FREED | A_PINNED)))
		return;
	if (t->nr_pins == MAX_PINS || !may_pin_one_more(t))
		return;
	RETRY(t, err, om_pin(p->mm, addr_at(r, i, loc_of(attr)), write ? OM_WRITE : OM_READ, &pfn));
	CHECK(t, !err, "om_pin of page %u of %s: %d", i, region[r].name, err);
	t->pin[t->nr_pins++] = (struct pin){.pfn = pfn,
	                                    .proc = p,
	                                    .spot = region[r].first + i,
	                                    .write = write,
	                                    .end = known_blocks(p, r, attr)};
	atomic_store(&s->attr, attr | A_PINNED);
	check_pin(t, &t->pin[t->nr_pins - 1]);
}

/* The page that was pinned is still the one that is mapped. */
static void check_mapped(struct thread *t, const struct pin *pin)
{
	struct om_pageinfo info;
	unsigned r, i;
	uintptr_t addr = pin_addr(pin, &r, &i);

	om_pageinfo(pin->proc->mm, addr, &info);
	CHECK(t, info.kind == OM_PAGE_DIRECT && info.value == pin->pfn,
	      "page %u of %s was pinned in frame %u, but is of kind %d in %llu", i, region[r].name,
	      pin->pfn, info.kind, (unsigned long long)info.value);
}

/* Now and then the page is sent to swap at once, with what the device has written last. */
static void unpin(struct thread *t, struct pin *pin)
{
	struct proc *p = pin->proc;
	unsigned r = 0, i = 0;
	uintptr_t addr = p ? pin_addr(pin, &r, &i) : 0;

	check_pin(t, pin);
	if (p) {
		check_mapped(t, pin);
		atomic_store(&spot_of(p, r, i)->attr, attr_of(spot_of(p, r, i)) & ~A_PINNED);
	}
	om_unpin(t->w->sys, pin->pfn, pin->write);
	*pin = t->pin[--t->nr_pins];
	atomic_fetch_sub(&t->w->nr_pins, 1);
	if (p && chance(t, 40) && !(attr_of(spot_of(p, r, i)) & A_LOCKED)) {
		CHECK(t, !om_madvise(p->mm, addr, PAGE, OM_MADV_PAGEOUT), "MADV_PAGEOUT");
		check_read(t, p, r, i);
	}
}

void op_unpin(struct thread *t)
{
	if (t->nr_pins)
		unpin(t, &t->pin[below(t, t->nr_pins)]);
}

void unpin_all(struct thread *t)
{
	while (t->nr_pins)
		unpin(t, &t->pin[0]);
}

void unpin_proc(struct thread *t, const struct proc *p)
{
	for (unsigned n = t->nr_pins; n-- > 0;)
		if (t->pin[n].proc == p)
			unpin(t, &t->pin[n]);
}

/* A device writes to a pinned page. */
void op_device(struct thread *t)
{
	struct pin *pin;
	struct content *c;
	unsigned block;
	uint64_t tag;

	if (!t->nr_pins)
		return;
	pin = &t->pin[below(t, t->nr_pins)];
	if (!pin->write || !pin->proc) {
		check_pin(t, pin);
		return;
	}
	c = &pin->proc->spot[pin->spot].c;
	block = below(t, pin->end);
	content_begin(c);
	tag = content_next(t, c);
	device_write(t, pin->pfn, block, pin->end - block, tag);
	content_set(c, block, pin->end - block, tag);
	content_end(c);
}

static void detach(struct pin *pin)
{
	struct spot *s = &pin->proc->spot[pin->spot];

	for (unsigned b = 0; b < BLOCKS; b++)
		pin->tag[b] = atomic_load(&s->c.tag[b]);
	atomic_store(&s->attr, attr_of(s) & ~A_PINNED);
	pin->proc = NULL;
}

void pins_detach(struct thread *t, struct proc *p, unsigned r, unsigned i)
{
	for (unsigned n = 0; n < t->nr_pins; n++)
		if (t->pin[n].proc == p && t->pin[n].spot == region[r].first + i)
			detach(&t->pin[n]);
}

void pins_detach_all(struct thread *t, struct proc *p)
{
	for (unsigned n = 0; n < t->nr_pins; n++)
		if (t->pin[n].proc == p)
			detach(&t->pin[n]);
}

/* ---------------------------------------------------------------- short lives --------------- */

static void put_words(struct thread *t, struct om_mm *mm, uintptr_t addr, unsigned n, uint64_t tag)
{
	for (unsigned i = 0; i < n; i++) {
		int err;

		fill_words(t->page, PAGE_WORDS, 0, tag + ((uint64_t)i << 27));
		while ((err = (int)sim_store(t->cpu, mm, addr + i * PAGE, t->page, PAGE)) ==
		       OM_FAULT_OOM)
			out_of_memory(t);
		CHECK(t, !err, "writing page %u of a short-lived area: fault %d", i, err);
	}
}

static void check_words(struct thread *t, struct om_mm *mm, uintptr_t addr, unsigned n,
                        uint64_t tag)
{
	for (unsigned i = 0; i < n; i++) {
		uint64_t want = tag ? tag + ((uint64_t)i << 27) : 0;
		int err;

		while ((err = (int)sim_load(t->cpu, mm, addr + i * PAGE, t->page, PAGE)) ==
		       OM_FAULT_OOM)
			out_of_memory(t);
		CHECK(t, !err, "reading page %u of a short-lived area: fault %d", i, err);
		for (unsigned j = 0; j < PAGE_WORDS; j++)
			CHECK(t, t->page[j] == (want ? want | j : 0),
			      "page %u of a short-lived area: word %u is %#llx, not %#llx", i, j,
			      (unsigned long long)t->page[j], (unsigned long long)want);
	}
}

static uint64_t short_tag(struct thread *t)
{
	struct content c;

	content_init(&c, atomic_fetch_add(&t->w->serial, 1), 0);
	return content_next(t, &c);
}

/* An area where there is room; it grows, moving if it must. */
void op_short_area(struct thread *t)
{
	struct om_mm *mm = pick_proc(t)->mm;
	unsigned n = 1 + below(t, 6), more = below(t, 6);
	uintptr_t addr = 0, now = 0;
	uint64_t tag = short_tag(t);
	bool shared = chance(t, 30);
	int err;

	RETRY(t, err,
	      do_mmap(mm, &addr, n * PAGE, OM_PROT_READ | OM_PROT_WRITE,
	              shared ? OM_MAP_SHARED : OM_MAP_PRIVATE, NULL, 0));
	CHECK(t, !err, "mmap: %d", err);
	check_words(t, mm, addr, n, 0);
	put_words(t, mm, addr, n, tag);
	RETRY(t, err, do_mremap(mm, addr, n * PAGE, (n + more) * PAGE, OM_MREMAP_MAYMOVE, 0, &now));
	CHECK(t, !err, "mremap from %u to %u pages: %d", n, n + more, err);
	check_words(t, mm, now, n, tag);
	if (!shared)
		check_words(t, mm, now + n * PAGE, more, 0);
	RETRY(t, err, om_munmap(mm, now, (n + more) * PAGE));
	CHECK(t, !err, "munmap: %d", err);
}

/* Nothing uses the file any more: all that was written is in the store. */
static void check_short_store(struct thread *t, struct sim_store *store, unsigned n, uint64_t tag)
{
	struct sim_store_stats stats;

	sim_store_stats(store, &stats);
	CHECK(t, stats.released == 1, "a short-lived file was released %u times", stats.released);
	for (unsigned i = 0; i < n; i++) {
		uint64_t want = tag + ((uint64_t)i << 27);

		sim_store_peek(store, i * PAGE, t->page, PAGE);
		for (unsigned j = 0; j < PAGE_WORDS; j++)
			CHECK(t, t->page[j] == (want | j),
			      "page %u of a short-lived file: word %u is %#llx, not %#llx", i, j,
			      (unsigned long long)t->page[j], (unsigned long long)(want | j));
	}
	sim_store_free(store);
}

/* A file that its areas outlive; then only the store knows what was written. */
void op_short_file(struct thread *t)
{
	bool store = chance(t, 60);
	unsigned n = 1 + below(t, 12);
	/* Not a shared address space: a fork of another thread's would keep the file mapped. */
	struct om_mm *mm = t->nr_own ? t->own[below(t, t->nr_own)]->mm : NULL;
	struct sim_store *data = NULL;
	struct om_mapping *mapping;
	uint64_t tag = short_tag(t);
	uintptr_t addr = 0;
	int err;

	if (!mm)
		return;
	if (store)
		data = sim_store_ram();
	RETRY(t, err,
	      om_mapping_create(t->w->sys, store ? &sim_store_ops : NULL, data, n * PAGE,
	                        &mapping));
	CHECK(t, !err, "om_mapping_create: %d", err);
	RETRY(t, err,
	      do_mmap(mm, &addr, n * PAGE, OM_PROT_READ | OM_PROT_WRITE, OM_MAP_SHARED, mapping,
	              0));
	CHECK(t, !err, "mmap: %d", err);
	om_mapping_put(mapping);
	put_words(t, mm, addr, n, tag);
	if (chance(t, 50))
		(void)om_reclaim_step(t->w->sys, 16);
	check_words(t, mm, addr, n, tag);
	RETRY(t, err, om_munmap(mm, addr, n * PAGE));
	CHECK(t, !err, "munmap: %d", err);
	if (store)
		check_short_store(t, data, n, tag);
}

static const struct om_layout tiny = {
    .lowest = 0x10000,
    .highest = 0x40000000,
    .mmap_base = 0x20000000,
    .guard_gap = 16 * SIM_PAGE_SIZE,
};

/* A program that locks all its memory, and its child, which inherits no lock. */
void op_tiny(struct thread *t)
{
	uintptr_t a = 0, b = 0;
	struct om_mm *mm, *child = NULL;
	struct om_mminfo info;
	uint64_t tag = short_tag(t);
	bool first;
	int err;

	if (pthread_mutex_trylock(&t->w->lock_all))
		return;
	RETRY(t, err, om_mm_create(t->w->sys, &tiny, NULL, &mm));
	RETRY(t, err,
	      do_mmap(mm, &a, 4 * PAGE, OM_PROT_READ | OM_PROT_WRITE, OM_MAP_PRIVATE, NULL, 0));
	put_words(t, mm, a, 2, tag);
	RETRY(t, err,
	      om_mlockall(mm,
	                  OM_MCL_CURRENT | OM_MCL_FUTURE | (chance(t, 30) ? OM_MCL_ONFAULT : 0)));
	CHECK(t, !err, "mlockall: %d", err);
	RETRY(t, err,
	      do_mmap(mm, &b, 3 * PAGE, OM_PROT_READ | OM_PROT_WRITE, OM_MAP_PRIVATE, NULL, 0));
	CHECK(t, !err, "mmap under MCL_FUTURE: %d", err);
	put_words(t, mm, b, 3, tag);
	RETRY(t, err, om_fork(mm, NULL, &child));
	CHECK(t, !err, "fork: %d", err);
	put_words(t, mm, b, 1, tag + 512);
	CHECK(t, !om_mminfo(mm, 0, ~(uintptr_t)0, &info) && info.locked == 7, "%zu pages locked",
	      info.locked);
	CHECK(t, !om_mminfo(child, 0, ~(uintptr_t)0, &info) && info.locked == 0,
	      "a child inherits locks");
	(void)om_reclaim_step(t->w->sys, 32);
	check_words(t, child, b, 3, tag);
	check_words(t, mm, a, 2, tag);
	if (chance(t, 50))
		CHECK(t, !om_munlockall(mm), "munlockall");
	first = chance(t, 50);
	om_mm_destroy(first ? mm : child);
	om_mm_destroy(first ? child : mm);
	pthread_mutex_unlock(&t->w->lock_all);
}

/* ---------------------------------------------------------------- the system ---------------- */

void op_reclaim(struct thread *t)
{
	(void)om_reclaim_step(t->w->sys, 1 + below(t, 48));
}

static void query_areas(struct thread *t, struct om_mm *mm)
{
	struct om_vmainfo info;
	uintptr_t end = 0;

	while (om_vma_next(mm, end, &info)) {
		CHECK(t, info.start < info.end && info.end > end,
		      "areas out of order: %#lx-%#lx after %#lx", (unsigned long)info.start,
		      (unsigned long)info.end, (unsigned long)end);
		end = info.end;
	}
}

void op_query(struct thread *t)
{
	struct proc *p = pick_proc(t);
	unsigned r = below(t, HEAP), i = pick_page(t, r), n = 1 + below(t, region[r].pages - i);
	uintptr_t addr = addr_at(r, i, below(t, NR_LOCS));
	unsigned char present[NR_SPOTS];
	struct om_sysinfo system;
	struct om_mminfo info;
	struct om_pageinfo page;
	int err;

	switch (below(t, 5)) {
	case 0:
		om_sysinfo(t->w->sys, &system);
		CHECK(t, system.free <= system.frames && system.swap_free <= system.swap_slots,
		      "%u of %u frames free", system.free, system.frames);
		break;
	case 1:
		err = om_mminfo(p->mm, addr, addr + n * PAGE, &info);
		CHECK(t, !err && info.rss <= n && info.locked <= n, "mminfo: %d, %zu of %u pages",
		      err, info.rss, n);
		break;
	case 2:
		err = om_mincore(p->mm, addr, n * PAGE, present);
		CHECK(t, !err || err == -OM_ENOMEM, "mincore: %d", err);
		break;
	case 3:
		om_pageinfo(p->mm, addr, &page);
		CHECK(t, page.kind <= OM_PAGE_OFFSET, "pageinfo");
		break;
	default:
		query_areas(t, p->mm);
	}
}

/* Frames of the embedder: nobody else writes there. */
static void free_frame(struct thread *t, unsigned n)
{
	const uint64_t *word = sim_frame(t->w->sim, t->frame[n].pfn);

	for (unsigned j = 0; j < PAGE_WORDS; j++)
		CHECK(t, word[j] == (t->frame[n].tag | j),
		      "our frame %u: word %u is %#llx, not %#llx", t->frame[n].pfn, j,
		      (unsigned long long)word[j], (unsigned long long)(t->frame[n].tag | j));
	om_frame_free(t->w->sys, t->frame[n].pfn);
	t->frame[n] = t->frame[--t->nr_frames];
}

void op_frame(struct thread *t)
{
	om_pfn_t pfn;
	int err;

	if (t->nr_frames == MAX_FRAMES || (t->nr_frames && chance(t, 40))) {
		free_frame(t, below(t, t->nr_frames));
		return;
	}
	RETRY(t, err, om_frame_alloc(t->w->sys, &pfn));
	CHECK(t, !err, "om_frame_alloc: %d", err);
	t->frame[t->nr_frames].pfn = pfn;
	t->frame[t->nr_frames].tag = short_tag(t);
	fill_words(sim_frame(t->w->sim, pfn), PAGE_WORDS, 0, t->frame[t->nr_frames++].tag);
}

void frames_free_all(struct thread *t)
{
	while (t->nr_frames)
		free_frame(t, 0);
}
