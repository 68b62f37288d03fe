"""Mistakes planted into the demo's models and images: each is reported, healthy twins are not."""

import re
import shutil
from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path

import pytest
import torch
from support.planted_errors import CHECKS, around, prepared, with_shuffled_labels, without_batchnorm
from support.quick import mostly_slow
from syrupy.assertion import SnapshotAssertion

from quba_check.demo import CLASSES
from quba_check.doctor.examination import TIME, examine
from quba_check.doctor.finding import Finding
from quba_check.doctor.subject import ModelUnderTest, TimeBudget
from quba_check.models.classifier import Classifier
from quba_check.models.loading import load_classifier
from quba_check.models.request import LoadRequest
from quba_check.suites.opening import open_suite
from quba_check.suites.suite import Suite

REORDERED = torch.tensor([CLASSES.index(name) for name in sorted(CLASSES, key=lambda name: name[::-1])])
NUMBERS = tuple(map(str, range(1, 11)))
"""Names with another order as text than as numbers."""
NUMBER = r"-?\d+(?:[.,]\d+)*(?:e-?\d+)?"


def findings_of(classifier: Classifier, suite: Suite, **options: object) -> tuple[Finding, ...]:
    return examine(ModelUnderTest(classifier, suite, **options), CHECKS)


@pytest.fixture(scope="module")
def models(demo_suite: Suite) -> dict[str, Classifier]:
    request = LoadRequest(classes=demo_suite.classes, image_size=demo_suite.image_size, device="cpu")
    return {spec: load_classifier(spec, request) for spec in ("demo", "demo-textured")}


@pytest.fixture
def healthy(models: dict[str, Classifier]) -> Classifier:
    return models["demo"]


@pytest.fixture
def copied(demo_suite: Suite, tmp_path: Path) -> Callable[..., Suite]:
    def copy(folders: Sequence[str], classes: Sequence[str], sets: str = "") -> Suite:
        """A clean set of twelve images a class, with other names of classes and folders."""
        for name, folder in zip(CLASSES, folders, strict=True):
            (tmp_path / "val" / folder).mkdir(parents=True)
            for number in range(12):
                image = demo_suite.root / "clean" / name / f"{number:03}.png"
                shutil.copyfile(image, tmp_path / "val" / folder / image.name)
        (tmp_path / "quba-data.yaml").write_text(
            f"schema: 1\nname: copy\nclasses: [{', '.join(map(repr, classes))}]\nimage_size: 48\n"
            f"sets:\n  clean: {{reader: folder, path: val}}\n{sets}",
            encoding="utf-8",
        )
        return open_suite(tmp_path)

    return copy


NONE = {"mean": (0.0,) * 3, "std": (1.0,) * 3}
IMAGENET = {"mean": (0.485, 0.456, 0.406), "std": (0.229, 0.224, 0.225)}
SWAP = torch.tensor([1, 0, *range(2, 10)])
SHUFFLED = torch.tensor([3, 4, 0, 1, 5, 9, 2, 6, 7, 8])
Plant = Callable[[Classifier], Classifier]


def outputs(change: Callable[[torch.Tensor], torch.Tensor], **stated: object) -> Plant:
    return lambda model: replace(around(model, after=change), **stated)


def inputs(change: Callable[[torch.Tensor], torch.Tensor]) -> Plant:
    return lambda model: around(model, before=change)


def changed(*, folded: bool = False, **preprocessing: object) -> Plant:
    """With another preprocessing, and with BatchNorms folded into the convolutions."""
    return lambda model: prepared(without_batchnorm(model) if folded else model, **preprocessing)


def rounded(z: torch.Tensor) -> torch.Tensor:
    """Probabilities in steps of 0.01."""
    return (z.softmax(1) * 100).round() / 100


def named(model: Classifier) -> Classifier:
    model = around(model, after=lambda z: z[:, REORDERED])
    model.module.pretrained_cfg = {"label_names": [CLASSES[k] for k in REORDERED]}
    return model


def rounded_down(z: torch.Tensor) -> torch.Tensor:
    """Probabilities in steps of 0.02, as some quantised softmaxes return them."""
    return (z.softmax(1) * 50).floor() / 50


