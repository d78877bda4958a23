/*
 * store.c: what lies behind mappings and swap devices: a growing array of pages in memory, or a
 * file of the host. One implementation of om_store_ops serves both.
 *
 * The store checks what port.h promises to a driver: no two transfers of one page at a time, and
 * none where a hole is being made. It fails on request, waits on request, and counts. A failed read
 * leaves junk in the frames, as the contract allows; a failed write leaves the store as it was.
 */
#include "machine.h"

#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/uio.h>
#include <time.h>
#include <unistd.h>

/* One call of the read, write or punch hook, on the caller's stack. */
struct transfer {
	struct transfer *next;
	uint64_t first, last; /* pages */
	void *const *frame;   /* NULL in it: that page is not transferred; NULL: a hole */
};

struct failing {
	unsigned long countdown; /* 0: healthy; 1: the next transfer fails */
	bool forever;
};

struct sim_store {
	pthread_mutex_t lock;
	int fd;               /* -1: in memory */
	unsigned char **page; /* in memory: NULL where nothing was written */
	uint64_t nr_pages;    /* length of `page` */
	bool *asked;       /* page_mkwrite has been called, and the page not been written since */
	uint64_t nr_asked; /* length of `asked` */
	struct transfer *active;
	struct failing failing[4]; /* by enum sim_transfer */
	unsigned latency[2];
	struct sim_store_stats stats;
};

/* ---------------------------------------------------------------- the two kinds ------------- */

/* The memory of page i, made if needed; NULL if absent (or the host has no memory). Lock held. */
static unsigned char *ram_page(struct sim_store *store, uint64_t i, bool make)
{
	if (i >= store->nr_pages) {
		uint64_t nr = i + 1 + i / 2;
		unsigned char **page;

		if (!make || !(page = realloc(store->page, nr * sizeof(*page))))
			return NULL;
		memset(page + store->nr_pages, 0, (nr - store->nr_pages) * sizeof(*page));
		store->page = page;
		store->nr_pages = nr;
	}
	if (!store->page[i] && make)
		store->page[i] = calloc(1, SIM_PAGE_SIZE);
	return store->page[i];
}

static unsigned char *ram_page_locked(struct sim_store *store, uint64_t i, bool make)
{
	unsigned char *page;

	pthread_mutex_lock(&store->lock);
	page = ram_page(store, i, make);
	pthread_mutex_unlock(&store->lock);
	return page;
}

static bool ram_read(struct sim_store *store, uint64_t first, unsigned n, void *const frame[])
{
	for (unsigned i = 0; i < n; i++) {
		const unsigned char *page = ram_page_locked(store, first + i, false);

		if (!frame[i])
			continue;
		if (page)
			memcpy(frame[i], page, SIM_PAGE_SIZE);
		else
			memset(frame[i], 0, SIM_PAGE_SIZE);
	}
	return true;
}

static bool ram_write(struct sim_store *store, uint64_t first, unsigned n, void *const frame[])
{
	for (unsigned i = 0; i < n; i++) {
		unsigned char *page = ram_page_locked(store, first + i, true);

		if (!page)
			return false;
		memcpy(page, frame[i], SIM_PAGE_SIZE);
	}
	return true;
}

/* Bytes beyond the end of the file read as zero. */
static bool fd_read(int fd, uint64_t offset, void *buf, size_t n)
{
	char *to = buf;

	while (n) {
		ssize_t got = pread(fd, to, n, (off_t)offset);

		if (got < 0)
			return false;
		if (got == 0) {
			memset(to, 0, n);
			return true;
		}
		to += got;
		offset += (uint64_t)got;
		n -= (size_t)got;
	}
	return true;
}

static bool fd_write(int fd, uint64_t offset, const void *buf, size_t n)
{
	const char *from = buf;

	while (n) {
		ssize_t put = pwrite(fd, from, n, (off_t)offset);

		if (put <= 0)
			return false;
		from += put;
		offset += (uint64_t)put;
		n -= (size_t)put;
	}
	return true;
}

static bool file_read(struct sim_store *store, uint64_t first, unsigned n, void *const frame[])
{
	for (unsigned i = 0; i < n; i++) {
		if (frame[i] &&
		    !fd_read(store->fd, (first + i) * SIM_PAGE_SIZE, frame[i], SIM_PAGE_SIZE))
			return false;
	}
	return true;
}

