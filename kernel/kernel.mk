# The reference kernel: build/kernel/$(KV)/objrmap-kernel. Included by the Makefile.
#
#   KV=release (default) or debug: objrmap with all its checks on; RMAP=name as in the Makefile

KV ?= release
KB := build/kernel/$(KV)$(if $(DESIGN),-$(RMAP))

KOPT_release := -O2 -g
KOPT_debug   := -O1 -g -fno-omit-frame-pointer -DOM_DEBUG=1

KERNEL_C := $(sort $(wildcard kernel/*/*.c) $(wildcard ports/x86_64/*.c) $(CORE_SRC))
KERNEL_S := $(sort $(wildcard kernel/*/*.S))
KERNEL_OBJ := $(KERNEL_C:%.c=$(KB)/%.o) $(KERNEL_S:%.S=$(KB)/%.o)

KERNEL_CFLAGS := -std=gnu11 -ffreestanding -fno-pic -fno-pie -mcmodel=kernel -mno-red-zone -mno-mmx -mno-sse -mno-80387 \
	-fno-stack-protector -fno-asynchronous-unwind-tables -fcf-protection=none -fno-strict-aliasing \
	$(filter-out -Wcast-qual,$(WARN)) $(KOPT_$(KV)) -Iinclude -Isrc -Iports/x86_64 -Ikernel/include $(DESIGN)

kernel: $(KB)/objrmap-kernel ## the reference kernel for QEMU; KV=debug with all checks on

$(KB)/objrmap-kernel: $(KERNEL_OBJ) kernel/arch/kernel.ld
	@echo "  LINK  $@"
	@$(CC) -nostdlib -static -Wl,-T,kernel/arch/kernel.ld -Wl,-z,max-page-size=4096 -Wl,-z,noexecstack -Wl,--build-id=none \
		-Wl,--no-warn-rwx-segments -o $@ $(KERNEL_OBJ)

$(KB)/%.o: %.c
	@echo "  CC    $@"
	@mkdir -p $(@D)
	@$(CC) $(KERNEL_CFLAGS) -MMD -MP -c -o $@ $<

$(KB)/%.o: %.S
	@echo "  AS    $@"
	@mkdir -p $(@D)
	@$(CC) $(KERNEL_CFLAGS) -MMD -MP -c -o $@ $<

check-kernel-layers: kernel ## calls and includes of the kernel lead down: kernel/layers.txt
	@scripts/check-layers.sh kernel/layers.txt $(KB)

.PHONY: kernel check-kernel-layers
-include $(KERNEL_OBJ:.o=.d)
