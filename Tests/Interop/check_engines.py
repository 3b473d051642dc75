#!/usr/bin/env python3
"""Runs engines of the llama.cpp kind on every GGUF tritsmith writes, and holds what happens to what `Loads in` says.

ENGINE is NAME=PROGRAM: the name as `Loads in` spells it, and that engine's own `llama-perplexity`, for example

    --engine bitnet.cpp=bitnet/build/bin/llama-perplexity --engine ik_llama.cpp=ik/build/bin/llama-perplexity

The fixtures of three families are converted to every layout, order of I2_S and type of embeddings. Of 1bitLLM's family
there is no fixture: bitnet-b158-tiny's latents under that family's names, with its activation, are a model as well.

Each engine computes the perplexity of the family's text: windows of 256 tokens, second halves scored, which is what
llama-perplexity does. What is right is computed here from logits of `tritsmith logits` in reference arithmetic (which
transformers' logits are compared with elsewhere) and from ids of the tokenizers package; so another way to split the
text shows as well. Where embeddings are rounded these are logits of the rounded file.

  loads      the engine ends well, and its perplexity is at most 0.5 % from the right one. Engines round activations
             in ways of their own, which made at most 0.2 % here; a wrong order of codes makes thousands. This tells a
             model from another one; small errors are what check_llama_cpp.py is for.
  refuses    the engine ends with an error.
  misreads   it ends well with another perplexity.

A file that `tritsmith convert` says an engine loads must load, one that it does not say so of must not. The rows are
printed as a Markdown table. Exit status: 0 when all agree, 1 otherwise.
"""

import argparse
import json
import re
import shutil
import signal
import struct
import subprocess
import sys
import tempfile
from pathlib import Path

import numpy as np
from safetensors.numpy import load_file

WINDOW = 256
BOUND = 0.005
CHECKPOINTS = Path(__file__).resolve().parents[2] / "Fixtures" / "Checkpoints"
# Layout, order of I2_S, type of embeddings; None is the default.
FORMS = [("TQ1_0", None, None), ("TQ2_0", None, None), ("I2_S", "group128", None), ("I2_S", "group64", None),
         ("I2_S", "rows4", None), ("BF16", None, None), ("F16", None, None), ("F32", None, None)]
FORMS += [(layout, None, kind) for layout in ("TQ2_0", "I2_S") for kind in ("f16", "f32", "q8_0", "q6_k")]


def one_bit(source, folder):
    """bitnet-b1.58 as 1bitLLM's class spells it: other names of sub-norms, SiLU."""
    shutil.copytree(source, folder)
    data = (source / "model.safetensors").read_bytes()
    size = struct.unpack("<Q", data[:8])[0]
    header = data[8:8 + size].decode()
    header = header.replace("self_attn.attn_sub_norm", "self_attn.inner_attn_ln")
    header = header.replace("mlp.ffn_sub_norm", "mlp.ffn_layernorm").encode()
    header += b" " * (-len(header) % 8)
    (folder / "model.safetensors").write_bytes(struct.pack("<Q", len(header)) + header + data[8 + size:])
    config = json.loads((source / "config.json").read_text())
    config.update(architectures=["BitnetForCausalLM"], model_type="llama", hidden_act="silu")
    config.pop("quantization_config", None)
    (folder / "config.json").write_text(json.dumps(config))
    return folder


