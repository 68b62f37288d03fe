"""One value in `.eval_results`, for the leaderboard of a benchmark on the Hugging Face Hub."""

from __future__ import annotations

import re
from dataclasses import dataclass

from quba_check.core.measurement import transfer_notes
from quba_check.core.request import target_name
from quba_check.errors import OptionError, UserError, extra_needed
from quba_check.exports.attestation import public_path
from quba_check.messages import allowed_names
from quba_check.number_format import UNIT_SIGNS, interval_text
from quba_check.records.measurement import MeasurementRow, QuantityRow
from quba_check.records.record import Record
from quba_check.reports.cells import bound_text
from quba_check.reports.verdict_labels import most_severe

FOLDER = ".eval_results"
"""Folder of a model repository with results for leaderboards."""
_DATASET = re.compile(r"[A-Za-z0-9_.-]+/[A-Za-z0-9_.-]+")
_TOOL = "quba-check"
_WHERE = f"{_TOOL} report"


@dataclass(frozen=True, slots=True)
class Benchmark:
    """A task of a dataset on the Hub, which has a leaderboard.

    Attributes:
        dataset: id of the dataset, such as `ILSVRC/imagenet-1k`.
        task: id of the task, as in the dataset's `eval.yaml`.
        revision: commit of the dataset; None if unknown.
    """

    dataset: str
    task: str
    revision: str | None = None

    @property
    def file_name(self) -> str:
        """Name of the file that quba-check writes."""
        return f"{_TOOL}-{_slug(self.dataset)}-{_slug(self.task)}.yaml"


def leaderboard_text(
    record: Record, benchmark: Benchmark, name: str, *, as_percentage: bool = False, url: str | None = None
) -> str:
    """Return the file in `.eval_results` with one value of a record.

    Args:
        record: the record.
        benchmark: the dataset and the task that the value belongs to.
        name: dimension, or dimension.part.
        as_percentage: write fractions and ratios times 100, as leaderboards in per cent need.
        url: where a reader finds the record or a report; None if nowhere.

    Raises:
        UserError: huggingface_hub is not installed, or the record has no such value.
        OptionError: the dataset has no valid id.
    """
    with extra_needed(_WHERE, "huggingface_hub 1.4 or newer", UserError, extra="hf"):
        import yaml
        from huggingface_hub import EvalResultEntry, eval_result_entries_to_yaml

    if not _DATASET.fullmatch(benchmark.dataset):
        allowed = "a dataset on the Hub as OWNER/NAME, such as ILSVRC/imagenet-1k"
        raise OptionError(where=f"{_WHERE}: --dataset", got=f"'{benchmark.dataset}'", allowed=allowed)
    if not benchmark.task.strip():
        allowed = "the id of a task in the dataset's eval.yaml"
        raise OptionError(where=f"{_WHERE}: --task", got=f"'{benchmark.task}'", allowed=allowed)
    quantity = _quantity(record, name)
    factor = 100 if as_percentage else 1
    if as_percentage and quantity.unit not in ("fraction", "ratio"):
        got = f"{name}, which has the unit {quantity.unit}"
        raise OptionError(where=f"{_WHERE}: --percent", got=got, allowed="a fraction or ratio")
    entry = EvalResultEntry(
        dataset_id=benchmark.dataset,
        task_id=benchmark.task,
        value=float(f"{factor * quantity.value:.12g}"),
        dataset_revision=benchmark.revision,
        date=record.environment.time,
        source_url=url,
        source_name=None if url is None else f"{_TOOL} record",
        notes=_notes(record, name, quantity),
    )
    comment = f"# Written by {_TOOL}, which replaces this file.\n"
    content = eval_result_entries_to_yaml([entry])
    return comment + str(yaml.safe_dump(content, sort_keys=False, allow_unicode=True, width=1000))


def _quantity(record: Record, name: str) -> QuantityRow:
    """Return the value of a dimension or part."""
    values: dict[str, QuantityRow] = {}
    for dimension, row in record.measured.items():
        values |= {dimension: row}
        values |= {target_name(dimension, part): value for part, value in row.parts.items()}
    if name not in values:
        hint = allowed_names(name, values) if values else "Nothing was measured."
        raise OptionError(where=f"{_WHERE}: --value", got=f"'{name}'", hint=hint)
    return values[name]


def _notes(record: Record, name: str, quantity: QuantityRow) -> str:
    """Return what a reader of a leaderboard must know about the value."""
    version = record.environment.versions.get(_TOOL)
    notes = [
        f"{_TOOL} {version}" if version else _TOOL,
        f"protocol {record.protocol}",
        f"suite {record.suite.name}",
        f"{name} in {quantity.unit}" if quantity.unit in UNIT_SIGNS else name,
    ]
    if (n := quantity.images or quantity.n) is not None:
        notes.append(f"{n:,} images")
    row = record.measurements.get(re.split("[.@]", name)[0])
    if isinstance(row, MeasurementRow) and (row.masked or row.masked_at):
        notes.append("masked: no evidence of robustness")
    if isinstance(row, MeasurementRow) and transfer_notes(row.notes):
        notes.append("attacks computed on another model: an upper limit")
    if quantity.interval is not None:
        notes.append(f"95 % interval {interval_text(quantity.interval, quantity.unit, quantity.n)}")
    verdict = most_severe(row for row in record.verdicts if row.target == name)
    if verdict is not None:
        place = f"{public_path(verdict.file)}:{verdict.line}"
        notes.append(f"demand {bound_text(verdict)} in {place}: {verdict.outcome}")
    return ", ".join(notes)


def _slug(text: str) -> str:
    """Return a text with only the characters that the Hub allows in ids.

    >>> _slug("my ten classes")
    'my-ten-classes'
    """
    return re.sub(r"[^A-Za-z0-9_.]+", "-", text).strip("-.") or "unnamed"
