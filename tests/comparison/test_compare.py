"""Comparison of two stored runs."""

from dataclasses import replace

import numpy as np
import pytest
from scipy.stats import binom
from support.errors import error_text
from support.rows import verdict
from support.runs_compared import stored
from support.tuned import quantity, record
from syrupy.assertion import SnapshotAssertion

from quba_check.comparison.compare import compare
from quba_check.comparison.difference import Change, RunValue, difference, ratio
from quba_check.comparison.misclassified import flips_csv
from quba_check.comparison.stored_run import StoredRun
from quba_check.core.confidence import SCORES
from quba_check.errors import UserError
from quba_check.reports.comparison import answers_line, comparison_markdown
from quba_check.stats.estimate import Estimate
from quba_check.stats.intervals import share_limits

RIGHT = [0, 1, 2] * 10
WORSE = [0, 1, 2] * 7 + [1, 1, 2] * 3
SUITE = {"name": "tiny", "root": "/data", "fingerprint": "1" * 32}


def interval(change: Change) -> tuple[float, float]:
    assert change.curve is not None
    return change.curve.interval(0.95)


def test_shares_of_the_same_images_are_paired() -> None:
    row = compare(stored("a.json", RIGHT), stored("b.json", WORSE)).changes[0]
    assert (row.dimension, row.before, row.after, row.paired) == ("accuracy", 1.0, 0.9, True)
    assert (row.lost, row.gained, row.p) == (3, 0, 0.25)
    assert row.change == pytest.approx(-0.1)
    assert row.finding == "within noise"
    # By Clopper and Pearson: 3 of 30 is 0.021 to 0.265, 0 of 30 is 0 to 0.116.
    assert row.interval == pytest.approx((-0.2668, 0.0516), abs=1e-3)


def test_without_answers_the_intervals_are_those_of_other_images() -> None:
    found = compare(stored("a.json", RIGHT, images=False), stored("b.json", WORSE))
    row = found.changes[0]
    assert (row.paired, row.lost, row.p) == (False, None, None)
    assert row.interval == pytest.approx((-0.1 - 1.96 * 0.01 * 2**0.5, -0.1 + 1.96 * 0.01 * 2**0.5), abs=1e-4)
    assert row.finding == "worse"
    assert found.all_notes == (
        "a.json: its predictions per image are neither next to it nor in the store; intervals are those of "
        "unpaired runs, which are wider",
    )


def test_exact_values_are_the_same_or_differ() -> None:
    found = {row.dimension: row for row in compare(stored("a.json", RIGHT), stored("b.json", RIGHT)).changes}
    assert found["parameters"].finding == "same"


def seeded(seed: int, images: str) -> dict[str, object]:
    """Return what changes for a run on the first nine images by a seed."""
    environment = record().environment.model_copy(update={"seed": seed})
    return {"suite": SUITE | {"contents": {"clean": images}}, "limit": 9, "environment": environment}


OURS = {"suite": SUITE | {"classes": "a", "contents": {"clean": "z"}}}
EARLY = {"suite": SUITE | {"sets": {"clean": {"images": 3}}}}
"""With one fingerprint for all sets."""


def generated(how: str) -> dict[str, object]:
    """Return what changes for a run on corruptions that are generated from the clean images."""
    sets = {"corruptions": {"images": 3, "generated": how}}
    return {"suite": SUITE | {"contents": {"corruptions/fog/1": "z"}, "sets": sets}}


def cropped(is_cropped: bool | None) -> dict[str, object]:
    """Return what changes for a run whose clean images are cropped, or prepared."""
    return {
        "suite": SUITE | {"contents": {"clean": "z"}, "sets": {"clean": {"images": 3, "cropped": is_cropped}}}
    }


