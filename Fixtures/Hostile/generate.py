"""Makes the seed corpus of the fuzzers and its table, with nothing but Python's own library.

    python3 Fixtures/Hostile/generate.py

Every file here is made by this script but those whose name begins with `found-`: these a fuzzer made, or a person who
read the code. Their sentences are kept in found.json. README.md lists all of them, and a test holds the two together.
Files that begin with `valid` must be accepted; the structured target edits them.
"""
import hashlib
import json
import os
import struct

HERE = os.path.dirname(os.path.abspath(__file__))
TABLE = {}


def put(target, name, data, sentence):
    folder = os.path.join(HERE, target)
    os.makedirs(folder, exist_ok=True)
    if isinstance(data, str):
        data = data.encode()
    assert len(data) <= 1 << 20, name
    with open(os.path.join(folder, name), "wb") as file:
        file.write(data)
    TABLE[target + "/" + name] = sentence


# --- safetensors

def header(text, data=b"", length=None):
    if not isinstance(text, (str, bytes)):
        text = json.dumps(text, separators=(",", ":"))
    text = text.encode() if isinstance(text, str) else text
    return struct.pack("<Q", len(text) if length is None else length) + text + data


def entry(dtype, shape, begin, end):
    return {"dtype": dtype, "shape": shape, "data_offsets": [begin, end]}


def bf16(count):
    return b"".join(struct.pack("<H", 0x3E80 + 37 * i % 300 + (0x8000 if i % 3 == 0 else 0)) for i in range(count))


def safetensors():
    def s(name, data, sentence):
        put("safetensors", name, data, sentence)

    s("valid-dense", header({"a": entry("F32", [2, 2], 0, 16), "b": entry("BF16", [3], 16, 22)}, b"\0\0\x80\x3f" * 4 + bf16(3)),
      "Two dense tensors, as any writer makes them.")
    s("valid-packed", header({
        "model.layers.0.self_attn.q_proj.weight": entry("U8", [2, 8], 0, 16),
        "model.layers.0.self_attn.q_proj.weight_scale": entry("BF16", [1], 16, 18),
        "model.norm.weight": entry("BF16", [8], 18, 34)}, bytes([0x00, 0x55, 0xAA, 0x19] * 4) + b"\x20\x3f" + bf16(8)),
      "A packed ternary matrix with its scale and a norm.")
    s("valid-latent", header({
        "__metadata__": {"format": "pt"},
        "model.layers.0.mlp.up_proj.weight": entry("BF16", [8, 8], 0, 128)}, bf16(64)),
      "A projection of latent weights, which a conversion quantizes.")
    s("valid-types", header({
        "f64": entry("F64", [1], 0, 8), "f16": entry("F16", [2], 8, 12), "i64": entry("I64", [1], 12, 20),
        "bool": entry("BOOL", [3], 20, 23), "empty": entry("U8", [0, 4], 23, 23), "scalar": entry("F32", [], 23, 27),
        "f4": entry("F4", [6], 27, 30)}, bytes(range(30))),
      "Every width of number, an empty tensor and a scalar.")
    s("empty", b"", "Nothing at all.")
    s("seven-bytes", b"\1\0\0\0\0\0\0", "Ends inside the length of the header.")
    s("length-max", b"\xff" * 8 + b"{}", "A header of 2^64 − 1 bytes: 8 + N overflows.")
    s("length-limit", struct.pack("<Q", 100_000_000) + b"{}", "Claims the largest header allowed in a file of 10 bytes.")
    s("length-past-end", header("{}", length=3), "A header one byte longer than the file.")
    s("no-json", header("[]"), "A header that is an array.")
    s("not-utf8", header(b'{"\xff":1}'), "A name that is not UTF-8.")
    s("deep-arrays", header("[" * 20000), "Arrays 20,000 deep, to run a recursive parser out of stack.")
    s("deep-objects", header('{"a":' * 20000), "Objects 20,000 deep.")
    s("deep-in-shape", header('{"a":{"dtype":"F32","shape":' + "[" * 3000 + "]" * 3000 + ',"data_offsets":[0,0]}}'),
      "A shape of arrays 3,000 deep.")
    s("many-values", header("[" + "0," * 40000 + "0]"), "40,000 numbers, each a value in memory.")
    s("many-empty-names", header("{" + '"":0,' * 12000 + '"":0}'), "One name 12,000 times, to make a search of duplicates slow.")
    s("duplicate-name", header('{"a":{"dtype":"U8","shape":[1],"data_offsets":[0,1]},"a":{"dtype":"U8","shape":[1],"data_offsets":[1,2]}}', b"\0\0"),
      "Two tensors of one name, of which only one could count.")
    s("duplicate-by-escape", header('{"a":{"dtype":"U8","shape":[1],"data_offsets":[0,1]},"\\u0061":{"dtype":"U8","shape":[1],"data_offsets":[1,2]}}', b"\0\0"),
      "The same name spelled twice, once as an escape.")
    s("shape-overflow", header({"a": entry("F32", [1 << 62, 4], 0, 0)}), "A shape whose product is 2^64.")
    s("shape-bits-overflow", header({"a": entry("F64", [1 << 60], 0, 0)}), "Elements fit 64 bits, their bits do not.")
    s("shape-zero-then-huge", header({"a": entry("F32", [0, (1 << 62)], 0, 0)}), "No elements, rows of 2^62 columns.")
    s("shape-huge-then-zero", header({"model.layers.0.mlp.up_proj.weight": entry("BF16", [1 << 62, 0], 0, 0)}),
      "2^62 rows without columns: a loop over rows never ends.")
    s("shape-of-ones", header({"a": entry("U8", [1] * 3000, 0, 1)}, b"\0"), "3,000 dimensions of 1.")
    s("shape-negative", header('{"a":{"dtype":"U8","shape":[-1,-1],"data_offsets":[0,1]}}', b"\0"), "Negative dimensions whose product is 1.")
    s("shape-float", header('{"a":{"dtype":"U8","shape":[1e0],"data_offsets":[0,1]}}', b"\0"), "A dimension written as 1e0.")
    s("offsets-inverted", header({"a": entry("U8", [1], 1, 0)}, b"\0"), "A tensor that ends before it begins.")
    s("offsets-max", header({"a": entry("U8", [1], (1 << 64) - 1, 0)}, b"\0"), "Begins at 2^64 − 1.")
    s("offsets-overlap", header({"a": entry("U8", [2], 0, 2), "b": entry("U8", [2], 1, 3)}, b"\0\0\0"), "Two tensors share a byte.")
    s("offsets-hole", header({"a": entry("U8", [1], 1, 2)}, b"\0\0"), "A byte nobody owns, in which anything may hide.")
    s("trailing", header({"a": entry("U8", [1], 0, 1)}, b"\0#!/bin/sh"), "Something follows the data: a polyglot file.")
    s("many-dimensions-zero", header({"a": entry("U8", [1 << 20, 1 << 20, 1 << 20, 0], 0, 0)}), "An empty tensor whose other dimensions overflow.")
    s("nan-weights", header({"model.layers.0.mlp.up_proj.weight": entry("BF16", [4, 4], 0, 32)}, b"\xc0\x7f" * 16), "Latent weights that are all NaN.")
    s("infinite-weights", header({"model.layers.0.mlp.up_proj.weight": entry("F32", [4, 4], 0, 64)}, b"\0\0\x80\x7f" * 16), "Latent weights that are all infinite.")
    s("largest-weights", header({"model.layers.0.mlp.up_proj.weight": entry("F32", [4, 4], 0, 64)}, b"\xff\xff\x7f\x7f" * 16),
      "The largest Float everywhere: sums overflow.")
    s("f64-beyond-float", header({"model.layers.0.mlp.up_proj.weight": entry("F64", [4, 4], 0, 128)}, struct.pack("<d", 1e300) * 16),
      "Doubles no Float can hold.")
    s("subnormal-weights", header({"model.layers.0.mlp.up_proj.weight": entry("F32", [4, 4], 0, 64)}, b"\1\0\0\0" * 16),
      "The smallest Floats: the inverse of their mean is infinite.")
    s("packed-code-three", header({
        "x.weight": entry("U8", [1, 4], 0, 4), "x.weight_scale": entry("BF16", [1], 4, 6)}, b"\xff" * 4 + b"\x80\x3f"),
      "Packed codes of 3, which are no trit.")
    s("packed-scale-nan", header({
        "x.weight": entry("U8", [1, 4], 0, 4), "x.weight_scale": entry("BF16", [1], 4, 6)}, b"\0" * 4 + b"\xc0\x7f"),
      "A scale that is NaN.")
    s("packed-scale-zero", header({
        "x.weight": entry("U8", [1, 4], 0, 4), "x.weight_scale": entry("BF16", [1], 4, 6)}, b"\0" * 6), "A scale of zero to divide by.")
    s("packed-scale-empty", header({
        "x.weight": entry("U8", [1, 4], 0, 4), "x.weight_scale": entry("BF16", [0], 4, 4)}, b"\0" * 4), "A scale without a number.")
    s("packed-rows-overflow", header({
        "x.weight": entry("U8", [1 << 62, 0], 0, 0), "x.weight_scale": entry("BF16", [1], 0, 2)}, b"\x80\x3f"),
      "Four times as many rows as packed ones do not fit.")
    s("packed-vector", header({
        "x.weight": entry("U8", [4], 0, 4), "x.weight_scale": entry("BF16", [1], 4, 6)}, b"\0" * 4 + b"\x80\x3f"), "Packed trits that are no matrix.")
    s("name-control", header({"a\u001b[2J\n\u0000b": entry("U8", [1], 0, 1)}, b"\0"), "A name that clears the terminal it is shown on.")
    s("name-long", header({"n" * 10000: entry("U8", [1], 0, 1)}, b"\0"), "A name of 10,000 bytes.")
    s("name-path", header({"../../etc/passwd": entry("U8", [1], 0, 1)}, b"\0"), "A name that would leave the folder if it were a path.")
    s("metadata-not-strings", header('{"__metadata__":{"a":1}}'), "Metadata that is no text.")
    s("metadata-twice", header('{"__metadata__":{},"__metadata__":{}}'), "Metadata that stands twice.")
    s("metadata-recipe", header({"__metadata__": {"tritsmith_recipe": "[" * 200}}), "A recipe in the metadata that is deeply nested JSON.")
    s("lone-surrogate", header('{"\\ud800":1}'), "Half of a surrogate pair as a name.")
    s("number-long", header('{"a":' + "9" * 5000 + "}"), "A number of 5,000 digits.")
    names = {"t%05d" % i: entry("U8", [0], 0, 0) for i in range(2000)}
    s("many-tensors", header(names), "2,000 tensors without content.")


# --- shard index

# --- mlx: beside a config.json that says 2 bits in groups of 32

def mlx(words=(4, 4), groups=(4, 2), scale=0x3800, bias=0xB800, codes=0x24924924, dtype="F16", bias_dtype=None, drop=(), name="model.layers.0.self_attn.q_proj"):
    """One matrix of 4 rows and 64 columns, or what the arguments make of it; the data are as long as the shapes ask for."""
    root, data = {}, b""
    for ending, kind, shape, number in [("weight", "U32", words, codes), ("scales", dtype, groups, scale), ("biases", bias_dtype or dtype, groups, bias)]:
        if ending in drop:
            continue
        count = 1
        for dimension in shape:
            count *= dimension
        width = {"U32": 4, "F32": 4, "F16": 2, "BF16": 2, "I64": 8}[kind]
        part = b"".join((number(i) if callable(number) else number).to_bytes(4, "little")[:width].ljust(width, b"\0") for i in range(count))
        root["%s.%s" % (name, ending)] = entry(kind, list(shape), len(data), len(data) + len(part))
        data += part
    return header(root, data)


def mlx_files():
    def s(name, data, sentence):
        put("mlx", name, data, sentence)

    s("valid-ternary", mlx(), "Trits of MLX: biases are −scale.")
    s("valid-zero-scale", mlx(scale=0, bias=0x8000), "Groups whose scale is 0.")
    s("valid-plain", mlx(bias=0x3400), "Numbers of 2 bits that are no trits.")
    s("valid-damaged", mlx(scale=0xB400, bias=0x3800, codes=0x8A28A28A), "Ternary weights after `mx.quantize(bits=2)`.")
    s("code-three", mlx(codes=0xFFFFFFFF), "Codes that are all 3.")
    s("scale-nan", mlx(scale=lambda i: 0x7E00 if i == 3 else 0x3800), "A scale that is no number.")
    s("scale-infinite", mlx(scale=0x7C00, bias=0xFC00), "Scales and biases that are infinite.")
    s("scale-negative", mlx(scale=0xB800, bias=0x3800), "Scales below 0 with biases that would make them trits.")
    s("bias-late", mlx(words=(1030, 1), groups=(1030, 1), bias=lambda i: 0x3800 if i == 1029 else 0xB800), "A wrong bias behind the groups that are looked at when a file is opened.")
    s("scales-transposed", mlx(groups=(2, 4)), "Scales of the wrong shape.")
    s("scales-fewer", mlx(groups=(4, 1)), "One scale a row where two are needed.")
    s("scales-vector", mlx(groups=(8,)), "Scales in a vector.")
    s("scales-empty", mlx(groups=(0, 2)), "Scales without a number.")
    s("scales-wide", mlx(dtype="I64"), "Scales that are whole numbers.")
    s("types-mixed", mlx(bias_dtype="F32"), "Biases of another type than the scales.")
    s("no-biases", mlx(drop=("biases",)), "Scales without biases.")
    s("no-scales", mlx(drop=("scales",)), "Biases without scales.")
    s("no-weight", mlx(drop=("weight",)), "Scales and biases of nothing.")
    s("columns", mlx(words=(4, 3), groups=(4, 1)), "Rows that are no whole groups.")
    s("rows-empty", mlx(words=(0, 4), groups=(0, 2)), "A matrix without rows.")
    s("columns-empty", mlx(words=(1 << 62, 0), groups=(1 << 62, 0)), "2^62 rows of nothing.")
    s("words-overflow", header({"a.weight": entry("U32", [0, 1 << 61], 0, 0), "a.scales": entry("F16", [0, 1 << 60], 0, 0), "a.biases": entry("F16", [0, 1 << 60], 0, 0)}),
      "Words that hold more than 2^63 weights.")
    s("experts", mlx(words=(1, 4, 4), groups=(1, 4, 2)), "Three axes, as experts have them.")


