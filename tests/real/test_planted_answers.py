"""Wrong orders, preprocessing and outputs planted into real ImageNet weights, on twenty photos."""

import re
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest
import timm
import torch
from PIL import Image
from support.evaluations import new_evaluation
from support.planted_errors import CHECKS, around, prepared
from syrupy.assertion import SnapshotAssertion
from torch import Tensor, nn

from quba_check.doctor.examination import Examination, examine, examine_model
from quba_check.doctor.finding import Finding
from quba_check.doctor.subject import ModelUnderTest
from quba_check.models.classifier import Classifier
from quba_check.models.outputs import OutputKind
from quba_check.suites.opening import open_suite
from quba_check.suites.suite import Suite

IMAGENET = {"mean": (0.485, 0.456, 0.406), "std": (0.229, 0.224, 0.225)}
RAW = {"mean": (0.0, 0.0, 0.0), "std": (1.0, 1.0, 1.0)}
BYTES = {"mean": (0.0, 0.0, 0.0), "std": (1 / 255, 1 / 255, 1 / 255)}
ENDS_A_RUN = "logits stated to be probabilities"
"""A mistake that ends a run at its first shard, before the doctor sees the answers."""


class Normalising(nn.Module):
    """A module with its own normalisation."""

    def __init__(self, inner: nn.Module) -> None:
        super().__init__()
        self.inner = inner
        self.register_buffer("mean", torch.full((1, 3, 1, 1), 0.5))
        self.register_buffer("std", torch.full((1, 3, 1, 1), 0.5))

    def forward(self, images: Tensor) -> Tensor:
        return self.inner((images - self.mean) / self.std)


def normalising(classifier: Classifier) -> Classifier:
    return replace(classifier, module=Normalising(classifier.module).eval())


def by_name(names: tuple[str, ...]) -> Tensor:
    return torch.tensor(sorted(range(len(names)), key=names.__getitem__))


Plant = Callable[[Classifier, Suite], Classifier]


def order(planted: Callable[[Tensor], Tensor]) -> tuple[Plant, Plant]:
    """Outputs in another order, and in the same one."""
    return lambda lite0, _: around(lite0, after=planted), lambda lite0, _: around(lite0, after=torch.clone)


def scaled(lite0: Classifier) -> Classifier:
    return around(lite0, before=lambda x: (x / 255 - 0.5) / 0.5)


MISTAKES: dict[str, tuple[Plant, Plant | None]] = {
    "ImageNet's normalisation for 0.5/0.5": (lambda lite0, _: prepared(lite0, **IMAGENET), None),
    "no normalisation": (lambda lite0, _: prepared(lite0, **RAW), None),
    "values from 0 to 255": (lambda lite0, _: prepared(lite0, **BYTES), None),
    "a normalisation inside and one outside": (
        lambda lite0, _: normalising(lite0),
        lambda lite0, _: prepared(normalising(lite0), **RAW),
    ),
    "a model of values from 0 to 255": (
        lambda lite0, _: scaled(lite0),
        lambda lite0, _: prepared(scaled(lite0), **BYTES),
    ),
    "shifted by one output": order(lambda z: z.roll(1, dims=1)),
    "shifted back by one output": order(lambda z: z.roll(-1, dims=1)),
    "outputs sorted by readable names": (
        lambda lite0, photos: around(lite0, after=lambda z: z[:, by_name(photos.class_names)]),
        None,
    ),
    "softmax twice": (
        lambda lite0, _: around(lite0, after=lambda z: z.softmax(dim=1).softmax(dim=1)),
        lambda lite0, _: around(lite0, after=lambda z: z.softmax(dim=1)),
    ),
    "probabilities stated to be logits": (
        lambda lite0, _: stated(around(lite0, after=lambda z: z.softmax(dim=1)), "logits"),
        lambda lite0, _: stated(around(lite0, after=lambda z: z.log_softmax(dim=1)), "logits"),
    ),
    ENDS_A_RUN: (lambda lite0, _: stated(lite0, "probabilities"), lambda lite0, _: stated(lite0, "logits")),
}
"""By the name of a mistake: one that has it, and a similar one that is healthy."""


def stated(classifier: Classifier, outputs: OutputKind) -> Classifier:
    return replace(classifier, stated_outputs=outputs, outputs=None)


def text(finding: Finding) -> str:
    """The text of a finding, with # for numbers other than accuracies that are no whole ones."""
    number = r"(accuracy [\d.]+ .*?, [\d.]+)|-?\d[\d,]*\.\d+(?:e-\d+)?|-\d+|\d+,\d+"
    evidence = re.sub(number, lambda match: match[1] or "#", finding.evidence)
    return finding.model_copy(update={"evidence": evidence}).text()