SUPPLIED = [CLASSES[k] for k in REORDERED]
HEALTHY: dict[str, tuple[str, Plant]] = {
    "demo": ("demo", changed()),
    "demo-textured": ("demo-textured", changed()),
    "without BatchNorm": ("demo-textured", changed(folded=True)),
    "an equally good normalisation": ("demo", changed(**IMAGENET)),
    "an equally good crop": ("demo", changed(crop_pct=0.95)),
    "stated probabilities": ("demo", outputs(rounded, stated_outputs="probabilities")),
    "stated sigmoids": ("demo", outputs(rounded, stated_outputs="sigmoids")),
    "probabilities of a known step": ("demo", outputs(rounded, output_step=0.01)),
    "probabilities rounded down": ("demo", outputs(rounded_down, output_step=0.02)),
}
PLANTED: dict[str, tuple[str, Plant, dict[str, object]]] = {
    "rounded probabilities of an unknown step": ("demo", outputs(rounded), {}),
    # Steps of 0.08 explain sums of 0.4 if ten classes are rounded down, and not if to the nearest step.
    "quantised outputs with low sums": (
        *("demo", outputs(lambda z: 0.4 * (z == z.amax(1, True)), output_step=0.08)),
        {},
    ),
    "stated probabilities that are sigmoids": (
        *("demo", outputs(torch.sigmoid, stated_outputs="probabilities")),
        {},
    ),
    "reversed outputs": ("demo", outputs(lambda z: z.flip(1)), {}),
    "two classes swapped": ("demo", outputs(lambda z: z[:, SWAP]), {}),
    "two classes swapped, estimated": ("demo", outputs(lambda z: z[:, SWAP]), {"estimate_order": True}),
    "an order without a rule": ("demo", outputs(lambda z: z[:, SHUFFLED]), {}),
    "an order without a rule, estimated": (
        *("demo", outputs(lambda z: z[:, SHUFFLED])),
        {"estimate_order": True},
    ),
    "the model's own names": ("demo", named, {}),
    "a supplied order": ("demo", outputs(lambda z: z[:, REORDERED]), {"order": SUPPLIED}),
    "a supplied order with a wrong name": ("demo", changed(), {"order": ["aroww", *CLASSES[1:]]}),
    "a supplied order with another name": ("demo", changed(), {"order": [*CLASSES, "arrow"]}),
    "BGR": ("demo-textured", inputs(lambda x: x.flip(1)), {}),
    "no normalisation, no BatchNorm": ("demo-textured", changed(folded=True, **NONE), {}),
    # Its answers can favour a wrong class order, which must not be proposed.
    "a normalisation far off": ("demo-textured", changed(std=(0.004,) * 3), {"estimate_order": True}),
    "a normalisation far off, no BatchNorm": (
        *("demo-textured", changed(folded=True, std=(0.004,) * 3)),
        {"estimate_order": True},
    ),
    "another order and no normalisation": (
        *("demo", lambda model: prepared(around(model, after=lambda z: z.flip(1)), **NONE)),
        {},
    ),
    "an input size too large": ("demo", changed(input_size=(3, 128, 128)), {}),
    "a crop that cuts the object": ("demo", changed(crop_pct=0.6), {}),
}
FULL_ONLY = {"BGR", "an input size too large", "a crop that cuts the object", "two classes swapped"}
"""Before a gate, a BatchNorm rules out BGR, and resize, crop and two classes are not examined."""


EVIDENCE = {
    "reversed outputs": "on 400 clean images accuracy 0.005 in the suite's order, 0.975 in that one",
    "two classes swapped, estimated": (
        "on 80 clean images accuracy 0.762 in the suite's order, 0.963 in that one"
    ),
    "BGR": "on 256 clean images accuracy 0.652 as is, 0.973 with the fix; ",
    "an input size too large": "on 256 clean images accuracy 0.359 as is, 0.906 with the fix; ",
}
"""The beginning of the evidence of a full examination."""


FAST = (
    "demo-textured",
    "probabilities rounded down",
    "reversed outputs",
    "a supplied order",
    "BGR",
    "no normalisation, no BatchNorm",
    "quantised outputs with low sums",
)
"""Models of each kind; the others are slow tests."""


@pytest.mark.parametrize("short", [False, True])
@pytest.mark.parametrize("name", mostly_slow(HEALTHY, FAST))
def test_healthy_models(models: dict[str, Classifier], demo_suite: Suite, name: str, short: bool) -> None:
    spec, change = HEALTHY[name]
    assert findings_of(change(models[spec]), demo_suite, short=short) == ()


@pytest.mark.parametrize("name", mostly_slow(PLANTED, FAST))
def test_planted_errors(
    models: dict[str, Classifier], demo_suite: Suite, name: str, snapshot: SnapshotAssertion
) -> None:
    """Numbers of the evidence are not compared; those of some accuracies are."""
    spec, plant, options = PLANTED[name]
    for short in (False, True)[: 1 if name in FULL_ONLY else 2]:
        findings = findings_of(plant(models[spec]), demo_suite, short=short, **options)
        texts = [
            f"{one.severity}: {one.problem}\n  {re.sub(NUMBER, '#', one.evidence)}\n  {one.fix}"
            for one in findings
        ]
        assert "\n".join(texts) == snapshot(name="short" if short else "full")
        if name in EVIDENCE and not short:
            assert findings[0].evidence.startswith(EVIDENCE[name])


def test_the_evidence_of_a_preprocessing_is_of_answers_in_the_right_order(
    models: dict[str, Classifier], demo_suite: Suite
) -> None:
    spec, plant, _ = PLANTED["another order and no normalisation"]
    preprocessing, order = findings_of(plant(models[spec]), demo_suite)
    assert re.search(r"0\.9\d\d with the fix; ", preprocessing.evidence)
    assert order.evidence.startswith("with the fixed preprocessing, on ")


