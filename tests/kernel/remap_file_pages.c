/* remap_file_pages.c: remap_file_pages(2): pages of a file in any order. */
#include "test.h"

static int remap(void *p, size_t len, int prot, size_t pgoff, int flags)
{
	return (int)syscall(SYS_remap_file_pages, p, len, prot, pgoff, flags);
}

int main(void)
{
	int fd = file_of(8);
	char *p = mmap(hole(8), 8 * PAGE, RW, MAP_SHARED | MAP_FIXED, fd, 0);
	char *private = mmap(NULL, 2 * PAGE, RW, MAP_PRIVATE, fd, 0), *anon = pages(NULL, 2);

	result("one page", remap(p, PAGE, 0, 5, 0));
	say("now: %s", letters(p, 8));
	result("two pages", remap(p + 3 * PAGE, 2 * PAGE, 0, 6, 0));
	say("now: %s", letters(p, 8));
	p[0] = 'F';
	say("file: %c %c", file_byte(fd, 0), file_byte(fd, 5 * PAGE));
	say("both places: %s", letters(p, 8));
	result("not at a page", remap(p + PAGE + 77, PAGE, 0, 0, 0));
	say("now: %s", letters(p, 8));
	result("nonblock", remap(p + 7 * PAGE, PAGE, 0, 1, MAP_NONBLOCK));
	say("now: %s", letters(p, 8));
	result("beyond the end", remap(p + 6 * PAGE, PAGE, 0, 100, 0));
	look("touched", p + 6 * PAGE);
	result("back", remap(p + 6 * PAGE, PAGE, 0, 6, 0));
	result("dontneed", madvise(p, 8 * PAGE, MADV_DONTNEED));
	say("now: %s", letters(p, 8));
	result("private", remap(private, PAGE, 0, 1, 0));
	result("anonymous", remap(anon, PAGE, 0, 1, 0));
	result("with prot", remap(p, PAGE, PROT_READ, 1, 0));
	result("length 0", remap(p, 0, 0, 1, 0));
	result("length less than a page", remap(p, 100, 0, 1, 0));
	result("length wraps", remap(p, -PAGE, 0, 1, 0));
	result("offset wraps", remap(p, 2 * PAGE, 0, -1ul, 0));
	result("nothing there", remap(p + 8 * PAGE, PAGE, 0, 1, 0));
	if (fork() == 0) {
		say("child: %s", letters(p, 8));
		p[PAGE] = 'A';
		_exit(0);
	}
	wait(NULL);
	say("parent: %s", letters(p, 8));
	return 0;
}
