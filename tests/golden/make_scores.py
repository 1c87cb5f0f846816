"""Writes scores.json: LogME, H-score and LEEP of small tables of features, by the formulas of the papers.

The tables are from formula.py, in single precision, with operations that round the same way in C:
feature (i,j) is NAME uniform in -1 .. 1, plus shift * NAME/mean (label,j) uniform in -1 .. 1, plus offset.
"""
import json
import os

import numpy as np

from formula import uniform, words

CASES = [  # name, images, features, classes, shift, offset, number of columns that are copies of the first ones
    ("tall", 60, 8, 3, 1.0, 0.0, 0),
    ("weak", 90, 10, 4, 0.5, 0.0, 0),
    ("wide", 14, 40, 3, 0.125, 0.0, 0),
    ("exact", 12, 64, 3, 1.0, 0.0, 0),
    ("square", 24, 24, 4, 0.5, 0.0, 0),
    ("offset", 50, 12, 3, 0.5, 3.0, 0),
    ("copies", 40, 12, 3, 0.5, 0.0, 4),
]


def table(name, count, width, classes, shift, offset, copies):
    labels = (words(name + "/label", count) >> np.uint64(40)).astype(np.int64) % classes
    noise = uniform(name, (count, width), -1, 1)
    mean = uniform(name + "/mean", (classes, width), -1, 1)
    features = noise + np.float32(shift) * mean[labels] + np.float32(offset)
    assert features.dtype == np.float32
    features[:, width - copies:] = features[:, :copies]
    return features, labels


def probabilities(name, count, width, labels):
    """Shares of a sum of uniform numbers, of which the one of the source class `label` gets 2 more."""
    part = uniform(name + "/source", (count, width), 0, 1)
    part[np.arange(count), labels] += np.float32(2)
    part = part.astype(np.float64)
    return (part / part.sum(axis=1, keepdims=True)).astype(np.float32)


def log_density(y, covariance):
    """Of y under a normal distribution around 0."""
    return -0.5 * (np.linalg.slogdet(2 * np.pi * covariance)[1] + y @ np.linalg.solve(covariance, y))


def logme_of_class(f, y):
    """Algorithm 1 of arXiv 2102.11005, until nothing changes; the evidence is the density of y = F w + noise.

    (I + F F' / t)^-1 with t = alpha / beta gives y - F m and, by its trace, n - gamma, without cancellation.
    """
    n, d = f.shape
    t = 1.0
    for _ in range(100000):
        rest = np.linalg.inv(np.eye(n) + f @ f.T / t)
        m = np.linalg.solve(t * np.eye(d) + f.T @ f, f.T @ y)
        alpha = np.trace(f.T @ rest @ f) / t / (m @ m)
        beta = np.trace(rest) / np.sum((rest @ y) ** 2)
        before, t = t, alpha / beta
        if t < 1e-10:  # features explain the class exactly: no noise; closed form for the variance of w
            k = f @ f.T
            return log_density(y, k * (y @ np.linalg.solve(k, y)) / n) / n
        if t > 1e10:  # features are unrelated to the class: all noise
            return log_density(y, np.eye(n) * (y @ y) / n) / n
        if abs(t - before) <= 1e-12 * t:
            break
    else:
        raise ValueError("no fixed point")

    def evidence(p, q):
        return log_density(y, f @ f.T / p + np.eye(n) / q)

    best = evidence(alpha, beta)
    for factor in (0.99, 1.01):  # check that this is a maximum
        assert evidence(factor * alpha, beta) < best and evidence(alpha, factor * beta) < best
    return best / n


def logme(f, labels, classes):
    return np.mean([logme_of_class(f, (labels == c).astype(np.float64)) for c in range(classes) if (labels == c).any()])


def ledoit_wolf(x):
    """The shrinkage of Ledoit and Wolf (2004), lemma 3.2 ff., for centred rows."""
    n, d = x.shape
    s = x.T @ x / n
    m = np.trace(s) / d
    d2 = np.sum((s - m * np.eye(d)) ** 2)
    b2 = sum(np.sum((np.outer(row, row) - s) ** 2) for row in x) / n**2
    return min(b2, d2) / d2, m, s


def h_score(f, labels):
    x = f - f.mean(axis=0)
    a, m, s = ledoit_wolf(x)
    g = np.stack([x[labels == c].mean(axis=0) for c in labels])
    return np.trace(np.linalg.solve((1 - a) * s + a * m * np.eye(len(s)), (1 - a) * g.T @ g / len(g)))


def leep(p, labels, classes):
    joint = np.stack([p[labels == c].sum(axis=0) for c in range(classes)]) / len(p)
    conditional = joint / joint.sum(axis=0)
    return np.mean([np.log(conditional[y] @ row) for y, row in zip(labels, p)])


def main():
    golden = []
    for case in CASES:
        name, count, width, classes, shift, offset, copies = case
        features, labels = table(*case)
        f = features.astype(np.float64)
        p = probabilities(name, count, width, labels).astype(np.float64)
        golden.append({
            "name": name, "count": count, "width": width, "classes": classes, "shift": shift, "offset": offset,
            "copies": copies, "logme": float(logme(f, labels, classes)), "h_score": float(h_score(f, labels)),
            "leep": float(leep(p, labels, classes)),
        })
    with open(os.path.join(os.path.dirname(__file__), "scores.json"), "w") as out:
        json.dump(golden, out, indent=1)
        out.write("\n")


if __name__ == "__main__":
    main()
