"""Wrong orders, preprocessing and outputs planted into real ImageNet weights, on twenty photos."""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import NamedTuple

import pytest
import timm
import torch
from PIL import Image
from support.evaluations import new_evaluation
from support.gated import FILE
from support.planted_errors import CHECKS, around, prepared
from torch import Tensor, nn

from quba_check.doctor.examination import Examination, examine, examine_model
from quba_check.doctor.subject import ModelUnderTest
from quba_check.models.classifier import Classifier
from quba_check.suites.opening import open_suite
from quba_check.suites.suite import Suite

IMAGENET = {"mean": (0.485, 0.456, 0.406), "std": (0.229, 0.224, 0.225)}
RAW = {"mean": (0.0, 0.0, 0.0), "std": (1.0, 1.0, 1.0)}
BYTES = {"mean": (0.0, 0.0, 0.0), "std": (1 / 255, 1 / 255, 1 / 255)}
HALVES = "mean 0.5 0.5 0.5 and std 0.5 0.5 0.5"
HALVES_FILE = f"{FILE}mean: [0.5, 0.5, 0.5]\nstd: [0.5, 0.5, 0.5]"


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


class Mistake(NamedTuple):
    name: str
    planted: Callable[[Classifier, Suite], Classifier]
    healthy: Callable[[Classifier, Suite], Classifier] | None
    problem: str
    evidence: str
    fix: str


def order(name: str, planted: Callable[[Tensor], Tensor], words: str, fix: str) -> Mistake:
    return Mistake(
        name,
        lambda lite0, _: around(lite0, after=planted),
        lambda lite0, _: around(lite0, after=lambda z: z.clone()),
        f"lite0.pt: the model's outputs are in another class order than the suite's: in {words}.",
        "on 20 clean images accuracy 0.000 in the suite's order, 0.900 in that one",
        fix,
    )


def normalisation(
    name: str,
    planted: Callable[[Classifier, Suite], Classifier],
    problem: str,
    before: str,
    layer: str = "bn1",
    *,
    healthy: Callable[[Classifier, Suite], Classifier] | None = None,
    fix: str = HALVES_FILE,
) -> Mistake:
    return Mistake(
        name,
        planted,
        healthy,
        f"lite0.pt: {problem}",
        f"on 20 clean images accuracy {before} as is, 0.900 with the fix; "
        "mean log-probability of the true class -# and -#\n"
        f"the input of the first BatchNorm ('{layer}') has # times the variance of training as is, "
        "# times with the fix",
        fix,
    )


MISTAKES = (
    normalisation(
        "ImageNet's normalisation for 0.5/0.5",
        lambda lite0, _: prepared(lite0, **IMAGENET),
        "images go in with mean 0.485 0.456 0.406 and std 0.229 0.224 0.225; "
        f"the model was trained with {HALVES}.",
        "0.750",
    ),
    normalisation(
        "no normalisation",
        lambda lite0, _: prepared(lite0, **RAW),
        f"the normalisation is missing; the model was trained with {HALVES}.",
        "0.850",
    ),
    normalisation(
        "values from 0 to 255",
        lambda lite0, _: prepared(lite0, **BYTES),
        f"images go in with values from 0 to 255; the model was trained with {HALVES}.",
        "0.050",
    ),
    normalisation(
        "a normalisation inside and one outside",
        lambda lite0, _: normalising(lite0),
        "images are normalised twice: by the preprocessing, and again by the model ('mean').",
        "0.800",
        "inner.bn1",
        healthy=lambda lite0, _: prepared(normalising(lite0), **RAW),
        fix=f"{FILE}mean: [0, 0, 0]\nstd: [1, 1, 1]",
    ),
    normalisation(
        "a model of values from 0 to 255",
        lambda lite0, _: around(lite0, before=lambda x: (x / 255 - 0.5) / 0.5),
        f"images go in with {HALVES}; the model was trained with values from 0 to 255.",
        "0.000",
        "inner.bn1",
        healthy=lambda lite0, _: prepared(around(lite0, before=lambda x: (x / 255 - 0.5) / 0.5), **BYTES),
        fix=f"{FILE}mean: [0, 0, 0]\nstd: [0.00392157, 0.00392157, 0.00392157]",
    ),
    order(
        "shifted by one output",
        lambda z: z.roll(1, dims=1),
        "the suite's order, shifted by one output, as after a background class",
        "wrap the model in a callable that shifts the outputs: its first output is for another class than "
        "'n01440764', and the suite's last class has none\n"
        "logits.roll(-1, dims=1) puts the others in place",
    ),
    order(
        "shifted back by one output",
        lambda z: z.roll(-1, dims=1),
        "the suite's order, shifted back by one output, as without the first class",
        "wrap the model in a callable that shifts the outputs: its last output is for another class than "
        "'n15075141', and the suite's first class has none\n"
        "logits.roll(1, dims=1) puts the others in place",
    ),
    Mistake(
        "outputs sorted by readable names",
        lambda lite0, photos: around(lite0, after=lambda z: z[:, by_name(photos.class_names)]),
        None,
        "lite0.pt: the model's outputs are in another class order than the suite's: "
        "in the order of the readable class names, sorted as text.",
        "on 20 clean images accuracy 0.000 in the suite's order, 0.900 in that one",
        "wrap the model in a callable that returns its outputs in the order of the synsets, "
        "n01440764, n01443537, n01484850 and 997 more",
    ),
    Mistake(
        "softmax twice",
        lambda lite0, _: around(lite0, after=lambda z: z.softmax(dim=1).softmax(dim=1)),
        lambda lite0, _: around(lite0, after=lambda z: z.softmax(dim=1)),
        "lite0.pt: softmax is applied twice to the outputs.",
        "on 20 clean images no confidence is above #; two softmaxes over 1000 classes allow #; "
        "without the second one it is # on average",
        "remove one softmax: the one in the model's forward, or that of the calling code",
    ),
    Mistake(
        "probabilities stated to be logits",
        lambda lite0, _: replace(
            around(lite0, after=lambda z: z.softmax(dim=1)), stated_outputs="logits", outputs=None
        ),
        lambda lite0, _: replace(
            around(lite0, after=lambda z: z.log_softmax(dim=1)), stated_outputs="logits", outputs=None
        ),
        "lite0.pt: the outputs are stated to be logits, but they are probabilities.",
        "on 20 clean images all outputs are between # and #, and every row sums to 1",
        "state outputs: probabilities instead of logits (quba_config or the preprocessing file)",
    ),
    Mistake(
        "logits stated to be probabilities",
        lambda lite0, _: replace(lite0, stated_outputs="probabilities", outputs=None),
        lambda lite0, _: replace(lite0, stated_outputs="logits", outputs=None),
        "lite0.pt: the outputs are stated to be probabilities, but they are logits.",
        "on 20 clean images outputs are between -# and #, and rows sum to -# … -#",
        "state outputs: logits (quba_config or the preprocessing file)",
    ),
)


