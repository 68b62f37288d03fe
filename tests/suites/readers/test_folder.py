"""Readers of folders: right layouts, and the exact text for every wrong one."""

import json
import os
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from support.suites import error_text, listing, message, short, suite_of, tree

from quba_check.core.view import CLEAN
from quba_check.suites.readers import READERS
from quba_check.suites.readers.folder import (
    cue_conflict_images,
    folder_images,
    model_vs_human_images,
    training_images,
    unlabelled_images,
)


def test_folders_are_matched_by_name_and_sorted_by_it(tmp_path: Path) -> None:
    tree(tmp_path, "pear/b.JPEG", "pear/a.png", "kiwi/1.Tif", "apple/0.webp", "kiwi/2.jfif")
    tree(tmp_path, "pear/notes.txt", "pear/.hidden.png", "kiwi/deep/x.png", ".thumbnails/x.png", "README.md")
    assert short(tmp_path, listing(folder_images, tmp_path)) == [
        ("apple/0.webp", 0, -1),
        ("kiwi/1.Tif", 2, -1),
        ("kiwi/2.jfif", 2, -1),
        ("pear/a.png", 1, -1),
        ("pear/b.JPEG", 1, -1),
    ]


def test_numbers_and_underscores_in_folder_names_are_ignored(tmp_path: Path) -> None:
    tree(tmp_path, "07_dog/a.png", "02_wheeled vehicle/b.png", "06_musical_instrument/c.png")
    classes = ("musical instrument", "wheeled vehicle", "dog")
    assert [image.label for image in listing(folder_images, tmp_path, classes)] == [1, 0, 2]


def test_a_class_that_is_called_so_wins_over_the_name_without_its_number(tmp_path: Path) -> None:
    tree(tmp_path, "1_dog/a.png")
    assert listing(folder_images, tmp_path, ("dog", "1_dog"), partial=True)[0].label == 1


@pytest.mark.parametrize(
    ("names", "text"),
    [
        (
            ["aple/a.png"],
            "SET/aple: unknown class folder 'aple'. Allowed: apple, pear, kiwi. Did you mean 'apple'?",
        ),
        (
            ["apple/a.txt"],
            "SET/apple: no image in this class folder. "
            "Images end in .jpg, .jpeg, .jfif, .png, .ppm, .bmp, .pgm, .tif, .tiff, .webp.",
        ),
        (
            ["a.png", "apple/a.png"],
            "SET/a.png: an image outside the class folders. Expected: <class>/<image>.",
        ),
        (["README.md"], "SET: no class folders. Expected: one for each of apple, pear, kiwi."),
    ],
)
def test_wrong_folders(tmp_path: Path, names: list[str], text: str) -> None:
    assert message(folder_images, tree(tmp_path, *names)) == text


def test_a_file_in_place_of_the_folder(tmp_path: Path) -> None:
    tree(tmp_path, "val")
    assert message(folder_images, tmp_path / "val") == "SET: cannot be read as a folder (Not a directory)."


def test_missing_class_folders_are_named_unless_the_set_is_partial(tmp_path: Path) -> None:
    tree(tmp_path, "pear/a.png")
    assert message(folder_images, tmp_path) == (
        "SET: class folders are missing, got 1 of 3. Missing: apple, kiwi. Add them, or allow it in "
        "quba-data.yaml: partial: true in the set's entry, or restrict: true to score only classes that have "
        "folders."
    )
    assert short(tmp_path, listing(folder_images, tmp_path, partial=True)) == [("pear/a.png", 1, -1)]


@pytest.mark.parametrize(
    ("kind", "text"),
    [
        ("pipe", "is a pipe or a device, not a file. Remove it."),
        ("nothing", "is a link to nothing, not a file. Remove it."),
        ("loop", "cannot be read (Too many levels of symbolic links)."),
    ],
)
def test_what_has_the_name_of_an_image_and_is_none(tmp_path: Path, kind: str, text: str) -> None:
    tree(tmp_path, "val/apple/1.png")
    image = tmp_path / "val/apple/2.png"
    os.mkfifo(image) if kind == "pipe" else image.symlink_to("2.png" if kind == "loop" else "nowhere")
    assert message(folder_images, tmp_path / "val") == f"SET/apple/2.png: {text}"


def test_a_name_that_is_not_utf_8(tmp_path: Path) -> None:
    tree(tmp_path, "val/apple/1.png")
    (tmp_path / "val/apple" / os.fsdecode(b"caf\xe9.png")).touch()
    assert message(folder_images, tmp_path / "val") == (
        "SET/apple/caf\\udce9.png: the name is not UTF-8 text. Rename it."
    )


