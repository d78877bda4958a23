/*
 * pci.c: PCI by its oldest door, the configuration ports 0xcf8 and 0xcfc, which every PC has.
 *
 * The firmware has given the devices their addresses and the bridges their bus numbers; nothing is
 * changed here. Device memory is used through the direct map, so it must lie below 4 GiB.
 * Everything runs at boot, on one CPU, and needs no lock.
 */
#include <linux/pci_regs.h>

#include "pci.h"

#define CONFIG_ADDRESS 0xcf8
#define CONFIG_DATA    0xcfc

/* ---------------------------------------------------------------- configuration space ------- */

static void select_register(const struct pci_dev *dev, unsigned offset)
{
	outl(CONFIG_ADDRESS, 0x80000000u | (uint32_t)dev->bus << 16 | (uint32_t)dev->slot << 11 |
	                         (uint32_t)dev->function << 8 | (offset & 0xfc));
}

uint32_t pci_read32(const struct pci_dev *dev, unsigned offset)
{
	select_register(dev, offset);
	return inl(CONFIG_DATA);
}

uint16_t pci_read16(const struct pci_dev *dev, unsigned offset)
{
	return (uint16_t)(pci_read32(dev, offset) >> (offset & 2) * 8);
}

uint8_t pci_read8(const struct pci_dev *dev, unsigned offset)
{
	return (uint8_t)(pci_read32(dev, offset) >> (offset & 3) * 8);
}

void pci_write32(const struct pci_dev *dev, unsigned offset, uint32_t value)
{
	select_register(dev, offset);
	outl(CONFIG_DATA, value);
}

void pci_write16(const struct pci_dev *dev, unsigned offset, uint16_t value)
{
	unsigned shift = (offset & 2) * 8;
	uint32_t old = pci_read32(dev, offset);

	pci_write32(dev, offset, (old & ~(0xffffu << shift)) | (uint32_t)value << shift);
}

unsigned pci_capability(const struct pci_dev *dev, unsigned id, unsigned pos)
{
	unsigned limit = 48; /* as many as there is room for: a broken list may be a ring */

	if (!(pci_read16(dev, PCI_STATUS) & PCI_STATUS_CAP_LIST))
		return 0;
	pos = pci_read8(dev, pos ? pos + PCI_CAP_LIST_NEXT : PCI_CAPABILITY_LIST) & 0xfc;
	while (pos && limit--) {
		if (pci_read8(dev, pos) == id)
			return pos;
		pos = pci_read8(dev, pos + PCI_CAP_LIST_NEXT) & 0xfc;
	}
	return 0;
}

/* ---------------------------------------------------------------- scanning ------------------ */

static void scan_bus(unsigned bus, unsigned depth, void (*found)(const struct pci_dev *dev));

static void scan_function(const struct pci_dev *dev, unsigned depth,
                          void (*found)(const struct pci_dev *dev))
{
	unsigned type = pci_read8(dev, PCI_HEADER_TYPE) & 0x7f;
	unsigned secondary;

	if (type != PCI_HEADER_TYPE_BRIDGE) {
		found(dev);
		return;
	}
	secondary = pci_read8(dev, PCI_SECONDARY_BUS);
	if (secondary > dev->bus && depth < 8)
		scan_bus(secondary, depth + 1, found);
}

static void scan_bus(unsigned bus, unsigned depth, void (*found)(const struct pci_dev *dev))
{
	for (unsigned i = 0; i < 32 * 8; i++) {
		struct pci_dev dev = {.bus = (uint8_t)bus, .slot = i / 8, .function = i % 8};
		uint32_t id = pci_read32(&dev, PCI_VENDOR_ID);

		if ((id & 0xffff) == 0xffff) {
			i |= dev.function ? 0 : 7; /* without a function 0 there are no others */
			continue;
		}
		dev.vendor = (uint16_t)id;
		dev.device = (uint16_t)(id >> 16);
		scan_function(&dev, depth, found);
		if (!dev.function && !(pci_read8(&dev, PCI_HEADER_TYPE) & 0x80))
			i |= 7; /* a device with one function may answer for all eight */
	}
}

void pci_scan(void (*found)(const struct pci_dev *dev))
{
	scan_bus(0, 0, found);
}

/* ---------------------------------------------------------------- memory -------------------- */

void *pci_map(const struct pci_dev *dev, unsigned bar, uint32_t offset, uint32_t len)
{
	unsigned reg = PCI_BASE_ADDRESS_0 + 4 * bar;
	uint64_t base;

	if (bar > 5)
		return NULL;
	base = pci_read32(dev, reg);
	if (base & PCI_BASE_ADDRESS_SPACE_IO)
		return NULL;
	if ((base & PCI_BASE_ADDRESS_MEM_TYPE_MASK) == PCI_BASE_ADDRESS_MEM_TYPE_64 && bar < 5)
		base |= (uint64_t)pci_read32(dev, reg + 4) << 32;
	base &= ~0xfull;
	if (!base)
		return NULL;
	if (base + offset + len > 1ull << 32) {
		printk("pci %02x:%02x.%u: BAR %u at %lx is not below 4 GiB\n", dev->bus, dev->slot,
		       dev->function, bar, base);
		return NULL;
	}
	return phys_to_virt(base + offset);
}

void pci_enable(const struct pci_dev *dev)
{
	uint16_t command = pci_read16(dev, PCI_COMMAND);

	command |= PCI_COMMAND_MEMORY | PCI_COMMAND_MASTER | PCI_COMMAND_INTX_DISABLE;
	pci_write16(dev, PCI_COMMAND, command);
}

/* ---------------------------------------------------------------- MSI-X --------------------- */

static void msix_entry_init(volatile uint32_t *entry, int vector, unsigned cpu)
{
	uint64_t address;
	uint32_t data;

	irq_msi(vector, cpu, &address, &data);
	entry[PCI_MSIX_ENTRY_LOWER_ADDR / 4] = (uint32_t)address;
	entry[PCI_MSIX_ENTRY_UPPER_ADDR / 4] = (uint32_t)(address >> 32);
	entry[PCI_MSIX_ENTRY_DATA / 4] = data;
	entry[PCI_MSIX_ENTRY_VECTOR_CTRL / 4] = 0;
}

int pci_msix(const struct pci_dev *dev, unsigned n, irq_fn *fn, void *arg)
{
	unsigned cap = pci_capability(dev, PCI_CAP_ID_MSIX, 0);
	char *entries;
	uint32_t table;
	uint16_t flags;
	int vector;

	if (!cap)
		return -ENODEV;
	flags = pci_read16(dev, cap + PCI_MSIX_FLAGS) | PCI_MSIX_FLAGS_ENABLE;
	n = MIN(n, (flags & PCI_MSIX_FLAGS_QSIZE) + 1u);
	table = pci_read32(dev, cap + PCI_MSIX_TABLE);
	entries = pci_map(dev, table & PCI_MSIX_TABLE_BIR, table & PCI_MSIX_TABLE_OFFSET,
	                  n * PCI_MSIX_ENTRY_SIZE);
	if (!entries)
		return -ENODEV;
	vector = irq_alloc(fn, arg);
	if (vector < 0)
		return vector;
	pci_write16(dev, cap + PCI_MSIX_FLAGS, flags | PCI_MSIX_FLAGS_MASKALL);
	for (unsigned i = 0; i < n; i++)
		msix_entry_init((void *)(entries + i * PCI_MSIX_ENTRY_SIZE), vector, i);
	pci_write16(dev, cap + PCI_MSIX_FLAGS, flags & ~PCI_MSIX_FLAGS_MASKALL);
	return (int)n;
}
