# A small kernel, one source and one list of tests for each port, in QEMU. Included by the Makefile.
#
#   make tiny                       boot it, and show what it prints; MACHINE=x86_64 CPUS=1
#   make test-ports                 all machines that compilers and emulators are there for
#   make test-ports-riscv64         one of them
#
# A machine NAME is made from examples/tiny/NAME, the port ports/NAME, and these:
#   TINY_CC_NAME, TINY_QEMU_NAME        compiler, emulator: if one is missing, the machine is skipped
#   TINY_FLAGS_NAME, TINY_SRC_NAME      flags of the compiler, the port's files
#   TINY_LOAD_NAME, TINY_BASE_NAME      where the kernel is in memory, where its half of addresses begins
#   TINY_LIBS_NAME                      what else is linked
#   TINY_OLD_NAME                       options of QEMU for one more run, on an older machine
# Variants of a machine have its NAME in TINY_DIR_VARIANT, and flags and a base of their own.

TINY_MACHINES := x86_64 riscv64 riscv64-sv48 riscv64-ipi aarch64 aarch64-16k aarch64-64k armv7

TINY_CC_x86_64    := $(if $(filter x86_64,$(shell uname -m)),gcc,x86_64-linux-gnu-gcc)
TINY_QEMU_x86_64  := qemu-system-x86_64
TINY_SRC_x86_64   := ports/x86_64/mmu.c
TINY_LOAD_x86_64  := 0x200000
TINY_BASE_x86_64  := 0xffffffff80000000
TINY_FLAGS_x86_64 := -DX86_DIRECT_MAP=$(TINY_BASE_x86_64)ul -mcmodel=kernel -mno-red-zone -mgeneral-regs-only -fcf-protection=none

TINY_CC_riscv64    := riscv64-linux-gnu-gcc
TINY_QEMU_riscv64  := qemu-system-riscv64
TINY_SRC_riscv64   := ports/asid.c ports/riscv64/mmu.c ports/riscv64/subword.c
TINY_LOAD_riscv64  := 0x80200000
TINY_BASE_riscv64  := 0xffffffc000000000
TINY_RISCV64       := -march=rv64imac_zicsr_zifencei -mabi=lp64 -mcmodel=medany -mno-relax -msmall-data-limit=0
TINY_FLAGS_riscv64 := $(TINY_RISCV64) -DRV_LEVELS=3

TINY_DIR_riscv64-sv48   := riscv64
TINY_BASE_riscv64-sv48  := 0xffff800000000000
TINY_FLAGS_riscv64-sv48 := $(TINY_RISCV64) -DRV_LEVELS=4

# Flushes by the kernel's own interrupt instead of by the firmware.
TINY_DIR_riscv64-ipi   := riscv64
TINY_BASE_riscv64-ipi  := $(TINY_BASE_riscv64)
TINY_FLAGS_riscv64-ipi := $(TINY_FLAGS_riscv64) -DFLUSH_BY_INTERRUPT=true

TINY_CC_aarch64    := aarch64-linux-gnu-gcc
TINY_QEMU_aarch64  := qemu-system-aarch64
TINY_SRC_aarch64   := ports/asid.c ports/aarch64/mmu.c
TINY_LOAD_aarch64  := 0x40200000
TINY_BASE_aarch64  := 0xffffff8000000000
TINY_AARCH64       := -mgeneral-regs-only -mno-outline-atomics -mcmodel=small
TINY_FLAGS_aarch64 := $(TINY_AARCH64) -DARM_PAGE_SHIFT=12
# An MMU that sets neither accessed nor dirty.
TINY_OLD_aarch64   := -cpu cortex-a72

TINY_DIR_aarch64-16k   := aarch64
TINY_BASE_aarch64-16k  := 0xffff800000000000
TINY_FLAGS_aarch64-16k := $(TINY_AARCH64) -DARM_PAGE_SHIFT=14

TINY_DIR_aarch64-64k   := aarch64
TINY_BASE_aarch64-64k  := 0xfffffc0000000000
TINY_FLAGS_aarch64-64k := $(TINY_AARCH64) -DARM_PAGE_SHIFT=16

