"""The table of a suite's sets, row by row."""

import cProfile
import os
import pstats
from pathlib import Path

import pytest
from PIL import Image
from support.suites import suite_of

from quba_check.cli.main import main
from quba_check.cli.suite import set_rows, sets_text
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


def test_rows(tmp_path, snapshot):
    root = tmp_path / "data"
    write(root, **{"val/apple": 3, "val/pear": 1, "val/fig": 2})
    write(root, **{"c/fog/1/apple": 1, "c/fog/2/apple": 2, "c/fog/2/fig": 4})
    write(root, **{"night/pip": 2, "night/no_pip": 2})
    write(tmp_path / "mixed", pear=5)
    text = MANIFEST.replace("/mixed", str(tmp_path / "mixed"))
    (root / "quba-data.yaml").write_text(text, encoding="utf-8")
    rows = (" | ".join(row) for row in set_rows(open_suite(root)))
    assert "\n".join(rows).replace(str(tmp_path), "DIR") == snapshot


def test_rows_of_other_unknown_and_decided_sets(tmp_path):
    write(tmp_path, **{"val/apple": 3, "tuning/pear": 2, "birds/a": 2, "birds/b/c": 1})
    manifest = """\
schema: 1
name: fruit
classes: [apple, pear]
sets:
  clean: {reader: folder, path: val, partial: true, group: {path: '(?P<group>[0-9])[.]png'}}
  corruptions: {generate: from clean}
  other: {tuning: {reader: folder, path: tuning, partial: true}}
  unknown: {birds: {path: birds, group: {folders: 1}}, far: {path: far, group: {folders: 1}}}
  decided: {foggy: {of: fog, by: mean}, flocks: {of: birds, by: majority}, others: {of: far, by: mean}}
"""
    (tmp_path / "quba-data.yaml").write_text(manifest)
    rows = {name: (images, where) for name, images, *_, where in set_rows(open_suite(tmp_path))}
    assert {name: rows[name] for name in ("tuning", "unknown/birds", "foggy", "flocks", "others")} == {
        "tuning": ("2", "tuning"),
        "unknown/birds": ("3", "birds; 2 groups by path"),
        "foggy": ("3", "one for each group of fog"),
        "flocks": ("2", "one for each group of birds"),
        "others": ("missing", "one for each group of far"),
    }


def test_a_folder_behind_a_url_has_the_rows_of_the_folder(tmp_path, capsys, s3):
    write(
        tmp_path / "data", **{"val/apple": 3, "val/pear": 2, "val/fig": 2, "night/pip": 2, "night/no_pip": 1}
    )
    (tmp_path / "data" / "quba-data.yaml").write_text(MANIFEST)
    assert main(["suite", "describe", str(tmp_path / "data")]) == 0
    here = capsys.readouterr().out
    assert main(["suite", "describe", s3.upload(tmp_path / "data")]) == 0
    there = capsys.readouterr().out
    assert "s3://" in there
    assert there.split("set  ", 1)[1] == here.split("set  ", 1)[1]


@pytest.mark.parametrize(
    ("sample", "images", "where"),
    [("", "300", "made from clean"), (", sample: one", "4", "made from clean, one for each image")],
)
def test_corruptions_made_of_clean_images_have_their_classes(tmp_path, sample, images, where):
    write(tmp_path, **{"val/apple": 3, "val/pear": 1})
    sets = f"sets: {{clean: {{reader: folder, path: val}}, corruptions: {{generate: from clean{sample}}}}}"
    suite = suite_of(tmp_path, sets, "[apple, pear]")
    assert set_rows(suite)[1] == ("corruptions", images, "-", "own", "2 of 2", "1-3", where)
    assert sets_text(suite, 80).endswith(
        "\nnot in the manifest: mixed_same, mixed_rand, cue_conflict, shifts\n"
    )


def test_groups_and_slices_stand_next_to_the_path(tmp_path):
    write(tmp_path, a=2, b=1)
    rows = "a/0.png,apple,s1,yes\na/1.png,pear,s1,no\nb/0.png,pear,s2,yes\n"
    (tmp_path / "val.csv").write_text(f"path,label,sender,kids\n{rows}", encoding="utf-8")
    clean = "{reader: csv, path: val.csv, group: sender, slices: [kids], properties: [size]}"
    row = set_rows(suite_of(tmp_path, f"sets: {{clean: {clean}}}", "[apple, pear]"))[0]
    assert row[-1] == "val.csv; 2 groups by sender; kids=no 1, kids=yes 2; size"


def test_paths_that_do_not_fit_stand_below_the_table(tmp_path, snapshot):
    write(tmp_path, **{"val/apple": 3, "val/pear": 1, "val/fig": 2, "c/fog/1/apple": 1})
    (tmp_path / "quba-data.yaml").write_text(MANIFEST, encoding="utf-8")
    suite = open_suite(tmp_path)
    for width in (200, 80):
        assert sets_text(suite, width).partition("set  ")[2] == snapshot


def test_the_work_grows_with_the_classes_and_not_with_their_square(tmp_path, monkeypatch):
    work = [calls_and_listings(tmp_path / str(classes), classes, monkeypatch) for classes in (50, 100, 200)]
    (first, _), (second, before), (third, after) = work
    assert third - second < 2.2 * (second - first)
    assert after - before == 2 * (200 - 100)


def calls_and_listings(root: Path, classes: int, monkeypatch: pytest.MonkeyPatch) -> tuple[int, int]:
    """Calls of functions, and folders that are listed, while a suite of two sets is described."""
    names = [f"class_{k:04d}" for k in range(classes)]
    for name in names:
        for folder in ("val", "night"):
            (root / folder / name).mkdir(parents=True)
            (root / folder / name / "1.ppm").write_bytes(b"P6 1 1 255 abc")
    quoted = ", ".join(names)
    (root / "quba-data.yaml").write_text(
        f"schema: 1\nname: many\nclasses: [{quoted}]\nspaces: {{two: {{one: [{names[0]}], rest: "
        f"[{', '.join(names[1:])}]}}}}\nprompts: {{names: {{{', '.join(f'{k}: a {k}' for k in names)}}}}}\n"
        "sets:\n  clean: {reader: folder, path: val}\n  shifts: {night: {reader: folder, path: night}}\n",
        encoding="utf-8",
    )
    listed: list[object] = []
    scandir = os.scandir
    monkeypatch.setattr(os, "scandir", lambda path: listed.append(path) or scandir(path))
    with cProfile.Profile() as profile:
        assert main(["suite", "describe", str(root)]) == 0
    monkeypatch.setattr(os, "scandir", scandir)
    return pstats.Stats(profile).total_calls, len(listed)


def test_images_of_no_class(tmp_path):
    write(tmp_path, **{"val/apple": 1, "others/deep": 2})
    text = (
        "sets:\n  clean: {reader: folder, path: val, partial: true}\n  unknown: {near: others, far: none}\n"
    )
    assert set_rows(suite_of(tmp_path, text, "[apple, pear]"))[1:3] == [
        ("unknown/near", "2", "-", "own", "0 of 2", "-", "others"),
        ("unknown/far", "missing", "-", "own", "-", "-", "the set 'unknown/far' is missing: looked for none"),
    ]
