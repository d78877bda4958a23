# Recorded programs. Included by the Makefile.
#
# objrmap-record wants Linux on x86-64; objrmap-replay runs everywhere, with the design that RMAP= chooses.

TRACE_DIR    := $(if $(filter build/release,$(B)),build/trace,$(B)/trace)
# What plays a trace; compare.mk links it, too.
PLAYER       := $(patsubst %,$(B)/trace/%.o,play contents pages policy format read)
RECORD       := $(TRACE_DIR)/objrmap-record
REPLAY       := $(TRACE_DIR)/objrmap-replay

$(RECORD): $(patsubst %,$(B)/trace/%.o,record calls layout faults emulate events format write)
	$(LINK) $^

$(TRACE_DIR)/libaccesses.so: trace/accesses.c trace/accesses.h trace/record.h trace/format.h trace/qemu_plugin.h
	@mkdir -p $(@D)
	@$(CC) -std=c11 -D_GNU_SOURCE -O2 -pthread $(WARN) $(PLUGIN) -shared -fPIC -o $@ $<

$(REPLAY): $(B)/trace/replay.o $(PLAYER) $(B)/compare/tags.o $(B)/libparts.a $(SIM)
	$(LINK) $(filter %.o,$^) $(LIBS)

$(B)/tests/unit/test_trace: $(patsubst %,$(B)/trace/%.o,format read write)
$(B)/tests/unit/test_replay $(B)/tests/unit/test_uses: $(PLAYER) $(B)/compare/tags.o

trace: $(if $(filter x86_64,$(shell uname -m)),$(RECORD) $(TRACE_DIR)/libaccesses.so) $(REPLAY) ## record what programs do to memory, replay it: build/trace/

check-trace: trace ## a recording can be made and played, a damaged one is refused
	@scripts/check-trace.sh $(TRACE_DIR)

.PHONY: trace check-trace
