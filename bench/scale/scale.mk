# What operations cost on many CPUs: build/bench-scale.json. Included by the Makefile.
#
#   make bench-scale                 the tables: the library, then whole kernels
#   make bench-scale NAMES=20        and what lies on the 20 most visited lines of each row, in
#                                    build/scale/names.txt
#   make bench-scale CPUS="2 16" ROW=anon-write      other numbers of CPUs, one row: the library alone,
#                                    and no json is written
#
# The core is built twice: `seen`, in which each access calls the recorder, and `plain`, for callgrind.

S            := build/scale$(if $(DESIGN),-$(RMAP))
SCALE_FLAGS  := -Itests -MMD -MP
SCALE_LINES  := $(S)/scale-lines
SCALE_INSN   := $(S)/scale-insn

# Of what the compiler makes of a spinning lock's release, the recorder would not see inline assembly.
SEEN_FLAGS := -fsanitize=thread -DSIM_PAUSE_HOOK=sim_pause
SEEN_CALLS := $(foreach f,memcpy memmove memset memcmp,--redefine-sym $f=seen_$f)
SCALE_OBJ  := $(patsubst %,$(S)/plain/bench/scale/%.o,scale rows)

$(S)/seen/src/%.o: src/%.c
	@echo "  CC    $@"
	@mkdir -p $(@D)
	@$(CC) $(CORE_CFLAGS) $(SCALE_FLAGS) $(SEEN_FLAGS) -c -o $@ $<

$(S)/plain/src/%.o: src/%.c
	@echo "  CC    $@"
	@mkdir -p $(@D)
	@$(CC) $(CORE_CFLAGS) $(SCALE_FLAGS) -c -o $@ $<

# The recorder's test is compiled as the core is.
$(S)/check.o: bench/scale/check.c
	@echo "  CC    $@"
	@mkdir -p $(@D)
	@$(CC) $(HOST_CFLAGS) -fno-builtin $(SCALE_FLAGS) $(SEEN_FLAGS) -c -o $@ $<
	@$(OBJCOPY) $(SEEN_CALLS) $@

$(S)/plain/bench/scale/%.o: bench/scale/%.c
	@echo "  CC    $@"
	@mkdir -p $(@D)
	@$(CC) $(HOST_CFLAGS) $(SCALE_FLAGS) -c -o $@ $<

$(S)/seen.o: $(CORE_SRC:%.c=$(S)/seen/%.o)
	@$(PARTIAL_LINK) -o $@ $^
	@$(OBJCOPY) $(SEEN_CALLS) $@

$(SCALE_LINES): $(SCALE_OBJ) $(patsubst %,$(S)/plain/bench/scale/%.o,lines record tsan names) $(S)/check.o $(S)/seen.o $(SIM)
	$(LINK) $(filter %.o,$^) $(LIBS)

$(SCALE_INSN): $(SCALE_OBJ) $(S)/plain/bench/scale/insn.o $(CORE_SRC:%.c=$(S)/plain/%.o) $(SIM)
	$(LINK) $(filter %.o,$^) $(LIBS)

bench-scale: ## lines that other CPUs write and instructions, on many CPUs; kernels beside Debian's
	@scripts/setup.sh bench
	@scripts/setup.sh linux
	@$(MAKE) --no-print-directory V=release scale-programs
	@$(MAKE) --no-print-directory $(KB)/objrmap-kernel
	@CPUS="$(CPUS)" ROW="$(ROW)" NAMES="$(NAMES)" \
		bench/scale/run.sh $(SCALE_LINES) $(SCALE_INSN) $(KB)/objrmap-kernel build

scale-programs: $(SCALE_LINES) $(SCALE_INSN)

check-scale: $(SCALE_LINES) ## the recorder of bench-scale sees what CPUs share, and nothing else
	@$(SCALE_LINES) --check
	@echo "check-scale: ok"

.PHONY: bench-scale scale-programs check-scale
-include $(shell find $(S) -name '*.d' 2>/dev/null)
