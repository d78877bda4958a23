#!/bin/sh
# Comments are read, too. In the C and assembler files of the folders below:
#
#   - a function that a comment names, as in name(), exists here, or is one of C, POSIX or Linux;
#   - a name with om_ or OM_, and a `name` in backquotes, occurs in code; a name in a header occurs in
#     the headers of its topmost folder or in a public one;
#   - a file that a comment names exists, by its path or an end of its path;
#   - prototypes under a ruler or a heading that names a file are defined in that file;
#   - a line with a comment has at most 100 columns;
#   - a comment does not begin with "The same": it names the other;
#   - some phrases are not used: see `forbidden`;
#   - every prototype of a public header has a comment above it, or above the group it stands in.
#
#     scripts/check-comments.sh [FOLDER or FILE...]
set -eu

[ $# -gt 0 ] || set -- include src ports kernel examples demo bench

# Of programs, other kernels and processors: comments speak of them, and no code here calls them.
foreign='brk execve get_mempolicy invlpg makedev mbind posix_spawn set_mempolicy sigqueue umount
	userfaultfd'

# What readers from everywhere do not follow at once; one word for one thing.
forbidden='be had|c[ao]mes? to light|coming to light|let(s|ting)? go of|who walks|mend(s|ed|ing)?'
forbidden="$forbidden"'|for (then|there|nobody|no one) [a-z]+'

tree=$(mktemp) found=$(mktemp)
trap 'rm -f "$tree" "$found"' EXIT
find . \( -name .git -o -path ./build \) -prune -o -type f -print | sed 's|^\./||' | sort >"$tree"

# shellcheck disable=SC2046 # no file name has a blank in it
awk -v tree="$tree" -v checked="$(find "$@" -name '*.[chS]' | tr '\n' ' ')" -v foreign="$foreign" \
	-v forbidden="$forbidden" -f "$(dirname "$0")/check-comments.awk" $(grep '\.[chS]$' "$tree") >"$found" ||
	{ sort -t : -k 1,1 -k 2,2n "$found" && exit 1; }
echo "check-comments: ok"
