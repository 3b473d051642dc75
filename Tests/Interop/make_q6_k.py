#!/usr/bin/env python3
"""Makes Fixtures/Golden/q6_k.safetensors: blocks that ggml's own reference encodes and decodes.

    make_q6_k.py LIBGGML_BASE OUT

LIBGGML_BASE is libggml-base.so of llama.cpp, as llama-cpp-python installs it. It is compiled without -march, so that no
product and sum are fused: `quantize_row_q6_K_ref` gives the same bytes on every machine.
"""

import argparse
import ctypes

import numpy as np
from safetensors.numpy import save_file


def blocks(rng):
    """Rows of 256 numbers, by what is hard about them."""
    rows = []
    for sigma in (1e-5, 3e-4, 0.004, 0.02, 0.02, 0.5, 1, 40, 3000):
        rows += [rng.normal(0, sigma, 256) for _ in range(2)]
    # Sub-blocks of very different size: small ones get the scale 0, or a coarse one.
    for low in (-1, -2, -3, -6):
        rows.append(rng.normal(0, 1, 256) * np.repeat(10 ** rng.uniform(low, 0, 16), 16))
    rows.append(rng.normal(0, 0.02, 256) * (rng.random(256) < 0.05))
    rows.append(np.where(np.arange(256) == 77, 1.0, rng.normal(0, 1e-3, 256)))
    rows.append(np.abs(rng.normal(0, 0.02, 256)))
    rows.append(-np.abs(rng.normal(0, 0.02, 256)))
    rows.append(np.full(256, 0.0123))
    rows.append(np.full(256, -7.0))
    rows.append(rng.choice([-0.03125, 0, 0.03125], 256))
    rows.append(np.zeros(256))
    rows.append(np.concatenate([np.zeros(128), rng.normal(0, 0.02, 128)]))
    # Ties: quarters of a step.
    rows.append(np.round(rng.uniform(-32, 31, 256) * 4) / 128)
    rows.append(rng.normal(0, 1e-20, 256))
    rows.append(np.where(np.arange(256) % 16 == 0, 31.5, -32.0) / 64)
    # bfloat16 numbers, as embeddings are.
    bits = rng.normal(0, 0.03, (4, 256)).astype(np.float32).view(np.uint32) & np.uint32(0xFFFF0000)
    rows += list(bits.view(np.float32))
    return np.stack(rows).astype(np.float32)


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("library")
    parser.add_argument("out")
    options = parser.parse_args()
    library = ctypes.CDLL(options.library)
    values = blocks(np.random.default_rng(614))
    count = values.size
    packed = np.zeros((len(values), 210), np.uint8)
    decoded = np.zeros_like(values)
    library.quantize_row_q6_K_ref(
        values.ctypes.data_as(ctypes.c_void_p), packed.ctypes.data_as(ctypes.c_void_p), ctypes.c_int64(count))
    library.dequantize_row_q6_K(
        packed.ctypes.data_as(ctypes.c_void_p), decoded.ctypes.data_as(ctypes.c_void_p), ctypes.c_int64(count))
    save_file({"values": values, "blocks": packed, "decoded": decoded}, options.out)
    error = np.abs(values - decoded).max(1) / np.maximum(np.abs(values).max(1), 1e-30)
    print(len(values), "blocks; largest error over largest value:", np.sort(error)[-8:])


if __name__ == "__main__":
    main()
