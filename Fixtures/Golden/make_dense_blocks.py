"""Makes dense_blocks.safetensors: blocks of ggml's dense types and what gguf-py's numpy code decodes them to.

    pip install gguf==0.19.0 numpy safetensors && python make_dense_blocks.py

Codes are random bytes; scales are f16 numbers of ordinary size, zero, subnormal and negative ones.
"""

import numpy as np
from gguf import GGMLQuantizationType as T
from gguf.constants import GGML_QUANT_SIZES
from gguf.quants import dequantize
from safetensors.numpy import save_file

# Offsets of f16 numbers in a block.
HALVES = {T.Q4_0: [0], T.Q4_1: [0, 2], T.Q5_0: [0], T.Q5_1: [0, 2], T.Q8_0: [0], T.Q4_K: [0, 2], T.Q5_K: [0, 2], T.Q6_K: [208]}

random = np.random.default_rng(2158)
tensors = {}
for kind, halves in HALVES.items():
    elements, size = GGML_QUANT_SIZES[kind]
    rows, blocks = 3, 512 // elements
    data = random.integers(0, 256, (rows * blocks, size), dtype=np.uint8)
    for offset in halves:
        values = (random.standard_normal(rows * blocks) * 0.02).astype("<f2")
        values[:3] = [0, 2.0**-20, -0.5]
        data[:, offset : offset + 2] = values.view(np.uint8).reshape(-1, 2)
    data = data.reshape(rows, blocks * size)
    tensors[f"{kind.name}.bytes"] = data
    tensors[f"{kind.name}.values"] = dequantize(data, kind).astype("<f4")
save_file(tensors, "dense_blocks.safetensors", metadata={"made_by": "gguf-py 0.19.0, numpy"})