@pytest.mark.parametrize("name", MISTAKES)
def test_a_planted_mistake_is_reported_and_its_twin_is_healthy(
    name: str, lite0: Classifier, photos: Suite, tmp_path: Path, snapshot: SnapshotAssertion
) -> None:
    planted, healthy = MISTAKES[name]
    (finding,) = examine(ModelUnderTest(planted(lite0, photos), photos, short=True), CHECKS)
    assert text(finding) == snapshot
    if name != ENDS_A_RUN:
        (before,) = before_a_gate(planted(lite0, photos), photos, tmp_path).findings
        assert before.problem == finding.problem
    if healthy is not None:
        assert examine(ModelUnderTest(healthy(lite0, photos), photos, short=True), CHECKS) == ()


def test_two_mistakes_are_two_findings(lite0: Classifier, photos: Suite) -> None:
    planted = prepared(around(lite0, after=lambda z: z.roll(1, dims=1)), **RAW)
    normalisation, order = examine(ModelUnderTest(planted, photos, short=True), CHECKS)
    assert "the normalisation is missing" in normalisation.problem
    assert "shifted by one output" in order.problem


@pytest.fixture
def crops(photo_suite: Path, tmp_path: Path) -> Suite:
    """Four crops of each photo, as a list."""
    (tmp_path / "crops").mkdir()
    rows = ["path,label"]
    for path in sorted((photo_suite / "photos").iterdir()):
        for k in range(4):
            with Image.open(path) as photo:
                left = k % 2 * photo.width // 8
                top = k // 2 * photo.height // 8
                box = left, top, left + photo.width * 7 // 8, top + photo.height * 7 // 8
                photo.convert("RGB").crop(box).save(tmp_path / "crops" / f"{k}_{path.name}", quality=95)
            rows.append(f"crops/{k}_{path.name},{path.stem.rpartition('_')[2]}")
    (tmp_path / "crops.csv").write_text("\n".join([*rows, ""]), encoding="utf-8")
    (tmp_path / "quba-data.yaml").write_text(
        "schema: 1\nname: crops\nclasses: imagenet\nsets:\n  clean: {reader: csv, path: crops.csv}\n",
        encoding="utf-8",
    )
    return open_suite(tmp_path)


def test_a_missing_normalisation_of_a_program_is_reported_before_a_gate(
    lite0: Classifier, crops: Suite, tmp_path: Path
) -> None:
    """The layers of a program are unknown. Without normalisation, 0.70 of its answers are right."""
    mean, std = (torch.tensor(IMAGENET[name]).view(3, 1, 1) for name in ("mean", "std"))
    module = around(lite0, before=lambda x: (x * std + mean - 0.5) / 0.5).module
    program = replace(lite0, module=torch.jit.trace(module, torch.zeros(8, 3, 224, 224)))
    assert before_a_gate(prepared(program, **IMAGENET), crops, tmp_path).findings == ()
    planted = prepared(program, **RAW)
    (finding,) = before_a_gate(planted, crops, tmp_path).findings
    (alone,) = examine(ModelUnderTest(planted, crops, short=True), CHECKS)
    assert finding == alone
    assert finding.problem.startswith("lite0.pt: the normalisation is missing; the model was trained with")


def before_a_gate(classifier: Classifier, photos: Suite, store: Path) -> Examination:
    evaluation = new_evaluation(replace(classifier, outputs=None), photos, store=store)
    evaluation.plan(["accuracy"])
    evaluation.check()
    return examine_model(evaluation, {"accuracy": []}, short=True)


def test_untrained_weights_are_one_finding(lite0: Classifier, photos: Suite) -> None:
    torch.manual_seed(0)
    planted = replace(lite0, module=timm.create_model("mobilenetv3_small_050").eval())
    (finding,) = examine(ModelUnderTest(planted, photos, short=True), CHECKS)
    assert finding.problem == (
        "lite0.pt: the model is at chance on the clean set, "
        "in every class order and preprocessing that was tried."
    )
    assert "0 of 20 clean images right, 0.02 by guessing; mean confidence " in finding.evidence
    assert finding.fix == (
        "check that these are the weights of a trained model, and that it was trained on these classes"
    )


def test_real_weights_are_healthy(lite0: Classifier, photos: Suite) -> None:
    subject = ModelUnderTest(lite0, photos)
    assert examine(subject, CHECKS) == ()
    assert subject.forwards <= 300
    short = ModelUnderTest(lite0, photos, short=True)
    assert examine(short, CHECKS) == ()
    assert short.forwards == 20
