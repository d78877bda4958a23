#!/bin/sh
# Make the root file system of the reference kernel: an ext2 image of build/root (see packages.sh) or of ROOT, with
# the few files that no package brings. Needs no root.
#
#     scripts/image.sh IMAGE [FILE-OR-DIRECTORY...]      these lie in / of the image
set -eu

image=$1 root=${ROOT:-build/root}
shift

# What the kernel mounts on, whatever packages there are.
mkdir -p "$root/proc" "$root/dev" "$root/tmp" "$root/run" "$root/var/tmp" "$root/root" "$root/etc"
chmod 1777 "$root/tmp" "$root/var/tmp"

# What Debian's installer or the packages' scripts would have written.
echo root:x:0:0:root:/root:/bin/bash >"$root/etc/passwd"
echo root:x:0: >"$root/etc/group"
echo objrmap >"$root/etc/hostname"
ln -sf mawk "$root/usr/bin/awk"
ldconfig -r "$root" 2>/dev/null || true # only root may; without the cache libraries are found more slowly

# There is no sysfs; this is where programs look for the number of CPUs.
cpus=$root/sys/devices/system/cpu
mkdir -p "$cpus/cpu0" "$cpus/cpu1"
for file in online possible present; do
	echo 0-1 >"$cpus/$file"
done

for extra in "$@"; do
	rm -rf "${root:?}/$(basename "$extra")"
	cp -r "$extra" "$root"
done

# Half as much again as the files hold, for directories and tables.
PATH=$PATH:/sbin:/usr/sbin
size=$(($(du -sk "$root" | cut -f1) * 3 / 2 + 8192))
rm -f "$image"
mke2fs -q -t ext2 -b 4096 -m 0 -E root_owner=0:0 -d "$root" "$image" ${size}k >/dev/null
