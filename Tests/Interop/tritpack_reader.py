#!/usr/bin/env python3
"""A second reader for TritPack, written from Docs/Formats/TritPack.md alone.

Checks the whole file (preamble, header, sections, checksums, padding), then prints every tensor; for a ternary one the
SHA-256 of its trits as a row-major int8 matrix, which is `trits_sha256` of `tritsmith verify --format json`.

Needs the Python standard library only, and the `zstandard` package for files with compressed sections.

Exit status: 0 all is well, 1 the file is malformed or the hashes of --verify differ, 2 zstandard is missing.
"""

import argparse
import hashlib
import json
import struct
import sys

MAGIC = b"TRITPACK"
ALIGNMENT = 64
CHUNK = 1 << 20
HEADER_LIMIT = 100_000_000
LAYOUTS = ("base3", "two-bit", "hf-packed")
SCALE_DTYPES = {"BF16": 2, "F16": 2, "F32": 4}
BITS = {"F4": 4, "F6_E2M3": 6, "F6_E3M2": 6}
BITS |= dict.fromkeys("BOOL U8 I8 F8_E5M2 F8_E4M3 F8_E8M0 F8_E4M3FNUZ F8_E5M2FNUZ".split(), 8)
BITS |= dict.fromkeys("I16 U16 F16 BF16".split(), 16)
BITS |= dict.fromkeys("I32 U32 F32".split(), 32)
BITS |= dict.fromkeys("C64 F64 I64 U64".split(), 64)


class Malformed(Exception):
    """The file breaks the specification."""


def require(condition, message):
    if not condition:
        raise Malformed(message)


