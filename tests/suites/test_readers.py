"""Readers: what each finds in a right layout, and the exact text for every wrong one."""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from quba_check.errors import SuiteError
from quba_check.suites.readers import (
    Listed,
    Reader,
    check_complete,
    csv_images,
    cue_conflict_images,
    folder_images,
    model_vs_human_images,
)

FRUIT = ("apple", "pear", "kiwi")


def tree(root: Path, *names: str) -> Path:
    """Empty files; readers look at names alone."""
    for name in names:
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        (root / name).touch()
    return root


def short(root: Path, images: list[Listed]) -> list[tuple[str, int, int]]:
    return [(image.path.removeprefix(f"{root}/"), image.label, image.texture) for image in images]


def message(reader: Reader, path: Path, classes: tuple[str, ...] = FRUIT) -> str:
    """What the error says, the test's folder cut off."""
    with pytest.raises(SuiteError) as raised:
        reader(path, classes)
    return str(raised.value).replace(f"{path}", "SET")


def test_folders_are_matched_by_name_and_sorted_by_it(tmp_path: Path) -> None:
    tree(tmp_path, "pear/b.JPEG", "pear/a.png", "kiwi/1.Tif", "apple/0.webp")
    tree(tmp_path, "pear/notes.txt", "pear/.hidden.png", "kiwi/deep/x.png", ".thumbnails/x.png", "README.md")
    assert short(tmp_path, folder_images(tmp_path, FRUIT)) == [
        ("apple/0.webp", 0, -1),
        ("kiwi/1.Tif", 2, -1),
        ("pear/a.png", 1, -1),
        ("pear/b.JPEG", 1, -1),
    ]


def test_numbers_and_underscores_in_folder_names_are_looked_past(tmp_path: Path) -> None:
    tree(tmp_path, "07_dog/a.png", "02_wheeled vehicle/b.png", "06_musical_instrument/c.png")
    classes = ("musical instrument", "wheeled vehicle", "dog")
    assert [image.label for image in folder_images(tmp_path, classes)] == [1, 0, 2]


def test_a_class_that_is_called_so_wins_over_the_name_without_its_number(tmp_path: Path) -> None:
    tree(tmp_path, "1_dog/a.png")
    assert folder_images(tmp_path, ("dog", "1_dog"))[0].label == 1


