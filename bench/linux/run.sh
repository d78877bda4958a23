#!/bin/sh
# What memory management costs in instructions under the reference kernel and under Debian's own, which
# runs twice: without huge pages and with them wherever it can (transparent_hugepage=never, =always).
# Boots the same root image with the same static programs (bench.c; large.c, for which the machine has
# more memory), and sets the results side by side.
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
	static="${CC:-gcc} -static -O2 -Wall -Wextra"
	$static -Wl,-e,bench_start -o "$work/root/bench" "$here/bench.c" "$here/measure.c"
	$static -o "$work/root/large" "$here/large.c" "$here/serve.c" "$here/measure.c"
	head -c 4M /dev/urandom >"$work/root/bench.dat"
	/sbin/mke2fs -q -t ext2 -d "$work/root" "$work/root.ext2" 32M >/dev/null
}

# ---- the runs ------------------------------------------------------------------------------------

boot() { # $1: which kernel, $2: which program, then QEMU's options for the kernel
	log=$work/$1-$2.log memory=1024
	[ "$2" = bench ] || memory=2048
	shift 2
	rm -f "$work/swap"
	truncate -s 256M "$work/swap"
	chmod 600 "$work/swap"
	/sbin/mkswap -q "$work/swap" 2>"$work/mkswap.log"
	timeout "$limit" qemu-system-x86_64 -M q35 -icount shift=0,sleep=off -accel tcg \
		-cpu max,-erms,-fsrm -m $memory -smp 1 -display none -serial stdio -no-reboot \
		-device isa-debug-exit,iobase=0xf4,iosize=4 \
		-drive "if=none,id=r,format=raw,readonly=on,file=$work/root.ext2" -device virtio-blk-pci,drive=r \
		-drive "if=none,id=s,format=raw,file=$work/swap" -device virtio-blk-pci,drive=s \
		"$@" </dev/null >"$log.raw" 2>&1 || true
	tr -d '\r' <"$log.raw" >"$log"
	rm "$log.raw"
	grep -q '^done$' "$log" || echo "bench-linux: the run did not end, see $log" >&2
}

both() { # both programs, each in a machine of its own; $1: huge pages under Debian's kernel, or ours
	for program in bench large; do
		case $1 in
		ours) boot ours $program -kernel "$kernel" -append "swap huge=never init=/$program" ;;
		huge) boot huge $program -kernel "$kernel" -append "swap huge=always init=/$program" ;;
		*) boot "debian-$1" $program -kernel "$work/vmlinuz" -initrd "$work/initramfs.gz" -append \
			"console=ttyS0 quiet mitigations=off transparent_hugepage=$1 nokaslr -- /$program" ;;
		esac
	done
}

# ---- the table -----------------------------------------------------------------------------------

# NAME OBJRMAP LINUX RATIO, and with huge pages: OBJRMAP LINUX RATIO
results() {
	awk 'function ratio(a, b) { return sprintf(a < b / 100 ? "%.4f" : "%.2f", a / b) }
		$1 != "row:" { next }
		{ value[kernel, $2] = $3 }
		kernel == 1 { name[++n] = $2 }
		END {
			for (i = 1; i <= n; i++) {
				ours = value[1, name[i]]; linux = value[2, name[i]]
				huge = value[3, name[i]]; thp = value[4, name[i]]
				if (linux && huge && thp)
					print name[i], ours, linux, ratio(ours, linux), huge, thp, ratio(huge, thp)
			}
		}' kernel=1 "$work"/ours-*.log kernel=2 "$work"/debian-never-*.log \
		kernel=3 "$work"/huge-*.log kernel=4 "$work"/debian-always-*.log
}

table() {
	{
		echo instructions objrmap linux ratio objrmap-huge linux-thp ratio
		results
	} | awk '{ printf "%-26s %12s %12s %7s %12s %12s %7s%s\n", $1, $2, $3, $4, $5, $6, $7, ($4 + 0 > 0.5 ? "  *" : "") }'
}

json() {
	results | awk 'BEGIN { printf "[" }
		{ printf "%s\n  {\"name\": \"%s\", \"objrmap\": %s, ", sep, $1, $2; sep = "," }
		{ printf "\"linux\": %s, \"ratio\": %s, ", $3, $4 }
		{ printf "\"objrmap_huge\": %s, \"linux_thp\": %s, \"ratio_thp\": %s}", $5, $6, $7 }
		END { print "\n]" }'
}

"$here/debian.sh" "$build"
image
rm -f "$work"/*-bench.log "$work"/*-large.log
both ours
both never
both huge
both always
table
json >"$build/bench-linux.json"
for log in "$work"/*-bench.log "$work"/*-large.log; do
	grep -q '^done$' "$log"
done
