#!/bin/sh
# Boot tiny in QEMU, a machine of 16 MiB. The exit status is 0 if it left with success and, if EXPECTED
# is given, printed just that. Numbers that depend on when the core reclaims are not compared, but
# must not be 0.
#
#     examples/tiny/run.sh KERNEL [EXPECTED]
#
# The limit is one of CPU time, not by the clock: tiny never halts the CPU, so a hang does reach it.
set -u

boot() {
	(
		# shellcheck disable=SC3045 # every shell has it
		ulimit -t 60
		exec qemu-system-x86_64 -M q35 -m 16 -nodefaults -display none -no-reboot -serial stdio \
			-device isa-debug-exit,iobase=0xf4,iosize=4 -kernel "$1" </dev/null
	)
	status=$?
	[ $status = 33 ] && return
	echo "tiny: FAILED: QEMU's status is $status, not 33"
	return 1
}

if [ $# = 1 ]; then
	boot "$1"
	exit
fi

boot "$1" >"$1.log" 2>&1
status=$?
sed '/written to swap/s/[1-9][0-9]*/N/g' "$1.log" | diff -u "$2" - && [ $status = 0 ] || exit 1
echo "test-tiny: ok"
