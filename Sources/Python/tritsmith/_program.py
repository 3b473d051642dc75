"""Finds the program `tritsmith` and runs it. Nothing is computed here: the program says everything, in JSON."""

from __future__ import annotations

import functools
import importlib.metadata
import json
import os
import subprocess
import sysconfig
import warnings
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, Union

Word = Union[str, int, float, "os.PathLike[str]"]
Option = Union[Word, Sequence[Word], None]
Report = dict[str, Any]


class TritsmithError(Exception):
    """The program could not do what it was asked.

    `exit_code` is one of 64 (misuse), 65 (malformed input), 66 (cannot open), 70 (fault of the program), 73 (cannot
    create), 74 (reading or writing failed), 130 (interrupted), or 128 and the number of the signal that ended it.
    `message` names file, tensor, expected, found, and what to do.
    """

    def __init__(self, exit_code: int, message: str) -> None:
        super().__init__(exit_code, message)
        self.exit_code = exit_code
        self.message = message

    def __str__(self) -> str:
        return f"{self.message} (exit code {self.exit_code})"


class CheckFailed(TritsmithError):
    """A check ran and did not pass: exit code 1. `report` is what it found, or None where it printed no report."""

    def __init__(self, message: str, report: Report | None) -> None:
        super().__init__(1, message)
        self.report = report

    def __reduce__(self) -> tuple[Any, ...]:
        return CheckFailed, (self.message, self.report)


class TritsmithWarning(UserWarning):
    """What the program said on standard error although it did what it was asked."""


@functools.lru_cache(maxsize=None)
def _installed() -> str:
    """Where pip put the program: its own record knows, except for --target, which moves files afterwards."""
    for folder in _folders():
        path = folder / "tritsmith"
        if path.is_file() and os.access(path, os.X_OK):
            return str(path)
    raise FileNotFoundError("the program tritsmith is not where this package was installed; TRITSMITH_PROGRAM names it")


def _folders() -> Iterator[Path]:
    try:
        for file in importlib.metadata.files("tritsmith") or []:
            if file.name == "tritsmith" and file.parent.name == "bin":
                yield Path(str(file.locate())).resolve().parent
    except importlib.metadata.PackageNotFoundError:
        pass
    yield Path(__file__).resolve().parent.parent / "bin"
    yield Path(sysconfig.get_path("scripts"))


def program() -> str:
    """The path of the program: `TRITSMITH_PROGRAM` of the environment, or what came with this package."""
    return os.environ.get("TRITSMITH_PROGRAM") or _installed()


def arguments(command: str, words: Sequence[Word], options: Mapping[str, Option]) -> list[str]:
    """The command line of a call. `keep=["a", "b"]` is `--keep=a --keep=b`, `dry_run=True` is `--dry-run`."""
    line = [command, "--format=json"]
    for name, value in options.items():
        # A trailing underscore gives names that Python keeps for itself.
        option = "--" + name.rstrip("_").replace("_", "-")
        if isinstance(value, bool):
            line += [option] if value else []
        elif isinstance(value, (str, int, float, os.PathLike)):
            line.append(f"{option}={_text(value)}")
        elif value is not None:
            line += [f"{option}={_text(each)}" for each in value]
    return line + ["--"] + [_text(word) for word in words]


def _text(word: Word) -> str:
    return os.fspath(word) if isinstance(word, os.PathLike) else str(word)


def _why(found: Report | None) -> str:
    """What a report that did not pass comes down to."""
    if found is None:
        return ""
    if "verdict" in found:
        return str(found["verdict"]["headline"])
    return "; ".join(note["text"] for note in found.get("notes", []) if note["severity"] == "fail")


def report(command: str, *words: Word, **options: Option) -> Report:
    """Runs `tritsmith COMMAND --OPTIONS WORDS --format json` and gives the report as a dict.

    Every command that has reports can be called so, with its options under their own names:

        tritsmith.report("gap", "latents", "packed", tokens=1000)

    Raises `CheckFailed` when a check did not pass, `TritsmithError` for every other failure.
    """
    with subprocess.Popen(
        [program(), *arguments(command, words, options)],
        stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.PIPE,
    ) as process:
        try:
            output, errors = process.communicate()
        except BaseException:
            # The program takes back what it was writing.
            process.terminate()
            process.communicate()
            raise
    said = errors.decode("utf-8", "replace").strip()
    code = process.returncode
    if code == 1:
        found: Report | None = json.loads(output) if output else None
        raise CheckFailed(_why(found) or said.removeprefix("error: ") or "the check did not pass", found)
    if code < 0:
        raise TritsmithError(128 - code, said or f"the program was ended by signal {-code}")
    if code != 0:
        raise TritsmithError(code, said.removeprefix("error: "))
    if said:
        warnings.warn(said, TritsmithWarning, stacklevel=3)
    result: Report = json.loads(output)
    return result
