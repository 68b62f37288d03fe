"""`quba-check failures`: its table, and mistakes."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from cli.conftest import Run
from support.runs_compared import stored
from syrupy.assertion import SnapshotAssertion

from quba_check.core.predictions import SliceColumn
from quba_check.records.per_image import CleanAnswers, PerImage

CLASSES = ("tench, Tinca tinca", "great white shark, white shark, man-eater", "goldfish")
NAMES = [f"imagenet/val/n0144{k}764/ILSVRC2012_val_000{k}{'0' * 40}_of_a_long_name.JPEG" for k in range(3)]


@pytest.fixture
def run(run: Run) -> Run:
    """Run a command in a folder with a.json and its .npz: three images, of which the last two are wrong."""
    write(NAMES)
    return run


def write(names: list[str], **columns: object) -> None:
    label, top1 = np.array([0, 1, 2]), np.array([0, 0, 1])
    known = {"index": np.arange(3), "confidence": np.array([0.75, 1]), "loss": np.array([1.5, 103.28])}
    answers = CleanAnswers(names, label, top1, CLASSES, **(known | columns))  # type: ignore[arg-type]
    record = stored("a.json", [0, 1, 2]).record
    Path("a.json").write_text(record.to_json(), encoding="utf-8")
    Path("a.npz").write_bytes(PerImage({}, answers).to_bytes(record))


def test_the_table_fits_eighty_columns(run: Run, snapshot: SnapshotAssertion) -> None:
    assert run("failures a.json") == (0, snapshot, "")


def test_failures_of_a_slice(run: Run, snapshot: SnapshotAssertion) -> None:
    names = ("light=day", "light=night")
    write(["0.png", "1.png", "2.png"], slices={"light": SliceColumn(names, np.array([1, 0, 1]))})
    assert run("failures a.json --slice light=night") == (0, snapshot, "")
    assert run("failures a.json --csv -")[1] == snapshot
    assert run("failures a.json --slice light=nigth") == (4, "", snapshot)
    write(NAMES)
    assert run("failures a.json --slice light=day") == (4, "", snapshot)


def test_the_terminal_gives_the_width(
    run: Run, monkeypatch: pytest.MonkeyPatch, snapshot: SnapshotAssertion
) -> None:
    monkeypatch.setenv("COLUMNS", "200")
    assert run("failures a.json --limit 1") == (0, snapshot, "")


def test_names_that_would_move_the_cursor(run: Run) -> None:
    write(["a.png", "\x1b[31m.png", "two\n[bold].png"])
    lines = run("failures a.json")[1].splitlines()
    assert [line.split("  ")[-1].strip() for line in lines[2:]] == ["two\\n[bold].png", "\\x1b[31m.png"]


def test_a_run_of_an_earlier_version(run: Run, snapshot: SnapshotAssertion) -> None:
    write(["a.png", "b.png", "c.png"], index=None, confidence=None, loss=None)
    assert run("failures a.json") == (0, snapshot, snapshot)


def test_images_lost_against_a_baseline(run: Run, snapshot: SnapshotAssertion) -> None:
    Path("b.json").write_bytes(Path("a.json").read_bytes())
    answers = CleanAnswers(NAMES, np.array([0, 1, 2]), np.array([0, 1, 1]), CLASSES)
    Path("b.npz").write_bytes(PerImage({}, answers).to_bytes())
    assert run("failures a.json --baseline b.json") == (0, snapshot, "")
    assert run("failures a.json --baseline b.json --csv -")[1] == snapshot
    assert run("failures a.json --baseline a.json")[1] == snapshot


def test_a_baseline_on_other_images(run: Run, snapshot: SnapshotAssertion) -> None:
    Path("b.json").write_bytes(Path("a.json").read_bytes())
    answers = CleanAnswers(["x", "y", "z"], np.array([0, 1, 2]), np.array([0, 1, 1]), CLASSES)
    Path("b.npz").write_bytes(PerImage({}, answers).to_bytes())
    assert run("failures a.json --baseline b.json") == (4, "", snapshot)


@pytest.mark.parametrize(
    "words",
    [
        "failures a.json --baseline a.json --csv a.npz",
        "failures a.json --limit 5 --csv x.csv",
        "failures a.json --slices --csv x.csv",
        "failures a.json --least 9",
        "failures a.json --slices --dimension shape_bias",
    ],
)
def test_mistakes(run: Run, words: str, snapshot: SnapshotAssertion) -> None:
    before = Path("a.json").read_bytes(), Path("a.npz").read_bytes()
    assert run(words) == (4, "", snapshot)
    assert (Path("a.json").read_bytes(), Path("a.npz").read_bytes()) == before


def test_answers_that_are_nowhere(run: Run, snapshot: SnapshotAssertion) -> None:
    Path("a.npz").unlink()
    assert run("failures a.json --store empty") == (4, "", snapshot)
