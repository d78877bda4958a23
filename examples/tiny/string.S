/* string.S: of the four functions that a core and a compiler may call, the two they do. */
	.globl memcpy, memset
memcpy:	mov %rdi, %rax; mov %rdx, %rcx; rep movsb; ret
memset:	mov %rdi, %r8; mov %esi, %eax; mov %rdx, %rcx; rep stosb; mov %r8, %rax; ret
