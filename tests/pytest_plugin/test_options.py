"""Options of the command line, the environment and the ini file, and their relative paths."""

from pathlib import Path
from types import SimpleNamespace

import pytest

from quba_check.errors import OptionError
from quba_check.gate.options import OPTIONS
from quba_check.pytest_plugin.options import config_of, device_of, early_options, options_of

STARTED = Path("/started")
INI = Path("/project/pytest.ini")


def config(line: dict[str, object] | None = None, ini: dict[str, object] | None = None) -> SimpleNamespace:
    """Return pytest's configuration after it read command line and ini file."""
    option = SimpleNamespace(**dict.fromkeys(option.key for option in OPTIONS) | (line or {}))
    return SimpleNamespace(
        option=option,
        getini=(ini or {}).get,
        inipath=INI,
        invocation_params=SimpleNamespace(dir=STARTED),
        _get_unknown_ini_keys=set,
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


@pytest.mark.parametrize(("key", "hint"), [("quba_dta", " Did you mean 'quba_data'?"), ("quba_lines", "")])
def test_an_unknown_key_of_the_ini_file(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, key: str, hint: str
) -> None:
    ini = tmp_path / "pytest.ini"
    ini.write_text(f"[pytest]\n{key} = photos\n")
    monkeypatch.chdir(tmp_path)
    given = {option.key: [] if option.repeatable else None for option in OPTIONS}
    with pytest.raises(OptionError) as caught:
        options_of(config_of(given))
    assert str(caught.value) == (f"{ini}: unknown key '{key}'. Allowed: the keys in docs/options.md.{hint}")


def test_an_executor_with_processes_of_xdist() -> None:
    with pytest.raises(OptionError) as caught:
        options_of(config({"quba_executor": "ray", "numprocesses": 2}))
    assert str(caught.value) == (
        "--quba-executor: got 'ray' together with -n, which starts processes that predict too. Leave -n out: "
        "Ray starts a worker for each GPU, else for each core."
    )


def test_the_device() -> None:
    assert device_of(config()) == "auto"
    assert device_of(config({"quba_device": "cpu"}, {"quba_device": "cuda"})) == "cpu"
    assert device_of(config(ini={"quba_device": "cuda"})) == "cuda"


@pytest.mark.parametrize(
    ("line", "record"),
    [
        ({"quba_model": ["demo"], "quba_record": "r.json"}, STARTED / "r.json"),
        ({"quba_model": ["demo"]}, INI.parent / "ini.json"),
        ({}, None),  # a run without a model, which is no run of the gate
        ({"quba_record": "r.json"}, STARTED / "r.json"),
        ({"quba_record": "r.txt", "quba_limit": "no"}, None),
    ],
)
def test_options_before_pytest_has_checked_them(line: dict[str, object], record: Path | None) -> None:
    read = config(line, {"quba_record": "ini.json"})
    values = early_options(SimpleNamespace(**vars(read), known_args_namespace=read.option), ())  # type: ignore[arg-type]
    assert (values["record"], values["baseline"]) == (record, None)
