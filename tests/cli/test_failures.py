"""`quba-check failures`: its table, and mistakes."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from cli.conftest import Run
from support.parsed_page import parsed
from support.runs_compared import stored
from support.tiny import write_suite
from support.tuned import quantity
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


def write(names: list[str], record_of: Mapping[str, Any] | None = None, **columns: object) -> None:
    label = np.array([0, 1, 2])
    top1 = np.array([0, 0, 1])
    known = {"index": np.arange(3), "confidence": np.array([0.75, 1]), "loss": np.array([1.5, 103.28])}
    answers = CleanAnswers(names, label, top1, CLASSES, **(known | columns))  # type: ignore[arg-type]
    record = stored("a.json", [0, 1, 2], **(record_of or {})).record
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


def test_failures_of_a_class_and_of_a_confusion(run: Run, snapshot: SnapshotAssertion) -> None:
    assert run("failures a.json --class goldfish") == (0, snapshot, "")
    assert run("failures a.json --class 'tench, Tinca tinca' --predicted goldfish") == (0, snapshot, "")
    assert run("failures a.json --predicted tench --csv -")[1] == snapshot


def unknown_sets(*rows: list[object]) -> dict[str, Any]:
    """Changes of a record: the most confident images of unknown sets."""
    table = {"columns": ["set", "image", "predicted", "probability"], "rows": rows}
    row = quantity(0.7, 0.1, "fraction", better="high", n=9)
    row |= {"tables": {"most_confident": table}}
    return {"measurements": {"accuracy": quantity(0.3, 0.1, "fraction"), "unknown_detection": row}}


REJECTS = unknown_sets(
    ["unknown/near", "near/a.png", "tench", 0.99],
    ["unknown/far", "far/b.png", "goldfish", 0.98],
    ["unknown/near", "near/c.png", "goldfish", 0.5],
)


def test_the_most_confident_images_of_an_unknown_set(run: Run, snapshot: SnapshotAssertion) -> None:
    write(NAMES, REJECTS)
    assert run("failures a.json --set near") == (0, snapshot, "")
    assert run("failures a.json --set unknown/near") == run("failures a.json --set near")
    assert run("failures a.json --set near --predicted tench --csv -")[1] == snapshot
    Path("a.npz").unlink()  # the list is in the record
    assert run("failures a.json --set near --predicted goldfish --store empty") == (0, snapshot, "")


def test_a_page_of_pictures(run: Run, snapshot: SnapshotAssertion) -> None:
    root = write_suite(Path("data"))
    suite = {"name": "tiny", "root": str(root), "fingerprint": "1"}
    write(["val/brick/000.png", "val/brick/001.png", "val/gone.png"], {"suite": suite})
    assert run("failures a.json --html wrong.html --csv wrong.csv") == (0, "", snapshot)
    page = parsed(Path("wrong.html").read_text(encoding="utf-8"))
    assert page.one("body").lines.replace(str(root.absolute()), "DATA") == snapshot
    assert len(page.all("img")) == 1
    assert "script-src 'sha256-" in page.all("meta")[1].attributes["content"]
    assert run("failures a.json --class goldfish --html one.html --limit 1")[2] == snapshot
    root.rename("moved")
    assert run("failures a.json --html lost.html") == (4, "", snapshot)
    assert not Path("lost.html").exists()
    assert run("failures a.json --html lost.html --data moved")[0] == 0


def test_the_terminal_gives_the_width(
    run: Run, monkeypatch: pytest.MonkeyPatch, snapshot: SnapshotAssertion
) -> None:
    monkeypatch.setenv("COLUMNS", "200")
    assert run("failures a.json --limit 1") == (0, snapshot, "")


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
        "failures a.json --slices --predicted tench",
        "failures a.json --class tensh",
        "failures a.json --predicted shark",
        "failures a.json --set near",
        "failures a.json --set near --class tench",
        "failures a.json --data data",
        "failures a.json --html a.htm",
        "failures a.json --slices --dimension shape_bias",
    ],
)
def test_mistakes(run: Run, words: str, snapshot: SnapshotAssertion) -> None:
    before = Path("a.json").read_bytes(), Path("a.npz").read_bytes()
    assert run(words) == (4, "", snapshot)
    assert (Path("a.json").read_bytes(), Path("a.npz").read_bytes()) == before


def test_mistakes_in_unknown_sets(run: Run, snapshot: SnapshotAssertion) -> None:
    write(NAMES, REJECTS)
    assert run("failures a.json --set nera") == (4, "", snapshot)
    assert run("failures a.json --set far --predicted goldfihs") == (4, "", snapshot)
