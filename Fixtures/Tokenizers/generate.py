"""Makes base.json and golden.json.zst of this folder with the `tokenizers` package, which defines the expected ids.

    python -m venv venv && venv/bin/pip install tokenizers==0.23.3 && venv/bin/python generate.py

base.json    one small byte-level BPE tokenizer. It is trained on whole lines, so its merges cross word borders and every
             difference in how text is cut shows in the ids.
golden.json  `texts`; `variants`: sections that replace those of base.json, and per text the ids without and with special
             tokens (`full`, when they differ) and both decodings (`decoded` when it is not the text, `skipped` when it is
             not `decoded`), or null where all is as in the first variant; `decodings`: what ids decode to that were not
             made from text; `classes`: for classes of characters the number
             of scalars and a hash of them.
"""
import json
import os
import random
import sys

import tokenizers
from tokenizers import AddedToken, Regex, Tokenizer, decoders, models, pre_tokenizers, trainers

HERE = os.path.dirname(os.path.abspath(__file__))
sys.path.insert(0, os.path.dirname(HERE))
import packed  # noqa: E402
LLAMA3 = (r"(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}{1,3}| ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]+"
          r"|\s+(?!\S)|\s+")
QWEN2 = LLAMA3.replace("{1,3}", "")
CL100K = (r"'(?i:[sdmt]|ll|ve|re)|[^\r\n\p{L}\p{N}]?+\p{L}+|\p{N}{1,3}| ?[^\s\p{L}\p{N}]++[\r\n]*|\s*[\r\n]|\s+(?!\S)"
          r"|\s+")
GPT4O = (r"[^\r\n\p{L}\p{N}]?[\p{Lu}\p{Lt}\p{Lm}\p{Lo}\p{M}]*[\p{Ll}\p{Lm}\p{Lo}\p{M}]+(?i:'s|'t|'re|'ve|'m|'ll|'d)?"
         r"|[^\r\n\p{L}\p{N}]?[\p{Lu}\p{Lt}\p{Lm}\p{Lo}\p{M}]+[\p{Ll}\p{Lm}\p{Lo}\p{M}]*(?i:'s|'t|'re|'ve|'m|'ll|'d)?"
         r"|\p{N}{1,3}| ?[^\s\p{L}\p{N}]+[\r\n/]*|\s*[\r\n]+|\s+(?!\S)|\s+")
DEEPSEEK = (r"[!\"#$%&'()*+,\-./:;<=>?@\[\\\]^_`{|}~][A-Za-z]+|[^\r\n\p{L}\p{P}\p{S}]?[\p{L}\p{M}]+| ?[\p{P}\p{S}]+[\r\n]*"
            r"|\s*[\r\n]+|\s+(?!\S)|\s+")

CORPUS = """In the beginning God created the heaven and the earth. And the earth was without form, and void;
And God said, Let there be light: and there was light.  It's 1984, 2024 and 3.14159; don't you've we'll I'm he'd they're
\tdef f(x):\r\n        return x + 1  # comment\r\n\r\n    if x == 10: print("yes")\n\n\n   end
na\u00efve caf\u00e9 Stra\u00dfe \u00c5ngstr\u00f6m \u0434\u043e\u0431\u0440\u044b\u0439 \u0434\u0435\u043d\u044c \u039a\u03b1\u03bb\u03b7\u03bc\u03ad\u03c1\u03b1
\u4f60\u597d\uff0c\u4e16\u754c\u3002 \u65e5\u672c\u8a9e\u306e\u30c6\u30ad\u30b9\u30c8 \ud55c\uad6d\uc5b4 \u0645\u0631\u062d\u0628\u0627 \u0628\u0627\u0644\u0639\u0627\u0644\u0645 \u0661\u0662\u0663
HELLO World CamelCaseWords snake_case ALLCAPS x1y2z3 100,000.50 $5 50% e-mail@example.org https://example.org/a?b=c
"""