static bool file_write(struct sim_store *store, uint64_t first, unsigned n, void *const frame[])
{
	for (unsigned i = 0; i < n; i++) {
		if (!fd_write(store->fd, (first + i) * SIM_PAGE_SIZE, frame[i], SIM_PAGE_SIZE))
			return false;
	}
	return true;
}

/* ---------------------------------------------------------------- transfers ----------------- */

/* Pages that are left out of a transfer: as many as an ordinary disk would, so that it is tried. */
#define READ_GAP 8

/* Must this transfer fail? Lock held. */
static bool fails_now(struct failing *f)
{
	if (f->countdown == 0)
		return false;
	if (f->countdown > 1) {
		f->countdown--;
		return false;
	}
	if (!f->forever)
		f->countdown = 0;
	return true;
}

static bool concerns(const struct transfer *t, uint64_t i)
{
	return !t->frame || t->frame[i - t->first];
}

/* The first page that both transfer, or UINT64_MAX. */
static uint64_t common_page(const struct transfer *a, const struct transfer *b)
{
	uint64_t first = a->first > b->first ? a->first : b->first;
	uint64_t last = a->last < b->last ? a->last : b->last;

	for (uint64_t i = first; i <= last; i++)
		if (concerns(a, i) && concerns(b, i))
			return i;
	return UINT64_MAX;
}

/* What is read or written. Lock held. */
static void count(struct sim_store *store, enum sim_transfer which, const struct transfer *t)
{
	uint64_t n = 0;

	if (which == SIM_PUNCH) {
		store->stats.punches++;
		return;
	}
	for (uint64_t i = t->first; i <= t->last; i++)
		n += concerns(t, i);
	*(which == SIM_READ ? &store->stats.reads : &store->stats.writes) += 1;
	*(which == SIM_READ ? &store->stats.pages_read : &store->stats.pages_written) += n;
}

/* Enter a transfer; returns whether it shall fail. */
static bool transfer_begin(struct sim_store *store, enum sim_transfer which, struct transfer *t)
{
	bool fail;

	pthread_mutex_lock(&store->lock);
	for (const struct transfer *o = store->active; o; o = o->next) {
		uint64_t both = common_page(o, t);

		if (both != UINT64_MAX) {
			fprintf(stderr, "sim store: two transfers of page %llu at a time\n",
			        (unsigned long long)both);
			abort();
		}
	}
	t->next = store->active;
	store->active = t;
	count(store, which, t);
	fail = fails_now(&store->failing[which]);
	pthread_mutex_unlock(&store->lock);
	return fail;
}

/* Lock held: these pages have been written. */
static void clear_asked(struct sim_store *store, const struct transfer *t)
{
	for (uint64_t i = t->first; i <= t->last; i++) {
		bool asked = i < store->nr_asked && store->asked[i];

		store->stats.unasked += !asked;
		if (asked)
			store->asked[i] = false;
	}
}

static uint64_t *errors(struct sim_store *store, enum sim_transfer which)
{
	struct sim_store_stats *st = &store->stats;

	return which == SIM_READ    ? &st->read_errors
	       : which == SIM_WRITE ? &st->write_errors
	                            : &st->punch_errors;
}

static void transfer_end(struct sim_store *store, enum sim_transfer which, struct transfer *t,
                         bool ok)
{
	struct transfer **p = &store->active;

	pthread_mutex_lock(&store->lock);
	if (which == SIM_WRITE && ok)
		clear_asked(store, t);
	while (*p != t)
		p = &(*p)->next;
	*p = t->next;
	if (!ok)
		*errors(store, which) += 1;
	pthread_mutex_unlock(&store->lock);
}

static void sleep_us(unsigned us)
{
	struct timespec time = {.tv_sec = us / 1000000, .tv_nsec = (long)(us % 1000000) * 1000};

	if (us)
		nanosleep(&time, NULL);
}

static int store_read(void *arg, uint64_t first, unsigned n, void *const frame[])
{
	struct sim_store *store = arg;
	struct transfer t = {.first = first, .last = first + n - 1, .frame = frame};
	bool ok = !transfer_begin(store, SIM_READ, &t);

	sleep_us(store->latency[SIM_READ]);
	if (ok)
		ok = (store->fd < 0 ? ram_read : file_read)(store, first, n, frame);
	for (unsigned i = 0; i < n && !ok; i++)
		if (frame[i])
			memset(frame[i], 0xee, SIM_PAGE_SIZE);
	transfer_end(store, SIM_READ, &t, ok);
	return ok ? 0 : -OM_EIO;
}

