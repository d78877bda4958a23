/*
 * virtio_blk.c: disks.
 *
 * Each CPU has a queue of its own, whose interrupt it gets, so that CPUs share nothing; if a disk
 * has not so many, CPUs share queues. A queue has its requests, allocated at boot, so a transfer
 * allocates nothing: it may be the one that makes memory free. Request i owns descriptor i of the
 * queue, which points to the request's own table of descriptors ("indirect"): header, segments,
 * status. Of these only the segments change between transfers.
 *
 * blk_rw() takes a free request (or sleeps for one), offers it, rings the bell and sleeps until the
 * interrupt handler finds the request among the used ones. Each request has its own sleepers, so
 * nobody else is woken.
 */
#include <linux/virtio_blk.h>
#include <linux/virtio_ids.h>

#include "blk.h"
#include "kmem.h"
#include "sched.h"
#include "virtio.h"

#define NR_REQUESTS  32u /* of a disk */
#define MIN_REQUESTS 8u  /* but of a queue at least */
#define MAX_DISKS    8
#define SECTOR       512u

#define PCI_VENDOR_VIRTIO  0x1af4
#define PCI_DEVICE_BLK     (0x1040 + VIRTIO_ID_BLOCK) /* a device of virtio 1.0 only */
#define PCI_DEVICE_BLK_OLD 0x1001                     /* one that can do both */

struct request {
	struct virtio_blk_outhdr header; /* this and the table are read by the device */
	struct vring_desc table[BLK_MAX_SEGS + 2];
	uint8_t status; /* written by the device */
	uint8_t index;  /* in queue->request, and its descriptor */
	_Atomic bool done;
	struct waitq wait;
	struct request *next_free;
};

struct queue {
	struct virtio_queue virtio;
	struct spin lock; /* both rings, `free`; the interrupt handler takes it */
	struct request *free;
	struct waitq free_wait;
	unsigned nr_requests;
	struct request *request[NR_REQUESTS];
};

struct blkdev {
	struct virtio_dev virtio;
	unsigned nr_queues;
	struct queue *queue[MAX_CPUS];
	uint64_t nowhere; /* frame to which is read what nobody wants */
	uint64_t sectors;
	bool readonly;
	_Atomic uint64_t fail_first, fail_last; /* reads of these sectors fail */
};

static struct blkdev *disks[MAX_DISKS];
static unsigned nr_disks;

struct blkdev *blk_get(unsigned i)
{
	return i < nr_disks ? disks[i] : NULL;
}

uint64_t blk_sectors(const struct blkdev *dev)
{
	return dev->sectors;
}

bool blk_readonly(const struct blkdev *dev)
{
	return dev->readonly;
}

void blk_fail_reads(struct blkdev *dev, uint64_t first, uint64_t last)
{
	atomic_store(&dev->fail_first, first);
	atomic_store(&dev->fail_last, last);
}

/* ---------------------------------------------------------------- requests ------------------ */

static struct request *take_request(struct queue *q)
{
	unsigned long flags = spin_lock_irq(&q->lock);
	struct request *r = q->free;

	if (r)
		q->free = r->next_free;
	spin_unlock_irq(&q->lock, flags);
	return r;
}

/* Taking one is no condition for wait_event(), which may look twice. */
static struct request *wait_request(struct queue *q)
{
	struct request *r = take_request(q);
	struct waiter w;

	while (unlikely(!r)) {
		wait_begin(&q->free_wait, &w, THREAD_SLEEPING);
		r = take_request(q);
		if (!r)
			schedule();
		wait_end(&w);
		if (!r)
			r = take_request(q);
	}
	return r;
}

static void put_request(struct queue *q, struct request *r)
{
	unsigned long flags = spin_lock_irq(&q->lock);

	r->next_free = q->free;
	q->free = r;
	spin_unlock_irq(&q->lock, flags);
	wake_one(&q->free_wait);
}

