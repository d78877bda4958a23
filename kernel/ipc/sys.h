/*
 * sys.h: the system calls of ipc/.
 */
#ifndef IPC_SYS_H
#define IPC_SYS_H

#include "lib.h"
#include "syscalls.h"

/* ---- shm.c */
long sys_shmget(int key, size_t size, unsigned flags);
long sys_shmat(int id, uintptr_t addr, unsigned flags);
long sys_shmdt(uintptr_t addr);
long sys_shmctl(int id, int cmd, uintptr_t buf);

#endif
