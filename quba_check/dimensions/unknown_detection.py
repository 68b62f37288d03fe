"""Unknown detection: how well a score separates clean images from images of no class."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from functools import partial

import numpy as np
from numpy.typing import NDArray

from quba_check.core.confidence import curve_of
from quba_check.core.dimension import Part
from quba_check.core.facts import Facts, SuiteFacts, table_class_names
from quba_check.core.measurement import Measurement, Quantity, Table
from quba_check.core.predictions import Tables
from quba_check.core.view import CLEAN, UNKNOWN_PREFIX, View
from quba_check.dimensions._measuring import with_groups
from quba_check.dimensions._registry import dimension
from quba_check.dimensions._validation import LONGEST_TEXT
from quba_check.dimensions.answers import image_scores
from quba_check.errors import UnmeasurableError
from quba_check.metrics.separation import auroc, auroc_limits, fpr_at_95_tpr_estimate, fpr_at_95_tpr_limits
from quba_check.stats.estimate import Estimate, mean_of

SHOWN = 10
"""Number of the most confident images of each set in the table."""
REMEDY = "declare score: max_probability under 'unknown'"
NOTE = "The unknown images with the highest scores. A known class among them is a sign that the set leaks."


def _view(name: str) -> View:
    return View(f"{UNKNOWN_PREFIX}{name}")


def _parts(suite: SuiteFacts) -> tuple[Part, ...]:
    fpr = "share of unknown images accepted with 95 % of the clean ones (the positive class)"
    return (
        *(Part(name, "fraction", "high", f"AUROC of clean against {name}", name) for name in suite.unknown),
        *(Part(f"{name}_fpr95", "fraction", "low", f"{fpr}, on {name}", name) for name in suite.unknown),
    )


def _check_declared(suite: SuiteFacts) -> None:
    if not suite.unknown:
        raise UnmeasurableError(
            "the suite has no unknown images; declare a folder of them under 'unknown'", missing_data=True
        )


@dimension(
    "unknown_detection",
    title="How well the confidence of the model separates clean images from images of no class.",
    unit="fraction",
    better="high",
    source=(
        "AUROC and max_probability: Hendrycks and Gimpel, ICLR 2017; max_logit: Hendrycks et al., ICML 2022; "
        "energy: Liu et al., NeurIPS 2020"
    ),
    views=lambda suite: (CLEAN, *map(_view, suite.unknown)),
    parts=_parts,
    check_suite=lambda suite, _labels: _check_declared(suite),
)
def measure(predictions: Tables, facts: Facts) -> Measurement:
    """Mean AUROC over the sets under `unknown`, with clean images as the positive ones.

    It is that of the suite's score. `SET_fpr95` is the share of a set's images that are accepted by the
    threshold that accepts 95 % of the clean images.

    Raises:
        UnmeasurableError: there are no such sets, or the score needs logits.
    """
    suite = facts.suite
    _check_declared(suite)
    score = partial(image_scores, score=suite.unknown_score, outputs=facts.model.outputs, remedy=REMEDY)
    known = score(predictions[CLEAN])
    unknown = {name: score(predictions[_view(name)]) for name in suite.unknown}
    areas = {name: auroc(known, scores, (CLEAN, _view(name))) for name, scores in unknown.items()}
    n = {name: len(scores) for name, scores in unknown.items()}
    parts = {name: _quantity(area, n[name]) for name, area in areas.items()}
    for name, scores in unknown.items():
        rate = fpr_at_95_tpr_estimate(known, scores, (CLEAN, _view(name)))
        curve = curve_of(partial(fpr_at_95_tpr_limits, known, scores), 0.0, 1.0)
        part = Quantity(rate.value, "fraction", n[name], curve, influences=rate.influences)
        # Only groups need the influences, which approximate the error of the threshold.
        parts[f"{name}_fpr95"] = replace(with_groups(part, predictions), influences={})
    whole = _quantity(mean_of(areas.values()), sum(n.values()))
    tables = {"most_confident": _most_confident(predictions, unknown, suite)}
    notes = (f"score: {suite.unknown_score}",)
    measured = Measurement.of("unknown_detection", whole, parts=parts, notes=notes, tables=tables)
    return replace(measured, score=suite.unknown_score)


def _quantity(area: Estimate, n: int) -> Quantity:
    curve = curve_of(partial(auroc_limits, area), 0.0, 1.0)
    return Quantity(area.value, "fraction", n, curve, influences=area.influences)


def _most_confident(
    predictions: Tables, scores: Mapping[str, NDArray[np.float64]], suite: SuiteFacts
) -> Table:
    """Return the images of each set with the highest scores."""
    names = table_class_names(suite.class_names, suite.class_count)
    rows = []
    for name, of_set in scores.items():
        table = predictions[_view(name)]
        images = table.extra.get("name", table.index)
        for row in np.argsort(-of_set, kind="stable")[:SHOWN]:
            image = str(images[row])[-LONGEST_TEXT:]
            cells = (str(_view(name)), image, names[table.predicted[row]], float(table.confidence[row]))
            rows.append((of_set[row], cells))
    rows.sort(key=lambda row: -row[0])
    return Table(("set", "image", "predicted", "probability"), tuple(cells for _, cells in rows), NOTE)
