"""Makes a fine-tune of a tiny Falcon-E style checkpoint, trained as such models are, to have a realistic pair for `tritsmith diff`.

    make_fine_tune.py PREQUANTIZED TEXT OUT [--steps 60] [--rate 2e-4] [--seed 1]

PREQUANTIZED is a folder with latent bfloat16 weights (Fixtures/Checkpoints/falcon-e-tiny/prequantized), TEXT any text.
Every projection is trained through the straight-through estimator: weights are quantized by absmean in bfloat16 steps,
activations to int8 a token, gradients pass as if neither had happened. Norms, embeddings and head are trained along.
The result is latent again; `tritsmith convert OUT PACKED --to hf-packed` packs it as it packed the base.
"""

import argparse
import json
import pathlib
import shutil

import torch
import torch.nn.functional as F
from safetensors.torch import load_file, save_file
from transformers import AutoTokenizer, LlamaForCausalLM


class Quantized(torch.nn.Linear):
    """A linear layer that sees ternary weights and int8 activations, and learns latent ones."""

    def forward(self, x):
        w = self.weight
        scale = 1 / w.detach().abs().mean().clamp_(min=1e-5)
        w = w + ((w * scale).round().clamp(-1, 1) / scale - w).detach()
        s = 127 / x.detach().abs().amax(-1, keepdim=True).clamp_(min=1e-5)
        x = x + ((x * s).round().clamp(-128, 127) / s - x).detach()
        return F.linear(x, w, self.bias)


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("base", type=pathlib.Path)
    parser.add_argument("text", type=pathlib.Path)
    parser.add_argument("out", type=pathlib.Path)
    parser.add_argument("--steps", type=int, default=60)
    parser.add_argument("--rate", type=float, default=2e-4)
    parser.add_argument("--seed", type=int, default=1)
    options = parser.parse_args()
    torch.manual_seed(options.seed)
    torch.set_num_threads(2)
    model = LlamaForCausalLM.from_pretrained(options.base, dtype=torch.float32)
    for layer in model.model.layers:
        for module in (layer.self_attn, layer.mlp):
            for child in module.children():
                if isinstance(child, torch.nn.Linear):
                    child.__class__ = Quantized
    tokenizer = AutoTokenizer.from_pretrained(options.base)
    ids = torch.tensor(tokenizer(options.text.read_text())["input_ids"])
    optimizer = torch.optim.AdamW(model.parameters(), lr=options.rate, weight_decay=0.0)
    losses = []
    for _ in range(options.steps):
        starts = torch.randint(0, len(ids) - 128, (4,))
        batch = torch.stack([ids[s : s + 128] for s in starts])
        loss = model(batch, labels=batch).loss
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        losses.append(loss.item())
    print(f"loss {losses[0]:.3f} → {sum(losses[-5:]) / 5:.3f}")
    # Files beside the weights, names and order of tensors stay the base's.
    shutil.copytree(options.base, options.out, dirs_exist_ok=True)
    state = model.state_dict()
    tensors = {name: state[name].to(value.dtype).contiguous() for name, value in load_file(options.base / "model.safetensors").items()}
    save_file(tensors, options.out / "model.safetensors", metadata={"format": "pt"})
    print(json.dumps({"steps": options.steps, "rate": options.rate, "tensors": len(tensors)}))


if __name__ == "__main__":
    main()
