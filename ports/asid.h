/*
 * asid.h: tags of address spaces (ASIDs) that are the same on all CPUs, for ports whose machine
 * flushes by tag on all CPUs at once (Arm), or on a set of them (RISC-V).
 *
 * Tags are given out in order until there are none left. Then a new round begins: the tags that
 * CPUs are running with at that moment are kept, all others are free again, and each CPU drops
 * everything before it takes its next one. An address space has a number whose upper bits are the
 * round: if that is over, it asks for a new tag when it is loaded.
 *
 * A CPU that loads an address space whose tag is of this round takes no lock. What ties it to the
 * beginning of a round is `running`: the round takes it away, in exchange for 0, and whoever finds
 * 0 there goes through the lock.
 */
#ifndef PORT_ASID_H
#define PORT_ASID_H

#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>

#define ASID_MAX_CPUS 256
#define ASID_BITS     16 /* the most that a tag has; below that in a number is the round */

/* Of an address space; zeroed when it is made. Nothing needs to be done when it ends. */
struct asid {
	_Atomic uint64_t number; /* round << ASID_BITS | tag */
};

struct asids {
	unsigned bits;         /* of a tag; 0: the machine has none */
	unsigned nr_cpus;      /* constant, like bits */
	_Atomic uint32_t lock; /* guards what follows, but `running` and `round` are read without */
	_Atomic uint64_t round;                /* from 1 */
	uint32_t next;                         /* where to look for a free tag */
	uint64_t used[(1u << ASID_BITS) / 64]; /* in this round, one bit each */
	struct {
		_Atomic uint64_t running; /* number of what the CPU has loaded last */
		uint64_t kept;            /* that number, as it was when the round began */
		bool behind;              /* it has not dropped everything since */
	} cpu[ASID_MAX_CPUS];
};

/* Zeroed before. `bits`: of a tag, 0 to ASID_BITS; 1 << bits is more than nr_cpus, or bits is 0. */
void asids_init(struct asids *asids, unsigned bits, unsigned nr_cpus);

/*
 * The tag, from 1, with which CPU `me` loads the address space; *drop: it must drop everything that
 * it has kept of any address space first. Without tags the answer is 0, and the port has to drop
 * everything at each switch. Interrupts are off.
 */
unsigned asid_load(struct asids *asids, struct asid *asid, unsigned me, bool *drop);

/*
 * The tag to flush, of an address space that may be loaded. Read after the entries have changed: a
 * CPU that loads it with another tag after this has not seen the old ones.
 */
static inline unsigned asid_tag(const struct asid *asid)
{
	return atomic_load(&asid->number) & ((1u << ASID_BITS) - 1);
}

#endif
