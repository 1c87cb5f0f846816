# The rules that are compared: the cut and rate of each on a cell, a string NETWORK DATASET PER_CLASS. Reads
# network[cell], dataset[cell], per_class[cell], cuts[network, 0..], beyond[network] (the number of cuts beyond the
# head) and the advice.

function name_rules() {
	rules = 5
	rule_name[1] = "Thaw's advice"
	rule_name[2] = "always the head only"
	rule_name[3] = "always everything, head first"
	rule_name[4] = "fastai's default recipe"
	rule_name[5] = "the four quadrants"
	# Photographs of subjects in the training data of the source network, ImageNet or CIFAR-10.
	similar["lite0", "flowers12"] = similar["lite0", "cifar10"] = similar["builtin", "cifar10"] = 1
	few = 20 # images of a class; fewer are a small dataset
}

function part_of_network(net, share,    n) {
	n = int(beyond[net] * share)
	return cuts[net, n < beyond[net] * share ? n + 1 : n]
}

function quadrant_cut(cell,    net, is_similar, is_small) {
	net = network[cell]
	is_similar = (net, dataset[cell]) in similar
	is_small = per_class[cell] < few
	if (is_similar)
		return is_small ? "head" : part_of_network(net, 0.25)
	return is_small ? part_of_network(net, 0.5) : "all"
}

# The cut of a rule.
function rule_cut(rule, cell) {
	if (rule == 1)
		return advice_cut[cell]
	if (rule == 2)
		return "head"
	return rule == 5 ? quadrant_cut(cell) : "all"
}

function rule_fixes_rate(rule) {
	return rule == 1 || rule == 4
}

# The accuracy of a rule; number, 1..3, is the rate of rules without a fixed one.
function rule_accuracy(rule, cell, number,    cut, rate) {
	cut = rule_cut(rule, cell)
	rate = rate_of(cut, number)
	if (rule == 1)
		rate = advice_rate[cell]
	if (rule == 4)
		rate = "fastai"
	return accuracy[cell, cut, rate]
}
