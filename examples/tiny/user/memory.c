/* memory.c: tests of one program's memory: on demand, by permission, moved, locked. */
#include "user.h"

void test_demand(void)
{
	const size_t n = 64;
	long *p = get(n * PAGE_BYTES);

	check(resident(p, n * PAGE_BYTES) == 0);
	for (size_t i = 0; i < 3; i++)
		p[i * PER_PAGE] = (long)i + 1;
	check(resident(p, n * PAGE_BYTES) == 3);
	check(p[3 * PER_PAGE] == 0);
	check(resident(p, n * PAGE_BYTES) == 3); /* it is the page of zeros */
	p[3 * PER_PAGE + 1] = 4;
	check(p[3 * PER_PAGE] == 0 && p[3 * PER_PAGE + 1] == 4);
	for (size_t i = 0; i < 3; i++)
		check(p[i * PER_PAGE] == (long)i + 1);
	unmap(p, n * PAGE_BYTES);
}

/* Far down: the stack grows. Not in one step, the compiler may not touch what is between. */
static long deep(unsigned n)
{
	volatile long frame[PER_PAGE / 4];

	frame[0] = n;
	return n ? deep(n - 1) + frame[0] : 0;
}

void test_stack(void)
{
	check(deep(100) == 5050);
}

/* ---- faults ------------------------------------------------------------------------------- */

enum access { READ, WRITE, JUMP };

static void access(uintptr_t addr, enum access how)
{
	if (how == READ)
		(void)*(volatile char *)addr;
	else if (how == WRITE)
		*(volatile char *)addr = 1;
	else
		((void (*)(void))addr)();
}

/* What becomes of a child that does so. */
static long try(uintptr_t addr, enum access how)
{
	if (!fork()) {
		access(addr, how);
		leave(1);
	}
	return wait();
}

/* Whatever it does there, nothing is mapped. */
static void check_nothing(uintptr_t addr)
{
	const long status = IS_ADDRESS(addr) ? BAD(OM_FAULT_MAPERR) : STATUS_TRAP;

	check(try(addr, READ) == status);
	check(try(addr, WRITE) == status);
	check(try(addr, JUMP) == status);
}

static void check_addresses(void)
{
	uintptr_t page = (uintptr_t)get(3 * PAGE_BYTES);

	unmap((void *)(page + PAGE_BYTES), PAGE_BYTES);
	check_nothing(0);
	check_nothing(PAGE_BYTES / 2);
	check_nothing(page + PAGE_BYTES);
	check_nothing(page + 2 * PAGE_BYTES - 4);
	check_nothing(USER_END - PAGE_BYTES);
	check_nothing(USER_END);
	check_nothing(0ul - USER_END); /* the kernel's half, where it begins, in it, and its end */
	check_nothing(KERNEL_CODE);
	check_nothing(0ul - PAGE_BYTES);
	for (uintptr_t bit = USER_END; bit; bit <<= 1)
		check_nothing(bit | page);
	unmap((void *)page, 3 * PAGE_BYTES);
}

/* READ, WRITE and JUMP, for each set of permissions. */
static void check_rights(void)
{
	static const int prots[] = {OM_PROT_NONE, OM_PROT_READ, PROT_RW, PROT_RX};
	uintptr_t page = (uintptr_t)get(PAGE_BYTES);

	for (unsigned touched = 0; touched < 2; touched++)
		for (unsigned i = 0; i < 4; i++) {
			protect((void *)page, PAGE_BYTES, prots[i]);
			check(try(page, READ) == (prots[i] ? 1 : BAD(OM_FAULT_ACCERR)));
			check(try(page, WRITE) == (prots[i] == PROT_RW ? 1 : BAD(OM_FAULT_ACCERR)));
			if (prots[i] != PROT_RX)
				check(try(page, JUMP) == BAD(OM_FAULT_ACCERR));
			protect((void *)page, PAGE_BYTES, PROT_RW);
			if (i == 3)
				*(long *)page = 1;
		}
	unmap((void *)page, PAGE_BYTES);
}

void test_faults(void)
{
	check_addresses();
	check_rights();
	check(try((uintptr_t)test_faults, WRITE) == BAD(OM_FAULT_ACCERR));
}

