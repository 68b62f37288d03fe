"""The reader `parquet`: the exact text for what is wrong in a file."""

from __future__ import annotations

import json
import sys
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from support.suites import error_text, listing, message, short, tree

from quba_check.suites.readers.parquet import parquet_images, parquet_member


def table(root: Path, columns: dict[str, list[object]], metadata: dict[str, str] | None = None) -> Path:
    tree(root, "a.png", "b.png")
    pq.write_table(pa.table(columns).replace_schema_metadata(metadata), root / "x.parquet")
    return root / "x.parquet"


def test_paths_are_relative_to_the_file_and_labels_positions_or_names(tmp_path: Path) -> None:
    for labels in (["kiwi", "pear"], [2, 1]):
        path = table(tmp_path, {"label": labels, "path": ["b.png", "a.png"], "width": [1, 2]})
        assert short(tmp_path, listing(parquet_images, path)) == [("b.png", 2, -1), ("a.png", 1, -1)]


def test_several_labels(tmp_path: Path) -> None:
    path = table(tmp_path, {"labels": ["kiwi|pear", "1"], "path": ["b.png", "a.png"]})
    assert [(one.label, one.also) for one in listing(parquet_images, path)] == [(2, (1,)), (1, ())]
    path = table(tmp_path, {"labels": ["kiwi|pear", "1"], "image": [b"", b""]})
    assert [(one.label, one.also) for one in listing(parquet_images, path)] == [(2, (1,)), (1, ())]
    path = table(tmp_path, {"labels": ["kiwi"], "label": ["kiwi"], "path": ["a.png"]})
    text = "SET: has the columns label and labels. Allowed: one of them."
    assert message(parquet_images, path) == text
    assert listing(parquet_images, path, label="labels")[0].label == 2


def test_class_names_of_hugging_face_are_matched_by_name(tmp_path: Path) -> None:
    names = {"info": {"features": {"label": {"_type": "ClassLabel", "names": ["pear", "kiwi", "apple"]}}}}
    path = table(tmp_path, {"image": [b"", b""], "label": [0, 2]}, {"huggingface": json.dumps(names)})
    assert [(image.label, image.member) for image in listing(parquet_images, path)] == [
        (1, "image/0"),
        (0, "image/1"),
    ]


def test_a_named_column_of_images_wins_over_paths(tmp_path: Path) -> None:
    path = table(tmp_path, {"path": ["a.png"], "image": [b""], "label": ["pear"]})
    assert listing(parquet_images, path)[0].member is None
    assert listing(parquet_images, path, image="image")[0].member == "image/0"


@pytest.mark.parametrize(
    ("columns", "text"),
    [
        ({"file": ["a.png"], "label": [0]}, "SET: there is no column 'image'. Allowed: file, label."),
        (
            {"path": ["a.png"], "lable": [0]},
            "SET: there is no column 'label'. Allowed: path, lable. Did you mean 'lable'?",
        ),
        ({"path": ["c.png"], "label": [0]}, "SET[0]: there is no file FOLDER/c.png."),
        (
            {"path": ["a.png", "b.png", "a.png"], "label": [0, 0, 0]},
            "SET[2]: a.png is listed twice, first in SET[0].",
        ),
        ({"path": ["a.png"], "label": [True]}, "SET[0]: label: got true. Allowed: a class name or number."),
        ({"path": pa.array([], "string"), "label": pa.array([], "string")}, "SET: lists no images."),
    ],
)
def test_wrong_tables(tmp_path: Path, columns: dict[str, list[object]], text: str) -> None:
    error = message(parquet_images, table(tmp_path, columns))
    assert error.replace(str(tmp_path), "FOLDER") == text


def test_files_of_another_kind(tmp_path: Path) -> None:
    (tmp_path / "x.parquet").write_bytes(b"path,label\n")
    assert message(parquet_images, tmp_path / "x.parquet") == "SET: not a Parquet file, or damaged."
    assert message(parquet_images, tmp_path / "y.parquet") == "SET: there is no file y.parquet."


def test_a_damaged_column(tmp_path: Path) -> None:
    path = table(tmp_path, {"path": ["a.png"], "label": [0]})
    page = pq.ParquetFile(path).metadata.row_group(0).column(1).data_page_offset
    content = bytearray(path.read_bytes())
    content[page : page + 8] = b"\xff" * 8
    path.write_bytes(content)
    assert message(parquet_images, path) == "SET: the column 'label' cannot be read. The file is damaged."


def test_a_row_that_went_away(tmp_path: Path) -> None:
    path = table(tmp_path, {"image": [b""], "label": [0]})
    assert error_text(parquet_member, path, "image/1") == f"{path}: there is no row 1 in it."


def test_without_the_library(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "pyarrow", None)
    assert message(parquet_images, table(tmp_path, {"path": ["a.png"], "label": [0]})) == (
        "SET: the reader parquet needs pyarrow, which is not installed. "
        'Install it: pip install "quba-check[parquet]".'
    )


def test_an_image_that_two_files_list(tmp_path: Path) -> None:
    tree(tmp_path, "a.png", "b.png")
    for name, images in (("1", ["a.png", "b.png"]), ("2", ["./b.png"])):
        columns = {"path": images, "label": [0] * len(images)}
        pq.write_table(pa.table(columns), tmp_path / f"{name}.parquet")
    assert message(parquet_images, tmp_path) == (
        "SET/2.parquet[0]: ./b.png is listed twice, first in SET/1.parquet[1]."
    )
