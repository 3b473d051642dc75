#!/usr/bin/env python3
"""Holds a program for another processor, run by an emulator, against the program of this machine.

    check_program.py NATIVE EMULATOR PROGRAM [CHECKPOINTS]

NATIVE is this machine's tritsmith, EMULATOR the words that run PROGRAM, as one argument. CHECKPOINTS is
Fixtures/Checkpoints by default. Files and reports must be the same bytes; logits, which depend on exponentials of the C
library, must agree within the bounds that `validate` states.

Exit status: 0 when every check passes.
"""

import filecmp
import json
import math
import re
import shlex
import struct
import subprocess
import sys
import tempfile
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent.parent
PROMPT = "In the beginning"
# What reports say of the run, not of the models.
OF_THE_RUN = {"seconds", "peak_memory", "kernels", "threads"}
failed = []


def check(title, holds, detail=""):
    print(("ok    " if holds else "WRONG ") + title + (f": {detail}" if detail and not holds else ""), flush=True)
    if not holds:
        failed.append(title)


class Program:
    """A program and the folder it writes into: relative names are the same for both."""

    def __init__(self, words, folder):
        self.words, self.folder = words, folder
        folder.mkdir()

    def run(self, *words, processor=None):
        before = [self.words[0], "-cpu", processor, *self.words[1:]] if processor else self.words
        result = subprocess.run(
            [*before, *map(str, words)], cwd=self.folder, capture_output=True, stdin=subprocess.DEVNULL, timeout=900)
        return result.returncode, result.stdout, result.stderr


class Pair:
    def __init__(self, native, emulated):
        self.native, self.emulated = native, emulated

    def same(self, title, *words, processor=None, code=0):
        """Both print the same bytes, and end with the code."""
        first, second = self.native.run(*words), self.emulated.run(*words, processor=processor)
        detail = f"{first[0]} and {second[0]}, {len(first[1])} and {len(second[1])} bytes, {second[2][-300:]!r}"
        held = first[:2] == second[:2] and first[0] == code and first[1] != b""
        check(f"{title}: {len(first[1])} bytes", held, detail)
        return first[1]

    def report(self, title, *words, processor=None):
        """The same for a report that names seconds or kernels: all of it but those."""
        found = []
        for program, option in (self.native, {}), (self.emulated, {"processor": processor}):
            code, text, errors = program.run(*words, "--format", "json", "--quiet", **option)
            if code != 0:
                return check(title, False, f"{code}, {errors[-300:]!r}")
            found.append(without(json.loads(text)))
        check(title, found[0] == found[1])

    def files(self, title, name):
        """The same files, byte by byte."""
        first, second = self.native.folder / name, self.emulated.folder / name
        names = [sorted(str(path.relative_to(folder)) for path in folder.rglob("*") if path.is_file())
                 for folder in (first, second)]
        if first.is_file():
            names = [[""], [""]]
        held = names[0] == names[1] and names[0] != [] and all(
            filecmp.cmp(first / each, second / each, shallow=False) for each in names[0])
        size = sum((first / each).stat().st_size for each in names[0])
        check(f"  {title}: {len(names[0])} files, {size} bytes", held)


def without(value):
    """A report without what is of the run, in the words of its line too."""
    if isinstance(value, dict):
        return {key: without(each) for key, each in value.items() if key not in OF_THE_RUN}
    if isinstance(value, str):
        return re.sub(r"(?<=tensors\)) in [^,]*,", ",", value)
    return [without(each) for each in value] if isinstance(value, list) else value


def logits(path):
    """Tensors of a file of logits, by name."""
    data = path.read_bytes()
    length = int.from_bytes(data[:8], "little")
    result = {}
    for name, entry in json.loads(data[8:8 + length]).items():
        if name != "__metadata__":
            begin, end = entry["data_offsets"]
            part = data[8 + length + begin:8 + length + end]
            result[name] = struct.unpack(f"<{len(part) // 4}{'i' if entry['dtype'] == 'I32' else 'f'}", part)
    return result


def conversions(pair, models):
    falcon, b158 = models / "falcon-e-tiny", models / "bitnet-b158-tiny"
    for source, output, options, processor in [
        (falcon / "prequantized", "packed", ["--to", "hf-packed"], "max"),
        (falcon / "prequantized-sharded", "sharded", ["--to", "hf-packed"], "cortex-a72"),
        (falcon / "bfloat16", "model.tritpack", [], "cortex-a76"),
        (b158 / "packed", "model.gguf", ["--layout", "TQ2_0"], "max"),
        (falcon / "bitnet", "small.gguf", ["--layout", "TQ1_0", "--embeddings", "q8_0"], "cortex-a72"),
        (b158 / "bf16-master", "dense", ["--to", "hf-packed", "--certificate", "dense.json"], "max"),
    ]:
        words = ["convert", source, output, *options]
        pair.report(f"convert {source.name} to {output} ({processor})", *words, processor=processor)
        pair.files("and its files", output)
    pair.files("and the certificate", "dense.json")
    for source, converted in [
        (falcon / "prequantized", "packed"), (falcon / "bfloat16", "model.tritpack"), (b158 / "packed", "model.gguf"),
    ]:
        pair.same(f"verify {converted}", "verify", source, converted, "--format", "json", "--quiet")
    pair.same("verify of another model", "verify", b158 / "packed", "packed", "--format", "json", "--quiet", code=1)
    # Each other's outputs.
    for program, other in (pair.native, pair.emulated), (pair.emulated, pair.native):
        code, _, errors = program.run("verify", falcon / "prequantized", other.folder / "packed", "--quiet")
        check(f"verify what the other wrote, {program.folder.name}", code == 0, errors[-300:])
    # libzstd may be of another version: its bytes may differ, what they hold may not.
    for program in pair.native, pair.emulated:
        program.run("convert", falcon / "bitnet", "small.tritpack", "--zstd", 3, "--quiet")
    code, _, errors = pair.native.run("compare", "small.tritpack", pair.emulated.folder / "small.tritpack", "--quiet")
    check("compressed TritPack holds the same", code == 0, errors[-300:])


