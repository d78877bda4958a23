#!/bin/sh
# The same for whole kernels: boots one root image with one static program (guest.c) under the reference
# kernel and under Debian's, with 4 and 8 CPUs if the reference kernel can have as many, and lets a plugin
# (plugin.c) watch.
#
#     kernels.sh KERNEL BUILD RESULTS     RESULTS gets lines "NAME SPACES CPUS METRIC OBJRMAP LINUX"
#
# QEMU plays all CPUs in one thread. The program pauses after each operation, and then the next CPU comes;
# so they take turns here, too. Timers follow the host's clock and the emulator is slow, so some
# operations hold a timer interrupt: figures vary by a few percent. NAMES=20: BUILD/scale/kernel-names.txt
# has the 20 functions of the reference kernel that write to most of these lines, for each row.
set -eu

kernel=$1 results=$3
here=$(dirname "$0")
build=$(cd "$2" && pwd)
work=$build/scale/kernels

# ---- what is booted --------------------------------------------------------------------------------

prepare() {
	mkdir -p "$work"
	rm -rf "$work/root" "$work/root.ext2"
	for d in dev proc tmp run var/tmp; do
		mkdir -p "$work/root/$d"
	done
	${CC:-gcc} -static -pthread -O2 -Wall -Wextra -o "$work/root/scale" "$here/guest.c"
	head -c 16M /dev/urandom >"$work/root/scale.dat"
	/sbin/mke2fs -q -t ext2 -d "$work/root" "$work/root.ext2" 48M >/dev/null
	plugin=$(qemu-system-x86_64 --version | awk 'NR == 1 { print ($4 + 0 >= 9 ? 2 : 1) }')
	${CC:-gcc} -shared -fPIC -O2 -Wall -Wextra "-DPLUGIN_VERSION=$plugin" \
		-o "$work/libscale.so" "$here/plugin.c" "$here/record.c"
}

boot() { # $1: name of the results, then QEMU's options for the kernel
	out=$work/$1
	shift
	rm -f "$work/swap" "$out.marks"
	truncate -s 256M "$work/swap"
	chmod 600 "$work/swap"
	/sbin/mkswap -q "$work/swap" 2>"$work/mkswap.log"
	timeout "${LIMIT:-900}" qemu-system-x86_64 -M q35 -accel tcg,thread=single \
		-cpu max,-erms,-fsrm -m 512 -smp "$cpus" -display none -serial stdio -no-reboot \
		-device isa-debug-exit,iobase=0xf4,iosize=4 \
		-plugin "$work/libscale.so,out=$out.marks,top=${NAMES:+5000}" \
		-drive "if=none,id=r,format=raw,readonly=on,file=$work/root.ext2" -device virtio-blk-pci,drive=r \
		-drive "if=none,id=s,format=raw,file=$work/swap" -device virtio-blk-pci,drive=s \
		"$@" </dev/null >"$out.raw" 2>&1 || true
	tr -d '\r' <"$out.raw" >"$out.log"
	grep -q '^done$' "$out.log" || {
		echo "bench-scale: the run did not end, see $out.log" >&2
		exit 1
	}
	grep '^row:' "$out.log" >"$out.rows"
	grep -v '^#' "$out.marks" | paste -d ' ' "$out.rows" - >"$out.results"
}

# ---- results ---------------------------------------------------------------------------------------

# row: NAME SPACES CPUS OPERATIONS SEEN WRITES READS INSTRUCTIONS, of the one kernel, then the other.
join_results() {
	awk '
	function digits(x) { return sprintf(x < 1000 ? "%.3f" : "%.0f", x) }
	$5 != $6 || !$9 { print "bench-scale: " $2 ": " $6 " operations were seen of " $5 >"/dev/stderr"; bad = 1 }
	{ k = $2 " " $3 " " $4; per[k, "lines"] = $7 / $5; per[k, "lines_read"] = $8 / $5 }
	{ per[k, "instructions"] = $9 / $5 }
	FNR == NR { for (m in metric) first[k, m] = per[k, m]; next }
	{ for (i = 1; i <= 3; i++) print "kernel-" k, name[i], digits(first[k, name[i]]), digits(per[k, name[i]]) }
	BEGIN {
		split("lines lines_read instructions", name, " ")
		for (i in name) metric[name[i]] = 1
	}
	END { exit bad }' "$work/objrmap.results" "$work/linux.results" >>"$results"
}

# Addresses to "FUNCTION FILE:LINE": the function that all of it was inlined to, and the line itself.
where() {
	addr2line -a -f -i -s -e "$kernel" | awk '
		function put() { if (function_ != "") print function_, place }
		/^0x/ { put(); place = ""; next }
		{ function_ = $1; getline; if (place == "") place = $1 }
		END { put() }'
}

# For the reference kernel, by who wrote to a line last: writes, reads, lines.
names() {
	awk '/^#/ { print row + 0, $2, $3; next } { row++ }' "$work/objrmap.marks" >"$work/visits"
	awk '/^#/ { print $4 }' "$work/objrmap.marks" | where |
		paste -d ' ' "$work/visits" - |
		awk '{ k = $1 " " $4 " " $5; writes[k] += $2; reads[k] += $3; lines[k]++ }
			END { for (k in lines) print k, writes[k], reads[k], lines[k] }' |
		sort -k 1,1n -k 4,4nr -k 5,5nr |
		awk -v most="$NAMES" 'FNR == NR { row[++n] = $0; operations[n] = $5; next }
			$1 != last { print row[$1]; last = $1; shown = 0 }
			shown++ < most { o = operations[$1]; printf "# %7.2f %7.2f %7d  %s %s\n", $4 / o, $5 / o, $6, $2, $3 }' \
			"$work/objrmap.rows" - >"$build/scale/kernel-names.txt"
}

"$here/../linux/debian.sh" "$build"
prepare
max=$(sed -n 's/^#define MAX_CPUS //p' "$here/../../kernel/include/cpu.h")
: >"$results"
for cpus in 4 8; do
	[ "$cpus" -le "$max" ] || continue
	boot objrmap -kernel "$kernel" -append "swap init=/scale"
	boot linux -kernel "$build/linux/vmlinuz" -initrd "$build/linux/initramfs.gz" \
		-append "console=ttyS0 quiet mitigations=off transparent_hugepage=never nokaslr -- /scale"
	join_results
	[ -z "${NAMES:-}" ] || names
done
