/* user_machine.h: how a program calls the kernel. The number is in r7, arguments in r0 to r5. */
#ifndef TINY_USER_MACHINE_H
#define TINY_USER_MACHINE_H

static inline long call6(long number, unsigned long a, unsigned long b, unsigned long c,
                         unsigned long d, unsigned long e, unsigned long f)
{
	register unsigned long r0 __asm__("r0") = a, r1 __asm__("r1") = b, r2 __asm__("r2") = c;
	register unsigned long r3 __asm__("r3") = d, r4 __asm__("r4") = e, r5 __asm__("r5") = f;
	register long r7 __asm__("r7") = number;

	__asm__ volatile("svc #0"
	                 : "+r"(r0)
	                 : "r"(r1), "r"(r2), "r"(r3), "r"(r4), "r"(r5), "r"(r7)
	                 : "memory");
	return (long)r0;
}

#define CODE_RETURN     0xe12fff1e /* a function that does nothing, as the machine executes it */
#define IS_ADDRESS(any) true       /* or the machine has no fault there, but another trap */

/* Programs may not clean caches: other kernels have a call for it. QEMU has no caches. */
#define new_code(code, n)

/* In QEMU, with -icount: one takes a nanosecond, and this clock has 62.5 MHz. */
static inline unsigned long instructions(void)
{
	uint64_t ticks;

	__asm__ volatile("mrrc p15, 1, %Q0, %R0, c14" : "=r"(ticks) : : "memory");
	return (unsigned long)(ticks * 16);
}

#endif
