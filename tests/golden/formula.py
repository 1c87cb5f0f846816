"""Weights from a formula, identical to tests/unit/formula_weights.h, so that golden files need not store them.

Number i of a tensor is splitmix64 keyed by FNV-1a of the tensor's name; its upper 24 bits are a fraction.
"""
import numpy as np

GAMMA = 0x9E3779B97F4A7C15
PROJECTIONS = 4


def fnv1a(text):
    h = 0xCBF29CE484222325
    for byte in text.encode():
        h = ((h ^ byte) * 0x100000001B3) & 0xFFFFFFFFFFFFFFFF
    return h


def words(name, count):
    """count random 64-bit words keyed by the name."""
    with np.errstate(over="ignore"):
        z = np.uint64(fnv1a(name)) + np.arange(1, count + 1, dtype=np.uint64) * np.uint64(GAMMA)
        z = (z ^ (z >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
        z = (z ^ (z >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
        return z ^ (z >> np.uint64(31))


def uniform(name, shape, low, high):
    fraction = (words(name, int(np.prod(shape))) >> np.uint64(40)).astype(np.float64) / 2.0**24
    return (low + (high - low) * fraction).astype(np.float32).reshape(shape)


def weight(name, shape, head_scale=1.0):
    """The tensor of this name: by its kind, in a range that keeps activations of order 1."""
    if name.endswith("running_mean"):
        return uniform(name, shape, -0.1, 0.1)
    if name.endswith("running_var"):
        return uniform(name, shape, 0.5, 1.5)
    if len(shape) > 1:
        bound = np.sqrt(6.0 / np.prod(shape[1:]))
        return uniform(name, shape, -bound, bound) * np.float32(head_scale)
    if name.endswith("bias"):
        return uniform(name, shape, -0.1, 0.1)
    return uniform(name, shape, 0.5, 1.0)


def projections(name, values):
    """Inner products of the values with random vectors of +1 and -1."""
    bits = words(name + "/sign", values.size)
    flat = values.reshape(-1)
    return [float(np.sum(np.where(bits >> np.uint64(p) & np.uint64(1), flat, -flat))) for p in range(PROJECTIONS)]
