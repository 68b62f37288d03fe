"""Variants of the preparation, raced against the one in use on the same images."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from quba_check.doctor.class_order import labels
from quba_check.doctor.class_order_candidates import Columns
from quba_check.doctor.significance import mcnemar_p, sign_flip_p
from quba_check.doctor.subject import ModelUnderTest, Variant
from quba_check.errors import ModelError

ROUNDS = ((24, 4), (96, 2), (256, 1))
"""Images of a round, and how many variants may enter the next."""
SHORT_ROUNDS = ((24, 2), (64, 1))
_TEMPERATURES = tuple(2 ** (k / 4) for k in range(-8, 13))


@dataclass(frozen=True, slots=True)
class Candidate:
    """A variant with the words for it."""

    words: str
    variant: Variant


@dataclass(frozen=True, slots=True, eq=False)
class Heat:
    """A candidate against the usual preparation, image by image.

    Attributes:
        candidate: who runs.
        correct: (N,) whether the usual preparation's answers are right, and whether the candidate's are.
        gain: (N,) how much higher the log-probability of the true class is under the candidate, in nats. Both
            are taken at the temperature that suits them best, so that a change of confidence is no gain.
        levels: mean of these log-probabilities under both.
    """

    candidate: Candidate
    correct: tuple[NDArray[np.bool_], NDArray[np.bool_]]
    gain: NDArray[np.float64]
    levels: tuple[float, float]

    @property
    def accuracies(self) -> tuple[float, float]:
        """Accuracy under the usual preparation and under the candidate."""
        return float(self.correct[0].mean()), float(self.correct[1].mean())

    @property
    def best_gain(self) -> float:
        """As much as the mean gain may be in truth, within two and a half standard errors."""
        return upper(self.gain)

    @property
    def best_lift(self) -> float:
        """As much as accuracy may rise in truth, within two and a half standard errors."""
        return upper(self.correct[1].astype(np.float64) - self.correct[0])

    @property
    def luck(self) -> float:
        """Probability that the log-probabilities are higher by luck."""
        return sign_flip_p(self.gain)

    @property
    def luck_of_accuracy(self) -> float:
        """Probability that accuracy is higher by luck."""
        return mcnemar_p(*self.correct)


def upper(values: NDArray[np.float64]) -> float:
    """Mean plus two and a half standard errors."""
    return float(values.mean() + 2.5 * values.std(ddof=1) / np.sqrt(len(values)))


def successive_halving(
    patient: ModelUnderTest,
    candidates: Sequence[Candidate],
    columns: Columns,
    promising: Callable[[Heat], bool],
) -> list[Heat]:
    """Heats of the candidates that came to the end, best first.

    Few images first; who is not promising on them drops out, so that a healthy patient costs few forwards.

    Args:
        patient: whose preparation is challenged.
        candidates: the challengers; one that the model cannot take, such as another size, drops out.
        columns: which output means each class.
        promising: whether a candidate may go on.
    """
    running = list(candidates)
    heats: list[Heat] = []
    for limit, keep in SHORT_ROUNDS if patient.short else ROUNDS:
        heats = [heat for each in running if (heat := _heat(patient, each, columns, limit)) is not None]
        heats = sorted(filter(promising, heats), key=lambda heat: -float(heat.gain.mean()))[:keep]
        running = [heat.candidate for heat in heats]
        if not running or len(patient.sample(limit=limit)) < limit:
            break
    return heats


def _heat(patient: ModelUnderTest, candidate: Candidate, columns: Columns, limit: int) -> Heat | None:
    examples = patient.sample(limit=limit)
    if len(examples) < 2:
        return None
    true = torch.from_numpy(columns[labels(examples)])
    usual = patient.logits(examples)
    try:
        other = patient.logits(examples, variant=candidate.variant)
    except ModelError:
        return None
    before, after = _tempered(usual, true), _tempered(other, true)
    right = tuple((logits.argmax(dim=1) == true).numpy() for logits in (usual, other))
    return Heat(
        candidate,
        (right[0], right[1]),
        (after - before).numpy(),
        (float(before.mean()), float(after.mean())),
    )


def _tempered(logits: Tensor, true: Tensor) -> Tensor:
    """(N,) log-probability of the true class at the temperature at which its mean is highest."""
    rows = torch.arange(len(true))
    scores = [(logits.double() / t).log_softmax(dim=1)[rows, true] for t in _TEMPERATURES]
    return max(scores, key=lambda score: float(score.mean()))
