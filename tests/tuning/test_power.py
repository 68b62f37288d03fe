import math
from dataclasses import replace
from fractions import Fraction

import numpy as np
import pytest
from scipy.stats import binom
from support.gate import thresholds
from support.quick import mostly_slow
from support.tuned import quantity, record

from quba_check.core.confidence import SCORES, ConfidenceCurve
from quba_check.core.measurement import Measurement
from quba_check.stats import intervals as limits
from quba_check.tuning.power import detectable_effects
from quba_check.tuning.suggested_limits import limits_of_demands
from quba_check.verdicts import decide
from quba_check.verdicts.explanation import verdict_row

FILE = "uncertain: POLICY\ndimensions: {accuracy: {min: 0.8}}"


@pytest.mark.parametrize(
    ("limit", "images"), [(0.8, 400), (0.95, 400), (0.93, 37), (0.999, 100), (1, 100), (0.001, 50)]
)
@pytest.mark.parametrize("run", [None, record()])
def test_a_share_is_blocked_and_passes_as_binomials_do(limit, images, run):
    (reach,) = detectable_effects(thresholds(f"dimensions: {{accuracy: {{min: {limit}}}}}"), images, run)
    least = math.ceil(round(limit * images, 9))
    assert binom.cdf(least - 1, images, reach.blocked) == pytest.approx(0.8)
    assert binom.sf(least - 1, images, reach.passed) == pytest.approx(0.8)
    assert reach.error == pytest.approx(math.sqrt(reach.blocked * (1 - reach.blocked) / images))
    assert 0 <= reach.blocked < reach.passed <= 1


def test_no_model_is_shown_to_reach_1_on_few_images():
    for text in ("accuracy: {min: 0.999}", "shape_bias: {min: 1}"):
        (reach,) = detectable_effects(thresholds(f"uncertain: fail\ndimensions: {{{text}}}"), 100)
        assert (reach.error, reach.blocked, reach.passed) == (0, 1, None)


def test_a_bound_that_no_model_is_shown_to_miss():
    (reach,) = detectable_effects(thresholds("uncertain: allow\ndimensions: {accuracy: {min: 0.01}}"), 100)
    assert (reach.error, reach.blocked, reach.passed) == (0, None, 0)


def test_effects_lie_in_the_range_of_values():
    """A calibration error of 0.0312 ± 0.004 on 1,000 images, for 100 images."""
    text = "dimensions: {calibration_error: {max: 0.001}}"
    (point,) = detectable_effects(thresholds(text), 100, record())
    assert (point.error, point.passed) == (pytest.approx(0.004 * math.sqrt(10)), None)
    (allow,) = detectable_effects(thresholds(f"uncertain: allow\n{text}"), 100, record())
    assert allow.passed == pytest.approx(0.001 + (1.96 - 0.8416) * 0.004 * math.sqrt(10), abs=1e-5)
    (fail,) = detectable_effects(thresholds(f"uncertain: fail\n{text}"), 100, record())
    assert (fail.blocked, fail.passed) == (0, None)


@pytest.mark.parametrize(
    ("text", "low", "high"),
    [
        ("object_focus: {min: 0.9}", 1 - 1 / 0.8, 1 + 1 / 0.8),
        ("corruption_robustness: {min: 0.9}", 0, 1 / 0.8),
        ("corruption_robustness: {min: 0.9, max_drop: 0.1}", -1 / 0.8, 1 / 0.8),
        ("corruption_robustness: {min: 0.9, max_relative_drop: 0.1}", -math.inf, 1),
    ],
)
def test_true_values_are_possible_at_the_clean_accuracy(text, low, high):
    reach = detectable_effects(thresholds(f"uncertain: fail\ndimensions: {{{text}}}"), 2)[-1]
    ends = [end for end in (reach.blocked, reach.passed) if end is not None]
    assert ends
    assert all(low <= end <= high for end in ends)


def test_only_decided_images_count_for_shape_bias():
    """Half of 400 conflicting images are decided by shape or texture, so 50 of 100 are."""
    hits = {
        name: {"value": value, "unit": "images", "n": 400}
        for name, value in (("shape_hits", 150), ("texture_hits", 50))
    }
    row = quantity(0.75, 0.03, "fraction", n=400, better="high", parts=hits)
    file = thresholds("dimensions: {shape_bias: {min: 0.7}}")
    assert detectable_effects(file, 100, record(measurements={"shape_bias": row})) == detectable_effects(
        file, 50
    )


