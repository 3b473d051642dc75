"""Converts, inspects and verifies ternary (1.58-bit) language models, by the program `tritsmith`.

    import tritsmith

    print(tritsmith.inspect("falcon-e")["model"]["kind"])
    tritsmith.convert("falcon-e", "falcon-e.gguf", layout="tq2_0")
    tritsmith.verify("falcon-e", "falcon-e.gguf")
    weights = tritsmith.read_tensor("falcon-e.gguf", "blk.0.attn_q.weight")

Reports are the JSON of the commands of the same names, described in Docs/JSON.md. Options of a command are keywords
under their own names: `--scale-convention divide` is `scale_convention="divide"`, `--keep A --keep B` is
`keep=["A", "B"]`, `--dry-run` is `dry_run=True`.
"""

from __future__ import annotations

import os
import tempfile
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, Union

from ._program import CheckFailed, Option, Report, TritsmithError, TritsmithWarning, program, report

if TYPE_CHECKING:
    import numpy
    import numpy.typing

__all__ = [
    "CheckFailed", "TritsmithError", "TritsmithWarning", "convert", "inspect", "program", "read_tensor", "report",
    "validate", "verify",
]

Path = Union[str, "os.PathLike[str]"]

# Types of numbers that numpy has, by the names of the safetensors format.
_DTYPES = {
    "F64": "<f8", "F32": "<f4", "F16": "<f2", "I64": "<i8", "I32": "<i4", "I16": "<i2", "I8": "i1", "U64": "<u8",
    "U32": "<u4", "U16": "<u2", "U8": "u1", "BOOL": "?", "C64": "<c8",
}


def inspect(path: Path, *, stats: bool = False, tensor: str | Sequence[str] = (), **options: Option) -> Report:
    """What a model is and what it holds: the report `tritsmith.inspect`.

    `path` is a folder, a file, or a name on the Hub. `stats` reads the weights as well. `tensor` limits the table of
    tensors to names that match one of its patterns.
    """
    return report("inspect", path, stats=stats, tensor=tensor, **options)


def convert(
    source: Path, output: Path, *, to: str | None = None, layout: str | None = None, quantizer: str | None = None,
    force: bool = False, dry_run: bool = False, **options: Option,
) -> Report:
    """Converts a model, reads the output back and compares it with its source: the report `tritsmith.convert`.

    `to` is a format or a layout; without it the name of the output tells. The output appears complete or not at all,
    and replaces nothing unless `force` is true. `dry_run` gives the plan instead: the report `tritsmith.plan`.
    """
    return report(
        "convert", source, output, to=to, layout=layout, quantizer=quantizer, force=force, dry_run=dry_run, **options)


def verify(source: Path, converted: Path, **options: Option) -> Report:
    """Redoes a conversion's quantization and compares: the report `tritsmith.verify`.

    Raises `CheckFailed` when the two differ; its `report` says where.
    """
    return report("verify", source, converted, **options)


def validate(model: Path, against: Path, **options: Option) -> Report:
    """Computes logits and compares them with another model's, or with a file of logits: `tritsmith.validate`.

    Raises `CheckFailed` when they do not agree; its `report` says where.
    """
    return report("validate", model, against=against, **options)


def read_tensor(path: Path, name: str, **options: Option) -> numpy.typing.NDArray[Any]:
    """The values of one tensor as a numpy array of its shape.

    Ternary tensors are trit times scale, and numbers in blocks what the blocks stand for, as float32. Dense tensors
    come in the type they are stored in; numpy has no bfloat16, which becomes float32 without a change of value. Names,
    and the order of rows in a GGUF file, are those of the file, as `inspect` lists them. `name` may be a pattern that
    matches one tensor.

    Raises `TypeError` for a tensor of a type that numpy does not have, such as F8_E4M3.
    """
    import numpy

    with tempfile.TemporaryDirectory(prefix="tritsmith-") as folder:
        file = os.path.join(folder, "values")
        tensor = report("inspect", path, tensor=name, raw=file, **options)["tensor"]
        dtype = tensor["dtype"]
        if dtype == "BF16":
            # The upper half of a float32.
            wide = numpy.fromfile(file, "<u2").astype(numpy.uint32)
            wide <<= 16
            values = wide.view(numpy.float32)
        elif dtype in _DTYPES:
            values = numpy.fromfile(file, _DTYPES[dtype])
        else:
            raise TypeError(f"'{tensor['name']}' holds numbers of type {dtype}, which numpy does not have")
    return values.reshape(tensor["shape"])
