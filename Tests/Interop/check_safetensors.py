#!/usr/bin/env python3
"""Compares two models tensor by tensor, byte for byte: names, dtypes, shapes, data.

OUT and REFERENCE are safetensors files or model folders. Of a sharded folder the index is checked as well. How tensors
are ordered and spread over shards is free and not compared.

Exit status: 0 equal, 1 different or unreadable.
"""

import argparse
import sys

from model_files import BadModel, read_file, read_model, shard_files

SHOWN = 40


def without_zero_sign(data):
    """BF16 bytes with every -0 made +0: packed trits have one zero, torch's rounding has two."""
    return b"".join(b"\0\0" if data[i : i + 2] == b"\0\x80" else data[i : i + 2] for i in range(0, len(data), 2))


def difference(out, reference, one_zero=False):
    """One cell of the table, or None where the tensors are equal."""
    if out is None:
        return "missing in OUT"
    if reference is None:
        return "not in REFERENCE"
    if out.dtype != reference.dtype or out.shape != reference.shape:
        return f"{out.dtype} {list(out.shape)}, expected {reference.dtype} {list(reference.shape)}"
    if out.data == reference.data:
        return None
    if one_zero and out.dtype == "BF16" and without_zero_sign(out.data) == without_zero_sign(reference.data):
        return None
    # Element counts rather than byte counts: a wrong scale and a wrong layout look different in them.
    size = max(1, len(out.data) // max(1, _count(out.shape)))
    cells = [i for i in range(0, len(out.data), size) if out.data[i : i + size] != reference.data[i : i + size]]
    at = cells[0]
    return (
        f"{len(cells)} of {_count(out.shape)} elements differ, first at element {at // size}: "
        f"{out.data[at:at + size].hex()}, expected {reference.data[at:at + size].hex()}"
    )


def _count(shape):
    count = 1
    for extent in shape:
        count *= extent
    return count


def shard_problems(path, minimum, limit):
    """Lines on shards that are too few or too large. A tensor larger than the limit may have a shard of its own."""
    files = shard_files(path)
    if len(files) < minimum:
        yield f"{len(files)} shards, expected at least {minimum}"
    for file in files if limit else []:
        tensors = read_file(file)
        size = sum(len(tensor.data) for tensor in tensors.values())
        if size > limit and len(tensors) > 1:
            yield f"{file.name}: {len(tensors)} tensors with {size} bytes, limit {limit}"


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("out", metavar="OUT")
    parser.add_argument("reference", metavar="REFERENCE")
    parser.add_argument("--min-shards", type=int, default=1, help="OUT must have at least this many files")
    parser.add_argument("--max-shard-bytes", type=int, default=0, help="tensor bytes a shard of OUT may hold")
    parser.add_argument("--one-zero", action="store_true", help="BF16 -0 and +0 count as equal")
    options = parser.parse_args()

    try:
        out, reference = read_model(options.out), read_model(options.reference)
        problems = list(shard_problems(options.out, options.min_shards, options.max_shard_bytes))
    except (BadModel, OSError) as error:
        print(error)
        return 1

    names = sorted(set(out) | set(reference))
    found = [(name, difference(out.get(name), reference.get(name), options.one_zero)) for name in names]
    rows = [(name, text) for name, text in found if text] + [("(shards)", text) for text in problems]
    if not rows:
        total = sum(len(tensor.data) for tensor in out.values())
        print(f"equal: {len(names)} tensors, {total} bytes, {len(shard_files(options.out))} file(s)")
        return 0
    width = max(len(name) for name, _ in rows[:SHOWN])
    for name, text in rows[:SHOWN]:
        print(f"{name:<{width}}  {text}")
    if len(rows) > SHOWN:
        print(f"… and {len(rows) - SHOWN} more")
    print(f"different: {len(rows)} problems, {len(names)} tensor names")
    return 1


if __name__ == "__main__":
    sys.exit(main())
