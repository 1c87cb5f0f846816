/* One line a reduction.
 *
 * SUMMED(X, term, slope, result): sums `term` of every x; `result` is made of the sum y.
 * FOLDED(X, start, step, slope): begins with `start`, y = `step` of y and x for every x.
 * `slope` is that of the result y by one x. n is the number of elements that y was made of, peak their maximum; other
 * is what `prepare_slope` leaves: the number of elements that are the result; for a product, the product of all but
 * zeros, of which there are `zeros`. */
SUMMED(MEAN, x, 1 / n, y / n)
SUMMED(SUM, x, 1, y)
SUMMED(L1, fabsf(x), sign(x), y)
SUMMED(L2, x *x, either(y > 0, x / y, 0), sqrtf(y))
SUMMED(SUM_SQUARE, x *x, 2 * x, y)
SUMMED(LOG_SUM, x, thaw_exp(-y), thaw_log(y))
SUMMED(LOG_SUM_EXP, thaw_exp(x - peak), thaw_exp(x - y), thaw_log(y) + peak)
FOLDED(MAX, -INFINITY, larger(x, y), either(x == y, 1 / other, 0))
FOLDED(MIN, INFINITY, -larger(-x, -y), either(x == y, 1 / other, 0))
FOLDED(PROD, 1, x *y, product_slope(x, other, zeros))
