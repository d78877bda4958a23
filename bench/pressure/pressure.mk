# Whole programs that do not fit in memory, beside Debian's kernel. Included by the Makefile.
#
#   ROWS="zipf cat"     measure only these of bench/pressure/rows

bench-pressure: ## programs under memory pressure beside Debian's kernel; ROWS="zipf cat" for some of them
	@scripts/setup.sh linux
	@$(MAKE) --no-print-directory $(KB)/objrmap-kernel
	@bench/pressure/prepare.sh build
	@bench/pressure/compare.sh $(KB)/objrmap-kernel build $(ROWS)

.PHONY: bench-pressure
