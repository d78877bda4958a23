/* memlock.c: RLIMIT_MEMLOCK and CAP_IPC_LOCK: who may lock how much memory, by every call that locks. */
#include "user.h"

static char *map(size_t n, int flags)
{
	return mmap(NULL, n * PAGE, RW, ANON | flags, -1, 0);
}

static void locked(const char *what)
{
	say("%s: %ld kB locked", what, status_kb("VmLck"));
}

static void allow(size_t n)
{
	limit(RLIMIT_MEMLOCK, n * PAGE);
}

/* As ann, with room for n pages. */
static void ann_with(size_t n)
{
	allow(n);
	become(ANN);
}

/* ---------------------------------------------------------------- calls --------------------- */

static void ranges(void)
{
	char *p = map(64, 0), *none = hole(1);

	ann_with(16);
	result("17 pages", mlock(p, 17 * PAGE));
	locked("nothing");
	result("17 pages, on fault", mlock2(p, 17 * PAGE, MLOCK_ONFAULT));
	result("16 pages", mlock(p, 16 * PAGE));
	result("again", mlock(p, 16 * PAGE));
	result("half of it and more", mlock(p + 8 * PAGE, 9 * PAGE));
	result("another one", mlock(p + 20 * PAGE, 1));
	result("munlock 1", munlock(p, 1));
	result("another one", mlock(p + 20 * PAGE, 1));
	locked("full");
	result("length 0", mlock(p, 0));
	result("nothing there", mlock(none, PAGE));
	result("too much of nothing", mlock(none, 100 * PAGE));
	result("length wraps", mlock(p, -PAGE));
	result("flags", mlock2(p, 100 * PAGE, 8));
	result("munlock more than is locked", munlock(p, 64 * PAGE));
	locked("nothing");
	result("16 pages", mlock(p, 16 * PAGE));
	munmap(p, 8 * PAGE);
	result("8 instead of those unmapped", mlock(p + 20 * PAGE, 8 * PAGE));
	locked("full");
}

static void maps(void)
{
	char *p, *q;

	ann_with(16);
	placed("17 pages", map(17, MAP_LOCKED), NULL);
	p = map(12, MAP_LOCKED);
	placed("12 pages", p, NULL);
	placed("5 pages", map(5, MAP_LOCKED), NULL);
	placed("in place of others", mmap(p, 12 * PAGE, RW, ANON | MAP_FIXED | MAP_LOCKED, -1, 0),
	       NULL);
	q = map(4, 0);
	placed("grow", mremap(p, 12 * PAGE, 17 * PAGE, MREMAP_MAYMOVE), NULL);
	p = mremap(p, 12 * PAGE, 16 * PAGE, MREMAP_MAYMOVE);
	placed("grow by less", p, NULL);
	locked("full");
	placed("move", mremap(p, 16 * PAGE, 16 * PAGE, MREMAP_MAYMOVE | MREMAP_FIXED, hole(16)),
	       NULL);
	locked("full");
	placed("not locked", map(100, 0), NULL);
	placed("no access, locked", mmap(NULL, PAGE, PROT_NONE, ANON | MAP_LOCKED, -1, 0), NULL);
	placed("shared, locked",
	       mmap(NULL, PAGE, RW, MAP_SHARED | MAP_ANONYMOUS | MAP_LOCKED, -1, 0), NULL);
	munmap(q, 4 * PAGE);
}

static void all(void)
{
	size_t size = (size_t)status_kb("VmSize") * 1024 / PAGE;

	allow(size + 8);
	become(ANN);
	result("current", mlockall(MCL_CURRENT));
	say("all is locked but for a few pages: %d",
	    status_kb("VmSize") - status_kb("VmLck") < 100);
	result("munlockall", munlockall());
	placed("more memory", map(64, 0), NULL);
	result("current, too much", mlockall(MCL_CURRENT));
	result("current and future", mlockall(MCL_CURRENT | MCL_FUTURE));
	result("on fault alone", mlockall(MCL_ONFAULT));
	locked("nothing");
}

static void future(void)
{
	char *p = map(4, 0);

	ann_with(16);
	result("future", mlockall(MCL_FUTURE));
	placed("17 pages", map(17, 0), NULL);
	placed("8 pages", map(8, 0), NULL);
	placed("9 pages", map(9, 0), NULL);
	say("brk: %s", sbrk(64 * PAGE) == (void *)-1 ? "refused" : "moved");
	placed("grow what is not locked", mremap(p, 4 * PAGE, 40 * PAGE, MREMAP_MAYMOVE), NULL);
	locked("8 pages");
	allow(1);
	placed("1 page", map(1, 0), NULL);
	result("munlockall", munlockall());
	placed("20 pages", map(20, 0), NULL);
}

static void none(void)
{
	char *p = map(4, MAP_LOCKED);

	locked("before");
	ann_with(0);
	result("lock", mlock(p, PAGE));
	result("lock nothing", mlock(p, 0));
	result("lock, flags", mlock2(p, PAGE, 8));
	result("wraps", mlock(p, -PAGE));
	placed("map locked", map(1, MAP_LOCKED), NULL);
	placed("map locked, without a type",
	       mmap(NULL, PAGE, RW, MAP_ANONYMOUS | MAP_LOCKED, -1, 0), NULL);
	placed("map", map(1, 0), NULL);
	placed("grow", mremap(p, 4 * PAGE, 5 * PAGE, MREMAP_MAYMOVE), NULL);
	result("all", mlockall(MCL_CURRENT));
	result("future", mlockall(MCL_FUTURE));
	result("bad flags", mlockall(64));
	result("munlock", munlock(p, PAGE));
	result("munlockall", munlockall());
	locked("nothing");
}