/* One page after the other, and back, with what was written. */
void test_protect(void)
{
	const size_t n = 16;
	volatile long *p = get(n * PAGE_BYTES);

	for (size_t i = 0; i < n; i++)
		p[i * PER_PAGE] = (long)i;
	for (size_t i = 0; i < n; i += 2)
		protect(p + i * PER_PAGE, PAGE_BYTES, OM_PROT_READ);
	for (size_t i = 0; i < n; i++) {
		check(p[i * PER_PAGE] == (long)i);
		check(try((uintptr_t)&p[i * PER_PAGE], WRITE) ==
		      (i % 2 ? 1 : BAD(OM_FAULT_ACCERR)));
	}
	protect(p, n * PAGE_BYTES, OM_PROT_NONE);
	protect(p, n * PAGE_BYTES, PROT_RW);
	for (size_t i = 0; i < n; i++)
		check(p[i * PER_PAGE]++ == (long)i);
	unmap(p, n * PAGE_BYTES);
}

/* A function that is written, executed, swapped out, and executed again. */
void test_code(void)
{
	uint32_t *p = get(PAGE_BYTES);

	*p = CODE_RETURN;
	new_code(p, sizeof(*p));
	protect(p, PAGE_BYTES, PROT_RX);
	check(try((uintptr_t)p, JUMP) == 1);
	access((uintptr_t)p, JUMP);
	check(!advise(p, PAGE_BYTES, OM_MADV_PAGEOUT));
	check(resident(p, PAGE_BYTES) == 0);
	access((uintptr_t)p, JUMP);
	unmap(p, PAGE_BYTES);
}

/* ---- mremap, mlock ------------------------------------------------------------------------ */

static long *mremap(long *p, size_t old, size_t new)
{
	long q = call6(CALL_MREMAP, (uintptr_t)p, old * PAGE_BYTES, new *PAGE_BYTES,
	               OM_MREMAP_MAYMOVE, 0, 0);

	check(q > 0);
	return (long *)q;
}

static void check_numbers(const long *p, size_t n)
{
	for (size_t i = 0; i < n; i++)
		check(p[i * PER_PAGE] == (long)i + 1);
}

/* Grow in place, be in the way, move with and without a page in swap, shrink. */
void test_mremap(void)
{
	const size_t n = 600; /* more than a table has */
	long *p = get(n * PAGE_BYTES), *q;

	for (size_t i = 0; i < n; i++)
		p[i * PER_PAGE] = (long)i + 1;
	check(!advise(p + PER_PAGE, PAGE_BYTES, OM_MADV_PAGEOUT));
	q = mremap(p, n, 2 * n);
	if (q != p)
		check(try((uintptr_t)p, READ) == BAD(OM_FAULT_MAPERR));
	check_numbers(q, n);
	check(q[n * PER_PAGE] == 0);
	p = mremap(q, 2 * n, n / 2);
	check(p == q && try((uintptr_t)(q + n / 2 * PER_PAGE), READ) == BAD(OM_FAULT_MAPERR));
	map(p + n / 2 * PER_PAGE, PAGE_BYTES, PROT_RW, OM_MAP_SHARED);
	q = mremap(p, n / 2, n);
	check(q != p && try((uintptr_t)p, WRITE) == BAD(OM_FAULT_MAPERR));
	check_numbers(q, n / 2);
	unmap(p + n / 2 * PER_PAGE, PAGE_BYTES);
	unmap(q, n * PAGE_BYTES);
}

/* Locked memory is there, and stays, though it is asked to leave. */
void test_mlock(void)
{
	const size_t n = 20;
	long *p = get(n * PAGE_BYTES);

	check(!call(CALL_MLOCK, p, n / 2 * PAGE_BYTES, 0));
	check(resident(p, n * PAGE_BYTES) == n / 2);
	for (size_t i = 0; i < n; i++)
		p[i * PER_PAGE] = (long)i + 1;
	check(advise(p, n / 2 * PAGE_BYTES, OM_MADV_PAGEOUT) == -OM_EINVAL);
	check(!advise(p + n / 2 * PER_PAGE, n / 2 * PAGE_BYTES, OM_MADV_PAGEOUT));
	check(resident(p, n * PAGE_BYTES) == n / 2);
	check_numbers(p, n);
	check(!call(CALL_MUNLOCK, p, n * PAGE_BYTES, 0));
	check(!advise(p, n * PAGE_BYTES, OM_MADV_PAGEOUT));
	check(resident(p, n * PAGE_BYTES) == 0);
	check_numbers(p, n);
	unmap(p, n * PAGE_BYTES);
}
