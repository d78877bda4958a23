/*
 * virtio.h: devices of the virtio 1.0 kind on the PCI bus, with one queue. drivers/virtio.c
 */
#ifndef VIRTIO_H
#define VIRTIO_H

#include <linux/virtio_ring.h>

#include "pci.h"

struct virtio_pci_common_cfg;

struct virtio_dev {
	struct pci_dev pci;
	volatile struct virtio_pci_common_cfg *common;
	volatile void *config;     /* what is particular to the kind of device */
	volatile uint16_t *notify; /* doorbell of the queue */
	struct vring_desc *desc;   /* the queue: a frame each */
	struct vring_avail *avail;
	volatile struct vring_used *used;
	unsigned size;       /* descriptors; a power of two */
	uint16_t next_avail; /* our ends of both rings */
	uint16_t next_used;
};

#define VIRTIO_QUEUE_MAX 256u

/* Reset the device and agree on *features: all `required` ones, of the `optional` what it has. */
int virtio_begin(struct virtio_dev *dev, const struct pci_dev *pci, uint64_t required,
                 uint64_t optional, uint64_t *features);
/* Set up queue 0 and its interrupt, and let the device run. */
int virtio_start(struct virtio_dev *dev, irq_fn *fn, void *arg);
/* Give up on a device. */
void virtio_fail(struct virtio_dev *dev);

/*
 * Offer the request that begins at descriptor `head`. The caller serializes this and
 * virtio_next_used(). virtio_kick() afterwards makes the device look.
 */
static inline void virtio_offer(struct virtio_dev *dev, unsigned head)
{
	dev->avail->ring[dev->next_avail++ & (dev->size - 1)] = (uint16_t)head;
	/* The entry first, then the index: x86 keeps stores in order, the compiler must, too. */
	__asm__ volatile("" : : : "memory");
	*(volatile uint16_t *)&dev->avail->idx = dev->next_avail;
}

static inline void virtio_kick(struct virtio_dev *dev)
{
	/* The index must be visible before the flag is read, or both sides wait. */
	atomic_thread_fence(memory_order_seq_cst);
	if (!(dev->used->flags & VRING_USED_F_NO_NOTIFY))
		*dev->notify = 0; /* the number of the queue */
}

/* The next request the device has finished: its head, or -1. */
static inline int virtio_next_used(struct virtio_dev *dev)
{
	uint16_t next = dev->next_used;

	if (next == dev->used->idx)
		return -1;
	dev->next_used++;
	return (int)dev->used->ring[next & (dev->size - 1)].id;
}

#endif
