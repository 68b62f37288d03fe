"""Corruption robustness: the share of the clean accuracy left under common corruptions."""

from __future__ import annotations

from quba_check.core.dimension import Part
from quba_check.core.facts import Facts, SuiteFacts
from quba_check.core.measurement import Measurement, Table
from quba_check.core.predictions import Tables
from quba_check.core.view import CLEAN, CORRUPTIONS_SET, SAMPLED, SEVERITIES, View
from quba_check.dimensions._ratios import mean_ratio, ratios, reference_notes
from quba_check.dimensions._registry import dimension
from quba_check.errors import UnmeasurableError

GATE_RUN = (
    "sampled: each image under one of the 75 corruptions and severities, all equally often; "
    "sample: all in the manifest shows each under all"
)


def _corrupted(corruption: str, severity: int) -> View:
    return View(CORRUPTIONS_SET, corruption=corruption, severity=severity)


def _views(suite: SuiteFacts) -> tuple[View, ...]:
    if suite.samples_corruptions:
        return (CLEAN, SAMPLED)
    names = (*suite.corruptions, *suite.extra_corruptions)
    return (CLEAN, *(_corrupted(name, severity) for name in names for severity in SEVERITIES))


def _parts(suite: SuiteFacts) -> tuple[Part, ...]:
    if suite.samples_corruptions:
        return ()
    where = {name: f"under {name.replace('_', ' ')}, all severities" for name in suite.corruptions}
    where |= {f"severity_{severity}": f"at severity {severity}" for severity in SEVERITIES}
    where |= {name: f"under {name.replace('_', ' ')}, not in the value" for name in suite.extra_corruptions}
    return tuple(Part(name, "ratio", "high", f"relative accuracy {text}") for name, text in where.items())


@dimension(
    "corruption_robustness",
    title="How much of the accuracy is left under noise, blur, weather and digital corruptions.",
    unit="ratio",
    better="high",
    weight=1 / 3,
    source="arXiv 2503.17110; ImageNet-C: Hendrycks and Dietterich, ICLR 2019",
    views=_views,
    parts=_parts,
)
def measure(predictions: Tables, facts: Facts) -> Measurement:
    """Mean over corruptions of the mean over severities of acc(corrupted) / acc(clean).

    Extra corruptions are parts outside of the value. If the suite samples corruptions, each image is shown
    under one of them; all have equally many images.

    Raises:
        UnmeasurableError: there are no corruptions, a set is empty, or the clean accuracy is 0.
    """
    names = facts.suite.corruptions
    if not names:
        raise UnmeasurableError(
            "the suite has no corruptions; declare the set 'corruptions'", missing_data=True
        )
    if facts.suite.samples_corruptions:
        sampled = ratios(predictions, [SAMPLED])[SAMPLED]
        notes = (GATE_RUN, *reference_notes(predictions))
        return Measurement.of("corruption_robustness", sampled.quantity(), notes=notes)
    relative = ratios(predictions, (_corrupted(name, severity) for name in names for severity in SEVERITIES))
    parts = {
        name: mean_ratio([relative[_corrupted(name, severity)] for severity in SEVERITIES]) for name in names
    }
    for severity in SEVERITIES:
        parts[f"severity_{severity}"] = mean_ratio([relative[_corrupted(name, severity)] for name in names])
    whole = mean_ratio(list(relative.values()))
    for name in facts.suite.extra_corruptions:
        extra = ratios(predictions, (_corrupted(name, severity) for severity in SEVERITIES))
        relative |= extra
        parts[name] = mean_ratio(list(extra.values()))
    severities = Table(
        ("corruption", *map(str, SEVERITIES)),
        tuple(
            (name, *(relative[_corrupted(name, severity)].estimate.value for severity in SEVERITIES))
            for name in (*names, *facts.suite.extra_corruptions)
        ),
        "accuracy relative to the clean accuracy, by severity",
    )
    tables = {"severities": severities}
    notes = reference_notes(predictions)
    return Measurement.of("corruption_robustness", whole, parts=parts, notes=notes, tables=tables)
