/*
 * time.c: clocks and sleeping.
 *
 * There is one clock, now_ns() since boot; the time of day is a constant further on and cannot be
 * set.
 */
#include <linux/time.h>

#include "internal.h"
#include "sys.h"

#define CLOCK_RES_COARSE                                                                           \
	1000000u /* what the _COARSE clocks promise; they are as exact as the others */

/* ---------------------------------------------------------------- conversions --------------- */

bool timespec_valid(const struct __kernel_timespec *ts)
{
	return ts->tv_sec >= 0 && ts->tv_nsec >= 0 && ts->tv_nsec < (long long)NSEC_PER_SEC;
}

uint64_t timespec_ns(const struct __kernel_timespec *ts)
{
	if ((uint64_t)ts->tv_sec >= UINT64_MAX / NSEC_PER_SEC)
		return UINT64_MAX;
	return (uint64_t)ts->tv_sec * NSEC_PER_SEC + (uint64_t)ts->tv_nsec;
}

struct __kernel_timespec ns_timespec(uint64_t ns)
{
	return (struct __kernel_timespec){
	    .tv_sec = (long long)(ns / NSEC_PER_SEC),
	    .tv_nsec = (long long)(ns % NSEC_PER_SEC),
	};
}

uint64_t deadline_in(uint64_t ns)
{
	uint64_t now = now_ns();

	return ns < UINT64_MAX - now ? now + ns : UINT64_MAX;
}

int read_timeout(uintptr_t from, uint64_t *deadline)
{
	struct __kernel_timespec ts;

	if (user_get(ts, from))
		return -EFAULT;
	if (!timespec_valid(&ts))
		return -EINVAL;
	*deadline = deadline_in(timespec_ns(&ts));
	return 0;
}

/* ---------------------------------------------------------------- clocks -------------------- */

static uint64_t process_ns(void)
{
	uint64_t cpu, user;

	spin_lock(&proc_lock);
	proc_times(current->proc, &cpu, &user);
	spin_unlock(&proc_lock);
	return cpu;
}

static int read_clock(int clock, uint64_t *ns)
{
	switch (clock) {
	case CLOCK_REALTIME:
	case CLOCK_REALTIME_COARSE:
	case CLOCK_TAI:
		*ns = boot_time_ns() + now_ns();
		return 0;
	case CLOCK_MONOTONIC:
	case CLOCK_MONOTONIC_RAW:
	case CLOCK_MONOTONIC_COARSE:
	case CLOCK_BOOTTIME:
		*ns = now_ns();
		return 0;
	case CLOCK_PROCESS_CPUTIME_ID:
		*ns = process_ns();
		return 0;
	case CLOCK_THREAD_CPUTIME_ID:
		sched_account();
		*ns = current->cpu_ns;
		return 0;
	default:
		return -EINVAL;
	}
}

int clock_deadline(int clock, uint64_t at, uint64_t *deadline)
{
	uint64_t boot = boot_time_ns();

	switch (clock) {
	case CLOCK_REALTIME:
	case CLOCK_TAI:
		*deadline = at == UINT64_MAX ? at : at > boot ? at - boot : 0;
		return 0;
	case CLOCK_MONOTONIC:
	case CLOCK_BOOTTIME:
		*deadline = at;
		return 0;
	default:
		return -EOPNOTSUPP;
	}
}

long sys_clock_gettime(int clock, uintptr_t to)
{
	struct __kernel_timespec ts;
	uint64_t ns;
	int err = read_clock(clock, &ns);

	if (err)
		return err;
	ts = ns_timespec(ns);
	return user_put(to, ts);
}

long sys_clock_getres(int clock, uintptr_t to)
{
	bool coarse = clock == CLOCK_REALTIME_COARSE || clock == CLOCK_MONOTONIC_COARSE;
	const struct __kernel_timespec ts = ns_timespec(coarse ? CLOCK_RES_COARSE : 1);
	uint64_t ns;
	int err = read_clock(clock, &ns);

	return err || !to ? err : user_put(to, ts);
}

long sys_clock_settime(int clock, uintptr_t from)
{
	struct __kernel_timespec ts;

	if (clock != CLOCK_REALTIME)
		return -EINVAL;
	return user_get(ts, from) ? -EFAULT : -EPERM;
}

long sys_gettimeofday(uintptr_t tv_at, uintptr_t tz_at)
{
	uint64_t ns = boot_time_ns() + now_ns();
	const struct timeval tv = {
	    .tv_sec = (long)(ns / NSEC_PER_SEC),
	    .tv_usec = (long)(ns % NSEC_PER_SEC / 1000),
	};
	const struct timezone tz = {0};

	if (tv_at && user_put(tv_at, tv))
		return -EFAULT;
	return tz_at && user_put(tz_at, tz) ? -EFAULT : 0;
}

long sys_time(uintptr_t to)
{
	const long now = (long)((boot_time_ns() + now_ns()) / NSEC_PER_SEC);

	return to && user_put(to, now) ? -EFAULT : now;
}

/* ---------------------------------------------------------------- sleeping ------------------ */

long restart_at(uint64_t deadline)
{
	current->restart_deadline = deadline;
	return -ERESTART_RESTARTBLOCK;
}

/*
 * The first sleep after restart_at() is that call, begun again. If a handler runs before, which may
 * sleep itself, deliver.c forgets the deadline.
 */
uint64_t restarted(uint64_t deadline)
{
	uint64_t old = current->restart_deadline;

	current->restart_deadline = 0;
	return old ? old : deadline;
}

static int sleep_all(uint64_t deadline)
{
	while (now_ns() < deadline) {
		if (signal_pending())
			return -EINTR;
		sleep_until(deadline);
	}
	return 0;
}

static long sleep_for(uint64_t ns, uintptr_t left_at)
{
	uint64_t deadline = restarted(deadline_in(ns)), now;
	struct __kernel_timespec left;

	if (!sleep_all(deadline))
		return 0;
	now = now_ns();
	left = ns_timespec(deadline > now ? deadline - now : 0);
	if (left_at && user_put(left_at, left))
		return -EFAULT;
	return restart_at(deadline);
}

long sys_nanosleep(uintptr_t from, uintptr_t left)
{
	struct __kernel_timespec ts;

	if (user_get(ts, from))
		return -EFAULT;
	return timespec_valid(&ts) ? sleep_for(timespec_ns(&ts), left) : -EINVAL;
}

long sys_clock_nanosleep(int clock, int flags, uintptr_t from, uintptr_t left)
{
	struct __kernel_timespec ts;
	uint64_t deadline;
	int err;

	if (user_get(ts, from))
		return -EFAULT;
	if (!timespec_valid(&ts) || (flags & ~TIMER_ABSTIME))
		return -EINVAL;
	err = clock_deadline(clock, timespec_ns(&ts), &deadline);
	if (err)
		return err;
	if (!(flags & TIMER_ABSTIME))
		return sleep_for(timespec_ns(&ts), left);
	return sleep_all(deadline) ? -ERESTARTNOHAND : 0;
}