/* Descriptor i of the ring, and all of the request's table that stays the same. */
static void init_request(struct queue *q, struct request *r, unsigned i)
{
	q->request[i] = r;
	r->index = (uint8_t)i;
	waitq_init(&r->wait);
	r->table[0].addr = virt_to_phys(&r->header);
	r->table[0].len = sizeof(r->header);
	r->table[0].flags = VRING_DESC_F_NEXT;
	for (unsigned d = 0; d < ARRAY_SIZE(r->table); d++)
		r->table[d].next = (uint16_t)(d + 1);
	q->virtio.desc[i].addr = virt_to_phys(r->table);
	q->virtio.desc[i].flags = VRING_DESC_F_INDIRECT;
	r->next_free = q->free;
	q->free = r;
}

static void request_fill(const struct blkdev *dev, struct request *r, bool write, uint64_t sector,
                         const struct blk_seg *seg, unsigned n)
{
	const uint16_t flags = write ? VRING_DESC_F_NEXT : VRING_DESC_F_NEXT | VRING_DESC_F_WRITE;
	struct vring_desc *d = r->table + 1;

	r->header.type = write ? VIRTIO_BLK_T_OUT : VIRTIO_BLK_T_IN;
	r->header.sector = sector;
	for (const struct blk_seg *end = seg + n; seg < end; seg++, d++) {
		d->addr = seg->phys == BLK_NOWHERE ? dev->nowhere : seg->phys;
		d->len = seg->len;
		d->flags = flags;
	}
	d->addr = virt_to_phys(&r->status);
	d->len = 1;
	d->flags = VRING_DESC_F_WRITE;
	atomic_store_explicit(&r->done, false, memory_order_relaxed);
}

static void request_submit(struct queue *q, struct request *r, unsigned n)
{
	unsigned long flags = spin_lock_irq(&q->lock);

	q->virtio.desc[r->index].len = (n + 2) * sizeof(r->table[0]);
	virtio_offer(&q->virtio, r->index);
	spin_unlock_irq(&q->lock, flags);
	virtio_kick(&q->virtio);
}

/* That of this CPU. Its interrupts come to the first CPU that has it. */
static struct queue *my_queue(const struct blkdev *dev)
{
	return dev->queue[x86_cpu_number() % dev->nr_queues];
}

static void disk_interrupt(void *arg)
{
	struct queue *q = my_queue(arg);
	unsigned long flags = spin_lock_irq(&q->lock);
	int head;

	while ((head = virtio_next_used(&q->virtio)) >= 0) {
		struct request *r;

		if ((unsigned)head >= q->nr_requests)
			continue; /* not one of ours: a broken device must not break us */
		r = q->request[head];
		atomic_store(&r->done, true);
		wake_all(&r->wait);
	}
	spin_unlock_irq(&q->lock, flags);
}

/* ---------------------------------------------------------------- transfers ----------------- */

static bool is_valid(const struct blkdev *dev, uint64_t sector, uint64_t sectors)
{
	return sectors && sectors <= dev->sectors && sector <= dev->sectors - sectors;
}

static bool is_to_fail(const struct blkdev *dev, uint64_t first, uint64_t last)
{
	uint64_t from = atomic_load_explicit(&dev->fail_first, memory_order_relaxed);
	uint64_t to = atomic_load_explicit(&dev->fail_last, memory_order_relaxed);

	return from <= to && first <= to && last >= from;
}

int blk_rw(struct blkdev *dev, bool write, uint64_t sector, const struct blk_seg *seg, unsigned n)
{
	struct queue *q = my_queue(dev);
	struct request *r;
	uint64_t bytes = 0;
	int err;

	if (n == 0 || n > BLK_MAX_SEGS)
		return -EINVAL;
	for (unsigned i = 0; i < n; i++)
		bytes += seg[i].len;
	if (!is_valid(dev, sector, bytes / SECTOR) || (write && dev->readonly))
		return -EINVAL;
	if (!write && is_to_fail(dev, sector, sector + bytes / SECTOR - 1))
		return -EIO;
	r = wait_request(q);
	request_fill(dev, r, write, sector, seg, n);
	request_submit(q, r, n);
	wait_event(&r->wait, atomic_load(&r->done));
	err = r->status == VIRTIO_BLK_S_OK ? 0 : -EIO;
	put_request(q, r);
	return err;
}