def shard_index():
    def s(name, data, sentence):
        put("shard-index", name, data if isinstance(data, str) else json.dumps(data), sentence)

    one, two = "model-00001-of-00002.safetensors", "model-00002-of-00002.safetensors"
    good = {"a": one, "b": one, "c.weight": two}
    s("valid", {"metadata": {"total_size": 164}, "weight_map": good}, "The index of the two shards beside it.")
    s("leaves-folder", {"weight_map": {**good, "a": "../outside/" + one}}, "A shard in another folder.")
    s("absolute", {"weight_map": {**good, "a": "/etc/passwd"}}, "A shard by its absolute path.")
    s("dot-dot", {"weight_map": {**good, "a": ".."}}, "The folder above as a shard.")
    s("empty-name", {"weight_map": {**good, "a": ""}}, "The empty name, which is the folder itself.")
    s("nul-in-name", {"weight_map": {**good, "a": one + "\0.txt"}}, "A name that C ends early.")
    s("slash-and-accent", {"weight_map": {**good, "a": "x/\u0301y"}}, "A slash that Swift joins with an accent to one character.")
    s("missing-shard", {"weight_map": {**good, "a": "model-3.safetensors"}}, "A shard that is not there.")
    s("itself", {"weight_map": {**good, "a": "model.safetensors.index.json"}}, "The index as its own shard.")
    s("wrong-shard", {"weight_map": {**good, "a": two}}, "A tensor said to be in the other shard.")
    s("unknown-tensor", {"weight_map": {**good, "d": one}}, "A tensor no shard has.")
    s("missing-tensor", {"weight_map": {"a": one, "c.weight": two}}, "A tensor of a shard the index leaves out.")
    s("twice", '{"weight_map":{"a":"%s","a":"%s","b":"%s","c.weight":"%s"}}' % (one, two, one, two), "One tensor in two shards.")
    s("case", {"weight_map": {**good, "a": one.upper()}}, "A shard whose name differs in case.")
    s("total-huge", {"metadata": {"total_size": (1 << 64) - 1}, "weight_map": good}, "A total of 2^64 − 1 bytes.")
    s("total-text", {"metadata": {"total_size": "12"}, "weight_map": good}, "A total that is text.")
    s("map-array", {"weight_map": [one]}, "A list where names should be.")
    s("map-nested", {"weight_map": {"a": {"a": one}}}, "An object where a file name should be.")
    s("no-map", {}, "No map at all.")
    s("empty-map", {"weight_map": {}}, "A map without tensors.")
    s("number", "1e999", "A number instead of an object.")
    s("deep", '{"weight_map":' * 2000, "Objects 2,000 deep.")
    s("many-shards", {"weight_map": {"t%d" % i: "s%d" % i for i in range(4000)}}, "4,000 shards, none of which exists.")


# --- TritPack

def sealed(sections, meta, version=(1, 0), flags=0, offset=None, length=None, magic=b"TRITPACK"):
    text = meta if isinstance(meta, bytes) else json.dumps(meta, separators=(",", ":")).encode()
    prefix = magic + struct.pack("<HHIQQ", *version, flags, 64 + len(sections) if offset is None else offset,
                                       len(text) if length is None else length)
    return prefix + hashlib.sha256(prefix + text).digest() + sections + text


def frame(size, blocks):
    """A zstd frame of a declared size; blocks are bytes, or (byte, count) for a run."""
    out = b"\x28\xb5\x2f\xfd" + bytes([0xA0]) + struct.pack("<I", size)
    for number, block in enumerate(blocks):
        last = number == len(blocks) - 1
        kind, count, content = (1, block[1], bytes([block[0]])) if isinstance(block, tuple) else (0, len(block), block)
        out += struct.pack("<I", last | kind << 1 | count << 3)[:3] + content
    return out


def chunked(frames):
    return struct.pack("<I", len(frames)) + b"".join(struct.pack("<I", len(f)) for f in frames) + b"".join(frames)


class Pack:
    def __init__(self):
        self.data, self.sections, self.tensors, self.files = b"", [], [], []

    def section(self, stored, size=None, compression="none"):
        self.sections.append({
            "offset": 64 + len(self.data), "stored_bytes": len(stored), "bytes": len(stored) if size is None else size,
            "compression": compression, "sha256": hashlib.sha256(stored).hexdigest()})
        self.data += stored + bytes(-len(stored) % 64)
        return len(self.sections) - 1

    def dense(self, name, dtype, shape, *section):
        self.tensors.append({"name": name, "shape": shape, "dense": dtype, "section": self.section(*section)})

    def ternary(self, name, layout, shape, stored, scales, granularity="tensor", dtype="BF16", convention="multiply", **more):
        index = self.section(stored, **{k: v for k, v in more.items() if k in ("size", "compression")})
        scale = {"convention": convention, "dtype": dtype, "granularity": granularity, "section": self.section(scales)}
        if "group" in more:
            scale["group_columns"] = more["group"]
        self.tensors.append({"name": name, "shape": shape, "ternary": layout, "section": index, "scale": scale})

    def file(self, name, *section):
        self.files.append({"name": name, "section": self.section(*section)})

    def meta(self, **change):
        return {"format": "tritpack", "version": "1.0", "generator": "generate.py", "recipe": {}, "metadata": {"format": "pt"},
                "tensors": self.tensors, "files": self.files, "sections": self.sections, **change}

    def bytes(self, **change):
        return sealed(self.data, self.meta(**change))


def small_pack():
    pack = Pack()
    pack.ternary("model.layers.0.self_attn.q_proj.weight", "base3", [4, 10], bytes([0, 121, 242, 5, 17, 99, 200, 81]), b"\x20\x3f")
    pack.ternary("two.weight", "two-bit", [4, 8], bytes([0x55, 0xAA, 0x00, 0x19] * 2), struct.pack("<4f", 0.5, 1, 2, 4), "row", "F32")
    pack.ternary("hf.weight", "hf-packed", [8, 4], bytes([0x55, 0xAA, 0x00, 0x19] * 2), struct.pack("<16H", *range(0x3C00, 0x3C10)), "group", "F16", "divide", group=2)
    pack.dense("model.norm.weight", "BF16", [8], bf16(8))
    return pack


