#!/usr/bin/env python3
"""Quantizes SOURCE afresh in numpy and compares trits and scales with the packed checkpoint PACKED.

SOURCE holds latent weights (BF16, F16 or F32), PACKED the U8 projections with `weight_scale` as transformers reads
them. Every projection of SOURCE must be packed, everything else must be carried over byte for byte.

The arithmetic and the meaning of the scale follow `linear_class` in PACKED's config.json unless given:
  bitlinear (or none)  bf16 steps,    scale = 1 / absmean   (onebitllms)
  autobitlinear        float32 steps, scale = absmean       (transformers)

Trits must be equal. With float32 steps one exception is counted and allowed: |w / absmean| within 2 units in the last
place of one half, where the order of a float32 sum, which no format fixes, decides.

Exit status: 0 agree, 1 differ or unreadable.
"""

import argparse
import json
import sys
from pathlib import Path

import numpy as np

from model_files import BadModel, read_model
from ternary_numpy import bf16_bits, near_tie, quantize_bf16, quantize_float32, unpack

PROJECTIONS = ("q_proj", "k_proj", "v_proj", "o_proj", "gate_proj", "up_proj", "down_proj")


def is_projection(name):
    return name.endswith(tuple(f".{projection}.weight" for projection in PROJECTIONS))


def linear_class(folder):
    """`linear_class` of the folder's configuration; "bitlinear" is the default of the format."""
    path = Path(folder) / "config.json"
    if not path.exists():
        return "bitlinear"
    return json.loads(path.read_text()).get("quantization_config", {}).get("linear_class", "bitlinear")


def accepted_scales(value):
    """The bf16 bits a stored scale may have: of the value and of its float32 neighbours, nearly always one number."""
    value = np.float32(value)
    neighbours = [np.nextafter(value, np.float32(0)), value, np.nextafter(value, np.float32(np.inf))]
    return set(int(bits) for bits in bf16_bits(np.array(neighbours, np.float32)))


def compare_projection(source, packed, scale, arithmetic, meaning):
    """(trits checked, trits at a tie that differ, problem or None)."""
    rows = source.shape[0]
    if packed.dtype != "U8" or packed.shape != (-(-rows // 4), *source.shape[1:]):
        return 0, 0, f"{packed.dtype} {list(packed.shape)}, expected U8 {[-(-rows // 4), *source.shape[1:]]}"
    if scale is None:
        return 0, 0, "no weight_scale"
    if scale.dtype != "BF16" or scale.shape != (1,):
        return 0, 0, f"weight_scale is {scale.dtype} {list(scale.shape)}, expected BF16 [1]"

    codes = unpack(packed.bits())
    if (codes == 3).any():
        return 0, 0, f"{int((codes == 3).sum())} invalid codes 3"
    if codes[rows:].any():
        return 0, 0, "rows beyond the matrix are not code 0"

    result = (quantize_bf16 if arithmetic == "bf16" else quantize_float32)(source.float32())
    wrong = (codes[:rows].astype(np.int8) - 1) != result.trits
    ties = 0
    if arithmetic == "float32":
        at_tie = wrong & near_tie(result.product)
        ties = int(at_tie.sum())
        wrong &= ~at_tie
    if wrong.any():
        where = tuple(int(axis[0]) for axis in np.nonzero(wrong))
        return wrong.size, ties, (
            f"{int(wrong.sum())} of {wrong.size} trits differ, first at {where}: {int(codes[where]) - 1}, "
            f"expected {result.trits[where]} (w / absmean = {result.product[where]:.9g})"
        )

    value = result.inverse if meaning == "inverse" else result.absmean
    accepted = {int(bf16_bits(value))} if arithmetic == "bf16" else accepted_scales(value)
    stored = int(scale.bits()[0])
    if stored not in accepted:
        return wrong.size, ties, f"weight_scale is {scale.float32()[0]:.9g}, expected {value:.9g} rounded to bf16"
    return wrong.size, ties, None


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("source", metavar="SOURCE")
    parser.add_argument("packed", metavar="PACKED")
    parser.add_argument("--arith", choices=("bf16", "float32"), help="steps of the absmean arithmetic")
    parser.add_argument("--scale", choices=("inverse", "absmean"), help="what the stored scale is")
    options = parser.parse_args()

    automatic = linear_class(options.packed) == "autobitlinear"
    arithmetic = options.arith or ("float32" if automatic else "bf16")
    meaning = options.scale or ("absmean" if automatic else "inverse")

    try:
        source, packed = read_model(options.source), read_model(options.packed)
    except (BadModel, OSError) as error:
        print(error)
        return 1

    problems, expected, checked, ties, count = [], set(), 0, 0, 0
    for name, tensor in sorted(source.items()):
        expected.add(name)
        if name not in packed:
            problems.append((name, "missing in PACKED"))
        elif is_projection(name):
            scale_name = name + "_scale"
            expected.add(scale_name)
            trits, at_ties, problem = compare_projection(
                tensor, packed[name], packed.get(scale_name), arithmetic, meaning)
            count, checked, ties = count + 1, checked + trits, ties + at_ties
            if problem:
                problems.append((name, problem))
        elif packed[name] != tensor:
            problems.append((name, "differs from SOURCE, should be carried over"))
    problems += [(name, "not expected from SOURCE") for name in sorted(set(packed) - expected)]
    if count == 0:
        problems.append(("(all)", "SOURCE has no projections"))

    for name, problem in problems:
        print(f"{name}: {problem}")
    verdict = "differ" if problems else "agree"
    print(f"{verdict}: {count} projections, {checked} trits, {ties} at a tie, {arithmetic} steps, scale = {meaning}")
    return 1 if problems else 0


if __name__ == "__main__":
    sys.exit(main())
