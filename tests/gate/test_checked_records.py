"""Records of runs with every kind of demand are read again, and none with another outcome."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from support.errors import error_text
from support.gate import Gate

from quba_check.errors import UserError
from quba_check.records.record import Record
from quba_check.verdicts.stored_verdicts import check_verdicts, read_record

SLICED = """\
uncertain: {uncertain}
dimensions:
  accuracy:
    min: 0.1
    max_drop: 0.5
    max_relative_drop: 90%
    slices: {{half: {{min_images: 1, worst: {{min: 0.2}}, gap: {{max: 0.9}}}}}}
  adversarial_robustness: {{min: 0.9, tier: warn, parts: {{fgsm: {{min: 0.1, allow_masked: true}}}}}}
  class_balance: {{max_drop: 0.9, optional: true}}
classes: {{each: {{recall: {{min: 0.01, max_drop: 0.9}}}}, macro: {{f1: {{min: 0.1}}}}}}
answers: {{at: {{probability: 0.4}}, share: {{min: 0.2}}}}
"""


@pytest.mark.parametrize("uncertain", ["point", "fail", "allow"])
def test_a_run_with_every_kind_of_demand_agrees_with_itself(gate: Gate, data: Path, uncertain: str) -> None:
    images = sorted((data / "val").glob("*/*"))
    rows = [f"{one.relative_to(data)},{one.parent.name},{'ab'[k % 2]}" for k, one in enumerate(images)]
    (data / "val.csv").write_text("\n".join(["path,label,half", *rows]))
    manifest, text = data / "quba-data.yaml", SLICED.format(uncertain=uncertain)
    clean = "clean: {reader: csv, path: val.csv, slices: [half]}"
    manifest.write_text(
        manifest.read_text().replace("clean: {reader: folder, path: val, expected: 9}", clean)
    )
    first = gate.judge(text, data=data, first_release=True, record="first.json")
    undecided = check_verdicts(read_record(Path("first.json")), "first.json")
    assert [row.name for row in undecided] == [row.name for row in first.verdicts if "drop" in row.bound]
    gate.judge(text, data=data, baseline="first.json", record="next.json")
    run = read_record(Path("next.json"))
    assert len(run.verdicts) == len(first.verdicts)
    for row in run.verdicts:
        if row.outcome in ("pass", "fail", "uncertain"):
            content = json.loads(run.to_json())
            (own,) = (one for one in content["verdicts"] if one["id"] == row.id)
            own["outcome"] = "fail" if row.outcome == "pass" else "pass"
            edited = Record.model_validate(content)
            error = error_text(UserError, check_verdicts, edited, "next.json")
            assert error.startswith(f"next.json: the verdict on {row.name} contradicts the values")