def test_numbers_sorted_as_text_by_the_model(healthy, copied) -> None:
    suite = copied(NUMBERS, NUMBERS)
    as_text = sorted(NUMBERS)
    columns = torch.tensor([NUMBERS.index(name) for name in as_text])
    (finding,) = findings_of(around(healthy, after=lambda z: z[:, columns]), suite)
    assert finding.problem.endswith("in the order of the class names, sorted as text.")
    assert f"classes: [{', '.join(as_text)}]" in finding.fix
    assert findings_of(healthy, suite) == ()


CAPITALS = [name.capitalize() if k % 2 else name for k, name in enumerate(CLASSES)]


@pytest.mark.parametrize(
    ("names", "rule"), [(NUMBERS, "with their numbers as numbers"), (CAPITALS, "ignoring case")]
)
def test_names_sorted_as_text_by_the_suite(healthy, copied, names, rule) -> None:
    (finding,) = findings_of(healthy, copied(names, sorted(names)))
    assert finding.problem.endswith(f"in the order of the class names, sorted {rule}.")
    assert f"classes: [{', '.join(names)}]" in finding.fix


def test_folders_with_numbers_in_front(healthy, copied) -> None:
    folders = [f"{k:02}_{name}" for k, name in enumerate(CLASSES)]
    mixed = [CLASSES[k] for k in REORDERED]
    (finding,) = findings_of(healthy, copied(folders, mixed))
    assert "class names, sorted as text." in finding.problem or "folder names" in finding.problem
    assert f"classes: [{', '.join(CLASSES)}]" in finding.fix


def test_a_model_that_a_constant_answer_equals(healthy, copied) -> None:
    """The suite keeps images of three classes: 12, 4 and 4."""
    suite = copied(CLASSES, CLASSES)
    for name in CLASSES:
        kept = {CLASSES[0]: 12, CLASSES[1]: 4, CLASSES[2]: 4}.get(name, 0)
        for path in sorted((suite.root / "val" / name).iterdir())[kept:]:
            path.unlink()
        if not kept:
            (suite.root / "val" / name).rmdir()
    text = (suite.root / "quba-data.yaml").read_text(encoding="utf-8")
    manifest = suite.root / "quba-data.yaml"
    manifest.write_text(text.replace("path: val}", "path: val, partial: true}"), encoding="utf-8")
    suite = open_suite(suite.root)
    assert findings_of(healthy, suite) == ()

    def answers(z: torch.Tensor) -> torch.Tensor:
        """Answer as the model on the first class, and with the third on all others."""
        other = torch.nn.functional.one_hot(torch.full((len(z),), 2), 10).float() * 9
        return torch.where((z.argmax(dim=1) == 0)[:, None], z, other)

    assert findings_of(around(healthy, after=answers), suite) == ()
    constant = around(healthy, after=lambda z: 0 * z + torch.eye(10)[0] * 9)
    (finding,) = findings_of(constant, suite)
    assert finding.problem == (
        "demo: accuracy 0.600 on the clean set is not above 0.600, the share of its most frequent class "
        "'arrow'."
    )


@pytest.mark.parametrize(
    "seconds", [0, 300, *(pytest.param(seconds, marks=pytest.mark.slow) for seconds in (1_200, 10_000))]
)
def test_the_time_budget_limits_the_search(healthy, demo_suite, seconds) -> None:
    """Its clock shows a second for each image of 128 pixels."""
    planted = prepared(healthy, input_size=(3, 128, 128))
    passed = 0.0

    def forward(images: torch.Tensor) -> torch.Tensor:
        nonlocal passed
        passed += len(images) * images.shape[-1] ** 2 / 128**2
        return images

    subject = ModelUnderTest(around(planted, before=forward), demo_suite)
    subject.budget = TimeBudget(seconds, clock=lambda: passed)
    findings = examine(subject, CHECKS)
    assert passed <= seconds + 64, "a step is a batch at most"
    remarks = [finding for finding in findings if finding.check == TIME]
    assert len(findings) > len(remarks) or seconds < 1_200, "a finding from a part of the search counts"
    assert bool(remarks) == bool(subject.budget.left_out) == (seconds < 10_000)
    assert all(
        finding.problem.endswith("64 × 64 pixels does.") for finding in findings if finding not in remarks
    )


@pytest.mark.parametrize("short", [False, True])
def test_a_set_with_shuffled_labels(healthy, demo_suite, tmp_path, short) -> None:
    suite = with_shuffled_labels(demo_suite, tmp_path / "data", "sketch")
    (finding,) = findings_of(healthy, suite, short=short)
    assert finding.problem == "demo: the labels of the set 'sketch' look shuffled."
    images, guess = (32, "3.2") if short else (64, "6.4")
    assert f" of {images} images right, {guess} by guessing, with mean confidence 0." in finding.evidence


def test_a_clean_set_with_shuffled_labels(healthy, demo_suite, tmp_path) -> None:
    suite = with_shuffled_labels(demo_suite, tmp_path / "data", "clean")
    (finding,) = findings_of(healthy, suite)
    assert finding.problem == "demo: the labels of the set 'clean' look shuffled."
    assert finding.evidence.startswith("44 of 400 clean images right, 40 by guessing; mean confidence 0.9")
    assert "on the set 'sketch' accuracy 0.9" in finding.evidence
