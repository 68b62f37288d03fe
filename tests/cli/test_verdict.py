"""`quba-check verdict`: the gate's exit code from stored records."""

import hashlib
import re
import shlex
from collections.abc import Callable
from pathlib import Path

import pytest
from cli.conftest import Run as Line
from support.tuned import judged, record
from syrupy.assertion import SnapshotAssertion

from quba_check.cli.main import main
from quba_check.core.explanation import Explanation
from quba_check.records.record import Record

Run = Callable[..., tuple[int, str, str]]
PASS = judged("dimensions: {accuracy: {min: 0.85}}")
FAIL = judged("dimensions:\n  accuracy: {min: 0.95}")
OPTIONAL = "dimensions: {shape_bias: {min: 0.1, optional: true}}"
MISSING = {**record().measurements, "shape_bias": {"unmeasurable": "no images", "missing_data": True}}


def write(name: str, run: Record) -> None:
    Path(name).write_text(run.to_json(), encoding="utf-8")


@pytest.fixture
def run(run: Line) -> Run:
    """Run the command in a folder with records."""
    write("pass.json", PASS)
    write("fail.json", FAIL)
    write("uncertain.json", judged("uncertain: fail\ndimensions: {accuracy: {min: 0.895}}"))
    write("skipped.json", judged(OPTIONAL, record(measurements=MISSING)))
    write("stopped.json", PASS.model_copy(update={"interrupted": True}))
    write("partial.json", PASS.model_copy(update={"unselected": 2}))
    write("none.json", record())
    text = FAIL.to_json()
    Path("edited.json").write_text(
        text.replace('"overall_verdict": "fail"', '"overall_verdict": "pass"'), encoding="utf-8"
    )
    Path("cut.json").write_text(text[:100], encoding="utf-8")
    Path("t.yaml").write_text("schema: 1\ndimensions:\n  accuracy: {min: 0.95}\n", encoding="utf-8")
    Path("low.yaml").write_text("schema: 1\ndimensions:\n  accuracy: {min: 0.7}\n", encoding="utf-8")
    return lambda *words: run(shlex.join(["verdict", *words]))


@pytest.mark.parametrize(
    ("name", "code"),
    [
        *[("pass", 0), ("fail", 1), ("edited", 1), ("uncertain", 6)],
        *[("skipped", 5), ("none", 5), ("stopped", 2), ("partial", 1)],
    ],
)
def test_each_overall_verdict(run: Run, name: str, code: int, snapshot: SnapshotAssertion) -> None:
    assert run(f"{name}.json") == (code, snapshot, "")


def test_the_most_severe_of_several(run: Run) -> None:
    assert run("pass.json", "partial.json")[0] == 1
    assert run("pass.json", "skipped.json", "uncertain.json")[0] == 6
    assert run("uncertain.json", "pass.json", "fail.json")[0] == 1
    assert run("pass.json", "pass.json")[0] == 0


def test_a_missing_or_damaged_record_is_no_pass(run: Run, snapshot: SnapshotAssertion) -> None:
    assert run("no.json") == (4, "", snapshot)
    assert run("cut.json") == (4, "", snapshot)


def test_another_threshold_file(run: Run) -> None:
    assert run("fail.json", "--thresholds", "low.yaml") == (0, run("pass.json")[1], "")
    assert run("pass.json", "--thresholds", "t.yaml") == (1, run("fail.json")[1], "")
    assert run("partial.json", "--thresholds", "low.yaml")[0] == 0
    assert run("stopped.json", "--thresholds", "low.yaml")[0] == 2


def test_a_record_cannot_add_lines(run: Run, snapshot: SnapshotAssertion) -> None:
    explanation = Explanation("\x1b[1mred\n more")
    changed = {"dimension": "a\nreleased: yes\n", "outcome": "unmeasurable", "explanation": explanation}
    row = PASS.verdicts[0].model_dump() | changed
    text = record(verdicts=[row]).to_json().replace('"tiny"', '"x\\nreleased: yes"')
    Path("lines.json").write_text(text, encoding="utf-8")
    assert run("lines.json")[1] == snapshot


