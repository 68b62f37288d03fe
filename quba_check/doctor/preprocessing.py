"""Whether the model was made for images that are prepared in another way."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from quba_check.doctor import geometries
from quba_check.doctor import preprocessing_candidates as normalisations
from quba_check.doctor.batchnorm import Mismatch, mismatch
from quba_check.doctor.class_order_candidates import Columns
from quba_check.doctor.significance import ALPHA
from quba_check.doctor.subject import BATCH, ModelUnderTest, Variant
from quba_check.doctor.successive_halving import Candidate, Heat, successive_halving

_GAIN = 0.1
"""Nats per image that another normalisation must be worth. Right ones differ by a hundredth from near ones
(other contrast suits some models better), wrong ones by tenths."""
_LIFT = 0.05
"""Accuracy that another resize or crop must be worth: most models gain a little at a size above that of
training (Touvron et al. 2019, Fixing the train-test resolution discrepancy)."""
_STRANGE, _FAMILIAR = 0.25, 0.1
"""Divergence above which a BatchNorm does not know its input, and below which it does. Observed: 0.01 to 0.05
for the right normalisation on twenty images, 0.3 to 0.9 for another common one."""
_CLEARLY = 4
"""How many times nearer to training another normalisation must bring it."""


@dataclass(frozen=True, slots=True)
class Better:
    """A variant that the model was surely made for rather than the one in use.

    Attributes:
        heat: its race against the one in use.
        layers: what the first BatchNorm says of the one in use and of this one, where there is one.
        is_geometry: it differs in resize and crop, not in the normalisation.
    """

    heat: Heat
    layers: tuple[Mismatch, Mismatch] | None = None
    is_geometry: bool = False

    @property
    def variant(self) -> Variant:
        """The variant."""
        return self.heat.candidate.variant


def better_normalisation(patient: ModelUnderTest, columns: Columns, *, labels_count: bool) -> Better | None:
    """A normalisation or channel order that the model was made for, other than the one in use.

    Where the model has a BatchNorm, that tells whether the one in use is right, and which one is; the labels
    must then agree. Else the labels alone tell: on the same images the true class must be surely and clearly
    more probable.

    Args:
        patient: whose preparation is challenged.
        columns: which output means each class.
        labels_count: False where answers are at chance, so that labels cannot contradict a BatchNorm.
    """
    usual = patient.usual
    others = normalisations.candidates(usual)
    batch = patient.sample(limit=BATCH)
    now = mismatch(patient, batch, usual)
    if now is not None and now.divergence > _STRANGE:
        layers = {each.words: mismatch(patient, batch, each.variant) for each in others}
        named = _named_by_batchnorm(patient, columns, now, others, layers, labels_count=labels_count)
        if named is not None:
            return named
    if now is not None and (now.divergence < _FAMILIAR or patient.short):
        others = []
    if not (patient.short and now is not None):
        others = [*others, *normalisations.bgr_candidates(usual)]
    luck = ALPHA / max(len(others), 1)
    heats = successive_halving(patient, others, columns, lambda heat: heat.best_gain >= _GAIN)
    sure = [heat for heat in heats if heat.gain.mean() >= _GAIN and heat.luck < luck]
    return Better(sure[0]) if sure else None


def better_geometry(patient: ModelUnderTest, columns: Columns) -> Better | None:
    """A resize or crop with which the model is surely and clearly more often right.

    Args:
        patient: whose preparation is challenged.
        columns: which output means each class.
    """
    others = geometries.candidates(patient.usual)
    heats = successive_halving(
        patient, others, columns, lambda heat: heat.best_lift > _LIFT and heat.gain.mean() > 0
    )
    luck = ALPHA / len(others)
    for heat in heats:
        before, after = heat.accuracies
        if after - before > _LIFT and heat.luck_of_accuracy < luck and heat.luck < luck:
            return Better(heat, is_geometry=True)
    return None


def _named_by_batchnorm(
    patient: ModelUnderTest,
    columns: Columns,
    now: Mismatch,
    others: Sequence[Candidate],
    layers: dict[str, Mismatch | None],
    *,
    labels_count: bool,
) -> Better | None:
    known = [
        (layer.divergence, each, layer)
        for each in others
        if (layer := layers[each.words]) is not None and layer.divergence * _CLEARLY < now.divergence
    ]
    if not known:
        return None
    _, nearest, layer = min(known, key=lambda entry: entry[0])
    heats = successive_halving(patient, [nearest], columns, lambda _: True)
    if not heats:
        return None
    heat = heats[0]
    lift = heat.correct[1].astype(np.float64) - heat.correct[0]
    agrees = heat.gain.mean() >= _error(heat.gain) and lift.mean() >= -_error(lift)
    return Better(heat, (now, layer)) if agrees or not labels_count else None


def _error(values: NDArray[np.float64]) -> float:
    """Standard error of a mean."""
    return float(values.std(ddof=1) / np.sqrt(len(values)))
