"""Search for the preprocessing of the model's training, and its finding."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace

import numpy as np
import torch
from numpy.typing import NDArray

from quba_check.core.predictions import Predictions
from quba_check.core.view import CLEAN
from quba_check.doctor.finding import Finding
from quba_check.doctor.preprocessing_candidates import (
    NONE,
    BatchNormShift,
    batchnorm_shift,
    bgr_candidates,
    geometry_candidates,
    is_close,
    normalisation_candidates,
    own_normalisation,
)
from quba_check.doctor.significance import ALPHA, mcnemar_p, sign_flip_p
from quba_check.doctor.subject import ModelUnderTest, Variant
from quba_check.errors import ModelError
from quba_check.models.preprocessing.preprocessing import Preprocessing
from quba_check.suites.suite import Example

_GAIN = 0.1
"""Smallest gain of another normalisation, in nats per image. Equally good ones differ by a hundredth (some
models prefer another contrast), wrong ones by tenths."""
_LIFT = 0.05
"""Smallest rise in accuracy of another resize or crop: most models gain a little at a size above that of
training (Touvron et al. 2019, Fixing the train-test resolution discrepancy)."""
_STRANGE = 0.25
_FAMILIAR = 0.1
"""BatchNorm divergence above which its input is wrong, and below which it is right. Observed: 0.01 to 0.05
for the right normalisation on twenty images, 0.3 to 0.9 for another common one."""
_CLEARLY = 4
"""Smallest factor by which another normalisation must reduce the divergence."""
_HARD = 8
_EASY = 4
"""Images to try another normalisation on, if there is no BatchNorm. In trials with real networks,
0.96 or more of the errors that the search then finds were suspicious, and 0.04 to 0.4 of healthy models."""
_POOR = 0.5
"""Accuracy below which the short form examines resize and crop."""
_STEP = "normalisation"
_FILE = "preprocessing.yaml"
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


def better_preprocessing(subject: ModelUnderTest, current: Variant) -> CandidateScore | None:
    """Return a significantly better normalisation, channel order, resize or crop, if there is time.

    Args:
        subject: the model under examination.
        current: the preprocessing in use, with a class order.
    """
    better = None
    with subject.budget.step(_STEP):
        better = _better_normalisation(subject, current)
        if better is None and (not subject.short or subject.clean_answers(current).accuracy < _POOR):
            better = _better_geometry(subject, current)
    return better


def _better_normalisation(subject: ModelUnderTest, current: Variant) -> CandidateScore | None:
    """Return a significantly better normalisation or channel order.

    A BatchNorm shows whether the one in use is right, and which one is; labels must then agree. Without it
    the labels decide: the true class must be significantly and clearly more probable on the same images.
    """
    candidates = normalisation_candidates(current)
    shift = batchnorm_shift(subject, current)
    if shift is not None and shift.divergence > _STRANGE:
        better = _better_by_batchnorm(subject, current, shift, candidates)
        if better is not None:
            return better
    if shift is not None and (shift.divergence < _FAMILIAR or subject.short):
        candidates = []
    if not (subject.short and shift is not None):
        candidates = [*candidates, *bgr_candidates(current)]
    scores = successive_halving(
        subject, current, candidates, lambda score: upper_bound(score.gain) >= _GAIN, step=_STEP
    )
    clear = (score for score in scores if score.gain.mean() >= _GAIN)
    return next((score for score in clear if sign_flip_p(score.gain) < ALPHA / len(candidates)), None)


def is_normalisation_suspicious(subject: ModelUnderTest, answers: Predictions) -> bool:
    """True if another normalisation may be better than the one in use.

    The input of the first BatchNorm is then far from that of training. Without BatchNorm, another one raises
    the log-probability of the true class on a few images. Two of three are of the quarter with the least
    probable true classes, because gains come from these. No gain is larger than the loss: if
    losses are small, or a normalisation fails on the other images, these are not shown.

    Args:
        subject: the model under examination.
        answers: plausible ones to clean images, with the normalisation in use.
    """
    current = subject.current
    shift = batchnorm_shift(subject, current)
    if shift is not None:
        return shift.divergence > _STRANGE
    loss = -np.log(np.maximum(answers.true_probability, np.finfo(np.float32).tiny), dtype=np.float64)
    if loss.mean() < _GAIN:
        return False
    ranked = np.argsort(-loss, kind="stable")
    n = len(loss) // 4
    examples = {example.index: example for example in subject.suite.examples(CLEAN)}
    by_loss = [examples[k] for k in answers.index[ranked]]
    hard = by_loss[: n : max(1, n // _HARD)][:_HARD]
    easy = by_loss[n :: 3 * n // _EASY][:_EASY]
    bgr = bgr_candidates(current)[:1]  # a model of the other one, from 0 to 255, has no plausible answers
    for candidate in (*normalisation_candidates(current), *bgr):
        score = candidate_score(subject, current, candidate, easy)
        if score is not None and _likely_gain(loss[ranked[:n]], score.gain) >= _GAIN:
            score = candidate_score(subject, current, candidate, [*hard, *easy])
            if score is not None and _likely_gain(*np.split(score.gain, [len(hard)])) >= _GAIN:
                return True
    return False


def _likely_gain(hard: NDArray[np.float64], easy: NDArray[np.float64]) -> float:
    """Return the mean gain of a quarter and the other images, plus its standard error."""
    error = math.hypot(standard_error(hard) / 4, standard_error(easy) * 3 / 4)
    return float(hard.mean() / 4 + easy.mean() * 3 / 4) + error


def _better_geometry(subject: ModelUnderTest, current: Variant) -> CandidateScore | None:
    """Return a resize or crop with significantly and clearly higher accuracy."""
    candidates = geometry_candidates(current)
    scores = successive_halving(
        subject,
        current,
        candidates,
        lambda score: upper_bound(score.lift) > _LIFT and score.gain.mean() > 0,
        step="resize and crop",
    )
    alpha = ALPHA / len(candidates)
    clear = (score for score in scores if score.lift.mean() > _LIFT and sign_flip_p(score.gain) < alpha)
    return next((score for score in clear if mcnemar_p(*score.correct) < alpha), None)


def _better_by_batchnorm(
    subject: ModelUnderTest, current: Variant, current_shift: BatchNormShift, candidates: Sequence[Variant]
) -> CandidateScore | None:
    """Return the candidate closest to the running statistics.

    None if it is not clearly closer, or if labels disagree, which they cannot if answers are at chance.
    """
    shifts = [
        (shift, candidate) for candidate in candidates if (shift := batchnorm_shift(subject, candidate))
    ]
    shift, nearest = min(shifts, key=lambda pair: pair[0].divergence, default=(current_shift, current))
    if shift.divergence * _CLEARLY >= current_shift.divergence:
        return None
    for score in successive_halving(subject, current, [nearest], lambda _: True, step=_STEP):
        gain = score.gain
        lift = score.lift
        labels_agree = gain.mean() >= standard_error(gain) and lift.mean() >= -standard_error(lift)
        if labels_agree or subject.is_at_chance(current):
            return replace(score, shifts=(current_shift, shift))
    return None


def preprocessing_finding(subject: ModelUnderTest, better: CandidateScore) -> Finding:
    """Return the finding that names the better variant."""
    fix = _fix(subject, better.variant)
    return subject.finding("preprocessing", _problem(subject, better.variant), _evidence(better), fix)


def _problem(subject: ModelUnderTest, better: Variant) -> str:
    current = subject.current.preprocessing
    preprocessing = better.preprocessing
    if better.is_bgr:
        return "images go in with channels in the order RGB; the model was trained with BGR."
    if (preprocessing.mean, preprocessing.std) == (current.mean, current.std):
        return f"the resize or crop does not fit the model; {better.name} does."
    own = own_normalisation(subject.classifier.module)
    if _is_none(preprocessing) and own is not None:
        return f"images are normalised twice: by the preprocessing, and again by the model ('{own}')."
    if _is_none(current):
        return f"the normalisation is missing; the model was trained with {_in_words(preprocessing)}."
    return f"images go in with {_in_words(current)}; the model was trained with {_in_words(preprocessing)}."


def _evidence(score: CandidateScore) -> str:
    before, after = (correct.mean() for correct in score.correct)
    log_before, log_after = (log_probability.mean() for log_probability in score.log_probability)
    text = (
        f"on {len(score.gain)} clean images accuracy {before:.3f} as is, {after:.3f} with the fix; "
        f"mean log-probability of the true class {log_before:.2f} and {log_after:.2f}"
    )
    if score.shifts is None:
        return text
    current, fixed = score.shifts
    return (
        f"{text}\nthe input of the first BatchNorm ('{current.layer}') has "
        f"{_ratio(current.variance_ratio)} times the variance of training as is, "
        f"{_ratio(fixed.variance_ratio)} times with the fix"
    )


def _fix(subject: ModelUnderTest, variant: Variant) -> str:
    classifier = subject.classifier
    current = subject.current.preprocessing.as_dict()
    lines = [
        f"{key}: {_yaml(value)}"
        for key, value in variant.preprocessing.as_dict().items()
        if key != "source" and value != current[key]
    ]
    if lines and classifier.spec.endswith(".keras"):
        lines.append("# a .keras file lacks what the training did before the model, such as preprocess_input")
    flip = "wrap the model in a callable whose forward begins with images = images.flip(1)"
    if classifier.no_gradient:  # a program has no forward of its own
        flip = "give a NumpyModel (docs/models.md) whose predict begins with images = images[..., ::-1]"
    if not lines:
        return flip
    lines.insert(0, f"write to {_FILE}, and give --quba-preprocessing={_FILE}:")
    return "\n".join([f"{flip}, and", *lines] if variant.is_bgr else lines)


def _is_none(preprocessing: Preprocessing) -> bool:
    return is_close((preprocessing.mean, preprocessing.std), NONE)


def _in_words(preprocessing: Preprocessing) -> str:
    if not any(preprocessing.mean) and len(set(preprocessing.std)) == 1:
        return f"values from 0 to {1 / preprocessing.std[0]:.3g}"
    mean, std = (" ".join(map("{:.3g}".format, each)) for each in (preprocessing.mean, preprocessing.std))
    return f"mean {mean} and std {std}"


def _ratio(ratio: float) -> str:
    return f"{ratio:,.0f}" if ratio >= 100 else f"{ratio:.2g}"


def _yaml(value: object) -> str:
    if isinstance(value, list):
        return f"[{', '.join(map(_yaml, value))}]"
    return f"{value:.6g}" if isinstance(value, float) else str(value)


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
    rows = torch.arange(len(examples))
    true = torch.tensor([example.label for example in examples])
    scores = [(logits.double() / t).log_softmax(dim=1)[rows, true] for t in _TEMPERATURES]
    best = max(scores, key=lambda score: float(score.mean()))
    return (logits.argmax(dim=1) == true).numpy(), best.numpy()