static void touch_below(void *p)
{
	*(volatile char *)p = 1;
}

static void stack(void)
{
	char *top = hole(2000) + 1000 * PAGE;

	ann_with(16);
	placed("a stack",
	       mmap(top, 4 * PAGE, RW, ANON | MAP_GROWSDOWN | MAP_FIXED | MAP_LOCKED, -1, 0), top);
	say("to 8 pages: %d", raised(touch_below, top - 4 * PAGE));
	locked("8 pages");
	say("to 17 pages: %d", raised(touch_below, top - 13 * PAGE));
	say("to 16 pages: %d", raised(touch_below, top - 12 * PAGE));
	locked("full");
}

/* ---------------------------------------------------------------- who ----------------------- */

static void tries(const char *who)
{
	char line[64], *p = map(17, 0);

	snprintf(line, sizeof(line), "%s, lock 17 pages", who);
	result(line, mlock(p, 17 * PAGE));
	munmap(p, 17 * PAGE);
}

static void root(void)
{
	char *p = map(40, 0);

	allow(16);
	tries("root");
	result("length wraps", mlock(p, -PAGE));
	placed("map locked", map(17, MAP_LOCKED), NULL);
	result("all", mlockall(MCL_CURRENT | MCL_FUTURE));
	placed("in future", map(17, 0), NULL);
	result("munlockall", munlockall());
	result("40 pages", mlock(p, 40 * PAGE));
	setresuid(-1, ANN, -1);
	tries("effective ann");
	result("of what is locked", mlock(p, 20 * PAGE));
	locked("still");
	setresuid(-1, 0, -1);
	tries("root again");
	set_caps(caps(false) & ~(1ull << CAP_IPC_LOCK), caps(true), 0);
	tries("root without CAP_IPC_LOCK");
	munlockall();
	become(ANN);
	tries("ann");
}

static void capability(void)
{
	allow(16);
	prctl(PR_SET_KEEPCAPS, 1);
	become(ANN);
	tries("ann");
	set_caps(1 << CAP_IPC_LOCK, 1 << CAP_IPC_LOCK, 0);
	tries("with CAP_IPC_LOCK");
	if (fork() == 0) {
		tries("child");
		_exit(0);
	}
	wait(NULL);
	allow(0);
	tries("and without a limit");
	set_caps(0, 1 << CAP_IPC_LOCK, 0);
	tries("without it");
}

/* What a child does in vfork() to itself is not done to its parent, whose memory it uses. */
static void vforked(void)
{
	allow(16);
	if (vfork() == 0) {
		syscall(SYS_setresuid, ANN, ANN, ANN);
		_exit(0);
	}
	wait(NULL);
	tries("after vfork and setuid");
	become(ANN);
	if (vfork() == 0) {
		struct rlimit l = {0, 0};

		syscall(SYS_setrlimit, RLIMIT_MEMLOCK, &l);
		_exit(0);
	}
	wait(NULL);
	result("after vfork and setrlimit", mlock(map(16, 0), 16 * PAGE));
}

static void inherited(void)
{
	char *p = map(16, 0);

	ann_with(16);
	mlock(p, 16 * PAGE);
	locked("parent");
	if (fork() == 0) {
		locked("child");
		tries("child");
		result("child, 16 pages", mlock(p, 16 * PAGE));
		_exit(0);
	}
	wait(NULL);
}

static void in_other_ways(void)
{
	struct rlimit64 l = {16 * PAGE, 32 * PAGE};
	pid_t pid;
	int fds[2];
	char c;

	if (pipe(fds))
		exit(1);
	pid = fork();
	if (pid == 0) {
		close(fds[1]);
		(void)!read(fds[0], &c, 1);
		become(ANN);
		tries("ann, by another's prlimit");
		result("16 pages", mlock(map(16, 0), 16 * PAGE));
		_exit(0);
	}
	result("prlimit", syscall(SYS_prlimit64, pid, RLIMIT_MEMLOCK, &l, NULL));
	close(fds[1]);
	waitpid(pid, NULL, 0);
}

static void executes(void)
{
	char *argv[] = {"memlock", "again", NULL}, *envp[] = {NULL};

	ann_with(16);
	execve("/proc/self/exe", argv, envp);
}

int main(int argc, char **argv)
{
	(void)argv;
	if (argc > 1) {
		tries("after exec");
		return 0;
	}
	be_root();
	status_kb("VmSize");
	in_child("ranges", ranges);
	in_child("maps", maps);
	in_child("all", all);
	in_child("future", future);
	in_child("none", none);
	in_child("stack", stack);
	in_child("root", root);
	in_child("capability", capability);
	in_child("vfork", vforked);
	in_child("inherited", inherited);
	in_child("others", in_other_ways);
	in_child("exec", executes);
	return 0;
}
