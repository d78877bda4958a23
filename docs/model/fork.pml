/*
 * fork.pml: fork, faults in the CPUs' parts, and stores through old translations, for spin.
 *
 * One page of a program with a thread on each CPU. The threads store rising numbers, each into a
 * word of its own. CPUs keep translations until they are flushed, and store through them. One more
 * thread forks: it takes the write permission of the entry, lets the child have the page, and
 * flushes the CPUs, one after the other. A fault on a page that is shared copies it.
 *
 * Between the two steps of fork a CPU may store to the page although the entry forbids it. If the
 * page were copied then, that store would be in the child's page alone. So fork is a writer: it has
 * the lock of the address space and has recalled all parts (part.pml) until its flush is done, and
 * no fault is under way. Checked:
 *
 *   - each thread finds what it has stored last;
 *   - the child's page does not change any more when fork has returned;
 *   - nobody waits for ever.
 */
#ifndef CPUS
#define CPUS 3
#endif
#ifndef STORES
#define STORES 2 /* of each thread */
#endif
/* What check-model takes away, to see that it is missed. */
#ifndef RECALLS
#define RECALLS true
#endif
#ifndef FLUSHES_FIRST
#define FLUSHES_FIRST true
#endif

/* The page that the program had, and its copy; words of it by thread. */
#define OLD 0
#define COPY 1
byte word[2 * CPUS];

/* The entry, and its table's lock. */
bool present = true, writable = true, table_locked;
bit page = OLD;
bool shared; /* the child has the page as well */

typedef translation_t {
	bool valid, writable;
	bit page;
}
translation_t tlb[CPUS];

/* mmap_lock of the mm, and of the CPUs' parts of it. */
byte readers;
bool writer;
typedef part_t {
	bool named, writer;
	byte readers;
}
part_t part[CPUS];

bool forked;

inline lock_table()
{
	atomic { !table_locked -> table_locked = true }
}

/* All CPUs but this one know nothing of the page any more, in time. */
inline flush_all(c)
{
	c = 0;
	do
	:: c < CPUS -> tlb[c].valid = false; c++
	:: else -> break
	od
}

/* The entry is taken and flushed before the new one appears; the table's lock is held. */
inline copy(c, n)
{
	present = false;
	n = 0;
	do
	:: n < CPUS -> word[COPY * CPUS + n] = word[OLD * CPUS + n]; n++
	:: else -> break
	od;
	flush_all(n);
	shared = false;
	atomic { page = COPY; writable = true; present = true }
}

/* A write fault on CPU c. */
inline fault(c, n, in_part)
{
	in_part = false;
	if
	:: part[c].named -> /* seen without its lock */
		atomic { !part[c].writer -> part[c].readers++ };
		if
		:: part[c].named -> in_part = true
		:: else -> part[c].readers--
		fi
	:: else
	fi;
	if
	:: !in_part ->
		atomic { !writer -> readers++ };
		if
		:: atomic { !part[c].readers && !part[c].writer -> part[c].writer = true };
			part[c].named = true;
			part[c].writer = false
		:: skip
		fi
	:: else
	fi;
	lock_table();
	if
	:: writable /* somebody else was faster */
	:: !writable && shared -> copy(c, n)
	:: else -> writable = true
	fi;
	table_locked = false;
	if
	:: in_part -> part[c].readers--
	:: else -> readers--
	fi;
	tlb[c].valid = false /* flush_local */
}

proctype thread(byte c)
{
	byte stored, n;
	bool in_part;

	do
	:: atomic {
		stored < STORES && tlb[c].valid && tlb[c].writable ->
		assert(word[tlb[c].page * CPUS + c] == stored);
		assert(!(forked && tlb[c].page == OLD));
		stored++;
		word[tlb[c].page * CPUS + c] = stored
	   }
	:: atomic {
		stored < STORES && !tlb[c].valid && present ->
		tlb[c].valid = true;
		tlb[c].writable = writable;
		tlb[c].page = page
	   }
	:: stored < STORES && (tlb[c].valid -> !tlb[c].writable : !present) ->
		fault(c, n, in_part)
	:: stored == STORES -> break
	od;
	atomic { present -> assert(word[page * CPUS + c] == stored) }
}

proctype fork()
{
	byte c;

	atomic { !readers && !writer -> writer = true };
	do
	:: RECALLS && c < CPUS ->
		if
		:: part[c].named ->
			atomic { !part[c].readers && !part[c].writer -> part[c].writer = true };
			part[c].named = false;
			part[c].writer = false
		:: else
		fi;
		c++
	:: else -> break
	od;
	lock_table();
	writable = false;
	shared = true;
	table_locked = false;
	if
	:: !FLUSHES_FIRST -> writer = false
	:: else
	fi;
	flush_all(c);
	forked = true;
	if
	:: FLUSHES_FIRST -> writer = false
	:: else
	fi
}

init
{
	byte c;

	atomic {
		do
		:: c < CPUS ->
			part[c].named = true;
			/* Some know the page already. */
			if
			:: tlb[c].valid = true; tlb[c].writable = true
			:: skip
			fi;
			run thread(c);
			c++
		:: else -> break
		od;
		run fork()
	}
}
