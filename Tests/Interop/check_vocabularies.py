#!/usr/bin/env python3
"""Token ids of the BPE vocabularies that llama.cpp tests itself with.

    pip download --no-binary :all: --no-deps llama-cpp-python && tar xf llama_cpp_python-*.tar.gz
    python check_vocabularies.py TRITSMITH llama_cpp_python-*/vendor/llama.cpp/models

`ggml-vocab-NAME.gguf` holds a vocabulary alone, `.inp` texts and `.out` their ids, which llama.cpp's maintainers made with
the models' own tokenizers. `tritsmith tokenize` must give the same ids for every text, exactly. Exit 1 when one differs.
"""
import argparse, json, os, subprocess, sys, tempfile
from concurrent.futures import ThreadPoolExecutor

NAMES = ["gpt-2", "llama-bpe", "falcon", "qwen2", "qwen35", "deepseek-llm", "deepseek-coder", "starcoder", "refact", "mpt",
         "command-r", "llama-spm", "phi-3"]


def ids(tool, vocabulary, path):
    command = [tool, "tokenize", vocabulary, "--text-file", path, "--no-special", "--format", "json"]
    run = subprocess.run(command, capture_output=True)
    if run.returncode:
        return run.stderr.decode().strip()
    return json.loads(run.stdout)["tokenization"]["ids"]


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("tool")
    parser.add_argument("models")
    parser.add_argument("--only", nargs="*", default=NAMES)
    parser.add_argument("--jobs", type=int, default=2)
    args = parser.parse_args()
    wrong = 0
    for name in args.only:
        vocabulary = os.path.join(args.models, f"ggml-vocab-{name}.gguf")
        texts = open(vocabulary + ".inp", encoding="utf-8", newline="").read().split("\n__ggml_vocab_test__\n")
        expected = [[int(x) for x in line.split()] for line in open(vocabulary + ".out").read().split("\n")]
        # The last separator stands behind the last text.
        texts, expected = texts[: len(texts) - (texts[-1] == "")], expected[: len(texts)]
        with tempfile.TemporaryDirectory() as folder:
            paths = []
            for i, text in enumerate(texts):
                paths.append(os.path.join(folder, f"{i}.txt"))
                with open(paths[-1], "w", encoding="utf-8", newline="") as file:
                    file.write(text)
            with ThreadPoolExecutor(args.jobs) as pool:
                found = list(pool.map(lambda path: ids(args.tool, vocabulary, path), paths))
        differing = [i for i in range(len(texts)) if found[i] != expected[i]]
        wrong += len(differing)
        print(f"{name}: {len(texts) - len(differing)} of {len(texts)} texts")
        for i in differing[:3]:
            print(f"  {texts[i]!r}\n    expected {expected[i]}\n    found    {found[i]}")
    sys.exit(1 if wrong else 0)


main()
