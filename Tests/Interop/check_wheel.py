#!/usr/bin/env python3
"""Installs a wheel of .ci/wheel into a fresh virtual environment and tries every function of the module there.

    check_wheel.py WHEEL CHECKPOINTS

CHECKPOINTS is Fixtures/Checkpoints. Numbers that `read_tensor` gives are compared with what the packages safetensors and
gguf read themselves, with the trits of packed tensors taken out here by the formula of their format: equal, to the bit.

Exit status: 0 when every check passes.
"""

import argparse
import base64
import csv
import hashlib
import io
import os
import pickle
import stat
import subprocess
import sys
import tempfile
import venv
import warnings
import zipfile
from pathlib import Path

HERE = Path(__file__).resolve().parent
failed = []


def check(title, holds, detail=""):
    print(("ok    " if holds else "WRONG ") + title + (f": {detail}" if detail and not holds else ""), flush=True)
    if not holds:
        failed.append(title)


def raised(kind, call):
    """The exception of that very class that a call raises; None for another outcome."""
    try:
        call()
    except Exception as error:
        return error if type(error) is kind else None
    return None


# Outside: the file, and the environment.


def look_at(wheel):
    """What a wheel has to be, whatever installs it."""
    with zipfile.ZipFile(wheel) as archive:
        entries = archive.infolist()
        names = [entry.filename for entry in entries]
        listing = next(name for name in names if name.endswith(".dist-info/RECORD"))
        rows = list(csv.reader(io.StringIO(archive.read(listing).decode())))
        check("the record lists every file", sorted(row[0] for row in rows) == sorted(names))
        for name, digest, size in rows:
            data = archive.read(name)
            if name == listing:
                check("  and has no hash of itself", (digest, size) == ("", ""))
                continue
            hashed = base64.urlsafe_b64encode(hashlib.sha256(data).digest()).rstrip(b"=").decode()
            if digest != "sha256=" + hashed or int(size) != len(data):
                check(f"  with its hash: {name}", False)
        programs = [entry for entry in entries if entry.external_attr >> 16 & stat.S_IXUSR]
        check("one file is a program", [Path(entry.filename).name for entry in programs] == ["tritsmith"])
        check("all files are of one moment", len({entry.date_time for entry in entries}) == 1)
        check("the module says that it is typed", "tritsmith/py.typed" in names)


def outside(options):
    wheel = Path(options.wheel).resolve()
    look_at(wheel)
    with tempfile.TemporaryDirectory(prefix="tritsmith-wheel-") as folder:
        place = Path(folder) / "venv"
        venv.create(place, with_pip=True)
        python = place / "bin/python"
        # Nothing of the machine but the environment: no path by which another program or module could be found.
        environment = {"PATH": f"{place}/bin:/usr/bin:/bin", "HOME": folder, "TMPDIR": folder, "LC_ALL": "C.UTF-8"}
        environment |= {name: value for name, value in os.environ.items() if name.lower().endswith("_proxy")}
        environment |= {name: value for name, value in os.environ.items() if name.startswith("PIP_")}

        def run(*words):
            return subprocess.run(words, env=environment, cwd=folder).returncode == 0

        pip = [python, "-m", "pip", "install", "--quiet", "--disable-pip-version-check"]
        check("it installs without a network", run(*pip, "--no-index", "--no-deps", wheel))
        words = [python, __file__, wheel, Path(options.checkpoints).resolve()]
        check("without numpy everything but read_tensor works", run(*words, "--inside", "alone"))
        light = ["-c", HERE / "requirements-light.txt", "numpy", "safetensors", "gguf"]
        check("what it needs installs", run(*pip, *light) and run(python, "-m", "pip", "check"))
        check("with numpy all of it works", run(*words, "--inside", "whole"))
        check("it is removed whole", run(python, "-m", "pip", "uninstall", "--quiet", "--yes", "tritsmith"))
        left = [path for path in place.rglob("*tritsmith*")]
        check("  and leaves nothing", left == [], str(left[:3]))
    return 1 if failed else 0


# Inside: the module as a user has it.


def versions(wheel):
    import importlib.metadata

    import tritsmith

    version = importlib.metadata.version("tritsmith")
    check("the version is the file's", wheel.name.startswith(f"tritsmith-{version}-"))
    said = subprocess.run(["tritsmith", "--version"], capture_output=True, text=True).stdout.strip()
    check("  and the program's on the path", said == version, said)
    check("the module runs the program beside it", Path(tritsmith.program()) == Path(sys.prefix) / "bin/tritsmith")
    said = subprocess.run([sys.executable, "-m", "tritsmith", "--version"], capture_output=True, text=True).stdout
    check("  and is it, when it is run", said.strip() == version, said)
    check("nothing of numpy is imported before it is needed", "numpy" not in sys.modules)


