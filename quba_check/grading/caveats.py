"""What has to be said beside a grade: where a model and the population are less alike than they look."""

from __future__ import annotations

import math
from collections.abc import Collection, Iterator, Mapping

from quba_check.grading.population import Population
from quba_check.protocol.measurement import Measurement
from quba_check.protocol.settings import ProtocolName

CROSS_PROTOCOL = ("adversarial_robustness",)
"""The dimensions that are another quantity under the other protocol.

`released` moves the normalised input and `standard` pixels, so that the attacks differ in kind. The
dimensions on sets stored at their final size differ by a crop, and parameters by rounding: too little to be
marked.
"""
STORED_CORRUPTIONS = ("published", "screened")
"""The populations whose corruption_robustness is from the stored ImageNet-C."""
_ATTACKED = {"standard": "pixels", "released": "the normalised input"}
BIAS = 0.05
"""Score by which few images may move it without a note."""


def crossed_dimensions(
    weights: Mapping[str, float], reference: Population, protocol: ProtocolName
) -> tuple[str, ...]:
    """The weighing dimensions that the two protocols measure differently, where population and values do."""
    if reference.protocol == protocol:
        return ()
    return tuple(name for name in CROSS_PROTOCOL if weights[name] > 0)


def comparison_notes(
    missing: Collection[str],
    crossed: Collection[str],
    reference: Population,
    protocol: ProtocolName,
    suite: str | None,
) -> Iterator[str]:
    """What of the nine is missing, and whether protocol or suite are others than the population's."""
    if missing:
        yield f"partial: without {', '.join(missing)}"
    if crossed:
        yield (
            f"cross-protocol: {', '.join(crossed)}: {reference.name} attacks {_ATTACKED[reference.protocol]} "
            f"(protocol {reference.protocol}), these values {_ATTACKED[protocol]} (protocol {protocol}); "
            "that part of the score compares unlike things"
        )
    if suite is not None and reference.suite not in ("", suite):
        yield f"other suite: {reference.name} was measured on {reference.suite}, these values on {suite}"


def corruption_notes(weights: Mapping[str, float], reference: Population, generated: bool) -> Iterator[str]:
    """Whether generated corruptions are compared with stored ones."""
    if generated and reference.name in STORED_CORRUPTIONS and weights["corruption_robustness"]:
        yield (
            "generated corruptions: corruption_robustness is compared with values from the stored ImageNet-C"
        )


def few_images_notes(
    slopes: Mapping[str, float], measured: Mapping[str, Measurement], reference: Population
) -> Iterator[str]:
    """Whether fewer images than the population was measured on move the score."""
    n = measured["accuracy"].n if "accuracy" in measured else None
    if n is None or reference.images is None or n >= reference.images:
        return
    moved = {
        name: slope * (measured[name].value - debiased)
        for name, slope in slopes.items()
        if name in measured and (debiased := measured[name].debiased) is not None
    }
    if abs(whole := math.fsum(moved.values())) >= BIAS:
        yield (
            f"few images: {', '.join(moved)} on {n:,} images move the score by {whole:+.2f} against endless "
            f"ones: not comparable with {reference.name}, which was measured on {reference.images:,}"
        )
