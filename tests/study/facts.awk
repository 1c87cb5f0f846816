# Reads the facts of report.sh; finds the best run of each cell and the part of its accuracy that is luck.

BEGIN {
	name_rules()
	split(rates, body_rate, " ")
	tried = split(head_rates, head_rate, " ")
	middle = 2
}

# ---- Facts ------------------------------------------------------------------------------------------

function cell_of() {
	return $2 " " $3 " " $4
}

$1 == "cell" {
	c = asked[++asked_count] = cell_of()
	network[c] = $2
	dataset[c] = $3
	per_class[c] = $4
	tests[c] = $5
}

$1 == "network" {
	for (i = 3; i <= NF; i++)
		cuts[$2, i - 3] = $i
	beyond[$2] = NF - 3
}

$1 == "run" {
	accuracy[cell_of(), $5, $6] = $7
	seconds[cell_of(), $5, $6] = $8
	failed[cell_of(), $5, $6] = $9 == "failed"
}

$1 == "advice" {
	c = cell_of()
	advice_cut[c] = $5
	advice_rate[c] = $6
	low[c] = $7
	high[c] = $8
	advice_seconds[c] = $9
	program[c] = $10
}

# ---- A cell -----------------------------------------------------------------------------------------

# The learning rate of this number, 1..3, in the grid.
function rate_of(cut, number) {
	return cut == "head" ? head_rate[number] : body_rate[number]
}

# Writes the rate of the advice as the grid does.
function match_rate(cell,    i, rate, difference) {
	for (i = 1; i <= tried; i++) {
		rate = rate_of(advice_cut[cell], i)
		difference = advice_rate[cell] / rate - 1
		if (difference < 1e-6 && difference > -1e-6)
			advice_rate[cell] = rate
	}
}

# Reads a cell's grid: sets best[cell], best_at[cell], grid_seconds[cell], and v[1..kept], the accuracies that did not
# fail. Returns the number of missing runs.
function read_grid(cell, v,    i, r, cut, rate, missing) {
	best[cell] = -1
	kept = 0
	for (i = 0; i <= beyond[network[cell]]; i++) {
		cut = cuts[network[cell], i]
		for (r = 1; r <= tried; r++) {
			rate = rate_of(cut, r)
			if (!((cell, cut, rate) in accuracy)) {
				missing++
				continue
			}
			grid_seconds[cell] += seconds[cell, cut, rate]
			if (failed[cell, cut, rate])
				failures = failures (failures ? "; " : "") cell " " cut " " rate
			else
				v[++kept] = accuracy[cell, cut, rate]
			if (accuracy[cell, cut, rate] > best[cell]) {
				best[cell] = accuracy[cell, cut, rate]
				best_at[cell] = cut ", " rate
			}
		}
	}
	if (failed[cell, "all", "fastai"])
		failures = failures (failures ? "; " : "") cell " all fastai"
	return missing + !((cell, "all", "fastai") in accuracy)
}

# The regret of a perfect rule: the best of many noisy accuracies is too high. Spread beyond the binomial error of the
# test images is taken as true differences.
function luck(cell, v, n,    i, m, spread, noise) {
	m = mean(v, n)
	spread = n * error_of_mean(v, n) ^ 2
	noise = m * (1 - m) / tests[cell]
	if (noise > spread)
		noise = spread
	for (i = 1; i <= n; i++)
		v[i] = m + (v[i] - m) * (spread > 0 ? sqrt(1 - noise / spread) : 0)
	return luck_of_largest(v, n, sqrt(noise))
}

# Sorts the requested cells into complete[1..count] and notes on the others.
function sort_cells(    i, cell, missing, v) {
	for (i = 1; i <= asked_count; i++) {
		cell = asked[i]
		missing = read_grid(cell, v)
		if (cell in advice_cut && advice_cut[cell] != "-")
			match_rate(cell)
		if (missing)
			unfinished++
		else if (!(cell in advice_cut) || advice_cut[cell] == "-")
			without = without (without ? "; " : "") cell
		else if (!((cell, advice_cut[cell], advice_rate[cell]) in accuracy))
			outside = outside (outside ? "; " : "") cell " " advice_cut[cell] " " advice_rate[cell]
		else {
			complete[++count] = cell
			luck_in[count] = 100 * luck(cell, v, kept)
			if (!(program[cell] in seen)) {
				seen[program[cell]] = 1
				programs++
			}
		}
	}
}
