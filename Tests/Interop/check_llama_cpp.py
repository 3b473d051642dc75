#!/usr/bin/env python3
"""Loads a GGUF file with llama.cpp (llama-cpp-python) and compares its logits, greedy tokens and token ids.

FILE is a GGUF, VARIANT a folder of reference outputs (Fixtures/Checkpoints/<model>/reference/<variant>);
tokenizer_cases.json is taken from the folder above it. --logits takes other logits as right, --cache f32 keeps keys and
values in F32 instead of llama.cpp's F16, --save writes llama.cpp's logits for `tritsmith validate`.

llama.cpp and transformers do not compute the same numbers, and the bounds of --kind say why:

  exact    F32 weights and cache against the same dense model: nothing is rounded but sums, exponentials and angles.
           Two correct float32 programs are at most 1.1e-4 apart on these models (Fixtures/Checkpoints/README.md): 2e-4.
  dense    BF16 weights: activations are rounded to bfloat16 before each product. The whole model in bfloat16 is at
           mean |Δ| 0.016, max 0.17; a file may be no farther than that.
  ternary  TQ1_0, TQ2_0: activations are rounded to int8 with one scale for 256 columns (Q8_K), not one a token, and
           the cache is F16. Rounding them in transformers' way moves these logits by mean |Δ| 0.045 and mean KL 7.6e-4
           from the model without rounding; another way of rounding has an error of its own of that size, and two
           independent errors are √2 times as far apart, their KL twice: 0.064 and 1.5e-3.
  q8k      TQ files with an F32 cache against make_q8k_logits.py, which rounds as llama.cpp does: what is left is
           values that fall on the other side of a rounding edge, and what that moves. It must be less than half of
           what rounding itself makes: mean |Δ| 0.0225, mean KL 3.8e-4.
  q2_0     Q2_0 with weights that are exactly trit × scale: activations are rounded to int8 with an F16 scale for 32
           columns (Q8_0), and the cache is F16. Rounding inputs of all products so in transformers moves bonsai-tiny's
           logits by mean |Δ| 0.0243, max 0.19 and mean KL 2.3e-4; by the argument of `ternary` a file may be √2 times
           as far, its KL twice: 0.0344 and 4.6e-4. One that lost half of its scales (TQ2_0) is at 0.28.

Greedy tokens equal the reference's until a step whose two best logits are closer than twice the largest |Δ| measured;
from there on texts may part. Token ids: every case of tokenizer_cases.json, of which --normalize gives llama.cpp the
normal form that the model's own tokenizer makes first: it has no normalizer. Where the reference has `promptN.positions`,
its logits are of these tokens only.

Exit status: 0 within the bounds, 1 beyond, or the file does not load.
"""

import argparse
import json
import sys
import unicodedata
from pathlib import Path

import llama_cpp
import numpy as np
from safetensors.numpy import load_file, save_file

# By kind of file: mean |Δ|, max |Δ|, mean KL in nats, share of equal likeliest tokens.
BOUNDS = {
    "exact": (2e-5, 2e-4, 1e-7, 1.0),
    "dense": (0.016, 0.17, 1e-4, 0.98),
    "ternary": (0.064, 0.6, 1.5e-3, 0.97),
    "q8k": (0.0225, 0.3, 3.8e-4, 0.97),
    "q2_0": (0.0344, 0.4, 4.6e-4, 0.96),
}


