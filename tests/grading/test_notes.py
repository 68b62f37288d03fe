"""Notes on a grade, with their exact text."""

from dataclasses import replace

import pytest

from quba_check.core.grade import GradeRules
from quba_check.core.measurement import Measurement
from quba_check.grading import GradedRun, grade, quba_score
from quba_check.grading.published import models_by_name, published_population

SWIN = models_by_name()["Swin-B"].values
RELEASED = GradedRun("released")
GENERATED = GradedRun("released", generates_corruptions=True)
FLEET = replace(published_population(), name="fleet", protocol="standard", suite="")


def test_cross_protocol_has_a_note():
    graded = grade(SWIN)
    assert graded.cross_protocol == ("adversarial_robustness",)
    assert graded.notes == (
        "cross-protocol: adversarial_robustness: published attacks the normalised input (protocol released), "
        "these values pixels (protocol standard); that part of the score is not comparable",
    )
    assert grade(SWIN, population=FLEET, run=RELEASED).notes == (
        "cross-protocol: adversarial_robustness: fleet attacks pixels (protocol standard), these values "
        "the normalised input (protocol released); that part of the score is not comparable",
    )
    assert grade(SWIN, population=FLEET).notes == ()
    assert grade(SWIN, GradeRules(weights={"adversarial_robustness": 0})).notes == ()


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
    asked = {"population": population, "run": GradedRun("released", suite, classes)}
    graded = grade(SWIN, **asked)
    assert (graded.percentile, graded.letter, graded.curve, graded.complete) == (None, None, None, False)
    assert graded.score == quba_score(SWIN, population=population)
    assert graded.other_suite == difference
    assert graded.not_graded == f"{difference}. {ALLOWED}"
    allowed = grade(SWIN, GradeRules(allow_other_suite=True), **asked)
    assert (allowed.score, allowed.other_suite, allowed.not_graded) == (graded.score, difference, "")
    assert allowed.letter == grade(SWIN, population=population, run=RELEASED).letter


@pytest.mark.parametrize(("suite", "classes"), [("imagenet", 1000), ("imagenet", None), (None, None)])
def test_the_same_suite_needs_no_caveat(suite, classes):
    graded = grade(SWIN, run=GradedRun(protocol="released", suite=suite, classes=classes))
    assert (graded.letter, graded.other_suite, graded.not_graded, graded.notes) == ("C", "", "", ())


def on_500_images(name, **changed):
    """All nine values, one of them changed."""
    found = {name: Measurement(name, value, "x", 500) for name, value in SWIN.items()}
    return found | {name: replace(found[name], **changed)}


SIGNS = "2.0 % of images have no input gradient; PGD is weaker than FGSM (acc 0.9 > 0.1)"
MASKED = on_500_images("adversarial_robustness", masked=tuple(SIGNS.split("; ")))


def test_a_masked_value_gives_no_grade():
    graded = grade(SWIN, measured=MASKED, run=RELEASED)
    assert (graded.score, graded.letter, graded.missing) == (None, None, ("adversarial_robustness",))
    assert graded.not_graded == f"no evidence of robustness: adversarial_robustness is masked ({SIGNS})"
    values = {name: value for name, value in SWIN.items() if name != "shape_bias"}
    assert grade(values, measured=MASKED, run=RELEASED).not_graded == (
        f"missing shape_bias; no evidence of robustness: adversarial_robustness is masked ({SIGNS})"
    )


def test_a_masked_value_takes_no_part_in_a_partial_grade():
    lacking = {name: value for name, value in SWIN.items() if name != "adversarial_robustness"}
    allowed = ["adversarial_robustness"]
    without = grade(lacking, GradeRules(allow_missing=allowed), run=RELEASED)
    graded = grade(SWIN, GradeRules(allow_missing=allowed), measured=MASKED, run=RELEASED)
    assert (graded.score, graded.letter) == (without.score, without.letter)
    assert graded.notes == (
        "partial: without adversarial_robustness",
        f"masked: adversarial_robustness is left out: {SIGNS}",
    )


def test_a_masked_value_counts_with_a_note_if_allowed():
    graded = grade(SWIN, GradeRules(allow_masked=True), measured=MASKED, run=RELEASED)
    assert graded.score == quba_score(SWIN)
    assert graded.notes == (f"masked: adversarial_robustness counts as measured (allow_masked): {SIGNS}",)
    graded = grade(SWIN, GradeRules(weights={"adversarial_robustness": 0}), measured=MASKED, run=RELEASED)
    assert (graded.letter is None, graded.notes) == (False, ())


ON_ANOTHER = on_500_images("adversarial_robustness", transferred=True)
BOTH = on_500_images("adversarial_robustness", transferred=True, masked=tuple(SIGNS.split("; ")))


@pytest.mark.parametrize(("measured", "allow_masked"), [(ON_ANOTHER, False), (BOTH, True)])
def test_a_transferred_value_gives_no_grade(measured, allow_masked):
    """Also if it is masked, and masked values may count."""
    graded = grade(SWIN, GradeRules(allow_masked=allow_masked), measured=measured, run=RELEASED)
    assert (graded.score, graded.missing) == (None, ("adversarial_robustness",))
    assert graded.not_graded == (
        "adversarial_robustness is of attacks on another model; allow_transferred: true under quba counts it"
    )


def test_a_transferred_value_counts_with_a_note_if_allowed():
    graded = grade(SWIN, GradeRules(allow_transferred=True), measured=ON_ANOTHER, run=RELEASED)
    assert graded.score == quba_score(SWIN)
    assert graded.notes == ("transferred: adversarial_robustness counts as measured (allow_transferred)",)
    graded = grade(SWIN, GradeRules(allow_transferred=True), measured=BOTH, run=RELEASED)
    assert graded.not_graded == f"no evidence of robustness: adversarial_robustness is masked ({SIGNS})"


def test_a_note_is_no_sign_of_attacks_on_another_model():
    noted = on_500_images("accuracy", notes=("transferred: from the earlier data set",))
    assert grade(SWIN, run=RELEASED, measured=noted).letter == "C"
    assert noted["accuracy"].is_comparable


def test_generated_corruptions_have_a_note_with_populations_of_stored_ones():
    note = "generated corruptions: corruption_robustness is compared with values from the stored ImageNet-C"
    for stored in ("published", "screened"):
        graded = grade(SWIN, population=stored, run=GENERATED)
        assert graded.notes == (note,)
    assert grade(SWIN, population="demo", run=GradedRun(generates_corruptions=True)).notes == ()
    weights = {"corruption_robustness": 0}
    assert grade(SWIN, GradeRules(weights=weights), run=GENERATED).notes == ()


def test_few_images_have_a_note_if_they_shift_the_score():
    shifted, near = (on_500_images("class_balance", debiased=value) for value in (0.83, 0.802))
    assert grade(SWIN, measured=shifted, run=RELEASED).notes == (
        "few images: class_balance on 500 images move the score by -0.20 compared with infinitely many: "
        "not comparable with published, which was measured on 50,000",
    )
    assert grade(SWIN, measured=near, run=RELEASED).notes == ()