/* ---------------------------------------------------------------- finding disks ------------- */

static int alloc_requests(struct queue *q, unsigned n)
{
	if (q->virtio.size < n)
		return -ENODEV;
	for (unsigned i = 0; i < n; i++) {
		struct request *r = kmalloc(sizeof(*r));

		if (!r)
			return -ENOMEM;
		init_request(q, r, i);
	}
	q->nr_requests = n;
	return 0;
}

static int start_queue(struct blkdev *dev, unsigned i)
{
	struct queue *q = kmalloc(sizeof(*q));
	int err;

	if (!q)
		return -ENOMEM;
	dev->queue[i] = q;
	waitq_init(&q->free_wait);
	err = virtio_queue_start(&dev->virtio, &q->virtio, i);
	return err ? err : alloc_requests(q, MAX(NR_REQUESTS / dev->nr_queues, MIN_REQUESTS));
}

static int start_queues(struct blkdev *dev, unsigned wanted)
{
	int n = virtio_interrupts(&dev->virtio, wanted, disk_interrupt, dev), err = 0;

	if (n < 1)
		return n ? n : -ENODEV;
	dev->nr_queues = (unsigned)n;
	for (unsigned i = 0; i < dev->nr_queues && !err; i++)
		err = start_queue(dev, i);
	return err;
}

static int start_disk(struct blkdev *dev, const struct pci_dev *pci)
{
	const volatile struct virtio_blk_config *config;
	const uint64_t seg_max = 1ull << VIRTIO_BLK_F_SEG_MAX, ro = 1ull << VIRTIO_BLK_F_RO;
	const uint64_t mq = 1ull << VIRTIO_BLK_F_MQ;
	void *nowhere = kframe_alloc();
	uint64_t features;
	int err = virtio_begin(&dev->virtio, pci, 1ull << VIRTIO_RING_F_INDIRECT_DESC,
	                       seg_max | ro | mq, &features);

	if (err || !nowhere)
		return err ? err : -ENOMEM;
	config = dev->virtio.config;
	if ((features & seg_max) && config->seg_max < BLK_MAX_SEGS)
		return -ENODEV;
	dev->sectors = config->capacity;
	dev->readonly = features & ro;
	dev->nowhere = virt_to_phys(nowhere);
	blk_fail_reads(dev, 1, 0);
	err = start_queues(dev, features & mq ? MIN(config->num_queues, nr_cpus) : 1);
	if (!err)
		virtio_start(&dev->virtio);
	return err;
}

static void disk_found(const struct pci_dev *pci)
{
	struct blkdev *dev;
	int err;

	if (pci->vendor != PCI_VENDOR_VIRTIO || nr_disks == MAX_DISKS ||
	    (pci->device != PCI_DEVICE_BLK && pci->device != PCI_DEVICE_BLK_OLD))
		return;
	dev = kmalloc(sizeof(*dev));
	if (!dev)
		panic("blk: no memory for a disk");
	err = start_disk(dev, pci);
	if (err) {
		/* Its memory stays taken: the device may know it already. */
		printk("blk: disk at pci %02x:%02x.%u does not work: error %d\n", pci->bus,
		       pci->slot, pci->function, err);
		virtio_fail(&dev->virtio);
		return;
	}
	printk("blk: disk %u: %lu KiB%s\n", nr_disks, dev->sectors / 2,
	       dev->readonly ? ", read-only" : "");
	disks[nr_disks++] = dev;
}

void blk_init(void)
{
	pci_scan(disk_found);
}
