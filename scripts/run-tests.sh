#!/bin/sh
# Run test programs side by side, as many as there are processors, in the order given (the longest
# first saves time). Each one's output goes into a file beside it, and is shown if it fails. A
# program that exits with 77 has been skipped and says why in its last line. The last line here
# counts the programs: "N passed, N failed, N skipped".
#
#     scripts/run-tests.sh PROGRAM...        JOBS: programs at a time
#                                            TEST_SECONDS=900: CPU time a process may use
#                                            TEST_STEPS="NAME=N...": program NAME takes N steps (-n)
#
# The clock limits nothing, because the machine may have other work. A program is ended when it has
# used up its CPU time, or when for two minutes all its threads have slept and used none: a deadlock.
#
# A program that has a simulated machine runs in each mode of its MMU that SIM_MODE names, one after
# the other (ports/sim/sim.h).
#
# A terminal always shows what runs, with the last line of its output; a log gets that once a
# minute.
set -u

root=$(dirname "$0")/..
jobs=${JOBS:-$(nproc)}
limit=${TEST_SECONDS:-900}
passed=0 failed=0 skipped=0 busy=0 ticks=0
running=""
export TSAN_OPTIONS="suppressions=$root/tests/tsan.supp halt_on_error=1 history_size=7 second_deadlock_stack=1 ${TSAN_OPTIONS:-}"
export UBSAN_OPTIONS="print_stacktrace=1 ${UBSAN_OPTIONS:-}"

# What happens arrives in a pipe: the end of a program, and a tick each second.
events=$(mktemp -u) && mkfifo "$events" && exec 3<>"$events" && rm "$events" || exit 1
while sleep 1; do echo tick; done >&3 2>/dev/null &
ticker=$!

stop() {
	kill "$ticker" 2>/dev/null
	for program in $running; do
		kill -s KILL -- "-$(cat "$program.pid")"
	done 2>/dev/null
}
trap 'stop; exit 1' INT TERM HUP

tenths() {
	echo $(($(date +%s%N) / 100000000))
}

# The option for TEST_STEPS.
steps_of() { # $1: program
	for word in ${TEST_STEPS:-}; do
		[ "${word%%=*}" != "${1##*/}" ] || echo "-n ${word#*=}"
	done
}

# In the background, in a session of its own: so all its processes can be found.
start() { # $1: program
	: >"$1.log"
	(
		begin=$(tenths)
		# shellcheck disable=SC3045
		ulimit -S -t "$limit"
		modes=none
		! grep -q OM_SIM_MODE "$1" || modes=${SIM_MODE:-x86}
		# shellcheck disable=SC2016,SC2086
		setsid sh -c '
			echo $$ >"$1.pid"
			program=$1 steps=$2
			shift 2
			for mode; do
				OM_SIM_MODE=$mode "$program" $steps && continue
				status=$?
				[ $mode = none ] || echo "in mode OM_SIM_MODE=$mode"
				exit $status
			done' sh "$1" "$(steps_of "$1")" $modes >>"$1.log" 2>&1 </dev/null 3>&-
		status=$?
		echo "end $1 $status $(($(tenths) - begin))" >&3
	) &
	running="$running $1"
	busy=$((busy + 1))
}

# The line on a terminal is gone before anything else is printed.
clear_line() {
	[ ! -t 1 ] || printf '\r\033[K'
}

report() { # $1: program, $2: exit status, $3: tenths of a second
	took="$(($3 / 10)).$(($3 % 10))s"
	rest=
	for program in $running; do
		[ "$program" = "$1" ] || rest="$rest $program"
	done
	running=$rest busy=$((busy - 1))
	rm -f "$1.pid" "$1.idle"
	clear_line
	case $2 in
	0)
		passed=$((passed + 1))
		echo "ok    $1 ($took)"
		;;
	77)
		skipped=$((skipped + 1))
		echo "skip  $1 ($took): $(tail -n 1 "$1.log")"
		;;
	*)
		failed=$((failed + 1))
		[ "$2" != 152 ] || echo "all $limit s of CPU time used up" >>"$1.log"
		echo "FAIL  $1 ($took, exit status $2), the end of $1.log:"
		tail -n 40 "$1.log" | sed 's/^/      /'
		;;
	esac
}

# The CPU time that all threads of a session have used; "awake" if one of them wants more.
used() { # $1: session
	cat /proc/[0-9]*/task/[0-9]*/stat 2>/dev/null | awk -v session="$1" '
		{ sub(/.*\) /, "") }
		$4 == session { used += $12 + $13; if ($1 ~ /[RD]/) awake = 1 }
		END { print awake ? "awake" : used + 0 }'
}

# Every ten seconds.
end_if_asleep() { # $1: program
	session=$(cat "$1.pid" 2>/dev/null) || return
	before=none idle=0
	[ ! -e "$1.idle" ] || read -r before idle <"$1.idle"
	now=$(used "$session")
	[ "$now" = "$before" ] && [ "$now" != awake ] && idle=$((idle + 1)) || idle=0
	echo "$now $idle" >"$1.idle"
	if [ "$idle" -ge 12 ]; then
		echo "all threads have slept for two minutes: a deadlock" >>"$1.log"
		kill -s ABRT -- "-$session"
	fi
}

show() {
	if [ -t 1 ]; then
		line="$ticks s"
		for program in $running; do
			line="$line  ${program##*/}: $(tail -n 1 "$program.log")"
		done
		clear_line
		width=$(stty size <&1 2>/dev/null)
		printf '%.*s' "$((${width#* } - 1))" "$line"
	elif [ $((ticks % 60)) = 0 ]; then
		for program in $running; do
			echo "      after ${ticks}s: $program: $(tail -n 1 "$program.log")"
		done
	fi
}

tick() {
	ticks=$((ticks + 1))
	show
	[ $((ticks % 10)) = 0 ] || return
	for program in $running; do
		end_if_asleep "$program"
	done
}

while [ $busy != 0 ] || [ $# != 0 ]; do
	while [ $busy -lt "$jobs" ] && [ $# != 0 ]; do
		start "$1"
		shift
	done
	read -r event program status time <&3
	case $event in
	tick) tick ;;
	end) report "$program" "$status" "$time" ;;
	esac
done
clear_line
stop
echo "$passed passed, $failed failed, $skipped skipped"
[ $failed = 0 ] && [ $((passed + skipped)) != 0 ]
