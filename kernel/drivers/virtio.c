/*
 * virtio.c: bringing up a virtio 1.0 ("modern") device on PCI.
 *
 * Such a device says in its PCI capabilities where in its memory the common registers, its own
 * registers and the doorbells are. The driver resets it, agrees on features, tells it where the
 * queues are, and sets DRIVER_OK. A queue is three tables in memory: descriptors say where buffers
 * are, through `avail` the driver offers requests, through `used` the device gives them back.
 * virtio.h has the short functions of that traffic.
 */
#include <linux/pci_regs.h>
#include <linux/virtio_config.h>
#include <linux/virtio_pci.h>

#include "kmem.h"
#include "virtio.h"

/* ---------------------------------------------------------------- registers ----------------- */

/* Where the structure of kind `type` is; *cap is its capability. */
static void *find_structure(const struct pci_dev *pci, unsigned type, unsigned *cap, uint32_t len)
{
	unsigned pos = 0;

	while ((pos = pci_capability(pci, PCI_CAP_ID_VNDR, pos))) {
		uint32_t offset = pci_read32(pci, pos + VIRTIO_PCI_CAP_OFFSET);
		uint32_t length = pci_read32(pci, pos + VIRTIO_PCI_CAP_LENGTH);

		if (pci_read8(pci, pos + VIRTIO_PCI_CAP_CFG_TYPE) != type || length < len)
			continue;
		*cap = pos;
		return pci_map(pci, pci_read8(pci, pos + VIRTIO_PCI_CAP_BAR), offset, length);
	}
	return NULL;
}

static int find_structures(struct virtio_dev *dev)
{
	const struct pci_dev *pci = &dev->pci;
	unsigned cap;

	dev->common = find_structure(pci, VIRTIO_PCI_CAP_COMMON_CFG, &cap, sizeof(*dev->common));
	dev->config = find_structure(pci, VIRTIO_PCI_CAP_DEVICE_CFG, &cap, 8);
	return dev->common && dev->config ? 0 : -ENODEV;
}

static void add_status(struct virtio_dev *dev, unsigned bit)
{
	dev->common->device_status |= bit;
}

void virtio_fail(struct virtio_dev *dev)
{
	add_status(dev, VIRTIO_CONFIG_S_FAILED);
}

/* ---------------------------------------------------------------- features ------------------ */

static uint64_t offered_features(struct virtio_dev *dev)
{
	uint64_t low, high;

	dev->common->device_feature_select = 0;
	low = dev->common->device_feature;
	dev->common->device_feature_select = 1;
	high = dev->common->device_feature;
	return low | high << 32;
}

static int accept_features(struct virtio_dev *dev, uint64_t features)
{
	dev->common->guest_feature_select = 0;
	dev->common->guest_feature = (uint32_t)features;
	dev->common->guest_feature_select = 1;
	dev->common->guest_feature = (uint32_t)(features >> 32);
	add_status(dev, VIRTIO_CONFIG_S_FEATURES_OK);
	return dev->common->device_status & VIRTIO_CONFIG_S_FEATURES_OK ? 0 : -ENODEV;
}

int virtio_begin(struct virtio_dev *dev, const struct pci_dev *pci, uint64_t required,
                 uint64_t optional, uint64_t *features)
{
	uint64_t offered;

	dev->pci = *pci;
	required |= 1ull << VIRTIO_F_VERSION_1;
	pci_enable(pci);
	if (find_structures(dev))
		return -ENODEV;
	dev->common->device_status = 0;
	while (dev->common->device_status)
		cpu_relax(); /* the reset is done when it reads as 0 */
	add_status(dev, VIRTIO_CONFIG_S_ACKNOWLEDGE);
	add_status(dev, VIRTIO_CONFIG_S_DRIVER);
	offered = offered_features(dev);
	if ((offered & required) != required)
		return -ENODEV;
	*features = offered & (required | optional);
	return accept_features(dev, *features);
}

/* ---------------------------------------------------------------- queues -------------------- */

#define AVAIL_AT (VIRTIO_QUEUE_MAX * sizeof(struct vring_desc))
#define USED_AT  (AVAIL_AT + 256)

_Static_assert(sizeof(struct vring_avail) + (VIRTIO_QUEUE_MAX + 1) * 2 <= 256, "before `used`");
_Static_assert(USED_AT + sizeof(struct vring_used) +
                       VIRTIO_QUEUE_MAX * sizeof(struct vring_used_elem) + 2 <=
                   PAGE_SIZE,
               "one frame");

static int alloc_queue(struct virtio_dev *dev, struct virtio_queue *q)
{
	char *frame;

	q->size = MIN(dev->common->queue_size, VIRTIO_QUEUE_MAX);
	if (!q->size)
		return -ENODEV;
	frame = kframe_alloc();
	if (!frame)
		return -ENOMEM;
	q->desc = (void *)frame;
	q->avail = (void *)(frame + AVAIL_AT);
	q->used = (void *)(frame + USED_AT);
	return 0;
}

/* Registers of 64 bits are two of 32. */
static void set_address(volatile uint32_t *low, volatile uint32_t *high, const volatile void *p)
{
	uint64_t phys = virt_to_phys((const void *)p);

	*low = (uint32_t)phys;
	*high = (uint32_t)(phys >> 32);
}

static int find_doorbell(struct virtio_dev *dev, struct virtio_queue *q)
{
	unsigned cap = 0;
	char *base = find_structure(&dev->pci, VIRTIO_PCI_CAP_NOTIFY_CFG, &cap, 2);

	if (!base)
		return -ENODEV;
	base += dev->common->queue_notify_off *
	        (size_t)pci_read32(&dev->pci, cap + VIRTIO_PCI_NOTIFY_CAP_MULT);
	q->notify = (volatile uint16_t *)base;
	return 0;
}

int virtio_interrupts(struct virtio_dev *dev, unsigned n, irq_fn *fn, void *arg)
{
	dev->common->msix_config = VIRTIO_MSI_NO_VECTOR; /* changes of its size do not interest */
	return pci_msix(&dev->pci, MIN(n, dev->common->num_queues), fn, arg);
}

int virtio_queue_start(struct virtio_dev *dev, struct virtio_queue *q, unsigned number)
{
	volatile struct virtio_pci_common_cfg *c = dev->common;
	int err;

	q->number = number;
	c->queue_select = (uint16_t)number;
	err = alloc_queue(dev, q);
	if (!err)
		err = find_doorbell(dev, q);
	if (err)
		return err;
	c->queue_size = (uint16_t)q->size;
	set_address(&c->queue_desc_lo, &c->queue_desc_hi, q->desc);
	set_address(&c->queue_avail_lo, &c->queue_avail_hi, q->avail);
	set_address(&c->queue_used_lo, &c->queue_used_hi, q->used);
	c->queue_msix_vector = (uint16_t)number;
	if (c->queue_msix_vector != number)
		return -ENODEV;
	c->queue_enable = 1;
	return 0;
}

void virtio_start(struct virtio_dev *dev)
{
	add_status(dev, VIRTIO_CONFIG_S_DRIVER_OK);
}
