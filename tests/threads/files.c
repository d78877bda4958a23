/*
 * files.c: what is done to files: by their pages' owners, with everybody mapping them.
 */
#include "threads.h"

/* Any page; the one that all are after, if it is a file's. */
static unsigned any_page(struct thread *t)
{
	if (t->aim.on && region[t->aim.r].file >= 0)
		return region[t->aim.r].file_page + t->aim.i;
	return below(t, FILE_PAGES);
}

static struct file *any_file(struct thread *t, unsigned *nr)
{
	*nr = below(t, NR_FILES);
	if (t->aim.on && region[t->aim.r].file >= 0)
		*nr = (unsigned)region[t->aim.r].file;
	return t->w->file[*nr];
}

/* A page of t's, and how many after it are t's as well, at most `max`. */
static unsigned pick_pages(struct thread *t, const struct file *f, unsigned max, unsigned *k)
{
	unsigned n = 0;

	for (unsigned tries = 0; tries < 8; tries++) {
		*k = any_page(t);
		if (f->page[*k].owner == t->nr)
			break;
	}
	max = 1 + below(t, max);
	while (n < max && *k + n < f->nr_pages && f->page[*k + n].owner == t->nr)
		n++;
	return n;
}

/* write(2) within the file. */
void op_file_write(struct thread *t)
{
	unsigned nr, k, n, blocks;
	struct file *f = any_file(t, &nr);
	size_t done;
	uint64_t tag;
	int err;

	n = pick_pages(t, f, 1, &k);
	blocks = n ? atomic_load(&f->page[k].blocks) : 0;
	if (!blocks)
		return;
	content_begin(&f->page[k].c);
	tag = content_next(t, &f->page[k].c);
	fill_words(t->page, blocks * PAGE_WORDS / BLOCKS, 0, tag);
	RETRY(t, err, om_mapping_write(f->mapping, k * PAGE, t->page, blocks * BLOCK, &done));
	CHECK(t, !err && done == blocks * BLOCK, "om_mapping_write: %d, %zu bytes", err, done);
	content_set(&f->page[k].c, 0, blocks, tag);
	content_end(&f->page[k].c);
	t->writes++;
}

/* A store through any mapping that shows a page of t's. */
void op_file_map_write(struct thread *t)
{
	static const unsigned shared[] = {SHM, FILEMAP, TWIST_SHM, TWIST_FILE, OWN_SHM};
	struct proc *p = chance(t, 60) ? t->w->shared[below(t, NR_SHARED)] : pick_proc(t);
	unsigned r = t->aim.on && !holds_private(t->aim.r) ? t->aim.r : shared[below(t, 5)],
	         i = pick_page(t, r);

	if (region[r].file == OWN_FILE && !p->own)
		return;
	/* Look for one. */
	for (unsigned n = 0; n < 16 && file_page_of(t, p, r, i)->owner != t->nr; n++)
		i = (i + 1) % region[r].pages;
	check_write(t, p, r, i);
}

void op_file_read(struct thread *t)
{
	unsigned nr;
	struct file *f = any_file(t, &nr);

	check_file_read(t, f, any_page(t));
}

/* ---------------------------------------------------------------- size ---------------------- */

static unsigned size_in_blocks(const struct file *f)
{
	unsigned blocks = 0;

	for (unsigned k = 0; k < f->nr_pages; k++)
		blocks += atomic_load(&f->page[k].blocks);
	return blocks;
}

/* The size in blocks becomes `now`: pages behind it are cut off, what is new is zero. */
static void resize_shadow(struct file *f, unsigned old, unsigned now)
{
	for (unsigned k = FILE_FIXED; k < f->nr_pages; k++) {
		struct file_page *page = &f->page[k];
		unsigned was = atomic_load(&page->blocks);
		unsigned is = now <= k * BLOCKS           ? 0
		              : now - k * BLOCKS < BLOCKS ? now - k * BLOCKS
		                                          : BLOCKS;
		unsigned first = is < was ? is : was;

		if (old != now)
			content_set(&page->c, first, BLOCKS - first, 0);
		atomic_store(&page->blocks, is);
	}
}

static void resize(struct thread *t, struct file *f, unsigned now)
{
	unsigned old = size_in_blocks(f), k,
	         gone = (now + BLOCKS - 1) / BLOCKS; /* this page and those behind it go */
	int err;

	for (k = FILE_FIXED; k < f->nr_pages; k++)
		content_begin(&f->page[k].c);
	for (k = gone; k < f->nr_pages; k++)
		atomic_fetch_add(&f->page[k].cuts, 1);
	RETRY(t, err, om_mapping_truncate(f->mapping, now * BLOCK));
	CHECK(t, !err, "om_mapping_truncate: %d", err);
	if (f->store && now < old)
		sim_store_truncate(f->store, now * BLOCK);
	resize_shadow(f, old, now);
	for (k = gone; k < f->nr_pages; k++)
		atomic_fetch_add(&f->page[k].cuts, 1);
	for (k = FILE_FIXED; k < f->nr_pages; k++)
		content_end(&f->page[k].c);
	CHECK(t, om_mapping_size(f->mapping) == now * BLOCK, "a file of %u blocks has %llu bytes",
	      now, (unsigned long long)om_mapping_size(f->mapping));
}

