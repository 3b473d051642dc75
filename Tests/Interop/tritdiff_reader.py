#!/usr/bin/env python3
"""A second reader for TritDiff, written from Docs/Formats/TritDiff.md: applies a patch to a packed safetensors model.

    tritdiff_reader.py BASE PATCH OUT

Checks the whole patch (preamble, header, sections, checksums, padding), that BASE is the model it was made for, and
the hash of every tensor and file it writes to the new folder OUT. Needs numpy and zstandard.

Exit status: 0 all is well, 1 the patch is malformed or BASE is another model.
"""

import hashlib
import json
import pathlib
import struct
import sys

import numpy as np

from tritpack_reader import SCALE_DTYPES, Malformed, aligned, code_bytes, decompressed, product, require, unique_keys

WIDTHS = {16: 2, 32: 4, 64: 8}
DTYPES = dict.fromkeys("BOOL U8 I8 F8_E5M2 F8_E4M3".split(), 8) | dict.fromkeys("I16 U16 F16 BF16".split(), 16)
DTYPES |= dict.fromkeys("I32 U32 F32".split(), 32) | dict.fromkeys("F64 I64 U64".split(), 64)
PIECE = 1 << 20


def sha256(data):
    return hashlib.sha256(data).hexdigest()


class Patch:
    def __init__(self, path):
        self.data = data = path.read_bytes()
        require(len(data) >= 64, "shorter than a preamble")
        magic, major, _, flags, offset, length = struct.unpack_from("<8sHHIQQ", data)
        require(magic == b"TRITDIFF", "does not begin with TRITDIFF")
        require(major == 2 and flags in (0, 1), f"major version {major}, flags {flags:#x}")
        require(offset % 64 == 0 and offset + length == len(data), "the header is misplaced")
        require(hashlib.sha256(data[:32] + data[offset:]).digest() == data[32:64], "checksum of preamble and header")
        text = data[offset:]
        if flags == 1:
            (size,) = struct.unpack_from("<Q", text)
            require(size <= 6 * length + 65536, f"{length} bytes of the header unpack to {size}")
            text = decompressed(text[8:], size)
        self.header = json.loads(text.decode("utf-8"), object_pairs_hook=unique_keys)
        position = 64
        for index, section in enumerate(self.header["sections"]):
            require(section["offset"] == position, f"section {index} is misplaced")
            end = position + section["stored_bytes"]
            require(sha256(data[position:end]) == section["sha256"], f"checksum of section {index}")
            position = aligned(end)
            require(not any(data[end:position]), f"bytes after section {index} are not zero")
        require(position == offset, "sections and header do not meet")

    def content(self, index):
        section = self.header["sections"][index]
        raw = self.data[section["offset"] : section["offset"] + section["stored_bytes"]]
        return raw if section["compression"] == "none" else decompressed(raw, section["bytes"])


class Base:
    """The tensors of a safetensors folder; `x.weight` of U8 beside `x.weight_scale` is trits."""

    def __init__(self, folder):
        self.folder = folder
        self.raw, self.info = {}, {}
        for path in sorted(folder.glob("*.safetensors")):
            data = path.read_bytes()
            (length,) = struct.unpack_from("<Q", data)
            for name, entry in json.loads(data[8 : 8 + length]).items():
                if name != "__metadata__":
                    begin, end = entry["data_offsets"]
                    self.raw[name], self.info[name] = data[8 + length + begin : 8 + length + end], entry

    def is_ternary(self, name):
        return self.info[name]["dtype"] == "U8" and name + "_scale" in self.info

    def names(self):
        return [n for n in self.info if not (n.endswith("_scale") and self.is_ternary(n.removesuffix("_scale")))]

    def trits(self, name):
        rows, columns = self.info[name]["shape"]
        codes = np.frombuffer(self.raw[name], np.uint8).reshape(rows, columns)
        return np.concatenate([codes >> 2 * k & 3 for k in range(4)]).astype(np.int8) - 1

    def check(self, expected):
        require(sorted(t["name"] for t in expected) == sorted(self.names()), "the base has other tensors")
        for tensor in expected:
            name = tensor["name"]
            if "trits" in tensor:
                require(self.is_ternary(name), f"{name} holds no trits")
                require(sha256(self.trits(name).tobytes()) == tensor["trits"], f"{name}: other trits")
                require(sha256(self.raw[name + "_scale"]) == tensor["scale"]["sha256"], f"{name}: another scale")
            else:
                require(self.info[name]["dtype"] == tensor["dense"], f"{name}: another type")
                require(sha256(self.raw[name]) == tensor["sha256"], f"{name}: other bytes")


