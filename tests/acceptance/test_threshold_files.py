"""Threshold files of a run, from arguments, options and defaults."""

from pathlib import Path

import pytest
from acceptance.runs import CLEAN_IMAGES, Judge, examined

ACCURACY = "schema: 1\ndimensions: {accuracy: {min: 0.5}}\n"
RELEASED = (
    "schema: 1\nprotocol: released\ndimensions: {accuracy: {min: 0.5}, adversarial_robustness: {min: 0}}\n"
)


def ids(result: pytest.RunResult) -> list[str]:
    return [line for line in result.outlines if "::" in line]


def files(result: pytest.RunResult) -> set[str]:
    return {line.partition("::")[0] for line in ids(result)}


@pytest.fixture
def collected(judge: Judge):
    """The ids that arguments select."""
    return lambda *arguments: judge(*arguments, "--collect-only", "-q")


def test_what_is_printed_for_a_shipped_file_can_be_typed(judge: Judge, collected) -> None:
    assert files(collected("quba_check/thresholds/mobile.yaml")) == {"quba_check/thresholds/mobile.yaml"}
    result = judge("quba_check/thresholds/mobile.yaml::accuracy[min]", "--quba-record=record.json")
    assert result.ret == pytest.ExitCode.TESTS_FAILED
    assert [row["id"] for row in judge.record()["verdicts"]] == [
        "quba_check/thresholds/mobile.yaml::accuracy[min]"
    ]
    again = judge("quba_check/thresholds/mobile.yaml", "--lf", "-q")
    again.assert_outcomes(failed=1)


def test_a_file_option_is_relative_to_the_current_folder(
    judge: Judge, collected, monkeypatch: pytest.MonkeyPatch
) -> None:
    judge.write("pytest.ini", "[pytest]\n")
    judge.write("deeper/own.yaml", ACCURACY)
    monkeypatch.chdir(judge.pytester.path / "deeper")
    assert ids(collected("--quba-thresholds=own.yaml")) == ["deeper/own.yaml::accuracy[min]"]
    assert files(collected("--quba-thresholds=../thresholds/x.yaml")) == {"thresholds/x.yaml"}
    assert files(collected("--quba-thresholds=thresholds/x.yaml")) == {"thresholds/x.yaml"}
    assert files(collected("own.yaml")) == {"deeper/own.yaml"}


def test_a_folder_is_every_profile_and_measures_once(judge_cold: Judge) -> None:
    judge_cold.write("thresholds/x.yaml", ACCURACY)
    judge_cold.write("thresholds/y.yaml", f"extends: x.yaml\n{ACCURACY.replace('0.5', '0.4')}")
    judge_cold.write("other/z.yaml", "no threshold file")
    result = judge_cold("thresholds/", "--quba-record=record.json")
    assert result.ret == pytest.ExitCode.OK
    result.assert_outcomes(passed=2)
    assert judge_cold.passes() == {"forward": CLEAN_IMAGES + examined()}
    assert [grade["file"] for grade in judge_cold.record()["grades"]] == [
        "thresholds/x.yaml",
        "thresholds/y.yaml",
    ]


def test_testpaths_are_for_runs_without_a_model(judge: Judge) -> None:
    judge.write("pytest.ini", "[pytest]\ntestpaths = tests\n")
    judge.write("tests/test_own.py", "def test_own():\n    pass\n")
    judge.write("thresholds/default.yaml", ACCURACY)
    judge().assert_outcomes(passed=1)
    result = judge("-v")
    result.stdout.fnmatch_lines("thresholds/default.yaml::accuracy[[]min] PASSED*")
    assert not any("test_own" in line for line in result.outlines)
    judge("-v", model=None).stdout.fnmatch_lines("tests/test_own.py::test_own PASSED*")


@pytest.mark.usefixtures("without_stored_check")
def test_files_of_two_protocols_make_two_records(judge_cold: Judge) -> None:
    judge_cold.write("thresholds/x.yaml", ACCURACY)
    judge_cold.write("thresholds/y.yaml", RELEASED)
    result = judge_cold("thresholds/x.yaml", "thresholds/y.yaml", "--quba-record=out/record.json")
    assert result.ret == pytest.ExitCode.OK
    out: Path = judge_cold.pytester.path / "out"
    assert sorted(path.name for path in out.glob("*.json")) == [
        "record-nets-net-released.json",
        "record-nets-net-standard.json",
    ]
    standard = judge_cold.record("out/record-nets-net-standard.json")
    released = judge_cold.record("out/record-nets-net-released.json")
    assert [standard["protocol"], released["protocol"]] == ["standard", "released"]
    assert [row["id"] for row in standard["verdicts"]] == ["thresholds/x.yaml::accuracy[min]"]
    assert "value" in released["measurements"]["adversarial_robustness"]
    assert standard["measurements"]["adversarial_robustness"] == {"not_measured": True}
    n = CLEAN_IMAGES
    measured = judge_cold.passes()["forward"] - examined()
    assert measured in (13 * n, 14 * n)  # the clean set is the same under both


def test_without_other_plugins(judge: Judge) -> None:
    without = (f"-pno:{name}" for name in ("xdist", "cacheprovider", "junitxml"))
    assert judge("thresholds/x.yaml", *without).ret == pytest.ExitCode.OK
