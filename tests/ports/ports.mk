# The ports, each on its machine in QEMU: one kernel, one list of tests. Included by the Makefile.
#
#   make test-ports                 all that compilers and emulators are there for
#   make test-ports-riscv64         one of them
#   make ports-riscv64 CPUS=4       one of them once, with what it prints
#
# A machine NAME is made from tests/ports/NAME, the port ports/NAME, and these:
#   PORTS_CC_NAME, PORTS_QEMU_NAME      compiler, emulator: if one is missing, the machine is skipped
#   PORTS_FLAGS_NAME, PORTS_LD_NAME     flags of the compiler, symbols for the linker
#   PORTS_OLD_NAME                      options of QEMU for one more run, on an older machine
#   PORTS_DIR_NAME, PORTS_SRC_NAME      both NAMEs in the paths above, if another; the port's files

PORTS_MACHINES := riscv64 riscv64-sv48 riscv64-ipi aarch64 aarch64-16k aarch64-64k
PORTS_CPUS      = 1 2 $(if $(PORTS_DIR_$(1)),,4) # fewer on variants of a machine

PORTS_CC_riscv64    := riscv64-linux-gnu-gcc
PORTS_QEMU_riscv64  := qemu-system-riscv64
PORTS_RISCV64       := -march=rv64imac_zicsr_zifencei -mabi=lp64 -mcmodel=medany -mno-relax -msmall-data-limit=0
PORTS_FLAGS_riscv64 := $(PORTS_RISCV64) -DRV_LEVELS=3
PORTS_LD_riscv64    := BASE=0xffffffc000000000 MODE=8
PORTS_SRC_riscv64   := ports/asid.c ports/riscv64/mmu.c ports/riscv64/subword.c

PORTS_DIR_riscv64-sv48   := riscv64
PORTS_CC_riscv64-sv48    := $(PORTS_CC_riscv64)
PORTS_QEMU_riscv64-sv48  := $(PORTS_QEMU_riscv64)
PORTS_FLAGS_riscv64-sv48 := $(PORTS_RISCV64) -DRV_LEVELS=4
PORTS_LD_riscv64-sv48    := BASE=0xffff800000000000 MODE=9
PORTS_SRC_riscv64-sv48   := $(PORTS_SRC_riscv64)

# Flushes by the kernel's own interrupt instead of by the firmware.
PORTS_DIR_riscv64-ipi   := riscv64
PORTS_CC_riscv64-ipi    := $(PORTS_CC_riscv64)
PORTS_QEMU_riscv64-ipi  := $(PORTS_QEMU_riscv64)
PORTS_FLAGS_riscv64-ipi := $(PORTS_FLAGS_riscv64) -DFLUSH_BY_INTERRUPT=true
PORTS_LD_riscv64-ipi    := $(PORTS_LD_riscv64)
PORTS_SRC_riscv64-ipi   := $(PORTS_SRC_riscv64)

PORTS_CC_aarch64    := aarch64-linux-gnu-gcc
PORTS_QEMU_aarch64  := qemu-system-aarch64
PORTS_AARCH64       := -mgeneral-regs-only -mno-outline-atomics -mcmodel=small
PORTS_FLAGS_aarch64 := $(PORTS_AARCH64) -DARM_PAGE_SHIFT=12
PORTS_LD_aarch64    := BASE=0xffffff8000000000
PORTS_SRC_aarch64   := ports/asid.c ports/aarch64/mmu.c

# An MMU that sets neither accessed nor dirty.
PORTS_OLD_aarch64   := -cpu cortex-a72

PORTS_DIR_aarch64-16k   := aarch64
PORTS_CC_aarch64-16k    := $(PORTS_CC_aarch64)
PORTS_QEMU_aarch64-16k  := $(PORTS_QEMU_aarch64)
PORTS_FLAGS_aarch64-16k := $(PORTS_AARCH64) -DARM_PAGE_SHIFT=14
PORTS_LD_aarch64-16k    := BASE=0xffff800000000000
PORTS_SRC_aarch64-16k   := $(PORTS_SRC_aarch64)

PORTS_DIR_aarch64-64k   := aarch64
PORTS_CC_aarch64-64k    := $(PORTS_CC_aarch64)
PORTS_QEMU_aarch64-64k  := $(PORTS_QEMU_aarch64)
PORTS_FLAGS_aarch64-64k := $(PORTS_AARCH64) -DARM_PAGE_SHIFT=16
PORTS_LD_aarch64-64k    := BASE=0xfffffc0000000000
PORTS_SRC_aarch64-64k   := $(PORTS_SRC_aarch64)

PORTS_CFLAGS := -std=c11 -ffreestanding -fno-pic -fno-stack-protector -fno-asynchronous-unwind-tables \
	-O2 -g $(WARN_CORE) -Iinclude -Itests/ports -MMD -MP
