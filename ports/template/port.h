/*
 * port.h of the template: what the rest of your kernel calls.
 */
#ifndef PORT_H
#define PORT_H

#include <objrmap/objrmap.h>

#define PORT_FRAMES      1024u                        /* 4 MiB */
#define PORT_STORAGE     (16384u + PORT_FRAMES * 40u) /* at least om_system_bytes() */
#define PORT_FLUSH_PAGES 32u /* from here on one flush of everything is cheaper */

/* A system that owns all frames, or NULL. Call it once, early, on one CPU. */
struct om_system *port_init(void);

/* The memory of a frame. */
void *port_frame(om_pfn_t pfn);

/* Run on this address space from now on; NULL: on none. */
void port_switch(struct om_mm *mm);

/* If memory is low, reclaim until `high` frames are free. For an idle loop or a thread. */
bool port_reclaim(struct om_system *sys, om_pfn_t high);

/*
 * check.c: does om_arch.h keep its promises? The first rule that it breaks, in words, or NULL.
 * Needs no system and no MMU: call it first of all, or in a program on your development machine.
 */
const char *port_check_entries(void);

#endif
