"""Runs the console blocks of the README and holds what is printed against what the README shows.

usage: check_readme.py TRITSMITH README CHECKPOINTS

In a block ```console a line that begins with "$ " is a command; the lines below it are its output on a terminal of
80 columns. A line "…" stands for any lines, "…" within a line for any text. Commands run in one folder, one after
the other; the shipped checkpoints lie in it.
"""

import fcntl
import os
import pty
import re
import shutil
import struct
import sys
import tempfile
import termios


def run(command, folder, path):
    """Output and exit code of a command on a terminal of 80 columns, colours taken off."""
    pid, terminal = pty.fork()
    if pid == 0:
        os.chdir(folder)
        os.environ["PATH"] = path + os.pathsep + os.environ["PATH"]
        os.environ["NO_COLOR"] = "1"
        os.execvp("bash", ["bash", "-c", command])
    fcntl.ioctl(terminal, termios.TIOCSWINSZ, struct.pack("HHHH", 24, 80, 0, 0))
    output = b""
    while True:
        try:
            piece = os.read(terminal, 65536)
        except OSError:
            break
        if not piece:
            break
        output += piece
    code = os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1])
    text = re.sub(r"\x1b\[[0-9;?]*[A-Za-z]", "", output.decode("utf-8", "replace")).replace("\r\n", "\n")
    # A progress bar writes over itself.
    return re.sub(r"[^\n]*\r", "", text), code


def matches(shown, printed):
    """Whether printed lines are those shown."""
    pattern = ""
    for line in shown:
        if line.strip() == "…":
            pattern += r"(?:[^\n]*\n)*?"
        else:
            pattern += "[^\n]*?".join(re.escape(part) for part in line.split("…")) + "\n"
    text = "".join(line.rstrip() + "\n" for line in printed)
    return re.fullmatch(pattern, text) is not None


def blocks(readme):
    """(line, command, shown lines) of every console block."""
    result, inside = [], False
    for number, line in enumerate(open(readme, encoding="utf-8").read().split("\n"), 1):
        if line.startswith("```"):
            inside = line == "```console"
        elif inside and line.startswith("$ "):
            result.append((number, line[2:], []))
        elif inside:
            result[-1][2].append(line.rstrip())
    return result


def main():
    tritsmith, readme, checkpoints = sys.argv[1:]
    found = blocks(readme)
    if len(found) < 5:
        sys.exit(f"{readme}: {len(found)} commands found, more are wanted")
    failed = 0
    with tempfile.TemporaryDirectory() as folder:
        bin = os.path.join(folder, ".bin")
        os.mkdir(bin)
        os.symlink(os.path.abspath(tritsmith), os.path.join(bin, "tritsmith"))
        shutil.copytree(os.path.join(checkpoints, "falcon-e-tiny"), os.path.join(folder, "falcon-e-tiny"))
        for line, command, shown in found:
            output, code = run(command, folder, bin)
            printed = output.rstrip("\n").split("\n") if output.strip() else []
            while printed and not printed[0].strip():
                printed.pop(0)
            if not matches(shown, printed):
                failed += 1
                print(f"{readme}:{line}: '{command}' (exit {code}) prints something else:", *printed, sep="\n  ")
    print(f"check_readme: {len(found) - failed} of {len(found)} commands print what {os.path.basename(readme)} shows")
    sys.exit(1 if failed else 0)


main()