PORTS_CORE    = $(sort $(or $(CORE_SRC),$(wildcard src/*.c src/*/*.c)))
PORTS_KERNEL := $(wildcard tests/ports/*.[cS])
PORTS_USER   := $(wildcard tests/ports/user/*.c) tests/ports/print.c tests/ports/string.c

ports_dir = tests/ports/$(or $(PORTS_DIR_$(1)),$(1))
ports_out = build/ports/$(1)$(if $(DESIGN),-$(RMAP))

# $(1): a machine.
define ports_rules
$(call ports_out,$(1))/%.o: private FLAGS = $$(PORTS_CFLAGS) $$(PORTS_FLAGS_$(1)) -I$(call ports_dir,$(1))
$(call ports_out,$(1))/%.o: %.c
	@echo "  CC    $$@"; mkdir -p $$(@D)
	@$$(PORTS_CC_$(1)) $$(FLAGS) -DOM_DEBUG=1 -Isrc -Iports/$(notdir $(call ports_dir,$(1))) $$(DESIGN) -c -o $$@ $$<
$(call ports_out,$(1))/%.o: %.S $(call ports_out,$(1))/program.bin
	@echo "  CC    $$@"; mkdir -p $$(@D)
	@$$(PORTS_CC_$(1)) $$(FLAGS) -Iports/$(notdir $(call ports_dir,$(1))) -Wa,-I,$$(call ports_out,$(1)) -c -o $$@ $$<
$(call ports_out,$(1))/program/%.o: %.c
	@echo "  CC    $$@"; mkdir -p $$(@D)
	@$$(PORTS_CC_$(1)) $$(FLAGS) -c -o $$@ $$<

$(call ports_out,$(1))/program.bin: $(PORTS_USER:%.c=$(call ports_out,$(1))/program/%.o) tests/ports/user/program.ld
	@$$(PORTS_CC_$(1)) -nostdlib -static -Wl,--build-id=none -Wl,-z,noexecstack \
		-Wl,-T,tests/ports/user/program.ld -o $$(@:bin=elf) $$(filter %.o,$$^)
	@$$(PORTS_CC_$(1):%gcc=%objcopy) -O binary $$(@:bin=elf) $$@

$(call ports_out,$(1))/kernel: $$(patsubst %,$(call ports_out,$(1))/%.o,$$(basename $$(PORTS_CORE) $(PORTS_SRC_$(1)) \
		$(PORTS_KERNEL) $(wildcard $(call ports_dir,$(1))/*.[cS]))) $(call ports_dir,$(1))/kernel.ld
	@echo "  LINK  $$@"
	@$$(PORTS_CC_$(1)) -nostdlib -static -Wl,--build-id=none -Wl,-z,noexecstack -Wl,-z,max-page-size=4096 \
		$(PORTS_LD_$(1):%=-Wl,--defsym=%) -Wl,-T,$(call ports_dir,$(1))/kernel.ld -o $$@ $$(filter %.o,$$^)

ports-$(1): $(call ports_out,$(1))/kernel
	@tests/ports/run.sh $(1) $$(or $$(CPUS),1) $$<

test-ports-$(1): $(call ports_out,$(1))/kernel
	@tests/ports/test.sh $(1) $$< $(PORTS_CPUS)
	$(if $(PORTS_OLD_$(1)),@EXTRA="$(PORTS_OLD_$(1))" tests/ports/test.sh $(1) $$< 1)

# The core and the port together want nothing but mem*.
check-ports-$(1): $$(patsubst %.c,$(call ports_out,$(1))/%.o,$$(PORTS_CORE) $(PORTS_SRC_$(1)))
	@$$(PORTS_CC_$(1)) -nostdlib -r -o $(call ports_out,$(1))/port.o $$^
	@! $$(PORTS_CC_$(1):%gcc=%nm) --undefined-only $(call ports_out,$(1))/port.o | grep -vE ' mem(cpy|set|move|cmp)$$$$'
	@echo "check-ports: ok, $(1)"
.PHONY: ports-$(1) test-ports-$(1) check-ports-$(1)
endef
$(foreach m,$(PORTS_MACHINES),$(eval $(call ports_rules,$(m))))

# What is not installed is skipped, and said so. $(1): the machine, $(2): what is needed
ports_lacks = $(firstword $(foreach c,$(2),$(if $(shell command -v $(c)),,$(c))))
ports_each = $(foreach m,$(PORTS_MACHINES),$(if $(call ports_lacks,$(m),$(call $(2),$(m))),ports-skip-$(m),$(1)-$(m)))
ports_compiler = $(PORTS_CC_$(1))
ports_both = $(PORTS_CC_$(1)) $(PORTS_QEMU_$(1))

test-ports: $(call ports_each,test-ports,ports_both) ## the ports, each in its machine in QEMU, on 1, 2 and 4 CPUs
check: check-ports
check-ports: $(call ports_each,check-ports,ports_compiler) ## each port, with the core, needs mem* only

ports-skip-%:
	@echo "$*: SKIPPED, there is no $(call ports_lacks,$*,$(call ports_both,$*))"

.PHONY: test-ports check-ports
-include $(shell find build/ports -name '*.d' 2>/dev/null)
