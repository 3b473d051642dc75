#!/usr/bin/env python3
"""Writes the logits of a checkpoint whose activations are quantized as llama.cpp does for TQ1_0 and TQ2_0.

PACKED is the packed checkpoint, DENSE the same model with dense projections (its weights are replaced), REFERENCE a
logits.safetensors whose prompts are run, OUT the file to write.

transformers runs the dense model in float32, with two changes: a weight is trit × f16(1 / weight_scale), as a TQ file
holds it, and the input of every projection is quantized in blocks of 256 columns (Q8_K in ggml-quants.c): m is the
value of largest magnitude, q = round(x · (−127 / m)), and x becomes q · (m / −127). What is then left between these
logits and llama.cpp's is the order of sums, and F16 in attention and head.
"""

import argparse
import os
import sys

os.environ["TORCHDYNAMO_DISABLE"] = "1"
os.environ.setdefault("HF_HUB_OFFLINE", "1")

import numpy as np
import torch
import transformers
from safetensors.torch import load_file, save_file

from model_files import read_model
from ternary_numpy import unpack


def q8_k(x):
    blocks = x.reshape(*x.shape[:-1], -1, 256)
    peak = blocks.gather(-1, blocks.abs().argmax(-1, keepdim=True))
    inverse = torch.where(peak == 0, torch.zeros_like(peak), -127 / peak)
    quantized = (blocks * inverse).round().clamp(-128, 127)
    back = torch.where(peak == 0, torch.zeros_like(peak), 1 / inverse)
    return (quantized * back).reshape(x.shape)


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    for name in ("packed", "dense", "reference", "out"):
        parser.add_argument(name, metavar=name.upper())
    options = parser.parse_args()
    torch.set_num_threads(2)
    transformers.logging.set_verbosity_error()
    transformers.logging.disable_progress_bar()
    model = transformers.AutoModelForCausalLM.from_pretrained(
        options.dense, dtype=torch.float32, attn_implementation="eager", local_files_only=True).eval()
    packed = read_model(options.packed)
    for name, module in model.named_modules():
        scale = packed.get(name + ".weight_scale")
        if scale is None:
            continue
        multiplier = np.float32(np.float16(np.float32(1) / scale.float32()[0]))
        trits = unpack(packed[name + ".weight"].bits()).astype(np.float32) - 1
        module.weight.data = torch.from_numpy(trits * multiplier)
        module.register_forward_pre_hook(lambda _, inputs: (q8_k(inputs[0]),))
    reference = load_file(options.reference)
    result = {}
    with torch.inference_mode():
        for name, ids in reference.items():
            if name.endswith(".ids"):
                logits = model(input_ids=ids.long().reshape(1, -1), use_cache=False).logits[0].float()
                result[name], result[name.removesuffix(".ids") + ".logits"] = ids.reshape(-1).int(), logits.contiguous()
    save_file(result, options.out)
    return 0


if __name__ == "__main__":
    sys.exit(main())
