"""Baselines: approved records, kept in a folder with the history of approvals."""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import asdict, dataclass, field
from itertools import islice
from pathlib import Path
from typing import Any

from pydantic import ValidationError

from quba_check.errors import StoreError, UserError
from quba_check.messages import printable
from quba_check.records.files import HISTORY, IMAGES_SUFFIX, write_bytes, write_images
from quba_check.records.measurement import QuantityRow
from quba_check.records.record import Record
from quba_check.storage.atomic import write_atomically
from quba_check.storage.locations import default_location, local_folder
from quba_check.storage.url_objects import UrlObjects
from quba_check.storage.user_files import (
    LARGEST_JSON,
    file_kind,
    is_url,
    os_errors,
    parse_json,
    read_bytes,
    sha256,
)

FOLDER = "baselines"
"""Folder of the baselines in a project's root, one folder each."""
IMAGES_DIGEST = "images_sha256"
"""Key of a line of the history: SHA-256 (hex) of the record's per-image file; empty without one."""
MOST_VALUES = 200
"""Largest number of values in a line of the history."""
_KEPT = {"value", "interval", "unit", "better"}
RECORD = "record.json"
"""Name of the approved record in its folder."""
NAME = re.compile(r"(?!.*\.json$)[A-Za-z0-9][A-Za-z0-9_.-]{0,99}")
"""Names of baselines; anything else is a path or a URL."""
_ROOT_FILES = ("pytest.ini", ".pytest.ini", "pyproject.toml", "tox.ini", "setup.cfg")
"""Files that mark pytest's root folder."""


@dataclass(frozen=True, slots=True)
class Approval:
    """A line of the history of a baseline.

    Attributes:
        time: time of the approval in UTC, in ISO 8601.
        by: who approved it.
        reason: the reason; empty if none was given.
        model: name of the model.
        verdict: overall verdict of the record.
        waived: names of its waived demands.
        sha256: SHA-256 (hex) of the record.
        values: the numbers behind its demands, by name, see `demanded_values`.
    """

    time: str
    by: str
    reason: str
    model: str
    verdict: str
    waived: tuple[str, ...]
    sha256: str
    values: Mapping[str, Any] = field(default_factory=dict)


def approved_record(location: str, root: Path, store: str | Path | None) -> Path | None:
    """Return the approved record at a location; None if none is approved yet.

    Args:
        location: the name of a baseline, or the path or URL of its folder.
        root: folder with the folder `baselines`.
        store: the store in whose folder the files of a URL are copied; None for the default one.

    Raises:
        UserError: it is not the record that was approved last, or the files at a URL cannot be copied.
    """
    path = baseline_folder(location, root) / RECORD
    if is_url(location):
        path = _copied(location, local_folder(store or default_location()))
    if not has_baseline(path.parent):
        return None
    label = f"{location.rstrip('/')}/{RECORD}" if is_url(location) else str(path)
    problem = approval_problem(path, label)
    if problem:
        raise UserError(problem, where="baseline", hint="Restore it, or approve a record again.")
    return path


def has_baseline(folder: Path) -> bool:
    """True if a folder has an approved record, or its history.

    Raises:
        UserError: the text cannot be a path.
    """
    return any(file_kind(folder / name, f"baseline: {folder}", UserError) for name in (RECORD, HISTORY))


def approval_problem(record: Path, label: str) -> str:
    """Return the difference of a record and its images from the last approval, else nothing.

    Args:
        record: the record, next to its history.
        label: its name in messages.

    Raises:
        UserError: it cannot be read.
    """
    if not record.exists():
        return f"{label} is missing"
    stated = last_approval(record)
    own = sha256(record, label, UserError)
    if not isinstance(approved := stated.get("sha256"), str):
        return f"{label} has no {HISTORY} next to it whose last line states its SHA-256"
    if approved != own:
        return (
            f"{label} is not the record that was approved last: its SHA-256 is {own[:12]}…, and the last "
            f"line of {HISTORY} states {approved[:12]}…"
        )
    images = record.with_suffix(IMAGES_SUFFIX)
    own = sha256(images, label, UserError) if images.exists() else ""
    if stated.get(IMAGES_DIGEST, own) != own:  # missing in lines of earlier versions
        return f"{images.name} next to {label} is not the file that was approved last, by its SHA-256"
    return ""


def baseline_folder(location: str, root: Path) -> Path:
    """Return the folder of a baseline, by its name or path."""
    return root / FOLDER / location if NAME.fullmatch(location) else Path(location)


def project_root() -> Path:
    """Return the project's root folder as pytest finds it, else the current one."""
    here = Path.cwd()
    folders = (folder for folder in (here, *here.parents) for name in _ROOT_FILES if (folder / name).exists())
    return next(folders, here)


def _copied(url: str, copies: Path) -> Path:
    """Copy the files of a URL to this machine; return the path of the record."""
    objects = UrlObjects(url, "baseline", UserError)
    path = copies / FOLDER / hashlib.blake2b(url.encode(), digest_size=8).hexdigest() / RECORD
    with os_errors(f"{path} cannot be written", StoreError, where="baseline"):
        path.parent.mkdir(parents=True, exist_ok=True)
        for file in (path, path.with_suffix(IMAGES_SUFFIX), path.with_name(HISTORY)):
            try:
                write_atomically(file, objects.get(file.name))
            except FileNotFoundError:
                file.unlink(missing_ok=True)
    return path


def write_baseline(folder: Path, record: bytes, images: bytes | None, approval: Approval) -> None:
    """Write or replace a baseline, and add a line to its history last.

    If it ends in between, `approval_problem` shows that the record is not the one of the last line.

    Args:
        folder: folder of the baseline.
        record: content of the record.
        images: content of its per-image file; None if it is not stored.
        approval: the line of the history.

    Raises:
        UserError: a file cannot be read or written.
    """
    path = folder / RECORD
    history = folder / HISTORY
    line = asdict(approval) | {IMAGES_DIGEST: hashlib.sha256(images).hexdigest() if images else ""}
    earlier = read_bytes(history, str(history), UserError, LARGEST_JSON) if history.exists() else b""
    if earlier and not earlier.endswith(b"\n"):
        earlier += b"\n"
    write_bytes(record, path)
    write_images(images, path)
    write_bytes(earlier + json.dumps(line, ensure_ascii=False).encode() + b"\n", history)


def approvals(record: Path) -> list[dict[str, Any]]:
    """Return the lines of the history next to a record; a damaged line is empty."""
    lines: list[dict[str, Any]] = []
    with suppress(OSError):
        for line in (record.parent / HISTORY).read_bytes().rstrip().splitlines():
            lines.append({})
            with suppress(ValueError, AttributeError):
                lines[-1] = {key: printable(value) for key, value in parse_json(line).items()}
    return lines


def last_approval(record: Path) -> dict[str, Any]:
    """Return the last line of the history next to a record; empty without one."""
    return (approvals(record) or [{}])[-1]


def demanded_values(record: Record) -> dict[str, Any]:
    """Return the numbers behind the demands of a record as plain values."""
    rows = {row.target: quantity for row in record.verdicts if (quantity := record.bounded(row)) is not None}
    kept = islice(rows.items(), MOST_VALUES)
    return {name: quantity.model_dump(mode="json", include=_KEPT) for name, quantity in kept}


def approved_values(approval: Mapping[str, Any]) -> dict[str, QuantityRow]:
    """Return the numbers of a line of the history; empty in lines of earlier versions."""
    with suppress(ValidationError, AttributeError):
        return {name: QuantityRow.model_validate(row) for name, row in approval.get("values", {}).items()}
    return {}
