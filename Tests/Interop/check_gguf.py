#!/usr/bin/env python3
"""Reads a GGUF file with gguf-py and compares every number with the packed checkpoint it was made of.

    python check_gguf.py FILE PACKED
    python check_gguf.py FILE --like OTHER

FILE is what tritsmith wrote, PACKED the checkpoint (U8 projections with weight_scale, config.json, tokenizer.json). OTHER is a
GGUF file of another program: every tensor must be there with the same type, shape and bytes.

  TQ1_0, TQ2_0      gguf-py's dequantize gives trit × f16(multiplier), element by element
  F32, F16, BF16    trit × multiplier rounded to the type
  I2_S              gguf-py does not know type 36: it is taught the name, the codes are decoded here (group128, or the
                    order recorded in the file)
  other tensors     the checkpoint's numbers, rounded to the stored type; Q8_0 as gguf-py quantizes them
  metadata          tokens and merges of tokenizer.json, sizes of config.json

Rows of q and k are put back into Hugging Face's order for architecture llama. Exit status: 0 equal, 1 not.
"""

import argparse
import json
import sys
from pathlib import Path

import gguf
import numpy as np
from gguf import gguf_reader

from model_files import read_model
from ternary_numpy import bf16_bits, unpack

NAMES = {
    "attn_q": "self_attn.q_proj", "attn_k": "self_attn.k_proj", "attn_v": "self_attn.v_proj",
    "attn_output": "self_attn.o_proj", "ffn_gate": "mlp.gate_proj", "ffn_up": "mlp.up_proj",
    "ffn_down": "mlp.down_proj", "attn_norm": "input_layernorm", "ffn_norm": "post_attention_layernorm",
    "attn_sub_norm": "self_attn.attn_sub_norm", "ffn_sub_norm": "mlp.ffn_sub_norm",
}
OUTER = {"token_embd": "model.embed_tokens", "output_norm": "model.norm", "output": "lm_head"}


class Taught(int):
    """A type that gguf-py may not know: its number, with a name and how many numbers take how many bytes."""

    def __new__(cls, value, name, group, size):
        self = super().__new__(cls, value)
        self.name, self.group, self.size = name, group, size
        return self


TAUGHT = {36: Taught(36, "I2_S", 4, 1), 42: Taught(42, "Q2_0", 64, 18)}


class Types:
    """gguf-py's enumeration with more names; its reader calls it and takes members from it."""

    known = gguf.GGMLQuantizationType

    def __call__(self, value):
        try:
            return self.known(value)
        except ValueError:
            return TAUGHT[int(value)]

    def __getattr__(self, name):
        return getattr(self.known, name)


