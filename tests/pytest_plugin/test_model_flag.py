"""`--model` next to an option of that name in the project; no run here loads torch."""

from pathlib import Path

import pytest
from support.tuned import record

OWN_OPTION = """\
def pytest_addoption(parser):
    parser.addoption("--model", default="none")
"""
OWN_TEST = """\
def test_own(request):
    with open("value", "w") as file:
        file.write(request.config.getoption("--model"))
"""
LEAVE_TRACE = "import pathlib\npathlib.Path(__file__).with_name('was_run').touch()\n"
NOT_OURS = ("-p", "no:hypothesispytest", "-p", "no:syrupy")


@pytest.fixture
def project(pytester: pytest.Pytester, monkeypatch: pytest.MonkeyPatch) -> pytest.Pytester:
    """A project whose conftest.py has an option `--model`, and whose test writes its value to a file."""
    monkeypatch.delenv("PYTEST_ADDOPTS", raising=False)
    for name in ("PYTEST_XDIST_WORKER", "PYTEST_XDIST_WORKER_COUNT"):
        monkeypatch.delenv(name, raising=False)
    pytester.makeconftest(OWN_OPTION)
    pytester.makepyfile(test_own=OWN_TEST)
    return pytester


def run(project: pytest.Pytester, *arguments: str) -> pytest.RunResult:
    return project.runpytest_inprocess(*NOT_OURS, *arguments)


def missing(spec: str, folder: Path) -> str:
    """Return the message of a run that judges a model without a file."""
    return f"ERROR: {spec}: no such file in {folder}."


@pytest.mark.parametrize(
    ("arguments", "value"),
    [
        ((), "none"),
        (("--model=x",), "x"),
        (("--model", "x"), "x"),
        (("--model=x", "-p", "no:quba"), "x"),
        (("--model", "x", "test_own.py"), "x"),
        (("-o", "addopts=--model=x"), "x"),
        pytest.param(("--model", "x", "-n2"), "x", marks=pytest.mark.slow),
    ],
)
def test_an_option_of_the_project_is_its_own(
    project: pytest.Pytester, arguments: tuple[str, ...], value: str
) -> None:
    result = run(project, *arguments)
    result.assert_outcomes(passed=1)
    assert (project.path / "value").read_text(encoding="utf-8") == value
    assert "quba-check: " not in result.stdout.str()


@pytest.mark.parametrize(
    "arguments",
    [
        ("--quba-model=nope.pt",),
        ("--model=x", "--quba-model", "nope.pt"),
        ("-o", "addopts=--quba-model=nope.pt"),
        pytest.param(("--quba-model=nope.pt", "-n2"), marks=pytest.mark.slow),
    ],
)
def test_the_long_name_is_always_ours(project: pytest.Pytester, arguments: tuple[str, ...]) -> None:
    result = run(project, *arguments)
    assert (result.ret, result.errlines[0]) == (4, missing("nope.pt", project.path))


@pytest.mark.parametrize(
    "arguments",
    [
        ("--model=nope.pt",),
        ("--model", "nope.pt"),
        ("--quba-model=nope.pt",),
        ("-o", "addopts=--model=nope.pt"),
        ("@typed",),
        pytest.param(("--model", "nope.pt", "-n2"), marks=pytest.mark.slow),
    ],
)
def test_the_short_name_is_ours_in_other_projects(
    project: pytest.Pytester, arguments: tuple[str, ...]
) -> None:
    project.makeconftest("")
    (project.path / "typed").write_text("--model\nnope.pt\n", encoding="utf-8")
    result = run(project, *arguments)
    assert (result.ret, result.errlines[0]) == (4, missing("nope.pt", project.path))


def test_without_the_plugin_there_is_no_option(project: pytest.Pytester) -> None:
    project.makeconftest("")
    result = run(project, "-p", "no:quba", "--model=nope.pt")
    assert (result.ret, "unrecognized arguments: --model=nope.pt" in result.stderr.str()) == (4, True)


