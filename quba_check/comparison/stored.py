"""Where the answers of a stored run are: beside its record, or beside its copy in the store."""

from __future__ import annotations

from pathlib import Path

from quba_check.comparison.compared import StoredRun
from quba_check.comparison.images import PerImage
from quba_check.errors import UserError
from quba_check.protocol.record import Record

SUFFIX = ".npz"


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
    if beside.is_file():
        return StoredRun(shown, record, _read(beside, f"{Path(shown).with_suffix(SUFFIX)}", record))
    for copy in sorted((store / "runs").glob(f"{record.stem}-*{SUFFIX}")):
        try:
            return StoredRun(shown, record, _read(copy, str(copy), record))
        except UserError:  # of another run of that second
            continue
    return StoredRun(shown, record)


def _read(path: Path, shown: str, record: Record) -> PerImage:
    try:
        content = path.read_bytes()
    except OSError as why:
        raise UserError(
            f"{shown}: cannot be read ({why.strerror}). "
            "Allowed: a file that you may read, or the record alone."
        ) from why
    return PerImage.from_bytes(content, shown, record)
