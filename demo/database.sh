#!/bin/bash
# database.sh [ROWS]: an SQLite database in memory that is larger than memory: load, index, query, and
# SQLite's own check. A row takes about 600 bytes with its index. What the queries must find is computed
# from ROWS alone.

rows=${1:-270000}
out=$(mktemp /tmp/database.XXXXXX)
trap 'rm -f "$out"' EXIT

sqlite3 -batch :memory: <<-END | tee "$out" | sed 's/^/  /'
	CREATE TABLE t(id INTEGER PRIMARY KEY, grp INTEGER, word TEXT, payload TEXT);
	WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < $rows)
		INSERT INTO t SELECT i, i % 100, printf('word-%08d', $rows - i), printf('%0500d', i) FROM n;
	SELECT 'rows', count(*) FROM t;
	CREATE INDEX by_word ON t(word);
	SELECT 'indexed', count(*) FROM t WHERE word >= 'word-';
	SELECT 'sum of ids', sum(id) FROM t;
	SELECT 'found by word', id FROM t WHERE word = printf('word-%08d', $rows - 4711);
	UPDATE t SET payload = printf('%0400d', id) WHERE grp = 42;
	SELECT 'bytes, right payloads', sum(length(payload)),
		sum(payload = printf('%0*d', 500 - 100 * (grp = 42), id)) FROM t;
	PRAGMA integrity_check;
END
[ "${PIPESTATUS[*]}" = "0 0 0" ] || exit 1

diff "$out" - <<-END
	rows|$rows
	indexed|$rows
	sum of ids|$((rows * (rows + 1) / 2))
	found by word|4711
	bytes, right payloads|$((rows * 500 - rows / 100 * 100))|$rows
	ok
END
