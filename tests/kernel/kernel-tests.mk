# The guest programs of tests/kernel/ and the disk image they are on. Included by the Makefile.
#
#   KT_ONLY="mmap brk"   only these programs
#   KT_CPUS="2 8 1"      how many CPUs; one boot each, the longest first
#
# The environment has more for run.sh: see there.

KT      := build/kernel-tests
KT_CPUS ?= 2 8 1

# Those whose output must be what tests/kernel/expected/ has, and those that check themselves.
KT_EQUAL := mmap munmap mprotect mremap brk madvise mlock mincore msync remap_file_pages process_vm memfd \
	fork limits procfs faults random users rights memlock userlimits procread epoll events sockets inet shm
KT_SELF  := fresh pids smp affinity avx storm eventstorm socketstorm forkbomb wild swapon swapload pressure crowd oom victim takeall
KT_PROGRAMS := $(KT_EQUAL) $(KT_SELF) swaperr spare oominit

KT_CFLAGS := -std=gnu11 -O1 -g -D_GNU_SOURCE -pthread -static $(WARN) -Wno-cast-qual

kernel-tests: $(KT)/root.ext2 ## the programs and the disk image for test-kernel

test-kernel: kernel kernel-tests ## boot the kernel with 1, 2 and 8 CPUs, compare its answers with those of Linux
	@CPUS="$(KT_CPUS)" EQUAL="$(KT_EQUAL)" SELF="$(KT_SELF)" ONLY="$(KT_ONLY)" \
		tests/kernel/run.sh $(KB)/objrmap-kernel $(KT)

soak-kernel: kernel kernel-tests ## boot it again and again for SECONDS=60: other numbers, memory and CPUs each time
	@scripts/soak-kernel.sh $(SECONDS) $(KB)/objrmap-kernel $(KT)

$(KT)/bin/%: tests/kernel/%.c tests/kernel/test.c tests/kernel/test.h
	@echo "  CC    $@"
	@mkdir -p $(@D)
	@$(CC) $(KT_CFLAGS) -o $@ $< tests/kernel/test.c

$(KT)/root.ext2: $(KT_PROGRAMS:%=$(KT)/bin/%) $(KT)/bin/init
	@echo "  IMAGE $@"
	@rm -rf $(KT)/root $@
	@cd $(KT) && mkdir -p root/proc root/dev root/tmp root/run root/var/tmp root/tests
	@cp $(KT_PROGRAMS:%=$(KT)/bin/%) $(KT)/root/tests
	@cp $(KT)/bin/init $(KT)/root
	@PATH=$$PATH:/sbin:/usr/sbin mke2fs -q -t ext2 -b 4096 -d $(KT)/root $@ 64M

.PHONY: kernel-tests test-kernel soak-kernel