def fives(content, count):
    """Trits, five in a byte."""
    data = np.frombuffer(content, np.uint8)
    require(data.size == -(-count // 5) and (data.size == 0 or data.max() < 243), "bytes of five trits")
    codes = (data[:, None] // np.array([1, 3, 9, 27, 81], np.uint8) % 3).reshape(-1)
    require(not codes[count:].any(), "codes past the last trit")
    return codes[:count].astype(np.int8) - 1


def changed(before, symbols):
    """Trits after changes: of a zero 1 gives +1 and 2 gives -1; of others 1 gives 0 and 2 the other sign."""
    from_zero = np.array([0, 1, -1], np.int8)[symbols]
    from_other = np.where(symbols == 0, before, np.where(symbols == 1, 0, -before))
    return np.where(before == 0, from_zero, from_other).astype(np.int8)


def gaps(content, before):
    changes, run_bytes, zeros = struct.unpack_from("<QQQ", content)
    shift = content[24]
    bits = np.unpackbits(np.frombuffer(content, np.uint8), bitorder="little")
    position, end = 8 * 32, 8 * (32 + run_bytes)
    zero_at = end
    other_at = zero_at + 8 * -(-zeros // 8)
    require(32 + run_bytes + -(-zeros // 8) + -(-(changes - zeros) // 8) == len(content), "counts of changes")
    places, place = [], -1
    for _ in range(changes):
        quotient = 0
        while bits[position]:
            quotient += 1
            position += 1
        position += 1
        rest = sum(int(bits[position + k]) << k for k in range(shift))
        position += shift
        require(position <= end, "runs are cut off")
        place += 1 + (quotient << shift) + rest
        places.append(place)
    require(end - position < 8 and not bits[position:end].any(), "bits follow the last run")
    symbols = np.zeros(before.size, np.uint8)
    places = np.array(places, np.int64)
    is_zero = before[places] == 0 if changes else np.zeros(0, bool)
    require(int(is_zero.sum()) == zeros, "changes of zeros")
    symbols[places[is_zero]] = 1 + bits[zero_at : zero_at + zeros]
    symbols[places[~is_zero]] = 1 + bits[other_at : other_at + changes - zeros]
    return changed(before, symbols)


def trits(tensor, patch, base):
    shape = tensor["shape"]
    before = base.trits(tensor["from"]).reshape(-1) if tensor["coding"] != "whole" else None
    if tensor["coding"] == "same":
        return before.reshape(shape)
    content = patch.content(tensor["section"])
    after = gaps(content, before) if tensor["coding"] == "gaps" else fives(content, product(shape))
    return after.reshape(shape)


def dense(tensor, patch, base):
    coding = tensor["coding"]
    if coding == "same":
        return base.raw[tensor["from"]]
    content = patch.content(tensor["section"])
    width = WIDTHS.get(DTYPES[tensor["dense"]], 1)
    kind = np.dtype(f"<u{width}")
    parts = []
    for start in range(0, len(content), PIECE):
        piece = np.frombuffer(content[start : start + PIECE], np.uint8)
        numbers = np.ascontiguousarray(piece.reshape(width, -1).T).reshape(-1).view(kind)
        if coding == "xor":
            numbers = numbers ^ np.frombuffer(base.raw[tensor["from"]][start : start + PIECE], kind)
        parts.append(numbers.astype(kind).tobytes())
    return b"".join(parts)


def packed(matrix, layout):
    rows, columns = matrix.shape
    codes = (matrix + 1).astype(np.uint8)
    if layout == "hf-packed":
        parts = codes.reshape(4, rows // 4, columns)
        data = sum(parts[k] << 2 * k for k in range(4))
    else:
        places, radix = (5, 3) if layout == "base3" else (4, 4)
        stride = -(-columns // places)
        full = np.ones((rows, places * stride), np.uint8)
        full[:, :columns] = codes
        parts = full.reshape(rows, places, stride)
        data = sum(parts[:, k] * radix**k for k in range(places))
    data = data.astype(np.uint8).tobytes()
    require(len(data) == code_bytes(layout, rows, columns), "packed size")
    return data


def apply(base_folder, patch_path, out):
    patch, base = Patch(patch_path), Base(base_folder)
    header = patch.header
    base.check(header["base"]["tensors"])
    known = {tensor["name"]: tensor for tensor in header["base"]["tensors"]}
    files = [bytearray(file["bytes"]) for file in header["files"]]
    taken = [[] for _ in files]

    def put(place, data):
        files[place["file"]][place["offset"] : place["offset"] + len(data)] = data
        taken[place["file"]].append((place["offset"], len(data)))

    for tensor in header["tensors"]:
        if "shape" not in tensor:
            tensor = {k: v for k, v in known[tensor["from"]].items() if k != "name"} | tensor
        if "trits" not in tensor:
            data = dense(tensor, patch, base)
            require(sha256(data) == tensor["sha256"], f"{tensor['name']}: hash of the bytes")
            put(tensor["place"], data)
            continue
        matrix = trits(tensor, patch, base)
        require(sha256(matrix.tobytes()) == tensor["trits"], f"{tensor['name']}: hash of the trits")
        put(tensor["place"], packed(matrix, tensor["layout"]))
        if tensor.get("scale_coding") == "same":
            scale = base.raw[tensor["from"] + "_scale"]
        elif "scale_bytes" in tensor:
            scale = bytes.fromhex(tensor["scale_bytes"])
        else:
            scale = patch.content(tensor["scale_section"])
        require(len(scale) % SCALE_DTYPES[tensor["scale"]["dtype"]] == 0, "size of the scales")
        require(sha256(scale) == tensor["scale"]["sha256"], f"{tensor['name']}: hash of the scales")
        put(tensor["scale_place"], scale)

    out.mkdir()
    for file, data, extents in zip(header["files"], files, taken):
        rest, position, used = patch.content(file["section"]), 0, 0
        for offset, length in sorted(extents) + [(file["bytes"], 0)]:
            require(offset >= position, "tensors overlap")
            data[position:offset] = rest[used : used + offset - position]
            used += offset - position
            position = offset + length
        require(used == len(rest), f"{file['name']}: bytes beside tensors")
        require(sha256(data) == file["sha256"], f"{file['name']}: hash of the file")
        (out / file["name"]).write_bytes(data)
    for file in header["companions"]:
        data = patch.content(file["section"]) if "section" in file else (base_folder / file["name"]).read_bytes()
        require(sha256(data) == file["sha256"], f"{file['name']}: hash of the file")
        (out / file["name"]).write_bytes(data)
    print(f"{len(header['tensors'])} tensors, {len(header['files']) + len(header['companions'])} files: all hashes agree")


if __name__ == "__main__":
    if len(sys.argv) != 4:
        sys.exit(__doc__)
    try:
        apply(*map(pathlib.Path, sys.argv[1:]))
    except (Malformed, KeyError, ValueError) as error:
        print(f"{sys.argv[2]}: {error!r}", file=sys.stderr)
        sys.exit(1)
