"""Slices of a set's images: columns, crossed columns, empty cells, and what is refused."""

from __future__ import annotations

import numpy as np
import pytest
from PIL import Image

from quba_check.core.view import CLEAN, View
from quba_check.errors import SuiteError
from quba_check.storage.file_digests import ContentDigests
from quba_check.suites.manifest.set_schema import CsvEntry
from quba_check.suites.opening import open_suite
from quba_check.suites.sampling import SubsetSampler
from quba_check.suites.slices import property_column, slice_columns
from quba_check.suites.view_slices import ViewSlices

MANIFEST = """\
schema: 1
name: tiny
classes: [cat, dog]
sets:
  clean: {reader: csv, path: val.csv, slices: [light, [light, camera]]}
  corruptions: {generate: from clean, sample: one}
  shifts: {sketch: {reader: csv, path: val.csv}}
"""


def entry(*slices, **keys):
    return CsvEntry(reader="csv", path="val.csv", slices=slices, **keys)


def names(declared, cells):
    columns = slice_columns(declared, cells, "val.csv")
    return {name: [column.names[number] for number in column.numbers] for name, column in columns.items()}


def test_columns_and_crossed_columns():
    cells = [("p1", "night", "old"), ("p2", " day ", ""), ("p3", "night", "new")]
    assert names(entry("light", ("light", "camera"), group="patient"), cells) == {
        "light": ["light=night", "light=day", "light=night"],
        "light,camera": ["light=night,camera=old", "light=day,camera=(empty)", "light=night,camera=new"],
    }


def test_properties_are_cut_at_fixed_points():
    size = property_column("size", np.array([63, 64, 127, 128, 5000], np.int32))
    assert [size.names[number] for number in size.numbers] == [
        "size=<64",
        "size=64..128",
        "size=64..128",
        "size=128..256",
        "size=1024+",
    ]
    brightness = property_column("brightness", np.array([0.0, 0.25, 1.0], np.float32))
    assert [brightness.names[number] for number in brightness.numbers] == [
        "brightness=<0.25",
        "brightness=0.25..0.5",
        "brightness=0.75+",
    ]


@pytest.mark.parametrize(
    ("cells", "message"),
    [
        (
            [(str(number),) for number in range(100_000)],
            "val.csv: the slice column 'light' has 100,000 values. Allowed: at most 1,000.",
        ),
        (
            [("a=b",)],
            "val.csv: the slice column 'light' has the value 'a=b'. Allowed: values without = and commas.",
        ),
        (
            [("a, b",)],
            "val.csv: the slice column 'light' has the value 'a, b'. Allowed: values without = and commas.",
        ),
    ],
    ids=["100,000", "equals sign", "comma"],
)
def test_refused_values(cells, message):
    with pytest.raises(SuiteError) as raised:
        slice_columns(entry("light"), cells, "val.csv")
    assert str(raised.value) == message


@pytest.mark.parametrize(
    ("keys", "message"),
    [
        ("slices: [light, light]", "5: sets.clean: slices: 'light' is listed twice."),
        (
            "slices: [a=b]",
            "5: sets.clean: slices: got the column 'a=b'. Allowed: names without = and commas.",
        ),
        ("slices: [[]]", "5: sets.clean: slices: got the column ''. Allowed: names without = and commas."),
        (
            "properties: [sharpnes]",
            "5: sets.clean.properties[0]: got text 'sharpnes'. Allowed: brightness, sharpness, size. "
            "Did you mean 'sharpness'?",
        ),
    ],
)
def test_refused_keys(tmp_path, keys, message):
    lines = MANIFEST.replace("slices: [light, [light, camera]]", keys)
    (tmp_path / "quba-data.yaml").write_text(lines)
    with pytest.raises(SuiteError) as raised:
        open_suite(tmp_path)
    assert str(raised.value).endswith(f"quba-data.yaml:{message}")


def test_views(tmp_path):
    (tmp_path / "quba-data.yaml").write_text(MANIFEST)
    rows = ["path,label,light,camera", "0.png,cat,night,old", "1.png,dog,day,"]
    (tmp_path / "val.csv").write_text("\n".join(rows))
    for number in range(2):
        Image.fromarray(np.zeros((4, 4, 3), np.uint8)).save(tmp_path / f"{number}.png")
    suite = open_suite(tmp_path)
    slices = ViewSlices(suite, ContentDigests(tmp_path / "digests.sqlite"))
    clean = slices.of(CLEAN)
    assert suite.facts.slices == ("light", "light,camera")
    assert clean["light"].rows("light=night").tolist() == [True, False]
    assert clean["light"].rows("light=fog").tolist() == [False, False]
    assert slices.of(View("clean", attack="pgd")) is clean
    assert slices.of(View("corruptions", corruption="sampled")) is clean
    assert slices.of(View("sketch")) == {}


def test_properties_are_those_of_the_image(tmp_path):
    text = MANIFEST.replace("slices: [light, [light, camera]]", "properties: [size]")
    (tmp_path / "quba-data.yaml").write_text(text)
    (tmp_path / "val.csv").write_text("path,label\n0.png,cat\n1.png,dog\n")
    for number, side in enumerate((4, 200)):
        Image.fromarray(np.zeros((side, side, 3), np.uint8)).save(tmp_path / f"{number}.png")
    suite = open_suite(tmp_path, SubsetSampler())
    size = ViewSlices(suite, ContentDigests(tmp_path / "digests.sqlite")).of(CLEAN)["size"]
    assert [size.names[number] for number in size.numbers] == ["size=<64", "size=128..256"]


def test_a_column_that_is_missing(tmp_path):
    (tmp_path / "quba-data.yaml").write_text(MANIFEST)
    (tmp_path / "val.csv").write_text("path,label,light\n")
    with pytest.raises(SuiteError, match=r"val.csv:1: the header must name path, label, light and camera"):
        open_suite(tmp_path).examples(CLEAN)