def alone(wheel, checkpoints):
    """Everything that needs no other package."""
    import tritsmith

    versions(wheel)
    falcon, b158 = checkpoints / "falcon-e-tiny", checkpoints / "bitnet-b158-tiny"
    report = tritsmith.inspect(falcon / "bitnet")
    check("inspect", report["schema"] == "tritsmith.inspect" and report["model"]["kind"] == "packed-ternary")
    some = tritsmith.inspect(str(falcon / "bitnet"), stats=True, tensor=["*.layers.0.*q_proj*", "model.norm.weight"])
    check("  of some tensors, with statistics", len(some["tensors"]) == 2 and all("absmean" in t for t in some["tensors"]))

    with tempfile.TemporaryDirectory() as folder:
        packed = Path(folder) / "packed"
        plan = tritsmith.convert(falcon / "prequantized", packed, to="hf-packed", dry_run=True)
        check("a plan", plan["schema"] == "tritsmith.plan" and not packed.exists())
        report = tritsmith.convert(falcon / "prequantized", packed, to="hf-packed")
        check("convert", report["result"]["audit_passed"] and (packed / "model.safetensors").exists())
        error = raised(tritsmith.TritsmithError, lambda: tritsmith.convert(falcon / "prequantized", packed, to="hf-packed"))
        check("  over what is there", error and error.exit_code == 73 and str(packed) in error.message, repr(error))
        tritsmith.convert(falcon / "prequantized", packed, to="hf-packed", force=True)
        kept = tritsmith.convert(
            falcon / "prequantized", Path(folder) / "kept", to="hf-packed", dry_run=True,
            keep=["*.layers.0.*", "*.layers.1.*"])
        check("  with an option given twice", kept["plan"]["ternary_tensors"] == 14, str(kept["plan"]))
        dashed = Path(folder) / "-dashed"
        os.chdir(folder)
        tritsmith.convert(packed, "-dashed", to="tritpack")
        check("  to a name like an option", dashed.is_file())

        report = tritsmith.verify(falcon / "prequantized", packed)
        check("verify", report["verification"]["passed"])
        error = raised(tritsmith.CheckFailed, lambda: tritsmith.verify(falcon / "prequantized", b158 / "packed"))
        check("  of another model", error and error.exit_code == 1 and not error.report["verification"]["passed"] and error.message)
        again = error and pickle.loads(pickle.dumps(error))
        check("  as an exception that travels", again and (again.message, again.report) == (error.message, error.report))

        report = tritsmith.validate(packed, against=falcon / "bitnet")
        check("validate", report["validation"]["passed"])
        logits = falcon / "reference/bitnet/logits.safetensors"
        report = tritsmith.validate(packed, logits)
        check("  against a file of logits", report["validation"]["passed"])
        error = raised(tritsmith.CheckFailed, lambda: tritsmith.validate(checkpoints / "plain-tiny", packed))
        check("  against another model", error and not error.report["validation"]["passed"] and error.message)

        ids = tritsmith.report("tokenize", packed, text="In the beginning")
        check("any other command", ids["schema"] == "tritsmith.tokenize")

    for title, code, call in [
        ("a missing model", 66, lambda: tritsmith.inspect("/nowhere")),
        ("no model", 65, lambda: tritsmith.inspect(__file__)),
        ("an option there is not", 64, lambda: tritsmith.inspect(falcon / "bitnet", no_such_option=True)),
        ("a value there is not", 64, lambda: tritsmith.convert(falcon / "bitnet", "/tmp/x", to="nothing")),
    ]:
        error = raised(tritsmith.TritsmithError, call)
        holds = error is not None and error.exit_code == code and error.message and not error.message.startswith("error")
        check(f"{title} is exit code {code}", holds, repr(error))
        again = error and pickle.loads(pickle.dumps(error))
        check("  as an exception that travels", again and again.exit_code == code and str(again) == str(error))
    error = raised(ModuleNotFoundError, lambda: tritsmith.read_tensor(falcon / "bitnet", "model.norm.weight"))
    check("read_tensor without numpy says so", error is not None and error.name == "numpy", repr(error))


def same(title, found, wanted):
    import numpy as np

    holds = (
        isinstance(found, np.ndarray) and found.dtype == wanted.dtype and found.shape == wanted.shape
        and found.flags.c_contiguous and found.flags.writeable and np.array_equal(found, wanted, equal_nan=True))
    if not holds:
        check(title, False, f"{found.dtype} {found.shape} instead of {wanted.dtype} {wanted.shape}")
    return holds


def safetensors_model(folder, divides):
    """Every tensor of a model folder; packed ones as trit times scale."""
    import numpy as np
    from model_files import read_model
    from ternary_numpy import unpack

    stored = read_model(folder)
    for name, tensor in stored.items():
        if name.endswith("_scale"):
            continue
        scale = stored.get(name + "_scale")
        if scale is None:
            yield name, tensor.float32() if tensor.dtype == "BF16" else tensor.bits()
        else:
            trits = unpack(tensor.bits()).astype(np.float32) - 1
            number = scale.float32()[0]
            yield name, trits / number if divides else trits * number


