/*
 * memory.c: what a program does with its memory, a run of its own pages at a time.
 *
 * Each operation begins to change the spots, makes the call, and writes down what the pages are
 * now. Where a call may fail without fault of the library (a limit, a run that is more than one
 * area), nothing may have changed, and the next reads see to that.
 */
#include "calls.h"
#include "threads.h"

#define AREA_BITS (A_MAPPED | A_PROT | A_LOC | A_LOCKED | A_WIPE | A_NOFORK)

/* ---------------------------------------------------------------- choosing ------------------ */

/* Threads rarely meet at one page by chance. */
void aim_change(struct thread *t)
{
	static const unsigned regions[] = {ANON,    ANON,      PRIVATE_SHM, PRIVATE_FILE, SHM,
	                                   FILEMAP, TWIST_SHM, TWIST_FILE,  HEAP};
	unsigned r = regions[below(t, 9)], i = below(t, region[r].pages);

	if (region[r].file >= 0 && region[r].file_page + i < FILE_FIXED && chance(t, 60))
		i = region[r].pages - 1 -
		    below(t, region[r].pages / 2); /* one that may be truncated */
	atomic_store(&t->w->aim, below(t, NR_SHARED) << 24 | r << 16 | i);
}

void aim_take(struct thread *t)
{
	uint32_t aim = atomic_load(&t->w->aim);

	t->aim = (struct aim){chance(t, 50), aim >> 24, aim >> 16 & 0xff, aim & 0xffff};
}

/* BIG is sparse: most of its pages are never touched. */
unsigned pick_page(struct thread *t, unsigned r)
{
	if (t->aim.on && t->aim.r == r)
		return t->aim.i;
	return r == BIG ? below(t, BIG_PAGES / 8) * 8 : below(t, region[r].pages);
}

static bool is_candidate(struct thread *t, struct proc *p, unsigned r, unsigned i, uint32_t set,
                         uint32_t clear)
{
	uint32_t attr = attr_of(spot_of(p, r, i));

	return is_mine(t, p, r, i) && (attr & set) == set && !(attr & clear);
}

unsigned pick_run(struct thread *t, struct proc *p, unsigned r, uint32_t set, uint32_t clear,
                  uint32_t same, unsigned max, unsigned *i)
{
	unsigned n = 0, want = 1 + below(t, max);

	for (unsigned tries = 0; tries < 8; tries++) {
		*i = r == BIG ? below(t, BIG_PAGES) : pick_page(t, r);
		if (t->aim.on && *i && chance(t, 50)) /* in the middle of the run */
			--*i;
		if (is_candidate(t, p, r, *i, set, clear))
			break;
	}
	while (n < want && *i + n < region[r].pages && is_candidate(t, p, r, *i + n, set, clear) &&
	       (attr_of(spot_of(p, r, *i + n)) & same) == (attr_of(spot_of(p, r, *i)) & same))
		n++;
	return n;
}

static unsigned any_region(struct thread *t)
{
	unsigned r = below(t, NR_REGIONS + 3);

	if (t->aim.on)
		return t->aim.r;
	return r < NR_REGIONS ? r : ANON;
}

/* One whose areas come and go with mmap and munmap. */
static unsigned mapped_region(struct thread *t, const struct proc *p)
{
	unsigned r = below(t, HEAP + 2);

	if (t->aim.on && t->aim.r < HEAP)
		return t->aim.r;
	if (r >= HEAP || (r == BIG && chance(t, 80)) || (region[r].file == OWN_FILE && !p->own))
		r = ANON;
	return r;
}

static uintptr_t addr_of(struct proc *p, unsigned r, unsigned i)
{
	return addr_at(r, i, loc_of(attr_of(spot_of(p, r, i))));
}

static uint32_t random_prot(struct thread *t)
{
	static const uint32_t prot[] = {0, A_READ, A_READ | A_EXEC, A_READ | A_WRITE | A_EXEC};

	return chance(t, 60) ? A_READ | A_WRITE : prot[below(t, 4)];
}

/* ---------------------------------------------------------------- accesses ------------------ */

