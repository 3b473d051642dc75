#!/usr/bin/env python3
"""Holds ternary_numpy.py to the vectors of the original programs in Fixtures/Golden.

Exit status: 0 all equal, 1 otherwise.
"""

import sys
from pathlib import Path

import numpy as np

from model_files import read_file
from ternary_numpy import bf16_bits, near_tie, pack, quantize_bf16, quantize_float32, unpack

# Units in the last place a float32 scalar may be off. The order of a float32 sum is free, which moves the mean by one
# unit; one unit of a mean just above a power of two is up to two units of its reciprocal. bf16 scalars must be equal.
FLOAT32_UNITS = {"absmean": 1, "inverse": 2}

GOLDEN = Path(__file__).resolve().parents[2] / "Fixtures" / "Golden"


def cases(tensors, field):
    return sorted(name[: -len(field) - 1] for name in tensors if name.endswith("." + field))


def absmean(file, quantize, fields):
    """Yields (case, problem or None). `fields` maps an attribute of the result to the stored field."""
    tensors = read_file(GOLDEN / file)
    for case in cases(tensors, "w"):
        w = tensors[f"{case}.w"].float32()
        if not np.isfinite(w).all():
            continue
        result = quantize(w)
        expected = tensors[f"{case}.u"].float32()
        wrong = result.trits != expected
        if quantize is quantize_float32:
            wrong &= ~near_tie(result.product)
        problem = f"{int(wrong.sum())} trits differ" if wrong.any() else None
        for attribute, field in fields.items():
            stored = tensors[f"{case}.{field}"]
            value = getattr(result, attribute)
            if stored.dtype == "BF16":
                agrees = bf16_bits(value) == stored.bits().ravel()[0]
            else:
                other = stored.float32().ravel()[0]
                agrees = value == other or abs(value - other) <= FLOAT32_UNITS[attribute] * np.spacing(other)
            if not agrees:
                problem = f"{field} is {value!r}, expected {stored.float32().ravel()[0]!r}"
        yield f"{file} {case}", problem


def packing():
    tensors = read_file(GOLDEN / "hf_packing.safetensors")
    for case in cases(tensors, "ternary"):
        trits, packed = tensors[f"{case}.ternary"].bits(), tensors[f"{case}.packed"].bits()
        yield f"pack {case}", None if np.array_equal(pack(trits), packed) else "bytes differ"
    for case in cases(tensors, "packed"):
        values = unpack(tensors[f"{case}.packed"].bits()).astype(np.int8) - 1
        yield f"unpack {case}", None if np.array_equal(values, tensors[f"{case}.unpacked"].bits()) else "values differ"


def main():
    results = [
        *absmean("absmean_bf16.safetensors", quantize_bf16, {"inverse": "weight_scale"}),
        *absmean("absmean_f32.safetensors", quantize_float32, {"absmean": "absmean", "inverse": "inverse"}),
        *packing(),
    ]
    failed = [(case, problem) for case, problem in results if problem]
    for case, problem in failed:
        print(f"{case}: {problem}")
    print(f"{len(results) - len(failed)} of {len(results)} golden cases agree")
    return 1 if failed or not results else 0


if __name__ == "__main__":
    sys.exit(main())
