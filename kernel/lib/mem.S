/*
 * mem.S: memcpy, memmove, memset, memcmp.
 *
 * Whole aligned pages are what nearly every page fault clears or copies; they are moved 16 bytes at
 * a time. The XMM register for that is the program's, or belongs to code of this file that was
 * interrupted: it is saved on the stack and put back, so nothing else has to know. An interrupt in
 * between may do the same. A switch to another thread may not come in between, because kernel
 * threads have no FPU state of their own.
 *
 * All else is small. Pieces of less than 16 bytes are two overlapping moves, larger ones a string
 * instruction on words, whose last word overlaps. (A string instruction on bytes would be one
 * instruction in the manual, but one for each byte in an emulator that counts them.)
 */
	.section .note.GNU-stack,"",@progbits
	.text

#define PAGE 4096
#define RUN  64 /* moves in the body of a loop */

	.macro FUNCTION name
	.globl \name
	.type \name, @function
	.balign 16
\name:
	.endm

#define PREEMPT %gs:4 /* the count in struct x86_cpu */

	.macro borrow_xmm0
	incl	PREEMPT
	sub	$16, %rsp
	movups	%xmm0, (%rsp)
	.endm

	.macro return_xmm0
	movups	(%rsp), %xmm0
	add	$16, %rsp
	decl	PREEMPT
	.endm

/* void *memset(void *to, int c, size_t n) */
FUNCTION memset
	mov	%rdi, %rax
	movzbl	%sil, %esi
	cmp	$PAGE, %rdx
	je	set_page
set_any:
	mov	$0x0101010101010101, %r8
	imul	%r8, %rsi		/* the byte, eight times */
	cmp	$16, %rdx
	jb	set_small
	lea	-8(%rdi, %rdx), %r9
	mov	%rdx, %rcx
	shr	$3, %rcx
	mov	%rax, %r10
	mov	%rsi, %rax
	rep	stosq
	mov	%rax, (%r9)
	mov	%r10, %rax
	ret

set_small:
	cmp	$8, %edx
	jb	1f
	mov	%rsi, (%rdi)
	mov	%rsi, -8(%rdi, %rdx)
	ret
1:	cmp	$4, %edx
	jb	2f
	mov	%esi, (%rdi)
	mov	%esi, -4(%rdi, %rdx)
	ret
2:	test	%edx, %edx
	je	3f
	mov	%sil, (%rdi)
	cmp	$1, %edx
	je	3f
	mov	%si, -2(%rdi, %rdx)
3:	ret

/* 4096 bytes, if they are zeros and aligned: 280 instructions. */
set_page:
	mov	%edi, %ecx
	and	$15, %ecx
	or	%esi, %ecx
	jne	set_any
	lea	PAGE(%rdi), %rdx
	borrow_xmm0
	xorps	%xmm0, %xmm0
1:
	.set	at, 0
	.rept	RUN
	movaps	%xmm0, at(%rdi)
	.set	at, at + 16
	.endr
	add	$(16 * RUN), %rdi
	cmp	%rdx, %rdi
	jne	1b
	return_xmm0
	ret

/* void *memcpy(void *to, const void *from, size_t n) */
FUNCTION memcpy
	mov	%rdi, %rax
	cmp	$16, %rdx
	jb	copy_small
	cmp	$PAGE, %rdx
	je	copy_page
copy_forward:
	mov	-8(%rsi, %rdx), %r8	/* the last word: memmove() may overwrite it */
	lea	-8(%rdi, %rdx), %r9
	mov	%rdx, %rcx
	shr	$3, %rcx
	rep	movsq
	mov	%r8, (%r9)
	ret

/* All is loaded before anything is stored, so the two may overlap. */
copy_small:
	cmp	$8, %edx
	jb	1f
	mov	(%rsi), %rcx
	mov	-8(%rsi, %rdx), %r8
	mov	%rcx, (%rdi)
	mov	%r8, -8(%rdi, %rdx)
	ret
1:	cmp	$4, %edx
	jb	2f
	mov	(%rsi), %ecx
	mov	-4(%rsi, %rdx), %r8d
	mov	%ecx, (%rdi)
	mov	%r8d, -4(%rdi, %rdx)
	ret
2:	cmp	$2, %edx
	jb	3f
	movzwl	-2(%rsi, %rdx), %r8d
	movzbl	(%rsi), %ecx
	mov	%cl, (%rdi)
	mov	%r8w, -2(%rdi, %rdx)
	ret
3:	test	%edx, %edx
	je	4f
	movzbl	(%rsi), %ecx
	mov	%cl, (%rdi)
4:	ret

/* 4096 bytes, if both are aligned: 540 instructions. */
copy_page:
	mov	%edi, %ecx
	or	%esi, %ecx
	test	$15, %cl
	jne	copy_forward
	lea	PAGE(%rdi), %rdx
	borrow_xmm0
1:
	.set	at, 0
	.rept	RUN
	movaps	at(%rsi), %xmm0
	movaps	%xmm0, at(%rdi)
	.set	at, at + 16
	.endr
	add	$(16 * RUN), %rsi
	add	$(16 * RUN), %rdi
	cmp	%rdx, %rdi
	jne	1b
	return_xmm0
	ret

/* void *memmove(void *to, const void *from, size_t n) */
FUNCTION memmove
	mov	%rdi, %rax
	cmp	$16, %rdx
	jb	copy_small
	mov	%rdi, %rcx
	sub	%rsi, %rcx
	cmp	%rdx, %rcx		/* does the target begin inside the source? */
	jae	copy_forward
	mov	(%rsi), %r8		/* then backwards, the first word last */
	lea	-8(%rsi, %rdx), %rsi
	lea	-8(%rdi, %rdx), %rdi
	mov	%rdx, %rcx
	shr	$3, %rcx
	std
	rep	movsq
	cld
	mov	%r8, (%rax)
	ret

/* int memcmp(const void *a, const void *b, size_t n) */
FUNCTION memcmp
1:	cmp	$8, %rdx
	jb	2f
	mov	(%rdi), %rax
	mov	(%rsi), %rcx
	cmp	%rcx, %rax
	jne	4f
	add	$8, %rdi
	add	$8, %rsi
	sub	$8, %rdx
	jmp	1b
2:	xor	%eax, %eax
3:	test	%rdx, %rdx
	je	5f
	movzbl	(%rdi), %eax
	movzbl	(%rsi), %ecx
	inc	%rdi
	inc	%rsi
	dec	%rdx
	sub	%ecx, %eax
	je	3b
	ret
4:	bswap	%rax			/* the first byte decides */
	bswap	%rcx
	cmp	%rcx, %rax
	sbb	%eax, %eax
	or	$1, %eax
5:	ret
