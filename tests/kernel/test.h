/*
 * test.h: what the guest programs share.
 *
 * Two kinds. Most print one line for each case and judge nothing: expected/ has what Linux prints, and
 * run.sh runs the same binary on this Linux, too. So nothing that varies is printed: no address but
 * relative to one, no pid, no count of areas. The others (fresh, storm, ...) check themselves and end with
 * "ok", or with "skipped: why".
 */
#ifndef KERNEL_TEST_H
#define KERNEL_TEST_H

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#define PAGE 4096ul
#define RW   (PROT_READ | PROT_WRITE)
#define ANON (MAP_PRIVATE | MAP_ANONYMOUS)

/* ---- printing; each line is one write(), so that children and parents can print */

void say(const char *format, ...) __attribute__((format(printf, 1, 2)));
/* "what: 0", "what: 17", "what: EINVAL": what a system call returned (-1: errno). */
void result(const char *what, long r);
/* The same for calls that return an address: "ok" if it is `want`, or anything with want == NULL. */
void placed(const char *what, void *got, void *want);

/* ---- touching memory with SIGSEGV and SIGBUS caught */

/* "what: 0x41", or the signal: "what: SIGSEGV SEGV_MAPERR +0" (address relative to p). */
void look(const char *what, const void *p);
/* "what: written", or the signal. */
void store(const char *what, void *p, char value);
/* Catch what `fn(arg)` raises: "what: returned", or the signal; addresses relative to `base`. */
void catch (const char *what, void (*fn)(void *), void *arg, const void *base);
/* Without printing: 0, or the signal. */
int raised(void (*fn)(void *), void *arg);
int touch(void *p);            /* reads */
int poke(void *p, char value); /* writes */

/* ---- memory */

/* `n` pages of addresses where nothing is, in the middle of much nothing. */
char *hole(size_t n);
/* n fresh pages, private and writable, page i filled with 'a' + i; at `at` if not NULL. */
char *pages(void *at, size_t n);
void fill(char *p, size_t n); /* 'a' + i */
/* The first byte of n pages as a string, "." for 0, "!" for what faults. Good for the next three calls. */
const char *letters(const char *p, size_t n);
/* A file of n pages filled like pages(), open for reading and writing, without a name. */
int file_of(size_t n);
/* The byte there, '!' if there is none. */
char file_byte(int fd, off_t offset);
/* A field of /proc/self/status in kB, or -1. */
long status_kb(const char *field);

/* ---- processes */

/* fn() in a child: "what: exit 3", "what: signal 11". */
void in_child(const char *what, void (*fn)(void));
/* The same without printing: the status of wait(). */
int child(void (*fn)(void));

/* ---- for the programs that check themselves */

#define CHECK(cond)                                                                                \
	do {                                                                                       \
		if (!(cond)) {                                                                     \
			say("FAILED %s:%d: %s (errno %d)", __FILE__, __LINE__, #cond, errno);      \
			_exit(1);                                                                  \
		}                                                                                  \
	} while (0)

/* Pseudo-random numbers, the same in every run with the same $SEED. */
uint32_t rnd(uint32_t *state);
/* What to begin with: `nth` is for different sequences in one run. */
uint32_t seed_of(uint32_t nth);
/* Milliseconds of the processor that this process has used. */
long cpu_ms(void);

#endif
