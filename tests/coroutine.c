/*
 * coroutine.c: see coroutine.h.
 *
 * A switch saves the registers that a function must preserve on the old stack and takes them from
 * the new one: by hand on x86, by swapcontext() elsewhere (or with -DCOROUTINE_UCONTEXT). The modes
 * of the floating-point unit are not saved: nobody changes them.
 */
#include "coroutine.h"

#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/mman.h>

#define STACK_SIZE (256ul << 10)
#define GUARD_SIZE (64ul << 10) /* below the stack; a multiple of every host's page size */

/* ---------------------------------------------------------------- registers and stacks ------ */

#if (defined(__x86_64__) || defined(__i386__)) && !defined(COROUTINE_UCONTEXT)

struct context {
	void *sp; /* the saved registers lie there, and above them the address to go on at */
};

void coroutine_swap_stacks(void **from, void *to);

#ifdef __x86_64__
#define SAVED_REGISTERS 6
__asm__(".text\n"
        ".type coroutine_swap_stacks, @function\n"
        "coroutine_swap_stacks:\n"
        "	pushq %rbp\n"
        "	pushq %rbx\n"
        "	pushq %r12\n"
        "	pushq %r13\n"
        "	pushq %r14\n"
        "	pushq %r15\n"
        "	movq %rsp, (%rdi)\n"
        "	movq %rsi, %rsp\n"
        "	popq %r15\n"
        "	popq %r14\n"
        "	popq %r13\n"
        "	popq %r12\n"
        "	popq %rbx\n"
        "	popq %rbp\n"
        "	ret\n"
        ".size coroutine_swap_stacks, . - coroutine_swap_stacks\n");
#else
#define SAVED_REGISTERS 4
__asm__(".text\n"
        ".type coroutine_swap_stacks, @function\n"
        "coroutine_swap_stacks:\n"
        "	movl 4(%esp), %eax\n"
        "	movl 8(%esp), %edx\n"
        "	pushl %ebp\n"
        "	pushl %ebx\n"
        "	pushl %esi\n"
        "	pushl %edi\n"
        "	movl %esp, (%eax)\n"
        "	movl %edx, %esp\n"
        "	popl %edi\n"
        "	popl %esi\n"
        "	popl %ebx\n"
        "	popl %ebp\n"
        "	ret\n"
        ".size coroutine_swap_stacks, . - coroutine_swap_stacks\n");
#endif

/* As if `start` had been called from nowhere: a return address of 0 ends a debugger's backtrace. */
static void context_make(struct context *context, char *stack, void (*start)(void))
{
	uintptr_t *sp = (uintptr_t *)(stack + STACK_SIZE);

	*--sp = 0;
	*--sp = (uintptr_t)start;
	for (unsigned i = 0; i < SAVED_REGISTERS; i++)
		*--sp = 0;
	context->sp = sp;
}

static void context_swap(struct context *from, struct context *to)
{
	coroutine_swap_stacks(&from->sp, to->sp);
}

#else

#include <ucontext.h>

struct context {
	ucontext_t u;
};

static void context_make(struct context *context, char *stack, void (*start)(void))
{
	getcontext(&context->u);
	context->u.uc_stack.ss_sp = stack;
	context->u.uc_stack.ss_size = STACK_SIZE;
	makecontext(&context->u, start, 0);
}

static void context_swap(struct context *from, struct context *to)
{
	swapcontext(&from->u, &to->u);
}

#endif

/* ---------------------------------------------------------------- sanitizers ---------------- */

/* Of their run-time libraries; NULL in a build without. */
#define WEAK __attribute__((weak))
WEAK void __sanitizer_start_switch_fiber(void **fake_stack, const void *bottom, size_t size);
WEAK void __sanitizer_finish_switch_fiber(void *fake_stack, const void **bottom, size_t *size);
WEAK void __asan_unpoison_memory_region(const volatile void *at, size_t size);
WEAK void *__tsan_get_current_fiber(void);
WEAK void *__tsan_create_fiber(unsigned flags);
WEAK void __tsan_destroy_fiber(void *fiber);
WEAK void __tsan_switch_to_fiber(void *fiber, unsigned flags);

/* What they keep for each flow. */
struct shadow {
	void *fake_stack;   /* AddressSanitizer's: locals whose addresses are taken */
	const void *bottom; /* of the stack */
	size_t size;
	void *fiber; /* ThreadSanitizer's */
};

static void shadow_init(struct shadow *shadow, const void *stack)
{
	shadow->bottom = stack;
	shadow->size = STACK_SIZE;
	if (__tsan_create_fiber)
		shadow->fiber = __tsan_create_fiber(0);
}

static void shadow_destroy(struct shadow *shadow)
{
	/* Locals of a flow that never ended are not forbidden to the memory's next user. */
	if (__asan_unpoison_memory_region)
		__asan_unpoison_memory_region(shadow->bottom, shadow->size);
	if (__tsan_destroy_fiber)
		__tsan_destroy_fiber(shadow->fiber);
}

/* Just before a switch; `for_ever`: `from` has come to its end. */
static void shadow_leave(struct shadow *from, const struct shadow *to, bool for_ever)
{
	if (__sanitizer_start_switch_fiber)
		__sanitizer_start_switch_fiber(for_ever ? NULL : &from->fake_stack, to->bottom,
		                               to->size);
	if (__tsan_switch_to_fiber) {
		from->fiber = __tsan_get_current_fiber();
		__tsan_switch_to_fiber(to->fiber, 0);
	}
}

/* Just after it. Learns the bounds of the thread's own stack when that is first left. */
static void shadow_arrive(struct shadow *from, const struct shadow *to)
{
	if (__sanitizer_finish_switch_fiber)
		__sanitizer_finish_switch_fiber(to->fake_stack, &from->bottom, &from->size);
}

/* ---------------------------------------------------------------- coroutines ---------------- */

struct coroutine {
	struct context context;
	struct shadow shadow;
	char *memory; /* guard and stack */
	void (*fn)(void *arg);
	void *arg;
};

static struct coroutine own; /* the thread's own flow */
static struct coroutine *running = &own, *before = &own;

static void swap(struct coroutine *to, bool for_ever)
{
	struct coroutine *from = running;

	before = from;
	running = to;
	shadow_leave(&from->shadow, &to->shadow, for_ever);
	context_swap(&from->context, &to->context);
	shadow_arrive(&before->shadow, &from->shadow);
}

static void start(void)
{
	shadow_arrive(&before->shadow, &running->shadow);
	running->fn(running->arg);
	swap(&own, true);
	abort();
}

void coroutine_switch(struct coroutine *to)
{
	if (!to)
		to = &own;
	if (to != running)
		swap(to, false);
}

struct coroutine *coroutine_create(void (*fn)(void *arg), void *arg)
{
	struct coroutine *co = calloc(1, sizeof(*co));
	char *memory = mmap(NULL, GUARD_SIZE + STACK_SIZE, PROT_READ | PROT_WRITE,
	                    MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

	if (!co || memory == MAP_FAILED || mprotect(memory, GUARD_SIZE, PROT_NONE)) {
		perror("coroutine_create");
		abort();
	}
	co->fn = fn;
	co->arg = arg;
	co->memory = memory;
	shadow_init(&co->shadow, memory + GUARD_SIZE);
	context_make(&co->context, memory + GUARD_SIZE, start);
	return co;
}

void coroutine_destroy(struct coroutine *co)
{
	shadow_destroy(&co->shadow);
	munmap(co->memory, GUARD_SIZE + STACK_SIZE);
	free(co);
}
