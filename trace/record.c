/*
 * record.c: objrmap-record: what a command, and all processes that come from it, do to their memory.
 *
 *     objrmap-record [--accesses[=WINDOW]] [-o FILE] -- COMMAND [ARGUMENT...]
 *
 * FILE is objrmap.trace if it is not given. The command runs under ptrace, and a filter of seccomp lets its processes stop for no system call but those
 * about memory and processes. Its exit status is the command's. Huge pages are off, because a trace is about
 * pages. x86-64 only; calls of 32-bit programs are not seen.
 *
 * With --accesses, the command runs in an emulator that sees each access (emulate.c), instead of the kernel
 * that sees each fault: some 30 times as slow, or more. WINDOW, 64 to begin with: accesses.h.
 */
#include <errno.h>
#include <getopt.h>
#include <linux/audit.h>
#include <linux/filter.h>
#include <linux/sched.h>
#include <linux/seccomp.h>
#include <poll.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/ptrace.h>
#include <sys/signalfd.h>
#include <sys/uio.h>
#include <sys/user.h>
#include <sys/wait.h>
#include <unistd.h>

#include "accesses.h"
#include "record.h"

static bool emulates; /* --accesses */

void die(const char *what)
{
	fprintf(stderr, "objrmap-record: %s: %s\n", what, strerror(errno));
	exit(1);
}

void *must(void *p)
{
	if (!p)
		die("cannot go on");
	return p;
}

/* ---------------------------------------------------------------- threads ------------------- */

struct task {
	pid_t tid, pid;
	struct call call;
	uint64_t clone_flags;
	uint64_t brk; /* of the process, in its first thread */
};
static struct task *tasks;
static size_t nr_tasks, max_tasks;

static struct task *task_of(pid_t tid)
{
	for (size_t i = 0; i < nr_tasks; i++)
		if (tasks[i].tid == tid)
			return &tasks[i];
	if (nr_tasks == max_tasks) {
		max_tasks = max_tasks ? 2 * max_tasks : 64;
		tasks = must(realloc(tasks, max_tasks * sizeof(*tasks)));
	}
	tasks[nr_tasks] = (struct task){.tid = tid, .pid = tid};
	return &tasks[nr_tasks++];
}

static void drop_task(pid_t tid)
{
	*task_of(tid) = tasks[nr_tasks - 1];
	nr_tasks--;
}

/* ---------------------------------------------------------------- the command --------------- */

/* Those about processes, and what emulate.c says; and those about memory, if nothing is emulated. */
static const int traced[] = {MARK_CALL,         SYS_clone,    SYS_clone3, SYS_fork,    SYS_vfork,
                             SYS_execve,        SYS_execveat, SYS_mmap,   SYS_munmap,  SYS_mprotect,
                             SYS_pkey_mprotect, SYS_mremap,   SYS_brk,    SYS_madvise, SYS_mlock,
                             SYS_mlock2,        SYS_munlock};
#define TRACED       (sizeof(traced) / sizeof(*traced))
#define TRACED_FIRST 7

/* Stop for these calls, and let all others run as fast as ever. */
static int install_filter(void)
{
	struct sock_filter code[TRACED + 5];
	unsigned n = 0, calls = emulates ? TRACED_FIRST : TRACED;

	code[n++] = (struct sock_filter)BPF_STMT(BPF_LD | BPF_W | BPF_ABS,
	                                         offsetof(struct seccomp_data, arch));
	code[n++] = (struct sock_filter)BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, AUDIT_ARCH_X86_64, 0,
	                                         (unsigned char)(calls + 1));
	code[n++] = (struct sock_filter)BPF_STMT(BPF_LD | BPF_W | BPF_ABS,
	                                         offsetof(struct seccomp_data, nr));
	for (unsigned i = 0; i < calls; i++)
		code[n++] =
		    (struct sock_filter)BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, (unsigned)traced[i],
		                                 (unsigned char)(calls - i), 0);
	code[n++] = (struct sock_filter)BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW);
	code[n++] = (struct sock_filter)BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_TRACE);
	if (prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0))
		return -1;
	return prctl(PR_SET_SECCOMP, SECCOMP_MODE_FILTER,
	             &(struct sock_fprog){.len = (unsigned short)n, .filter = code});
}

