"""Rows of a record about its origin: files that were read, and the doctor's findings."""

from __future__ import annotations

import hashlib
from typing import Annotated, ClassVar, Literal

from pydantic import Field

from quba_check.records.measurement import JsonRow

InputKind = Literal["threshold file", "extended threshold file", "manifest", "preprocessing", "baseline"]
Sha256 = Annotated[str, Field(pattern=r"^[0-9a-f]{64}$")]
"""A SHA-256 as 64 hex digits."""
LARGEST_TEXT = 64 * 2**10
"""Largest size in bytes of a file whose text is stored."""


class InputRow(JsonRow):
    """A file that the run read, apart from model and images.

    Attributes:
        kind: its role. In records of earlier versions, extended threshold files are threshold files too.
        path: its path, as messages show it.
        sha256: hex digest of its bytes.
        text: its content, for YAML files of at most 64 kB; else None.
        demands: of a threshold file, SHA-256 (hex) of its demands merged with those of the extended files;
            None for other files, and in records of earlier versions.
    """

    _exact: ClassVar = frozenset({"text"})

    kind: InputKind
    path: str
    sha256: Sha256
    text: str | None = None
    demands: Sha256 | None = None


class FindingRow(JsonRow):
    """A finding of the doctor, before the run or from its clean answers.

    Attributes:
        severity: `problem`, or `remark` for one that may be intended.
        title: one sentence on the place and the error.
        text: evidence and fix, on one or more lines; empty if there is neither.
    """

    _of_lines: ClassVar = frozenset({"text"})

    severity: Literal["problem", "remark"]
    title: str
    text: str = ""


def yaml_input(kind: InputKind, path: str, content: bytes) -> InputRow:
    """Return the row of a YAML file.

    Args:
        kind: its role.
        path: its path, as messages show it.
        content: its bytes, valid UTF-8.

    >>> yaml_input("manifest", "data/quba-data.yaml", b"schema: 1").text
    'schema: 1'
    """
    text = content.decode("utf-8-sig") if len(content) <= LARGEST_TEXT else None
    return InputRow(kind=kind, path=path, sha256=hashlib.sha256(content).hexdigest(), text=text)
