# The workbench that compares reverse-map designs. Included by the Makefile.

COMPARE := $(B)/compare/compare
COUNT   := build/compare/libcount.so
# The plugin interface has another number from QEMU 9 on.
PLUGIN   = $(shell qemu-x86_64 --version | awk 'NR == 1 && $$3 >= 9 { print "-DPLUGIN_VERSION=2" }')

compare: ## all reverse-map designs on all workloads: build/compare/index.html; SCALE=100
	@scripts/setup.sh compare
	@scripts/compare.sh $(if $(SCALE),--scale $(SCALE)) $(if $(DESIGNS),--designs "$(DESIGNS)")

# One program. Static, and so at fixed addresses, because the plugin is told where the library is.
$(COMPARE): $(patsubst compare/%.c,$(B)/compare/%.o,$(filter-out compare/count.c,$(wildcard compare/*.c))) $(PLAYER) $(B)/libparts.a $(SIM)
	$(LINK) -static -Wl,-Map=$@.map $(filter %.o,$^) $(LIBS)

$(COUNT): compare/count.c trace/qemu_plugin.h
	@mkdir -p $(@D)
	@$(CC) -std=c11 -D_GNU_SOURCE -O2 $(WARN) $(PLUGIN) -shared -fPIC -o $@ $<

compare-program: $(COMPARE)
compare-plugin: $(COUNT)

.PHONY: compare compare-program compare-plugin

check-comparison: ## the tables of docs/comparison.md are what compare/results.json says
	@scripts/compare-docs.sh check