def test_images_in_groups_count_as_their_independent_ones():
    row = quantity(0.8, 0.03, "fraction", n=400, groups=30, effective=100.0, better="high")
    file = thresholds("dimensions: {accuracy: {min: 0.7}}")
    found = detectable_effects(file, 800, record(measurements={"accuracy": row}))
    assert found == detectable_effects(file, 200)


@pytest.mark.parametrize("policy", mostly_slow(["point", "fail", "allow"], ["fail"]))
def test_models_with_those_true_values_are_blocked_or_pass(policy):
    """Simulated runs of models at both values: four of five are blocked, or pass."""
    file = thresholds(FILE.replace("POLICY", policy))
    (reach,) = detectable_effects(file, 2000)
    rng = np.random.default_rng(0)

    def share_met(accuracy):
        met = []
        drawn, counts = np.unique(rng.binomial(2000, accuracy, 400), return_counts=True)
        for hits in drawn.tolist():
            curve = ConfidenceCurve(tuple(limits.share_limits(hits, 2000, np.array(SCORES)).tolist()))
            evidence = Measurement("accuracy", hits / 2000, "fraction", 2000, curve)
            met.append(verdict_row(decide(file.demands[0], evidence, file.policy), "x").is_met)
        return np.average(met, weights=counts)

    assert share_met(reach.blocked) == pytest.approx(0.2, abs=0.06)
    assert share_met(reach.passed) == pytest.approx(0.8, abs=0.06)


def test_errors_of_a_run_are_scaled_to_the_number_of_images():
    text = "dimensions: {corruption_robustness: {min: 0.5, parts: {fog: {min: 0.4}}}}"
    found = detectable_effects(thresholds(text), 250, record())
    assert [reach.error for reach in found] == pytest.approx([0.04, 0.06])


def test_errors_are_scaled_by_the_images_of_their_own_sets():
    """Clean 400, corruptions 75 × 400, sketch 150: 0.62 ± 0.02 is of 400 images, 0.5 ± 0.03 of 150."""
    known = record()
    rows = {
        "corruption_robustness": quantity(0.62, 0.02, "ratio", n=30_000, parts={}),
        "ood_robustness": quantity(
            0.5, 0.03, "ratio", n=150, parts={"sketch": quantity(0.5, 0.03, "ratio", n=150, better="high")}
        ),
        "object_focus": quantity(0.9, 0.01, "fraction", n=600, parts={}),
    }
    sizes = {"clean": 400, "corruptions": 30_000, "sketch": 150, "mixed_same": 300, "mixed_rand": 300}
    suite = known.suite.model_dump() | {"sets": {name: {"images": n} for name, n in sizes.items()}}
    text = (
        "dimensions: {corruption_robustness: {min: 0.5}, object_focus: {min: 0.8},"
        " ood_robustness: {min: 0.4, parts: {sketch: {min: 0.4}}}}"
    )
    found = detectable_effects(thresholds(text), 100, record(measurements=rows, suite=suite))
    errors = {reach.demand.target: reach.error for reach in found}
    assert errors == pytest.approx(
        {
            "corruption_robustness": 0.02 * 2,
            "ood_robustness": 0.03 * math.sqrt(1.5),
            "ood_robustness.sketch": 0.03 * math.sqrt(1.5),
            "object_focus": 0.01 * math.sqrt(3),
        }
    )
    sampled = suite | {"sample": "one", "sets": {"clean": {"images": 400}, "corruptions": {"images": 200}}}
    one = detectable_effects(thresholds(text), 100, record(measurements=rows, suite=sampled))[0]
    assert one.error == pytest.approx(0.02 * math.sqrt(2))


