from dataclasses import replace
from fractions import Fraction

import numpy as np
import pytest
from scipy.stats import binom
from support.answers import facts, first, reason, right_on, values
from support.errors import error_text

from quba_check.core.predictions import SliceColumn
from quba_check.core.request import Request
from quba_check.core.view import CLEAN, FGSM, PGD
from quba_check.demands import Demand
from quba_check.dimensions import registry
from quba_check.errors import InvariantError
from quba_check.verdicts.evidence import evidence_of

ADVERSARIAL = registry["adversarial_robustness"]
FACTS = facts()


def table(right, **extra):
    return right_on(right, extra={name: np.array(column) for name, column in extra.items()})


def tables(clean, fgsm, pgd, *, always_right=None, zero_gradient=None, fgsm_moves=None, pgd_moves=None):
    return {
        CLEAN: table(clean),
        FGSM: table(fgsm, zero_gradient=zero_gradient or [False] * len(fgsm), **fgsm_moves or {}),
        PGD: table(pgd, always_right=pgd if always_right is None else always_right, **pgd_moves or {}),
    }


def test_value_and_parts_by_hand():
    """Clean 8 of 10, FGSM 4, PGD 2, of which one was wrong on the way."""
    measured = ADVERSARIAL.measure(
        tables(first(8, 10), first(4, 10), first(2, 10), always_right=first(1, 10)), FACTS
    )
    assert measured.value == pytest.approx((0.5 * 0.25) ** 0.5)
    assert (measured.unit, measured.n, measured.notes) == ("ratio", 20, ())
    assert values(measured) == pytest.approx(
        {
            "fgsm": 0.5,
            "pgd": 0.25,
            "fgsm_accuracy": 0.4,
            "pgd_accuracy": 0.2,
            "worst_case": 0.125,
            "zero_gradient": 0.0,
        }
    )
    assert {part.n for part in measured.parts.values()} == {10}


@pytest.mark.parametrize(("n", "clean", "share"), [(60, 48, 0.3), (60, 20, 0.5), (100, 80, 0.2)])
def test_each_limit_of_few_images_errs_in_at_most_2_5_percent(n, clean, share):
    """Given the right clean images, those that stay right under PGD are binomial."""
    errors = np.zeros(2)
    for right in range(clean + 1):
        measured = ADVERSARIAL.measure(tables(first(clean, n), first(right, n), first(right, n)), FACTS)
        low, high = measured.parts["pgd"].curve.interval(0.95)
        errors += binom.pmf(right, clean, share) * np.array([low > share, high < share])
    assert (errors <= 0.025).all()


def test_worst_case_counts_images_right_at_every_point():
    """One image each fails only when clean, only under FGSM, only on PGD's way; one holds."""
    measured = ADVERSARIAL.measure(
        tables([0, 1, 1, 1], [1, 0, 1, 1], [1, 1, 1, 1], always_right=[1, 1, 0, 1]), FACTS
    )
    assert measured.parts["worst_case"].value == pytest.approx((1 / 4) / (3 / 4))


def test_a_model_that_an_attack_defeats_is_at_zero():
    assert ADVERSARIAL.measure(tables(first(8, 10), first(4, 10), first(0, 10)), FACTS).value == 0


@pytest.mark.parametrize(
    ("flat", "notes"), [(1, ()), (2, ("masked: 2.0 % of images have no input gradient",))]
)
def test_images_without_gradient_mask(flat, notes):
    views = tables(first(90, 100), first(50, 100), first(40, 100), zero_gradient=first(flat, 100))
    views[CLEAN] = replace(views[CLEAN], confidence=np.linspace(0.5, 0.9, 100, dtype=np.float32))
    assert ADVERSARIAL.measure(views, FACTS).notes == notes


CONSTANT = np.full(100, 0.6, np.float32)
FIVE = ("5.0 % of images have no input gradient",)


@pytest.mark.parametrize(
    ("changes", "signs"),
    [
        ({}, ()),  # one constant output
        ({"confidence": CONSTANT + 1e-7 * np.arange(100, dtype=np.float32)}, ()),  # but for rounding
        ({"confidence": np.ones(100, np.float32)}, FIVE),  # the loss is saturated
        ({"confidence": CONSTANT + 1e-3 * np.arange(100, dtype=np.float32)}, FIVE),  # rounded inputs
        ({"predicted": np.arange(100) % 2}, FIVE),  # two constants, such as those of clipped logits
    ],
)
def test_a_constant_output_hides_no_gradient(changes, signs):
    """Five images have no gradient; two of them are an exception that is too many."""
    views = tables(first(90, 100), first(50, 100), first(40, 100), zero_gradient=first(5, 100))
    views[CLEAN] = replace(views[CLEAN], **{"confidence": CONSTANT} | changes)
    assert ADVERSARIAL.measure(views, FACTS).masked == signs


