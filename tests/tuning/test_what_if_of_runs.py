"""What-if on the record of a run has the verdicts of the run, whatever conditions its demands have."""

from dataclasses import replace
from pathlib import Path

from support.conditions import write_suite
from support.gate import Gate

from quba_check.cli.files import facts_of, read_run
from quba_check.gate.threshold_files import thresholds_at
from quba_check.records.record import Record
from quba_check.tuning.what_if import what_if

DEMANDS = """\
uncertain: allow
dimensions:
  accuracy:
    - {min: 0.5, slices: {site: {worst: {min: 0.9}, gap: {max: 0.1}, SMALL}, site=b: {min: 0.5}}}
    - {set: [night, fog, tuning], min: 0.5, slices: {sex: {worst: {min: 0.4}, SMALL}}}
    - {set: patients, min: 1, slices: {site: {worst: {min: 0.5}}, sex: {gap: {max: 0}, SMALL}}}
    - {pipeline: app, min: 0.5, max_drop: 0.01, slices: {sex: {gap: {max: 0.1}}, sex=f: {min: 0.1}}}
    - {pipeline: app, set: patients, max_drop: 0.1, optional: true}
  calibration_error: {set: [night, patients], max: 0.2, parts: {ece: {max: 0.1}}}
  class_balance: {set: fog, min: 0.8}
  adversarial_robustness: [{min: 0.1}, {epsilon: 1/255, min: 0.5, parts: {pgd: {min: 0.5}}}]
classes:
  each:
    - {recall: {min: 0.6, slices: {sex: {worst: {min: 0.5}, SMALL}}}}
    - {f1: {min: 0.9}, set: night}
  macro: {recall: {min: 0.6, slices: {sex: {worst: {min: 0.6}, SMALL}}}}
  not_as: {apple: {brick: [{max: 0}, {max: 0.2, set: night, slices: {site: {worst: {max: 0.3}}}}]}}
  apple|cloud:
    at: {specificity: 0.8, from: others}
    set: patients
    prevalence: 0.1
    precision: {min: 0.5}
    npv: {min: 0.5}
  apple:
    - at: {probability: 0.4}
      pipeline: app
      recall: {min: 0.5, max_drop: 0.1, slices: {sex: {gap: {max: 0.3}, SMALL}}}
    - {at: {precision: 0.6, from: tuning}, set: [clean, fog], recall: {min: 0.9}, specificity: {min: 0.1}}
    - {auroc: {min: 0.9, slices: {site=a: {min: 0.9, SMALL}}}}
answers:
  - at: {probability: {apple: 0.35, default: 0.5}}
    share: {min: 0.9, slices: {site: {worst: {min: 0.5}, SMALL}}}
    accuracy: {min: 0.9}
  - {at: {error: 0.5, from: night}, share: {min: 0.5}, set: [clean, fog]}
  - {at: {share: 0.5, from: tuning, score: margin}, accuracy: {min: 0.5}, pipeline: app}
  - {at: {accuracy: 0.99, from: night}, share: {min: 0.5}}
  - {at: {energy: 0.5}, share: {max: 0.9}, set: birds}
  - {at: {max_logit: 0.5}, share: {min: 0.5}, set: night, pipeline: app}
  - {at: {max_logit: 0.5}, accuracy: {min: 0.5}, pipeline: app}
  - {set: [night, patients], aurc: {max: 0.3}}
parity:
  - pipeline: app
    agreement: {min: 0.99, slices: {sex: {worst: {min: 0.9}, SMALL}}}
    probability_change: {max: 0.1}
  - {pipeline: app, set: [night, patients], negative_flips: {max: 0.01}}
""".replace("SMALL", "min_images: 1, min_groups: 1")


ANSWERS = "answers: {at: {probability: {cloud: 0.35, default: 0.5}}, share: {min: 0.5}}"
"""Only the rule of this demand names the classes of its record."""


def judged_twice(gate: Gate, text: str) -> Record:
    """Return the record of a run, which what-if judges in the same way."""
    path = gate.root / "run.json"
    live = gate.judge(text, record=path)
    run = read_run(path, gate.store)
    stored = what_if(run, thresholds_at(gate.root / "x.yaml", facts_of(run.record))).record
    rows = [[(row.name, row.outcome, row.explanation) for row in one.verdicts] for one in (live, stored)]
    assert rows[0] == rows[1]
    return live


def test_it_has_the_verdicts_of_the_run(gate: Gate, tmp_path: Path) -> None:
    own = replace(gate, data=write_suite(tmp_path / "data"), store=tmp_path / "store")
    live = judged_twice(own, DEMANDS)
    assert {"pass", "fail", "uncertain", "unmeasurable"} <= {row.outcome for row in live.verdicts}
    scored = {
        row.name: row.explanation for row in live.verdicts if "energy" in row.name or "_logit" in row.name
    }
    assert {name: one.n for name, one in scored.items()} == {
        "answers.share@energy=0.5,set=birds[max]": 10,
        "answers.share@max_logit=0.5,set=night,pipeline=app[min]": 36,
        "answers.accuracy@max_logit=0.5,pipeline=app[min]": 8,
    }
    assert len(judged_twice(own, ANSWERS).verdicts) == 1
