#!/usr/bin/env python3
"""An engine's own code gives a GGUF file's texts the ids of the model it was made from.

    python check_engine_ids.py ENGINE_TOKENIZE TRITSMITH MODEL TEXT... [--pre NAME]

ENGINE_TOKENIZE is built from engine_tokenize.cpp. MODEL, a folder with tokenizer.json, is written as I2_S, named with
`--gguf-pre` where NAME is given; each line, each paragraph and the whole of a TEXT is a text. Ids expected are those of the `tokenizers`
package. Exit 1 when one text differs, or the engine refuses the file.
"""
import argparse
import os
import subprocess
import sys
import tempfile

from tokenizers import Tokenizer


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    for name in ("engine", "tool", "model"):
        parser.add_argument(name)
    parser.add_argument("texts", nargs="+")
    parser.add_argument("--pre")
    args = parser.parse_args()
    wholes = [open(path, encoding="utf-8", newline="").read() for path in args.texts]
    texts = [t for whole in wholes for t in whole.split("\n") + whole.split("\n\n") + [whole] if t]
    tokenizer = Tokenizer.from_file(os.path.join(args.model, "tokenizer.json"))
    with tempfile.TemporaryDirectory() as folder:
        path = os.path.join(folder, "model.gguf")
        command = [args.tool, "convert", args.model, path, "--to", "gguf", "--layout", "I2_S", "--quiet"]
        subprocess.run(command + (["--gguf-pre", args.pre] if args.pre else []), check=True, stdout=subprocess.DEVNULL)
        paths = []
        for index, text in enumerate(texts):
            paths.append(os.path.join(folder, f"{index}.txt"))
            with open(paths[-1], "w", encoding="utf-8", newline="") as file:
                file.write(text)
        run = subprocess.run([args.engine, path] + paths, capture_output=True, text=True)
    if run.returncode:
        sys.exit("refused: " + " ".join(l for l in run.stderr.split("\n") if "error" in l))
    found = [[int(x) for x in line.split()] for line in run.stdout.split("\n")[: len(texts)]]
    expected = [tokenizer.encode(text, add_special_tokens=False).ids for text in texts]
    differing = [i for i in range(len(texts)) if found[i] != expected[i]]
    print(f"{len(texts) - len(differing)} of {len(texts)} texts, {sum(map(len, expected))} ids")
    for i in differing[:3]:
        print(f"  {texts[i]!r}\n    expected {expected[i]}\n    found    {found[i]}")
    sys.exit(1 if differing else 0)


main()
