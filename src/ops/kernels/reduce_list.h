/* One line per reduction.
 *
 * SUMMED(X, term, slope, result): y = sum of `term` over all x, then y = `result`.
 * FOLDED(X, start, step, slope): y = `start`, then y = `step` for each x.
 * `slope` is the derivative of the result y with respect to one x. n is the number of elements per result, peak their
 * maximum. other and zeros are computed by thaw_reduce_count: other is the number of elements equal to the result or,
 * for a product, the product of all elements but zeros; zeros is the number of zeros. */
SUMMED(MEAN, x, 1 / n, y / n)
SUMMED(SUM, x, 1, y)
SUMMED(L1, fabsf(x), thaw_sign(x), y)
SUMMED(L2, x *x, either(y > 0, x / y, 0), sqrtf(y))
SUMMED(SUM_SQUARE, x *x, 2 * x, y)
SUMMED(LOG_SUM, x, thaw_exp(-y), thaw_log(y))
SUMMED(LOG_SUM_EXP, thaw_exp(x - peak), thaw_exp(x - y), thaw_log(y) + peak)
FOLDED(MAX, -INFINITY, thaw_nan_max(x, y), either(x == y, 1 / other, 0))
FOLDED(MIN, INFINITY, -thaw_nan_max(-x, -y), either(x == y, 1 / other, 0))
FOLDED(PROD, 1, x *y, product_slope(x, other, zeros))
