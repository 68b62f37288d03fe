"""The exit code follows the verdicts in the records, whatever happens to pytest's items."""

import re
from pathlib import Path

import pytest
from acceptance.runs import HERE, Judge
from support.tuned import record

from quba_check.cli import verdict
from quba_check.cli.main import main
from quba_check.gate import threshold_files
from quba_check.gate.collector import ResultCollector
from quba_check.gate.judge import Judge as DemandJudge
from quba_check.gate.session import GateSession

FILE = "thresholds/x.yaml"
MET = "schema: 1\ndimensions:\n  accuracy: {min: 0.5}\n"
MISSED = "schema: 1\ndimensions:\n  accuracy: {min: 0.99}\n"
PASSING_TEST = "def test_nothing():\n    pass\n"
NOT_CALLED = (
    "accuracy[min]: pytest did not run its item; a plugin, a conftest.py or an option such as --setup-plan "
    "prevented it"
)


def text_of(result: pytest.RunResult) -> str:
    """Return the output with each paragraph on one line."""
    return re.sub(r"\n +", " ", result.stdout.str())


def hook(signature: str, *lines: str, options: str = "") -> str:
    """Return a conftest.py with one hook."""
    body = "".join(f"    {line}\n" for line in lines)
    return f"import pytest\n\n@pytest.hookimpl({options})\ndef {signature}:\n{body}"


def marked(mark: str) -> str:
    return hook(
        "pytest_collection_modifyitems(items)", f"for item in items: item.add_marker(pytest.mark.{mark})"
    )


JOINS_CODES = hook("pytest_sessionfinish(session, exitstatus)", "session.exitstatus |= exitstatus")
"""A conftest.py that combines exit codes as syrupy does."""


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        (marked("skip(reason='slow')"), "accuracy[min]: its item was skipped (slow)"),
        (hook("pytest_runtest_protocol()", "return True"), NOT_CALLED),
        (
            hook("pytest_collection_modifyitems(items)", "for item in items: item.runtest = lambda: None"),
            "accuracy[min]: its item ended without a verdict; a plugin or a conftest.py changed it",
        ),
        (
            hook("pytest_runtest_call()", "pytest.skip('later')", options="tryfirst=True"),
            "accuracy[min]: its item was skipped (later)",
        ),
    ],
    ids=["skipped", "taken over", "rewritten", "skipped at the call"],
)
def test_a_demand_without_a_verdict_blocks(judge: Judge, text: str, reason: str) -> None:
    judge.write("thresholds/x.yaml", MET)
    judge.write("conftest.py", text)
    result = judge(FILE, "--quba-record=record.json")
    assert result.ret == 1
    assert f"Not run: {reason}\n" in text_of(result)
    assert "released: no; 0 of 1 demand passed, 1 not run" in result.outlines
    assert judge.record()["overall_verdict"] == "incomplete"


@pytest.mark.parametrize(
    ("text", "arguments", "code"),
    [
        (marked("xfail"), ("-n0",), 1),
        pytest.param(marked("xfail"), ("-n1", "-o", f"pythonpath={HERE}"), 1, marks=pytest.mark.slow),
        (hook("pytest_sessionfinish(session)", "session.exitstatus = 0", options="trylast=True"), (), 1),
        (hook("pytest_runtest_logfinish()", "pytest.exit('done', returncode=0)"), (), 1),
        (hook("pytest_runtest_logreport(report)", "report.outcome = 'passed'"), (), 1),
        (
            hook(
                *("pytest_runtest_makereport()", "report = yield", "report.outcome = 'passed'"),
                *("return report",),
                options="wrapper=True",
            ),
            (),
            1,
        ),
        (hook("pytest_unconfigure()", "raise SystemExit(0)"), (), 1),
        (hook("pytest_unconfigure()", "raise SystemExit(7)"), (), 1),
        (JOINS_CODES, (), 1),
        (JOINS_CODES, ("--sw",), 1),
        (JOINS_CODES, ("-x",), 1),
        (hook("pytest_cmdline_main()", "return 0", options="tryfirst=True"), (), 5),
        ("", ("-p", "no:terminal"), 1),
    ],
)
def test_a_failed_demand_stays_failed(judge: Judge, text: str, arguments: tuple[str, ...], code: int) -> None:
    judge.write("thresholds/x.yaml", MISSED)
    judge.write("conftest.py", text)
    result = judge(FILE, "--quba-record=record.json", *arguments)
    assert result.ret == code
    if "xfail" in text:
        result.assert_outcomes(xfailed=1)
        assert "released: no; 0 of 1 demand passed, 1 failed" in result.outlines
    if code == 1:
        assert judge.record()["overall_verdict"] == "fail"