def aligned(position):
    return -(-position // ALIGNMENT) * ALIGNMENT


def product(dimensions):
    result = 1
    for dimension in dimensions:
        result *= dimension
    return result


def unique_keys(pairs):
    require(len({key for key, _ in pairs}) == len(pairs), "an object of the header holds a key twice")
    return dict(pairs)


# Structure


class TritPack:
    def __init__(self, path):
        with open(path, "rb") as file:
            self.data = file.read()
        self.header = self._header()
        self._check_sections()
        self._check_entries()

    def _header(self):
        data = self.data
        require(len(data) >= 64, "shorter than a preamble")
        magic, self.major, self.minor, flags, offset, length = struct.unpack_from("<8sHHIQQ", data)
        require(magic == MAGIC, "does not begin with TRITPACK")
        require(self.major == 1, f"major version {self.major}")
        require(flags == 0, f"flags {flags:#x}")
        require(length <= HEADER_LIMIT, f"a header of {length} bytes")
        require(offset >= 64 and offset % ALIGNMENT == 0 and offset + length == len(data), "the header is misplaced")
        text = data[offset:]
        require(hashlib.sha256(data[:32] + text).digest() == data[32:64], "checksum of preamble and header")
        self.header_offset = offset
        return json.loads(text.decode("utf-8"), object_pairs_hook=unique_keys)

    def _check_sections(self):
        position = 64
        for index, section in enumerate(self.header["sections"]):
            where = f"section {index}"
            stored, size = section["stored_bytes"], section["bytes"]
            require(section["offset"] == position, f"{where} begins at {section['offset']}, expected {position}")
            end = position + stored
            require(end <= self.header_offset, f"{where} reaches into the header")
            require(section["compression"] in ("none", "zstd"), f"{where}: compression {section['compression']!r}")
            require(section["compression"] == "zstd" or stored == size, f"{where}: two lengths")
            digest = hashlib.sha256(self.data[position:end]).hexdigest()
            require(digest == section["sha256"], f"checksum of {where}")
            position = aligned(end)
            require(not any(self.data[end:position]), f"bytes after {where} are not zero")
        require(position == self.header_offset, "sections and header do not meet")

    def _check_entries(self):
        header = self.header
        used = [t["section"] for t in header["tensors"]] + [f["section"] for f in header["files"]]
        used += [t["scale"]["section"] for t in header["tensors"] if "scale" in t]
        require(sorted(used) == list(range(len(header["sections"]))), "sections are not used once each")
        for kind in ("tensors", "files"):
            names = [entry["name"] for entry in header[kind]]
            require(len(set(names)) == len(names), f"two {kind} of one name")
        for file in header["files"]:
            name = file["name"]
            if name.startswith("additional_chat_templates/") and name.endswith(".jinja"):
                name = name.split("/", 1)[1]
            require(name not in ("", ".", "..") and "/" not in name and "\0" not in name, f"file name {name!r}")
        for tensor in header["tensors"]:
            self._check_tensor(tensor)

    def _check_tensor(self, tensor):
        name, size = tensor["name"], self.header["sections"][tensor["section"]]["bytes"]
        require(("ternary" in tensor) != ("dense" in tensor), f"{name}: not one of ternary and dense")
        require(all(type(d) is int and d >= 0 for d in tensor["shape"]), f"{name}: shape {tensor['shape']}")
        if "dense" in tensor:
            bits = product(tensor["shape"]) * BITS[tensor["dense"]]
            require(bits == 8 * size, f"{name}: {bits} bits in {size} bytes")
            return
        layout, scale = tensor["ternary"], tensor["scale"]
        require(layout in LAYOUTS, f"{name}: layout {layout!r}")
        require(len(tensor["shape"]) == 2, f"{name}: not a matrix")
        rows, columns = tensor["shape"]
        require(layout != "hf-packed" or rows % 4 == 0, f"{name}: {rows} rows")
        require(size == code_bytes(layout, rows, columns), f"{name}: {size} bytes of codes")
        require(scale["convention"] in ("multiply", "divide"), f"{name}: convention {scale['convention']!r}")
        count = {"tensor": 1, "row": rows}.get(scale["granularity"])
        if scale["granularity"] == "group":
            require(scale["group_columns"] >= 1, f"{name}: group_columns")
            count = rows * -(-columns // scale["group_columns"])
        require(count is not None, f"{name}: granularity {scale['granularity']!r}")
        expected = count * SCALE_DTYPES[scale["dtype"]]
        require(self.header["sections"][scale["section"]]["bytes"] == expected, f"{name}: section of scales")

    # Content

    def content(self, index):
        section = self.header["sections"][index]
        start, stored, size = section["offset"], section["stored_bytes"], section["bytes"]
        raw = self.data[start : start + stored]
        return raw if section["compression"] == "none" else decompressed(raw, size)

    def trits(self, tensor):
        """The trits as one bytes object: int8, row-major."""
        rows, columns = tensor["shape"]
        return unpacked(self.content(tensor["section"]), tensor["ternary"], rows, columns)

    def scales(self, tensor):
        raw, dtype = self.content(tensor["scale"]["section"]), tensor["scale"]["dtype"]
        if dtype == "BF16":
            bits = struct.unpack(f"<{len(raw) // 2}H", raw)
            values = struct.unpack(f"<{len(bits)}f", b"".join(struct.pack("<I", b << 16) for b in bits))
        else:
            letter, width = ("e", 2) if dtype == "F16" else ("f", 4)
            values = struct.unpack(f"<{len(raw) // width}{letter}", raw)
        for value in values:
            finite = value - value == 0
            require(finite and value >= 0, f"{tensor['name']}: scale {value}")
        return values


def code_bytes(layout, rows, columns):
    if layout == "hf-packed":
        return rows // 4 * columns
    return rows * -(-columns // (5 if layout == "base3" else 4))


def decompressed(raw, size):
    try:
        import zstandard
    except ImportError:
        print("this file has compressed sections: pip install zstandard", file=sys.stderr)
        raise SystemExit(2) from None
    count = -(-size // CHUNK)
    require(len(raw) >= 4 + 4 * count, "a chunk table is cut off")
    stated, *lengths = struct.unpack_from(f"<{1 + count}I", raw)
    require(stated == count, f"{stated} chunks, expected {count}")
    require(4 + 4 * count + sum(lengths) == len(raw), "frames do not fill their section")
    position, parts = 4 + 4 * count, []
    for index, length in enumerate(lengths):
        expected = min(CHUNK, size - index * CHUNK)
        try:
            part = zstandard.ZstdDecompressor().decompress(raw[position : position + length], max_output_size=expected)
        except zstandard.ZstdError as error:
            raise Malformed(f"chunk {index}: {error}") from error
        require(len(part) == expected, f"chunk {index} holds {len(part)} bytes, expected {expected}")
        parts.append(part)
        position += length
    return b"".join(parts)


def unpacked(codes, layout, rows, columns):
    if layout == "hf-packed":
        stride, radix, places, valid = columns, 4, 4, None
    else:
        radix, places = (3, 5) if layout == "base3" else (4, 4)
        stride, valid = -(-columns // places), 243 if layout == "base3" else None
    require(valid is None or max(codes, default=0) < valid, "a byte above 242")
    # tables[k] turns every byte into its place k as an int8 trit; code 3 has no trit.
    tables = [bytes((byte // radix**k % radix - 1) & 0xFF for byte in range(256)) for k in range(places)]
    planes = [codes.translate(table) for table in tables]
    if layout == "hf-packed":
        result = b"".join(planes)
    else:
        parts = []
        for start in range(0, rows * stride, stride) if stride else []:
            parts.append(b"".join(plane[start : start + stride] for plane in planes)[:columns])
        result = b"".join(parts)
    require(b"\x02" not in result, "code 3")
    return result


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("file", metavar="FILE")
    parser.add_argument("--verify", metavar="JSON", help="output of `tritsmith verify SOURCE FILE --format json`")
    options = parser.parse_args()

    hashes = {}
    try:
        pack = TritPack(options.file)
        print(f"TritPack {pack.major}.{pack.minor}, {pack.header.get('generator', '')}")
        for tensor in pack.header["tensors"]:
            shape, name = "x".join(map(str, tensor["shape"])), tensor["name"]
            if "dense" in tensor:
                content = hashlib.sha256(pack.content(tensor["section"])).hexdigest()
                print(f"{name}  {shape}  {tensor['dense']}  bytes {content}")
                continue
            hashes[name] = hashlib.sha256(pack.trits(tensor)).hexdigest()
            scales, scale = pack.scales(tensor), tensor["scale"]
            shown = scales[0] if len(scales) == 1 else f"{len(scales)} per {scale['granularity']}"
            print(f"{name}  {shape}  {tensor['ternary']}  {scale['convention']} {shown}  trits {hashes[name]}")
        for file in pack.header["files"]:
            print(f"file {file['name']}  {len(pack.content(file['section']))} bytes")
    except (Malformed, OSError, KeyError, TypeError, IndexError, ValueError) as error:
        print(f"{options.file}: {type(error).__name__}: {error}", file=sys.stderr)
        return 1

    if not options.verify:
        return 0
    with open(options.verify, encoding="utf-8") as file:
        rows = json.load(file)["tensors"]
    expected = {row["name"]: row["trits_sha256"] for row in rows if row["trits_sha256"]}
    differing = sorted(name for name in expected.keys() | hashes.keys() if expected.get(name) != hashes.get(name))
    for name in differing:
        print(f"{name}: trits {hashes.get(name)}, verify says {expected.get(name)}")
    print(f"{'differ' if differing or not expected else 'agree'}: {len(expected)} ternary tensors")
    return 1 if differing or not expected else 0


if __name__ == "__main__":
    sys.exit(main())
