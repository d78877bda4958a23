# The reader behind check-comments.sh, which says what is checked. Arguments: the C and assembler
# files of the tree. Variables: `tree` names a file that lists all files; `checked` and `foreign` are
# lists of words; `forbidden` is a regular expression.
#
# Every file is cut into comments and code. Code gives the names that exist, and where functions are
# defined; comments and prototypes are kept, and judged at the end, when all names are known.

BEGIN {
	while ((getline path < tree) > 0) {
		# A comment may call a file by its path or by any end of that.
		for (end = path; ; end = substr(end, RSTART + 1)) {
			files[end] = files[end] " " path
			if (!match(end, /\//))
				break
		}
	}
	for (n = split(checked, word); n > 0; n--)
		is_checked[word[n]] = 1
	for (n = split(foreign, word); n > 0; n--)
		called[word[n]] = in_code[word[n]] = in_headers["include", word[n]] = 1
	gsub(/ /, " +", forbidden)
	NAME = "[A-Za-z_][A-Za-z0-9_]*"
	FILE = "[A-Za-z0-9_][A-Za-z0-9_./-]*\\.(c|h|S|sh|md|mk|ld|awk|py)"
	SOURCE = "[A-Za-z0-9_/]+\\.[cS]"
	# What follows an opening quote.
	literal["\""] = "^([^\"\\\\]|\\\\.)*\""
	literal["'"] = "^([^'\\\\]|\\\\.)*'"
}

FNR == 1 {
	in_comment = in_body = 0
	statement = ruler = heading = above = behind = ""
	room = room_of(FILENAME)
	is_header = FILENAME ~ /\.h$/
	judged = FILENAME in is_checked
	is_public = judged && FILENAME ~ /^include\//
}

{
	has_comment = in_comment
	code = cut($0)
	if (judged && has_comment && columns($0) > 100)
		complain(FILENAME ":" FNR, "more than 100 columns")
	learn(code)
	top_level(code)
}

END {
	for (n = 1; n <= nr_comments; n++)
		judge_comment(n)
	for (n = 1; n <= nr_prototypes; n++)
		judge_prototype(n)
	exit bad
}

function complain(where, what)
{
	print where ": " what
	bad = 1
}

# The topmost folder.
function room_of(file)
{
	sub(/\/.*/, "", file)
	return file
}

function columns(line,    n, part, i, width)
{
	n = split(line, part, /\t/)
	for (i = 1; i < n; i++)
		width += length(part[i]) + 8 - (width + length(part[i])) % 8
	return width + length(part[n])
}

# ---- comments and code -------------------------------------------------------------------------

# The line without its comments, which are kept, and without what stands in quotes.
function cut(line,    kept, token, end)
{
	while (line != "") {
		if (in_comment) {
			end = index(line, "*/")
			add_text(end ? substr(line, 1, end - 1) : line)
			line = end ? substr(line, end + 2) : ""
			if (end)
				end_comment()
		} else if (match(line, /\/\*|\/\/|["']/)) {
			kept = kept substr(line, 1, RSTART - 1)
			token = substr(line, RSTART, RLENGTH)
			line = substr(line, RSTART + RLENGTH)
			if (token == "/*") {
				begin_comment(kept)
			} else if (token == "//") {
				begin_comment(kept)
				add_text(line)
				end_comment()
				line = ""
			} else if (match(line, literal[token])) {
				learn_words(substr(line, 1, RLENGTH))
				line = substr(line, RLENGTH + 1)
				kept = kept token token
			}
		} else {
			kept = kept line
			line = ""
		}
	}
	return kept
}

function begin_comment(before)
{
	has_comment = in_comment = 1
	comment = ""
	first_of_comment = FNR
	stands_alone = before ~ /^[ \t]*$/
}

function add_text(part)
{
	if (FNR != first_of_comment)
		sub(/^[ \t]*\*?/, "\n", part)
	comment = comment part
}

function end_comment()
{
	in_comment = 0
	if (!judged)
		return
	text[++nr_comments] = comment
	comment_file[nr_comments] = FILENAME
	comment_line[nr_comments] = first_of_comment
	attribute(comment)
}

# Which file does a comment say that prototypes are defined in? A ruler speaks of all up to the next
# ruler, a heading of all up to an empty line; a comment behind a prototype, or above it with the file
# as a sentence, of this one. Prototypes of public headers only need to have a comment at all.
function attribute(comment,    is_ruler)
{
	sub(/^[ \t\n]+/, "", comment)
	sub(/[ \t\n]+$/, "", comment)
	is_ruler = comment ~ /^---/
	if (is_ruler) {
		ruler = sources_in(comment)
		heading = above = ""
	} else if (!stands_alone) {
		if (!in_body && comment ~ "^" SOURCE "(:|$)")
			behind = sources_in(comment)
	} else if (comment ~ "^" SOURCE "(,? (and )?" SOURCE ")*[.:]?$") {
		heading = sources_in(comment)
		above = ""
	} else {
		above = comment ~ "^" SOURCE ":" ? first_word(sources_in(comment)) : ""
		if (match(comment, "[.?;:] " SOURCE "(\\. |\\.?$)"))
			above = sources_in(substr(comment, RSTART, RLENGTH))
	}
	has_text = has_text || !is_ruler
}

function first_word(list)
{
	sub(/^ /, "", list)
	sub(/ .*/, "", list)
	return " " list
}

function sources_in(comment,    list)
{
	for (; match(comment, SOURCE); comment = substr(comment, RSTART + RLENGTH))
		list = list " " substr(comment, RSTART, RLENGTH)
	return list
}

# ---- code --------------------------------------------------------------------------------------

function learn_words(string,    n, word)
{
	for (n = split(string, word, /[^A-Za-z0-9_]+/); n > 0; n--) {
		in_code[word[n]] = 1
		if (is_header)
			in_headers[room, word[n]] = 1
	}
}

# Which words occur, and which as functions do: followed by "(", defined by #define, or a label.
function learn(code,    name)
{
	learn_words(code)
	if (match(code, "^[ \t]*#[ \t]*define[ \t]+" NAME) || match(code, "^" NAME ":")) {
		name = substr(code, RSTART, RLENGTH)
		sub(/:$/, "", name)
		sub(/^.*[ \t]/, "", name)
		called[name] = 1
		if (FILENAME ~ /\.S$/)
			defined[FILENAME, name] = 1
	}
	if (FILENAME ~ /\.S$/ && match(code, "^[A-Z_]+[( ]" NAME)) { # a label by a macro
		name = substr(code, RSTART, RLENGTH)
		sub(/^[A-Z_]+[( ]/, "", name)
		defined[FILENAME, name] = 1
	}
	for (; match(code, NAME "\\)? ?\\("); code = substr(code, RSTART + RLENGTH)) {
		name = substr(code, RSTART, RLENGTH)
		sub(/\)? ?\($/, "", name)
		called[name] = 1
	}
}

# Prototypes and definitions of functions begin in column 0; so does the "}" that ends a body.
function top_level(code,    is_directive)
{
	is_directive = continued || code ~ /^[ \t]*#/
	continued = is_directive && code ~ /\\$/
	if (is_directive)
		return
	if (in_body) {
		if (code ~ /^}/ || (in_values && code ~ /};[ \t]*$/)) {
			in_body = 0
			has_text = had_text
		}
		return
	}
	if (statement == "" && code ~ /^[ \t]*$/) {
		# A comment belongs to what follows it without an empty line.
		if (!has_comment)
			heading = above = has_text = ""
		return
	}
	if (statement == "")
		first_of_statement = FNR
	statement = statement " " code
	if (code ~ /[;{}][ \t]*$/) {
		in_body = code ~ /\{[ \t]*$/ && statement !~ /^ *extern *""/
		in_values = statement ~ /= *\{[ \t]*$/
		had_text = has_text
		end_statement(statement, code ~ /;[ \t]*$/)
		statement = above = behind = ""
	}
}

function end_statement(statement, is_prototype,    name)
{
	gsub(/__attribute__ *\(\(.*\)\)/, "", statement)
	if (statement ~ /^ *(typedef|_Static_assert)/)
		return
	if (!match(statement, "[A-Za-z0-9_*] \\**" NAME "\\(")) # a type, then the name
		return
	name = substr(statement, RSTART, RLENGTH - 1)
	sub(/^.*[ *]/, "", name)
	if (is_public && !has_text)
		complain(FILENAME ":" first_of_statement, name "() has no comment")
	if (!is_prototype) {
		defined[FILENAME, name] = 1
	} else if (judged) {
		prototype[++nr_prototypes] = name
		prototype_at[nr_prototypes] = FILENAME ":" first_of_statement
		said_in[nr_prototypes] = first_of(behind, above, heading, ruler)
	}
}

function first_of(a, b, c, d)
{
	return a != "" ? a : b != "" ? b : c != "" ? c : d
}

# ---- judging -----------------------------------------------------------------------------------

function judge_comment(n,    comment, name, next_char)
{
	comment = text[n]
	if (comment ~ /^[ \t\n*]*[Tt]he same[^a-z]/)
		complain(place(n, 1), "begins with \"The same\": name the other")
	for (offset = 0; match(comment, NAME "\\(\\)"); comment = after(comment)) {
		name = substr(comment, RSTART, RLENGTH - 2)
		if (!(name in called) && !("sys_" name in called))
			complain(place(n, offset + RSTART), "there is no function " name "()")
	}
	comment = text[n]
	for (offset = 0; match(comment, FILE); comment = after(comment)) {
		name = substr(comment, RSTART, RLENGTH)
		next_char = substr(comment, RSTART + RLENGTH, 1)
		if (name in files || next_char ~ /[A-Za-z0-9_(]/ || substr(comment, RSTART - 1, 1) ~ /[.*<>\/]/)
			continue # or not a name, or of another system: <sys/mman.h>, x.c(y)
		complain(place(n, offset + RSTART), "there is no file " name)
	}
	comment = text[n]
	for (offset = 0; match(comment, "`" NAME "`"); comment = after(comment)) {
		name = substr(comment, RSTART + 1, RLENGTH - 2)
		if (comment_file[n] ~ /\.h$/ && !((room_of(comment_file[n]), name) in in_headers) &&
		    !(("include", name) in in_headers))
			complain(place(n, offset + RSTART), "no header of this folder has the name `" name "`")
		else if (!(name in in_code))
			complain(place(n, offset + RSTART), "no code has the name `" name "`")
	}
	comment = text[n]
	for (offset = 0; match(comment, NAME); comment = after(comment)) {
		name = substr(comment, RSTART, RLENGTH)
		next_char = substr(comment, RSTART + RLENGTH, 1)
		if (name ~ /^(om|OM)_.*[^_]$/ && !(name in in_code) && next_char !~ /[*.]/)
			complain(place(n, offset + RSTART), "no code has the name " name)
	}
	judge_words(n, text[n])
}

# A phrase may stand on two lines.
function judge_words(n, comment,    phrase)
{
	gsub(/[ \t\n]/, " ", comment)
	comment = " " tolower(comment) " "
	for (offset = -1; match(comment, "[^a-z](" forbidden ")[^a-z]"); comment = after(comment)) {
		phrase = substr(comment, RSTART + 1, RLENGTH - 2)
		gsub(/ +/, " ", phrase)
		complain(place(n, offset + RSTART), "say it plainly: " phrase)
	}
}

# What follows the match; `offset` keeps count of what went before.
function after(comment)
{
	offset += RSTART + RLENGTH - 1
	return substr(comment, RSTART + RLENGTH)
}

function place(n, offset,    before)
{
	before = substr(text[n], 1, offset)
	return comment_file[n] ":" comment_line[n] + gsub(/\n/, "\n", before)
}

function judge_prototype(n,    source, path, i, k)
{
	if (said_in[n] == "")
		return
	for (i = split(said_in[n], source, " "); i > 0; i--)
		for (k = split(files[source[i]], path, " "); k > 0; k--)
			if ((path[k], prototype[n]) in defined)
				return
	complain(prototype_at[n], prototype[n] "() is not defined in" said_in[n])
}
