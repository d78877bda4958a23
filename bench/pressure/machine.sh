#!/bin/sh
# Boot one machine, let it run one command under memory pressure, and write down what it took.
#
#     machine.sh IMAGES KERNEL MEMORY OUT COMMAND ARG...
#
# IMAGES is a directory that prepare.sh has filled. KERNEL is a file, or the word linux for Debian's
# kernel. MEMORY is in MiB. Makes OUT.log, what the machine has said, and OUT.moments: a line for each
# moment (guest/moment.h), of its name, the instructions so far of programs and of the kernel, and for
# the root disk and then the swap disk the bytes read, bytes written, read and write requests so far.
#
# QEMU's monitor and the machine's console are pipes. With -icount an instruction takes a nanosecond,
# so that timers do not depend on how fast the host is. LIMIT=1200: seconds until the machine is ended.
set -eu

images=$1 kernel=$2 memory=$3 out=$4
shift 4
work=$(mktemp -d)
trap end EXIT
trap 'exit 130' INT TERM
carriage_return=$(printf '\r')

end() {
	if [ -e "$work/pid" ]; then
		kill "$(cat "$work/pid")" 2>/dev/null || true
	fi
	rm -rf "$work"
}

disks() {
	truncate -s "${SWAP:-1024}M" "$work/swap"
	chmod 600 "$work/swap"
	PATH=$PATH:/sbin:/usr/sbin mkswap -q "$work/swap" 2>/dev/null
}

# What is particular to each kernel; the words after "--" are the first program's.
boot() {
	case $kernel in
	linux)
		qemu -kernel "$images/vmlinuz" -initrd "$images/initramfs.gz" -append \
			"console=ttyS0 quiet mitigations=off transparent_hugepage=never nokaslr -- $*"
		;;
	*)
		program=$1
		shift
		qemu -kernel "$kernel" -append "swap init=$program -- $*"
		;;
	esac
}

qemu() {
	timeout "${LIMIT:-1200}" qemu-system-x86_64 -M q35 -cpu max,-erms,-fsrm -m "$memory" -smp 1 \
		-accel tcg -icount shift=0,sleep=on -plugin "$images/libcount.so,out=$work/marks" \
		-pidfile "$work/pid" -display none -serial stdio -no-reboot \
		-device isa-debug-exit,iobase=0xf4,iosize=4 \
		-chardev "pipe,id=monitor,path=$work/monitor" -mon chardev=monitor \
		-drive "if=none,id=root,format=raw,readonly=on,cache=unsafe,file=$images/root.ext2" \
		-device virtio-blk-pci,drive=root \
		-drive "if=none,id=swap,format=raw,cache=unsafe,file=$work/swap" \
		-device virtio-blk-pci,drive=swap "$@" <"$work/keyboard" >"$work/console" 2>&1
}

# The counters of both disks, from the answer "root: rd_bytes=1 wr_bytes=2 rd_operations=3 ..."
ask_disks() {
	echo "info blockstats" >&3
	counters=
	while read -r line <&4; do
		case $line in
		"root: "* | "swap: "*)
			# shellcheck disable=SC2086 # words
			set -- $line
			counters="$counters ${2#*=} ${3#*=} ${4#*=} ${5#*=}"
			;;
		esac
		case $line in "swap: "* | ended) break ;; esac
	done
	echo "$counters"
}

# What the machine says until it ends.
converse() {
	while IFS= read -r line; do
		line=${line%"$carriage_return"}
		case $line in
		*"@ask "*)
			name=${line#*@ask }
			counters=$(ask_disks)
			echo "$name$counters" >>"$work/asked"
			echo >&5
			;;
		*) echo "$line" ;;
		esac
	done <"$work/console" >"$out.log"
}

disks
mkfifo "$work/monitor.in" "$work/monitor.out" "$work/keyboard" "$work/console"
exec 3<>"$work/monitor.in" 4<>"$work/monitor.out" 5<>"$work/keyboard"
: >"$work/marks"
: >"$work/asked"
{
	boot /pressure/session "$@" || true
	echo ended >&4 # nobody waits for an answer in vain
} &
converse
wait
paste -d ' ' "$work/asked" "$work/marks" |
	awk '{ print $1, $10, $11, $2, $3, $4, $5, $6, $7, $8, $9 }' >"$out.moments"
grep -q '^@count status 0$' "$out.log" || {
	echo "machine: the command failed or did not end, see $out.log" >&2
	exit 1
}