@pytest.mark.parametrize(("fooled", "signs"), [(1, ()), (2, FIVE)])
def test_a_constant_output_whose_answer_changes_near_the_image_masks(fooled, signs):
    """PGD begins at a random point; two of 100 images that it changes are more than 1 %."""
    always_right = [fooled <= i < 40 for i in range(100)]
    views = tables(
        first(90, 100), first(50, 100), always_right, always_right=always_right, zero_gradient=first(5, 100)
    )
    views[CLEAN] = replace(views[CLEAN], confidence=CONSTANT)
    assert ADVERSARIAL.measure(views, FACTS).masked == signs


def test_one_image_shares_no_output():
    views = tables(first(9, 10), first(5, 10), first(4, 10), zero_gradient=first(1, 10))
    assert ADVERSARIAL.measure(views, FACTS).masked == ("10.0 % of images have no input gradient",)


@pytest.mark.parametrize(
    ("pgd", "notes"),
    [
        (103, ()),  # 3 more of 1000: 2 √3 = 3.46 are needed
        (105, ("masked: PGD is weaker than FGSM (acc 0.105 > 0.100)",)),
    ],
)
def test_a_pgd_weaker_than_fgsm_masks(pgd, notes):
    measured = ADVERSARIAL.measure(tables(first(900, 1000), first(100, 1000), first(pgd, 1000)), FACTS)
    assert measured.notes == notes


def test_the_difference_of_the_attacks_is_paired():
    """PGD has 20 more correct images, on others: 2 sqrt(180) = 26.8 are needed."""
    pgd = [100 <= i < 200 for i in range(1000)]
    assert ADVERSARIAL.measure(tables([True] * 1000, first(80, 1000), pgd), FACTS).notes == ()


def test_signs_of_masking_are_data():
    measured = ADVERSARIAL.measure(tables(first(50, 100), first(70, 100), first(80, 100)), FACTS)
    assert measured.masked == (
        "PGD is weaker than FGSM (acc 0.800 > 0.700)",
        "FGSM helps the model (acc 0.700 > 0.500 clean)",
        "PGD helps the model (acc 0.800 > 0.500 clean)",
    )
    assert measured.notes == tuple(f"masked: {sign}" for sign in measured.masked)


@pytest.mark.parametrize(("helped", "is_masked"), [(0, False), (3, False), (4, True)])
def test_an_attack_may_help_by_chance(helped, is_masked):
    """Of 100 images, some are right under FGSM alone: 3 are 1.8 standard errors, 4 are 2.03."""
    clean = first(50, 100)
    attacked = first(50 + helped, 100)
    measured = ADVERSARIAL.measure(tables(clean, attacked, first(10, 100)), FACTS)
    assert bool(measured.masked) == is_masked


@pytest.mark.parametrize(
    ("surer", "signs"),
    [
        (34, ("FGSM makes the model surer of 34 % of the images it gets right",)),
        (33, ()),  # 0.25 + 2 sqrt(0.25 · 0.75 / 100) = 0.337 may be chance
    ],
)
def test_an_attack_that_makes_the_model_surer_is_misled(surer, signs):
    """The accuracy shows nothing if all images stay right."""
    views = tables([True] * 100, [True] * 100, [True] * 100)
    probability = np.where(np.arange(100) < surer, 0.6, 0.4).astype(np.float32)
    views[FGSM] = replace(views[FGSM], true_probability=probability)
    assert ADVERSARIAL.measure(views, FACTS).masked == signs


def test_images_that_are_wrong_when_clean_do_not_count():
    views = tables(first(10, 100), first(5, 100), first(5, 100))
    probability = np.where(np.arange(100) < 10, 0.4, 0.6).astype(np.float32)
    views[FGSM] = replace(views[FGSM], true_probability=probability)
    assert ADVERSARIAL.measure(views, FACTS).masked == ()


def test_one_image_masks_nothing():
    assert ADVERSARIAL.measure(tables([True], [False], [True]), FACTS).notes == ()


def test_nothing_is_relative_to_a_clean_accuracy_of_zero():
    text = (
        "none of the 3 clean images is classified right, and nothing is relative to 0; "
        "check that class list and preprocessing are the model's own"
    )
    assert reason(ADVERSARIAL, tables([0, 0, 0], [0, 0, 0], [0, 0, 1]), FACTS) == (text, False)


def test_tables_of_different_images_are_refused():
    views = tables([1, 1], [1, 0], [1, 0]) | {PGD: table([1], always_right=[True])}
    text = error_text(InvariantError, ADVERSARIAL.measure, views, FACTS)
    assert text == "adversarial_robustness: clean, FGSM and PGD predictions are of different images"


HALF = Fraction(4, 255)
DOUBLE = Fraction(16, 255)
PARTS = {"": ADVERSARIAL.value_part} | {part.name: part for part in ADVERSARIAL.parts(FACTS.suite)}


