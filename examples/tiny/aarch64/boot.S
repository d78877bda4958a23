/*
 * boot.S: from the loader to C, and the ways into the kernel and out of it.
 *
 * QEMU jumps to `boot` at EL1 with the MMU off; the firmware (PSCI) starts other CPUs in
 * `boot_other`. The kernel's tables show the first 4 GiB of the machine, by blocks, where TTBR1's
 * half begins, and there the kernel is linked.
 */
#include "machine.h"

/* TCR: granule of TTBR0 and TTBR1, by the page size. */
#if ARM_PAGE_SHIFT == 12
#define VA_BITS     39
#define GRANULES    0x80000000 /* TG1 2, TG0 0 */
#define BLOCK_SHIFT 30
#elif ARM_PAGE_SHIFT == 14
#define VA_BITS     47
#define GRANULES    0x40008000 /* TG1 1, TG0 2 */
#define BLOCK_SHIFT 25
#else
#define VA_BITS     42
#define GRANULES    0xc0004000 /* TG1 3, TG0 1 */
#define BLOCK_SHIFT 29
#endif

/* Both halves: VA_BITS, cached and shared; physical addresses of 40 bits. */
#define TCR    (GRANULES | 2 << 32 | (64 - VA_BITS) * 0x10001 | 0x35003500)
#define MAIR   0x04ff     /* 0: normal memory; 1: devices */
#define SCTLR  0x34d0591d /* what must be 1; MMU, caches; programs may clean caches (UCI, UCT) */
#define NORMAL 0x40000000000701
#define DEVICE 0x60000000000405

	.section .text.boot, "ax"
	.globl boot, boot_other
boot:	ldr x0, =cpus
boot_other: /* x0 = the struct cpu, as the upper half knows it */
	ldr x1, =boot_vectors; msr vbar_el1, x1
	ldr x1, =MAIR; msr mair_el1, x1
	ldr x1, =TCR; msr tcr_el1, x1
	adrp x1, kernel_root; msr ttbr1_el1, x1
#if ARM_PAGE_SHIFT == 14
	add x2, x1, #0x4000; add x2, x2, #3; str x2, [x1] /* what follows it, as a table */
#endif
	adrp x1, empty_root; msr ttbr0_el1, x1
	isb
	tlbi vmalle1; dsb nsh; isb
	ldr x1, =SCTLR; msr sctlr_el1, x1
	isb /* the next instruction is not mapped any more: the trap goes on with it */
	b .
	.ltorg

	.text
	.balign 2048
boot_vectors:
	.skip 0x200
	ldr x1, =trap_vectors; msr vbar_el1, x1
	msr tpidr_el1, x0
	mov x1, #2; msr cntkctl_el1, x1 /* programs may read the clock */
	msr spsel, #1
	ldr x1, [x0, #CPU_STACK]; mov sp, x1
	bl machine_main
	.ltorg

#define FOR_REGS(op)                                                                               \
	op x2, x3, [x0, #16]; op x4, x5, [x0, #32]; op x6, x7, [x0, #48]; op x8, x9, [x0, #64];    \
	op x10, x11, [x0, #80]; op x12, x13, [x0, #96]; op x14, x15, [x0, #112];                   \
	op x16, x17, [x0, #128]; op x18, x19, [x0, #144]; op x20, x21, [x0, #160];                 \
	op x22, x23, [x0, #176]; op x24, x25, [x0, #192]; op x26, x27, [x0, #208];                 \
	op x28, x29, [x0, #224]

	.balign 2048
trap_vectors: /* 16 of 128 bytes; the ninth is what programs of 64 bits do */
	.rept 8
	.balign 128
	b trap_in_kernel
	.endr
	.balign 128
	stp x0, x1, [sp, #-16]!
	b trap_of_program
	.rept 7
	.balign 128
	b trap_in_kernel
	.endr
	.balign 128

trap_of_program:
	mrs x0, tpidr_el1
	ldr x0, [x0, #CPU_REGS]
	FOR_REGS(stp)
	ldp x2, x3, [sp], #16; stp x2, x3, [x0]
	mrs x2, sp_el0; stp x30, x2, [x0, #240]
	mrs x2, elr_el1; str x2, [x0, #256]
	mrs x0, esr_el1
	mrs x1, far_el1
	bl machine_trap
trap_in_kernel:
	mrs x0, esr_el1
	mrs x1, far_el1
	mrs x2, elr_el1
	bl machine_trap_in_kernel

	.globl machine_resume
machine_resume: /* _Noreturn void machine_resume(struct regs *) */
	mrs x1, tpidr_el1
	str x0, [x1, #CPU_REGS]
	ldr x2, [x1, #CPU_STACK]; mov sp, x2
	ldr x2, [x0, #256]; msr elr_el1, x2
	mov x2, #0x3c0; msr spsr_el1, x2 /* user mode, interrupts off */
	ldp x30, x2, [x0, #240]; msr sp_el0, x2
	FOR_REGS(ldp)
	ldp x0, x1, [x0]
	eret

	.data
	.globl kernel_root, empty_root
	.balign 65536
kernel_root:
#if ARM_PAGE_SHIFT == 14
	.skip 16384 /* its first entry is for what follows */
#endif
	.set block, 0
	.rept 1 << (32 - BLOCK_SHIFT)
	.if block >> 30
	.quad block + NORMAL
	.else
	.quad block + DEVICE
	.endif
	.set block, block + (1 << BLOCK_SHIFT)
	.endr
	.balign 65536
empty_root:
	.skip 65536