static int store_write(void *arg, uint64_t first, unsigned n, void *const frame[])
{
	struct sim_store *store = arg;
	struct transfer t = {.first = first, .last = first + n - 1, .frame = frame};
	bool ok = !transfer_begin(store, SIM_WRITE, &t);

	sleep_us(store->latency[SIM_WRITE]);
	if (ok)
		ok = (store->fd < 0 ? ram_write : file_write)(store, first, n, frame);
	transfer_end(store, SIM_WRITE, &t, ok);
	return ok ? 0 : -OM_EIO;
}

/* Lock held. */
static void ram_punch(struct sim_store *store, uint64_t first, uint64_t last)
{
	for (uint64_t i = first; i <= last && i < store->nr_pages; i++) {
		free(store->page[i]);
		store->page[i] = NULL;
	}
}

static bool file_punch(struct sim_store *store, uint64_t first, uint64_t last)
{
	static const unsigned char zeros[SIM_PAGE_SIZE];
	uint64_t end = (uint64_t)lseek(store->fd, 0, SEEK_END);

	for (uint64_t at = first * SIM_PAGE_SIZE; first <= last && at < end; first++) {
		size_t n = end - at < SIM_PAGE_SIZE ? (size_t)(end - at) : SIM_PAGE_SIZE;

		if (!fd_write(store->fd, at, zeros, n))
			return false;
		at += n;
	}
	return true;
}

static int store_punch(void *arg, uint64_t first, uint64_t n)
{
	struct sim_store *store = arg;
	struct transfer t = {.first = first, .last = first + n - 1};
	bool ok = !transfer_begin(store, SIM_PUNCH, &t);

	sleep_us(store->latency[SIM_WRITE]);
	if (ok && store->fd < 0) {
		pthread_mutex_lock(&store->lock);
		ram_punch(store, t.first, t.last);
		pthread_mutex_unlock(&store->lock);
	} else if (ok) {
		ok = file_punch(store, t.first, t.last);
	}
	transfer_end(store, SIM_PUNCH, &t, ok);
	return ok ? 0 : -OM_EIO;
}

/* The store belongs to whoever made it: being released is only counted. */
static void store_release(void *arg)
{
	struct sim_store *store = arg;

	pthread_mutex_lock(&store->lock);
	store->stats.released++;
	pthread_mutex_unlock(&store->lock);
}

/* Lock held. */
static void set_asked(struct sim_store *store, uint64_t i)
{
	if (i >= store->nr_asked) {
		uint64_t nr = 2 * i + 64;
		bool *asked = realloc(store->asked, nr);

		if (!asked) {
			fprintf(stderr, "sim store: the host has no memory\n");
			abort();
		}
		memset(asked + store->nr_asked, 0, nr - store->nr_asked);
		store->asked = asked;
		store->nr_asked = nr;
	}
	store->asked[i] = true;
}

static int store_mkwrite(void *arg, uint64_t index)
{
	struct sim_store *store = arg;
	bool fail;

	pthread_mutex_lock(&store->lock);
	fail = fails_now(&store->failing[SIM_MKWRITE]);
	if (!fail)
		set_asked(store, index);
	store->stats.mkwrites++;
	store->stats.mkwrite_errors += fail;
	pthread_mutex_unlock(&store->lock);
	return fail ? -OM_EIO : 0;
}

const struct om_store_ops sim_store_ops = {
    .read = store_read,
    .read_gap = READ_GAP,
    .write = store_write,
    .punch = store_punch,
    .release = store_release,
};

const struct om_store_ops sim_store_mkwrite_ops = {
    .read = store_read,
    .read_gap = READ_GAP,
    .write = store_write,
    .page_mkwrite = store_mkwrite,
    .punch = store_punch,
    .release = store_release,
};

/* ---------------------------------------------------------------- the owner's side ---------- */

static struct sim_store *store_new(int fd)
{
	struct sim_store *store = calloc(1, sizeof(*store));

	if (store) {
		pthread_mutex_init(&store->lock, NULL);
		store->fd = fd;
	}
	return store;
}

