"""Notes on a grade, with their exact text."""

from dataclasses import replace

import pytest

from quba_check.core.measurement import Measurement
from quba_check.grading import grade, quba_score
from quba_check.grading.published import models_by_name, published_population

SWIN = models_by_name()["Swin-B"].values
FLEET = replace(published_population(), name="fleet", protocol="standard", suite="")


def test_cross_protocol_has_a_note():
    graded = grade(SWIN, protocol="standard")
    assert graded.cross_protocol == ("adversarial_robustness",)
    assert graded.notes == (
        "cross-protocol: adversarial_robustness: published attacks the normalised input (protocol released), "
        "these values pixels (protocol standard); that part of the score is not comparable",
    )
    assert grade(SWIN, protocol="released", population=FLEET).notes == (
        "cross-protocol: adversarial_robustness: fleet attacks pixels (protocol standard), these values "
        "the normalised input (protocol released); that part of the score is not comparable",
    )
    assert grade(SWIN, protocol="standard", population=FLEET).notes == ()
    assert grade(SWIN, weights={"adversarial_robustness": 0}).notes == ()


ALLOWED = "Allowed: a population of this suite (quba-check published population), or allow_other_suite: true"


@pytest.mark.parametrize(
    ("population", "suite", "classes", "difference"),
    [
        ("published", "my fruit", 3, "published was measured on imagenet, this run on my fruit"),
        ("screened", "my fruit", None, "screened was measured on imagenet, this run on my fruit"),
        ("demo", "imagenet", 1000, "demo was measured on demo, this run on imagenet"),
        (
            "published",
            "imagenet",
            10,
            "published was measured on imagenet with 1,000 classes, this run on a suite of that name with 10",
        ),
        (FLEET, "my fruit", 3, "fleet names no suite, this run was on my fruit"),
    ],
)
def test_values_of_another_suite_have_a_score_and_no_letter(population, suite, classes, difference):
    asked = {"protocol": "released", "population": population, "suite": suite, "classes": classes}
    graded = grade(SWIN, **asked)
    assert (graded.percentile, graded.letter, graded.curve, graded.complete) == (None, None, None, False)
    assert graded.score == quba_score(SWIN, population=population)
    assert graded.other_suite == difference
    assert graded.not_graded == f"{difference}. {ALLOWED}"
    allowed = grade(SWIN, **asked, allow_other_suite=True)
    assert (allowed.score, allowed.other_suite, allowed.not_graded) == (graded.score, difference, "")
    assert allowed.letter == grade(SWIN, protocol="released", population=population).letter


@pytest.mark.parametrize(("suite", "classes"), [("imagenet", 1000), ("imagenet", None), (None, None)])
def test_the_same_suite_needs_no_caveat(suite, classes):
    graded = grade(SWIN, protocol="released", suite=suite, classes=classes)
    assert (graded.letter, graded.other_suite, graded.not_graded, graded.notes) == ("C", "", "", ())


def on_500_images(name, **changed):
    """All nine values, one of them changed."""
    found = {name: Measurement(name, value, "x", 500) for name, value in SWIN.items()}
    return found | {name: replace(found[name], **changed)}


SIGNS = "2.0 % of images have no input gradient; PGD is weaker than FGSM (acc 0.9 > 0.1)"
MASKED = on_500_images("adversarial_robustness", masked=tuple(SIGNS.split("; ")))


def test_a_masked_value_gives_no_grade():
    graded = grade(SWIN, protocol="released", measured=MASKED)
    assert (graded.score, graded.letter, graded.missing) == (None, None, ("adversarial_robustness",))
    assert graded.not_graded == f"no evidence of robustness: adversarial_robustness is masked ({SIGNS})"
    values = {name: value for name, value in SWIN.items() if name != "shape_bias"}
    assert grade(values, protocol="released", measured=MASKED).not_graded == (
        f"missing shape_bias; no evidence of robustness: adversarial_robustness is masked ({SIGNS})"
    )


def test_a_masked_value_takes_no_part_in_a_partial_grade():
    lacking = {name: value for name, value in SWIN.items() if name != "adversarial_robustness"}
    allowed = ["adversarial_robustness"]
    without = grade(lacking, protocol="released", allow_missing=allowed)
    graded = grade(SWIN, protocol="released", measured=MASKED, allow_missing=allowed)
    assert (graded.score, graded.letter) == (without.score, without.letter)
    assert graded.notes == (
        "partial: without adversarial_robustness",
        f"masked: adversarial_robustness is left out: {SIGNS}",
    )


def test_a_masked_value_counts_with_a_note_if_allowed():
    graded = grade(SWIN, protocol="released", measured=MASKED, allow_masked=True)
    assert graded.score == quba_score(SWIN)
    assert graded.notes == (f"masked: adversarial_robustness counts as measured (allow_masked): {SIGNS}",)
    graded = grade(SWIN, protocol="released", measured=MASKED, weights={"adversarial_robustness": 0})
    assert (graded.letter is None, graded.notes) == (False, ())


TRANSFERRED = "transferred: the images are attacked on the reference"
ON_ANOTHER = on_500_images("adversarial_robustness", notes=(TRANSFERRED,))
BOTH = on_500_images("adversarial_robustness", notes=(TRANSFERRED,), masked=tuple(SIGNS.split("; ")))


@pytest.mark.parametrize(("measured", "allowed"), [(ON_ANOTHER, {}), (BOTH, {"allow_masked": True})])
def test_a_transferred_value_gives_no_grade(measured, allowed):
    """Also if it is masked, and masked values may count."""
    graded = grade(SWIN, protocol="released", measured=measured, **allowed)
    assert (graded.score, graded.missing) == (None, ("adversarial_robustness",))
    assert graded.not_graded == (
        "adversarial_robustness is of attacks on another model; allow_transferred: true under quba counts it"
    )


def test_a_transferred_value_counts_with_a_note_if_allowed():
    graded = grade(SWIN, protocol="released", measured=ON_ANOTHER, allow_transferred=True)
    assert graded.score == quba_score(SWIN)
    assert graded.notes == ("transferred: adversarial_robustness counts as measured (allow_transferred)",)
    graded = grade(SWIN, protocol="released", measured=BOTH, allow_transferred=True)
    assert graded.not_graded == f"no evidence of robustness: adversarial_robustness is masked ({SIGNS})"


def test_generated_corruptions_have_a_note_with_populations_of_stored_ones():
    note = "generated corruptions: corruption_robustness is compared with values from the stored ImageNet-C"
    for stored in ("published", "screened"):
        graded = grade(SWIN, population=stored, protocol="released", generated_corruptions=True)
        assert graded.notes == (note,)
    assert grade(SWIN, population="demo", generated_corruptions=True).notes == ()
    weights = {"corruption_robustness": 0}
    assert grade(SWIN, protocol="released", weights=weights, generated_corruptions=True).notes == ()


def test_few_images_have_a_note_if_they_shift_the_score():
    shifted, near = (on_500_images("class_balance", debiased=value) for value in (0.83, 0.802))
    assert grade(SWIN, protocol="released", measured=shifted).notes == (
        "few images: class_balance on 500 images move the score by -0.20 compared with infinitely many: "
        "not comparable with published, which was measured on 50,000",
    )
    assert grade(SWIN, protocol="released", measured=near).notes == ()