@pytest.mark.parametrize("has_option", [True, False])
def test_a_root_folder_elsewhere(project: pytest.Pytester, tmp_path: Path, has_option: bool) -> None:
    project.makeconftest(OWN_OPTION if has_option else "")
    result = run(project, f"--rootdir={tmp_path}", "--model", "nope.pt", "test_own.py")
    if has_option:
        result.assert_outcomes(passed=1)
    else:
        assert (result.ret, result.errlines[0]) == (4, missing("nope.pt", project.path))


@pytest.mark.parametrize("has_option", [True, False])
def test_a_folder_of_models_is_no_folder_of_tests(project: pytest.Pytester, has_option: bool) -> None:
    project.makeini("[pytest]\ntestpaths = test_own.py\n")
    downloads = project.mkdir("downloads")
    (downloads / "x.txt").write_text("", encoding="utf-8")
    (downloads / "conftest.py").write_text(LEAVE_TRACE, encoding="utf-8")
    project.makeconftest(f"{LEAVE_TRACE}{OWN_OPTION if has_option else ''}")
    result = run(project, "--model", "downloads/x.txt")
    assert (project.path / "was_run").exists()
    assert not (downloads / "was_run").exists()
    if has_option:
        result.assert_outcomes(passed=1)
        assert (project.path / "value").read_text(encoding="utf-8") == "downloads/x.txt"
    else:
        assert result.ret == 4
        assert result.errlines[0].startswith("ERROR: downloads/x.txt: ")


def test_an_option_of_another_plugin_or_of_a_conftest_that_is_imported_later(
    project: pytest.Pytester,
) -> None:
    project.makeconftest("")
    project.makepyfile(other=OWN_OPTION)
    project.syspathinsert()
    run(project, "-p", "other", "--model=x").assert_outcomes(passed=1)
    below = project.mkdir("below")
    (below / "conftest.py").write_text(OWN_OPTION, encoding="utf-8")
    (below / "test_below.py").write_text("def test_below():\n    pass\n", encoding="utf-8")
    run(project, "below").assert_outcomes(passed=1)
    (project.path / "test_own.py").write_text("def test_own():\n    pass\n", encoding="utf-8")
    run(project).assert_outcomes(passed=2)


@pytest.mark.parametrize("arguments", [("--model", "demo"), ("--quba-model=demo",), ("@typed",)])
def test_an_earlier_record_is_removed_before_a_conftest_is_imported(
    project: pytest.Pytester, arguments: tuple[str, ...]
) -> None:
    project.makeini("[pytest]\nquba_record = record.json\n")
    seen = "pathlib.Path('seen').write_text(str(pathlib.Path('record.json').exists()))"
    project.makeconftest(f"import pathlib\n{seen}\n1 / 0\n")
    (project.path / "typed").write_text("--model=demo\n", encoding="utf-8")
    (project.path / "record.json").write_text(record().to_json(), encoding="utf-8")
    assert run(project, *arguments).ret == 4
    assert (project.path / "seen").read_text(encoding="utf-8") == "False"


def test_an_option_of_the_project_that_should_name_the_model(project: pytest.Pytester) -> None:
    result = run(project, "--model=m.pt", "--quba-record=record.json")
    assert (result.ret, result.errlines[0]) == (
        4,
        "ERROR: --model: is an option of this project here, so that no model is judged. Name one with "
        "--quba-model=SPEC, or leave out the options that start with --quba-.",
    )


def test_messages_name_the_option_that_is_ours(project: pytest.Pytester) -> None:
    project.makepyfile(test_own="def test_own(quba):\n    pass\n")
    result = run(project, "--model=x", "-rs")
    result.stdout.fnmatch_lines("*the fixture 'quba' needs a model. Name one with --quba-model=SPEC.")
    assert run(project, "x.yaml").errlines[0] == (
        "ERROR: x.yaml: a threshold file judges a model, and none is named. Name one with --quba-model=SPEC."
    )
    empty = run(project, "--model=x", "--quba-model=").errlines[0]
    assert empty.startswith("ERROR: --quba-model: is empty. Allowed: demo, ")
    project.makeconftest("")
    assert run(project, "--model=").errlines[0].startswith("ERROR: --model: is empty. Allowed: demo, ")
    assert "--model=SPEC" in run(project, "--help").stdout.str()
