"""Tries settings of config.json on the way to mlx-lm: written so that mlx-lm computes the model, or refused.

    python check_mlx_settings.py TRITSMITH FIXTURES

Every case changes the config.json of a checkpoint in FIXTURES (the folder `Fixtures/Checkpoints`), or of a small Qwen3 made here of
random trits, and converts it with `--to mlx`.
What is written must pass `verify`, load in mlx-lm on the CPU and give, in float32, the logits that tritsmith computes: of the source
where that takes inputs as they are, of the output where the source rounds them. What is refused must name the key.

Needs: pip install "mlx[cpu]" mlx-lm safetensors numpy
"""
import json
import os
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

import mlx.core as mx
import numpy
from mlx.utils import tree_map
from mlx_lm.utils import load_model
from safetensors.numpy import load_file, save_file

TOLERANCE = 2e-4
IDS = [1, 300, 301, 17, 905, 42, 42, 7, 1999, 64, 3, 800]
ABSENT = object()

FALCON, QWEN3 = "falcon-e-tiny/bitnet", "qwen3"
YARN = {"rope_type": "yarn", "factor": 4.0, "original_max_position_embeddings": 128}
LLAMA3 = {"rope_type": "llama3", "factor": 8.0, "low_freq_factor": 1.0, "high_freq_factor": 4.0,
          "original_max_position_embeddings": 32}
LONG = [1 + i / 64 for i in range(64)]
MINICPM = {"architectures": ["MiniCPMForCausalLM"], "model_type": "minicpm", "attention_bias": ABSENT, "mlp_bias": ABSENT}
QUANTIZATION = {"quant_method": "bitnet", "modules_to_not_convert": ["lm_head"]}


def rotary(keys):
    return {"rope_scaling": keys}


WRITTEN = [
    ("Llama as shipped", FALCON, {}),
    ("shards and rope_parameters alone", "falcon-e-tiny/prequantized-sharded", {}),
    ("tie_word_embeddings absent", FALCON, {"tie_word_embeddings": ABSENT}),
    ("rms_norm_eps absent", FALCON, {"rms_norm_eps": ABSENT}),
    ("rope_theta absent", FALCON, {"rope_theta": ABSENT}),
    ("head_dim null", FALCON, {"head_dim": None}),
    ("max_position_embeddings absent", FALCON, {"max_position_embeddings": ABSENT}),
    ("linear, by rope_parameters", FALCON,
     {"rope_scaling": ABSENT, "rope_theta": ABSENT,
      "rope_parameters": {"rope_type": "linear", "factor": 3.0, "rope_theta": 5000.0}}),
    ("rope_type and type of two values", FALCON, rotary({"rope_type": "linear", "type": "yarn", "factor": 2.0})),
    ("llama3", FALCON, rotary(LLAMA3)),
    ("yarn", FALCON, rotary(YARN)),
    ("yarn, attention_factor", FALCON, rotary(dict(YARN, attention_factor=1.5))),
    ("yarn, attention_factor below 1", FALCON, rotary(dict(YARN, attention_factor=0.95))),
    ("yarn, mscale and mscale_all_dim", FALCON, rotary(dict(YARN, mscale=0.7, mscale_all_dim=0.4))),
    ("yarn, mscale alone", FALCON, rotary(dict(YARN, mscale=0.7))),
    ("yarn, beta_fast and beta_slow", FALCON, rotary(dict(YARN, beta_fast=16.0, beta_slow=2.0))),
    ("Qwen3 as shipped", QWEN3, {}),
    ("Qwen3, rope_theta absent", QWEN3, {"rope_theta": ABSENT}),
    ("Qwen3, head_dim absent", QWEN3, {"head_dim": ABSENT}),
    ("Qwen3, yarn without its context", QWEN3, rotary({"rope_type": "yarn", "factor": 4.0})),
    ("Qwen3, longrope of one list", QWEN3,
     rotary({"rope_type": "longrope", "short_factor": LONG, "long_factor": LONG, "original_max_position_embeddings": 128})),
    ("MiniCPM", FALCON, dict(MINICPM, scale_emb=12, scale_depth=1.4, dim_model_base=64)),
    ("MiniCPM without its multipliers", FALCON, MINICPM),
]

