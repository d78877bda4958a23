/*
 * boot.S: from the loader to kernel_main() in C.
 *
 * The loader (QEMU -kernel, or any that knows PVH) finds the entry in an ELF note and jumps there
 * in 32-bit mode, paging off, with ebx at struct hvm_start_info. The page tables below are complete
 * at link time, so all there is to do is to switch them on.
 *
 * There are two roots. boot_root also maps low memory at its physical address, for the code that
 * switches paging on, here and in ap.S; it is loaded for these few instructions only. kernel_root
 * has the kernel's half alone.
 */
#include "entry.h"

#define KERNEL_BASE 0xffffffff80000000
#define PHYS(symbol) (symbol - KERNEL_BASE)

	.section .note.Xen, "a", @note
	.balign 4
	.long 4, 8, 18 /* sizes of name and value; XEN_ELFNOTE_PHYS32_ENTRY */
	.asciz "Xen"
	.quad boot_entry

	.section .boot, "ax"
	.code32
	.globl boot_entry
boot_entry:
	cli
	cld
	mov %ebx, %edi /* kernel_main's argument */
	mov $(CR4_PAE | CR4_PGE), %eax
	mov %eax, %cr4
	mov $PHYS(boot_root), %eax
	mov %eax, %cr3
	mov $MSR_EFER, %ecx
	mov $(EFER_SCE | EFER_LME | EFER_NX), %eax
	xor %edx, %edx
	wrmsr
	mov $CR0_LONG_MODE, %eax
	mov %eax, %cr0
	lgdt boot_gdt_pointer
	ljmp $8, $1f
	.code64
1:	xor %eax, %eax
	mov %eax, %ds
	mov %eax, %es
	mov %eax, %ss
	mov %eax, %fs
	mov %eax, %gs
	movabs $boot_high, %rax
	jmp *%rax

	.balign 8
	.globl boot_gdt
boot_gdt: /* enough to get into 64-bit mode */
	.quad 0, 0x00209a0000000000
boot_gdt_pointer:
	.word 15
	.long boot_gdt

	.text
boot_high:
	mov $PHYS(kernel_root), %eax
	mov %rax, %cr3
	mov $boot_stack + BOOT_STACK_SIZE, %rsp
	mov %edi, %edi
	xor %ebp, %ebp
	call kernel_main
	ud2

/* ---------------------------------------------------------------- page tables --------------- */

#define TABLE  0x003 /* present, writable */
#define LARGE  0x183 /* present, writable, 2 MiB, global */
#define GLOBAL 0x100
#define DEVICE 0x018 /* not cached */
#define NX     0x8000000000000000

#define DIRECT_SLOT  256
#define KERNEL_SLOT  511
#define DEVICES_FROM 1536 /* in units of 2 MiB: 0xc0000000 */

	.data
	.balign 4096
	.globl boot_root
boot_root:
	.quad PHYS(low_pdpt) + TABLE
	.fill DIRECT_SLOT - 1, 8, 0
	.quad PHYS(direct_pdpt) + TABLE
	.fill KERNEL_SLOT - DIRECT_SLOT - 1, 8, 0
	.quad PHYS(kernel_pdpt) + TABLE
	.globl kernel_root
kernel_root:
	.fill DIRECT_SLOT, 8, 0
	.quad PHYS(direct_pdpt) + TABLE
	.fill KERNEL_SLOT - DIRECT_SLOT - 1, 8, 0
	.quad PHYS(kernel_pdpt) + TABLE
low_pdpt:
	.quad PHYS(low_pd) + TABLE
	.fill 511, 8, 0
low_pd: /* 4 MiB; not global: must not outlive boot_root */
	.quad 0x000000 + LARGE - GLOBAL
	.quad 0x200000 + LARGE - GLOBAL
	.fill 510, 8, 0
kernel_pdpt:
	.fill 510, 8, 0
	.quad PHYS(kernel_pd) + TABLE, 0
direct_pdpt:
	.quad PHYS(direct_pd) + TABLE
	.quad PHYS(direct_pd) + 0x1000 + TABLE
	.quad PHYS(direct_pd) + 0x2000 + TABLE
	.quad PHYS(direct_pd) + 0x3000 + TABLE
	.fill 508, 8, 0
	/* The kernel; pages.c maps it anew, by pages. */
	.globl kernel_pd
kernel_pd:
	.quad 0, 0x200000 + LARGE, 0x400000 + LARGE, 0x600000 + LARGE, 0x800000 + LARGE
	.fill 507, 8, 0
	/* The first 4 GiB. */
	.globl direct_pd
direct_pd:
	.set i, 0
	.rept DEVICES_FROM
	.quad (i << 21) + LARGE + NX
	.set i, i + 1
	.endr
	.rept 2048 - DEVICES_FROM
	.quad (i << 21) + LARGE + DEVICE + NX
	.set i, i + 1
	.endr

	.bss
	.balign 4096
	.globl boot_stack
boot_stack:
	.skip BOOT_STACK_SIZE