void op_read(struct thread *t)
{
	struct proc *p = pick_proc(t);
	unsigned r = any_region(t), i = pick_page(t, r);

	if (is_mine(t, p, r, i))
		check_read(t, p, r, i);
}

/* A page that may well be another thread's. */
void op_spy(struct thread *t)
{
	struct proc *p = t->w->shared[t->aim.on ? t->aim.shared : below(t, NR_SHARED)];
	unsigned r = any_region(t);

	check_read(t, p, r, pick_page(t, r));
}

void op_write(struct thread *t)
{
	struct proc *p = pick_proc(t);
	unsigned r = any_region(t), i = pick_page(t, r);

	check_write(t, p, r, i);
	if (chance(t, 30) && is_mine(t, p, r, i))
		check_read(t, p, r, i);
}

void op_exec(struct thread *t)
{
	struct proc *p = pick_proc(t);
	unsigned r = any_region(t), i = pick_page(t, r);

	if (is_mine(t, p, r, i))
		check_exec(t, p, r, i);
}

/* A page of another thread's that t is a guest in. */
void op_guest(struct thread *t)
{
	static const unsigned guests[] = {ANON, ANON, BIG, HEAP};
	struct proc *p = t->w->shared[t->aim.on ? t->aim.shared : below(t, NR_SHARED)];
	unsigned r = t->aim.on && has_guest(p, t->aim.r) ? t->aim.r : guests[below(t, 4)],
	         i = pick_page(t, r);

	/* Of two threads one is the owner, so the other is the guest; of more, it depends on the
	 * page. */
	for (unsigned n = 0; n < 16; n++, i = (i + 8) % region[r].pages) {
		unsigned owner = 0;

		while (!is_mine(&t->w->thread[owner], p, r, i))
			owner++;
		if ((owner + 1 + i % (t->w->nr_threads - 1)) % t->w->nr_threads == t->nr) {
			check_guest(t, p, r, i);
			return;
		}
	}
}

/* ---------------------------------------------------------------- areas --------------------- */

void op_map(struct thread *t)
{
	struct proc *p = pick_proc(t);
	unsigned r = mapped_region(t, p), i;
	unsigned n = pick_run(t, p, r, 0, 0, A_MAPPED | A_LOC, 12, &i);
	uint32_t prot = random_prot(t);
	unsigned loc = below(t, NR_LOCS);
	int flags = 0;

	if (!n)
		return;
	if (attr_of(spot_of(p, r, i)) & A_MAPPED)
		loc = loc_of(attr_of(spot_of(p, r, i)));
	/* Populating writable private memory copies it: then nobody knows what it holds. */
	if (chance(t, 20) && !(region[r].kind == K_PRIVATE && (prot & A_WRITE)))
		flags |= OM_MAP_POPULATE;
	spots_begin(p, r, i, n);
	map_run(t, p, r, i, n, loc, prot, flags);
	spots_end(p, r, i, n);
}

void op_unmap(struct thread *t)
{
	struct proc *p = pick_proc(t);
	unsigned r = mapped_region(t, p), i;
	unsigned n = pick_run(t, p, r, A_MAPPED, 0, A_LOC, 12, &i);
	int err;

	if (!n)
		return;
	spots_begin(p, r, i, n);
	RETRY(t, err, om_munmap(p->mm, addr_of(p, r, i), n * PAGE));
	CHECK(t, !err, "munmap of %u pages of %s: %d", n, region[r].name, err);
	for (unsigned k = i; k < i + n; k++)
		spot_zero(t, p, r, k);
	spots_attr(p, r, i, n, ~A_LOC, 0);
	spots_end(p, r, i, n);
}

