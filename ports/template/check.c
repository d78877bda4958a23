/*
 * check.c: what om_arch.h promises about entries, as a test. It asks each function for values at
 * the edges of its domain, and each change of one property whether all others have stayed.
 *
 * Copy it with the rest and call port_check_entries() whenever you have changed om_arch.h.
 */
#include "om_arch.h"
#include "port.h"

#define CHECK(cond, rule)                                                                          \
	do {                                                                                       \
		if (!(cond))                                                                       \
			return rule;                                                               \
	} while (0)

#define RW  ((unsigned)OM_PROT_READ | (unsigned)OM_PROT_WRITE)
#define RX  ((unsigned)OM_PROT_READ | (unsigned)OM_PROT_EXEC)
#define RWX (RW | (unsigned)OM_PROT_EXEC)

static const unsigned prots[] = {OM_PROT_NONE, OM_PROT_READ, RW, RX, RWX};
#define NR_PROTS (sizeof(prots) / sizeof(*prots))

/* One entry, as made, dirty, young, or both. */
static const char *check_bits(om_pte_t e, om_pfn_t pfn, unsigned prot)
{
	om_pte_t d = om_pte_mkdirty(e), y = om_pte_mkyoung(e);

	CHECK(om_pte_present(e) && !om_pte_none(e), "a made entry is present, whatever it grants");
	CHECK(!om_pte_is_swap(e) && !om_pte_is_file(e), "a present entry is neither swap nor file");
	CHECK(om_pte_pfn(e) == pfn, "om_pte_pfn gives back what om_pte_make was given");
	CHECK(om_pte_write(e) == !!(prot & OM_PROT_WRITE), "om_pte_write: if WRITE was granted");
	CHECK(!om_pte_dirty(e), "a made entry is not dirty");
	CHECK(!om_pte_young(e), "a made entry is not young");
	CHECK(om_pte_pfn(d) == pfn && om_pte_write(d) == om_pte_write(e), "mkdirty: nothing else");
	CHECK(om_pte_pfn(y) == pfn && om_pte_write(y) == om_pte_write(e), "mkyoung: nothing else");
	CHECK(om_pte_dirty(d) && om_pte_dirty(om_pte_wrprotect(d)), "wrprotect keeps dirty");
	CHECK(om_pte_dirty(y) == om_pte_dirty(e), "mkyoung does not change dirty");
	CHECK(om_pte_young(d) == om_pte_young(e), "mkdirty does not change young");
	CHECK(om_pte_mkclean(d) == e && om_pte_mkold(y) == e, "mkclean and mkold undo them");
	CHECK(om_pte_present(om_pte_mkdirty(y)), "a dirty and young entry is present");
	return NULL;
}

/* From each set of permissions to each other one. */
static const char *check_modify(om_pfn_t pfn)
{
	for (unsigned i = 0; i < NR_PROTS * NR_PROTS; i++) {
		unsigned from = prots[i / NR_PROTS], to = prots[i % NR_PROTS];
		om_pte_t e = om_pte_mkyoung(om_pte_mkdirty(om_pte_make(pfn, from)));
		om_pte_t m = om_pte_modify(e, to);

		CHECK(m == om_pte_mkyoung(om_pte_mkdirty(om_pte_make(pfn, to))),
		      "om_pte_modify(make(from), to) is make(to), dirty and young kept");
	}
	CHECK(om_pte_wrprotect(om_pte_make(pfn, RW)) == om_pte_make(pfn, OM_PROT_READ),
	      "om_pte_wrprotect takes WRITE and leaves READ");
	CHECK(om_pte_wrprotect(om_pte_make(pfn, RWX)) == om_pte_make(pfn, RX),
	      "om_pte_wrprotect takes WRITE and leaves EXEC");
	return NULL;
}

