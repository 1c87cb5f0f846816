/* One line per function of two elements: BINARY(X, value, slope_a, slope_b, formula) is THAW_BINARY_X. Value and
 * slopes (the derivatives with respect to a and b) are float expressions of the floats a and b, for binary.c; the
 * formula is the value in double, for the reference. The gradient of the minimum or maximum of equal elements is
 * divided evenly between them, as in PyTorch. */
BINARY(ADD, a + b, 1, 1, a + b)
BINARY(SUB, a - b, 1, -1, a - b)
BINARY(MUL, a *b, b, a, a *b)
BINARY(DIV, a / b, 1 / b, -a / (b * b), a / b)
BINARY(POW, powf(a, b), b *powf(a, b - 1), exponent_slope(a, b), pow(a, b))
BINARY(MIN, thaw_nan_min(a, b), extremum_slope(a < b, a == b), extremum_slope(b < a, a == b), fmin(a, b))
BINARY(MAX, thaw_nan_max(a, b), extremum_slope(a > b, a == b), extremum_slope(b > a, a == b), fmax(a, b))
BINARY(PRELU, either(a < 0, a *b, a), either(a > 0, 1, b), either(a > 0, 0, a), a < 0 ? a * b : a)
