"""Prediction of one shard of a view: images in, columns out."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from quba_check.core.label_space import LabelSpace
from quba_check.core.protocols import EPSILON, Protocol
from quba_check.core.view import CUE_CONFLICT_SET, View
from quba_check.engine.attacks import check_bounds, fgsm_point, gradient, pgd_iterates, pgd_start
from quba_check.engine.decisions import decision, label_in, probabilities
from quba_check.errors import ModelError
from quba_check.models.classifier import Classifier
from quba_check.models.outputs import OUTPUT_KINDS, SPECIFIC_TO_GENERAL, output_kind
from quba_check.suites.suite import Example

Rows = dict[str, NDArray[Any]]
Batches = Iterable[tuple[Sequence[Example], torch.Tensor]]
Report = Callable[[int, int], None]


@dataclass(slots=True)
class Meter:
    """Reports the work of one attempt at a shard.

    Attributes:
        report: called after every pass of a batch with finished images, and with passes counted in images.
    """

    report: Report | None = None

    def add(self, *, images: int = 0, passes: int) -> None:
        """Add the passes of a batch and the images that they finish."""
        if self.report is not None:
            self.report(images, passes)


@dataclass(frozen=True, slots=True)
class ViewTask:
    """The prediction of a view, the same for every batch.

    Attributes:
        classifier: the model, with a known kind of outputs.
        view: the view.
        declared: label space of the set's labels.
        others: further label spaces of the predictions.
        protocol: settings of attacks and ties.
        seed: seed of random starts.
        keeps_probabilities: True to store the (N, C) table.
        watch: called with the raw outputs of unattacked images, before they are converted to logits.
        meter: reports passes and images.
    """

    classifier: Classifier
    view: View
    declared: LabelSpace
    others: tuple[LabelSpace, ...]
    protocol: Protocol
    seed: int
    keeps_probabilities: bool
    watch: Callable[[torch.Tensor], None] | None = None
    meter: Meter = field(default_factory=Meter)

    def logits(self, raw: torch.Tensor) -> torch.Tensor:
        """Return the logits of raw outputs of unattacked images."""
        if self.watch is not None:
            self.watch(raw.detach())
        else:
            self._check_kind(raw.detach())
        return self.classifier.logits(raw)

    def _check_kind(self, raw: torch.Tensor) -> None:
        """Check that outputs are of the kind determined from earlier images.

        Raises:
            ModelError: they are of another kind, which would make their probabilities wrong.
        """
        expected = self.classifier.outputs
        if expected is None or expected == "logits":
            return
        kind = output_kind(raw, half=self.classifier.precision != "fp32")
        if SPECIFIC_TO_GENERAL.index(kind) > SPECIFIC_TO_GENERAL.index(expected):
            raise ModelError(
                f"{self.classifier.spec}: the outputs were taken for {expected}, but those for {self.view} "
                f"are {kind}. State their kind in quba_config['outputs']: {', '.join(OUTPUT_KINDS)}."
            )

    def rows(self, examples: Sequence[Example], logits: torch.Tensor) -> Rows:
        """Return the columns of a batch from its logits (N, C)."""
        p = probabilities(logits).cpu().numpy()
        z = logits.detach().float().cpu().numpy()
        label = np.array([example.label for example in examples], dtype=np.int64)
        ties = self.protocol.ties if self.view.set == CUE_CONFLICT_SET else "first"
        declared = decision(z, p, label, self.declared, ties)
        rows: Rows = {
            "index": np.array([example.index for example in examples], dtype=np.int64),
            "label": label,
            "top1": declared.predicted,
            "confidence": declared.confidence,
            "true_probability": declared.true_probability,
        }
        if self.view.set == CUE_CONFLICT_SET:
            rows["texture"] = np.array([example.texture for example in examples], dtype=np.int64)
        for space in self.others:
            label_in_space = label_in(space, label, z.shape[1])
            other = decision(z, p, label_in_space, space)
            rows |= {
                f"label@{space.name}": label_in_space,
                f"top1@{space.name}": other.predicted,
                f"confidence@{space.name}": other.confidence,
                f"true_probability@{space.name}": other.true_probability,
            }
        if self.keeps_probabilities:
            rows["probabilities"] = p
        return rows


def plain(task: ViewTask, batches: Batches) -> Rows:
    """Columns of unattacked images: one forward pass each.

    They need no graph, but do not use torch's inference mode: tensors that a model caches there could not
    take part in the gradients of a later attack.
    """
    classifier = task.classifier
    parts = []
    for examples, images in batches:
        with torch.no_grad():
            raw = classifier.raw(classifier.normalise(_pixels(images, classifier)))
            parts.append(task.rows(examples, task.logits(raw)))
        task.meter.add(images=len(examples), passes=len(examples))
    return _joined(parts)


def plain_and_fgsm(clean: ViewTask | None, attack: ViewTask, batches: Batches) -> tuple[Rows, Rows]:
    """Columns of unattacked images, if requested, and of their FGSM points.

    They take two forward passes and one backward pass an image. The clean columns come from the forward pass
    of the gradient, so both must run in float32.
    """
    clean_parts, attacked_parts = [], []
    for examples, images in batches:
        space = _AttackSpace(attack, _pixels(images, attack.classifier))
        start = gradient(space.logits, space.points, _labels(examples, attack.classifier))
        if clean is not None:
            clean_parts.append(clean.rows(examples, start.logits))
        attack.meter.add(images=len(examples) if clean else 0, passes=2 * len(examples))
        point = fgsm_point(space.points, start.direction)
        attacked_parts.append(_attacked_rows(attack, examples, space, point, zero_gradient=start.is_zero))
        attack.meter.add(images=len(examples), passes=len(examples))
    return _joined(clean_parts) if clean else {}, _joined(attacked_parts)


def fgsm(task: ViewTask, batches: Batches) -> Rows:
    """Columns of FGSM points."""
    return plain_and_fgsm(None, task, batches)[1]


def pgd(task: ViewTask, batches: Batches) -> Rows:
    """Columns of the last PGD iterates: eleven forward and ten backward passes an image.

    `always_right` is True if the prediction is correct at the start and at every iterate.
    """
    parts = []
    for examples, images in batches:
        space = _AttackSpace(task, _pixels(images, task.classifier))
        label = _labels(examples, task.classifier)
        start = pgd_start(space.points, [example.index for example in examples], task.seed)
        correct = torch.ones(len(label), dtype=torch.bool, device=label.device)
        point = start
        for point, logits in pgd_iterates(space.logits, space.points, label, start):  # noqa: B007  used after the loop
            if logits is not None:
                correct &= logits.argmax(dim=1) == label
                task.meter.add(passes=2 * len(examples))
        rows = _attacked_rows(task, examples, space, point)
        rows["always_right"] = correct.cpu().numpy() & (rows["top1"] == rows["label"])
        parts.append(rows)
        task.meter.add(images=len(examples), passes=len(examples))
    return _joined(parts)


PREDICT: dict[str | None, Callable[[ViewTask, Batches], Rows]] = {None: plain, "fgsm": fgsm, "pgd": pgd}
"""Prediction function by the attack of a view."""


class _AttackSpace:
    """The space of an attack: pixel values, or the model's normalised input."""

    def __init__(self, task: ViewTask, pixels: torch.Tensor) -> None:
        self._task = task
        self._classifier = task.classifier
        self._in_pixels = task.protocol.attack_space == "pixel"
        self.pixels = pixels
        self.points = pixels if self._in_pixels else task.classifier.normalise(pixels)

    def inputs(self, points: torch.Tensor) -> torch.Tensor:
        return self._classifier.normalise(points) if self._in_pixels else points

    def logits(self, points: torch.Tensor) -> torch.Tensor:
        return self._task.logits(self._classifier.raw(self.inputs(points), exact=True))

    def move_columns(self, points: torch.Tensor) -> Rows:
        """Check an attack on pixels; return the pixel moves of one on inputs."""
        if self._in_pixels:
            check_bounds(self.pixels, points)
            return {}
        move = (self._classifier.denormalise(points) - self.pixels).abs().flatten(1)
        return {
            "moved": move.amax(dim=1).cpu().numpy(),
            "moved_share": (move > EPSILON + 1e-6).float().mean(dim=1).cpu().numpy(),
        }


def _attacked_rows(
    task: ViewTask,
    examples: Sequence[Example],
    space: _AttackSpace,
    points: torch.Tensor,
    *,
    zero_gradient: torch.Tensor | None = None,
) -> Rows:
    extra = space.move_columns(points)
    if zero_gradient is not None:
        extra["zero_gradient"] = zero_gradient.cpu().numpy()
    with torch.no_grad():
        raw = task.classifier.raw(space.inputs(points))
        return task.rows(examples, task.classifier.logits(raw)) | extra


def _pixels(images: torch.Tensor, classifier: Classifier) -> torch.Tensor:
    return images.to(classifier.device, non_blocking=True).float().div(255)


def _labels(examples: Sequence[Example], classifier: Classifier) -> torch.Tensor:
    return torch.tensor([example.label for example in examples], device=classifier.device)


def _joined(parts: Sequence[Rows]) -> Rows:
    return {name: np.concatenate([part[name] for part in parts]) for name in parts[0]}
