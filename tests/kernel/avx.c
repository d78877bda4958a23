/*
 * avx.c: the wide registers of a program are its own: across switches to others that use them, too,
 * in signal handlers and back, in both processes after a fork; and a signal frame has them where
 * Linux's has, and is not trusted.
 */
#include "test.h"

#include <sched.h>

#define REGS        16
#define UC_XSTATE   1ul /* UC_FP_XSTATE of asm/ucontext.h, which sys/ucontext.h excludes */
#define CHILDREN    4
#define ROUNDS      400
#define MXCSR_UNDEF 0xffff0000u

struct wide {
	uint8_t reg[REGS][32]; /* ymm0, ymm1 ... */
};

static void make(struct wide *w, int tag)
{
	for (int r = 0; r < REGS; r++)
		for (int i = 0; i < 32; i++)
			w->reg[r][i] = (uint8_t)(tag * 37 + r * 32 + i);
}

static bool same(const struct wide *a, const struct wide *b)
{
	return !memcmp(a, b, sizeof(*a));
}

#define EACH(op)                                                                                   \
	op(0) op(1) op(2) op(3) op(4) op(5) op(6) op(7) op(8) op(9) op(10) op(11) op(12) op(13)    \
	    op(14) op(15)
#define LOAD(n)  "vmovdqu " #n "*32(%[in]), %%ymm" #n "\n\t"
#define STORE(n) "vmovdqu %%ymm" #n ", " #n "*32(%[out])\n\t"
#define USED(n)  "xmm" #n,

static void load(const struct wide *in)
{
	__asm__ volatile(EACH(LOAD) : : [in] "r"(in) : "memory");
}

/* Load the registers, make a system call n times, store them: what the last call has returned. */
static long hold(const struct wide *in, struct wide *out, long nr, long a, long b, unsigned long n)
{
	register unsigned long left __asm__("rbx") = n;
	long ret;

	__asm__ volatile(EACH(LOAD) "1: mov %[nr], %%rax\n\t"
	                            "syscall\n\t"
	                            "dec %[left]\n\t"
	                            "jnz 1b\n\t" EACH(STORE) "vzeroupper"
	                 : "=&a"(ret), [left] "+&r"(left)
	                 : [in] "r"(in), [out] "r"(out), [nr] "r"(nr), "D"(a), "S"(b)
	                 : EACH(USED) "rcx", "r11", "memory", "cc");
	return ret;
}

/* ---- switches and forks */

static void spin(int tag)
{
	struct wide in, out;

	make(&in, tag);
	for (int i = 0; i < 10; i++) {
		hold(&in, &out, SYS_sched_yield, 0, 0, ROUNDS / 10);
		CHECK(same(&in, &out));
	}
}

static void test_switches(void)
{
	for (int i = 0; i < CHILDREN; i++)
		if (!fork()) {
			spin(i + 1);
			_exit(0);
		}
	spin(CHILDREN + 1);
	for (int i = 0; i < CHILDREN; i++) {
		int status;

		CHECK(wait(&status) > 0 && status == 0);
	}
}

static void test_fork(void)
{
	struct wide in, out;
	int status;
	long pid;

	make(&in, 9);
	pid = hold(&in, &out, SYS_fork, 0, 0, 1);
	CHECK(pid >= 0 && same(&in, &out));
	if (!pid)
		_exit(0);
	CHECK(waitpid((pid_t)pid, &status, 0) == pid && status == 0);
}

/* ---- signals */

static struct wide here, there; /* before the signal; what the handler uses */
static enum { LOOK, CHANGE, NO_MAGIC, NONSENSE } what;

static void handler(int sig, siginfo_t *info, void *context)
{
	ucontext_t *uc = context;
	struct _xstate *x = (void *)uc->uc_mcontext.fpregs;
	struct _fpx_sw_bytes *sw = (void *)((char *)x + 512 - sizeof(*sw));
	char *end = (char *)x + sw->xstate_size;

	(void)sig;
	(void)info;
	CHECK((uintptr_t)x % 64 == 0);
	CHECK(uc->uc_flags & UC_XSTATE);
	CHECK(sw->magic1 == FP_XSTATE_MAGIC1 && *(uint32_t *)end == FP_XSTATE_MAGIC2);
	CHECK(sw->extended_size == sw->xstate_size + 4 && (sw->xstate_bv & 7) == 7);
	for (int r = 0; r < REGS; r++) {
		CHECK(!memcmp(&x->fpstate._xmm[r], here.reg[r], 16));
		CHECK(!memcmp(&x->ymmh.ymmh_space[r * 4], here.reg[r] + 16, 16));
	}
	load(&there);
	if (what == CHANGE)
		memset(&x->ymmh.ymmh_space[3 * 4], 0x5a, 16);
	if (what == NO_MAGIC)
		*(uint32_t *)end = 0;
	if (what == NONSENSE) {
		memset(&x->xstate_hdr, 0xff, sizeof(x->xstate_hdr));
		x->fpstate.mxcsr |= MXCSR_UNDEF;
		sw->xstate_bv = ~0ull;
	}
}

static void signalled(struct wide *out)
{
	hold(&here, out, SYS_kill, getpid(), SIGUSR1, 3);
}

static void test_signals(void)
{
	struct sigaction action = {.sa_sigaction = handler, .sa_flags = SA_SIGINFO};
	struct wide out;
	int status;

	make(&here, 5);
	make(&there, 6);
	CHECK(!sigaction(SIGUSR1, &action, NULL));
	what = LOOK;
	signalled(&out);
	CHECK(same(&here, &out));
	/* What the handler changes in the frame is changed; the next signals find it. */
	what = CHANGE;
	memset(here.reg[3] + 16, 0x5a, 16);
	signalled(&out);
	CHECK(same(&here, &out));
	/* Without the word at its end a frame has the first 512 bytes, and the rest is as at the beginning. */
	what = NO_MAGIC;
	for (int r = 0; r < REGS; r++)
		memset(here.reg[r] + 16, 0, 16);
	signalled(&out);
	CHECK(same(&here, &out));
	/* Nonsense may end the program, as Linux does, but nobody else. */
	if (!fork()) {
		what = NONSENSE;
		signalled(&out);
		_exit(0);
	}
	CHECK(wait(&status) > 0);
	CHECK(status == 0 || (WIFSIGNALED(status) && WTERMSIG(status) == SIGSEGV));
}

int main(void)
{
	if (!__builtin_cpu_supports("avx")) {
		say("skipped: no AVX");
		return 0;
	}
	test_switches();
	test_fork();
	test_signals();
	say("ok");
	return 0;
}
