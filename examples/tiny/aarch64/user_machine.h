/* user_machine.h: how a program calls the kernel. The number is in x8, arguments in x0 to x5. */
#ifndef TINY_USER_MACHINE_H
#define TINY_USER_MACHINE_H

static inline long call6(long number, unsigned long a, unsigned long b, unsigned long c,
                         unsigned long d, unsigned long e, unsigned long f)
{
	register unsigned long x0 __asm__("x0") = a, x1 __asm__("x1") = b, x2 __asm__("x2") = c;
	register unsigned long x3 __asm__("x3") = d, x4 __asm__("x4") = e, x5 __asm__("x5") = f;
	register long x8 __asm__("x8") = number;

	__asm__ volatile("svc #0"
	                 : "+r"(x0)
	                 : "r"(x1), "r"(x2), "r"(x3), "r"(x4), "r"(x5), "r"(x8)
	                 : "memory");
	return (long)x0;
}

#define CODE_RETURN     0xd65f03c0 /* a function that does nothing, as the machine executes it */
#define IS_ADDRESS(any) true       /* or the machine has no fault there, but another trap */

static inline void new_code(const void *code, unsigned long n)
{
	for (unsigned long p = (unsigned long)code; p < (unsigned long)code + n; p += 16)
		__asm__ volatile("dc cvau, %0; dsb ish; ic ivau, %0; dsb ish; isb"
		                 :
		                 : "r"(p)
		                 : "memory");
}

/* In QEMU, with -icount: one takes a nanosecond, and this clock has 62.5 MHz. */
static inline unsigned long instructions(void)
{
	unsigned long ticks;

	__asm__ volatile("mrs %0, cntvct_el0" : "=r"(ticks) : : "memory");
	return ticks * 16;
}

#endif
