"""The reader `arrays`: files of numpy and idx files, and the exact text for what is wrong in them."""

import gzip
import os
import struct
import zipfile
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as arrays
from numpy.typing import NDArray
from support.suites import error_text, listing, message

from quba_check.suites.example import Example
from quba_check.suites.readers.arrays import array_images, array_member, array_rows, idx_array, read_array

IMAGES = np.zeros((2, 4, 3, 3), np.uint8)
ALLOWED_IMAGES = "Allowed: uint8 of images x height x width, or of images x height x width x 3."
ALLOWED_LABELS = "Allowed: a whole number or a class name for each image."


def npz(root: Path, images: object = IMAGES, labels: object = (0, 1), **others: object) -> Path:
    np.savez(root / "x.npz", images=images, labels=labels, **others)
    return root / "x.npz"


def test_labels_are_positions_or_names(tmp_path: Path) -> None:
    for labels in ([2, 0], np.array([[2], [0]], np.int8), ["kiwi", "apple"], np.array([b"kiwi", b"apple"])):
        images = listing(array_images, npz(tmp_path, labels=labels))
        assert [(image.label, image.member) for image in images] == [(2, "images/0"), (0, "images/1")]


def test_numbers_are_positions_also_where_a_class_is_called_so(tmp_path: Path) -> None:
    images = listing(array_images, npz(tmp_path), classes=("1", "0"))
    assert [image.label for image in images] == [0, 1]


@pytest.mark.parametrize(
    ("images", "text"),
    [
        (IMAGES / 255, f"SET[images]: got float64 of 2 x 4 x 3 x 3. {ALLOWED_IMAGES}"),
        (IMAGES[0, 0], f"SET[images]: got uint8 of 3 x 3. {ALLOWED_IMAGES}"),
        (IMAGES[:0], f"SET[images]: got uint8 of 0 x 4 x 3 x 3. {ALLOWED_IMAGES}"),
        (np.zeros((2, 3, 8, 8), np.uint8), f"SET[images]: got uint8 of 2 x 3 x 8 x 8. {ALLOWED_IMAGES}"),
        (np.uint8(1), f"SET[images]: got uint8 of one number. {ALLOWED_IMAGES}"),
    ],
)
def test_wrong_images(tmp_path: Path, images: object, text: str) -> None:
    assert message(array_images, npz(tmp_path, images)) == text


@pytest.mark.parametrize(
    ("labels", "text"),
    [
        ([0.0, 1.0], f"SET[labels]: got float64 of 2. {ALLOWED_LABELS}"),
        ([[0, 1], [1, 0]], f"SET[labels]: got int64 of 2 x 2. {ALLOWED_LABELS}"),
        ([0], "SET[labels]: got 1 labels for 2 images in SET[images]."),
        ([0, 3], "SET[labels][1]: unknown class number 3. Allowed: 0 to 2 (apple, pear, kiwi)."),
    ],
)
def test_wrong_labels(tmp_path: Path, labels: object, text: str) -> None:
    assert message(array_images, npz(tmp_path, labels=labels)) == text


def test_one_part_of_several(tmp_path: Path) -> None:
    path = npz(tmp_path, np.zeros((6, 2, 2), np.uint8), [0, 1, 2, 0, 1, 5])
    images = listing(array_images, path, part=(1, 3))
    assert [(image.label, image.member) for image in images] == [(2, "images/2"), (0, "images/3")]
    assert message(array_images, path, part=(2, 3)) == (
        "SET[labels][5]: unknown class number 5. Allowed: 0 to 2 (apple, pear, kiwi)."
    )
    assert message(array_images, path, part=(0, 5)) == (
        "SET[images]: got 6 images. Allowed: a multiple of 5, the same number of each severity."
    )


def test_arrays_are_called_by_name(tmp_path: Path) -> None:
    path = npz(tmp_path, x_test=IMAGES)
    assert message(array_images, path, images="x_tets") == (
        "SET: there is no array 'x_tets' in it. Allowed: images, labels, x_test. Did you mean 'x_test'?"
    )
    assert listing(array_images, path, images="x_test")[1].member == "x_test/1"


def test_arrays_that_are_not_packed_are_mapped(tmp_path: Path) -> None:
    np.savez(
        tmp_path / "x.npz",
        a=np.arange(6, dtype=np.uint16).reshape(2, 3),
        b=np.asfortranarray([[1, 2], [3, 4]]),
    )
    np.savez_compressed(tmp_path / "packed.npz", a=np.arange(6))
    np.save(tmp_path / "x.npy", np.arange(6))
    assert isinstance(read_array(tmp_path / "x.npz", "a"), np.memmap)
    assert read_array(tmp_path / "x.npz", "a").tolist() == [[0, 1, 2], [3, 4, 5]]
    assert read_array(tmp_path / "x.npz", "b").tolist() == [[1, 2], [3, 4]]
    assert (
        read_array(tmp_path / "packed.npz", "a").tolist()
        == read_array(tmp_path / "x.npy").tolist()
        == [0, 1, 2, 3, 4, 5]
    )


@pytest.mark.parametrize("shape", [(6, 4, 3, 3), (6, 4, 3), (6, 4, 3, 1)])
@pytest.mark.parametrize("order", ["C", "F"])
@pytest.mark.parametrize("prefix", ["", "a/"])
def test_rows_at_once_are_those_of_single_images(tmp_path: Path, shape, order: str, prefix: str) -> None:
    pixels = np.asarray(np.random.default_rng(0).integers(0, 256, shape, np.uint8), order=order)
    name = "x.npz" if prefix else "x.npy"
    np.savez(tmp_path / "x.npz", a=pixels, b=255 - pixels)
    np.save(tmp_path / "x.npy", pixels)
    examples = [rows_of(name, f"{prefix}{row}") for row in (4, 0, 5)]
    rows = array_rows(tmp_path, examples)
    assert rows.flags.c_contiguous
    assert rows.flags.writeable
    single = [array_member(tmp_path / name, str(one.member)).convert("RGB") for one in examples]
    np.testing.assert_array_equal(rows, np.stack([np.asarray(image) for image in single]))


def rows_of(name: str, member: str | None, reader: str | None = "arrays") -> Example:
    return Example(0, name, 0, member=member, reader=reader)


@pytest.mark.parametrize(
    "examples",
    [
        [rows_of("x.npz", "a/0"), rows_of("x.npz", "b/0")],
        [rows_of("x.npz", "a/0"), rows_of("y.npz", "a/0")],
        [rows_of("x.npz", "a/0", "webdataset")],
        [rows_of("x.npz", None, None)],
        [rows_of("x.npz", "a/2")],
        [rows_of("x.npz", "floats/0")],
        [rows_of("missing.npz", "a/0")],
        [rows_of("x.npz", "a/0"), rows_of("x.npz", "a/1", "csv")],
    ],
)
def test_other_images_are_opened_one_by_one(tmp_path: Path, examples: list[Example]) -> None:
    for name in "xy":
        np.savez(tmp_path / f"{name}.npz", a=IMAGES, b=IMAGES, floats=IMAGES / 255)
    assert array_rows(tmp_path, examples) is None


def test_a_changed_file_is_read_again(tmp_path: Path) -> None:
    np.save(tmp_path / "x.npy", np.arange(3))
    first = read_array(tmp_path / "x.npy")
    assert read_array(tmp_path / "x.npy") is first
    np.save(tmp_path / "x.npy", np.arange(4))
    assert len(read_array(tmp_path / "x.npy")) == 4


def pair(root: Path, content: bytes) -> Path:
    np.save(root / "y.npy", [0, 1])
    (root / "x").write_bytes(content)
    return root / "x"


def test_files_of_another_kind(tmp_path: Path) -> None:
    def error_text(content: bytes) -> str:
        return message(array_images, pair(tmp_path, content), labels=tmp_path / "y.npy")

    assert error_text(b"GIF89a") == (
        "SET: not a file of arrays. Allowed: .npy, .npz, or idx, also gzipped, as MNIST's."
    )
    assert (
        error_text(b"\x93NUMPY\x01")
        == "SET: cannot be read as an array. It is damaged, or holds Python objects."
    )
    assert (
        error_text(npz(tmp_path).read_bytes())
        == "SET: an .npz file holds several arrays. Name it as path: x."
    )


def test_damaged_and_missing_files(tmp_path: Path) -> None:
    assert message(array_images, tmp_path / "no.npz") == "SET: cannot be read (No such file or directory)."
    np.savez(tmp_path / "o.npz", images=np.array([{}]), labels=[0])
    assert message(array_images, tmp_path / "o.npz") == (
        "SET: cannot be read as an array. It is damaged, or holds Python objects."
    )


def header(shape: str, kind: str = "|u1") -> bytes:
    head = f"{{'descr': '{kind}', 'fortran_order': False, 'shape': {shape}, }}\n".encode()
    return b"\x93NUMPY\x01\x00" + struct.pack("<H", len(head)) + head


@pytest.mark.parametrize(
    "shape", ["(1000000000000, 8, 8)", "(10**30,)", "(-1, 8, 8)", f"({'9' * 30},)", "(" * 300]
)
@pytest.mark.parametrize("compression", [None, zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED])
def test_headers_that_claim_what_is_not_there(tmp_path: Path, shape: str, compression: int | None) -> None:
    if compression is None:
        path = pair(tmp_path, header(shape))
        error = message(array_images, path, labels=tmp_path / "y.npy")
    else:
        path = tmp_path / "x.npz"
        with zipfile.ZipFile(path, "w", compression) as packed:
            packed.writestr("images.npy", header(shape))
        error = message(array_images, path)
    assert error == "SET: cannot be read as an array. It is damaged, or holds Python objects."


def test_a_bomb(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("quba_check.storage.packed_arrays.LARGEST_UNPACKED", 1000)
    np.savez_compressed(tmp_path / "x.npz", images=np.zeros((100, 32, 32), np.uint8), labels=np.zeros(100))
    assert message(array_images, tmp_path / "x.npz") == (
        "SET: cannot be read as an array. It is damaged, or holds Python objects."
    )


def test_pipes(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "x.npz")
    assert message(array_images, tmp_path / "x.npz") == "SET: is not a file."


TYPES = {"u1": 8, "i1": 9, ">i2": 11, ">i4": 12, ">f4": 13, ">f8": 14}


def packed(array: NDArray[np.generic]) -> bytes:
    """The file, as the format's description says."""
    kind = TYPES[array.dtype.str.lstrip("|")]
    return bytes([0, 0, kind, array.ndim]) + struct.pack(f">{array.ndim}I", *array.shape) + array.tobytes()


@settings(deadline=None, derandomize=True, max_examples=60)
@given(
    array=st.sampled_from(list(TYPES)).flatmap(
        lambda kind: arrays.arrays(np.dtype(kind), arrays.array_shapes(max_dims=4, max_side=4), unique=False)
    ),
    is_gzipped=st.booleans(),
)
def test_idx_files_are_read_back(
    tmp_path_factory: pytest.TempPathFactory, array: NDArray[np.generic], is_gzipped: bool
) -> None:
    path = tmp_path_factory.mktemp("idx") / "x"
    path.write_bytes(gzip.compress(packed(array)) if is_gzipped else packed(array))
    read = idx_array(path)
    assert read.dtype.newbyteorder("=") == array.dtype.newbyteorder("=")
    assert read.shape == array.shape
    assert read.tobytes() == array.tobytes()


LABELS = packed(np.array([3, 1, 2], np.uint8))


@pytest.mark.parametrize(
    ("content", "text"),
    [
        (
            b"\x00\x01\x08\x01" + LABELS[4:],
            "not an idx file, got the beginning 00 01 08 01. Expected: 00 00.",
        ),
        (b"\x00\x00", "not an idx file, got the beginning 00 00. Expected: 00 00."),
        (
            b"\x00\x00\x0a\x01" + LABELS[4:],
            "an idx file of unknown type, got 0x0a. Allowed: 0x08, 0x09, 0x0b, 0x0c, 0x0d, 0x0e.",
        ),
        (b"\0\0\x08\xff" + LABELS[4:], "an idx file of 255 dimensions. Allowed: at most 8."),
        (LABELS[:6], "an idx file that ends in its header, got 6 of 8 bytes."),
        (LABELS[:-1], "an idx file of 3 numbers has 11 bytes, got 10."),
        (LABELS + b"\x00", "an idx file of 3 numbers has 11 bytes, got 12."),
        (
            packed(np.zeros((2, 3, 4), np.uint8))[:20],
            "an idx file of 2 x 3 x 4 numbers has 40 bytes, got 20.",
        ),
        (gzip.compress(LABELS, mtime=0)[:-9], "cannot be unpacked by gzip. The file is damaged or cut."),
    ],
)
def test_wrong_idx_files(tmp_path: Path, content: bytes, text: str) -> None:
    (tmp_path / "x").write_bytes(content)
    assert error_text(idx_array, tmp_path / "x") == f"{tmp_path}/x: {text}"


def test_an_idx_bomb(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("quba_check.storage.packed_arrays.LARGEST_UNPACKED", 1000)
    path = tmp_path / "x.gz"
    path.write_bytes(gzip.compress(bytes(100_000)))
    packed = path.stat().st_size
    assert error_text(idx_array, path) == (
        f"{path}: {packed} bytes that unpack to 100,000. Unpack the file, and name its content instead."
    )
