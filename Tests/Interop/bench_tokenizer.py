"""Encoding speed beside the tokenizers package.

    python bench_tokenizer.py TRIT_BENCH MODEL TEXT... [--vocabulary GGUF] [--least RATIO]

Both encode one megabyte (each TEXT repeated) on one thread, in turn in one run. The text is written as NFD too where MODEL
normalizes, so that normalizing has work to do. --vocabulary puts the tokens and merges of a byte-level GGUF file in place of
MODEL's: Qwen's whole ones are `models/ggml-vocab-qwen2.gguf` in llama.cpp's tree, and the rest of MODEL's tokenizer.json,
NFC and pattern, stays as it is. `tritsmith` must lie beside TRIT_BENCH.

Exit 1 when ids differ, or the median ratio of a text is below --least. Written for tokenizers 0.23; --vocabulary needs gguf.
"""

import argparse
import json
import os
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
import unicodedata

os.environ["TOKENIZERS_PARALLELISM"] = "false"
import tokenizers

SIZE = 1_000_000


def with_vocabulary(model, vocabulary, folder):
    """A copy of MODEL with the vocabulary of a GGUF file, whose extra tokens are added tokens."""
    import gguf

    fields = gguf.GGUFReader(vocabulary).fields
    tokens = fields["tokenizer.ggml.tokens"].contents()
    types = fields["tokenizer.ggml.token_type"].contents()
    shutil.copytree(model, folder, ignore=shutil.ignore_patterns("tokenizer_config.json"))
    path = os.path.join(folder, "tokenizer.json")
    settings = json.load(open(path, encoding="utf-8"))
    plain = {gguf.TokenType.NORMAL, gguf.TokenType.UNUSED}
    settings["model"]["vocab"] = {token: id for id, (token, kind) in enumerate(zip(tokens, types)) if kind in plain}
    settings["model"]["merges"] = [merge.split(" ") for merge in fields["tokenizer.ggml.merges"].contents()]
    settings["added_tokens"] = [
        {"id": id, "content": token, "single_word": False, "lstrip": False, "rstrip": False, "normalized": False,
         "special": kind == gguf.TokenType.CONTROL}
        for id, (token, kind) in enumerate(zip(tokens, types)) if kind not in plain]
    os.chmod(path, 0o644)
    json.dump(settings, open(path, "w", encoding="utf-8"), ensure_ascii=False)
    return folder


def compare(options, tritsmith, model, tokenizer, text):
    """The ratio of a text, and whether both give the same ids."""
    text = text * (SIZE // len(text.encode()) + 1)
    ratios = []
    with tempfile.NamedTemporaryFile("w", suffix=".txt", encoding="utf-8", newline="") as file:
        file.write(text)
        file.flush()
        size = os.path.getsize(file.name)
        for _ in range(3):
            times = []
            for _ in range(5):
                start = time.perf_counter()
                ids = tokenizer.encode(text, add_special_tokens=False).ids
                times.append(time.perf_counter() - start)
            theirs = size / statistics.median(times) / 1e6
            report = json.loads(subprocess.run(
                [options.bench, "tokenizer", model, "--text-file", file.name, "--runs", "5", "--format", "json"], check=True,
                capture_output=True).stdout)
            ours = next(task["gb_per_s"] for task in report["tasks"] if task["task"] == "encode") * 1e3
            ratios.append(ours / theirs)
            print(f"  {size / 1e6:.2f} MB: tokenizers {theirs:.2f} MB/s, tritsmith {ours:.2f} MB/s, ratio {ratios[-1]:.2f}")
        result = json.loads(subprocess.run(
            [tritsmith, "tokenize", model, "--text-file", file.name, "--no-special", "--format", "json"], check=True,
            capture_output=True).stdout)
    same = result["tokenization"]["ids"] == ids
    ratio = statistics.median(ratios)
    print(f"  median ratio {ratio:.2f}, {len(ids)} ids " + ("equal" if same else "DIFFER"))
    return ratio, same


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("bench", metavar="TRIT_BENCH")
    parser.add_argument("model", metavar="MODEL")
    parser.add_argument("texts", metavar="TEXT", nargs="+")
    parser.add_argument("--vocabulary", metavar="GGUF")
    parser.add_argument("--least", metavar="RATIO", type=float, default=0)
    options = parser.parse_args()
    tritsmith = os.path.join(os.path.dirname(os.path.abspath(options.bench)), "tritsmith")
    passed = True
    with tempfile.TemporaryDirectory() as folder:
        model = options.model
        if options.vocabulary:
            model = with_vocabulary(model, options.vocabulary, os.path.join(folder, "model"))
        path = os.path.join(model, "tokenizer.json")
        tokenizer = tokenizers.Tokenizer.from_file(path)
        normalizer = json.load(open(path, encoding="utf-8"))["normalizer"]
        for name in options.texts:
            text = open(name, encoding="utf-8", newline="").read()
            texts = {"as it is": text}
            if normalizer and unicodedata.normalize("NFD", text) != text:
                texts["as NFD"] = unicodedata.normalize("NFD", text)
            for form, text in texts.items():
                print(f"{name}, {form}; {tokenizer.get_vocab_size()} tokens, normalizer {(normalizer or {}).get('type')}")
                ratio, same = compare(options, tritsmith, model, tokenizer, text)
                passed = passed and same and ratio >= options.least
    return 0 if passed else 1


if __name__ == "__main__":
    sys.exit(main())
