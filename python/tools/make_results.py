"""Writes infalign/results.py, the typed results, from the JSON Schemas that the program's own types give.

Run:  python python/tools/make_results.py          (a test fails when the file is behind)
"""

import json
import keyword
import re
import textwrap
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
SCHEMAS = ROOT / "docs/src/reference"
TARGET = ROOT / "python/infalign/results.py"

HEAD = '''"""The typed results: what the program prints as JSON, as frozen dataclasses. Made by tools/make_results.py from its JSON Schemas.

`to_json()` gives back the JSON. An unbounded end of an interval is ±inf here and null there. A warning is a dictionary with its `kind`.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from infalign._record import Record


'''


def words(text: str) -> str:
    """A Rust doc comment as plain words."""
    text = text.replace("\\[", "[").replace("\\]", "]")
    return re.sub(r"\s+", " ", text.replace("`None`", "None").replace("\\", "")).strip()


def python_type(schema: dict) -> str:
    """The annotation of a property."""
    if "$ref" in schema:
        name = schema["$ref"].rsplit("/", 1)[1]
        return {"LogProbsOf": "str", "Basis": "str", "Warning": "dict[str, Any]"}.get(name, name)
    if "anyOf" in schema:
        kinds = [python_type(kind) for kind in schema["anyOf"]]
        return " | ".join("None" if kind == "None" else kind for kind in kinds)
    kind = schema.get("type")
    if isinstance(kind, list):
        return " | ".join(python_type({**schema, "type": each}) for each in kind)
    if kind == "array":
        return f"tuple[{python_type(schema['items'])}, ...]"
    return {"number": "float", "integer": "int", "string": "str", "boolean": "bool", "null": "None"}[kind]


def record(name: str, schema: dict) -> str:
    """One dataclass."""
    required = set(schema.get("required", []))
    fields = []
    for key, value in schema["properties"].items():
        kind = python_type(value)
        unbounded = key in required and kind == "float | None" and "null" in value.get("description", "")
        if unbounded:
            kind = "float"
        line = f"    {key}{'_' if keyword.iskeyword(key) else ''}: {kind}"
        if kind.endswith("| None"):
            line += " = None"
        elif kind.startswith("tuple"):
            line += " = ()"
        doc = textwrap.fill(words(value.get("description", "")), 120, initial_indent='    """', subsequent_indent="    ")
        fields.append(f'{line}\n{doc}"""\n')
    doc = words(schema.get("description", name))
    doc = textwrap.fill(doc, 120, initial_indent='    """', subsequent_indent="    ") + '"""'
    return f"@dataclass(frozen=True, kw_only=True)\nclass {name}(Record):\n{doc}\n\n" + "\n".join(fields)


def made() -> str:
    """The file's text."""
    classes: dict[str, str] = {}
    for name, root in (("design", "Design"), ("evaluation", "Evaluation")):
        schema = json.loads((SCHEMAS / f"{name}.schema.json").read_text())
        for each, definition in schema["$defs"].items():
            if definition.get("type") == "object":
                classes.setdefault(each, record(each, definition))
        classes[root] = record(root, schema)
    return HEAD + "\n\n".join(classes.values())


if __name__ == "__main__":
    TARGET.write_text(made())
