"""The state of a fleet on disk: which models need not be judged again."""

from __future__ import annotations

import os
import sys
from collections.abc import Iterable, Iterator, Mapping
from contextlib import suppress
from importlib.machinery import PathFinder
from pathlib import Path
from typing import Literal

from pydantic import Field, ValidationError

from quba_check.demands.profiles import find_thresholds
from quba_check.errors import ThresholdError, UserError
from quba_check.fleet.command import PAGE, RECORD, SUMMARY
from quba_check.fleet.result import ModelResult, read_records, record_files, result_of
from quba_check.models.specs import ModelSpec
from quba_check.records.files import IMAGES_SUFFIX, write_text
from quba_check.records.measurement import JsonRow
from quba_check.records.provenance import InputRow
from quba_check.records.record import Record
from quba_check.storage.user_files import read_bytes, sha256

STATE = "result.json"
"""File in the folder of a model, written when its process ended."""
LARGEST = 2**20
_WITHOUT_FILES = ("demo", "timm", "hub", "open_clip")
"""Kinds of models whose spec determines the weights."""


class FileStamp(JsonRow):
    """Size and time of a model file after the run.

    Attributes:
        size: in bytes.
        mtime_ns: Unix time of the last change in nanoseconds.
        sha256: hex digest of the bytes that the run read; empty if unknown.
    """

    size: int
    mtime_ns: int
    sha256: str = ""


class ModelState(JsonRow):
    """The end of a model's process.

    Attributes:
        schema_version: version of this format.
        model: the model spec.
        settings: what determines the verdict, apart from the contents of files.
        started: Unix time of the start in seconds.
        seconds: duration of the process.
        exit_code: of pytest; negative for the signal that ended it.
        problem: the last error of the process; empty if there is none.
        files: the model's files by path.
    """

    schema_version: Literal[1] = 1
    model: str
    settings: tuple[str, ...]
    started: float
    seconds: float
    exit_code: int
    problem: str = ""
    files: dict[str, FileStamp] = Field(default_factory=dict)


def write_state(state: ModelState, folder: Path) -> None:
    """Write the state of a model into its folder.

    Raises:
        UserError: it cannot be written.
    """
    write_text(f"{state.model_dump_json(indent=2)}\n", folder / STATE)


def remove_results(folder: Path) -> None:
    """Remove state, records, page and summary of an earlier run.

    A run that is killed or refused then has no results, and none of other thresholds are added to its own.

    Raises:
        UserError: one of them cannot be removed.
    """
    records = [*record_files(folder), *folder.glob(f"{RECORD}*{IMAGES_SUFFIX}")]
    for path in (folder / STATE, *records, folder / PAGE, folder / SUMMARY):
        try:
            path.unlink(missing_ok=True)
        except OSError as error:
            raise UserError(
                f"{path}: belongs to an earlier run and cannot be removed ({error.strerror}). "
                "Allowed: a folder that you may write to. Name another --out."
            ) from None


def read_state(folder: Path) -> ModelState | None:
    """Return the state of a model; None if there is none that this version reads."""
    path = folder / STATE
    try:
        return ModelState.model_validate_json(read_bytes(path, str(path), UserError, LARGEST))
    except (UserError, ValidationError):
        return None


def reusable_result(
    name: str, spec: ModelSpec, folder: Path, settings: tuple[str, ...], files: Iterable[str] = ()
) -> ModelResult | None:
    """Return the result of an earlier fleet, if nothing that determines it has changed.

    Compared are the settings, the files that the run read, and the files of the model.

    Args:
        name: name of the model.
        spec: its spec.
        folder: the folder of its files.
        settings: of the present fleet.
        files: names of files in the folder that the present fleet asks for.
    """
    state = read_state(folder)
    if state is None or (state.model, state.settings) != (spec.text, settings):
        return None
    result = result_of(name, spec.text, folder, state.exit_code, state.seconds, state.problem, is_reused=True)
    if not result.has_verdict or not all((folder / file).is_file() for file in files):
        return None
    try:
        inputs = [row for record in read_records(folder) for row in record.inputs]
        is_current = all(map(_is_unchanged_input, inputs)) and _are_unchanged(state)
    except UserError:
        return None
    return result if is_current else None


def file_stamps(spec: ModelSpec, records: Iterable[Record]) -> dict[str, FileStamp]:
    """Return the files that a model was loaded from, by absolute path.

    Args:
        spec: the spec of the model.
        records: its records, which have the digests of its files.
    """
    digests = {name: digest for record in records for name, digest in record.model.files.items()}
    stamps = {}
    for path, digest in _model_files(spec, digests):
        with suppress(OSError):  # removed in the meantime
            status = path.stat()
            stamps[os.path.abspath(path)] = FileStamp(  # noqa: PTH100  links are kept
                size=status.st_size, mtime_ns=status.st_mtime_ns, sha256=digest
            )
    return stamps


def _model_files(spec: ModelSpec, digests: Mapping[str, str]) -> Iterator[tuple[Path, str]]:
    """Yield the existing files of a model with their digests."""
    if spec.kind == "callable":
        module = _module_file(spec.text.partition(":")[0])
        if module is not None:
            yield module, ""
    elif spec.kind not in _WITHOUT_FILES:
        base = spec.path if spec.kind == "folder" else spec.path.parent
        for name, digest in digests.items():
            if (base / name).is_file():
                yield base / name, digest


def _module_file(name: str) -> Path | None:
    """Return the file of a module without importing it; None if unknown."""
    places = [str(Path.cwd()), *sys.path]  # as in the model's process, which `python -m` starts here
    spec = None
    parts = name.split(".")
    for end in range(1, len(parts) + 1):
        spec = PathFinder.find_spec(".".join(parts[:end]), places)
        if spec is None:
            return None
        places = list(spec.submodule_search_locations or ())
    origin = None if spec is None else spec.origin
    return Path(origin) if origin is not None and Path(origin).is_file() else None


def _are_unchanged(state: ModelState) -> bool:
    """Return True if the files of a model are those that its run read.

    Raises:
        UserError: one of them cannot be read.
    """
    for name, stamp in state.files.items():
        path = Path(name)
        try:
            status = path.stat()
        except OSError:
            return False
        is_same = (status.st_size, status.st_mtime_ns) == (stamp.size, stamp.mtime_ns)
        # ctime shows a file that was replaced with its size and mtime kept.
        if is_same and max(stamp.mtime_ns, status.st_ctime_ns) < state.started * 1e9:
            continue
        if status.st_size != stamp.size or sha256(path, name, UserError) != stamp.sha256:
            return False
    return True


def _is_unchanged_input(row: InputRow) -> bool:
    """Return True if a file that a run read has the same bytes.

    Raises:
        UserError: it cannot be read.
    """
    path = _input_path(row.path)
    if path is None:
        return row.kind == "manifest"  # one that is part of quba-check, or at an address
    return sha256(path, row.path, UserError) == row.sha256


def _input_path(name: str) -> Path | None:
    """Return a file by its name in a record; None if missing.

    The name is relative to pytest's root folder, which is the current folder or one above.
    """
    current = Path.cwd()
    for folder in (current, *current.parents):
        try:
            return find_thresholds(name, folder)
        except ThresholdError:
            continue
    return None
