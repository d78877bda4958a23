/* process_vm.c: process_vm_readv(2), process_vm_writev(2), between a parent and its child. */
#include "test.h"

#include <sys/uio.h>

static char *far, *near;
static pid_t pid;

static struct iovec piece(void *base, size_t len)
{
	return (struct iovec){base, len};
}

static void copying(void)
{
	struct iovec l[3] = {piece(near, 10), piece(near + PAGE, 3 * PAGE),
	                     piece(near + 5 * PAGE, 20)};
	struct iovec r[3] = {piece(far + PAGE - 5, 10), piece(far, 0),
	                     piece(far + 2 * PAGE, 2 * PAGE)};

	result("read", process_vm_readv(pid, l, 3, r, 3, 0));
	say("pieces: %.10s %c%c %.1s", near, near[PAGE], near[3 * PAGE - 11], near + 5 * PAGE);
	memcpy(near, "written to the child", 20);
	l[0] = piece(near, 20);
	r[0] = piece(far + PAGE - 10, 5);
	r[1] = piece(far + 3 * PAGE - 7, 15);
	result("write", process_vm_writev(pid, l, 1, r, 2, 0));
	l[0] = piece(near, 20);
	result("read it", process_vm_readv(pid, l, 1, r, 2, 0));
	say("it: %.20s", near);
	l[0] = piece(near, 4 * PAGE);
	r[0] = piece(far, 4 * PAGE);
	result("read shared again", process_vm_readv(pid, l, 1, r, 1, 0));
	say("parent's own: %s", letters(far, 4));
}

static void partial(void)
{
	struct iovec l[2] = {piece(near, 8 * PAGE), piece(near, 0)},
	             r[2] = {piece(far + 3 * PAGE, 3 * PAGE)};

	result("into nothing", process_vm_readv(pid, l, 1, r, 1, 0));
	r[0] = piece(far + 4 * PAGE, PAGE);
	result("nothing", process_vm_readv(pid, l, 1, r, 1, 0));
	r[0] = piece(far + 3 * PAGE, PAGE);
	r[1] = piece(far + 4 * PAGE, PAGE);
	result("second piece bad", process_vm_readv(pid, l, 1, r, 2, 0));
	r[0] = piece(far + 5 * PAGE, PAGE);
	result("read-only, read", process_vm_readv(pid, l, 1, r, 1, 0));
	result("read-only, write", process_vm_writev(pid, l, 1, r, 1, 0));
	r[0] = piece(far + 6 * PAGE, PAGE);
	result("no access, read", process_vm_readv(pid, l, 1, r, 1, 0));
	r[0] = piece(far, 2 * PAGE);
	l[0] = piece(near + 7 * PAGE, 2 * PAGE);
	result("own side too short", process_vm_readv(pid, l, 1, r, 1, 0));
	l[0] = piece(near + 8 * PAGE, PAGE);
	result("own side nothing", process_vm_readv(pid, l, 1, r, 1, 0));
	result("own side nothing, write", process_vm_writev(pid, l, 1, r, 1, 0));
	l[0] = piece(near, 100);
	result("own side shorter", process_vm_readv(pid, l, 1, r, 1, 0));
	r[0] = piece((void *)0xffff800000000000, PAGE);
	result("kernel space", process_vm_readv(pid, l, 1, r, 1, 0));
	l[0] = piece((void *)0xffff800000000000, PAGE);
	r[0] = piece(far, PAGE);
	result("own side kernel space", process_vm_readv(pid, l, 1, r, 1, 0));
}

static void refused(void)
{
	struct iovec l[1] = {piece(near, PAGE)}, r[1] = {piece(far, PAGE)},
	             none[1] = {piece(near, 0)};

	result("flags", process_vm_readv(pid, l, 1, r, 1, 1));
	result("too many", process_vm_readv(pid, l, 1025, r, 1, 0));
	result("too many there", process_vm_readv(pid, l, 1, r, 1025, 0));
	result("bad list", process_vm_readv(pid, NULL, 1, r, 1, 0));
	result("bad list there", process_vm_readv(pid, l, 1, NULL, 1, 0));
	result("no pieces", process_vm_readv(pid, l, 0, r, 1, 0));
	result("no pieces there", process_vm_readv(pid, l, 1, r, 0, 0));
	result("empty piece", process_vm_readv(pid, none, 1, r, 1, 0));
	result("empty piece there", process_vm_readv(pid, l, 1, none, 1, 0));
	result("no such process", process_vm_readv(0x3ffffff, l, 1, r, 1, 0));
	result("no such process, nothing to do", process_vm_readv(0x3ffffff, l, 1, none, 1, 0));
	l[0].iov_len = -1ul;
	result("negative length", process_vm_readv(pid, l, 1, r, 1, 0));
}

int main(void)
{
	far = pages(hole(8), 8);
	near = mmap(hole(8), 8 * PAGE, RW, ANON | MAP_FIXED, -1, 0);
	munmap(far + 4 * PAGE, PAGE);
	mprotect(far + 5 * PAGE, PAGE, PROT_READ);
	mprotect(far + 6 * PAGE, PAGE, PROT_NONE);
	pid = fork();
	if (pid < 0)
		exit(96);
	if (pid == 0)
		for (;;)
			pause();
	copying();
	partial();
	refused();
	kill(pid, SIGKILL);
	wait(NULL);
	result("gone",
	       process_vm_readv(pid, &(struct iovec){near, 1}, 1, &(struct iovec){far, 1}, 1, 0));
	return 0;
}
