#!/bin/sh
# Boot the kernel once with programs of tests/kernel/ on its disk, and judge each of them when it has ended.
# Called by run.sh, which exports what the two share.
#
#   boot.sh NAME CPUS THREADS OPTION... [-- SEED=N PROGRAM...]
#
# THREADS: "multi": CPUs are threads of the host; "single": they take turns on one. What follows is the
# kernel's command line.
#
# A program of which $wanted has the output must print that. Any other must end with "ok" and status 0.
#
# No limit counts the clock, because on a loaded machine everything takes as long as it takes. But QEMU may
# use LIMIT seconds of processors, and if, for a minute more often than not, it has said nothing and wanted
# no processor, nothing will happen any more.
# shellcheck disable=SC2154,SC3045 # what run.sh exports; ulimit -t is in dash and bash
set -u

name=$1 cpus=$2 threads=$3
shift 3
options=$*
case $options in
*" -- "*) programs=${options#* -- SEED=* } ;;
*) programs=$name ;; # it is process 1
esac
out=$log/boot-$name judged=0 running='' quiet=0 size=0 seconds=0 hangs=false

say() { # $1: pass, FAIL or skip, $2: what, $3: remark
	echo "$1  $2, $name${3:+: $3}" | tee -a "$log/verdicts"
}

# ---- the machine ---------------------------------------------------------------------------------

start() {
	swap=$log/swap-$name
	truncate -s "${MEM}M" "$swap"
	chmod 600 "$swap"
	PATH=$PATH:/sbin:/usr/sbin mkswap "$swap" >"$log/mkswap" 2>&1
	(
		ulimit -t "$LIMIT"
		exec qemu-system-x86_64 -M q35 -cpu max -accel "tcg,thread=$threads" -smp "$cpus" -m "$MEM" \
			-kernel "$kernel" -append "swap verify $options" -display none -serial stdio -no-reboot \
			-device isa-debug-exit,iobase=0xf4,iosize=4 \
			-drive "if=none,id=r,format=raw,readonly=on,file=$dir/root.ext2" -device virtio-blk-pci,drive=r \
			-drive "if=none,id=s,format=raw,cache=unsafe,file=$swap" -device virtio-blk-pci,drive=s
	) </dev/null >"$out" 2>&1 &
	qemu=$!
	trap 'kill -9 "$qemu"; exit 130' INT TERM
}

# Has QEMU not ended? Sets `seconds`: of processors that it has used.
alive() {
	read -r _ _ state _ _ _ _ _ _ _ _ _ _ user system _ 2>/dev/null <"/proc/$qemu/stat" || return 1
	seconds=$(((user + system) / 100))
	[ "$state" != Z ]
}

# Does any of its threads run, or wait for a processor or a disk?
busy() {
	cat "/proc/$qemu/task/"*/stat 2>/dev/null | sed 's/.*) //' | grep -q '^[RD]'
}

watch() {
	before=$size size=$(wc -c <"$out")
	if [ "$size" -ne "$before" ]; then
		quiet=0
	elif ! busy; then
		quiet=$((quiet + 1))
	elif [ "$quiet" -gt 0 ]; then
		quiet=$((quiet - 1))
	fi
	if [ "$quiet" -ge 60 ]; then
		hangs=true
		kill -9 "$qemu"
	fi
}

# ---- what it printed -----------------------------------------------------------------------------

lines() {
	tr -d '\r' <"$out"
}

# The output of one program, and its exit status as the last line.
output() { # $1: program
	lines | awk -v name="$1" '
		$1 == "@@" && $3 == name && $2 == "end" { print "status " $4; exit }
		on { print }
		$1 == "@@" && $3 == name && $2 == "begin" { on = 1 }'
}

judge() { # $1: program
	got=$log/$name-$1
	output "$1" >"$got"
	if [ -e "$wanted/$1" ]; then
		if diff -u "$wanted/$1" "$got" >"$got.diff"; then
			rm "$got.diff"
			say pass "$1"
		else
			say FAIL "$1" "not what Linux answers, see $got.diff"
		fi
	elif [ "$(tail -n 2 "$got" | tr '\n' ' ')" = "ok status 0 " ]; then
		say pass "$1"
	elif grep -q '^skipped: ' "$got"; then
		say skip "$1" "$(sed -n 's/^skipped: //p' "$got")"
	else
		say FAIL "$1" "$(tail -n 2 "$got" | tr '\n' ' ')"
	fi
}

# Those that have ended since the last time; and which one runs now.
judge_new() { # $@: filter of the lines
	seen=$(lines | "$@" | awk '$1 == "@@" && NF > 2 { print $2, $3 }')
	for p in $(echo "$seen" | sed -n 's/^end //p' | tail -n +$((judged + 1))); do
		judge "$p"
		judged=$((judged + 1))
	done
	running=$(lines | awk '$1 == "@@" { name = $2 == "begin" ? $3 : "" } END { print name }')
}

# ---- all of it -----------------------------------------------------------------------------------

start
ticks=0
while alive; do
	sleep 1
	watch
	judge_new sed \$d # the last line may be half of one
	ticks=$((ticks + 1))
	[ $((ticks % 15)) -ne 0 ] || echo "...   ${running:-the kernel itself}, $name: runs"
done
wait "$qemu"
status=$?
judge_new cat
rm -f "$swap"

lines | sed -n "s/^cpu .* does not start/note  $name: &/p"

# The kernel ends the machine through isa-debug-exit: QEMU's status is 2 * value + 1, the value 16 for success.
if $hangs; then
	why="hangs"
elif [ "$status" -eq 137 ] || [ "$status" -eq 152 ]; then
	why="has used $LIMIT s of processors"
else
	why="status $status, $(lines | tail -n 1)"
fi
for p in $programs; do
	if [ "$p" = "$running" ]; then
		say FAIL "$p" "$why"
	elif ! lines | grep -q "^@@ end $p "; then
		say skip "$p" "the machine had ended"
	fi
done
if [ "$status" -eq 33 ]; then
	say pass end "$seconds s of processors"
else
	say FAIL end "$why"
fi