static _Noreturn void run_command(int go, char **argv)
{
	sigset_t none;
	char byte;

	sigemptyset(&none);
	sigprocmask(SIG_SETMASK, &none, NULL);
	signal(SIGINT, SIG_DFL);
	prctl(PR_SET_THP_DISABLE, 1, 0, 0, 0);
	if (read(go, &byte, 1) != 1 || install_filter())
		die("cannot filter system calls");
	execvp(argv[0], argv);
	fprintf(stderr, "objrmap-record: %s: %s\n", argv[0], strerror(errno));
	_exit(127);
}

static pid_t start(char **argv, unsigned *flags)
{
	long options = PTRACE_O_TRACECLONE | PTRACE_O_TRACEFORK | PTRACE_O_TRACEVFORK |
	               PTRACE_O_TRACEEXEC | PTRACE_O_TRACESECCOMP | PTRACE_O_TRACESYSGOOD |
	               PTRACE_O_EXITKILL;
	int go[2];
	pid_t pid;

	if (pipe(go))
		die("pipe");
	pid = fork();
	if (pid < 0)
		die("fork");
	if (pid == 0)
		run_command(go[0], argv);
	if (ptrace(PTRACE_SEIZE, pid, 0, options)) {
		kill(pid, SIGKILL);
		die("ptrace is not allowed");
	}
	*flags = emulates ? TRACE_FAULTS | TRACE_KINDS | TRACE_ACCESSES : faults_open(pid);
	if (write(go[1], "", 1) != 1)
		die("pipe");
	close(go[0]);
	close(go[1]);
	return pid;
}

/* ---------------------------------------------------------------- stops --------------------- */

static uint64_t clone_flags(const struct task *t)
{
	uint64_t flags = 0;

	switch (t->call.nr) {
	case SYS_clone:
		return t->call.arg[0];
	case SYS_vfork:
		return CLONE_VM;
	case SYS_clone3:
		process_vm_readv(t->tid, &(struct iovec){&flags, sizeof(flags)}, 1,
		                 &(struct iovec){(void *)(uintptr_t)t->call.arg[0], sizeof(flags)},
		                 1, 0);
		return flags;
	default:
		return 0;
	}
}

/* A system call that matters begins; how to let it go on. */
static int on_call(struct task *t)
{
	struct user_regs_struct r;

	if (ptrace(PTRACE_GETREGS, t->tid, 0, &r))
		return PTRACE_CONT;
	t->call = (struct call){.entered = now(),
	                        .nr = r.orig_rax,
	                        .arg = {r.rdi, r.rsi, r.rdx, r.r10, r.r8, r.r9}};
	t->clone_flags = clone_flags(t);
	if (t->call.nr == SYS_execve && emulates)
		emulate_exec(t->tid, &r);
	if (t->call.nr == MARK_CALL && emulates)
		emulate_mark(t->tid, t->pid, &r, &task_of(t->pid)->brk);
	return call_matters(t->call.nr) ? PTRACE_SYSCALL : PTRACE_CONT;
}

static void on_return(struct task *t)
{
	struct user_regs_struct r;

	if (!ptrace(PTRACE_GETREGS, t->tid, 0, &r))
		call_done(t->pid, &t->call, (int64_t)r.rax, &task_of(t->pid)->brk);
}

static void on_clone(pid_t tid)
{
	unsigned long message = 0;
	struct task parent, *child;
	uint64_t brk;

	if (ptrace(PTRACE_GETEVENTMSG, tid, 0, &message))
		return;
	parent = *task_of(tid);
	brk = task_of(parent.pid)->brk;
	child = task_of((pid_t)message);
	if (parent.clone_flags & CLONE_THREAD) {
		child->pid = parent.pid;
		return;
	}
	child->brk = brk;
	note_fork(parent.call.entered, parent.pid, child->tid, parent.clone_flags & CLONE_VM);
}

/* The thread that calls becomes the first of its process, and the others are gone. */
static void on_exec(pid_t tid)
{
	unsigned long former = 0;
	uint64_t entered;
	struct task *t;

	ptrace(PTRACE_GETEVENTMSG, tid, 0, &former);
	entered = task_of((pid_t)former)->call.entered;
	if ((pid_t)former != tid)
		drop_task((pid_t)former);
	t = task_of(tid);
	t->brk = 0;
	note_exec(entered, t->pid);
	if (!emulates)
		note_layout(entered, t->pid, false);
}

