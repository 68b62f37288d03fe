"""Two sets made of a suite: what is in them, that they repeat, and what is refused."""

import json
from collections import Counter
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image
from support.suites import error_text

from quba_check.suites import open_suite
from quba_check.suites.object_focus.making import Pairing, make_object_focus, new_folder, pair_backgrounds
from quba_check.suites.object_focus.objects import Box, without_object
from quba_check.suites.object_focus.sources import MaskFolder, read_mask

SETS = ("mixed_same", "mixed_rand")


def pixels(path: Path) -> np.ndarray:
    return np.asarray(Image.open(path).convert("RGB"))


def content(folder: Path) -> dict[str, bytes]:
    return {
        path.relative_to(folder).as_posix(): path.read_bytes() for path in folder.rglob("*") if path.is_file()
    }


def origins(folder: Path) -> dict:
    return json.loads((folder / "object-focus.json").read_text(encoding="utf-8"))


def test_every_picture_is_one_object_before_another_image(suite, masks, tmp_path):
    out = tmp_path / "made" / "here"
    sets = make_object_focus(suite, MaskFolder(masks), out)
    assert (sets.images, sets.classes, sets.clean, sets.left_out) == (5, ("apple", "pear"), 5, "")
    names = {f"apple/0000{k}.png" for k in range(3)} | {f"pear/0000{k}.png" for k in range(2)}
    assert content(out).keys() == {f"{name}/{file}" for name in SETS for file in names} | {
        "object-focus.json"
    }
    record = origins(out)
    assert record["schema"] == 1
    assert record["left_out"] == {}
    assert record["made_with"] == {
        "data": str(suite.root),
        "objects": f"masks {masks}",
        "seed": 0,
        "per class": None,
    }
    assert record["pictures"].keys() == names
    foregrounds = sorted(of["foreground"] for of in record["pictures"].values())
    assert foregrounds == [
        f"val/{name}" for name in ("apple/1.jpg", "apple/2.png", "apple/3.png", "pear/1.png", "pear/2.png")
    ]
    for name, of in record["pictures"].items():
        label = name.partition("/")[0]
        original = pixels(suite.root / of["foreground"])
        mask = read_mask((masks / of["foreground"].removeprefix("val/")).with_suffix(".png"))
        assert of["foreground"].startswith(f"val/{label}/")
        assert of["same"].startswith(f"val/{label}/")
        for set_name in SETS:
            mixed = pixels(out / set_name / name)
            behind = of[set_name.removeprefix("mixed_")]
            assert behind != of["foreground"]
            assert (mixed[mask] == original[mask]).all()
            background = without_object(pixels(suite.root / behind), Box(3, 2, 7, 6))
            assert (mixed[~mask] == background[~mask]).all()


def test_the_same_again_whatever_order_the_clean_set_has(suite, masks, tmp_path):
    make_object_focus(suite, MaskFolder(masks), tmp_path / "one", seed=3)
    images = sorted((suite.root / "val").rglob("*.*"), reverse=True)
    rows = "".join(f"{path.relative_to(suite.root).as_posix()},{path.parent.name}\n" for path in images)
    (suite.root / "clean.csv").write_text(f"path,label\n{rows}", encoding="utf-8")
    manifest = suite.root / "quba-data.yaml"
    text = manifest.read_text(encoding="utf-8").replace("folder, path: val", "csv, path: clean.csv")
    manifest.write_text(text.replace("[apple, pear]", "[pear, apple]"), encoding="utf-8")
    (tmp_path / "val").mkdir()
    masks.rename(tmp_path / "val" / "val")
    make_object_focus(open_suite(suite.root), MaskFolder(tmp_path / "val"), tmp_path / "two", seed=3)
    one = content(tmp_path / "one")
    two = content(tmp_path / "two")
    del one["object-focus.json"], two["object-focus.json"]
    assert one == two


def test_at_most_so_many_of_a_class_that_can_be_used(suite, masks, tmp_path):
    Image.new("L", (10, 8)).save(masks / "apple" / "2.png")
    sets = make_object_focus(suite, MaskFolder(masks), tmp_path / "made", per_class=2)
    assert sets.images == 4
    used = {of["foreground"] for of in origins(tmp_path / "made")["pictures"].values()}
    assert used == {"val/apple/1.jpg", "val/apple/3.png", "val/pear/1.png", "val/pear/2.png"}


def test_left_out_images_are_reported(suite, masks, tmp_path):
    (suite.root / "val/fig").mkdir()
    manifest = suite.root / "quba-data.yaml"
    manifest.write_text(manifest.read_text(encoding="utf-8").replace("pear]", "pear, fig]"), encoding="utf-8")
    for k in range(5):
        Image.new("RGB", (10, 8)).save(suite.root / f"val/fig/{k}.png")
    Image.new("L", (10, 8)).save(masks / "apple" / "2.png")
    (masks / "fig").mkdir()
    Image.open(masks / "pear/1.png").save(masks / "fig/0.png")
    sets = make_object_focus(open_suite(suite.root), MaskFolder(masks), tmp_path / "made")
    assert (sets.images, sets.classes, sets.clean) == (4, ("apple", "pear"), 10)
    assert sets.left_out == (
        "alone in its class: 1 (val/fig/0.png); empty mask: 1 (val/apple/2.png); "
        "no mask: 4 (val/fig/1.png, val/fig/2.png, val/fig/3.png and 1 more)"
    )
    assert origins(tmp_path / "made")["left_out"]["no mask"] == [f"val/fig/{k}.png" for k in range(1, 5)]


