/*
 * ram.c: the store of ram.h.
 */
#include "ram.h"

#include <string.h>
#include <unistd.h>

void ram_init(struct ram *ram, uint64_t pages)
{
	memset(ram, 0, sizeof(*ram));
	ram->pages = pages;
	ram->data = calloc(pages, OM_PAGE_SIZE);
	ram->busy = calloc(pages, sizeof(*ram->busy));
	unit_check(ram->data && ram->busy);
	atomic_init(&ram->bad_page, RAM_NEVER);
}

void ram_destroy(struct ram *ram)
{
	free(ram->data);
	free(ram->busy);
}

unsigned char ram_byte(uint64_t page)
{
	return (unsigned char)(page % 251 + 1);
}

void ram_fill(struct ram *ram)
{
	for (uint64_t i = 0; i < ram->pages; i++)
		memset(ram->data + i * OM_PAGE_SIZE, ram_byte(i), OM_PAGE_SIZE);
}

bool ram_is(const void *page, unsigned char byte)
{
	const unsigned char *p = page;

	return p[0] == byte && memcmp(p, p + 1, OM_PAGE_SIZE - 1) == 0;
}

static bool shall_fail(atomic_int *countdown, struct ram *ram, uint64_t first, unsigned n)
{
	uint64_t bad = atomic_load(&ram->bad_page);
	int left = atomic_load(countdown);

	if (bad >= first && bad < first + n)
		return true;
	while (left > 0 && !atomic_compare_exchange_weak(countdown, &left, left - 1))
		;
	return left != 0;
}

static void begin(struct ram *ram, uint64_t first, unsigned n, void *const frame[])
{
	for (uint64_t i = first; i < first + n && i < ram->pages; i++)
		if (frame[i - first])
			unit_check(atomic_exchange(&ram->busy[i], 1) == 0);
	if (atomic_load(&ram->delay))
		usleep(atomic_load(&ram->delay));
}

static void end(struct ram *ram, uint64_t first, unsigned n, void *const frame[])
{
	for (uint64_t i = first; i < first + n && i < ram->pages; i++)
		if (frame[i - first])
			atomic_store(&ram->busy[i], 0);
}

static int ram_read(void *store, uint64_t first, unsigned n, void *const frame[])
{
	struct ram *ram = store;
	int err = 0;

	begin(ram, first, n, frame);
	atomic_fetch_add(&ram->reads, 1);
	if (shall_fail(&ram->fail_reads, ram, first, n)) {
		err = -OM_EIO;
	} else {
		for (unsigned i = 0; i < n; i++) {
			if (!frame[i])
				continue;
			atomic_fetch_add(&ram->pages_read, 1);
			if (first + i < ram->pages)
				memcpy(frame[i], ram->data + (first + i) * OM_PAGE_SIZE,
				       OM_PAGE_SIZE);
			else
				memset(frame[i], 0, OM_PAGE_SIZE);
		}
	}
	end(ram, first, n, frame);
	return err;
}

static int ram_write(void *store, uint64_t first, unsigned n, void *const frame[])
{
	struct ram *ram = store;
	int err = 0;

	begin(ram, first, n, frame);
	atomic_fetch_add(&ram->writes, 1);
	if (shall_fail(&ram->fail_writes, ram, first, n) || first + n > ram->pages) {
		err = -OM_EIO;
	} else {
		atomic_fetch_add(&ram->pages_written, n);
		for (unsigned i = 0; i < n; i++)
			memcpy(ram->data + (first + i) * OM_PAGE_SIZE, frame[i], OM_PAGE_SIZE);
	}
	end(ram, first, n, frame);
	return err;
}

static int ram_punch(void *store, uint64_t first, uint64_t n)
{
	struct ram *ram = store;

	for (uint64_t i = first; i < first + n && i < ram->pages; i++) {
		unit_check(atomic_load(&ram->busy[i]) == 0);
		memset(ram->data + i * OM_PAGE_SIZE, 0, OM_PAGE_SIZE);
	}
	return 0;
}

static void ram_release(void *store)
{
	struct ram *ram = store;

	atomic_fetch_add(&ram->released, 1);
}

const struct om_store_ops ram_ops = {
    .read = ram_read,
    .write = ram_write,
    .punch = ram_punch,
    .release = ram_release,
};

const struct om_store_ops ram_ops_gap = {
    .read = ram_read,
    .read_gap = 4,
    .write = ram_write,
    .punch = ram_punch,
    .release = ram_release,
};

const struct om_store_ops ram_ops_readonly = {
    .read = ram_read,
};
