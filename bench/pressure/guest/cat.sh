#!/bin/bash
# A large file, read by a program with a buffer of 128 KiB.
exec cat "$1" >/dev/null
