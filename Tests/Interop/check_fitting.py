"""Converts an ordinary model with every quantizer and compares with numpy.

    python3 Tests/Interop/check_fitting.py TRITSMITH MODEL TEXT

Needs torch and transformers, for the inputs of the projections. `absmean-lsq` and `optimal-*` must agree in every weight.
`gptq-*` adds up thousands of float32 products in another order and is then as good or bad as a chain of roundings is: at
least 97 % of the weights must be equal, and the squared error of the outputs over the text within 2 % of numpy's.
`two-plane-group128` must have less than half the error of `optimal-group128` in every matrix (it has a tenth).
"""

import subprocess
import sys
import tempfile
from pathlib import Path

import numpy as np
import torch
from fitting_numpy import EXACT, gptq
from safetensors.torch import load_file
from transformers import AutoModelForCausalLM, AutoTokenizer

TOKENS, WINDOW = 2048, 256


def inputs(path, text):
    """Sum of x x^T over the inputs of every projection, float64."""
    model = AutoModelForCausalLM.from_pretrained(path, dtype=torch.float32)
    tokenizer = AutoTokenizer.from_pretrained(path)
    ids = tokenizer(Path(text).read_text(), add_special_tokens=False).input_ids[:TOKENS]
    sums, hooks = {}, []
    for name, module in model.named_modules():
        if name.endswith("_proj"):
            def hook(module, args, output, name=name):
                x = args[0].reshape(-1, args[0].shape[-1]).double()
                sums[name + ".weight"] = sums.get(name + ".weight", 0) + (x.T @ x).numpy()
            hooks.append(module.register_forward_hook(hook))
    with torch.no_grad():
        for start in range(0, len(ids), WINDOW - 1):
            model(torch.tensor([[tokenizer.bos_token_id] + ids[start : start + WINDOW - 1]]))
    return sums


def main():
    tool, path, text = sys.argv[1:4]
    source = {k: v.float().numpy() for k, v in load_file(Path(path) / "model.safetensors").items()}
    projections = [name for name in source if name.endswith("_proj.weight")]
    failures = 0

    def converted(quantizer, *options):
        with tempfile.TemporaryDirectory() as folder:
            out = Path(folder) / "out"
            subprocess.run([tool, "convert", path, out, "--to", "dense", "--quantizer", quantizer, "--quiet", *options],
                           check=True, stdout=subprocess.DEVNULL)
            return {k: v.float().numpy() for k, v in load_file(out / "model.safetensors").items()}

    def say(name, good, detail):
        nonlocal failures
        failures += not good
        print(f"{name}: {detail}" + ("" if good else "  FAILED"), flush=True)

    for name, function in EXACT.items():
        found = converted(name)
        wrong = sum(int((found[p] != function(source[p])).sum()) for p in projections)
        say(name, wrong == 0, f"{wrong} weights differ")

    groups, planes = converted("optimal-group128"), converted("two-plane-group128")
    shares = [float(((planes[p] - source[p]) ** 2).sum() / ((groups[p] - source[p]) ** 2).sum()) for p in projections]
    say("two-plane-group128", max(shares) < 0.5, f"error {min(shares):.3f} to {max(shares):.3f} of one plane's")

    h = inputs(path, text)
    for granularity in ["tensor", "row", "group128"]:
        found = converted("gptq-" + granularity, "--calibration", text, "--calibration-tokens", str(TOKENS))
        equal, ratios = [], []
        for p in projections:
            mine = gptq(source[p], h[p], granularity)
            equal.append(float((np.sign(mine) == np.sign(found[p])).mean()))
            a, b = found[p] - source[p], mine - source[p]
            ratios.append(float(np.einsum("ij,jk,ik", a, h[p], a) / np.einsum("ij,jk,ik", b, h[p], b)))
        good = min(equal) >= 0.97 and 0.98 <= min(ratios) and max(ratios) <= 1.02
        say("gptq-" + granularity, good,
            f"equal {min(equal):.4f} at least, output error {min(ratios):.4f} to {max(ratios):.4f} of numpy's")
    sys.exit(1 if failures else 0)


if __name__ == "__main__":
    main()
