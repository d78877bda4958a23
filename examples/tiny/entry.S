/*
 * entry.S: the ways into the kernel and out of it.
 *
 * Whatever happens, it leaves a struct regs at the top of the kernel's only stack and calls trap().
 * That answers with the registers to go on with: the same, or another process's, which is all there
 * is to a switch. GS base is the program's in user mode and this_cpu in the kernel.
 */
	.globl resume, stubs, idt_pointer
	.text
enter:	testb $3, 24(%rsp) /* cs: does it come from user mode? */
	jz 1f
	swapgs
1:	.irp reg, rdi, rsi, rdx, rcx, rax, r8, r9, r10, r11, rbx, rbp, r12, r13, r14, r15
	push %\reg
	.endr
	cld
	mov %rsp, %rdi
	call trap
	mov %rax, %rdi
resume: /* _Noreturn void resume(const struct regs *) */
	mov %rdi, %rsp
	.irp reg, r15, r14, r13, r12, rbp, rbx, r11, r10, r9, r8, rax, rcx, rdx, rsi, rdi
	pop %\reg
	.endr
	swapgs
	add $16, %rsp /* vector, error */
	iretq

#define PUSHES_ERROR 0x60227d00     /* the vectors for which the CPU does */
#define FOR_PROGRAMS 0x600000000000 /* in a gate: they may use it */

	.balign 1024
stubs:	.set vector, 0 /* one for each, 16 bytes apart */
	.rept 33
	.balign 16
	.if !(PUSHES_ERROR >> vector & 1)
	push $0
	.endif
	push $vector
	jmp enter
	.set vector, vector + 1
	.endr

	.data
idt:	.set vector, 0
	.rept 32
	.quad gate + 16 * vector, BASE >> 32
	.set vector, vector + 1
	.endr
	.quad gate + 16 * 32 + FOR_PROGRAMS, BASE >> 32
idt_pointer:
	.word . - idt - 1; .quad idt