void op_protect(struct thread *t)
{
	struct proc *p = pick_proc(t);
	unsigned r = mapped_region(t, p), i;
	uint32_t prot = random_prot(t);
	/* Locked private memory that becomes writable is populated: see op_map(). */
	uint32_t not = region[r].kind == K_PRIVATE && (prot & A_WRITE) ? A_LOCKED : 0;
	unsigned n = pick_run(t, p, r, A_MAPPED, not, A_LOC, 16, &i);
	int err;

	if (!n)
		return;
	spots_begin(p, r, i, n);
	RETRY(t, err,
	      om_mprotect(p->mm, addr_of(p, r, i), n * PAGE,
	                  (prot & A_READ ? OM_PROT_READ : 0) |
	                      (prot & A_WRITE ? OM_PROT_WRITE : 0) |
	                      (prot & A_EXEC ? OM_PROT_EXEC : 0)));
	CHECK(t, !err, "mprotect of %u pages of %s: %d", n, region[r].name, err);
	spots_attr(p, r, i, n, A_PROT, prot);
	spots_end(p, r, i, n);
}

/* What MREMAP_DONTUNMAP leaves behind is empty. */
static void check_left(struct thread *t, struct proc *p, unsigned r, unsigned i, unsigned n,
                       unsigned loc)
{
	unsigned k = below(t, n);
	int err;

	if (region[r].kind == K_ANON && (attr_of(spot_of(p, r, i)) & A_READ)) {
		while ((err = (int)sim_load(t->cpu, p->mm, addr_at(r, i + k, loc), t->page,
		                            PAGE)) == OM_FAULT_OOM)
			out_of_memory(t);
		CHECK(t, !err, "reading what DONTUNMAP left of %s: %d", region[r].name, err);
		/* But a guest may have written to it. */
		for (unsigned j = 0; j < PAGE_WORDS / BLOCKS * (BLOCKS - 1); j++)
			CHECK(t, !t->page[j], "DONTUNMAP left %#llx in %s",
			      (unsigned long long)t->page[j], region[r].name);
	}
	RETRY(t, err, om_munmap(p->mm, addr_at(r, i, loc), n * PAGE));
	CHECK(t, !err, "munmap of %u pages of %s: %d", n, region[r].name, err);
}

static void move_run(struct thread *t, struct proc *p, unsigned r, unsigned i, unsigned n)
{
	unsigned from = loc_of(attr_of(spot_of(p, r, i))),
	         to = (from + 1 + below(t, NR_LOCS - 1)) % NR_LOCS;
	bool leave = chance(t, 15);
	uintptr_t result = 0;
	int err;

	spots_begin(p, r, i, n);
	RETRY(t, err,
	      do_mremap(p->mm, addr_at(r, i, from), n * PAGE, n * PAGE,
	                OM_MREMAP_MAYMOVE | OM_MREMAP_FIXED | (leave ? OM_MREMAP_DONTUNMAP : 0),
	                addr_at(r, i, to), &result));
	if (!err) {
		CHECK(t, result == addr_at(r, i, to), "mremap went to %#lx", (unsigned long)result);
		if (leave)
			check_left(t, p, r, i, n, from);
		spots_attr(p, r, i, n, A_LOC, to << A_LOCSHIFT);
	} else { /* more than one area, or the limit of locked memory */
		CHECK(t, err == -OM_EFAULT || err == -OM_EAGAIN, "mremap of %u pages of %s: %d", n,
		      region[r].name, err);
	}
	spots_end(p, r, i, n);
}

void op_move(struct thread *t)
{
	struct proc *p = pick_proc(t);
	unsigned r = mapped_region(t, p), i;
	unsigned n = pick_run(t, p, r, A_MAPPED, 0, AREA_BITS, r == BIG ? BIG_PAGES : 12, &i);

	if (n)
		move_run(t, p, r, i, n);
}

/* All of BIG, whole page tables with it. If it is in pieces it is made anew now and then. */
void op_move_big(struct thread *t)
{
	struct proc *p = pick_proc(t);
	uint32_t attr = attr_of(spot_of(p, BIG, 0));
	unsigned i = 0;
	int err;

	if (!is_mine(t, p, BIG, 0))
		return;
	while (i < BIG_PAGES && (attr & A_MAPPED) &&
	       (attr_of(spot_of(p, BIG, i)) & AREA_BITS) == (attr & AREA_BITS))
		i++;
	if (i == BIG_PAGES) {
		move_run(t, p, BIG, 0, BIG_PAGES);
		return;
	}
	if (chance(t, 70))
		return;
	spots_begin(p, BIG, 0, BIG_PAGES);
	for (unsigned loc = 0; loc < NR_LOCS; loc++) {
		RETRY(t, err, om_munmap(p->mm, addr_at(BIG, 0, loc), BIG_PAGES * PAGE));
		CHECK(t, !err, "munmap of big: %d", err);
	}
	map_run(t, p, BIG, 0, BIG_PAGES, below(t, NR_LOCS), A_READ | A_WRITE, 0);
	spots_end(p, BIG, 0, BIG_PAGES);
}

