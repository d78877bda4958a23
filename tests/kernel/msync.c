/* msync.c: msync(2). */
#include "test.h"

int main(void)
{
	int fd = file_of(4);
	char *p = pages(hole(8), 8), *s = mmap(NULL, 4 * PAGE, RW, MAP_SHARED, fd, 0);

	s[0] = 'X';
	result("sync", msync(s, 4 * PAGE, MS_SYNC));
	say("file: %c", file_byte(fd, 0));
	s[PAGE] = 'Y';
	result("async", msync(s, 4 * PAGE, MS_ASYNC));
	say("file: %c", file_byte(fd, PAGE));
	result("invalidate", msync(s, 4 * PAGE, MS_INVALIDATE));
	result("sync and invalidate", msync(s, 4 * PAGE, MS_SYNC | MS_INVALIDATE));
	result("no flag", msync(s, 4 * PAGE, 0));
	result("sync and async", msync(s, PAGE, MS_SYNC | MS_ASYNC));
	result("unknown flag", msync(s, PAGE, 8));
	result("not at a page", msync(s + 1, PAGE, MS_SYNC));
	result("length 0", msync(s, 0, MS_SYNC));
	result("length 0, nothing there", msync(hole(1), 0, MS_SYNC));
	result("length rounded up", msync(s, 1, MS_SYNC));
	result("length wraps", msync(s, -PAGE, MS_SYNC));
	result("length rounds to 0", msync(s, -1ul, MS_SYNC));
	result("anonymous", msync(p, 8 * PAGE, MS_SYNC));
	munmap(p + 4 * PAGE, PAGE);
	result("hole", msync(p, 8 * PAGE, MS_SYNC));
	result("hole, async", msync(p, 8 * PAGE, MS_ASYNC));
	result("nothing there", msync(p + 4 * PAGE, PAGE, MS_SYNC));
	mlock(s + PAGE, PAGE);
	result("invalidate, locked", msync(s, 4 * PAGE, MS_INVALIDATE));
	result("sync, locked", msync(s, 4 * PAGE, MS_SYNC));
	result("not at a page, unknown flag", msync(s + 1, PAGE, 8));
	say("contents: %s", letters(s, 4));
	return 0;
}