def readings(pair, models):
    falcon, b158 = models / "falcon-e-tiny", models / "bitnet-b158-tiny"
    for model in falcon / "bitnet", b158 / "packed", falcon / "prequantized-sharded", models / "plain-tiny":
        pair.same(f"inspect {model.parent.name}/{model.name}", "inspect", model)
        pair.same("  as JSON, with statistics", "inspect", model, "--stats", "--format", "json")
    pair.same("inspect a GGUF file", "inspect", models.parent / "Golden/gguf/llama256_tq2_0.gguf", "--format", "json")
    pair.same(
        "a tensor's values", "inspect", falcon / "bitnet", "--tensor", "model.layers.0.self_attn.q_proj.weight",
        "--raw", "-")
    for title, words in [
        ("no model", [models.parent / "MANIFEST.md"]),
        ("a tensor there is not", [b158 / "packed", "--tensor", "x", "--raw", "-"]),
    ]:
        found = [program.run("inspect", *words) for program in (pair.native, pair.emulated)]
        check(f"the error of {title}", found[0] == found[1] and found[0][0] >= 64, str(found))
    for model in falcon / "bitnet", b158 / "packed":
        text = models / "bitnet-b158-tiny/reference/perplexity_text.txt"
        pair.same(f"tokenize a file by {model.parent.name}", "tokenize", model, "--text-file", text, "--format", "json")
        pair.same("  and a prompt", "tokenize", model, "--text", "Größe, 中文 🙂 don't")


def forward(pair, models):
    """Logits of one prompt of at most 8 tokens, by both arithmetics."""
    falcon, b158 = models / "falcon-e-tiny", models / "bitnet-b158-tiny"
    both = pair.native, pair.emulated
    for model, against in (falcon / "bitnet", falcon / "prequantized"), (b158 / "packed", b158 / "bf16-master"):
        report = pair.same(f"tokenize '{PROMPT}'", "tokenize", model, "--text", PROMPT, "--format", "json")
        count = json.loads(report)["tokenization"]["token_count"]
        check(f"  {count} tokens", 0 < count <= 8)
        for mode in "reference", "fast":
            name = f"{model.parent.name}-{mode}.safetensors"
            for program in both:
                code, _, errors = program.run("logits", model, "--text", PROMPT, "--mode", mode, "-o", name, "--quiet")
                check(f"logits of {model.parent.name}, {mode}, {program.folder.name}", code == 0, errors[-300:])
            if any(not (program.folder / name).exists() for program in both):
                continue
            print("      " + differences(*(logits(program.folder / name) for program in both)))
            for program, other in both, both[::-1]:
                code, text, errors = program.run("validate", model, "--against", other.folder / name, "--mode", mode)
                check(f"  within validate's bounds of the other's, {program.folder.name}", code == 0, text + errors)
        for program in both:
            code, text, errors = program.run("validate", model, "--against", against, "--text", PROMPT)
            check(f"validate against {against.name}, {program.folder.name}", code == 0, text + errors)


def differences(first, second):
    check("  of the same names and shapes", [(key, len(each)) for key, each in first.items()]
          == [(key, len(each)) for key, each in second.items()])
    numbers = [pair for key in first for pair in zip(first[key], second[key])]
    differ, apart = sum(a != b for a, b in numbers), max(abs(a - b) for a, b in numbers)
    size = math.sqrt(sum(a * a for a, _ in numbers) / len(numbers))
    return f"{differ} of {len(numbers)} numbers differ, by at most {apart:.3g}; their root mean square is {size:.3g}"


def main():
    native, emulator, program = sys.argv[1:4]
    models = Path(sys.argv[4] if sys.argv[4:] else ROOT / "Fixtures/Checkpoints").resolve()
    subprocess.run([sys.executable, models.parent / "make-variants.py"], check=True)
    with tempfile.TemporaryDirectory(prefix="tritsmith-arm64-") as folder:
        pair = Pair(
            Program([str(Path(native).resolve())], Path(folder) / "native"),
            Program([*shlex.split(emulator), str(Path(program).resolve())], Path(folder) / "emulated"))
        readings(pair, models)
        conversions(pair, models)
        forward(pair, models)
    print(f"{len(failed)} wrong")
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main() if len(sys.argv) in (4, 5) else 64)