REFUSED = [
    ("hidden_act relu2", FALCON, {"hidden_act": "relu2"}, "hidden_act"),
    ("yarn, not truncated", FALCON, rotary(dict(YARN, truncate=False)), "rope_scaling"),
    ("yarn, attention_factor too small", FALCON, rotary(dict(YARN, attention_factor=0.5)), "rope_scaling"),
    ("dynamic", FALCON, rotary({"rope_type": "dynamic", "factor": 2.0}), "rope_scaling"),
    ("longrope of two lists", QWEN3,
     rotary({"rope_type": "longrope", "short_factor": LONG, "long_factor": [2 * v for v in LONG],
             "original_max_position_embeddings": 128}), "rope_scaling"),
    ("longrope, attention_factor", QWEN3,
     rotary({"rope_type": "longrope", "short_factor": LONG, "long_factor": LONG, "attention_factor": 1.3,
             "original_max_position_embeddings": 128}), "rope_scaling"),
    ("a norm before projections", FALCON, {"quantization_config": dict(QUANTIZATION, use_rms_norm=True)}, "use_rms_norm"),
    ("rope_traditional", FALCON, {"rope_traditional": True}, "rope_traditional"),
    ("settings of MLX beside BitNet's", FALCON, {"quantization": {"bits": 2, "group_size": 64}}, "quantization"),
    ("MiniCPM, tied", FALCON, dict(MINICPM, tie_word_embeddings=True), "tie_word_embeddings"),
    ("BitNet", "bitnet-b158-tiny/packed", {}, "architectures"),
]


def changed(base, keys, folder):
    shutil.rmtree(folder, ignore_errors=True)
    shutil.copytree(base, folder)
    path = os.path.join(folder, "config.json")
    with open(path) as file:
        configuration = json.load(file)
    for key, value in keys.items():
        if value is ABSENT:
            configuration.pop(key, None)
        else:
            configuration[key] = value
    with open(path, "w") as file:
        json.dump(configuration, file, indent=2)
    return folder


