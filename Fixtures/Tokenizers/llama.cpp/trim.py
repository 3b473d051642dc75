#!/usr/bin/env python3
"""Makes the vocabularies of this folder out of those that llama.cpp tests itself with.

    pip download --no-binary :all: --no-deps llama-cpp-python==0.3.36 && tar xf llama_cpp_python-*.tar.gz
    python trim.py llama_cpp_python-*/vendor/llama.cpp/models .      needs gguf 0.17 and the program zstd

Texts (`.inp`) and ids (`.out`) are as they are there. Of a vocabulary everything stays in its place but what none of the
texts can reach: a token whose bytes stand in none of them becomes an empty one, and merges that make such a token go. What
is left decides every id as the whole does. Tests/Interop/check_vocabularies.py tries the whole ones.
"""
import os
import subprocess
import sys
import unicodedata

import gguf

NAMES = ["gpt-2", "llama-bpe", "falcon", "qwen2", "qwen35", "deepseek-llm", "deepseek-coder", "starcoder", "refact", "mpt",
         "command-r"]
SEPARATOR = "\n__ggml_vocab_test__\n"


def alphabet():
    """GPT-2's characters for bytes."""
    plain = [b for b in range(256) if 33 <= b <= 126 or 161 <= b <= 172 or 174 <= b]
    rest = [b for b in range(256) if b not in plain]
    return {chr(b): b for b in plain} | {chr(256 + i): b for i, b in enumerate(rest)}


def main(models, folder):
    bytes_of = alphabet()
    for name in NAMES:
        source = os.path.join(models, f"ggml-vocab-{name}.gguf")
        texts = open(source + ".inp", encoding="utf-8", newline="").read()
        whole = texts.replace(SEPARATOR, "\0")
        whole = (whole + "\0" + unicodedata.normalize("NFC", whole)).encode()
        reader = gguf.GGUFReader(source)

        def reached(token):
            if any(c not in bytes_of for c in token):
                return False
            value = bytes(bytes_of[c] for c in token)
            return len(value) == 1 or value in whole

        path = os.path.join(folder, f"ggml-vocab-{name}.gguf")
        writer = gguf.GGUFWriter(path, reader.fields["general.architecture"].contents())
        types = reader.fields["tokenizer.ggml.token_type"].contents()
        for key, field in reader.fields.items():
            if key.startswith("GGUF.") or key == "general.architecture":
                continue
            value = field.contents()
            if key == "tokenizer.ggml.tokens":
                value = [t if types[i] != 1 or reached(t) else "" for i, t in enumerate(value)]
            if key == "tokenizer.ggml.merges":
                value = [m for m in value if reached(m.replace(" ", ""))]
            kind = field.types[0]
            if kind == gguf.GGUFValueType.ARRAY:
                writer.add_key_value(key, value, kind, field.types[-1])
            else:
                writer.add_key_value(key, value, kind)
        writer.write_header_to_file()
        writer.write_kv_data_to_file()
        writer.close()
        subprocess.run(["zstd", "-q", "-f", "--rm", "--ultra", "-22", path], check=True)
        for ending, source_name in [(".inp", "inp"), (".out", "out")]:
            # Ten of the eleven have the same texts.
            if ending == ".inp" and name not in ("gpt-2", "qwen35"):
                continue
            target = "ggml-vocab.inp" if ending == ".inp" and name == "gpt-2" else f"ggml-vocab-{name}.gguf{ending}"
            with open(source + "." + source_name, "rb") as read, open(os.path.join(folder, target), "wb") as file:
                file.write(read.read())


main(*sys.argv[1:])
