/*
 * lib.h: what every file of the kernel may use: types, lists, strings, printing.
 *
 * The system-call ABI is not declared here but taken from Linux's own user-space headers
 * (linux-libc-dev: <asm/...>, <linux/...>), which contain no code of the kernel.
 *
 * Conventions: a function that can fail returns 0 (or a count) or a negative errno. "May sleep"
 * means: no spinlock held, interrupts on. Memory from kmalloc() is zeroed.
 */
#ifndef LIB_H
#define LIB_H

#include <stdarg.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <asm/errno.h>

#define PAGE_SHIFT 12
#define PAGE_SIZE  4096ul
#define PAGE_MASK  (~(PAGE_SIZE - 1))

#define ARRAY_SIZE(a)            (sizeof(a) / sizeof(*(a)))
#define ALIGN_UP(x, to)          (((x) + (to)-1) & ~((__typeof__(x))(to)-1))
#define ALIGN_DOWN(x, to)        ((x) & ~((__typeof__(x))(to)-1))
#define MIN(a, b)                ((a) < (b) ? (a) : (b))
#define MAX(a, b)                ((a) > (b) ? (a) : (b))
#define likely(x)                __builtin_expect(!!(x), 1)
#define unlikely(x)              __builtin_expect(!!(x), 0)
#define container_of(p, type, m) ((type *)((char *)(p)-offsetof(type, m)))

#define NSEC_PER_SEC 1000000000ull

/* ---------------------------------------------------------------- lists --------------------- */

/*
 * A doubly linked ring; the head is a node of its own. A node that is on no list points to itself.
 */
struct list {
	struct list *prev, *next;
};

#define LIST_INIT(name)                                                                            \
	{                                                                                          \
		&(name), &(name)                                                                   \
	}

static inline void list_init(struct list *l)
{
	l->prev = l->next = l;
}

static inline bool list_empty(const struct list *l)
{
	return l->next == l;
}

static inline void list_insert(struct list *node, struct list *prev, struct list *next)
{
	node->prev = prev;
	node->next = next;
	prev->next = node;
	next->prev = node;
}

static inline void list_push(struct list *head, struct list *node) /* at the front */
{
	list_insert(node, head, head->next);
}

static inline void list_append(struct list *head, struct list *node) /* at the end */
{
	list_insert(node, head->prev, head);
}

/* Takes the node off its list; harmless when it is on none. */
static inline void list_remove(struct list *node)
{
	node->prev->next = node->next;
	node->next->prev = node->prev;
	list_init(node);
}

#define list_item(node, type, m)  container_of(node, type, m)
#define list_first(head, type, m) list_item((head)->next, type, m)
#define list_for_each(it, head, m)                                                                 \
	for (it = list_item((head)->next, __typeof__(*it), m); &it->m != (head);                   \
	     it = list_item(it->m.next, __typeof__(*it), m))
/* The body may take `it` off the list. */
#define list_for_each_safe(it, tmp, head, m)                                                       \
	for (it = list_item((head)->next, __typeof__(*it), m),                                     \
	    tmp = list_item(it->m.next, __typeof__(*it), m);                                       \
	     &it->m != (head); it = tmp, tmp = list_item(tmp->m.next, __typeof__(*it), m))

/* ---------------------------------------------------------------- memory (lib/mem.S) -------- */

void *memcpy(void *to, const void *from, size_t n);
void *memmove(void *to, const void *from, size_t n);
void *memset(void *to, int c, size_t n);
int memcmp(const void *a, const void *b, size_t n);

/* ---------------------------------------------------------------- strings (lib/string.c) ---- */

size_t strlen(const char *s);
size_t strnlen(const char *s, size_t max);
int strcmp(const char *a, const char *b);
int strncmp(const char *a, const char *b, size_t n);
char *strchr(const char *s, int c);
char *strrchr(const char *s, int c);
/* Copies and always terminates; returns strlen(from), so a result >= n means it was cut. */
size_t strlcpy(char *to, const char *from, size_t n);
/*
 * %s %c %d %i %u %x %X %o %p %%, with - 0 width .precision and l, ll, z. Returns what snprintf()
 * would.
 */
int vsnprintf(char *buf, size_t n, const char *format, va_list ap);
int snprintf(char *buf, size_t n, const char *format, ...) __attribute__((format(printf, 3, 4)));
/* A decimal, 0x hexadecimal or 0 octal number; *end is where it stops. */
unsigned long strtoul(const char *s, const char **end);

/* ---------------------------------------------------------------- the console --------------- */

/* Bytes as they are, at any time, interrupts included. arch/serial.c */
void console_write(const char *s, size_t n);
/* A message of the kernel, also at any time. arch/printk.c */
void printk(const char *format, ...) __attribute__((format(printf, 1, 2)));
/* Print, stop all CPUs, and end the machine with status 2. arch/end.c */
_Noreturn void panic(const char *format, ...) __attribute__((format(printf, 1, 2)));
#define BUG_ON(cond)                                                                               \
	do {                                                                                       \
		if (unlikely(cond))                                                                \
			panic("%s:%d: %s", __FILE__, __LINE__, #cond);                             \
	} while (0)

#endif