TINY_CC_armv7    := arm-linux-gnueabihf-gcc
TINY_QEMU_armv7  := qemu-system-arm
TINY_SRC_armv7   := ports/asid.c ports/armv7/mmu.c
TINY_LOAD_armv7  := 0x40200000
TINY_BASE_armv7  := 0x40000000
TINY_FLAGS_armv7 := -march=armv7ve -marm -mfloat-abi=soft
# Divisions of 64 bits, which have nothing to do with floating point, though ld thinks so.
TINY_LIBS_armv7  := -Wl,--no-warn-mismatch -lgcc

TINY_CFLAGS := -std=c11 -ffreestanding -fno-pic -fno-stack-protector -fno-asynchronous-unwind-tables \
	-g $(WARN_CORE) -Iinclude -Iexamples/tiny -MMD -MP
TINY_CORE    = $(sort $(or $(CORE_SRC),$(wildcard src/*.c src/*/*.c)))
TINY_KERNEL := $(wildcard examples/tiny/*.[cS])
TINY_USER   := $(addprefix examples/tiny/,user/user.c print.c string.c)
TINY_TESTS  := $(TINY_USER) $(addprefix examples/tiny/user/,tests.c memory.c sharing.c several.c)
TINY_BENCH  := $(TINY_USER) examples/tiny/user/bench.c

tiny_dir  = $(or $(TINY_DIR_$(1)),$(1))
tiny_cc   = $(TINY_CC_$(tiny_dir))
tiny_qemu = $(TINY_QEMU_$(tiny_dir))
tiny_src  = $(TINY_SRC_$(tiny_dir))
tiny_base = $(TINY_BASE_$(1))
tiny_load = $(TINY_LOAD_$(tiny_dir))
tiny_out  = build/tiny/$(1)$(if $(DESIGN),-$(RMAP))
tiny_cpus = $(if $(TINY_DIR_$(1)),2,1 2 4) # fewer on variants of a machine
tiny_tool = $(patsubst %gcc,%$(2),$(tiny_cc))

# A kernel. $(1): a machine, $(2): where to build it, $(3): flags, $(4): its program's files.
define tiny_rules
$(2)/%: private FLAGS = $$(TINY_CFLAGS) $$(TINY_FLAGS_$(1)) -DKERNEL_BASE=$(tiny_base) -DKERNEL_LOAD=$(tiny_load) \
	-Iexamples/tiny/$(tiny_dir) -Iports/$(tiny_dir) $(3)
$(2)/%.o: %.c
	@echo "  CC    $$@"; mkdir -p $$(@D)
	@$(tiny_cc) $$(FLAGS) -Isrc $$(DESIGN) -c -o $$@ $$<
$(2)/%.o: %.S $(2)/program.bin
	@echo "  CC    $$@"; mkdir -p $$(@D)
	@$(tiny_cc) $$(FLAGS) -Wa,-I,$(2) -c -o $$@ $$<
$(2)/program/%.o: %.c
	@echo "  CC    $$@"; mkdir -p $$(@D)
	@$(tiny_cc) $$(FLAGS) -c -o $$@ $$<

$(2)/program.bin: $(patsubst %.c,$(2)/program/%.o,$(4)) examples/tiny/user/program.ld
	@$(tiny_cc) -nostdlib -static -Wl,--build-id=none -Wl,-z,noexecstack \
		-Wl,-T,examples/tiny/user/program.ld -o $$(@:bin=elf) $$(filter %.o,$$^) $(TINY_LIBS_$(1))
	@$(call tiny_tool,$(1),objcopy) -O binary $$(@:bin=elf) $$@

$(2)/kernel: $$(patsubst %,$(2)/%.o,$$(basename $$(TINY_CORE) $(tiny_src) \
		$(TINY_KERNEL) $(wildcard examples/tiny/$(tiny_dir)/*.[cS]))) examples/tiny/kernel.ld
	@echo "  LINK  $$@"
	@$(tiny_cc) -nostdlib -static -Wl,--build-id=none -Wl,-z,noexecstack -Wl,-z,max-page-size=4096 \
		-Wl,--defsym=KERNEL_BASE=$(tiny_base) -Wl,--defsym=KERNEL_LOAD=$(tiny_load) \
		-Wl,-T,examples/tiny/kernel.ld -o $$@ $$(filter %.o,$$^) $(TINY_LIBS_$(1))

$(2)/core.o: $$(patsubst %.c,$(2)/%.o,$$(TINY_CORE))
	@$(tiny_cc) -nostdlib -r -o $$@ $$^
endef

# $(1): a machine.
define tiny_targets
test-ports-$(1): $(tiny_out)/kernel
	@examples/tiny/test.sh $(1) $$< $(tiny_cpus)
	$(if $(TINY_OLD_$(1)),@EXTRA="$(TINY_OLD_$(1))" examples/tiny/test.sh $(1) $$< 1)

# The core and the port together want nothing but mem*, and divisions of 64 bits on 32-bit Arm.
check-ports-$(1): $(tiny_out)/core.o $$(patsubst %.c,$(tiny_out)/%.o,$(tiny_src))
	@$(tiny_cc) -nostdlib -r -o $(tiny_out)/port.o $$^
	@! $(call tiny_tool,$(1),nm) --undefined-only $(tiny_out)/port.o | grep -vE ' (mem(cpy|set|move|cmp)|__aeabi_u?ldivmod)$$$$'
	@echo "check-ports: ok, $(1)"

bench-ports-$(1): $(tiny_out)-bench/kernel $(tiny_out)-bench/core.o $(tiny_out)-size/core.o
	@examples/tiny/bench.sh $(1) $$< "$(call tiny_tool,$(1),size)" $(tiny_out)-bench/core.o $(tiny_out)-size/core.o
.PHONY: test-ports-$(1) check-ports-$(1) bench-ports-$(1)

$(call tiny_rules,$(1),$(tiny_out),-O2 -DOM_DEBUG=1,$(TINY_TESTS))
$(call tiny_rules,$(1),$(tiny_out)-bench,-O2,$(TINY_BENCH))
$(call tiny_rules,$(1),$(tiny_out)-size,-Os,$(TINY_BENCH))
endef
$(foreach m,$(TINY_MACHINES),$(eval $(call tiny_targets,$(m))))

# What is not installed is skipped, and said so. $(1): the machine, $(2): what is needed
tiny_lacks = $(firstword $(foreach c,$(2),$(if $(shell command -v $(c)),,$(c))))
tiny_each  = $(foreach m,$(TINY_MACHINES),$(if $(call tiny_lacks,$(m),$(call $(2),$(m))),tiny-skip-$(m),$(1)-$(m)))
tiny_both  = $(tiny_cc) $(tiny_qemu)

MACHINE ?= x86_64
tiny: $(call tiny_out,$(MACHINE))/kernel ## a small kernel, examples/tiny: boot it in QEMU; MACHINE=x86_64 CPUS=1
	@examples/tiny/run.sh $(MACHINE) $(or $(CPUS),1) $<

test-ports: $(call tiny_each,test-ports,tiny_both) ## it on each port, in each machine in QEMU, on 1, 2 and 4 CPUs
check: check-ports check-tiny
check-ports: $(call tiny_each,check-ports,tiny_cc) ## each port, with the core, needs mem* only

# Variants of a machine are left out.
TINY_BENCHED = $(foreach m,$(TINY_MACHINES),$(if $(TINY_DIR_$(m)),,$(m)))
bench-ports: ## instructions for each operation, and the size of the core, on each machine
	@scripts/setup.sh ports
	@for m in $(TINY_BENCHED); do $(MAKE) --no-print-directory bench-ports-$$m || exit 1; done
	@{ echo "{"; cat $(TINY_BENCHED:%=build/tiny/%-bench/figures) | sed '$$!s/$$/,/'; echo "}"; } >build/bench-ports.json

check-tiny: ## the size of the kernel, and that docs/porting.md quotes it as it is
	@examples/tiny/check.sh
	@scripts/check-quotes.sh

tiny-skip-%:
	@echo "$*: SKIPPED, there is no $(call tiny_lacks,$*,$(call tiny_both,$*))"

.PHONY: tiny test-ports check-ports bench-ports check-tiny
-include $(shell find build/tiny -name '*.d' 2>/dev/null)
