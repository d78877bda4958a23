/*
 * lazy.c: pages whose contents MADV_FREE left open.
 *
 * After MADV_FREE a page holds its old bytes or zeros, until it is written: both are right, and the
 * host, with plenty of memory, mostly keeps the old ones where the library, with little, drops
 * them. So the test remembers which pages are open. When the page reads as zeros on one side only,
 * the other side is told to drop its page too (MADV_DONTNEED), and the two agree again. Anything
 * but zeros or the old bytes is a failure still.
 *
 * The marks are per process and page; they follow fork and mremap. A mark too many hides only the
 * loss of a whole page.
 */
#include "twin.h"

#include <string.h>

static uint8_t lazy[NR_PROCS][NR_PAGES];

void lazy_fork(unsigned parent, unsigned child)
{
	if (parent == child)
		memset(lazy[child], 0, sizeof(lazy[child]));
	else
		memcpy(lazy[child], lazy[parent], sizeof(lazy[child]));
}

static uint8_t *mark(unsigned proc, uint64_t addr)
{
	unsigned page;

	return page_number(addr, &page) ? &lazy[proc][page] : NULL;
}

static void set(unsigned proc, uint64_t addr, uint64_t len, uint8_t value)
{
	uint8_t *m;

	for (uint64_t a = addr; a - addr < len && (m = mark(proc, a)); a += PAGE)
		*m = value;
}

bool lazy_any(unsigned proc, uint64_t addr, uint64_t len)
{
	uint8_t *m;

	for (uint64_t a = addr & ~(uint64_t)(PAGE - 1); a < addr + len; a += PAGE)
		if ((m = mark(proc, a)) && *m)
			return true;
	return false;
}

/* ---------------------------------------------------------------- calls --------------------- */

static void after_mremap(const struct call *c, const struct result *r)
{
	uint64_t old = real_address(c->a[0]), old_len = round_up(c->a[1]),
	         new_len = round_up(c->a[2]);
	uint64_t to = r->v == 1 ? real_address(c->a[5]) : r->v;
	static uint8_t moved[NR_PAGES];
	unsigned n = 0, page;

	if (!old_len || to == old) {
		set(c->proc, to + new_len, old_len > new_len ? old_len - new_len : 0, 0);
		if (!old_len)
			set(c->proc, to, new_len, 0);
		return;
	}
	for (; n < old_len / PAGE && n < new_len / PAGE; n++)
		moved[n] = lazy_any(c->proc, old + n * PAGE, PAGE);
	set(c->proc, old, old_len, 0);
	if (!page_number(to, &page))
		return; /* lost on the way home */
	set(c->proc, to, new_len, 0);
	for (unsigned i = 0; i < n; i++)
		set(c->proc, to + i * PAGE, PAGE, moved[i]);
}

void lazy_after(const struct call *c, const struct result *r)
{
	uint64_t addr = real_address(c->a[0]), len = round_up(c->a[1]);

	if (c->kind == C_MADVISE && c->a[2] == OM_MADV_FREE) /* partial, if it failed */
		set(c->proc, addr, len, 1);
	if (r->ret)
		return;
	if (c->kind == C_MMAP && r->v != 1)
		set(c->proc, r->v, len, 0);
	else if (c->kind == C_MUNMAP)
		set(c->proc, addr, len, 0);
	else if (c->kind == C_MREMAP)
		after_mremap(c, r);
}

/* ---------------------------------------------------------------- agreeing ------------------ */

static void host_drop(unsigned proc, uintptr_t addr)
{
	struct call c = {.kind = C_ZAP, .proc = (uint8_t)proc, .a = {addr}};
	struct result r = host_call(&c);

	if (r.ret)
		fail("host: cannot drop a page: %d", (int)r.ret);
	shared->lazy++;
}

static void lib_drop(unsigned proc, uintptr_t addr)
{
	if (om_madvise(twin.mm[proc], addr, PAGE, OM_MADV_DONTNEED_LOCKED))
		fail("lib: cannot drop a page");
	shared->lazy++;
}

bool lazy_follow(unsigned proc, uintptr_t addr, uint64_t lib, uint64_t host)
{
	uint8_t *m = mark(proc, addr);

	if (!m || !*m || (lib && host) || ((lib | host) & HASH_FAULT))
		return false;
	/* Looked at again after it was dropped, so that both sides map zeros (mincore tells). */
	if (host) {
		host_drop(proc, addr);
		host_hash(proc, addr);
	} else {
		lib_drop(proc, addr);
		lib_hash(proc, addr);
	}
	*m = 0;
	return true;
}

void lazy_resolve(unsigned proc, uintptr_t addr)
{
	uint64_t lib = lib_hash(proc, addr), host = host_hash(proc, addr);

	if (lib != host && !lazy_follow(proc, addr, lib, host))
		fail("content: process %u page %#lx: library %#lx, host %#lx (MADV_FREE)", proc,
		     (unsigned long)addr, (unsigned long)lib, (unsigned long)host);
}

/*
 * The rest of the page is old or zero. If the sums differ, one side must have written on zeros: the
 * side that has not loses the page and writes again.
 */
void lazy_write(const struct call *c, struct result *lib, struct result *host)
{
	uintptr_t addr = (uintptr_t)real_address(c->a[0]) & ~(PAGE - 1);
	uint64_t lib_sum, host_sum, zero_sum;

	lib_call(c, lib);
	lib_sum = lib_hash(c->proc, addr);
	*host = host_call(c);
	if (lib->ret || host->ret)
		return;
	host_sum = host_hash(c->proc, addr);
	*mark(c->proc, addr) = 0;
	if (lib_sum == host_sum)
		return;
	host_drop(c->proc, addr);
	*host = host_call(c);
	zero_sum = host_hash(c->proc, addr);
	if (lib_sum == zero_sum)
		return;
	lib_drop(c->proc, addr);
	lib_call(c, lib);
	if (host_sum != zero_sum || lib_hash(c->proc, addr) != zero_sum)
		fail("content: process %u page %#lx after MADV_FREE and a write", c->proc,
		     (unsigned long)addr);
}
