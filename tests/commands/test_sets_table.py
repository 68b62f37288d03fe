"""What is said of a suite's sets, row by row."""

from __future__ import annotations

from pathlib import Path

from PIL import Image

from quba_check.commands.sets_table import described_sets
from quba_check.suites import open_suite

MANIFEST = """\
schema: 1
name: fruit
classes: [apple, pear, fig]
sets:
  clean: {reader: folder, path: val, expected: 7}
  corruptions: {reader: folder, path: c, partial: true}
  shifts:
    night: {reader: folder, path: night, space: hard}
    snow: {reader: folder, path: snow}
  mixed_same: {reader: folder, path: /mixed, partial: true}
spaces: {hard: {pip: [apple, pear], no_pip: [fig]}}
"""


def write(root: Path, **images: int) -> None:
    for place, count in images.items():
        for number in range(count):
            path = root / place / f"{number}.png"
            path.parent.mkdir(parents=True, exist_ok=True)
            Image.new("RGB", (4, 4)).save(path)


def test_rows(tmp_path):
    root = tmp_path / "data"
    write(root, **{"val/apple": 3, "val/pear": 1, "val/fig": 2})
    write(root, **{"c/fog/1/apple": 1, "c/fog/2/apple": 2, "c/fog/2/fig": 4})
    write(root, **{"night/pip": 2, "night/no_pip": 2})
    write(tmp_path / "mixed", pear=5)
    text = MANIFEST.replace("/mixed", str(tmp_path / "mixed"))
    (root / "quba-data.yaml").write_text(text, encoding="utf-8")
    assert described_sets(open_suite(root)) == [
        ("clean", "6", "7", "own", "3 of 3", "1-3", "val"),
        (
            "corruptions",
            "7",
            "-",
            "own",
            "2 of 3",
            "1-4",
            "c; 73 of 75 conditions missing: gaussian_noise/1, gaussian_noise/2 and 71 more",
        ),
        ("night", "4", "-", "hard", "2 of 2", "2", "night"),
        (
            "snow",
            "missing",
            "-",
            "own",
            "-",
            "-",
            f"the set 'snow' is not there: looked for {root / 'snow'}",
        ),
        ("mixed_same", "5", "-", "own", "1 of 3", "5", str(tmp_path / "mixed")),
        ("mixed_rand", "missing", "-", "-", "-", "-", "not in the manifest"),
        ("cue_conflict", "missing", "-", "-", "-", "-", "not in the manifest"),
    ]


def test_corruptions_made_of_clean_images_have_their_classes(tmp_path):
    write(tmp_path, **{"val/apple": 3, "val/pear": 1})
    (tmp_path / "quba-data.yaml").write_text(
        "schema: 1\nname: x\nclasses: [apple, pear]\n"
        "sets: {clean: {reader: folder, path: val}, corruptions: {generate: from clean}}\n",
        encoding="utf-8",
    )
    rows = described_sets(open_suite(tmp_path))
    assert rows[1] == ("corruptions", "300", "-", "own", "2 of 2", "1-3", "made from clean")
    assert rows[-1][0] == "shifts"
