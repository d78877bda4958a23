/*
 * room.c: how much memory and swap there is for files in memory. Such files could fill both, and
 * leave none to the programs that might remove them: so they do not grow into the last part.
 */
#include "fs.h"

#define FULL_PART 16u /* of memory and swap is kept for programs: files do not grow into it */
#define LOOK_NS   20000000u

/* The figures take long to gather, so they may be LOOK_NS old. */
struct room room_left(void)
{
	static struct mutex lock = MUTEX_INIT(lock);
	static uint64_t next_look;
	static struct room room;
	struct om_sysinfo info;
	struct room copy;

	mutex_lock(&lock);
	if (now_ns() >= next_look) {
		om_sysinfo(vm, &info);
		room.all = (uint64_t)info.frames + info.swap_slots;
		room.free = (uint64_t)info.free + info.file_cached - info.shmem + info.swap_free;
		next_look = now_ns() + LOOK_NS;
	}
	copy = room;
	mutex_unlock(&lock);
	return copy;
}

bool room_is_short(void)
{
	struct room room;

	if (om_free_frames(vm) > vm_nr_frames() / FULL_PART)
		return false;
	room = room_left();
	return room.free < room.all / FULL_PART;
}