def at(epsilon, attacks):
    """The attacks of some tables as those of another size."""
    return {replace(view, epsilon=epsilon): table for view, table in attacks.items() if view != CLEAN}


def requested(*numbers):
    """Facts with requested parts, each a name and its size."""
    requests = [Request(ADVERSARIAL.name, PARTS[name], epsilon=epsilon) for name, epsilon in numbers]
    return facts(requests=tuple(requests))


def test_each_requested_size_has_views_and_parts():
    known = requested(("", HALF), ("pgd", HALF), ("fgsm", DOUBLE))
    views = ["clean", "clean+fgsm", "clean+pgd", "clean+fgsm@4/255", "clean+pgd@4/255"]
    assert list(map(str, ADVERSARIAL.views(known.suite))) == [*views, "clean+fgsm@16/255", "clean+pgd@16/255"]
    assert [(part.name, part.title) for part in ADVERSARIAL.parts(known.suite)[6:]] == [
        ("@epsilon=4/255", "relative accuracy under both attacks, ε = 4/255"),
        ("pgd@epsilon=4/255", "relative accuracy under PGD, ε = 4/255"),
        ("fgsm@epsilon=16/255", "relative accuracy under FGSM, ε = 16/255"),
    ]


def test_a_number_at_another_size_is_that_of_its_tables():
    clean = first(80, 100)
    usual = tables(clean, first(40, 100), first(20, 100))
    half = tables(clean, first(60, 100), first(30, 100))
    known = requested(("", HALF), *((name, HALF) for name in PARTS if name))
    measured = ADVERSARIAL.measure(usual | at(HALF, half), known)
    alone = ADVERSARIAL.measure(usual, FACTS)
    expected = ADVERSARIAL.measure(half, FACTS)
    assert measured.whole == alone.whole
    assert {name: measured.parts[name] for name in alone.parts} == alone.parts
    assert measured.parts["@epsilon=4/255"] == expected.whole
    assert measured.parts["@epsilon=4/255"].value == pytest.approx((60 / 80 * 30 / 80) ** 0.5)
    assert all(measured.parts[f"{name}@epsilon=4/255"] == part for name, part in expected.parts.items())


@pytest.mark.parametrize("masked", [None, HALF])
def test_signs_of_masking_concern_one_size(masked):
    clean = first(50, 100)
    sign = "FGSM helps the model (acc 0.700 > 0.500 clean)"
    good, bad = (tables(clean, first(n, 100), first(20, 100)) for n in (40, 70))
    usual, half = (good, bad) if masked else (bad, good)
    known = requested(("", HALF), ("pgd", HALF), ("pgd", DOUBLE))
    measured = ADVERSARIAL.measure(usual | at(HALF, half) | at(DOUBLE, good), known)
    named = f"ε = 4/255: {sign}"
    signs = [
        measured.masked_for(one) for one in (*known.suite.requests, Request(ADVERSARIAL.name, PARTS[""]))
    ]
    assert signs == ([(named,), (named,), (), ()] if masked else [(), (), (), (sign,)])
    assert measured.notes == (f"masked: {named if masked else sign}",)


def test_the_released_attack_reports_its_pixel_moves_and_its_size():
    moves = {
        "fgsm_moves": {"moved": np.float32([0.5, 0.25]), "moved_share": np.float32([0.9, 0.8])},
        "pgd_moves": {"moved": np.float32([0.53, 0.25]), "moved_share": np.float32([0.8, 0.74])},
    }
    views = tables([1, 1], [1, 0], [1, 0], **moves)
    measured = ADVERSARIAL.measure(views | at(HALF, views), requested(("", HALF)))
    note = "released attack: largest pixel move 0.53, 81 % of pixel values moved by more than"
    assert measured.notes == (f"{note} 8/255", f"ε = 4/255: {note} 4/255")


def test_a_slice_at_another_size_is_that_of_its_attacks():
    """Of the slice's 50 images the usual attacks leave 40 of 50, those at ε = 4/255 all 50."""
    views = tables(first(100, 100), first(40, 100), first(40, 100))
    half = tables(*[first(100, 100)] * 3)
    sites = SliceColumn(("site=a", "site=b"), np.arange(100) // 50)
    views = views | {CLEAN: replace(views[CLEAN], slices={"site": sites})}
    request = Request(ADVERSARIAL.name, PARTS[""], epsilon=HALF, slice="site=a")
    measured = ADVERSARIAL.measure(views | at(HALF, half), facts(requests=(request,)))
    demand = Demand(request, "min", 1.0, "block", False, "t.yaml", 1, min_images=50)
    evidence = evidence_of(demand, measured)
    assert evidence.quantity(request.name).value == 1.0  # type: ignore[union-attr]
