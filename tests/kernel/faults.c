/* faults.c: which signal a wrong access raises, and with which code and address; and EFAULT. */
#include "test.h"

#define KERNEL_ADDR   ((char *)0xffff800000000000)
#define NON_CANONICAL ((char *)0x8000000000000000)

static void load(void *p)
{
	(void)*(volatile char *)p;
}

static void call(void *p)
{
	((void (*)(void))p)();
}

static void memory(void)
{
	char *p = pages(hole(4), 4);
	int fd = file_of(1);
	char *f = mmap(NULL, 2 * PAGE, RW, MAP_SHARED, fd, 0);

	munmap(p + 3 * PAGE, PAGE);
	mprotect(p + 2 * PAGE, PAGE, PROT_NONE);
	mprotect(p + PAGE, PAGE, PROT_READ);
	look("null, read", NULL);
	store("null, write", NULL, 1);
	look("unmapped, read", p + 3 * PAGE + 5);
	store("unmapped, write", p + 3 * PAGE + 5, 1);
	store("read-only, write", p + PAGE + 5, 1);
	look("no access, read", p + 2 * PAGE + 5);
	store("no access, write", p + 2 * PAGE + 5, 1);
	look("beyond the file, read", f + PAGE + 5);
	store("beyond the file, write", f + PAGE + 5, 1);
	look("kernel, read", KERNEL_ADDR + 5);
	store("kernel, write", KERNEL_ADDR + 5, 1);
	look("top of everything", (char *)-1);
	catch ("non-canonical, read", load, NON_CANONICAL, NULL);
	catch ("unmapped, execute", call, p + 3 * PAGE, p + 3 * PAGE);
	catch ("data, execute", call, p, p);
	catch ("read-only, execute", call, p + PAGE, p + PAGE);
	catch ("no access, execute", call, p + 2 * PAGE, p + 2 * PAGE);
	catch ("kernel, execute", call, KERNEL_ADDR, KERNEL_ADDR);
	catch ("null, execute", call, NULL, NULL);
	say("contents: %s", letters(p, 4));
}

extern char at_undefined[], at_division[];

static void undefined(void *unused)
{
	(void)unused;
	__asm__ volatile("at_undefined: ud2");
}

static void division(void *unused)
{
	int zero = 0;

	(void)unused;
	__asm__ volatile("at_division: idivl %0" : : "r"(zero), "a"(1), "d"(0));
}

static void breakpoint(void *unused)
{
	(void)unused;
	__asm__ volatile("int3");
}

static void privileged(void *unused)
{
	(void)unused;
	__asm__ volatile("hlt");
}

static void port(void *unused)
{
	(void)unused;
	__asm__ volatile("inb $0x60, %%al" : : : "al");
}

static void instructions(void)
{
	catch ("undefined instruction", undefined, NULL, at_undefined);
	catch ("division by zero", division, NULL, at_division);
	catch ("breakpoint", breakpoint, NULL, NULL);
	catch ("privileged instruction", privileged, NULL, NULL);
	catch ("port", port, NULL, NULL);
}

static void efault(void)
{
	char *p = pages(hole(4), 4), name[] = "x";
	int fds[2];

	munmap(p + 3 * PAGE, PAGE);
	mprotect(p + 2 * PAGE, PAGE, PROT_READ);
	if (pipe(fds))
		exit(1);
	result("write from nothing", write(fds[1], p + 3 * PAGE, 1));
	result("write from null", syscall(SYS_write, fds[1], NULL, 1));
	result("write from the kernel", write(fds[1], KERNEL_ADDR, 1));
	result("write nothing from nowhere", write(fds[1], NULL, 0));
	result("write", write(fds[1], p, 3));
	result("read to nothing", read(fds[0], p + 3 * PAGE, 1));
	result("read to read-only", read(fds[0], p + 2 * PAGE, 1));
	result("read to the kernel", read(fds[0], KERNEL_ADDR, 1));
	result("read to non-canonical", read(fds[0], NON_CANONICAL, 1));
	result("read", read(fds[0], p, 100));
	result("open", open(p + 3 * PAGE, O_RDONLY));
	result("pipe", syscall(SYS_pipe, p + 2 * PAGE));
	result("getcwd", syscall(SYS_getcwd, p + 3 * PAGE, PAGE));
	result("stat", syscall(SYS_stat, "/", p + 2 * PAGE));
	result("wait", syscall(SYS_wait4, -1, p + 3 * PAGE, 0, 0));
	result("nanosleep", syscall(SYS_nanosleep, p + 3 * PAGE, 0));
	result("sigaction", syscall(SYS_rt_sigaction, SIGUSR1, p + 3 * PAGE, 0, 8));
	strcpy(p + 2 * PAGE - 2, name);
	result("name at the end of a page", open(p + 2 * PAGE - 2, O_RDONLY));
	memset(p, 'x', 2 * PAGE);
	mprotect(p + 2 * PAGE, PAGE, PROT_NONE);
	result("name that runs into nothing", open(p + 2 * PAGE - 20, O_RDONLY));
}

static void dies(void)
{
	*(volatile char *)8 = 1;
}

static void ignores(void)
{
	signal(SIGSEGV, SIG_IGN);
	dies();
}

static void blocks(void)
{
	sigset_t set;

	sigfillset(&set);
	sigprocmask(SIG_SETMASK, &set, NULL);
	dies();
}

static void again(int sig)
{
	(void)sig;
	dies();
}

static void in_the_handler(void)
{
	signal(SIGSEGV, again);
	dies();
}

static void without_stack(void)
{
	signal(SIGSEGV, again);
	__asm__ volatile("xor %%esp, %%esp; push %%rax" : : : "memory");
}

static void bad_altstack(void)
{
	struct sigaction act = {.sa_handler = again, .sa_flags = SA_ONSTACK};
	stack_t stack = {.ss_sp = hole(8), .ss_size = 8 * PAGE};

	sigaltstack(&stack, NULL);
	sigaction(SIGSEGV, &act, NULL);
	dies();
}

int main(void)
{
	memory();
	instructions();
	efault();
	in_child("default", dies);
	in_child("ignored", ignores);
	in_child("blocked", blocks);
	in_child("in the handler", in_the_handler);
	in_child("without a stack", without_stack);
	in_child("bad signal stack", bad_altstack);
	return 0;
}
