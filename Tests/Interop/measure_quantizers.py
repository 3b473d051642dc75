"""The table of Docs/Quantizers.md: what each quantizer does to an ordinary model.

    python3 Tests/Interop/measure_quantizers.py TRITSMITH MODEL CALIBRATION_TEXT HELD_OUT_TEXT [QUANTIZER...]

Every quantizer writes a TritPack file and a dense folder. Needs torch and transformers, which run the dense results; the
TritPack perplexity is tritsmith's own. Protocol: pieces of 255 tokens, each after BOS, every token scored.

    SQNR         10 log10(sum w^2 / sum (w - q)^2) over all projections
    output SQNR  the same for the projections' outputs, on the original model's inputs over the held-out text
    KL           mean over tokens of KL(original || quantized), nats
    bits         of codes and scales in TritPack, a weight of the projections
    seconds      of the conversion to TritPack with its audit
"""

import json
import math
import subprocess
import sys
import tempfile
from pathlib import Path

import torch
from transformers import AutoModelForCausalLM, AutoTokenizer

WINDOW = 256
DEFAULT = ["absmean-bf16", "absmean-lsq", "optimal-tensor", "optimal-row", "optimal-group128", "gptq-tensor", "gptq-row",
           "gptq-group128", "two-plane-group128"]


def run(*arguments):
    result = subprocess.run([str(a) for a in arguments] + ["--quiet", "--format", "json"], check=True,
                            capture_output=True, text=True)
    return json.loads(result.stdout)


def find(value, key):
    """The first number under a key, anywhere in a report."""
    for name, inner in value.items():
        if name == key and isinstance(inner, (int, float)):
            return inner
        if isinstance(inner, dict) and (found := find(inner, key)) is not None:
            return found
    return None


@torch.no_grad()
def log_probabilities(model, pieces):
    return [torch.log_softmax(model(torch.tensor([p])).logits[0, :-1].double(), dim=-1) for p in pieces]


def main():
    tool, path, calibration, text = sys.argv[1:5]
    model = AutoModelForCausalLM.from_pretrained(path, dtype=torch.float32)
    tokenizer = AutoTokenizer.from_pretrained(path)
    ids = tokenizer(Path(text).read_text(), add_special_tokens=False).input_ids
    pieces = [[tokenizer.bos_token_id] + ids[s : s + WINDOW - 1] for s in range(0, len(ids), WINDOW - 1)]

    h, hooks = {}, []
    for name, module in model.named_modules():
        if name.endswith("_proj"):
            def hook(module, args, output, name=name):
                x = args[0].reshape(-1, args[0].shape[-1]).double()
                h[name] = h.get(name, 0) + x.T @ x
            hooks.append(module.register_forward_hook(hook))
    original = log_probabilities(model, pieces)
    for hook in hooks:
        hook.remove()

    def perplexity(predictions):
        scores = [-p[range(len(piece) - 1), piece[1:]] for p, piece in zip(predictions, pieces)]
        return math.exp(torch.cat(scores).mean().item())

    weights = {name: module.weight.double() for name, module in model.named_modules() if name in h}
    count = sum(w.numel() for w in weights.values())
    print(f"original: perplexity {perplexity(original):.3f}, {len(ids)} tokens, {count} weights in projections")
    print("| quantizer | weight SQNR, dB | output SQNR, dB | mean KL | perplexity, dense | perplexity, TritPack | bits | "
          "TritPack bytes | seconds |\n|---|--:|--:|--:|--:|--:|--:|--:|--:|")
    for quantizer in sys.argv[5:] or DEFAULT:
        options = ["--quantizer", quantizer] + (["--calibration", calibration] if quantizer.startswith("gptq") else [])
        with tempfile.TemporaryDirectory() as folder:
            packed, dense = Path(folder) / "m.tritpack", Path(folder) / "dense"
            report = run(tool, "convert", path, packed, "--to", "tritpack", *options)
            run(tool, "convert", path, dense, "--to", "dense", *options)
            plan = run(tool, "convert", path, Path(folder) / "none", "--to", "tritpack", "--dry-run", *options)
            bits = 8 * sum(t["output_bytes"] for t in plan["tensors"] if t["role"] == "projection") / count
            ours = find(run(tool, "perplexity", packed, "--text-file", text), "perplexity")
            other = AutoModelForCausalLM.from_pretrained(dense, dtype=torch.float32)
            size = packed.stat().st_size
        noise = signal = output_noise = output_signal = 0.0
        for name, module in other.named_modules():
            if name in h:
                w, d = weights[name], weights[name] - module.weight.double()
                noise += (d * d).sum().item()
                signal += (w * w).sum().item()
                output_noise += ((d @ h[name]) * d).sum().item()
                output_signal += ((w @ h[name]) * w).sum().item()
        found = log_probabilities(other, pieces)
        kl = torch.cat([(p.exp() * (p - q)).sum(-1) for p, q in zip(original, found)]).mean().item()
        print(f"| `{quantizer}` | {10 * math.log10(signal / noise):.2f} | "
              f"{10 * math.log10(output_signal / output_noise):.2f} | {kl:.3f} | {perplexity(found):.1f} | {ours:.1f} | "
              f"{bits:.2f} | {size:,} | {find(report, 'seconds'):.1f} |", flush=True)


if __name__ == "__main__":
    main()
