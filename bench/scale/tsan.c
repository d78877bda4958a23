/*
 * tsan.c: see tsan.h. The entry points that a compiler calls in code built with -fsanitize=thread,
 * here instead of the library that comes with the sanitizer.
 *
 * Before each access the compiler calls a function with its address; an atomic access is such a
 * call altogether. So the core need not be changed to be watched, and no emulator is needed. What
 * it asks of memset() and its like comes here under other names (scale.mk). The schedule explorer
 * of tests/hazards/ is told of atomic accesses alone (V=points).
 *
 * A compare-exchange counts as a write, though it may fail: real CPUs fetch the line to write it.
 */
#include "tsan.h"

#include <string.h>

#include "record.h"

/* Nobody else calls these functions, so there is no header with their prototypes. */
#pragma GCC diagnostic ignored "-Wmissing-prototypes"

static bool on;
static unsigned playing;
static uintptr_t stack_top;
static void (*before_atomic)(void);

void tsan_before_atomic(void (*fn)(void))
{
	before_atomic = fn;
}

void tsan_begin(unsigned cpu, const void *stack)
{
	playing = cpu;
	stack_top = (uintptr_t)stack;
	on = true;
	record_begin(cpu);
}

void tsan_end(void)
{
	record_end(playing);
	on = false;
}

static void access_at(const void *at, size_t bytes, bool write)
{
	uintptr_t addr = (uintptr_t)at;

	if (!on || (addr >= (uintptr_t)__builtin_frame_address(0) && addr < stack_top))
		return;
	record_access(playing, addr, bytes, write, 0);
}

#define HOW(how, bytes, write)                                                                     \
	void __tsan_##how##bytes(void *at)                                                         \
	{                                                                                          \
		access_at(at, bytes, write);                                                       \
	}

#define PLAIN(bytes)                                                                               \
	HOW(read, bytes, false)                                                                    \
	HOW(write, bytes, true)                                                                    \
	HOW(unaligned_read, bytes, false)                                                          \
	HOW(unaligned_write, bytes, true)

PLAIN(1)
PLAIN(2)
PLAIN(4)
PLAIN(8)
PLAIN(16)

void __tsan_read_range(void *at, unsigned long bytes)
{
	access_at(at, bytes, false);
}

void __tsan_write_range(void *at, unsigned long bytes)
{
	access_at(at, bytes, true);
}

void __tsan_init(void)
{
}

void __tsan_func_entry(void *caller)
{
	(void)caller;
}

void __tsan_func_exit(void)
{
}

/* ---------------------------------------------------------------- atomic accesses ----------- */

static void atomic_at(const void *at, size_t bytes, bool write)
{
	if (before_atomic)
		before_atomic();
	access_at(at, bytes, write);
}

#define FETCH(bits, op)                                                                            \
	uint##bits##_t __tsan_atomic##bits##_fetch_##op(void *at, uint##bits##_t v, int order)     \
	{                                                                                          \
		(void)order;                                                                       \
		atomic_at(at, bits / 8, true);                                                     \
		return __atomic_fetch_##op((uint##bits##_t *)at, v, __ATOMIC_SEQ_CST);             \
	}

/* The C standard's two: `was` is replaced by what was found. */
#define EXCHANGE_IF(bits, how)                                                                     \
	int __tsan_atomic##bits##_compare_exchange_##how(void *at, void *was, uint##bits##_t v,    \
	                                                 int order, int other)                     \
	{                                                                                          \
		(void)order, (void)other;                                                          \
		atomic_at(at, bits / 8, true);                                                     \
		return __atomic_compare_exchange_n((uint##bits##_t *)at, (uint##bits##_t *)was, v, \
		                                   0, __ATOMIC_SEQ_CST, __ATOMIC_SEQ_CST);         \
	}

#define ATOMIC(bits)                                                                               \
	uint##bits##_t __tsan_atomic##bits##_load(const void *at, int order)                       \
	{                                                                                          \
		(void)order;                                                                       \
		atomic_at(at, bits / 8, false);                                                    \
		return __atomic_load_n((const uint##bits##_t *)at, __ATOMIC_SEQ_CST);              \
	}                                                                                          \
	void __tsan_atomic##bits##_store(void *at, uint##bits##_t v, int order)                    \
	{                                                                                          \
		(void)order;                                                                       \
		atomic_at(at, bits / 8, true);                                                     \
		__atomic_store_n((uint##bits##_t *)at, v, __ATOMIC_SEQ_CST);                       \
	}                                                                                          \
	uint##bits##_t __tsan_atomic##bits##_exchange(void *at, uint##bits##_t v, int order)       \
	{                                                                                          \
		(void)order;                                                                       \
		atomic_at(at, bits / 8, true);                                                     \
		return __atomic_exchange_n((uint##bits##_t *)at, v, __ATOMIC_SEQ_CST);             \
	}                                                                                          \
	uint##bits##_t __tsan_atomic##bits##_compare_exchange_val(void *at, uint##bits##_t was,    \
	                                                          uint##bits##_t v, int order,     \
	                                                          int other)                       \
	{                                                                                          \
		(void)order, (void)other;                                                          \
		atomic_at(at, bits / 8, true);                                                     \
		__atomic_compare_exchange_n((uint##bits##_t *)at, &was, v, 0, __ATOMIC_SEQ_CST,    \
		                            __ATOMIC_SEQ_CST);                                     \
		return was;                                                                        \
	}                                                                                          \
	EXCHANGE_IF(bits, strong)                                                                  \
	EXCHANGE_IF(bits, weak)                                                                    \
	FETCH(bits, add)                                                                           \
	FETCH(bits, sub)                                                                           \
	FETCH(bits, and)                                                                           \
	FETCH(bits, or)                                                                            \
	FETCH(bits, xor)

ATOMIC(8)
ATOMIC(16)
ATOMIC(32)
ATOMIC(64)

void __tsan_atomic_thread_fence(int order)
{
	(void)order;
	__atomic_thread_fence(__ATOMIC_SEQ_CST);
}

void __tsan_atomic_signal_fence(int order)
{
	(void)order;
}

/* ---------------------------------------------------------------- blocks of memory ---------- */

void *seen_memcpy(void *to, const void *from, size_t n)
{
	access_at(from, n, false);
	access_at(to, n, true);
	return memcpy(to, from, n);
}

void *seen_memmove(void *to, const void *from, size_t n)
{
	access_at(from, n, false);
	access_at(to, n, true);
	return memmove(to, from, n);
}

void *seen_memset(void *to, int byte, size_t n)
{
	access_at(to, n, true);
	return memset(to, byte, n);
}

int seen_memcmp(const void *a, const void *b, size_t n)
{
	access_at(a, n, false);
	access_at(b, n, false);
	return memcmp(a, b, n);
}