TEXTS = [
    "", " ", "  ", "\n", "\r\n", "\r\n\r\n", "\t", "\t\tx", "a", " a", "a ", "  a  b   c    ", "\n\n a\n  b", "a\r\nb\r\n\r\n  c",
    "In the beginning God created the heaven and the earth.", "It's we'll I'M HE'D they'RE don'T 'tis 'Sx", "'s 's's ''ll",
    "it'\u017f a'\u017fx I'\u017f \u212a", "1", "12", "123", "1234", "12345678", "3.14159 1,000,000 x1y22z333", "0x1F 1e-06",
    "\u0661\u0662\u0663\u0664 \u0e51\u0e52\u0e53 \u0967\u0968 \uff11\uff12 \u2460\u2461 \u00bd\u00b2\u00b3\u00b9 \u2163 \u4e00\u4e8c\u4e09 \U0001d7d8\U0001d7d9",
    "e\u0301 \u00e9 a\u0300\u0301\u0302 \u0301 \u0301\u0302x n\u0303", "\u0e19\u0e49\u0e33 \u0915\u094d\u0937\u093f \u0645\u064f\u062d",
    "\U0001f468\u200d\U0001f469\u200d\U0001f467\u200d\U0001f466 \U0001f1e9\U0001f1ea \U0001f44d\U0001f3fd \u2764\ufe0f \U0001f3f4\U000e0067\U000e007f x\U0001f600y",
    "a\u00a0b \u00a0 c\u3000d \u3000\u3000e \u2028f\u2029g\u0085h\u200bi\ufeffj\u180ek\u001cl\u000bm\u000cn",
    "\u0000 a\u0000b\u0000\u0000", "\u4f60\u597d\uff0c\u4e16\u754c\u3002\u3010\u3011\u300c\u300d \u65e5\u672c\u8a9e\u30c6\u30ad\u30b9\u30c8",
    "\ud55c\uad6d\uc5b4 \u1112\u1161\u11ab", "\u0645\u0631\u062d\u0628\u0627 \u0628\u0627\u0644\u0639\u0627\u0644\u0645\u061f \u060c", "\u01c5 \u01c8x \u02b0 \u1d2c \u2c7c AbCDef \u01c4A",
    "HelloWorld CamelCase's ABC'S iPhone'll XMLHttp", "!!! ??? ...\n\n --- ***\r\n///\n a/b/c\n/d", "\"quoted\" (paren) [br] {cu} <an> a_b-c+d=e",
    "$5 \u20ac5 \u00a35 +-*/=<>|~^` \u00b1\u00d7\u00f7 \u2190\u2192 \u00a7\u00b6\u2020 \u2014\u2013 \u2026 \u00ab\u00bb \u201eq\u201c", "\u0378 \U000e0fff \ue000 \U0010ffff \ufffd \uffff",
    "\u1c89 \ua7cb \U00010d4a \u20c1 \U0001fa8a \U00033400 a\U00033401", "\ua7ce \u088f \U00016ea0 x\U00016ebbY", "\u2e3d \u2e52 \U00010f55 \u2e5d",
    "def f(x):\r\n        return x + 1  # c\n\n\n    end\n", "   \n   \n\n  x  \n", " \t \n \t\r \r\n", "a  \u0301 \u0301b", "x" * 50, "ab" * 70 + " " + "the" * 30, " " * 70 + "z",
    "<|bos|>", "a<|bos|>b", " <|bos|> <|eos|>", "<|bos|><|bos|>x<|eo", "<|eos|>\n\n<|bos|", "<|<|bos|>|>", "\u00e9<tool>x</tool> <tool>", "a <mask> b<mask> <mask>c \u0301<mask> <mask>\u200d(<mask>)",
    "x  <left>  y", "x\u3000\n<left><left>  <left>", "x <right>   y", "<right> <right>\t<right>z<both> ", "a  <both>  <both> <left> b", "foo foobar foob fo food", "NORMx norm cat cap dddog",
    "\u0120a \u010a \u0100", "\u00bcup \u00b2\u00b3 \u00b9x", "a\u0301b 9\u03016 \u096f\u093e1",
]

FUZZ = list("aAbZ019 \t\r\n'sStTrReEvVmMlLdD.,!?-_/(<[\u00e9\u00df\u017f\u0301\u00a0\u3000\u2028\u4e2d\u0661\u00bd\U0001f600\u200d\u01c5\u02b0")
random.seed(20240229)
TEXTS += ["".join(random.choice(FUZZ) for _ in range(random.randint(3, 32))) for _ in range(70)]


