#!/bin/sh
# Install into a scratch directory and build examples/hello.c from there as an outsider would.
set -eu

dir=$(mktemp -d)
trap 'rm -rf "$dir"' EXIT
make --no-print-directory install DESTDIR="$dir" PREFIX=/usr V=release >/dev/null
export PKG_CONFIG_PATH="$dir/usr/lib/pkgconfig" PKG_CONFIG_SYSROOT_DIR="$dir"
export PKG_CONFIG_ALLOW_SYSTEM_CFLAGS=1 PKG_CONFIG_ALLOW_SYSTEM_LIBS=1
# shellcheck disable=SC2046 # flags
${CC:-cc} -std=c11 -o "$dir/hello" examples/hello.c $(pkg-config --cflags --libs objrmap)
"$dir/hello" >/dev/null
echo "check-install: ok"
