/* fork.c: fork(2) and copy-on-write: who sees whose bytes. */
#include "test.h"

#include <sys/mman.h>

static char *p, *s;

static void child_writes(void)
{
	fill(p + 2 * PAGE, 2);
	p[0] = 'C';
	s[0] = 'S';
	say("child: %s %s", letters(p, 4), letters(s, 2));
}

static void two_ways(void)
{
	int to_child[2], to_parent[2];
	char c = 0;

	p = pages(NULL, 4);
	s = mmap(NULL, 2 * PAGE, RW, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	fill(s, 2);
	in_child("child writes", child_writes);
	say("parent: %s %s", letters(p, 4), letters(s, 2));
	if (pipe(to_child) || pipe(to_parent))
		exit(1);
	if (fork() == 0) {
		c = read(to_child[0], &c, 1) == 1 ? p[PAGE] : '?';
		s[PAGE] = c;
		_exit(write(to_parent[1], "x", 1) != 1);
	}
	p[PAGE] = 'P';
	say("parent writes: %s", letters(p, 4));
	if (write(to_child[1], "x", 1) == 1 && read(to_parent[0], &c, 1) == 1)
		say("child read: %c", s[PAGE]);
	wait(NULL);
}

static void generation(int level)
{
	int status;

	p[level * PAGE] = '0' + level;
	if (level < 7) {
		if (fork() == 0) {
			generation(level + 1);
			_exit(level);
		}
		wait(&status);
		say("generation %d: %s, child exit %d", level, letters(p, 8), WEXITSTATUS(status));
	}
}

static void generations(void)
{
	p = pages(NULL, 8);
	generation(0);
}

static void many_children(void)
{
	int good = 0;

	p = pages(NULL, 8);
	for (int i = 0; i < 50; i++) {
		int status;

		p[0] = i;
		if (fork() == 0) {
			p[PAGE] = i;
			_exit(p[0] == i && p[PAGE] == i ? 7 : 0);
		}
		wait(&status);
		good += WEXITSTATUS(status) == 7 && p[PAGE] == 'b';
	}
	say("children that saw the right bytes: %d", good);
}

static void unmap_in_child(void)
{
	munmap(p + PAGE, PAGE);
	mprotect(p, PAGE, PROT_READ);
	pages(p + PAGE, 1);
	say("child: %s", letters(p, 4));
	store("child, read-only", p, 1);
}

static void orphans(void)
{
	int fds[2], status;
	char c = 0;

	p = pages(NULL, 4);
	if (pipe(fds))
		exit(1);
	if (fork() == 0) {
		pid_t me = getpid();

		if (fork() == 0) {
			while (getppid() == me)
				usleep(1000);
			c = p[3 * PAGE];
			_exit(write(fds[1], &c, 1) != 1);
		}
		p[3 * PAGE] = 'X';
		_exit(0);
	}
	wait(&status);
	say("grandchild of a dead child: %zd", read(fds[0], &c, 1));
	say("saw: %c", c);
}

static void files(void)
{
	int fd = file_of(2), status;
	char *f = mmap(NULL, 2 * PAGE, RW, MAP_PRIVATE, fd, 0);

	f[0] = 'P';
	if (fork() == 0) {
		f[PAGE] = 'C';
		say("child: %s, file %c%c", letters(f, 2), file_byte(fd, 0), file_byte(fd, PAGE));
		_exit(0);
	}
	wait(&status);
	say("parent: %s, file %c%c", letters(f, 2), file_byte(fd, 0), file_byte(fd, PAGE));
}

static void stacks(void)
{
	volatile char local[3 * PAGE];
	int status;

	for (size_t i = 0; i < sizeof(local); i++)
		local[i] = 'l';
	if (fork() == 0) {
		for (size_t i = 0; i < sizeof(local); i++)
			local[i]++;
		_exit(local[100]);
	}
	wait(&status);
	say("stack: parent %c, child %c", local[100], WEXITSTATUS(status));
}

static void exec_self(void)
{
	char *argv[] = {"fork", "again", NULL};

	execv("/proc/self/exe", argv);
	_exit(55);
}

int main(int argc, char **argv)
{
	if (argc > 1) {
		say("executed: %s %s", argv[0], argv[1]);
		return 42;
	}
	two_ways();
	generations();
	many_children();
	p = pages(NULL, 4);
	in_child("child unmaps", unmap_in_child);
	say("parent: %s", letters(p, 4));
	orphans();
	files();
	stacks();
	in_child("exec", exec_self);
	return 0;
}
