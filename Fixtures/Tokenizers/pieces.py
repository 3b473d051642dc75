"""Makes pieces.json.zst and pieces.model of this folder: vocabularies of SentencePiece.

    python pieces.py       needs sentencepiece 0.2.3, tokenizers 0.23.3, transformers 5.23.0, golden.json

pieces.model   a small BPE model with byte fallback, trained by `sentencepiece` on the corpus of generate.py.
pieces.json    `base`: that model as a tokenizer.json (merges by transformers' `generate_merges`); `texts`: beside those of
               golden.json; `variants`: sections and options of the model that replace those of base, and per text the ids
               and both decodings by the `tokenizers` package (`skipped` when it is not `decoded`); `decodings`: for variants
               with another decoder what ids decode to that were not made from text; `sentencepiece`: the ids of the package
               of that name for every text, with every added token cut out of the text first.
"""
import json
import os
import random
import re
import sys

import sentencepiece
import tokenizers
from tokenizers import Tokenizer
from transformers.convert_slow_tokenizer import generate_merges

import generate

HERE = os.path.dirname(os.path.abspath(__file__))
sys.path.insert(0, os.path.dirname(HERE))
import packed  # noqa: E402
MARK = "\u2581"
SPECIAL = ["<unk>", "<s>", "</s>"]

TEXTS = [
    "Hello", " Hello", "  Hello  ", "Hello \u2581 \u2581\u2581x", "\u2581", "\u2581a", "a\u2581b", "<s>Hello</s> you<s>", "<s> a</s>  b <unk>c",
    "日本語 中国 \U0001F600\U0001F600 \u00e9\u0301 \u0e01", "line\nline\n\n  line\tx\r\n", "the heavens  and   the earth", "<tool>x</tool> <tool>",
    "a <tool> b<tool>c", "\u00e9\ue000\ue000a\ue001 \ue002", "\ue000", "-----====------ ===", "x" * 300 + " " + "the" * 60, " " * 33 + "a" + " " * 7, "<0x41><0x0A>",
    "foo bar", "xfoo bary", " foo bar foo bar  z", "<s>foo bar x", "a <s> foo bar",
    "\x00\x01\x7f", "ﬁ Å İ  ẞ \u3000x",
]


def replace(pattern, content):
    return {"type": "Replace", "pattern": {"String": pattern}, "content": content}


def metaspace(scheme, split):
    return {"type": "Metaspace", "replacement": MARK, "prepend_scheme": scheme, "split": split}


def sequence(kind, *steps):
    return {"type": "Sequence", kind: list(steps)}


def strip(count):
    return {"type": "Strip", "content": " ", "start": count, "stop": 0}


FALLBACK, FUSE = {"type": "ByteFallback"}, {"type": "Fuse"}
LEGACY = sequence("normalizers", {"type": "Prepend", "prepend": MARK}, replace(" ", MARK))
LLAMA = sequence("decoders", replace(MARK, " "), FALLBACK, FUSE, strip(1))


def train():
    path = os.path.join(HERE, "pieces")
    lines = [l for l in generate.CORPUS.split("\n") if l] * 4
    with open("/tmp/pieces.txt", "w", encoding="utf-8") as file:
        file.write("\n".join(lines))
    sentencepiece.SentencePieceTrainer.train(
        input="/tmp/pieces.txt", model_prefix=path, model_type="bpe", vocab_size=640, byte_fallback=True, split_digits=True,
        normalization_rule_name="identity", remove_extra_whitespaces=False, allow_whitespace_only_pieces=True,
        character_coverage=0.98, user_defined_symbols=["foo bar"], minloglevel=2)
    os.remove(path + ".vocab")
    return path + ".model"


def base(model):
    processor = sentencepiece.SentencePieceProcessor(model_file=model)
    pieces = [(processor.id_to_piece(i), processor.get_score(i)) for i in range(processor.get_piece_size())]
    vocab = {piece: i for i, (piece, _) in enumerate(pieces)}
    skip = [p for i, (p, _) in enumerate(pieces)
            if processor.is_control(i) or processor.is_unknown(i) or processor.is_byte(i)] + ["foo bar"]
    merges = generate_merges(vocab, dict(pieces), skip)
    added = [generate.added(vocab[t], t, special=True) for t in SPECIAL] + [generate.added(vocab["foo bar"], "foo bar")]
    n = len(vocab)
    added += [generate.added(n, "<tool>"), generate.added(n + 1, "</tool>", normalized=True), generate.added(n + 2, "<mask>", lstrip=True, special=True)]
    return processor, {
        "version": "1.0", "truncation": None, "padding": None, "added_tokens": added, "normalizer": LEGACY, "pre_tokenizer": None,
        "post_processor": None, "decoder": LLAMA,
        "model": {"type": "BPE", "dropout": None, "unk_token": "<unk>", "continuing_subword_prefix": None,
                  "end_of_word_suffix": None, "fuse_unk": True, "byte_fallback": True, "ignore_merges": False,
                  "vocab": vocab, "merges": [list(m) for m in merges]}}


