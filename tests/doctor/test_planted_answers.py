"""Mistakes planted into the demo's models and images: each is reported, healthy twins are not."""

from __future__ import annotations

import re
import shutil
from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path

import pytest
import torch
from support.planted_errors import CHECKS, FILE, around, prepared, shuffle, without_batchnorm

from quba_check.demo import CLASSES
from quba_check.doctor.examination import TIME, examine
from quba_check.doctor.finding import Finding
from quba_check.doctor.subject import ModelUnderTest
from quba_check.doctor.time_budget import TimeBudget
from quba_check.models.classifier import Classifier
from quba_check.models.loading import load_classifier
from quba_check.models.request import LoadRequest
from quba_check.suites.opening import open_suite
from quba_check.suites.suite import Suite

REORDERED = torch.tensor([CLASSES.index(name) for name in sorted(CLASSES, key=lambda name: name[::-1])])
NUMBERS = tuple(map(str, range(1, 11)))
"""Names with another order as text than as numbers."""


def findings_of(classifier: Classifier, suite: Suite, **options: object) -> tuple[Finding, ...]:
    return examine(ModelUnderTest(classifier, suite, **options), CHECKS)


def loaded(spec: str, suite: Suite) -> Classifier:
    return load_classifier(
        spec, LoadRequest(classes=suite.classes, image_size=suite.image_size, device="cpu")
    )


@pytest.fixture(scope="module")
def healthy(demo_suite: Suite) -> Classifier:
    return loaded("demo", demo_suite)


@pytest.fixture(scope="module")
def textured(demo_suite: Suite) -> Classifier:
    return loaded("demo-textured", demo_suite)


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


@pytest.mark.parametrize("short", [False, True])
@pytest.mark.parametrize("name", ["healthy", "textured"])
def test_the_shipped_models_are_healthy(
    name: str, short: bool, demo_suite: Suite, request: pytest.FixtureRequest
) -> None:
    assert findings_of(request.getfixturevalue(name), demo_suite, short=short) == ()


def test_an_equally_good_normalisation_is_healthy(healthy, demo_suite) -> None:
    imagenet = {"mean": (0.485, 0.456, 0.406), "std": (0.229, 0.224, 0.225)}
    assert findings_of(prepared(healthy, **imagenet), demo_suite) == ()


def order_finding(words: str, accuracies: tuple[int, str, str], listed: Sequence[str]) -> Finding:
    n, before, after = accuracies
    return Finding(
        check="class order",
        problem=f"demo: the model's outputs are in another class order than the suite's: in {words}.",
        evidence=f"on {n} clean images accuracy {before} in the suite's order, {after} in that one",
        fix="list the classes in quba-data.yaml in the order of the model's outputs\n"
        f"classes: [{', '.join(listed)}]\n"
        "labels written as numbers refer to that list, so write names instead",
    )


def rounded(parts: int) -> Callable[[torch.Tensor], torch.Tensor]:
    """Probabilities in steps of 1/parts, whose step is unknown."""
    return lambda z: (z.softmax(1) * parts).round() / parts


def test_rounded_probabilities_of_an_unknown_step(healthy, demo_suite) -> None:
    planted = around(healthy, after=rounded(100))
    (finding,) = findings_of(planted, demo_suite)
    assert finding.problem == "demo: the outputs are taken for sigmoids, but nearly all rows sum to 1."
    assert re.fullmatch(
        r"on 32 clean images \d+ rows sum to 1 within 0.02; all sums are [\d.]+ … [\d.]+", finding.evidence
    )
    fix = "state outputs: probabilities, or sigmoids (quba_config or the preprocessing file)"
    assert (finding.fix, finding.severity) == (fix, "remark")
    for stated in ("probabilities", "sigmoids"):
        assert findings_of(replace(planted, stated_outputs=stated), demo_suite) == ()
    assert findings_of(replace(planted, output_step=0.01), demo_suite) == ()


def test_quantised_outputs_whose_sums_are_far_below_1(healthy, demo_suite) -> None:
    """A step of 0.2 explains sums of 0.8 and of much less."""
    planted = replace(around(healthy, after=lambda z: 0.8 * (z == z.amax(1, True))), output_step=0.2)
    (finding,) = findings_of(planted, demo_suite)
    assert finding.problem == "demo: the outputs are taken for probabilities, but not all rows sum to 1."
    assert finding.evidence == "on 32 clean images 0 rows sum to 1 within 0.02; all sums are 0.8 … 0.8"


