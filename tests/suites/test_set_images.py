"""Images of a suite by set and name."""

from dataclasses import replace
from pathlib import Path

import pytest
from support.requests import value
from support.suites import error_text, png, suite_of, tree, write_manifest

from quba_check.core.view import CLEAN
from quba_check.suites.opening import open_suite
from quba_check.suites.sampling import SubsetSampler
from quba_check.suites.set_images import SetImages, check_groups_agree

SETS = """\
sets:
  clean: {reader: folder, path: val}
  shifts:
    sketch: {reader: folder, path: sketch, space: coarse}
  cue_conflict: {reader: cue-conflict, path: cues}
spaces: {coarse: {fruit: [apple], other: [pear, kiwi]}}
"""
FRUIT = ("apple", "kiwi", "pear")


@pytest.fixture
def root(tmp_path: Path) -> Path:
    """A suite with two images for each class of a set."""
    write_manifest(tmp_path, SETS)
    tree(tmp_path, *(f"val/{name}/{k}.png" for name in FRUIT for k in range(2)))
    tree(tmp_path, "sketch/fruit/0.png", "sketch/other/0.png", content=png(7))
    return tree(tmp_path, "cues/apple1-pear1.png", "cues/kiwi1-kiwi1.png")


@pytest.fixture
def images(root: Path) -> SetImages:
    return SetImages(open_suite(root))


def test_names_and_classes_of_each_set(images: SetImages) -> None:
    clean = [(f"val/{name}/{k}.png", name, "") for name in FRUIT for k in range(2)]
    assert images.labelled_names("clean") == clean
    sketch = [("sketch/fruit/0.png", "fruit", ""), ("sketch/other/0.png", "other", "")]
    assert images.labelled_names("sketch") == sketch
    assert images.labelled_names("cue_conflict") == [
        ("cues/apple1-pear1.png", "apple", "pear"),
        ("cues/kiwi1-kiwi1.png", "kiwi", "kiwi"),
    ]


def test_an_image_by_its_name(images: SetImages) -> None:
    with images.open_image("sketch", "sketch/other/0.png") as image:
        assert image.getpixel((0, 0)) == (7, 0, 0)


def test_a_list_may_name_images_outside_of_the_data_folder(tmp_path: Path) -> None:
    picture = tree(tmp_path, "other/1.png", content=png(5)) / "other/1.png"
    (tree(tmp_path, "data/x.csv") / "data/x.csv").write_text(f"path,label\n{picture},pear\n")
    suite = suite_of(tmp_path / "data", "sets: {clean: {reader: csv, path: x.csv}}")
    (example,) = suite.examples(CLEAN)
    assert (suite.label(example), suite.path(example)) == (str(picture), picture)


def test_a_sample_has_the_images_of_the_run(root: Path) -> None:
    names = SetImages(open_suite(root, SubsetSampler(3, seed=1))).labelled_names("clean")
    assert [label for _, label, _ in names] == [*FRUIT]


@pytest.mark.parametrize("name", ["../secret.png", "val/apple/9.png", "/etc/passwd"])
def test_only_images_of_the_set_are_opened(root: Path, images: SetImages, name: str) -> None:
    assert error_text(images.open_image, "clean", name) == f"{root}: the set 'clean' has no image {name}."


def test_a_group_of_two_labels_is_named_unless_one_image_decides(tmp_path: Path) -> None:
    (tree(tmp_path, "x.csv", "a.png", "b.png") / "x.csv").write_text(
        "path,label,patient\na.png,pear,p1\nb.png,kiwi,p1\n"
    )
    suite = suite_of(
        tmp_path,
        "sets: {clean: {reader: csv, path: x.csv, group: patient}, "
        "decided: {patients: {of: clean, by: mean}, pears: {of: clean, any: pear}}}",
    )
    accuracy = value("accuracy")
    check_groups_agree(suite, [accuracy, replace(accuracy, set="pears")])
    text = error_text(check_groups_agree, suite, [replace(accuracy, set="patients")])
    assert text.removeprefix(str(tmp_path)) == (
        ": sets.decided.patients: the images of the group 'p1' have different labels. "
        "Allowed: one right class for all images of a group, or any: CLASS."
    )
