#!/bin/sh
# Boot the kernel with the programs of tests/kernel/ on its disk, once for each number of CPUs in $CPUS and
# for those that need a machine of their own; boot.sh judges them. As many boots at once as there are cores.
# One line for each program; at the end "N passed, M failed, K skipped".
#
#   run.sh KERNEL DIR     DIR: build/kernel-tests; the logs go to DIR/log, what differs to DIR/log/*.diff
#
# $EQUAL are programs of which tests/kernel/expected/ has the output. They also run on this Linux: what it
# answers otherwise is worth a line, but no failure, because Linux differs between versions and machines.
#
# $ONLY: these programs alone. $MEM: MiB of memory, as much is swap. $SEED: other random numbers. $LIMIT: seconds of processors
# for a boot. $JOBS: boots at once.
set -u

here=$(cd "$(dirname "$0")" && pwd)
kernel=$1 dir=$(cd "$2" && pwd)
cores=$(nproc)
log=$2/log wanted=$dir/log/wanted
: "${SEED:=0}" "${MEM:=32}" "${LIMIT:=600}" "${JOBS:=$cores}"
export kernel dir log wanted MEM LIMIT
rm -rf "$log"
mkdir -p "$wanted" "$log/linux"
: >"$log/verdicts"

chosen() { # $1: a program
	[ -z "${ONLY:-}" ] && return 0
	case " $ONLY " in *" $1 "*) return 0 ;; esac
	return 1
}

skip() { # $1: what, $2: why
	echo "skip  $1: $2" | tee -a "$log/verdicts"
}

# ---- what Linux answers --------------------------------------------------------------------------

on_linux() { # $1: program
	(
		cd /tmp || exit
		timeout 60 "$dir/bin/$1" </dev/null 2>&1
		echo "status $?"
	) >"$log/linux/$1"
}

same_on_linux() { # $1: program
	diff -u "$wanted/$1" "$log/linux/$1" >"$log/linux/$1.diff" && rm "$log/linux/$1.diff"
}

ask_linux() { # $1: program
	# Of memory that is locked, root and others get different answers, and the guest is root.
	case "$(id -u) $1" in
	"0 "*) ;;
	*" mlock" | *" limits" | *" users" | *" rights" | *" memlock" | *" userlimits")
		skip "$1, this Linux" "it takes root"
		return
		;;
	esac
	on_linux "$1"
	same_on_linux "$1" || echo "note  $1, this Linux: lines that differ:" \
		"$(grep -c '^+[^+]' "$log/linux/$1.diff"), see $log/linux/$1.diff"
}

# Of other random numbers nobody has written down the answers: this Linux is asked, if it is like that one.
ask_for_seed() {
	SEED=0 on_linux random
	if same_on_linux random; then
		on_linux random
		mv "$log/linux/random" "$wanted/random"
	else
		skip "random" "this Linux answers otherwise than tests/kernel/expected/random, seed $SEED is new"
		rm "$wanted/random"
	fi
}

# ---- boots ---------------------------------------------------------------------------------------

boots() {
	programs=
	for p in $EQUAL $SELF; do
		chosen "$p" && { [ -e "$wanted/$p" ] || [ "$p" != random ]; } && programs="$programs $p"
	done
	for n in $CPUS; do
		# CPUs that wait for each other on fewer real ones do little else.
		[ "$n" -le "$cores" ] && threads=multi || threads=single
		[ -z "$programs" ] || echo "$n-CPU $n $threads init=/init -- SEED=$SEED$programs"
	done
	chosen swaperr && echo "swaperr 2 single init=/init swap_fail=100-110 -- SEED=$SEED swaperr"
	for p in spare oominit; do
		chosen "$p" && echo "$p 2 single init=/tests/$p"
	done
}

for p in $EQUAL; do
	sed '/^#/d' "$here/expected/$p" >"$wanted/$p"
	chosen "$p" || continue
	if [ "$p" = random ] && [ "$SEED" != 0 ]; then
		ask_for_seed
	else
		ask_linux "$p"
	fi
done
boots | xargs -L 1 -P "$JOBS" "$here/boot.sh"

passed=$(grep -c '^pass' "$log/verdicts") failed=$(grep -c '^FAIL' "$log/verdicts")
skipped=$(grep -c '^skip' "$log/verdicts")
echo "$passed passed, $failed failed, $skipped skipped"
[ "$failed" -eq 0 ] && [ "$passed" -ne 0 ]
