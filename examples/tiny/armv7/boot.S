/*
 * boot.S: from the loader to C, and the ways into the kernel and out of it.
 *
 * QEMU jumps to `boot` with the MMU off; the firmware (PSCI) starts other CPUs in `boot_other`. The
 * kernel's table shows memory by sections where TTBR1's half begins, and there the kernel is
 * linked; and devices at the end.
 */
#include "machine.h"

#define PHYS(symbol) ((symbol) - KERNEL_BASE)
#define WALKS        0x6a       /* of TTBR0 and 1: walks through caches, shared by all CPUs */
#define PRRR         0x080a0084 /* memory 1: devices; 3: normal, shared */
#define NMRR         0x00400040 /* 3 is cached */
#define SCTLR        0x30001805 /* AFE, TRE; MMU, caches */
#define NORMAL       0x1040e
#define DEVICE       0x10416

	.section .text.boot, "ax"
	.globl boot, boot_other
boot:	ldr r0, =cpus
boot_other: /* r0 = the struct cpu, as the upper half knows it */
	ldr r1, =boot_vectors; mcr p15, 0, r1, c12, c0, 0 /* VBAR */
	ldr r1, =PHYS(empty_root) + WALKS; mcr p15, 0, r1, c2, c0, 0
	ldr r1, =PHYS(kernel_root) + WALKS; mcr p15, 0, r1, c2, c0, 1
	mov r1, #1; mcr p15, 0, r1, c2, c0, 2; mcr p15, 0, r1, c3, c0, 0 /* TTBCR: halves; DACR */
	ldr r1, =PRRR; mcr p15, 0, r1, c10, c2, 0
	ldr r1, =NMRR; mcr p15, 0, r1, c10, c2, 1
	mov r1, #0; mcr p15, 0, r1, c13, c0, 1; mcr p15, 0, r1, c8, c7, 0 /* no ASID; drop all */
	dsb; isb
	mrc p15, 0, r1, c1, c0, 0
	ldr r2, =SCTLR; orr r1, r1, r2; mcr p15, 0, r1, c1, c0, 0
	isb /* the next instruction is not mapped any more: the trap goes on with it */
	b .
	.ltorg

	.text
	.balign 32
boot_vectors:
	.skip 12
	cpsid if, #0x13 /* a fetch that failed */
	ldr r1, =trap_vectors; mcr p15, 0, r1, c12, c0, 0
	mcr p15, 0, r0, c13, c0, 4 /* TPIDRPRW */
	mov r1, #2; mcr p15, 0, r1, c14, c1, 0 /* programs may read the clock */
	ldr sp, [r0, #CPU_STACK]
	bl machine_main
	.ltorg

	.balign 32
trap_vectors:
	b .
	b trap_mistake
	b trap_call
	b trap_fetch
	b trap_data
	b .
	b trap_mistake
	b trap_mistake

	/* Whatever the mode: what it returns to goes to the kernel's stack, that of mode 0x13. */
	.macro trap name, what, ahead
\name:	sub lr, lr, #\ahead
	srsdb sp!, #0x13
	cps #0x13
	push {r0, r1}
	mov r1, #\what
	b save
	.endm
	trap trap_call, TRAPS_CALL, 0
	trap trap_fetch, TRAPS_FETCH, 4
	trap trap_data, TRAPS_DATA, 8
	trap trap_mistake, TRAPS_MISTAKE, 4
save:	push {r1}
	mrc p15, 0, r0, c13, c0, 4
	ldr r0, [r0, #CPU_REGS]
	add r1, r0, #8
	stm r1, {r2-r12, sp, lr}^ /* the program's */
	pop {r1-r5} /* what, its r0 and r1, where and how it goes on */
	stm r0, {r2, r3}
	str r4, [r0, #60]; str r5, [r0, #64]
	mov r0, r1
	mov r1, r4
	tst r5, #15 /* the mode: a program's is 0x10 */
	bne machine_trap_in_kernel
	b machine_trap

	.globl machine_resume
machine_resume: /* _Noreturn void machine_resume(struct regs *) */
	mrc p15, 0, r1, c13, c0, 4
	str r0, [r1, #CPU_REGS]
	ldr sp, [r1, #CPU_STACK]
	clrex
	ldr lr, [r0, #60]
	ldr r1, [r0, #64]
	orr r1, r1, #0xd0 /* user mode, interrupts off */
	msr spsr_cxsf, r1
	ldm r0, {r0-r12, sp, lr}^ /* the program's */
	movs pc, lr

	.data
	.globl kernel_root, empty_root
	.balign 16384
kernel_root:
	.fill 0x800, 4, 0 /* TTBR0's */
	.set section, 0x800
	.rept 0x400 /* memory begins at 1 GiB */
	.long ((section - 0x400) << 20) + NORMAL
	.set section, section + 1
	.endr
	.fill 0x380, 4, 0
	.set section, 0xf80
	.rept 0x80
	.long ((section - 0xf00) << 20) + DEVICE
	.set section, section + 1
	.endr
empty_root:
	.skip 8192
