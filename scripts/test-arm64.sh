#!/bin/sh
# Build the programs of real threads for AArch64 and run them in QEMU's user mode: litmus, and threads
# with few steps. So the code that compilers make for a machine with acquire and release instructions,
# and with exclusive loads and stores, is run; QEMU on x86 does not reorder as such a machine may.
#
#     scripts/test-arm64.sh
#
# Exits with 77 and the reason where it cannot be done.
set -eu

for tool in aarch64-linux-gnu-gcc qemu-aarch64; do
	command -v $tool >/dev/null 2>&1 && continue
	echo "test-arm64: skipped: there is no $tool"
	exit 77
done
dir=build/arm64/tests
make --no-print-directory -j"${JOBS:-$(nproc)}" V=arm64 $dir/litmus/litmus $dir/threads/threads
qemu-aarch64 $dir/litmus/litmus
OM_SIM_MODE=readonly qemu-aarch64 $dir/threads/threads --cpus 4 --frames 768 --rounds 6
OM_SIM_MODE=all qemu-aarch64 $dir/threads/threads --cpus 6 --frames 2560 --jitter 50 --rounds 2
echo "test-arm64: ok"
