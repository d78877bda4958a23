# Judges the call graph that check-stack.sh collects, whose head says how.
#
#     public: FUNCTION, hook: POINTER      from the headers
#     pointer:, depth:                     scripts/stack.in
#     graph:, node:, edge:                 gcc's: functions by title, FILE:NAME if they are static
#     NAME:, call NAME, jmp NAME           assembly of the file of the last graph
#
# Frames of one function that differ (a header's, in several objects): the largest.

function complain(text)
{
	if (!(text in complained))
		print "check-stack: " text
	complained[text] = 1
}

# The text that follows key: " in this line.
function text_of(key)
{
	return match($0, key ": \"[^\"]*") ? substr($0, RSTART + length(key) + 3, RLENGTH - length(key) - 3) : ""
}

function name_of(title)
{
	sub(/.*:/, "", title)
	sub(/\..*/, "", title)
	return title
}

# In the assembly of `file`.
function title_of(name)
{
	sub(/@PLT$/, "", name)
	if (name ~ /^\*/) # through a pointer, of x86
		return "*"
	return (file ":" name) in frame ? file ":" name : name
}

$1 == "public:" { public[$2] = 1 }
$1 == "hook:" { hook[$2] = 1 }

$1 == "pointer:" {
	if ($2 in targets)
		complain("twice in stack.in: " $2)
	targets[$2] = ""
	for (i = 3; i <= NF; i++)
		targets[$2] = targets[$2] " " $i
	if (split($2, part, ">") == 2) {
		above[++nr_above] = part[1]
		pointer_below[nr_above] = part[2]
	}
}

$1 == "depth:" {
	if (!/ -- ./)
		complain("no reason given: " $0)
	depth[$2] = $3
	recursive[++nr_recursive] = $2
	n = split($2, part, "+")
	for (i = 1; i <= n; i++)
		group[part[i]] = $2
}

$1 == "node:" {
	title = text_of("title")
	label = text_of("label")
	if (match(label, /[0-9]+ bytes/)) {
		bytes = substr(label, RSTART) + 0
		if (!(title in frame))
			titles[name_of(title)] = titles[name_of(title)] " " title
		if (bytes >= frame[title])
			frame[title] = bytes
		if (label ~ /\(dynamic\)/)
			complain(title " has a frame of any size")
	}
}

$1 == "edge:" {
	from = text_of("sourcename")
	to = text_of("targetname")
	if (to == "__indirect_call")
		to = "*" text_of("label")
	else if (to != from)
		called[to] = 1
	if (!((from, to) in known)) {
		known[from, to] = 1
		callee[from, ++nr_callees[from]] = to
	}
}

$1 == "graph:" { file = text_of("title") }

/^[a-z_][a-z_0-9.]*:/ {
	from = $1
	sub(/(\.cold)?:$/, "", from)
	from = title_of(from)
}

# x86, RISC-V, AArch64
/^\t(call|bl|jal)\t/ { calls[from, title_of($2)] = 1 }
/^\t(j[a-z]*|tail|b)\t/ { jumps[from, title_of($2)] = 1 }

# ---- calls through pointers

