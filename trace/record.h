/*
 * record.h: the parts of objrmap-record.
 *
 *     record.c     starts the command, follows its processes through their stops
 *     calls.c      what a system call did to memory
 *     layout.c     what a program has when it starts
 *     faults.c     page faults, which the kernel samples
 *     emulate.c    or each access instead: the command runs in QEMU, with a plugin, accesses.c
 *     events.c     everything that happened, put in order, written
 *
 * Calls are seen one after the other when a process stops for them, faults are read from buffers of the
 * kernel some time later: both have a time, of the same clock, by which they are put in order in the end. A
 * call that takes memory away counts from its entry, one that gives from its return; so another thread that
 * is quick to use what has become free does not seem to come too early.
 */
#ifndef TRACE_RECORD_H
#define TRACE_RECORD_H

#include <sys/syscall.h>
#include <sys/types.h>

#include "format.h"

_Noreturn void die(const char *what); /* prints errno, too */
void *must(void *p);

/* ---------------------------------------------------------------- events.c ------------------ */

uint64_t now(void); /* nanoseconds of CLOCK_MONOTONIC */

/* `pid` did this to its memory. */
void note_call(uint64_t time, pid_t pid, enum trace_op op, uint64_t addr, uint64_t a, uint64_t b,
               uint64_t c, uint64_t d, uint64_t e);
void note_fork(uint64_t time, pid_t pid, pid_t child, bool shares_memory);
void note_exec(uint64_t time, pid_t pid);
void note_exit(uint64_t time, pid_t pid);
void note_fault(uint64_t time, pid_t pid, uint64_t addr, enum trace_kind kind);

/* The file's number + 1, which is new if it has not been seen before. 0, 0: a new object in any case. */
unsigned note_file(uint64_t device, uint64_t inode, bool memory);

/* Writes all that was noted; prints a summary. */
void write_events(const char *path, unsigned flags, const char *command);

/* ---------------------------------------------------------------- faults.c ------------------ */

/* Starts sampling `pid` and all that will descend from it. Which enum trace_flags it can. */
unsigned faults_open(pid_t pid);
/* What is waiting is noted. `fds`, at least 2 * FAULT_CPUS, are what to poll; returns how many. */
#define FAULT_CPUS 256
int faults_fds(int *fds);
void faults_drain(void);
uint64_t faults_lost(void);

/* ---------------------------------------------------------------- calls.c, layout.c --------- */

struct call {
	uint64_t entered;
	uint64_t nr, arg[6];
};

/* Is it about memory? */
static inline bool call_matters(uint64_t nr)
{
	switch (nr) {
	case SYS_mmap:
	case SYS_munmap:
	case SYS_mprotect:
	case SYS_pkey_mprotect:
	case SYS_mremap:
	case SYS_brk:
	case SYS_madvise:
	case SYS_mlock:
	case SYS_mlock2:
	case SYS_munlock:
		return true;
	default:
		return false;
	}
}
/* The call has returned `result` to a thread of `pid`, whose program break is *brk, 0: not known. */
void call_done(pid_t pid, const struct call *c, int64_t result, uint64_t *brk);

/* What `pid` has after exec; of one that is emulated, what the program has. */
void note_layout(uint64_t time, pid_t pid, bool emulated);

/* ---------------------------------------------------------------- emulate.c ----------------- */

struct user_regs_struct;

/* From now on, programs run in QEMU; `window` is that of accesses.h. */
void emulate_open(unsigned window);
/* A thread of `pid` is going to execute a program: it will be QEMU, with that. */
void emulate_exec(pid_t tid, struct user_regs_struct *r);
/* The plugin says something. */
void emulate_mark(pid_t tid, pid_t pid, const struct user_regs_struct *r, uint64_t *brk);
/* All accesses are noted, and their file is removed. */
void emulate_close(void);

#endif
