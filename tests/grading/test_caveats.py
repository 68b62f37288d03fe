"""What is said beside a grade, to the letter."""

from dataclasses import replace

from quba_check.grading import grade, published_models
from quba_check.grading.published import published_population
from quba_check.protocol.measurement import Measurement

SWIN = next(model.values for model in published_models() if model.id == "Swin-B")
FLEET = replace(published_population(), name="fleet", protocol="standard", suite="")


def test_cross_protocol_is_said():
    graded = grade(SWIN, protocol="standard")
    assert graded.cross_protocol == ("adversarial_robustness",)
    assert graded.notes == (
        "cross-protocol: adversarial_robustness: published attacks the normalised input (protocol released), "
        "these values pixels (protocol standard); that part of the score compares unlike things",
    )
    assert grade(SWIN, protocol="released", population=FLEET).notes == (
        "cross-protocol: adversarial_robustness: fleet attacks pixels (protocol standard), these values "
        "the normalised input (protocol released); that part of the score compares unlike things",
    )
    assert grade(SWIN, protocol="standard", population=FLEET).notes == ()


def test_cross_protocol_is_not_said_of_what_weighs_nothing():
    assert grade(SWIN, weights={"adversarial_robustness": 0}).notes == ()


def test_other_suite_is_said():
    graded = grade(SWIN, protocol="released", suite="my ten classes")
    assert graded.notes == (
        "other suite: published was measured on imagenet, these values on my ten classes",
    )
    assert grade(SWIN, protocol="released", suite="imagenet").notes == ()


def test_generated_corruptions_are_said_beside_populations_of_stored_ones():
    note = "generated corruptions: corruption_robustness is compared with values from the stored ImageNet-C"
    for stored in ("published", "screened"):
        graded = grade(SWIN, population=stored, protocol="released", generated_corruptions=True)
        assert graded.notes == (note,)
    assert grade(SWIN, population="demo", generated_corruptions=True).notes == ()
    weights = {"corruption_robustness": 0}
    assert grade(SWIN, protocol="released", weights=weights, generated_corruptions=True).notes == ()


def on_500_images(debiased):
    """All nine, and what class_balance would be on endless images."""
    found = {name: Measurement(name, value, "x", 500) for name, value in SWIN.items()}
    found["class_balance"] = replace(found["class_balance"], debiased=debiased)
    return found


def test_few_images_are_said_where_they_move_the_score():
    assert grade(SWIN, protocol="released", measured=on_500_images(0.83)).notes == (
        "few images: class_balance on 500 images move the score by -0.20 against endless ones: "
        "not comparable with published, which was measured on 50,000",
    )
    assert grade(SWIN, protocol="released", measured=on_500_images(0.802)).notes == ()
