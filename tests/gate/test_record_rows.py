"""Rows of a record about the suite: limited, generated and sampled images."""

from pathlib import Path

import pytest
from acceptance.runs import Passes, examined
from support.gate import Gate, terminal_text
from support.tiny import MANIFEST

from quba_check.records.record import SetRow

DEMANDS = "dimensions: {accuracy: {min: 0.1}, ood_robustness: {min: 0.1}}"
CUT = "limited: clean to 6 of 9 images"
REMARK = "corruptions: generated@8+jpeg85 from the clean images, not the stored ImageNet-C"
NOTE = "generated corruptions: corruption_robustness is compared with values from the stored ImageNet-C"


def with_corruptions(tiny_data: Path, entry: str) -> Path:
    """The clean set of the tiny suite, and corruptions made of it."""
    data = Path("data").absolute()
    data.mkdir()
    (data / "val").symlink_to(tiny_data / "val")
    head = MANIFEST.partition("  corruptions:")[0]
    (data / "quba-data.yaml").write_text(f"{head}  corruptions: {entry}\n", encoding="utf-8")
    return data


@pytest.mark.usefixtures("without_stored_check")
def test_a_limit_is_recorded_reported_and_the_same_for_every_model(
    gate: Gate, passes: Passes, tmp_path: Path
) -> None:
    store = tmp_path / "store"
    record = gate.judge(DEMANDS, limit=6, store=store)
    assert record.limit == 6
    assert record.suite.sets["clean"] == SetRow(
        images=6, expected=9, found=9, preprocessing="exact", cropped=True
    )
    assert record.suite.sets["sketch"].found is None  # its six images are all looked at
    assert record.measurements["accuracy"].n == 6
    assert CUT in terminal_text(record).splitlines()
    assert passes() == {"forward": examined(6) + 6 + 6 + 6}
    whole = gate.judge(DEMANDS, store=store)
    assert (whole.limit, whole.measurements["accuracy"].n) == (None, 9)
    assert "limited:" not in terminal_text(whole)
    assert passes() == {"forward": examined(6) + 18 + examined() + 9}  # the small sets are whole in both
    other = gate.judge(DEMANDS, limit=6, store=store, model="acceptance.nets:other")
    assert other.suite.fingerprint == record.suite.fingerprint != whole.suite.fingerprint


@pytest.mark.parametrize(
    ("population", "is_noted"), [("published", True), pytest.param("demo", False, marks=pytest.mark.slow)]
)
def test_generated_sets_are_marked(gate: Gate, tiny_data: Path, population: str, is_noted: bool) -> None:
    grade = (
        "dimensions: {corruption_robustness: {min: 0.01}}\n"
        f"quba: {{min_score: -100, population: {population}, allow_other_suite: true, "
        "allow_missing: [ood_robustness, object_focus, shape_bias]}"
    )
    record = gate.judge(grade, data=with_corruptions(tiny_data, "{generate: from clean, encode: jpeg85}"))
    assert record.overall_verdict == "pass"
    assert record.suite.sets["corruptions"] == SetRow(
        images=75 * 9, expected=75 * 9, generated="generated@8+jpeg85", preprocessing="exact", cropped=True
    )
    output = " ".join(terminal_text(record).split())
    assert REMARK in output
    assert (NOTE in record.grades[0].notes) == (NOTE in output) == is_noted


@pytest.mark.usefixtures("without_stored_check")
def test_sampled_corruptions_cost_one_pass_an_image_and_are_marked(
    gate: Gate, tiny_data: Path, passes: Passes, tmp_path: Path
) -> None:
    data = with_corruptions(tiny_data, "{generate: from clean, sample: one}")
    text = "dimensions: {corruption_robustness: {min: 0.1}}"
    record = gate.judge(text, data=data, store=tmp_path / "store")
    assert passes() == {"forward": examined() + 9 + 9}
    assert record.suite.sample == "one"
    row = record.measurements["corruption_robustness"]
    assert (row.n, row.parts) == (9, {})
    assert "corruption_robustness: sampled: each image" in terminal_text(record)
    gate.judge(text, data=data, store=tmp_path / "store")
    assert passes() == {"forward": 2 * examined() + 9 + 9}