/* ---------------------------------------------------------------- advice -------------------- */

static int advise(struct thread *t, struct proc *p, unsigned r, unsigned i, unsigned n, int advice)
{
	int err;

	RETRY(t, err, om_madvise(p->mm, addr_of(p, r, i), n * PAGE, advice));
	return err;
}

/* Advice that changes no contents. */
void op_advise(struct thread *t)
{
	static const int advice[] = {OM_MADV_WILLNEED,      OM_MADV_COLD,    OM_MADV_PAGEOUT,
	                             OM_MADV_PAGEOUT,       OM_MADV_PAGEOUT, OM_MADV_POPULATE_READ,
	                             OM_MADV_POPULATE_WRITE};
	struct proc *p = pick_proc(t);
	unsigned r = any_region(t), i;
	unsigned n = pick_run(t, p, r, A_MAPPED, 0, A_LOC | A_LOCKED | A_PROT, 16, &i);
	int what = advice[below(t, 7)], want = 0, err;
	uint32_t attr;

	if (!n || (what == OM_MADV_POPULATE_WRITE && region[r].kind == K_PRIVATE))
		return;
	attr = attr_of(spot_of(p, r, i));
	err = advise(t, p, r, i, n, what);
	if ((attr & A_LOCKED) && (what == OM_MADV_COLD || what == OM_MADV_PAGEOUT))
		want = -OM_EINVAL;
	if ((what == OM_MADV_POPULATE_READ && !(attr & A_PROT)) ||
	    (what == OM_MADV_POPULATE_WRITE && !(attr & A_WRITE)))
		want = -OM_EINVAL;
	/* Populating can meet the end of a file. */
	CHECK(t,
	      err == want ||
	          (err == -OM_EFAULT && what >= OM_MADV_POPULATE_READ && region[r].file >= 0),
	      "advice %d on %u pages of %s: %d", what, n, region[r].name, err);
}

/* Contents go: at once, or when memory is short. */
void op_forget(struct thread *t)
{
	struct proc *p = pick_proc(t);
	unsigned r = any_region(t), i;
	unsigned n = pick_run(t, p, r, A_MAPPED, 0, A_LOC | A_LOCKED, 12, &i);
	bool free = region[r].file < 0 && chance(t, 50), locked;
	int err;

	if (!n)
		return;
	locked = attr_of(spot_of(p, r, i)) & A_LOCKED;
	for (unsigned k = i; k < i + n; k++)
		if (attr_of(spot_of(p, r, k)) & A_PINNED)
			free = false;
	free = free && !locked;
	spots_begin(p, r, i, n);
	err = advise(t, p, r, i, n,
	             free     ? OM_MADV_FREE
	             : locked ? OM_MADV_DONTNEED_LOCKED
	                      : OM_MADV_DONTNEED);
	CHECK(t, !err, "MADV_%s on %u pages of %s: %d", free ? "FREE" : "DONTNEED", n,
	      region[r].name, err);
	if (free)
		spots_attr(p, r, i, n, 0, A_FREED);
	else
		for (unsigned k = i; holds_private(r) && k < i + n; k++)
			spot_zero(t, p, r, k);
	if (locked)
		spots_attr(p, r, i, n, 0, A_ABSENT);
	spots_end(p, r, i, n);
}

