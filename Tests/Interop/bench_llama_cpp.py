#!/usr/bin/env python3
"""Times llama.cpp (llama-cpp-python) beside `trit-bench forward` on two files of one model, in turn in one run.

    bench_llama_cpp.py GGUF MODEL TRIT_BENCH [--threads 2] [--pairs 3]

GGUF is what llama.cpp runs (`tritsmith convert MODEL x.gguf --to gguf --layout TQ2_0 --no-tokenizer`), MODEL what
trit-bench runs. Both take a prompt of 128 tokens and decode 64 after it, after a pass that is not counted. Prints tokens
a second of both and their ratio, medians of the pairs.
"""

import argparse
import ctypes
import json
import random
import statistics
import subprocess
import sys
import time

import llama_cpp

PROMPT, DECODED = 128, 64


class LlamaCpp:
    def __init__(self, path, threads):
        llama_cpp.llama_backend_init()
        self.model = llama_cpp.llama_model_load_from_file(path.encode(), llama_cpp.llama_model_default_params())
        if not self.model:
            sys.exit(f"llama.cpp does not load {path}")
        params = llama_cpp.llama_context_default_params()
        params.n_ctx, params.n_batch, params.n_ubatch = 256, PROMPT, PROMPT
        params.n_threads = params.n_threads_batch = threads
        self.context = llama_cpp.llama_init_from_model(self.model, params)
        size = llama_cpp.llama_vocab_n_tokens(llama_cpp.llama_model_get_vocab(self.model))
        self.ids = [random.Random(11).randrange(size) for _ in range(PROMPT + DECODED)]

    def feed(self, ids):
        tokens = (llama_cpp.llama_token * len(ids))(*ids)
        if llama_cpp.llama_decode(self.context, llama_cpp.llama_batch_get_one(tokens, len(ids))) != 0:
            sys.exit("llama_decode failed")
        # Logits are what both programs end a step with.
        ctypes.cast(llama_cpp.llama_get_logits_ith(self.context, -1), ctypes.c_void_p)

    def run(self):
        llama_cpp.llama_memory_clear(llama_cpp.llama_get_memory(self.context), True)
        start = time.monotonic()
        self.feed(self.ids[:PROMPT])
        middle = time.monotonic()
        for token in self.ids[PROMPT:]:
            self.feed([token])
        return PROMPT / (middle - start), DECODED / (time.monotonic() - middle)


def tritsmith(command, model, threads):
    words = [command, "forward", model, "--threads", str(threads), "--runs", "1", "--format", "json"]
    report = json.loads(subprocess.run(words, check=True, capture_output=True).stdout)
    facts = report["forward"]
    return facts["prefill_tokens_per_s"], facts["decode_tokens_per_s"], facts["roofline_share"]


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("gguf", metavar="GGUF")
    parser.add_argument("model", metavar="MODEL")
    parser.add_argument("command", metavar="TRIT_BENCH")
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--pairs", type=int, default=3)
    options = parser.parse_args()

    llama = LlamaCpp(options.gguf, options.threads)
    llama.run()
    rows = []
    for _ in range(options.pairs):
        theirs = llama.run()
        ours = tritsmith(options.command, options.model, options.threads)
        rows.append((*theirs, *ours))
        print("llama.cpp prefill %.1f decode %.1f; tritsmith prefill %.1f decode %.1f, share of the roofline %.2f" % rows[-1])
    middle = [statistics.median(column) for column in zip(*rows)]
    print(f"ratio: prefill {middle[2] / middle[0]:.2f}, decode {middle[3] / middle[1]:.2f}")


if __name__ == "__main__":
    main()
