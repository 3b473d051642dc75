"""Quantizers for ordinary weights in numpy: a second implementation, written from their definitions in Docs/Quantizers.md.

Every function takes a float32 matrix of bfloat16 values and returns the float32 matrix that stands for it. Nothing here is
shared with the Swift code.
"""

import numpy as np
from ternary_numpy import bf16, quantize_float32


def _best_scale(w):
    """The scale of the ternary vector nearest to w: the best S_k^2 / k over the k largest magnitudes."""
    m = np.sort(np.abs(w.ravel()).astype(np.float64))[::-1]
    if m.size == 0 or m[0] == 0:
        return np.float32(0)
    sums = np.cumsum(m)
    k = np.arange(1, m.size + 1)
    best = np.argmax(sums * sums / k)
    return bf16(np.float32(sums[best] / k[best]))


def _nearest(w, scale):
    return np.where(np.abs(w) > scale / 2, np.sign(w), 0).astype(np.float32)


def optimal_tensor(w):
    scale = _best_scale(w)
    return _nearest(w, scale) * scale


def optimal_row(w):
    return np.stack([optimal_tensor(row) for row in w])


def optimal_group128(w):
    parts = [optimal_row(w[:, start : start + 128]) for start in range(0, w.shape[1], 128)]
    return np.concatenate(parts, axis=1)


def absmean_lsq(w):
    trits = quantize_float32(w).trits.astype(np.float64)
    return (trits * bf16(np.float32((trits * w).sum() / np.abs(trits).sum()))).astype(np.float32)


def gptq(w, h, granularity, damping=0.01):
    """Error-compensated rounding by its definition: the rounded column is eliminated from the inverse of H."""
    n = w.shape[1]
    p = np.linalg.inv(h + damping * np.mean(np.diag(h)) * np.eye(n))
    order = np.arange(n) if granularity == "group128" else np.argsort(-np.diag(h), kind="stable")
    w = w.astype(np.float64).copy()
    q = np.zeros_like(w)
    scale = {"tensor": lambda: np.full(len(w), _best_scale(w)), "row": lambda: np.array([_best_scale(r) for r in w])}
    s = scale[granularity]() if granularity in scale else None
    for place, j in enumerate(order):
        if granularity == "group128" and place % 128 == 0:
            s = np.array([_best_scale(r.astype(np.float32)) for r in w[:, place : place + 128]])
        q[:, j] = np.where(np.abs(w[:, j]) > s / 2, np.sign(w[:, j]), 0) * s
        error = (w[:, j] - q[:, j]) / p[j, j]
        w -= np.outer(error, p[j])
        p -= np.outer(p[j], p[j]) / p[j, j]
    return q.astype(np.float32)


EXACT = {
    "absmean-lsq": absmean_lsq,
    "optimal-tensor": optimal_tensor,
    "optimal-row": optimal_row,
    "optimal-group128": optimal_group128,
}
