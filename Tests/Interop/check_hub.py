#!/usr/bin/env python3
"""Tries Tritsmith against a small Hub on this machine (hub_server.py), which is first proved faithful by the Hub's own
client where that is installed (pip install huggingface_hub).

    check_hub.py TRITSMITH FIXTURES [--large MODEL]

FIXTURES is the folder of checkpoints. With --large the model's conversion is timed from disk and over loopback.

Exit status: 0 when every check passes.
"""

import argparse
import filecmp
import json
import os
import random
import shutil
import signal
import struct
import subprocess
import sys
import tempfile
import time

from hub_server import Hub

TOKEN = "hf_secretOfTheTest"


class Run:
    def __init__(self, tool, hub, home):
        self.tool, self.hub, self.home = tool, hub, home
        self.failed, self.passed = [], 0

    def environment(self, **more):
        kept = {name: value for name, value in os.environ.items() if not name.startswith(("HF_", "HUGGING"))}
        kept |= {"HF_ENDPOINT": self.hub.endpoint, "HF_HOME": self.home, "NO_PROXY": "*", "no_proxy": "*"}
        return kept | more

    def __call__(self, *arguments, **environment):
        return subprocess.run(
            [self.tool, *arguments], capture_output=True, text=True, env=self.environment(**environment), timeout=900)

    def check(self, title, holds, detail=""):
        print(("ok    " if holds else "WRONG ") + title + (f": {detail}" if detail and not holds else ""), flush=True)
        if holds:
            self.passed += 1
        else:
            self.failed.append(title)

    def expect(self, title, code, words, *arguments, **environment):
        """Runs the tool and expects an exit code and words of its message, which end in what to do."""
        done = self(*arguments, **environment)
        said = done.stderr + done.stdout
        holds = done.returncode == code and all(word in said for word in words)
        if code not in (0, 1):
            holds = holds and "what to do:" in said
        self.check(title, holds, f"exit {done.returncode}\n{said}")
        return done


def header_bytes(path):
    with open(path, "rb") as file:
        return 8 + struct.unpack("<Q", file.read(8))[0]


def tensor_range(path, part):
    """The bytes of the first tensor of a safetensors file whose name has a part, as a fault's range."""
    with open(path, "rb") as file:
        header = json.loads(file.read(header_bytes(path))[8:])
    begin, end = next(header[name]["data_offsets"] for name in sorted(header) if part in name)
    return {"begin": header_bytes(path) + begin, "end": header_bytes(path) + end}


def same(first, second):
    if os.path.isfile(first):
        return filecmp.cmp(first, second, shallow=False)
    names = sorted(os.listdir(first))
    return names == sorted(os.listdir(second)) and all(
        filecmp.cmp(os.path.join(first, name), os.path.join(second, name), shallow=False) for name in names)


def split_into_shards(source, target, count):
    """The model with its tensors over so many shards; several copies of each where there are fewer."""
    os.makedirs(target)
    for name in os.listdir(source):
        if not name.endswith((".safetensors", ".index.json")):
            shutil.copy(os.path.join(source, name), target)
    with open(os.path.join(source, "model.safetensors"), "rb") as file:
        length = struct.unpack("<Q", file.read(8))[0]
        header = json.loads(file.read(length))
        data = file.read()
    header.pop("__metadata__", None)
    names = sorted(header, key=lambda name: header[name]["data_offsets"])
    shards = [names[index::count] for index in range(count)]
    extra = 0
    weight_map = {}
    for index, tensors in enumerate(shards):
        name = f"model-{index + 1:05}-of-{count:05}.safetensors"
        own, parts, position = {}, [], 0
        if not tensors:
            # More shards than tensors: a spare one that no family knows.
            extra += 1
            own[f"spare.{extra}"] = {"dtype": "F32", "shape": [256], "data_offsets": [0, 1024]}
            parts.append(bytes(1024))
            weight_map[f"spare.{extra}"] = name
        for tensor in tensors:
            begin, end = header[tensor]["data_offsets"]
            own[tensor] = dict(header[tensor], data_offsets=[position, position + end - begin])
            parts.append(data[begin:end])
            position += end - begin
            weight_map[tensor] = name
        text = json.dumps(own).encode()
        text += b" " * (-len(text) % 8)
        with open(os.path.join(target, name), "wb") as file:
            file.write(struct.pack("<Q", len(text)) + text + b"".join(parts))
    with open(os.path.join(target, "model.safetensors.index.json"), "w") as file:
        json.dump({"metadata": {}, "weight_map": weight_map}, file)


