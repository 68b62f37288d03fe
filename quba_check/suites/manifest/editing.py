"""Adding sets to a manifest."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from pathlib import Path

from ruamel.yaml.comments import CommentedMap

from quba_check.errors import SuiteError
from quba_check.storage.atomic import write_atomically
from quba_check.storage.user_files import os_errors
from quba_check.strict_yaml import read_yaml
from quba_check.strict_yaml.round_trip import append, edit, flow_mapping
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
        UserError: the file cannot be read or written, has an error or a comment in braces, or declares a set
            of that name differently.
    """
    label = str(manifest)
    read_manifest(manifest, label)
    document = read_yaml(manifest, label, SuiteError)
    declared = document.data["sets"]
    for name, entry in entries.items():
        if name in declared and declared[name] != entry:
            raise SuiteError(
                f"the set '{name}' is already declared. Allowed in its place: {manifest_line(name, entry)}",
                where=document.at_key(("sets", name)),
            )

    def change(root: CommentedMap) -> None:
        for name, entry in entries.items():
            if name not in declared:
                append(root["sets"], name, flow_mapping(entry))

    content = edit(document, change).encode()
    with os_errors("cannot be written", SuiteError, where=f"{manifest}"):
        write_atomically(manifest, content, lambda path: read_manifest(path, label))


def yaml_scalar(value: str | int | bool) -> str:
    """Return a value as YAML, with quotes if necessary.

    >>> yaml_scalar("val/a.csv"), yaml_scalar("7"), yaml_scalar(True)
    ('val/a.csv', '"7"', 'true')
    """
    if isinstance(value, str) and _PLAIN.fullmatch(value):
        return value
    return json.dumps(value, ensure_ascii=False)  # JSON is YAML
