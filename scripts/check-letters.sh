#!/bin/sh
# Every field of the data model says what guards it: in src/base/types.h each member of a struct has a letter,
# as in /* (F) ... */, behind it or in the comment above. Locks have none.
set -eu

awk '
	/^(struct|enum) [a-z_]+ \{/ { in_struct = $1 == "struct"; next }
	/^}/ { in_struct = 0 }
	!in_struct || /^\t(union|struct) \{/ || /^\t+} *[a-z]*;/ { above = 0; next }
	/^\t+\/\*/ { above = /\/\* \([A-Za-z+]+\)/; next }
	/^\t+\*/ || /^$/ || /^\t+struct om_(spinlock|rwspin|rwsem) / { above = 0; next }
	/;/ && !/\/\* \([A-Za-z+]+\)/ && !above { print "src/base/types.h:" NR ": no letter: " $0; bad = 1 }
	{ above = 0 }
	END { if (!bad) print "check-letters: ok"; exit bad }' src/base/types.h
