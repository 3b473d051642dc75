"""Makes names.json of this folder: ids under the pre-tokenizers that GGUF files name, by the `tokenizers` package.

    venv/bin/python names.py            needs tokenizers 0.23.3, golden.json and base.json

The patterns are those of llama.cpp's `llama-vocab.cpp` (0c1e57098): the original of tokenizer.json where that file quotes
it, the engine's own otherwise; steps that an engine writes as expressions (digits, punctuation, GPT-2's pattern) are those
of the models. `rules`: names with one way of cutting, `pre_tokenizer`, `spellings` (other ways to write the same),
`hashes` (FNV-1a, 32 bits, of each text's ids without special tokens). `texts` are taken beside those of golden.json.
"""
import json
import os
import sys

from tokenizers import Tokenizer

HERE = os.path.dirname(os.path.abspath(__file__))
sys.path.insert(0, os.path.dirname(HERE))
import packed  # noqa: E402
C = "(?i:'s|'t|'re|'ve|'m|'ll|'d)"
WORD = r"[^\r\n\p{L}\p{N}]?\p{L}+"
TAIL = r" ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+"
LLAMA3 = rf"{C}|{WORD}|\p{{N}}{{1,3}}|{TAIL}"
QWEN2 = rf"{C}|{WORD}|\p{{N}}|{TAIL}"
QWEN35 = rf"{C}|[^\r\n\p{{L}}\p{{N}}]?[\p{{L}}\p{{M}}]+|\p{{N}}| ?[^\s\p{{L}}\p{{M}}\p{{N}}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+"
CL100K = (r"'(?i:[sdmt]|ll|ve|re)|[^\r\n\p{L}\p{N}]?+\p{L}+|\p{N}{1,3}| ?[^\s\p{L}\p{N}]++[\r\n]*|\s*[\r\n]|\s+(?!\S)|\s+")
UPPER, LOWER = r"[\p{Lu}\p{Lt}\p{Lm}\p{Lo}\p{M}]", r"[\p{Ll}\p{Lm}\p{Lo}\p{M}]"


def cased(contraction, numbers):
    return (rf"[^\r\n\p{{L}}\p{{N}}]?{UPPER}*{LOWER}+{contraction}|[^\r\n\p{{L}}\p{{N}}]?{UPPER}+{LOWER}*{contraction}"
            rf"|{numbers}| ?[^\s\p{{L}}\p{{N}}]+[\r\n/]*|\s*[\r\n]+|\s+(?!\S)|\s+")


GPT4O = cased(C + "?", r"\p{N}{1,3}")
CODE = "[!\"#$%&'()*+,\\-./:;<=>?@\\[\\\\\\]^_`{|}~][A-Za-z]+|[^\r\n\\p{L}\\p{P}\\p{S}]?[\\p{L}\\p{M}]+"
KANA, HAN = "[一-龥\u3040-ゟ゠-ヿ]+", "[一-龥\u0800-一가-\ud7ff]+"
LETTERS = ("A-Za-zµÀ-ÖØ-öø-ƺƼ-ƿǄ-ʓʕ-ʯͰ-ͳͶͷͻ-ͽͿΆΈ-ΊΌΎ-ΡΣ-ϵϷ-ҁҊ-ԯԱ-ՖႠ-ჅᎠ-Ᏽᏸ-ᏽᲐ-ᲺᲽ-Ჿᴀ-ᴫᵫ-ᵷᵹ-ᶚḀ-ἕἘ-Ἕἠ-ὅὈ-Ὅὐ-ὗὙὛὝὟ-\u1f7dᾀ-ᾴᾶ-ᾼ\u1fbeῂ-ῄῆ-ῌ"
           "ῐ-\u1fd3ῖ-\u1fdbῠ-Ῥῲ-ῴῶ-ῼℂℇℊ-ℓℕℙ-ℝℤ\u2126ℨ\u212a-ℭℯ-ℴℹℼ-ℿⅅ-ⅉⅎↃↄⰀ-ⱻⱾ-ⳤⳫ-ⳮⳲⳳꙀ-ꙭꚀ-ꚛꜢ-ꝯꝱ-ꞇꞋ-ꞎꭰ-ꮿﬀ-ﬆﬓ-ﬗＡ-Ｚａ-ｚ"
           "𐐀-𐑏𐒰-𐓓𐓘-𐓻𐲀-𐲲𐳀-𐳲𑢠-𑣟𞤀-𞥃")
BLOOM = " ?[^(\\s|[.,!?…。，、।۔،])]+"


def split(pattern, behavior="Isolated", invert=False):
    return {"type": "Split", "pattern": {"Regex": pattern}, "behavior": behavior, "invert": invert}


