#!/usr/bin/env python3
"""Writes Sources/TritTokenizer/PreTokenization/NormalizationData.swift: what NFC and NFD need to know of each character.

    python make_normalization.py OUT [--check]

needs: tokenizers. The tokenizers library normalizes by a Unicode version of its own (9.0 in tokenizers 0.20 to 0.23), and
ids are defined by that library. Python's unicodedata, which is newer, says what there is; the library is asked for every
character whether it knows it. --check compares OUT with what would be written.
"""
import argparse, sys, unicodedata
from tokenizers import normalizers

nfd, nfc = normalizers.NFD(), normalizers.NFC()
SCALARS = [c for c in range(0x110000) if not 0xD800 <= c < 0xE000]


def decompositions():
    for c in SCALARS:
        if 0xAC00 <= c <= 0xD7A3:
            continue  # Hangul syllables are worked out, not listed
        mapping = unicodedata.decomposition(chr(c))
        if not mapping or mapping.startswith("<") or nfd.normalize_str(chr(c)) == chr(c):
            continue
        parts = [int(x, 16) for x in mapping.split()]
        excluded = len(parts) == 2 and nfc.normalize_str(chr(c)) != chr(c)
        yield f"{c:x}:" + "+".join(f"{p:x}" for p in parts) + ("!" if excluded else "")


def classes():
    """Ranges of one combining class, for the characters that the library puts in order."""
    found = {}
    for c in SCALARS:
        value = unicodedata.combining(chr(c))
        if not value:
            continue
        # Beside a mark of another class on the wrong side, a mark whose class is known changes places.
        text = "q" + (chr(c) + "\u0316" if value > 220 else "\u0301" + chr(c))
        if nfd.normalize_str(text) == unicodedata.normalize("NFD", text):
            found[c] = value
    keys = sorted(found)
    start = 0
    for i, c in enumerate(keys):
        if i + 1 < len(keys) and keys[i + 1] == c + 1 and found[keys[i + 1]] == found[c]:
            continue
        first, last = keys[start], c
        yield (f"{first:x}" if first == last else f"{first:x}-{last:x}") + f":{found[c]:x}"
        start = i + 1


def literal(name, comment, words):
    lines, line = [], ""
    for word in words:
        if len(line) + len(word) + 1 > 112:
            lines.append(line)
            line = ""
        line += (" " if line else "") + word
    lines.append(line)
    body = " \\\n".join("    " + l for l in lines)
    return f'  /// {comment}\n  static let {name} = """\n{body}\n    """\n'


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("out")
    parser.add_argument("--check", action="store_true")
    args = parser.parse_args()
    text = (
        "// Tritsmith: canonical decompositions and combining classes.\n\n"
        "/// Unicode 9.0, as `tokenizers` 0.23 normalizes; written by `Tests/Interop/make_normalization.py`.\n"
        "enum NormalizationData {\n"
        + literal("decompositions", "`code:first+second`, in hexadecimal; `!` where the two never compose again.",
                  decompositions())
        + "\n"
        + literal("classes", "`first-last:class`, for every character whose combining class is not 0.", classes())
        + "}\n"
    )
    if args.check:
        if open(args.out).read() != text:
            sys.exit(f"{args.out} is not what this script writes")
        print(f"{args.out}: as written by this script, {len(text)} bytes")
    else:
        open(args.out, "w").write(text)


main()
