"""Files of `.eval_results`, read back with huggingface_hub."""

from __future__ import annotations

import sys
from typing import Any

import pytest
import yaml
from support.errors import error_text
from support.rows import VERDICT
from support.tuned import quantity, record

from quba_check.errors import OptionError, UserError
from quba_check.exports.leaderboard import Benchmark, leaderboard_text

hub = pytest.importorskip("huggingface_hub")

BENCHMARK = Benchmark("ILSVRC/imagenet-1k", "default", "0123abc")


def entry(text: str) -> Any:
    (only,) = hub.parse_eval_result_entries(yaml.safe_load(text))
    return only


def test_a_value_by_hand() -> None:
    environment = record().environment.model_dump() | {"versions": {"quba-check": "0.2.0"}}
    run = record(verdicts=[VERDICT], environment=environment)
    text = leaderboard_text(run, BENCHMARK, "accuracy", url="https://example.org/run")
    assert entry(text) == hub.EvalResultEntry(
        dataset_id="ILSVRC/imagenet-1k",
        task_id="default",
        value=0.9,
        dataset_revision="0123abc",
        date="2026-01-01T00:00:00+00:00",
        source_url="https://example.org/run",
        source_name="quba-check record",
        notes="quba-check 0.2.0, protocol standard, suite tiny, accuracy, 1,000 images, 95 % interval "
        "0.880..0.920, demand >= 0.85 in x.yaml:3: pass",
    )


def test_a_part_in_per_cent() -> None:
    found = entry(leaderboard_text(record(), BENCHMARK, "corruption_robustness.fog", as_percentage=True))
    assert found == hub.EvalResultEntry(
        dataset_id="ILSVRC/imagenet-1k",
        task_id="default",
        value=55.0,
        dataset_revision="0123abc",
        date="2026-01-01T00:00:00+00:00",
        notes="quba-check, protocol standard, suite tiny, corruption_robustness.fog, 1,000 images, "
        "95 % interval 0.491..0.609",
    )


def test_a_value_under_conditions_with_its_demand() -> None:
    at_night = quantity(0.8, 0.01, "fraction", better="high")
    measured = quantity(0.9, 0.01, "fraction", better="high", parts={"@set=night": at_night})
    demand = VERDICT | {"id": "x.yaml::accuracy@set=night[min]", "part": "@set=night"}
    run = record(measurements={"accuracy": measured}, verdicts=[VERDICT, demand | {"outcome": "fail"}])
    notes = entry(leaderboard_text(run, BENCHMARK, "accuracy@set=night")).notes
    assert "suite tiny, accuracy@set=night, 1,000 images" in notes
    assert notes.endswith("demand >= 0.85 in x.yaml:3: fail")


def test_the_file_name_has_no_folders() -> None:
    assert Benchmark("me/../x", "../a b").file_name == "quba-check-me-..-x-a-b.yaml"


@pytest.mark.parametrize(
    ("benchmark", "value", "message"),
    [
        (Benchmark("imagenet", "x"), "accuracy", "--dataset: got 'imagenet'. Allowed: a dataset on the Hub"),
        (Benchmark("me/set", " "), "accuracy", "--task: got ' '. Allowed: the id of a task in the dataset's"),
        (BENCHMARK, "acuracy", "--value: got 'acuracy'. Allowed: accuracy, corruption_robustness, "),
        (BENCHMARK, "parameters", "--percent: got parameters, which has the unit millions. Allowed: a "),
    ],
)
def test_mistakes(benchmark: Benchmark, value: str, message: str) -> None:
    with pytest.raises(OptionError, match=f"^quba-check report: {message}"):
        leaderboard_text(record(), benchmark, value, as_percentage=True)


def test_without_huggingface_hub(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "huggingface_hub", None)
    assert error_text(UserError, leaderboard_text, record(), BENCHMARK, "accuracy") == (
        "quba-check report needs huggingface_hub 1.4 or newer, which is not installed. "
        'Install it: pip install "quba-check[hf]".'
    )
