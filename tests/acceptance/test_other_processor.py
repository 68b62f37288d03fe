"""A record that another processor wrote is a baseline."""

import shutil
import sys
from pathlib import Path

import pytest

import quba_check
from quba_check.errors import OptionError
from quba_check.verdicts.stored_verdicts import read_record

APPROVED = Path(__file__).parent / "other_processor"
"""A suite, a network, and the record that was approved for it.

tests/support/make_samples.py makes the record again, with `ATEN_CPU_CAPABILITY=default`: without the vector
instructions of this processor.
"""
ROUNDING = 1e-6
"""Allowance for values of another processor: records keep answers in float32, with seven digits."""


def test_a_record_of_another_processor_is_a_baseline(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Drops, slices, classes, parity and pipelines are judged against it, and looser demands are refused."""
    shutil.copytree(APPROVED, tmp_path / "data")
    monkeypatch.chdir(tmp_path / "data")
    monkeypatch.syspath_prepend(tmp_path / "data")
    file = Path("thresholds.yaml")
    against = quba_check.Options(
        baseline=Path("baseline/record.json"), no_looser=True, store=tmp_path / "store"
    )
    record = quba_check.judge("colours:network", ".", "thresholds.yaml", options=against)
    assert {row.outcome for row in record.verdicts} == {"pass"}
    values = {row.name: row.explanation.value for row in record.verdicts}
    drops = [name for name in values if "drop]" in name]
    assert drops == [
        "accuracy[max_drop]",
        "accuracy@slice=light=night[max_drop]",
        "class_balance[max_relative_drop]",
        "ood_robustness.sketch[max_drop]",
        "classes.brick.recall@probability=0.3,set=sketch[max_drop]",
        "answers.share@probability=0.4[max_drop]",
    ]
    assert [values[name] for name in drops] == pytest.approx([0.0] * len(drops), abs=ROUNDING)
    assert values["parity.agreement[min]"] == 1.0
    approved = read_record(Path("baseline/record.json"))
    assert [row.name for row in approved.verdicts] == list(values)
    for row in approved.verdicts:
        if row.outcome == "pass":
            assert values[row.name] == pytest.approx(row.explanation.value, abs=ROUNDING), row.name
    file.write_text(file.read_text("utf-8").replace("gap: {max: 0.9}", "gap: {max: 0.95}"), "utf-8")
    with pytest.raises(OptionError, match=r"accuracy@slice=light:gap\[max\] <= 0\.95 \(was 0\.9\)"):
        quba_check.judge("colours:network", ".", "thresholds.yaml", options=against)
    del sys.modules["colours"]
