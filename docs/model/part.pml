/*
 * part.pml: the CPUs' parts of an address space (src/base/part.c), for spin.
 *
 * Three CPUs. Threads of the address spaces A and B fault on them: each faults a few times, on any
 * CPU, also on one where another thread is in the middle of its fault. Meanwhile a writer of A
 * comes and goes, and then A is taken down: its memory is anybody's from then on. Checked:
 *
 *   - nobody is in a fault of A while a writer of A is at work;
 *   - the sum of what was counted is exact when the writer has recalled the parts, and before that
 *     whoever adds up under sum_lock finds every count in one place;
 *   - nobody touches A when it is gone, and no part names it;
 *   - nobody waits for ever.
 *
 * Sleeping locks are a number of readers and a writer, taken in one step, since sleep.c has checks of
 * its own. A step of this model is one access to memory that others may change.
 */
#ifndef CPUS
#define CPUS 2
#endif
/* What check-model takes away, to see that it is missed. */
#ifndef STILL_MINE
#define STILL_MINE part[c].mm == me
#endif
#ifndef WAIT_FOR_FOLD
#define WAIT_FOR_FOLD lock_sum(A); unlock_sum(A)
#endif

#define NONE 0
#define A 1
#define B 2
#ifndef THREADS
#define THREADS 2 /* of A */
#define FAULTS  2 /* of each */
#endif

typedef part_t {
	byte mm;        /* whose it is */
	byte readers;   /* mmap_lock of the part */
	bool writer;
	short count;    /* of entries; folded into its mm */
};

part_t part[CPUS];

/* Of A and B: mmap_lock, sum_lock, and what mm->own has counted. */
byte readers[3];
bool writer[3];
bool sum_locked[3];
short count[3];
bool may_name[3 * CPUS]; /* mm->parts */
byte moves[3];
byte faulted[3]; /* faults that are over, or at least counted: what the sum must be */

bool gone;       /* A has been taken down */
byte inside;     /* faults of A that are at work */
bool changing;   /* the writer of A is */
byte running = THREADS; /* threads of A that may still fault */

#define ALIVE(m) assert(m != A || !gone)

inline lock_read(m)
{
	atomic { !writer[m] -> ALIVE(m); readers[m]++ }
}

inline lock_sum(m)
{
	atomic { ALIVE(m); !sum_locked[m] -> sum_locked[m] = true }
}

inline unlock_sum(m)
{
	atomic { ALIVE(m); sum_locked[m] = false }
}

/* Part c is nobody's from now on; its lock is held for writing. */
inline fold(c, m)
{
	lock_sum(m);
	count[m] = count[m] + part[c].count;
	part[c].count = 0;
	part[c].mm = NONE;
	unlock_sum(m)
}

/* This CPU's part becomes one of `me`, unless somebody is in it. */
inline give(c, me, old)
{
	if
	:: atomic { !part[c].readers && !part[c].writer -> part[c].writer = true };
		old = part[c].mm;
		if
		:: old != me ->
			if
			:: old != NONE -> fold(c, old)
			:: else
			fi;
			may_name[me * CPUS + c] = true;
			part[c].mm = me
		:: else
		fi;
		part[c].writer = false
	:: else
	fi
}

/* What a fault does when it has the lock. */
#define ENTER if :: me == A -> atomic { inside++; assert(!changing && !gone) } :: else fi
#define LEAVE if :: me == A -> inside-- :: else fi

proctype thread(byte me; byte faults)
{
	byte c, old, n;
	bool in_part;

	do
	:: n < faults ->
		atomic {
			c = 0;
			do
			:: c < CPUS - 1 -> c++
			:: break
			od;
			in_part = false
		};
		if
		:: part[c].mm == me -> /* seen without its lock */
			atomic { !part[c].writer -> part[c].readers++ };
			if
			:: STILL_MINE -> in_part = true
			:: else -> part[c].readers--
			fi
		:: else
		fi;
		if
		:: !in_part ->
			lock_read(me);
			if
			:: moves[me] > 0 -> give(c, me, old)
			:: else -> moves[me] = 1
			fi
		:: else
		fi;
		ENTER;
		if
		:: in_part -> atomic { part[c].count++; faulted[me]++ }
		:: else -> atomic { ALIVE(me); count[me]++; faulted[me]++ }
		fi;
		LEAVE;
		if
		:: in_part -> part[c].readers--
		:: else -> atomic { ALIVE(me); readers[me]-- }
		fi;
		n++
	:: else -> break
	od;
	if :: me == A -> running-- :: else fi
}

/* mmap_lock for writing, and all parts taken back. */
inline lock_write(c)
{
	atomic { !readers[A] && !writer[A] -> writer[A] = true };
	if
	:: moves[A] ->
		c = 0;
		do
		:: c < CPUS ->
			if
			:: may_name[A * CPUS + c] ->
				if
				:: part[c].mm == A ->
					atomic { !part[c].readers && !part[c].writer -> part[c].writer = true };
					if
					:: part[c].mm == A -> fold(c, A)
					:: else
					fi;
					part[c].writer = false
				:: else -> WAIT_FOR_FOLD
				fi
			:: else
			fi;
			c++
		:: else -> break
		od;
		c = 0;
		do
		:: c < CPUS -> may_name[A * CPUS + c] = false; c++
		:: else -> break
		od;
		moves[A] = 0
	:: else
	fi
}

proctype change()
{
	byte c;

	lock_write(c);
	atomic { changing = true; assert(!inside); assert(count[A] == faulted[A]) };
	atomic { changing = false; writer[A] = false };
	/* The last one: the embedder takes A down when its threads have ended. */
	running == 0;
	lock_write(c);
	atomic { gone = true; assert(!inside); assert(count[A] == faulted[A]) };
	c = 0;
	do
	:: c < CPUS -> assert(part[c].mm != A); c++
	:: else -> break
	od
}

/* Somebody adds up, once, at any time: mm->own, and the parts that name the mm. */
proctype add_up()
{
	short sum;
	byte c, least;

	lock_sum(A);
	least = faulted[A];
	sum = count[A];
	do
	:: c < CPUS ->
		if
		:: atomic { part[c].mm == A -> sum = sum + part[c].count }
		:: else
		fi;
		c++
	:: else -> break
	od;
	unlock_sum(A);
	assert(sum <= faulted[A]);
	assert(sum >= least)
}

init
{
	byte n;

	atomic {
		moves[A] = 1; /* CPUs get parts at once, also such as were another mm's */
		moves[B] = 1;
		do
		:: n < THREADS -> run thread(A, FAULTS); n++
		:: else -> break
		od;
		run thread(B, 1);
		if
		:: run change()
		:: run add_up()
		fi
	}
}
