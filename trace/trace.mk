# Recorded programs. Included by the Makefile.
#
# objrmap-record wants Linux on x86-64; objrmap-replay runs everywhere, with the design that RMAP= chooses.

TRACE_DIR    := $(if $(filter build/release,$(B)),build/trace,$(B)/trace)
TRACE_FORMAT := $(patsubst %,$(B)/trace/%.o,format read write)
RECORD       := $(TRACE_DIR)/objrmap-record
REPLAY       := $(TRACE_DIR)/objrmap-replay

$(RECORD): $(patsubst %,$(B)/trace/%.o,record calls layout faults events format write)
	$(LINK) $^

$(REPLAY): $(patsubst %,$(B)/trace/%.o,replay play contents format read) $(B)/compare/tags.o $(B)/libparts.a $(SIM)
	$(LINK) $(filter %.o,$^) $(LIBS)

trace: $(if $(filter x86_64,$(shell uname -m)),$(RECORD)) $(REPLAY) ## record what programs do to memory, replay it: build/trace/

.PHONY: trace