def test_stated_probabilities_that_are_sigmoids(healthy, demo_suite) -> None:
    planted = replace(around(healthy, after=torch.sigmoid), stated_outputs="probabilities")
    (finding,) = findings_of(planted, demo_suite)
    assert finding.problem == "demo: the outputs are stated to be probabilities, but they are sigmoids."


def test_reversed_outputs(healthy, demo_suite) -> None:
    expected = order_finding("the suite's order reversed", (400, "0.005", "0.975"), CLASSES[::-1])
    assert findings_of(around(healthy, after=lambda z: z.flip(1)), demo_suite) == (expected,)


def test_two_classes_swapped(healthy, demo_suite) -> None:
    swap = torch.tensor([1, 0, *range(2, 10)])
    planted = around(healthy, after=lambda z: z[:, swap])
    (finding,) = findings_of(planted, demo_suite)
    assert finding.problem == "demo: two classes look swapped: 'arrow' and 'crescent'."
    assert finding.evidence.endswith(" 80 answers are the other class of the pair, 0 are right")
    (finding,) = findings_of(planted, demo_suite, estimate_order=True)
    listed = [CLASSES[k] for k in swap]
    assert finding == order_finding("an order without a rule", (80, "0.762", "0.963"), listed)


@pytest.mark.parametrize("short", [False, True])
def test_an_order_without_a_rule(healthy, demo_suite, short) -> None:
    shuffled_classes = torch.tensor([3, 4, 0, 1, 5, 9, 2, 6, 7, 8])
    planted = around(healthy, after=lambda z: z[:, shuffled_classes])
    (finding,) = findings_of(planted, demo_suite, short=short)
    assert (finding.problem, finding.fix) == (
        "demo: the model's outputs look permuted.",
        "compare the class list with that of training; quba-check doctor --order estimates the order",
    )
    (finding,) = findings_of(planted, demo_suite, short=short, estimate_order=True)
    assert "in an order without a rule." in finding.problem
    assert f"classes: [{', '.join(CLASSES[k] for k in shuffled_classes)}]" in finding.fix


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


def test_the_order_of_the_models_own_label_names(healthy, demo_suite) -> None:
    planted = around(healthy, after=lambda z: z[:, REORDERED])
    planted.module.pretrained_cfg = {"label_names": [CLASSES[k] for k in REORDERED]}
    (finding,) = findings_of(planted, demo_suite)
    assert finding.problem.endswith("in the order of the model's own label_names.")


def test_a_supplied_order(healthy, demo_suite) -> None:
    planted = around(healthy, after=lambda z: z[:, REORDERED])
    (finding,) = findings_of(planted, demo_suite, order=[CLASSES[k] for k in REORDERED], short=True)
    assert finding.problem.endswith("in the supplied order.")


def test_a_supplied_order_of_other_classes_is_refused(healthy, demo_suite) -> None:
    fix = "write each class of the suite on a line of its own: arrow, crescent, cross, disc, heart and 5 more"
    (finding,) = findings_of(healthy, demo_suite, order=["aroww", *CLASSES[1:]])
    assert finding.text() == (
        f"--order: 'aroww' is not a class of the suite. Did you mean 'arrow'?\n  fix: {fix}"
    )
    (finding,) = findings_of(healthy, demo_suite, order=[*CLASSES, "arrow"])
    assert finding.text() == (
        f"--order: got 11 names, 10 of them different; the suite has 10 classes.\n  fix: {fix}"
    )


def test_bgr_channels(textured, demo_suite) -> None:
    (finding,) = findings_of(around(textured, before=lambda x: x.flip(1)), demo_suite)
    assert finding == Finding(
        check="preparation",
        problem="demo-textured: images go in with channels in the order RGB; the model was trained with BGR.",
        evidence=finding.evidence,
        fix="wrap the model in a callable whose forward begins with images = images.flip(1)",
    )
    assert finding.evidence.startswith("on 256 clean images accuracy 0.652 as is, 0.973 with the fix; ")


