/*
 * cpu.c: the CPUs there are, and what is switched on in them.
 *
 * Features are switched on if the CPU has them: PCID (mmu.c tells the port), SMEP, SMAP and UMIP.
 * The kernel never touches user addresses, so SMAP costs nothing.
 *
 * CR4.FSGSBASE stays off: programs set their FS base by arch_prctl() and clone() only, so the
 * kernel always knows it without reading it.
 */
#include "arch.h"

struct cpu cpus[MAX_CPUS];
unsigned nr_cpus;
_Atomic bool panicking;

/*
 * The registers of paging and FPU of this CPU. CR0 is as boot.S has set it: write protection is on,
 * for the kernel, too.
 */
void control_init(void)
{
	uint64_t cr4 = read_cr4() | CR4_OSFXSR | CR4_OSXMMEXCPT;

	if (cpuid(1).ecx & 1u << 17)
		cr4 |= CR4_PCIDE;
	if (cpuid(0).eax >= 7) {
		struct cpuid c = cpuid(7);

		cr4 |= c.ebx & 1u << 7 ? CR4_SMEP : 0;
		cr4 |= c.ebx & 1u << 20 ? CR4_SMAP : 0;
		cr4 |= c.ecx & 1u << 2 ? CR4_UMIP : 0;
	}
	write_cr4(cr4);
	fpu_init();
}
