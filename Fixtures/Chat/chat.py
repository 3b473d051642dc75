"""Makes chat.json.zst of this folder: conversations as transformers' `apply_chat_template` renders them.

    python chat.py LLAMA_CPP      needs transformers 5.23.0, jinja2, a source tree of llama.cpp (models/templates)

`templates`: name, text, and the tokens it names. Qwen's and Mistral's are the published ones (Apache 2.0), as llama.cpp's
tests have them; the others are written for this project in the published shape. `cases`: template, messages, options,
text (null: the template refuses the messages).
"""
import os
import sys

from jinja2.exceptions import TemplateError
from transformers import PreTrainedTokenizerFast
from tokenizers import Tokenizer, models

HERE = os.path.dirname(os.path.abspath(__file__))
sys.path.insert(0, os.path.dirname(HERE))
import packed  # noqa: E402
LLAMA_CPP = sys.argv[1]


def published(name):
    return open(os.path.join(LLAMA_CPP, "models", "templates", name + ".jinja"), encoding="utf-8").read()


def turns(user, system, assistant, end):
    return ("{% for m in messages %}\n{% if m['role'] == 'user' %}\n{{ '<|user|>\n' + m['content']" + user + " }}\n"
            "{% elif m['role'] == 'system' %}\n{{ '<|system|>\n' + m['content']" + system + " }}\n"
            "{% elif m['role'] == 'assistant' %}\n" + assistant + "\n{% endif %}\n"
            "{% if loop.last and add_generation_prompt %}\n" + end + "\n{% endif %}\n{% endfor %}")


LLAMA3 = ("{% for m in messages %}{% set text = '<|start_header_id|>' + m['role'] + '<|end_header_id|>\n\n' + m['content'] | trim + '<|eot_id|>' %}"
          "{% if loop.first %}{% set text = bos_token + text %}{% endif %}{{ text }}{% endfor %}")
ASK = "{{ '<|start_header_id|>assistant<|end_header_id|>\n\n' }}"
FALCON = ("{% for m in messages %}{% if m['role'] == 'system' %}{{ '<|system|>\n' + m['content'] + '\n' }}{% elif m['role'] == 'user' %}"
          "{{ '<|user|>\n' + m['content'] + '\n' }}{% elif m['role'] == 'assistant' %}{% if not loop.last %}"
          "{{ '<|assistant|>\n' + m['content'] + eos_token + '\n' }}{% else %}{{ '<|assistant|>\n' + m['content'] + eos_token }}{% endif %}{% endif %}"
          "{% if loop.last and add_generation_prompt %}{{ '<|assistant|>\n' }}{% endif %}{% endfor %}")
CHATML = "{% for m in messages %}{{ '<|im_start|>' + m['role'] + '\n' + m['content'] + '<|im_end|>\n' }}{% endfor %}{% if add_generation_prompt %}{{ '<|im_start|>assistant\n' }}{% endif %}"
INST = ("{{ bos_token }}{% for m in messages %}{% if m['role'] == 'user' %}{{ '[INST] ' + m['content'] + '[/INST]' }}{% elif m['role'] == 'system' %}"
        "{{ '[SYSTEM_PROMPT] ' + m['content'] + '[/SYSTEM_PROMPT]' }}{% elif m['role'] == 'assistant' %}{{ ' ' + m['content'] + eos_token }}{% endif %}{% endfor %}")
OLD = ("{{ bos_token }}{% for m in messages %}{% if (m['role'] == 'user') != (loop.index0 % 2 == 0) %}{{ raise_exception('order') }}{% endif %}"
       "{% if m['role'] == 'user' %}{{ '[INST] ' + m['content'] + ' [/INST]' }}{% else %}{{ m['content'] + eos_token }}{% endif %}{% endfor %}")
TEMPLATES = {
    "chatml": ("ChatML", CHATML),
    "chatml with default": ("ChatML", "{% if messages[0]['role'] != 'system' %}{{ '<|im_start|>system\nYou are a helpful assistant<|im_end|>\n' }}{% endif %}" + CHATML),
    "qwen2.5": ("ChatML", published("Qwen-Qwen2.5-7B-Instruct")),
    "qwen3": ("ChatML", published("Qwen-Qwen3-0.6B")),
    "llama3": ("Llama 3", LLAMA3 + "{% if add_generation_prompt %}" + ASK + "{% endif %}"),
    "llama3 of the first days": ("Llama 3", LLAMA3 + ASK),
    "falcon": ("Falcon-E", FALCON),
    "zephyr": ("Zephyr", turns(" + eos_token", " + eos_token", "{{ '<|assistant|>\n' + m['content'] + eos_token }}", "{{ '<|assistant|>' }}")),
    "mistral before 1": ("Mistral", OLD),
    "mistral nemo": ("Mistral", published("mistralai-Mistral-Nemo-Instruct-2407")),
    "mistral 7": ("Mistral", INST),
}


def m(*pairs):
    roles = {"s": "system", "u": "user", "a": "assistant"}
    return [{"role": roles[r], "content": c} for r, c in pairs]


CONVERSATIONS = [
    m(("u", "Who was Ruth?")), m(("s", "Speak plainly."), ("u", " Who?\n")), m(("u", "One"), ("a", "Two"), ("u", "Three é\u0301 中")),
    m(("s", "Be brief."), ("u", "a"), ("a", "<think>\nhm\n</think>\n\nb"), ("u", "c")), m(("u", "a"), ("a", "<think>\nhm\n</think>\n\nb")),
    m(("u", "a"), ("a", "b")), m(("u", "")), m(("s", ""), ("u", "x")), m(("u", "a"), ("u", "b")), m(("u", "q"), ("a", " b \n"), ("u", "r"), ("a", "s"), ("u", "\tt ")),
    m(("s", "S"), ("u", "q"), ("a", "b"), ("u", "r")),
]


def main():
    content = {"templates": [], "cases": []}
    for name, (shape, text) in TEMPLATES.items():
        tokenizer = PreTrainedTokenizerFast(tokenizer_object=Tokenizer(models.BPE()), bos_token="<s>", eos_token="</s>")
        tokenizer.chat_template = text
        content["templates"].append({"name": name, "shape": shape, "text": text})
        for messages in CONVERSATIONS:
            for options in [{"add_generation_prompt": True}, {"add_generation_prompt": False}, {"add_generation_prompt": True, "enable_thinking": False}]:
                if "enable_thinking" in options and "enable_thinking" not in text:
                    continue
                try:
                    rendered = tokenizer.apply_chat_template(messages, tokenize=False, **options)
                except TemplateError:
                    rendered = None
                content["cases"].append({"template": name, "messages": messages, "options": options, "text": rendered})
    packed.write(os.path.join(HERE, "chat.json"), content)
    print(len(content["cases"]), "cases")


main()