#if defined(OM_BIG_ENTRIES) && OM_BIG_ENTRIES
/* What does not fit the run, pfn's last bits, is cut off. */
static const char *check_big(om_pfn_t pfn)
{
	om_pfn_t first = pfn & ~(((om_pfn_t)1 << OM_TABLE_SHIFT) - 1);
	om_pte_t leaf = om_pte_mkyoung(om_pte_make(first, OM_PROT_READ | OM_PROT_WRITE));
	om_pte_t big = om_pte_mkbig(leaf);

	CHECK(!om_pte_is_big(leaf) && !om_pte_is_big(0), "no leaf entry is a big one");
	CHECK(!om_pte_is_big(om_pte_mktable(pfn)), "an entry that names a table is no big one");
	CHECK(om_pte_is_big(big) && om_pte_present(big), "a big entry is one, and present");
	CHECK(om_pte_pfn(big) == first, "om_pte_pfn of a big entry is the first frame");
	CHECK(om_pte_write(big) && om_pte_young(big), "a big entry has the bits of the leaf");
	CHECK(om_pte_is_big(om_pte_modify(om_pte_wrprotect(big), 0)), "it stays a big entry");
	CHECK(om_pte_mksmall(big, 0) == leaf, "om_pte_mksmall is the way back");
	CHECK(om_pte_pfn(om_pte_mksmall(big, 5)) == first + 5, "om_pte_mksmall counts frames");
	return NULL;
}
#else
static const char *check_big(om_pfn_t pfn)
{
	(void)pfn;
	return NULL;
}
#endif

static const char *check_frame(om_pfn_t pfn)
{
	const char *rule = check_modify(pfn);

	for (unsigned i = 0; i < NR_PROTS && !rule; i++)
		rule = check_bits(om_pte_make(pfn, prots[i]), pfn, prots[i]);
	if (rule)
		return rule;
	CHECK(om_pte_present(om_pte_mktable(pfn)), "an entry that names a table is present");
	CHECK(om_pte_pfn(om_pte_mktable(pfn)) == pfn, "om_pte_pfn of an entry that names a table");
	return check_big(pfn);
}

static const char *check_absent(void)
{
	uint32_t slot[] = {0, 1, 0x155, ((uint32_t)1 << OM_SWAP_BITS) - 1};
	uintptr_t offset[] = {0, 1, 0x155, UINTPTR_MAX >> (8 * sizeof(uintptr_t) - OM_FILE_BITS)};

	for (unsigned i = 0; i < 4; i++) {
		om_pte_t s = om_pte_mkswap(slot[i]), f = om_pte_mkfile(offset[i]);

		CHECK(om_pte_is_swap(s) && !om_pte_is_file(s), "a swap entry is one");
		CHECK(om_pte_is_file(f) && !om_pte_is_swap(f), "a file entry is one");
		CHECK(!om_pte_none(s) && !om_pte_none(f), "an absent entry is not nothing");
		CHECK(!om_pte_present(s) && !om_pte_present(f), "an absent entry is not present");
		CHECK(om_pte_slot(s) == slot[i], "om_pte_slot gives back any slot number");
		CHECK(om_pte_pgoff(f) == offset[i], "om_pte_pgoff gives back any offset");
	}
	CHECK(om_pte_none(0) && !om_pte_present(0), "0 is nothing");
	CHECK(!om_pte_is_swap(0) && !om_pte_is_file(0), "0 is neither swap nor file");
	return NULL;
}

static const char *check_access(void)
{
	om_pte_t old = om_pte_make(1, RW), new = om_pte_mkdirty(old), e = 0, seen;

	om_arch_pte_store(&e, old);
	CHECK(om_arch_pte_load(&e) == old, "load gives what store stored");
	CHECK(om_arch_pte_xchg(&e, new) == old && e == new, "xchg replaces and returns the old");
	seen = old;
	CHECK(!om_arch_pte_cas(&e, &seen, 0) && seen == new &&e == new,
	      "cas fails on another value, and loads it");
	CHECK(om_arch_pte_cas(&e, &seen, old) && e == old, "cas replaces the value it expects");
	return NULL;
}

const char *port_check_entries(void)
{
	const om_pfn_t pfns[] = {0, 1, 0x155, PORT_FRAMES - 1};
	const char *rule = check_absent();

	for (unsigned i = 0; i < 4 && !rule; i++)
		rule = check_frame(pfns[i]);
	if (!rule)
		rule = check_access();
	if (!rule && (OM_VA_LIMIT & (((uintptr_t)1 << (OM_PAGE_SHIFT + OM_TABLE_SHIFT)) - 1)))
		rule = "OM_VA_LIMIT is a multiple of what a leaf table maps";
	if (!rule && (OM_LEVELS < 2 || OM_SWAP_BITS < 29))
		rule = "OM_LEVELS, OM_SWAP_BITS are in range";
	return rule;
}
