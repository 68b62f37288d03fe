"""Sets that are added to a manifest, which otherwise stays as it is, to the last byte."""

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
"""Text that YAML reads as itself without quotes."""


def manifest_line(name: str, entry: Mapping[str, str | int | bool]) -> str:
    """A set as it stands under `sets:`.

    >>> manifest_line("mixed_same", {"reader": "folder", "path": "made, not drawn", "expected": 9})
    'mixed_same: {reader: folder, path: "made, not drawn", expected: 9}'
    """
    return f"{name}: {{{', '.join(f'{key}: {yaml_scalar(value)}' for key, value in entry.items())}}}"


def add_sets(manifest: Path, entries: Entries) -> None:
    """Write sets at the end of those that a manifest declares; one that stands there already is left alone.

    Raises:
        SuiteError: the file cannot be read or written, has a mistake, declares a set of that name
            differently, or writes its sets in braces.
    """
    shown = str(manifest)
    read_manifest(manifest, shown)
    document = read_yaml(manifest, shown, SuiteError)
    declared = document.data["sets"]
    for name, entry in entries.items():
        if name in declared and declared[name] != entry:
            raise SuiteError(
                f"{document.at_key(('sets', name))}: the set '{name}' is declared already. "
                f"Allowed in its place: {manifest_line(name, entry)}"
            )
    lines = [manifest_line(name, entry) for name, entry in entries.items() if name not in declared]
    if not lines:
        return
    try:
        write_atomically(manifest, _with_lines(document, lines), lambda path: read_manifest(path, shown))
    except OSError as error:
        raise SuiteError(f"{manifest}: cannot be written ({error.strerror}).") from None


def _with_lines(document: Document, lines: list[str]) -> bytes:
    """The file's content with lines after its last set."""
    sets = next(child.node for child in children(document.root) if child.step == "sets")
    if not isinstance(sets, MappingNode) or sets.flow_style or not sets.value:
        raise SuiteError(
            f"{document.at(('sets',))}: the sets are in braces, where no lines can be added. "
            f"Add them yourself: {', '.join(lines)}"
        )
    content = document.path.read_bytes()
    old = content.splitlines(keepends=True)
    ending = b"\r\n" if old[0].endswith(b"\r\n") else b"\n"
    last = int(end_of(sets).line)
    if not old[last].endswith(b"\n"):
        old[last] += ending
    indent = b" " * sets.value[0][0].start_mark.column
    old[last + 1 : last + 1] = [indent + line.encode() + ending for line in lines]
    return b"".join(old)


def yaml_scalar(value: str | int | bool) -> str:
    """A value as YAML reads it back, with quotes where text needs them.

    >>> yaml_scalar("val/a.csv"), yaml_scalar("7"), yaml_scalar(True)
    ('val/a.csv', '"7"', 'true')
    """
    if isinstance(value, str) and _PLAIN.fullmatch(value):
        return value
    return json.dumps(value, ensure_ascii=False)  # YAML reads all JSON
