#!/bin/sh
# What memory management costs in instructions under the reference kernel and under Debian's own:
# boots the same root image with the same static program (bench.c) under both, in the same machine,
# and sets the results side by side.
#
#   run.sh KERNEL [BUILD]     BUILD: the build directory; BUILD/bench-linux.json gets the results
#
# One instruction takes one nanosecond of virtual time (-icount shift=0). Debian's kernel is taken
# from its package as it is; virtio and ext4 are modules there, so it starts from a small initramfs
# with those modules and init.c. LIMIT bounds each boot, in seconds.
set -eu

kernel=$1
here=$(dirname "$0")
mkdir -p "${2:-build}"
build=$(cd "${2:-build}" && pwd)
work=$build/linux
limit=${LIMIT:-900}

# ---- the root image ------------------------------------------------------------------------------

image() {
	rm -rf "$work/root" "$work/root.ext2"
	for d in dev proc tmp run var/tmp; do
		mkdir -p "$work/root/$d"
	done
	${CC:-gcc} -static -O2 -Wall -Wextra -Wl,-e,bench_start -o "$work/root/bench" "$here/bench.c"
	head -c 4M /dev/urandom >"$work/root/bench.dat"
	/sbin/mke2fs -q -t ext2 -d "$work/root" "$work/root.ext2" 32M >/dev/null
}

# ---- the two runs --------------------------------------------------------------------------------

boot() { # $1: log, then QEMU's options for the kernel
	log=$1
	shift
	rm -f "$work/swap"
	truncate -s 256M "$work/swap"
	chmod 600 "$work/swap"
	/sbin/mkswap -q "$work/swap" 2>"$work/mkswap.log"
	timeout "$limit" qemu-system-x86_64 -M q35 -icount shift=0,sleep=off -accel tcg \
		-cpu max,-erms,-fsrm -m 1024 -smp 1 -display none -serial stdio -no-reboot \
		-device isa-debug-exit,iobase=0xf4,iosize=4 \
		-drive "if=none,id=r,format=raw,readonly=on,file=$work/root.ext2" -device virtio-blk-pci,drive=r \
		-drive "if=none,id=s,format=raw,file=$work/swap" -device virtio-blk-pci,drive=s \
		"$@" </dev/null >"$log.raw" 2>&1 || true
	tr -d '\r' <"$log.raw" >"$log"
	rm "$log.raw"
	grep -q '^done$' "$log" || echo "bench-linux: the run did not end, see $log" >&2
}

# NAME OBJRMAP LINUX RATIO
results() {
	awk '$1 != "row:" { next }
		FNR == NR { ours[$2] = $3; next }
		($2 in ours) { printf "%s %s %s %.2f\n", $2, ours[$2], $3, ours[$2] / $3 }' \
		"$work/objrmap.log" "$work/debian.log"
}

table() {
	{
		echo instructions objrmap linux ratio
		results
	} | awk '{ printf "%-26s %12s %12s %6s%s\n", $1, $2, $3, $4, ($4 + 0 > 0.5 ? "  *" : "") }'
}

json() {
	results | awk 'BEGIN { printf "[" }
		{ printf "%s\n  {\"name\": \"%s\", \"objrmap\": %s, ", sep, $1, $2; sep = "," }
		{ printf "\"linux\": %s, \"ratio\": %s}", $3, $4 }
		END { print "\n]" }'
}

"$here/debian.sh" "$build"
image
boot "$work/objrmap.log" -kernel "$kernel" -append "swap init=/bench"
boot "$work/debian.log" -kernel "$work/vmlinuz" -initrd "$work/initramfs.gz" \
	-append "console=ttyS0 quiet mitigations=off transparent_hugepage=never nokaslr"
table
json >"$build/bench-linux.json"
grep -q '^done$' "$work/objrmap.log" && grep -q '^done$' "$work/debian.log"
