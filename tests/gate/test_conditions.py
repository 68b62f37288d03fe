"""Whole runs of demands with conditions: sets, slices, pipelines, attack sizes, other models, and workers."""

import re
import shutil
from collections import Counter, defaultdict
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from support.conditions import CONDITIONS, IMAGES, PER_PATIENT, write_suite
from support.gate import Gate, loaded_judge, terminal_text

from quba_check.comparison.compare import compare
from quba_check.comparison.stored_run import StoredRun
from quba_check.core.predictions import Predictions
from quba_check.core.view import View
from quba_check.demands.bounds import today
from quba_check.evaluation import Evaluation
from quba_check.gate.preflight import plan_run
from quba_check.records.record import Record

NET = "acceptance.nets:net"
OTHER = "acceptance.nets:other"
SMALL = "min_images: 1, min_groups: 1"
DROP = f"max_drop: 0.05, slices: {{site=b: {{max_drop: 0.05, {SMALL}}}}}"
DROPS = f"""\
dimensions:
  accuracy: [{{{DROP}}}, {{set: night, {DROP}}}, {{set: patients, max_drop: 0.05}}, {{pipeline: app, {DROP}}}]
classes:
  apple: {{at: {{recall: 0.5, from: tuning}}, specificity: {{max_drop: 0.05}}, set: night}}
"""
PARITY = "parity:\n  - {pipeline: app, agreement: {min: 0.5}}\n"


