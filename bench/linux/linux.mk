# Against Debian's own kernel: build/bench-linux.json. Included by the Makefile.

bench-linux: $(KB)/objrmap-kernel ## instructions per operation beside Debian's kernel
	@bench/linux/run.sh $< build

.PHONY: bench-linux
