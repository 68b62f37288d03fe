"""FGSM and PGD attacks under an L∞ bound, on pixels or on normalised inputs.

Both maximise the cross-entropy of the logits with the true label. Points are pixel values in [0, 1] (protocol
`standard`) or a model's normalised inputs (`released`); both are clamped to [0, 1]. Gradients are float32.

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
    """Logits at a point, and the gradient of their cross-entropy.

    Attributes:
        logits: (N, C) detached.
        direction: (N, …) gradient of the cross-entropy, in the shape of the points.
    """

    logits: torch.Tensor
    direction: torch.Tensor

    @property
    def is_zero(self) -> torch.Tensor:
        """(N,) bool, True if the gradient of an image is zero everywhere."""
        return (self.direction == 0).flatten(1).all(dim=1)


def gradient(logits: Logits, points: torch.Tensor, label: torch.Tensor) -> Gradient:
    """Return logits and gradient at points, from one forward and one backward pass.

    Args:
        logits: function from (N, …) points to (N, C) logits.
        points: (N, …) float32, in [0, 1] for attacks on pixels.
        label: (N,) int64 true classes.

    Raises:
        UnmeasurableError: torch cannot differentiate the logits with respect to the points.
        ModelError: a backward pass written by the model's author fails.
    """
    inputs = points.detach().clone().requires_grad_(True)
    with torch.enable_grad():
        outputs = logits(inputs)
        if not outputs.requires_grad:
            raise UnmeasurableError("the model passes no gradient from its output to its input")
        # Summed, so that an image's gradient does not depend on how many others share its batch.
        loss = F.cross_entropy(outputs, label, reduction="sum")
        try:
            with model_errors("the model's backward pass fails:"):
                (direction,) = torch.autograd.grad(loss, inputs, allow_unused=True)
        except ModelError as error:
            # torch raises RuntimeError for operations that it cannot differentiate.
            if not isinstance(error.__cause__, RuntimeError):
                raise
            raise UnmeasurableError(str(error).replace("RuntimeError: ", "", 1)) from error
    if direction is None:
        raise UnmeasurableError("the model passes no gradient from its output to its input")
    return Gradient(outputs.detach(), direction.detach().float())


def fgsm_point(points: torch.Tensor, direction: torch.Tensor, *, epsilon: float = EPSILON) -> torch.Tensor:
    """Return the FGSM point: ε along the sign of the gradient, clamped to [0, 1].

    Args:
        points: (N, …) float32, in [0, 1].
        direction: (N, …) gradient at these points.
        epsilon: L∞ radius, in the unit of the points.
    """
    return (points + epsilon * direction.sign()).clamp(0.0, 1.0)


def pgd_start(
    points: torch.Tensor, indices: Sequence[int], seed: int, *, epsilon: float = EPSILON
) -> torch.Tensor:
    """Return a uniformly random point of the ε-ball around each image, clamped to [0, 1].

    It depends on seed and image index alone, not on batch, order or device.

    Args:
        points: (N, …) float32, in [0, 1].
        indices: index of each image in its set.
        seed: seed of the run.
        epsilon: L∞ radius, in the unit of the points.
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
    """Yield projected steps from `start` along the sign of the gradient (PGD).

    Points are projected to the ε-ball and to [0, 1].

    Args:
        logits: function from (N, …) points to (N, C) logits.
        points: (N, …) float32, in [0, 1].
        label: (N,) int64 true classes.
        start: (N, …) first point; see `pgd_start`.
        epsilon: L∞ radius, in the unit of the points.
        step: step size, in the same unit.
        steps: number of steps.

    Yields:
        (point, logits at that point) for the start and every iterate. The logits of the last iterate are
        None, as it needs no gradient: the caller runs this forward pass.
    """
    point = start
    for _ in range(steps):
        step_gradient = gradient(logits, point, label)
        yield point, step_gradient.logits
        moved = point + step * step_gradient.direction.sign()
        point = (points + (moved - points).clamp(-epsilon, epsilon)).clamp(0.0, 1.0)
    yield point, None


def check_bounds(points: torch.Tensor, attacked: torch.Tensor, *, epsilon: float = EPSILON) -> None:
    """Check that attacked pixels are in [0, 1] and in the ε-ball, except for rounding.

    Args:
        points: (N, …) float32, in [0, 1].
        attacked: (N, …) attacked points.
        epsilon: L∞ radius, in the unit of the points.

    Raises:
        InvariantError: an attack left its bounds; its accuracy would be wrong.
    """
    low, high = float(attacked.min()), float(attacked.max())
    largest = float((attacked - points).abs().max())
    if not (low >= -TOLERANCE and high <= 1 + TOLERANCE and largest <= epsilon + TOLERANCE):
        raise InvariantError(
            f"an attack left its bounds: pixels in [{low:.7f}, {high:.7f}], largest change {largest:.7f}. "
            f"Allowed: pixels in [0, 1], changes up to {epsilon:.7f}."
        )
