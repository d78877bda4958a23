/*
 * boot.S: from the loader to tiny_main().
 *
 * QEMU -kernel, like any loader that knows PVH, finds the entry in an ELF note and jumps there in
 * 32-bit mode, paging off, ebx at the start info. All tables are complete at link time. The MMU's
 * show the first GiB of memory by large pages: at 0, until a process is loaded, and at BASE. That
 * is the kernel's half of every address space, and takes one entry of its root.
 */
#define PHYS(symbol) ((symbol) - BASE)

	.section .note.pvh, "a", @note
	.balign 4
	.long 4, 8, 18 /* bytes of name and value; XEN_ELFNOTE_PHYS32_ENTRY */
	.asciz "Xen"
	.quad PHYS(boot)

	.text
	.globl boot
	.code32
boot:	mov $PHYS(kernel_root), %eax; mov %eax, %cr3
	mov $0x20, %eax; mov %eax, %cr4 /* PAE */
	mov $0xc0000080, %ecx; mov $0x900, %eax; xor %edx, %edx; wrmsr /* EFER: NXE, LME */
	mov $0x80010005, %eax; mov %eax, %cr0 /* PG, WP, PE, and EM: no floating point */
	lgdt PHYS(gdt_pointer_32)
	ljmp $0x08, $PHYS(1f)
	.code64
1:	mov $2f, %rax; jmp *%rax
2:	lgdt gdt_pointer
	lidt idt_pointer
	mov $0x20, %eax; ltr %ax
	/* GS base: ports/x86_64 wants its struct x86_cpu there. */
	mov $0xc0000101, %ecx; mov $this_cpu, %rax; mov $-1, %edx; wrmsr
	mov $kernel_stack_top, %rsp
	mov %ebx, %edi; add $BASE, %rdi; call tiny_main

	.data
	.globl kernel_root, tss
	.balign 4096 /* 3: present, writable; 0x80: a large page */
kernel_root:
	.quad PHYS(upper) + 3; .fill 510, 8, 0; .quad PHYS(upper) + 3
upper:	.quad PHYS(large) + 3; .fill 509, 8, 0; .quad PHYS(large) + 3, 0
large:	.set address, 0
	.rept 512
	.quad address + 0x83
	.set address, address + 0x200000
	.endr
/* Code of the kernel, data of programs, code of programs; and the TSS, for the kernel's stack. */
gdt:	.quad 0, 0x00209a0000000000, 0x0000f20000000000, 0x0020fa0000000000
	.quad tss_descriptor, BASE >> 32
tss:	.long 0; .quad kernel_stack_top; .fill 45, 2, 0; .word 104
gdt_pointer:
	.word 47; .quad gdt
gdt_pointer_32:
	.word 47; .long PHYS(gdt)

	.bss
	.balign 16
this_cpu:
	.skip 16 /* number 0, and nothing that could preempt */
	.skip 16384
kernel_stack_top:
