"""Successive halving: candidates for the preprocessing compete with the one in use."""

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
        gain: (N,) increase in the log-probability of the true class, in nats. Each side has its best
            temperature, so that a change of confidence alone does not count as a gain.
        log_probabilities: means over the images under both.
    """

    variant: Variant
    correct: tuple[NDArray[np.bool_], NDArray[np.bool_]]
    gain: NDArray[np.float64]
    log_probabilities: tuple[float, float]

    @property
    def accuracies(self) -> tuple[float, float]:
        """Accuracy under the current preprocessing and under the candidate."""
        return float(self.correct[0].mean()), float(self.correct[1].mean())

    @property
    def lift(self) -> NDArray[np.float64]:
        """(N,) increase in correctness: -1, 0 or 1 per image."""
        return self.correct[1].astype(np.float64) - self.correct[0]

    @property
    def gain_p(self) -> float:
        """P-value of “the log-probabilities are not higher”."""
        return sign_flip_p(self.gain)

    @property
    def accuracy_p(self) -> float:
        """P-value of “accuracy is not higher”."""
        return mcnemar_p(*self.correct)


def upper_bound(values: NDArray[np.float64]) -> float:
    """Mean plus two and a half standard errors."""
    return float(values.mean()) + 2.5 * standard_error(values)


def standard_error(values: NDArray[np.float64]) -> float:
    """Standard error of the mean of (N,) values."""
    return float(values.std(ddof=1) / np.sqrt(len(values)))


def successive_halving(
    subject: ModelUnderTest,
    candidates: Sequence[Variant],
    columns: Columns,
    is_promising: Callable[[CandidateScore], bool],
    *,
    step: str,
) -> list[CandidateScore]:
    """Return the scores of the candidates left after the last round, best first.

    Early rounds use few images and drop candidates, so that a healthy model costs few forward passes. If the
    time budget ends, the scores so far are returned.

    Args:
        subject: the model under examination.
        candidates: variants; one that the model cannot take, such as another size, is dropped.
        columns: the output of each class.
        is_promising: False drops a candidate after a round.
        step: name of the search, noted if it was left out in part.
    """
    remaining = list(candidates)
    scores: list[CandidateScore] = []
    for limit, n_left in SHORT_ROUNDS if subject.short else ROUNDS:
        scored: list[CandidateScore | None] = []
        examples = subject.sample(limit=limit)
        with subject.budget.step(step):
            scored.extend(candidate_score(subject, candidate, columns, examples) for candidate in remaining)
        promising = [score for score in scored if score is not None and is_promising(score)]
        if len(scored) < len(remaining):
            promising = promising or scores
        scores = sorted(promising, key=lambda score: -float(score.gain.mean()))[:n_left]
        remaining = [score.variant for score in scores]
        if not remaining or subject.budget.is_spent() or len(examples) < limit:
            break
    return scores


def candidate_score(
    subject: ModelUnderTest, candidate: Variant, columns: Columns, examples: Sequence[Example]
) -> CandidateScore | None:
    """Return a candidate's score on clean images; None if the model cannot take it."""
    if len(examples) < 2:
        return None
    true = torch.from_numpy(columns[labels(examples)])
    current_logits = subject.logits(examples)
    try:
        logits = subject.logits(examples, variant=candidate)
    except ModelError:
        return None
    before, after = _best_log_probability(current_logits, true), _best_log_probability(logits, true)
    return CandidateScore(
        candidate,
        ((current_logits.argmax(dim=1) == true).numpy(), (logits.argmax(dim=1) == true).numpy()),
        (after - before).numpy(),
        (float(before.mean()), float(after.mean())),
    )


def _best_log_probability(logits: Tensor, true: Tensor) -> Tensor:
    """(N,) log-probability of the true class at the temperature with the highest mean."""
    rows = torch.arange(len(true))
    scores = [(logits.double() / t).log_softmax(dim=1)[rows, true] for t in _TEMPERATURES]
    return max(scores, key=lambda score: float(score.mean()))
