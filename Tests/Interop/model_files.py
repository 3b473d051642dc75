"""Reads the tensors of a safetensors file or of a model folder as raw bytes, through the reference reader."""

import json
from pathlib import Path
from typing import NamedTuple

import numpy as np
from safetensors import deserialize

INDEX_NAME = "model.safetensors.index.json"
SINGLE_NAME = "model.safetensors"

# numpy has no bf16: its bits are read as uint16 and widened where numbers are wanted.
NUMPY_DTYPES = {"BF16": "<u2", "F16": "<f2", "F32": "<f4", "U8": "u1", "I8": "i1"}


class BadModel(Exception):
    """The files contradict themselves; the message is one or more lines for the user."""


class Tensor(NamedTuple):
    dtype: str
    shape: tuple
    data: bytes

    def bits(self):
        """The stored elements, bf16 as uint16."""
        if self.dtype not in NUMPY_DTYPES:
            raise BadModel(f"no numpy type for dtype {self.dtype}")
        return np.frombuffer(self.data, NUMPY_DTYPES[self.dtype]).reshape(self.shape)

    def float32(self):
        """The values, exact, as float32."""
        bits = self.bits()
        if self.dtype == "BF16":
            return (bits.astype(np.uint32) << 16).view(np.float32)
        return bits.astype(np.float32)


def read_file(path):
    """name -> Tensor for one safetensors file."""
    try:
        entries = deserialize(Path(path).read_bytes())
    except Exception as error:  # The reader raises its own type; any failure means the file is not readable.
        raise BadModel(f"{path}: {error}") from error
    return {name: Tensor(entry["dtype"], tuple(entry["shape"]), bytes(entry["data"])) for name, entry in entries}


def read_index(path):
    """The shard index as (weight_map, total_size or None)."""
    try:
        index = json.loads(path.read_text())
        weight_map = dict(index["weight_map"])
        names = sorted(set(weight_map.values()))
        total_size = index.get("metadata", {}).get("total_size")
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        raise BadModel(f"{path}: not a shard index ({type(error).__name__}: {error})") from error
    for name in names:
        if "/" in name or "\\" in name or name in ("", ".", ".."):
            raise BadModel(f"{path}: shard name {name!r} is not a plain file name")
    return weight_map, total_size


def shard_files(path):
    """The safetensors files of a file or folder, as paths."""
    path = Path(path)
    if not path.is_dir():
        return [path]
    if (path / INDEX_NAME).exists():
        weight_map, _ = read_index(path / INDEX_NAME)
        return [path / name for name in sorted(set(weight_map.values()))]
    return [path / SINGLE_NAME]


def read_model(path):
    """name -> Tensor for a file or a folder; the shard index, if there is one, must agree with the shards."""
    path = Path(path)
    if not path.exists():
        raise BadModel(f"{path}: no such file or folder")
    index_path = path / INDEX_NAME
    if not path.is_dir() or not index_path.exists():
        return read_file(shard_files(path)[0])
    if (path / SINGLE_NAME).exists():
        raise BadModel(f"{path}: has both {SINGLE_NAME} and {INDEX_NAME}; loaders take the first and ignore the shards")

    weight_map, stated = read_index(index_path)
    problems, tensors = [], {}
    for shard in shard_files(path):
        for name, tensor in read_file(shard).items():
            if name in tensors:
                problems.append(f"{name}: in more than one shard, second in {shard.name}")
            tensors[name] = tensor
            if weight_map.get(name) != shard.name:
                problems.append(f"{name}: is in {shard.name}, weight_map says {weight_map.get(name)}")
    for name in sorted(set(weight_map) - set(tensors)):
        problems.append(f"{name}: weight_map says {weight_map[name]}, no shard has it")
    strays = {p.name for p in path.glob("*.safetensors")} - set(weight_map.values())
    for name in sorted(strays):
        problems.append(f"{name}: a shard no entry of weight_map names")

    total = sum(len(tensor.data) for tensor in tensors.values())
    if stated != total:
        problems.append(f"total_size: index says {stated}, the tensors have {total} bytes")
    if problems:
        raise BadModel("\n".join(f"{index_path}: {problem}" for problem in problems))
    return tensors
