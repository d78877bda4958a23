/*
 * mmu.c: the port's state of all CPUs, with what it needs to know of this machine.
 */
#include "arch.h"
#include "om_arch.h"

_Static_assert(DIRECT_MAP == X86_DIRECT_MAP, "the port and the kernel mean the same direct map");

struct x86_mmu mmu;

static void send_flush(void *ctx, const struct x86_cpus *set)
{
	(void)ctx;
	cpu_send_flush(set);
}

void mmu_init(void)
{
	const struct x86_mmu_config config = {
	    .kernel_root = x86_read_cr3() & X86_PFN,
	    .pcid = x86_read_cr4() & CR4_PCIDE,
	    .send_flush = send_flush,
	};

	x86_mmu_init(&mmu, &config);
}
