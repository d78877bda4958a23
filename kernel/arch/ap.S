/*
 * ap.S: where the other CPUs begin: a copy of the first part of this file in the page AP_PAGE, in
 * real mode. From there straight to 64-bit mode with the root that maps low memory, and on to
 * ap_main() in C.
 */
#include "entry.h"

#define KERNEL_BASE 0xffffffff80000000
#define PHYS(symbol) (symbol - KERNEL_BASE)
#define IN_PAGE(symbol) (symbol - ap_begin + AP_PAGE)

	.section .rodata
	.globl ap_begin, ap_end
	.code16
ap_begin:
	cli
	cld
	xor %eax, %eax
	mov %ax, %ds
	mov $(CR4_PAE | CR4_PGE), %eax
	mov %eax, %cr4
	mov $PHYS(boot_root), %eax
	mov %eax, %cr3
	mov $MSR_EFER, %ecx
	mov $(EFER_SCE | EFER_LME | EFER_NX), %eax
	xor %edx, %edx
	wrmsr
	lgdtl IN_PAGE(gdt_pointer)
	mov $CR0_LONG_MODE, %eax
	mov %eax, %cr0
	ljmpl $8, $IN_PAGE(ap_long)
	.code64
ap_long:
	xor %eax, %eax
	mov %eax, %ds
	mov %eax, %es
	mov %eax, %ss
	mov %eax, %fs
	mov %eax, %gs
	movabs $ap_high, %rax
	jmp *%rax
	.balign 4
gdt_pointer:
	.word 15
	.long boot_gdt
ap_end:

	.text
ap_high:
	mov $PHYS(kernel_root), %eax
	mov %rax, %cr3
	mov ap_stack(%rip), %rsp
	xor %ebp, %ebp
	call ap_main
	ud2
