"""Errors planted into a classifier, for tests of the doctor."""

import shutil
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
from torch import Tensor, nn
from torch.nn.utils.fusion import fuse_conv_bn_eval

from quba_check.doctor import accuracy
from quba_check.doctor.examination import Check
from quba_check.doctor.outputs import check_outputs
from quba_check.models.classifier import Classifier
from quba_check.suites.opening import open_suite
from quba_check.suites.suite import Suite

CHECKS = (Check("outputs", check_outputs), Check("answers", accuracy.check))


class Around(nn.Module):
    """A module with changed inputs or outputs."""

    def __init__(
        self,
        inner: nn.Module,
        before: Callable[[Tensor], Tensor] = lambda images: images,
        after: Callable[[Tensor], Tensor] = lambda logits: logits,
    ) -> None:
        super().__init__()
        self.inner = inner
        self.before = before
        self.after = after

    def forward(self, images: Tensor) -> Tensor:
        return self.after(self.inner(self.before(images)))


def around(classifier: Classifier, **parts: Callable[[Tensor], Tensor]) -> Classifier:
    return replace(classifier, module=Around(classifier.module, **parts).eval())


def prepared(classifier: Classifier, **changes: object) -> Classifier:
    return replace(classifier, preprocessing=replace(classifier.preprocessing, **changes))


def without_batchnorm(classifier: Classifier) -> Classifier:
    """The same function with its BatchNorms folded into the convolutions."""
    parts = list(classifier.module.features)
    folded = [
        fuse_conv_bn_eval(part, parts[k + 1]) if isinstance(part, nn.Conv2d) else part
        for k, part in enumerate(parts)
        if not isinstance(part, nn.BatchNorm2d)
    ]
    module = nn.Sequential(*folded, nn.AdaptiveAvgPool2d(1), nn.Flatten(), classifier.module.head)
    return replace(classifier, module=module.eval())


def with_shuffled_labels(suite: Suite, root: Path, folder: str) -> Suite:
    """Return a copy of a suite with the images of a set shuffled among its classes; other sets are links."""
    root.mkdir()
    for path in suite.root.iterdir():
        (root / path.name).symlink_to(path)
    (root / folder).unlink()
    shutil.copytree(suite.root / folder, root / folder)
    files = sorted((root / folder).glob("*/*.png"))
    contents = [file.read_bytes() for file in files]
    for file, position in zip(files, np.random.default_rng(0).permutation(len(files)), strict=True):
        file.write_bytes(contents[position])
    return open_suite(root)