def whole(checkpoints):
    """Numbers, against other readers."""
    import gguf
    import numpy as np
    import tritsmith

    falcon, b158 = checkpoints / "falcon-e-tiny", checkpoints / "bitnet-b158-tiny"
    for folder, divides in [
        (falcon / "bitnet", True), (b158 / "packed", False), (falcon / "prequantized", True),
        (falcon / "prequantized-sharded", True),
    ]:
        wanted = dict(safetensors_model(folder, divides))
        names = [tensor["name"] for tensor in tritsmith.inspect(folder)["tensors"]]
        check(f"{folder.name}: the tensors of the file", sorted(names) == sorted(wanted))
        held = [same(name, tritsmith.read_tensor(folder, name), wanted[name]) for name in names]
        check(f"  {len(held)} with the numbers safetensors reads", all(held) and len(held) > 20)

    with tempfile.TemporaryDirectory() as folder:
        pack = Path(folder) / "model.tritpack"
        tritsmith.convert(falcon / "bitnet", pack, zstd=3)
        held = [same(name, tritsmith.read_tensor(pack, name), numbers)
                for name, numbers in safetensors_model(falcon / "bitnet", True)]
        check(f"TritPack: {len(held)} tensors with the same numbers", all(held))
        for layout in ["TQ1_0", "TQ2_0", "F16", "BF16", "F32"]:
            for embeddings in ["f16", "q8_0"] if layout == "TQ2_0" else ["f16"]:
                path = Path(folder) / f"{layout}-{embeddings}.gguf"
                tritsmith.convert(falcon / "bitnet", path, layout=layout, embeddings=embeddings)
                kinds, held = set(), []
                for tensor in gguf.GGUFReader(path).tensors:
                    kinds.add(tensor.tensor_type.name)
                    shape = tuple(int(size) for size in reversed(tensor.shape))
                    data = np.asarray(tensor.data)
                    # Types that numpy has stay as they are.
                    wanted = data if data.dtype != np.uint8 else gguf.quants.dequantize(data, tensor.tensor_type)
                    held.append(same(tensor.name, tritsmith.read_tensor(path, tensor.name), wanted.reshape(shape)))
                check(f"GGUF: {len(held)} tensors ({', '.join(sorted(kinds))}) as gguf-py reads them", all(held))
    golden = checkpoints.parent / "Golden/gguf/all_types_align64.gguf"
    held = []
    for tensor in gguf.GGUFReader(golden).tensors:
        shape = tuple(int(size) for size in reversed(tensor.shape))
        data = np.asarray(tensor.data)
        wanted = data if tensor.tensor_type.name != "BF16" else gguf.quants.dequantize(data, tensor.tensor_type)
        held.append(same(tensor.name, tritsmith.read_tensor(golden, tensor.name), wanted.reshape(shape)))
    check(f"GGUF: {len(held)} tensors of one to four dimensions as gguf-py reads them", all(held))

    one = tritsmith.read_tensor(falcon / "bitnet", "model.n?rm.weight")
    same("a pattern", one, tritsmith.read_tensor(falcon / "bitnet", "model.norm.weight"))
    for title, name in [("a tensor there is not", "nothing"), ("a pattern of several", "*q_proj*")]:
        error = raised(tritsmith.TritsmithError, lambda: tritsmith.read_tensor(falcon / "bitnet", name))
        check(f"{title} is misuse", error is not None and error.exit_code == 64 and name in error.message, repr(error))
    with tempfile.TemporaryDirectory() as folder:
        header = b'{"x.weight":{"dtype":"F8_E4M3","shape":[2,2],"data_offsets":[0,4]}}'
        path = Path(folder) / "eight.safetensors"
        path.write_bytes(len(header).to_bytes(8, "little") + header + bytes(4))
        error = raised(TypeError, lambda: tritsmith.read_tensor(path, "x.weight"))
        check("a type that numpy does not have", error is not None and "F8_E4M3" in str(error), repr(error))
        # What was said on the way is a warning.
        with warnings.catch_warnings(record=True) as seen:
            warnings.simplefilter("always")
            tritsmith.report("tokenize", falcon / "bitnet", file=checkpoints.parent / "MANIFEST.md")
        check("what is said on success is a warning", [w.category for w in seen] == [tritsmith.TritsmithWarning])
    check("no temporary file is left", not list(Path(tempfile.gettempdir()).glob("tritsmith-??????*/values")))


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("wheel", metavar="WHEEL")
    parser.add_argument("checkpoints", metavar="CHECKPOINTS")
    parser.add_argument("--inside", choices=["alone", "whole"], help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.inside is None:
        subprocess.run([sys.executable, Path(options.checkpoints).parent / "make-variants.py"], check=True)
        return outside(options)
    if options.inside == "alone":
        alone(Path(options.wheel), Path(options.checkpoints))
    else:
        whole(Path(options.checkpoints))
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
