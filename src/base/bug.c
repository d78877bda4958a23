/*
 * bug.c: the way out when the library contradicts itself.
 *
 * Everything is handed to the port's panic hook, which knows how to print and how to stop. A hook
 * that returns has broken its promise; going on would lose data, so the machine traps instead.
 */
#include "base/bug.h"

#include "base/hooks.h"

_Noreturn void om_bug(struct om_system *sys, const char *rule, const char *what, const char *file,
                      int line, const void *object, uintptr_t v0, uintptr_t v1)
{
	struct om_bug bug = {
	    .rule = rule,
	    .what = what,
	    .file = file,
	    .line = line,
	    .object = object,
	    .value = {v0, v1},
	};

	om_hooks(sys)->ops->panic(om_hooks(sys)->ctx, &bug);
	__builtin_trap();
}