def byte_level(regex=False):
    return {"type": "ByteLevel", "add_prefix_space": False, "trim_offsets": True, "use_regex": regex}


def digits(individual):
    return {"type": "Digits", "individual_digits": individual}


def punctuation(behavior):
    return {"type": "Punctuation", "behavior": behavior}


def steps(*list_):
    return {"type": "Sequence", "pretokenizers": list(list_)}


def cut(*patterns):
    return steps(*[split(p) for p in patterns], byte_level())


def removed(pattern):
    return steps(split(pattern, "Removed", True), byte_level())


GPT2_PATTERN = r"'s|'t|'re|'ve|'m|'ll|'d| ?\p{L}+| ?\p{N}+| ?[^\s\p{L}\p{N}]+|\s+(?!\S)|\s+"
RULES = [
    (["gpt-2", "phi-2", "jais", "mpt", "olmo", "modern-bert", "gigachat", "trillion", "exaone4"], byte_level(True),
     [steps(byte_level(True)), cut(GPT2_PATTERN), removed(GPT2_PATTERN),
      cut(r"'(?:[st]|re|ve|m|ll|d)| ?\p{L}+| ?\p{N}+| ?[^\s\p{L}\p{N}]+|\s+(?!\S)|\s+")]),
    (["llama-bpe", "llama3", "llama-v3", "smaug-bpe", "dbrx", "falcon3", "falcon-h1", "pixtral", "lfm2", "glm4", "glm5"],
     cut(LLAMA3), [removed(LLAMA3), cut(CL100K), removed(CL100K), cut(LLAMA3.replace(r"\s", r"[\s]")),
                   cut(LLAMA3.replace(r"[^\s\p{L}\p{N}]", r"[^\s\p{N}\p{L}\r\n]"))]),
    (["qwen2", "stablelm2", "deepseek-r1-qwen", "megrez", "hunyuan", "grok-2", "bailingmoe"], cut(QWEN2),
     [cut(CL100K.replace("{1,3}", "")), removed(QWEN2)]),
    (["qwen35"], cut(QWEN35), []),
    (["ufakzeka"], cut(QWEN2.removeprefix(C + "|")), []),
    (["laguna"], cut(r"[^\n]+|[\n]+", QWEN2), [steps(split(r"[^\n]+|\n+"), split(QWEN2), byte_level())]),
    (["seed-coder"], cut(rf"{C}|{WORD}|\p{{N}}{{1}}| ?[^\s\p{{L}}\p{{N}}" + "\r\n" + r"]+|\s*[" + "\r\n" + r"]+|\s+(?!\S)|\s+"), []),
    (["exaone-moe"], cut(C + r"|[^\r\n\p{L}\p{N}]?(?:\p{L}\p{M}*(?: \p{L}\p{M}*)*)+|\p{N}| ?[^\s\p{L}\p{N}]+[\r\n/]?|\s*[\r\n]|\s+(?!\S)|\s+"), []),
    (["minicpm5"], cut(r"\p{N}{1,3}", rf"{C}|{WORD}|\p{{N}}+|{TAIL}"), []),
    (["jais-2"], cut(rf"{C}|{WORD}|\p{{N}}{{1,3}}| ?[^\s\p{{L}}\p{{N}}]+[\r\n]*|\s*[\r\n]+|"
                     + "|".join(rf"\s{{{n}}}(?!\S)" for n in (512, 256, 128, 64, 32, 16, 8, 4)) + r"|\s{1,2}(?!\S)|\s{1}"), []),
    (["gpt-4o", "llama4", "kanana2", "talkie", "minimax-m2"], cut(GPT4O), [removed(GPT4O)]),
    (["tekken"], cut(cased("", r"\p{N}")), []),
    (["tiny_aya", "cohere2moe"], cut(r"\d{1,3}(?=(?:\d{3})*\b)", GPT4O), []),
    (["youtu"], cut("[가-힣ㄱ-ㆎ]+|[！…“”‘’—：；，、-〿︰-﹏]+|[ㄅ-ㄯ]+|" + KANA, cased(C + "?", r"\p{N}")), []),
    (["deepseek-llm"], steps(split("[\r\n]"), split(r"\s?[" + LETTERS + "]+"), split(r"\s?[!-/:-~！-／：-～‘-‟　-。]+"),
                             split(r"\s+$"), split(HAN), digits(True), byte_level()),
     [cut("[\r\n]", r"\s?[" + LETTERS + "]+", r"\s?[!-/:-~！-／：-～‘-‟　-。]+", r"\s+$", HAN, r"\p{N}+")]),
    (["deepseek-coder"], steps(split("[\r\n]"), split(r"\s?\p{L}+"), split(r"\s?\p{P}+"), split(HAN), digits(True), byte_level()),
     [cut(r"\n|\r", r"\s?\p{L}+", r"\s?\p{P}+", HAN, r"\p{N}")]),
    (["deepseek-v3", "hunyuan-dense", "joyai-llm", "hy_v4"],
     cut(r"\p{N}{1,3}", KANA, CODE + " ?[\\p{P}\\p{S}]+[\r\n]*|\\s*[\r\n]+|\\s+(?!\\S)|\\s+".join(["|", ""])), []),
    (["spark2_5"], cut(r"\p{N}{1,3}", KANA, CODE + "| ?[\\p{P}\\p{S}]+|[\r\n]|\\s+(?!\\S)|\\s+", r"\p{N}"), []),
    (["falcon"], steps(punctuation("Contiguous"), byte_level(True), digits(False), split("[0-9][0-9][0-9]")),
     [steps(punctuation("Contiguous"), byte_level(True), digits(False), split("[0-9]{3}"))]),
    (["falcon_e"], steps(punctuation("Contiguous"), byte_level(True), digits(True)),
     [steps(punctuation("Contiguous"), byte_level(True), split(r"[0-9]"))]),
    (["starcoder", "refact", "smollm", "codeshell", "exaone", "command-r", "minerva-7b"], steps(digits(True), byte_level(True)),
     [steps(split(r"\p{N}"), byte_level(True)), steps(digits(True), split(GPT2_PATTERN), byte_level())]),
    (["bloom", "poro-chat", "gpt3-finnish"], cut(BLOOM), [cut(" ?[^(\\s|.,!?…。，、।۔،)]+")]),
    (["viking"], steps(split(BLOOM), digits(True), byte_level()), []),
    (["chameleon"], steps(split("<sentinel:[0-9]+>"), split("(IMGIMG)((A|B|C|D|E|F|G|H|I){1,4})Z"), split(r"([\t\n]|    |  )"),
                          digits(True), punctuation("Isolated"), byte_level(True)), []),
    (["default"], steps(split(r"[\p{P}\$\+<=>\^~\|]+"), byte_level(True), split(r"\p{N}+"), split("[0-9][0-9][0-9]")), []),
]