@pytest.mark.parametrize(
    ("text", "test", "code"),
    [
        (JOINS_CODES, PASSING_TEST, 0),
        (JOINS_CODES, "def test_nothing():\n    assert False\n", 1),
        (hook("pytest_sessionfinish(session)", "session.exitstatus = 1", options="trylast=True"), "", 1),
        (hook("pytest_runtest_logfinish()", "pytest.exit('done', returncode=7)"), "", 7),
        (hook("pytest_runtest_logfinish()", "1 / 0"), "", 3),
    ],
)
def test_what_fails_for_another_reason_fails_next_to_met_demands(
    judge: Judge, text: str, test: str, code: int
) -> None:
    judge.write("thresholds/x.yaml", MET)
    judge.write("conftest.py", text)
    judge.write("test_own.py", test)
    assert judge(FILE, "test_own.py").ret == code


@pytest.mark.parametrize("option", ["--setup-plan", "--fixtures", "--collect-only", "--markers"])
def test_options_that_run_no_item(judge: Judge, option: str) -> None:
    judge.write("thresholds/x.yaml", MET)
    result = judge(FILE, option)
    if option in ("--collect-only", "--markers"):
        assert result.ret == pytest.ExitCode.NO_TESTS_COLLECTED
        assert "quba-check: no demand was judged" in [*result.outlines, *result.errlines]
    else:
        assert result.ret == 1
        assert NOT_CALLED in text_of(result)
        assert "released: no; 0 of 1 demand passed, 1 not run" in result.outlines


@pytest.mark.parametrize(
    ("text", "arguments", "code"),
    [
        ("def test_own(quba):\n    pass\n", (), 0),
        pytest.param("def test_own(quba):\n    pass\n", ("-n1",), 0, marks=pytest.mark.slow),
        ("def test_own(quba):\n    pass\n", ("--co",), 5),
        ("def test_own(quba):\n    assert False\n", (), 1),
        ("import pytest\ndef test_own(quba):\n    pytest.skip('later')\n", (), 5),
        ("import pytest\n@pytest.mark.xfail\ndef test_own(quba):\n    assert False\n", (), 5),
        (PASSING_TEST, (), 5),
        (PASSING_TEST, ("--fixtures",), 5),
        (PASSING_TEST, ("-o", "addopts=--version"), 5),
        ("def test_nothing():\n    assert False\n", (), 1),
    ],
)
def test_without_a_threshold_file_tests_with_the_fixture_are_the_demands(
    judge: Judge, text: str, arguments: tuple[str, ...], code: int
) -> None:
    judge.write("tests/test_x.py", text)
    result = judge("tests", *arguments, "-o", f"pythonpath={HERE}")  # for workers
    assert result.ret == code
    is_judged = code != 5 and "quba" in text
    assert ("quba-check: no demand was judged" in [*result.outlines, *result.errlines]) != is_judged


