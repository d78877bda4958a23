/*
 * frames.pml: the CPUs' caches of free frames (src/page/frame_cache.c), for spin.
 *
 * Three CPUs take frames and free them. A cache holds two at most, and gets one at a time from the
 * machine's list, if that has enough; it brings one back when it is full. Which list a CPU tries
 * first is read without a lock. Checked:
 *
 *   - a request fails only while no frame is free, wherever: not in a cache, nor on its way;
 *   - no frame is lost, nor there twice;
 *   - nobody waits for ever.
 *
 * Spinning locks are taken in one step. What happens with the machine's lock held is one step: only
 * who has that lock sees it.
 */
#ifndef CPUS
#define CPUS 3
#endif
#ifndef FRAMES
#define FRAMES 4
#endif
#ifndef ROUNDS
#define ROUNDS 2 /* times that each CPU takes two frames and frees them */
#endif
#define MOST   2 /* in a cache */
#define REFILL 2 /* frames the machine must have for a cache to get one */
#define PLENTY 2 /* with so many, freed to the machine, there are caches again */

/* A spinning lock. */
#define LOCK(c)   atomic { !locked[c] -> locked[c] = true }
#define UNLOCK(c) locked[c] = false

/* What check-model takes away, to see that it is missed. */
#ifndef ANY_OPEN
#define ANY_OPEN nr_open > 0
#endif
#ifndef DRAIN_LOCK
#define DRAIN_LOCK   LOCK(i)
#define DRAIN_UNLOCK UNLOCK(i)
#endif

byte machine = FRAMES; /* frames in the machine's list */
bool caching;
byte nr_open;

byte cached[CPUS];
bool open[CPUS];
bool locked[CPUS];

byte held;  /* frames that the CPUs have */
byte moves; /* frames on their way between a cache and the machine's list */

/* Both locks are held. */
inline open_up(c)
{
	if
	:: caching ->
		if
		:: !open[c] -> open[c] = true; nr_open++
		:: else
		fi
	:: else
	fi
}

/* From this CPU's cache, which gets a frame if it has none. */
inline take_cached(c, got)
{
	LOCK(c);
	if
	:: cached[c] == 0 ->
		atomic {
			if
			:: machine >= REFILL ->
				open_up(c);
				if
				:: open[c] -> machine--; moves++
				:: else
				fi
			:: else
			fi
		};
		atomic {
			if
			:: open[c] && moves && cached[c] == 0 -> moves--; cached[c]++
			:: else
			fi
		}
	:: else
	fi;
	atomic {
		if
		:: cached[c] > 0 -> cached[c]--; held++; got = true
		:: else
		fi
	};
	UNLOCK(c)
}

inline drain_all(i)
{
	i = 0;
	do
	:: i < CPUS ->
		DRAIN_LOCK;
		atomic {
			if
			:: open[i] ->
				machine = machine + cached[i];
				cached[i] = 0;
				open[i] = false;
				nr_open--
			:: else
			fi
		};
		DRAIN_UNLOCK;
		i++
	:: else -> break
	od
}

/* Memory is short: the caches are given up, and the machine's list answers. */
inline take_last(i, got, again)
{
	do
	:: atomic {
			caching = false;
			if
			:: machine > 0 -> machine--; held++; got = true
			:: else
			fi;
			again = ANY_OPEN;
			assert(got || again || held == FRAMES)
		};
		if
		:: again -> drain_all(i)
		:: else
		fi;
		if
		:: got || !again -> break
		:: else
		fi
	od
}

inline free_to_machine()
{
	machine++;
	if
	:: machine >= PLENTY -> caching = true
	:: else
	fi
}

inline give(c, done)
{
	LOCK(c);
	if
	:: !open[c] -> atomic { open_up(c) }
	:: else
	fi;
	done = open[c];
	if
	:: done && cached[c] == MOST ->
		atomic { cached[c]--; moves++ };
		atomic { moves--; free_to_machine() }
	:: else
	fi;
	atomic {
		if
		:: done -> held--; cached[c]++
		:: else
		fi
	};
	UNLOCK(c)
}

proctype cpu(byte me)
{
	byte mine, round, i;
	bool hint, got, again;

	do
	:: round < ROUNDS ->
		do
		:: mine < 2 ->
			got = false;
			hint = caching;
			if
			:: hint -> take_cached(me, got)
			:: else
			fi;
			if
			:: !got -> take_last(i, got, again)
			:: else
			fi;
			if
			:: got -> mine++
			:: else -> break
			fi
		:: else -> break
		od;
		do
		:: mine > 0 ->
			got = false;
			hint = caching;
			if
			:: hint -> give(me, got)
			:: else
			fi;
			if
			:: !got -> atomic { held--; free_to_machine() }
			:: else
			fi;
			mine--
		:: else -> break
		od;
		round++
	:: else -> break
	od
}

/* At any time. */
proctype count()
{
	byte c, sum;

	atomic {
		do
		:: c < CPUS -> sum = sum + cached[c]; c++
		:: else -> break
		od;
		assert(sum + machine + held + moves == FRAMES)
	}
}

init
{
	byte n;

	atomic {
		do
		:: n < CPUS -> run cpu(n); n++
		:: else -> break
		od;
		run count()
	}
}