# The pointer that is called at PLACE, FILE:LINE:COLUMN: the first member before a parenthesis, or else the
# first such name that is in stack.in.
function pointer_at(from, place,    part, i, line, rest, name)
{
	split(place, part, ":")
	for (i = 0; i < part[2]; i++)
		getline line <part[1]
	close(part[1])
	line = substr(line, part[3])
	if (match(line, /(->|\.)[a-z_0-9]+\(/)) {
		name = substr(line, RSTART, RLENGTH - 1)
		sub(/^(->|\.)/, "", name)
		return name
	}
	for (rest = line; match(rest, /[a-z_0-9]+\(/); rest = substr(rest, RSTART + RLENGTH)) {
		name = substr(rest, RSTART, RLENGTH - 1)
		if (name in targets || (from ":" name) in targets)
			return name
	}
	return line
}

# Adds to the calls of `from` those of a list, which are made below function `above` alone.
function add_targets(from, list, above,    n, i, k, m, goal, title)
{
	n = split(targets[list], goal, " ")
	for (i = 1; i <= n; i++) {
		m = split(titles[goal[i]], title, " ")
		if (!m)
			complain("in stack.in, but not in the core: " goal[i])
		for (k = 1; k <= m; k++) {
			callee[from, ++nr_callees[from]] = title[k]
			only_below[from, nr_callees[from]] = above
			called[title[k]] = 1
			if (ends_in(from, "*"))
				jumps[from, title[k]] = 1
		}
	}
}

# Adds to the calls of `from` those that one through a pointer may be.
function resolve(from, place,    name, list, i)
{
	name = pointer_at(name_of(from), place)
	list = name_of(from) ":" name
	if (!(list in targets))
		list = name
	if (!(list in targets)) {
		if (!(name in hook))
			complain("not in stack.in: what " name_of(from) "() calls at " place ", " name)
		return
	}
	add_targets(from, list, "")
	for (i = 1; i <= nr_above; i++)
		if (pointer_below[i] == list)
			add_targets(from, above[i] ">" list, above[i])
}

# ---- depths

# What the recursive functions have used up of their depths, and what we are below: the rest of the key of `worst`.
function state(    i, s)
{
	for (i = 1; i <= nr_recursive; i++)
		s = s " " used_up[recursive[i]] + 0
	for (i = 1; i <= nr_above; i++)
		s = s " " (above[i] in entered)
	return s
}

# Does it call this one by a jump, at its end?
function ends_in(title, to)
{
	return (title, to) in jumps && !((title, to) in calls)
}

# The deepest stack of a call of this function. `next_call` leads along it.
function measure(title,    name, key, i, to, bytes, most, deepest)
{
	if (!(title in frame)) {
		if (title !~ /^(mem(cpy|move|set|cmp)|__.*)$/) # __: the compiler's own
			complain("no frame known: " title)
		return 0
	}
	name = name_of(title)
	if (name in group) {
		if (used_up[group[name]] == depth[group[name]])
			return 0
		used_up[group[name]]++
	} else if (title in entered) {
		complain("recursion, and not in stack.in: " name)
		return 0
	}
	entered[title] = 1
	key = title state()
	if (!(key in worst)) {
		most = frame[title]
		deepest = ""
		for (i = 1; i <= nr_callees[title]; i++) {
			to = callee[title, i]
			if (only_below[title, i] != "" && !(only_below[title, i] in entered))
				continue
			bytes = measure(to) + (ends_in(title, to) ? 0 : frame[title])
			if (bytes > most) {
				most = bytes
				deepest = to
			}
		}
		worst[key] = most
		next_call[key] = deepest
	}
	delete entered[title]
	if (name in group)
		used_up[group[name]]--
	return worst[key]
}

function show(title,    key)
{
	if (name_of(title) in group)
		used_up[group[name_of(title)]]++
	entered[title] = 1
	key = title state()
	printf "%6d %s\n", ends_in(title, next_call[key]) ? 0 : frame[title], title
	if (next_call[key] != "")
		show(next_call[key])
}

END {
	for (from in nr_callees) {
		n = nr_callees[from]
		for (k = 1; k <= n; k++)
			if (callee[from, k] ~ /^\*/) {
				place = substr(callee[from, k], 2)
				callee[from, k] = "memset" # a leaf
				resolve(from, place)
			}
	}
	for (title in frame)
		if (title ~ /:/ && !(title in called))
			complain("not in stack.in: who calls " title)
	for (name in public) {
		bytes = measure(name)
		if (verbose)
			printf "%6d %s()\n", bytes, name
		if (bytes > most || (bytes == most && name < deepest)) {
			most = bytes
			deepest = name
		}
	}
	printf "check-stack: %d bytes", most
	print " of " limit
	show(deepest)
	if (most > limit)
		complain("too deep: " deepest "() takes " most " bytes, and may take " limit)
	for (text in complained)
		exit 1
}