@pytest.fixture(scope="module")
def suite(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_suite(tmp_path_factory.mktemp("conditions") / "data")


@pytest.fixture(scope="module")
def store(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("conditions") / "store"


@pytest.fixture
def gate(tmp_path: Path, suite: Path, store: Path) -> Gate:
    return Gate(tmp_path, suite, store)


def numbers(record: Record) -> dict[str, tuple[Any, ...]]:
    """Outcome, value, interval and n of each demand."""
    rows = {row.name: (row.outcome, row.explanation) for row in record.verdicts}
    return {name: (outcome, one.value, one.interval, one.n) for name, (outcome, one) in rows.items()}


def outcomes(record: Record) -> dict[str, str]:
    return {row.name: row.outcome for row in record.verdicts}


def test_a_limit_keeps_whole_groups_of_each_set(gate: Gate) -> None:
    record = gate.judge(CONDITIONS, limit=21)
    assert {*outcomes(record).values()} == {"pass"}
    sets = {name: (row.images, row.groups) for name, row in record.suite.sets.items()}
    assert sets == {
        **dict.fromkeys(("clean", "night", "tuning"), (20, 10)),
        "corruptions": (100, 10),
        "unknown/birds": (10, None),
    }
    counts = {name: n for name, (*_, n) in numbers(record).items()}
    assert counts["accuracy@set=patients[min]"] == 10
    assert counts["accuracy@set=night[min]"] == 20
    assert "and the set has 10 groups" in terminal_text(record).replace("\n  ", " ")


def test_the_margin_alone_is_read_from_any_set(gate: Gate) -> None:
    record = gate.judge(
        "answers: {at: {error: 0.5, score: margin}, set: [clean, night, tuning], aurc: {max: 1}}\n"
    )
    assert [*outcomes(record).values()] == ["pass"] * 3


def test_a_missing_set_concerns_its_own_demands_alone(gate: Gate, suite: Path, tmp_path: Path) -> None:
    data = Path(shutil.copytree(suite, tmp_path / "data"))
    for name in ("night", "tuning"):
        (data / f"{name}.csv").unlink()
    judged = gate.outcomes(CONDITIONS.replace("night, max: 1", "night, max: 1, optional: true"), data=data)
    unmet = {name: outcome for name, outcome in judged.items() if outcome != "pass"}
    assert unmet == {
        name: "skipped" if name.startswith("calibration_error") else "unmeasurable"
        for name in judged
        if re.search("=(night|tuning|others)", name)
    }
    assert len(unmet) == 7


def test_parity_behind_a_pipeline_needs_no_reference(gate: Gate) -> None:
    """The value of the dimension compares with the reference, unless each entry has a pipeline."""
    with_entry = f"{PARITY}  - {{agreement: {{min: 0.5}}}}\n"
    alone = gate.judge(with_entry)
    both = gate.judge(with_entry, reference=OTHER)
    assert outcomes(alone) == {
        "parity.agreement@pipeline=app[min]": "pass",
        "parity.agreement[min]": "unmeasurable",
    }
    assert ("same model?" in terminal_text(alone), "same model?" in terminal_text(both)) == (False, True)
    values = numbers(both)
    assert both.measured["parity"].value == values["parity.agreement[min]"][1]
    assert both.measured["parity"].value != values["parity.agreement@pipeline=app[min]"][1]
    served = StoredRun("r.json", gate.judge(f"{PARITY}dimensions: {{accuracy: {{min: 0}}}}"))
    assert [row.dimension for row in compare(served, served).changes if row.part is None] == ["accuracy"]


def predictions(model: str, data: Path, store: Path, *views: View) -> list[Predictions]:
    tables = Evaluation(model, data, store=store).predictions(views)
    return [tables[view] for view in views]


def test_drops_are_differences_of_two_runs(gate: Gate, suite: Path, store: Path) -> None:
    """A reference and a record of it are the same baseline; behind a pipeline none is needed."""
    gate.judge(DROPS, model=OTHER, record="b.json", first_release=True)
    drops = numbers(gate.judge(DROPS, baseline="b.json"))
    assert numbers(gate.judge(DROPS, reference=OTHER)) == drops
    alone = gate.judge(DROPS)
    assert {row.name for row in alone.verdicts if row.outcome != "unmeasurable"} == {
        "accuracy@pipeline=app[max_drop]",
        "accuracy@pipeline=app,slice=site=b[max_drop]",
    }
    views = [View(name, columns="probabilities") for name in ("clean", "night", "tuning")]
    site_b = np.arange(IMAGES) // PER_PATIENT // 3 % 3 == 1
    expected: defaultdict[str, float] = defaultdict(float)
    for model, sign in ((OTHER, 1), (NET, -1)):
        clean, night, tuning = predictions(model, suite, store, *views)
        for name, table in (("accuracy", clean), ("accuracy@set=night", night)):
            right = table.predicted == table.label
            expected[name] += sign * right.mean()
            expected[f"{name}{',' if '@' in name else '@'}slice=site=b"] += sign * right[site_b].mean()
        mean = clean.probabilities.reshape(-1, PER_PATIENT, 3).astype(float).mean(axis=1)
        expected["accuracy@set=patients"] += sign * (mean.argmax(1) == clean.label[::PER_PATIENT]).mean()
        threshold = np.sort(tuning.probabilities[tuning.label == 0, 0])[-6]  # half of 12 images
        rejected = night.probabilities[night.label != 0, 0] < threshold
        expected["classes.apple.specificity@recall=0.5,from=tuning,set=night"] += sign * rejected.mean()
    served_view = View("clean", columns="probabilities", variant="serving/app")
    clean, served = predictions(NET, suite, store, views[0], served_view)
    own = clean.predicted == clean.label
    behind = served.predicted == served.label
    expected["accuracy@pipeline=app"] = own.mean() - behind.mean()
    expected["accuracy@pipeline=app,slice=site=b"] = own[site_b].mean() - behind[site_b].mean()
    assert {name: drop for name, (_, drop, *_) in drops.items()} == pytest.approx(
        {f"{name}[max_drop]": drop for name, drop in expected.items()}
    )


@pytest.mark.parametrize(
    ("before", "after"),
    [
        ("{of: clean, by: mean}", "{of: clean, by: majority}"),
        ("path: clean.csv, group: patient", "path: clean.csv, group: path"),
    ],
)
def test_a_drop_of_groups_that_another_rule_decides_is_refused(
    gate: Gate, suite: Path, store: Path, tmp_path: Path, before: str, after: str
) -> None:
    text = "dimensions: {accuracy: {set: patients, max_drop: 0.5}}"
    gate.judge(text, model=OTHER, record="b.json", first_release=True)
    other = shutil.copytree(suite, tmp_path / "other")
    manifest = other / "quba-data.yaml"
    manifest.write_text(manifest.read_text().replace(before, after))
    (row,) = Gate(tmp_path, other, store).judge(text, baseline="b.json").verdicts
    assert (row.outcome, row.explanation.reason) == (
        "unmeasurable",
        "b.json cannot be its baseline: it differs in images of patients. Allowed: a record of the same "
        "protocol, images and classes",
    )


def test_behind_a_pipeline_other_models_decide_nothing(gate: Gate) -> None:
    text = "dimensions: {accuracy: {pipeline: app, max_drop: 0.5}}"
    Path("b.json").write_text(gate.judge(text, model=OTHER).to_json())
    for options, name in (
        ({"baseline": "b.json"}, "baseline b.json"),
        ({"reference": OTHER}, f"reference {OTHER}"),
    ):
        record = gate.judge(text, **options)
        assert outcomes(record) == {"accuracy@pipeline=app[max_drop]": "pass"}
        assert f"the {name} is not used" in " ".join(record.notes)
    session = gate.session(DROPS, reference=OTHER)
    loaded_judge(session)
    assert session.loaded.references["standard"].engine.run_views
    assert not session.loaded.references["standard"].others


def test_waivers_tiers_and_uncertainty_of_worst_slices_and_gaps(gate: Gate) -> None:
    waiver = f"waive: {{{{at_least: {{}}, until: {today()}, reason: known, by: me}}}}"
    text = f"""\
dimensions:
  accuracy:
    - slices: {{site: {{worst: {{min: 0.9, {waiver.format(0.1)}}}, gap: {{max: 0.01, tier: warn}}, {SMALL}}}}}
    - {{set: night, slices: {{site: {{worst: {{min: 0.9, {waiver.format(0.8)}}}, {SMALL}}}}}}}
    - {{set: tuning, slices: {{sex: {{worst: {{min: 0.52}}, min_images: 1, min_groups: 9}}}}}}
    - {{set: patients, min: 0.6, optional: true}}
    - {{set: patients, slices: {{site: {{worst: {{min: 0.9, tier: info}}, {SMALL}}}}}}}
"""
    rows = {}
    messages = {}
    for policy in ("point", "fail", "allow"):
        record = gate.judge(f"uncertain: {policy}\n{text}")
        rows[policy] = {row.name: (row.outcome, row.blocks) for row in record.verdicts[:-1]}
        messages[policy] = [row.message for row in record.verdicts]
    waived, gap, worse, _, patients = rows["point"]
    assert [*rows["point"].values()][:3] == [("waived", False), ("fail", False), ("fail", True)]
    # Nine groups, or six, have no interval: nothing shows a failure, and nothing shows that a bound is met.
    unshown = dict.fromkeys((waived, gap, worse, patients), ("uncertain", False))
    assert rows["allow"] == rows["point"] | unshown
    assert rows["fail"] == {
        **{name: ("unmeasurable", name != gap) for name in rows["point"]},
        patients: ("uncertain", True),
    }
    assert (waived, worse) == ("accuracy@slice=site:worst[min]", "accuracy@set=night,slice=site:worst[min]")
    assert "\n  n = 36 images, at least 6 groups in each judged slice\n" in messages["point"][2]
    assert "\n  n = 18 groups, at least 6 in each judged slice\n" in messages["point"][-1]


def test_a_changed_condition_is_another_demand(gate: Gate) -> None:
    gate.judge(CONDITIONS, record="b.json")
    assert gate.judge(CONDITIONS, baseline="b.json", no_looser=True).overall_verdict == "pass"
    looser = CONDITIONS
    for before, after in (
        ("gap: {max: 1}, min_images: 1", "gap: {max: 1}, min_images: 2"),
        ("[night, tuning, patients]", "[night, tuning]"),
        ("epsilon: 4/255", "epsilon: 2/255"),
        ("error: 0.9, from", "error: 0.8, from"),
    ):
        looser = looser.replace(before, after, 1)
    assert gate.error(looser, baseline="b.json", no_looser=True) == (
        "Options.no_looser: the demands are looser than those of b.json: accuracy@slice=site:worst[min] "
        "min_images 2 (was 1); accuracy@slice=site:gap[max] min_images 2 (was 1); accuracy@set=patients[min] "
        "is gone (>= 0); adversarial_robustness@epsilon=4/255[min] is gone (>= 0); "
        "answers.share@error=0.9,confidence=0.95,from=others,set=patients[min] is gone (>= 0). Restore them, "
        "or approve a record of a run without the option."
    )


def test_a_plan_counts_each_set_pipeline_and_attack_once(gate: Gate, tmp_path: Path) -> None:
    (plan,) = plan_run(gate.session(CONDITIONS, plan=True, store=tmp_path / "empty")).models
    views = Counter(str(one.view) for one in plan.views)
    assert views.pop("clean") == len(["own", "app", "app/jpeg", "app/decode"])
    attacks = [f"clean+{attack}{size}" for size in ("", "@4/255") for attack in ("fgsm", "pgd")]
    fog = [f"corruptions/fog/{severity}" for severity in range(1, 6)]
    assert views == Counter(["night", "tuning", "unknown/birds", *attacks, *fog])
    assert len({one.cache_entry for one in plan.views}) == len(plan.views)
    assert sum(one.images for one in plan.views) == (len(plan.views) - 1) * IMAGES + 10
