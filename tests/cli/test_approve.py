"""`quba-check approve`: files, text, and what is refused."""

import json
from datetime import timedelta
from pathlib import Path

import pytest
from cli.conftest import Run
from support.tuned import judged, record
from syrupy.assertion import SnapshotAssertion

from quba_check.cli.main import main
from quba_check.demands.bounds import today
from quba_check.records.verdict import Waiver

DEMAND = "dimensions: {corruption_robustness: {min: 0.5}}"


@pytest.fixture
def run(run: Run) -> Run:
    for name, text in {
        "good": "dimensions: {corruption_robustness: {min: 0.5, parts: {fog: {min: 0.5}}}}",
        "looser": DEMAND.replace("0.5", "0.4"),
        "bad": DEMAND.replace("0.5", "0.7"),
    }.items():
        Path(f"{name}.json").write_text(judged(text).to_json(), encoding="utf-8")
    return lambda words: run(f"approve {words}")


def test_a_record_is_approved_and_replaced(run: Run, snapshot: SnapshotAssertion) -> None:
    assert run("good.json --by ann") == (0, snapshot, "")
    folder = Path("baselines/release")
    assert (folder / "record.json").read_bytes() == Path("good.json").read_bytes()
    first = json.loads((folder / "approvals.jsonl").read_text())
    out = run("looser.json --by bo --reason 'smaller'")[1]
    assert out.replace(first["time"], "TIME") == snapshot
    last = json.loads((folder / "approvals.jsonl").read_text().splitlines()[1])
    assert (last["by"], last["reason"], last["verdict"]) == ("bo", "smaller", "pass")


@pytest.mark.parametrize("words", ["bad.json", "bad.json --reason ' '", "good.json --name ../x"])
def test_what_is_refused(run: Run, words: str, snapshot: SnapshotAssertion) -> None:
    assert run(words) == (4, "", snapshot)
    assert not Path("baselines").exists()


def test_a_reason_approves_what_failed(run: Run) -> None:
    code, out, _ = run("bad.json --name v1 --by ann --reason 'only model'")
    assert code == 0
    assert "approved: r50 as baselines/v1, by ann\n" in out
    assert json.loads(Path("baselines/v1/approvals.jsonl").read_text())["verdict"] == "fail"


def test_the_name_is_that_of_the_threshold_file(run: Run) -> None:
    Path("named.json").write_text(judged(DEMAND, record(baseline="shop")).to_json(), encoding="utf-8")
    Path("url.json").write_text(judged(DEMAND, record(baseline="s3://b/x")).to_json(), encoding="utf-8")
    assert run("named.json --by ann")[1].startswith("approved: r50 as baselines/shop, by ann\n")
    assert run("url.json --by ann")[1].startswith("approved: r50 as baselines/release, by ann\n")


def test_the_folder_is_that_of_the_project(run: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    Path("pytest.ini").write_text("[pytest]\n", encoding="utf-8")
    (tmp_path / "deep").mkdir()
    monkeypatch.chdir(tmp_path / "deep")
    assert run("../good.json")[0] == 0
    assert (tmp_path / "baselines/release/record.json").exists()
    assert not Path("baselines").exists()


def test_a_record_of_other_images_needs_a_reason(run: Run, snapshot: SnapshotAssertion) -> None:
    suite = {"name": "other", "root": "/data", "fingerprint": "2" * 32}
    Path("other.json").write_text(judged(DEMAND, record(suite=suite)).to_json(), encoding="utf-8")
    run("good.json --by ann")
    assert run("other.json") == (4, "", snapshot)
    assert run("other.json --reason 'new images' --by ann")[0] == 0


SWAPPED = "baselines/release/record.json is not the record that was approved last: its SHA-256 is "
NO_HISTORY = (
    "baselines/release/record.json has no approvals.jsonl next to it whose last line states its SHA-256"
)


@pytest.mark.parametrize(
    ("file", "content", "problem"),
    [
        ("record.json", "", SWAPPED),
        ("record.json", None, "baselines/release/record.json is missing"),
        ("approvals.jsonl", None, NO_HISTORY),
        ("approvals.jsonl", "{}\nhalf a li", NO_HISTORY),
        ("approvals.jsonl", "\xff", NO_HISTORY),
    ],
)
def test_a_damaged_baseline_is_replaced_for_a_reason(
    run: Run, file: str, content: str | None, problem: str
) -> None:
    run("good.json --by ann")
    path = Path("baselines/release") / file
    path.unlink()
    if content is not None:
        path.write_text(content, encoding="latin-1")
    code, out, err = run("good.json --by ann")
    assert (code, out) == (4, "")
    assert err.startswith(f"ERROR: good.json: {problem}")
    assert err.endswith(". To approve it nevertheless: --reason TEXT.\n")
    code, out, _ = run("good.json --by ann --reason damaged")
    assert (code, "replaces" in out) == (0, False)
    assert run("good.json --by ann")[0] == 0


def test_an_expired_waiver_releases_nothing(run: Run, capsys: pytest.CaptureFixture[str]) -> None:
    waive = f"{{until: {today()}, by: ann, reason: r, at_least: 0.1}}"
    (row,) = judged(DEMAND.replace("0.5", f"0.7, waive: {waive}")).verdicts
    waiver = Waiver(until=today() - timedelta(days=1), by="ann", reason="r", bound=0.1)
    rows = [row.model_copy(update={"waiver": waiver})]
    Path("waived.json").write_text(record(verdicts=rows).to_json(), encoding="utf-8")
    message = (
        f"ERROR: waived.json: the waiver of corruption_robustness[min] has expired, got {waiver.until}. "
        f"Allowed: {today()} or later. Run the gate again.\n"
    )
    assert run("waived.json --reason x") == (4, "", message)
    for command in ("verdict", "report --to=badge", "attest --output=a.json"):
        assert main([*command.split(), "waived.json"]) == 4
        assert capsys.readouterr().err == message


def test_a_user_without_a_name(run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("getpass.getuser", lambda: {}["nobody"])
    message = "ERROR: --by: the user of this machine has no name. State who approves it.\n"
    assert run("good.json") == (4, "", message)
