"""`quba-check verdict`: the gate's exit code from stored records."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest
from support.tuned import record

from quba_check.cli.main import main
from quba_check.records.record import Record

Run = Callable[..., tuple[int, str, str]]
FAILED = "accuracy 0.900 is below 0.950 (short by 0.050)\n  demanded by t.yaml:3"


def verdict(outcome: str, **changes: object) -> dict[str, object]:
    row: dict[str, object] = {
        "id": "t.yaml::accuracy[min]",
        "dimension": "accuracy",
        "part": None,
        "bound": "min",
        "limit": 0.95,
        "tier": "block",
        "outcome": outcome,
        "file": "t.yaml",
        "line": 3,
    }
    return row | changes


def write(name: str, run: Record) -> None:
    Path(name).write_text(run.to_json(), encoding="utf-8")


@pytest.fixture
def run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Run:
    """Run the command in a folder with records."""
    monkeypatch.chdir(tmp_path)
    write("pass.json", record(verdicts=[verdict("pass")]))
    write("fail.json", record(verdicts=[verdict("fail", message=FAILED)]))
    write("uncertain.json", record(verdicts=[verdict("uncertain", policy="fail", message="accuracy 0.9 …")]))
    write("skipped.json", record(verdicts=[verdict("skipped", message="accuracy was skipped: …")]))
    write("stopped.json", record(verdicts=[verdict("pass")], interrupted=True))
    write("partial.json", record(verdicts=[verdict("pass")], unselected=2))
    write("none.json", record())
    text = record(verdicts=[verdict("fail", message=FAILED)]).to_json()
    Path("edited.json").write_text(
        text.replace('"overall_verdict": "fail"', '"overall_verdict": "pass"'), encoding="utf-8"
    )
    Path("cut.json").write_text(text[:100], encoding="utf-8")
    Path("t.yaml").write_text("schema: 1\ndimensions:\n  accuracy: {min: 0.95}\n", encoding="utf-8")
    Path("low.yaml").write_text("schema: 1\ndimensions:\n  accuracy: {min: 0.7}\n", encoding="utf-8")

    def command(*words: str) -> tuple[int, str, str]:
        code = main(["verdict", *words])
        output = capsys.readouterr()
        return code, output.out, output.err

    return command


HEADER = "r50 on tiny, protocol standard\n"


@pytest.mark.parametrize(
    ("name", "code", "text"),
    [
        ("pass", 0, "1 of 1 demand passed\nreleased: yes\n"),
        (
            "fail",
            1,
            "  accuracy 0.900 is below 0.950 (short by 0.050)\n0 of 1 demand passed, 1 failed\n"
            "released: no; failed: accuracy[min]\n",
        ),
        (
            "edited",
            1,
            "  accuracy 0.900 is below 0.950 (short by 0.050)\n0 of 1 demand passed, 1 failed\n"
            "released: no; failed: accuracy[min]\n",
        ),
        (
            "uncertain",
            6,
            "  accuracy 0.9 …\n0 of 1 demand passed, 1 uncertain\n"
            "released: no; not shown to be met: accuracy[min]\n",
        ),
        ("skipped", 5, "0 of 1 demand passed, 1 skipped\nreleased: no; no demand was judged\n"),
        ("none", 5, "no demands\nreleased: no; no demand was judged\n"),
        ("stopped", 2, "1 of 1 demand passed\nreleased: no; the run was interrupted\n"),
        (
            "partial",
            1,
            "1 of 1 demand passed, 2 not selected\n"
            "released: not decided; demands that were not selected: 2\n",
        ),
    ],
)
def test_each_overall_verdict(run: Run, name: str, code: int, text: str) -> None:
    assert run(f"{name}.json") == (code, HEADER + text, "")


def test_the_most_severe_of_several(run: Run) -> None:
    assert run("pass.json", "partial.json")[0] == 1
    assert run("pass.json", "skipped.json", "uncertain.json")[0] == 6
    assert run("uncertain.json", "pass.json", "fail.json")[0] == 1
    assert run("pass.json", "pass.json")[0] == 0


def test_a_missing_or_damaged_record_is_no_pass(run: Run) -> None:
    assert run("no.json") == (
        4,
        "",
        "ERROR: no.json: there is no such file. Allowed: a file that --quba-report wrote. Did you mean "
        "'none.json'?\n",
    )
    assert run("cut.json") == (
        4,
        "",
        "ERROR: cut.json: it is not JSON. Allowed: a file that --quba-report wrote.\n",
    )


def test_another_threshold_file(run: Run) -> None:
    passed = "1 of 1 demand passed\nreleased: yes\n"
    assert run("fail.json", "--thresholds", "low.yaml") == (0, HEADER + passed, "")
    assert run("pass.json", "--thresholds", "t.yaml") == (
        1,
        f"{HEADER}  accuracy 0.900 is below 0.950 (short by 0.050)\n0 of 1 demand passed, 1 failed\n"
        "released: no; failed: accuracy[min]\n",
        "",
    )
    assert run("partial.json", "--thresholds", "low.yaml")[0] == 0
    assert run("stopped.json", "--thresholds", "low.yaml")[0] == 2


def test_a_record_without_the_number_of_unselected_demands(run: Run) -> None:
    text = record(verdicts=[verdict("pass")]).to_json()
    Path("old.json").write_text(text.replace('"unselected"', '"of_old"'), encoding="utf-8")
    assert run("old.json") == (
        4,
        "",
        "ERROR: old.json: an earlier version wrote this record, without the number of demands that were not "
        "selected. Run the gate again, or name a threshold file with --thresholds FILE.yaml.\n",
    )
    assert run("old.json", "--thresholds", "low.yaml")[0] == 0
    Path("odd.json").write_text(text.replace('"unselected": 0', '"unselected": -1'), encoding="utf-8")
    assert run("odd.json") == (
        4,
        "",
        "ERROR: odd.json: not a record: unselected: got -1. Allowed: a number of at least 0.\n",
    )


def test_a_record_cannot_add_lines(run: Run) -> None:
    row = verdict("fail", dimension="a\nreleased: yes\n", message="\x1b[1mred\n more")
    text = record(verdicts=[row]).to_json().replace('"tiny"', '"x\\nreleased: yes"')
    Path("lines.json").write_text(text, encoding="utf-8")
    assert run("lines.json")[1].splitlines() == [
        "r50 on x\\nreleased: yes, protocol standard",
        "  \\x1b[1mred",
        "0 of 1 demand passed, 1 failed",
        "released: no; failed: a\\nreleased: yes\\n[min]",
    ]
