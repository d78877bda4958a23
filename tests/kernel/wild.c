/*
 * wild.c: every system call with bad pointers. Nothing is asked of the answers; the kernel must be there
 * afterwards, and this process as it was.
 *
 * Each number gets a child of its own, without open files but one, so that what it does to itself is gone
 * with it. A timer interrupts calls that wait.
 */
#include "test.h"

#include <sys/time.h>

#define LAST 460
#define FD   777

/* Those that reach beyond the child: signals to others, the machine's name, clock and power. */
static const int skipped[] = {
    SYS_kill,         SYS_tkill,         SYS_tgkill,   SYS_rt_sigqueueinfo, SYS_rt_tgsigqueueinfo,
    SYS_reboot,       SYS_kexec_load,    SYS_vhangup,  SYS_sethostname,     SYS_setdomainname,
    SYS_settimeofday, SYS_clock_settime, SYS_adjtimex, SYS_clock_adjtime,   SYS_pidfd_send_signal,
    SYS_acct,         SYS_msgget,        SYS_shmget,   SYS_semget,          SYS_kexec_file_load,
    SYS_iopl,         SYS_ioperm,        SYS_syslog,
};

static uintptr_t bad[7];
static volatile int *made; /* shared: calls the victim has made */

static void choose_bad(void)
{
	char *p = hole(4);

	pages(p, 2);
	mprotect(p, PAGE, PROT_READ);
	bad[0] = 0;
	bad[1] = (uintptr_t)p;                /* read-only */
	bad[2] = (uintptr_t)p + 2 * PAGE - 1; /* the last byte before nothing */
	bad[3] = 0x7fffffffeff8;              /* the last of user space */
	bad[4] = 0x8000000000000000;          /* non-canonical */
	bad[5] = 0xffff800000100000;          /* the kernel's */
	bad[6] = (uintptr_t)-1;
}

/* Registers alone: the call may come back twice (vfork), or on another stack. */
static inline long raw(long nr, const uintptr_t *a)
{
	register uintptr_t r10 __asm__("r10") = a[3], r8 __asm__("r8") = a[4],
	                       r9 __asm__("r9") = a[5];
	long result;

	__asm__ volatile("syscall"
	                 : "=a"(result)
	                 : "a"(nr), "D"(a[0]), "S"(a[1]), "d"(a[2]), "r"(r10), "r"(r8), "r"(r9)
	                 : "rcx", "r11", "memory");
	return result;
}

static void one_call(int nr, const uintptr_t *args)
{
	pid_t me = getpid();
	long r = raw(nr, args);

	(void)r;
	if (getpid() != me)
		_exit(0); /* a child of fork() and its like */
}

static void all_calls(int nr)
{
	for (int i = 0; i < 7; i++) {
		uintptr_t v = bad[i];
		const uintptr_t args[][6] = {
		    {v, v, v, v, v, v},   {FD, v, 16, 0, 0, 0}, {FD, v, v, v, v, v},
		    {v, 16, 0, 0, 0, 0},  {v, v, 16, v, 0, 0},  {-100ul, v, 0, v, 0},
		    {0, 0, v, v, v, v},   {1, v, v, v, 8, 0},   {v, 1, 8, v, v, v},
		    {FD, 1, v, v, 16, v}, {-100ul, v, v, 0, 0}, {2, v, 1, 8, 16, 32},
		};

		for (size_t k = 0; k < sizeof(args) / sizeof(*args); k++) {
			one_call(nr, args[k]);
			++*made;
		}
	}
}

static void nothing(int sig)
{
	(void)sig;
}

static void set_timer(long us)
{
	struct itimerval often = {{0, us}, {0, us}};
	struct sigaction act = {.sa_handler = nothing};

	sigaction(SIGALRM, &act, NULL);
	setitimer(ITIMER_REAL, &often, NULL);
}

static void victim(int nr)
{
	int fds[2];

	setsid();
	if (pipe(fds) || dup2(fds[1], FD) != FD)
		_exit(1);
	close_range(0, FD - 1, 0);
	set_timer(5000);
	all_calls(nr);
	_exit(0);
}

/* Does it wait for something? Field 3 of /proc/PID/stat, behind the name. */
static bool sleeps(pid_t pid)
{
	char path[32], text[256] = "", *name;
	int fd;

	snprintf(path, sizeof(path), "/proc/%d/stat", (int)pid);
	fd = open(path, O_RDONLY);
	if (read(fd, text, sizeof(text) - 1) <= 0)
		text[0] = 0;
	close(fd);
	name = strchr(text, ')');
	return name && name[1] == ' ' && name[2] == 'S';
}

/* Some calls take the victim's timer away, and then nothing wakes it: this process has one, too. */
static void reap(pid_t pid)
{
	int status, last = -1;

	while (waitpid(pid, &status, 0) < 0 && errno == EINTR) {
		if (*made == last && sleeps(pid))
			kill(pid, SIGKILL);
		last = *made;
	}
}

static bool is_skipped(int nr)
{
	for (size_t i = 0; i < sizeof(skipped) / sizeof(*skipped); i++)
		if (skipped[i] == nr)
			return true;
	return false;
}

int main(void)
{
	char *p = pages(NULL, 8);
	int calls = 0;

	choose_bad();
	set_timer(100000);
	made = mmap(NULL, PAGE, RW, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	CHECK(made != MAP_FAILED);
	for (int nr = 0; nr <= LAST; nr++) {
		pid_t pid;

		if (is_skipped(nr))
			continue;
		pid = fork();
		CHECK(pid >= 0);
		if (pid == 0)
			victim(nr);
		reap(pid);
		CHECK(!strcmp(letters(p, 8), "abcdefgh"));
		calls++;
	}
	say("%d system calls", calls);
	say("ok");
	return 0;
}
