#!/usr/bin/env python3
"""Makes Fixtures/Golden/onebitllms: tiny Llama models in F32, F16 and dense ternary BF16, and what onebitllms makes of them.

    make_onebitllms_masters.py QUANTIZATION_UTILS OUT

QUANTIZATION_UTILS is onebitllms/utils/quantization_utils.py of an installed or unpacked onebitllms (its package wants
triton, the two functions do not). They are run as they are; only the tokenizer, which they copy, is left out.
Weights are from a fixed generator. Some matrices hold what rounding finds hard: numbers half way between two bfloat16
ones, halves of the scale, negative numbers that become -0, numbers below the smallest normal F16.
"""

import argparse
import importlib.util
import os
import shutil
import tempfile

import ml_dtypes
import numpy as np
from safetensors.numpy import load_file, save_file

HIDDEN, FFN, VOCAB, HEADS, KV = 32, 64, 40, 4, 2


class NoTokenizer:
    @staticmethod
    def from_pretrained(_):
        return NoTokenizer()

    def save_pretrained(self, _):
        pass


def functions(path):
    spec = importlib.util.spec_from_file_location("utils", path)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    module.AutoTokenizer = NoTokenizer
    return module


def weights(rng):
    kv = HIDDEN // HEADS * KV
    shapes = {
        "self_attn.q_proj": (HIDDEN, HIDDEN), "self_attn.k_proj": (kv, HIDDEN), "self_attn.v_proj": (kv, HIDDEN),
        "self_attn.o_proj": (HIDDEN, HIDDEN), "mlp.gate_proj": (FFN, HIDDEN), "mlp.up_proj": (FFN, HIDDEN),
        "mlp.down_proj": (HIDDEN, FFN),
    }
    values = {f"model.layers.0.{name}.weight": rng.normal(0, 0.03, shape) for name, shape in shapes.items()}
    # Half way between two bfloat16 numbers, and a little to either side.
    up = values["model.layers.0.mlp.up_proj.weight"].astype(np.float32)
    middle = (up.view(np.uint32) & 0xFFFF0000 | 0x8000) + rng.integers(-1, 2, up.shape).astype(np.uint32)
    values["model.layers.0.mlp.up_proj.weight"] = middle.view(np.float32)
    # Many weights near half the scale.
    down = values["model.layers.0.mlp.down_proj.weight"]
    values["model.layers.0.mlp.down_proj.weight"] = np.sign(down) * 0.02 * rng.choice([0.25, 0.5, 0.4999, 1, 2.25], down.shape)
    # Almost nothing: the mean is clamped.
    values["model.layers.0.self_attn.v_proj.weight"] = rng.normal(0, 4e-6, shapes["self_attn.v_proj"])
    values["model.layers.0.input_layernorm.weight"] = 1 + rng.normal(0, 0.1, HIDDEN)
    values["model.layers.0.post_attention_layernorm.weight"] = 1 + rng.normal(0, 0.1, HIDDEN)
    values["model.norm.weight"] = 1 + rng.normal(0, 0.1, HIDDEN)
    values["model.embed_tokens.weight"] = rng.normal(0, 0.5, (VOCAB, HIDDEN)) * rng.choice([1, 1e-3, 1e-6], (VOCAB, 1))
    values["lm_head.weight"] = rng.normal(0, 0.5, (VOCAB, HIDDEN))
    return {name: value.astype(np.float32) for name, value in values.items()}


CONFIG = """{
  "architectures": ["LlamaForCausalLM"], "model_type": "llama", "hidden_act": "silu", "hidden_size": %d,
  "intermediate_size": %d, "num_hidden_layers": 1, "num_attention_heads": %d, "num_key_value_heads": %d,
  "vocab_size": %d, "max_position_embeddings": 64, "rms_norm_eps": 1e-05, "rope_theta": 10000.0,
  "tie_word_embeddings": false, "attention_bias": false, "mlp_bias": false, "bos_token_id": 1, "eos_token_id": 2,
  "torch_dtype": "%s"
}
"""


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("utils")
    parser.add_argument("out")
    options = parser.parse_args()
    module = functions(options.utils)
    values = weights(np.random.default_rng(1515))
    bf16 = {name: value.astype(ml_dtypes.bfloat16) for name, value in values.items()}
    ternary = dict(bf16)
    for name, value in bf16.items():
        if "_proj" in name:
            codes = np.clip(np.rint(value.astype(np.float32) / np.abs(values[name]).mean()), -1, 1)
            ternary[name] = (codes * np.float32(0.0234375)).astype(ml_dtypes.bfloat16)
    masters = {
        "f32": (values, "float32"), "f16": ({n: v.astype(np.float16) for n, v in values.items()}, "float16"),
        "ternary": (ternary, "bfloat16"),
    }
    scratch = tempfile.mkdtemp()
    try:
        for name, (tensors, dtype) in masters.items():
            folder = f"{options.out}/{name}"
            os.makedirs(folder, exist_ok=True)
            save_file(tensors, f"{folder}/model.safetensors", metadata={"format": "pt"})
            with open(f"{folder}/config.json", "w") as file:
                file.write(CONFIG % (HIDDEN, FFN, HEADS, KV, VOCAB, dtype))
            for recipe in ("quantize_to_1bit", "convert_to_bf16"):
                made = f"{scratch}/{name}-{recipe}"
                getattr(module, recipe)(folder, made)
                save_file(load_file(f"{made}/model.safetensors"), f"{options.out}/{name}.{recipe}.safetensors")
                with open(f"{made}/config.json") as file:
                    text = file.read()
                print(name, recipe, sorted(os.listdir(made)), [l for l in text.splitlines() if "dtype" in l or "quant" in l])
    finally:
        shutil.rmtree(scratch)


if __name__ == "__main__":
    main()
