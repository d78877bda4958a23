/*
 * bug.h: what happens when the library contradicts itself, and small tools every file uses.
 *
 * OM_BUG_ON is always compiled in: cheap checks whose failure means that going on would lose data.
 * OM_ASSERT is for debug builds (OM_DEBUG=1): lock rules and invariants on hot paths.
 * Both name the invariant (docs/design.md), the object and two values.
 */
#ifndef OM_BUG_H
#define OM_BUG_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#ifndef OM_DEBUG
#define OM_DEBUG 0
#endif

struct om_system;

/* The few functions that every fault, fork or unmap runs for each page; worth their text. */
#define OM_INLINE static inline __attribute__((always_inline))
/* Beside it: do not make the way past it pay for its registers. */
#define OM_NOINLINE __attribute__((noinline))
/* What they call when something is unusual. */
#define OM_COLD __attribute__((noinline, cold))

#define om_likely(x)   __builtin_expect(!!(x), 1)
#define om_unlikely(x) __builtin_expect(!!(x), 0)

#define om_container(ptr, type, member) ((type *)((uintptr_t)(ptr)-offsetof(type, member)))

/* Reports through the port's panic hook and does not return. */
_Noreturn void om_bug(struct om_system *sys, const char *rule, const char *what, const char *file,
                      int line, const void *object, uintptr_t v0, uintptr_t v1);

#define OM_BUG_ON(sys, cond, rule, object, v0, v1)                                                 \
	do {                                                                                       \
		if (om_unlikely(cond))                                                             \
			om_bug(sys, rule, #cond, __FILE__, __LINE__, object, (uintptr_t)(v0),      \
			       (uintptr_t)(v1));                                                   \
	} while (0)

/* In release builds the condition is compiled, so that it cannot rot, and never evaluated. */
#define OM_ASSERT(sys, cond, rule, object)                                                         \
	do {                                                                                       \
		if (OM_DEBUG && om_unlikely(!(cond)))                                              \
			om_bug(sys, rule, #cond, __FILE__, __LINE__, object, 0, 0);                \
	} while (0)

#endif
