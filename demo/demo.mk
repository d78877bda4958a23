# What there is to see. Included by the Makefile.

run: ## boot a machine with 96 MiB that runs bash, python3, sqlite3 and stress-ng from Debian
	@KERNEL=$(KB)/objrmap-kernel scripts/run.sh

shell: ## an interactive bash in that machine
	@KERNEL=$(KB)/objrmap-kernel scripts/shell.sh

family: ## without a kernel: simulated processes that need four times the memory, every byte checked
	@scripts/setup.sh run
	@$(MAKE) --no-print-directory $(FAMILY)
	@$(FAMILY)

FAMILY := $(B)/demo/family/family

$(FAMILY): $(patsubst %.c,$(B)/%.o,$(wildcard demo/family/*.c)) $(LIB) $(SIM)
	$(LINK) $(filter %.o,$^) $(LIBS)

.PHONY: run shell family
