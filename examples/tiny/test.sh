#!/bin/sh
# Boot the kernel of a machine with each number of CPUs, and compare what it prints with `expected`:
# what the firmware and the machine say of themselves is left out, numbers must not be 0.
#
#     examples/tiny/test.sh MACHINE KERNEL CPUS...
#
# No time limit: how long it takes depends on the host most of all.
set -u

dir=$(dirname "$0") machine=$1 kernel=$2
shift 2
for cpus in "$@"; do
	"$dir/run.sh" "$machine" "$cpus" "$kernel" >"$kernel.$cpus.log" 2>&1
	status=$?
	tr -d '\r' <"$kernel.$cpus.log" | sed -n '/^tiny: /,$p' | sed '1d; /written to swap/s/[1-9][0-9]*/N/g' |
		diff -u "$dir/expected" - && [ $status = 0 ] || {
		echo "test-ports: FAILED, $machine, $cpus CPUs, QEMU's status $status"
		exit 1
	}
	echo "test-ports: ok, $machine, $cpus CPUs"
done
