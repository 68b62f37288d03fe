"""Errors planted into a classifier, for tests of the doctor."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

from torch import Tensor, nn

from quba_check.doctor import accuracy, output_kinds
from quba_check.doctor.examination import Check
from quba_check.models.classifier import Classifier

CHECKS = (Check("outputs", output_kinds.check), Check("answers", accuracy.check))
FILE = "write to preprocessing.yaml, and give --quba-preprocessing=preprocessing.yaml:\n"


class Around(nn.Module):
    """A module with changed inputs or outputs."""

    def __init__(
        self,
        inner: nn.Module,
        before: Callable[[Tensor], Tensor] = lambda images: images,
        after: Callable[[Tensor], Tensor] = lambda logits: logits,
    ) -> None:
        super().__init__()
        self.inner, self.before, self.after = inner, before, after

    def forward(self, images: Tensor) -> Tensor:
        return self.after(self.inner(self.before(images)))


def around(classifier: Classifier, **parts: Callable[[Tensor], Tensor]) -> Classifier:
    return replace(classifier, module=Around(classifier.module, **parts).eval())


def prepared(classifier: Classifier, **changes: object) -> Classifier:
    return replace(classifier, preprocessing=replace(classifier.preprocessing, **changes))
