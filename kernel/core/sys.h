/*
 * sys.h: the system calls of core/.
 */
#ifndef CORE_SYS_H
#define CORE_SYS_H

#include "lib.h"

long sys_uname(uintptr_t buf);
long sys_sethostname(uintptr_t name, size_t len);
long sys_sysinfo(uintptr_t buf);
long sys_reboot(unsigned magic1, unsigned magic2, unsigned cmd);
long sys_syslog(int type);
long sys_getrandom(uintptr_t buf, size_t len, unsigned flags);

#endif