struct sim_store *sim_store_ram(void)
{
	return store_new(-1);
}

struct sim_store *sim_store_file(const char *path)
{
	int fd = open(path, O_RDWR | O_CREAT | O_CLOEXEC, 0666);
	struct sim_store *store = fd < 0 ? NULL : store_new(fd);

	if (fd >= 0 && !store)
		close(fd);
	return store;
}

void sim_store_free(struct sim_store *store)
{
	if (store->fd >= 0)
		close(store->fd);
	for (uint64_t i = 0; i < store->nr_pages; i++)
		free(store->page[i]);
	free(store->page);
	free(store->asked);
	pthread_mutex_destroy(&store->lock);
	free(store);
}

static void ram_truncate(struct sim_store *store, uint64_t size)
{
	size_t tail = (size_t)(size % SIM_PAGE_SIZE);
	uint64_t keep = size / SIM_PAGE_SIZE + (tail != 0);

	for (uint64_t i = keep; i < store->nr_pages; i++) {
		free(store->page[i]);
		store->page[i] = NULL;
	}
	if (tail && keep <= store->nr_pages && store->page[keep - 1])
		memset(store->page[keep - 1] + tail, 0, SIM_PAGE_SIZE - tail);
}

void sim_store_truncate(struct sim_store *store, uint64_t size)
{
	off_t end;

	if (store->fd < 0) {
		pthread_mutex_lock(&store->lock);
		ram_truncate(store, size);
		pthread_mutex_unlock(&store->lock);
		return;
	}
	end = lseek(store->fd, 0, SEEK_END);
	if (end > 0 && (uint64_t)end > size && ftruncate(store->fd, (off_t)size) != 0) {
		perror("sim store: ftruncate");
		abort();
	}
}

/* One piece of a peek (to) or poke (from) that lies in one page. Lock held. */
static void ram_piece(struct sim_store *store, uint64_t offset, void *to, const void *from,
                      size_t n)
{
	unsigned char *page = ram_page(store, offset / SIM_PAGE_SIZE, from != NULL);
	size_t at = (size_t)(offset % SIM_PAGE_SIZE);

	if (from && !page) {
		fprintf(stderr, "sim store: the host has no memory\n");
		abort();
	}
	if (from)
		memcpy(page + at, from, n);
	else if (page)
		memcpy(to, page + at, n);
	else
		memset(to, 0, n);
}

static void ram_bytes(struct sim_store *store, uint64_t offset, char *to, const char *from,
                      size_t n)
{
	pthread_mutex_lock(&store->lock);
	while (n) {
		size_t rest = (size_t)(SIM_PAGE_SIZE - offset % SIM_PAGE_SIZE);
		size_t now = n < rest ? n : rest;

		ram_piece(store, offset, to, from, now);
		offset += now;
		to = to ? to + now : NULL;
		from = from ? from + now : NULL;
		n -= now;
	}
	pthread_mutex_unlock(&store->lock);
}

void sim_store_peek(struct sim_store *store, uint64_t offset, void *buf, size_t n)
{
	if (store->fd < 0) {
		ram_bytes(store, offset, buf, NULL, n);
	} else if (!fd_read(store->fd, offset, buf, n)) {
		perror("sim store: pread");
		abort();
	}
}

void sim_store_poke(struct sim_store *store, uint64_t offset, const void *buf, size_t n)
{
	if (store->fd < 0) {
		ram_bytes(store, offset, NULL, buf, n);
	} else if (!fd_write(store->fd, offset, buf, n)) {
		perror("sim store: pwrite");
		abort();
	}
}

void sim_store_stats(struct sim_store *store, struct sim_store_stats *stats)
{
	pthread_mutex_lock(&store->lock);
	*stats = store->stats;
	pthread_mutex_unlock(&store->lock);
}

void sim_store_latency(struct sim_store *store, unsigned read_us, unsigned write_us)
{
	store->latency[SIM_READ] = read_us;
	store->latency[SIM_WRITE] = write_us;
}

void sim_store_fail(struct sim_store *store, enum sim_transfer which, unsigned long k, bool forever)
{
	pthread_mutex_lock(&store->lock);
	store->failing[which] = (struct failing){.countdown = k, .forever = forever};
	pthread_mutex_unlock(&store->lock);
}
