"""Tiny random models of whole families, with what other programs compute of them: make_families.py OUTDIR

Qwen3, Qwen3.5 and Llama by transformers (float32, eager attention, no cache, torch's own code for delta nets). MiniCPM's class is published as code beside its
models, so its logits come from a float64 numpy program below, written from the published formulas. Written for
transformers 5.23, torch 2.13, safetensors 0.8, numpy 2.
"""

import json
import math
import os
import sys

import numpy as np
import torch
from safetensors.torch import save_file
from transformers import (LlamaConfig, LlamaForCausalLM, Qwen3Config, Qwen3ForCausalLM, Qwen3_5ForCausalLM,
                          Qwen3_5TextConfig)

SIZES = {"hidden_size": 32, "intermediate_size": 48, "num_hidden_layers": 2, "num_attention_heads": 4,
         "num_key_value_heads": 2, "vocab_size": 40, "max_position_embeddings": 64, "hidden_act": "silu"}
LONG = {"rope_type": "longrope", "original_max_position_embeddings": 16,
        "short_factor": [1.0, 1.03, 1.1, 1.2, 1.4, 1.5, 1.7, 2.0],
        "long_factor": [1.1, 1.3, 1.9, 2.7, 3.5, 4.0, 4.5, 5.0]}
YARN = {"rope_type": "yarn", "factor": 4.0, "original_max_position_embeddings": 16}
LLAMA3 = {"rope_type": "llama3", "factor": 8.0, "low_freq_factor": 1.0, "high_freq_factor": 4.0,
          "original_max_position_embeddings": 32}


def weights(head, seed, names_of_heads):
    """bfloat16 tensors of a decoder; sub-blocks add about as much as they are given."""
    generator = torch.Generator().manual_seed(seed)
    hidden, inner, vocab = (SIZES[key] for key in ("hidden_size", "intermediate_size", "vocab_size"))
    queries, keys = SIZES["num_attention_heads"] * head, SIZES["num_key_value_heads"] * head
    tensors = {}

    def matrix(name, rows, columns, gain=1.5):
        tensors[name + ".weight"] = torch.randn(rows, columns, generator=generator) * gain / math.sqrt(columns)

    def norm(name, count):
        tensors[name + ".weight"] = 1 + 0.25 * torch.randn(count, generator=generator)

    tensors["model.embed_tokens.weight"] = torch.randn(vocab, hidden, generator=generator)
    for layer in range(SIZES["num_hidden_layers"]):
        prefix = f"model.layers.{layer}."
        norm(prefix + "input_layernorm", hidden)
        matrix(prefix + "self_attn.q_proj", queries, hidden)
        matrix(prefix + "self_attn.k_proj", keys, hidden)
        matrix(prefix + "self_attn.v_proj", keys, hidden)
        for name in names_of_heads:
            norm(prefix + "self_attn." + name, head)
        matrix(prefix + "self_attn.o_proj", hidden, queries)
        norm(prefix + "post_attention_layernorm", hidden)
        matrix(prefix + "mlp.gate_proj", inner, hidden)
        matrix(prefix + "mlp.up_proj", inner, hidden)
        matrix(prefix + "mlp.down_proj", hidden, inner)
    norm("model.norm", hidden)
    matrix("lm_head", vocab, hidden, 2.5)
    return {name: tensor.to(torch.bfloat16) for name, tensor in tensors.items()}


DELTA = {"linear_num_key_heads": 2, "linear_num_value_heads": 4, "linear_key_head_dim": 8,
         "linear_value_head_dim": 8, "linear_conv_kernel_dim": 4}


