/*
 * pci.h: finding and setting up PCI devices. drivers/pci.c
 */
#ifndef PCI_H
#define PCI_H

#include "cpu.h"

struct pci_dev {
	uint8_t bus, slot, function;
	uint16_t vendor, device;
};

/* Configuration space; `offset` is aligned to the width. Constants: <linux/pci_regs.h>. */
uint32_t pci_read32(const struct pci_dev *dev, unsigned offset);
uint16_t pci_read16(const struct pci_dev *dev, unsigned offset);
uint8_t pci_read8(const struct pci_dev *dev, unsigned offset);
void pci_write32(const struct pci_dev *dev, unsigned offset, uint32_t value);
void pci_write16(const struct pci_dev *dev, unsigned offset, uint16_t value);

/* Call found(dev) for every function on bus 0 and the buses behind its bridges, in order. */
void pci_scan(void (*found)(const struct pci_dev *dev));

/* The next capability of kind `id` after the one at `pos` (0: the first); 0 if there is none. */
unsigned pci_capability(const struct pci_dev *dev, unsigned id, unsigned pos);

/* [offset, offset + len) of a memory BAR, or NULL if it is not there or not below 4 GiB. */
void *pci_map(const struct pci_dev *dev, unsigned bar, uint32_t offset, uint32_t len);

/* Let the device reach memory and answer at its BARs; line interrupts off. */
void pci_enable(const struct pci_dev *dev);

/*
 * Turn MSI-X on and make its entries 0 to n - 1 call fn(arg), entry i on CPU i. Returns how many
 * there are of them, perhaps fewer than n; or a negative errno.
 */
int pci_msix(const struct pci_dev *dev, unsigned n, irq_fn *fn, void *arg);

#endif
