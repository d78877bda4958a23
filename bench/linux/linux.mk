# Against Debian's own kernel: build/bench-linux.json. Included by the Makefile.

bench-linux: ## instructions per operation beside Debian's kernel
	@scripts/setup.sh linux
	@$(MAKE) --no-print-directory $(KB)/objrmap-kernel
	@bench/linux/run.sh $(KB)/objrmap-kernel build

.PHONY: bench-linux