/* Often the file is made longer again at once: nothing of what was cut off may come back. */
void op_truncate(struct thread *t)
{
	unsigned nr, k = any_page(t), all = FILE_PAGES * BLOCKS, now;
	struct file *f = any_file(t, &nr);

	if (f->owner != t->nr)
		return;
	now = FILE_FIXED * BLOCKS + below(t, (FILE_PAGES - FILE_FIXED) * BLOCKS + 1);
	if (chance(t, 30))
		now = all;
	else if (k > FILE_FIXED && t->aim.on)
		now = k * BLOCKS - chance(t, 50);
	resize(t, f, now);
	if (now == all || chance(t, 50))
		return;
	resize(t, f, all);
	for (k = now / BLOCKS; k < FILE_PAGES && k < now / BLOCKS + 4; k++)
		check_file_read(t, f, k);
}

/* ---------------------------------------------------------------- holes --------------------- */

/* Through a mapping; false if there is none of t's that shows the pages. */
static bool remove_mapped(struct thread *t, const struct file *f, unsigned nr, unsigned k,
                          unsigned n)
{
	unsigned r = nr ? FILEMAP : SHM;
	struct proc *p = pick_proc(t);
	uint32_t attr = attr_of(spot_of(p, r, k));
	int err;

	if (file_of(t, p, r) != f)
		return false;
	for (unsigned j = k; j < k + n; j++)
		if (!is_mine(t, p, r, j) || !(attr_of(spot_of(p, r, j)) & A_MAPPED) ||
		    (attr_of(spot_of(p, r, j)) & (A_LOC | A_LOCKED)) != (attr & A_LOC))
			return false;
	RETRY(t, err, om_madvise(p->mm, addr_at(r, k, loc_of(attr)), n * PAGE, OM_MADV_REMOVE));
	CHECK(t, !err, "MADV_REMOVE: %d", err);
	return true;
}

void op_punch(struct thread *t)
{
	unsigned nr, k, n;
	struct file *f = any_file(t, &nr);
	int err;

	n = pick_pages(t, f, 4, &k);
	if (!n)
		return;
	for (unsigned j = k; j < k + n; j++)
		content_begin(&f->page[j].c);
	if (!remove_mapped(t, f, nr, k, n)) {
		RETRY(t, err, om_mapping_punch(f->mapping, k * PAGE, n * PAGE));
		CHECK(t, !err, "om_mapping_punch: %d", err);
	}
	for (unsigned j = k; j < k + n; j++) {
		content_set(&f->page[j].c, 0, BLOCKS, 0);
		content_end(&f->page[j].c);
	}
}

/* ---------------------------------------------------------------- writing back -------------- */

/* Page k, which is t's and was synced, is in the store. */
static void check_store(struct thread *t, struct file *f, unsigned k)
{
	unsigned blocks = atomic_load(&f->page[k].blocks);

	sim_store_peek(f->store, k * PAGE, t->page, PAGE);
	for (unsigned j = 0; j < blocks * PAGE_WORDS / BLOCKS; j++) {
		uint64_t tag = atomic_load(&f->page[k].c.tag[j / (PAGE_WORDS / BLOCKS)]),
		         want = tag ? tag | j : 0;

		CHECK(t, t->page[j] == want,
		      "file page %u was synced, but the store has %#llx in word %u, not %#llx", k,
		      (unsigned long long)t->page[j], j, (unsigned long long)want);
	}
}

void op_sync(struct thread *t)
{
	struct file *f = t->w->file[1];
	unsigned k, n = pick_pages(t, f, 16, &k);
	int err;

	if (!n)
		return;
	RETRY(t, err, om_mapping_sync(f->mapping, k * PAGE, chance(t, 20) ? 0 : n * PAGE));
	CHECK(t, !err, "om_mapping_sync: %d", err);
	for (unsigned j = k; j < k + n; j++)
		check_store(t, f, j);
}

void op_msync(struct thread *t)
{
	static const int flags[] = {OM_MS_SYNC, OM_MS_ASYNC, OM_MS_SYNC | OM_MS_INVALIDATE};
	struct proc *p = pick_proc(t);
	unsigned r = t->aim.on ? t->aim.r : chance(t, 70) ? FILEMAP : TWIST_FILE, i;
	unsigned n = r < HEAP ? pick_run(t, p, r, A_MAPPED, A_LOCKED, A_LOC, 16, &i) : 0;
	int which = flags[below(t, 3)], err;

	if (!n)
		return;
	RETRY(t, err,
	      om_msync(p->mm, addr_at(r, i, loc_of(attr_of(spot_of(p, r, i)))), n * PAGE, which));
	CHECK(t, !err, "msync of %u pages of %s: %d", n, region[r].name, err);
	for (unsigned j = i; (which & OM_MS_SYNC) && r == FILEMAP && j < i + n; j++)
		if (t->w->file[1]->page[j].owner == t->nr)
			check_store(t, t->w->file[1], j);
}