@pytest.mark.parametrize(
    ("ours", "changed", "words"),
    [
        (OURS, {"protocol": "released"}, "protocol (standard and released)"),
        (OURS, {"suite": SUITE | {"name": "mine"}}, "suite (tiny and mine)"),
        (OURS, {"suite": SUITE | {"classes": "b"}}, "class list"),
        (OURS, {"suite": SUITE | {"sample": "one"}}, "sampling of corruptions (all and one)"),
        (OURS, {"suite": SUITE | {"contents": {"clean": "x", "sketch": "y"}}}, "images of clean"),
        (
            *(OURS, {"suite": SUITE | {"contents": {"clean": "x"}}, "limit": 5000}),
            "images of clean (--quba-limit: no limit and 5,000)",
        ),
        (
            *(OURS, {"protocol": "released", "suite": SUITE | {"classes": "b"}}),
            "protocol (standard and released), class list",
        ),
        (seeded(0, "a"), seeded(1, "b"), "images of clean (--quba-seed: 0 and 1)"),
        (EARLY, {"suite": SUITE | {"fingerprint": "2" * 32}}, "images of clean"),
        (
            EARLY,
            OURS | {"suite": SUITE | {"fingerprint": "2" * 32, "contents": {"clean": "z"}}},
            "images of clean",
        ),
        (
            *(generated("generated@48"), generated("generated@224+jpeg85")),
            "encoding of corruptions (none and jpeg85)",
        ),
        (cropped(True), cropped(False), "prepared of clean"),
    ],
)
def test_runs_that_say_nothing_of_each_other(
    ours: dict[str, object], changed: dict[str, object], words: str
) -> None:
    assert error_text(
        UserError, compare, stored("a.json", RIGHT, **ours), stored("b.json", RIGHT, **changed)
    ) == (
        f"a.json and b.json cannot be compared: they differ in {words}. "
        "Allowed: two runs of one protocol on the same images and classes."
    )


def test_runs_without_a_value_in_common(snapshot: SnapshotAssertion) -> None:
    nothing = record(measurements={"shape_bias": {"not_measured": True}})
    text = error_text(UserError, compare, stored("a.json", RIGHT), StoredRun("b.json", nothing))
    assert text == snapshot


def test_corruptions_are_generated_at_the_size_of_each_model() -> None:
    ours = generated("generated@48+jpeg85")
    theirs = generated("generated@224+jpeg85")
    compare(stored("a.json", RIGHT, **ours), stored("b.json", RIGHT, **theirs))


def test_views_of_only_one_run_make_no_difference() -> None:
    ours, theirs = ({**SUITE, "contents": views} for views in ({"clean": "z"}, {"clean": "z", "night": "n"}))
    compare(stored("a.json", RIGHT, suite=ours), stored("b.json", RIGHT, suite=theirs))


SAME = "the same predictions: every change is exactly 0"


def of_model(file: str, fingerprint: str, top1: list[int], outputs: str | None = "x") -> StoredRun:
    """A run of a model, with the digest of its outputs."""
    run = stored(file, top1)
    assert run.images is not None
    assert run.images.clean is not None
    model = run.record.model.model_copy(update={"fingerprint": fingerprint})
    clean = replace(run.images.clean, outputs=outputs)
    record = run.record.model_copy(update={"model": model})
    return replace(run, record=record, images=replace(run.images, clean=clean))


TWO_WRONG = [1, 2, *RIGHT[2:]]
OTHER_TWO_WRONG = [1, 0, *RIGHT[2:]]


