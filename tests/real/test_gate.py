"""The main job on real material: real ImageNet weights judged on real labelled photos."""

from pathlib import Path

import pytest

from quba_check.gate.judge import judge
from quba_check.gate.options import Options
from quba_check.records.record import Record

THRESHOLDS = """\
schema: 1
name: twenty photos
dimensions:
  accuracy: {min: 0.85, parts: {top5: {min: 0.9}}}
  adversarial_robustness: {min: 0.5, tier: warn}
  calibration_error: {max: 0.05}
  class_balance: {min: 0.7}
  parameters: {max: 5}
"""


@pytest.fixture(scope="module")
def record(lite0_checkpoint: Path, photo_suite: Path, tmp_path_factory: pytest.TempPathFactory) -> Record:
    folder = tmp_path_factory.mktemp("gate")
    (folder / "photos.yaml").write_text(THRESHOLDS, encoding="utf-8")
    options = Options(arch="tf_efficientnet_lite0", store=folder / "store")
    return judge(str(lite0_checkpoint), photo_suite, folder / "photos.yaml", options=options)


def test_eighteen_of_twenty_photos_are_right(record: Record) -> None:
    accuracy = record.measurements["accuracy"]
    assert (accuracy.value, accuracy.n) == (18 / 20, 20)
    assert accuracy.parts["top5"].value == 19 / 20


def test_attacks_leave_it_little(record: Record) -> None:
    row = record.measurements["adversarial_robustness"]
    assert row.parts["pgd"].value <= row.parts["fgsm"].value < 0.5
    assert row.notes == ()


def test_one_demand_fails_and_one_warns(record: Record) -> None:
    assert record.overall_verdict == "fail"
    assert {row.name: row.outcome for row in record.verdicts} == {
        "accuracy[min]": "pass",
        "accuracy.top5[min]": "pass",
        "adversarial_robustness[min]": "fail",
        "calibration_error[max]": "pass",
        "class_balance[min]": "unmeasurable",
        "parameters[max]": "pass",
    }
    assert record.measurements["class_balance"].unmeasurable == (
        "class_balance needs two images in every class; 999 of 1000 classes have fewer "
        "('tench' has 0, 'goldfish' has 0, 'great white shark' has 0 and 996 more); "
        "add images of them to the clean set"
    )
    (finding,) = record.findings  # the doctor finds nothing else
    assert finding.title.startswith("class_balance cannot be measured: ")


def test_the_record_says_what_was_judged(record: Record) -> None:
    model = record.model
    assert (model.name, model.parameters, model.classes, model.outputs) == (
        "lite0",
        4_652_008,
        1000,
        "logits",
    )
    assert [model.preprocessing[key] for key in ("mean", "std")] == [[0.5, 0.5, 0.5]] * 2
    assert model.preprocessing["source"] == "timm's tf_efficientnet_lite0"
    ((name, clean),) = record.suite.sets.items()
    assert (name, clean.images, clean.expected) == ("clean", 20, 20)
