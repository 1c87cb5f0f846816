# The tables of the study over complete[1..count] (facts.awk), in Markdown. Accuracies are fractions, printed as
# percent; regrets are in percentage points.

function points(rule, cell, number) {
	return 100 * (best[cell] - rule_accuracy(rule, cell, number))
}

function inside(cell,    a) {
	a = rule_accuracy(1, cell)
	return a >= low[cell] - 1e-9 && a <= high[cell] + 1e-9
}

function print_cells(    k, c) {
	print "| network, data, images per class | best of the grid | | advice | | regret | luck | expected | held | cost |"
	print "|---|---:|---|---|---:|---:|---:|---:|---|---:|"
	for (k = 1; k <= count; k++) {
		c = complete[k]
		printf "| %s %s %s | %.1f | %s | %s, %s | %.1f%s | %.1f | %.1f | %.1f to %.1f | %s | %.1f%% |\n", network[c],
			dataset[c], per_class[c], 100 * best[c], best_at[c], advice_cut[c], advice_rate[c],
			100 * rule_accuracy(1, c), failed[c, advice_cut[c], advice_rate[c]] ? " failed" : "",
			points(1, c), luck_in[k], 100 * low[c], 100 * high[c], inside(c) ? "yes" : "no",
			100 * advice_seconds[c] / grid_seconds[c]
	}
}

# Sets regret[rule, 1..count] with the rates number[rule, is the head].
function take_regrets(number,    rule, k) {
	for (rule = 1; rule <= rules; rule++)
		for (k = 1; k <= count; k++)
			regret[rule, k] = points(rule, complete[k], number[rule, rule_cut(rule, complete[k]) == "head"])
}

function print_rules(    rule, k, v, more, worst, worst_count) {
	for (k = 1; k <= count; k++) {
		worst[k] = regret[1, k]
		for (rule = 2; rule <= rules; rule++)
			worst[k] = regret[rule, k] > worst[k] ? regret[rule, k] : worst[k]
	}
	print "| rule | mean regret | 90th percentile | worst | more than the advice | was the worst rule in |"
	print "|---|---:|---:|---:|---:|---:|"
	for (rule = 1; rule <= rules; rule++) {
		worst_count = 0
		for (k = 1; k <= count; k++) {
			v[k] = regret[rule, k]
			more[k] = v[k] - regret[1, k]
			worst_count += v[k] >= worst[k] - 1e-9
		}
		printf "| %s | %.2f ± %.2f | %.1f | %.1f | %s | %d of %d |\n", rule_name[rule], mean(v, count),
			error_of_mean(v, count), percentile(v, count, 0.9), percentile(v, count, 1),
			rule == 1 ? "" : sprintf("%.2f ± %.2f", mean(more, count), error_of_mean(more, count)),
			worst_count, count
	}
}

# Sets number[rule, is the head] to the rate with the least mean regret.
function choose_rates(number,    rule, head, r, k, sum, least, cell) {
	for (rule = 1; rule <= rules; rule++)
		for (head = 0; head <= 1; head++) {
			least = -1
			for (r = 1; r <= tried; r++) {
				sum = 0
				for (k = 1; k <= count; k++) {
					cell = complete[k]
					sum += (rule_cut(rule, cell) == "head") == head ? points(rule, cell, r) : 0
				}
				if (least < 0 || sum < least - 1e-9) {
					least = sum
					number[rule, head] = r
				}
			}
		}
}

# The rates that a rule used, as text.
function rates_used(rule, number,    k, head, used, text) {
	for (k = 1; k <= count; k++)
		used[rule_cut(rule, complete[k]) == "head"] = 1
	if (used[1])
		text = "head " head_rate[number[rule, 1]]
	return text (used[1] && used[0] ? ", else " : "") (used[0] ? body_rate[number[rule, 0]] : "")
}

# Mean regrets by a field of the cells, network or dataset.
function print_by(field, title,    k, rule, names, n, name, line, seen_name, i, v, m) {
	for (k = 1; k <= count; k++)
		if (!(field[complete[k]] in seen_name)) {
			seen_name[field[complete[k]]] = 1
			names[++n] = field[complete[k]]
		}
	line = "| mean regret by " title " |"
	for (i = 1; i <= n; i++)
		line = line " " names[i] " |"
	print line
	line = "|---|"
	for (i = 1; i <= n; i++)
		line = line "---:|"
	print line
	for (rule = 1; rule <= rules; rule++) {
		line = "| " rule_name[rule] " |"
		for (i = 1; i <= n; i++) {
			m = 0
			for (k = 1; k <= count; k++)
				if (field[complete[k]] == names[i])
					v[++m] = regret[rule, k]
			line = line sprintf(" %.2f |", mean(v, m))
		}
		print line
	}
}

