#!/bin/sh
# Make the recordings again: trace/recordings/NAME.trace, each by the function of its name below. Those called
# NAME_accesses are of each use of a page (--accesses), not of faults,
# but not if it was used a moment before; they are large, so the programs have a third of the work or less.
#
#     trace/recordings/record.sh [NAME...]
#
# Wants Linux on x86-64, `make trace`, and the packages gcc make python3 sqlite3 redis-server default-jdk-headless
# chromium.
set -eu

here=$(cd "$(dirname "$0")" && pwd)
root=$(cd "$here/../.." && pwd)
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT

record() {
	# shellcheck disable=SC2086 # nothing, or one word
	"$root/build/trace/objrmap-record" $accesses -o "$here/$name.trace" -- "$@"
}

# A parallel build: make, gcc, cc1, as, and a static library in the end.
gcc_build() {
	for i in $(seq $((6 / part))); do
		printf '#include <stdio.h>\n#include <stdlib.h>\n#include <string.h>\n'
		for f in $(seq $((8 / part))); do
			echo "int f${i}_$f(const char *s) { int n = 0; for (; *s; s++) n = n * 31 + *s % $f; return printf(\"%d\", n); }"
		done
	done | split -l $((3 + 8 / part)) -d -a 1 --additional-suffix=.c - src
	cat >Makefile <<-'EOF'
		.RECIPEPREFIX = >
		lib.a: $(patsubst %.c,%.o,$(wildcard src*.c))
		>ar rcs $@ $^
		%.o: %.c
		>gcc -O2 -c -o $@ $<
	EOF
	record make -j4
}

# What a configure script does all the time: small shell pipelines, and compilers that try something.
configure() {
	cat >configure <<-'EOF'
		#!/bin/sh
		try() {
			printf "checking for %s... " "$1"
			echo "$2" >conftest.c
			if gcc -o conftest conftest.c 2>conftest.log && ./conftest; then echo yes; else echo no; fi
			rm -f conftest conftest.c
		}
		for tool in sed awk grep ls tr sort uniq cut head tail expr; do
			printf "checking for %s... " $tool
			path=$(IFS=:; for dir in $PATH; do test -x "$dir/$tool" && echo "$dir/$tool"; done | head -n 1)
			echo "$path" | sed 's/^$/no/'
		done
		for header in stdio.h stdlib.h no_such.h; do
			try $header "#include <$header>
		int main(void) { return 0; }"
		done
		for type in int long; do
			echo "HAVE_$type" | tr a-z A-Z | sed 's/^/#define /; s/$/ 1/' >>config.h
			expr "$(wc -l <config.h)" + 1 >/dev/null
		done
		cat config.h | awk '{ print $2 }' | sort | uniq
	EOF
	record sh ./configure
}

# A pool of four workers that are forked, get pieces of work, and send back results.
python_pool() {
	cat >pool.py <<-EOF
		import multiprocessing as mp

		table = [str(i) for i in range($((60000 / part)))]

		def work(n):
		    own = {table[i]: i for i in range(n, len(table), 7)}
		    return sum(own.values()) + len(bytes(300000).hex())

		if __name__ == "__main__":
		    mp.set_start_method("fork")
		    with mp.Pool(4) as pool:
		        for turn in range($((3 / part))):
		            print(sum(pool.map(work, range(8))))
	EOF
	record /usr/bin/python3 pool.py
}

# Inserts, an index, updates, a sort that does not fit in the cache, in a file that is also mapped.
sqlite() {
	cat >load.sql <<-EOF
		PRAGMA journal_mode = WAL;
		PRAGMA mmap_size = 67108864;
		PRAGMA cache_size = -8000;
		CREATE TABLE t (id INTEGER PRIMARY KEY, a INTEGER, b TEXT);
		WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < $((120000 / part)))
		INSERT INTO t SELECT i, i * 7919 % 100003, hex(i * 65537) || printf('%060d', i) FROM n;
		CREATE INDEX t_a ON t (a);
		UPDATE t SET a = a + 1 WHERE a % 17 = 3;
		PRAGMA wal_checkpoint(TRUNCATE);
		SELECT count(*), sum(length(b)) FROM t WHERE a BETWEEN 1000 AND 60000;
		SELECT b FROM t ORDER BY b DESC LIMIT 3;
		DELETE FROM t WHERE a % 5 = 0;
		SELECT count(*) FROM t;
	EOF
	record sqlite3 db ".read load.sql"
}

# A store of some 30 MB that saves itself by fork, twice, while clients write.
redis() {
	cat >load <<-EOF
		#!/bin/sh
		keys=$((100000 / part))
	EOF
	cat >>load <<-'EOF'
		redis-server --enable-debug-command yes --port 0 --unixsocket "$PWD/s" --save '' --daemonize no --loglevel warning &
		cli="redis-cli -s $PWD/s"
		until [ "$($cli ping)" = PONG ]; do sleep 0.1; done
		$cli debug populate $keys key 200 >/dev/null
		for turn in 1 2; do
			$cli bgsave >/dev/null
			redis-benchmark -q -s "$PWD/s" -c 4 -n $((keys / 5)) -r $keys -d 200 -t set >/dev/null
			until $cli info persistence | grep -q rdb_bgsave_in_progress:0; do sleep 0.1; done
		done
		$cli shutdown nosave
		wait
	EOF
	record sh ./load
}

# Threads that make garbage, and two collectors: a small young generation, and a heap that grows.
java_gc() {
	cat >Garbage.java <<-'EOF'
		import java.util.*;

		public class Garbage {
			static void work(int seed) {
				Random random = new Random(seed);
				Map<Integer, byte[]> kept = new HashMap<>();
				for (int i = 0; i < 20000; i++)
					kept.put(random.nextInt(2000), new byte[random.nextInt(2000)]);
				System.out.println(kept.size());
			}
			public static void main(String[] args) throws Exception {
				List<Thread> threads = new ArrayList<>();
				for (int i = 0; i < 4; i++) {
					int seed = i;
					threads.add(new Thread(() -> work(seed)));
				}
				for (Thread t : threads) t.start();
				for (Thread t : threads) t.join();
			}
		}
	EOF
	javac Garbage.java
	record java -Xms8m -Xmx64m -XX:+UseSerialGC Garbage
}

# A browser: a zygote that forks, processes that share memory, pages of libraries by the thousand.
browser() {
	cat >page.html <<-'EOF'
		<p id=a></p>
		<script>a.textContent = Array.from({length: 20000}, (_, i) => "x" + i).join("").length</script>
	EOF
	record chromium --headless --no-sandbox --disable-gpu --in-process-gpu --disable-extensions \
		--disable-background-networking --disable-component-update --disable-sync --no-first-run \
		--disable-breakpad --enable-features=NetworkServiceInProcess2 --user-data-dir=profile \
		--dump-dom page.html
}

cd "$work"
[ $# -gt 0 ] || set -- gcc_build configure python_pool sqlite redis java_gc browser
for name; do
	accesses='' part=1
	[ "$name" = "${name%_accesses}" ] || accesses=--accesses=512 part=3
	"${name%_accesses}" >/dev/null
done
