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
