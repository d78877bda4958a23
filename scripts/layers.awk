# Judges the facts that check-layers.sh collects, whose head says what the rules are:
#
#     file: RANK LAYER PATH         a file of a layer, the lowest has rank 1; LAYER "all:": has to be in one
#     upcalls: SYMBOL... -- REASON
#     circle: N -- REASON
#     include: PATH NAME            PATH has #include "NAME"
#     symbol: PATH SYMBOL TYPE      PATH without .c or .S; TYPE as nm has it: U undefined, w, v, W and V weak

function complain(text)
{
	print "check-layers: " text
	bad = 1
}

$1 == "file:" && $3 == "all:" { wanted[$4] = 1 }

$1 == "file:" && $3 != "all:" {
	if ($4 in rank)
		complain($4 " is in two layers, " layer[$4] " and " $3)
	rank[$4] = $2
	layer[$4] = $3
	nr_layers = $2
	if ($4 !~ /\.h$/) {
		base = $4
		sub(/\.[^.]*$/, "", base)
		source_of[base] = $4
	}
}

$1 == "upcalls:" {
	for (i = 2; i <= NF && $i != "--"; i++)
		upcall[$i] = 1
}

$1 == "circle:" { largest_allowed = $2 }

($1 == "upcalls:" || $1 == "circle:") && !/ -- ./ { complain("no reason given: " $0) }

$1 == "include:" { include[++nr_includes] = $2 SUBSEP $3 }

$1 == "symbol:" {
	file = source_of[$2]
	object[file] = 1
	if ($4 ~ /^[Uwv]$/)
		needed[++nr_needed] = file SUBSEP $3
	else
		definer[$3] = file
	if ($4 ~ /^[WVwv]$/)
		complain(file ": weak symbol " $3)
}

# ---- references that lead up

# The file that `from` includes as `name`: its neighbour, or the one whose path ends so. "": none of ours.
function resolve(from, name,    path, found)
{
	path = from
	sub(/[^\/]*$/, name, path)
	if (path in rank)
		return path
	for (path in rank)
		if (path == name || substr(path, length(path) - length(name)) == "/" name) {
			if (found)
				complain(from ": \"" name "\" is " found " or " path)
			found = path
		}
	return found
}

function judge_includes(    i, part, to)
{
	for (i = 1; i <= nr_includes; i++) {
		split(include[i], part, SUBSEP)
		to = resolve(part[1], part[2])
		if (to && rank[part[1]] < rank[to]) {
			complain(part[1] " (" layer[part[1]] ") includes " to " (" layer[to] ")")
			nr_upward++
		}
	}
}

function add_edge(from, to, symbol)
{
	if (!((from, to) in edge)) {
		next_of[from, ++nr_next[from]] = to
		if (rank[from] < rank[to])
			upward[++nr_up] = from SUBSEP to
	}
	edge[from, to] = edge[from, to] " " symbol
}

function judge_symbols(    i, part, from, to, symbol)
{
	for (i = 1; i <= nr_needed; i++) {
		split(needed[i], part, SUBSEP)
		from = part[1]
		symbol = part[2]
		to = definer[symbol]
		if (!to || to == from)
			continue
		if (symbol in upcall && rank[from] < rank[to])
			upcall_seen[symbol] = 1
		else
			add_edge(from, to, symbol)
	}
	for (i = 1; i <= nr_up; i++) {
		split(upward[i], part, SUBSEP)
		complain(part[1] " (" layer[part[1]] ") needs " part[2] " (" layer[part[2]] "):" edge[upward[i]])
	}
	nr_upward += nr_up
}

# ---- circles: strongly connected components, after Tarjan

function visit(file,    i, to)
{
	order[file] = low[file] = ++nr_visited
	stack[++depth] = file
	on_stack[file] = 1
	for (i = 1; i <= nr_next[file]; i++) {
		to = next_of[file, i]
		if (!(to in order)) {
			visit(to)
			if (low[to] < low[file])
				low[file] = low[to]
		} else if (on_stack[to] && order[to] < low[file])
			low[file] = order[to]
	}
	if (low[file] == order[file])
		pop_circle(file)
}

function pop_circle(first,    file, size)
{
	do {
		file = stack[depth--]
		on_stack[file] = 0
		circle[file] = nr_circles + 1
		member[nr_circles + 1, ++size] = file
	} while (file != first)
	if (size == 1) {
		circle[file] = 0
		return
	}
	size_of[++nr_circles] = size
	nr_in_circles += size
	if (size > largest)
		largest = size
}

function print_circle(c,    i, j, file, to, text)
{
	for (i = 1; i <= size_of[c]; i++)
		text = text " " member[c, i]
	print "circle of " size_of[c] " files:" text
	for (i = 1; verbose && i <= size_of[c]; i++) {
		file = member[c, i]
		for (j = 1; j <= nr_next[file]; j++) {
			to = next_of[file, j]
			if (circle[to] == c)
				print "    " file " -> " to ":" edge[file, to]
		}
	}
}

END {
	for (file in wanted)
		if (!(file in rank))
			complain(file " is in no layer")
	judge_includes()
	judge_symbols()
	for (symbol in upcall) {
		nr_upcalls++
		if (!(symbol in upcall_seen))
			complain("nobody calls up to " symbol)
	}
	for (file in object) {
		nr_objects++
		if (!(file in order))
			visit(file)
	}
	if (!nr_objects)
		complain("nothing of these layers is built")
	for (c = 1; c <= nr_circles; c++)
		print_circle(c)
	if (largest_allowed && largest > largest_allowed)
		complain("a circle has more than " largest_allowed " files")
	printf "check-layers: %s: %d objects, %d layers; upward: %d references, %d upcalls; circles: %d, of %d files, the largest of %d\n",
		layerfile, nr_objects, nr_layers, nr_upward, nr_upcalls, nr_circles, nr_in_circles, largest
	exit bad
}
