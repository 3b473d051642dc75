#!/usr/bin/env python3
"""Times tritsmith beside the Python way, in turn, in one run: machines are shared, so only ratios count.

Conversion: the algorithm of onebitllms' quantize_to_1bit (bfloat16 steps in torch, transformers' pack_weights), reading and
writing with safetensors. Statistics: min, max, mean, standard deviation, absmean per tensor in numpy, bfloat16 widened to
float32. Imports are not counted. Needs torch, transformers, safetensors, numpy.

    trit-bench generate /tmp/f1b
    python bench_anchors.py /tmp/f1b .build/release/tritsmith --runs 3
"""

import argparse
import os
import resource
import shutil
import statistics
import subprocess
import tempfile
import time

SKIPPED = ("model.embed_tokens.weight", "model.norm.weight", "lm_head.weight", "input_layernorm", "post_attention_layernorm")


def convert_in_python(source, target):
    import torch
    from safetensors.torch import load_file, save_file
    from transformers.integrations.bitnet import pack_weights

    state = load_file(source)
    out = {}
    for name, weight in state.items():
        if any(part in name for part in SKIPPED):
            out[name] = weight
            continue
        scale = 1.0 / weight.abs().mean().clamp_(min=1e-5)
        out[name] = pack_weights((weight * scale).round().clamp_(-1, 1))
        out[name.replace("weight", "weight_scale")] = scale.reshape(1)
    save_file(out, target, metadata={"format": "pt"})


def statistics_in_python(source):
    import json

    import numpy

    with open(source, "rb") as file:
        length = int.from_bytes(file.read(8), "little")
        header = json.loads(file.read(length))
    header.pop("__metadata__", None)
    data = numpy.memmap(source, dtype=numpy.uint8, mode="r", offset=8 + length)
    for entry in header.values():
        begin, end = entry["data_offsets"]
        bits = data[begin:end].view(numpy.uint16)
        values = (bits.astype(numpy.uint32) << 16).view(numpy.float32)
        values.min(), values.max(), values.mean(), values.std(), numpy.abs(values).mean()


def in_child(function, *arguments):
    """Seconds, peak resident bytes and processor seconds of a function in a process of its own."""
    reader, writer = os.pipe()
    child = os.fork()
    if child == 0:
        import numpy, torch, transformers.integrations.bitnet  # noqa: E401, F401

        start, used = time.monotonic(), time.process_time()
        function(*arguments)
        os.write(writer, f"{time.monotonic() - start} {time.process_time() - used}".encode())
        os._exit(0)
    os.close(writer)
    _, status, usage = os.wait4(child, 0)
    text = os.read(reader, 100).decode()
    os.close(reader)
    if status:
        raise SystemExit("the Python side failed")
    seconds, processor = map(float, text.split())
    return seconds, usage.ru_maxrss * 1024, processor


def command(words):
    start = time.monotonic()
    child = subprocess.Popen(words, stdout=subprocess.DEVNULL)
    _, status, usage = os.wait4(child.pid, 0)
    child.returncode = status
    if status:
        raise SystemExit(f"{words} ended with status {status}")
    return time.monotonic() - start, usage.ru_maxrss * 1024, usage.ru_utime + usage.ru_stime


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("model")
    parser.add_argument("tritsmith")
    parser.add_argument("--runs", type=int, default=3)
    options = parser.parse_args()
    source = os.path.join(options.model, "model.safetensors")
    scratch = tempfile.mkdtemp(dir=os.path.dirname(os.path.abspath(options.model)))
    tasks = {
        "convert to hf-packed": (
            lambda: in_child(convert_in_python, source, os.path.join(scratch, "python.safetensors")),
            lambda: command(
                [options.tritsmith, "convert", options.model, os.path.join(scratch, "out"), "--to", "hf-packed", "-q", "--force"]
            ),
        ),
        "statistics": (
            lambda: in_child(statistics_in_python, source),
            lambda: command([options.tritsmith, "inspect", options.model, "--stats", "-q"]),
        ),
    }
    try:
        for name, (python, ours) in tasks.items():
            ours()
            pairs = [(python(), ours()) for _ in range(options.runs)]
            theirs = statistics.median(pair[0][0] for pair in pairs)
            mine = statistics.median(pair[1][0] for pair in pairs)
            ratio = statistics.median(pair[0][0] / pair[1][0] for pair in pairs)
            print(
                f"{name}: Python {theirs:.2f} s, {max(p[0][1] for p in pairs) / 1e9:.2f} GB; "
                f"tritsmith {mine:.2f} s, {max(p[1][1] for p in pairs) / 1e6:.0f} MB; ratio {ratio:.1f} "
                f"(pair by pair: {', '.join(f'{p[0][0] / p[1][0]:.1f}' for p in pairs)}); processor seconds "
                f"{statistics.median(p[0][2] for p in pairs):.2f} and {statistics.median(p[1][2] for p in pairs):.2f}, "
                f"ratio {statistics.median(p[0][2] / p[1][2] for p in pairs):.1f}"
            )
    finally:
        shutil.rmtree(scratch)


if __name__ == "__main__":
    main()
