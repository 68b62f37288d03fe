"""`model-index` of model cards: read back with huggingface_hub, and all other content compared."""

from __future__ import annotations

import sys
from typing import Any

import pytest
from support.rows import GRADE, VERDICT
from support.tuned import record

from quba_check.errors import UserError
from quba_check.exports.model_card import card_with_results
from quba_check.messages import one_line
from quba_check.records.record import Record

hub = pytest.importorskip("huggingface_hub")

THEIRS = """\
- name: my-model
  results:
  - task:
      type: image-classification   # theirs
    dataset: {type: beans, name: Beans, args: default}
    metrics:
    - type: accuracy
      value: 0.5
"""


def results(card: str) -> list[Any]:
    """The results of a card, read by huggingface_hub."""
    found: list[Any] = hub.ModelCard(card).data.eval_results
    return found


def ours(card: str) -> list[Any]:
    return [result for result in results(card) if "QUBA" in str(result) or "quba-check" in str(result)]


def run(**changed: Any) -> Record:
    return record(verdicts=[VERDICT], grades=[GRADE], **changed)


def test_results_by_hand() -> None:
    written = results(card_with_results("# My model\n", "README.md", run(), "https://example.org/run"))
    assert {result.metric_type: result.metric_value for result in written} == {
        "accuracy": 0.9,
        "corruption_robustness": 0.62,
        "calibration_error": 0.0312,
        "parameters": 5.289,
        "quba_score": 0.5,
    }
    accuracy = written[0]
    assert accuracy.metric_name == "accuracy, 1,000 images"
    interval = [pytest.approx(0.8804), pytest.approx(0.9196)]
    assert accuracy.metric_args == {"unit": "fraction", "images": 1000, "interval": interval} | {
        "demand": ">= 0.85", "verdict": "pass", "source": "x.yaml:3"
    }  # fmt: skip
    task = (accuracy.task_type, accuracy.dataset_type, accuracy.dataset_name)
    assert task == ("image-classification", "tiny", "tiny, protocol standard")
    assert accuracy.dataset_args == {"tool": "quba-check", "version": "unknown", "verdict": "pass"} | {
        "protocol": "standard", "suite_fingerprint": "1" * 32
    }  # fmt: skip
    assert (accuracy.source_name, accuracy.source_url) == ("quba-check record", "https://example.org/run")
    assert [result.metric_name for result in written[3:]] == [
        "parameters in millions",
        "QUBA score, grade B, 81st percentile of demo",
    ]


def test_caveats_of_the_score_are_in_its_name() -> None:
    caveats = {
        "missing": ["shape_bias"],
        "cross_protocol": ["object_focus"],
        "other_suite": "this run on tiny",
    }
    card = card_with_results("", "README.md", record(grades=[GRADE | caveats]))
    assert results(card)[-1].metric_name == (
        "QUBA score, grade B, 81st percentile of demo; without shape_bias; other protocol for object_focus; "
        "other suite: this run on tiny"
    )


def test_no_folder_of_the_machine_is_published() -> None:
    verdict = VERDICT | {"file": "/home/me/secret/x.yaml", "id": "/home/me/secret/x.yaml::accuracy[min]"}
    card = card_with_results("", "README.md", record(verdicts=[verdict]))
    assert results(card)[0].metric_args["source"] == "x.yaml:3"
    assert "secret" not in card


def test_caveats_are_in_the_name() -> None:
    row = record().measurements["accuracy"].model_dump()
    stopped = {"images": 500, "of": 1000, "passes": True, "alpha": 0.05}
    measured = {"adversarial_robustness": row | {"masked": ["zero"]}, "accuracy": row | {"stopped": stopped}}
    written = results(card_with_results("", "README.md", record(measurements=measured)))
    assert [result.metric_name for result in written] == [
        "adversarial_robustness, 1,000 images, masked: no evidence of robustness",
        "accuracy, 1,000 images, stopped early after 500 of 1,000 images: the full run would pass (α = 0.05)",
    ]


