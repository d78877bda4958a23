/*
 * record.h: the parts of objrmap-record.
 *
 *     record.c     starts the command, follows its processes through their stops
 *     calls.c      what a system call did to memory
 *     layout.c     what a program has when it starts
 *     faults.c     page faults, which the kernel samples
 *     events.c     everything that happened, put in order, written
 *
 * Calls are seen one after the other when a process stops for them, faults are read from buffers of the
 * kernel some time later: both have a time, of the same clock, by which they are put in order in the end. A
 * call that takes memory away counts from its entry, one that gives from its return; so another thread that
 * is quick to use what has become free does not seem to come too early.
 */
#ifndef TRACE_RECORD_H
#define TRACE_RECORD_H

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
bool call_matters(uint64_t nr);
/* The call has returned `result` to a thread of `pid`, whose program break is *brk, 0: not known. */
void call_done(pid_t pid, const struct call *c, int64_t result, uint64_t *brk);

/* What `pid` has after exec. */
void note_layout(uint64_t time, pid_t pid);

#endif
