# objrmap: build, test, install. `make help` lists the targets.
#
#   V=name      which build: release (default), debug, asan, tsan, points, m32, arm64, riscv64, cov, fuzz;
#               with -clang appended (release-clang, debug-clang...) the same one made by clang
#   RMAP=name   which reverse-map design is linked in: objrmap (default), or one of src/rmap/rivals/;
#               for all targets that build, test or boot (docs/designs.md)
#   SIM_MODE=   modes of the simulated MMU that tests run in, of x86, readonly, absent, upper, all
#               (default: x86 all, that is with nothing kept that can be dropped, and with everything)
#
# Every build has a directory of its own, build/$(V), so that they can live side by side. Tests are
# built as V=debug (all checks on) unless V is given.

RMAP    ?= objrmap
# What defines om_rmap_traits is a design.
DESIGNS := objrmap $(patsubst src/rmap/rivals/%.c,%,$(shell grep -l '^const struct om_rmap_traits' src/rmap/rivals/*.c))
ifeq ($(filter $(RMAP),$(DESIGNS)),)
$(error unknown RMAP=$(RMAP), there are: $(DESIGNS))
endif

ifeq ($(origin V),undefined)
V      := release
TEST_V := debug
else
TEST_V := $(V)
endif

B       := build/$(V)$(if $(filter-out objrmap,$(RMAP)),-$(RMAP))
PREFIX  ?= /usr/local
SECONDS ?= 60
WERROR  ?=
# Bytes of stack that the core may need (docs/porting.md), and where that is found out.
STACK_LIMIT ?= 2048
STACK       ?= build/stack
SIM_MODE ?= all

# ---- flags -------------------------------------------------------------------------------------

ifneq ($(filter %-clang fuzz,$(V)),)
CC := clang
else ifeq ($(origin CC),default)
CC := gcc
endif
# With a compiler for another machine, and without cmocka: programs alone. gcc 12 makes calls of what is
# atomic and smaller than a word on RISC-V.
CROSS_arm64   := aarch64-linux-gnu-
CROSS_riscv64 := riscv64-linux-gnu-
CROSS         := $(CROSS_$(V))
ifneq ($(CROSS),)
CC      := $(CROSS)gcc
AR      := $(CROSS)ar
OBJCOPY := $(CROSS)objcopy
endif
LIBCMOCKA := $(if $(CROSS),$(if $(filter riscv64,$(V)),-latomic),-lcmocka)

WARN := -Wall -Wextra -Wshadow -Wstrict-prototypes -Wmissing-prototypes -Wundef -Wvla -Wcast-qual $(WERROR)
WARN_CORE := $(WARN) -Wconversion -Wno-sign-conversion

# Debug builds ask sim_fail_alloc() before every frame allocation (ports/sim/fail.h) and call sim_pause()
# while they spin (ports/sim/sim.h).
HOOK  := -DOM_DEBUG=1 -DOM_FAIL_HOOK=sim_fail_alloc -DSIM_PAUSE_HOOK=sim_pause -include ports/sim/fail.h
DEBUG := -g -O1 -fno-omit-frame-pointer

OPT_release := -O2 -g
OPT_size    := -Os
OPT_debug   := $(DEBUG)
OPT_asan    := $(DEBUG) -fsanitize=address,undefined -fno-sanitize-recover=undefined
OPT_tsan    := $(DEBUG) -fsanitize=thread
OPT_points  := $(DEBUG)
OPT_small   := $(DEBUG) -DSIM_TABLE_SHIFT=4
OPT_arm64   := $(DEBUG) -static
OPT_riscv64 := $(DEBUG) -static
# The headers of this machine's kernel: without gcc-multilib there is no /usr/include/asm.
OPT_m32     := $(DEBUG) -m32 -march=i686 -msse2 -mfpmath=sse -isystem /usr/include/x86_64-linux-gnu
OPT_cov     := -g -O0 --coverage -fprofile-update=atomic
OPT_fuzz    := $(DEBUG) -fsanitize=fuzzer-no-link,address,undefined -fno-sanitize-recover=undefined

KIND := $(V:%-clang=%)
OPT  := $(OPT_$(KIND))
ifeq ($(OPT),)
$(error unknown V=$(V))
endif
CHECKS := $(if $(filter-out release size,$(KIND)),$(HOOK))
# The core tells of each atomic access, so that tests/hazards/ can interrupt it there; but om_verify(),
# which runs alone, does not, nor the hand, whose hundred thousands of looks decide nothing but when.
NO_POINTS := src/verify/% src/reclaim/hand.c
POINTS = $(if $(filter points,$(KIND)),$(if $(filter $(NO_POINTS),$<),,-fsanitize=thread))

INCLUDE      := -Iinclude -Isrc -Iports/sim
DESIGN       := $(if $(filter-out objrmap,$(RMAP)),'-DOM_RMAP_DESIGN="rmap/rivals/$(RMAP).h"')
CORE_CFLAGS   = -std=c11 -ffreestanding -fvisibility=hidden -fno-stack-protector $(if $(filter release size,$(KIND)),-fno-asynchronous-unwind-tables) $(WARN_CORE) $(OPT) $(POINTS) $(CHECKS) $(INCLUDE) $(DESIGN) $(CFLAGS)
HOST_CFLAGS  := -std=c11 -D_GNU_SOURCE -pthread $(WARN) $(OPT) $(CHECKS) $(INCLUDE) $(DESIGN) $(CFLAGS)
LINK_FLAGS   := -pthread $(OPT) $(LDFLAGS)
# The core becomes one object, in which all but the interface (OM_API) is hidden and then made local.
PARTIAL_LINK := $(CC) $(filter -m%,$(OPT)) -nostdlib -r
OBJCOPY ?= objcopy

# ---- what is built from what -------------------------------------------------------------------

# The core: every file of src/, and of the reverse-map designs the one chosen.
# Designs may share a source.
DESIGN_SHARES_virtual_scan := no_areas
DESIGN_SHARES_pte_chain := no_areas
DESIGN_SHARES_anonmm := family no_areas
DESIGN_SHARES_cow_context := family
DESIGN_SRC := $(wildcard src/rmap/$(RMAP).c $(patsubst %,src/rmap/rivals/%.c,$(RMAP) $(RMAP)_check $(DESIGN_SHARES_$(RMAP))))
CORE_SRC   := $(sort $(filter-out src/rmap/objrmap.c,$(wildcard src/*.c src/*/*.c)) $(DESIGN_SRC))
CORE_OBJ := $(CORE_SRC:%.c=$(B)/%.o)
SIM_OBJ  := $(patsubst %.c,$(B)/%.o,$(sort $(wildcard ports/sim/*.c)) $(if $(filter points,$(KIND)),bench/scale/tsan.c bench/scale/record.c))

LIB   := $(B)/libobjrmap.a
SIM   := $(B)/libobjrmap-sim.a
# For unit tests the core again, one object a file (a test that includes x.c replaces x.o), and helpers.
PARTS := $(B)/libparts.a $(B)/libunit.a

EXAMPLE_DIR := $(if $(filter build/release,$(B)),build/examples,$(B)/examples)
EXAMPLES    := $(patsubst examples/%.c,$(EXAMPLE_DIR)/%,$(wildcard examples/*.c))
BENCHES     := $(patsubst bench/%.c,$(B)/bench/%,$(wildcard bench/*.c))

# Integration programs, each tests/NAME.c or all of tests/NAME/*.c; what else lies in tests/ is linked to
# each of them. They run a bounded number of steps by default and take -s SEED, -n STEPS, -t SECONDS.
# The one that takes longest is first.
PROGRAMS     := hazards threads oracle twin fail litmus
program_src   = $(wildcard tests/$(1).c tests/$(1)/*.c)
PRESENT      := $(foreach p,$(PROGRAMS),$(if $(call program_src,$(p)),$(p)))
SUPPORT_SRC  := $(filter-out $(PROGRAMS:%=tests/%.c) tests/fuzz.c,$(wildcard tests/*.c))
# The fuzzer plays the oracle's operations.
FUZZ_SRC     := tests/fuzz.c $(filter-out tests/oracle/oracle.c,$(wildcard tests/oracle/*.c)) $(SUPPORT_SRC)
# Units about the default design, or about the chosen rival; the others are about what holds for all.
UNIT_DEFAULT := tests/unit/test_rmap.c tests/unit/test_share.c
# Recordings are of 64-bit programs.
UNIT_64      := tests/unit/test_replay.c tests/unit/test_uses.c
UNIT_SRC     := $(filter-out $(if $(DESIGN),$(UNIT_DEFAULT)) $(if $(filter m32,$(KIND)),$(UNIT_64)),$(wildcard tests/unit/test_*.c tests/unit/rivals/test_$(RMAP).c))
UNIT_SUPPORT := $(filter-out tests/unit/test_%,$(wildcard tests/unit/*.c)) tests/coroutine.c

TESTS := $(foreach p,$(PRESENT),$(B)/tests/$(p)/$(p))
UNITS := $(UNIT_SRC:%.c=$(B)/%)
# `make test ONLY=name` runs just one.
SELECT = $(if $(ONLY),$(filter %/$(ONLY) %/test_$(ONLY),$(1)),$(1))

.PHONY: all test check-tests test-cross unit check-unit bench bench-sweep figures results coverage soak fuzz install setup
.PHONY: all-designs test-designs soak-designs lint clean help
.DELETE_ON_ERROR:
.SECONDARY:

all: $(LIB) $(SIM) $(EXAMPLES) ## the library, the sim port, the examples
ifeq ($(B),build/release)
all: build/libobjrmap.a build/libobjrmap-sim.a
endif

build/%.a: build/release/%.a
	@cp $< $@

$(B)/objrmap.o: $(CORE_OBJ)
	@echo "  LINK  $@"
	@$(PARTIAL_LINK) -o $@ $^
	@$(OBJCOPY) --localize-hidden $@
	@$(OBJCOPY) --wildcard --globalize-symbol="__x86.get_pc_thunk.*" $@

$(LIB): $(B)/objrmap.o
	@rm -f $@
	@$(AR) rcs $@ $<

$(B)/libparts.a: $(CORE_OBJ)
	@rm -f $@
	@$(AR) rcs $@ $^

$(B)/libunit.a: $(UNIT_SUPPORT:%.c=$(B)/%.o)
	@rm -f $@
	@$(AR) rcs $@ $^

$(SIM): $(SIM_OBJ)
	@rm -f $@
	@$(AR) rcs $@ $^

$(B)/src/%.o: src/%.c
	@echo "  CC    $@"
	@mkdir -p $(@D)
	@$(CC) $(CORE_CFLAGS) -MMD -MP -c -o $@ $<

$(B)/tiers/%.o: tiers/%.c
	@echo "  CC    $@"
	@mkdir -p $(@D)
	@$(CC) $(CORE_CFLAGS) -MMD -MP -c -o $@ $<

$(B)/%.o: %.c
	@echo "  CC    $@"
	@mkdir -p $(@D)
	@$(CC) $(HOST_CFLAGS) -Itests -Itests/unit -MMD -MP -c -o $@ $<

# The port and the core need each other.
LINK = @echo "  LINK  $@"; mkdir -p $(@D); $(CC) $(LINK_FLAGS) -o $@
LIBS = -Wl,--start-group $(filter %.a,$^) -Wl,--end-group

$(UNITS): $(B)/tests/unit/%: $(B)/tests/unit/%.o $(PARTS) $(SIM)
	$(LINK) $(filter %.o,$^) $(LIBS) -lcmocka

# Those that look inside the library need it unsealed.
INSIDERS := oracle hazards litmus
define program_rule
$(B)/tests/$(1)/$(1): $(patsubst %.c,$(B)/%.o,$(call program_src,$(1)) $(SUPPORT_SRC)) $(if $(filter $(1),$(INSIDERS)),$(B)/libparts.a,$(LIB)) $(SIM)
	$$(LINK) $$(filter %.o,$$^) $$(LIBS) $$(LIBCMOCKA)
endef
$(foreach p,$(PRESENT),$(eval $(call program_rule,$(p))))

$(BENCHES): $(B)/bench/%: $(B)/bench/%.o $(B)/libparts.a $(SIM)
	$(LINK) $(filter %.o,$^) $(LIBS)

$(EXAMPLE_DIR)/%: $(B)/examples/%.o $(LIB) $(SIM)
	$(LINK) $(filter %.o,$^) $(LIBS)

# The core on the skeleton a port begins with, freestanding: it compiles, and needs nothing but mem*.
T ?= build/template$(if $(DESIGN),-$(RMAP))
TEMPLATE_OBJ := $(patsubst %.c,$(T)/%.o,$(CORE_SRC) ports/template/port.c ports/template/check.c)

template: $(T)/kernel.o ## compile the core with the port skeleton, ports/template
	@! nm --undefined-only $< | grep -vE ' (mem(cpy|set|move|cmp)|_GLOBAL_OFFSET_TABLE_)$$'
	@echo "template: ok"

$(T)/kernel.o: $(TEMPLATE_OBJ)
	@$(CC) -nostdlib -r -o $@ $^

$(T)/%.o: %.c
	@echo "  CC    $@"
	@mkdir -p $(@D)
	@$(CC) -std=c11 -ffreestanding -fno-stack-protector $(WARN_CORE) -O2 -g $(TEMPLATE_CFLAGS) \
		-Iinclude -Isrc -Iports/template $(DESIGN) -MMD -MP -c -o $@ $<

include kernel/kernel.mk
include tests/kernel/kernel-tests.mk
include demo/demo.mk bench/linux/linux.mk bench/pressure/pressure.mk bench/scale/scale.mk
include examples/tiny/tiny.mk
include trace/trace.mk
include compare/compare.mk

# ---- running -----------------------------------------------------------------------------------

# For targets that people type: JOBS=n at a time, or as many as there are processors.
PARALLEL = $(if $(filter -j%,$(MAKEFLAGS)),,-j$(or $(JOBS),$(shell nproc)))

test: setup ## all tests with all checks on, the kernel's in QEMU too; ONLY=name for one of them
	@$(if $(filter kernel ports,$(ONLY)),:,$(MAKE) --no-print-directory $(PARALLEL) V=$(TEST_V) check-tests)
	@$(if $(filter-out kernel,$(ONLY))$(filter-out debug,$(TEST_V)),:,$(MAKE) --no-print-directory $(PARALLEL) KV=debug test-kernel)
	@$(if $(filter-out ports,$(ONLY))$(filter-out debug,$(TEST_V)),:,$(MAKE) --no-print-directory test-ports)

# What is about the order of accesses says little without ThreadSanitizer.
LITMUS_TSAN := $(if $(filter debug,$(V)),$(if $(DESIGN),,build/tsan/tests/litmus/litmus))
ifneq ($(LITMUS_TSAN),)
.PHONY: $(LITMUS_TSAN)
$(LITMUS_TSAN):
	+@$(MAKE) --no-print-directory V=tsan $@
endif

check-tests: $(filter-out $(if $(SKIP),%/$(SKIP)),$(call SELECT,$(TESTS) $(LITMUS_TSAN) $(UNITS)))
	@SIM_MODE="$(SIM_MODE)" scripts/run-tests.sh $^

test-cross: ## the core as a program for AArch64 and RISC-V, in QEMU's user mode: threads and the oracle
	@-scripts/setup.sh cross
	@scripts/test-cross.sh

# All designs, one after the other: $(1) is what to do with $$d.
for_designs = for d in $(DESIGNS); do echo "=== RMAP=$$d"; { $(1); } || exit 1; done
with_design = $(MAKE) --no-print-directory $(PARALLEL) V=$(TEST_V) RMAP=$$d

# A short run: few steps where a program takes a number of them, and nothing that real threads decide.
DESIGN_STEPS := hazards=5 oracle=8000 twin=4000

all-designs: ## the library, the sim port and the examples with each reverse-map design
	+@$(call for_designs,$(MAKE) --no-print-directory $(PARALLEL) RMAP=$$d all)

test-designs: setup ## all reverse-map designs by all tests but threads, with few steps
	+@export TEST_STEPS="$(DESIGN_STEPS)"; $(call for_designs,$(with_design) check-tests SKIP=threads)

soak-designs: setup ## all designs by all tests in all modes of the MMU, then by soak for SECONDS=60 each
	+@$(call for_designs,$(with_design) SIM_MODE="x86 readonly absent upper all" check-tests && $(with_design) soak-programs)

unit: setup ## the unit tests alone
	@$(MAKE) --no-print-directory $(PARALLEL) V=$(TEST_V) check-unit

check-unit: $(call SELECT,$(UNITS))
	@SIM_MODE="$(SIM_MODE)" scripts/run-tests.sh $^

bench: ## measure: build/bench.json
	@scripts/setup.sh bench
	@$(MAKE) --no-print-directory V=release build/release/bench/bench
	@$(MAKE) --no-print-directory V=size build/size/libobjrmap.a
	@scripts/bench.sh build/release/bench/bench build/size/libobjrmap.a build/bench.json

bench-sweep: ## how much reclaim looks at for a page that leaves, as memory grows; GIB=1024 for more
	@$(MAKE) --no-print-directory V=release build/release/bench/sweep
	@build/release/bench/sweep $(or $(GIB),16)

figures: ## write the tables of figures in README.md and docs/figures.md, from bench/results/
	@scripts/figures.sh

results: ## keep what bench, bench-ports, bench-linux, bench-pressure and bench-scale have measured, in bench/results/, and write the tables
	@scripts/figures.sh keep

coverage: ## line and branch coverage of src/ by all tests: build/coverage/index.html
	@scripts/setup.sh coverage
	@find build/cov -name '*.gcda' -delete 2>/dev/null || true
	@$(MAKE) --no-print-directory $(PARALLEL) V=cov check-tests
	@scripts/coverage.sh build/cov build/coverage

soak: ## integration programs for SECONDS=60, a new seed each round
	@$(MAKE) --no-print-directory $(PARALLEL) V=$(TEST_V) soak-programs

.PHONY: soak-programs
soak-programs: $(call SELECT,$(TESTS))
	@$(if $(filter command environment,$(origin SIM_MODE)),SIM_MODE="$(SIM_MODE)") scripts/soak.sh $(SECONDS) $^

fuzz: ## libFuzzer over tests/fuzz.c for SECONDS=60
	@$(MAKE) --no-print-directory V=fuzz build/fuzz/tests/fuzz
	@mkdir -p build/fuzz/corpus build/fuzz/crash tests/corpus
	build/fuzz/tests/fuzz -max_total_time=$(SECONDS) -artifact_prefix=build/fuzz/crash/ \
		build/fuzz/corpus tests/corpus

build/fuzz/tests/fuzz: $(FUZZ_SRC:%.c=$(B)/%.o) $(B)/libparts.a $(SIM)
	$(LINK) -fsanitize=fuzzer $(filter %.o,$^) $(LIBS)

# ---- checks ------------------------------------------------------------------------------------

FORMATTED = $(wildcard $(foreach d,include/objrmap src $(wildcard src/*) src/rmap/rivals ports/sim ports/template tests tests/unit tests/unit/rivals tests/docs tests/tiers tiers $(PROGRAMS:%=tests/%) examples demo/family bench compare trace ports $(wildcard ports/*64) ports/armv7 $(wildcard examples/tiny examples/tiny/*) $(wildcard kernel/*) tests/kernel bench/linux bench/pressure bench/pressure/guest bench/scale,$d/*.c $d/*.h))

ALL_CHECKS := template check-layers check-letters check-symbols check-stack check-headers check-format check-readme check-docs check-install check-embed check-tiers check-dist check-kernel-layers check-comparison check-trace check-scale check-model

.PHONY: check $(ALL_CHECKS)
check-model: ## the models of docs/model/, in all their states, with spin
	@scripts/setup.sh model
	@scripts/check-model.sh

check: $(ALL_CHECKS) ## all checks below

check-layers: $(CORE_OBJ) ## no file of src/ refers to one above it, none are in a circle
	@scripts/check-layers.sh src/layers.txt $(B)

check-letters: ## each field of src/base/types.h says what guards it
	@scripts/check-letters.sh

check-symbols: $(LIB) ## the library exports om_* only and needs mem* only
	@scripts/check-symbols.sh $(LIB)

# The core again, by a compiler that writes down frames and calls.
check-stack: ## no public function needs more stack than docs/porting.md says
	@$(MAKE) --no-print-directory V=release B=$(STACK) CFLAGS="$(CFLAGS) -fcallgraph-info=su -save-temps=obj" stack-graph

.PHONY: stack-graph
stack-graph: $(CORE_OBJ)
	@scripts/check-stack.sh $(STACK_LIMIT) $^

check-headers: $(LIB) $(SIM) ## each public header stands alone, in C and in C++, and has nothing that bindgen does not take
	@scripts/check-headers.sh $(LIB)

check-format: ## clang-format finds nothing to change
	@clang-format --dry-run -Werror $(FORMATTED)

check-readme: $(EXAMPLE_DIR)/hello ## README.md shows examples/hello.c, what that prints, and the figures
	@scripts/check-readme.sh $<

check-docs: ## comments and pages name what exists; the code in docs/porting.md compiles, and runs
	@$(MAKE) --no-print-directory T=build/template-debug TEMPLATE_CFLAGS="-DOM_DEBUG=1 -std=gnu17" template
	@scripts/check-docs.sh build/template-debug/kernel.o

check-embed: ## projects that use meson.build or objrmap.cmake build the core
	@scripts/check-embed.sh

TIER_OBJ := $(patsubst %.c,$(B)/%.o,$(wildcard tiers/*.c tests/tiers/*.c))

check-tiers: $(CORE_OBJ) $(TIER_OBJ) $(SIM) ## less than the whole core links, runs, and is as small as it should be
	@scripts/check-tiers.sh $(B)
	@scripts/check-tiers.sh size

check-install: ## an installed copy compiles and runs examples/hello.c through pkg-config
	@scripts/check-install.sh

lint: ## the static analyser of clang over the core
	@for f in $(CORE_SRC); do \
		clang --analyze --analyzer-output text -std=c11 -ffreestanding $(INCLUDE) $(DESIGN) $$f || exit 1; done

# ---- installing --------------------------------------------------------------------------------

VERSION = $(shell awk '/define OM_VERSION_(MAJOR|MINOR)/ { v = v s $$3; s = "." } END { print v }' include/objrmap/objrmap.h)
TO = $(DESTDIR)$(PREFIX)

install: $(LIB) $(SIM) ## DESTDIR=, PREFIX=/usr/local: headers, libraries, objrmap.pc
	install -d $(TO)/include/objrmap/sim $(TO)/lib/pkgconfig
	install -m 644 include/objrmap/*.h $(TO)/include/objrmap
	install -m 644 ports/sim/sim.h ports/sim/fail.h ports/sim/om_arch.h $(TO)/include/objrmap/sim
	install -m 644 $(LIB) $(SIM) $(TO)/lib
	sed -e 's|@PREFIX@|$(PREFIX)|' -e 's|@VERSION@|$(VERSION)|' scripts/objrmap.pc.in \
		>$(TO)/lib/pkgconfig/objrmap.pc

.PHONY: dist
dist: ## the core as one file, the sources as an archive, a wrap for Meson: build/dist/
	@scripts/dist.sh $(VERSION) build/dist

check-dist: ## what `make dist` makes works in somebody else's directory
	@scripts/check-dist.sh $(VERSION)

setup: ## install what the tests need (Debian), if it is missing
	@scripts/setup.sh test

clean: ## remove build/
	rm -rf build

help: ## this list
	@sed -n '2,12s/^# \{0,1\}//p' Makefile
	@awk -F ':.*## ' '/^[a-z-]+:.*## / { printf "  %-15s %s\n", $$1, $$2 }' Makefile */*.mk */*/*.mk

-include $(shell find $(B) $(T) -name '*.d' 2>/dev/null)