@pytest.mark.parametrize("mistake", MISTAKES, ids=lambda mistake: mistake.name)
def test_a_planted_mistake_is_reported_and_its_twin_is_healthy(
    lite0: Classifier, photos: Suite, mistake: Mistake
) -> None:
    (finding,) = examine(ModelUnderTest(mistake.planted(lite0, photos), photos, short=True), CHECKS)
    assert finding.problem == mistake.problem
    assert matches(finding.evidence, mistake.evidence)
    assert finding.fix == mistake.fix
    if mistake.healthy is not None:
        assert examine(ModelUnderTest(mistake.healthy(lite0, photos), photos, short=True), CHECKS) == ()


def matches(evidence: str, expected: str) -> bool:
    """True if the evidence is as expected, with a number for each #."""
    number = r"[\d.,]+(e[+-]?\d+)?"
    return re.fullmatch(re.escape(expected).replace(r"\#", number), evidence) is not None


def test_two_mistakes_are_two_findings(lite0: Classifier, photos: Suite) -> None:
    planted = prepared(around(lite0, after=lambda z: z.roll(1, dims=1)), **RAW)
    findings = examine(ModelUnderTest(planted, photos, short=True), CHECKS)
    assert [finding.problem for finding in findings] == [MISTAKES[1].problem, MISTAKES[5].problem]


@pytest.mark.parametrize("mistake", MISTAKES[:-1], ids=lambda mistake: mistake.name)
def test_a_planted_mistake_is_reported_before_a_gate(
    lite0: Classifier, photos: Suite, tmp_path: Path, mistake: Mistake
) -> None:
    """The last one ends a run earlier, at its first shard."""
    (finding,) = before_a_gate(mistake.planted(lite0, photos), photos, tmp_path).findings
    assert finding.problem == mistake.problem


@pytest.fixture
def crops(photo_suite: Path, tmp_path: Path) -> Suite:
    """Four crops of each photo, as a list."""
    (tmp_path / "crops").mkdir()
    rows = ["path,label"]
    for path in sorted((photo_suite / "photos").iterdir()):
        for k in range(4):
            with Image.open(path) as photo:
                left, top = k % 2 * photo.width // 8, k // 2 * photo.height // 8
                box = left, top, left + photo.width * 7 // 8, top + photo.height * 7 // 8
                photo.convert("RGB").crop(box).save(tmp_path / "crops" / f"{k}_{path.name}", quality=95)
            rows.append(f"crops/{k}_{path.name},{path.stem.rpartition('_')[2]}")
    (tmp_path / "crops.csv").write_text("\n".join([*rows, ""]), encoding="utf-8")
    (tmp_path / "quba-data.yaml").write_text(
        "schema: 1\nname: crops\nclasses: imagenet\nsets:\n  clean: {reader: csv, path: crops.csv}\n",
        encoding="utf-8",
    )
    return open_suite(tmp_path)


@pytest.mark.filterwarnings("ignore:.*torch.jit.*:DeprecationWarning")
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
    assert matches(finding.evidence, "0 of 20 clean images right, 0.02 by guessing; mean confidence #")
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
