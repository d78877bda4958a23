#!/bin/sh
# Make what the machines under pressure boot from: one root image for both kernels, with Debian's
# programs, the demonstration's scripts and the workloads; the plugin that counts; Debian's kernel.
#
#     prepare.sh BUILD      makes BUILD/pressure/{root.ext2,libcount.so,vmlinuz,initramfs.gz}
#
# Wants what scripts/setup.sh linux installs. Nothing is fetched twice.
set -eu

here=$(cd "$(dirname "$0")" && pwd)
mkdir -p "$1/pressure"
build=$(cd "$1" && pwd)
work=$build/pressure

guest() {
	mkdir -p "$work/guest/pressure"
	cc="${CC:-gcc} -static -O2 -Wall -Wextra"
	$cc -o "$work/guest/pressure/session" "$here/guest/session.c"
	$cc -o "$work/guest/pressure/workload" "$here/guest/workload.c" "$here/guest/pages.c" \
		"$here/guest/patterns.c" "$here/guest/beside.c"
	cp "$here"/guest/*.sh "$work/guest/pressure"
	# No hole in them, so that every page is read from the disk.
	for mib in 8 31 270; do
		file=$work/guest/pressure/file.$mib
		[ -s "$file" ] || head -c "${mib}M" /dev/urandom >"$file"
	done
}

# The packages' tree is not touched; links take no room.
image() {
	rm -rf "$work/root"
	cp -al "$build/root" "$work/root"
	ROOT=$work/root scripts/image.sh "$work/root.ext2" demo "$work/guest/pressure"
	rm -rf "$work/root"
}

cd "$here/../.."
scripts/packages.sh
guest
image
plugin=$(qemu-system-x86_64 --version | awk 'NR == 1 { print ($4 + 0 >= 9 ? 2 : 1) }')
${CC:-gcc} -shared -fPIC -O2 -Wall -Wextra "-DPLUGIN_VERSION=$plugin" \
	-o "$work/libcount.so" "$here/count.c"
bench/linux/debian.sh "$build"
cp "$build/linux/vmlinuz" "$build/linux/initramfs.gz" "$work"