CLIENT = """
import os, sys, json
from huggingface_hub import HfApi, snapshot_download, hf_hub_download
from huggingface_hub.errors import RepositoryNotFoundError, RevisionNotFoundError, EntryNotFoundError, GatedRepoError
api = HfApi()
info = api.model_info("falcon/tiny", revision="prequantized", files_metadata=True)
sizes = {file.rfilename: file.size for file in info.siblings}
large = next(file for file in info.siblings if file.rfilename == "model.safetensors")
assert large.lfs and len(large.lfs.sha256) == 64 and large.lfs.size == large.size, large
tree = {entry.path: entry.size for entry in api.list_repo_tree("falcon/tiny", revision="prequantized", recursive=True)}
assert tree == sizes, (tree, sizes)
branches = {branch.name: branch.target_commit for branch in api.list_repo_refs("falcon/tiny").branches}
assert set(branches) == {"main", "bitnet", "prequantized"} and branches["prequantized"] == info.sha, branches
folder = snapshot_download("falcon/tiny", revision="prequantized")
assert os.path.basename(folder) == info.sha, folder
for name, size in sizes.items():
    assert os.path.getsize(os.path.join(folder, name)) == size, name
assert os.readlink(os.path.join(folder, "model.safetensors")).endswith(large.lfs.sha256)
snapshot_download("falcon/tiny")
hf_hub_download("falcon/tiny", "config.json", revision="bitnet")
hf_hub_download("falcon/gguf", "model.gguf")
def raises(kind, *arguments, **named):
    try:
        hf_hub_download(*arguments, **named)
    except kind:
        return
    raise AssertionError(f"{arguments} gave no {kind.__name__}")
raises(RepositoryNotFoundError, "falcon/none", "config.json")
raises(RevisionNotFoundError, "falcon/tiny", "config.json", revision="none")
raises(EntryNotFoundError, "falcon/tiny", "none.json")
raises(GatedRepoError, "falcon/gated", "config.json")
print(folder)
"""


def client_checks(run):
    found = subprocess.run([sys.executable, "-c", "import huggingface_hub"], capture_output=True)
    if found.returncode != 0:
        print("      huggingface_hub is not installed: the server is taken as it is")
        return
    done = subprocess.run(
        [sys.executable, "-c", CLIENT], capture_output=True, text=True, env=run.environment(), timeout=300)
    run.check("the Hub's own client works against the server", done.returncode == 0, done.stderr[-2000:])
    if done.returncode != 0:
        return
    folder = done.stdout.strip().splitlines()[-1]
    run.hub.reset()
    for name in ["falcon/tiny@prequantized", "hf://falcon/tiny@prequantized", "falcon/tiny"]:
        run.expect(f"a model the client downloaded opens offline: {name}", 0, [], "inspect", name, "--offline")
    run.expect("its file opens offline", 0, [], "inspect", "falcon/gguf/model.gguf", HF_HUB_OFFLINE="1")
    repository = os.path.dirname(os.path.dirname(folder))
    run.expect("its models--… folder opens", 0, [], "inspect", repository)
    run.expect(
        "a snapshot with a configuration alone is no model", 66, ["holds no weights", "hf download falcon/tiny --revision bitnet"],
        "inspect", "falcon/tiny@bitnet", "--offline")
    run.check("nothing of that asked the network", not run.hub.log)


