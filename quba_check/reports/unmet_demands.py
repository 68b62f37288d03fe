"""An unmet demand in lines, with the command that shows its cause."""

from __future__ import annotations

import shlex
from collections.abc import Iterator, Sequence

from quba_check.core.view import CLEAN_SET
from quba_check.gate.options import OPTIONS, SHORT_FLAG
from quba_check.records.record import Record
from quba_check.records.verdict import DROPS, VerdictRow

OF_CLEAN_IMAGES = ("accuracy", "calibration_error", "class_balance", "classes", "answers")
"""Dimensions whose failures are single images of the clean set."""
PICTURES = "--pictures=6"
_SIZES = ("parameters", "size", "flops")


def unmet_lines(verdict: VerdictRow, lines_above: set[str]) -> Iterator[str]:
    """Yield a demand's headline, and indented the facts behind it that tables lack.

    Args:
        verdict: the verdict on the demand.
        lines_above: facts that stand above, which are not repeated; those of this demand are added.
    """
    known = verdict.explanation
    yield f"{known.headline or verdict.id}{f' [{known.place}]' if known.place else ''}"
    facts = [line for line in (*known.details, *known.notes) if line not in lines_above]
    yield from (f"  {line}" for line in facts)
    lines_above.update(facts)


def next_step(verdict: VerdictRow, record: Record, path: str, baseline: str = "") -> str:
    """Return the command that shows the cause of an unmet demand.

    Args:
        verdict: the verdict on the demand.
        record: its record.
        path: path of the record's file; empty if none was written.
        baseline: path of the record that drops are counted from; by default that of the run.

    Returns:
        A command line; empty if the demand is met or was not judged, or without a file.
    """
    if verdict.is_met or verdict.outcome == "not run" or not path:
        return ""
    explanation = verdict.explanation
    dimension = verdict.dimension
    baseline = baseline or next((file.path for file in record.inputs if file.kind == "baseline"), "")
    file = explanation.path or verdict.file  # valid from the current folder
    options = list(_doctor_options(record.command))
    if verdict.is_on_grade or (explanation.reason and not options):
        words = ["report", path, "--to", "text"]
    elif explanation.reason:
        words = ["doctor", *options, file]
    elif verdict.outcome == "uncertain" or (verdict.policy == "fail" and verdict.within_noise):
        words = ["lint", file, "--record", path]
    elif dimension in _SIZES:
        words = ["published", "recommend", file, "--record", path]
    elif _is_of_listed_images(verdict):
        words = ["failures", path, *(["--baseline", baseline] if verdict.key in DROPS and baseline else [])]
        words += [word for key, name in explanation.images.items() for word in (f"--{key}", name)]
    elif verdict.key in DROPS and baseline:
        words = ["compare", baseline, path]
    else:
        words = ["report", path, PICTURES, "-o", "report.html"]
    return shlex.join(["quba-check", *words])


def _doctor_options(command: Sequence[str]) -> Iterator[str]:
    """Yield the options of the gate in a run's command, which the doctor takes, too."""
    takes_value = {option.flag: option.metavar is not None for option in OPTIONS}
    if not any(word.startswith("--quba-model=") or word == "--quba-model" for word in command):
        takes_value[SHORT_FLAG] = True  # else it may be an option of the project
    for word, value in zip(command, [*command[1:], ""], strict=False):
        name, joined, _ = word.partition("=")
        if name in takes_value:
            yield word
            yield from [value] if takes_value[name] and not joined else []


def _is_of_listed_images(verdict: VerdictRow) -> bool:
    """True if `quba-check failures` lists the images behind a value."""
    is_clean = verdict.explanation.images.get("set", CLEAN_SET) == CLEAN_SET
    if verdict.dimension == "unknown_detection":
        return verdict.key not in DROPS  # runs keep no answers to compare
    return verdict.dimension in OF_CLEAN_IMAGES and is_clean
