"""Plants faults and shows that the tests notice each of them.

    python3 Tests/Mutations/run.py                 builds once, runs the tests of every fault, writes Docs/Development/Mutations.md
    python3 Tests/Mutations/run.py --only 3 17     some faults; nothing is written
    python3 Tests/Mutations/run.py --check         only sees that every text to be changed stands where the table says

All faults are planted in one scratch copy of the package, each behind a condition: the number in TRITSMITH_FAULT turns
one on, and no other. So one build serves all, while each fault is still tried alone. Without the variable the copy must
pass: otherwise a failing test would prove nothing. A fault is caught when its tests fail, crash or run into the limit.
"""
import argparse
import os
import re
import resource
import shutil
import subprocess
import sys
import time

from faults import FAULTS

ROOT = os.path.abspath(os.path.join(os.path.dirname(__file__), "..", ".."))
SCRATCH = os.path.join(ROOT, ".build", "mutations")
SWITCH = """// Tritsmith: planted faults; exists in the scratch copy only.

#if canImport(Glibc)
  import Glibc
#elseif canImport(Darwin)
  import Darwin
#endif

public enum PlantedFault {
  public static let number: Int = getenv("TRITSMITH_FAULT").flatMap { Int(String(cString: $0)) } ?? 0
}
"""
FLAGS = ["-c", "release", "-Xswiftc", "-enable-testing"]


def planted(fault, text):
    if text.count(fault["before"]) != 1:
        sys.exit("fault %(number)d: the text stands %(count)d times in %(file)s: %(before)s" %
                 dict(fault, count=text.count(fault["before"])))
    condition = "(PlantedFault.number == %d)" % fault["number"]
    return text.replace(fault["before"], fault["after"].replace("FAULT", condition))


def contents(plant):
    """Every changed file with its new text."""
    texts = {}
    for fault in FAULTS:
        text = texts.get(fault["file"])
        if text is None:
            text = open(os.path.join(ROOT, fault["file"])).read()
        texts[fault["file"]] = planted(fault, text)
    for file, text in texts.items():
        if "import TritCore" not in text and not file.startswith("Sources/TritCore/"):
            texts[file] = re.sub(r"\n\n", "\n\nimport TritCore\n\n", text, count=1)
    return texts


def write(path, text):
    """Writes only what differs, so that the next build is short."""
    if not os.path.exists(path) or open(path).read() != text:
        with open(path, "w") as file:
            file.write(text)


def copy_package(texts):
    os.makedirs(SCRATCH, exist_ok=True)
    # Tests find the fixtures beside the sources.
    fixtures = os.path.join(SCRATCH, "Fixtures")
    if not os.path.islink(fixtures):
        os.symlink(os.path.join(ROOT, "Fixtures"), fixtures)
    for name in ["Package.swift", "Sources", "Tests", "Docs", "README.md", "CHANGELOG.md"]:
        source, target = os.path.join(ROOT, name), os.path.join(SCRATCH, name)
        files = [source] if os.path.isfile(source) else [
            os.path.join(folder, file) for folder, _, files in os.walk(source) for file in files]
        for file in files:
            relative = os.path.relpath(file, ROOT)
            copy = os.path.join(SCRATCH, relative)
            os.makedirs(os.path.dirname(copy), exist_ok=True)
            if relative in texts:
                write(copy, texts[relative])
            elif not os.path.exists(copy) or open(copy, "rb").read() != open(file, "rb").read():
                shutil.copyfile(file, copy)
        for folder, _, files in os.walk(target) if os.path.isdir(target) else []:
            for file in files:
                if not os.path.exists(os.path.join(ROOT, os.path.relpath(os.path.join(folder, file), SCRATCH))):
                    os.remove(os.path.join(folder, file))
    write(os.path.join(SCRATCH, "Sources/TritCore/PlantedFault.swift"), SWITCH)


def test(filters, number, limit):
    """Exit code and output of the tests, with a fault or (0) without. The limit is one of processor seconds: a busy machine
    must not pass for a test that hangs."""
    environment = dict(os.environ, TRITSMITH_FAULT=str(number), SWIFT_BACKTRACE="enable=no")
    command = ["swift", "test", *FLAGS, "--skip-build", "--filter", filters]
    try:
        run = subprocess.run(command, cwd=SCRATCH, env=environment, stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
                             timeout=6 * limit, text=True, errors="replace",
                             preexec_fn=lambda: resource.setrlimit(resource.RLIMIT_CPU, (limit, limit)))
        return run.returncode, run.stdout
    except subprocess.TimeoutExpired:
        return None, ""


def verdict(code, output):
    """What noticed the fault: the first failing test, a crash, or the limit; nil when nothing did."""
    if code == 0:
        return None
    if code is None:
        return "ran into the time limit"
    failed = re.search(r'Test "?(.+?)"? (?:recorded an issue|with \d+ argument|failed)', output)
    return failed.group(1).strip('"() ')[:90] if failed else "the test process crashed"


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--only", type=int, nargs="+")
    parser.add_argument("--check", action="store_true")
    parser.add_argument("--skip-build", action="store_true")
    options = parser.parse_args()
    texts = contents(FAULTS)
    if options.check:
        return print(len(FAULTS), "faults fit the sources")
    copy_package(texts)
    if not options.skip_build:
        subprocess.run(["swift", "build", *FLAGS, "--build-tests"], cwd=SCRATCH, check=True)
    chosen = [f for f in FAULTS if not options.only or f["number"] in options.only]
    for filters in sorted({f["tests"] for f in chosen}):
        code, output = test(filters, 0, 900)
        if code != 0 or not re.search(r"with [1-9]\d* tests? .*passed", output):
            sys.exit("without a fault %s does not pass:\n%s" % (filters, output[-3000:]))
    rows, survivors = [], 0
    for fault in chosen:
        start = time.time()
        caught = verdict(*test(fault["tests"], fault["number"], 600))
        survivors += caught is None
        rows.append((fault, caught))
        print("%2d %-60s %s (%.0f s)" % (fault["number"], fault["sentence"], caught or "SURVIVED", time.time() - start),
              flush=True)
    if not options.only:
        report(rows)
    sys.exit(1 if survivors else 0)


def report(rows):
    caught = sum(1 for _, by in rows if by)
    lines = ["# Mutation check of the tests", "",
             "`python3 Tests/Mutations/run.py` plants every fault of `Tests/Mutations/faults.py` alone in a scratch copy, runs the tests that must",
             "notice it, and writes this page. Without a fault the same tests pass.",
             "", "%d faults, %d caught, %d survived." % (len(rows), caught, len(rows) - caught)]
    survivors = ["- %s (`%s`)" % (fault["sentence"], fault["file"]) for fault, by in rows if not by]
    lines += [""] + survivors if survivors else []
    write(os.path.join(ROOT, "Docs", "Development", "Mutations.md"), "\n".join(lines) + "\n")


main()