NAMES = [f"val/apple/ILSVRC2012_val_0000000{number}.JPEG" for number in (1, 2, 3, 4)]
CLASSES = ["apple", *(f"c{number}" for number in range(1, 1000))]
ROWS = [[0], [2, 0, 1], [], [2, 1]]


def real(root: Path, content: object, *names: str) -> Path:
    tree(root, *(names or NAMES))
    (root / "real.json").write_text(json.dumps(content))
    return root / "real.json"


def test_a_set_with_the_labels_of_real(tmp_path):
    real(tmp_path, ROWS)
    (tmp_path / "classes.txt").write_text("\n".join(CLASSES))
    text = "sets:\n  clean: {reader: folder, path: val, partial: true, real_labels: real.json}"
    suite = suite_of(tmp_path, text, "classes.txt")
    assert [(one.name, one.label, one.also) for one in suite.examples(CLEAN)] == [
        (NAMES[0], 0, ()),
        (NAMES[1], 0, (2, 1)),
        (NAMES[3], 2, (1,)),
    ]
    (tmp_path / "real.json").unlink()
    assert suite.missing(CLEAN) == f"the set 'clean' is missing: looked for {tmp_path}/real.json"


@pytest.mark.parametrize(
    ("content", "names", "text"),
    [
        (ROWS[:2], NAMES, "SET/real.json: has no list of classes for ILSVRC2012_val_00000003.JPEG."),
        ({"1": [0]}, NAMES, "SET/real.json: has no list of classes for ILSVRC2012_val_00000001.JPEG."),
        ([[1000]], NAMES, "SET/real.json[0]: unknown class number 1000. Allowed: 0 to 999 (apple, c1, "),
        (ROWS, ["val/apple/1.JPEG"], "SET/apple/1.JPEG: has no labels in real.json."),
    ],
)
def test_wrong_labels_of_real(tmp_path, content, names, text):
    path = real(tmp_path, content, *names)
    shown = message(folder_images, tmp_path / "val", CLASSES, partial=True, real_labels=path)
    assert shown.replace(str(tmp_path), "SET").startswith(text)


def test_other_classes_than_those_of_imagenet(tmp_path):
    path = real(tmp_path, ROWS)
    shown = message(folder_images, tmp_path / "val", partial=True, real_labels=path)
    assert shown == f"{path}: numbers ImageNet's 1,000 classes, got 3. Allowed: classes: imagenet."


def test_without_the_file_nothing_changes(tmp_path):
    real(tmp_path, ROWS)
    assert [one.also for one in listing(folder_images, tmp_path / "val", partial=True)] == [()] * 4


ENDINGS = ".jpg, .jpeg, .jfif, .png, .ppm, .bmp, .pgm, .tif, .tiff, .webp"


def test_images_at_any_depth_have_no_class(tmp_path: Path) -> None:
    tree(tmp_path, "b.png", "deep/er/a.JPG", "apple/c.webp", "notes.txt", ".hidden/d.png", "e.gif")
    assert short(tmp_path, listing(unlabelled_images, tmp_path)) == [
        ("b.png", -1, -1),
        ("apple/c.webp", -1, -1),
        ("deep/er/a.JPG", -1, -1),
    ]
    assert list(READERS["unlabelled"].unread_files(tmp_path)) == ["e.gif"]


def test_a_folder_without_images(tmp_path: Path) -> None:
    text = f"SET: no image in this folder or those below it. Images end in {ENDINGS}."
    assert message(unlabelled_images, tree(tmp_path, "deep/notes.txt")) == text


def test_a_link_to_a_folder_above(tmp_path: Path) -> None:
    tree(tmp_path, "deep/a.png")
    (tmp_path / "deep" / "up").symlink_to(tmp_path)
    text = "SET/deep/up: a link to a folder above it. Remove it."
    assert message(unlabelled_images, tmp_path) == text


def test_a_folder_and_a_list_name_the_same_training_images(tmp_path: Path) -> None:
    tree(tmp_path, "x/1.jpg", "x/deep/2.PNG", "x/notes.txt")
    (tmp_path / "list.txt").write_text(f"x/1.jpg\n\n{tmp_path}/x/deep/2.PNG\n")
    names = [f"{tmp_path}/x/1.jpg", f"{tmp_path}/x/deep/2.PNG"]
    assert [one.name for one in training_images(tmp_path / "x")] == names
    assert [one.name for one in training_images(tmp_path / "list.txt")] == names


