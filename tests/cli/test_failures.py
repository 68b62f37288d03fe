"""`quba-check failures`: its table, and mistakes."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from cli.conftest import Run
from support.runs_compared import stored

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


def test_the_table_fits_eighty_columns(run: Run) -> None:
    assert run("failures a.json") == (
        0,
        "r50 on tiny: 2 of 3 clean images are wrong\n"
        "index     loss  confidence  label           predicted       path\n"
        "    2  103.280       1.000  goldfish        great... shark  imagenet...name.JPEG\n"
        "    1    1.500       0.750  great... shark  tench           imagenet...name.JPEG\n",
        "",
    )


def test_failures_of_a_slice(run: Run) -> None:
    names = ("light=day", "light=night")
    write(["0.png", "1.png", "2.png"], slices={"light": SliceColumn(names, np.array([1, 0, 1]))})
    code, out, _ = run("failures a.json --slice light=night")
    assert (code, out.splitlines()[0]) == (0, "r50 on tiny: 1 of 2 clean images is wrong (light=night)")
    assert [line.split()[-1] for line in out.splitlines()[2:]] == ["2.png"]
    assert run("failures a.json --csv -")[1] == (
        "index,path,label,predicted,confidence,loss,slices\n"
        '2,2.png,goldfish,"great white shark, white shark, man-eater",1.0,103.28,light=night\n'
        '1,1.png,"great white shark, white shark, man-eater","tench, Tinca tinca",0.75,1.5,light=day\n'
    )
    assert run("failures a.json --slice light=nigth") == (
        4,
        "",
        "ERROR: --slice: no image is in the slice 'light=nigth'. Allowed: light=day, light=night. "
        "Did you mean 'light=night'?\n",
    )
    write(NAMES)
    assert run("failures a.json --slice light=day")[2] == (
        "ERROR: --slice: no image is in the slice 'light=day'. The run has none.\n"
    )


def test_the_terminal_gives_the_width(run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("COLUMNS", "200")
    assert run("failures a.json --limit 1")[1].splitlines()[2] == (
        f"    2  103.280       1.000  goldfish  great... shark  {NAMES[2][:31]}...{NAMES[2][-32:]}"
    )


def test_one_image(run: Run) -> None:
    _, out, err = run("failures a.json --limit 1")
    assert out.splitlines()[-1] == "shown: 1 of 2; --limit N shows more, --csv FILE writes all"
    assert err == ""


def test_names_that_would_move_the_cursor(run: Run) -> None:
    write(["a.png", "\x1b[31m.png", "two\n[bold].png"])
    lines = run("failures a.json")[1].splitlines()
    assert [line.split("  ")[-1].strip() for line in lines[2:]] == ["two\\n[bold].png", "\\x1b[31m.png"]


def test_a_run_of_an_earlier_version(run: Run) -> None:
    write(["a.png", "b.png", "c.png"], index=None, confidence=None, loss=None)
    assert run("failures a.json") == (
        0,
        "r50 on tiny: 2 of 3 clean images are wrong\n"
        "index  loss  confidence  label           predicted       path\n"
        "    1     -           -  great... shark  tench           b.png\n"
        "    2     -           -  goldfish        great... shark  c.png\n",
        "a.json: its answers were stored by an earlier version, without confidence and loss. "
        "Run the gate again to get them.\n",
    )


def test_images_lost_against_a_baseline(run: Run) -> None:
    Path("b.json").write_bytes(Path("a.json").read_bytes())
    answers = CleanAnswers(NAMES, np.array([0, 1, 2]), np.array([0, 1, 1]), CLASSES)
    Path("b.npz").write_bytes(PerImage({}, answers).to_bytes())
    assert run("failures a.json --baseline b.json") == (
        0,
        "r50 on tiny: 1 of 3 clean images is wrong, and right in b.json\n"
        "index   loss  confidence  label           predicted  path\n"
        "    1  1.500       0.750  great... shark  tench      imagenet/val...ng_name.JPEG\n",
        "",
    )
    assert run("failures a.json --baseline b.json --csv -")[1].splitlines() == [
        "index,path,label,predicted,confidence,loss",
        f'1,{NAMES[1]},"great white shark, white shark, man-eater","tench, Tinca tinca",0.75,1.5',
    ]
    assert run("failures a.json --baseline a.json")[1] == (
        "r50 on tiny: 0 of 3 clean images are wrong, and right in a.json\n"
    )


def test_a_baseline_on_other_images(run: Run) -> None:
    Path("b.json").write_bytes(Path("a.json").read_bytes())
    answers = CleanAnswers(["x", "y", "z"], np.array([0, 1, 2]), np.array([0, 1, 1]), CLASSES)
    Path("b.npz").write_bytes(PerImage({}, answers).to_bytes())
    assert run("failures a.json --baseline b.json") == (
        4,
        "",
        "ERROR: --baseline: b.json and a.json: their clean images differ. "
        "Allowed: runs on the same images.\n",
    )


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (
            "failures a.json --baseline a.json --csv a.npz",
            "--csv: got 'a.npz', which this command reads. Allowed: another file.",
        ),
        (
            "failures a.json --limit 5 --csv x.csv",
            "quba-check failures: --limit: is not read with --csv, which writes all images. Allowed: without "
            "--csv.",
        ),
        (
            "failures a.json --slices --csv x.csv",
            "quba-check failures: --csv: is not read with --slices. Allowed: without --slices.",
        ),
        (
            "failures a.json --least 9",
            "quba-check failures: --least: is not read without --slices. Allowed: with --slices.",
        ),
        (
            "failures a.json --slices --dimension shape_bias",
            "r50: the record has no slices of shape_bias. Allowed: a run on a suite whose manifest declares "
            "slices.",
        ),
    ],
)
def test_mistakes(run: Run, words: str, message: str) -> None:
    before = Path("a.json").read_bytes(), Path("a.npz").read_bytes()
    assert run(words) == (4, "", f"ERROR: {message}\n")
    assert (Path("a.json").read_bytes(), Path("a.npz").read_bytes()) == before


def test_answers_that_are_nowhere(run: Run) -> None:
    Path("a.npz").unlink()
    assert run("failures a.json --store empty") == (
        4,
        "",
        "ERROR: a.json: its predictions on clean images are neither next to it nor in the store. "
        "Allowed: a record with its "
        "predictions next to it, of a run that measured the clean set.\n",
    )
