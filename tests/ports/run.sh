#!/bin/sh
# Boot the kernel of a machine in QEMU, and show what it prints. The exit status is 0 if all tests
# passed. EXTRA, from the environment: more options of QEMU.
#
#     tests/ports/run.sh MACHINE CPUS KERNEL
set -u

memory=64 machine=$1 cpus=$2 kernel=$3
case $machine in
riscv64*) set -- qemu-system-riscv64 -M virt -bios default ;;
aarch64*) set -- qemu-system-aarch64 -M virt -cpu max ;;
esac
case $machine in
*-16k) memory=128 ;; # pages are counted, not bytes
*-64k) memory=384 ;;
esac
# shellcheck disable=SC2086 # EXTRA is a list of words
exec "$@" -m "$memory" -smp "$cpus" ${EXTRA:-} -nodefaults -display none -no-reboot -serial stdio -kernel "$kernel" </dev/null
