"""FGSM and PGD under an L∞ bound, in whatever space the points live.

Both maximise the cross-entropy of the logits against the true label. The caller says what a point is: pixel
values in [0, 1] (protocol `standard`) or a model's normalised input (`released`); both are clamped to
[0, 1] in that space. Gradients are float32.

Sources: Goodfellow, Shlens & Szegedy, ICLR 2015 (FGSM); Madry et al., ICLR 2018 (PGD).
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass

import numpy as np
import torch
import torch.nn.functional as F

from quba_check.core.protocols import EPSILON, PGD_STEP, PGD_STEPS
from quba_check.errors import InvariantError, ModelError, UnmeasurableError
from quba_check.models.classifier import model_errors

Logits = Callable[[torch.Tensor], torch.Tensor]
TOLERANCE = 1e-6
_PGD_STREAM = 0x9D


@dataclass(frozen=True, slots=True)
class Gradient:
    """Answers at a point, and the direction in which they get worse.

    Attributes:
        logits: (N, C) detached.
        direction: gradient of the cross-entropy, shaped as the points.
    """

    logits: torch.Tensor
    direction: torch.Tensor

    @property
    def is_zero(self) -> torch.Tensor:
        """(N,) bool: the gradient of the image is zero everywhere, so that no attack can start."""
        return (self.direction == 0).flatten(1).all(dim=1)


def gradient(logits: Logits, points: torch.Tensor, label: torch.Tensor) -> Gradient:
    """One forward and one backward.

    Args:
        logits: (N, …) points → (N, C).
        points: (N, …) float32.
        label: (N,) int64 true classes.

    Raises:
        UnmeasurableError: torch cannot differentiate the answers by the points.
        ModelError: the model's own backward pass raises something else.
    """
    at = points.detach().clone().requires_grad_(True)
    with torch.enable_grad():
        answers = logits(at)
        if not answers.requires_grad:
            raise UnmeasurableError("the model passes no gradient from its output to its input")
        # Summed, so that an image's gradient does not depend on how many others share its batch.
        loss = F.cross_entropy(answers, label, reduction="sum")
        try:
            with model_errors("the model's backward pass fails:"):
                (direction,) = torch.autograd.grad(loss, at, allow_unused=True)
        except ModelError as error:
            if not isinstance(error.__cause__, RuntimeError):  # torch's own, which it cannot differentiate
                raise
            raise UnmeasurableError(str(error).replace("RuntimeError: ", "", 1)) from error
    if direction is None:
        raise UnmeasurableError("the model passes no gradient from its output to its input")
    return Gradient(answers.detach(), direction.detach().float())


def fgsm_point(points: torch.Tensor, direction: torch.Tensor, *, epsilon: float = EPSILON) -> torch.Tensor:
    """The FGSM point: ε along the sign of the gradient, clamped to [0, 1]."""
    return (points + epsilon * direction.sign()).clamp(0.0, 1.0)


def pgd_start(
    points: torch.Tensor, indices: Sequence[int], seed: int, *, epsilon: float = EPSILON
) -> torch.Tensor:
    """A uniformly random point of the ε-ball around each image, clamped to [0, 1].

    It depends on seed and image index alone, whatever the batch, the order or the device.
    """
    shape = tuple(points.shape[1:])
    noise = np.stack(
        [
            np.random.default_rng([seed, _PGD_STREAM, index]).uniform(-epsilon, epsilon, shape)
            for index in indices
        ]
    ).astype(np.float32)
    return (points + torch.from_numpy(noise).to(points.device)).clamp(0.0, 1.0)


def pgd_iterates(
    logits: Logits,
    points: torch.Tensor,
    label: torch.Tensor,
    start: torch.Tensor,
    *,
    epsilon: float = EPSILON,
    step: float = PGD_STEP,
    steps: int = PGD_STEPS,
) -> Iterator[tuple[torch.Tensor, torch.Tensor | None]]:
    """Walk from `start` along the sign of the gradient, projected to the ε-ball and to [0, 1].

    Yields:
        (point, logits at that point) for the start and every iterate; the logits of the last iterate are
        None, as no gradient is needed there: the caller runs the one forward that remains.
    """
    point = start
    for _ in range(steps):
        here = gradient(logits, point, label)
        yield point, here.logits
        moved = point + step * here.direction.sign()
        point = (points + (moved - points).clamp(-epsilon, epsilon)).clamp(0.0, 1.0)
    yield point, None


def check_bounds(points: torch.Tensor, attacked: torch.Tensor, *, epsilon: float = EPSILON) -> None:
    """Hold attacked pixels to [0, 1] and to the ε-ball, each with a tolerance of 1e-6.

    Raises:
        InvariantError: an attack left its bounds; its accuracy would have been wrong.
    """
    low, high = float(attacked.min()), float(attacked.max())
    largest = float((attacked - points).abs().max())
    if not (low >= -TOLERANCE and high <= 1 + TOLERANCE and largest <= epsilon + TOLERANCE):
        raise InvariantError(
            f"an attack left its bounds: pixels in [{low:.7f}, {high:.7f}], largest change {largest:.7f}. "
            f"Allowed: pixels in [0, 1], changes up to {epsilon:.7f}."
        )
