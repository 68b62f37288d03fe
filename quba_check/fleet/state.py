"""The state of a fleet on disk: which models need not be judged again."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path

from pydantic import ValidationError

from quba_check.demands.profiles import find_thresholds
from quba_check.errors import ThresholdError, UserError
from quba_check.fleet.command import PAGE, RECORD, SUMMARY
from quba_check.fleet.result import ModelResult, ModelState, read_records, record_files, result_of
from quba_check.gate.provenance import is_record_of
from quba_check.models.specs import ModelSpec
from quba_check.records.files import IMAGES_SUFFIX, write_text
from quba_check.records.provenance import InputRow
from quba_check.storage.user_files import os_errors, read_bytes, sha256

STATE = "result.json"
"""File in the folder of a model, written when its process ended."""
LARGEST = 2**20


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
    advice = "Allowed: a folder that you may write to. Name another --out."
    for path in (folder / STATE, *records, folder / PAGE, folder / SUMMARY):
        with os_errors(f"{path}: belongs to an earlier run and cannot be removed", UserError, advice):
            path.unlink(missing_ok=True)


def reusable_result(
    name: str, spec: ModelSpec, folder: Path, settings: tuple[str, ...], files: Iterable[str] = ()
) -> ModelResult | None:
    """Return the result of an earlier fleet with the same command line, model and inputs.

    Args:
        name: name of the model.
        spec: its spec.
        folder: the folder of its files.
        settings: words of the present command line that determine the verdict.
        files: names of files in the folder that the present fleet asks for.
    """
    path = folder / STATE
    try:
        state = ModelState.model_validate_json(read_bytes(path, str(path), UserError, LARGEST))
        # The code of a callable or a serving pipeline is not in the record, nor are the files of a reference.
        is_current = (
            spec.kind != "callable"
            and state.settings == settings
            and all(
                record.reference is None
                and "serving" not in record.measurements
                and is_record_of(record, spec)
                and all(map(_is_unchanged, record.inputs))
                for record in read_records(folder)
            )
        )
    except (UserError, ValidationError):
        return None
    result = result_of(name, spec.text, folder, state, is_reused=True)
    has_files = all((folder / file).is_file() for file in files)
    return result if is_current and has_files and result.has_verdict else None


def _is_unchanged(row: InputRow) -> bool:
    """Return True if a file that a run read has the same bytes.

    Its name is relative to pytest's root folder, which is the current folder or one above.

    Raises:
        UserError: it cannot be read.
    """
    for folder in (Path.cwd(), *Path.cwd().parents):
        try:
            return sha256(find_thresholds(row.path, folder), row.path, UserError) == row.sha256
        except ThresholdError:
            continue
    return row.kind == "manifest"  # one that is part of quba-check, or at an address
