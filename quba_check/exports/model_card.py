"""Results in the `model-index` of a Hugging Face model card."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from quba_check.errors import UserError
from quba_check.exports.front_matter import KEY, Card
from quba_check.exports.hub_metrics import (
    MISSING,
    TOOL,
    demand_place,
    demand_text,
    metric_name,
    slug,
    worst_verdict,
)
from quba_check.number_format import ordinal
from quba_check.records.measurement import MeasurementRow
from quba_check.records.record import Record
from quba_check.records.verdict import GradeRow

if TYPE_CHECKING:
    from huggingface_hub import EvalResult

TASK = "image-classification"


def card_with_results(text: str, shown: str, record: Record, url: str | None = None) -> str:
    """Return a model card with the measured dimensions of a record in its `model-index`.

    Results of an earlier record of the same suite and protocol are replaced; all other bytes stay.

    Args:
        text: the card, with its line breaks.
        shown: its name in messages.
        record: the record.
        url: where a reader finds the record or a report; None if nowhere.

    Raises:
        UserError: huggingface_hub is not installed, nothing was measured, or the card cannot be edited.
    """
    try:
        from huggingface_hub import ModelCardData
        from huggingface_hub.repocard_data import eval_results_to_model_index
    except ImportError:
        raise UserError(f"quba-check model-card {MISSING}") from None

    mark = "\ufeff" if text.startswith("\ufeff") else ""
    card = Card.parse(text.removeprefix(mark), shown)
    card.check()
    before = _metadata(card)
    results = _results(record, url)
    data = ModelCardData(model_name=record.model.name, eval_results=results)
    (result,) = _stored_results({KEY: eval_results_to_model_index(record.model.name, results)})
    identity = _identity(result)
    changed = card.with_result(data.to_yaml(), lambda other: _identity(other) == identity)
    after = _metadata(Card.parse(changed, shown))
    if _other_content(after, identity) != _other_content(before, identity) or _count(after, identity) != 1:
        raise UserError(
            f"{shown}: its {KEY} cannot be edited in place. Allowed: one key or item a line, without anchors."
        )
    return mark + changed


def _identity(result: Any) -> tuple[str, str] | None:
    """Return suite and protocol of a result that quba-check wrote; None for other results."""
    args = result["dataset"].get("args")
    if not isinstance(args, dict) or args.get("tool") != TOOL:
        return None
    return str(result["dataset"]["type"]), str(args.get("protocol"))


def _stored_results(data: Mapping[str, Any]) -> list[Any]:
    return [result for entry in data.get(KEY) or () for result in entry["results"]]


def _other_content(data: Mapping[str, Any], identity: tuple[str, str] | None) -> str:
    """Return all content that an edit must keep; as text, because NaN differs from itself."""
    others = [result for result in _stored_results(data) if _identity(result) != identity]
    return repr(({key: value for key, value in data.items() if key != KEY}, others))


def _count(data: Mapping[str, Any], identity: tuple[str, str] | None) -> int:
    return sum(_identity(result) == identity for result in _stored_results(data))


def _metadata(card: Card) -> dict[str, Any]:
    """Return the front matter of a card as plain data, checked by huggingface_hub.

    Raises:
        UserError: it is no valid metadata of a model.
    """
    import yaml
    from huggingface_hub import ModelCardData

    try:
        data: dict[str, Any] = yaml.safe_load(card.yaml) or {}
        ModelCardData(**data)
    except (ValueError, TypeError, AttributeError, yaml.YAMLError) as why:
        lines = str(why).splitlines() or [type(why).__name__]
        raise UserError(
            f"{card.shown}: the front matter is no metadata of a model. Allowed: that of a model card. "
            f"huggingface_hub reports: {lines[0]}"
        ) from why
    return data


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
    for grade in dict.fromkeys(grade.model_copy(update={"file": ""}) for grade in record.grades):
        if grade.score is not None and grade.percentile is not None:
            details = {"letter": grade.letter, "interval": list(grade.interval or ()) or None}
            metrics.append(("quba_score", grade.score, _score_name(grade, grade.percentile), details))
    about = {
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
            dataset_args=about,
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
        details |= {"demand": demand_text(verdict), "verdict": verdict.outcome}
        details["source"] = demand_place(verdict)
    return details
