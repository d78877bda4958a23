/* string.S: of the four functions that a core and a compiler may call, the three they do. */
	.globl memcpy, memmove, memset
memmove: mov %rdi, %rax; cmp %rsi, %rdi; jbe memcpy
1:	sub $1, %rdx; jb 2f; mov (%rsi, %rdx), %cl; mov %cl, (%rdi, %rdx); jmp 1b
2:	ret
memcpy:	mov %rdi, %rax; mov %rdx, %rcx; rep movsb; ret
memset:	mov %rdi, %r8; mov %esi, %eax; mov %rdx, %rcx; rep stosb; mov %r8, %rax; ret
