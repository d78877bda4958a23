#!/bin/sh
# Build the core as a program for other machines and run it in QEMU's user mode: litmus and threads, in
# which threads are real, with few steps, and the oracle. So the code that compilers make for machines with
# acquire and release, and with exclusive loads and stores, is run; QEMU on x86 does not reorder as such a
# machine may.
#
#     scripts/test-cross.sh
#
# Where it cannot be done it says why.
set -eu

# NAME of the build, of the emulator, of the compiler
run() {
	for tool in "$3" "$2"; do
		command -v "$tool" >/dev/null 2>&1 && continue
		echo "test-cross: $1: SKIPPED, there is no $tool"
		return
	done
	dir=build/$1/tests
	make --no-print-directory -j"${JOBS:-$(nproc)}" V="$1" "$dir/litmus/litmus" "$dir/threads/threads" \
		"$dir/oracle/oracle"
	"$2" "$dir/litmus/litmus"
	OM_SIM_MODE=readonly "$2" "$dir/threads/threads" --cpus 4 --frames 768 --rounds 3
	OM_SIM_MODE=all "$2" "$dir/threads/threads" --cpus 6 --frames 2560 --jitter 50 --rounds 2
	OM_SIM_MODE=all "$2" "$dir/oracle/oracle" -n 1500
	echo "test-cross: ok, $1"
}

run arm64 qemu-aarch64 aarch64-linux-gnu-gcc
run riscv64 qemu-riscv64 riscv64-linux-gnu-gcc
