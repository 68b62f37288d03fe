"""FGSM and PGD attacks under an L∞ bound, on pixels or on normalised inputs.

Both maximise the cross-entropy of the logits with the true label. Points are pixel values in [0, 1] (protocol
`standard`) or a model's normalised inputs (`released`); both are clamped to [0, 1]. Gradients are float32.

Sources: Goodfellow, Shlens & Szegedy, ICLR 2015 (FGSM); Madry et al., ICLR 2018 (PGD).
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor

from quba_check.core.protocols import PGD_STEP
from quba_check.errors import InvariantError, ModelError, UnmeasurableError
from quba_check.models.compute import row_index
from quba_check.models.errors import model_errors

LogitFunction = Callable[[Tensor], Tensor]
TOLERANCE = 1e-6
_PGD_STREAM = 0x9D


@dataclass(frozen=True, slots=True)
class LossGradient:
    """Logits at a point, and the gradient of their cross-entropy.

    Attributes:
        logits: (N, C) detached.
        direction: (N, …) gradient of the cross-entropy, in the shape of the points; 0 if not wanted.
        is_taken: False if no image wanted a gradient, so that there was no backward pass.
    """

    logits: Tensor
    direction: Tensor
    is_taken: bool = True

    @property
    def is_zero(self) -> Tensor:
        """(N,) bool, True if the gradient of an image is zero everywhere or not finite.

        An attack does not move an image along NaN, whose sign is 0.
        """
        direction = self.direction.flatten(1)
        return (direction == 0).all(dim=1) | ~direction.isfinite().all(dim=1)


def gradient(
    logits: LogitFunction,
    points: Tensor,
    label: Tensor,
    wanted: Callable[[Tensor], Sequence[int]] | None = None,
) -> LossGradient:
    """Return logits and gradient at points, from one forward and at most one backward pass.

    Args:
        logits: function from (N, …) points to (N, C) logits.
        points: (N, …) float32, in [0, 1] for attacks on pixels.
        label: (N,) int64 true classes.
        wanted: function from the (N, C) logits to the rows whose gradient is needed; by default all.

    Raises:
        UnmeasurableError: torch cannot differentiate the logits with respect to the points.
        ModelError: a backward pass written by the model's author fails.
    """
    inputs = points.detach().requires_grad_(True)
    with torch.enable_grad():
        outputs = logits(inputs)
        if not outputs.requires_grad:
            raise UnmeasurableError("the model passes no gradient from its output to its input")
        # Summed, so that an image's gradient does not depend on how many others share its batch.
        rows = range(len(points)) if wanted is None else wanted(outputs.detach())
        if not rows:
            return LossGradient(outputs.detach(), torch.zeros_like(points), is_taken=False)
        if len(rows) == len(points):
            loss = F.cross_entropy(outputs, label, reduction="sum")
        else:
            chosen = row_index(rows, outputs.device)
            loss = F.cross_entropy(outputs[chosen], label[chosen], reduction="sum")
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
    return LossGradient(outputs.detach(), direction.detach().float())


def fgsm_point(points: Tensor, direction: Tensor, epsilon: float) -> Tensor:
    """Return the FGSM point: ε along the sign of the gradient, clamped to [0, 1].

    Args:
        points: (N, …) float32, in [0, 1].
        direction: (N, …) gradient at these points.
        epsilon: the size of the step.
    """
    return (points + epsilon * direction.sign()).clamp(0.0, 1.0)


def start_noise(shape: tuple[int, ...], index: int, seed: int, epsilon: float) -> Tensor:
    """Return the random move of an image before PGD, uniform in the ε-ball.

    It depends on seed, image index and ε alone, not on batch, order or device.

    Args:
        shape: of a point.
        index: index of the image in its set.
        seed: seed of the run.
        epsilon: radius of the ball.
    """
    noise = np.random.default_rng([seed, _PGD_STREAM, index]).uniform(-epsilon, epsilon, shape)
    return torch.from_numpy(noise.astype(np.float32))


def pgd_start(points: Tensor, noise: Tensor) -> Tensor:
    """Return the first points of PGD: moved by `start_noise`, clamped to [0, 1].

    Args:
        points: (N, …) float32, in [0, 1].
        noise: (N, …) moves.
    """
    return (points + noise).clamp(0.0, 1.0)


def pgd_step(points: Tensor, current: Tensor, direction: Tensor, epsilon: float) -> Tensor:
    """Return the next PGD iterate: a step along the sign of the gradient, projected.

    The projection is to the ε-ball around the points and to [0, 1].

    Args:
        points: (N, …) float32 unattacked points, in [0, 1].
        current: (N, …) present iterate.
        direction: (N, …) gradient at the present iterate.
        epsilon: radius of the ball.
    """
    moved = current + PGD_STEP * epsilon * direction.sign()
    return (points + (moved - points).clamp(-epsilon, epsilon)).clamp(0.0, 1.0)


def extents(points: Tensor, attacked: Tensor) -> Tensor:
    """Return smallest and largest value and largest change of each attacked image, (N, 3)."""
    flat = attacked.flatten(1)
    return torch.stack([flat.amin(dim=1), flat.amax(dim=1), (flat - points.flatten(1)).abs().amax(dim=1)], 1)


def check_bounds(extent: Tensor, epsilon: float) -> None:
    """Check that attacked pixels are in [0, 1] and in the ε-ball, except for rounding.

    Args:
        extent: (N, 3), see `extents`.
        epsilon: radius of the ball.

    Raises:
        InvariantError: an attack left its bounds; its accuracy would be wrong.
    """
    low = float(extent[:, 0].min())
    high = float(extent[:, 1].max())
    largest = float(extent[:, 2].max())
    if not (low >= -TOLERANCE and high <= 1 + TOLERANCE and largest <= epsilon + TOLERANCE):
        raise InvariantError(
            f"an attack left its bounds: pixels in [{low:.7f}, {high:.7f}], largest change {largest:.7f}",
            allowed=f"pixels in [0, 1], changes up to {epsilon:.7f}",
        )