def delta_weights(seed):
    """A Qwen3.5 of four layers, the last with attention; norms hold w for 1 + w."""
    generator = torch.Generator().manual_seed(seed)
    hidden, inner, vocab = SIZES["hidden_size"], QWEN35["intermediate_size"], SIZES["vocab_size"]
    heads, kv, head = SIZES["num_attention_heads"], SIZES["num_key_value_heads"], 16
    keys = DELTA["linear_num_key_heads"] * DELTA["linear_key_head_dim"]
    values = DELTA["linear_num_value_heads"] * DELTA["linear_value_head_dim"]
    channels = 2 * keys + values
    tensors, single = {}, {}

    def random(*shape):
        return torch.randn(*shape, generator=generator)

    def matrix(name, rows, columns, gain=1.5):
        tensors[name + ".weight"] = random(rows, columns) * gain / math.sqrt(columns)

    def norm(name, count):
        tensors[name + ".weight"] = 0.25 * random(count)

    tensors["model.embed_tokens.weight"] = random(vocab, hidden)
    for layer in range(4):
        prefix = f"model.layers.{layer}."
        norm(prefix + "input_layernorm", hidden)
        if layer == 3:
            matrix(prefix + "self_attn.q_proj", 2 * heads * head, hidden)
            matrix(prefix + "self_attn.k_proj", kv * head, hidden)
            matrix(prefix + "self_attn.v_proj", kv * head, hidden)
            norm(prefix + "self_attn.q_norm", head)
            norm(prefix + "self_attn.k_norm", head)
            matrix(prefix + "self_attn.o_proj", hidden, heads * head)
        else:
            delta = prefix + "linear_attn."
            matrix(delta + "in_proj_qkv", channels, hidden)
            matrix(delta + "in_proj_z", values, hidden)
            matrix(delta + "in_proj_b", DELTA["linear_num_value_heads"], hidden)
            matrix(delta + "in_proj_a", DELTA["linear_num_value_heads"], hidden)
            tensors[delta + "conv1d.weight"] = random(channels, 1, DELTA["linear_conv_kernel_dim"]) * 0.7
            tensors[delta + "norm.weight"] = 1 + 0.25 * random(DELTA["linear_value_head_dim"])
            matrix(delta + "out_proj", hidden, values)
            single[delta + "A_log"] = torch.log(torch.rand(DELTA["linear_num_value_heads"], generator=generator) * 2 + 0.05)
            single[delta + "dt_bias"] = random(DELTA["linear_num_value_heads"]) - 1
        norm(prefix + "post_attention_layernorm", hidden)
        matrix(prefix + "mlp.gate_proj", inner, hidden)
        matrix(prefix + "mlp.up_proj", inner, hidden)
        matrix(prefix + "mlp.down_proj", hidden, inner)
    norm("model.norm", hidden)
    matrix("lm_head", vocab, hidden, 2.5)
    return {**{name: tensor.to(torch.bfloat16) for name, tensor in tensors.items()}, **single}


def ids(count, seed):
    return np.random.default_rng(seed).integers(0, SIZES["vocab_size"], count).astype(np.int32)


def by_transformers(config, tensors, tokens):
    kind, model = {"qwen3": (Qwen3Config, Qwen3ForCausalLM), "qwen3_5_text": (Qwen3_5TextConfig, Qwen3_5ForCausalLM),
                   "llama": (LlamaConfig, LlamaForCausalLM)}[config["model_type"]]
    settings = {key: value for key, value in json.loads(json.dumps(config)).items() if key not in ("architectures", "model_type")}
    model = model._from_config(kind(**settings), attn_implementation="eager", dtype=torch.float32).eval()
    state = {name: tensor.float() for name, tensor in tensors.items()}
    if config.get("tie_word_embeddings"):
        state["lm_head.weight"] = state["model.embed_tokens.weight"]
    model.load_state_dict(state)
    states, hooks = {}, []
    for layer, block in enumerate(model.model.layers):
        for part, names in (("self_attn", ("q_norm", "k_norm")), ("linear_attn", ("in_proj_qkv", "in_proj_z", "out_proj"))):
            if layer not in (0, 3):
                continue
            for name in names:
                if hasattr(getattr(block, part, None), name):
                    hooks.append(getattr(getattr(block, part), name).register_forward_hook(
                        lambda _, __, out, name=f"block{layer}.{part}.{name}": states.__setitem__(
                            name, out.reshape(len(tokens), -1))))
    for layer, block in enumerate(model.model.layers):
        hooks.append(block.register_forward_hook(
            lambda _, __, out, layer=layer: states.__setitem__(f"block{layer}", (out[0] if isinstance(out, tuple) else out)[0])))
    with torch.no_grad():
        logits = model(torch.tensor(tokens[None].astype(np.int64)), use_cache=False).logits[0]
    return {"logits": logits, **states}