# ---- The targets -------------------------------------------------------------------------------------

function print_target(what, measured, wanted, holds) {
	printf "| %s | %s | %s | %s |\n", what, measured, wanted, holds ? "yes" : "**no**"
}

# The least mean regret of a fixed rule.
function least_regret(    rule, k, v, least) {
	for (rule = 2; rule <= rules; rule++) {
		for (k = 1; k <= count; k++)
			v[k] = regret[rule, k]
		least = rule == 2 || mean(v, count) < least ? mean(v, count) : least
	}
	return least
}

function print_targets(least, least_in_hindsight,    k, v, c, cost, grid, held, width, m, worst) {
	for (k = 1; k <= count; k++) {
		c = complete[k]
		v[k] = regret[1, k]
		cost += advice_seconds[c]
		grid += grid_seconds[c]
		held += inside(c)
		width += 100 * (high[c] - low[c]) / count
	}
	m = mean(v, count)
	worst = percentile(v, count, 1)
	print "| the advice | measured | target | holds |"
	print "|---|---:|---:|---|"
	print_target("mean regret, points", sprintf("%.2f", m), "at most 1", m <= 1)
	print_target("worst regret, points", sprintf("%.1f", worst), "at most 4", worst <= 4)
	print_target("processor time, share of the grid's",
		sprintf("%.1f%%", 100 * cost / grid), "at most 5%", cost <= 0.05 * grid)
	print_target("true accuracy within the range", sprintf("%d of %d", held, count), "at least 80%", held >= 0.8 * count)
	print_target("mean regret beside the best fixed rule's", sprintf("%.2f", m), sprintf("below %.2f", least), m < least)
	print_target("the same, the rule's rates chosen in hindsight", sprintf("%.2f", m),
		sprintf("below %.2f", least_in_hindsight), m < least_in_hindsight)
	printf "\nThe ranges are %.1f points wide on average. A rule that always selected the truly best run would still " \
		"show a mean regret of %.2f points, because the best result of a noisy grid is partly luck.\n", width, mean(luck_in, count)
}

function print_tables(    rule, fixed, hindsight, text, least_in_hindsight) {
	choose_rates(hindsight)
	take_regrets(hindsight)
	least_in_hindsight = least_regret()
	for (rule = 1; rule <= rules; rule++)
		fixed[rule, 0] = fixed[rule, 1] = middle
	take_regrets(fixed)
	print_targets(least_regret(), least_in_hindsight)
	say("Rules at the grid's middle learning rate, " body_rate[middle] " (" head_rate[middle] " for the head alone):\n")
	print_rules()
	print ""
	print_by(dataset, "data")
	print ""
	print_by(network, "network")
	say("Cell by cell:\n")
	print_cells()
	take_regrets(hindsight)
	for (rule = 2; rule <= rules; rule++)
		if (!rule_fixes_rate(rule))
			text = text (text ? "; " : "") rule_name[rule] ": " rates_used(rule, hindsight)
	say("The same rules at the rates that are best over these cells in hindsight (" text "):\n")
	print_rules()
}

function say(text) {
	print ""
	print text
}

function print_notes() {
	say("The grid is every cut at three learning rates, each a complete fine-tuning. Regret: points of test accuracy below " \
		"the best of the grid; fastai's recipe is not part of the grid and can be above it. ± is one standard error of the " \
		"mean over cells, assuming that they are independent. Percentiles are nearest rank; all rules that tie for the " \
		"worst are counted. Cost: processor seconds of the advice as a fraction of the grid's.")
	say("Luck: the expected regret of the truly best run, from the binomial error of the test images (at most the grid's " \
		"own spread), assuming independent errors; the effect of seeds is not included.")
	say("The four quadrants: small is fewer than " few " images per class; similar are photographs of objects that the " \
		"source network knows: flowers12 and cifar10 for lite0, cifar10 for builtin. Small and similar: the head; large and " \
		"similar: the cut a quarter of the way from the head to everything; small and different: the one half of the " \
		"way; large and different: everything. builtin was pretrained on cifar10's training images.")
	if (failures)
		say("Runs whose loss became NaN, counted as an accuracy of 0: " failures ".")
	if (outside)
		say("Skipped, since the advice is not one of the grid's runs: " outside ".")
	if (without)
		say("Skipped, since there is no advice: " without ".")
	if (unfinished)
		say("Skipped, since their grid is incomplete: " unfinished " of " asked_count " cells.")
	if (programs > 1)
		say("**The advice is from " programs " different programs.**")
}

END {
	sort_cells()
	if (count)
		print_tables()
	else
		print "No cell has both a complete grid and advice."
	if (count || failures || outside || without || unfinished)
		print_notes()
}
