/* mprotect.c: mprotect(2): what is refused, how far a failing call gets, what the memory then allows. */
#include "test.h"

static void refused(void)
{
	char *p = pages(hole(4), 2), *gone = p + 2 * PAGE;

	result("not at a page", mprotect(p + 1, PAGE, RW));
	result("length 0", mprotect(p, 0, PROT_READ));
	result("length 0, not at a page", mprotect(p + 1, 0, PROT_READ));
	result("length 0, nothing there", mprotect(gone, 0, PROT_READ));
	result("unknown bit", mprotect(p, PAGE, 0x10));
	result("unknown bit, nothing there", mprotect(gone, PAGE, 0x10));
	result("unknown high bit", syscall(SYS_mprotect, p, PAGE, 1ul << 40));
	result("PROT_SEM", mprotect(p, PAGE, RW | 8));
	result("nothing there", mprotect(gone, PAGE, PROT_READ));
	result("length wraps", mprotect(p, -PAGE, PROT_READ));
	result("length rounds to 0", mprotect(p, -1ul, PROT_READ));
	result("kernel space", mprotect((void *)0xffff800000000000, PAGE, PROT_READ));
	result("grows down, but does not", mprotect(p, PAGE, PROT_READ | PROT_GROWSDOWN));
	result("grows both ways", mprotect(p, PAGE, PROT_READ | PROT_GROWSDOWN | PROT_GROWSUP));
	say("untouched: %s", letters(p, 2));
	store("still writable", p, 'a');
}

static void holes(void)
{
	char *p = pages(hole(8), 8);

	munmap(p + 3 * PAGE, PAGE);
	result("over a hole", mprotect(p, 8 * PAGE, PROT_NONE));
	say("before it changed, after it not: %s", letters(p, 8));
	result("back", mprotect(p, 3 * PAGE, RW));
	say("contents kept: %s", letters(p, 8));
	result("starting in the hole", mprotect(p + 3 * PAGE, 2 * PAGE, PROT_NONE));
	say("unchanged: %s", letters(p, 8));
}

static void rights(void)
{
	char *p = pages(NULL, 3);

	result("read-only", mprotect(p + PAGE, PAGE, PROT_READ));
	look("read", p + PAGE);
	store("write", p + PAGE, 1);
	store("write before", p, 'A');
	store("write after", p + 2 * PAGE, 'C');
	result("none", mprotect(p + PAGE, PAGE, PROT_NONE));
	look("read", p + PAGE);
	store("write", p + PAGE, 1);
	result("read and write", mprotect(p + PAGE, PAGE, RW));
	store("write", p + PAGE, 'B');
	say("all: %s", letters(p, 3));
	result("length rounded up", mprotect(p, PAGE + 1, PROT_READ));
	store("second page", p + PAGE, 1);
	result("write implies read", mprotect(p, PAGE, PROT_WRITE));
	look("read", p);
	result("untouched made read-only",
	       mprotect(mmap(NULL, PAGE, RW, ANON, -1, 0), PAGE, PROT_READ));
}

static void child_writes(void)
{
	char *p = pages(NULL, 2);

	mprotect(p, 2 * PAGE, PROT_READ);
	if (fork() == 0) {
		mprotect(p, 2 * PAGE, RW);
		p[0] = 'C';
		say("child: %s", letters(p, 2));
		_exit(0);
	}
	wait(NULL);
	mprotect(p, 2 * PAGE, RW);
	p[PAGE] = 'P';
	say("parent: %s", letters(p, 2));
}

static void files(void)
{
	int fd = file_of(2), ro;
	char name[64], *s, *p;

	snprintf(name, sizeof(name), "/tmp/kernel-test-mprotect-%d", (int)getpid());
	ro = open(name, O_CREAT | O_RDWR, 0600);
	result("file", write(ro, "0123", 4));
	close(ro);
	ro = open(name, O_RDONLY);
	unlink(name);
	s = mmap(NULL, PAGE, PROT_READ, MAP_SHARED, ro, 0);
	p = mmap(NULL, PAGE, PROT_READ, MAP_PRIVATE, ro, 0);
	result("write to shared map of read-only file", mprotect(s, PAGE, RW));
	result("write to private map of it", mprotect(p, PAGE, RW));
	store("private write", p, 'X');
	look("shared unchanged", s);
	s = mmap(NULL, 2 * PAGE, PROT_READ, MAP_SHARED, fd, 0);
	store("shared read-only, write", s, 1);
	result("made writable", mprotect(s, 2 * PAGE, RW));
	store("write", s, 'S');
	say("file: %c", file_byte(fd, 0));
}

static void stack(void)
{
	char *p = hole(600), *top = p + 590 * PAGE;

	mmap(top, 4 * PAGE, RW, ANON | MAP_GROWSDOWN | MAP_FIXED, -1, 0);
	fill(top, 4);
	result("grows down", mprotect(top + 2 * PAGE, PAGE, PROT_READ | PROT_GROWSDOWN));
	store("its start", top, 1);
	store("its end", top + 3 * PAGE, 1);
}

int main(void)
{
	refused();
	holes();
	rights();
	child_writes();
	files();
	stack();
	return 0;
}
