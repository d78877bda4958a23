/*
 * virtio.h: devices of the virtio 1.0 kind on the PCI bus. drivers/virtio.c
 */
#ifndef VIRTIO_H
#define VIRTIO_H

#include <linux/virtio_ring.h>

#include "pci.h"

struct virtio_pci_common_cfg;

struct virtio_dev {
	struct pci_dev pci;
	volatile struct virtio_pci_common_cfg *common;
	volatile void *config; /* what is particular to the kind of device */
};

struct virtio_queue {
	unsigned number;
	volatile uint16_t *notify; /* its doorbell */
	struct vring_desc *desc;   /* these three in a frame of their own */
	struct vring_avail *avail;
	volatile struct vring_used *used;
	unsigned size;       /* descriptors; a power of two */
	uint16_t next_avail; /* our ends of both rings */
	uint16_t next_used;
};

#define VIRTIO_QUEUE_MAX 32u

/* Reset the device and agree on *features: all `required` ones, of the `optional` what it has. */
int virtio_begin(struct virtio_dev *dev, const struct pci_dev *pci, uint64_t required,
                 uint64_t optional, uint64_t *features);
/*
 * Its interrupts: that of queue i, below n, calls fn(arg) on CPU i. Returns for how many queues
 * there are any, at most n; or a negative errno.
 */
int virtio_interrupts(struct virtio_dev *dev, unsigned n, irq_fn *fn, void *arg);
/* Set up a queue that has an interrupt. */
int virtio_queue_start(struct virtio_dev *dev, struct virtio_queue *q, unsigned number);
/* Let the device run. */
void virtio_start(struct virtio_dev *dev);
/* Give up on a device. */
void virtio_fail(struct virtio_dev *dev);

/*
 * Offer the request that begins at descriptor `head`. The caller serializes this and
 * virtio_next_used(). virtio_kick() afterwards makes the device look.
 */
static inline void virtio_offer(struct virtio_queue *q, unsigned head)
{
	q->avail->ring[q->next_avail++ & (q->size - 1)] = (uint16_t)head;
	/* The entry first, then the index: x86 keeps stores in order, the compiler must, too. */
	__asm__ volatile("" : : : "memory");
	*(volatile uint16_t *)&q->avail->idx = q->next_avail;
}

static inline void virtio_kick(struct virtio_queue *q)
{
	/* The index must be visible before the flag is read, or both sides wait. */
	atomic_thread_fence(memory_order_seq_cst);
	if (!(q->used->flags & VRING_USED_F_NO_NOTIFY))
		*q->notify = (uint16_t)q->number;
}

/* The next request the device has finished: its head, or -1. */
static inline int virtio_next_used(struct virtio_queue *q)
{
	uint16_t next = q->next_used;

	if (next == q->used->idx)
		return -1;
	q->next_used++;
	return (int)q->used->ring[next & (q->size - 1)].id;
}

#endif
