/* user_machine.h: how a program calls the kernel: the number in rax; rdi, rsi, rdx, r10, r8, r9. */
#ifndef TINY_USER_MACHINE_H
#define TINY_USER_MACHINE_H

static inline long call6(long number, unsigned long a, unsigned long b, unsigned long c,
                         unsigned long d, unsigned long e, unsigned long f)
{
	register unsigned long r10 __asm__("r10") = d, r8 __asm__("r8") = e, r9 __asm__("r9") = f;

	__asm__ volatile("int $32"
	                 : "+D"(a)
	                 : "a"(number), "S"(b), "d"(c), "r"(r10), "r"(r8), "r"(r9)
	                 : "memory");
	return (long)a;
}

#define CODE_RETURN 0xc3 /* a function that does nothing, as the machine executes it */
/* Where the upper 17 bits are not equal the CPU has no fault, but another trap. */
#define IS_ADDRESS(addr) ((long)(addr) << 16 >> 16 == (long)(addr))

#define new_code(code, n)                        /* stores reach all caches */
#define instructions()    __builtin_ia32_rdtsc() /* in QEMU, with -icount */

#endif