@pytest.mark.parametrize(
    ("name", "text"),
    [
        (
            "no",
            "training: there is no DIR/no. Allowed: a folder of images, or a text file with a path a line.",
        ),
        ("list.txt", "DIR/list.txt:2: there is no file DIR/1.jpg. Allowed: an image a line."),
        ("empty", f"training: DIR/empty names no images. Images end in {ENDINGS}."),
    ],
)
def test_missing_training_images(tmp_path: Path, name: str, text: str) -> None:
    (tmp_path / "list.txt").write_text("\n1.jpg\n")
    (tmp_path / "empty").mkdir()
    assert error_text(training_images, tmp_path / name).replace(str(tmp_path), "DIR") == text


def test_cue_conflict_names_in_one_folder_or_by_shape(tmp_path: Path) -> None:
    tree(
        tmp_path, "kiwi12-pear3.png", "apple/apple1-kiwi2.png", "apple/apple1-apple2.PNG", "apple/readme.txt"
    )
    assert short(tmp_path, listing(cue_conflict_images, tmp_path)) == [
        ("kiwi12-pear3.png", 2, 1),
        ("apple/apple1-apple2.PNG", 0, 0),
        ("apple/apple1-kiwi2.png", 0, 2),
    ]


@pytest.mark.parametrize(
    ("names", "text"),
    [
        (
            ["apple1.png"],
            "SET/apple1.png: the name does not state two cues. Expected: <shape><i>-<texture><j>.png.",
        ),
        (
            ["aple1-pear2.png"],
            "SET/aple1-pear2.png: unknown class 'aple'. Allowed: apple, pear, kiwi. Did you mean 'apple'?",
        ),
        (["kiwi/pear1-kiwi2.png"], "SET/kiwi/pear1-kiwi2.png: the shape is 'pear', got the folder 'kiwi'."),
        (["notes.txt"], "SET: no images. Expected: files named <shape><i>-<texture><j>.png."),
    ],
)
def test_wrong_cue_conflict_names(tmp_path: Path, names: list[str], text: str) -> None:
    assert message(cue_conflict_images, tree(tmp_path, *names)) == text


@settings(deadline=None, derandomize=True, max_examples=50)
@given(
    classes=st.lists(
        st.from_regex(r"[a-z][a-z0-9 ._-]{0,6}[a-z]", fullmatch=True), min_size=2, max_size=5, unique=True
    ),
    data=st.data(),
)
def test_cues_are_read_back_whatever_the_classes_are_called(
    tmp_path_factory: pytest.TempPathFactory, classes: list[str], data: st.DataObject
) -> None:
    shape = data.draw(st.integers(0, len(classes) - 1))
    texture = data.draw(st.integers(0, len(classes) - 1))
    root = tmp_path_factory.mktemp("cues")
    tree(root, f"{classes[shape]}{data.draw(st.integers(0, 99))}-{classes[texture]}7.png")
    (image,) = listing(cue_conflict_images, root, classes)
    assert (image.label, image.texture) == (shape, texture)


def test_model_vs_human_names(tmp_path: Path) -> None:
    tree(
        tmp_path,
        "0002_ske_dnn_0_pear_00_pear-0001-sketch-0.png",
        "0001_ske_dnn_0_kiwi_00_a_b.png",
        "results.csv",
    )
    assert short(tmp_path, listing(model_vs_human_images, tmp_path)) == [
        ("0001_ske_dnn_0_kiwi_00_a_b.png", 2, -1),
        ("0002_ske_dnn_0_pear_00_pear-0001-sketch-0.png", 1, -1),
    ]


@pytest.mark.parametrize(
    ("names", "text"),
    [
        (
            ["pear_1.png"],
            "SET/pear_1.png: the name does not state a class. Expected: *_*_*_*_<category>_*.png.",
        ),
        (
            ["1_ske_dnn_0_peer_0.png"],
            "SET/1_ske_dnn_0_peer_0.png: unknown class 'peer'. "
            "Allowed: apple, pear, kiwi. Did you mean 'pear'?",
        ),
        ([], "SET: no images. Expected: files named *_*_*_*_<category>_*.png."),
    ],
)
def test_wrong_model_vs_human_names(tmp_path: Path, names: list[str], text: str) -> None:
    assert message(model_vs_human_images, tree(tmp_path, *names)) == text
