/*
 * buffer.c: memory that system calls on files need for a moment.
 *
 * Nearly all of them want a page: for a path, or for bytes on their way to or from user memory. A
 * few pages are kept, so that most calls need not ask for a frame and have it zeroed.
 */
#include "fs.h"
#include "kmem.h"

#define NR_KEPT 8u

static struct spin lock;
static char *kept[NR_KEPT];
static unsigned nr_kept;

char *buffer_get(void)
{
	char *buffer = NULL;

	spin_lock(&lock);
	if (nr_kept)
		buffer = kept[--nr_kept];
	spin_unlock(&lock);
	return buffer ? buffer : kmalloc(PAGE_SIZE);
}

void buffer_put(char *buffer)
{
	if (!buffer)
		return;
	spin_lock(&lock);
	if (nr_kept < NR_KEPT) {
		kept[nr_kept++] = buffer;
		buffer = NULL;
	}
	spin_unlock(&lock);
	kfree(buffer);
}

int path_from_user(uintptr_t from, char **path)
{
	char *buffer = buffer_get();
	long len;

	if (!buffer)
		return -ENOMEM;
	len = user_string(buffer, from, PATH_MAX_LEN);
	if (len < 0) {
		buffer_put(buffer);
		return (int)len;
	}
	*path = buffer;
	return 0;
}

void *big_alloc(size_t bytes)
{
	return bytes <= PAGE_SIZE ? kmalloc(bytes) : vmalloc(bytes);
}

void big_free(void *p, size_t bytes)
{
	if (bytes <= PAGE_SIZE)
		kfree(p);
	else
		vfree(p);
}
