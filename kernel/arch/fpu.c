/*
 * fpu.c: the FPU state of threads: x87, SSE, and what the CPU has beyond: AVX, AVX-512.
 *
 * The kernel itself uses no FPU registers, so they belong to the program of the running thread all
 * the time and change hands in cpu_switch() only. With XSAVE the area of a thread has the standard
 * format, which is that of signal frames, too. A switch writes what the thread has changed since it
 * was switched to, and what is not as at the beginning (XSAVEOPT): a program that uses no AVX pays
 * for none. Whoever looks into the area needs all of it, and calls cpu_fpu_save().
 *
 * The last 48 bytes of the first 512 are the software's: Linux says there, in a signal frame, that
 * more follows (struct _fpx_sw_bytes). They are in every area all the time.
 */
#include <linux/types.h>

#include <asm/sigcontext.h>

#include "arch.h"

#define CPUID_XSAVE 26      /* leaf 1, ecx */
#define XCR0_FIRST  0x07ull /* x87, SSE, AVX */
#define XCR0_AVX512 0xe0ull

_Static_assert(sizeof(struct _fpstate_64) == 512, "FXSAVE");

static struct {
	uint64_t features; /* in XCR0; 0: there is no XSAVE */
	unsigned bytes;    /* of an area */
	bool opt;          /* XSAVEOPT */
} fpu = {.bytes = sizeof(struct _fpstate_64)};

/* Switch on for this CPU what all have. */
void fpu_init(void)
{
	struct cpuid leaf;
	uint64_t has;

	__asm__ volatile("fninit");
	if (!(cpuid(1).ecx & 1u << CPUID_XSAVE))
		return;
	write_cr4(read_cr4() | CR4_OSXSAVE);
	has = cpuid(0xd).eax;
	fpu.features = has & XCR0_FIRST;
	if ((has & XCR0_AVX512) == XCR0_AVX512 && fpu.features == XCR0_FIRST)
		fpu.features |= XCR0_AVX512;
	__asm__ volatile("xsetbv" : : "c"(0), "a"((uint32_t)fpu.features), "d"(0));
	leaf = cpuid(0xd); /* of what is on now */
	fpu.bytes = leaf.ebx;
	fpu.opt = cpuid_sub(0xd, 1).eax & 1;
}

unsigned cpu_fpu_bytes(void)
{
	return fpu.bytes;
}

bool cpu_fpu_extended(void)
{
	return fpu.features;
}

/* ---------------------------------------------------------------- registers ----------------- */

void cpu_fpu_save(struct thread *t)
{
	if (fpu.features)
		__asm__ volatile("xsave64 (%0)" : : "r"(t->fpu), "a"(-1), "d"(-1) : "memory");
	else
		__asm__ volatile("fxsave64 (%0)" : : "r"(t->fpu) : "memory");
}

void fpu_save_changed(struct thread *t)
{
	if (fpu.opt)
		__asm__ volatile("xsaveopt64 (%0)" : : "r"(t->fpu), "a"(-1), "d"(-1) : "memory");
	else
		cpu_fpu_save(t);
}

void fpu_load(const struct thread *t)
{
	if (fpu.features)
		__asm__ volatile("xrstor64 (%0)" : : "r"(t->fpu), "a"(-1), "d"(-1) : "memory");
	else
		__asm__ volatile("fxrstor64 (%0)" : : "r"(t->fpu) : "memory");
}

/* ---------------------------------------------------------------- areas --------------------- */

static void set_software(struct _fpstate_64 *area)
{
	memset(&area->sw_reserved, 0, sizeof(area->sw_reserved));
	if (!fpu.features)
		return;
	area->sw_reserved.magic1 = FP_XSTATE_MAGIC1;
	area->sw_reserved.extended_size = fpu.bytes + FP_XSTATE_MAGIC2_SIZE;
	area->sw_reserved.xfeatures = fpu.features;
	area->sw_reserved.xstate_size = fpu.bytes;
}

/* As after FNINIT: all exceptions masked, all registers empty. */
void cpu_fpu_reset(struct thread *t)
{
	struct _fpstate_64 *area = t->fpu;

	preempt_disable(); /* a switch would save the old registers over it */
	memset(area, 0, fpu.bytes);
	area->cwd = 0x37f;
	area->mxcsr = 0x1f80;
	set_software(area);
	if (t == current)
		fpu_load(t);
	preempt_enable();
}

unsigned cpu_fpu_frame_bytes(const void *first)
{
	const struct _fpx_sw_bytes *sw = &((const struct _fpstate_64 *)first)->sw_reserved;

	if (!fpu.features || sw->magic1 != FP_XSTATE_MAGIC1 || sw->xstate_size > fpu.bytes ||
	    sw->xstate_size < offsetof(struct _xstate, ymmh) ||
	    sw->extended_size != sw->xstate_size + FP_XSTATE_MAGIC2_SIZE)
		return 0;
	return sw->xstate_size;
}

/* What would trap when it is loaded goes: reserved bits, parts that are not there. */
static void make_loadable(struct _fpstate_64 *area, unsigned bytes, uint32_t mxcsr_mask)
{
	struct _header *header = &((struct _xstate *)area)->xstate_hdr;
	uint64_t there = bytes ? area->sw_reserved.xfeatures & header->xfeatures : 3;

	area->mxcsr &= mxcsr_mask ? mxcsr_mask : 0xffbf;
	area->mxcsr_mask = mxcsr_mask;
	if (fpu.features) {
		memset(header, 0, sizeof(*header));
		header->xfeatures = there & fpu.features;
	}
	set_software(area);
}

void cpu_fpu_set(struct thread *t, void *image, unsigned bytes)
{
	cpu_fpu_save(t);
	make_loadable(image, bytes, ((const struct _fpstate_64 *)t->fpu)->mxcsr_mask);
	preempt_disable(); /* a switch would save over what is about to be loaded */
	memcpy(t->fpu, image, fpu.bytes);
	fpu_load(t);
	preempt_enable();
}