@pytest.mark.parametrize(
    ("after", "counts"),
    [
        (of_model("b.json", "a", TWO_WRONG), SAME),
        (of_model("b.json", "a", TWO_WRONG, None), SAME),
        (of_model("b.json", "b", TWO_WRONG), SAME),
        (of_model("b.json", "b", TWO_WRONG, "y"), (0, 0, 0)),
        (of_model("b.json", "b", TWO_WRONG, None), (0, 0, 0)),
        (of_model("b.json", "b", OTHER_TWO_WRONG, "y"), (0, 0, 1)),
        (of_model("b.json", "a", [0, 2, 0, *RIGHT[3:]], "y"), (1, 1, 0)),
    ],
)
def test_the_same_predictions_have_no_change(after: StoredRun, counts: str | tuple[int, ...]) -> None:
    found = compare(of_model("a.json", "a", TWO_WRONG), after)
    accuracy = found.changes[0]
    answers = found.answers
    assert answers is not None
    if counts == SAME:
        assert (answers_line(found), found.same_predictions, found.all_notes) == (SAME, True, ())
        assert (answers.agreement, answers.changed) == (1.0, 0)
        assert (accuracy.finding, accuracy.interval, accuracy.paired) == ("same", (0.0, 0.0), True)
    else:
        assert (answers.lost, answers.gained, answers.wrong_to_wrong) == counts
        assert not found.same_predictions
        assert accuracy.finding == "within noise"


def test_right_answers_to_all_images_are_not_the_same_predictions() -> None:
    runs = (of_model(f"{name}.json", name, RIGHT, name) for name in "ab")
    assert compare(*runs).changes[0].finding == "within noise"


def test_a_group_is_one_observation_of_a_change() -> None:
    """Forty images, each four times: as wide as forty images, and the same p-value."""

    def value(correct: list[bool], copies: int) -> RunValue:
        estimate = Estimate.mean(np.repeat(correct, copies), "clean")
        group = {} if copies == 1 else {"clean": np.arange(len(correct)).repeat(copies)}
        return RunValue(estimate.value, influences=dict(estimate.influences), groups=group)

    before, after = [True] * 36 + [False] * 4, [True] * 24 + [False] * 15 + [True]
    single, copied = (difference(value(before, copies), value(after, copies)) for copies in (1, 4))
    assert np.ptp(interval(copied)) == pytest.approx(np.ptp(interval(single)), rel=0.1)
    assert single.discordance is not None
    assert copied.discordance is not None
    assert (copied.discordance.lost, copied.discordance.gained) == (48, 4)
    assert copied.discordance.p == pytest.approx(single.discordance.p)
    few = difference(value(before[30:39], 4), value(after[30:39], 4))
    assert few.effect is not None
    assert (few.effect.count, few.curve) == (9, None)


