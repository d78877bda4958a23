/*
 * kmem.h: the kernel's own memory. All of it comes from objrmap's frames (om_frame_alloc).
 * core/kmem.c
 */
#ifndef KMEM_H
#define KMEM_H

#include "lib.h"

struct om_system;

void kmem_init(struct om_system *sys); /* by vm_init() */

/*
 * Zeroed memory of up to 4096 bytes, 16-byte aligned (4096: page aligned; 64, 128, 192, 256, 448 or
 * 576: to cache lines), or NULL. May sleep.
 */
void *kmalloc(size_t n);
/*
 * Not from interrupt handlers; may be called with a spin held that no interrupt handler takes. NULL
 * is fine.
 */
void kfree(void *p);
char *kstrdup(const char *s);

/*
 * Zeroed frames mapped one after the other, with an unmapped page on either side; or NULL. May
 * sleep. core/vmalloc.c
 */
void *vmalloc(size_t bytes);
void vfree(void *p);     /* interrupts on: waits for the other CPUs. NULL is fine. */
void vmalloc_init(void); /* by vm_init() */

/*
 * Kernel stacks: vmalloc()ed once and kept for reuse. Contents: anything. NULL without memory. May
 * sleep.
 */
void *kstack_alloc(void);
/* Not from interrupt handlers; locks may be held. */
void kstack_free(void *stack);
void kstack_trim(void); /* give the unused ones back: by threads_trim() */

/*
 * A zeroed frame of the kernel's own, at its address in the direct map; or NULL. May sleep.
 * core/kmem.c
 */
void *kframe_alloc(void);
void kframe_free(void *frame);

/* Frames that kframe_alloc() has given out: for objects, stacks and all else of the kernel. */
unsigned long kmem_frames(void);

#endif
