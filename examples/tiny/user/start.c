/* start.c: where a program begins, and the system calls that take more than a line. */
#include "user.h"

__attribute__((section(".start"))) void start(void)
{
	exit(main());
}

void write(const char *text, size_t len)
{
	call(CALL_WRITE, (uintptr_t)text, len);
}

long wait(void)
{
	long status;

	while ((status = call(CALL_WAIT, 0, 0)) < 0)
		yield();
	return status;
}
