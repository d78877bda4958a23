/* limits.c: resource limits of memory. Run as root: the one of locked memory does not hold then. */
#include "test.h"

#include <poll.h>
#include <sys/resource.h>

static void limit(int which, long bytes)
{
	struct rlimit l;

	getrlimit(which, &l);
	l.rlim_cur = (rlim_t)bytes;
	result("limit", setrlimit(which, &l));
}

static char *map(size_t n, int prot, int flags)
{
	return mmap(NULL, n * PAGE, prot, flags | MAP_ANONYMOUS, -1, 0);
}

static void address_space(void)
{
	char *p;

	limit(RLIMIT_AS, status_kb("VmSize") * 1024 + 16 * (long)PAGE);
	placed("17 pages", map(17, RW, MAP_PRIVATE), NULL);
	placed("17 pages, shared", map(17, RW, MAP_SHARED), NULL);
	placed("17 pages, no access", map(17, PROT_NONE, MAP_PRIVATE), NULL);
	p = map(16, RW, MAP_PRIVATE);
	placed("16 pages", p, NULL);
	placed("1 more", map(1, PROT_READ, MAP_PRIVATE), NULL);
	placed("grow", mremap(p, 16 * PAGE, 17 * PAGE, MREMAP_MAYMOVE), NULL);
	placed("in place of a part", mmap(p, 4 * PAGE, RW, ANON | MAP_FIXED, -1, 0), p);
	munmap(p, PAGE);
	placed("1 given back, 1 taken", map(1, RW, MAP_PRIVATE), NULL);
	say("brk: %s", sbrk(4 * PAGE) == (void *)-1 ? "refused" : "moved");
}

static void data(void)
{
	char *ro = map(64, PROT_READ, MAP_PRIVATE), *p;

	limit(RLIMIT_DATA, status_kb("VmData") * 1024 + 16 * (long)PAGE);
	placed("17 pages", map(17, RW, MAP_PRIVATE), NULL);
	placed("17 pages, shared", map(17, RW, MAP_SHARED), NULL);
	placed("17 pages, read-only", map(17, PROT_READ, MAP_PRIVATE), NULL);
	result("17 pages made writable", mprotect(ro, 17 * PAGE, RW));
	result("16 pages made writable", mprotect(ro, 16 * PAGE, RW));
	placed("1 more", map(1, RW, MAP_PRIVATE), NULL);
	result("made read-only", mprotect(ro, 16 * PAGE, PROT_READ));
	p = map(15, RW, MAP_PRIVATE);
	placed("15 pages", p, NULL);
	placed("grow", mremap(p, 15 * PAGE, 17 * PAGE, MREMAP_MAYMOVE), NULL);
	say("brk: %s", sbrk(4 * PAGE) == (void *)-1 ? "refused" : "moved");
}

static volatile char sink;

static void __attribute__((noinline)) use_stack(long bytes)
{
	volatile char page[PAGE];

	page[0] = 1;
	if (bytes > 0)
		use_stack(bytes - (long)PAGE);
	sink = page[0];
}

static void stack(void)
{
	limit(RLIMIT_STACK, 256 * 1024);
	use_stack(100 * 1024);
	say("100 kB of stack used");
	use_stack(1024 * 1024);
	say("1 MB of stack used");
}

static void stack_fault(void *unused)
{
	(void)unused;
	use_stack(1024 * 1024);
}

static void stack_caught(void)
{
	limit(RLIMIT_STACK, 256 * 1024);
	say("overflow: signal %d", raised(stack_fault, NULL));
}

static void locked_memory(void)
{
	char *p = map(32, RW, MAP_PRIVATE);

	limit(RLIMIT_MEMLOCK, 16 * (long)PAGE);
	result("root locks beyond the limit", mlock(p, 32 * PAGE));
	limit(RLIMIT_MEMLOCK, 0);
	result("root locks without", mlock(p, PAGE));
	placed("root maps locked", map(4, RW, MAP_PRIVATE | MAP_LOCKED), NULL);
}

static void files(void)
{
	int fd = 0, n = 0;

	limit(RLIMIT_NOFILE, 20);
	while (fd >= 0 && n++ < 100)
		fd = dup(1);
	result("dup", fd);
	result("dup2 beyond", dup2(1, 20));
	result("dup2 at the end", dup2(1, 19));
}

static void many_files(void)
{
	static struct pollfd fds[1501];

	limit(RLIMIT_NOFILE, 1500);
	for (int i = 0; i < 1501; i++)
		fds[i].fd = -1;
	result("dup2 at the end", dup2(1, 1499));
	result("dup2 beyond", dup2(1, 1500));
	result("fcntl", fcntl(1, F_DUPFD, 1400));
	result("write to it", write(1499, "", 0));
	result("poll", poll(fds, 1500, 0));
	fds[1499] = (struct pollfd){.fd = 1499, .events = POLLOUT};
	result("poll", poll(fds, 1500, 0));
	result("poll beyond", poll(fds, 1501, 0));
	result("close the last", close_range(1000, ~0u, 0));
	result("closed", close(1499));
}

static void inherited(void)
{
	struct rlimit l;

	limit(RLIMIT_DATA, 1 << 20);
	if (fork() == 0) {
		getrlimit(RLIMIT_DATA, &l);
		say("child: %ld", (long)l.rlim_cur);
		placed("child maps", map(1000, RW, MAP_PRIVATE), NULL);
		_exit(0);
	}
	wait(NULL);
}

int main(void)
{
	status_kb("VmSize"); /* libc's buffers are there from now on */
	in_child("address space", address_space);
	in_child("data", data);
	in_child("stack", stack);
	in_child("locked memory", locked_memory);
	in_child("files", files);
	in_child("many files", many_files);
	in_child("inherited", inherited);
	in_child("stack, caught", stack_caught);
	return 0;
}
