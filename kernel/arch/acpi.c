/*
 * acpi.c: which CPUs and interrupt controllers there are, from ACPI's MADT. Nothing else of ACPI is
 * used.
 *
 * All tables lie below 4 GiB on the machines we know, so the direct map reaches them; a table whose
 * checksum is wrong, or that lies elsewhere, is as good as absent: then there is one CPU.
 */
#include "arch.h"

struct rsdp {
	char signature[8];
	uint8_t checksum;
	char oem[6];
	uint8_t revision;
	uint32_t rsdt;
	uint32_t length; /* these from revision 2 on */
	uint64_t xsdt;
} __attribute__((packed));

struct table {
	char signature[4];
	uint32_t length;
	uint8_t revision, checksum;
	char oem[6], oem_table[8];
	uint32_t oem_revision, creator, creator_revision;
} __attribute__((packed));

struct madt {
	struct table header;
	uint32_t local_apic, flags;
} __attribute__((packed));

struct madt_entry {
	uint8_t type, length;
	union {
		struct {
			uint8_t processor, apic_id;
			uint32_t flags;
		} __attribute__((packed)) cpu;
		struct {
			uint8_t id, reserved;
			uint32_t address, base;
		} __attribute__((packed)) io_apic;
		struct {
			uint8_t bus, irq;
			uint32_t line;
			uint16_t flags;
		} __attribute__((packed)) override;
	};
} __attribute__((packed));

#define MADT_CPU      0
#define MADT_IO_APIC  1
#define MADT_OVERRIDE 2

#define CPU_ENABLED 1u

struct acpi_info acpi = {.nr_cpus = 1, .local_apic = 0xfee00000, .io_apic = 0xfec00000};

static bool checksum_right(const void *p, uint32_t length)
{
	const uint8_t *b = p;
	uint8_t sum = 0;

	for (uint32_t i = 0; i < length; i++)
		sum += b[i];
	return sum == 0;
}

static const struct table *table_at(uint64_t phys)
{
	const struct table *t = phys_to_virt(phys);

	if (!phys || phys >= 0xffff0000 || t->length < sizeof(*t) || t->length > 1 << 20)
		return NULL;
	return checksum_right(t, t->length) ? t : NULL;
}

/* The root table has the addresses of all others, in 4 or 8 bytes. */
static const struct table *find_table(const struct table *root, const char *signature,
                                      unsigned width)
{
	const char *at = (const char *)(root + 1);
	unsigned n = (root->length - (uint32_t)sizeof(*root)) / width;

	for (unsigned i = 0; i < n; i++) {
		const struct table *t;
		uint64_t phys = 0;

		memcpy(&phys, at + i * width, width);
		t = table_at(phys);
		if (t && !memcmp(t->signature, signature, 4))
			return t;
	}
	return NULL;
}

static const struct table *find_madt(uint64_t phys)
{
	const struct rsdp *r = phys_to_virt(phys);
	const struct table *root;

	if (!phys || memcmp(r->signature, "RSD PTR ", 8) || !checksum_right(r, 20))
		return NULL;
	root = r->revision >= 2 ? table_at(r->xsdt) : NULL;
	if (root)
		return find_table(root, "APIC", 8);
	root = table_at(r->rsdt);
	return root ? find_table(root, "APIC", 4) : NULL;
}

/* The boot CPU is first in our numbering, wherever it is in the table. */
static void add_cpu(const struct madt_entry *e)
{
	if (!(e->cpu.flags & CPU_ENABLED) || e->cpu.apic_id == acpi.apic_id[0])
		return;
	if (acpi.nr_cpus < MAX_CPUS)
		acpi.apic_id[acpi.nr_cpus++] = e->cpu.apic_id;
}

static void add_override(const struct madt_entry *e)
{
	if (e->override.irq >= 16)
		return;
	acpi.isa[e->override.irq].line = e->override.line;
	acpi.isa[e->override.irq].low = (e->override.flags & 3) == 3;
	acpi.isa[e->override.irq].level = (e->override.flags >> 2 & 3) == 3;
}

static void add_entry(const struct madt_entry *e)
{
	switch (e->type) {
	case MADT_CPU:
		add_cpu(e);
		break;
	case MADT_IO_APIC:
		if (e->io_apic.base == 0)
			acpi.io_apic = e->io_apic.address;
		break;
	case MADT_OVERRIDE:
		add_override(e);
		break;
	}
}

bool acpi_init(uint64_t rsdp)
{
	const struct madt *m;
	const char *p, *end;

	acpi.apic_id[0] = (uint8_t)(cpuid(1).ebx >> 24);
	for (uint32_t i = 0; i < 16; i++)
		acpi.isa[i].line = i;
	m = (const struct madt *)find_madt(rsdp);
	if (!m)
		return false;
	acpi.local_apic = m->local_apic;
	end = (const char *)m + m->header.length;
	for (p = (const char *)(m + 1); p + 2 <= end;) {
		const struct madt_entry *e = (const struct madt_entry *)p;

		if (e->length < 2 || p + e->length > end)
			break;
		add_entry(e);
		p += e->length;
	}
	return true;
}
