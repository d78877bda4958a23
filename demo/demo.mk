# The demonstration: real programs on the reference kernel. Included by the Makefile.

run: ## boot a machine with 96 MiB that runs bash, python3, sqlite3 and stress-ng from Debian
	@scripts/run.sh

shell: ## an interactive bash in that machine
	@scripts/shell.sh

.PHONY: run shell