static void on_stop(pid_t tid, int status)
{
	int signal = WSTOPSIG(status), how = PTRACE_CONT;

	switch (status >> 16) {
	case PTRACE_EVENT_SECCOMP:
		how = on_call(task_of(tid)), signal = 0;
		break;
	case PTRACE_EVENT_CLONE:
	case PTRACE_EVENT_FORK:
	case PTRACE_EVENT_VFORK:
		on_clone(tid), signal = 0;
		break;
	case PTRACE_EVENT_EXEC:
		on_exec(tid), signal = 0;
		break;
	case PTRACE_EVENT_STOP:
		how = signal == SIGTRAP ? PTRACE_CONT : PTRACE_LISTEN;
		signal = 0;
		break;
	default:
		if (signal == (SIGTRAP | 0x80))
			on_return(task_of(tid)), signal = 0;
	}
	ptrace(how, tid, 0, signal);
}

static void on_end(pid_t tid)
{
	if (task_of(tid)->pid == tid)
		note_exit(now(), tid);
	drop_task(tid);
}

/* Until all processes are gone; the status of the first. */
static int follow(pid_t first)
{
	struct pollfd wait[FAULT_CPUS + 1] = {{.events = POLLIN}};
	int fds[FAULT_CPUS], n = faults_fds(fds), status, result = 0;
	sigset_t child;
	pid_t tid;

	sigemptyset(&child);
	sigaddset(&child, SIGCHLD);
	wait[0].fd = signalfd(-1, &child, SFD_CLOEXEC);
	for (int i = 0; i < n; i++)
		wait[i + 1] = (struct pollfd){.fd = fds[i], .events = POLLIN};
	for (;;) {
		struct signalfd_siginfo info;

		tid = waitpid(-1, &status, __WALL | WNOHANG);
		if (tid < 0)
			break;
		if (tid == 0) {
			poll(wait, (nfds_t)n + 1, 100);
			if (wait[0].revents && read(wait[0].fd, &info, sizeof(info)) < 0)
				die("signalfd");
			faults_drain();
		} else if (WIFSTOPPED(status)) {
			on_stop(tid, status);
		} else {
			on_end(tid);
			if (tid == first)
				result = WIFEXITED(status) ? WEXITSTATUS(status)
				                           : 128 + WTERMSIG(status);
		}
	}
	faults_drain();
	return result;
}

/* ---------------------------------------------------------------- main ---------------------- */

static char *join(char **argv)
{
	size_t n = 1;
	char *command;

	for (char **a = argv; *a; a++)
		n += strlen(*a) + 1;
	command = must(calloc(n, 1));
	for (char **a = argv; *a; a++) {
		strcat(command, *a);
		if (a[1])
			strcat(command, " ");
	}
	return command;
}

static int usage(void)
{
	fprintf(stderr,
	        "usage: objrmap-record [--accesses[=WINDOW]] [-o FILE] -- COMMAND [ARGUMENT...]\n");
	return 2;
}

int main(int argc, char **argv)
{
	static const struct option options[] = {{"accesses", optional_argument, NULL, 'a'}, {0}};
	const char *path = "objrmap.trace";
	unsigned flags;
	sigset_t child;
	int option, window = 0, result;

	while ((option = getopt_long(argc, argv, "+o:", options, NULL)) == 'o' || option == 'a')
		if (option == 'o')
			path = optarg;
		else if ((window = optarg ? atoi(optarg) : ACCESS_WINDOW) < 1 ||
		         window > ACCESS_WINDOW_MAX)
			return usage();
	if (option != -1 || optind == argc)
		return usage();
	sigemptyset(&child);
	sigaddset(&child, SIGCHLD);
	sigprocmask(SIG_BLOCK, &child, NULL); /* they wait in a signalfd */
	signal(SIGINT, SIG_IGN); /* the command's to end; then what there is is written */
	emulates = window;
	if (emulates)
		emulate_open((unsigned)window);
	result = follow(start(argv + optind, &flags));
	if (emulates)
		emulate_close();
	if (faults_lost())
		fprintf(stderr,
		        "objrmap-record: warning: %llu faults are lost: the buffers were full\n",
		        (unsigned long long)faults_lost());
	write_events(path, flags, join(argv + optind));
	return result;
}
