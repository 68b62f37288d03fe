"""Notes on a grade: differences between a model and its reference population."""

from __future__ import annotations

import math
from collections.abc import Collection, Iterator, Mapping, Sequence

from quba_check.core.measurement import MASKED, NO_EVIDENCE, TRANSFERRED, Measurement
from quba_check.core.protocols import ProtocolName
from quba_check.grading.population import Population

CROSS_PROTOCOL = ("adversarial_robustness",)
"""The dimensions that the two protocols define differently.

`released` attacks the normalised input, `standard` the pixels. Other dimensions differ only by a crop or by
rounding, too little to be marked.
"""
STORED_CORRUPTIONS = ("published", "screened")
"""The populations with corruption_robustness from the stored ImageNet-C."""
_ATTACKED = {"standard": "pixels", "released": "the normalised input"}
ALLOWED_SUITES = "a population of this suite (quba-check published population), or allow_other_suite: true"
"""What is allowed in place of a population of another suite."""
LEAST_SHIFT = 0.05
"""Smallest shift of the score by few images that gets a note."""


def crossed_dimensions(
    weights: Mapping[str, float], reference: Population, protocol: ProtocolName
) -> tuple[str, ...]:
    """Return the weighted dimensions with another definition under the population's protocol."""
    return tuple(name for name in CROSS_PROTOCOL if reference.protocol != protocol and weights[name] > 0)


def suite_difference(reference: Population, suite: str | None, classes: int | None) -> str:
    """Return the difference between the suites of population and values; empty if none.

    Suites are equal if their names and, where known, their numbers of classes are.
    """
    if suite is None:
        return ""
    if not reference.suite:
        return f"{reference.name} names no suite, this run was on {suite}"
    if reference.suite != suite:
        return f"{reference.name} was measured on {reference.suite}, this run on {suite}"
    if None in (classes, reference.classes) or classes == reference.classes:
        return ""
    return (
        f"{reference.name} was measured on {suite} with {reference.classes:,} classes, "
        f"this run on a suite of that name with {classes:,}"
    )


def doubt_reason(
    masked: Mapping[str, Sequence[str]], transferred: Collection[str], missing: Collection[str]
) -> str:
    """Return the reason for a missing grade if values do not count; else empty.

    Args:
        masked: signs of masking by name, for dimensions with masked values that do not count.
        transferred: names of dimensions that do not count because their attacks are on another model.
        missing: names of these dimensions and of those without a value.
    """
    left_out = dict.fromkeys((*masked, *transferred))
    if not left_out:
        return ""
    others = [name for name in missing if name not in left_out]
    reasons = [f"missing {', '.join(others)}"] if others else []
    for name in left_out:
        if name in transferred:
            reason = f"{name} is of attacks on another model; allow_transferred: true under quba counts it"
        else:
            reason = f"{NO_EVIDENCE}: {name} is masked ({'; '.join(masked[name])})"
        reasons.append(reason)
    return "; ".join(reasons)


def masking_notes(masked: Mapping[str, Sequence[str]], left_out: Collection[str]) -> Iterator[str]:
    """Yield a note on each dimension with a masked value."""
    for name, signs in masked.items():
        effect = "is left out" if name in left_out else "counts as measured (allow_masked)"
        yield f"{MASKED}{name} {effect}: {'; '.join(signs)}"


def transfer_notes(transferred: Collection[str], left_out: Collection[str]) -> Iterator[str]:
    """Yield a note on each dimension with a value under attacks on another model."""
    for name in transferred:
        effect = "is left out" if name in left_out else "counts as measured (allow_transferred)"
        yield f"{TRANSFERRED}{name} {effect}"


def comparison_notes(
    missing: Collection[str], crossed: Collection[str], reference: Population, protocol: ProtocolName
) -> Iterator[str]:
    """Yield notes on missing dimensions and on a protocol other than the population's."""
    if missing:
        yield f"partial: without {', '.join(missing)}"
    if crossed:
        yield (
            f"cross-protocol: {', '.join(crossed)}: {reference.name} attacks {_ATTACKED[reference.protocol]} "
            f"(protocol {reference.protocol}), these values {_ATTACKED[protocol]} (protocol {protocol}); "
            "that part of the score is not comparable"
        )


def corruption_notes(weights: Mapping[str, float], reference: Population, generated: bool) -> Iterator[str]:
    """Yield a note if generated corruptions are compared with stored ones."""
    if generated and reference.name in STORED_CORRUPTIONS and weights["corruption_robustness"]:
        yield (
            "generated corruptions: corruption_robustness is compared with values from the stored ImageNet-C"
        )


def few_images_notes(
    slopes: Mapping[str, float], measured: Mapping[str, Measurement], reference: Population
) -> Iterator[str]:
    """Yield a note if a smaller sample than the population's shifts the score."""
    n = measured["accuracy"].n if "accuracy" in measured else None
    if n is None or reference.images is None or n >= reference.images:
        return
    shifts = {
        name: slope * (measured[name].value - debiased)
        for name, slope in slopes.items()
        if name in measured and (debiased := measured[name].debiased) is not None
    }
    if abs(shift := math.fsum(shifts.values())) >= LEAST_SHIFT:
        yield (
            f"few images: {', '.join(shifts)} on {n:,} images move the score by {shift:+.2f} compared "
            f"with infinitely many: not comparable with {reference.name}, which was measured on "
            f"{reference.images:,}"
        )
