"""`--quba-limit`: the same few images for every model, stated in report and record."""

from __future__ import annotations

from pathlib import Path

import pytest
from acceptance.runs import Judge, examined
from support.evaluations import new_evaluation

from quba_check.core.view import CLEAN, FGSM, View

FILE = "schema: 1\ndimensions:\n  accuracy: {min: 0.1}\n  ood_robustness: {min: 0.1}\n"
CUT = "limited: clean to 6 of 9 images"


def run(judge: Judge, *arguments: str, model: str = "nets:net") -> dict[str, object]:
    result = judge("thresholds/x.yaml", "--quba-report=record.json", *arguments, model=model)
    assert result.ret == 0, result.outlines
    notes = [line for line in result.outlines if line.startswith("limited")]
    assert notes == ([CUT] if "--quba-limit=6" in arguments else [])
    return judge.record()


def test_it_is_recorded_reported_and_the_same_for_every_model(judge_cold: Judge) -> None:
    judge_cold.write("thresholds/x.yaml", FILE)
    record = run(judge_cold, "--quba-limit=6")
    assert record["limit"] == 6
    assert record["suite"]["sets"]["clean"] == {
        "images": 6,
        "expected": 9,
        "found": 9,
        "groups": None,
        "slices": None,
        "generated": None,
        "preprocessing": "exact",
    }
    assert record["suite"]["sets"]["sketch"]["found"] is None  # its six images are all looked at
    assert record["measurements"]["accuracy"]["n"] == 6
    assert judge_cold.passes() == {"forward": examined(6) + 6 + 6 + 6}
    other = run(judge_cold, "--quba-limit=6", model="nets:other")
    assert other["suite"]["fingerprint"] == record["suite"]["fingerprint"]


@pytest.mark.usefixtures("without_stored_check")
def test_the_whole_run_takes_no_shard_of_a_limited_one(judge_cold: Judge) -> None:
    judge_cold.write("thresholds/x.yaml", FILE)
    limited = run(judge_cold, "--quba-limit=6")
    whole = run(judge_cold)
    assert whole["limit"] is None
    assert whole["measurements"]["accuracy"]["n"] == 9
    assert whole["suite"]["fingerprint"] != limited["suite"]["fingerprint"]
    assert judge_cold.passes() == {
        "forward": examined(6) + 18 + examined() + 9
    }  # the small sets are whole in both


@pytest.mark.usefixtures("without_stored_check")
def test_a_limit_above_all_sets_is_none(judge: Judge) -> None:
    assert run(judge, "--quba-limit=1000")["measurements"]["accuracy"]["n"] == 9
    assert judge.passes() == {"forward": examined()}


def test_attacked_and_corrupted_images_are_the_clean_ones(
    tiny_data: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What each image meets is what it meets in a run on all of them."""
    monkeypatch.syspath_prepend(str(Path(__file__).parent))
    text = (
        (tiny_data / "quba-data.yaml")
        .read_text()
        .replace("{reader: folder, path: c, prepared: true}", "{generate: from clean}")
    )
    data = tmp_path / "data"
    data.mkdir()
    (data / "val").symlink_to(tiny_data / "val")
    (data / "quba-data.yaml").write_text(text.partition("  shifts:")[0])
    fog = View("corruptions", "fog", 3)
    tables = {
        limit: new_evaluation("nets:net", data, store=tmp_path / "store", limit=limit).engine.predictions(
            [CLEAN, FGSM, fog]
        )
        for limit in (None, 5)
    }
    few, all_ = tables[5], tables[None]
    drawn = few[CLEAN].index
    assert len(drawn) == 5
    for view in (CLEAN, FGSM, fog):
        assert few[view].index.tolist() == drawn.tolist()
        assert few[view].confidence == pytest.approx(all_[view].confidence[drawn], abs=1e-6)