@pytest.mark.parametrize("sign", [1, -1])
def test_gained_images_do_not_show_that_no_whole_group_is_lost(sign: int) -> None:
    """No lost image in sixty groups of eight, and ten gained ones: two of a hundred groups may be lost."""
    before = np.arange(480) % 10 != 0
    after = before | (np.arange(480) % 50 == 0)
    group = {"clean": np.arange(480) // 8}
    runs = [
        RunValue(share.value, influences=dict(share.influences), groups=group)
        for share in (Estimate.mean(right, "clean") for right in (before, after)[::sign])
    ]
    change = difference(*runs)
    of_two_groups = change.value - sign * 0.9 * 2 / 60
    low, high = interval(change)
    assert low < of_two_groups < high


def test_images_of_other_classes_do_not_widen_the_change_of_a_recall() -> None:
    """Sixty groups of two images of the class, of which two are lost."""

    def value(lost: int, others: int) -> RunValue:
        right = Estimate.mean((np.arange(120) % 10 != 1) & (np.arange(120) >= lost), "clean")
        influences = np.concatenate([right.influences["clean"] * (1 + others / 2), np.zeros(60 * others)])
        group = np.concatenate([np.arange(120) // 2, np.arange(60).repeat(others)])
        return RunValue(right.value, influences={"clean": influences}, groups={"clean": group}, n_groups=60)

    alone, together = (interval(difference(value(0, others), value(2, others))) for others in (0, 10))
    assert together == pytest.approx(alone, abs=0.01)


def test_a_change_of_a_class_has_the_groups_of_the_class() -> None:
    """Images of other classes have no influence, and their groups are no evidence."""

    def value(wrong: int) -> RunValue:
        right = Estimate.mean(np.arange(400) >= wrong, "clean").influences["clean"]
        influences = {"clean": np.where(np.arange(400) < 40, 10 * right, 0)}
        return RunValue(1 - wrong / 40, 40, influences=influences, groups=group, n_groups=4)

    group = {"clean": np.arange(400) // 10}
    change = difference(value(2), value(9))
    assert change.effect is not None
    assert (change.effect.count, change.curve) == (4, None)


def test_the_same_predictions_of_few_groups_have_no_change() -> None:
    run = RunValue(0.9, 40, None, {}, "fingerprint", n_groups=7)
    change = difference(run, run)
    assert (change.value, change.curve and change.curve.interval(0.95)) == (0.0, (0.0, 0.0))


def test_notes_on_the_runs(snapshot: SnapshotAssertion) -> None:
    run = record()
    half = run.environment.model_copy(update={"precision": "bf16", "seed": 1})
    signs = {"masked": ("FGSM helps the model",), "masked_at": {"4/255": ("ε = 4/255: PGD is weak",)}}
    masked = run.measurements["accuracy"].model_copy(update=signs)
    before = stored("a.json", RIGHT, verdicts=[verdict()], measurements={"accuracy": masked})
    assert compare(before, stored("b.json", RIGHT, environment=half)).all_notes == snapshot


def test_answers_at_other_thresholds_of_classes_are_not_compared() -> None:
    name = "share@probability=per_class"
    row = quantity(0.1, 0.01, "fraction", parts={name: quantity(0.8, 0.01, "fraction")})
    runs = [
        StoredRun("a.json", record(measurements={"answers": row | {"levels": {name: {"cat": level}}}}))
        for level in (0.3, 0.3, 0.5)
    ]
    parts = [[row.part for row in compare(runs[0], run).changes] for run in runs[1:]]
    assert parts == [[None, name], [None]]


def test_flips_of_all_kinds() -> None:
    before, after = stored("a.json", [1, 1, 0, 0]), stored("b.json", [0, 2, 1, 0])
    text, count = flips_csv(before, after)
    assert count == 3
    assert text == (
        "image,kind,label,before,after\nape/0.png,gained,ape,bee,ape\nbee/1.png,lost,bee,bee,cat\n"
        "cat/2.png,wrong to wrong,cat,ape,bee\n"
    )
    found = compare(before, after)
    # Exact limits of 1 of 4.
    assert answers_line(found) == (
        "agreement 0.250 (0.0064..0.806): 3 of 4 answers changed: 1 lost, 1 gained, 1 wrong to wrong"
    )
    assert found.all_notes == ("a.json: it never predicts cat; the other model does",)
    assert compare(after, before).all_notes[0] == "a.json: it never predicts cat; the other model does"


def test_a_group_is_one_observation_of_the_agreement() -> None:
    """Forty images, each four times: as wide as forty images; nine groups are too few."""

    def agreement(after: list[int], copies: int) -> tuple[float, float] | None:
        runs = [stored(f"{name}.json", np.repeat(top1, copies).tolist()) for name, top1 in
                (("a", [0] * len(after)), ("b", after))]  # fmt: skip
        if copies > 1:
            group = {"clean": np.arange(len(after)).repeat(copies)}
            runs = [replace(run, images=replace(run.images, groups=group)) for run in runs]  # type: ignore[type-var]
        answers = compare(*runs).answers
        assert answers is not None
        return answers.interval

    single, copied = (agreement([0] * 30 + [1] * 10, copies) for copies in (1, 4))
    assert single is not None
    assert copied is not None
    assert np.ptp(copied) == pytest.approx(np.ptp(single), rel=0.1)
    assert agreement([0] * 7 + [1] * 2, 4) is None


def test_flips_need_the_answers() -> None:
    """The rest of the text is that of misclassified images."""
    text = error_text(UserError, flips_csv, stored("a.json", RIGHT), stored("b.json", RIGHT, images=False))
    assert text.startswith("--flips: b.json: its predictions on clean images are neither next to it nor in ")


def test_markdown(snapshot: SnapshotAssertion) -> None:
    comparison = compare(stored("a.json", RIGHT), of_model("b.json", "b", WORSE))
    assert comparison_markdown(comparison, comparison.changes) == snapshot


def test_paired_ratios_know_what_they_share() -> None:
    draw = np.random.default_rng(0)
    hard = draw.random(4000)
    clean, fog, other = (Estimate.mean(hard < share, "clean") for share in (0.9, 0.6, 0.58))
    before, after = fog / clean, other / clean
    sides = [RunValue(found.value, 4000, None, dict(found.influences)) for found in (before, after)]  # type: ignore[arg-type]
    change = difference(*sides)
    low, high = interval(change)
    # The models differ on 80 images: exact limits are up to a tenth wider than normal ones.
    assert 1 < (high - low) / (2 * 1.96 * (after - before).standard_error) < 1.1
    relative = ratio(*sides)
    low, high = interval(relative)
    assert low < relative.value < high < 1


def test_a_model_that_is_worse_by_the_margin_is_passed_in_few_runs() -> None:
    """Truly 2 points worse, at a margin of 2 points: at most 2.5 % of runs pass."""
    draw = np.random.default_rng(0)
    n = 1000
    runs = 500
    passed = 0
    answers = Estimate.mean(np.arange(n) < 900, "clean")
    before = RunValue(answers.value, n, None, answers.influences)  # type: ignore[arg-type]
    for lost, gained in zip(draw.binomial(900, 0.06 / 0.9, runs), draw.binomial(100, 0.4, runs), strict=True):
        right = (np.arange(n) >= lost) & (np.arange(n) < 900 + gained)
        found = Estimate.mean(right, "clean")
        change = difference(before, RunValue(found.value, n, None, found.influences))  # type: ignore[arg-type]
        passed += -interval(change)[0] <= 0.02
    assert passed <= binom.ppf(0.99, runs, 0.025)


def test_a_change_of_shares_is_at_most_1() -> None:
    before, after = few(5, 5), few(0, 5)
    for change in (difference(before, after), difference(replace(before, influences={}), after)):
        assert change.curve is not None
        assert -1 <= change.curve.limits[0] <= change.curve.limits[-1] <= 1


def few(hits: int, n: int = 1000) -> RunValue:
    """A share with its exact limits, as a set with few hits has it."""
    found = Estimate.mean(np.arange(n) < hits, "clean")
    return RunValue(hits / n, n, tuple(share_limits(hits, n, np.array(SCORES)).tolist()), found.influences)  # type: ignore[arg-type]


def test_ratios_near_zero_have_the_limits_of_both_numbers() -> None:
    """10 hits after 12: by normal logarithms of the same images 0.53 to 1.3, which is too sure of itself."""
    change = ratio(few(12), few(10))
    assert not change.paired
    assert interval(change) == (pytest.approx(0.35, abs=0.05), pytest.approx(2.05, abs=0.2))


def test_no_hit_at_all_leaves_an_upper_limit() -> None:
    change = ratio(few(40), few(0))
    assert change.value == 0
    low, high = interval(change)
    assert low == 0
    assert 0.0037 / 0.04 < high < 0.0055 / 0.027


@pytest.mark.parametrize(("before", "after"), [(0.02, 0.01), (0.008, 0.008), (0.05, 0.002)])
def test_ratios_near_zero_hold_what_they_say(before: float, after: float) -> None:
    """400 pairs of runs on 1,000 images: 95 % less three binomial standard errors is 91.7 %."""
    rng = np.random.default_rng(0)
    held = []
    for first, second in zip(rng.binomial(1000, before, 400), rng.binomial(1000, after, 400), strict=True):
        curve = ratio(few(int(first)), few(int(second))).curve if first else None
        if curve is not None:
            low, high = curve.interval(0.95)
            held.append(low <= after / before <= high)
    assert len(held) > 390
    assert np.mean(held) > 0.917
