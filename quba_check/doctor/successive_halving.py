"""Successive halving: candidates for the preprocessing compete with the one in use."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray

from quba_check.doctor.batchnorm import BatchNormShift
from quba_check.doctor.subject import ModelUnderTest, Variant
from quba_check.errors import ModelError
from quba_check.suites.suite import Example

ROUNDS = ((24, 4), (96, 2), (256, 1))
"""Images of a round, and the largest number of candidates left after it."""
SHORT_ROUNDS = ((24, 2), (64, 1))
_TEMPERATURES = tuple(2 ** (k / 4) for k in range(-8, 13))


@dataclass(frozen=True, slots=True, eq=False)
class CandidateScore:
    """A candidate compared with the current preprocessing, image by image.

    Attributes:
        variant: the candidate.
        correct: (N,) correct answers under the current preprocessing, and under the candidate.
        log_probability: (N,) log-probabilities of the true class under both. Each side has its best
            temperature, so that a change of confidence alone does not count as a gain.
        shifts: of the first BatchNorm under both; None if it was not examined.
    """

    variant: Variant
    correct: tuple[NDArray[np.bool_], NDArray[np.bool_]]
    log_probability: tuple[NDArray[np.float64], NDArray[np.float64]]
    shifts: tuple[BatchNormShift, BatchNormShift] | None = None

    @property
    def gain(self) -> NDArray[np.float64]:
        """(N,) increase in the log-probability of the true class, in nats."""
        return self.log_probability[1] - self.log_probability[0]

    @property
    def lift(self) -> NDArray[np.float64]:
        """(N,) increase in correctness: -1, 0 or 1 per image."""
        return self.correct[1].astype(np.float64) - self.correct[0]


def upper_bound(values: NDArray[np.float64]) -> float:
    """Mean plus two and a half standard errors."""
    return float(values.mean()) + 2.5 * standard_error(values)


def standard_error(values: NDArray[np.float64]) -> float:
    """Standard error of the mean of (N,) values."""
    return float(values.std(ddof=1) / np.sqrt(len(values)))


def successive_halving(
    subject: ModelUnderTest,
    current: Variant,
    candidates: Sequence[Variant],
    is_promising: Callable[[CandidateScore], bool],
    *,
    step: str,
) -> list[CandidateScore]:
    """Return the scores of the candidates left after the last round, best first.

    Early rounds use few images and drop candidates, so that a healthy model costs few forward passes. If the
    time budget ends, the scores so far are returned.

    Args:
        subject: the model under examination.
        current: the variant in use.
        candidates: variants; one that the model cannot take, such as another size, is dropped.
        is_promising: False drops a candidate after a round.
        step: name of the search, noted if it was left out in part.
    """
    remaining = list(candidates)
    scores: list[CandidateScore] = []
    for limit, n_left in SHORT_ROUNDS if subject.short else ROUNDS:
        scored: list[CandidateScore | None] = []
        examples = subject.sample(limit=limit)
        with subject.budget.step(step):
            scored.extend(candidate_score(subject, current, candidate, examples) for candidate in remaining)
        promising = [score for score in scored if score is not None and is_promising(score)]
        if len(scored) < len(remaining):
            promising = promising or scores
        scores = sorted(promising, key=lambda score: -float(score.gain.mean()))[:n_left]
        remaining = [score.variant for score in scores]
        if not remaining or subject.budget.is_spent() or len(examples) < limit:
            break
    return scores


def candidate_score(
    subject: ModelUnderTest, current: Variant, candidate: Variant, examples: Sequence[Example]
) -> CandidateScore | None:
    """Return a candidate's score on clean images; None if the model cannot take it."""
    if len(examples) < 2:
        return None
    before = _judged(subject, current, examples)
    try:
        after = _judged(subject, candidate, examples)
    except ModelError:
        return None
    return CandidateScore(candidate, (before[0], after[0]), (before[1], after[1]))


def _judged(
    subject: ModelUnderTest, variant: Variant, examples: Sequence[Example]
) -> tuple[NDArray[np.bool_], NDArray[np.float64]]:
    """(N,) correct answers, and log-probabilities of the true class at the best temperature."""
    logits = subject.logits(examples, variant=variant)
    rows, true = torch.arange(len(examples)), torch.tensor([example.label for example in examples])
    scores = [(logits.double() / t).log_softmax(dim=1)[rows, true] for t in _TEMPERATURES]
    best = max(scores, key=lambda score: float(score.mean()))
    return (logits.argmax(dim=1) == true).numpy(), best.numpy()