def make_qwen3(folder):
    """A ternary Qwen3 of two layers, a scale for every 128 weights, in F16."""
    random = numpy.random.default_rng(7)
    hidden, inner, heads, groups, width, vocabulary = 256, 256, 4, 2, 128, 2048

    def matrix(rows, columns):
        scales = random.uniform(0.02, 0.08, (rows, columns // 128, 1)).astype(numpy.float16)
        return (random.integers(-1, 2, (rows, columns // 128, 128)) * scales).astype(numpy.float16).reshape(rows, columns)

    def norm(size):
        return random.uniform(0.8, 1.2, size).astype(numpy.float16)

    tensors = {"model.embed_tokens.weight": matrix(vocabulary, hidden), "model.norm.weight": norm(hidden)}
    for layer in range(2):
        prefix = "model.layers.%d." % layer
        for name, rows, columns in [
                ("self_attn.q_proj", heads * width, hidden), ("self_attn.k_proj", groups * width, hidden),
                ("self_attn.v_proj", groups * width, hidden), ("self_attn.o_proj", hidden, heads * width),
                ("mlp.gate_proj", inner, hidden), ("mlp.up_proj", inner, hidden), ("mlp.down_proj", hidden, inner)]:
            tensors[prefix + name + ".weight"] = matrix(rows, columns)
        for name, size in [("input_layernorm", hidden), ("post_attention_layernorm", hidden),
                           ("self_attn.q_norm", width), ("self_attn.k_norm", width)]:
            tensors[prefix + name + ".weight"] = norm(size)
    os.makedirs(folder)
    save_file(tensors, os.path.join(folder, "model.safetensors"), {"format": "pt"})
    configuration = {
        "architectures": ["Qwen3ForCausalLM"], "model_type": "qwen3", "hidden_size": hidden, "intermediate_size": inner,
        "num_hidden_layers": 2, "num_attention_heads": heads, "num_key_value_heads": groups, "head_dim": width,
        "vocab_size": vocabulary, "max_position_embeddings": 512, "rms_norm_eps": 1e-6, "rope_theta": 1000000,
        "tie_word_embeddings": True, "hidden_act": "silu", "attention_bias": False, "torch_dtype": "float16",
        "bos_token_id": 1, "eos_token_id": 2}
    with open(os.path.join(folder, "config.json"), "w") as file:
        json.dump(configuration, file)
    return folder


def with_biases(folder):
    """Gives every attention projection of a Qwen3 a bias."""
    path = os.path.join(folder, "model.safetensors")
    tensors = load_file(path)
    for name in [name for name in tensors if ".self_attn." in name and name.endswith("_proj.weight")]:
        tensors[name[:-len("weight")] + "bias"] = numpy.full(tensors[name].shape[0], 0.25, tensors[name].dtype)
    save_file(tensors, path, {"format": "pt"})


def run(*arguments):
    return subprocess.run([tritsmith, *arguments], capture_output=True, text=True)


def ours(folder, scratch):
    path = os.path.join(scratch, "logits.safetensors")
    if os.path.exists(path):
        os.remove(path)
    done = run("logits", folder, "--ids", " ".join(map(str, IDS)), "--output", path)
    if done.returncode != 0:
        raise RuntimeError(done.stderr)
    return load_file(path)["prompt0.logits"]


def theirs(folder):
    model, _ = load_model(Path(folder))
    model.update(tree_map(lambda x: x.astype(mx.float32) if mx.issubdtype(x.dtype, mx.floating) else x, model.parameters()))
    return numpy.array(model(mx.array([IDS]))[0])


def written(base, keys, scratch):
    folder = qwen3 if base == QWEN3 else os.path.join(fixtures, base)
    source, output = changed(folder, keys, os.path.join(scratch, "source")), os.path.join(scratch, "out")
    shutil.rmtree(output, ignore_errors=True)
    for command in [("convert", source, output, "--to", "mlx"), ("verify", source, output)]:
        done = run(*command)
        if done.returncode != 0:
            return command[0] + ": " + (done.stderr or done.stdout)
    wanted = ours(source if base == QWEN3 else output, scratch)
    difference = float(numpy.abs(theirs(output) - wanted).max())
    print("  largest difference %.3g" % difference)
    return None if difference <= TOLERANCE else "logits differ by %g" % difference


def refused(base, keys, field, scratch, prepare=None):
    folder = qwen3 if base == QWEN3 else os.path.join(fixtures, base)
    source, output = changed(folder, keys, os.path.join(scratch, "source")), os.path.join(scratch, "out")
    shutil.rmtree(output, ignore_errors=True)
    if prepare:
        prepare(source)
    done = run("convert", source, output, "--to", "mlx")
    if done.returncode == 0 or os.path.exists(output):
        return "it was written"
    return None if field in done.stderr else done.stderr


tritsmith, fixtures = sys.argv[1:3]
mx.set_default_device(mx.cpu)
failures = 0
with tempfile.TemporaryDirectory() as scratch:
    qwen3 = make_qwen3(os.path.join(scratch, "qwen3"))
    results = [(name, lambda base=base, keys=keys: written(base, keys, scratch)) for name, base, keys in WRITTEN]
    results += [(name + ": refused", lambda base=base, keys=keys, field=field: refused(base, keys, field, scratch))
                for name, base, keys, field in REFUSED]
    results.append(("Qwen3 with biases: refused",
                    lambda: refused(QWEN3, {"attention_bias": True}, "attention_bias", scratch, with_biases)))
    for name, check in results:
        print(name)
        try:
            problem = check()
        except Exception as error:
            problem = "%s: %s" % (type(error).__name__, error)
        if problem:
            failures += 1
            print("  FAIL " + problem.strip())
print("%d cases, %d failed" % (len(results), failures))
sys.exit(1 if failures else 0)
