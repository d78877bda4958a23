/*
 * subword.c: atomic operations on bytes and half-words, for compilers that call a library for them.
 *
 * RISC-V has atomic instructions for words. gcc before 14 makes calls of what is narrower, by the
 * names that libatomic has, and a kernel has no libatomic; clang, and gcc from 14 on, need nothing
 * of this file. Each function works on the word around: it gets its own bits changed, or nothing
 * happens and it tries again, so what other CPUs do to the bits beside them, by any instruction, is
 * kept. All are sequentially consistent, whatever order is asked for.
 */
#include <stdbool.h>
#include <stdint.h>

typedef uint32_t __attribute__((may_alias)) word_t;

static inline volatile word_t *word_of(const volatile void *p)
{
	return (volatile word_t *)((uintptr_t)p & ~(uintptr_t)3);
}

static inline unsigned shift_of(const volatile void *p)
{
	return 8 * ((uintptr_t)p & 3);
}

/* Replace the bits of `mask` by those of `value`, if the word still is `*old`; or load it there. */
static inline bool replace(volatile word_t *word, word_t *old, word_t mask, word_t value)
{
	return __atomic_compare_exchange_n(word, old, (*old & ~mask) | (value & mask), true,
	                                   __ATOMIC_SEQ_CST, __ATOMIC_RELAXED);
}

/* NAME(p, v): *p becomes `next`, of what is there, `was`, and v. Returns what was there. */
#define FETCH(name, symbol, type, next)                                                            \
	type name(volatile void *p, type v, int order) __asm__(symbol);                            \
	type name(volatile void *p, type v, int order)                                             \
	{                                                                                          \
		unsigned shift = shift_of(p);                                                      \
		word_t mask = (word_t)(type)-1 << shift, old = *word_of(p);                        \
		type was;                                                                          \
                                                                                                   \
		(void)order;                                                                       \
		do                                                                                 \
			was = (type)(old >> shift);                                                \
		while (!replace(word_of(p), &old, mask, (word_t)(type)(next) << shift));           \
		return was;                                                                        \
	}

#define EXCHANGE_IF(name, symbol, type)                                                            \
	bool name(volatile void *p, void *expected, type v, int success,                           \
	          int failure) __asm__(symbol);                                                    \
	bool name(volatile void *p, void *expected, type v, int success, int failure)              \
	{                                                                                          \
		unsigned shift = shift_of(p);                                                      \
		word_t mask = (word_t)(type)-1 << shift, old = *word_of(p);                        \
		type *want = expected;                                                             \
                                                                                                   \
		(void)success, (void)failure;                                                      \
		while ((type)(old >> shift) == *want)                                              \
			if (replace(word_of(p), &old, mask, (word_t)v << shift))                   \
				return true;                                                       \
		*want = (type)(old >> shift);                                                      \
		return false;                                                                      \
	}

FETCH(rv_exchange_1, "__atomic_exchange_1", uint8_t, v)
FETCH(rv_fetch_or_1, "__atomic_fetch_or_1", uint8_t, was | v)
FETCH(rv_fetch_sub_1, "__atomic_fetch_sub_1", uint8_t, was - v)
FETCH(rv_fetch_add_2, "__atomic_fetch_add_2", uint16_t, was + v)
FETCH(rv_fetch_sub_2, "__atomic_fetch_sub_2", uint16_t, was - v)
FETCH(rv_fetch_and_2, "__atomic_fetch_and_2", uint16_t, was &v)
FETCH(rv_fetch_or_2, "__atomic_fetch_or_2", uint16_t, was | v)
EXCHANGE_IF(rv_exchange_if_1, "__atomic_compare_exchange_1", uint8_t)
EXCHANGE_IF(rv_exchange_if_2, "__atomic_compare_exchange_2", uint16_t)
