"""Where the answers of a stored run are: beside its record, or beside its copy in the store."""

from __future__ import annotations

from pathlib import Path

from quba_check.comparison.compare import StoredRun
from quba_check.errors import UserError
from quba_check.records.per_image import PerImage
from quba_check.records.record import Record
from quba_check.storage.user_files import file_kind, read_bytes

SUFFIX = ".npz"
LARGEST = 2**30
"""Bytes of a file of answers; those on ImageNet's sets take a few million."""


def stored_run(path: Path, shown: str, record: Record, store: Path) -> StoredRun:
    """A record with its answers image by image, where they are found.

    Args:
        path: the record's file.
        shown: how messages call it.
        record: what it holds.
        store: the folder of predictions, where a copy of every record goes.

    Raises:
        UserError: the file beside the record is damaged or of another run.
    """
    beside = path.with_suffix(SUFFIX)
    name = str(Path(shown).with_suffix(SUFFIX))
    if file_kind(beside, name, UserError) is not None:
        return StoredRun(shown, record, _read(beside, name, record))
    for copy in _copies(store / "runs", f"{record.stem}-"):
        try:
            return StoredRun(shown, record, _read(copy, str(copy), record))
        except UserError:  # of another run of that second
            continue
    return StoredRun(shown, record)


def _copies(folder: Path, beginning: str) -> list[Path]:
    """Return the files of answers with a given beginning of their names."""
    try:
        names = sorted(path.name for path in folder.iterdir())
    except OSError:
        return []
    return [folder / name for name in names if name.startswith(beginning) and name.endswith(SUFFIX)]


def _read(path: Path, shown: str, record: Record) -> PerImage:
    try:
        content = read_bytes(path, shown, UserError, LARGEST)
    except UserError as why:
        raise UserError(f"{why} Allowed: a file that you may read, or the record alone.") from why
    return PerImage.from_bytes(content, shown, record)
