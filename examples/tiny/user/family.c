/* family.c: memory on demand, copy-on-write fork, and what happens to those who go astray. */
#include "user.h"

#define SIZE (64 * PAGE)

static void demand(volatile char *memory)
{
	print("family: 64 pages mapped, %lu in memory\n", in_memory(memory, SIZE));
	for (int i = 0; i < 3; i++)
		memory[i * PAGE] = 1;
	print("family: 3 written, %lu in memory\n", in_memory(memory, SIZE));
	print("family: the next one reads as %lu, ", (uint64_t)memory[3 * PAGE]);
	print("%lu in memory\n", in_memory(memory, SIZE));
}

/* Both have the page at the same address, and each finds what it wrote itself. */
static void copy_on_write(volatile long *memory)
{
	long child = fork();

	*memory = child ? 1 : 2;
	yield();
	print("family: the %s finds %lu\n", child ? "parent" : "child", *memory);
	if (!child)
		exit(7);
	print("family: the child's status is %lu\n", wait());
}

static void astray(uintptr_t addr)
{
	if (!fork())
		exit(*(volatile char *)addr = 1);
	print("family: the child's status is %lu\n", wait());
}

long main(void)
{
	void *memory = mmap(SIZE);

	demand(memory);
	copy_on_write(memory);
	astray(0);
	astray(0x400000); /* this program, to be read and executed */
	astray(-PAGE);    /* the kernel's half */
	return 0;
}
