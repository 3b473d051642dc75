"""JSON that is stored as a zstd frame; the generators of this folder write and read it. Needs the program zstd."""
import json
import subprocess


def write(path, content):
    text = json.dumps(content, ensure_ascii=False, separators=(",", ":")) + "\n"
    # From a file, so that the frame names the size of what it holds.
    with open(path, "w", encoding="utf-8") as file:
        file.write(text)
    subprocess.run(["zstd", "-q", "-19", "--rm", "-f", path], check=True)


def read(path):
    return json.loads(subprocess.run(["zstd", "-dcq", path + ".zst"], check=True, capture_output=True).stdout)