VARIANTS = {
    "legacy": ({}, {}),
    "first": ({"normalizer": None, "pre_tokenizer": metaspace("first", False)}, {}),
    "always, cut": ({"normalizer": None, "pre_tokenizer": metaspace("always", True), "decoder": metaspace("always", True)}, {}),
    "never, cut": ({"normalizer": None, "pre_tokenizer": metaspace("never", True), "decoder": metaspace("never", True)}, {}),
    "first, cut": ({"normalizer": {"type": "NFC"}, "pre_tokenizer": metaspace("first", True), "decoder": metaspace("first", True)}, {}),
    "always": ({"normalizer": {"type": "NFKC"}, "pre_tokenizer": metaspace("always", False),
                "decoder": sequence("decoders", replace(MARK, " "), FALLBACK, FUSE, strip(2))}, {}),
    "gemma": ({"normalizer": replace(" ", MARK), "pre_tokenizer": generate.split(" ", "MergedWithPrevious", kind="String"),
               "decoder": sequence("decoders", replace(MARK, " "), FALLBACK, FUSE)}, {"fuse_unk": True}),
    "unknown": ({}, {"byte_fallback": False, "fuse_unk": False}),
    "unknown, fused": ({}, {"byte_fallback": False}),
    "some bytes": ({}, {"without": ["<0xF0>", "<0xEE>"]}),
    "some bytes, not fused": ({}, {"without": ["<0xF0>", "<0xEE>"], "fuse_unk": False}),
    "whole words": ({"normalizer": None, "pre_tokenizer": metaspace("always", True)}, {"ignore_merges": True}),
    "sequence": ({"normalizer": sequence("normalizers", {"type": "NFKD"}, {"type": "StripAccents"}, {"type": "Lowercase"},
                                         {"type": "Strip", "strip_left": True, "strip_right": True}),
                  "pre_tokenizer": sequence("pretokenizers", {"type": "Digits", "individual_digits": True}, metaspace("always", True)),
                  "decoder": sequence("decoders", replace(MARK, " "), FUSE)}, {}),
    "spaces first": ({"normalizer": None, "pre_tokenizer": sequence("pretokenizers", {"type": "WhitespaceSplit"}, metaspace("first", True)),
                      "decoder": sequence("decoders", replace(MARK, " "), replace("e", "E"), FALLBACK)}, {}),
}


def variant(file, sections, options):
    options = dict(options)
    without = options.pop("without", [])
    model = {**file["model"], **options}
    vocab = {t: i for t, i in model["vocab"].items() if t not in without}
    return {**file, **sections, "model": {**model, "vocab": vocab}}


def by_sentencepiece(processor, file, text):
    """Control and user-defined pieces are found first, as in other programs; each text between begins anew."""
    ids = {t["content"]: t["id"] for t in file["added_tokens"] if t["content"] in SPECIAL}
    result = []
    for part in re.split("(" + "|".join(map(re.escape, ids)) + ")", text):
        if part:
            result += [ids[part]] if part in ids else processor.encode(part)
    return result


def main():
    texts = packed.read(os.path.join(HERE, "golden.json"))["texts"] + TEXTS
    processor, file = base(train())
    random.seed(20260917)
    content = {"tokenizers": tokenizers.__version__, "sentencepiece": [], "base": file, "texts": TEXTS, "variants": [], "decodings": []}
    for name, (sections, options) in VARIANTS.items():
        tokenizer = Tokenizer.from_str(json.dumps(variant(file, sections, options)))
        cases = []
        for text in texts:
            ids = tokenizer.encode(text, add_special_tokens=False).ids
            decoded, skipped = tokenizer.decode(ids, skip_special_tokens=False), tokenizer.decode(ids, skip_special_tokens=True)
            cases.append({"ids": ids, **({"decoded": decoded} if decoded != text else {}), **({"skipped": skipped} if skipped != decoded else {})})
        first = content["variants"][0]["cases"] if content["variants"] else [None] * len(cases)
        content["variants"].append({"name": name, "sections": sections, "options": options,
                                    "cases": [None if c == f else c for c, f in zip(cases, first)]})
        bytes_ = [i for t, i in file["model"]["vocab"].items() if t.startswith("<0x") and len(t) == 6]
        alive = set(tokenizer.get_vocab().values())
        for _ in range(24):
            ids = [random.choice(bytes_) if random.random() < 0.5 else random.choice([0xC3, 0xA9, 0xF0, 0x9F, 0x98, 0x80]) + bytes_[0]
                   if random.random() < 0.6 else random.randrange(max(alive) + 1) for _ in range(random.randint(1, 9))]
            ids = [i for i in ids if i in alive]
            content["decodings"].append({"variant": name, "ids": ids, "text": tokenizer.decode(ids, skip_special_tokens=False),
                                         "skipped": tokenizer.decode(ids, skip_special_tokens=True)})
    content["sentencepiece"] = [by_sentencepiece(processor, file, t) for t in texts]
    packed.write(os.path.join(HERE, "pieces.json"), content)
    legacy = content["variants"][0]["cases"]
    print("sentencepiece parts from legacy on", [t for t, a, b in zip(texts, legacy, content["sentencepiece"]) if a["ids"] != b][:12])


main()
