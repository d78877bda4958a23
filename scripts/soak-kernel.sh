#!/bin/sh
# Boot the kernel with the test programs that know random numbers, each round with a new seed and another
# amount of memory and number of CPUs, until the time is over. Stops at the first failure and prints the
# command that repeats it.
#
#     scripts/soak-kernel.sh SECONDS KERNEL DIR
set -eu

seconds=$1 kernel=$2 dir=$3
end=$(($(date +%s) + seconds))
SEED=$(date +%s)
rounds=0
export EQUAL=random SELF="storm smp affinity fresh crowd swapload"
export ONLY="$EQUAL $SELF"

while [ "$(date +%s)" -lt $end ]; do
	SEED=$((SEED + 1)) CPUS=$((SEED % 9 + 1)) MEM=$((32 + SEED % 7 * 16))
	export SEED CPUS MEM
	if ! tests/kernel/run.sh "$kernel" "$dir" >"$dir/soak.log"; then
		cat "$dir/soak.log"
		echo "FAIL  SEED=$SEED MEM=$MEM make test-kernel KT_CPUS=$CPUS KT_ONLY='$ONLY'"
		exit 1
	fi
	rounds=$((rounds + 1))
done
echo "soak: $rounds boots in $seconds s, no failure"
