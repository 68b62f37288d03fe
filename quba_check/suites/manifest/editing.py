"""Adding sets to a manifest, without changing any other byte."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from pathlib import Path

from ruamel.yaml.nodes import MappingNode

from quba_check.errors import SuiteError
from quba_check.storage.atomic import write_atomically
from quba_check.strict_yaml import Document, read_yaml
from quba_check.strict_yaml.document import children, end_of
from quba_check.suites.manifest.reading import read_manifest

Entries = Mapping[str, Mapping[str, str | int | bool]]
"""Keys and values of each set, by its name."""
_PLAIN = re.compile(r"(?!(true|false|null)$)[a-z/][\w./-]*", re.IGNORECASE)
"""Text that needs no quotes in YAML."""


def manifest_line(name: str, entry: Mapping[str, str | int | bool]) -> str:
    """Return the line of a set under `sets:`.

    >>> manifest_line("mixed_same", {"reader": "folder", "path": "made, not drawn", "expected": 9})
    'mixed_same: {reader: folder, path: "made, not drawn", expected: 9}'
    """
    return f"{name}: {{{', '.join(f'{key}: {yaml_scalar(value)}' for key, value in entry.items())}}}"


def add_sets(manifest: Path, entries: Entries) -> None:
    """Add sets after those that a manifest declares; identical ones are skipped.

    Raises:
        UserError: the file cannot be read or written, has an error, declares a set of that name
            differently, or has its sets in braces.
    """
    shown = str(manifest)
    read_manifest(manifest, shown)
    document = read_yaml(manifest, shown, SuiteError)
    declared = document.data["sets"]
    for name, entry in entries.items():
        if name in declared and declared[name] != entry:
            raise SuiteError(
                f"{document.at_key(('sets', name))}: the set '{name}' is already declared. "
                f"Allowed in its place: {manifest_line(name, entry)}"
            )
    lines = [manifest_line(name, entry) for name, entry in entries.items() if name not in declared]
    if not lines:
        return
    content = _insert_lines(document, lines)
    try:
        write_atomically(manifest, content, lambda path: read_manifest(path, shown))
    except OSError as error:
        raise SuiteError(f"{manifest}: cannot be written ({error.strerror}).") from None


def _insert_lines(document: Document, lines: list[str]) -> bytes:
    """Insert lines after the last set. ruamel's round trip would reformat the whole file."""
    sets = next(child.node for child in children(document.root) if child.step == "sets")
    if not isinstance(sets, MappingNode) or sets.flow_style or not sets.value:
        raise SuiteError(
            f"{document.at(('sets',))}: the sets are in braces, where no lines can be added. "
            f"Add them yourself: {', '.join(lines)}"
        )
    rows = document.path.read_bytes().splitlines(keepends=True)
    ending = b"\r\n" if rows[0].endswith(b"\r\n") else b"\n"
    last = int(end_of(sets).line)
    if not rows[last].endswith(b"\n"):
        rows[last] += ending
    indent = b" " * sets.value[0][0].start_mark.column
    rows[last + 1 : last + 1] = [indent + line.encode() + ending for line in lines]
    return b"".join(rows)


def yaml_scalar(value: str | int | bool) -> str:
    """Return a value as YAML, with quotes if necessary.

    >>> yaml_scalar("val/a.csv"), yaml_scalar("7"), yaml_scalar(True)
    ('val/a.csv', '"7"', 'true')
    """
    if isinstance(value, str) and _PLAIN.fullmatch(value):
        return value
    return json.dumps(value, ensure_ascii=False)  # JSON is YAML
