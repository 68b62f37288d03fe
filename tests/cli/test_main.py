"""The `quba-check` command: what it writes, what it says, and what mistakes get."""

import subprocess
import sys
from importlib.metadata import version
from pathlib import Path
from unittest.mock import Mock

import pytest
from support.suites import png, tree, write_manifest

from quba_check.cli.main import COMMANDS, main
from quba_check.cli.published import COMMANDS as PUBLISHED

SCHEMA = [sys.executable, "-m", "quba_check", "schema", "record"]


@pytest.fixture
def data(run, tmp_path, monkeypatch):
    """A small data folder in the working folder, which lacks one of its sets."""
    monkeypatch.setenv("COLUMNS", "200")
    files = (f"{place}/{name}/1.png" for place in ("val", "c/fog/1") for name in ("apple", "pear"))
    root = tree(tmp_path / "data", *files, content=png())
    sets = "clean: {reader: folder, path: val, expected: 5000}, shifts: {sketch: {reader: folder, path: sk}}"
    write_manifest(root, f"sets: {{{sets}, corruptions: {{generate: from clean}}}}", "[apple, pear]")
    return root


def test_suite_describe(data, run, snapshot):
    code, out, err = run("suite describe data")
    assert (code, out.replace(str(data), "DATA"), err) == (0, snapshot, "")


def test_suite_describe_names_missing_conditions(data, run):
    manifest = data / "quba-data.yaml"
    manifest.write_text(manifest.read_text().replace("{generate: from clean}", "{reader: folder, path: c}"))
    unread = next((data / "val").iterdir()) / "0.avif"
    unread.write_bytes(b"")
    out = run("suite describe data")[1]
    assert "c; 74 of 75 conditions missing: gaussian_noise/1, gaussian_noise/2 and 72 more" in out
    assert out.endswith(f"\nclean: 1 file is not read: {unread.parent.name}/0.avif\n")


def test_suite_that_is_not_there(tmp_path, run):
    code, out, err = run(f"suite describe {tmp_path}/nowhere")
    assert (code, out) == (4, "")
    assert err.startswith(f"ERROR: {tmp_path / 'nowhere'}: ")
    assert err.count("\n") == 1


@pytest.mark.parametrize(
    "words",
    [
        "schema treshold",
        "suit describe",
        "doctor --modle=demo",
        "published population r.json",
        "suite",
        "doctor --model=demo --data",
    ],
)
def test_wrong_command_lines(words, snapshot, run):
    assert run(words) == (4, "", snapshot)


@pytest.mark.parametrize(
    ("words", "command"), [("", "quba-check"), ("schema record extra", "quba-check schema")]
)
def test_command_lines_that_click_refuses(words, command, run):
    code, out, err = run(words)
    assert (code, out, err.count("\n")) == (4, "", 1)
    assert err.startswith(f"ERROR: {command}: ")
    assert err.endswith(f". See '{command} --help'.\n")


def test_version(run):
    assert run("--version") == (0, f"quba-check {version('quba-check')}\n", "")


@pytest.mark.parametrize(("words", "purposes"), [("", COMMANDS), ("published", PUBLISHED)])
def test_help_has_a_line_for_each_command_on_one_screen(words, purposes, run):
    lines = run(f"{words} --help")[1].splitlines()
    assert len(lines) < 24
    assert max(map(len, lines)) <= 80
    start = lines.index("Commands:") + 1
    assert [line.split(maxsplit=1) for line in lines[start:]] == [[*row] for row in purposes.items()]


def test_runs_as_a_module_without_torch():
    code = (
        "import sys; from quba_check.cli.main import main; main(['schema', 'record']); "
        "sys.exit('torch' in sys.modules)"
    )
    assert subprocess.run([sys.executable, "-c", code], capture_output=True, check=False).returncode == 0
    ran = subprocess.run([*SCHEMA[:-1], "x"], capture_output=True, check=False, text=True)
    assert (ran.returncode, ran.stderr.count("\n")) == (4, 1)


def test_output_that_is_not_read_to_its_end():
    process = subprocess.Popen(SCHEMA, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
    process.stdout.close()
    assert process.stderr.read() == ""
    process.stderr.close()
    assert process.wait() == 1


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="needs /dev/full")
def test_output_that_cannot_be_written():
    with Path("/dev/full").open("w") as full:
        ran = subprocess.run(SCHEMA, stdout=full, stderr=subprocess.PIPE, check=False, text=True)
    assert (ran.returncode, ran.stderr) == (
        4,
        "ERROR: standard output: cannot be written (No space left on device). "
        "Allowed: a terminal, a pipe, or a file on a disk with space.\n",
    )


def test_output_whose_reader_ended_on_windows(capsys, monkeypatch):
    closed = Mock(encoding="utf-8", write=Mock(side_effect=OSError(22, "Invalid argument")))
    monkeypatch.setattr("quba_check.cli.main._drop_output", lambda: None)
    monkeypatch.setattr(sys, "stdout", closed)
    assert main(["schema", "record"]) == 4
    assert capsys.readouterr().err.startswith("ERROR: standard output: cannot be written (Invalid argument).")


@pytest.mark.parametrize(("name", "code"), [("record", 0), ("x", 4)])
def test_closed_streams_leave_the_exit_code(name, code):
    command = f'exec "{sys.executable}" -m quba_check schema {name} >&- 2>&-'
    assert subprocess.run(["/bin/sh", "-c", command], check=False).returncode == code