@pytest.mark.parametrize(
    ("names", "text"),
    [
        (
            ["aple/a.png"],
            "SET/aple: unknown class folder 'aple'. Did you mean 'apple'? Allowed: apple, pear, kiwi.",
        ),
        (["zzz/a.png"], "SET/zzz: unknown class folder 'zzz'. Allowed: apple, pear, kiwi."),
        (
            ["apple/a.txt"],
            "SET/apple: no image in this class folder. "
            "Images end in .jpg, .jpeg, .png, .ppm, .bmp, .pgm, .tif, .tiff, .webp.",
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


def test_missing_class_folders_are_named(tmp_path: Path) -> None:
    images = folder_images(tree(tmp_path, "pear/a.png"), FRUIT)
    with pytest.raises(SuiteError) as raised:
        check_complete(tmp_path, images, FRUIT)
    assert str(raised.value) == f"{tmp_path}: class folders are missing, got 1 of 3. Missing: apple, kiwi."
    check_complete(tmp_path, [Listed("a.png", 0), Listed("b.png", 1)], ("apple", "pear"))


def csv_file(root: Path, text: str) -> Path:
    tree(root, "a.png", "b.png", "c d.png")
    (root / "list.csv").write_text(text, encoding="utf-8")
    return root / "list.csv"


def test_csv_labels_are_names_or_numbers(tmp_path: Path) -> None:
    path = csv_file(tmp_path, 'label,path,author\nkiwi,b.png,me\n\n 1 ,a.png,you\n"apple","c d.png",\n')
    assert short(tmp_path, csv_images(path, FRUIT)) == [
        ("b.png", 2, -1),
        ("a.png", 1, -1),
        ("c d.png", 0, -1),
    ]


def test_csv_labels_that_are_names_of_classes_are_not_numbers(tmp_path: Path) -> None:
    path = csv_file(tmp_path, "path,label\na.png,2\n")
    assert csv_images(path, ("2", "1", "0"))[0].label == 0


def test_csv_with_the_mark_that_spreadsheets_write(tmp_path: Path) -> None:
    path = csv_file(tmp_path, "")
    path.write_bytes(b"\xef\xbb\xbfpath,label\r\na.png,pear\r\n")
    assert short(tmp_path, csv_images(path, FRUIT)) == [("a.png", 1, -1)]


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("file,label\na.png,pear\n", "SET:1: the header must name path and label, got file, label."),
        ("", "SET:1: the header must name path and label, got nothing."),
        ("path,label\n", "SET: lists no images. Expected: rows of path and label under that header."),
        (
            "path,label\na.png,pear\nb.png,peer\n",
            "SET:3: unknown class 'peer'. Did you mean 'pear'? Allowed: apple, pear, kiwi.",
        ),
        ("path,label\na.png,3\n", "SET:2: unknown class '3'. Allowed: apple, pear, kiwi."),
        ("path,label\na.png\n", "SET:2: unknown class ''. Allowed: apple, pear, kiwi."),
        ("path,label\na.png,pear\n\na.png,kiwi\n", "SET:4: a.png is listed twice, first in line 2."),
        ('path,label\n"a.png"x,pear\n', "SET:2: not a CSV file (',' expected after '\"')."),
    ],
)
def test_wrong_csv_files(tmp_path: Path, text: str, expected: str) -> None:
    assert message(csv_images, csv_file(tmp_path, text)) == expected


def test_csv_files_name_images_that_are_there(tmp_path: Path) -> None:
    path = csv_file(tmp_path, "path,label\nimages/x.png,pear\n")
    assert message(csv_images, path) == f"SET:2: there is no file {tmp_path}/images/x.png."


def test_a_csv_file_that_is_no_text(tmp_path: Path) -> None:
    path = csv_file(tmp_path, "")
    path.write_bytes(b"path,label\n\xff\xfe\n")
    assert message(csv_images, path) == "SET: not a text file in UTF-8."


def test_a_csv_file_that_is_a_folder(tmp_path: Path) -> None:
    assert message(csv_images, tmp_path) == "SET: cannot be read (Is a directory)."


def test_cue_conflict_names_in_one_folder_or_by_shape(tmp_path: Path) -> None:
    tree(
        tmp_path, "kiwi12-pear3.png", "apple/apple1-kiwi2.png", "apple/apple1-apple2.PNG", "apple/readme.txt"
    )
    assert short(tmp_path, cue_conflict_images(tmp_path, FRUIT)) == [
        ("kiwi12-pear3.png", 2, 1),
        ("apple/apple1-apple2.PNG", 0, 0),
        ("apple/apple1-kiwi2.png", 0, 2),
    ]


@pytest.mark.parametrize(
    ("names", "text"),
    [
        (["apple1.png"], "SET/apple1.png: the name tells no cues. Expected: <shape><i>-<texture><j>.png."),
        (
            ["aple1-pear2.png"],
            "SET/aple1-pear2.png: unknown class 'aple'. Did you mean 'apple'? Allowed: apple, pear, kiwi.",
        ),
        (
            ["apple1-plum2.png"],
            "SET/apple1-plum2.png: unknown class 'plum'. Allowed: apple, pear, kiwi.",
        ),
        (
            ["kiwi/pear1-kiwi2.png"],
            "SET/kiwi/pear1-kiwi2.png: the shape is 'pear', got it in the folder 'kiwi'.",
        ),
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
    shape, texture = data.draw(st.integers(0, len(classes) - 1)), data.draw(st.integers(0, len(classes) - 1))
    root = tmp_path_factory.mktemp("cues")
    tree(root, f"{classes[shape]}{data.draw(st.integers(0, 99))}-{classes[texture]}7.png")
    (image,) = cue_conflict_images(root, classes)
    assert (image.label, image.texture) == (shape, texture)


def test_model_vs_human_names(tmp_path: Path) -> None:
    tree(
        tmp_path,
        "0002_ske_dnn_0_pear_00_pear-0001-sketch-0.png",
        "0001_ske_dnn_0_kiwi_00_a_b.png",
        "results.csv",
    )
    assert short(tmp_path, model_vs_human_images(tmp_path, FRUIT)) == [
        ("0001_ske_dnn_0_kiwi_00_a_b.png", 2, -1),
        ("0002_ske_dnn_0_pear_00_pear-0001-sketch-0.png", 1, -1),
    ]


@pytest.mark.parametrize(
    ("names", "text"),
    [
        (["pear_1.png"], "SET/pear_1.png: the name tells no class. Expected: *_*_*_*_<category>_*.png."),
        (
            ["1_ske_dnn_0_peer_0.png"],
            "SET/1_ske_dnn_0_peer_0.png: unknown class 'peer'. Did you mean 'pear'? "
            "Allowed: apple, pear, kiwi.",
        ),
        ([], "SET: no images. Expected: files named *_*_*_*_<category>_*.png."),
    ],
)
def test_wrong_model_vs_human_names(tmp_path: Path, names: list[str], text: str) -> None:
    assert message(model_vs_human_images, tree(tmp_path, *names)) == text