@pytest.mark.parametrize(
    ("arguments", "files", "code"),
    [
        (("--version", "--version"), {}, 0),
        (("--collect-only",), {}, 5),
        (("--quba-plan",), {}, 0),
        (("--fixtures",), {}, 1),
        (("--unknown",), {}, 4),
        (("no.yaml",), {}, 4),
        ((), {"conftest.py": "1 / 0\n"}, 4),
        ((), {"pytest.ini": "[pytest]\naddopts = --help\n"}, 0),
        ((), {"thresholds/x.yaml": "{"}, 4),
    ],
)
def test_no_end_of_a_run_leaves_an_earlier_record(
    judge: Judge, arguments: tuple[str, ...], files: dict[str, str], code: int
) -> None:
    earlier = judge.write("record.json", record().to_json())
    for name, text in files.items():
        judge.write(name, text)
    assert judge(FILE, "--quba-record=record.json", *arguments).ret == code
    assert not earlier.exists() or judge.record()["overall_verdict"] == "incomplete"


def without(name: str) -> str:
    return hook(
        "pytest_collection_modifyitems(items)",
        f"items[:] = [item for item in items if {name!r} not in item.nodeid]",
    )


def test_removed_items_are_no_pass(judge: Judge) -> None:
    judge.write("test_other.py", PASSING_TEST)
    judge.write("conftest.py", without("yaml"))
    result = judge(FILE, "test_other.py")
    result.assert_outcomes(passed=1)
    assert result.ret == pytest.ExitCode.NO_TESTS_COLLECTED
    assert "quba-check: no demand was judged" in result.outlines


def test_a_removed_item_is_a_demand_without_a_verdict(judge: Judge) -> None:
    judge.write("thresholds/x.yaml", f"{MISSED}  parameters: {{max: 1}}\n")
    judge.write("conftest.py", without("accuracy"))
    result = judge(FILE)
    result.assert_outcomes(passed=1)
    assert result.ret == 1
    assert f"Not run: {NOT_CALLED}\n" in text_of(result)
    assert "released: no; 1 of 2 demands passed, 1 not run" in result.outlines


def test_a_selection_passes_and_its_record_is_no_release(judge: Judge) -> None:
    result = judge(FILE, "-k", "accuracy", "--quba-record=record.json")
    assert result.ret == 0
    line = "released: not decided; demands that were not selected: 12; 1 of 1 demand passed, 12 not selected"
    assert line in " ".join(text_of(result).split())
    assert judge.record()["overall_verdict"] == "partial"


def raised(*_: object, **__: object) -> object:
    raise KeyError("row")


def saved_traceback(line: str) -> str:
    start = "ERROR: quba-check: this is a bug in quba-check, not in your files (KeyError: 'row'). "
    assert line.startswith(f"{start}The traceback is in ")
    assert line.endswith("; please report it.")
    return Path(line.removeprefix(start).split()[4].rstrip(";")).read_text(encoding="utf-8")


@pytest.mark.parametrize(
    ("owner", "name"),
    [
        (GateSession, "thresholds"),
        (GateSession, "check"),
        (GateSession, "select"),
        (threshold_files, "default_files"),
        (ResultCollector, "records"),
        (DemandJudge, "judge"),
    ],
)
def test_a_bug_in_a_hook_is_one_line(
    judge: Judge, monkeypatch: pytest.MonkeyPatch, owner: type, name: str
) -> None:
    monkeypatch.setattr(owner, name, raised)
    result = judge(*(() if name == "default_files" else (FILE,)))
    assert result.ret == 3
    output = [*result.outlines, *result.errlines]
    assert not any("Traceback" in line or "INTERNALERROR" in line for line in output)
    (line,) = [line for line in output if line.startswith("ERROR: ")]
    assert "in raised" in saved_traceback(line)


def test_a_bug_in_a_command_is_one_line(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(verdict, "load_record", raised)
    assert main(["verdict", "r.json"]) == 3
    out, err = capsys.readouterr()
    assert out == ""
    (line,) = err.splitlines()
    assert "in raised" in saved_traceback(line)


def test_ctrl_c_ends_a_command(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    def interrupt(*_: object) -> object:
        raise KeyboardInterrupt

    monkeypatch.setattr(verdict, "load_record", interrupt)
    assert main(["verdict", "r.json"]) == 2
    assert capsys.readouterr().err == "interrupted\n"
