/*
 * entry.h: numbers that assembly and C must agree on. Included by both; cpu_init.c and trap.c
 * assert the offsets.
 */
#ifndef ENTRY_H
#define ENTRY_H

/* In struct cpu, at the GS base. */
#define CPU_CURRENT    8
#define CPU_KERNEL_RSP 16
#define CPU_USER_RSP   24

/* In struct thread. */
#define THREAD_WORK 0

/* In struct regs. */
#define REGS_R10    56
#define REGS_R9     64
#define REGS_R8     72
#define REGS_RAX    80
#define REGS_RCX    88
#define REGS_R11    48
#define REGS_RDX    96
#define REGS_RSI    104
#define REGS_RDI    112
#define REGS_VECTOR 120
#define REGS_RIP    136
#define REGS_CS     144
#define REGS_RFLAGS 152
#define REGS_RSP    160
#define REGS_SIZE   176

#define VECTOR_PAGE_FAULT 14
#define NR_SYSCALLS       512

/* The page below 1 MiB where other CPUs begin; not given to memory management. */
#define AP_PAGE 0x8000

#define CR4_PAE 0x20
#define CR4_PGE 0x80

#define MSR_EFER 0xc0000080
#define EFER_SCE 0x001
#define EFER_LME 0x100
#define EFER_NX  0x800

#define CR0_LONG_MODE 0x80010033 /* PG WP NE ET MP PE */

#define BOOT_STACK_SIZE 16384

#endif
