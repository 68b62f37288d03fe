"""`quba-check lint`: all files are checked, and the exit code says whether there is a finding."""

import re
import shlex
from collections.abc import Callable
from pathlib import Path

import pytest
from cli.conftest import Run as Line
from ruamel.yaml import YAML
from support.tuned import record
from syrupy.assertion import SnapshotAssertion

Run = Callable[..., tuple[int, str, str]]
ROOT = Path(__file__).parents[2]


@pytest.fixture
def run(run: Line) -> Run:
    """Run the command in a folder with threshold files."""
    files = {
        "gates/good.yaml": "schema: 1\ndimensions: {accuracy: {min: 0.9}}\n",
        "gates/deep/child.yml": "schema: 1\nextends: ../good.yaml\n",
        "gates/.hidden/bad.yaml": "schema: 3\n",
        "bad/one.yaml": "schema: 1\ndimensions: {accuracy: {mn: 1}}\n",
        "bad/two.yaml": "schema: 1\n\nname: 3\n",
        "bad/zero.yaml": "schema: 1\ndimensions: {accuracy: {min: 0}}\n",
        "none/read.me": "",
        "r.json": record().to_json(),
    }
    for name, text in files.items():
        Path(name).parent.mkdir(parents=True, exist_ok=True)
        Path(name).write_text(text, encoding="utf-8")
    return lambda *words: run(shlex.join(["lint", *words]))


def test_clean_files(run: Run) -> None:
    assert run("gates") == (0, "2 files: 0 errors, 0 warnings\n", "")
    assert run("gates/good.yaml", "gates/good.yaml") == (0, "1 file: 0 errors, 0 warnings\n", "")
    assert run("mobile") == (0, "1 file: 0 errors, 0 warnings\n", "")


def test_the_digest_of_the_demands_of_a_file(run: Run) -> None:
    """Files with the same demands have the same, whichever file holds them."""
    code, text, _ = run("gates", "--digest")
    digests = re.findall(r"^(\S+): demands sha256:([0-9a-f]{64})$", text, re.MULTILINE)
    assert (code, [name for name, _ in digests]) == (0, ["gates/deep/child.yml", "gates/good.yaml"])
    assert len({digest for _, digest in digests}) == 1
    code, text, _ = run("bad/two.yaml", "--digest")
    assert (code, "sha256" in text) == (1, False)


def test_all_files_are_checked(run: Run) -> None:
    code, text, _ = run("bad", "gates")
    assert code == 1
    assert [line.partition(": ")[::2][0] for line in text.splitlines()] == [
        "error",
        "error",
        "warning",
        "5 files",
    ]
    assert text.splitlines()[0].startswith("error: bad/one.yaml:2: dimensions.accuracy: unknown key 'mn'.")
    assert text.splitlines()[1] == "error: bad/two.yaml:3: name: got 3. Allowed: text."
    assert text.endswith("5 files: 2 errors, 1 warning\n")


def test_a_warning_is_a_finding(run: Run) -> None:
    code, text, _ = run("bad/zero.yaml")
    assert (code, text.splitlines()[-1]) == (1, "1 file: 0 errors, 1 warning")


def test_shared_demands_are_stated_once(run: Run) -> None:
    code, text, _ = run("gates", "--images", "500")
    assert code == 0
    heading, _, columns, row, end = text.splitlines()
    assert heading == "gates/deep/child.yml, policy point, 500 images a set:"
    assert columns.split() == ["demand", "bound", "±", "blocked", "at", "passed", "at"]
    assert row.startswith("accuracy[min]  >= 0.9  ")
    assert end == "2 files: 0 errors, 0 warnings"


def test_the_sets_of_a_manifest(run: Run) -> None:
    demand = "schema: 1\ndimensions: {ood_robustness: {parts: {night: {min: 0.5}}}}\n"
    Path("gates/own.yaml").write_text(demand, encoding="utf-8")
    Path("quba-data.yaml").write_text(
        "schema: 1\nname: own\nclasses: [ape, bee]\n"
        "sets: {clean: {reader: folder, path: val}, shifts: {night: {reader: folder, path: night}}}\n",
        encoding="utf-8",
    )
    code, text, _ = run("gates/own.yaml")
    assert code == 1
    assert text.startswith("error: gates/own.yaml:2: ood_robustness has no part 'night'. ")
    words = ("gates/own.yaml", "--suite", "quba-data.yaml")
    assert run(*words) == (0, "1 file: 0 errors, 0 warnings\n", "")
    assert run("gates/own.yaml", "--suite", "gates/good.yaml")[0] == 4


def test_the_sizes_of_a_record(run: Run) -> None:
    text = run("gates", "--record", "r.json")[1]
    own, stated = (
        text.partition(":\n")[2] for text in (text, run("gates", "--images", "1000", "--record", "r.json")[1])
    )
    assert own == stated
    assert text.startswith("gates/deep/child.yml, policy point, the images of the record:\n")


def test_a_folder_without_threshold_files(run: Run, snapshot: SnapshotAssertion) -> None:
    assert run("none") == (4, "", snapshot)


def test_the_lines_on_the_page_about_ci(run: Run) -> None:
    Path("thresholds").mkdir()
    text = "schema: 1\n\ndimensions:\n  accuracy: {min: 0.80, max_drop: 0.01}\n"
    Path("thresholds/release.yaml").write_text(text, encoding="utf-8")
    code, printed, _ = run("thresholds", "--images", "5000")
    assert code == 0
    assert f"```\n{printed}```" in (ROOT / "docs" / "ci.md").read_text(encoding="utf-8")


def test_the_hook_of_pre_commit() -> None:
    (hook,) = YAML(typ="safe").load((ROOT / ".pre-commit-hooks.yaml").read_text(encoding="utf-8"))
    assert hook["id"] == "quba-check-lint"
    assert hook["entry"] == "quba-check lint"
    assert re.search(hook["files"], "thresholds/release.yaml")
    assert re.search(hook["files"], "models/thresholds/release.yaml")
    assert not re.search(hook["files"], "quba-data.yaml")