def test_errors_under_conditions_and_on_slices_are_scaled_by_the_set():
    """Twice the errors of a quarter of the images, also if only some of the set's images count."""
    sets = {name: {"images": n} for name, n in (("clean", 1000), ("night", 400), ("unknown/birds", 200))}
    suite = record().suite.model_dump() | {"sets": sets}
    values = {
        "site=a": quantity(0.8, 0.03, "fraction", n=300),
        "site=b": quantity(0.9, 0.02, "fraction", n=700),
    }
    gaps = {"site=a": quantity(0.1, 0.04, "fraction", n=1000)}
    parts = {"@set=night": quantity(0.7, 0.02, "fraction", n=400)}
    rows = {
        "accuracy": quantity(
            0.9, 0.01, "fraction", parts=parts, slices={"site": {"values": values, "gaps": gaps}}
        ),
        "classes": quantity(
            0.9, 0.01, "fraction", parts={"cat.recall": quantity(0.8, 0.05, "fraction", n=90)}
        ),
        "answers": quantity(
            0.1,
            0.01,
            "fraction",
            parts={"share@energy=0.5,set=birds": quantity(0.2, 0.03, "fraction", n=200)},
        ),
    }
    run = record(measurements=rows, suite=suite)
    expected = {
        "accuracy: {set: night, min: 0.6}": (400, 0.02),
        "accuracy: {slices: {site=a: {min: 0.6}}}": (1000, 0.03),
        "accuracy: {slices: {site: {gap: {max: 0.2}}}}": (1000, 0.04),
    }
    texts = {f"dimensions: {{{text}}}": size for text, size in expected.items()} | {
        "classes: {cat: {recall: {min: 0.6}}}": (1000, 0.05),
        "answers: {at: {energy: 0.5}, share: {max: 0.4}, set: birds}": (200, 0.03),
    }
    for text, (images, error) in texts.items():
        (effect,) = detectable_effects(thresholds(text), images // 4, run)
        assert effect.error == pytest.approx(2 * error), text
    (gap,) = detectable_effects(
        thresholds("dimensions: {accuracy: {slices: {site: {gap: {max: 0}}}}}"), 250, run
    )
    assert gap.passed == pytest.approx(-0.8416 * 0.08, abs=1e-4), "gaps may be below 0"


@pytest.mark.parametrize("changed", [{"n": 1}, {"n": 0}, {"n": None}, {"masked": ["FGSM helps the model"]}])
def test_a_value_that_knows_no_error(changed):
    rows = {
        "accuracy": quantity(0.9, 0.01, "fraction", parts={}) | changed,
        "calibration_error": quantity(0.03, 0.004, "fraction", parts={}) | changed,
    }
    file = thresholds("dimensions: {accuracy: {min: 0.8, max_drop: 0.1}, calibration_error: {max: 0.1}}")
    found = detectable_effects(file, 100, record(measurements=rows))
    assert [(reach.error, reach.blocked, reach.passed) for reach in found] == [(None, None, None)] * 3


def test_signs_at_one_size_of_the_attacks_leave_the_errors_at_others():
    part = quantity(0.6, 0.02, "ratio", better="high", parts={})
    row = quantity(0.5, 0.01, "ratio", parts={"pgd": part, "pgd@epsilon=4/255": part})
    file = thresholds("dimensions: {adversarial_robustness: {min: 0.4, parts: {pgd: {min: 0.4}}}}")
    usual, pgd = file.demands
    half = replace(pgd, request=replace(pgd.request, epsilon=Fraction(4, 255)))
    signs = ["FGSM helps the model"]
    for changed, errors in (
        ({"masked_at": {"4/255": signs}}, [0.01, 0.02, None]),
        ({"masked": signs}, [None, None, 0.02]),
    ):
        run = record(measurements={"adversarial_robustness": row | changed})
        found = detectable_effects(replace(file, demands=(usual, pgd, half)), None, run)
        assert [one.error and round(one.error, 3) for one in found] == errors
        limits = limits_of_demands(replace(file, demands=(half,)), {}, {"a.json": run}, 1.645)
        assert bool(limits) == ("masked" in changed)


def test_a_drop_has_the_error_of_two_runs():
    """0.8 of 400: ± 0.02 each, ± 0.0283 their difference, which is 0.0354 of 0.8."""
    text = "dimensions: {accuracy: {min: 0.8, max_drop: 0.05, max_relative_drop: 10%}}"
    _, drop, relative = detectable_effects(thresholds(text), 400)
    assert (drop.error, relative.error) == pytest.approx((0.02 * 2**0.5, 0.02 * 2**0.5 / 0.8))
    assert (drop.blocked, drop.passed) == pytest.approx((0.0738, 0.0262), abs=1e-4)
    alone = thresholds("dimensions: {accuracy: {max_drop: 0.05}, shape_bias: {max_relative_drop: 5%}}")
    assert [reach.error for reach in detectable_effects(alone, 400)] == [None, None]


def test_a_drop_from_a_run_is_as_sure_as_the_run():
    text = "dimensions: {accuracy: {max_drop: 0.05, max_relative_drop: 10%}}"
    drop, relative = detectable_effects(thresholds(text), 1000, record())
    assert (drop.error, relative.error) == pytest.approx((0.01 * 2**0.5, 0.01 * 2**0.5 / 0.9))


def test_values_without_a_known_error():
    text = "dimensions: {calibration_error: {max: 0.1}, parameters: {max: 9}}\nquba: {min_grade: C}"
    assert [reach.error for reach in detectable_effects(thresholds(text), 100)] == [None, None, None]
    assert [reach.error for reach in detectable_effects(thresholds(text), 1000, record())] == [
        pytest.approx(0.004),
        None,
        None,
    ]
