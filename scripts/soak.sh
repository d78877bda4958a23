#!/bin/sh
# Run the integration programs in turn, each round with a new seed and in another mode of the simulated
# MMU, until the time is over. Stops at the first failure and prints the command that repeats it.
#
#     scripts/soak.sh SECONDS PROGRAM...
set -eu

seconds=$1
shift
end=$(($(date +%s) + seconds))
slice=$((seconds / ($# * 4) + 1))
seed=$(date +%s)
rounds=0
root=$(dirname "$0")/..
export TSAN_OPTIONS="suppressions=$root/tests/tsan.supp halt_on_error=1 history_size=7 ${TSAN_OPTIONS:-}"

modes=${SIM_MODE:-x86 readonly absent upper all}
while [ "$(date +%s)" -lt $end ]; do
	mode=${modes%% *}
	modes="${modes#"$mode"} $mode"
	modes=${modes# }
	for program in "$@"; do
		[ "$(date +%s)" -lt $end ] || break
		seed=$((seed + 1))
		echo "$((end - $(date +%s)))s left: OM_SIM_MODE=$mode $program -s $seed -t $slice"
		if ! OM_SIM_MODE=$mode "$program" -s $seed -t $slice >"$program.soak.log" 2>&1; then
			tail -n 40 "$program.soak.log"
			echo "FAIL  OM_SIM_MODE=$mode $program -s $seed -t $slice"
			exit 1
		fi
		rounds=$((rounds + 1))
	done
done
echo "soak: $rounds runs in $seconds s, no failure"
