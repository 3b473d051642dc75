"""Encoding speed beside the tokenizers package: bench_tokenizer.py TRIT_BENCH MODEL TEXT

Both encode one megabyte (TEXT repeated) on one thread, in turn in one run; prints the ratio and checks that the ids
are the same. Exit 1 when they differ. Written for tokenizers 0.23.
"""

import json
import os
import statistics
import subprocess
import sys
import tempfile
import time

os.environ["TOKENIZERS_PARALLELISM"] = "false"
import tokenizers

bench, model, text_path = sys.argv[1:4]
tritsmith = os.path.join(os.path.dirname(bench), "tritsmith")
text = open(text_path, encoding="utf-8").read()
text = text * (1_000_000 // len(text.encode()) + 1)
tokenizer = tokenizers.Tokenizer.from_file(os.path.join(model, "tokenizer.json"))
ratios = []
with tempfile.NamedTemporaryFile("w", suffix=".txt", encoding="utf-8") as file:
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
        report = json.loads(subprocess.run([bench, "tokenizer", model, "--text", file.name, "--runs", "5", "--format", "json"],
                                           check=True, capture_output=True).stdout)
        ours = next(task["gb_per_s"] for task in report["tasks"] if task["task"] == "encode") * 1e3
        ratios.append(ours / theirs)
        print(f"{size / 1e6:.2f} MB: tokenizers {theirs:.2f} MB/s, tritsmith {ours:.2f} MB/s, ratio {ratios[-1]:.2f}")
    result = json.loads(subprocess.run([tritsmith, "tokenize", model, "--file", file.name, "--no-special", "--format", "json"],
                                       check=True, capture_output=True).stdout)
print("median ratio", round(statistics.median(ratios), 2))
same = result["tokenization"]["ids"] == ids
print("ids equal" if same else "IDS DIFFER")
sys.exit(0 if same else 1)
