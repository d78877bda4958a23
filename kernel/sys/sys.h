/*
 * sys.h: the system calls of sys/.
 */
#ifndef SYS_SYS_H
#define SYS_SYS_H

#include <linux/mman.h>
#include <linux/uio.h>

#include "process.h"
#include "syscalls.h"
#include "vm.h"

/* ---- map.c */
long sys_mmap(uintptr_t addr, size_t len, unsigned long prot, unsigned long flags, int fd,
              uint64_t offset);
long sys_munmap(uintptr_t addr, size_t len);
long sys_mprotect(uintptr_t addr, size_t len, unsigned long prot);
long sys_mremap(uintptr_t old_addr, size_t old_len, size_t new_len, unsigned long flags,
                uintptr_t new_addr);
long sys_brk(uintptr_t end);
long sys_remap_file_pages(uintptr_t addr, size_t len, unsigned long prot, size_t pgoff,
                          unsigned long flags);
long sys_mincore(uintptr_t addr, size_t len, uintptr_t vec);
long sys_msync(uintptr_t addr, size_t len, int flags);

/* ---- advise.c */
long sys_madvise(uintptr_t addr, size_t len, int advice);
long sys_process_madvise(int pidfd, uintptr_t vec, size_t n, int advice, unsigned flags);
long sys_mlock(uintptr_t addr, size_t len);
long sys_mlock2(uintptr_t addr, size_t len, int flags);
long sys_munlock(uintptr_t addr, size_t len);
long sys_mlockall(int flags);
long sys_munlockall(void);
long sys_membarrier(int cmd, unsigned flags, int cpu);

/* ---- process_vm.c */
long sys_process_vm_readv(int pid, uintptr_t local, size_t nr_local, uintptr_t remote,
                          size_t nr_remote, unsigned long flags);
long sys_process_vm_writev(int pid, uintptr_t local, size_t nr_local, uintptr_t remote,
                           size_t nr_remote, unsigned long flags);

/* ---- swap.c */
long sys_swapon(uintptr_t path, int flags);
long sys_swapoff(uintptr_t path);

/* ---- memfd.c */
long sys_memfd_create(uintptr_t name, unsigned flags);

/* ---- machine.c */
long sys_uname(uintptr_t buf);
long sys_sethostname(uintptr_t name, size_t len);
long sys_sysinfo(uintptr_t buf);
long sys_reboot(unsigned magic1, unsigned magic2, unsigned cmd);
long sys_syslog(int type);
long sys_getrandom(uintptr_t buf, size_t len, unsigned flags);

#endif
