/*
 * boot.S: from the firmware to C, and the ways into the kernel and out of it.
 *
 * The firmware jumps to the start of the image with paging off and a0 = the number of this hart.
 * The kernel's root shows the first 4 GiB of the machine, by large pages, where the upper half
 * begins, and there the kernel is linked.
 */
#include "machine.h"

#define LEAF(gib) ((gib) << 28 | 0xef) /* V R W X G A D */

	.section .text.boot, "ax"
	.globl boot, boot_other
boot:	li t2, KERNEL_BASE
	la a1, cpus; add a1, a1, t2
boot_other: /* the firmware starts another hart here, a1 = its struct cpu */
	la t0, kernel_root
#if RV_LEVELS == 4
	la t1, kernel_upper; srli t1, t1, 2; addi t1, t1, 1
	li t2, 2048; add t2, t2, t0; sd t1, (t2)
#endif
	srli t0, t0, 12
	li t1, (RV_LEVELS + 5) << 60; or t0, t0, t1
	la t1, upper_half; li t2, KERNEL_BASE; add t1, t1, t2
	/* With paging on the next instruction is not mapped any more: a trap goes on with it. */
	csrw stvec, t1
	sfence.vma
	csrw satp, t0

	.balign 4
upper_half:
	mv tp, a1
	ld sp, CPU_STACK(tp)
	la t0, trap_entry; csrw stvec, t0
	csrw sscratch, zero
	csrwi scounteren, 4 /* programs may read instret */
	call machine_main

#define FOR_REGS(op, at)                                                                           \
	op x1, 8(at); op x3, 24(at); op x5, 40(at); op x6, 48(at); op x7, 56(at); op x8, 64(at);   \
	op x9, 72(at); op x11, 88(at); op x12, 96(at); op x13, 104(at); op x14, 112(at);           \
	op x15, 120(at); op x16, 128(at); op x17, 136(at); op x18, 144(at); op x19, 152(at);       \
	op x20, 160(at); op x21, 168(at); op x22, 176(at); op x23, 184(at); op x24, 192(at);       \
	op x25, 200(at); op x26, 208(at); op x27, 216(at); op x28, 224(at); op x29, 232(at);       \
	op x30, 240(at); op x31, 248(at)

	.text
	.globl machine_resume
	.balign 4
	/* From a program: sscratch is this CPU's struct. In the kernel it is 0. */
trap_entry:
	csrrw tp, sscratch, tp
	beqz tp, trap_in_kernel
	sd sp, CPU_SCRATCH(tp)
	ld sp, CPU_REGS(tp)
	FOR_REGS(sd, sp)
	sd x10, 80(sp)
	ld t0, CPU_SCRATCH(tp); sd t0, 16(sp)
	csrr t0, sscratch; sd t0, 32(sp)
	csrr t0, sepc; sd t0, (sp)
	csrw sscratch, zero
	ld sp, CPU_STACK(tp)
	csrr a0, scause
	csrr a1, stval
	call machine_trap

	/* An interrupt, or a mistake. The handler leaves interrupts off, so sepc stays. */
#define FOR_CALLER_SAVED(op)                                                                       \
	op ra, 0(sp); op t0, 8(sp); op t1, 16(sp); op t2, 24(sp); op a0, 32(sp); op a1, 40(sp);    \
	op a2, 48(sp); op a3, 56(sp); op a4, 64(sp); op a5, 72(sp); op a6, 80(sp); op a7, 88(sp);  \
	op t3, 96(sp); op t4, 104(sp); op t5, 112(sp); op t6, 120(sp)
trap_in_kernel:
	csrrw tp, sscratch, tp
	addi sp, sp, -128
	FOR_CALLER_SAVED(sd)
	csrr a0, scause
	csrr a1, stval
	csrr a2, sepc
	call machine_trap_in_kernel
	FOR_CALLER_SAVED(ld)
	addi sp, sp, 128
	sret

machine_resume: /* _Noreturn void machine_resume(struct regs *) */
	csrci sstatus, 2 /* SIE: from here on nothing interrupts */
	sd a0, CPU_REGS(tp)
	csrw sscratch, tp
	ld t0, (a0); csrw sepc, t0
	li t0, 0x100; csrc sstatus, t0 /* SPP: back to user mode */
	FOR_REGS(ld, a0)
	ld x2, 16(a0)
	ld x4, 32(a0)
	ld x10, 80(a0)
	sret

	.data
	.globl kernel_root
	.balign 4096
kernel_root:
	.fill 256, 8, 0
#if RV_LEVELS == 4
	.fill 256, 8, 0 /* the first of them is for what follows */
kernel_upper:
#endif
	.quad LEAF(0), LEAF(1), LEAF(2), LEAF(3)
	.balign 4096
