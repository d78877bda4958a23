/*
 * options.h: the options of the kernel's command line. core/options.c
 *
 * They are words NAME or NAME=VALUE, separated by blanks; what follows the word `--` are arguments
 * of process 1. A word that is none of these is reported, together with this list.
 */
#ifndef OPTIONS_H
#define OPTIONS_H

#include "lib.h"

/* All there are: name, value, meaning. */
#define BOOT_OPTIONS(X)                                                                            \
	X(huge, "=WHERE", "2 MiB at once: never, madvise (as without it), always")                 \
	X(init, "=PATH", "the program of process 1; without it, /sbin/init")                       \
	X(log_signals, "", "report programs that a fault ends")                                    \
	X(log_syscalls, "", "report system calls that are missing, each once")                     \
	X(maxcpus, "=N", "start no more than N CPUs")                                              \
	X(swap, "", "swap to the second disk, whatever is on it")                                  \
	X(swap_fail, "=A-B", "for tests: slots A to B of that swap area cannot be read")           \
	X(verify, "", "when process 1 has ended, check all invariants of objrmap")

#define BOOT_OPTION_NUMBER(name, value, meaning) OPTION_##name,
enum boot_option { BOOT_OPTIONS(BOOT_OPTION_NUMBER) NR_BOOT_OPTIONS };

/* Cut the command line into words, in place; it is used from then on. */
void options_init(char *line);
/* The value of an option, "" if it has none, NULL if it was not given. */
const char *boot_option(enum boot_option option);
/*
 * The arguments of process 1, ended by NULL. The first one, its name, is NULL and the caller's to
 * set.
 */
char **boot_arguments(void);

#endif