def opened(path):
    """A reader, and whether a type had to be taught to it."""
    try:
        return gguf.GGUFReader(path), False
    except ValueError as error:
        if "is not a valid" not in str(error):
            raise
    gguf_reader.GGMLQuantizationType = Types()
    gguf_reader.GGML_QUANT_SIZES |= {kind: (kind.group, kind.size) for kind in TAUGHT.values()}
    gguf_reader.quant_shape_to_byte_shape = lambda shape, kind: (
        (*shape[:-1], shape[-1] // kind.group * kind.size) if isinstance(kind, Taught)
        else gguf.quants.quant_shape_to_byte_shape(shape, kind))
    return gguf.GGUFReader(path), True


def hf_name(stored):
    stem = stored.removesuffix(".weight")
    if stem in OUTER:
        return OUTER[stem] + ".weight"
    _, layer, module = stem.split(".")
    return f"model.layers.{layer}.{NAMES[module]}.weight"


def value_of(reader, key, default=None):
    field = reader.get_field(key)
    return default if field is None else field.contents()


def unpermute(matrix, heads):
    """llama.cpp rotates rows 2i and 2i + 1 of a head, Hugging Face i and i + D/2."""
    rows = matrix.shape[0]
    size = rows // heads
    return matrix.reshape(heads, size // 2, 2, *matrix.shape[1:]).swapaxes(1, 2).reshape(matrix.shape)


def i2s(data, shape, order):
    count = shape[0] * shape[1]
    codes, scale = data[: count // 4], data[count // 4 : count // 4 + 4].view("<f4")[0]
    planes = np.stack([codes >> shift & 3 for shift in (6, 4, 2, 0)])
    if order == "rows4":
        trits = planes.reshape(4, shape[0] // 4, shape[1]).swapaxes(0, 1).reshape(shape)
    else:
        part = 32 if order == "group128" else 16
        trits = planes.reshape(4, -1, part).swapaxes(0, 1).reshape(shape)
    return (trits.astype(np.float32) - 1) * scale


def rounded(values, name):
    if name == "F16":
        return values.astype(np.float16).astype(np.float32)
    if name == "BF16":
        return (bf16_bits(values).astype(np.uint32) << 16).view(np.float32)
    return values


def check_like(path, other):
    """Whether both files hold the same tensors, byte for byte."""
    ours, theirs = ({t.name: t for t in opened(p)[0].tensors} for p in (path, other))
    problems = [f"{name}: in one file only" for name in sorted(set(ours) ^ set(theirs))]
    kinds = {}
    for name in set(ours) & set(theirs):
        one, two = ours[name], theirs[name]
        kinds[one.tensor_type.name] = kinds.get(one.tensor_type.name, 0) + 1
        if one.tensor_type != two.tensor_type or one.shape.tolist() != two.shape.tolist():
            problems.append(f"{name}: {one.tensor_type.name} {one.shape}, {two.tensor_type.name} {two.shape}")
        elif one.data.tobytes() != two.data.tobytes():
            problems.append(f"{name} ({one.tensor_type.name}): bytes differ")
    for problem in problems:
        print(problem)
    print(("differ: " if problems else "equal: ") + ", ".join(f"{count} {kind}" for kind, count in sorted(kinds.items())))
    return 1 if problems else 0


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("file", metavar="FILE")
    parser.add_argument("packed", metavar="PACKED", nargs="?")
    parser.add_argument("--like", metavar="OTHER")
    options = parser.parse_args()
    if (options.packed is None) == (options.like is None):
        parser.error("give either PACKED or --like")
    if options.like:
        return check_like(options.file, options.like)

    reader, refused = opened(options.file)
    packed = read_model(options.packed)
    configuration = json.loads((Path(options.packed) / "config.json").read_text())
    multiplies = configuration["quantization_config"].get("linear_class") == "autobitlinear"
    architecture = value_of(reader, "general.architecture")
    problems, kinds = [], {}
    seen = set()
    for tensor in reader.tensors:
        kind = tensor.tensor_type.name
        kinds[kind] = kinds.get(kind, 0) + 1
        shape = tuple(int(n) for n in reversed(tensor.shape))
        name = hf_name(tensor.name)
        seen.add(name)
        scale = packed.get(name + "_scale")
        if scale is None:
            wanted = packed[name].float32()
            if kind == "Q8_0":
                wanted = gguf.quants.dequantize(gguf.quants.quantize(wanted, tensor.tensor_type), tensor.tensor_type)
            wanted = rounded(wanted, kind)
        else:
            seen.add(name + "_scale")
            number = scale.float32()[0]
            multiplier = number if multiplies else np.float32(1) / number
            if kind.startswith("TQ"):
                multiplier = np.float32(np.float16(multiplier))
            trits = unpack(packed[name].bits()).astype(np.float32) - 1
            wanted = rounded(trits * multiplier, kind)
        if kind == "I2_S":
            size = shape[0] * shape[1] // 4 + 32
            found = i2s(reader.data[tensor.data_offset : tensor.data_offset + size], shape,
                        value_of(reader, "tritsmith.i2s_order", "group128"))
        else:
            found = gguf.quants.dequantize(np.asarray(tensor.data), tensor.tensor_type).reshape(shape)
        if architecture == "llama" and tensor.name.endswith(("attn_q.weight", "attn_k.weight")):
            key = "head_count" if "attn_q" in tensor.name else "head_count_kv"
            found = unpermute(found, value_of(reader, f"llama.attention.{key}"))
        if found.shape != wanted.shape or not np.array_equal(found, wanted):
            problems.append(f"{tensor.name} ({kind}): {int((found != wanted).sum())} of {found.size} numbers differ")
    problems += [f"{name}: not in the file" for name in sorted(set(packed) - seen)]

    tokenizer = json.loads((Path(options.packed) / "tokenizer.json").read_text())
    tokens = value_of(reader, "tokenizer.ggml.tokens")
    expected = dict(tokenizer["model"]["vocab"]) | {t["content"]: t["id"] for t in tokenizer["added_tokens"]}
    problems += [f"token {i} is {tokens[i]!r}, expected {text!r}" for text, i in expected.items() if tokens[i] != text]
    merges = [m if isinstance(m, str) else " ".join(m) for m in tokenizer["model"]["merges"]]
    if value_of(reader, "tokenizer.ggml.merges") != merges:
        problems.append("the merges differ")
    for key, name in [("block_count", "num_hidden_layers"), ("embedding_length", "hidden_size"),
                      ("attention.head_count", "num_attention_heads"), ("feed_forward_length", "intermediate_size"),
                      ("attention.head_count_kv", "num_key_value_heads"), ("vocab_size", "vocab_size")]:
        if value_of(reader, f"{architecture}.{key}") != configuration[name]:
            problems.append(f"{architecture}.{key} is {value_of(reader, f'{architecture}.{key}')}")

    for problem in problems:
        print(problem)
    listing = ", ".join(f"{count} {kind}" for kind, count in sorted(kinds.items()))
    print(f"{'differ' if problems else 'equal'}: {listing}" + (", gguf-py taught a type" if refused else ""))
    return 1 if problems else 0


if __name__ == "__main__":
    sys.exit(main())
