#!/usr/bin/env python3
"""Writes Sources/TritTokenizer/Normalization/NormalizationData.swift: what Unicode's four normal forms need to know.

    python make_normalization.py OUT [--ucd /usr/share/unicode] [--check] [--library]

needs: the Unicode Character Database (Debian: unicode-data): UnicodeData.txt, DerivedAge.txt,
DerivedNormalizationProps.txt. The tokenizers library normalizes by Unicode 9.0 (tokenizers 0.20 to 0.23), so what is newer
is marked: normalization is stable, so leaving that out is Unicode 9.0. --library asks the tokenizers package about every
character. --check compares OUT with what would be written.
"""
import argparse, base64, os, re, sys, textwrap

LIBRARY = (9, 0)


def lines(path):
    with open(path, encoding="utf-8") as file:
        for line in file:
            line = line.split("#")[0].strip()
            if line:
                yield [field.strip() for field in line.split(";")]


def span(text):
    first, _, last = text.partition("..")
    return range(int(first, 16), int(last or first, 16) + 1)


class Database:
    def __init__(self, folder):
        age = {}
        for code, version in lines(os.path.join(folder, "DerivedAge.txt")):
            for c in span(code):
                age[c] = tuple(map(int, version.split(".")))
        with open(os.path.join(folder, "DerivedNormalizationProps.txt"), encoding="utf-8") as file:
            self.version = re.search(r"-(\d+\.\d+\.\d+)\.txt", file.readline()).group(1)
        excluded = {c for fields in lines(os.path.join(folder, "DerivedNormalizationProps.txt"))
                    if fields[1] == "Full_Composition_Exclusion" for c in span(fields[0])}
        # code -> (compatible, new, never composed, scalars)
        self.mappings = {}
        # code -> (class, new)
        self.classes = {}
        for fields in lines(os.path.join(folder, "UnicodeData.txt")):
            c, order, mapping = int(fields[0], 16), int(fields[3]), fields[5].split()
            new = age[c] > LIBRARY
            if order:
                self.classes[c] = (order, new)
            if mapping:
                compatible = mapping[0].startswith("<")
                scalars = [int(x, 16) for x in mapping[compatible:]]
                self.mappings[c] = (compatible, new, not compatible and len(scalars) > 1 and c in excluded, scalars)

    def decompose(self, c, compatible, old):
        """The full decomposition of a character, for --library."""
        if 0xAC00 <= c <= 0xD7A3:
            i = c - 0xAC00
            return [0x1100 + i // 588, 0x1161 + i % 588 // 28] + ([0x11A7 + i % 28] if i % 28 else [])
        mapping = self.mappings.get(c)
        if mapping is None or mapping[0] and not compatible or mapping[1] and old:
            return [c]
        return [x for part in mapping[3] for x in self.decompose(part, compatible, old)]


class Writer:
    def __init__(self):
        self.bytes = bytearray()

    def unsigned(self, value):
        while value >= 128:
            self.bytes.append(value & 127 | 128)
            value >>= 7
        self.bytes.append(value)

    def signed(self, value):
        self.unsigned(2 * value if value >= 0 else -2 * value - 1)


def mappings(database):
    """Runs of neighbours whose mappings are alike and rise together."""
    writer, codes = Writer(), sorted(database.mappings)
    end, previous, i = 0, [], 0
    while i < len(codes):
        first = codes[i]
        compatible, new, excluded, scalars = entry = database.mappings[first]
        count = 1
        while len(scalars) == 1 and database.mappings.get(first + count) == (*entry[:3], [scalars[0] + count]):
            count += 1
        writer.unsigned(compatible | new << 1 | excluded << 2 | (count > 1) << 3 | (len(scalars) - 1) << 4)
        writer.unsigned(first - end)
        if count > 1:
            writer.unsigned(count)
        for place, scalar in enumerate(scalars):
            writer.signed(scalar - (previous[place] if place < len(previous) else 0))
        previous = scalars + previous[len(scalars):]
        previous[0] += count - 1
        end, i = first + count, i + count
    return bytes(writer.bytes)


def classes(database):
    writer, codes = Writer(), sorted(database.classes)
    end, i = 0, 0
    while i < len(codes):
        first, (order, new) = codes[i], database.classes[codes[i]]
        count = 1
        while database.classes.get(first + count) == (order, new):
            count += 1
        writer.unsigned(first - end)
        writer.unsigned(2 * count - 2 + new)
        writer.bytes.append(order)
        end, i = first + count, i + count
    return bytes(writer.bytes)


def literal(name, comment, data):
    body = " \\\n".join("    " + line for line in textwrap.wrap(base64.b64encode(data).decode(), 113))
    # A space joins lines more legibly than a bare backslash; readers pass over it.
    return f'  /// {comment}\n  static let {name}: StaticString = """\n{body}\n    """\n'


def ask(database):
    from tokenizers import normalizers
    for name, compatible in [("NFD", False), ("NFKD", True)]:
        form = getattr(normalizers, name)()
        for c in range(0x110000):
            if 0xD800 <= c < 0xE000:
                continue
            expected = "".join(map(chr, database.decompose(c, compatible, old=True)))
            if form.normalize_str(chr(c)) != expected:
                sys.exit(f"{name} of U+{c:04X} is not the library's")
            order, new = database.classes.get(c, (0, False))
            # Beside a mark of another class on the wrong side, a mark whose class is known changes places.
            mark, other = ("\u0316", 220) if order > 220 else ("\u0301", 230)
            text = "q" + (chr(c) + mark if order > 220 else mark + chr(c))
            if c in database.mappings or order in (0, other):
                continue
            moved = "q" + (mark + chr(c) if order > 220 else chr(c) + mark)
            if form.normalize_str(text) != (text if new else moved):
                sys.exit(f"the class of U+{c:04X} is not the library's")
        print(f"{name}: every character as in the library")


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("out")
    parser.add_argument("--ucd", default="/usr/share/unicode")
    parser.add_argument("--check", action="store_true")
    parser.add_argument("--library", action="store_true")
    args = parser.parse_args()
    database = Database(args.ucd)
    if args.library:
        ask(database)
    text = (
        "// Tritsmith: decompositions and combining classes of Unicode.\n\n"
        "/// Written by `Tests/Interop/make_normalization.py` from the Unicode Character Database; base64 of numbers of seven\n"
        "/// bits a byte, low ones first. `NormalizationTables` reads it.\n"
        "enum NormalizationData {\n"
        "  /// Version of the database.\n"
        f'  static let version = "{database.version}"\n\n'
        + literal("mappings", "Flags, distance from the entry before, and by how much each scalar differs from the one before.",
                  mappings(database))
        + "\n"
        + literal("classes", "Distance from the run before, its length, and its combining class.", classes(database))
        + "}\n"
    )
    if args.check:
        if open(args.out).read() != text:
            sys.exit(f"{args.out} is not what this script writes")
        print(f"{args.out}: as written by this script, {len(text)} bytes")
    else:
        open(args.out, "w").write(text)


main()
