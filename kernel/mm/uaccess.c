/*
 * uaccess.c: copying between the kernel and the memory of the running process.
 *
 * om_read() and om_write() do it, through the frames' own addresses in the kernel: a user address
 * is never dereferenced, so there is no trap to recover from, and what the kernel may do there is
 * decided by the areas' permissions. Their errors are Linux's.
 */
#include "vm.h"

int user_read(void *to, uintptr_t from, size_t n)
{
	return om_read(current_mm(), from, to, n, NULL);
}

int user_write(uintptr_t to, const void *from, size_t n)
{
	return om_write(current_mm(), to, from, n, NULL);
}

/*
 * om_pin() does all that a write would do before it writes. A page that has too many pins already
 * (-EAGAIN) is there and can be written, too.
 */
long user_writable(uintptr_t to, size_t n)
{
	size_t sum = 0;

	while (sum < n) {
		om_pfn_t pfn;
		int err = om_pin(current_mm(), to + sum, OM_WRITE, &pfn);

		if (!err)
			om_unpin(vm, pfn, false);
		else if (err != -EAGAIN)
			return sum ? (long)sum : err;
		sum += MIN(n - sum, PAGE_SIZE - (to + sum) % PAGE_SIZE);
	}
	return (long)sum;
}

/* Read as far as the page goes: the string may end just before one that is not there. */
long user_string(char *to, uintptr_t from, size_t max)
{
	size_t len = 0;

	while (len < max) {
		size_t n = MIN(PAGE_SIZE - (from + len) % PAGE_SIZE, MIN(max - len, 256));
		int err = user_read(to + len, from + len, n);
		size_t found = err ? 0 : strnlen(to + len, n);

		if (err)
			return err;
		len += found;
		if (found < n)
			return (long)len;
	}
	return -ENAMETOOLONG;
}
