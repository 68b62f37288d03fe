"""The reader `csv`: what it finds in a right layout, and the exact text for every wrong one."""

from pathlib import Path

import pytest
from support.suites import error_texts, listing, message, short, tree
from syrupy.assertion import SnapshotAssertion

from quba_check.core.predictions import NO_CLASS
from quba_check.suites.readers.csv_list import csv_images, csv_paths


def csv_file(root: Path, text: str) -> Path:
    tree(root, "a.png", "b.png", "c d.png")
    (root / "list.csv").write_text(text, encoding="utf-8")
    return root / "list.csv"


def test_csv_labels_are_names_or_numbers(tmp_path: Path) -> None:
    path = csv_file(tmp_path, 'label,path,author\nkiwi,b.png,me\n\n 1 ,a.png,you\n"apple","c d.png",\n')
    assert short(tmp_path, listing(csv_images, path)) == [
        ("b.png", 2, -1),
        ("a.png", 1, -1),
        ("c d.png", 0, -1),
    ]


def test_csv_labels_that_are_names_of_classes_are_not_numbers(tmp_path: Path) -> None:
    path = csv_file(tmp_path, "path,label\na.png,2\n")
    assert listing(csv_images, path, ("2", "1", "0"))[0].label == 0


def test_csv_with_several_labels(tmp_path: Path) -> None:
    path = csv_file(tmp_path, "labels,path\nkiwi|apple | kiwi,b.png\n1,a.png\n")
    assert [(one.label, one.also) for one in listing(csv_images, path)] == [(2, (0,)), (1, ())]
    assert [one.name for one in csv_paths(path)] == ["b.png", "a.png"]


def test_csv_without_labels(tmp_path: Path) -> None:
    for label, cell in (("", ""), (",label", ",elk"), (",labels", ",elk")):
        path = csv_file(tmp_path, f"path,who{label}\nb.png,me{cell}\n")
        (image,) = listing(csv_images, path, columns=["who"], is_labelled=False)
        assert (image.label, image.also, image.cells) == (NO_CLASS, (), ("me",))
        assert [one.name for one in csv_paths(path, is_labelled=False)] == ["b.png"]
    text = message(csv_images, csv_file(tmp_path, "file\nb.png"), is_labelled=False)
    assert text == "SET:1: the header must name path, got file."


def test_csv_with_the_mark_that_spreadsheets_write(tmp_path: Path) -> None:
    path = csv_file(tmp_path, "")
    path.write_bytes(b"\xef\xbb\xbfpath,label\r\na.png,pear\r\n")
    assert short(tmp_path, listing(csv_images, path)) == [("a.png", 1, -1)]


def test_wrong_csv_files(tmp_path: Path, snapshot: SnapshotAssertion) -> None:
    mistakes = [
        "file,label\na.png,pear",
        "path;label\na.png;pear",
        "",
        "path,label",
        "path,label\na.png,3",
        "path,label\na.png",
        "path,label\na.png,pear\n\na.png,kiwi",
        "path,path,label\na.png,b.png,pear",
        "path,labels,labels\na.png,pear,kiwi",
        "path,label\na.png,pear\na,b.png,pear",
        "path,label,labels\na.png,pear,pear",
        "path,labels\na.png,pear|",
        'path,label\n"a.png"x,pear',
        "path,label\nimages/x.png,pear",
    ]
    shown = error_texts(lambda text: listing(csv_images, csv_file(tmp_path, text)), mistakes)
    assert shown.replace(f"{tmp_path}/", "") == snapshot


@pytest.mark.parametrize(
    ("text", "first", "last"),
    [
        ('path,label,note\na.png,pear,"x\nb.png,pear,y\nc d.png,pear,z"\n', 2, 4),
        ('path,label,note\r\n\r\na.png,pear,"x\r\nb.png,pear,y"\r\n', 3, 4),
        ('path,label,"note\na.png,pear,x"\nb.png,pear,y\n', 1, 2),
        ('path,label\n"a.png,pear\nb.png",pear\n', 2, 3),
    ],
)
def test_a_quote_that_could_hide_rows(tmp_path: Path, text: str, first: int, last: int) -> None:
    path = csv_file(tmp_path, "")
    path.write_bytes(text.encode())
    assert message(csv_images, path) == (
        f"SET:{first}: a quoted cell runs to line {last}, and could hide rows. Allowed: cells on one line."
    )


def test_empty_cells_beyond_the_header(tmp_path: Path) -> None:
    assert len(listing(csv_images, csv_file(tmp_path, "path,label\na.png,pear,,\n"))) == 1


def test_a_csv_file_that_is_no_text(tmp_path: Path) -> None:
    path = csv_file(tmp_path, "")
    path.write_bytes(b"path,label\n\xff\xfe\n")
    assert message(csv_images, path) == "SET: not a text file in UTF-8."


@pytest.mark.parametrize("other", ["link.png", "folder/a.png", "x/../a.png"])
def test_a_link_to_an_image_is_the_same(tmp_path: Path, other: str) -> None:
    path = csv_file(tmp_path, f"path,label\na.png,pear\n{other},pear\n")
    (tmp_path / "x").mkdir()
    (tmp_path / "link.png").symlink_to("a.png")
    (tmp_path / "folder").symlink_to(".")
    assert message(csv_images, path) == f"SET:3: {other} is listed twice, first in SET:2."


@pytest.mark.parametrize(
    ("name", "reason"),
    [
        ("x" * 300, f"FOLDER/{'x' * 300}: cannot be read (File name too long)."),
        ("a\x01b.png", "there is no file FOLDER/a\\x01b.png."),
        ("x\0y/a.png", "FOLDER/x\\x00y/a.png: cannot be read (embedded null byte)."),
    ],
)
def test_names_that_no_file_has(tmp_path: Path, name: str, reason: str) -> None:
    path = csv_file(tmp_path, f"path,label\n{name},pear\n")
    assert message(csv_images, path).replace(f"{tmp_path}", "FOLDER") == f"SET:2: {reason}"
