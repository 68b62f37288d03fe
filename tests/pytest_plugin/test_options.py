"""Options of the command line, the environment and the ini file, and their relative paths."""

from __future__ import annotations

from pathlib import Path
from types import SimpleNamespace

import pytest

from quba_check.gate.options import OPTIONS
from quba_check.pytest_plugin.options import device_of, early_options, options_of

STARTED, INI = Path("/started"), Path("/project/pytest.ini")


def config(
    line: dict[str, object] | None = None, ini: dict[str, object] | None = None, words: str = ""
) -> SimpleNamespace:
    """Return pytest's configuration after it read command line and ini file."""
    option = SimpleNamespace(**dict.fromkeys(option.key for option in OPTIONS) | (line or {}))
    return SimpleNamespace(
        option=option,
        getini=(ini or {}).get,
        inipath=INI,
        invocation_params=SimpleNamespace(dir=STARTED, args=tuple(words.split())),
    )


@pytest.mark.parametrize(
    ("line", "environment", "data", "is_default"),
    [
        ("a", "b", STARTED / "a", False),
        (None, "b", STARTED / "b", True),
        (None, None, INI.parent / "c", True),
    ],
)
def test_command_line_then_environment_then_ini_file(
    monkeypatch: pytest.MonkeyPatch, line: str | None, environment: str | None, data: Path, is_default: bool
) -> None:
    if environment is None:
        monkeypatch.delenv("QUBA_DATA", raising=False)
    else:
        monkeypatch.setenv("QUBA_DATA", environment)
    options = options_of(config({"quba_data": line}, {"quba_data": "c"}))
    assert (options.data, options.data_is_default) == (data, is_default)


def test_urls_are_no_paths(monkeypatch: pytest.MonkeyPatch) -> None:
    url = "s3://bucket/data"
    assert options_of(config(ini={"quba_data": url})).data == url
    assert options_of(config({"quba_data": url})).data == url
    monkeypatch.setenv("QUBA_DATA", url)
    assert options_of(config()).data == url


def test_options_without_ini_value_are_not_read_from_the_ini_file() -> None:
    assert not options_of(config(ini={"quba_trust_pickle": "true"})).request.trust_pickle


def test_the_device() -> None:
    assert device_of(config()) == "auto"
    assert device_of(config({"quba_device": "cpu"}, {"quba_device": "cuda"})) == "cpu"
    assert device_of(config(ini={"quba_device": "cuda"})) == "cuda"


MODEL = "--model=demo"


@pytest.mark.parametrize(
    ("words", "addopts", "environment", "report"),
    [
        (f"{MODEL} --quba-report=r.json", "", "", STARTED / "r.json"),
        (f"--bogus --quba-limit {MODEL} --quba-report r.json", "", "", STARTED / "r.json"),
        ("--quba-report=a.json --quba-report=b.json --help -n", "", "", STARTED / "b.json"),
        (MODEL, "--quba-report=r.json", "", STARTED / "r.json"),
        (MODEL, "", "--quba-report='r.json'", STARTED / "r.json"),
        ("--quba-report=r.json", "--quba-report=a.json", "--quba-report=b.json", STARTED / "r.json"),
        (MODEL, "", "", INI.parent / "ini.json"),
        ("", "", "", None),  # a run without a model, which is no run of the gate
        ("--quba-report=r.txt", "", "", None),
        ("--quba-report", "", "", None),
        ("-- --quba-report=r.json", "", "", None),
    ],
)
def test_options_before_pytest_has_read_them(
    monkeypatch: pytest.MonkeyPatch, words: str, addopts: str, environment: str, report: Path | None
) -> None:
    monkeypatch.setenv("PYTEST_ADDOPTS", environment)
    values = early_options(
        config(ini={"addopts": addopts.split(), "quba_report": "ini.json"}, words=words)  # type: ignore[arg-type]
    )
    assert (values["report"], values["baseline"]) == (report, None)