def split(pattern, behavior="Isolated", invert=False, kind="Regex"):
    return {"type": "Split", "pattern": {kind: pattern}, "behavior": behavior, "invert": invert}


def byte_level(prefix=False, regex=False):
    return {"type": "ByteLevel", "add_prefix_space": prefix, "trim_offsets": True, "use_regex": regex}


def sequence(*steps):
    return {"type": "Sequence", "pretokenizers": list(steps)}


def added(id, content, **options):
    token = dict(id=id, content=content, single_word=False, lstrip=False, rstrip=False, normalized=False, special=False)
    return {**token, **options}


def template(before, behind):
    special = {name: {"id": name, "ids": [id], "tokens": [name]} for name, id in before + behind}
    item = lambda name: {"SpecialToken": {"id": name, "type_id": 0}}
    single = [item(n) for n, _ in before] + [{"Sequence": {"id": "A", "type_id": 0}}] + [item(n) for n, _ in behind]
    return {"type": "TemplateProcessing", "single": single, "pair": single + [{"Sequence": {"id": "B", "type_id": 1}}],
            "special_tokens": special}


def tiny_model(tokens, merges=(), **options):
    model = dict(type="BPE", dropout=None, unk_token=None, continuing_subword_prefix=None, end_of_word_suffix=None,
                 fuse_unk=False, byte_fallback=False, ignore_merges=False, vocab={t: i for i, t in enumerate(tokens)},
                 merges=list(merges))
    return {**model, **options}


def base():
    tokenizer = Tokenizer(models.BPE())
    tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False, use_regex=False)
    tokenizer.decoder = decoders.ByteLevel()
    alphabet = sorted(pre_tokenizers.ByteLevel.alphabet())
    trainer = trainers.BpeTrainer(vocab_size=256 + 420, initial_alphabet=alphabet, show_progress=False, special_tokens=[])
    lines = [CORPUS[i:i + 48] for i in range(0, len(CORPUS), 48)]
    tokenizer.train_from_iterator(lines * 2 + [c for c in CORPUS.split() * 3], trainer)
    count = tokenizer.get_vocab_size()
    tokenizer.add_special_tokens([AddedToken("<|bos|>", special=True, normalized=False), AddedToken("<|eos|>", special=True, normalized=False)])
    tokenizer.add_tokens([AddedToken("<tool>", normalized=False), AddedToken("</tool>", normalized=False)])
    return json.loads(tokenizer.to_str()), count


