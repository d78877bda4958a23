/*
 * entry.S: the ways into the kernel and out of it.
 *
 * Every entry from user mode leaves a complete struct regs at the top of the thread's kernel stack.
 * Handlers in C keep rbx, rbp and r12-r15 as they are, so the short ways out need not load these;
 * whoever changes the saved registers makes sure that the long way is taken: by a bit of
 * thread->work (signals), or by a vector other than SYSCALL_VECTOR (rt_sigreturn, exec).
 *
 * GS base is the program's in user mode and the CPU's struct in the kernel: swapgs on every way
 * across.
 */
#include "entry.h"

#define USER_DS        0x1b
#define USER_CS        0x23
#define SYSCALL_VECTOR 0x100
#define ENOSYS         38

	.macro push_general
	push %rdi
	push %rsi
	push %rdx
	push %rcx
	push %rax
	push %r8
	push %r9
	push %r10
	push %r11
	push %rbx
	push %rbp
	push %r12
	push %r13
	push %r14
	push %r15
	.endm

	.macro pop_scratch
	pop %r11
	pop %r10
	pop %r9
	pop %r8
	pop %rax
	pop %rcx
	pop %rdx
	pop %rsi
	pop %rdi
	.endm

	.macro pop_general
	pop %r15
	pop %r14
	pop %r13
	pop %r12
	pop %rbp
	pop %rbx
	pop_scratch
	.endm

	.text
/* ---------------------------------------------------------------- system calls -------------- */

	.balign 64
	.globl syscall_entry
syscall_entry:
	swapgs
	mov %rsp, %gs:CPU_USER_RSP
	mov %gs:CPU_KERNEL_RSP, %rsp
	push $USER_DS
	push %gs:CPU_USER_RSP
	push %r11
	push $USER_CS
	push %rcx
	push %rax
	push $SYSCALL_VECTOR
	push_general
	sti
	cmp $NR_SYSCALLS, %rax
	jae 3f
	mov %r10, %rcx
	call *syscall_table(,%rax,8)
1:	cli
	mov %gs:CPU_CURRENT, %rcx
	cmpl $0, THREAD_WORK(%rcx)
	jne 2f
	cmpl $SYSCALL_VECTOR, REGS_VECTOR(%rsp)
	jne 2f
	mov REGS_R10(%rsp), %r10
	mov REGS_R9(%rsp), %r9
	mov REGS_R8(%rsp), %r8
	mov REGS_RDX(%rsp), %rdx
	mov REGS_RSI(%rsp), %rsi
	mov REGS_RDI(%rsp), %rdi
	mov REGS_RIP(%rsp), %rcx
	mov REGS_RFLAGS(%rsp), %r11
	mov REGS_RSP(%rsp), %rsp
	swapgs
	sysretq
2:	mov %rax, REGS_RAX(%rsp)
	jmp user_return
3:	mov $-ENOSYS, %rax
	jmp 1b

/*
 * The long way back to user mode; interrupts are off, rsp is at the struct regs. A new thread
 * begins here.
 */
	.globl user_return
user_return:
	mov %rsp, %rdi
	call user_work
	pop_general
	swapgs
	add $16, %rsp
	iretq

/*
 * Traps and interrupts leave the flag AC as the program has it, and with it SMAP would be off in
 * the kernel. A CPU without SMAP has no clac either: cpu_init.c writes the instruction over these
 * three bytes if there is one.
 */
	.globl clac_here_1, clac_here_2
	.macro clac_here number
clac_here_\number:
	nopl (%rax)
	.endm

/* ---------------------------------------------------------------- page faults --------------- */

	.balign 64
page_fault_entry:
	push $VECTOR_PAGE_FAULT
	testb $3, REGS_CS - REGS_VECTOR(%rsp)
	jz from_kernel
	swapgs
	clac_here 1
	push_general
	cld
	mov %cr2, %rsi
	mov %rsp, %rdi
	sti
	call page_fault
	cli
trap_return:
	mov %gs:CPU_CURRENT, %rcx
	cmpl $0, THREAD_WORK(%rcx)
	jne user_return
	add $(REGS_R11), %rsp
	pop_scratch
	swapgs
	add $16, %rsp
	iretq

/* ---------------------------------------------------------------- other traps, interrupts --- */

	.balign 64
from_anywhere:
	testb $3, REGS_CS - REGS_VECTOR(%rsp)
	jz from_kernel
	swapgs
	clac_here 2
	push_general
	cld
	mov %rsp, %rdi
	call trap
	jmp trap_return

from_kernel:
	push_general
	cld
	mov %rsp, %rdi
	call trap
	pop_general
	add $16, %rsp
	iretq

/* Stops this CPU if another one has panicked. Needs no GS: it may come at any instruction. */
nmi_entry:
	cmpb $0, panicking(%rip)
	je 2f
1:	cli
	hlt
	jmp 1b
2:	iretq

/* One stub for each vector, 16 bytes apart; these traps push an error code of their own. */
#define HAS_ERROR(v) \
	((v) == 8 || ((v) >= 10 && (v) <= 14) || (v) == 17 || (v) == 21 || (v) == 29 || (v) == 30)

	.balign 16
	.globl trap_stubs
trap_stubs:
	.set v, 0
	.rept 256
	.balign 16
	.if v == 2
	jmp nmi_entry
	.elseif v == VECTOR_PAGE_FAULT
	jmp page_fault_entry
	.else
	.if !HAS_ERROR(v)
	push $0
	.endif
	push $v
	jmp from_anywhere
	.endif
	.set v, v + 1
	.endr

/* ---------------------------------------------------------------- threads ------------------- */

/* switch_stacks(void **save, void *load): what C expects to be kept is kept on the stack. */
	.globl switch_stacks
switch_stacks:
	push %rbx
	push %rbp
	push %r12
	push %r13
	push %r14
	push %r15
	mov %rsp, (%rdi)
	mov %rsi, %rsp
	pop %r15
	pop %r14
	pop %r13
	pop %r12
	pop %rbp
	pop %rbx
	ret

/* A new kernel thread: fn in r12, arg in r13 (thread.c). */
	.globl thread_begin_kernel
thread_begin_kernel:
	call sched_begin
	sti
	mov %r13, %rdi
	call *%r12
	call thread_exit

/* A new user thread: rsp is at its struct regs. */
	.globl thread_begin_user
thread_begin_user:
	call sched_begin
	jmp user_return
