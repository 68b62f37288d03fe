"""Results in the `model-index` of a Hugging Face model card."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from quba_check.errors import UserError, extra_needed
from quba_check.exports.hub_metrics import HUB, TOOL, demand_place, metric_name, slug, worst_verdict
from quba_check.number_format import ordinal
from quba_check.records.measurement import MeasurementRow
from quba_check.records.record import Record
from quba_check.records.verdict import GradeRow
from quba_check.reports.verdict_labels import bound_text

if TYPE_CHECKING:
    from huggingface_hub import EvalResult

TASK = "image-classification"
KEY = "model-index"


def card_with_results(text: str, label: str, record: Record, url: str | None = None) -> str:
    """Return a model card with the measured dimensions of a record in its `model-index`.

    Results of an earlier record of the same suite and protocol are replaced; all others stay, and the text
    below the front matter. huggingface_hub writes the front matter, without its comments.

    Args:
        text: the card, with its line breaks.
        label: its name in messages.
        record: the record.
        url: where a reader finds the record or a report; None if nowhere.

    Raises:
        UserError: huggingface_hub is not installed, nothing was measured, or the front matter is no metadata
            of a model.
    """
    with extra_needed("quba-check model-card", HUB, UserError, extra="hf"):
        from huggingface_hub import RepoCard
        from huggingface_hub.repocard import REGEX_YAML_BLOCK
        from huggingface_hub.repocard_data import ModelCardData, eval_results_to_model_index
        from yaml import YAMLError

    line_break = "\r\n" if "\r\n" in text else "\n"
    # Without a front matter, RepoCard prints a warning.
    start = "" if REGEX_YAML_BLOCK.match(text) else line_break.join(("---", "", "---", ""))
    try:
        card: Any = RepoCard(start + text)
        ModelCardData(**card.data.to_dict())
    except (ValueError, TypeError, AttributeError, RecursionError, YAMLError) as why:
        reason = next(iter(str(why).splitlines()), type(why).__name__)
        raise UserError(
            f"{label}: the front matter is no metadata of a model. Allowed: that of a model card. "
            f"huggingface_hub reports: {reason}"
        ) from why
    (new,) = eval_results_to_model_index(record.model.name, _results(record, url))
    card.data[KEY] = _with_result(card.data.get(KEY) or [new | {"results": []}], *new["results"])
    return str(card)


def _with_result(models: list[Any], result: Any) -> list[Any]:
    """Return a `model-index` with a result instead of its earlier version."""

    def is_earlier(other: Any) -> bool:
        return _identity(other) == _identity(result)

    model = next((one for one in models if any(map(is_earlier, one["results"]))), models[0])
    others = [other for other in model["results"] if not is_earlier(other)]
    index = next((k for k, other in enumerate(model["results"]) if is_earlier(other)), len(others))
    model["results"] = [*others[:index], result, *others[index:]]
    return models


def _identity(result: Any) -> tuple[str, str] | None:
    """Return suite and protocol of a result that quba-check wrote; None for other results."""
    args = result["dataset"].get("args")
    if not isinstance(args, dict) or args.get("tool") != TOOL:
        return None
    return str(result["dataset"]["type"]), str(args.get("protocol"))


def _results(record: Record, url: str | None) -> list[EvalResult]:
    """Return a result for each measured dimension, and for the QUBA score.

    Raises:
        UserError: no dimension was measured.
    """
    from huggingface_hub import EvalResult

    metrics = [
        (name, row.value, metric_name(name, row), _details(record, name, row))
        for name, row in record.measurements.items()
        if isinstance(row, MeasurementRow)
    ]
    if not metrics:
        raise UserError(
            f"quba-check model-card: the run of {record.model.name} measured no dimension. "
            "Allowed: a record with at least one."
        )
    for grade in record.files_by_grade():
        if grade.score is not None and grade.percentile is not None:
            details = {"letter": grade.letter, "interval": list(grade.interval or ()) or None}
            metrics.append(("quba_score", grade.score, _score_name(grade, grade.percentile), details))
    dataset_args = {
        "tool": TOOL,
        "version": record.environment.versions.get(TOOL, "unknown"),
        "protocol": record.protocol,
        "suite_fingerprint": record.suite.fingerprint,
        "verdict": record.overall_verdict,
    }
    return [
        EvalResult(
            task_type=TASK,
            dataset_type=slug(record.suite.name),
            dataset_name=f"{record.suite.name}, protocol {record.protocol}",
            dataset_args=dataset_args,
            metric_type=name,
            metric_value=value,
            metric_name=title,
            metric_args=details,
            source_name=None if url is None else f"{TOOL} record",
            source_url=url,
        )
        for name, value, title, details in metrics
    ]


def _score_name(grade: GradeRow, percentile: float) -> str:
    """Return the name of a score with its letter, population and caveats."""
    words = [f"QUBA score, grade {grade.letter}, {ordinal(percentile)} percentile of {grade.population}"]
    words += [f"without {', '.join(grade.missing)}"] if grade.missing else []
    words += [f"other protocol for {', '.join(grade.cross_protocol)}"] if grade.cross_protocol else []
    words += [f"other suite: {grade.other_suite}"] if grade.other_suite else []
    return "; ".join(words)


def _details(record: Record, name: str, row: MeasurementRow) -> dict[str, Any]:
    """Return unit, images, interval, and the verdict with the place of its demand."""
    details: dict[str, Any] = {"unit": row.unit, "images": row.images or row.n}
    details["interval"] = None if row.interval is None else list(row.interval)
    verdict = worst_verdict(record, name)
    if verdict is not None:
        details |= {"demand": bound_text(verdict), "verdict": verdict.outcome}
        details["source"] = demand_place(verdict)
    return details
