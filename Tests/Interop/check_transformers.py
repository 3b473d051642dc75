#!/usr/bin/env python3
"""Loads a model folder with transformers and compares its logits with stored reference logits.

FOLDER is a model folder, REFERENCE a logits.safetensors with prompt<i>.ids and prompt<i>.logits (see
Fixtures/Checkpoints/README.md). The model runs as the references were made: CPU, 2 threads, float32, eager attention,
no cache, no compilation.

Tolerances, with numbers from "How closely can two correct implementations agree?" and "Gaps" in
Fixtures/Checkpoints/README.md. Equal versions on another processor sum in another order and are not bit for bit equal.

  dense folders    max |Δ| <= 2e-4: the worst between correct runs (another attention path, float64 weights) is
                   1.1e-4, while a bf16 run differs by 0.087 and more.
  ternary folders  mean |Δ| <= 0.02: activations are rounded to int8, so a last-bit difference becomes a whole step
                   now and then. Float64 weights move the mean by up to 0.013; the smallest mistakes move it by 0.035
                   (activations not quantized) and 0.036 (the scale not rounded to bf16).
                   max |Δ| <= 0.6: loose for the same reason, 0.32 was seen between correct runs.
  top-1            dense: every position; ternary: 0.97 of them, 0.979 was seen between correct runs.

Exit status: 0 within the tolerances, 1 beyond, or the folder does not load.
"""

import argparse
import os
import sys

os.environ["TORCHDYNAMO_DISABLE"] = "1"  # Read when torch is imported; compiled BitLinear keeps other intermediates.
os.environ.setdefault("HF_HUB_OFFLINE", "1")
os.environ.setdefault("TOKENIZERS_PARALLELISM", "false")

import torch
import transformers
from safetensors.torch import load_file

MAX_DENSE, MAX_TERNARY, MEAN_TERNARY = 2e-4, 0.6, 0.02
TOP1_DENSE, TOP1_TERNARY = 1.0, 0.97


def load(folder):
    model = transformers.AutoModelForCausalLM.from_pretrained(
        folder, dtype=torch.float32, attn_implementation="eager", local_files_only=True)
    model.eval()
    # transformers 5.23 leaves embeddings and norms of a packed autobitlinear checkpoint in bf16 whatever is asked for,
    # and its forward pass then stops with a dtype error. Widening bf16 is exact. Scales are buffers of other modules.
    cast = []
    for name, module in model.named_modules():
        if isinstance(module, torch.nn.Embedding) or "norm" in type(module).__name__.lower() or name == "lm_head":
            if any(parameter.is_floating_point() and parameter.dtype != torch.float32
                   for parameter in module.parameters(recurse=False)):
                cast.append(name)
                module.float()
    return model, cast


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folder", metavar="FOLDER")
    parser.add_argument("reference", metavar="REFERENCE")
    options = parser.parse_args()

    torch.set_num_threads(2)
    transformers.logging.set_verbosity_error()
    transformers.logging.disable_progress_bar()

    reference = load_file(options.reference)
    prompts = sorted(name[: -len(".ids")] for name in reference if name.endswith(".ids"))
    if not prompts:
        print(f"{options.reference}: holds no prompt<i>.ids")
        return 1
    try:
        model, cast = load(options.folder)
    except Exception as error:  # Whatever transformers raises, the folder is not one it reads.
        print(f"{options.folder}: {type(error).__name__}: {error}")
        return 1

    ternary = getattr(model.config, "quantization_config", None) is not None
    classes = sorted({type(m).__name__ for n, m in model.named_modules() if n.endswith("_proj")})
    print(f"transformers {transformers.__version__}, torch {torch.__version__}, projections: {', '.join(classes)}"
          + (f", {len(cast)} modules widened to float32" if cast else ""))
    if ternary and "Linear" in classes:
        print("the configuration says bitnet but projections are plain Linear layers")
        return 1

    largest, total, count, agreed, positions, equal = 0.0, 0.0, 0, 0, 0, True
    with torch.inference_mode():
        for prompt in prompts:
            ids, expected = reference[prompt + ".ids"], reference[prompt + ".logits"]
            logits = model(input_ids=ids.long().reshape(1, -1), use_cache=False).logits[0].float()
            if logits.shape != expected.shape:
                print(f"{prompt}: logits {list(logits.shape)}, expected {list(expected.shape)}")
                return 1
            delta = (logits.double() - expected.double()).abs()
            same = logits.argmax(-1) == expected.argmax(-1)
            print(f"  {prompt}: {ids.numel()} tokens, max |Δ| {delta.max():.3g}, mean |Δ| {delta.mean():.3g}, "
                  f"top-1 {same.double().mean():.4f}")
            largest = max(largest, float(delta.max())) if not delta.isnan().any() else float("nan")
            total, count = total + float(delta.sum()), count + delta.numel()
            agreed, positions = agreed + int(same.sum()), positions + same.numel()
            equal &= torch.equal(logits, expected)

    mean, top1 = total / count, agreed / positions
    max_limit, top1_limit = (MAX_TERNARY, TOP1_TERNARY) if ternary else (MAX_DENSE, TOP1_DENSE)
    # Written so that a NaN fails.
    passed = largest <= max_limit and top1 >= top1_limit and (not ternary or mean <= MEAN_TERNARY)
    print(f"{'agree' if passed else 'differ'}: max |Δ| {largest:.3g} (limit {max_limit:g}), mean |Δ| {mean:.3g}"
          + (f" (limit {MEAN_TERNARY:g})" if ternary else "")
          + f", top-1 {top1:.4f} (limit {top1_limit:g}), " + ("bit for bit equal" if equal else "bits differ"))
    return 0 if passed else 1


if __name__ == "__main__":
    sys.exit(main())
