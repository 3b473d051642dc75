"""Makes normalization.json.zst and NormalizationTest.txt.zst of this folder.

    python normalization.py [--ucd /usr/share/unicode]      needs tokenizers 0.23.3, Debian's unicode-data, zstd

normalization.json           what the normalizers of the `tokenizers` package do: `texts` with each one's result (null: the
                             text itself), and for each normalizer the number of texts and a hash over its results on every
                             character in several places (`scalars`).
NormalizationTest.txt.zst    every line of Unicode's test of the normal forms without its comments. `=0` … `=3` stand for a
                             column equal to that one.
"""
import argparse, bz2, json, os, random, subprocess, sys

import tokenizers
from tokenizers import normalizers

HERE = os.path.dirname(os.path.abspath(__file__))
sys.path.insert(0, os.path.dirname(HERE))
import packed  # noqa: E402
NORMALIZERS = {
    **{name: {"type": name} for name in ["NFC", "NFD", "NFKC", "NFKD", "Lowercase", "StripAccents"]},
    "Strip": {"type": "Strip", "strip_left": True, "strip_right": True},
    "Strip left": {"type": "Strip", "strip_left": True, "strip_right": False},
    "Strip right": {"type": "Strip", "strip_left": False, "strip_right": True},
    "plain": {"type": "Sequence", "normalizers": [{"type": n} for n in ["NFKD", "StripAccents", "Lowercase", "NFC"]]},
}

# Where characters are alike; of these every 61st is looked at.
SPARSE = [(0x3400, 0xA000), (0xAC00, 0xD7A4), (0x17000, 0x1B000), (0x20000, 0x2F800), (0x30000, 0xE0000), (0xE1000, 0x110000)]


def made(section):
    made_of = {"type": "Sequence", "normalizers": [section]}
    file = {"version": "1.0", "truncation": None, "padding": None, "added_tokens": [], "normalizer": made_of,
            "pre_tokenizer": None, "post_processor": None, "decoder": None, "model": {"type": "BPE", "vocab": {}, "merges": []}}
    return tokenizers.Tokenizer.from_str(json.dumps(file)).normalizer.normalize_str


def fnv(data, hash_):
    for value in data:
        hash_ = ((hash_ ^ value) * 0x100000001B3) & (2**64 - 1)
    return hash_


def surroundings(text):
    return [text, "a" + text + "\u0316\u0301", "\u0301" + text + "\u0323", "\u1100" + text, "\uac00" + text, " " + text]


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--ucd", default="/usr/share/unicode")
    ucd = parser.parse_args().ucd
    random.seed(20260919)
    pool = [chr(c) for c in [0x41, 0x61, 0x45, 0x6F, 0x20, 0x3A9, 0x3B1, 0x3C3, 0x3A3, 0x438, 0x5D0, 0x627, 0x915, 0x9C7, 0x1100, 0x1112,
                             0xAC00, 0xAC01, 0x1161, 0x11A8, 0x11A7, 0x300, 0x301, 0x302, 0x308, 0x323, 0x327, 0x31B, 0x338, 0x345,
                             0x5B0, 0x64B, 0x93C, 0x9BE, 0x3099, 0xFF9E, 0xFB01, 0xFDFA, 0x2126, 0x212B, 0xC5, 0x1E69, 0x1EAD, 0x344, 0x958,
                             0x2ADC, 0xF900, 0x1D15E, 0x1D157, 0x1D165, 0x130, 0x1E9E, 0x1C89, 0xA0, 0x3000, 0x2028, 0x85, 0xBD, 0x2460,
                             0x32C0, 0x1F100, 0x1DF6, 0x11938, 0x11930, 0x1ACF]]
    texts = ["", " ", "abc", "  Ångström \u3000\n", "\u00a0x\u00a0", "İıǅ ΣΑΣ ẞ"]
    texts += ["".join(random.choice(pool) for _ in range(random.randint(1, 12))) for _ in range(300)]
    content = {"tokenizers": tokenizers.__version__, "normalizers": NORMALIZERS, "texts": [], "sparse": SPARSE, "scalars": {}}
    run = {name: made(section) for name, section in NORMALIZERS.items()}
    for text in texts:
        results = [run[name](text) for name in NORMALIZERS]
        content["texts"].append([text, *[None if r == text else r for r in results]])
    for name, normalize in run.items():
        hash_, count = 0xCBF29CE484222325, 0
        for c in range(0x110000):
            if 0xD800 <= c < 0xE000 or c % 61 and any(first <= c < end for first, end in SPARSE):
                continue
            for text in surroundings(chr(c)):
                hash_ = fnv(normalize(text).encode() + b"\0", hash_)
                count += 1
        content["scalars"][name] = [count, f"{hash_:016x}"]
    packed.write(os.path.join(HERE, "normalization.json"), content)

    lines = []
    for line in bz2.open(os.path.join(ucd, "NormalizationTest.txt.bz2"), "rt", encoding="utf-8"):
        if line.startswith("#"):
            if len(lines) < 5:
                lines.append(line.rstrip())
        elif line.startswith("@"):
            lines.append(line.split("#")[0].strip())
        elif line.strip():
            columns = line.split(";")[:5]
            short = [columns[0]]
            for i in range(1, 5):
                same = [k for k in range(i) if columns[k] == columns[i]]
                short.append(f"={same[0]}" if same else columns[i])
            lines.append(";".join(short))
    data = ("\n".join(lines) + "\n").encode()
    with open(os.path.join(HERE, "NormalizationTest.txt.zst"), "wb") as file:
        file.write(subprocess.run(["zstd", "-q", "--ultra", "-22", "-c", f"--stream-size={len(data)}"], input=data, check=True, capture_output=True).stdout)


main()
