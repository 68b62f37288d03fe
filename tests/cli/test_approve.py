"""`quba-check approve`: files, text, and what is refused."""

from __future__ import annotations

import json
import shlex
from pathlib import Path

import pytest
from support.gated import CORRUPTION
from support.tuned import record

from quba_check.cli.main import main
from quba_check.records.verdict import VerdictRow


def verdict(**changed: object) -> VerdictRow:
    return CORRUPTION.verdict_row("x", "pass", "").model_copy(update=changed)


@pytest.fixture(autouse=True)
def _folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    for name, rows in {
        "good": [verdict(), verdict(part="fog")],
        "looser": [verdict(limit=0.4)],
        "bad": [verdict(outcome="fail")],
    }.items():
        Path(f"{name}.json").write_text(record(verdicts=rows).to_json(), encoding="utf-8")


def run(capsys: pytest.CaptureFixture[str], words: str) -> tuple[int, str, str]:
    code = main(["approve", *shlex.split(words)])
    return code, *capsys.readouterr()


def test_a_record_is_approved_and_replaced(capsys: pytest.CaptureFixture[str]) -> None:
    code, out, err = run(capsys, "good.json --by ann")
    assert (code, err) == (0, "")
    assert out == (
        "approved: r50 as baselines/release, by ann\n"
        "  2 of 2 demands passed\n"
        "  no per-image results are next to good.json or in the store: drops are judged unpaired\n"
        "in the threshold file: baseline: release\n"
    )
    folder = Path("baselines/release")
    assert (folder / "record.json").read_bytes() == Path("good.json").read_bytes()
    first = json.loads((folder / "approvals.jsonl").read_text())
    code, out, err = run(capsys, "looser.json --by bo --reason 'smaller'")
    assert out == (
        "approved: r50 as baselines/release, by bo\n"
        "  1 of 1 demand passed\n"
        f"  replaces r50, approved {first['time']} by ann\n"
        "  looser: corruption_robustness[min] >= 0.4 (was 0.5)\n"
        "  looser: corruption_robustness.fog[min] is gone (>= 0.5)\n"
        "  no per-image results are next to looser.json or in the store: drops are judged unpaired\n"
        "in the threshold file: baseline: release\n"
    )
    last = json.loads((folder / "approvals.jsonl").read_text().splitlines()[1])
    assert (last["by"], last["reason"], last["verdict"]) == ("bo", "smaller", "pass")


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (
            "bad.json",
            "bad.json: its verdict is 'fail' (released: no; failed: corruption_robustness[min]). "
            "Allowed: a record "
            "that releases its model, or any with --reason TEXT.",
        ),
        (
            "bad.json --reason ' '",
            "bad.json: its verdict is 'fail' (released: no; failed: corruption_robustness[min]). "
            "Allowed: a record "
            "that releases its model, or any with --reason TEXT.",
        ),
        (
            "good.json --name ../x",
            "quba-check approve: --name: got '../x'. Allowed: letters, digits, '_', '.' and '-', such as "
            "release.",
        ),
    ],
)
def test_what_is_refused(capsys: pytest.CaptureFixture[str], words: str, message: str) -> None:
    assert run(capsys, words) == (4, "", f"ERROR: {message}\n")
    assert not Path("baselines").exists()


def test_a_reason_approves_what_failed(capsys: pytest.CaptureFixture[str]) -> None:
    code, out, _ = run(capsys, "bad.json --name v1 --by ann --reason 'only model'")
    assert code == 0
    assert "approved: r50 as baselines/v1, by ann\n" in out
    assert json.loads(Path("baselines/v1/approvals.jsonl").read_text())["verdict"] == "fail"
