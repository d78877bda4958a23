/*
 * boot.S: from the loader to C, and the ways into the kernel and out of it.
 *
 * QEMU -kernel, like any loader that knows PVH, finds the entry in an ELF note and jumps there in
 * 32-bit mode, paging off. Other CPUs begin in 16-bit mode, with a copy of `trampoline`. Pages of a
 * GiB show the first one of the machine at 0, until a program is loaded, and at KERNEL_BASE; and
 * at the end the one that the CPUs' interrupt controllers are in.
 */
#include "machine.h"

#define PHYS(symbol) ((symbol) - KERNEL_BASE)

	.section .note.pvh, "a", @note
	.balign 4
	.long 4, 8, 18 /* bytes of name and value; XEN_ELFNOTE_PHYS32_ENTRY */
	.asciz "Xen"
	.quad PHYS(boot)

	.text
	.globl boot, trampoline, trampoline_end
	.code16
trampoline:
	lgdtl %cs:(gdt_pointer_low - trampoline)
	mov $1, %eax; mov %eax, %cr0
	mov $0x10, %ax; mov %ax, %ds
	ljmpl $0x20, $PHYS(boot)
gdt_pointer_low:
	.word gdt_end - gdt - 1; .long PHYS(gdt)
trampoline_end:

	.code32
boot:	mov $PHYS(kernel_root), %eax; mov %eax, %cr3
	mov $0x20, %eax; mov %eax, %cr4 /* PAE */
	mov $0xc0000080, %ecx; mov $0x900, %eax; xor %edx, %edx; wrmsr /* EFER: NXE, LME */
	mov $0x80010005, %eax; mov %eax, %cr0 /* PG, WP, PE, and EM: no floating point */
	lgdt PHYS(gdt_pointer_low)
	ljmp $0x08, $PHYS(1f)
	.code64
1:	mov $2f, %rax; jmp *%rax
2:	lgdt gdt_pointer; lidt idt_pointer
	xor %eax, %eax; mov %eax, %ss /* the selector that a trap in the kernel saves */
	mov starting_cpu, %rax; mov %rax, %rdx; shr $32, %rdx
	mov $0xc0000101, %ecx; wrmsr /* GS base: ports/x86_64 wants its struct x86_cpu there */
	mov %gs:CPU_STACK, %rsp
	call machine_main

/*
 * The CPU itself pushes its part of a program's registers where they belong, into the task: that is
 * where the TSS has the kernel's stack. GS base is the program's in user mode.
 */
#define PUSH_ALL                                                                                   \
	.irp reg, r9, r8, r10, rdx, rsi, rdi, rax, rcx, r11, rbx, rbp, r12, r13, r14, r15;         \
	push %\reg; .endr
#define POP_ALL                                                                                    \
	.irp reg, r15, r14, r13, r12, rbp, rbx, r11, rcx, rax, rdi, rsi, rdx, r10, r8, r9;         \
	pop %\reg; .endr;                                                                          \
	add $16, %rsp /* vector, error */

	.globl resume, stubs
enter:	cld
	testb $3, 24(%rsp) /* cs: does it come from a program? */
	jz 1f
	swapgs
	PUSH_ALL
	mov %gs:CPU_STACK, %rsp
	call machine_trap
1:	PUSH_ALL
	mov %rsp, %rdi
	call machine_trap_in_kernel
	POP_ALL
	iretq

resume: /* _Noreturn void resume(struct regs *), interrupts are off */
	mov %rdi, %rsp
	POP_ALL
	swapgs
	iretq

#define PUSHES_ERROR 0x60227d00 /* the vectors for which the CPU does */

	.balign 16
stubs:	.set vector, 0 /* one for each, 16 bytes apart */
	.rept VECTORS
	.balign 16
	.if !(PUSHES_ERROR >> vector & 1)
	push $0
	.endif
	push $vector
	jmp enter
	.set vector, vector + 1
	.endr

	.data
	.globl kernel_root, gdt, idt, starting_cpu
	.balign 4096 /* 3: present, writable; 0x80: a large page; 0x10: not cached */
kernel_root:
	.quad PHYS(upper) + 3; .fill 510, 8, 0; .quad PHYS(upper) + 3
upper:	.quad 0x83; .fill 509, 8, 0; .quad 0x83, 0xc0000093
/* Code of the kernel, data, code of programs, code of 32 bits; and TSSes, which machine.c makes. */
gdt:	.quad 0, 0x00209a0000000000, 0x00cff2000000ffff, 0x0020fa0000000000, 0x00cf9a000000ffff
	.fill 2 * 4, 8, 0
gdt_end:
idt:	.fill 2 * VECTORS, 8, 0
gdt_pointer:
	.word gdt_end - gdt - 1; .quad gdt
idt_pointer:
	.word 16 * VECTORS - 1; .quad idt
starting_cpu:
	.quad cpus