/* What fork does with an area. */
void op_flags(struct thread *t)
{
	struct proc *p = pick_proc(t);
	unsigned r = mapped_region(t, p), i;
	unsigned n = pick_run(t, p, r, A_MAPPED, 0, A_LOC, 8, &i);
	int err, advice;
	uint32_t set = 0, clear = 0;

	if (!n || r == BIG)
		return;
	if (region[r].kind == K_ANON && chance(t, 50)) {
		advice = chance(t, 50) ? OM_MADV_WIPEONFORK : OM_MADV_KEEPONFORK;
		*(advice == OM_MADV_WIPEONFORK ? &set : &clear) = A_WIPE;
	} else {
		advice = chance(t, 30) ? OM_MADV_DONTFORK : OM_MADV_DOFORK;
		*(advice == OM_MADV_DONTFORK ? &set : &clear) = A_NOFORK;
	}
	spots_begin(p, r, i, n);
	err = advise(t, p, r, i, n, advice);
	CHECK(t, !err, "advice %d on %u pages of %s: %d", advice, n, region[r].name, err);
	spots_attr(p, r, i, n, clear, set);
	spots_end(p, r, i, n);
}

/* ---------------------------------------------------------------- locking ------------------- */

/* A locked page that may be accessed is there, until it is unlocked. */
static void check_present(struct thread *t, struct proc *p, unsigned r, unsigned i)
{
	uint32_t attr = attr_of(spot_of(p, r, i));
	struct om_pageinfo info;

	if (region[r].kind != K_ANON || !(attr & A_LOCKED) || (attr & A_ABSENT) || !(attr & A_PROT))
		return;
	om_pageinfo(p->mm, addr_of(p, r, i), &info);
	CHECK(t,
	      info.kind == OM_PAGE_ZERO || info.kind == OM_PAGE_DIRECT ||
	          info.kind == OM_PAGE_SHARED,
	      "page %u of %s is locked, but not present (kind %d)", i, region[r].name, info.kind);
}

static void unlock_run(struct thread *t, struct proc *p, unsigned r, unsigned i, unsigned n)
{
	int err;

	RETRY(t, err, om_munlock(p->mm, addr_of(p, r, i), n * PAGE));
	CHECK(t, !err, "munlock of %u pages of %s: %d", n, region[r].name, err);
	spots_attr(p, r, i, n, A_LOCKED | A_ABSENT, 0);
}

void op_lock(struct thread *t)
{
	struct proc *p = pick_proc(t);
	unsigned r = any_region(t), i;
	bool on_fault = chance(t, 30);
	unsigned n = r == STACK ? 0 : pick_run(t, p, r, A_MAPPED, A_LOCKED, A_LOC | A_PROT, 4, &i);
	int err;

	/* As with MAP_POPULATE. */
	for (unsigned k = 0; k < n; k++)
		if (region[r].kind == K_PRIVATE && !(attr_of(spot_of(p, r, i + k)) & A_COPY) &&
		    !on_fault)
			return;
	if (!n)
		return;
	spots_begin(p, r, i, n);
	err = om_mlock(p->mm, addr_of(p, r, i), n * PAGE, on_fault ? OM_MLOCK_ONFAULT : 0);
	if (!err) {
		spots_attr(p, r, i, n, 0, A_LOCKED | (on_fault ? A_ABSENT : 0));
	} else { /* the limit; or the pages cannot be had, and are locked all the same */
		CHECK(t, err == -OM_ENOMEM, "mlock of %u pages of %s: %d", n, region[r].name, err);
		unlock_run(t, p, r, i, n);
	}
	spots_end(p, r, i, n);
	check_present(t, p, r, i);
}

void op_unlock(struct thread *t)
{
	struct proc *p = pick_proc(t);
	unsigned r = any_region(t), i;
	unsigned n = pick_run(t, p, r, A_MAPPED | A_LOCKED, 0, A_LOC, 8, &i);

	if (!n)
		return;
	check_present(t, p, r, i);
	if (chance(t, 50))
		return;
	spots_begin(p, r, i, n);
	unlock_run(t, p, r, i, n);
	spots_end(p, r, i, n);
}

/* ---------------------------------------------------------------- heap and stack ------------ */

