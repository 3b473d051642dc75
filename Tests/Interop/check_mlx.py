"""Loads a folder that `convert --to mlx` wrote with the real mlx-lm, on the CPU.

    python check_mlx.py FOLDER REFERENCE
    python check_mlx.py FOLDER --like OTHER
    python check_mlx.py FOLDER --values DENSE

REFERENCE is a folder of reference outputs: `logits.safetensors` with `promptN.logits` (of `promptN.positions` only, where
they are given), and `promptN.ids`, or `prompts.json` beside it or in it. Logits in float32 must be within 2e-4 of it, with the
same most likely token. Greedy tokens of `greedy.json`, where there is one, must be the same until a step whose two best logits
are closer than twice that.
OTHER is a folder for MLX that another program wrote: every tensor must be there with the same type, shape and bytes, and the
quantization entry must say the same. DENSE is the unpacked model: mx.dequantize must give its numbers, bit for bit.

Needs: pip install "mlx[cpu]" mlx-lm safetensors numpy
"""
import argparse
import json
import os
import sys

import mlx.core as mx
import numpy
from mlx.utils import tree_map
from mlx_lm.models.cache import make_prompt_cache
from mlx_lm.utils import load_model
from pathlib import Path

TOLERANCE = 2e-4


def tensors(folder):
    result = {}
    for name in sorted(os.listdir(folder)):
        if name.endswith(".safetensors"):
            result.update(mx.load(os.path.join(folder, name)))
    return result


def configuration(folder):
    with open(os.path.join(folder, "config.json")) as file:
        return json.load(file)


def raw(array):
    return bytes(memoryview(array.view(mx.uint8)))


def check_like(folder, other):
    ours, theirs = tensors(folder), tensors(other)
    wrong = [name for name in theirs if name not in ours or ours[name].dtype != theirs[name].dtype
             or ours[name].shape != theirs[name].shape or raw(ours[name]) != raw(theirs[name])]
    wrong += [name for name in ours if name not in theirs]
    entries = [configuration(path)["quantization"] for path in (folder, other)]
    print("%d tensors, %d differ; quantization %s" % (len(theirs), len(wrong), "equal" if entries[0] == entries[1] else entries))
    return not wrong and entries[0] == entries[1]


def check_values(folder, dense):
    ours, theirs = tensors(folder), tensors(dense)
    entry = configuration(folder)["quantization"]
    compared = wrong = 0
    for name, values in theirs.items():
        stem = name[:-len(".weight")] if name.endswith(".weight") else None
        if stem is None or stem + ".scales" not in ours:
            continue
        own = entry.get(stem, entry)
        found = mx.dequantize(ours[name], ours[stem + ".scales"], ours[stem + ".biases"], group_size=own["group_size"], bits=own["bits"])
        compared += 1
        # Zero may have either sign.
        if not mx.array_equal(found.astype(mx.float32), values.astype(mx.float32)).item():
            wrong += 1
            print("differs:", name)
    print("%d matrices dequantized by mlx, %d differ" % (compared, wrong))
    return compared > 0 and wrong == 0


def check_logits(folder, reference):
    model, _ = load_model(Path(folder))
    model.update(tree_map(lambda x: x.astype(mx.float32) if mx.issubdtype(x.dtype, mx.floating) else x, model.parameters()))
    expected = mx.load(os.path.join(reference, "logits.safetensors"))
    prompts = ids_of_prompts(expected, reference)
    worst, agree, count = 0.0, 0, 0
    for index, ids in enumerate(prompts):
        name = next((n for n in ("prompt%d.logits" % index, "prompt%d" % index) if n in expected), None)
        if name is None:
            continue
        logits = numpy.array(model(mx.array([ids]))[0])
        wanted = numpy.array(expected[name])
        places = expected.get("prompt%d.positions" % index)
        if places is not None:
            logits = logits[numpy.array(places)]
        worst = max(worst, float(numpy.abs(logits - wanted).max()))
        agree += int((logits.argmax(-1) == wanted.argmax(-1)).sum())
        count += len(wanted)
    steps, parted = check_greedy(model, prompts, os.path.join(reference, "greedy.json"))
    print("%d positions: largest difference %.3g, %d with the same most likely token; greedy: %d tokens equal%s"
          % (count, worst, agree, steps, "".join("; " + p for p in parted)))
    return count > 0 and worst <= TOLERANCE and agree == count and not parted


def ids_of_prompts(expected, reference):
    ids = []
    while "prompt%d.ids" % len(ids) in expected:
        ids.append(numpy.array(expected["prompt%d.ids" % len(ids)]).reshape(-1).tolist())
    if ids:
        return ids
    path = next(p for p in (os.path.join(reference, "prompts.json"), os.path.join(os.path.dirname(reference.rstrip("/")), "prompts.json")) if os.path.exists(p))
    with open(path) as file:
        prompts = json.load(file)
    prompts = prompts.get("prompts", prompts) if isinstance(prompts, dict) else prompts
    return [prompt["ids"] for prompt in prompts]


def check_greedy(model, prompts, path):
    """Tokens that are equal, and texts that part without a near tie."""
    if not os.path.exists(path):
        return 0, []
    with open(path) as file:
        texts = json.load(file)
    steps, parted = 0, []
    for index, (ids, text) in enumerate(zip(prompts, texts)):
        cache = make_prompt_cache(model)
        logits = model(mx.array([ids]), cache=cache)
        for step, (token, margin) in enumerate(zip(text["new_ids"], text["top2_margin"])):
            found = int(numpy.array(logits[0, -1]).argmax())
            if found != token:
                if margin > 2 * TOLERANCE:
                    parted.append("prompt %d, step %d: %d, expected %d by %g" % (index, step, found, token, margin))
                break
            steps += 1
            logits = model(mx.array([[token]]), cache=cache)
    return steps, parted


parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
parser.add_argument("folder")
parser.add_argument("reference", nargs="?")
parser.add_argument("--like")
parser.add_argument("--values")
arguments = parser.parse_args()
mx.set_default_device(mx.cpu)
results = []
if arguments.like:
    results.append(check_like(arguments.folder, arguments.like))
if arguments.values:
    results.append(check_values(arguments.folder, arguments.values))
if arguments.reference:
    results.append(check_logits(arguments.folder, arguments.reference))
if not results:
    parser.error("nothing to compare with")
sys.exit(0 if all(results) else 1)