def test_a_missing_normalisation_without_batchnorm(textured, demo_suite) -> None:
    folded = without_batchnorm(textured)
    planted = prepared(folded, mean=(0.0, 0.0, 0.0), std=(1.0, 1.0, 1.0))
    (finding,) = findings_of(planted, demo_suite)
    assert finding.problem == (
        "demo-textured: the normalisation is missing; "
        "the model was trained with mean 0.481 0.458 0.408 and std 0.269 0.261 0.276."
    )
    assert "BatchNorm" not in finding.evidence
    assert finding.fix == (f"{FILE}mean: [0.481455, 0.457827, 0.408211]\nstd: [0.26863, 0.261303, 0.275777]")
    (finding,) = findings_of(planted, demo_suite, short=True)
    assert finding.problem.startswith(
        "demo-textured: the normalisation is missing; the model was trained with mean 0.48"
    )
    assert findings_of(folded, demo_suite) == findings_of(folded, demo_suite, short=True) == ()


@pytest.mark.parametrize("short", [False, True])
@pytest.mark.parametrize("change", [lambda model: model, without_batchnorm])
def test_a_normalisation_far_off_is_the_only_cause(textured, demo_suite, change, short) -> None:
    """Its answers can favour a wrong class order, which must not be proposed."""
    planted = prepared(change(textured), std=(0.004,) * 3)
    (finding,) = findings_of(planted, demo_suite, short=short, estimate_order=True)
    assert finding.check == "preparation"
    assert finding.problem.startswith("demo-textured: images go in with mean ")


def test_the_class_order_is_examined_with_the_fixed_preprocessing(healthy, demo_suite) -> None:
    reversed_outputs = around(healthy, after=lambda z: z.flip(1))
    planted = prepared(reversed_outputs, mean=(0.0,) * 3, std=(1.0,) * 3)
    preprocessing, order = findings_of(planted, demo_suite)
    assert "the normalisation is missing" in preprocessing.problem
    assert order.problem.endswith("in the suite's order reversed.")
    assert order.evidence.startswith("with the fixed preprocessing, on ")
    assert re.search(r"0\.9\d\d with the fix; ", preprocessing.evidence), "of answers in the right order"


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


def test_an_input_size_too_large(healthy, demo_suite) -> None:
    (finding,) = findings_of(prepared(healthy, input_size=(3, 128, 128)), demo_suite)
    assert finding.problem == ("demo: the resize or crop does not fit the model; 64 × 64 pixels does.")
    assert finding.evidence.startswith("on 256 clean images accuracy 0.359 as is, 0.906 with the fix; ")
    assert finding.fix == f"{FILE}input_size: [3, 64, 64]"


def test_a_crop_that_cuts_the_object(healthy, demo_suite) -> None:
    (finding,) = findings_of(prepared(healthy, crop_pct=0.6), demo_suite)
    assert finding.problem.endswith("the resize or crop does not fit the model; crop_pct 1 does.")
    assert finding.fix == f"{FILE}crop_pct: 1"
    assert findings_of(prepared(healthy, crop_pct=0.95), demo_suite) == ()


@pytest.mark.parametrize("short", [False, True])
def test_a_set_with_shuffled_labels(healthy, demo_suite, tmp_path, short) -> None:
    shutil.copytree(demo_suite.root, tmp_path / "data")
    shuffle(tmp_path / "data", "sketch")
    (finding,) = findings_of(healthy, open_suite(tmp_path / "data"), short=short)
    assert finding.problem == "demo: the labels of the set 'sketch' look shuffled."
    images, guess = (32, "3.2") if short else (64, "6.4")
    assert f" of {images} images right, {guess} by guessing, with mean confidence 0." in finding.evidence


def test_a_clean_set_with_shuffled_labels(healthy, demo_suite, tmp_path) -> None:
    shutil.copytree(demo_suite.root, tmp_path / "data")
    shuffle(tmp_path / "data", "clean")
    (finding,) = findings_of(healthy, open_suite(tmp_path / "data"))
    assert finding.problem == "demo: the labels of the set 'clean' look shuffled."
    assert finding.evidence.startswith("44 of 400 clean images right, 40 by guessing; mean confidence 0.9")
    assert "on the set 'sketch' accuracy 0.9" in finding.evidence
