#!/usr/bin/env python3
"""Makes the checkpoints that others of this folder tell, and checks their SHA-256 (VARIANTS.sha256).

    python3 Fixtures/make-variants.py

Made are the latent weights of falcon-e-tiny in three shards. Files that are there and right stay.
Swift's tests make them by themselves (Tests/TritTestSupport/FixtureVariants.swift); run this before other scripts.
Needs nothing but Python's own library.
"""
import hashlib
import json
import os
import struct
import sys

HERE = os.path.dirname(os.path.abspath(__file__))
FALCON = "Checkpoints/falcon-e-tiny/"


def load(name):
    """Header with its length, entries, data."""
    with open(os.path.join(HERE, FALCON + name), "rb") as file:
        data = file.read()
    start = 8 + struct.unpack_from("<Q", data)[0]
    return data[:start], json.loads(data[8:start]), data[start:]


def part(entries, data, name):
    begin, end = entries[name]["data_offsets"]
    return data[begin:end]


def shard(number):
    """Tensors of the index's shard in the order of the unsharded file."""
    _, entries, data = load("prequantized/model.safetensors")
    with open(os.path.join(HERE, FALCON + "prequantized-sharded/model.safetensors.index.json"), encoding="utf-8") as file:
        index = json.load(file)["weight_map"]
    header, parts, place = {"__metadata__": entries["__metadata__"]}, [], 0
    for name, entry in entries.items():
        if index.get(name) == f"model-{number:05}-of-00003.safetensors":
            content = part(entries, data, name)
            header[name] = {**entry, "data_offsets": [place, place + len(content)]}
            parts.append(content)
            place += len(content)
    text = json.dumps(header, separators=(",", ":")).encode()
    text += b" " * (-len(text) % 8)
    return struct.pack("<Q", len(text)) + text + b"".join(parts)


def main():
    makers = {f"prequantized-sharded/model-{n:05}-of-00003.safetensors": lambda n=n: shard(n) for n in (1, 2, 3)}
    with open(os.path.join(HERE, "VARIANTS.sha256"), encoding="utf-8") as file:
        expected = dict(reversed(line.split()) for line in file if line.strip())
    for name, maker in makers.items():
        path = os.path.join(HERE, FALCON + name)
        if os.path.exists(path):
            with open(path, "rb") as file:
                if hashlib.sha256(file.read()).hexdigest() == expected[FALCON + name]:
                    continue
        data = maker()
        found = hashlib.sha256(data).hexdigest()
        if found != expected[FALCON + name]:
            sys.exit(f"{FALCON + name}: SHA-256 {found}, expected {expected[FALCON + name]}")
        # In place whole or not at all, whoever else makes it.
        staged = os.path.join(HERE, f".variant-{os.getpid()}")
        with open(staged, "wb") as file:
            file.write(data)
        os.replace(staged, path)


if __name__ == "__main__":
    main()