@pytest.fixture
def models(run: Run) -> dict[str, Record]:
    """Records of a checkpoint, an ONNX file with data next to it, a folder, and a callable."""
    contents = {
        "r50.pt": [Path("r50.pt")],
        "net.onnx": [Path("net.onnx"), Path("net.onnx.data")],
        "hub": [Path("hub/config.json"), Path("hub/model.safetensors")],
        "nets:net": [],
    }
    Path("hub").mkdir()
    records = {}
    for spec, files in contents.items():
        for file in files:
            file.write_text(file.name, encoding="utf-8")
        digests = {file.name: hashlib.sha256(file.name.encode()).hexdigest() for file in files}
        model = record().model.model_copy(update={"spec": spec, "files": digests})
        records[spec] = PASS.model_copy(update={"model": model})
        write(f"{Path(spec).stem.replace(':', '-')}.json", records[spec])
    return records


@pytest.mark.parametrize(
    ("name", "spec", "changed"),
    [
        ("r50", "r50.pt", "r50.pt"),
        ("net", "net.onnx", "net.onnx"),
        ("net", "net.onnx", "net.onnx.data"),
        ("hub", "hub", "hub/model.safetensors"),
        ("hub", "./hub/", "hub/config.json"),
    ],
)
def test_a_record_of_another_model_file(
    run: Run, models: dict[str, Record], name: str, spec: str, changed: str, snapshot: SnapshotAssertion
) -> None:
    code, out, _ = run(f"{name}.json", "--model", spec)
    assert (code, "released: yes" in out) == (0, True)
    Path(changed).write_text("retrained", encoding="utf-8")
    assert run(f"{name}.json", "--model", spec) == (4, "", snapshot)


def test_models_that_are_no_files_are_compared_by_their_specs(
    run: Run, models: dict[str, Record], snapshot: SnapshotAssertion
) -> None:
    assert run("nets-net.json", "--model=nets:net")[0] == 0
    assert run("nets-net.json", "--model=nets:other") == (4, "", snapshot)
    assert run("pass.json", "--model=r50.pt")[0] == 4  # an earlier version, which stored no digests
    assert run("r50.json", "--model=moved.pt")[2] == (f"ERROR: moved.pt: no such file in {Path.cwd()}.\n")


def test_each_model_has_a_record(run: Run, models: dict[str, Record], snapshot: SnapshotAssertion) -> None:
    both = ("--model=r50.pt", "--model=net.onnx")
    assert run("r50.json", "net.json", *both)[0] == 0
    assert run("r50.json", *both) == (4, "", snapshot)


@pytest.mark.parametrize(
    ("since", "code"),
    [
        ("1767225600", 0),
        ("1767225600.9", 0),
        ("2026-01-01T00:00:00Z", 0),
        ("2026-01-01T02:00:00+02:00", 0),
        ("1767225601", 4),
        ("2026-01-01T00:00:01Z", 4),
    ],
)
def test_a_record_of_an_earlier_run(run: Run, since: str, code: int) -> None:
    refusal = (
        "ERROR: pass.json: is of an earlier run, got the time 2026-01-01T00:00:00+00:00. "
        "Allowed: 2026-01-01T00:00:01+00:00 or later. Run the gate again.\n"
    )
    result = run("pass.json", "--since", since)
    assert (result[0], result[2]) == (code, refusal if code else "")
    assert (result[1] == "") == bool(code)


@pytest.mark.parametrize("time", ["now", "2026-01-01T00:00:00"])
def test_a_record_without_a_usable_time_is_not_recent(run: Run, time: str) -> None:
    text = PASS.to_json().replace("2026-01-01T00:00:00+00:00", time)
    Path("odd.json").write_text(text, encoding="utf-8")
    assert run("odd.json", "--since=1000000000")[2].startswith(
        f"ERROR: odd.json: is of an earlier run, got the time {time}. "
    )


TIMES = "yesterday 20260101 99999999999 1767225600000 2026-01-01 2026-01-01T00:00:00 -1 nan"


@pytest.mark.parametrize("text", TIMES.split())
def test_times_that_are_refused(run: Run, text: str, snapshot: SnapshotAssertion) -> None:
    assert run("pass.json", f"--since={text}") == (4, "", snapshot)