TEXTS = [
    "<sentinel:12>x IMGIMGABZ IMGIMGAAAAAZ \t\n     a", "a + b ~ c | d ` e ^ f < g = h > i $ j", "12345 1234567 007", "ㄱㄴ 가나ㅎ ㄅㄆ 、。〃 ﹏！…",
    "日本語のテキストと한국어、中文", "x==10 && y!=z || w <=> v", "abc def\u0301 gh", "!abc #def $ghi", "a\n\n\nb\r\n\rc\n d",
    "1st 2nd 33rd 444th 5555x", "word   ", "word \t ", "中\u0800ࠀ가\ud7a3", " " * 700 + "x", "।हिन्दी। ۔اردو۔ …x", "Ünïcödé ÀÉ ÿ", "Привет МИР Ёж",
    "a  1 b   22\n\n333", "'there 'should 'the end'there", "(yes)\n\n print(\"yes\")\n\n\n   end\r\n\r\n", "HELLOworld CamelCaseWords camelCASE",
]


def fnv(values, hash_=0x811C9DC5, prime=0x01000193, bits=32):
    for value in values:
        hash_ = ((hash_ ^ value) * prime) & (2**bits - 1)
    return hash_


def ids_hash(ids):
    return fnv(b for i in ids for b in i.to_bytes(4, "little"))


def main():
    base = json.load(open(os.path.join(HERE, "base.json")))
    texts = packed.read(os.path.join(HERE, "golden.json"))["texts"] + TEXTS
    rules = []
    for names, section, spellings in RULES:
        tokenizer = Tokenizer.from_str(json.dumps({**base, "pre_tokenizer": section}))
        ids = [tokenizer.encode(t, add_special_tokens=False).ids for t in texts]
        for other in spellings:
            second = Tokenizer.from_str(json.dumps({**base, "pre_tokenizer": other}))
            parting = [t for t, i in zip(texts, ids) if second.encode(t, add_special_tokens=False).ids != i]
            print(names[0], "spelling", spellings.index(other), "parts on", len(parting), [ascii(t)[:40] for t in parting[:3]])
        rules.append({"names": names, "pre_tokenizer": section, "spellings": spellings,
                      "hashes": [f"{ids_hash(i):08x}" for i in ids]})
    distinct = {tuple(r["hashes"]) for r in rules}
    print(len(rules), "rules,", len(distinct), "told apart by", len(texts), "texts")
    content = {"texts": TEXTS, "rules": rules}
    with open(os.path.join(HERE, "names.json"), "w") as output:
        json.dump(content, output, ensure_ascii=True, separators=(",", ":"))
        output.write("\n")


main()
