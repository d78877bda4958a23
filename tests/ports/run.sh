#!/bin/sh
# Boot the kernel of a machine in QEMU, and show what it prints. The exit status is 0 if all tests
# passed.
#
#     tests/ports/run.sh MACHINE CPUS KERNEL
set -u

machine=$1 cpus=$2 kernel=$3
case $machine in
riscv64*) set -- qemu-system-riscv64 -M virt -bios default ;;
aarch64*) set -- qemu-system-aarch64 -M virt -cpu max ;;
esac
exec "$@" -m 64 -smp "$cpus" ${EXTRA:-} -nodefaults -display none -no-reboot -serial stdio -kernel "$kernel" </dev/null
