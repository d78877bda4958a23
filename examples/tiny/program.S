/* program.S: the program as it lies in the kernel's image; tiny.mk has built it from user/. */
	.section .rodata
	.globl program_start, program_end
	.balign 8
program_start:
	.incbin "program.bin"
program_end:
