"""Make the generated parts of docs/ again: each generator gives path and text; `--check` names what is out of date."""

from __future__ import annotations

import json
import sys
from collections.abc import Callable, Iterable
from pathlib import Path

import questions

from penstock.core import device_file, plant

ROOT = Path(__file__).resolve().parents[1]
REFERENCE = ROOT / "docs" / "reference"

Page = tuple[Path, str]


def schemas() -> Iterable[Page]:
    """Give the JSON Schemas of the files that people write."""
    for name, schema in (
        ("device-file", device_file.json_schema()),
        ("plant-file", plant.plant_json_schema()),
        ("asset-type", plant.asset_type_json_schema()),
    ):
        yield REFERENCE / f"{name}.schema.json", json.dumps(schema, indent=2, ensure_ascii=False) + "\n"


GENERATORS: tuple[Callable[[], Iterable[Page]], ...] = (schemas, questions.page)
"""Others add theirs here: a function without arguments that yields pages."""


def main(arguments: list[str]) -> int:
    """Write all pages, or with --check name those that differ; 1 where one does."""
    stale = 0
    for generator in GENERATORS:
        for path, text in generator():
            if path.exists() and path.read_text() == text:
                continue
            if "--check" in arguments:
                stale += 1
                sys.stderr.write(f"{path.relative_to(ROOT)} is out of date: run `make docs`\n")
            else:
                path.parent.mkdir(parents=True, exist_ok=True)
                path.write_text(text)
    return int(stale > 0)


if __name__ == "__main__":
    raise SystemExit(main(sys.argv[1:]))
