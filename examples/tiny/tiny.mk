# A whole kernel in 800 lines, with all checks of the core on. Included by the Makefile.

TINY      := build/tiny/$(notdir $(CC))$(if $(DESIGN),-$(RMAP))
TINY_BASE := 0xffffffff80000000
TINY_BIN  := $(TINY)/family.bin $(TINY)/crowd.bin
TINY_CORE  = $(sort $(or $(CORE_SRC),$(wildcard src/*.c src/*/*.c)))
TINY_OBJ   = $(patsubst %,$(TINY)/%.o,$(basename $(wildcard examples/tiny/*.[cS]) $(TINY_CORE)))
TINY_FILES = $(wildcard $(foreach d,examples/tiny examples/tiny/user,$d/*.[chS] $d/*.ld))

TINY_CFLAGS  := -std=c11 -ffreestanding -fno-pic -mno-red-zone -mgeneral-regs-only -fno-stack-protector \
	-fno-asynchronous-unwind-tables -fcf-protection=none -O2 -g $(WARN_CORE) -Iinclude -MMD -MP
TINY_KERNEL  := $(TINY_CFLAGS) -mcmodel=kernel -DOM_DEBUG=1 -DX86_DIRECT_MAP=$(TINY_BASE)ul -Isrc -Iports/x86_64 $(DESIGN)
TINY_CC       = @echo "  CC    $@"; mkdir -p $(@D); $(CC)
TINY_LINK     = @echo "  LINK  $@"; $(CC) -nostdlib -static -Wl,-z,noexecstack -Wl,--build-id=none -o $@

tiny: ## a whole kernel in 800 lines, examples/tiny: boot it in QEMU and show what it prints
	@scripts/setup.sh kernel
	@$(MAKE) --no-print-directory $(TINY)/tiny
	@examples/tiny/run.sh $(TINY)/tiny

test-tiny: $(TINY)/tiny ## boot it, and compare what it prints with examples/tiny/expected
	@examples/tiny/run.sh $< examples/tiny/expected

check: check-tiny
check-tiny: ## its size and format, and that docs/porting.md quotes it as it is
	@examples/tiny/check.sh $(TINY_FILES)
	@scripts/check-quotes.sh
	@clang-format --dry-run -Werror $(filter %.c %.h,$(TINY_FILES))

$(TINY)/tiny: $(TINY_OBJ) examples/tiny/tiny.ld
	$(TINY_LINK) -Wl,-T,examples/tiny/tiny.ld -Wl,--defsym=BASE=$(TINY_BASE) -Wl,-z,max-page-size=4096 $(TINY_OBJ)

$(TINY_BIN): $(TINY)/%.bin: $(TINY)/user/start.o $(TINY)/user/%.o $(TINY)/user/print.o examples/tiny/user/program.ld
	$(TINY_LINK) -Wl,-T,examples/tiny/user/program.ld -Wl,--oformat=binary $(filter %.o,$^)

$(TINY)/%.o: %.c
	$(TINY_CC) $(TINY_KERNEL) -c -o $@ $<

$(TINY)/user/%.o: examples/tiny/user/%.c
	$(TINY_CC) $(TINY_CFLAGS) -c -o $@ $<

$(TINY)/user/print.o: examples/tiny/print.c
	$(TINY_CC) $(TINY_CFLAGS) -c -o $@ $<

$(TINY)/%.o: %.S $(TINY_BIN)
	$(TINY_CC) -DBASE=$(TINY_BASE) -Wa,-I,$(TINY) -c -o $@ $<

.PHONY: tiny test-tiny check-tiny
-include $(shell find $(TINY) -name '*.d' 2>/dev/null)