void op_brk(struct thread *t)
{
	struct proc *p = pick_proc(t);
	uintptr_t start = region[HEAP].base[0],
	          end = start + below(t, region[HEAP].pages * (unsigned)PAGE), now;
	unsigned pages = (unsigned)((end - start + PAGE - 1) / PAGE);

	if (!is_mine(t, p, HEAP, 0))
		return;
	spots_begin(p, HEAP, 0, region[HEAP].pages);
	now = om_brk(p->mm, end);
	for (unsigned i = 0; now == end && i < region[HEAP].pages; i++) {
		bool was = attr_of(spot_of(p, HEAP, i)) & A_MAPPED;

		if (was && i >= pages) {
			spot_zero(t, p, HEAP, i);
			spots_attr(p, HEAP, i, 1, ~0u, 0);
		} else if (!was && i < pages) {
			spots_attr(p, HEAP, i, 1, ~0u, A_MAPPED | A_READ | A_WRITE);
		}
	}
	spots_end(p, HEAP, 0, region[HEAP].pages);
}

static void grow_stack(struct thread *t, struct proc *p, unsigned lowest)
{
	unsigned i = below(t, lowest);
	int err;

	spots_begin(p, STACK, i, lowest - i);
	while ((err = (int)om_fault(p->mm, addr_at(STACK, i, 0) + 8, OM_WRITE)) == OM_FAULT_OOM)
		out_of_memory(t);
	CHECK(t, err == OM_FAULT_MINOR || err == OM_FAULT_MAJOR,
	      "growing the stack by %u pages: fault %d", lowest - i, err);
	spots_attr(p, STACK, i, lowest - i, ~0u, A_MAPPED | A_READ | A_WRITE);
	spots_end(p, STACK, i, lowest - i);
	check_write(t, p, STACK, i);
}

void op_stack(struct thread *t)
{
	struct proc *p = pick_proc(t);
	unsigned n = region[STACK].pages, lowest = 0;
	int err;

	if (!is_mine(t, p, STACK, 0))
		return;
	while (lowest < n && !(attr_of(spot_of(p, STACK, lowest)) & A_MAPPED))
		lowest++;
	if (lowest == n) {
		spots_begin(p, STACK, n - 1, 1);
		map_run(t, p, STACK, n - 1, 1, 0, A_READ | A_WRITE, OM_MAP_GROWSDOWN);
		spots_end(p, STACK, n - 1, 1);
	} else if (lowest && chance(t, 80)) {
		grow_stack(t, p, lowest);
	} else {
		spots_begin(p, STACK, 0, n);
		RETRY(t, err, om_munmap(p->mm, addr_at(STACK, 0, 0), n * PAGE));
		CHECK(t, !err, "munmap of the stack: %d", err);
		for (unsigned i = 0; i < n; i++)
			spot_zero(t, p, STACK, i);
		spots_attr(p, STACK, 0, n, ~0u, 0);
		spots_end(p, STACK, 0, n);
	}
}

/* ---------------------------------------------------------------- nonlinear ----------------- */

void op_twist(struct thread *t)
{
	struct proc *p = pick_proc(t);
	unsigned r = t->aim.on ? t->aim.r : chance(t, 50) ? TWIST_SHM : TWIST_FILE, i, k;
	unsigned n = region[r].kind == K_TWISTED
	                 ? pick_run(t, p, r, A_MAPPED, 0, A_LOC | A_LOCKED, 6, &i)
	                 : 0;
	bool locked = n && (attr_of(spot_of(p, r, i)) & A_LOCKED);
	int err;

	if (!n)
		return;
	k = below(t, FILE_PAGES - n + 1);
	spots_begin(p, r, i, n);
	RETRY(t, err, om_remap_file_pages(p->mm, addr_of(p, r, i), n * PAGE, 0, k, 0));
	CHECK(t, !err || err == -OM_EINVAL, "remap_file_pages of %u pages of %s: %d", n,
	      region[r].name, err);
	for (unsigned j = 0; !err && j < n; j++)
		atomic_store(&spot_of(p, r, i + j)->file_page, k + j);
	if (locked && !err)
		spots_attr(p, r, i, n, 0, A_ABSENT);
	spots_end(p, r, i, n);
}
