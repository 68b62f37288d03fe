"""Slices of a set's images: columns, crossed columns, empty cells, and what is refused."""

import numpy as np
import pytest
from support.suites import error_text, png, suite_of, tree

from quba_check.core.view import CLEAN, View
from quba_check.storage.file_digests import ContentDigests
from quba_check.suites.manifest.set_schema import CsvEntry
from quba_check.suites.set_images import ViewSlices
from quba_check.suites.slices import property_column, slice_columns

SETS = """\
sets:
  clean: {{reader: csv, path: val.csv, {}}}
  corruptions: {{generate: from clean, sample: one}}
  shifts: {{sketch: {{reader: csv, path: val.csv}}}}
"""
COLUMNS = SETS.format("slices: [light, [light, camera]]")


def entry(*slices, **keys):
    return CsvEntry(reader="csv", path="val.csv", slices=slices, **keys)


def names(column):
    return [column.names[number] for number in column.numbers]


def test_columns_and_crossed_columns():
    cells = [("p1", "night", "old"), ("p2", " day ", ""), ("p3", "night", "new")]
    columns = slice_columns(entry("light", ("light", "camera"), group="patient"), cells, "val.csv")
    assert {name: names(column) for name, column in columns.items()} == {
        "light": ["light=night", "light=day", "light=night"],
        "light,camera": ["light=night,camera=old", "light=day,camera=(empty)", "light=night,camera=new"],
    }


@pytest.mark.parametrize(
    ("name", "values", "expected"),
    [
        ("size", [63, 64, 127, 128, 5000], ["<64", "64..128", "64..128", "128..256", "1024+"]),
        ("brightness", [0.0, 0.25, 1.0], ["<0.25", "0.25..0.5", "0.75+"]),
    ],
)
def test_properties_are_cut_at_fixed_points(name, values, expected):
    assert names(property_column(name, np.array(values))) == [f"{name}={text}" for text in expected]


@pytest.mark.parametrize(
    ("cells", "message"),
    [
        ([(str(number),) for number in range(100_000)], "100,000 values. Allowed: at most 1,000."),
        ([("a=b",)], "the value 'a=b'. Allowed: values without = and commas."),
        ([("a, b",)], "the value 'a, b'. Allowed: values without = and commas."),
    ],
    ids=["100,000", "equals sign", "comma"],
)
def test_refused_values(cells, message):
    text = error_text(slice_columns, entry("light"), cells, "val.csv")
    assert text == f"val.csv: the slice column 'light' has {message}"


def test_views(tmp_path):
    rows = ["path,label,light,camera", "0.png,apple,night,old", "1.png,pear,day,"]
    (tree(tmp_path, "0.png", "1.png") / "val.csv").write_text("\n".join(rows))
    suite = suite_of(tmp_path, COLUMNS)
    slices = ViewSlices(suite, ContentDigests(tmp_path / "digests.sqlite"))
    clean = slices.of(CLEAN)
    assert suite.facts.slices == ("light", "light,camera")
    assert clean["light"].rows("light=night").tolist() == [True, False]
    assert clean["light"].rows("light=fog").tolist() == [False, False]
    assert slices.of(View("clean", attack="pgd")) is clean
    assert slices.of(View("corruptions", corruption="sampled")) is clean
    assert slices.of(View("sketch")) == {}


def test_stored_corruptions_of_other_images_have_no_slices(tmp_path):
    (tree(tmp_path, "0.png", "1.png") / "val.csv").write_text(
        "path,label,light\n0.png,apple,x\n1.png,pear,y\n"
    )
    tree(tmp_path, "c/fog/1/apple/0.png", "c/fog/1/pear/1.png", "c/fog/2/pear/1.png")
    suite = suite_of(
        tmp_path,
        "sets:\n  clean: {reader: csv, path: val.csv, slices: [light]}\n"
        "  corruptions: {reader: folder, path: c, partial: true}",
    )
    slices = ViewSlices(suite, ContentDigests(tmp_path / "digests.sqlite"))
    same, other = (slices.of(View("corruptions", "fog", severity)) for severity in (1, 2))
    assert names(same["light"]) == ["light=x", "light=y"]
    assert other == {}


def test_properties_are_those_of_the_image(tmp_path):
    (tmp_path / "val.csv").write_text("path,label\n0.png,apple\n1.png,pear\n")
    for number, side in enumerate((4, 200)):
        (tmp_path / f"{number}.png").write_bytes(png(np.zeros((side, side, 3), np.uint8)))
    suite = suite_of(tmp_path, SETS.format("properties: [size]"))
    size = ViewSlices(suite, ContentDigests(tmp_path / "digests.sqlite")).of(CLEAN)["size"]
    assert names(size) == ["size=<64", "size=128..256"]
