"""Golden vectors of rotary embeddings: make_rope.py OUTDIR

Inverse frequencies, and cosines and sines at some positions, as transformers' LlamaRotaryEmbedding computes them in
float32 on a CPU. Written for transformers 5.23, torch 2.13, safetensors 0.8.
"""

import json
import sys

import torch
import transformers
from safetensors.torch import save_file
from transformers import LlamaConfig
from transformers.models.llama.modeling_llama import LlamaRotaryEmbedding

LLAMA3 = {"rope_type": "llama3", "factor": 8.0, "low_freq_factor": 1.0, "high_freq_factor": 4.0,
          "original_max_position_embeddings": 8192}
YARN = {"rope_type": "yarn", "factor": 4.0, "original_max_position_embeddings": 4096}
LONGROPE = {"rope_type": "longrope", "short_factor": [1.0, 1.02, 1.05, 1.1, 1.25, 1.4, 1.9, 2.3],
            "long_factor": [1.01, 1.1, 1.6, 2.9, 7.25, 16.5, 31.0, 48.0]}
CASES = {
    # name: (head_dim, the keys a configuration has)
    "default_64_10000": (64, {"rope_theta": 10000.0}),
    "falcon_e_128": (128, {"rope_theta": 1000042.0}),
    "default_5x_128": (128, {"rope_parameters": {"rope_type": "default", "rope_theta": 500000.0}}),
    "linear_64": (64, {"rope_theta": 10000.0, "rope_scaling": {"type": "linear", "factor": 4.0}}),
    "linear_5x_64": (64, {"rope_parameters": {"rope_type": "linear", "factor": 2.5, "rope_theta": 10000.0}}),
    "llama3_1_128": (128, {"rope_theta": 500000.0, "rope_scaling": LLAMA3}),
    "llama3_2_64": (64, {"rope_theta": 500000.0, "rope_scaling": {**LLAMA3, "factor": 32.0}}),
    "llama3_5x_128": (128, {"rope_parameters": {**LLAMA3, "rope_theta": 500000.0}}),
    "llama3_small_32": (32, {"rope_theta": 10000.0, "rope_scaling": {
        "rope_type": "llama3", "factor": 4.0, "low_freq_factor": 1.0, "high_freq_factor": 2.0,
        "original_max_position_embeddings": 256}}),
    # Ternary-Bonsai 8B.
    "yarn_bonsai_128": (128, {"rope_theta": 1000000, "rope_scaling": {**YARN, "original_max_position_embeddings": 16384}}),
    "yarn_older_64": (64, {"rope_theta": 10000.0, "rope_scaling": {
        "type": "yarn", "factor": 2.5, "original_max_position_embeddings": 2048}}),
    "yarn_5x_64": (64, {"rope_parameters": {
        **YARN, "rope_theta": 500000.0, "attention_factor": 1.25, "beta_fast": 24.0, "beta_slow": 2.0, "truncate": False}}),
    "yarn_mscale_64": (64, {"rope_parameters": {
        **YARN, "factor": 40.0, "rope_theta": 10000.0, "mscale": 1.0, "mscale_all_dim": 0.707}}),
    # A blend without width, and an original context given beside the settings.
    "yarn_step_8": (8, {"rope_theta": 1e12, "original_max_position_embeddings": 6, "rope_scaling": {
        "rope_type": "yarn", "factor": 8.0}}),
    "longrope_long_16": (16, {"rope_theta": 10000.0, "rope_scaling": {
        **LONGROPE, "original_max_position_embeddings": 4096}}),
    # The longest position below is within the original context.
    "longrope_short_16": (16, {"rope_parameters": {
        **LONGROPE, "rope_theta": 10000.0, "original_max_position_embeddings": 120000, "factor": 1.5}}),
    "longrope_attention_16": (16, {"rope_theta": 10000.0, "original_max_position_embeddings": 8192, "rope_scaling": {
        **LONGROPE, "attention_factor": 1.5}}),
}
POSITIONS = [0, 1, 2, 17, 255, 1000, 8191, 100000]


def main(folder):
    tensors, keys = {"positions": torch.tensor(POSITIONS, dtype=torch.int32)}, {}
    for name, (head, extra) in CASES.items():
        config = LlamaConfig(hidden_size=4 * head, num_attention_heads=4, head_dim=head,
                             max_position_embeddings=131072, **json.loads(json.dumps(extra)))
        rotary = LlamaRotaryEmbedding(config)
        cosines, sines = rotary(torch.zeros(1, 1, 1, dtype=torch.float32), torch.tensor([POSITIONS]))
        tensors[name + ".inv_freq"] = rotary.inv_freq.to(torch.float32).clone()
        # The second half of a row repeats the first.
        tensors[name + ".cos"] = cosines[0, :, : head // 2].contiguous()
        tensors[name + ".sin"] = sines[0, :, : head // 2].contiguous()
        keys[name] = {"head_dim": head, **extra}
    metadata = {"transformers": transformers.__version__, "torch": torch.__version__}
    save_file(tensors, f"{folder}/rope.safetensors", metadata=metadata)
    with open(f"{folder}/rope.json", "w") as file:
        json.dump(keys, file, indent=1)
        file.write("\n")


main(sys.argv[1])