def log_softmax(x):
    x = x.astype(np.float64)
    x = x - x.max(-1, keepdims=True)
    return x - np.log(np.exp(x).sum(-1, keepdims=True))


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("file", metavar="FILE")
    parser.add_argument("variant", metavar="VARIANT")
    parser.add_argument("--kind", choices=sorted(BOUNDS), required=True)
    parser.add_argument("--logits", metavar="FILE", help="logits that are right; those of VARIANT otherwise")
    parser.add_argument("--cache", choices=("f16", "f32"), default="f16")
    parser.add_argument("--normalize", choices=("NFC", "NFD", "NFKC", "NFKD"), help="the normalizer of tokenizer.json")
    parser.add_argument("--save", metavar="FILE")
    options = parser.parse_args()

    variant = Path(options.variant)
    reference = load_file(options.logits or variant / "logits.safetensors")
    prompts = sorted((n[: -len(".ids")] for n in reference if n.endswith(".ids")), key=lambda n: int(n[6:]))
    longest = max(reference[p + ".ids"].size for p in prompts) + 40
    cache = {} if options.cache == "f16" else {
        "type_k": llama_cpp.GGML_TYPE_F32, "type_v": llama_cpp.GGML_TYPE_F32, "flash_attn": False}
    try:
        model = llama_cpp.Llama(
            options.file, n_ctx=max(256, longest), n_threads=2, n_threads_batch=2, logits_all=True, verbose=False,
            **cache)
    except Exception as error:  # Whatever it raises, the file does not load.
        print(f"{options.file}: {type(error).__name__}: {error}")
        return 1

    def evaluate(ids):
        model.reset()
        model.eval([int(i) for i in ids])
        return np.array(model.scores[: len(ids)], np.float32)

    largest, total, count, kl, agreed, positions, saved = 0.0, 0.0, 0, 0.0, 0, 0, {}
    for prompt in prompts:
        ids, expected = reference[prompt + ".ids"].reshape(-1), reference[prompt + ".logits"]
        logits = evaluate(ids)
        if prompt + ".positions" in reference:
            saved[prompt + ".positions"] = reference[prompt + ".positions"]
            logits = logits[reference[prompt + ".positions"]]
        saved[prompt + ".ids"], saved[prompt + ".logits"] = ids.astype(np.int32), logits
        delta = np.abs(logits.astype(np.float64) - expected)
        p, q = log_softmax(expected), log_softmax(logits)
        same = logits.argmax(-1) == expected.argmax(-1)
        largest, total, count = max(largest, delta.max()), total + delta.sum(), count + delta.size
        kl, agreed, positions = kl + (np.exp(p) * (p - q)).sum(), agreed + same.sum(), positions + same.size
    if options.save:
        save_file(saved, options.save)
    mean, kl, top1 = total / count, kl / positions, agreed / positions
    mean_limit, max_limit, kl_limit, top1_limit = BOUNDS[options.kind]

    problems = []
    greedy = json.loads((variant / "greedy.json").read_text())
    greedy = greedy.get("prompts", greedy) if isinstance(greedy, dict) else greedy
    steps, parted = 0, 0
    for index, entry in enumerate(greedy):
        prompt = prompts[index]
        ids = [int(i) for i in reference[prompt + ".ids"].reshape(-1)]
        model.reset()
        model.eval(ids)
        for step, (token, margin) in enumerate(zip(entry["new_ids"], entry["top2_margin"])):
            found = int(np.argmax(model.scores[model.n_tokens - 1]))
            if found != token:
                if margin > 2 * largest:
                    problems.append(f"{prompt}, step {step}: token {found}, expected {token} by a margin of {margin:.3g}")
                parted += 1
                break
            steps += 1
            model.eval([token])

    cases = json.loads((variant.parent / "tokenizer_cases.json").read_text())
    cases = cases.get("cases", cases) if isinstance(cases, dict) else cases
    wrong = []
    for case in cases:
        text = unicodedata.normalize(options.normalize, case["text"]) if options.normalize else case["text"]
        found = model.tokenize(text.encode(), add_bos=False, special=True)
        if found != case["ids"]:
            wrong.append(f"{case['text']!r}: {found}, expected {case['ids']}")
    problems += wrong[:5]

    # Written so that a NaN fails.
    passed = largest <= max_limit and mean <= mean_limit and kl <= kl_limit and top1 >= top1_limit and not problems
    for problem in problems:
        print(problem)
    print(f"{'agree' if passed else 'differ'}: {positions} positions, mean |Δ| {mean:.3g} (limit {mean_limit:g}), "
          f"max |Δ| {largest:.3g} (limit {max_limit:g}), mean KL {kl:.2g} (limit {kl_limit:g}), top-1 {top1:.4f} "
          f"(limit {top1_limit:g}); greedy: {steps} tokens equal, {parted} of {len(greedy)} texts parted at a near tie; "
          f"token ids: {len(cases) - len(wrong)} of {len(cases)} cases equal")
    return 0 if passed else 1


if __name__ == "__main__":
    sys.exit(main())