def inspect_checks(run, root):
    hub = run.hub
    for name, folder in [("falcon/tiny@prequantized", "tiny/prequantized"), ("falcon/shards", "shards/main")]:
        place = os.path.join(root, "falcon", folder)
        headers = sum(
            header_bytes(os.path.join(place, file)) for file in os.listdir(place) if file.endswith(".safetensors"))
        small = sum(
            os.path.getsize(os.path.join(place, file)) for file in os.listdir(place)
            if file in ("config.json", "generation_config.json", "tokenizer_config.json", "special_tokens_map.json",
                        "model.safetensors.index.json"))
        hub.reset()
        start = time.monotonic()
        done = run.expect(f"inspect {name}", 0, [], "inspect", name, "--format", "json")
        seconds = time.monotonic() - start
        fetched = sum(entry["sent"] for entry in hub.log if not entry["path"].startswith("/api/") and entry["status"] in (200, 206))
        run.check(
            f"  fetched {fetched} bytes of headers {headers} and small files {small}", fetched <= headers + small + 65536)
        local = run("inspect", place, "--format", "json")
        first, second = json.loads(done.stdout or "{}"), json.loads(local.stdout or "{}")
        run.check("  the same tensors as from disk", first.get("tensors") == second.get("tensors") and "tensors" in first)
        print(f"      {seconds:.2f} s, {len(hub.log)} requests")
    hub.reset()
    run.expect("inspect falcon/gguf/model.gguf", 0, [], "inspect", "falcon/gguf/model.gguf")
    place = os.path.join(root, "falcon/gguf/main/model.gguf")
    print(f"      {hub.sent()} bytes of {os.path.getsize(place)}, {len(hub.log)} requests")
    hub.reset()
    one = run("inspect", "falcon/tiny@prequantized", "--stats", "--tensor", "*layers.0.self_attn.q_proj*", "--format", "json")
    here = run(
        "inspect", os.path.join(root, "falcon/tiny/prequantized"), "--stats", "--tensor", "*layers.0.self_attn.q_proj*",
        "--format", "json")
    run.check(
        "inspect --stats --tensor gives what it gives from disk",
        one.returncode == 0 and json.loads(one.stdout)["tensors"] == json.loads(here.stdout)["tensors"], one.stderr)
    hub.latency = 0.02
    start = time.monotonic()
    run("inspect", "falcon/shards")
    print(f"      100 shards with 20 ms for each request: {time.monotonic() - start:.2f} s")
    hub.latency = 0


def convert_checks(run, root, scratch):
    hub = run.hub
    source = os.path.join(root, "falcon/tiny/prequantized")
    weights = os.path.getsize(os.path.join(source, "model.safetensors"))
    for title, options, output in [
        ("hf-packed", ["--to", "hf-packed"], "packed"), ("tritpack", ["--to", "tritpack"], "model.tritpack"),
        ("dense", ["--to", "dense"], "dense"), ("gguf", ["--to", "gguf", "--layout", "TQ2_0"], "model.gguf"),
    ]:
        here, there = os.path.join(scratch, "here-" + output), os.path.join(scratch, "there-" + output)
        local = run("convert", source, here, *options)
        hub.reset()
        remote = run("convert", "falcon/tiny@prequantized", there, *options)
        run.check(f"convert to {title}", local.returncode == 0 and remote.returncode == 0, local.stderr + remote.stderr)
        if remote.returncode != 0:
            continue
        run.check("  the same bytes as from disk", same(here, there) or title == "gguf", "they differ")
        # A survey looks at samples of the weights first: 16 blocks of 8 kB of 16 tensors at most.
        fetched = hub.stored()
        run.check(f"  {fetched} bytes of {weights} fetched, each once but for samples", fetched <= weights + 16 * 16 * 8192)
    resume_checks(run, scratch, weights)
    run.check("nothing else was left behind", not [name for name in os.listdir(scratch) if name.startswith(".")])
    hub.reset()
    done = run("verify", "falcon/tiny@prequantized", os.path.join(scratch, "there-packed"))
    run.check("verify against the Hub passes", done.returncode == 0, done.stdout + done.stderr)
    done = run("family", "falcon/tiny@prequantized", "falcon/tiny@bitnet", "falcon/tiny@main")
    run.check("family of three revisions holds", done.returncode == 0, done.stdout + done.stderr)
    done = run("family", "falcon/tiny", "--format", "json")
    models = json.loads(done.stdout or "{}").get("models", [])
    run.check(
        "family of a name looks at all of its revisions",
        done.returncode == 0 and len(models) == 3 and sorted(model["kind"] for model in models)
        == ["latent", "packed-ternary", "ternary-dense"], done.stdout + done.stderr)


