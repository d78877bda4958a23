/* test.c: what the guest programs share; see test.h. */
#include "test.h"

#include <setjmp.h>
#include <stdarg.h>
#include <time.h>

/* ---------------------------------------------------------------- printing ------------------ */

void say(const char *format, ...)
{
	char line[512];
	va_list ap;
	int n;

	va_start(ap, format);
	n = vsnprintf(line, sizeof(line) - 1, format, ap);
	va_end(ap);
	if (n > (int)sizeof(line) - 2)
		n = sizeof(line) - 2;
	line[n] = '\n';
	if (write(1, line, (size_t)n + 1) < 0)
		_exit(99);
}

void result(const char *what, long r)
{
	if (r == -1)
		say("%s: %s", what, strerrorname_np(errno));
	else
		say("%s: %ld", what, r);
}

void placed(const char *what, void *got, void *want)
{
	if (got == MAP_FAILED)
		say("%s: %s", what, strerrorname_np(errno));
	else
		say("%s: %s", what, !want || got == want ? "ok" : "elsewhere");
}

/* ---------------------------------------------------------------- signals ------------------- */

static sigjmp_buf back;
static siginfo_t caught;

static void handler(int sig, siginfo_t *info, void *context)
{
	(void)sig, (void)context;
	caught = *info;
	siglongjmp(back, 1);
}

static const int signals[] = {SIGSEGV, SIGBUS, SIGILL, SIGFPE, SIGTRAP};
#define NR_SIGNALS (sizeof(signals) / sizeof(*signals))

static void arm(struct sigaction *old)
{
	static char altstack[16384];
	stack_t stack = {.ss_sp = altstack, .ss_size = sizeof(altstack)};
	struct sigaction act = {.sa_sigaction = handler, .sa_flags = SA_SIGINFO | SA_ONSTACK};

	sigaltstack(&stack, NULL);
	for (size_t i = 0; i < NR_SIGNALS; i++)
		sigaction(signals[i], &act, &old[i]);
}

static void disarm(const struct sigaction *old)
{
	for (size_t i = 0; i < NR_SIGNALS; i++)
		sigaction(signals[i], &old[i], NULL);
}

static const char *code_name(int sig, int code)
{
	static char number[16];

	if (code == SI_KERNEL)
		return "SI_KERNEL";
	if (sig == SIGSEGV && code == SEGV_MAPERR)
		return "SEGV_MAPERR";
	if (sig == SIGSEGV && code == SEGV_ACCERR)
		return "SEGV_ACCERR";
	if (sig == SIGBUS && code == BUS_ADRERR)
		return "BUS_ADRERR";
	snprintf(number, sizeof(number), "code %d", code);
	return number;
}

static void say_caught(const char *what, const void *base)
{
	say("%s: SIG%s %s %+ld", what, sigabbrev_np(caught.si_signo),
	    code_name(caught.si_signo, caught.si_code), (char *)caught.si_addr - (char *)base);
}

/* True if fn(arg) came back without a signal. */
static bool survives(void (*fn)(void *), void *arg)
{
	struct sigaction old[NR_SIGNALS];
	volatile bool fine = false;

	arm(old);
	if (!sigsetjmp(back, 1)) {
		fn(arg);
		fine = true;
	}
	disarm(old);
	return fine;
}

void catch (const char *what, void (*fn)(void *), void *arg, const void *base)
{
	if (survives(fn, arg))
		say("%s: returned", what);
	else
		say_caught(what, base);
}

static volatile char byte;

static void do_load(void *p)
{
	byte = *(volatile char *)p;
}

static void do_store(void *p)
{
	*(volatile char *)p = byte;
}

void look(const char *what, const void *p)
{
	if (survives(do_load, (void *)p))
		say("%s: 0x%02x", what, (unsigned char)byte);
	else
		say_caught(what, p);
}

void store(const char *what, void *p, char value)
{
	byte = value;
	if (survives(do_store, p))
		say("%s: written", what);
	else
		say_caught(what, p);
}

int raised(void (*fn)(void *), void *arg)
{
	return survives(fn, arg) ? 0 : caught.si_signo;
}

int touch(void *p)
{
	return raised(do_load, p);
}

int poke(void *p, char value)
{
	byte = value;
	return raised(do_store, p);
}

/* ---------------------------------------------------------------- memory -------------------- */

char *hole(size_t n)
{
	size_t around = 1024 * PAGE, len = n * PAGE + 2 * around;
	char *p = mmap(NULL, len, PROT_NONE, ANON, -1, 0);

	if (p == MAP_FAILED)
		exit(98);
	munmap(p, len);
	return p + around;
}

void fill(char *p, size_t n)
{
	for (size_t i = 0; i < n; i++)
		memset(p + i * PAGE, 'a' + (int)i % 26, PAGE);
}

char *pages(void *at, size_t n)
{
	char *p = mmap(at, n * PAGE, RW, ANON | (at ? MAP_FIXED : 0), -1, 0);

	if (p == MAP_FAILED)
		exit(98);
	fill(p, n);
	return p;
}

const char *letters(const char *p, size_t n)
{
	static char texts[4][64];
	static unsigned turn;
	char *text = texts[turn++ % 4];

	for (size_t i = 0; i < n; i++) {
		if (!survives(do_load, (void *)(p + i * PAGE)))
			text[i] = '!';
		else
			text[i] = byte ? byte : '.';
	}
	text[n] = 0;
	return text;
}

int file_of(size_t n)
{
	char name[] = "/tmp/kernel-test-XXXXXX", page[PAGE];
	int fd = mkstemp(name);

	if (fd < 0)
		exit(97);
	unlink(name);
	for (size_t i = 0; i < n; i++) {
		memset(page, 'a' + (int)i % 26, PAGE);
		if (write(fd, page, PAGE) != (ssize_t)PAGE)
			exit(97);
	}
	return fd;
}

char file_byte(int fd, off_t offset)
{
	char c;

	return pread(fd, &c, 1, offset) == 1 ? c : '!';
}

long status_kb(const char *field)
{
	char line[256];
	FILE *f = fopen("/proc/self/status", "r");
	size_t n = strlen(field);
	long kb = -1;

	while (f && fgets(line, sizeof(line), f))
		if (!strncmp(line, field, n) && line[n] == ':')
			kb = strtol(line + n + 1, NULL, 10);
	if (f)
		fclose(f);
	return kb;
}

/* ---------------------------------------------------------------- processes ----------------- */

int child(void (*fn)(void))
{
	int status = -1;
	pid_t pid = fork();

	if (pid == 0) {
		fn();
		_exit(0);
	}
	while (pid > 0 && waitpid(pid, &status, 0) < 0 && errno == EINTR)
		;
	return status;
}

void in_child(const char *what, void (*fn)(void))
{
	int status = child(fn);

	if (WIFSIGNALED(status))
		say("%s: signal %d", what, WTERMSIG(status));
	else if (WIFEXITED(status))
		say("%s: exit %d", what, WEXITSTATUS(status));
	else
		say("%s: no child", what);
}

/* ---------------------------------------------------------------- checks -------------------- */

uint32_t seed_of(uint32_t nth)
{
	const char *chosen = getenv("SEED");

	return nth + (chosen ? (uint32_t)strtoul(chosen, NULL, 10) * 2654435761u : 0);
}

long cpu_ms(void)
{
	struct timespec t;

	clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &t);
	return t.tv_sec * 1000 + t.tv_nsec / 1000000;
}

uint32_t rnd(uint32_t *state)
{
	*state = *state * 1664525u + 1013904223u;
	return *state >> 8;
}
