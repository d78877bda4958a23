/*
 * tiny.h: a whole kernel on objrmap, as small as it gets: one CPU, no interrupts, two programs.
 *
 * The kernel is never preempted, and its swap store never sleeps. So one kernel stack is enough,
 * each system call runs to its end, and no lock is ever waited for. docs/porting.md is the guide.
 */
#pragma once

#include <objrmap/objrmap.h>

#include "calls.h"
#include "om_arch.h"

#define PROT_RW    (OM_PROT_READ | OM_PROT_WRITE)
#define MIN(a, b)  ((a) < (b) ? (a) : (b))
#define panic(...) (print("tiny: panic: " __VA_ARGS__), print("\n"), leave(false))

/* As entry.S and the CPU push them. */
struct regs {
	uint64_t r15, r14, r13, r12, rbp, rbx, r11, r10, r9, r8, rax, rcx, rdx, rsi, rdi;
	uint64_t vector, error, rip, cs, rflags, rsp, ss;
};

struct program {
	const char *name, *start, *end;
};

struct process {
	struct om_mm *mm;       /* NULL: it has ended */
	struct process *parent; /* NULL: nobody will ask for the status */
	const char *name;
	long status;
	struct regs regs; /* while it is not running */
};

extern struct om_system *vm;
extern struct process *current;

void tiny_main(const uint64_t *start_info);
void memory_init(const uint64_t *start_info);
void memory_check(void);
_Noreturn void memory_end(void);
long process_map(struct process *p, uintptr_t addr, size_t len, int prot, int flags,
                 struct om_mapping *file);
void process_start(struct program *program);
long process_fork(struct process *parent);
long process_wait(struct process *parent);
void process_end(struct process *p, long status);
void process_next(void);
const struct regs *trap(const struct regs *regs);
long call(struct process *p, uint64_t number, uint64_t a, uint64_t b);
_Noreturn void resume(const struct regs *regs);
_Noreturn void leave(bool success);
void *memcpy(void *to, const void *from, size_t n);
void *memset(void *to, int byte, size_t n);
