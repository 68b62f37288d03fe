"""Rows on PGD: passes per image and robust accuracy, against every image through all steps."""

from __future__ import annotations

import csv
import shutil
from dataclasses import dataclass

import numpy as np
import torch
import torch.nn.functional as F

from benchmarks.material import labelled_photos, write_manifest
from benchmarks.measuring import cpu_seconds
from benchmarks.row import Row
from benchmarks.work import LITE0, Work, request
from quba_check.core.protocols import PGD_STEP, PGD_STEPS
from quba_check.core.view import CLEAN, PGD
from quba_check.engine.attacks import start_noise
from quba_check.models.classifier import Classifier
from quba_check.models.loading import load_classifier
from quba_check.suites.opening import find_suite
from quba_check.suites.suite import Suite

ALL_PASSES = 2 * PGD_STEPS + 1
EPSILON = PGD.radius
LEAST = 2.5


@dataclass
class Passes:
    """Counts images of forward and backward passes of a model."""

    images: int = 0

    def watch(self, module: torch.nn.Module) -> None:
        """Count the passes of a module from now on."""
        module.register_forward_hook(self._count)

    def _count(self, _module: torch.nn.Module, _inputs: object, output: torch.Tensor) -> None:
        self.images += len(output)
        if output.requires_grad:
            output.register_hook(self._count_backward)

    def _count_backward(self, gradient: torch.Tensor) -> None:
        self.images += len(gradient)


def rows(work: Work) -> list[Row]:
    """Return the rows of a model trained without defence on labelled photos, and of the demo."""
    results = []
    lite0, photos = lite0_on_photos(work)
    demo_suite = find_suite("demo", work.folder)
    demo = load_classifier("demo", request(demo_suite, None, exact=True))
    for name, classifier, suite, least in (
        ("efficientnet-lite0 on 20 photos", lite0, photos, LEAST),
        ("demo on its 400 images", demo, demo_suite, None),
    ):
        begin = cpu_seconds()
        complete = complete_attack(classifier, suite)
        plain = (cpu_seconds() - begin) / len(complete)
        evaluation = work.evaluation(classifier, suite)
        evaluation.engine.predictions([CLEAN])
        passes = Passes()
        passes.watch(classifier.module)
        begin = cpu_seconds()
        attacked = evaluation.engine.predictions([PGD])[PGD]
        spent = (cpu_seconds() - begin) / len(attacked)
        each = passes.images / len(attacked)
        is_equal = np.array_equal(attacked.correct, complete)
        details = (
            f"{each:.2f} passes an image instead of {ALL_PASSES}; robust accuracy "
            f"{attacked.correct.mean():.4f}, {complete.mean():.4f} with all steps; "
            f"{'the same' if is_equal else 'OTHER'} images stay right; {1e3 * spent:.0f} against "
            f"{1e3 * plain:.0f} ms an image in a plain loop over all steps"
        )
        goal = "" if least is None else f"≥ {least:g}, the same accuracy"
        is_reached = None if least is None else is_equal and ALL_PASSES / each >= least
        results.append(
            Row(f"PGD: times fewer passes, {name}", f"{ALL_PASSES / each:.2f}", details, goal, is_reached)
        )
    return results


def complete_attack(classifier: Classifier, suite: Suite, seed: int = 0) -> np.ndarray:
    """Return (N,) True for images that are right after all steps of PGD on pixels."""
    prepare = classifier.preprocessing.transform(crop=not suite.is_prepared(CLEAN))
    examples = suite.examples(CLEAN)
    correct = []
    for begin in range(0, len(examples), 64):
        batch = examples[begin : begin + 64]
        pixels = torch.stack([prepare(suite.image(example)) for example in batch]).float().div(255)
        label = torch.tensor([example.label for example in batch])
        noise = torch.stack(
            [start_noise(tuple(pixels.shape[1:]), example.index, seed, EPSILON) for example in batch]
        )
        correct.append(after_all_steps(classifier, pixels, label, noise))
    return torch.cat(correct).numpy()


def after_all_steps(
    classifier: Classifier,
    pixels: torch.Tensor,
    label: torch.Tensor,
    noise: torch.Tensor,
    steps: int = PGD_STEPS,
    move: float = PGD_STEP * EPSILON,
) -> torch.Tensor:
    """Return (N,) True for images of a batch that are right after all steps of PGD on pixels."""
    point = (pixels + noise).clamp(0, 1)
    for _ in range(steps):
        point.requires_grad_(True)
        loss = F.cross_entropy(classifier.module(classifier.normalise(point)), label, reduction="sum")
        (direction,) = torch.autograd.grad(loss, point)
        moved = point.detach() + move * direction.sign()
        point = (pixels + (moved - pixels).clamp(-EPSILON, EPSILON)).clamp(0, 1)
    with torch.no_grad():
        return classifier.module(classifier.normalise(point)).argmax(dim=1) == label


def lite0_on_photos(work: Work) -> tuple[Classifier, Suite]:
    """Return EfficientNet-Lite0 with ImageNet weights, and foolbox's labelled photos."""
    folder = work.new_folder()
    with (folder / "photos.csv").open("w", newline="", encoding="utf-8") as file:
        rows = csv.writer(file)
        rows.writerow(["path", "label"])
        for path, label in labelled_photos():
            shutil.copyfile(path, folder / path.name)
            rows.writerow([path.name, label])
    suite = write_manifest(folder, "photos", "reader: csv, path: photos.csv")
    return work.classifier(LITE0, suite), suite
