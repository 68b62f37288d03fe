"""`quba-check report --to github` and `gitlab`: threshold files are found in the workspace."""

import json
from pathlib import Path

import pytest
from cli.conftest import Run
from support.rows import verdict as row
from support.tuned import judged, record

from quba_check.cli.formats import path_in
from quba_check.core.explanation import Explanation
from quba_check.records.verdict import VerdictRow


@pytest.fixture
def run(run: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Run:
    """Run the command in a folder of a workspace with a threshold file."""
    for name in ("GITHUB_WORKSPACE", "CI_PROJECT_DIR", "CI_PROJECT_URL", "CI_COMMIT_SHA", "CI_JOB_URL"):
        monkeypatch.delenv(name, raising=False)
    (tmp_path / "models" / "gates").mkdir(parents=True)
    (tmp_path / "models" / "gates" / "t.yaml").touch()
    monkeypatch.chdir(tmp_path / "models")
    (failed,) = judged("dimensions: {accuracy: {min: 0.95}}").verdicts
    low = {"file": "gates/t.yaml", "line": 3, "message": "accuracy is low"}
    ours = record(verdicts=[failed.model_copy(update=low)])
    Path("r.json").write_text(ours.to_json(), encoding="utf-8")
    return lambda words: run(f"report {words}")


def test_paths_are_relative_to_the_workspace(
    run: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    expected = "title=FAIL accuracy[min] (r50)::accuracy is low\n"
    assert run("r.json --to github") == (0, f"::error file=gates/t.yaml,line=3,{expected}", "")
    monkeypatch.setenv("GITHUB_WORKSPACE", str(tmp_path))
    assert run("r.json --to github") == (0, f"::error file=models/gates/t.yaml,line=3,{expected}", "")
    monkeypatch.chdir(tmp_path)  # the run's root folder is that of its record
    assert run("models/r.json --to github")[1].startswith("::error file=models/gates/t.yaml,line=3,")
    monkeypatch.chdir("models")
    monkeypatch.setenv("GITHUB_WORKSPACE", str(tmp_path / "elsewhere"))
    assert run("r.json --to github") == (0, f"::error {expected}", "")


def test_the_message_finds_a_file_that_the_record_names_otherwise(tmp_path: Path) -> None:
    (tmp_path / "t.yaml").touch()
    low = Explanation("accuracy is low", path=f"{tmp_path}/t.yaml", line=3)
    verdict = VerdictRow.model_validate(row(file="../elsewhere/t.yaml", explanation=low))
    assert path_in(tmp_path.resolve(), verdict) == "t.yaml"


def test_shipped_files_of_an_environment_inside_are_outside(tmp_path: Path) -> None:
    file = tmp_path / ".venv" / "site-packages" / "quba_check" / "default.yaml"
    file.parent.mkdir(parents=True)
    file.touch()
    verdict = VerdictRow.model_validate(row(explanation=Explanation("low", path=str(file), line=3)))
    assert path_in(tmp_path.resolve(), verdict) is None


@pytest.mark.parametrize("name", ["x" * 5_000, "a\0b", "../" * 2_000, "::error::x", ""])
def test_a_name_that_no_file_can_have(name: str, tmp_path: Path) -> None:
    verdict = VerdictRow.model_validate(row(file=name, explanation=Explanation("low", path=name, line=3)))
    assert path_in(tmp_path.resolve(), verdict) is None


def test_gitlab_in_a_job(run: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CI_PROJECT_DIR", str(tmp_path))
    monkeypatch.setenv("CI_PROJECT_URL", "https://gitlab.example/p")
    monkeypatch.setenv("CI_COMMIT_SHA", "abc")
    assert run("r.json --to gitlab -o a.json")[0] == 0
    (item,) = json.loads(Path("a.json").read_text(encoding="utf-8"))["quba-check"]
    assert item["external_link"]["url"] == "https://gitlab.example/p/-/blob/abc/models/gates/t.yaml#L3"
