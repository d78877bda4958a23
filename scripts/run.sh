#!/bin/sh
# make run: the demonstration. Installs and fetches what is missing, builds, and boots a machine with
# 96 MiB of memory, 2 CPUs and 1 GiB of swap that runs demo/run.sh. Exit status 0: all of it was right.
set -eu
cd "$(dirname "$0")/.."

scripts/setup.sh kernel
scripts/packages.sh
scripts/image.sh build/demo.img demo
make --no-print-directory kernel
TIMEOUT=${TIMEOUT:-1800} scripts/qemu.sh build/demo.img swap verify init=/bin/bash -- /demo/run.sh
