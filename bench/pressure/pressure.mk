# Whole programs that do not fit in memory, beside Debian's kernel. Included by the Makefile.
#
#   ROWS="zipf cat"     only these of bench/pressure/rows

bench-pressure: $(KB)/objrmap-kernel ## programs under memory pressure beside Debian's kernel
	@bench/pressure/prepare.sh build
	@bench/pressure/compare.sh $< build $(ROWS)

.PHONY: bench-pressure