def test_progress_counts_every_image(suite, masks, tmp_path):
    done = {}

    def progress(what, images):
        done[what] = [images, 0]
        return lambda more: done[what].__setitem__(1, done[what][1] + more)

    Image.new("L", (10, 8)).save(masks / "apple" / "2.png")
    make_object_focus(suite, MaskFolder(masks), tmp_path / "made", progress=progress)
    assert done == {"looking for objects": [5, 5], "mixing": [4, 4]}
    make_object_focus(suite, MaskFolder(masks), tmp_path / "two", per_class=2, progress=progress)
    assert done == {"looking for objects": [5, 5], "mixing": [4, 4]}


def test_too_few_objects(suite, masks, tmp_path):
    (masks / "pear/1.png").unlink()
    assert error_text(make_object_focus, suite, MaskFolder(masks), tmp_path / "made") == (
        f"{suite.root}: mixing needs two classes with two usable objects each, got apple. "
        "Left out of 5 clean images: alone in its class: 1 (val/pear/2.png); no mask: 1 (val/pear/1.png)."
    )
    assert not (tmp_path / "made").exists()
    assert {path.name for path in tmp_path.iterdir()} == {"data", "masks"}


def test_a_class_that_is_no_folder(suite, masks, tmp_path):
    (suite.root / "clean.csv").write_text("path,label\nval/apple/1.jpg,0\n", encoding="utf-8")
    (suite.root / "quba-data.yaml").write_text(
        "schema: 1\nname: x\nclasses: [a/b, c]\nsets: {clean: {reader: csv, path: clean.csv}}\n",
        encoding="utf-8",
    )
    again = open_suite(suite.root)
    assert error_text(make_object_focus, again, MaskFolder(masks), tmp_path / "made") == (
        f"{suite.root}: the class 'a/b' cannot name a folder. Allowed: names without / and \\, "
        "and no dot in front."
    )


def make(out):
    with new_folder(out) as folder:
        (folder / "a.png").touch()


def test_new_or_empty(tmp_path):
    make(tmp_path / "new" / "one")
    (tmp_path / "empty").mkdir()
    make(tmp_path / "empty")
    assert sorted(path.name for path in (tmp_path / "empty").iterdir()) == ["a.png"]
    assert sorted(path.name for path in tmp_path.iterdir()) == ["empty", "new"]


@pytest.mark.parametrize(
    ("out", "text"),
    [
        ("", "the folder is not empty. Allowed: a new or empty one; name it with -o."),
        ("file", "this is a file. Allowed: a new or empty folder."),
        ("file/out", "cannot be written (File exists)."),
    ],
)
def test_places_that_cannot_be_written(tmp_path, out, text):
    (tmp_path / "file").touch()
    assert error_text(make, tmp_path / out) == f"{tmp_path / out}: {text}"
    assert (tmp_path / "file").exists()


def test_nothing_is_left_when_making_fails(tmp_path):
    with pytest.raises(ZeroDivisionError), new_folder(tmp_path / "out"):
        raise ZeroDivisionError
    assert list(tmp_path.iterdir()) == []


classes = st.dictionaries(st.sampled_from("abcd"), st.integers(2, 5), min_size=2).map(
    lambda sizes: {name: [f"{name}/{k}.png" for k in range(size)] for name, size in sizes.items()}
)


@settings(max_examples=60, deadline=None)
@given(classes, st.integers(0, 9), st.randoms())
def test_every_object_once_and_never_before_its_own_background(classes, seed, shuffler):
    pairs = pair_backgrounds(classes, seed)
    for name, of_class in pairs.items():
        assert [pair.foreground for pair in of_class] == sorted(classes[name])
        for pair in of_class:
            assert pair.foreground not in (pair.same, pair.rand)
            assert pair.same in classes[name]
            assert any(pair.rand in images for images in classes.values())
    shuffled = {name: shuffler.sample(images, len(images)) for name, images in reversed(classes.items())}
    assert pair_backgrounds(shuffled, seed) == pairs


def test_each_class_and_each_image_is_as_likely():
    # A class of two and one of ten: classes are drawn first, so that either gets half of the backgrounds.
    classes = {"a": [f"a/{k}" for k in range(2)], "b": [f"b/{k}" for k in range(1000)]}
    counted = Counter(pair.rand[0] for pair in pair_backgrounds(classes, 0)["b"])
    assert 450 < counted["a"] < 550
    many = {"a": [f"a/{k}" for k in range(5)], "b": ["b/0", "b/1"]}
    same = Counter(pair_backgrounds(many, seed)["a"][0].same for seed in range(800))
    assert same.keys() == {"a/1", "a/2", "a/3", "a/4"}
    assert all(150 < times < 250 for times in same.values())


def test_these_draws_stay_as_they_are():
    classes = {"a": ["a/1", "a/2", "a/3"], "b": ["b/1", "b/2"]}
    assert pair_backgrounds(classes, 1) == {
        "a": [Pairing("a/1", "a/2", "a/3"), Pairing("a/2", "a/1", "a/1"), Pairing("a/3", "a/1", "b/2")],
        "b": [Pairing("b/1", "b/2", "a/3"), Pairing("b/2", "b/1", "a/1")],
    }
    assert pair_backgrounds(classes, 0) != pair_backgrounds(classes, 1)