def by_numpy(config, tensors, tokens):
    """MiniCPM: embedding · scale_emb; each sub-block · scale_depth / √layers; the head's input ÷ (hidden / dim_model_base).

    Positions: frequency i is theta^(−2i/D), divided under longrope by the list of the text's length; cosines and sines
    times √(1 + ln(max / original) / ln original). Halves of a head are rotated.
    """
    w = {name: tensor.double().numpy() for name, tensor in tensors.items()}
    heads, kv, hidden = config["num_attention_heads"], config["num_key_value_heads"], config["hidden_size"]
    head, count, epsilon = hidden // heads, len(tokens), config["rms_norm_eps"]

    def norm(x, name):
        return x / np.sqrt((x * x).mean(-1, keepdims=True) + epsilon) * w[name + ".weight"]

    frequencies = config.get("rope_theta", 10000.0) ** (-np.arange(0, head, 2) / head)
    factor = 1.0
    if scaling := config.get("rope_scaling"):
        original = scaling["original_max_position_embeddings"]
        divisors = scaling["long_factor" if count > original else "short_factor"]
        frequencies = frequencies / np.array(divisors)
        factor = math.sqrt(1 + math.log(config["max_position_embeddings"] / original) / math.log(original))
    angles = np.arange(count)[:, None] * frequencies
    cos, sin = np.cos(angles)[:, None] * factor, np.sin(angles)[:, None] * factor

    def rotate(x):
        low, high = x[..., : head // 2], x[..., head // 2:]
        return np.concatenate([low * cos - high * sin, high * cos + low * sin], -1)

    mask = np.where(np.tril(np.ones((count, count))) > 0, 0, -np.inf)
    depth = config["scale_depth"] / math.sqrt(config["num_hidden_layers"])
    x = w["model.embed_tokens.weight"][tokens] * config["scale_emb"]
    states = {"embed": x}
    for layer in range(config["num_hidden_layers"]):
        prefix = f"model.layers.{layer}."
        y = norm(x, prefix + "input_layernorm")
        q = rotate((y @ w[prefix + "self_attn.q_proj.weight"].T).reshape(count, heads, head))
        k = rotate((y @ w[prefix + "self_attn.k_proj.weight"].T).reshape(count, kv, head))
        v = (y @ w[prefix + "self_attn.v_proj.weight"].T).reshape(count, kv, head)
        out = np.zeros((count, heads, head))
        for h in range(heads):
            scores = q[:, h] @ k[:, h // (heads // kv)].T / math.sqrt(head) + mask
            scores = np.exp(scores - scores.max(-1, keepdims=True))
            out[:, h] = scores / scores.sum(-1, keepdims=True) @ v[:, h // (heads // kv)]
        x = x + out.reshape(count, -1) @ w[prefix + "self_attn.o_proj.weight"].T * depth
        y = norm(x, prefix + "post_attention_layernorm")
        gate = y @ w[prefix + "mlp.gate_proj.weight"].T
        y = gate / (1 + np.exp(-gate)) * (y @ w[prefix + "mlp.up_proj.weight"].T)
        x = x + y @ w[prefix + "mlp.down_proj.weight"].T * depth
        states[f"block{layer}"] = x
    y = norm(x, "model.norm")
    states["final_norm"] = y
    table = w["model.embed_tokens.weight" if config.get("tie_word_embeddings", True) else "lm_head.weight"]
    states["logits"] = y / (hidden / config["dim_model_base"]) @ table.T
    return {name: torch.tensor(state.astype(np.float32)) for name, state in states.items()}


def config(family, head, **change):
    names = {"qwen3": "Qwen3ForCausalLM", "qwen3_5_text": "Qwen3_5ForCausalLM", "llama": "LlamaForCausalLM", "minicpm": "MiniCPMForCausalLM"}
    result = {"architectures": [names[family]], "model_type": family, **SIZES, "rms_norm_eps": 1e-6,
              "tie_word_embeddings": False, "torch_dtype": "bfloat16"}
    if family != "minicpm":
        result["head_dim"] = head
    return {**result, **change}


QWEN3 = {"rope_theta": 1000000.0, "use_sliding_window": False, "sliding_window": 4096, "max_window_layers": 1}
QWEN35 = {"num_hidden_layers": 4, "intermediate_size": 16, "max_position_embeddings": 128, **DELTA, "rope_parameters": {
    "rope_type": "default", "rope_theta": 10000.0, "partial_rotary_factor": 0.5, "mrope_section": [2, 1, 1],
    "mrope_interleaved": True}}
MINICPM = {"scale_emb": 12, "scale_depth": 1.4, "dim_model_base": 8, "rope_theta": 10000.0}
CASES = {
    # name: (weights, tokens, configuration)
    "qwen3-tied": ("qwen3", 20, config("qwen3", 16, tie_word_embeddings=True, **QWEN3)),
    "qwen3-own-head": ("qwen3", 20, config("qwen3", 16, **QWEN3)),
    "qwen3-yarn": ("qwen3", 40, config("qwen3", 16, **QWEN3, rope_scaling=YARN)),
    "qwen3-yarn-5x": ("qwen3", 40, config("qwen3", 16, layer_types=["full_attention"] * 2, rope_parameters={
        **YARN, "rope_theta": 10000.0, "attention_factor": 1.2, "beta_fast": 8.0, "beta_slow": 2.0, "truncate": False})),
    "llama-longrope-short": ("llama", 16, config("llama", 16, rope_theta=10000.0, rope_scaling=LONG)),
    "llama-longrope-long": ("llama", 17, config("llama", 16, rope_theta=10000.0, rope_scaling=LONG)),
    "llama-linear": ("llama", 20, config("llama", 16, rope_theta=10000.0, rope_scaling={"type": "linear", "factor": 3.0})),
    "llama-llama3": ("llama", 40, config("llama", 16, rope_theta=10000.0, rope_scaling=LLAMA3)),
    "llama-yarn": ("llama", 40, config("llama", 16, rope_theta=10000.0, rope_scaling=YARN)),
    "minicpm": ("minicpm", 20, config("minicpm", 8, **MINICPM)),
    "minicpm-tied": ("minicpm", 20, {
        key: value for key, value in config("minicpm", 8, **MINICPM).items() if key != "tie_word_embeddings"}),
    "minicpm-longrope-short": ("minicpm", 16, config("minicpm", 8, **MINICPM, rope_scaling={
        **LONG, "short_factor": LONG["short_factor"][::2], "long_factor": LONG["long_factor"][::2]})),
    "minicpm-longrope-long": ("minicpm", 40, config("minicpm", 8, **MINICPM, rope_scaling={
        **LONG, "short_factor": LONG["short_factor"][::2], "long_factor": LONG["long_factor"][::2]})),
    "qwen35": ("qwen35", 20, config("qwen3_5_text", 16, **{**QWEN35, "full_attention_interval": 4})),
    # More tokens than transformers' code for delta nets takes in one go, and its defaults for what is not said.
    "qwen35-tied": ("qwen35", 70, config("qwen3_5_text", 16, **{
        **QWEN35, "tie_word_embeddings": True, "rope_parameters": {"rope_type": "default", "rope_theta": 100000.0}})),
}


def main(folder):
    models = {"qwen3": weights(16, 3, ["q_norm", "k_norm"]), "llama": weights(16, 4, []), "minicpm": weights(8, 5, []),
              "qwen35": delta_weights(6)}
    for name, tensors in models.items():
        save_file(tensors, os.path.join(folder, name + ".safetensors"), metadata={"format": "pt"})
    reference = {}
    for number, (name, (family, count, settings)) in enumerate(CASES.items()):
        tokens = ids(count, number)
        compute = by_numpy if family == "minicpm" else by_transformers
        reference[name + "/ids"] = torch.tensor(tokens)
        for state, values in compute(settings, models[family], tokens).items():
            if state != "logits" and name not in ("qwen3-own-head", "minicpm", "qwen35"):
                continue
            reference[f"{name}/{state}"] = values.float().contiguous()
    save_file(reference, os.path.join(folder, "reference.safetensors"))
    with open(os.path.join(folder, "cases.json"), "w") as file:
        cases = {name: {"weights": family, "config": settings} for name, (family, _, settings) in CASES.items()}
        json.dump(cases, file, indent=1)
        file.write("\n")


main(sys.argv[1])
