#!/usr/bin/env python3
"""Holds JSON reports to their published schemas in Docs/Schemas.

    check_json.py REPORT.json ...

A report agrees when the `jsonschema` package accepts it (draft 2020-12) and every key it has is described: consumers
must accept keys they do not know, but this program must not print any.
"""

import json
import pathlib
import re
import sys

import jsonschema

SCHEMAS = pathlib.Path(__file__).resolve().parents[2] / "Docs" / "Schemas"


def no_constant(name):
    raise ValueError(f"{name} is not JSON")


def undescribed(value, schema, path):
    """Keys of a report that its schema does not name."""
    if isinstance(value, dict):
        named = schema.get("properties", {})
        patterns = schema.get("patternProperties", {})
        for key, inner in value.items():
            rule = named.get(key)
            if rule is None:
                rule = next((r for p, r in patterns.items() if re.search(p, key)), None)
            if rule is None:
                rule = schema.get("additionalProperties")
            if rule is None:
                yield f"{path}.{key}"
            else:
                yield from undescribed(inner, rule, f"{path}.{key}")
    elif isinstance(value, list):
        for index, inner in enumerate(value):
            yield from undescribed(inner, schema.get("items", {}), f"{path}[{index}]")


def check(file):
    report = json.loads(pathlib.Path(file).read_text(encoding="utf-8"), parse_constant=no_constant)
    path = SCHEMAS / f"{report['schema']}.schema.json"
    if not path.exists():
        return [f"no schema {path.name}"]
    schema = json.loads(path.read_text(encoding="utf-8"))
    validator = jsonschema.Draft202012Validator(schema)
    validator.check_schema(schema)
    faults = [f"{error.json_path}: {error.message[:200]}" for error in validator.iter_errors(report)]
    return faults + [f"{key}: not in the schema" for key in undescribed(report, schema, "$")]


def main(files):
    failed = False
    for file in files:
        faults = check(file)
        failed |= bool(faults)
        print(f"{pathlib.Path(file).name}: {'; '.join(faults[:5]) if faults else 'agrees with its schema'}")
    return 1 if failed or not files else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
