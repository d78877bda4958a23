/*
 * beside.c: what programs get while another one needs more memory than there is, and while a file
 * goes by that is larger than memory.
 */
#define _GNU_SOURCE
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

#include "moment.h"
#include "pages.h"

static void write_all(char *memory, size_t bytes)
{
	for (size_t i = 0; i < bytes; i += PAGE)
		++*(size_t *)(memory + i);
}

static int end(pid_t hog, int failed)
{
	kill(hog, SIGKILL);
	waitpid(hog, NULL, 0);
	printf("%d commands failed\n", failed);
	return failed != 0;
}

/* ---------------------------------------------------------------- by turns ------------------ */

static void hog_by_turns(size_t bytes, int go, int done)
{
	char *memory = pages_map(bytes), x;

	while (read(go, &x, 1) == 1) {
		write_all(memory, bytes);
		if (write(done, &x, 1) != 1)
			break;
	}
	_exit(0);
}

/* By turns, `rounds` times: a hog writes to all of its `mib`, and the command runs. */
int beside_turns(long mib, long rounds, char **command)
{
	int go[2], done[2], failed = 0;
	char x = 'x';
	pid_t hog;

	if (pipe(go) || pipe(done))
		return 1;
	hog = fork();
	if (!hog) {
		close(go[1]);
		hog_by_turns((size_t)mib * MIB, go[0], done[1]);
	}
	for (long r = 0; r < rounds; r++) {
		if (write(go[1], &x, 1) != 1 || read(done[0], &x, 1) != 1)
			return 1;
		failed += run_quietly(command) != 0;
	}
	return end(hog, failed);
}

/* ---------------------------------------------------------------- at the same time ---------- */

#define PAUSE_US 50000 /* between two commands; the hog goes on */

/* Major faults of all children that have ended, and of theirs. */
static long major_faults(void)
{
	struct rusage r;

	return getrusage(RUSAGE_CHILDREN, &r) ? 0 : r.ru_majflt;
}

/*
 * How long does a command take while a hog writes to all of its `mib` over and over, without a
 * pause? Each of the `runs` is a stretch between two moments of its own, and a line "@run N" says
 * how many major faults it had itself.
 */
int beside_hog(long mib, long runs, char **command)
{
	int failed = 0;
	pid_t hog;

	setvbuf(stdin, NULL, _IONBF, 0);
	run_quietly(command);
	hog = fork();
	if (!hog) {
		size_t bytes = (size_t)mib * MIB;

		for (char *memory = pages_map(bytes);;)
			write_all(memory, bytes);
	}
	for (long r = 0; r < runs; r++) {
		long before = major_faults();

		usleep(PAUSE_US);
		moment_begin("from");
		failed += run_quietly(command) != 0;
		moment_end("to");
		printf("@run %ld\n", major_faults() - before);
	}
	return end(hog, failed);
}

/* ---------------------------------------------------------------- a stream ------------------ */

#define CHUNK   (64ul << 10)
#define TOUCHES 40 /* pages of the working set, for each chunk */

/* A file as private memory, to read from. */
static char *map_file(const char *path, size_t *bytes)
{
	int fd = open(path, O_RDONLY | O_CLOEXEC);
	off_t end = fd < 0 ? -1 : lseek(fd, 0, SEEK_END);
	char *p = end > 0 ? mmap(NULL, (size_t)end, PROT_READ, MAP_PRIVATE, fd, 0) : MAP_FAILED;

	if (p == MAP_FAILED) {
		perror(path);
		exit(1);
	}
	close(fd);
	*bytes = (size_t)end;
	return p;
}

/*
 * Reads a large file once, and between its chunks looks at random pages of a working set that fits:
 * `set_mib` of anonymous memory, and the whole of a smaller file that is mapped.
 */
int stream(long set_mib, const char *mapped, const char *path)
{
	static char chunk[CHUNK];
	size_t n = (size_t)set_mib * MIB / PAGE, text_bytes;
	char *set = pages_map(n * PAGE), *text = map_file(mapped, &text_bytes);
	int fd = open(path, O_RDONLY | O_CLOEXEC);
	unsigned long sum = 0;
	ssize_t got;

	pages_number(set, n);
	for (size_t i = 0; i < text_bytes; i += PAGE)
		sum += ((volatile unsigned char *)text)[i];
	while ((got = read(fd, chunk, CHUNK)) > 0)
		for (int k = 0; k < TOUCHES; k++) {
			size_t i = random_next() % (n + text_bytes / PAGE);

			if (i < n)
				page_at(set, i)[1]++;
			else
				sum += ((volatile unsigned char *)text)[(i - n) * PAGE];
		}
	return got < 0 || sum == 1;
}
