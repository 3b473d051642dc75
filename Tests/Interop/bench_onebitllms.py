#!/usr/bin/env python3
"""Times onebitllms' own quantize_to_1bit beside `tritsmith convert`, each as a whole process, in turn.

    bench_onebitllms.py MODEL TRITSMITH QUANTIZATION_UTILS [--pairs 2]

MODEL is a folder with config, weights and tokenizer; QUANTIZATION_UTILS is onebitllms/utils/quantization_utils.py of an
installed or unpacked onebitllms (its package wants triton, the function does not). Prints seconds, processor seconds
and peak memory of both.
"""

import argparse
import os
import shutil
import subprocess
import sys
import tempfile
import time

CALL = """
import importlib.util, sys
spec = importlib.util.spec_from_file_location("utils", sys.argv[1])
module = importlib.util.module_from_spec(spec)
spec.loader.exec_module(module)
module.quantize_to_1bit(sys.argv[2], sys.argv[3])
"""


def run(command):
    start = time.monotonic()
    process = subprocess.Popen(command, stdout=subprocess.DEVNULL)
    _, status, usage = os.wait4(process.pid, 0)
    seconds = time.monotonic() - start
    if status != 0:
        sys.exit(f"{command[0]} failed with status {status}")
    return seconds, usage.ru_utime + usage.ru_stime, usage.ru_maxrss * 1024


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("model")
    parser.add_argument("tritsmith")
    parser.add_argument("utils")
    parser.add_argument("--pairs", type=int, default=2)
    options = parser.parse_args()
    for _ in range(options.pairs):
        scratch = tempfile.mkdtemp(dir=os.path.dirname(os.path.abspath(options.model)))
        try:
            theirs = run([sys.executable, "-c", CALL, options.utils, options.model, scratch + "/theirs"])
            ours = run([options.tritsmith, "convert", options.model, scratch + "/ours", "--to", "hf-packed", "-q", "--follow-links"])
        finally:
            shutil.rmtree(scratch)
        for name, (seconds, processor, peak) in (("onebitllms", theirs), ("tritsmith", ours)):
            print(f"{name:<11} {seconds:7.2f} s  {processor:7.2f} processor s  {peak / 1e6:7.0f} MB")
        print(f"{'ratio':<11} {theirs[0] / ours[0]:7.1f}    {theirs[1] / ours[1]:7.1f}", flush=True)


if __name__ == "__main__":
    main()
