# Statistics of arrays v[1..n].

function mean(v, n,    i, sum) {
	for (i = 1; i <= n; i++)
		sum += v[i]
	return sum / n
}

# The standard error of the mean.
function error_of_mean(v, n,    i, m, sum) {
	m = mean(v, n)
	for (i = 1; i <= n; i++)
		sum += (v[i] - m) ^ 2
	return n > 1 ? sqrt(sum / (n - 1) / n) : 0
}

# The percentile p, 0..1, by nearest rank.
function percentile(v, n, p,    i, j, x, sorted, rank) {
	for (i = 1; i <= n; i++) {
		x = v[i]
		for (j = i - 1; j >= 1 && sorted[j] > x; j--)
			sorted[j + 1] = sorted[j]
		sorted[j + 1] = x
	}
	rank = int(p * n)
	if (rank < p * n - 1e-9)
		rank++
	return sorted[rank]
}

# The normal distribution function: Abramowitz and Stegun 26.2.17, to 1e-7.
function normal_below(z,    t, tail) {
	t = 1 / (1 + 0.2316419 * (z < 0 ? -z : z))
	tail = t * (0.31938153 + t * (-0.356563782 + t * (1.781477937 + t * (-1.821255978 + t * 1.330274429))))
	tail *= exp(-z * z / 2) / sqrt(2 * 3.14159265358979)
	return z < 0 ? tail : 1 - tail
}

# How far the largest of v, measured with independent normal errors, is above the largest of v on average.
function luck_of_largest(v, n, error,    i, x, step, top, below, sum) {
	if (error <= 0)
		return 0
	top = v[1]
	for (i = 2; i <= n; i++)
		top = v[i] > top ? v[i] : top
	step = error / 20
	for (x = top - 6 * error + step / 2; x < top + 6 * error; x += step) { # E(max) from its distribution function
		below = 1
		for (i = 1; i <= n; i++)
			below *= normal_below((x - v[i]) / error)
		sum += ((x > top) - below) * step
	}
	return sum
}
