#!/bin/sh
# Boot the kernel of a machine in QEMU, and show what it prints: if all tests have passed, the last
# line of `expected`. EXTRA, from the environment: more options of QEMU.
#
#     examples/tiny/run.sh MACHINE CPUS KERNEL
set -u

memory=64 machine=$1 cpus=$2 kernel=$3
case $machine in
x86_64) set -- qemu-system-x86_64 -M q35 -cpu max ;;
riscv64*) set -- qemu-system-riscv64 -M virt -bios default ;;
aarch64*) set -- qemu-system-aarch64 -M virt -cpu max ;;
armv7*) set -- qemu-system-arm -M virt -cpu cortex-a15 ;;
esac
# Those that wait for each other's answers, and are more than the host has: they take turns.
[ "$machine-$cpus" = x86_64-4 ] && set -- "$@" -accel tcg,thread=single
case $machine in
*-16k) memory=128 ;; # pages are counted, not bytes
*-64k) memory=384 ;;
esac
# shellcheck disable=SC2086 # EXTRA is a list of words
exec "$@" -m "$memory" -smp "$cpus" ${EXTRA:-} -nodefaults -display none -no-reboot -serial stdio -kernel "$kernel" </dev/null
