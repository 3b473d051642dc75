"""Absmean quantization and 2-bit packing in numpy: a second implementation, written from the published arithmetic.

Nothing here is shared with the Swift code. `check_golden_numpy.py` holds it to the vectors of the original programs.
"""

from typing import NamedTuple

import numpy as np

EPSILON = np.float32(1e-5)


def bf16_bits(x):
    """float32 -> bf16 bits (uint16), round to nearest even; the input has no NaN."""
    bits = np.asarray(x, np.float32).view(np.uint32)
    return ((bits + np.uint32(0x7FFF) + ((bits >> 16) & 1)) >> 16).astype(np.uint16)


def from_bf16(bits):
    """bf16 bits -> float32, exact."""
    return (np.asarray(bits, np.uint16).astype(np.uint32) << 16).view(np.float32)


def bf16(x):
    """Rounds float32 values to the nearest bf16, keeping them as float32."""
    return from_bf16(bf16_bits(x))


class Quantized(NamedTuple):
    trits: np.ndarray  # int8, shape of the input
    product: np.ndarray  # float32: what was rounded, w / absmean
    absmean: np.float32  # at least 1e-5; already rounded to bf16 with bf16 steps
    inverse: np.float32


def _mean_magnitude(w):
    """mean|w| in float32. Originals sum in float32 in an order of their own; a float64 sum is within one unit of it."""
    total = np.abs(w, dtype=np.float32).sum(dtype=np.float64)
    with np.errstate(over="ignore"):  # A sum above the float32 range is infinite for the originals too.
        return np.float32(total) / np.float32(w.size)


def _trits(product):
    return np.clip(np.rint(product), -1, 1).astype(np.int8)


def quantize_bf16(w):
    """onebitllms `quantize_to_1bit`: mean, reciprocal and product each rounded to bf16, then half to even."""
    if not np.isfinite(w).all():
        raise ValueError("weights hold NaN or infinity")
    absmean = max(bf16(_mean_magnitude(w)), bf16(EPSILON))
    inverse = bf16(np.float32(1) / absmean)
    product = bf16(w * inverse)
    return Quantized(_trits(product), product, np.float32(absmean), np.float32(inverse))


def quantize_float32(w):
    """transformers `WeightQuant`: every step in float32, then half to even."""
    if not np.isfinite(w).all():
        raise ValueError("weights hold NaN or infinity")
    absmean = max(_mean_magnitude(w), EPSILON)
    inverse = np.float32(1) / absmean
    product = w * inverse
    return Quantized(_trits(product), product, np.float32(absmean), np.float32(inverse))


def near_tie(product):
    """Where a last-bit difference of the scale may move a trit: |w / absmean| within 2 float32 units of one half."""
    return np.abs(np.abs(product) - np.float32(0.5)) <= 2 * np.spacing(np.float32(0.5))


def unpack(packed):
    """uint8 [P, ...] -> codes [4P, ...] in 0...3; byte row p holds rows p, p+P, p+2P, p+3P, lowest bits first."""
    return np.concatenate([(packed >> (2 * k)) & 3 for k in range(4)], axis=0)


def pack(trits):
    """The inverse of `unpack` for trits of any row count; rows missing at the end leave code 0."""
    rows = trits.shape[0]
    quarter = -(-rows // 4)
    codes = np.zeros((4 * quarter, *trits.shape[1:]), np.uint8)
    codes[:rows] = (trits + 1).astype(np.uint8)
    parts = codes.reshape(4, quarter, *trits.shape[1:])
    return parts[0] | parts[1] << 2 | parts[2] << 4 | parts[3] << 6