@pytest.mark.parametrize(
    ("before", "after"),
    [
        ("", ""),
        ("---\nlicense: mit # ours\n\ntags: [a,  b]\n---\nText", "---\nText"),
        ("---\r\nlicense: mit\r\n---\r\n\r\nText\r\n", "---\r\n\r\nText\r\n"),
        ("Text\r\nof two lines\r\n", "---\r\nText\r\nof two lines\r\n"),
        (f"---\nmodel-index:\n{THEIRS}license: mit\n---\nText\n---\n", "license: mit\n---\nText\n---\n"),
        ("---\nmodel-index:\n- name: m\n  results: [] # none\nlicense: mit\n---\n", "license: mit\n---\n"),
        ("---\nmodel-index: null  # none yet\nlicense: mit\n---\n", "license: mit\n---\n"),
        ("---\n# comment only\n---\n", "---\n"),
        ("---\n{license: mit}\n---\n", "---\n"),
    ],
)
def test_other_metadata_and_the_text_stay(before: str, after: str) -> None:
    written = card_with_results(before, "README.md", run())
    assert written.endswith(after)
    assert (metadata(written), len(ours(written))) == (metadata(before), 5)
    assert ("\r\n" in before) == ("\r\n" in written)
    assert "\r" not in written.replace("\r\n", "")
    assert card_with_results(written, "README.md", run()) == written


def metadata(card: str) -> tuple[dict[str, Any], list[Any]]:
    """All metadata but the model-index, and the results of others."""
    data = hub.RepoCard(card).data.to_dict()
    models = data.pop("model-index", None) or []
    others = [
        result
        for model in models
        for result in model["results"]
        if not isinstance(args := result["dataset"].get("args"), dict) or args.get("tool") != "quba-check"
    ]
    return data, others


def test_a_later_record_replaces_ours_and_nothing_else() -> None:
    card = f"---\nlicense: mit\nmodel-index:\n{THEIRS}tags: [x]\n---\n"
    first = card_with_results(card, "README.md", run())
    other = run(protocol="released")
    both = card_with_results(first, "README.md", other)
    again = card_with_results(both, "README.md", record(0.8, verdicts=[VERDICT]))
    assert [len(results(text)) for text in (card, first, both, again)] == [1, 6, 11, 10]
    values = [result.metric_value for result in results(again) if result.metric_type == "accuracy"]
    assert values == [0.5, 0.8, 0.9]
    assert all(metadata(text) == metadata(card) for text in (first, both, again))
    undone = card_with_results(card_with_results(both, "README.md", other), "README.md", run())
    assert undone == both


def test_hostile_names_are_text() -> None:
    name = "a: [b]\n---\n# <script> \x1b ☃ 'q' \"p\""
    model = record().model.model_dump() | {"name": name}
    suite = record().suite.model_dump() | {"name": name}
    written = card_with_results("---\nlicense: mit\n---\nText", "README.md", run(model=model, suite=suite))
    assert hub.ModelCard(written).data.model_name == one_line(name)
    assert written.endswith("---\nText")
    assert results(written)[0].dataset_type == "a-b-n-n-script-x1b-q-p"


@pytest.mark.parametrize(
    "front_matter",
    [
        "license: [mit\n",
        f"x: {'[' * 3000}\n",
        "- mit\n",
        "model-index: text\n",
        "model-index:\n- 3\n",
        "model-index:\n- name: m\n  results:\n  - x: 1\n",
    ],
)
def test_a_front_matter_that_is_no_metadata(front_matter: str) -> None:
    with pytest.raises(UserError) as caught:
        card_with_results(f"---\n{front_matter}---\n", "README.md", run())
    assert str(caught.value).partition(" huggingface_hub reports: ")[0] == (
        "README.md: the front matter is no metadata of a model. Allowed: that of a model card."
    )


def test_a_run_without_values() -> None:
    with pytest.raises(UserError) as caught:
        card_with_results("", "README.md", record(measurements={}))
    assert str(caught.value) == (
        "quba-check model-card: the run of r50 measured no dimension. Allowed: a record with at least one."
    )


def test_without_huggingface_hub(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "huggingface_hub", None)
    with pytest.raises(UserError) as caught:
        card_with_results("", "README.md", run())
    assert str(caught.value) == (
        "quba-check model-card needs huggingface_hub 1.4 or newer, which is not installed. "
        'Install it: pip install "quba-check[hf]".'
    )