def main():
    file, n = base()
    specials = file["added_tokens"]
    pairs = file["model"]["merges"]
    as_strings = {**file["model"], "merges": [" ".join(pair) for pair in pairs]}
    bos, eos = ("<|bos|>", n), ("<|eos|>", n + 1)
    options = specials + [
        added(n + 4, "<mask>", single_word=True), added(n + 5, "<left>", lstrip=True), added(n + 6, "<right>", rstrip=True),
        added(n + 7, "<both>", lstrip=True, rstrip=True), added(n + 8, "foo"), added(n + 9, "foobar"),
        added(n + 10, "norm", normalized=True), added(n + 11, "cat", normalized=True), added(n + 12, "\u00e9<", special=True),
    ]
    variants = {
        "GPT-2": {"pre_tokenizer": byte_level(regex=True)},
        "GPT-2 with prefix space": {"pre_tokenizer": byte_level(True, True), "post_processor": byte_level()},
        "no pattern": {"pre_tokenizer": byte_level()},
        "no pattern, prefix space": {"pre_tokenizer": byte_level(True)},
        "Llama-3, BOS": {"pre_tokenizer": sequence(split(LLAMA3), byte_level()), "post_processor":
                         {"type": "Sequence", "processors": [byte_level(), template([bos], [])]}},
        "Llama-3, merges ignored for words": {"pre_tokenizer": sequence(split(LLAMA3), byte_level()), "ignore_merges": True},
        "Llama-3, prefix space": {"pre_tokenizer": sequence(split(LLAMA3), byte_level(True))},
        "Qwen2": {"pre_tokenizer": sequence(split(QWEN2), byte_level())},
        "GPT-4": {"pre_tokenizer": sequence(split(CL100K), byte_level())},
        "GPT-4o, BOS and EOS": {"pre_tokenizer": sequence(split(GPT4O), byte_level()), "post_processor": template([bos, bos], [eos])},
        "GPT-4o removed, inverted": {"pre_tokenizer": sequence(split(GPT4O, "Removed", True), byte_level())},
        "DeepSeek": {"pre_tokenizer": sequence(split(r"[\r\n]"), split(r"\s?\p{L}+"), split(r"\s?\p{P}+"), split("[\u4e00-\u9fa5]+"),
                                               {"type": "Digits", "individual_digits": True}, byte_level())},
        "DeepSeek V3": {"pre_tokenizer": sequence(split(r"\p{N}{1,3}"), split("[\u4e00-\u9fa5\u3040-\u309f\u30a0-\u30ff]+"), split(DEEPSEEK), byte_level())},
        "Falcon classic": {"pre_tokenizer": sequence({"type": "Punctuation", "behavior": "Contiguous"}, byte_level(regex=True),
                                                     {"type": "Digits", "individual_digits": False}, split("[0-9][0-9][0-9]"))},
        "Falcon, digits apart": {"pre_tokenizer": sequence({"type": "Digits", "individual_digits": True},
                                                           {"type": "Punctuation", "behavior": "Isolated"}, byte_level(regex=True))},
        "patterns behind the bytes": {"pre_tokenizer": sequence(byte_level(), {"type": "Digits", "individual_digits": True},
                                      {"type": "Punctuation", "behavior": "MergedWithPrevious"}, split(" ", kind="String"),
                                      split("\u0120t", kind="String", behavior="MergedWithNext"), split(r"\p{Lu}\p{Ll}"))},
        "whitespace": {"pre_tokenizer": sequence({"type": "Whitespace"}, byte_level())},
        "whitespace split": {"pre_tokenizer": sequence({"type": "WhitespaceSplit"}, byte_level(regex=True))},
        "punctuation next": {"pre_tokenizer": sequence({"type": "Punctuation", "behavior": "MergedWithNext"}, byte_level())},
        "punctuation removed": {"pre_tokenizer": sequence({"type": "Punctuation", "behavior": "Removed"}, byte_level(True))},
        "lazy and atomic": {"pre_tokenizer": sequence(split(r"(?:ab?)+?b|(?>a|ab)c|x{2,4}y?|(?=t)th|\d{2,}|[^\S ]{,2}z|(?:\r\n|\n){2}"), byte_level())},
        "added options": {"pre_tokenizer": sequence(split(LLAMA3), byte_level()), "added_tokens": options,
                          "normalizer": {"type": "Replace", "pattern": {"String": "ca"}, "content": "dd"}},
        "prepend": {"pre_tokenizer": byte_level(), "added_tokens": options, "normalizer": {"type": "Sequence", "normalizers": [
            {"type": "Replace", "pattern": {"String": " "}, "content": "_"}, {"type": "Prepend", "prepend": "_"}]}},
        "string merges": {"pre_tokenizer": byte_level(regex=True), "string_merges": True},
        "unknown bytes": {"pre_tokenizer": byte_level(), "added_tokens": [], "model": tiny_model(["<unk>", *"abcdefth", "\u0120", "th", "\u0120th"], [["t", "h"], ["\u0120", "th"]], unk_token="<unk>")},
        "unknown bytes fused": {"pre_tokenizer": byte_level(), "added_tokens": [], "model": tiny_model(["<unk>", *"abcdefth", "\u0120", "th", "\u0120th"], [["t", "h"], ["\u0120", "th"]], unk_token="<unk>", fuse_unk=True)},
        "pair given twice": {"pre_tokenizer": byte_level(), "added_tokens": [], "model": tiny_model(["<unk>", *"abx ", "\u0120", "ab", "ba", "xx", "bx", "aa"], ["a b", "x x", "b a", "b x", "a b", "a a"], unk_token="<unk>")},
    }
    variants["words that no merge reaches"] = {"pre_tokenizer": byte_level(regex=True), "added_tokens": [], "model": tiny_model(
        ["<unk>", "a", "b", "c", "ab", "bc", "abab", "\u0120ab", "\u0120"], [["b", "c"], ["a", "b"]], unk_token="<unk>", ignore_merges=True)}
    for behavior in ["Removed", "Isolated", "MergedWithPrevious", "MergedWithNext", "Contiguous"]:
        for invert in [False, True]:
            variants[f"split {behavior} {invert}"] = {"pre_tokenizer": sequence(split(r"\s|[a-e]", behavior, invert), byte_level())}
    variants["split string"] = {"pre_tokenizer": sequence(split("th", "MergedWithNext", kind="String"), split(". ", "Removed", True, "String"), byte_level())}

    golden = {"tokenizers": tokenizers.__version__, "texts": TEXTS, "variants": [], "decodings": []}
    for name, sections in variants.items():
        model = dict(file["model"])
        sections = dict(sections)
        model_options = {}
        if sections.pop("string_merges", False):
            model["merges"] = as_strings["merges"]
            model_options["string_merges"] = True
        if "ignore_merges" in sections:
            model["ignore_merges"] = sections.pop("ignore_merges")
            model_options["ignore_merges"] = True
        tokenizer = Tokenizer.from_str(json.dumps({**file, "model": model, **sections}))
        cases = []
        for text in TEXTS:
            ids = tokenizer.encode(text, add_special_tokens=False).ids
            full = tokenizer.encode(text).ids
            decoded = tokenizer.decode(full, skip_special_tokens=False)
            skipped = tokenizer.decode(full, skip_special_tokens=True)
            case = {"ids": ids}
            if full != ids:
                case["full"] = full
            if decoded != text:
                case["decoded"] = decoded
            if skipped != decoded:
                case["skipped"] = skipped
            same = golden["variants"] and golden["variants"][0]["cases"][len(cases)] == case
            cases.append(None if same else case)
        golden["variants"].append({"name": name, "sections": sections, "model_options": model_options, "cases": cases})
    tokenizer = Tokenizer.from_str(json.dumps({**file, "pre_tokenizer": byte_level()}))
    for _ in range(120):
        ids = [random.randrange(256) for _ in range(random.randint(1, 12))]
        if random.random() < 0.3:
            ids += tokenizer.encode(random.choice(TEXTS)).ids[:6]
        golden["decodings"].append({"ids": ids, "text": tokenizer.decode(ids, skip_special_tokens=False)})
    golden["classes"] = classes()
    with open(os.path.join(HERE, "base.json"), "w") as output:
        json.dump(file, output, ensure_ascii=False, separators=(",", ":"))
        output.write("\n")
    packed.write(os.path.join(HERE, "golden.json"), golden)


