# Many C files as one: the headers they include, each once, where the first needs it, and then the files. Names
# that several files have for themselves (static ones, and types, enumerators) get the file's name behind them;
# macros of a file end with it.
#
#     awk -v dirs="src include" -f scripts/amalgamate.awk FILE... >one.c
#
# Reads files in the style of this project: what is of a file begins in the first column. Includes in <> stay,
# once each, at the top.

function path_of(name,  n, dir, i, line) {
	n = split(dirs, dir)
	for (i = 1; i <= n; i++)
		if ((getline line <(dir[i] "/" name)) >= 0) {
			close(dir[i] "/" name)
			return dir[i] "/" name
		}
	return ""
}

# The name of what a line in the first column declares; "" for none.
function declared(line,  s) {
	if (line ~ /^(struct|union|enum) [a-z_0-9]+ \{/) {
		split(line, word, " ")
		return word[2]
	}
	if (line !~ /^(static|typedef|OM_INLINE|OM_COLD|OM_NOINLINE|_Static) ?/ || line ~ /^_Static_assert/)
		return ""
	s = line
	gsub(/__attribute__\(\([^)]*\)+/, "", s)
	if (match(s, /\(\*const [a-z_0-9]+\)|\(\*[a-z_0-9]+\)/))
		s = substr(s, RSTART + 2, RLENGTH - 3)
	else if (match(s, /[A-Za-z_][A-Za-z_0-9]*(\(|\[| = |;)/))
		s = substr(s, RSTART, RLENGTH)
	sub(/(\(|\[| = |;)$/, "", s)
	sub(/^const /, "", s)
	return s
}

# The names of a file at file scope, counted in count[].
function collect(file,  line, name, in_enum) {
	while ((getline line <file) > 0) {
		name = declared(line)
		if (line ~ /^(static )?enum [a-z_0-9]* ?\{/)
			in_enum = 1
		else if (line ~ /^\}/)
			in_enum = 0
		else if (in_enum && match(line, /^\t[A-Z_0-9]+/)) {
			name = substr(line, 2, RLENGTH - 1)
		}
		if (name != "" && !((file, name) in has)) {
			has[file, name] = 1
			count[name]++
		}
	}
	close(file)
}

# Identifiers of a line that the file shares with others, renamed, but for members: x.name, x->name.
function renamed(line, file, suffix,  out, id, before) {
	out = ""
	while (match(line, /[A-Za-z_][A-Za-z_0-9]*/)) {
		before = substr(line, 1, RSTART - 1)
		id = substr(line, RSTART, RLENGTH)
		line = substr(line, RSTART + RLENGTH)
		out = out before
		if ((file, id) in has && count[id] > 1 && out !~ /(\.|->)$/ && out !~ /[0-9]$/)
			id = id "_" suffix
		out = out id
	}
	return out line
}

function emit(file, is_source,  line, name, suffix, macros, header) {
	suffix = file
	sub(/^.*\//, "", suffix)
	sub(/\.[ch]$/, "", suffix)
	while ((getline line <file) > 0) {
		if (line ~ /^#include OM_RMAP_DESIGN/)
			line = "#include \"rmap/objrmap.h\""
		if (line ~ /^#include "/) {
			split(line, word, "\"")
			if (word[2] == "om_arch.h") {
				body[++lines] = line
				continue
			}
			header = path_of(word[2])
			if (header == "") {
				print "amalgamate: " file " includes " word[2] >"/dev/stderr"
				exit 1
			}
			if (!(header in done)) {
				done[header] = 1
				emit(header, 0)
			}
		} else if (line ~ /^#include <objrmap\//) {
			continue
		} else if (line ~ /^#include </) {
			if (!(line in done))
				system_include[++includes] = line
			done[line] = 1
		} else {
			if (is_source && line ~ /^#define /) {
				split(substr(line, 9), word, /[( \t]/)
				macros = macros "#undef " word[1] "\n"
			}
			body[++lines] = is_source ? renamed(line, file, suffix) : line
		}
	}
	close(file)
	if (macros != "")
		body[++lines] = substr(macros, 1, length(macros) - 1)
}

BEGIN {
	for (i = 1; i < ARGC; i++)
		collect(ARGV[i])
	for (i = 1; i < ARGC; i++) {
		body[++lines] = "\n/* ======== " ARGV[i] " ======== */\n"
		emit(ARGV[i], 1)
	}
	print "/* Made by `make dist`, of all files of the core. See om_arch.h, which is yours to fill in. */"
	for (i = 1; i <= includes; i++)
		print system_include[i]
	print "\n#include \"objrmap.h\""
	for (i = 1; i <= lines; i++)
		print body[i]
}