def weight_files(place):
    """Files of weights of a model, or the model that is one file."""
    if os.path.isfile(place):
        return [place]
    return [os.path.join(place, name) for name in sorted(os.listdir(place)) if name.endswith(".safetensors")]


def same_weights(first, second):
    """Whether two GGUF files end alike: their headers have names of the model, which are the source's."""
    def end(path):
        with open(path, "rb") as file:
            data = file.read()
        return data[len(data) // 8:]
    return os.path.getsize(first) > 0 and end(first)[-len(end(second)) + 4096:] == end(second)[4096:]


# Forms of a model with scales of groups of 128, and what each is converted to.
GROUPED = {
    "unpacked": ["tritpack", "mlx", "PQ2_0"], "mlx": ["tritpack", "mlx", "PQ2_0", "dense"],
    "gguf": ["tritpack", "mlx", "PTQ1_0", "PQ2_0", "dense"], "tritpack": ["tritpack", "mlx", "PQ2_0", "dense"],
}


def grouped_model(settings, folder, group=128, seed=21):
    """A model of random trits with an F16 scale for each group of columns, unpacked, beside these settings."""
    shutil.copytree(settings, folder)
    with open(os.path.join(folder, "config.json")) as file:
        config = json.load(file)
    numbers = random.Random(seed)
    hidden, inner, head = config["hidden_size"], config["intermediate_size"], config["head_dim"]
    queries, keys = config["num_attention_heads"] * head, config["num_key_value_heads"] * head
    shapes = {"model.embed_tokens.weight": (config["vocab_size"], hidden), "model.norm.weight": (hidden,)}
    for layer in range(config["num_hidden_layers"]):
        for name, shape in {
            "input_layernorm": (hidden,), "post_attention_layernorm": (hidden,), "self_attn.q_norm": (head,),
            "self_attn.k_norm": (head,), "self_attn.q_proj": (queries, hidden), "self_attn.k_proj": (keys, hidden),
            "self_attn.v_proj": (keys, hidden), "self_attn.o_proj": (hidden, queries), "mlp.gate_proj": (inner, hidden),
            "mlp.up_proj": (inner, hidden), "mlp.down_proj": (hidden, inner),
        }.items():
            shapes[f"model.layers.{layer}.{name}.weight"] = shape
    header, parts, position = {}, [], 0
    for name, shape in shapes.items():
        if len(shape) == 1:
            data = struct.pack(f"<{shape[0]}e", *(numbers.uniform(0.5, 1.5) for _ in range(shape[0])))
        else:
            groups = []
            for _ in range(shape[0] * shape[1] // group):
                scale = numbers.uniform(0.01, 0.1)
                trits = [struct.pack("<e", value) for value in (-scale, 0, 0, scale)]
                groups.append(b"".join(numbers.choices(trits, k=group)))
            data = b"".join(groups)
        header[name] = {"dtype": "F16", "shape": shape, "data_offsets": [position, position + len(data)]}
        parts.append(data)
        position += len(data)
    text = json.dumps(header).encode()
    text += b" " * (-len(text) % 8)
    with open(os.path.join(folder, "model.safetensors"), "wb") as file:
        file.write(struct.pack("<Q", len(text)) + text + b"".join(parts))


def grouped_forms(tool, settings, root):
    """Puts the forms of a model with scales of groups under the Hub's root."""
    unpacked = os.path.join(root, "bonsai/unpacked/main")
    grouped_model(settings, unpacked)
    for form, inner, options in [
        ("mlx", "", ["--to", "mlx"]), ("gguf", "model.gguf", ["--to", "gguf", "--layout", "PQ2_0"]),
        ("tritpack", "model.tritpack", ["--to", "tritpack"]),
    ]:
        place = os.path.join(root, "bonsai", form, "main")
        os.makedirs(os.path.dirname(place) if not inner else place)
        subprocess.run([tool, "convert", unpacked, os.path.join(place, inner) if inner else place, *options, "--quiet"],
                       check=True)


def grouped_checks(run, root, scratch):
    """Weights with scales of groups: each byte of the source comes once, but for samples."""
    hub = run.hub
    for form, targets in GROUPED.items():
        place = os.path.join(root, "bonsai", form, "main")
        inner = {"gguf": "model.gguf", "tritpack": "model.tritpack"}.get(form, "")
        name = f"bonsai/{form}" + ("/" + inner if inner else "")
        place = os.path.join(place, inner) if inner else place
        weights = sum(os.path.getsize(path) for path in weight_files(place))
        if form == "unpacked":
            # The survey: 16 blocks of 8 kB and 16 rows of 16 tensors. The plan: 4 slices of 2 kB of each of 29.
            samples = 16 * 16 * (8192 + 1536) + 29 * 4 * 2048
        else:
            # 4 rows of each of 29 tensors; of MLX 1024 scales and as many biases, which is all there are.
            samples = 29 * (2 * 2048 + 4 * 1024)
        if form == "tritpack":
            # The files it has inside are looked at by several steps.
            samples += 6 * os.path.getsize(os.path.join(root, "bonsai/unpacked/main/tokenizer.json"))
        for target in targets:
            # The record of a TritPack output has SHA-256 of its sources: of files with bytes nobody reads it takes a
            # second time.
            times = 2 if target == "tritpack" and inner else 1
            options = ["--to", "gguf", "--layout", target] if target.isupper() else ["--to", target]
            here, there = (os.path.join(scratch, f"{side}-{form}-{target}") for side in ("here", "there"))
            local = run("convert", place, here, *options)
            hub.reset()
            remote = run("convert", name, there, *options)
            fetched = hub.stored()
            run.check(
                f"convert {form} to {target}", local.returncode == 0 and remote.returncode == 0,
                local.stderr + remote.stderr)
            if remote.returncode != 0:
                continue
            is_same = same_weights(here, there) if target.isupper() else same(here, there)
            run.check("  the same bytes as from disk", is_same, "they differ")
            run.check(
                f"  {fetched} bytes of {weights} fetched, each {times} times but for samples of {samples} at most",
                fetched <= times * weights + samples + 1024)
            for output in (here, there):
                shutil.rmtree(output) if os.path.isdir(output) else os.remove(output)


def resume_checks(run, scratch, weights):
    """kill -9 in the middle, and the same command again; the bytes of both runs together are those of one."""
    hub, output = run.hub, os.path.join(scratch, "resumed")
    folder = output + ".resume"
    command = ["convert", "falcon/tiny@prequantized", output, "--to", "hf-packed", "--resume"]

    def receipts():
        names = os.listdir(folder) if os.path.isdir(folder) else []
        return [name for name in names if ".part-" in name and name.endswith(".json")]

    for _ in range(20):
        shutil.rmtree(folder, ignore_errors=True)
        shutil.rmtree(output, ignore_errors=True)
        hub.reset()
        hub.latency = 0.02
        done = subprocess.Popen([run.tool, *command], env=run.environment(), stdout=subprocess.DEVNULL)
        while done.poll() is None and len(receipts()) < 3:
            time.sleep(0.001)
        done.kill()
        done.wait()
        if not os.path.exists(output) and len(receipts()) >= 3:
            break
    hub.latency = 0
    run.check("a conversion killed in the middle leaves its complete parts", len(receipts()) >= 3, str(receipts()))
    earlier, first = len(receipts()), hub.stored()
    hub.reset()
    done = run(*command, "--format", "json")
    report = json.loads(done.stdout or "{}").get("result", {})
    run.check(f"  goes on with {earlier} of them", report.get("earlier_parts") == earlier, done.stdout + done.stderr)
    run.check("  the same bytes", same(os.path.join(scratch, "here-packed"), output))
    run.check("  nothing left", not os.path.exists(folder))
    # Headers and samples are read by both runs, and what the first was at when it was killed.
    second, parts = hub.stored(), report.get("parts", 1)
    largest = (weights - earlier * (1 << 20)) + 16 * 16 * 8192
    run.check(f"  fetched {first} and then {second} bytes of {weights}, in {parts} parts", second <= largest)


SAVED = """
import sys
from huggingface_hub import snapshot_download, scan_cache_dir
print(snapshot_download("falcon/tiny", revision="prequantized", local_files_only=True))
report = scan_cache_dir(sys.argv[1])
assert not report.warnings and [repo.repo_id for repo in report.repos] == ["falcon/tiny"], report
"""


def save_checks(run, root, scratch):
    hub, cache = run.hub, os.path.join(scratch, "cache")
    hub.reset()
    done = run(
        "convert", "falcon/tiny@prequantized", os.path.join(scratch, "saved"), "--to", "hf-packed", "--save", cache)
    run.check("convert --save", done.returncode == 0, done.stderr)
    source = os.path.join(root, "falcon/tiny/prequantized")
    weights = os.path.getsize(os.path.join(source, "model.safetensors"))
    print(f"      {sum(e['sent'] for e in hub.log if e['host'] == 'storage')} of {weights} bytes")
    snapshots = os.path.join(cache, "models--falcon--tiny", "snapshots")
    run.check("  the files of the source", same(source, os.path.join(snapshots, os.listdir(snapshots)[0])))
    found = subprocess.run([sys.executable, "-c", "import huggingface_hub"], capture_output=True)
    if found.returncode == 0:
        client = subprocess.run(
            [sys.executable, "-c", SAVED, cache], capture_output=True, text=True,
            env=run.environment(HF_HUB_CACHE=cache, HF_HUB_OFFLINE="1"))
        run.check("  the Hub's own client finds them in its cache", client.returncode == 0, client.stderr[-1000:])
    run.expect("  and so does inspect", 0, [], "inspect", "falcon/tiny@prequantized", "--offline", HF_HUB_CACHE=cache)
    hub.reset()
    hub.plant("wrong", samples=False, **tensor_range(os.path.join(source, "model.safetensors"), "embed_tokens"))
    bad = os.path.join(scratch, "bad")
    run.expect("convert --save of bytes that are not what the Hub lists", 74, ["SHA-256"],
               "convert", "falcon/tiny@prequantized", os.path.join(scratch, "wrong"), "--to", "hf-packed", "--save", bad)
    run.expect("--save of a model on this machine", 64, ["--save"],
               "convert", source, os.path.join(scratch, "local"), "--to", "hf-packed", "--save", cache)


def interrupt_check(run, scratch):
    """An interruption ends what is under way, also what is fetched ahead, and leaves nothing."""
    hub, output = run.hub, os.path.join(scratch, "fault")
    hub.reset()
    hub.plant("slow", seconds=0.1)
    done = subprocess.Popen(
        [run.tool, "convert", "falcon/tiny@prequantized", output, "--to", "hf-packed"], env=run.environment(),
        stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    while done.poll() is None and not any(entry["sent"] > 1 << 18 for entry in list(hub.log)):
        time.sleep(0.01)
    start = time.monotonic()
    done.send_signal(signal.SIGINT)
    code, seconds = done.wait(), time.monotonic() - start
    run.check("an interruption while weights come is exit 130", code == 130, f"exit {code}")
    run.check("  at once", seconds < 2, f"{seconds:.1f} s")
    left = [entry for entry in os.listdir(scratch) if "fault" in entry or entry.startswith(".")]
    run.check("  nothing left", not left, str(left))


def failure_checks(run, root, scratch):
    hub = run.hub
    name = "falcon/tiny@prequantized"

    def fault(title, code, words, *faults, command=("inspect", name), **environment):
        hub.reset()
        for planted in faults:
            hub.plant(**planted)
        return run.expect(title, code, words, *command, **environment)

    fault("a repository that does not exist", 66, ["falcon/none"], command=("inspect", "falcon/none"))
    fault("a revision that does not exist", 66, ["no revision 'none'"], command=("inspect", "falcon/tiny@none"))
    fault("a file that does not exist", 66, ["no 'none.gguf'"], command=("inspect", "falcon/gguf/none.gguf"))
    fault("a gated one", 66, ["not granted", "HF_TOKEN"], command=("inspect", "falcon/gated"))
    done = fault("a gated one with the token", 0, [], command=("inspect", "falcon/gated"), HF_TOKEN=TOKEN)
    run.check("  the token reached the Hub", any(e["token"] == "Bearer " + TOKEN for e in hub.log if e["host"] == "hub"))
    run.check("  and no other host", not any(e["token"] for e in hub.log if e["host"] == "storage"))
    run.check("  and is not printed", TOKEN not in done.stdout + done.stderr)
    fault("500 once", 0, [], {"name": "500", "times": 1})
    fault("500 always", 74, ["status 500"], {"name": "500"})
    fault("429 once", 0, [], {"name": "429", "times": 1, "seconds": 1})
    fault("429 always", 74, ["status 429"], {"name": "429", "seconds": 0})
    fault("no JSON", 74, ["not understood"], {"name": "no-json"})
    fault("an endless list", 74, ["more than"], {"name": "endless"})
    fault("a list with a path that leads out", 74, ["no name of a file"],
          {"name": "list", "change": lambda siblings: siblings + [{"rfilename": "../x", "size": 1}]})
    fault("a redirect in a circle", 74, ["not followed"], {"name": "redirect-loop"})
    fault("a redirect to a file", 74, ["not followed"], {"name": "redirect-elsewhere", "target": "file:///etc/passwd"})
    fault("no ranges", 74, ["whole files only"], {"name": "no-ranges"})
    fault("another range", 74, ["were asked for"], {"name": "wrong-range", "after": 4})
    fault("another size", 74, ["changed"], {"name": "changed-size"})
    fault("another digest", 74, ["SHA-256"], {"name": "changed-digest"})

    def converted(title, code, words, *faults, latency=0):
        output = os.path.join(scratch, "fault")
        shutil.rmtree(output, ignore_errors=True)
        hub.latency = latency
        done = fault(title, code, words, *faults, command=("convert", name, output, "--to", "hf-packed"))
        hub.latency = 0
        left = [entry for entry in os.listdir(scratch) if "fault" in entry or entry.startswith(".")]
        if code == 0:
            run.check("  the same bytes", same(os.path.join(scratch, "here-packed"), output))
        else:
            run.check("  nothing left", not left, str(left))
        shutil.rmtree(output, ignore_errors=True)
        return done

    converted("connections cut three times", 0, [], {"name": "cut", "times": 3, "after": 6})
    converted("connections that give nothing", 74, ["broke"], {"name": "dead", "after": 12})
    converted("short answers twice", 0, [], {"name": "short", "times": 2, "after": 8})
    converted("an ETag that changes", 74, ["ETag"], {"name": "changed-etag", "after": 12, "times": 1})
    # What is fetched ahead of its use: all that is larger than a sample.
    converted("weights cut twice", 0, [], {"name": "cut", "times": 2, "least": 1 << 18})
    converted("weights of which nothing comes", 74, ["broke"], {"name": "dead", "least": 1 << 18})
    weights = os.path.join(root, "falcon/tiny/prequantized/model.safetensors")
    everywhere = {"begin": header_bytes(weights), "end": 1 << 62}
    converted("bytes that are not what the Hub lists", 74, ["SHA-256"],
              {"name": "wrong", "samples": False, **tensor_range(weights, "embed_tokens")})
    converted("weights that are not what their sample was", 74, ["twice"],
              {"name": "wrong", "samples": False, **everywhere})
    converted("a sample that is not what the Hub lists", 74, ["twice"],
              {"name": "wrong", "samples": True, "after": 20, "times": 1, **everywhere})
    interrupt_check(run, scratch)
    converted("slow answers", 0, [], {"name": "slow", "seconds": 0.002})
    hub.reset()
    hub.generation += 1
    run.expect("addresses of the storage host that expired", 0, [], "inspect", name)

    run.expect("offline and not cached", 66, ["hf download falcon/none", "--offline"], "inspect", "falcon/none", "--offline")
    run.expect("a host that does not exist", 66, ["cannot be reached"], "inspect", "falcon/x", HF_ENDPOINT="http://nowhere.invalid")
    run.expect("a port nobody listens at", 66, ["cannot be reached"], "inspect", "falcon/x", HF_ENDPOINT="http://127.0.0.1:9")
    run.expect("an endpoint that is none", 64, ["HF_ENDPOINT"], "inspect", "falcon/x", HF_ENDPOINT="huggingface")


def speed_checks(run, root, scratch, large):
    target = os.path.join(root, "large", "model", "main")
    size = sum(os.path.getsize(os.path.join(target, name)) for name in os.listdir(target))
    times = {}
    for title, source in [("disk", target), ("loopback", "large/model")]:
        output = os.path.join(scratch, "large-" + title)
        start = time.monotonic()
        done = subprocess.Popen([run.tool, "convert", source, output, "--to", "hf-packed"], env=run.environment())
        _, _, usage = os.wait4(done.pid, 0)
        times[title] = time.monotonic() - start
        print(f"      {title}: {times[title]:.1f} s for {size / 1e9:.2f} GB, {usage.ru_maxrss / 1024:.0f} MB resident")
    run.check("the same bytes", same(os.path.join(scratch, "large-disk"), os.path.join(scratch, "large-loopback")))
    print(f"      {times['loopback'] / times['disk']:.2f} times the time from disk")


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("tool")
    parser.add_argument("fixtures")
    parser.add_argument("--large")
    parser.add_argument("--only", choices=["client", "inspect", "convert", "groups", "failures", "speed"], action="append")
    arguments = parser.parse_args()
    wanted = arguments.only or ["client", "inspect", "convert", "groups", "failures"] + (["speed"] if arguments.large else [])
    scratch = tempfile.mkdtemp(prefix="tritsmith-hub-")
    try:
        root = os.path.join(scratch, "root")
        falcon = os.path.join(os.path.abspath(arguments.fixtures), "falcon-e-tiny")
        for revision, folder in [("main", "bfloat16"), ("bitnet", "bitnet"), ("prequantized", "prequantized")]:
            shutil.copytree(os.path.join(falcon, folder), os.path.join(root, "falcon/tiny", revision))
        shutil.copytree(os.path.join(falcon, "prequantized"), os.path.join(root, "falcon/gated/main"))
        os.makedirs(os.path.join(root, "falcon/gguf/main"))
        split_into_shards(os.path.join(falcon, "prequantized"), os.path.join(root, "falcon/shards/main"), 100)
        tool = os.path.abspath(arguments.tool)
        subprocess.run(
            [tool, "convert", os.path.join(falcon, "prequantized"), os.path.join(root, "falcon/gguf/main/model.gguf"),
             "--to", "gguf", "--quiet"], check=True)
        if "groups" in wanted:
            grouped_forms(tool, os.path.join(os.path.abspath(arguments.fixtures), "bonsai-tiny/unpacked"), root)
        if arguments.large:
            os.makedirs(os.path.join(root, "large/model"))
            os.symlink(os.path.abspath(arguments.large), os.path.join(root, "large/model/main"))
        hub = Hub(root, token=TOKEN, gated=["falcon/gated"])
        run = Run(tool, hub, os.path.join(scratch, "home"))
        output = os.path.join(scratch, "outputs")
        os.makedirs(output)
        if "client" in wanted:
            client_checks(run)
            shutil.rmtree(run.home, ignore_errors=True)
        if "inspect" in wanted:
            inspect_checks(run, root)
        if "convert" in wanted or "failures" in wanted:
            convert_checks(run, root, output)
        if "convert" in wanted:
            save_checks(run, root, output)
        if "groups" in wanted:
            grouped_checks(run, root, output)
        if "failures" in wanted:
            failure_checks(run, root, output)
        if "speed" in wanted:
            speed_checks(run, root, output, arguments.large)
        print(f"{run.passed} passed, {len(run.failed)} wrong")
        return 1 if run.failed else 0
    finally:
        shutil.rmtree(scratch, ignore_errors=True)


if __name__ == "__main__":
    sys.exit(main())