SCALARS = [chr(c) for c in range(0x110000) if not 0xD800 <= c < 0xE000]


def classes():
    regexes = ["L", "N", "M", "P", "S", "Z", "Lu", "Ll", "Lt", "Lm", "Lo", "Mn", "Mc", "Me", "Nd", "Nl", "No", "Cc", "Cf"]
    result = {}
    for name in [rf"\p{{{n}}}" for n in regexes] + [r"\s", r"\w"]:
        result[name] = digest(removed(pre_tokenizers.Split(Regex(name), "removed")))
    result["Punctuation"] = digest(removed(pre_tokenizers.Punctuation("removed")))
    result["WhitespaceSplit"] = digest(removed(pre_tokenizers.WhitespaceSplit()))
    numbers = set()
    for start in range(0, len(SCALARS), 4096):
        text = "a" + "a".join(SCALARS[start:start + 4096]) + "a"
        numbers.update(p for p, _ in pre_tokenizers.Digits(True).pre_tokenize_str(text) if len(p) == 1 and p != "a")
    result["Digits"] = digest(numbers)
    return result


def removed(splitter):
    kept = set()
    for start in range(0, len(SCALARS), 4096):
        for piece, _ in splitter.pre_tokenize_str("".join(SCALARS[start:start + 4096])):
            kept.update(piece)
    return [c for c in SCALARS if c not in kept]


def digest(scalars):
    """Number of scalars, and FNV-1a over the four little-endian bytes of each, ascending."""
    hash = 0xCBF29CE484222325
    values = sorted(map(ord, scalars))
    for byte in b"".join(v.to_bytes(4, "little") for v in values):
        hash = ((hash ^ byte) * 0x100000001B3) & (2**64 - 1)
    return [len(values), f"{hash:016x}"]


if __name__ == "__main__":
    main()
