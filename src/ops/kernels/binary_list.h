/* One line a function of two elements: BINARY(X, value, slope of a, slope of b, formula) stands for THAW_BINARY_X.
 * Value and slopes are floats of the floats a and b, for binary.c; the formula is the same value in doubles, for the
 * reference. Equal elements share the gradient of their maximum or minimum, as in PyTorch. */
BINARY(ADD, a + b, 1, 1, a + b)
BINARY(SUB, a - b, 1, -1, a - b)
BINARY(MUL, a *b, b, a, a *b)
BINARY(DIV, a / b, 1 / b, -a / (b * b), a / b)
BINARY(POW, powf(a, b), b *powf(a, b - 1), pow_slope(a, b), pow(a, b))
BINARY(MIN, smaller(a, b), share(a < b, a == b), share(b < a, a == b), fmin(a, b))
BINARY(MAX, larger(a, b), share(a > b, a == b), share(b > a, a == b), fmax(a, b))
BINARY(PRELU, either(a < 0, a *b, a), either(a > 0, 1, b), either(a > 0, 0, a), a < 0 ? a * b : a)
