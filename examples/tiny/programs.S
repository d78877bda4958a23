/* programs.S: the programs as they lie in memory; tiny.mk has built them from user/. */
	.globl family_start, family_end, crowd_start, crowd_end
	.section .rodata
family_start:	.incbin "family.bin"
family_end:
crowd_start:	.incbin "crowd.bin"
crowd_end:
