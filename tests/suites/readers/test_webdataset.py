"""The reader `webdataset`: the exact text for what is wrong in a shard."""

import tarfile
from collections.abc import Mapping
from pathlib import Path

import pytest
from support.suites import error_text, listing, message, write_tar

from quba_check.suites.readers import READERS, webdataset
from quba_check.suites.readers.webdataset import webdataset_images, webdataset_member


def test_samples_are_files_of_one_name(tmp_path: Path) -> None:
    files = {
        "a/1.seg.png": b"", "a/1.jpg": b"", "a/1.cls": b"pear", "b/1.cls": b"2\n", "b/1.WEBP": b"",
        "c/2.jpeg": b"", "c/2.json": b'{"label": 0}', "c/2.cls": b"1", "README.md": b"", "a/.hidden.jpg": b"",
        "meta.json": b"{}",
    }  # fmt: skip
    images = listing(webdataset_images, write_tar(tmp_path / "x.tar", files))
    assert [(image.member, image.label) for image in images] == [
        ("a/1.jpg", 1),
        ("b/1.WEBP", 2),
        ("c/2.jpeg", 1),
    ]


def test_a_class_name_wins_over_a_position_in_cls_and_not_in_json(tmp_path: Path) -> None:
    files = {
        "1.jpg": b"",
        "1.cls": b"1",
        "2.jpg": b"",
        "2.json": b'{"label": 1}',
        "3.jpg": b"",
        "3.json": b'{"label": "1"}',
    }
    images = listing(webdataset_images, write_tar(tmp_path / "x.tar", files), classes=("1", "0"))
    assert [image.label for image in images] == [0, 1, 0]


ALLOWED_TEXT = 'Expected: text in a .cls, or {"label": …} in a .json.'


@pytest.mark.parametrize(
    ("files", "text"),
    [
        ({"1.jpg": b""}, "SET[1.jpg]: an image without a label. Expected: a .cls or .json next to it."),
        ({"1.cls": b"0"}, "SET[1.cls]: a label without an image."),
        ({"1.json": b'{"label": 0}', "meta.json": b"{}"}, "SET[1.json]: a label without an image."),
        ({"1.jpg": b"", "1.png": b"", "1.cls": b"0"}, "SET[1.png]: the sample already has 1.jpg."),
        ({"1.jpg": b"", "1.cls": b"\xff"}, f"SET[1.cls]: not a label. {ALLOWED_TEXT}"),
        ({"1.jpg": b"", "1.json": b"[" * 100_000}, f"SET[1.json]: not a label. {ALLOWED_TEXT}"),
        (
            {"1.jpg": b"", "1.cls": b"x" * (2**20 + 1)},
            "SET[1.cls]: not a label, got 1,048,577 bytes. Allowed: at most 1,048,576.",
        ),
        ({"1.jpg": b"", "1.json": b"{"}, f"SET[1.json]: not a label. {ALLOWED_TEXT}"),
        ({"1.jpg": b"", "1.json": b'{"lable": 1}'}, f"SET[1.json]: not a label. {ALLOWED_TEXT}"),
        (
            {"notes.txt": b""},
            "SET: no samples. Expected: images with labels, such as 0001.jpg with 0001.cls.",
        ),
    ],
)
def test_wrong_samples(tmp_path: Path, files: Mapping[str, bytes], text: str) -> None:
    assert message(webdataset_images, write_tar(tmp_path / "x.tar", files)) == text


NOT_ONE_TAR = (
    "SET: cannot be read as one uncompressed tar file. It is of another kind, cut, damaged or joined."
)


def test_a_tar_file_that_is_packed_cut_or_something_else(tmp_path: Path) -> None:
    path = write_tar(tmp_path / "x.tar", {"1.jpg": b"x"}, "w:gz")
    assert message(webdataset_images, path) == NOT_ONE_TAR
    (tmp_path / "y.tar").write_bytes(b"an image" * 100)
    assert message(webdataset_images, tmp_path / "y.tar") == NOT_ONE_TAR
    whole = write_tar(tmp_path / "z.tar", {"1.jpg": b"x" * 2000}).read_bytes()
    (tmp_path / "z.tar").write_bytes(whole[:1500])
    assert message(webdataset_images, tmp_path / "z.tar") == NOT_ONE_TAR


def test_a_tar_file_whose_last_samples_are_not_read(tmp_path: Path) -> None:
    path = write_tar(tmp_path / "x.tar", {"1.jpg": b"", "1.cls": b"0", "2.jpg": b"", "2.cls": b"0"})
    whole = path.read_bytes()
    second = 3 * 512  # two headers and the content of 1.cls
    damaged = whole[:second] + b"\xff" + whole[second + 1 :]
    for content in (whole * 2, damaged, whole[:second], whole[: second + 100]):
        path.write_bytes(content)
        assert message(webdataset_images, path) == NOT_ONE_TAR


def test_a_member_that_states_more_bytes_than_there_are(tmp_path: Path) -> None:
    path = tmp_path / "x.tar"
    with tarfile.open(path, "w", format=tarfile.PAX_FORMAT) as tar:
        entry = tarfile.TarInfo("1.jpg")
        entry.pax_headers = {"GNU.sparse.size": "1000000", "GNU.sparse.map": "0,1"}
        tar.addfile(entry)
    assert message(webdataset_images, path) == "SET[1.jpg]: states more bytes than the tar file holds."


def test_a_member_that_went_away(tmp_path: Path) -> None:
    path = write_tar(tmp_path / "x.tar", {"1.jpg": b""})
    assert error_text(webdataset_member, path, "2.jpg") == f"{path}: there is no 2.jpg in it."


def test_a_name_that_is_not_utf_8(tmp_path: Path) -> None:
    path = tmp_path / "x.tar"
    with tarfile.open(path, "w", format=tarfile.GNU_FORMAT, encoding="latin-1") as tar:
        tar.addfile(tarfile.TarInfo("caf\xe9.jpg"))
    assert message(webdataset_images, path) == ("SET[caf\\udce9.jpg]: the name is not UTF-8 text. Rename it.")


def with_links(path: Path, links: Mapping[str, tuple[bytes, str]]) -> Path:
    """Write a shard with two files and members of other types, each with its target."""
    write_tar(path, {"./a/1.jpg": b"image", "./a/1.cls": b"0"})
    with tarfile.open(path, "a") as tar:
        for name, (kind, target) in links.items():
            entry = tarfile.TarInfo(name)
            entry.type = kind
            entry.linkname = target
            tar.addfile(entry)
    return path


def test_links_are_the_files_that_they_lead_to(tmp_path: Path) -> None:
    links = {
        "./b/2.jpg": (tarfile.LNKTYPE, "./a/1.jpg"),
        "./b/2.cls": (tarfile.SYMTYPE, "../a/1.cls"),
        "c/3.jpg": (tarfile.SYMTYPE, "../b/2.jpg"),
        "c/3.cls": (tarfile.LNKTYPE, "b/2.cls"),
        "c": (tarfile.DIRTYPE, ""),
        "notes.txt": (tarfile.SYMTYPE, "/etc/hosts"),
    }
    path = with_links(tmp_path / "x.tar", links)
    images = listing(webdataset_images, path)
    assert [(image.member, image.label) for image in images] == [
        ("./a/1.jpg", 0),
        ("./b/2.jpg", 0),
        ("c/3.jpg", 0),
    ]
    index = webdataset._index(path)
    assert index["c/3.jpg"] == index["./b/2.jpg"] == index["./a/1.jpg"]


def test_a_member_that_occurs_twice(tmp_path: Path) -> None:
    for again in ("./a/1.jpg", "./a/1.cls"):
        path = write_tar(with_links(tmp_path / "x.tar", {}), {again: b"1"}, "a")
        assert message(webdataset_images, path) == f"SET[{again}]: is in the tar file twice."
    path = write_tar(with_links(tmp_path / "x.tar", {}), {"a/1.jpg": b"image"}, "a")
    assert message(webdataset_images, path) == "SET[a/1.jpg]: the sample already has ./a/1.jpg."


@pytest.mark.parametrize(
    "links",
    [
        {"2.jpg": (tarfile.SYMTYPE, "/etc/hosts")},
        {"2.jpg": (tarfile.SYMTYPE, "../a/1.jpg")},
        {"2.jpg": (tarfile.LNKTYPE, "a/3.jpg")},
        {"2.jpg": (tarfile.SYMTYPE, "3.jpg"), "3.jpg": (tarfile.SYMTYPE, "2.jpg")},
        {"2.jpg": (tarfile.SYMTYPE, "2.jpg")},
        {"2.jpg": (tarfile.FIFOTYPE, "")},
    ],
)
def test_a_member_without_content(tmp_path: Path, links: Mapping[str, tuple[bytes, str]]) -> None:
    assert message(webdataset_images, with_links(tmp_path / "x.tar", links)) == (
        "SET[2.jpg]: is neither a file nor a link to a file in the tar file. "
        "'tar --dereference' packs the files that links lead to."
    )


def test_unread_members_that_look_like_images(tmp_path: Path) -> None:
    files = {"1.jpg": b"", "1.cls": b"0", "1.mask.png": b"", "2.GIF": b"", "3.txt": b"", "a/.4.png": b""}
    path = write_tar(tmp_path / "x.tar", files)
    assert list(READERS["webdataset"].unread_files(path)) == ["x.tar[1.mask.png]", "x.tar[2.GIF]"]