def tritpack():
    def s(name, data, sentence):
        put("tritpack", name, data, sentence)

    s("valid-all-layouts", small_pack().bytes(), "Every layout and granularity, without compression.")
    zipped = Pack()
    zipped.dense("a", "U8", [100], chunked([frame(100, [bytes(range(50)), (7, 50)])]), 100, "zstd")
    zipped.file("config.json", chunked([frame(2, [b"{}"])]), 2, "zstd")
    zipped.file("tokenizer.json", b"{}")
    s("valid-zstd", zipped.bytes(), "Compressed sections: a raw block, a run, an embedded configuration.")
    s("empty", b"TRITPACK", "Only the magic.")
    good = small_pack().bytes()
    s("cut-header", good[:-1], "One byte is missing at the end.")
    s("digest-wrong", good[:40] + b"\0" + good[41:], "A digest that does not fit.")
    s("offset-overflow", sealed(b"", {}, offset=(1 << 64) - 64, length=64), "Offset and length of the header add up to 2^64.")
    s("offset-in-preamble", sealed(b"", {}, offset=0), "The header inside the preamble.")
    s("length-limit", sealed(b"", {}, length=100_000_000), "Claims a header of 100 MB.")
    for size in (5, 8, 9, (1 << 62) - 1, 1 << 62, (1 << 63) - 1, 1 << 63, 1 << 64, 0, -1):
        pack = Pack()
        groups = 1 if size > 8 or size < 1 else -(-8 // size)
        pack.ternary("model.layers.0.mlp.up_proj.weight", "two-bit", [4, 8], bytes([0x19, 0x26] * 4), b"\x20\x3f" * (4 * groups),
                     granularity="group", group=size)
        s("group-%d" % size, pack.bytes(), "Scales for groups of %d columns, in rows of 8." % size)
    s("version-2", sealed(b"", small_pack().meta(), version=(2, 0)), "A version to come.")
    s("flags", sealed(b"", {}, flags=1), "A flag nobody has defined.")
    s("header-array", sealed(b"", []), "A header that is an array.")
    s("header-empty", sealed(b"", {}), "A header without anything.")
    s("header-deep", sealed(b"", b'{"recipe":' + b"[" * 5000), "A recipe 5,000 levels deep.")
    for name, size, sentence in [("bomb-declared", 1 << 40, "Declares a tebibyte in a section of a few bytes."),
                                 ("bomb-max", (1 << 63) - 1, "Declares 2^63 − 1 bytes: the count of chunks must not overflow.")]:
        pack = Pack()
        pack.dense("a", "U8", [size], chunked([frame(1 << 20, [(0, 131072)] * 8)]), size, "zstd")
        s(name, pack.bytes(), sentence)
    runs = frame(1 << 20, [(0, 131072)] * 8)
    pack = Pack()
    count = 1000
    pack.dense("a", "U8", [count << 20], chunked([runs] * count), count << 20, "zstd")
    s("bomb-tensor", pack.bytes(), "50 kB that unpack to 1 GB of zeros, in a tensor.")
    pack = Pack()
    space = frame(1 << 20, [(0x20, 131072)] * 8)
    pack.file("config.json", chunked([space] * count), count << 20, "zstd")
    s("bomb-config", pack.bytes(), "50 kB that unpack to a configuration of 1 GB of spaces.")
    pack = Pack()
    pack.file("config.json", chunked([frame(1 << 20, [b"["] + [(0x30, 1), b","] * 1000 + [(0x20, 131072)] * 7)]), 1 << 20, "zstd")
    s("bomb-json", pack.bytes(), "A compressed configuration that is not JSON to its end.")
    pack = Pack()
    pack.dense("a", "U8", [100], chunked([frame(1 << 31, [(0, 131072)] * 8)]), 100, "zstd")
    s("frame-larger", pack.bytes(), "A frame that declares more than its section.")
    pack = Pack()
    pack.dense("a", "U8", [100], chunked([frame(50, [(0, 50)])]), 100, "zstd")
    s("frame-smaller", pack.bytes(), "A frame that holds less than its section declares.")
    pack = Pack()
    pack.dense("a", "U8", [100], struct.pack("<II", 1, 0xFFFFFFFF) + frame(100, [(0, 100)]), 100, "zstd")
    s("chunk-past-end", pack.bytes(), "A chunk that reaches past its section.")
    pack = Pack()
    pack.dense("a", "U8", [100], struct.pack("<I", 0xFFFFFFFF), 100, "zstd")
    s("chunk-count", pack.bytes(), "A table of 2^32 − 1 chunks.")
    pack = Pack()
    pack.dense("a", "U8", [100], b"", 100, "zstd")
    s("chunk-none", pack.bytes(), "A compressed section without a table.")
    pack = Pack()
    pack.dense("a", "U8", [0], struct.pack("<I", 0), 0, "zstd")
    s("chunk-zero", pack.bytes(), "A compressed section of no bytes.")
    for field, value in [("offset", (1 << 64) - 64), ("stored_bytes", (1 << 64) - 1), ("bytes", (1 << 64) - 1), ("offset", 0)]:
        pack = small_pack()
        pack.sections[0][field] = value
        s("section-%s-%d" % (field.replace("_", "-"), value), pack.bytes(), "A section with %s %d." % (field, value))
    pack = small_pack()
    pack.sections.append(dict(pack.sections[0]))
    s("section-unused", pack.bytes(), "A section twice, once for nobody.")
    pack = small_pack()
    pack.tensors[1]["section"] = pack.tensors[0]["section"]
    s("section-shared", pack.bytes(), "Two tensors of one section.")
    pack = small_pack()
    pack.tensors[0]["section"] = 1 << 62
    s("section-index", pack.bytes(), "A section number far past the list.")
    pack = small_pack()
    pack.tensors[1]["name"] = pack.tensors[0]["name"]
    s("duplicate-tensor", pack.bytes(), "Two tensors of one name.")
    for shape in ([1 << 62, 0], [0, 1 << 62], [1 << 62, 4], [3, 10], [40]):
        pack = small_pack()
        pack.tensors[0]["shape"] = shape
        s("shape-" + "x".join(map(str, shape)), pack.bytes(), "A packed tensor of shape %s." % shape)
    pack = Pack()
    pack.ternary("x.weight", "base3", [1 << 62, 0], b"", b"\x20\x3f")
    s("rows-without-columns", pack.bytes(), "2^62 rows of no columns, and no bytes.")
    pack = Pack()
    pack.ternary("x.weight", "two-bit", [0, 1 << 62], b"", b"\x20\x3f")
    s("columns-without-rows", pack.bytes(), "No rows of 2^62 columns.")
    pack = small_pack()
    pack.tensors[2]["scale"]["group_columns"] = 0
    s("group-zero", pack.bytes(), "Groups of no columns.")
    pack = small_pack()
    pack.tensors[2]["scale"]["group_columns"] = (1 << 63) - 1
    s("group-max", pack.bytes(), "Groups of 2^63 − 1 columns.")
    pack = small_pack()
    pack.tensors[0]["scale"].update(granularity="group", group_columns=(1 << 63) - 1)
    pack.data = pack.data[:64] + b"\x20\x3f" * 4 + pack.data[72:]
    pack.sections[1].update(stored_bytes=8, bytes=8, sha256=hashlib.sha256(pack.data[64:72]).hexdigest())
    s("group-max-projection", pack.bytes(), "Groups of 2^63 − 1 columns in a projection, whose rows are rounded up to groups.")
    for name, scale in [("scale-nan", b"\xc0\x7f"), ("scale-negative", b"\x80\xbf"), ("scale-infinite", b"\x80\x7f")]:
        pack = Pack()
        pack.ternary("x.weight", "base3", [1, 5], b"\0", scale)
        s(name, pack.bytes(), "A scale that is %s." % name[6:])
    pack = Pack()
    pack.ternary("x.weight", "base3", [1, 5], b"\xff", b"\x80\x3f")
    s("code-invalid", pack.bytes(), "A byte of five trits above 242.")
    for name, text in [("file-leaves", "../../x"), ("file-absolute", "/etc/cron.d/x"), ("file-dot", "."), ("file-nul", "a\0b"), ("file-empty", "")]:
        pack = Pack()
        pack.file(text, b"x")
        s(name, pack.bytes(), "An embedded file named %s." % json.dumps(text))
    pack = Pack()
    pack.file("config.json", b"[" * 20000)
    s("file-deep", pack.bytes(), "An embedded configuration that is deeply nested.")


# --- GGUF

def text(value):
    value = value.encode() if isinstance(value, str) else value
    return struct.pack("<Q", len(value)) + value


def key(name, kind, value):
    return text(name) + struct.pack("<I", kind) + value


def u32(name, value):
    return key(name, 4, struct.pack("<I", value))


def f32(name, value):
    return key(name, 6, struct.pack("<f", value))


def string(name, value):
    return key(name, 8, text(value))


def array(name, kind, items):
    return key(name, 9, struct.pack("<IQ", kind, len(items)) + b"".join(items))


def tensor(name, dimensions, kind, offset):
    return text(name) + struct.pack("<I", len(dimensions)) + b"".join(struct.pack("<Q", d) for d in dimensions) + struct.pack("<IQ", kind, offset)


def gguf_file(keys=(), tensors=(), data=b"", version=3, tensor_count=None, key_count=None, alignment=32):
    out = b"GGUF" + struct.pack("<IQQ", version, len(tensors) if tensor_count is None else tensor_count,
                                len(keys) if key_count is None else key_count) + b"".join(keys) + b"".join(tensors)
    return out + (bytes(-len(out) % alignment) + data if tensors or data else b"")


LLAMA = [string("general.architecture", "llama"), u32("llama.block_count", 1), u32("llama.context_length", 32),
         u32("llama.embedding_length", 8), u32("llama.feed_forward_length", 16), u32("llama.attention.head_count", 2),
         u32("llama.attention.head_count_kv", 1), f32("llama.attention.layer_norm_rms_epsilon", 1e-5)]
BYTES = [c for c in list(range(0x21, 0x7F)) + list(range(0xA1, 0xAD)) + list(range(0xAE, 0x100))]
BYTES = [chr(c) for c in BYTES + [0x100 + i for i in range(256 - len(BYTES))]]


def key_name(entry):
    return entry[8:8 + struct.unpack("<Q", entry[:8])[0]]


def llama_tensors(kind=0, width=4):
    shapes = [("token_embd.weight", [8, 16]), ("blk.0.attn_norm.weight", [8]), ("blk.0.attn_q.weight", [8, 8]),
              ("blk.0.attn_k.weight", [8, 4]), ("blk.0.attn_v.weight", [8, 4]), ("blk.0.attn_output.weight", [8, 8]),
              ("blk.0.ffn_norm.weight", [8]), ("blk.0.ffn_gate.weight", [8, 16]), ("blk.0.ffn_up.weight", [8, 16]),
              ("blk.0.ffn_down.weight", [16, 8]), ("output_norm.weight", [8])]
    entries, data = [], b""
    for name, shape in shapes:
        count = shape[0] * (shape[1] if len(shape) > 1 else 1)
        entries.append(tensor(name, shape, kind, len(data)))
        data += (struct.pack("<f", 0.5) if kind == 0 else b"\x00\x3f") * count
        data += bytes(-len(data) % 32)
    return entries, data


# Types of dense blocks, with the bytes of 256 values.
DENSE = ((2, 144), (3, 160), (6, 176), (7, 192), (8, 272), (12, 144), (13, 176), (14, 210))


def gguf():
    def s(name, data, sentence):
        put("gguf", name, data, sentence)

    entries, data = llama_tensors()
    tokens = BYTES + ["ab", "<|bos|>"]
    vocabulary = [string("tokenizer.ggml.model", "gpt2"), string("tokenizer.ggml.pre", "llama-bpe"),
                  array("tokenizer.ggml.tokens", 8, [text(t) for t in tokens]),
                  array("tokenizer.ggml.token_type", 5, [struct.pack("<i", 3 if t == "<|bos|>" else 1) for t in tokens]),
                  array("tokenizer.ggml.merges", 8, [text("a b")]), u32("tokenizer.ggml.bos_token_id", 257)]
    s("valid-llama", gguf_file(LLAMA, entries, data), "A whole model of one layer in Float.")
    bf, bfdata = llama_tensors(30, 2)
    s("valid-llama-bf16", gguf_file(LLAMA, bf, bfdata), "The same in bfloat16.")
    s("valid-tokenizer", gguf_file(LLAMA + vocabulary, entries[:1], data[:512]), "A model with a byte-level tokenizer.")
    scored = [string("tokenizer.ggml.model", "llama"), array("tokenizer.ggml.tokens", 8, [text(piece) for piece, _, _ in PIECES]),
              array("tokenizer.ggml.scores", 6, [struct.pack("<f", score) for _, score, _ in PIECES]),
              array("tokenizer.ggml.token_type", 5, [struct.pack("<i", kind) for _, _, kind in PIECES]), u32("tokenizer.ggml.bos_token_id", 1), u32("tokenizer.ggml.eos_token_id", 2)]
    s("valid-pieces", gguf_file(LLAMA + scored, entries[:1], data[:512]), "A model with a vocabulary of SentencePiece.")
    s("pieces-score-nan", gguf_file(LLAMA + scored[:2] + [array("tokenizer.ggml.scores", 6, [struct.pack("<f", float("nan"))] * len(PIECES))] + scored[3:], entries[:1], data[:512]),
      "Scores that are no numbers.")
    s("pieces-scores-fewer", gguf_file(LLAMA + scored[:2] + [array("tokenizer.ggml.scores", 6, [struct.pack("<f", 1)])] + scored[3:], entries[:1], data[:512]),
      "One score for all pieces.")
    i2s = bytes([0x19, 0x26] * 64) + struct.pack("<f", 0.5) + bytes(28)
    s("valid-i2s", gguf_file([], [tensor("blk.0.ffn_up.weight", [128, 4], 36, 0)], i2s),
      "A matrix in bitnet.cpp's I2_S.")
    tq2 = bytes([0x19] * 64) + b"\x00\x38"
    tq1 = bytes([100] * 52) + b"\x00\x38"
    tq1 = tq1[:48] + bytes([60] * 4) + tq1[52:]
    s("valid-tq", gguf_file([], [tensor("a.weight", [256, 1], 35, 0), tensor("b.weight", [256, 1], 34, 96)], tq2 + bytes(30) + tq1),
      "A row in TQ2_0 and one in TQ1_0.")
    q8 = struct.pack("<e", 0.25) + bytes(range(32))
    s("valid-q8", gguf_file([], [tensor("a.weight", [32, 2], 8, 0)], q8 * 2), "Two rows in Q8_0.")
    half = b"\x00\x38"
    q64, q128, pt = half + bytes([0x24] * 16), half + bytes([0x49] * 32), bytes([0x31] * 24) + b"\x43\x6c" + half
    q1, seq, stq = half + bytes([0x6D] * 16), half + bytes([0x6D] * 128), bytes([0x83] * 32 + [0x38] * 8) + half

    def grouped(kind, block, columns, rows=8, blocks=None, tail=b""):
        """Two matrices of `rows` rows of 512 and a norm between them, in blocks of one kind under a type number."""
        size = rows * 512 // columns * len(block)
        step = (size + 31) // 32 * 32
        first = (block * (size // len(block))) + bytes(step - size)
        return gguf_file(LLAMA, [tensor("blk.0.attn_v.weight", [512, rows], kind, 0), tensor("blk.0.attn_norm.weight", [8], 0, step),
                                 tensor("blk.0.attn_output.weight", [512, rows], kind, step + 32)],
                         first + b"\0\0\x80\x3f" * 8 + block * (size // len(block)) + tail)

    s("valid-q2-64", grouped(42, q64, 64), "Q2_0 of 64 weights, told by its offsets.")
    s("valid-q2-128", grouped(42, q128, 128), "The older Q2_0 of 128 weights under the same number.")
    s("valid-pq2", grouped(142, q128, 128), "A sound PQ2_0 file.")
    s("valid-ptq1", grouped(143, pt, 128), "A sound PTQ1_0 file.")
    s("valid-q1", grouped(41, q1, 128), "Q1_0, which is binary.")
    s("valid-stq1", grouped(42, stq, 256), "STQ1_0 under number 42, listed and not read.")
    s("valid-seq", grouped(41, seq, 512), "SEQ under number 41, listed and not read.")
    for kind, names in ((42, (("q64", q64, 64), ("q128", q128, 128), ("stq", stq, 256))), (142, (("pq2", q128, 128), ("iq2tn", half + bytes(64), 256))),
                        (143, (("ptq1", pt, 128), ("iq1tn", bytes(52) + half, 256)))):
        for name, block, columns in names:
            for other, wrong, step in names:
                if other != name:
                    # The bytes of one, where the offsets are those of another.
                    good = grouped(kind, block, columns)
                    size = 8 * 512 // columns * len(block)
                    foreign = (wrong * (size // len(wrong) + 1))[:size]
                    s("planted-%d-%s-as-%s" % (kind, other, name), good[:-size] + foreign,
                      "Blocks of %s where type %d has the offsets of %s." % (other, kind, name))
    s("type-42-offset", gguf_file([], [tensor("a", [512, 8], 42, 0), tensor("b", [512, 8], 42, 1184)], bytes(2400)), "Type 42 with a gap no meaning explains.")
    s("type-42-mixed", gguf_file([], [tensor("a", [512, 8], 42, 0), tensor("b", [512, 8], 42, 1152), tensor("c", [512, 8], 42, 2240)], bytes(3400)),
      "Blocks of 64 and of 128 under one number.")
    s("type-42-ambiguous", gguf_file([], [tensor("a", [128, 1], 42, 0), tensor("b", [8], 0, 64)], bytes(96)), "Type 42 in a tensor so small that padding hides which it is.")
    s("type-42-overflow", gguf_file([], [tensor("a", [1 << 40, 1 << 22], 42, 0), tensor("b", [8], 0, 64)], bytes(96)), "Type 42 with nearly 2^62 weights.")
    s("type-42-cut", grouped(42, q64, 64)[:-20], "Q2_0 whose last block is cut.")
    s("type-143-cut", grouped(143, pt, 128)[:-1], "PTQ1_0 whose last byte is missing.")
    for name, bits in (("nan", b"\x00\x7e"), ("infinite", b"\x00\x7c"), ("negative", b"\x00\xb8"), ("minus-zero", b"\x00\x80"), ("subnormal", b"\x01\x00")):
        s("q2-scale-" + name, grouped(42, bits + q64[2:], 64), "Q2_0 scales that are %s." % name.replace("-", " "))
        s("ptq1-scale-" + name, grouped(143, pt[:26] + bits, 128), "PTQ1_0 scales that are %s." % name.replace("-", " "))
    s("q2-code-three", grouped(42, half + b"\xff" * 16, 64), "Q2_0 codes of 3, which are +2 times the scale.")
    s("pq2-code-three", grouped(142, half + b"\xff" * 32, 128), "PQ2_0 codes of 3.")
    s("ptq1-invalid", grouped(143, b"\x01" * 24 + b"\x01\x01" + half, 128), "PTQ1_0 bytes that no digits map to.")
    s("dense-blocks", gguf_file([], [tensor("%d.weight" % i, [256, 1], kind, 512 * i) for i, (kind, size) in enumerate(DENSE)],
                                b"".join((b"\xff\x7f" + b"\xff" * (size - 2)) + bytes(512 - size) for kind, size in DENSE)), "Dense block types of all ones, whose scales are NaN.")
    kinds = [key("k%d" % k, k, bytes(w)) for k, w in enumerate([1, 1, 2, 2, 4, 4, 4, 1])]
    kinds += [key("k10", 10, bytes(8)), key("k11", 11, b"\xff" * 8), key("k12", 12, bytes(8))]
    kinds += [array("a%d" % k, k, [bytes(w)] * 2) for k, w in [(0, 1), (1, 1), (2, 2), (3, 2), (4, 4), (5, 4), (6, 4), (7, 1), (10, 8), (11, 8), (12, 8)]]
    # Rotated weights: keys that lie. Two tensors are enough, which the keys are held against before anything is read.
    def rotation(**change):
        def i32(values):
            return [struct.pack("<i", v) for v in values]
        keys = {"version": u32, "block_size": u32, "transform": string, "axis": string, "sign_mode": string,
                "sign_widths": lambda n, v: array(n, 5, i32(v)), "sign_values": lambda n, v: array(n, 5, i32(v)),
                "weight_names": lambda n, v: array(n, 8, [text(t) for t in v]),
                "inverse_weight_names": lambda n, v: array(n, 8, [text(t) for t in v]),
                "gdn_v_grouped": lambda n, v: key(n, 7, bytes([v])), "tied_output": lambda n, v: key(n, 7, bytes([v]))}
        values = {"version": 1, "block_size": 8, "transform": "normalized-sylvester-walsh-hadamard", "axis": "input-last-dimension",
                  "sign_mode": "explicit", "sign_widths": [8], "sign_values": [1, -1, 1, 1, -1, -1, 1, -1],
                  "weight_names": ["blk.0.attn_q.weight", "blk.0.ffn_up.weight"], "inverse_weight_names": [],
                  "gdn_v_grouped": 0, "tied_output": 0}
        values.update(change)
        return [keys[k]("prism.hadamard." + k, v) for k, v in values.items() if v is not None]

    def rotated(name, sentence, **change):
        two = [tensor("blk.0.attn_q.weight", [8, 8], 0, 0), tensor("blk.0.ffn_up.weight", [8, 2], 0, 256)]
        s("rotation-" + name, gguf_file(LLAMA + rotation(**change), two, bytes(320)), sentence)

    s("valid-rotated", gguf_file(LLAMA + rotation(), entries, data), "A whole model with two rotated matrices.")
    s("valid-rotated-tied", gguf_file(LLAMA + rotation(version=2, tied_output=1, inverse_weight_names=["token_embd.weight"]), entries, data),
      "A whole model whose embedding is rotated, and its head.")
    rotated("version-3", "A version nobody knows.", version=3)
    rotated("no-version", "Keys of rotation without their version.", version=None)
    rotated("block-zero", "Blocks of 0 to divide by.", block_size=0)
    rotated("block-odd", "Blocks of 6, no power of two.", block_size=6)
    rotated("block-max", "Blocks of 2^31.", block_size=1 << 31)
    rotated("block-wide", "Blocks of 16 in rows of 8.", block_size=16, sign_widths=[16], sign_values=[1] * 16)
    rotated("transform", "Another transform.", transform="walsh")
    rotated("axis", "Another axis.", axis="output")
    rotated("mode", "A mode of signs nobody knows.", sign_mode="random")
    rotated("widths-max", "Widths whose sum overflows.", sign_widths=[0x7FFFFFF8, 0x7FFFFFF8])
    rotated("widths-negative", "A width below 0.", sign_widths=[-8])
    rotated("widths-twice", "Signs for one width twice.", sign_widths=[8, 8], sign_values=[1] * 16)
    rotated("width-missing", "No signs for the width of the tensors.", sign_widths=[16], sign_values=[1] * 16)
    rotated("signs-short", "Seven signs for eight columns.", sign_values=[1] * 7)
    rotated("signs-zero", "A sign that is 0.", sign_values=[0] * 8)
    rotated("signs-identity", "Signs beside the word that there are none.", sign_mode="identity")
    rotated("name-missing", "The name of a tensor that is not there.", weight_names=["blk.7.attn_q.weight"])
    rotated("name-twice", "A name twice.", weight_names=["blk.0.attn_q.weight"] * 2)
    rotated("name-norm", "A norm that is to be rotated.", weight_names=["blk.0.attn_norm.weight"])
    rotated("names-none", "No names at all.", weight_names=[])
    rotated("names-absent", "No list of names.", weight_names=None)
    rotated("inverse-other", "A product among what is looked up.", inverse_weight_names=["blk.0.attn_q.weight"])
    rotated("tied", "The word that the head is a rotated embedding, and none is there.", version=2, tied_output=1)
    rotated("grouped", "Heads of a delta net in a model that has none.", gdn_v_grouped=1)
    s("rotation-key-unknown", gguf_file(LLAMA + rotation() + [u32("prism.hadamard.twist", 1)], entries[:1], data[:512]), "A key nobody knows among those of rotation.")
    s("rotation-family", gguf_file([string("general.architecture", "gemma")] + rotation(), entries[:1], data[:512]), "Rotation in a family whose graph has none.")

    s("valid-values", gguf_file(kinds + [array("texts", 8, [text("a"), text("")])]), "Every type of value and array.")
    s("empty", b"", "Nothing at all.")
    s("magic-only", b"GGUF", "Ends after the magic.")
    s("version-1", gguf_file(version=1), "A version with counts of 32 bits.")
    s("big-endian", gguf_file(version=3 << 24), "The other byte order.")
    s("key-count-max", gguf_file(key_count=(1 << 64) - 1), "2^64 − 1 keys.")
    s("tensor-count-max", gguf_file(tensor_count=(1 << 64) - 1), "2^64 − 1 tensors.")
    s("tensor-count-62", gguf_file(tensor_count=1 << 62, data=bytes(100)), "2^62 tensors: an array of them overflows.")
    s("string-max", gguf_file([struct.pack("<Q", (1 << 64) - 1) + b"a"]), "A key of 2^64 − 1 bytes.")
    s("string-past-end", gguf_file([struct.pack("<Q", 1 << 30) + b"a" * 40]), "A key of a gibibyte.")
    s("key-empty", gguf_file([u32("", 1)]), "A key without a name.")
    s("key-twice", gguf_file([u32("a", 1), u32("a", 2)]), "A key twice.")
    s("key-not-utf8", gguf_file([u32(b"\xff\xfe", 1)]), "A key that is not UTF-8.")
    s("value-not-utf8", gguf_file([string("a", b"\xff" * 100)]), "A text that is not UTF-8.")
    s("value-type", gguf_file([key("a", 99, b"")]), "A type nobody knows.")
    s("boolean", gguf_file([key("a", 7, b"\2")]), "A boolean that is 2.")
    s("array-max", gguf_file([key("a", 9, struct.pack("<IQ", 0, (1 << 64) - 1))]), "An array of 2^64 − 1 bytes.")
    s("array-overflow", gguf_file([key("a", 9, struct.pack("<IQ", 12, 1 << 61))]), "An array whose bytes overflow.")
    s("array-nested", gguf_file([key("a", 9, struct.pack("<IQ", 9, 1) * 2000)]), "Arrays in arrays, 2,000 deep.")
    s("array-texts", gguf_file([array("a", 8, [text("")] * 6000)]), "6,000 empty texts, 8 bytes in the file and more in memory.")
    s("alignment-zero", gguf_file([u32("general.alignment", 0)], entries, data), "An alignment of zero to divide by.")
    s("alignment-odd", gguf_file([u32("general.alignment", 3)], entries, data), "An alignment that is no power of two.")
    s("alignment-large", gguf_file([u32("general.alignment", 1 << 31)], entries, data), "Data that would begin after two gibibytes.")
    s("alignment-text", gguf_file([string("general.alignment", "32")], entries, data), "An alignment that is text.")
    s("dimensions-many", gguf_file([], [text("a") + struct.pack("<I", (1 << 32) - 1)], bytes(64)), "2^32 − 1 dimensions.")
    s("shape-overflow", gguf_file([], [tensor("a", [1 << 32, 1 << 32], 0, 0)], bytes(64)), "A product of 2^64.")
    s("shape-signed", gguf_file([], [tensor("a", [1 << 63], 0, 0)], bytes(64)), "A dimension with the sign bit.")
    s("bytes-overflow", gguf_file([], [tensor("a", [1 << 62], 0, 0)], bytes(64)), "Elements fit, their bytes do not.")
    s("rows-without-columns", gguf_file([], [tensor("a.weight", [0, 1 << 62], 0, 0)], bytes(64)), "2^62 rows of no columns.")
    s("columns-without-rows", gguf_file([], [tensor("a.weight", [1 << 62, 0], 35, 0)], bytes(64)), "No rows of 2^62 columns, in TQ2_0.")
    s("unknown-elements", gguf_file([], [tensor("a", [(1 << 63) - 1], 77, 0), tensor("b", [(1 << 63) - 1], 77, 32)], bytes(64)),
      "Two tensors of an unknown type with 2^63 − 1 elements each: a sum of them overflows.")
    s("i2s-overflow", gguf_file([], [tensor("a.weight", [128, (1 << 56) - 1], 36, 0)], bytes(64)), "I2_S with nearly 2^63 elements.")
    s("i2s-code-three", gguf_file([], [tensor("a.weight", [128, 1], 36, 0)], b"\xff" * 32 + i2s[128:]), "I2_S codes of 3.")
    s("i2s-scale-nan", gguf_file([], [tensor("a.weight", [128, 4], 36, 0)], i2s[:128] + b"\xff" * 32), "An I2_S scale that is NaN.")
    s("tq1-high-bytes", gguf_file([], [tensor("a.weight", [256, 1], 34, 0)], b"\xff" * 54), "TQ1_0 bytes no packer writes, and a NaN scale.")
    s("block-misfit", gguf_file([], [tensor("a.weight", [100, 1], 35, 0)], bytes(128)), "A row that is no whole number of blocks.")
    s("offset-max", gguf_file([], [tensor("a", [1], 0, (1 << 64) - 32)], bytes(64)), "An offset that wraps around.")
    s("offset-misaligned", gguf_file([], [tensor("a", [1], 0, 1)], bytes(64)), "An offset off the alignment.")
    s("overlap", gguf_file([], [tensor("a", [16], 0, 0), tensor("b", [16], 0, 32)], bytes(96)), "Two tensors that share bytes.")
    s("duplicate-tensor", gguf_file([], [tensor("a", [1], 0, 0), tensor("a", [1], 0, 32)], bytes(64)), "Two tensors of one name.")
    s("many-tensors", gguf_file([], [tensor("%d" % i, [0], 0, 0) for i in range(2000)], bytes(32)), "2,000 tensors: anything done for each pair is slow.")
    for name, change, sentence in [
            ("config-heads-zero", u32("llama.attention.head_count", 0), "No heads to divide by."),
            ("config-heads-max", u32("llama.attention.head_count", (1 << 32) - 1), "2^32 − 1 heads."),
            ("config-heads-odd", u32("llama.attention.head_count", 3), "Heads that do not divide the rows."),
            ("config-epsilon-nan", f32("llama.attention.layer_norm_rms_epsilon", float("nan")), "An epsilon that is NaN, to be written as JSON."),
            ("config-epsilon-infinite", f32("llama.attention.layer_norm_rms_epsilon", float("inf")), "An infinite epsilon."),
            ("config-context-max", u32("llama.context_length", (1 << 31) - 1), "A context of 2^31 − 1 tokens: its cache must not be reserved."),
            ("config-layers-max", u32("llama.block_count", (1 << 31) - 1), "2^31 − 1 layers.")]:
        keys = [k for k in LLAMA if key_name(k) != key_name(change)] + [change]
        s(name, gguf_file(keys, entries, data), sentence)
    s("config-rope-nan", gguf_file(LLAMA + [f32("llama.rope.freq_base", float("nan"))], entries, data), "A rope base that is NaN.")
    s("config-rope-factor", gguf_file(LLAMA + [string("llama.rope.scaling.type", "linear"), f32("llama.rope.scaling.factor", float("-inf"))], entries, data),
      "A rope factor of minus infinity.")
    s("tokenizer-types", gguf_file(LLAMA + vocabulary[:3] + [array("tokenizer.ggml.token_type", 5, [struct.pack("<i", -1)] * 3)] + vocabulary[4:], entries[:1], data[:512]),
      "Token types that are fewer than tokens and make no sense.")
    s("tokenizer-bos", gguf_file(LLAMA + vocabulary[:5] + [u32("tokenizer.ggml.bos_token_id", (1 << 32) - 1), key("tokenizer.ggml.add_bos_token", 7, b"\1")], entries[:1], data[:512]),
      "A begin token far past the list.")
    s("tokenizer-twice", gguf_file(LLAMA + [array("tokenizer.ggml.tokens", 8, [text("a")] * 300)] + vocabulary[:2] + vocabulary[4:], entries[:1], data[:512]),
      "One token 300 times.")
    s("split", gguf_file([key("split.count", 2, struct.pack("<H", 65535)), key("split.no", 2, bytes(2))]), "One of 65,535 parts.")


# --- tokenizer.json

def base_tokenizer(**change):
    vocab = {c: i for i, c in enumerate(BYTES)}
    vocab.update({"ab": 256, "aba": 257, "\u0120a": 258})
    return {"version": "1.0", "truncation": None, "padding": None,
            "added_tokens": [{"id": 259, "content": "<|bos|>", "single_word": False, "lstrip": False, "rstrip": False, "normalized": False, "special": True}],
            "normalizer": None, "pre_tokenizer": {"type": "ByteLevel", "add_prefix_space": False, "trim_offsets": True, "use_regex": True},
            "post_processor": None, "decoder": {"type": "ByteLevel"},
            "model": {"type": "BPE", "vocab": vocab, "merges": ["a b", "ab a", "\u0120 a"]}, **change}


def pattern_tokenizer(pattern, kind="Regex", behavior="Isolated", invert=False):
    return base_tokenizer(pre_tokenizer={"type": "Sequence", "pretokenizers": [
        {"type": "Split", "pattern": {kind: pattern}, "behavior": behavior, "invert": invert},
        {"type": "ByteLevel", "add_prefix_space": False, "trim_offsets": True, "use_regex": False}]})


LLAMA3 = r"(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}{1,3}| ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+"


def tokenizer():
    def s(name, data, sentence):
        put("tokenizer", name, data if isinstance(data, (str, bytes)) else json.dumps(data, ensure_ascii=False, separators=(",", ":")), sentence)

    s("valid", base_tokenizer(), "A byte-level tokenizer with three merges.")
    s("valid-llama3", pattern_tokenizer(LLAMA3), "The pattern of Llama 3.")
    everything = pattern_tokenizer("a", "String", "MergedWithNext", True)
    everything["normalizer"] = {"type": "Sequence", "normalizers": [{"type": "NFC"}, {"type": "Lowercase"}]}
    everything["pre_tokenizer"]["pretokenizers"][:0] = [{"type": "Digits", "individual_digits": True}, {"type": "Punctuation", "behavior": "Isolated"}]
    everything["post_processor"] = {"type": "TemplateProcessing", "single": [{"SpecialToken": {"id": "<|bos|>", "type_id": 0}}, {"Sequence": {"id": "A", "type_id": 0}}],
                                    "pair": [], "special_tokens": {"<|bos|>": {"id": "<|bos|>", "ids": [259], "tokens": ["<|bos|>"]}}}
    s("steps", everything, "Normalizers, several ways to split, a template.")
    pieces = base_tokenizer(
        normalizer={"type": "Sequence", "normalizers": [{"type": "Prepend", "prepend": MARK}, {"type": "Replace", "pattern": {"String": " "}, "content": MARK}]}, pre_tokenizer=None,
        decoder={"type": "Sequence", "decoders": [{"type": "Replace", "pattern": {"String": MARK}, "content": " "}, {"type": "ByteFallback"}, {"type": "Fuse"},
                                                  {"type": "Strip", "content": " ", "start": 1, "stop": 0}]},
        added_tokens=[{"id": 1, "content": "<s>", "single_word": False, "lstrip": False, "rstrip": False, "normalized": False, "special": True}],
        model={"type": "BPE", "unk_token": "<unk>", "fuse_unk": True, "byte_fallback": True, "ignore_merges": True,
               "vocab": {text: id for id, (text, _, _) in enumerate(PIECES)}, "merges": [["a", "b"], ["a", "a"], [MARK, "a"], ["ab", "ab"]]})
    s("valid-pieces", pieces, "The tokenizer of a SentencePiece model, with bytes for what has no piece.")
    s("valid-metaspace", {**pieces, "normalizer": None, "pre_tokenizer": {"type": "Metaspace", "replacement": MARK, "prepend_scheme": "first", "split": True},
                          "decoder": {"type": "Metaspace", "replacement": MARK, "prepend_scheme": "first", "split": True}}, "Words that begin with marks, split at them.")
    s("valid-normalizers", base_tokenizer(normalizer={"type": "Sequence", "normalizers": [
        {"type": "NFKD"}, {"type": "StripAccents"}, {"type": "Lowercase"}, {"type": "NFKC"}, {"type": "Strip", "strip_left": True, "strip_right": True}, {"type": "NFD"}, {"type": "NFC"}]}),
      "Every normalizer of Unicode, one after the other.")
    s("empty", "", "Nothing at all.")
    s("object", "{}", "An empty object.")
    s("deep", '{"model":' * 3000, "Objects 3,000 deep.")
    sequence = {"type": "ByteLevel", "add_prefix_space": False, "trim_offsets": True, "use_regex": True}
    for _ in range(58):
        sequence = {"type": "Sequence", "pretokenizers": [sequence]}
    s("sequences", base_tokenizer(pre_tokenizer=sequence), "Sequences of steps inside each other, 58 deep.")
    many = [{"type": "Split", "pattern": {"Regex": "\\p{L}{1,9}"}, "behavior": "Isolated", "invert": False}] * 400
    s("many-steps", base_tokenizer(pre_tokenizer={"type": "Sequence", "pretokenizers": many + [sequence]}), "400 patterns, each to be compiled.")
    for name, pattern, sentence in [
            ("regex-nested-plus", "(a+)+b", "The classic of catastrophic backtracking."),
            ("regex-alternation", "(a|a|ab|aba)*c", "Alternatives that all match, repeated."),
            ("regex-nested-star", "(?:(?:a*)*)*b", "Stars of stars over nothing."),
            ("regex-count", "(?:(?:(?:a{200}){200}){200}){200}", "A counted repetition that unrolls to 1.6 thousand million steps."),
            ("regex-count-max", "a{4294967296}", "A count that does not fit 32 bits."),
            ("regex-count-huge", "a{99999999999999999999}", "A count that does not fit 64 bits."),
            ("regex-count-inverted", "a{5,2}", "From five to two times."),
            ("regex-optional", "(?:a?){60}(?:a){60}b", "Sixty optional letters, then sixty that are not."),
            ("regex-lookahead", "(?:(?!(?:(?!a*b)a)*c)a)*d", "Lookaheads in lookaheads, each over the whole text."),
            ("regex-groups", "(?:" * 5000 + "a" + ")" * 5000, "Groups 5,000 deep."),
            ("regex-open-groups", "(" * 20000, "20,000 groups that are never closed."),
            ("regex-alternatives", "|".join(["a" * 20] * 1000), "1,000 alternatives."),
            ("regex-class", "[" + "".join("\\u%04x" % (0x100 + 2 * i) for i in range(3000)) + "]", "A class of 3,000 ranges."),
            ("regex-class-nested", "[" * 3000 + "a" + "]" * 3000, "Classes 3,000 deep."),
            ("regex-class-open", "[^\\s\\p{L}", "A class that does not end."),
            ("regex-range-inverted", "[z-a]", "A range backwards."),
            ("regex-backslash", "\\", "An escape of nothing."),
            ("regex-empty", "", "A pattern that matches everywhere and takes nothing."),
            ("regex-empty-loop", "(?:)*", "Nothing, any number of times."),
            ("regex-backreference", "(a)\\1", "A reference to what was matched before."),
            ("regex-property", "\\p{NoSuchThing}", "A property nobody knows."),
            ("regex-long", "a" * 30000, "A pattern of 30,000 letters.")]:
        s(name, pattern_tokenizer(pattern), sentence)
    s("string-empty", pattern_tokenizer("", "String"), "A literal of no characters to split at.")
    vocab = base_tokenizer()["model"]["vocab"]
    for name, change, sentence in [
            ("id-max", {"z1": (1 << 63) - 1}, "A token whose id asks for 2^63 places."),
            ("id-large", {"z1": (1 << 22) - 1}, "The largest id allowed, with a gap of four million before it."),
            ("id-negative", {"z1": -1}, "A negative id."),
            ("id-float", {"z1": 1.5}, "An id that is no integer."),
            ("id-twice", {"z1": 0}, "Two tokens of one id.")]:
        s(name, base_tokenizer(model={"type": "BPE", "vocab": {**vocab, **change}, "merges": []}), sentence)
    s("merges-unknown", base_tokenizer(model={"type": "BPE", "vocab": vocab, "merges": ["q q"]}), "A merge to a token that is not there.")
    s("merges-malformed", base_tokenizer(model={"type": "BPE", "vocab": vocab, "merges": ["a", "a b c", ["a"], 1]}), "Merges that are no pairs.")
    long = {"a" * n: 256 + n for n in range(2, 150)}
    s("merges-chain", base_tokenizer(model={"type": "BPE", "vocab": {**vocab, **long}, "merges": ["a" * n + " a" for n in range(1, 149)]}, added_tokens=[]),
      "Merges that join one letter after the other, for a word of thousands.")
    s("merges-empty", base_tokenizer(model={"type": "BPE", "vocab": {**vocab, "": 300}, "merges": [" ", " a"]}), "Merges with the empty token.")
    for name, token, sentence in [
            ("added-empty", {"id": 259, "content": ""}, "An added token of no characters, found everywhere."),
            ("added-id", {"id": 1 << 40, "content": "x1"}, "An added token with an id past all."),
            ("added-long", {"id": 259, "content": "a" * 1024 + "b"}, "An added token longer than allowed."),
            ("added-normalized", {"id": 259, "content": "A", "normalized": True, "lstrip": True, "rstrip": True, "single_word": True}, "An added token with every option."),
            ("added-collides", {"id": 5, "content": "<x>"}, "An added token on the id of another.")]:
        s(name, base_tokenizer(added_tokens=[{"single_word": False, "lstrip": False, "rstrip": False, "normalized": False, "special": False, **token}]), sentence)
    s("added-prefixes", base_tokenizer(added_tokens=[
        {"id": 259 + n, "content": "a" * (n + 1) + "b", "single_word": False, "lstrip": False, "rstrip": False, "normalized": False, "special": False} for n in range(1, 100)]),
      "100 added tokens that begin alike, looked for at every letter.")
    s("byte-missing", base_tokenizer(model={"type": "BPE", "vocab": {c: i for c, i in vocab.items() if c != "a"}, "merges": []}), "No token for a byte.")
    s("template-unknown", base_tokenizer(post_processor={"type": "TemplateProcessing", "single": [{"SpecialToken": {"id": "nobody", "type_id": 0}}], "pair": [], "special_tokens": {}}),
      "A template with a token that is not there.")
    s("model-unigram", base_tokenizer(model={"type": "Unigram", "vocab": [["a", 0.0]]}), "Another kind of model.")
    s("settings", {"bos_token": {"content": ["<|bos|>"]}, "bos_token_id": [1 << 62], "eos_token_id": [-1, 1e99], "chat_template": [{"name": 1}],
                   "added_tokens_decoder": {"-1": {"content": "x"}, "99999999999999999999": {"content": "y"}}},
      "Settings beside a good tokenizer, each of the wrong kind.")


# --- tokenizer.model and the files beside it

def varint(number):
    data = b""
    while number > 127:
        data += bytes([number & 127 | 128])
        number >>= 7
    return data + bytes([number])


def message(*fields):
    """Fields of a protobuf message as (number, value): an integer, a float or bytes."""
    data = b""
    for number, value in fields:
        if isinstance(value, float):
            data += varint(number << 3 | 5) + struct.pack("<f", value)
        elif isinstance(value, int):
            data += varint(number << 3) + varint(value & (1 << 64) - 1)
        else:
            value = value.encode() if isinstance(value, str) else value
            data += varint(number << 3 | 2) + varint(len(value)) + value
    return data


MARK = "\u2581"
PIECES = ([("<unk>", 0.0, 2), ("<s>", 0.0, 3), ("</s>", 0.0, 3)] + [("<0x%02X>" % byte, 0.0, 6) for byte in range(256)]
          + [(MARK, -10.0, 1), ("a", -9.0, 1), ("b", -8.0, 1), ("ab", -1.0, 1), ("aa", -2.0, 1), (MARK + "a", -2.0, 1), ("abab", -1.5, 1)])
SMALL = PIECES[:3] + PIECES[259:]
TRAINER = {3: 2, 35: 0, 40: 0, 41: 1, 42: 2, 43: -1}
NORMALIZER = {1: "identity", 3: 1, 4: 0, 5: 1}


def pieces_model(pieces=SMALL, trainer=(), normalizer=(), more=b""):
    return (b"".join(message((1, message((1, text), (2, score), (3, kind)))) for text, score, kind in pieces)
            + message((2, message(*{**TRAINER, **dict(trainer)}.items())), (3, message(*{**NORMALIZER, **dict(normalizer)}.items()))) + more)


def sentencepiece():
    def s(name, data, sentence):
        put("sentencepiece", name, data if isinstance(data, bytes) else json.dumps(data, ensure_ascii=False, separators=(",", ":")), sentence)

    s("valid", pieces_model(PIECES, {35: 1}), "A model of type BPE with pieces for all bytes.")
    s("valid-no-prefix", pieces_model(normalizer={3: 0}), "One without a mark before the text.")
    s("valid-no-bytes", pieces_model(), "A model in which most characters are unknown.")
    s("valid-unknown-field", pieces_model(more=message((5, message((1, b"\xff"))), (2000, 7))), "Fields that nobody knows.")
    s("valid-settings", {"add_bos_token": True, "add_eos_token": True, "bos_token": {"content": "<s>"}, "eos_token": "</s>", "legacy": False,
                         "added_tokens_decoder": {"266": {"content": "<|x|>", "lstrip": True, "rstrip": True, "single_word": False, "normalized": False, "special": False}}},
      "Settings that add a token and put two around a text.")
    s("settings-few", {"add_bos_token": True, "eos_token": "</s>", "added_tokens_decoder": {"10": {"content": "<|x|>", "rstrip": True, "normalized": False, "special": True}}},
      "Settings for a model of ten pieces.")
    s("settings-wrong", {"add_bos_token": "yes", "bos_token": 7, "added_tokens_decoder": {"-1": {"content": "x"}, "9" * 20: {"content": ""}}, "<|y|>": 1 << 62, "z": -1},
      "Settings of the wrong kind, and tokens with ids past all.")
    s("empty", b"", "Nothing at all.")
    s("cut", pieces_model()[:-9], "A model whose end is missing.")
    s("length-most", b"\x0a" + varint((1 << 64) - 1), "A piece of 2^64 bytes.")
    s("length-long", b"\x0a" + b"\xff" * 11, "A length of eleven bytes.")
    s("field-zero", pieces_model(more=b"\0\0"), "A field without a number.")
    s("groups", pieces_model(more=b"\x0b" * 400), "Groups 400 deep.")
    s("no-pieces", pieces_model([]), "A model without a piece.")
    s("unigram", pieces_model(trainer={3: 1}), "A model of type Unigram.")
    s("table", pieces_model(normalizer={2: struct.pack("<I", (1 << 32) - 1)}), "A table of a normalizer that is longer than the file.")
    s("spaces", pieces_model(normalizer={4: 1}), "Spaces that are dropped.")
    s("score-nan", pieces_model(SMALL[:-1] + [("abab", float("nan"), 1)]), "A score that is no number.")
    s("score-most", pieces_model(SMALL[:-1] + [("abab", 3.4e38, 1)]), "The largest score.")
    s("piece-empty", pieces_model(SMALL + [("", 0.0, 1)]), "A piece of no characters.")
    s("piece-twice", pieces_model(SMALL + [("ab", 0.0, 1)] * 3), "One piece four times.")
    s("piece-text", pieces_model(SMALL + [(b"\xff\xfe", 0.0, 1)]), "A piece that is not UTF-8.")
    s("piece-type", pieces_model(SMALL + [("q", 0.0, 9)]), "A piece of a type that does not exist.")
    s("byte-odd", pieces_model(SMALL + [("<0xGG>", 0.0, 6), ("<0x1>", 0.0, 6)], {35: 1}), "Pieces of bytes that are none.")
    s("users", pieces_model(SMALL + [("a" * n, 0.0, 4) for n in range(3, 60)]), "Pieces of the user that begin alike.")
    s("chain", pieces_model(SMALL + [("a" * n, float(-n), 1) for n in range(3, 120)]), "Pieces that join one letter after the other.")
    s("chain-short", pieces_model(SMALL + [("a" * n, float(-n), 1) for n in range(3, 30)]), "The same, short enough for a fuzzer to change it often.")
    s("roles", pieces_model(trainer={41: 1 << 31, 42: -5, 43: 1 << 40}), "Ids of roles past all pieces.")


# --- chat templates and lists of messages

CHATS = {
    "chatml": "{% for m in messages %}{{ '<|im_start|>' + m['role'] + '\n' + m['content'] + '<|im_end|>\n' }}{% endfor %}{% if add_generation_prompt %}{{ '<|im_start|>assistant\n' }}{% endif %}",
    "llama3": "{% for m in messages %}{% set text = '<|start_header_id|>' + m['role'] + '<|end_header_id|>\n\n' + m['content'] | trim + '<|eot_id|>' %}"
              "{% if loop.first %}{% set text = bos_token + text %}{% endif %}{{ text }}{% endfor %}{% if add_generation_prompt %}{{ '<|start_header_id|>assistant<|end_header_id|>\n\n' }}{% endif %}",
    "mistral": "{{ bos_token }}{% for m in messages %}{% if m['role'] == 'user' %}{{ '[INST] ' + m['content'] + '[/INST]' }}{% elif m['role'] == 'system' %}"
               "{{ '[SYSTEM_PROMPT] ' + m['content'] + '[/SYSTEM_PROMPT]' }}{% elif m['role'] == 'assistant' %}{{ ' ' + m['content'] + eos_token }}{% endif %}{% endfor %}",
    "zephyr": "{% for m in messages %}\n{% if m['role'] == 'user' %}\n{{ '<|user|>\n' + m['content'] + eos_token }}\n{% elif m['role'] == 'system' %}\n{{ '<|system|>\n' + m['content'] + eos_token }}\n"
              "{% elif m['role'] == 'assistant' %}\n{{ '<|assistant|>\n' + m['content'] + eos_token }}\n{% endif %}\n{% if loop.last and add_generation_prompt %}\n{{ '<|assistant|>' }}\n{% endif %}\n{% endfor %}",
    "falcon-e": "{% for m in messages %}{% if m['role'] == 'system' %}{{ '<|system|>\n' + m['content'] + '\n' }}{% elif m['role'] == 'user' %}{{ '<|user|>\n' + m['content'] + '\n' }}"
                "{% elif m['role'] == 'assistant' %}{% if not loop.last %}{{ '<|assistant|>\n' + m['content'] + eos_token + '\n' }}{% else %}{{ '<|assistant|>\n' + m['content'] + eos_token }}{% endif %}{% endif %}"
                "{% if loop.last and add_generation_prompt %}{{ '<|assistant|>\n' }}{% endif %}{% endfor %}",
}


def chat():
    def s(name, data, sentence):
        put("chat", name, data if isinstance(data, (str, bytes)) else json.dumps(data, ensure_ascii=False, separators=(",", ":")), sentence)

    for name, template in CHATS.items():
        s("valid-" + name, template, "A template of the shape %s." % name)
    s("valid-messages", [{"role": "system", "content": "S"}, {"role": "user", "content": "a"}, {"role": "assistant", "content": "b"}, {"role": "user", "content": "\u0301"}],
      "Messages of every role.")
    s("messages-role", [{"role": "tool", "content": "x"}], "A role that is not rendered.")
    s("messages-kinds", [{"role": "user", "content": [{"type": "text", "text": "x"}]}, 7, None], "Messages of other kinds.")
    s("messages-deep", "[" * 3000, "Lists 3,000 deep.")
    s("messages-none", [], "No message.")
    s("empty", "", "A template of nothing.")
    s("open", CHATS["chatml"][:60], "A template that ends in the middle.")
    s("nested", "{% if x %}" * 3000 + "<|im_start|>", "Conditions 3,000 deep.")
    s("two-shapes", CHATS["chatml"] + CHATS["llama3"], "Two shapes in one template.")
    s("not-utf8", b"<|im_start|>\xff\xfe{{ m }}", "A template that is not UTF-8.")
    s("strings", "{{ '<|im_start|>' + '" + "\\'" * 2000, "A string with 2,000 escapes and no end.")


# --- config.json

def base_config(**change):
    return {"architectures": ["LlamaForCausalLM"], "model_type": "llama", "hidden_size": 8, "intermediate_size": 16, "num_hidden_layers": 1,
            "num_attention_heads": 2, "num_key_value_heads": 1, "vocab_size": 16, "max_position_embeddings": 32, "rms_norm_eps": 1e-5,
            "rope_theta": 10000.0, "hidden_act": "silu", "tie_word_embeddings": True, **change}


def config():
    def s(name, data, sentence):
        put("config", name, data if isinstance(data, str) else json.dumps(data), sentence)

    s("valid-llama", base_config(), "The configuration of the plain tiny model.")
    s("valid-bitnet", base_config(architectures=["BitNetForCausalLM"], model_type="bitnet", hidden_act="relu2", quantization_config={
        "quant_method": "bitnet", "linear_class": "autobitlinear", "quantization_mode": "offline"}), "The configuration of the packed tiny model.")
    s("valid-llama-packed", base_config(quantization_config={"quant_method": "bitnet", "linear_class": "bitlinear", "quantization_mode": "offline"}),
      "A Llama of packed trits with inverse scales.")
    s("empty", "", "Nothing at all.")
    s("array", "[]", "An array instead of an object.")
    s("deep", '{"a":' * 3000, "Objects 3,000 deep.")
    s("quantization-twice", '{"architectures":["LlamaForCausalLM"],"quantization_config":{"quant_method":"bitnet"},"quantization_config":null}',
      "A key twice with contradicting values.")
    for key_, values in [("hidden_size", [0, -8, 1 << 62, 7]), ("num_hidden_layers", [0, 1 << 62]), ("num_attention_heads", [0, 3, 1 << 32]),
                         ("num_key_value_heads", [0, 3]), ("head_dim", [0, 1, 1 << 62]), ("vocab_size", [0, 1 << 62]),
                         ("max_position_embeddings", [0, 1, (1 << 63) - 1]), ("intermediate_size", [0, 1 << 62]), ("rms_norm_eps", [0, -1, 1e300]),
                         ("rope_theta", [0, -1, 1e308, 1e-320])]:
        for value in values:
            s("%s-%s" % (key_.replace("_", "-"), value), base_config(**{key_: value}), "%s %s." % (key_, value))
    for key_ in ["num_hidden_layers", "num_attention_heads", "vocab_size", "intermediate_size"]:
        s("%s-most" % key_.replace("_", "-"), base_config(**{key_: (1 << 31) - 1}), "%s 2^31 − 1, as many as readers allow." % key_)
    s("epsilon-overflow", json.dumps(base_config()).replace("1e-05", "1e999"), "An epsilon beyond every Double.")
    s("rope-yarn", base_config(rope_scaling={"rope_type": "yarn", "factor": 4.0}), "A rope scaling without the context it starts from.")
    s("rope-llama3", base_config(rope_scaling={"rope_type": "llama3", "factor": 8.0, "low_freq_factor": 1.0, "high_freq_factor": 1.0, "original_max_position_embeddings": 0}),
      "Rope factors whose difference is zero.")
    s("rope-linear-zero", base_config(rope_scaling={"type": "linear", "factor": 0}), "A rope factor to divide by.")
    s("architecture-unknown", base_config(architectures=["GPT2LMHeadModel"]), "Another class.")
    s("architecture-long", base_config(architectures=["a" * 20000]), "A class name of 20,000 letters, compared with all known ones.")
    s("architecture-number", base_config(architectures=[1]), "A class that is a number.")
    s("quantization-awq", base_config(quantization_config={"quant_method": "awq"}), "Another way to quantize.")
    s("quantization-modules", base_config(quantization_config={"quant_method": "bitnet", "modules_to_not_convert": ["*" * 2000, 1, None]}),
      "Exceptions that are patterns of stars, a number and null.")
    s("quantization-number", base_config(quantization_config=1), "A quantization that is a number.")
    for key_, value in [("group", (1 << 63) - 1), ("group", 1 << 63), ("group", 0), ("group", -128), ("group", 1.5), ("bits", 7), ("bits", (1 << 63) - 1), ("bits", "2")]:
        quantization = {"group_size": 32, "bits": 2, "group_size" if key_ == "group" else "bits": value}
        s("mlx-%s-%s" % (key_, value), base_config(quantization=quantization), "MLX with %s %s." % (key_, value))
    s("mlx-module", base_config(quantization={"group_size": 32, "bits": 2, "model.layers.0.self_attn.q_proj": False, "model.layers.0.self_attn.k_proj": {"bits": 4},
                                              "model.layers.0.self_attn.v_proj": 1, "model.layers.0.mlp.up_proj": True}), "Modules of MLX that are left out, other and a number.")
    s("mlx-mode", base_config(quantization={"group_size": 32, "bits": 4, "mode": "mxfp4"}), "A mode of MLX with blocks of its own.")
    s("mlx-and-bitnet", base_config(quantization={"group_size": 32, "bits": 2}, quantization_config={"quant_method": "bitnet"}), "MLX and BitNet at once.")
    s("valid-mlx", base_config(quantization={"group_size": 32, "bits": 2, "mode": "affine"}), "The configuration of the tiny model for MLX.")
    s("activation", base_config(hidden_act="gelu"), "An activation that is not known.")
    s("types", {key_: [value] for key_, value in base_config().items()}, "Every value inside an array.")


# --- structured

def structured():
    def s(name, data, sentence):
        put("structured", name, data, sentence)

    s("one-edit", bytes([0, 0, 0, 5, 35]), "One field of a safetensors header becomes 2^63 − 1.")
    for base in range(16):
        s("base-%02d" % base, bytes([base, 4, 0, 9, 1, 0, 0, 20, base]), "Two edits to valid file %d: something twice, something else." % base)


# --- adapter: LoRA for the plain tiny model; what begins with a brace is its configuration, all else its weights

def adapter_config(**change):
    return json.dumps({"peft_type": "LORA", "r": 2, "lora_alpha": 4, "target_modules": ["q_proj", "down_proj"], "bias": "none", **change})


def adapter_weights(rank=2, data=None, names=("base_model.model.model.layers.0.",), **change):
    entries, content = {}, b""
    for name in names:
        for module, rows, columns in (("self_attn.q_proj", 8, 8), ("mlp.down_proj", 8, 16)):
            for part, shape in (("A", [rank, columns]), ("B", [rows, rank])):
                numbers = bf16(shape[0] * shape[1])
                entries["%s%s.lora_%s.weight" % (name, module, part)] = entry("BF16", shape, len(content), len(content) + len(numbers))
                content += numbers
    entries.update(change)
    return header(entries, content if data is None else data(content))


def adapter():
    def s(name, data, sentence):
        put("adapter", name, data, sentence)

    s("valid-config", adapter_config(), "The configuration of a LoRA adapter.")
    s("valid-config-patterns", adapter_config(rank_pattern={"mlp.down_proj": 2}, alpha_pattern={"^model.layers.0.self_attn.q_proj": 1}, use_rslora=True),
      "Ranks and factors for single modules, which come to the same ranks.")
    s("valid-weights", adapter_weights(), "Matrices for two modules.")
    for key, value in [("r", 0), ("r", -1), ("r", 1 << 62), ("r", 1.5), ("lora_alpha", 1e308), ("lora_alpha", -1e308), ("lora_alpha", "x"), ("peft_type", 3),
                       ("peft_type", "IA3"), ("bias", "all"), ("use_dora", True), ("target_modules", "all-linear"), ("target_modules", []),
                       ("target_modules", ["k_proj"]), ("layers_to_transform", [1 << 62]), ("layers_to_transform", -1), ("exclude_modules", "(a+)+$"),
                       ("rank_pattern", {"q_proj": 1 << 62}), ("rank_pattern", {"q_proj": 0}), ("rank_pattern", {"(a+)+b": 2}), ("rank_pattern", []),
                       ("alpha_pattern", {"q_proj": 1e300}), ("modules_to_save", ["lm_head"]), ("init_lora_weights", "pissa")]:
        text = "".join(c if c.isalnum() else "-" for c in json.dumps(value)).strip("-")[:24] or "empty"
        s("config-%s-%s" % (key.replace("_", "-"), text.lower()), adapter_config(**{key: value}), "A configuration whose `%s` is %s." % (key, json.dumps(value)))
    s("config-deep", '{"r":' + "[" * 3000, "Arrays 3,000 deep.")
    s("config-many-patterns", adapter_config(rank_pattern={"m%d" % i: 2 for i in range(4000)}), "4,000 patterns to be tried for every module.")
    s("weights-rank-0", adapter_weights(0), "Matrices of no rank, which hold no number.")
    s("weights-rank-3", adapter_weights(3), "Another rank than the configuration's.")
    s("weights-twice", adapter_weights(names=("base_model.model.model.layers.0.", "model.layers.0.")), "Two updates of one matrix, by its two names.")
    s("weights-other-layer", adapter_weights(names=("base_model.model.model.layers.7.",)), "Layers the base does not have.")
    s("weights-none", header({}), "An adapter without tensors.")
    s("weights-infinite", adapter_weights(data=lambda b: b"\x80\x7f" + b[2:]), "An infinite number.")
    s("weights-largest", adapter_weights(data=lambda b: b"\x7f\x7f" * (len(b) // 2)), "The largest numbers there are, whose products are infinite.")
    s("weights-half", header({"base_model.model.model.layers.0.self_attn.q_proj.lora_A.weight": entry("F32", [2, 8], 0, 64)}, bytes(64)), "The first half of a product.")
    s("weights-no-half", header({"base_model.model.model.layers.0.self_attn.q_proj.lora_B.weight": entry("F32", [8, 2], 0, 64)}, bytes(64)), "The second half of a product.")
    s("weights-huge-shape", header({
        "model.layers.0.self_attn.q_proj.lora_A.weight": entry("BF16", [0, 1 << 62], 0, 0),
        "model.layers.0.self_attn.q_proj.lora_B.weight": entry("BF16", [1 << 62, 0], 0, 0)}), "2^62 columns of no rank.")
    s("weights-vectors", header({
        "model.layers.0.self_attn.q_proj.lora_A.weight": entry("BF16", [16], 0, 32),
        "model.layers.0.self_attn.q_proj.lora_B.weight": entry("BF16", [2, 2, 4], 32, 64)}, bf16(32)), "A vector and a tensor of three dimensions.")
    s("weights-codes", header({
        "model.layers.0.self_attn.q_proj.lora_A.weight": entry("U8", [2, 8], 0, 16),
        "model.layers.0.self_attn.q_proj.lora_B.weight": entry("U8", [8, 2], 16, 32)}, bytes(32)), "Matrices of bytes.")


# --- tritdiff: patches for the base made of safetensors/valid-packed and config/valid-bitnet

def sha(data):
    return hashlib.sha256(data).hexdigest()


def base_of_patches():
    """The base's bytes, as the lab lays them out in a folder."""
    with open(os.path.join(HERE, "safetensors/valid-packed"), "rb") as file:
        model = file.read()
    with open(os.path.join(HERE, "config/valid-bitnet"), "rb") as file:
        return model, file.read()


QUERY, NORM = "model.layers.0.self_attn.q_proj.weight", "model.norm.weight"
SYMBOLS = {(0, 0): 0, (0, 1): 1, (0, -1): 2, (1, 1): 0, (1, 0): 1, (1, -1): 2, (-1, -1): 0, (-1, 0): 1, (-1, 1): 2}


def unpacked(codes, columns):
    rows = [codes[start:start + columns] for start in range(0, len(codes), columns)]
    return [(code >> 2 * k & 3) - 1 for k in range(4) for row in rows for code in row]


def packed_hf(trits, columns):
    size = len(trits) // 4
    return bytes(sum((trits[k * size + i] + 1) << 2 * k for k in range(4)) for i in range(size))


def fives(symbols):
    symbols = symbols + [0] * (-len(symbols) % 5)
    return bytes(sum(symbols[i + k] * 3 ** k for k in range(5)) for i in range(0, len(symbols), 5))


def bits(values):
    values = values + [0] * (-len(values) % 8)
    return bytes(sum(values[i + k] << k for k in range(8)) for i in range(0, len(values), 8))


def gaps(before, after, k, changes=None, run_bytes=None, zeros=None, tail=b""):
    places = [i for i in range(len(before)) if before[i] != after[i]]
    runs, last = [], -1
    for place in places:
        quotient, rest = divmod(place - last - 1, 1 << k)
        runs += [1] * quotient + [0] + [rest >> b & 1 for b in range(k)]
        last = place
    ofzero = [SYMBOLS[before[i], after[i]] - 1 for i in places if before[i] == 0]
    others = [SYMBOLS[before[i], after[i]] - 1 for i in places if before[i] != 0]
    coded = bits(runs)
    head = struct.pack("<QQQB7x", len(places) if changes is None else changes, len(coded) if run_bytes is None else run_bytes,
                       len(ofzero) if zeros is None else zeros, k)
    return head + coded + bits(ofzero) + bits(others) + tail


PATCH_VERSION = (2, 0)


def planes(numbers):
    """Numbers of two bytes, the lower bytes first."""
    return bytes(n & 255 for n in numbers) + bytes(n >> 8 for n in numbers)


class Patch(Pack):
    """A patch whose target is one safetensors file, or what `skeleton` says."""

    def __init__(self):
        super().__init__()
        model, self.config = base_of_patches()
        start = 8 + struct.unpack("<Q", model[:8])[0]
        self.head, self.codes, self.scale, self.norm = model[:start], model[start:start + 16], model[start + 16:start + 18], model[start + 18:]
        self.trits = unpacked(self.codes, 8)
        self.query = self.ternary_identity(QUERY, self.trits, self.scale)
        self.base = [self.query, self.dense_identity(NORM, "BF16", [8], self.norm)]
        self.stream = self.target_stream = self.code_stream(QUERY, self.trits, self.scale)
        self.companions, self.kind = [], "folder"

    @staticmethod
    def code_stream(name, trits, scales, shape=(8, 8)):
        """Of a model of one ternary tensor whose scales multiply and are given as bfloat16."""
        text = "tritsmith code stream 1\n%dx%d\n%s\n" % (*shape, sha(bytes(t & 255 for t in trits)))
        return sha(name.encode() + b"\0" + sha(text.encode() + scales).encode() + b"\n")

    @staticmethod
    def ternary_identity(name, trits, scale, shape=(8, 8), dtype="BF16", granularity="tensor"):
        return {"name": name, "shape": list(shape), "trits": sha(bytes(t & 255 for t in trits)), "scale": {
            "convention": "multiply", "dtype": dtype, "granularity": granularity, "sha256": sha(scale)}}

    @staticmethod
    def dense_identity(name, dtype, shape, data):
        return {"name": name, "shape": list(shape), "dense": dtype, "sha256": sha(data)}

    def put(self, identity, offset, coding, content=None, origin=None, **more):
        compression = {k: more.pop(k) for k in ("size", "compression") if k in more}
        entry = {**identity, "place": {"file": 0, "offset": offset}, "coding": coding, **more}
        if origin:
            entry["from"] = origin
        if content is not None:
            entry["section"] = self.section(content, **compression)
        self.tensors.append(entry)
        return entry

    def put_query(self, trits=None, coding="same", content=None, offset=None, scale=None, **more):
        start = len(self.head) if offset is None else offset
        scales = {"scale_coding": "same"} if scale is None else {"scale_bytes": scale.hex()}
        self.target_stream = self.code_stream(QUERY, trits or self.trits, scale or self.scale)
        return self.put(self.ternary_identity(QUERY, trits or self.trits, scale or self.scale), start, coding, content, QUERY,
                        **{"layout": "hf-packed", "scale_place": {"file": 0, "offset": start + 16}, **scales, **more})

    def put_norm(self, data=None, coding="same", content=None, **more):
        return self.put(self.dense_identity(NORM, "BF16", [8], data or self.norm), len(self.head) + 18, coding, content, NORM, **more)

    def weights(self, data, skeleton, name="model.safetensors", **more):
        self.files.append({"name": name, "bytes": len(data), "sha256": sha(data), "section": self.section(skeleton, **more)})

    def companion(self, name, data, *section, own=True):
        entry = {"name": name, "bytes": len(data), "sha256": sha(data)}
        if own:
            entry["section"] = self.section(*(section or (data,)))
        self.companions.append(entry)

    def meta(self, **change):
        return {"format": "tritdiff", "version": "2.0", "generator": "generate.py",
                "base": {"code_stream": self.stream, "tensors": self.base},
                "target": {"name": "fine-tune", "format": "safetensors", "kind": self.kind, "code_stream": self.target_stream},
                "tensors": self.tensors, "files": self.files, "companions": self.companions, "sections": self.sections, **change}

    def bytes(self, flags=0, version=PATCH_VERSION, **change):
        return sealed(self.data, self.meta(**change), version=version, flags=flags, magic=b"TRITDIFF")

    def zipped(self, frames=None, size=None, cut=None):
        """With a compressed header, or with such frames and such a size."""
        text = json.dumps(self.meta(), separators=(",", ":")).encode()
        frames = [frame(len(text), [text])] if frames is None else frames
        header = struct.pack("<Q", len(text) if size is None else size) + chunked(frames)
        return sealed(self.data, header[:cut], version=PATCH_VERSION, flags=1, magic=b"TRITDIFF")


def unchanged_patch():
    patch = Patch()
    patch.put_query()
    patch.put_norm()
    patch.weights(patch.head + patch.codes + patch.scale + patch.norm, patch.head)
    patch.companion("config.json", patch.config, own=False)
    return patch


def changed_patch(coding="gaps", k=2):
    """One patch for each coding of trits, with a coding of bytes beside it."""
    patch = Patch()
    after = list(patch.trits)
    for place in (0, 5, 17, 40, 63):
        after[place] = (after[place] + 2) % 3 - 1
    content = {"gaps": gaps(patch.trits, after, k), "whole": fives([t + 1 for t in after])}[coding]
    flips = {"minus_to_zero": 5, "minus_to_plus": 0, "zero_to_minus": 0, "zero_to_plus": 0, "plus_to_minus": 0, "plus_to_zero": 0}
    scale = struct.pack("<H", 0x3F30)
    patch.put_query(after, coding, content, scale=scale, flips=flips)
    old = struct.unpack("<8H", patch.norm)
    new = [(n + (i - 3) * 40) & 0xFFFF for i, n in enumerate(old)]
    bytes_coding, numbers = {"gaps": ("xor", [a ^ b for a, b in zip(old, new)]), "whole": ("whole", new)}[coding]
    norm = struct.pack("<8H", *new)
    patch.put_norm(norm, bytes_coding, planes(numbers), changed=7, largest_change=0.25)
    patch.weights(patch.head + packed_hf(after, 8) + scale + norm, patch.head)
    patch.companion("config.json", patch.config)
    return patch


def tritdiff():
    def s(name, data, sentence):
        put("tritdiff", name, data, sentence)

    s("valid-unchanged", unchanged_patch().bytes(), "The base itself, every tensor and its configuration taken from it.")
    s("valid-gaps", changed_patch("gaps").bytes(), "Changes as runs, a norm as XOR, scales in hexadecimal.")
    s("valid-whole", changed_patch("whole").bytes(), "Trits and a norm that do without the base.")
    patch = Patch()
    pack = Pack()
    pack.ternary("new", "base3", [4, 10], bytes([0, 121, 242, 5, 17, 99, 200, 81]), struct.pack("<4f", 0.5, 1, 2, 4), "row", "F32")
    pack.dense("doubles", "F64", [2], struct.pack("<2d", 0.1, -3))
    target = pack.bytes()
    trits = []
    for row in range(4):
        parts = pack.data[2 * row:2 * row + 2]
        trits += [code // 3 ** k % 3 - 1 for k in range(5) for code in parts]
    scales = struct.pack("<4f", 0.5, 1, 2, 4)
    place = [section["offset"] for section in pack.sections]
    patch.put(patch.ternary_identity("new", trits, scales, (4, 10), "F32", "row"), place[0], "whole",
              fives([t + 1 for t in trits]), layout="base3", scale_place={"file": 0, "offset": place[1]}, scale_section=1)
    assert patch.section(scales) == 1
    doubles = pack.data[128:144]
    patch.put(patch.dense_identity("doubles", "F64", [2], doubles), place[2], "whole", bytes(doubles[8 * i + k] for k in range(8) for i in range(2)))
    skeleton = target[:64] + target[72:128] + target[144:192] + target[208:]
    patch.weights(target, skeleton, "model.tritpack")
    patch.target_stream = patch.code_stream("new", trits, struct.pack("<4H", 0x3F00, 0x3F80, 0x4000, 0x4080), (4, 10))
    patch.kind = "file"
    s("valid-new-file", patch.bytes(), "A TritPack file of which nothing comes from the base.")
    patch = Patch()
    zipped = {"compression": "zstd"}
    patch.put_query(coding="whole", content=chunked([frame(13, [fives([t + 1 for t in patch.trits])])]), size=13, **zipped)
    patch.put_norm(coding="xor", content=chunked([frame(16, [(0, 16)])]), size=16, **zipped)
    patch.weights(patch.head + patch.codes + patch.scale + patch.norm, chunked([frame(len(patch.head), [patch.head])]), size=len(patch.head), **zipped)
    s("valid-zstd", patch.bytes(), "Compressed sections, one of them a run of zeros.")
    s("valid-header", changed_patch().zipped(), "A compressed header.")

    good = changed_patch().bytes()
    s("magic-only", b"TRITDIFF", "Only the magic.")
    s("cut-header", good[:-1], "One byte is missing at the end.")
    s("digest-wrong", good[:40] + b"\0" + good[41:], "A digest that does not fit.")
    s("version-1", changed_patch().bytes(version=(1, 0)), "The version before.")
    s("version-3", changed_patch().bytes(version=(3, 0)), "A version to come.")
    s("flags", changed_patch().bytes(flags=2), "A flag nobody has defined.")
    kind = {"version": PATCH_VERSION, "magic": b"TRITDIFF"}
    s("header-empty", sealed(b"", {}, **kind), "A header without anything.")
    s("header-deep", sealed(b"", b'{"generator":' + b"[" * 5000, **kind), "A generator 5,000 levels deep.")
    s("a-tritpack", sealed(b"", small_pack().meta(), **kind), "TritPack's header behind TritDiff's magic.")
    s("header-plain", changed_patch().bytes(flags=1), "A header that is said to be compressed and is not.")
    s("header-cut", changed_patch().zipped(cut=7), "A compressed header of seven bytes.")
    s("header-size", changed_patch().zipped(size=100), "A compressed header of another size.")
    s("header-huge", changed_patch().zipped(size=(1 << 64) - 1), "A header of 2^64 − 1 bytes.")
    s("header-spaces", changed_patch().zipped([frame(1 << 20, [(0x20, 131072)] * 8)] * 90, 90 << 20), "A header of 90 MB in 5 kB.")
    commas = b'{"a":[' + b"0," * 25000
    s("header-values", changed_patch().zipped([frame(60000, [commas[:50000], (0x2C, 10000)])], 60000), "A header of more values than its bytes are good for.")

    for name, change, sentence in [
        ("base-hash", lambda p: p.base[0].update(trits="0" * 64), "A base with other trits."),
        ("base-scale", lambda p: p.base[0]["scale"].update(convention="divide"), "A base whose scales divide."),
        ("base-missing", lambda p: p.base.append(p.dense_identity("more", "F32", [1], b"abcd")), "A tensor the base does not have."),
        ("base-extra", lambda p: p.base.pop(), "A base with one tensor less than it has; a patched one comes from it."),
        ("base-twice", lambda p: p.base.append(p.base[1]), "A tensor of the base twice."),
        ("base-huge", lambda p: p.base.append({**p.dense_identity("more", "F32", [1 << 61, 8], b""), "name": "more"}), "A shape of the base past 2^63."),
        ("base-empty", lambda p: p.base.clear(), "A base without tensors."),
        ("stream-wrong", lambda p: setattr(p, "stream", "0" * 64), "A code stream that is not the base's."),
        ("stream-null", lambda p: setattr(p, "stream", None), "A base with trits and no code stream."),
        ("from-unknown", lambda p: p.tensors[0].update({"from": "nothing"}), "A tensor from one the base lacks."),
        ("from-dense", lambda p: p.tensors[0].update({"from": NORM}), "Trits that come from numbers."),
        ("from-trits", lambda p: p.tensors[1].update({"from": QUERY}), "Numbers that come from trits."),
        ("coding-unknown", lambda p: p.tensors[0].update(coding="magic"), "A coding nobody has defined."),
        ("coding-bytes", lambda p: p.tensors[0].update(coding="xor"), "A coding of bytes for trits."),
        ("coding-trits", lambda p: p.tensors[1].update(coding="gaps"), "A coding of trits for bytes."),
        ("coding-without-base", lambda p: p.tensors[0].pop("from"), "Changes of nothing."),
        ("coding-same", lambda p: p.tensors[0].update(coding="same"), "Unchanged trits with another hash, and a section of nobody."),
        ("layout-unknown", lambda p: p.tensors[0].update(layout="i2_s"), "A layout that TritDiff does not know."),
        ("layout-other", lambda p: p.tensors[0].update(layout="base3"), "A layout of 16 bytes for base3's 16, so that only the hash tells."),
        ("place-file", lambda p: p.tensors[0]["place"].update(file=1), "A place in a file that is not there."),
        ("place-overlap", lambda p: p.tensors[0]["place"].update(offset=p.tensors[1]["place"]["offset"] - 1), "Two tensors in one place."),
        ("place-scale", lambda p: p.tensors[0]["scale_place"].update(offset=p.tensors[0]["place"]["offset"]), "Scales inside their trits."),
        ("place-end", lambda p: p.tensors[1]["place"].update(offset=p.files[0]["bytes"] - 15), "A tensor past the file's end."),
        ("place-max", lambda p: p.tensors[1]["place"].update(offset=(1 << 64) - 16), "A place next to 2^64."),
        ("scale-hex", lambda p: p.tensors[0].update(scale_bytes="3"), "Half a byte of scales."),
        ("scale-letters", lambda p: p.tensors[0].update(scale_bytes="zz00"), "Scales that are no hexadecimal digits."),
        ("scale-hash", lambda p: p.tensors[0].update(scale_bytes="0000"), "Scales of zero with the hash of others."),
        ("scale-section", lambda p: (p.tensors[0].pop("scale_bytes"), p.tensors[0].update(scale_section=0)), "Scales in a section of changes."),
        ("scale-row", lambda p: p.tensors[0]["scale"].update(granularity="row"), "Scales of rows where one is stored."),
        ("scale-group", lambda p: p.tensors[0]["scale"].update(granularity="group", group_columns=0), "Groups of no columns."),
        ("flips-negative", lambda p: p.tensors[0]["flips"].update(plus_to_zero=-1), "Fewer than no changes."),
        ("flips-many", lambda p: p.tensors[0]["flips"].update(plus_to_zero=1 << 62), "More changes than trits."),
        ("changed-many", lambda p: p.tensors[1].update(changed=(1 << 63) - 1, largest_change=1e308), "More changed numbers than there are."),
        ("tensor-twice", lambda p: p.tensors.append(p.tensors[1]), "A tensor of the target twice."),
        ("tensors-none", lambda p: p.tensors.clear(), "A target without tensors."),
        ("section-unused", lambda p: p.section(b"abc"), "A section for nothing."),
        ("section-twice", lambda p: p.companions[0].update(section=p.files[0]["section"]), "One section for two files."),
        ("section-past", lambda p: p.tensors[0].update(section=99), "A section that is not there."),
        ("section-hash", lambda p: p.sections[0].update(sha256="0" * 64), "A section with another hash."),
        ("section-offset", lambda p: p.sections[1].update(offset=0), "A section inside the preamble."),
        ("files-none", lambda p: p.files.clear(), "A target without files."),
        ("file-bytes", lambda p: p.files[0].update(bytes=(1 << 64) - 1), "A file of 2^64 − 1 bytes."),
        ("file-hash", lambda p: p.files[0].update(sha256="0" * 64), "A file with another hash, found when all is written."),
        ("file-path", lambda p: p.files[0].update(name="../model.safetensors"), "A file beside the output."),
        ("file-absolute", lambda p: p.files[0].update(name="/tmp/model.safetensors"), "A file elsewhere."),
        ("file-dot", lambda p: p.files[0].update(name=".."), "The folder above as a file."),
        ("file-as-companion", lambda p: p.companions[0].update(name="model.safetensors"), "Two files of one name."),
        ("companion-path", lambda p: p.companions[0].update(name="a/b"), "A companion in a folder."),
        ("companion-bytes", lambda p: p.companions[0].update(bytes=1 << 40), "A companion of a terabyte."),
        ("companion-missing", lambda p: p.companions.append({"name": "tokenizer.json", "bytes": 2, "sha256": sha(b"{}")}), "A file the base should have."),
        ("companion-other", lambda p: p.companions.append({"name": "config.json", "bytes": 2, "sha256": sha(b"{}")}), "Two configurations, one of them not the base's."),
        ("kind-file", lambda p: setattr(p, "kind", "file"), "A single file with a companion."),
        ("kind-unknown", lambda p: setattr(p, "kind", "link"), "A target that is a link."),
    ]:
        patch = changed_patch()
        change(patch)
        s(name, patch.bytes(), sentence)

    patch = Patch()
    after = [0] * 64
    for name, content, sentence in [
        ("gaps-k-41", gaps([0] * 64, [0] * 63 + [1], 41), "A run of 41 bits."),
        ("gaps-k-255", gaps(patch.trits, patch.trits, 0)[:24] + b"\xff" + bytes(7), "Runs of 255 bits, and none."),
        ("gaps-count", gaps(patch.trits, after, 0, changes=1 << 62), "2^62 changes in a few bytes."),
        ("gaps-zeros", gaps(patch.trits, after, 0, zeros=1 << 63), "2^63 changes of zeros."),
        ("gaps-runs", gaps(patch.trits, after, 0, run_bytes=(1 << 64) - 1), "2^64 − 1 bytes of runs."),
        ("gaps-ones", struct.pack("<QQQB7x", 1, 20, 0, 0) + b"\xff" * 20 + b"\0", "A run without an end."),
        ("gaps-past-end", gaps(patch.trits + [1] * 64, patch.trits + [1] * 63 + [0], 0), "A change past the last trit."),
        ("gaps-far", struct.pack("<QQQB7x", 3, 15, 0, 40) + bytes([0, 0, 0, 0, 0x80, 0xFF]) + bytes(9) + b"\0", "Runs of 2^40."),
        ("gaps-tail", gaps(patch.trits, after, 1, tail=b"\0\0\0"), "Bytes behind the last change."),
    ]:
        patch = Patch()
        patch.put_query(after, "gaps", content)
        patch.put_norm()
        patch.weights(patch.head + packed_hf(after, 8) + patch.scale + patch.norm, patch.head)
        s(name, patch.bytes(), sentence)
    for name, coding, content, sentence in [
        ("fives-243", "whole", bytes([243] * 13), "Bytes that are no five trits."),
        ("fives-tail", "whole", bytes([121] * 13), "Codes past the last trit."),
        ("fives-short", "whole", bytes(12), "Codes of 60 of 64 trits."),
    ]:
        patch = Patch()
        patch.put_query(after, coding, content)
        patch.put_norm()
        patch.weights(patch.head + packed_hf(after, 8) + patch.scale + patch.norm, patch.head)
        s(name, patch.bytes(), sentence)
    zeros = frame(1 << 20, [(0, 131072)] * 8)
    for name, identity, sentence in [
        ("bomb-dense", lambda size: Patch.dense_identity("bomb", "U8", [size], b""), "A new tensor of 1 GB in 50 kB."),
        ("bomb-trits", lambda size: {**Patch.ternary_identity("bomb", [], b"\x20\x3f"), "shape": [8, size * 5 // 8]}, "New trits of 5 GB in 50 kB."),
    ]:
        patch = Patch()
        size = 1000 << 20
        more = {"layout": "base3", "scale_place": {"file": 0, "offset": 0}, "scale_bytes": "203f"} if name == "bomb-trits" else {}
        patch.put(identity(size), 2, "whole", chunked([zeros] * 1000), size=size, compression="zstd", **more)
        patch.weights(b"ab", b"ab")
        patch.files[0]["bytes"] = 2 + size
        s(name, patch.bytes(), sentence)
    patch = unchanged_patch()
    space = frame(1 << 20, [(0x20, 131072)] * 8)
    patch.companions.append({"name": "tokenizer.json", "bytes": 200 << 20, "sha256": "0" * 64,
                             "section": patch.section(chunked([space] * 200), size=200 << 20, compression="zstd")})
    s("bomb-companion", patch.bytes(), "A tokenizer of 200 MB in 10 kB.")
    patch = unchanged_patch()
    patch.files[0]["bytes"] += 400 << 20
    patch.files[0]["section"] = patch.section(chunked([space] * 400), size=len(patch.head) + (400 << 20), compression="zstd")
    s("bomb-header", patch.bytes(), "Bytes between tensors that unpack to 400 MB; the section of the first is used by nothing.")
    patch = unchanged_patch()
    patch.base += [patch.dense_identity("t%d" % i, "U8", [0], b"") for i in range(400)]
    s("many-tensors", patch.bytes(), "400 tensors the base does not have.")


# --- record: certificates, plans and receipts of a conversion of the same base to dense; the lab puts seals right

PRODUCT = "tritsmith 0.1.0"
SIZELESS = json.dumps({"architectures": ["BitNetForCausalLM"], "quantization_config": {
    "quant_method": "bitnet", "linear_class": "autobitlinear", "quantization_mode": "offline"}})


def sealed_record(schema, content, seal=None, **change):
    """Without the keys whose new value is an ellipsis."""
    record = {"schema": "tritsmith." + schema, "schema_version": 1, "generator": PRODUCT, **content, **change}
    record = {key: value for key, value in record.items() if value is not ...}
    text = json.dumps(record, separators=(",", ":"), ensure_ascii=False).encode()
    record["sealed_sha256"] = sha(text) if seal is None else seal
    return json.dumps(record, indent=2, ensure_ascii=False) + "\n"


def recorded(name, data):
    return {"name": name, "bytes": len(data), "sha256": sha(data)}


def record():
    def s(name, data, sentence):
        put("record", name, data, sentence)

    put("config", "sizeless", SIZELESS, "A class and how its projections are packed, and no size.")

    # A conversion wants every tensor its configuration asks for; this one asks for none.
    model, configuration = base_of_patches()[0], SIZELESS.encode()
    recipe = {"generator": PRODUCT, "target": "dense", "source_kind": "packed-ternary", "quantizer": None,
              "scale_convention": "multiply", "keep": [], "quantize": [], "sources": []}
    gate = {"gate": "trits", "passed": True, "tensors": 1, "differences": 0}
    certified = {"input": "base", "output": "out", "request": {"target": "dense"}, "recipe": recipe,
                 "inputs": [recorded("model.safetensors", model), recorded("config.json", configuration)],
                 "outputs": [recorded("config.json", b"{}")], "code_stream": "0" * 64, "gates": [gate]}

    def certificate(**change):
        return sealed_record("certificate", certified, **change)

    def request(**change):
        return certificate(request={"target": "dense", **change})

    s("valid-certificate", certificate(), "A certificate whose input is here and whose output is another.")
    s("certificate-seal", certificate(seal="0" * 64), "A seal of zeros.")
    s("certificate-seal-number", certificate(seal=0), "A seal that is a number.")
    s("certificate-blank", certificate() + " ", "A blank behind the record, which the seal does not cover.")
    s("certificate-compact", json.dumps(json.loads(certificate()), separators=(",", ":")), "The same values in another spelling.")
    s("certificate-twice", certificate().replace('"input": "base"', '"input": "base",\n  "input": "other"'), "The input named twice.")
    s("certificate-version", certificate(schema_version=2), "A version of the schema that does not exist.")
    s("certificate-generator", certificate(generator="tritsmith 99.0.0"), "Made by another version.")
    s("certificate-generator-none", certificate(generator=...), "Made by nobody.")
    for key in certified:
        s("certificate-no-" + key.replace("_", "-"), certificate(**{key: ...}), "A certificate without `%s`." % key)
        s("certificate-null-" + key.replace("_", "-"), certificate(**{key: None}), "A certificate whose `%s` is null." % key)
    for name, text in (("parent", "../out"), ("root", "/etc/passwd"), ("dots", ".."), ("empty", ""), ("nul", "a\0b"), ("long", "a" * 5000)):
        s("certificate-output-" + name, certificate(output=text), "An output whose name is %s." % {
            "parent": "in the folder above", "root": "an absolute path", "dots": "two dots", "empty": "empty",
            "nul": "cut by a NUL", "long": "too long for a file system"}[name])
    s("certificate-file-parent", certificate(outputs=[{**recorded("a", b""), "name": "../a"}]), "A file of the output in the folder above.")
    s("certificate-file-negative", certificate(outputs=[{**recorded("a", b""), "bytes": -1}]), "A file of −1 bytes.")
    s("certificate-file-most", certificate(outputs=[{**recorded("a", b""), "bytes": (1 << 64) - 1}]), "A file of 2^64 − 1 bytes.")
    s("certificate-file-hash", certificate(outputs=[{**recorded("a", b""), "sha256": "0" * 63}]), "A hash of 63 digits.")
    s("certificate-files-many", certificate(outputs=[recorded("f%d" % i, b"") for i in range(60)]), "60 files, none of which is there.")
    s("certificate-files-alike", certificate(inputs=[recorded("model.safetensors", model)] * 9), "One file nine times.")
    s("certificate-gate-most", certificate(gates=[{**gate, "tensors": (1 << 63) - 1, "differences": -1 << 63}]), "Counts at both ends of an integer.")
    for name, key, value in (
            ("target", "target", "onnx"), ("target-most", "target", 1 << 64), ("quantizer", "quantizer", "none-such"),
            ("keep-nested", "keep", [["*"]]), ("keep-stars", "keep", ["*a" * 400 + "b"]), ("quantize-all", "quantize", ["*"]),
            ("shards-0", "max_shard_bytes", 0), ("shards-1", "max_shard_bytes", 1), ("shards-most", "max_shard_bytes", (1 << 64) - 1),
            ("zstd", "zstd", 20), ("layout", "layout", "none-such"), ("scale", "scale_convention", "add"),
            ("architecture", "architecture", "../x"), ("unknown", "not_an_option", True)):
        s("request-" + name, request(**{key: value}), "A conversion whose `%s` is %s." % (key, json.dumps(value)[:40]))
    for target in ("hf-packed", "tritpack", "gguf", "trainable"):
        s("request-to-" + target, request(target=target), "A conversion to %s." % target)
    s("request-fitted", request(target="tritpack", quantizer="gptq-row", quantize=["*"]), "A quantizer that needs a calibration text no record holds.")
    s("deep", certificate(recipe=json.loads("[" * 120 + "]" * 120)), "A recipe 120 deep.")

    plan = {"input": "/base", "output": "/joined", "replaces": False, "request": {"target": "dense"}, "recipe": recipe,
            "files": [{"name": "model.safetensors", "bytes": len(model), "header_sha256": sha(model[:8 + struct.unpack("<Q", model[:8])[0]])}],
            "companions": [recorded("config.json", configuration)],
            "tensors": [
                {"name": QUERY, "output": QUERY, "step": "unpack to dense", "encoding": "BF16", "source_bytes": 18, "output_bytes": 128},
                {"name": NORM, "output": NORM, "step": "copy", "encoding": "BF16", "source_bytes": 16, "output_bytes": 16}],
            "tensor_sha256": ["0183b04351aa527dba09397a928184a09da782c3ea1a5fe9f13e82050d3f3f6b",
                              "b05a14e3bd71b20ed04d0fba3a0ec7c3981c9cff37d5a9cc931cd111a32b080a"]}

    def shards(**change):
        return sealed_record("shards", plan, **change)

    s("valid-plan", shards(), "The plan of a conversion in parts.")
    s("plan-elsewhere", shards(output="/etc/cron.d/x"), "An output where no worker should write; the lab puts its own in its place.")
    s("plan-replaces", shards(replaces=True), "A plan that may replace what stands at the output.")
    s("plan-relative", shards(input="base", output="joined"), "Paths that depend on the worker's folder.")
    s("plan-other-weights", shards(tensor_sha256=["0" * 64] * 2), "Weights that are not those of the source.")
    s("plan-fewer-hashes", shards(tensor_sha256=plan["tensor_sha256"][:1]), "One hash for two tensors.")
    s("plan-no-hashes", shards(tensor_sha256=...), "No hash of any tensor.")
    s("plan-file-hash", shards(file_sha256=["0" * 64]), "Hashes of files, which this target does not record.")
    s("plan-tritpack", shards(request={"target": "tritpack"}, recipe={**recipe, "target": "tritpack"}), "Another target than the tensors are for.")
    s("plan-no-tensors", shards(tensors=[], tensor_sha256=[]), "A plan of nothing.")
    s("plan-other-shape", shards(tensors=[{**plan["tensors"][0], "output_bytes": 1 << 62}] + plan["tensors"][1:]), "An output of 2^62 bytes.")

    part = {"plan_sha256": "0" * 64, "worker": 1, "workers": 1, "tensors": [
        {"name": QUERY, "sha256": "fcfe530a01212a998cf2ff4ea2fc4491d0c0ce627e692aa59251ea548809e9e5"},
        {"name": NORM, "sha256": "b05a14e3bd71b20ed04d0fba3a0ec7c3981c9cff37d5a9cc931cd111a32b080a"}], "already_ternary": []}

    def receipt(**change):
        return sealed_record("shard", part, **change)

    s("valid-receipt", receipt(), "What a worker says about its part.")
    s("receipt-worker-0", receipt(worker=0), "Worker 0 of 1.")
    s("receipt-worker-2", receipt(worker=2), "Worker 2 of 1.")
    s("receipt-workers-most", receipt(workers=(1 << 63) - 1, tensors=[]), "2^63 − 1 workers, of whom the others have not delivered.")
    s("receipt-workers-many", receipt(workers=100_000, tensors=[]), "As many workers as there may be.")
    s("receipt-workers-more", receipt(worker=3, workers=7), "A part by another name than the one that is there.")
    s("receipt-no-tensors", receipt(tensors=[]), "A part of nothing.")
    s("receipt-other-tensors", receipt(tensors=[{"name": "x", "sha256": "0" * 64}]), "A tensor the plan does not have.")
    s("receipt-other-hash", receipt(tensors=[{"name": QUERY, "sha256": "0" * 64}] + part["tensors"][1:]), "A hash the part does not have.")
    s("receipt-twice", receipt(tensors=part["tensors"] * 2), "Every tensor twice.")
    s("receipt-names", receipt(already_ternary=["\u001b[2J", 1, None]), "Names that would clear a terminal, and values that are none.")


# --- hub: answers of a server that is asked for a model

def hub():
    def s(name, head, body, sentence):
        if not isinstance(body, (str, bytes)):
            body = json.dumps(body)
        put("hub", name, "\r\n".join(head).encode() + b"\r\n\r\n" + (body if isinstance(body, bytes) else body.encode()), sentence)

    ok = ["HTTP/1.1 200 OK", "Content-Type: application/json"]
    large = {"rfilename": "model.safetensors", "size": 34, "lfs": {"sha256": "0" * 64, "size": 34, "pointerSize": 134}}
    small = {"rfilename": "config.json", "size": 2, "blobId": "1" * 40}

    def listed(*siblings, **change):
        return {"id": "a/b", "sha": "0123456789" * 4, "siblings": list(siblings), **change}

    s("valid-list", ok, listed(large, small), "The files of a model.")
    s("valid-references", ok, {"branches": [{"name": "main", "ref": "refs/heads/main", "targetCommit": "0" * 40}], "tags": [], "converts": []}, "The revisions of a model.")
    s("valid-range", ["HTTP/1.1 206 Partial Content", "Content-Range: bytes 8-15/34", 'ETag: W/"x"'], "12345678", "A part of a file.")
    s("valid-redirect", ["HTTP/1.1 302 Found", "Location: https://storage.example/x?y=z", 'X-Linked-ETag: "%s"' % ("0" * 64), "X-Linked-Size: 34"], "", "The way to a storage host.")
    s("redirect-clear", ["HTTP/1.1 302 Found", "Location: http://storage.example/x"], "", "A redirect out of TLS.")
    s("redirect-file", ["HTTP/1.1 302 Found", "Location: file:///etc/passwd"], "", "A redirect to a file of this machine.")
    s("redirect-lines", ["HTTP/1.1 302 Found", "Location: https://a\tb/\x1b[2J"], "", "A redirect that would clear a terminal.")
    s("redirect-user", ["HTTP/1.1 302 Found", "Location: https://hub.example@evil.org/"], "", "A host that looks like another.")
    s("range-most", ["HTTP/1.1 206 Partial Content", "Content-Range: bytes 0-%d/%d" % ((1 << 64) - 1, (1 << 64) - 1)], "", "A part of 2^64 bytes.")
    s("range-back", ["HTTP/1.1 206 Partial Content", "Content-Range: bytes 9-3/34"], "", "A part that ends before it begins.")
    s("retry-endless", ["HTTP/1.1 429 Too Many Requests", "Retry-After: 1e999"], "", "A pause that never ends.")
    s("error-message", ["HTTP/1.1 403 Forbidden", "X-Error-Message: \x1b]0;title\x07" + "x" * 3000], "", "A message that would name a window, and is long.")
    s("list-parent", ok, listed({**small, "rfilename": "../config.json"}), "A file in the folder above.")
    s("list-folder-is-file", ok, listed(small, {**small, "rfilename": "config.json/x"}), "A file that is a folder, too.")
    s("list-twice", ok, listed({**small, "rfilename": "\u00e9"}, {**small, "rfilename": "e\u0301"}), "Two spellings of one name.")
    s("list-size-most", ok, listed({**small, "size": (1 << 63) - 1}), "A file of 2^63 − 1 bytes.")
    s("list-two-sizes", ok, listed({**large, "size": 35}), "Two sizes of a file.")
    s("list-digest", ok, listed({**large, "lfs": {"sha256": "0" * 63, "size": 34}}), "A digest of 63 digits.")
    s("list-deep-names", ok, listed({**small, "rfilename": "/".join("a" * 500)}), "A name of 500 folders.")
    s("list-commit", ok, listed(small, sha="main"), "A branch in the place of a commit.")
    s("list-html", ["HTTP/1.1 200 OK"], "<!doctype html><title>Hub</title>", "A page in the place of a list.")
    s("references-odd", ok, {"branches": [{"name": "../x"}, {"name": "-x"}, {"name": 1}, 2], "tags": {}}, "Revisions that cannot be asked for.")


for maker in (safetensors, mlx_files, shard_index, tritpack, gguf, tokenizer, sentencepiece, chat, config, adapter, tritdiff, record, hub, structured):
    maker()

found = json.load(open(os.path.join(HERE, "found.json")))
for name in found:
    assert os.path.exists(os.path.join(HERE, name)), name
TABLE.update(found)
with open(os.path.join(HERE, "README.md"), "w") as file:
    file.write("# Hostile files\n\nThe seed corpus of the fuzzers (`Docs/Development/Fuzzing.md`), replayed by `HostileTests`. Written by `generate.py`; `found-` files\n"
               "are described in `found.json`.\n\n| file | tries |\n|---|---|\n")
    for name in sorted(TABLE):
        file.write("| %s | %s |\n" % (name, TABLE[name].replace("|", "\\|")))
print(len(TABLE), "files")