def test_a_limited_run(run: Run, snapshot: SnapshotAssertion) -> None:
    sets = {"clean": {"images": 1000, "found": 10_000}, "sketch": {"images": 50}}
    suite = {"name": "tiny", "root": "/data", "fingerprint": "1" * 32, "sets": sets}
    limited = PASS.model_copy(update={"limit": 1000})
    write("limited.json", limited.model_copy(update={"suite": record(suite=suite).suite}))
    assert run("limited.json") == (0, snapshot, "")
    write("large.json", limited)
    assert run("large.json")[1] == run("pass.json")[1]


def test_model_files_and_warnings_come_first(
    run: Run, models: dict[str, Record], snapshot: SnapshotAssertion
) -> None:
    write("warned.json", models["net.onnx"].model_copy(update={"warnings": ("the baseline failed",)}))
    assert run("warned.json")[1] == snapshot


@pytest.mark.parametrize("command", ["verdict", "what-if"])
@pytest.mark.parametrize(
    ("text", "code", "word"),
    [
        ("accuracy: {min: 0.7}", 0, "yes"),
        ("accuracy: {min: 0.95}", 1, "no"),
        ("accuracy: {min: 0.95, tier: warn}", 0, "yes"),
        ("shape_bias: {min: 0.1, optional: true}", 5, "no"),
        ("shape_bias: {min: 0.1}", 1, "no"),
    ],
)
def test_every_command_has_the_rule_of_the_gate(
    run: Run, capsys: pytest.CaptureFixture[str], command: str, text: str, code: int, word: str
) -> None:
    write("run.json", record(measurements=MISSING))
    Path("demands.yaml").write_text(f"schema: 1\ndimensions:\n  {text}\n", encoding="utf-8")
    option = ["--thresholds"] if command == "verdict" else []
    assert main([command, "run.json", *option, "demands.yaml"]) == code
    assert re.search(rf"^released:? +{word}", capsys.readouterr().out, re.MULTILINE)


def test_what_if_has_the_most_severe_exit_code(run: Run) -> None:
    Path("sure.yaml").write_text(
        "schema: 1\nuncertain: fail\ndimensions: {accuracy: {min: 0.895}}\n", encoding="utf-8"
    )
    assert main(["what-if", "pass.json", "low.yaml", "sure.yaml"]) == 6
    assert main(["what-if", "pass.json", "t.yaml", "sure.yaml"]) == 1


@pytest.mark.parametrize(
    "words", ["verdict", "attest --output=s.json", "approve", "report --to=badge", "compare pass.json"]
)
def test_an_edited_record_is_refused(run: Run, words: str, capsys: pytest.CaptureFixture[str]) -> None:
    text = FAIL.to_json().replace('"outcome": "fail"', '"outcome": "pass"')
    Path("edited.json").write_text(text, encoding="utf-8")
    assert main([*words.split(), "edited.json"]) == 4
    assert capsys.readouterr().err.startswith(
        "ERROR: edited.json: the verdict on accuracy[min] contradicts the values of the record, got pass "
    )
    assert not Path("baselines").exists()


def test_other_bounds_than_those_of_the_same_file(run: Run) -> None:
    """The edit is thorough, but for the digest of the file itself."""
    text = "schema: 1\ndimensions:\n  accuracy: {min: 0.95}\n"
    Path("x.yaml").write_text(text, encoding="utf-8")
    low = judged("dimensions:\n  accuracy: {min: 0.5}")
    inputs = (low.inputs[0].model_copy(update={"sha256": hashlib.sha256(text.encode()).hexdigest()}),)
    write("low.json", low.model_copy(update={"inputs": inputs}))
    assert run("low.json")[0] == 0
    assert run("low.json", "--thresholds", "x.yaml") == (
        4,
        "",
        "ERROR: low.json: its demands are not those of x.yaml, which it names as its threshold file. "
        "Run the gate again.\n",
    )
    assert run("fail.json", "--thresholds", "x.yaml")[0] == 1


def test_skipped_drops_are_named(run: Run) -> None:
    text = "dimensions: {accuracy: {min: 0.1, max_drop: 0.1, optional: true}}"
    write("skipped.json", judged(text))
    lines = run("skipped.json")[1].splitlines()
    assert lines[-2:] == [
        "skipped without a baseline, which the record alone cannot confirm: accuracy[max_drop]",
        "released: yes",
    ]
