#!/bin/sh
# Debian's kernel, ready to boot beside the reference kernel: fetches its package once, takes it as it
# is, and makes the initramfs. virtio and ext4 are modules there, so the initramfs holds those and init.c.
#
#     debian.sh BUILD      makes BUILD/linux/vmlinuz and BUILD/linux/initramfs.gz
set -eu

here=$(dirname "$0")
mkdir -p "$1/linux" "$1/packages"
build=$(cd "$1" && pwd)
work=$build/linux

die() {
	echo "debian: $*" >&2
	exit 1
}

package_file() {
	find "$build/packages" -name 'linux-image-[0-9]*.deb' | sort | tail -n 1
}

# The package that linux-image-amd64 depends on.
download() {
	package=$(apt-cache depends linux-image-amd64 | awk '$2 ~ /^linux-image-[0-9]/ { print $2; exit }')
	[ -n "$package" ] && (cd "$build/packages" && apt-get -q -o APT::Sandbox::User=root download "$package")
}

update() {
	echo "debian: updating the package lists"
	sudo=
	[ "$(id -u)" = 0 ] || sudo=sudo
	# One broken list among many is no reason to stop: the download decides.
	$sudo apt-get -q update || true
}

fetch() {
	[ -n "$(package_file)" ] || download || { update && download; } || die "no package linux-image-amd64"
	deb=$(package_file)
	[ "$(cat "$work/unpacked" 2>/dev/null)" = "$deb" ] && return
	rm -rf "${work:?}/boot" "${work:?}/lib"
	dpkg-deb -x "$deb" "$work"
	echo "$deb" >"$work/unpacked"
}

# Files of the modules that are needed, in the order to load them.
modules() {
	/sbin/depmod -b "$work" "$version"
	for m in virtio_pci virtio_blk crc32c_generic ext4; do
		/sbin/modprobe -d "$work" -S "$version" --show-depends "$m"
	done | awk '!/crc32c-intel/ && !seen[$2]++ { print $2 }'
}

initramfs() {
	rm -rf "$work/initramfs"
	mkdir -p "$work/initramfs/modules" "$work/initramfs/dev" "$work/initramfs/root"
	n=10
	for file in $(modules); do
		name=$work/initramfs/modules/$n-$(basename "${file%.xz}")
		case $file in
		*.xz) xz -dc "$file" >"$name" ;;
		*) cp "$file" "$name" ;;
		esac
		n=$((n + 1))
	done
	${CC:-gcc} -static -O2 -Wall -Wextra -o "$work/initramfs/init" "$here/init.c"
	(cd "$work/initramfs" && find . | cpio -o -H newc --quiet | gzip) >"$work/initramfs.gz"
}

fetch
version=$(basename "$(ls -d "$work"/lib/modules/*)")
initramfs
cp "$work/boot/vmlinuz-$version" "$work/vmlinuz"