def right_perplexity(tritsmith, model, reference, out):
    ids = load_file(reference / "perplexity_ids.safetensors")
    ids = [int(i) for i in next(iter(ids.values())).reshape(-1)]
    case = next(c for c in json.loads((reference / "tokenizer_cases.json").read_text()) if c["ids"])
    bos = case["ids_with_special"][0] if case["ids_with_special"][0] != case["ids"][0] else None
    if bos is not None:
        ids = [bos] + ids
    windows = [ids[i:i + WINDOW] for i in range(0, len(ids) - WINDOW + 1, WINDOW)]
    if bos is not None:
        windows = [[bos] + window[1:] for window in windows]
    listing, logits = out / "windows.txt", out / "windows.safetensors"
    listing.write_text("".join(" ".join(map(str, window)) + "\n" for window in windows))
    subprocess.run([tritsmith, "logits", model, "--ids-file", listing, "-o", logits, "--force", "--quiet"], check=True,
                   stdout=subprocess.DEVNULL)
    computed, total, count = load_file(logits), 0.0, 0
    for index, window in enumerate(windows):
        x = computed[f"prompt{index}.logits"][WINDOW // 2:-1].astype(np.float64)
        x -= x.max(-1, keepdims=True)
        nll = np.log(np.exp(x).sum(-1)) - x[np.arange(len(x)), window[WINDOW // 2 + 1:]]
        total, count = total + nll.sum(), count + len(nll)
    return float(np.exp(total / count))


def run(program, file, text):
    """The perplexity an engine finds, or its last words."""
    result = subprocess.run([program, "-m", file, "-f", text, "-c", str(WINDOW), "-t", "2"], timeout=600,
                            stdout=subprocess.PIPE, stderr=subprocess.STDOUT, errors="replace", text=True)
    found = re.search(r"Final estimate: PPL(?: over \d+ chunks for n_ctx=\d+)? = (\S+)", result.stdout)
    if result.returncode == 0 and found:
        return float(found.group(1)), ""
    windows = re.findall(r"\[\d+\](\d+\.\d+)", result.stdout)
    if result.returncode == 0 and windows:  # Without an estimate when every window has the same perplexity.
        return float(windows[-1]), ""
    words = [line for line in result.stdout.splitlines()
             if re.search(r"error|unknown|invalid|assert|failed|unsupported", line, re.I)
             and not re.search(r"rope_finetuned|build", line)]
    end = signal.strsignal(-result.returncode) if result.returncode < 0 else f"exit {result.returncode}"
    return None, re.sub(r"^\S*/", "", words[0].strip() if words else end)[:120]


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("tritsmith", metavar="TRITSMITH")
    parser.add_argument("--engine", metavar="NAME=PROGRAM", action="append", required=True)
    options = parser.parse_args()
    engines = [engine.split("=", 1) for engine in options.engine]
    falcon, b158 = CHECKPOINTS / "falcon-e-tiny", CHECKPOINTS / "bitnet-b158-tiny"
    wrong = 0
    with tempfile.TemporaryDirectory() as folder:
        out = Path(folder)
        models = [("llama", falcon / "bitnet", falcon / "reference"),
                  ("bitnet-b1.58", b158 / "packed", b158 / "reference"),
                  ("bitnet", one_bit(b158 / "bf16-master", out / "one-bit"), b158 / "reference")]
        print("| architecture | layout | embeddings | right | engine | outcome | as said |\n|---|---|---|---|---|---|---|")
        for name, model, reference in models:
            exact = right_perplexity(options.tritsmith, model, reference, out)
            for layout, order, embeddings in FORMS:
                file = out / "model.gguf"
                file.unlink(missing_ok=True)
                arguments = [options.tritsmith, "convert", model, file, "--to", "gguf", "--layout", layout, "--quiet"]
                arguments += ["--i2s-order", order] if order else []
                arguments += ["--embeddings", embeddings] if embeddings else []
                result = subprocess.run(arguments + ["--format", "json"], check=True, stdout=subprocess.PIPE)
                # Embeddings in blocks are other numbers, and the file's own are right.
                rounds = embeddings in ("q8_0", "q6_k")
                right = right_perplexity(options.tritsmith, file, reference, out) if rounds else exact
                said = {row["program"] for row in json.loads(result.stdout).get("loads_in", [])
                        if row["outcome"] == "loads"}
                for engine, program in engines:
                    found, message = run(program, file, reference / "perplexity_text.txt")
                    loads = found is not None and abs(np.log(found / right)) <= BOUND
                    agrees = loads == (engine in said)
                    wrong += not agrees
                    outcome = f"refuses: {message}" if found is None else (
                        f"{'loads' if loads else 'misreads'}: {found:.4f}")
                    print(f"| {name} | {layout} {order or ''} | {embeddings or ''} | {right:.4f} | {engine} | {outcome} "
                          f"| {'yes' if agrees else 'NO'} |", flush=True)
    print(f"{wrong} outcomes are not as said")
    return 1 if wrong else 0


if __name__ == "__main__":
    sys.exit(main())
