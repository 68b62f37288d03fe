"""The files from which pytest takes options."""

from __future__ import annotations

import hashlib
from pathlib import Path

import pytest

from quba_check.fleet.pytest_files import executor_setting, ini_files, stamped


@pytest.fixture(autouse=True)
def project(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The current folder, with files of pytest in it, above and below."""
    for name in ("setup.cfg", "project/pytest.toml", "project/tests/tox.ini", "project/own.ini"):
        path = tmp_path / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.touch()
    (tmp_path / "project/pytest.ini").mkdir()
    (tmp_path / "project/tests/test_a.py").touch()
    monkeypatch.chdir(tmp_path / "project")
    return tmp_path / "project"


def names(project: Path, *words: str) -> set[str]:
    """Names of the files in and below the project's parent."""
    files = ini_files(words)
    return {str(file.relative_to(project.parent)) for file in files if file.is_relative_to(project.parent)}


HERE = {"setup.cfg", "project/pytest.toml"}


@pytest.mark.parametrize(
    "word", ["--quba-executor=ray", "-oquba_executor=ray", "--override-ini=addopts=--quba-executor=ray"]
)
def test_a_word_that_sets_an_executor(word: str) -> None:
    assert executor_setting(["-q", word]) == f"'{word}'"


@pytest.mark.parametrize(
    ("words", "further"),
    [
        ((), set()),
        (("-k", "not " * 2_000, "--quba-seed=1", ""), set()),
        (("tests/test_a.py::test_one",), {"project/tests/tox.ini"}),
        (("tests",), {"project/tests/tox.ini"}),
        (("-c", "own.ini"), {"project/own.ini"}),
        (("-cown.ini",), {"project/own.ini"}),
        (("--config-file=own.ini",), {"project/own.ini"}),
        (("--junitxml=tests/test_a.py", "-c", "absent.ini"), {"project/tests/tox.ini"}),
    ],
)
def test_files(project: Path, words: tuple[str, ...], further: set[str]) -> None:
    assert names(project, *words) == HERE | further


def test_a_stamp_has_path_and_digest(project: Path) -> None:
    digest = hashlib.sha256(b"text").hexdigest()
    (project / "own.ini").write_bytes(b"text")
    assert stamped(project / "own.ini") == f"{project}/own.ini {digest}"
    assert stamped(project / "absent.ini") == f"{project}/absent.ini unreadable"


@pytest.mark.parametrize(
    "line",
    [
        "quba_executor=ray",
        " quba_executor : ray",
        '"quba_executor" = "ray"',
        "addopts = -q --quba-executor=ray",
        'addopts = ["--quba-executor", "ray"]',
    ],
)
def test_an_ini_file_that_sets_an_executor(project: Path, line: str) -> None:
    (project / "pyproject.toml").write_text(f"[x]\n{line}\n", encoding="utf-8")
    assert executor_setting([]) == f"{project}/pyproject.toml"


def test_no_executor_is_set(project: Path) -> None:
    (project / "setup.cfg").write_bytes(b"\xff\nquba_executor = ray")
    (project / "tox.ini").write_text(
        "# quba_executor = ray\nquba_executor_workers = 4\nx = quba_executor\n", encoding="utf-8"
    )
    assert executor_setting(["--quba-executor-workers=2", "quba_executor"]) is None
