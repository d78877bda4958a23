#!/bin/sh
# Boot the reference kernel in QEMU. The exit status is 0 only if process 1 ended with 0: QEMU's own is
# 33 then. Otherwise it is QEMU's, 2 N + 1 if process 1 ended with N; 124 after a time-out.
#
#     scripts/qemu.sh IMAGE OPTION...        IMAGE: the root file system; OPTION: the kernel's command line
#
# In the environment: MEMORY=96 (MiB), CPUS=2, SWAP=1024 (MiB), TIMEOUT= (seconds), KV=release,
# TERMINAL=1: what is typed goes to the machine, Ctrl-C too; Ctrl-A X leaves. EXTRA: more for QEMU.
set -u

image=$1
shift
swap=$(mktemp "${TMPDIR:-/tmp}/objrmap-swap.XXXXXX")
trap 'rm -f "$swap"' EXIT
trap 'exit 130' INT TERM
truncate -s "${SWAP:-1024}M" "$swap" # sparse: the host gives room for what is written

if [ -n "${TERMINAL:-}" ]; then
	console="-serial mon:stdio"
else
	console="-serial stdio"
	exec </dev/null
fi

# shellcheck disable=SC2086 # lists of words
${TIMEOUT:+timeout --foreground $TIMEOUT} qemu-system-x86_64 -M q35 -cpu max \
	-m "${MEMORY:-96}" -smp "${CPUS:-2}" -display none -no-reboot $console \
	-device isa-debug-exit,iobase=0xf4,iosize=4 \
	-drive if=none,id=root,format=raw,readonly=on,file="$image" \
	-device virtio-blk-pci,drive=root \
	-drive if=none,id=swap,format=raw,cache=unsafe,file="$swap" \
	-device virtio-blk-pci,drive=swap ${EXTRA:-} \
	-kernel "${KERNEL:-build/kernel/${KV:-release}/objrmap-kernel}" -append "$*"
status=$?
case $status in
33) exit 0 ;;
0) exit 1 ;; # QEMU was told to quit: the machine did not end by itself
*) exit $status ;;
esac
