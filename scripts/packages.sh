#!/bin/sh
# Fetch the Debian packages whose programs run on the reference kernel, with all they depend on, and
# unpack them, unmodified, into build/root. Packages are kept in build/packages: none is fetched twice.
# Needs no root; only fresh package lists do (apt-get update), when there are none or they are too old.
#
# To have another program in the machine, add its package here.
set -eu

# usr-is-merged stands for usrmerge, which would bring perl.
names="bash coreutils dash diffutils findutils grep mawk ncurses-base procps python3 sed sqlite3 stress-ng
	usr-is-merged"
store=build/packages root=build/root

# What build/root was made of: done is done.
[ -d $root ] && [ "$(cat $store/unpacked 2>/dev/null)" = "$names" ] && exit 0

mkdir -p $store
: >$store/status # of dpkg: as if nothing were installed

update() {
	echo "packages: updating the package lists"
	sudo=
	[ "$(id -u)" = 0 ] || sudo=sudo
	# One broken list among many is no reason to stop: the download decides.
	$sudo apt-get -q update || echo "packages: that failed, going on with the lists there are"
}

# All packages there must be, as NAME=VERSION.
resolve() {
	# shellcheck disable=SC2086 # a list of words
	apt-get -o Dir::State::status="$PWD/$store/status" -s --no-install-recommends install $names \
		>$store/plan && awk '$1 == "Inst" { sub(/^\(/, "", $3); print $2 "=" $3 }' $store/plan
}

# The file of NAME=VERSION; fails if it is not there yet.
file() {
	ls $store/"${1%%=*}_$(echo "${1#*=}" | sed 's/:/%3a/')"_*.deb 2>/dev/null
}

fetch() {
	list=$(resolve) && [ -n "$list" ] || return 1
	missing=
	for package in $list; do
		file "$package" >/dev/null || missing="$missing $package"
	done
	[ -n "$missing" ] || return 0
	echo "packages: fetching $(echo "$missing" | wc -w) packages"
	# shellcheck disable=SC2086 # a list of words; -o: apt's own user may not be let in here
	(cd $store && apt-get -qq -o APT::Sandbox::User=root download $missing)
}

unpack() {
	rm -rf $root $root.new
	mkdir -p $root.new/usr
	for dir in bin sbin lib lib64; do
		mkdir $root.new/usr/$dir
		ln -s usr/$dir $root.new/$dir
	done
	for package in $list; do
		dpkg-deb --fsys-tarfile "$(file "$package")" |
			tar -x -C $root.new --no-same-owner --keep-directory-symlink
	done
	mv $root.new $root
}

fetch || { update && fetch; }
echo "packages: unpacking $(echo "$list" | wc -l) packages of Debian into $root"
unpack
echo "$names" >$store/unpacked
