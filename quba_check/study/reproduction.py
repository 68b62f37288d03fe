"""A published model measured again: its published values next to those of both protocols."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass

from quba_check.core.dimension import PUBLISHED_DIMENSIONS
from quba_check.core.measurement import Measurement, Outcome, Unmeasurable
from quba_check.core.protocols import PROTOCOLS, ProtocolName
from quba_check.grading import PublishedModel, quba_score
from quba_check.grading.published import IMAGES

ORDER: tuple[ProtocolName, ...] = tuple(sorted(PROTOCOLS, key=lambda name: name != "released"))
"""`released` first: the published values are of this protocol."""
ROUNDING: Mapping[str, float] = {"parameters": 0.05}
"""Half a unit of the last published digit by dimension; 0.00005 for all others."""


@dataclass(frozen=True, slots=True)
class Reproduction:
    """A dimension of a published model, measured under both protocols.

    Attributes:
        dimension: its name.
        published: the published value.
        is_suspect: the published value is suspect.
        outcomes: measurement or the reason for none by protocol.
    """

    dimension: str
    published: float
    is_suspect: bool
    outcomes: Mapping[ProtocolName, Outcome]

    @property
    def agrees(self) -> bool | None:
        """True if the published value lies in the 95 % interval of protocol `released`.

        The interval is widened by the rounding of the published value. Without an interval, the value itself
        counts; None without a value.
        """
        outcome = self.outcomes["released"]
        if isinstance(outcome, Unmeasurable):
            return None
        low, high = outcome.interval or (outcome.value, outcome.value)
        margin = ROUNDING.get(self.dimension, 0.00005) + 1e-9
        return low - margin <= self.published <= high + margin


def reproductions(
    model: PublishedModel, outcomes: Mapping[ProtocolName, Mapping[str, Outcome]]
) -> tuple[Reproduction, ...]:
    """Return the nine dimensions of a published model with their new measurements.

    Args:
        model: the published model.
        outcomes: outcome by protocol and dimension.
    """

    def reproduction(name: str) -> Reproduction:
        by_protocol = {protocol: outcomes[protocol][name] for protocol in ORDER}
        return Reproduction(name, model.values[name], name in model.doubtful, by_protocol)

    return tuple(map(reproduction, PUBLISHED_DIMENSIONS))


def scores(rows: tuple[Reproduction, ...]) -> dict[str, float | None]:
    """Return the QUBA scores against `published`: as published, and by protocol.

    None if one of the nine has no value, or a masked one.
    """
    result: dict[str, float | None] = {
        "published": quba_score({row.dimension: row.published for row in rows})
    }
    for protocol in ORDER:
        measured = [outcome for row in rows if isinstance(outcome := row.outcomes[protocol], Measurement)]
        values = {
            measurement.dimension: measurement.value for measurement in measured if not measurement.masked
        }
        result[protocol] = quba_score(values) if len(values) == len(rows) else None
    return result


def reproduction_notes(rows: tuple[Reproduction, ...]) -> Iterator[str]:
    """Yield notes on disagreements, missing values, and the images behind the measurements."""
    differing = [row.dimension for row in rows if row.agrees is False]
    if differing:
        yield (
            f"not in the interval of protocol released: {', '.join(differing)}. Reasons can be other "
            "weights, preprocessing, versions or images, or a defect of the released code"
        )
    if any(row.is_suspect for row in rows):
        yield "?: suspect published value"
    accuracy = next(row.outcomes["released"] for row in rows if row.dimension == "accuracy")
    n = accuracy.n if isinstance(accuracy, Measurement) else None
    if n is not None and n < IMAGES:
        yield (
            f"{n:,} clean images, published were {IMAGES:,}: with fewer images intervals are wider, "
            "calibration_error is too high and class_balance too low"
        )
    elif n is not None:
        yield (
            "on the same images, differences are no sampling errors; the interval then only shows which of "
            "them matter"
        )
    reasons: dict[str, list[str]] = {}
    for row in rows:
        for protocol, outcome in row.outcomes.items():
            if isinstance(outcome, Unmeasurable):
                reason = outcome.reason.removeprefix(f"{row.dimension} ")
                reasons.setdefault(f"{row.dimension}: {reason}", []).append(protocol)
            else:
                for note in outcome.notes:
                    reasons.setdefault(f"{row.dimension}: {note}", []).append(protocol)
    for text, protocols in reasons.items():
        yield text if len(protocols) == len(ORDER) else f"{text} ({protocols[0]})"
